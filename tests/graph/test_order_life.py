"""The life of an order in the core: in and out of turn, twice, too late, about nobody; nothing is lost or doubled."""

from typing import Any

import pytest
from desk_story import (
    CASH,
    DOLLAR,
    SHARE,
    Kind,
    Liquidity,
    OrderState,
    Reason,
    Reject,
    Side,
    Story,
    Token,
    Word,
    trading,
)  # fmt: skip
from inline_snapshot import snapshot

from graph.order_life import MOVES, may_move
from state.orders import STEPS, Act, StepCause, StepFate, TimeInForce

BOLD = {"fair_weight_ratio": 0.9, "weight_sd_ratio": 0.02, "mid_sd_ratio": 0.01}


def wanted() -> tuple[Story, Any]:
    """The desk wants some 960 UP at 0.50, and nobody has said anything of it yet."""
    story = trading(**BOLD)
    (order,) = story.sent
    assert order.amount_micros > 900 * SHARE and order.price_bps == 5_000
    story.lines.clear()
    return story, order


def steps(story: Story) -> list[str]:
    """Every step that the world remembers, in words."""
    world = story.world
    count = int(world.steps_count)
    rows = [world.steps[turn % STEPS] for turn in range(max(count - STEPS, 0), count)]
    return [_in_words(row) for row in rows]


def cut_micros(story: Story) -> int:
    """Shares that were told as matched beyond what was open, and so not booked."""
    return sum(int(step.amount_micros) for step in story.world.steps if step.fate_code == StepFate.CUT)


def _in_words(row: Any) -> str:
    cause, fate = StepCause(int(row.cause_code)), StepFate(int(row.fate_code))
    after = OrderState(int(row.to_code)).name if row.to_code in set(OrderState) else int(row.to_code)
    way = f"{OrderState(int(row.from_code)).name} > {after}"
    kinds: Any = Reason if cause is StepCause.DECIDED else Reject
    why = f" {kinds(int(row.why_code)).name}" if row.why_code else ""
    end = "" if fate is StepFate.TAKEN else f" [{fate.name}]"
    return f"#{row.order_id} {way} {row.amount_micros / SHARE:g} {cause.name}{why}{end}"


def test_the_table_of_moves_is_what_it_is() -> None:
    told = {before.name: " ".join(after.name for after in MOVES[before]) for before in OrderState}
    assert told == snapshot(
        {
            "NONE": "WANTED",
            "WANTED": "SIGNED SENT UNKNOWN HELD RESTING PARTLY NONE DONE REJECTED",
            "SIGNED": "SENT UNKNOWN HELD RESTING PARTLY NONE DONE REJECTED",
            "SENT": "UNKNOWN HELD RESTING PARTLY NONE DONE REJECTED",
            "HELD": "RESTING PARTLY NONE DONE REJECTED",
            "RESTING": "PARTLY CANCEL_SENT NONE DONE REJECTED",
            "PARTLY": "CANCEL_SENT NONE DONE REJECTED",
            "CANCEL_SENT": "HELD RESTING PARTLY NONE DONE REJECTED",
            "DONE": "",
            "REJECTED": "",
            "UNKNOWN": "HELD RESTING PARTLY NONE DONE REJECTED",
        }
    )
    pairs = [(before, after) for before in OrderState for after in OrderState]
    assert all(may_move(int(before), int(after)) == (after in MOVES[before]) for before, after in pairs)


def test_a_life_in_full_from_wish_to_end() -> None:
    story, order = wanted()
    for second, state in enumerate((OrderState.SIGNED, OrderState.SENT, OrderState.RESTING)):
        story.becomes(30 + 0.01 * second, order, state)
    story.fill(30.05, order, 400, Liquidity.MAKER)
    assert story.state(order) is OrderState.PARTLY
    story.answers = False
    story.price(30.2, 99_600.0)
    assert story.state(order) is OrderState.CANCEL_SENT
    story.fill(30.25, order, 100, Liquidity.MAKER)
    story.becomes(30.3, order, OrderState.DONE, Reject.CANCELLED)
    assert steps(story) == snapshot(
        [
            "#1 NONE > WANTED 966.18 DECIDED QUOTE_EDGE",
            "#1 WANTED > SIGNED 966.18 TOLD",
            "#1 SIGNED > SENT 966.18 TOLD",
            "#1 SENT > RESTING 966.18 TOLD",
            "#1 RESTING > PARTLY 400 MATCHED",
            "#1 PARTLY > CANCEL_SENT 566.18 DECIDED EDGE_GONE",
            "#1 CANCEL_SENT > CANCEL_SENT 100 MATCHED",
            "#1 CANCEL_SENT > DONE 466.18 TOLD CANCELLED",
        ]
    )
    market = story.market()
    assert (market.orders_count, market.pending_micros[0], market.pending_cost_micros) == (0, 0, 0)
    assert market.position.up_micros == 500 * SHARE and story.world.money.cash_micros == CASH - 250 * DOLLAR


