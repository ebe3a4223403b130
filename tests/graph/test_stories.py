"""Stories of the core: what happens, told by hand, and what it does about it, line by line."""

from typing import Any

import pytest
from desk_story import (
    CASH,
    DOLLAR,
    SHARE,
    FeedState,
    Kind,
    Liquidity,
    OrderState,
    Phase,
    Reason,
    Reject,
    Side,
    Story,
    StrikeSource,
    Token,
    Word,
    trading,
)  # fmt: skip
from inline_snapshot import snapshot

from state.events import Source
from state.orders import Act

BOLD = {"fair_weight_ratio": 0.9, "weight_sd_ratio": 0.02, "mid_sd_ratio": 0.01}


def quoting() -> Story:
    """A quote for UP rests at 0.50 in a book of 49/51."""
    story = trading(**BOLD)
    (order,) = story.sent
    story.becomes(30, order, OrderState.RESTING)
    story.lines.clear()
    return story


def test_a_whole_window_from_listing_to_settlement() -> None:
    story = Story(**BOLD, may_quote_count=0)
    story.list_market()
    story.prices(-120, 0, 99_990.0)
    assert story.lines == [] and story.market().phase_code == Phase.LISTED
    story.price(0, 99_990.0)
    story.strike(1, 100_000.0)
    story.prices(2, 6, 99_990.0)
    story.book(6.1, 4_900, 5_100)
    story.prices(7, 10, 99_990.0)
    story.book(9.9, 4_900, 5_100)
    story.note("the coin jumps, the book stays where it is")
    story.price(10.4, 100_200.0)
    (order,) = story.sent
    story.becomes(10.6, order, OrderState.HELD)
    story.fill(10.75, order, order.amount_micros / SHARE)
    story.fee(10.75, order, 17_493_000)
    story.becomes(10.75, order, OrderState.DONE)
    story.book(10.8, 7_400, 7_600)
    story.note("the book has followed")
    story.price(11.4, 100_200.0)
    story.answers = False
    for second in range(12, 300):
        story.price(second, 100_200.0)
    story.price(300, 100_200.0)
    assert story.market().phase_code == Phase.CLOSED
    story.settle(352, Token.UP, 100_200.0)
    story.note("settled")
    money = story.world.money
    position = story.market().position
    assert story.lines == snapshot(
        [
            "0 s: desk stands aside: NO_BOOK",
            "1 s: desk stands aside: NO_BOOK",
            "2 s: desk stands aside: NO_BOOK",
            "3 s: desk stands aside: NO_BOOK",
            "4 s: desk stands aside: NO_BOOK",
            "5 s: desk stands aside: NO_BOOK",
            "6.1 s: desk allows take UP, quote -",
            "7 s: desk stands aside: EDGE_THIN",
            "8 s: desk allows take DOWN, quote -",
            "9 s: desk allows take UP, quote -",
            "9.9 s: desk allows take UP, quote -",
            "9.9 s: the coin jumps, the book stays where it is",
            "10.4 s: place order 1: 966.18 UP at 0.51 FAK, TAKE_EDGE",
            "10.4 s: desk allows take UP, quote -",
            "10.8 s: desk allows take UP, quote -",
            "10.8 s: the book has followed",
            "11.4 s: place order 2: 647.02 UP at 0.76 FAK, TAKE_EDGE",
            "352 s: settled",
        ]
    )
    assert position.up_micros == position.settled_micros == order.amount_micros
    assert position.realized_micros == position.up_micros - position.spent_micros - position.fees_micros > 0
    assert (
        money.cash_micros == CASH + position.realized_micros and money.day_realized_micros == position.realized_micros
    )


def test_a_quote_is_pulled_when_its_edge_goes() -> None:
    story = quoting()
    story.answers = False
    story.price(30.2, 99_600.0)
    assert story.lines == snapshot(["30.2 s: cancel order 1: 966.18 UP at 0.50, EDGE_GONE"])
    assert story.sent[-1].mandate_id == story.sent[0].mandate_id and story.market().orders_count == 1
    story.becomes(30.4, story.sent[0], OrderState.DONE)
    assert story.market().orders_count == story.market().pending_cost_micros == story.market().pending_micros[0] == 0


def test_a_cancel_that_the_venue_refuses_is_asked_for_again() -> None:
    story = quoting()
    story.answers = False
    story.price(30.2, 99_600.0)
    story.price(30.3, 99_600.0)
    assert len(story.sent) == 2
    story.becomes(30.4, story.sent[0], OrderState.RESTING, Reject.RESTARTING)
    assert [command.act_code for command in story.sent] == [Act.PLACE, Act.CANCEL, Act.CANCEL]


