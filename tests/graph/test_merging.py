"""Complete sets go back to money before the settlement: asked for once, booked once, and no dollar made on the way."""

from typing import Any

import pytest
from desk_story import CASH, DOLLAR, SHARE, Kind, Liquidity, Reject, Story, Token, Word, trading
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from state.orders import Act


def holding(up: float, down: float, **params: float) -> Story:
    """A desk that trades nothing itself holds shares of both tokens, matched in the window's 30th second."""
    story = trading(may_take_count=0, may_quote_count=0, **params)
    story.answers = False
    for order_id, token, shares, price in ((901, Token.UP, up, 4_000), (902, Token.DOWN, down, 5_000)):
        story.tell(
            30, Kind.FILLED, ref_id=order_id, amount_micros=round(shares * SHARE), price_bps=price, token_code=token,
            code_id=Liquidity.MAKER,
        )  # fmt: skip
    story.lines.clear()
    return story


def ticks(story: Story, first_s: int, last_s: int) -> None:
    for second in range(first_s, last_s):
        story.price(second, 99_990.0)


def test_complete_sets_are_merged_once_what_matched_is_on_chain() -> None:
    story = holding(12.5, 10)
    ticks(story, 31, 60)
    (merge,) = story.sent
    assert (merge.act_code, merge.order_id, merge.amount_micros) == (Act.MERGE, 1, 10 * SHARE)
    story.note("asked for once; nothing is booked before it is done")
    assert story.world.money.cash_micros == CASH - 10 * DOLLAR
    story.merged(62, 1, 10)
    ticks(story, 63, 80)
    position = story.market().position
    assert (position.up_micros, position.down_micros, position.merged_micros) == (2_500_000, 0, 10 * SHARE)
    assert story.world.money.cash_micros == CASH and position.realized_micros == 0
    assert story.world.money.day_realized_micros == 0
    story.settle(350, Token.UP)
    assert story.world.money.cash_micros == CASH + 2_500_000 == CASH + position.realized_micros
    assert story.lines == snapshot(
        ["40 s: merge 10 complete sets, SETS_MERGED", "59 s: asked for once; nothing is booked before it is done"]
    )


def test_a_refused_merge_is_not_argued_with_for_a_minute() -> None:
    story = holding(10, 10)
    ticks(story, 31, 45)
    story.merged(45, 1, 0, Reject.FAILED)
    ticks(story, 46, 200)
    assert story.lines == snapshot(
        ["40 s: merge 10 complete sets, SETS_MERGED", "105 s: merge 10 complete sets, SETS_MERGED"]
    )
    assert story.market().position.up_micros == 10 * SHARE and story.world.money.cash_micros == CASH - 9 * DOLLAR


def test_what_was_merged_counts_once_however_often_it_is_said() -> None:
    story = holding(10, 10)
    ticks(story, 31, 45)
    for number in (1, 1, 7):
        story.merged(46, number, 10)
    assert story.market().position.merged_micros == 10 * SHARE and story.world.refused_count == 2
    assert story.world.money.cash_micros == CASH + DOLLAR


def test_a_merge_made_by_hand_is_booked_too() -> None:
    story = holding(10, 10)
    story.merged(35, 0, 4)
    assert (story.market().position.up_micros, story.market().position.down_micros) == (6 * SHARE, 6 * SHARE)
    assert story.world.money.cash_micros == CASH - 5 * DOLLAR


def test_more_sets_than_there_are_cannot_have_been_merged() -> None:
    story = holding(10, 4)
    story.merged(35, 0, 4.01)
    assert (story.market().position.up_micros, story.market().position.down_micros) == (10 * SHARE, 4 * SHARE)
    assert story.market().position.merged_micros == 0 and story.world.refused_count == 1


def test_a_merge_is_no_order_and_knows_no_least_order() -> None:
    story = holding(3, 3, merge_micros=2 * SHARE)
    ticks(story, 31, 60)
    assert [int(each.amount_micros) for each in story.sent] == [3 * SHARE], "the venue's least order is five shares"