def test_the_last_share_ends_an_order_whoever_says_so_first() -> None:
    story, order = wanted()
    story.answers = False
    story.fill(30, order, order.amount_micros / SHARE, Liquidity.MAKER)
    assert story.state(order) is OrderState.NONE and story.market().orders_count == len(story.placed()) - 1
    story.becomes(30.1, order, OrderState.DONE)
    assert steps(story) == snapshot(
        [
            "#1 NONE > WANTED 966.18 DECIDED QUOTE_EDGE",
            "#1 WANTED > DONE 966.18 MATCHED",
            "#2 NONE > WANTED 966.18 DECIDED QUOTE_EDGE",
            "#1 DONE > DONE 0 TOLD [SAME]",
        ]
    )


def test_news_that_comes_late_or_twice_or_cannot_be_changes_nothing_and_is_written_down() -> None:
    story, order = wanted()
    story.becomes(30, order, OrderState.RESTING)
    before = _without_steps(story)
    for told in (
        OrderState.RESTING, OrderState.SENT, OrderState.SIGNED, OrderState.HELD, OrderState.UNKNOWN, OrderState.WANTED,
        OrderState.CANCEL_SENT, 77,
    ):  # fmt: skip
        story.becomes(30, order, told)
        assert story.state(order) is OrderState.RESTING
    assert _without_steps(story) == before
    assert steps(story)[2:] == snapshot(
        [
            "#1 RESTING > RESTING 966.18 TOLD [SAME]",
            "#1 RESTING > SENT 966.18 TOLD [LATE]",
            "#1 RESTING > SIGNED 966.18 TOLD [LATE]",
            "#1 RESTING > HELD 966.18 TOLD [LATE]",
            "#1 RESTING > UNKNOWN 966.18 TOLD [LATE]",
            "#1 RESTING > WANTED 966.18 TOLD [IMPOSSIBLE]",
            "#1 RESTING > CANCEL_SENT 966.18 TOLD [IMPOSSIBLE]",
            "#1 RESTING > 77 966.18 TOLD [IMPOSSIBLE]",
        ]
    )


def _without_steps(story: Story) -> tuple[Any, ...]:
    market = story.market()
    return (
        market.pending_micros.tolist(), market.pending_cost_micros, market.orders_count, story.world.money.cash_micros,
        market.position.tobytes(),
    )  # fmt: skip


def test_only_a_refusal_gives_an_order_back_that_is_being_cancelled() -> None:
    story, order = wanted()
    story.answers = False
    story.becomes(30, order, OrderState.RESTING)
    story.price(30.2, 99_600.0)
    story.becomes(30.3, order, OrderState.RESTING)
    story.note("the news that it rests was late; the cancel is under way")
    assert story.state(order) is OrderState.CANCEL_SENT
    story.becomes(30.4, order, OrderState.RESTING, Reject.RATE_LIMITED)
    assert story.lines == snapshot(
        [
            "30.2 s: cancel order 1: 966.18 UP at 0.50, EDGE_GONE",
            "30.3 s: the news that it rests was late; the cancel is under way",
            "30.4 s: cancel order 1: 966.18 UP at 0.50, EDGE_GONE",
        ]
    )


def test_a_cancel_that_nobody_answers_is_asked_for_again() -> None:
    story, order = wanted()
    story.answers = False
    story.becomes(30, order, OrderState.RESTING)
    story.price(30.2, 99_600.0)
    for second in (31, 33, 35, 35.3, 36, 41):
        story.price(second, 99_600.0)
    assert story.lines == snapshot(
        [
            "30.2 s: cancel order 1: 966.18 UP at 0.50, EDGE_GONE",
            "35.3 s: cancel order 1: 966.18 UP at 0.50, CANCEL_REPEATED",
            "41 s: cancel order 1: 966.18 UP at 0.50, CANCEL_REPEATED",
        ]
    )