def test_a_halt_pulls_all_and_nothing_is_placed_until_work_resumes() -> None:
    story = quoting()
    story.say(30.1, Word.HALT)
    story.becomes(30.2, story.sent[0], OrderState.DONE)
    story.price(30.4, 99_990.0)
    story.price(31.5, 99_990.0)
    story.book(31.6, 4_900, 5_100)
    story.say(31.7, Word.RESUME)
    story.book(31.8, 4_900, 5_100)
    story.price(32.5, 99_990.0)
    assert story.lines == snapshot(
        [
            "30.1 s: cancel order 1: 966.18 UP at 0.50, OPERATOR_PULLED",
            "30.4 s: desk stands aside: HALTED",
            "31.5 s: desk stands aside: EDGE_THIN",
            "32.5 s: desk allows take -, quote DOWN",
            "32.5 s: place order 2: 1020.4 DOWN at 0.49 GTC, QUOTE_EDGE",
        ]
    )


def test_a_gap_in_the_feed_empties_the_book_and_pulls_what_rests() -> None:
    story = quoting()
    story.tell(30.1, Kind.FEED_CHANGED, 0, Source.POLYMARKET_BOOK, code_id=FeedState.GAP)
    market = story.market()
    assert list(market.touch_bps) == [-1, -1] and not market.has_mid and market.book_seen_ns == 0
    assert not any(book.valid for book in market.books)
    story.becomes(30.2, story.sent[0], OrderState.DONE)
    story.price(30.5, 99_990.0)
    story.level(30.6, Side.BUY, 5_000, 10)
    story.note("a change without a snapshot before it")
    story.price(31, 99_990.0)
    story.book(31.2, 4_900, 5_100)
    assert story.lines == snapshot(
        [
            "30.1 s: cancel order 1: 966.18 UP at 0.50, BOOK_STALE",
            "30.1 s: desk stands aside: NO_BOOK",
            "30.6 s: a change without a snapshot before it",
            "31 s: desk stands aside: NO_BOOK",
        ]
    )
    assert market.has_mid and list(market.touch_bps) == [4_900, 5_100]


def test_a_second_word_on_the_same_window_is_counted_and_changes_nothing() -> None:
    story = quoting()
    story.fill(30.5, story.sent[0], 100, Liquidity.MAKER)
    story.settle(350, Token.UP)
    cash, realized = int(story.world.money.cash_micros), int(story.world.money.day_realized_micros)
    learnt = story.world.learner.windows_count
    assert (cash - CASH, realized) == (50 * DOLLAR, 50 * DOLLAR)
    for second, outcome in ((350, Token.UP), (360, Token.DOWN)):
        before = story.world.refused_count
        story.settle(second, outcome)
        assert story.world.refused_count == before + 1
    assert (story.world.money.cash_micros, story.world.money.day_realized_micros) == (cash, realized)
    assert story.world.learner.windows_count == learnt and story.market().outcome_code == Token.UP
    assert story.world.money.settled_count == 1


def test_a_fill_that_failed_is_undone_to_the_last_micro() -> None:
    story = quoting()
    order = story.sent[0]
    story.fill(30.5, order, 100.03, Liquidity.MAKER)
    story.fee(30.5, order, 1_234)
    assert story.world.money.cash_micros == CASH - story.cost_micros() == CASH - 50_015_000 - 1_234
    story.reverse(31, order, 100.03)
    story.fee(31, order, -1_234)
    position = story.market().position
    assert story.world.money.cash_micros == CASH and position.up_micros == story.cost_micros() == 0
    assert (position.fills_count, position.reversed_count, bool(position.first_reversed)) == (1, 1, True)
    story.settle(350, Token.UP)
    assert story.world.money.cash_micros == CASH and story.world.money.day_realized_micros == 0


def test_a_mandate_older_than_the_standing_one_is_refused() -> None:
    story = trading()
    older, newer = story.desk(), story.desk()
    story.give(newer)
    refused = story.world.refused_count
    for late in (older, newer):
        story.give(late)
        assert story.market().mandate.mandate_id == newer.mandate_id
    assert story.world.refused_count == refused + 2


def test_a_mandate_for_the_window_before_never_stands_in_the_next_one() -> None:
    story = trading()
    late = story.desk()
    story.settle(320, Token.UP)
    story.list_market(0, opens_s=600, second=330)
    refused = story.world.refused_count
    story.give(late)
    assert story.market().mandate.mandate_id == 0 and story.world.refused_count == refused + 1


def test_a_mandate_ends_and_takes_its_quote_with_it() -> None:
    story = quoting()
    story.answers = False
    story.book(30.5, 4_900, 5_100)
    story.price(31.0, 99_990.0)
    assert story.lines == snapshot(["31 s: cancel order 1: 966.18 UP at 0.50, MANDATE_ENDED"])