@pytest.mark.parametrize(
    ("why", "params", "shares"),
    [
        ("too few", {}, 4.99),
        ("not allowed", {"may_merge_count": 0}, 100),
        ("not worth it", {"merge_micros": 200 * SHARE}, 100),
        ("no time left", {"merge_quiet_ns": 270 * 10**9}, 100),
    ],
)
def test_no_merge_is_asked_for_when_it_is_not_wanted(why: str, params: dict[str, float], shares: float) -> None:
    story = holding(shares, shares, **params)
    ticks(story, 31, 290)
    assert story.sent == [], why


def test_a_halted_desk_merges_nothing_until_work_resumes() -> None:
    story = holding(10, 10)
    story.say(31, Word.HALT)
    ticks(story, 32, 60)
    assert story.sent == []
    story.say(60, Word.RESUME)
    assert [each.act_code for each in story.sent] == [Act.MERGE]


def test_one_merge_is_under_way_at_a_time() -> None:
    story = holding(10, 10)
    story.list_market(1, opens_s=0, second=30)
    for order_id, token in ((903, Token.UP), (904, Token.DOWN)):
        story.tell(
            30, Kind.FILLED, 1, ref_id=order_id, amount_micros=20 * SHARE, price_bps=4_000, token_code=token,
            code_id=Liquidity.MAKER,
        )  # fmt: skip
    for second in range(31, 60):
        story.tell(second, Kind.TICKED)
    assert [(int(each.slot_id), int(each.order_id)) for each in story.sent] == [(0, 1)]
    story.merged(60, 1, 10)
    story.tell(61, Kind.TICKED)
    assert [(int(each.slot_id), int(each.order_id)) for each in story.sent] == [(0, 1), (1, 2)]


def test_a_merge_heard_of_after_the_payout_pays_no_dollar_twice() -> None:
    story = holding(10, 10)
    ticks(story, 31, 45)
    story.settle(350, Token.DOWN)
    cash, realized = int(story.world.money.cash_micros), int(story.market().position.realized_micros)
    story.merged(351, 1, 10)
    assert (story.world.money.cash_micros, story.market().position.realized_micros) == (cash, realized)
    assert story.market().position.settled_micros == story.market().position.up_micros == 0


deeds = st.lists(
    st.tuples(st.sampled_from(("up", "down", "merged", "by hand", "refused", "tick")), st.integers(1, 5_000)),
    max_size=30,
)


@settings(max_examples=60)
@given(deeds, st.sampled_from(Token), st.booleans())
def test_merging_neither_makes_nor_loses_money(script: list[tuple[str, int]], outcome: Token, late: bool) -> None:
    story = holding(40, 40)
    shares: dict[Any, int] = {Token.UP: 40 * SHARE, Token.DOWN: 40 * SHARE}
    second = 31.0
    for turn, (deed, hundredths) in enumerate(script):
        second = 31.0 + 5 * turn
        micros = hundredths * 10_000
        under_way = int(story.market().merge_id)
        if deed in ("up", "down"):
            token = Token.UP if deed == "up" else Token.DOWN
            story.tell(
                second, Kind.FILLED, ref_id=1_000 + turn, amount_micros=micros, price_bps=100 * (1 + turn),
                token_code=token, code_id=Liquidity.TAKER,
            )  # fmt: skip
            shares[token] += micros
        elif deed == "by hand" or (deed == "merged" and under_way):
            amount = micros if deed == "by hand" else int(story.market().merge_micros)
            story.merged(second, 0 if deed == "by hand" else under_way, amount / SHARE)
            if amount <= min(shares.values()):
                shares = {token: held - amount for token, held in shares.items()}
        elif deed == "refused" and under_way:
            story.merged(second, under_way, 0)
        else:
            story.price(second, 99_990.0)
        position = story.market().position
        assert {Token.UP: position.up_micros, Token.DOWN: position.down_micros} == shares
        assert story.world.money.cash_micros + story.cost_micros() == CASH
    under_way, amount = int(story.market().merge_id), int(story.market().merge_micros)
    story.settle(350, outcome)
    if late and under_way:
        story.merged(351, under_way, amount / SHARE)
        if amount <= min(shares.values()):
            shares = {token: held - amount for token, held in shares.items()}
    money = story.world.money
    assert money.cash_micros == CASH - story.cost_micros() + shares[outcome]
    assert money.cash_micros == CASH + money.day_realized_micros