def _go(story: Story, order: Any, state: OrderState) -> None:
    """Bring the order into a state, by the world's own means."""
    if state is OrderState.PARTLY:
        story.becomes(30, order, OrderState.RESTING)
        story.fill(30, order, 100, Liquidity.MAKER)
    elif state is OrderState.CANCEL_SENT:
        story.becomes(30, order, OrderState.RESTING)
        story.answers = False
        story.price(30.05, 99_600.0)
        story.answers = True
    elif state is not OrderState.WANTED:
        story.becomes(30, order, state)
    assert story.state(order) is state


@pytest.mark.parametrize(
    "state",
    [
        OrderState.WANTED, OrderState.SIGNED, OrderState.SENT, OrderState.HELD, OrderState.RESTING, OrderState.PARTLY,
        OrderState.CANCEL_SENT, OrderState.UNKNOWN,
    ],
    ids=lambda state: state.name,
)  # fmt: skip
def test_while_an_order_may_still_match_no_other_is_placed_for_its_token(state: OrderState) -> None:
    story, order = wanted()
    _go(story, order, state)
    open_micros = int(order.amount_micros) - (100 * SHARE if state is OrderState.PARTLY else 0)
    for tenth in range(1, 20):
        story.price(30.1 + tenth / 10, 100_040.0)
        story.book(30.15 + tenth / 10, 4_900, 5_100)
        assert story.market().pending_micros[order.token_code] == open_micros
    assert len([each for each in story.placed() if each.token_code == order.token_code]) == 1
    story.becomes(32.2, order, OrderState.NONE if state is OrderState.UNKNOWN else OrderState.DONE)
    for tenth in range(5):
        story.book(32.3 + tenth / 10, 4_900, 5_100)
    assert len([each for each in story.placed() if each.token_code == order.token_code]) == 2


def test_a_match_after_the_end_is_booked_and_one_beyond_the_amount_is_not() -> None:
    story, order = wanted()
    story.answers = False
    story.becomes(30, order, OrderState.RESTING)
    story.becomes(30.1, order, OrderState.DONE, Reject.CANCELLED)
    for shares in (400, 500, 200):
        story.fill(30.2, order, shares, Liquidity.MAKER)
    assert story.market().position.up_micros == order.amount_micros
    assert cut_micros(story) == 1_100 * SHARE - order.amount_micros
    assert story.world.money.cash_micros == CASH - order.amount_micros // 2
    assert steps(story)[3:] == snapshot(
        [
            "#2 NONE > WANTED 966.18 DECIDED QUOTE_EDGE",
            "#1 DONE > DONE 400 MATCHED",
            "#1 DONE > DONE 500 MATCHED",
            "#1 DONE > DONE 133.82 MATCHED [CUT]",
            "#1 DONE > DONE 66.18 MATCHED",
        ]
    )


def test_a_match_told_twice_is_booked_once() -> None:
    story, order = wanted()
    story.answers = False
    for _ in range(2):
        story.fill(30.1, order, order.amount_micros / SHARE, Liquidity.MAKER)
    assert story.market().position.up_micros == order.amount_micros and story.market().position.fills_count == 1
    assert cut_micros(story) == order.amount_micros and story.state(order) is OrderState.NONE


def test_more_than_was_open_is_cut_to_what_was() -> None:
    story, order = wanted()
    story.answers = False
    story.fill(30, order, 700, Liquidity.MAKER)
    story.fill(30.1, order, 700, Liquidity.MAKER)
    assert story.market().position.up_micros == order.amount_micros
    assert cut_micros(story) == 1_400 * SHARE - order.amount_micros
    assert steps(story)[1:] == snapshot(
        [
            "#1 WANTED > PARTLY 700 MATCHED",
            "#1 PARTLY > PARTLY 433.82 MATCHED [CUT]",
            "#1 PARTLY > DONE 266.18 MATCHED",
            "#2 NONE > WANTED 966.18 DECIDED QUOTE_EDGE",
        ]
    )


def test_a_failure_of_what_nobody_booked_takes_nothing_back() -> None:
    story, order = wanted()
    story.answers = False
    story.reverse(30, order, 300)
    story.note("the failure came before its match: nothing stands that could be undone")
    assert story.world.money.cash_micros == CASH and story.market().position.up_micros == 0
    story.fill(30.1, order, 500, Liquidity.MAKER)
    for _ in range(2):
        story.reverse(30.2, order, 400)
    assert story.world.money.cash_micros == CASH and story.market().position.up_micros == 0
    assert story.market().position.reversed_count == 2
    assert steps(story)[1:] == snapshot(
        [
            "#1 WANTED > WANTED 300 REVERSED [UNFOUNDED]",
            "#1 WANTED > PARTLY 500 MATCHED",
            "#1 PARTLY > PARTLY 400 REVERSED",
            "#1 PARTLY > PARTLY 400 REVERSED [UNFOUNDED]",
        ]
    )