def test_no_more_windows_carry_risk_than_allowed() -> None:
    story = trading(**BOLD, concurrent_count=1)
    (order,) = story.sent
    story.fill(30, order, 10, Liquidity.MAKER)
    story.list_market(1, opens_s=0, second=30)
    story.strike(30.1, 100_000.0, slot=1, source=StrikeSource.VENUE)
    story.lines.clear()
    story.book(30.5, 4_900, 5_100, slot=1)
    assert story.lines == snapshot(["30.5 s: desk stands aside: CONCURRENT_FULL"])
    assert {int(each.slot_id) for each in story.sent} == {0}


def test_the_position_limit_counts_what_rests_and_what_is_filled() -> None:
    story = quoting()
    limit = 300 * DOLLAR
    story.world.params.position_micros = limit
    order = story.sent[0]
    story.fill(30.2, order, order.amount_micros / SHARE - 1, Liquidity.MAKER)
    story.lines.clear()
    story.book(30.9, 4_900, 5_100)
    mandate = story.desk()
    assert (mandate.reason_code, mandate.take_mask, mandate.quote_mask) == (Reason.POSITION_FULL, 0, 0)


def test_an_order_is_never_sent_twice_while_its_answer_is_out() -> None:
    story = trading(**BOLD)
    assert len(story.sent) == 1
    for second in (30.0, 30.1, 30.2):
        story.book(second, 4_900, 5_100)
    assert len(story.sent) == 1 and story.market().pending_micros[0] == story.sent[0].amount_micros


def test_what_names_no_market_is_counted_and_changes_nothing() -> None:
    story = Story()
    for kind in (Kind.LEVEL_SET, Kind.TRADE_SEEN, Kind.SETTLED, Kind.FILLED, Kind.STRIKE_SEEN, Kind.ORDER_CHANGED):
        for slot in (0, 8, 65_535):
            before = story.world.refused_count
            assert story.tell(1, kind, slot, Source.POLYMARKET_BOOK) == 0
            assert story.world.refused_count == before + 1
    assert story.world.money.cash_micros == CASH


def _settled_with(shares: float) -> tuple[Story, Any]:
    story = trading(**BOLD)
    story.answers = False
    (order,) = story.sent
    if shares:
        story.fill(29.95, order, shares, Liquidity.MAKER)
    story.becomes(29.95, order, OrderState.DONE)
    story.settle(350, Token.UP)
    return story, order


def test_the_position_limit_holds_while_a_mandate_is_on_its_way() -> None:
    story = trading(**BOLD, position_micros=300 * DOLLAR)
    story.answers = False
    (order,) = story.sent
    story.becomes(29.95, order, OrderState.DONE)
    standing, coming = story.desk(), story.desk()
    story.give(standing)
    story.fill(29.96, story.sent[-1], story.sent[-1].amount_micros / SHARE, Liquidity.MAKER)
    story.becomes(29.96, story.sent[-1], OrderState.DONE)
    story.give(coming)
    assert story.cost_micros() + story.market().pending_cost_micros <= 300 * DOLLAR


def test_a_trade_that_fails_after_the_settlement_leaves_nothing_behind() -> None:
    story, order = _settled_with(100)
    assert story.world.money.cash_micros == CASH + 50 * DOLLAR
    story.reverse(360, order, 100)
    assert story.world.money.cash_micros == CASH and story.world.money.day_realized_micros == 0


def test_a_fill_heard_of_after_the_settlement_is_paid_out() -> None:
    story, order = _settled_with(0)
    story.fill(351, order, 100, Liquidity.MAKER)
    assert story.world.money.cash_micros == CASH + 50 * DOLLAR
    assert story.world.money.day_realized_micros == 50 * DOLLAR


@pytest.mark.parametrize("second", [31, 310])
def test_a_slot_that_holds_shares_is_not_given_away_before_its_settlement(second: int) -> None:
    story = trading(**BOLD)
    story.answers = False
    (order,) = story.sent
    story.fill(29.95, order, 100, Liquidity.MAKER)
    story.world.halted_code = Word.HALT
    story.becomes(29.95, order, OrderState.DONE)
    story.price(second, 100_000.0)
    assert story.market().orders_count == 0
    refused = story.world.refused_count
    story.list_market(0, opens_s=600, second=second)
    assert story.market().position.up_micros == 100 * SHARE and story.world.refused_count == refused + 1


def test_our_own_two_bids_never_meet() -> None:
    story = trading(**BOLD)
    story.price(30.1, 99_990.0)
    bids = {int(each.token_code): int(each.price_bps) for each in story.sent if each.act_code == Act.PLACE}
    assert sum(bids.values()) < 10_000 or len(bids) < 2