def test_a_failed_match_does_not_open_its_order_again() -> None:
    story, order = wanted()
    story.answers = False
    story.becomes(30, order, OrderState.RESTING)
    story.fill(30.1, order, 400, Liquidity.MAKER)
    story.reverse(30.2, order, 400)
    left = order.amount_micros - 400 * SHARE
    assert story.market().pending_micros[0] == left and story.state(order) is OrderState.PARTLY
    story.fill(30.3, order, 900, Liquidity.MAKER)
    assert story.market().position.up_micros == left and cut_micros(story) == 900 * SHARE - left


def test_a_quote_that_was_refused_is_not_placed_again_by_the_row_that_refused_it() -> None:
    story, order = wanted()
    story.becomes(30.1, order, OrderState.REJECTED, Reject.POST_ONLY_WOULD_CROSS)
    for tenth in range(2, 6):
        story.book(30 + tenth / 10, 4_900, 5_100)
    assert len(story.placed()) == 1
    story.book(30.7, 4_900, 5_100)
    assert len(story.placed()) == 2, "half a second later, as long as a quote lives at least, it may be tried again"
    story.settle(320, Token.UP)
    story.list_market(0, opens_s=600, second=330)
    assert story.market().refused_ns == 0


def test_an_order_that_nobody_here_wanted_is_ours_by_its_matches_and_known_from_then_on() -> None:
    story, _ = wanted()
    story.answers = False
    trade: dict[str, Any] = {"ref_id": 999, "amount_micros": 10 * SHARE, "price_bps": 4_000, "token_code": Token.DOWN}
    story.tell(30, Kind.FILL_REVERSED, **trade)
    assert story.market().position.down_micros == 0 and story.world.refused_count == 1
    for _ in range(2):
        story.tell(30.1, Kind.FILLED, **trade, code_id=Liquidity.TAKER)
    assert story.market().position.down_micros == 20 * SHARE
    story.tell(30.2, Kind.FILL_REVERSED, **trade)
    assert story.market().position.down_micros == 10 * SHARE and story.world.money.cash_micros == CASH - 4 * DOLLAR


def test_what_is_said_of_a_window_that_has_gone_never_lands_in_the_next_one() -> None:
    story, order = wanted()
    story.answers = False
    story.settle(320, Token.UP)
    story.list_market(0, opens_s=600, second=330)
    refused = story.world.refused_count
    story.fill(331, order, 100, Liquidity.MAKER)
    story.reverse(332, order, 100)
    position = story.market().position
    assert position.up_micros == position.fills_count == position.reversed_count == 0
    assert story.world.money.cash_micros == CASH and story.world.refused_count == refused + 2


def test_the_settlement_ends_what_is_open_and_says_so() -> None:
    story, order = wanted()
    story.answers = False
    story.becomes(30, order, OrderState.UNKNOWN)
    story.settle(320, Token.UP)
    assert steps(story)[-1] == snapshot("#1 UNKNOWN > DONE 966.18 SETTLED")
    assert story.market().orders_count == story.market().pending_cost_micros == 0


def test_the_ring_of_steps_forgets_the_oldest_and_counts_them_all() -> None:
    story, order = wanted()
    for _ in range(STEPS + 10):
        story.becomes(30, order, OrderState.SIGNED)
    world = story.world
    assert world.steps_count == STEPS + 11 and len(steps(story)) == STEPS
    assert {int(step.fate_code) for step in world.steps} == {StepFate.SAME}, "what it was wanted for is forgotten"


def test_a_taker_that_matched_in_part_is_never_pulled_and_its_rest_counts() -> None:
    story = trading(**BOLD, may_quote_count=0)
    story.price(30.4, 100_200.0)
    order = story.placed()[0]
    assert order.tif_code == TimeInForce.FAK and order.side_code == Side.BUY
    story.fill(30.5, order, 10)
    assert story.state(order) is OrderState.HELD
    story.say(30.6, Word.HALT)
    assert [each.act_code for each in story.sent] == [Act.PLACE]
    assert story.market().pending_micros[order.token_code] == order.amount_micros - 10 * SHARE
