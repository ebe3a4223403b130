"""Orders at the venue, told as stories: what it said, when, and why."""

import pytest
from inline_snapshot import snapshot
from venue_play import (
    BUY,
    DOLLAR,
    DOWN,
    FAK,
    FOK,
    GTD,
    SELL,
    SHARE,
    at,
    cancel,
    conserve,
    frame,
    messages,
    order,
    row,
    said,
    trade,
    venue,
)

from state.events import Kind
from state.orders import Act, Command, Reject
from tools.exchange import apply_event, submit


def test_a_taker_walks_the_book_after_the_hold_and_pays_the_fee_of_each_level() -> None:
    exchange = venue()
    submit(exchange, order(1, BUY, 5_200, 100, FAK), at(0))
    assert said(exchange, 149) == snapshot(["0 #1 HELD open 100"])
    assert said(exchange, 150) == snapshot(
        [
            "150 #1 FILLED BUY UP 50 @ 0.51 TAKER",
            "150 #1 FEE_CHARGED 0.87465",
            "150 #1 FILLED BUY UP 50 @ 0.52 TAKER",
            "150 #1 FEE_CHARGED 0.8736",
            "150 #1 DONE open 0",
        ]
    )
    assert exchange.account.cash_micros == 1_000 * DOLLAR - 51_500_000 - 1_748_250
    assert exchange.markets[0].up_micros == 100 * SHARE
    conserve(exchange)


def test_a_maker_who_pulls_during_the_hold_leaves_the_taker_with_nothing() -> None:
    exchange = venue()
    submit(exchange, order(1, BUY, 5_100, 50, FAK), at(0))
    frame(exchange, 120, (SELL, 5_100, 0))
    assert said(exchange, 200) == snapshot(["0 #1 HELD open 50", "150 #1 DONE open 0 FAK_NO_MATCH"])
    conserve(exchange)


def test_a_better_price_that_comes_during_the_hold_is_taken() -> None:
    exchange = venue()
    submit(exchange, order(1, BUY, 5_100, 60, FAK), at(0))
    frame(exchange, 149, (SELL, 5_000, 20))
    assert said(exchange, 200)[1:] == snapshot(
        [
            "150 #1 FILLED BUY UP 20 @ 0.5 TAKER",
            "150 #1 FEE_CHARGED 0.35",
            "150 #1 FILLED BUY UP 40 @ 0.51 TAKER",
            "150 #1 FEE_CHARGED 0.69972",
            "150 #1 DONE open 0",
        ]
    )


def test_at_equal_times_the_market_moves_first() -> None:
    exchange = venue()
    submit(exchange, order(1, BUY, 5_100, 50, FAK), at(0))
    frame(exchange, 150, (SELL, 5_100, 0))
    assert said(exchange, 200)[1:] == snapshot(["150 #1 DONE open 0 FAK_NO_MATCH"])


def test_what_we_took_is_gone_for_us_until_the_feed_shows_more() -> None:
    exchange = venue()
    submit(exchange, order(1, BUY, 5_100, 50, FAK), at(0))
    submit(exchange, order(2, BUY, 5_100, 50, FAK), at(200))
    frame(exchange, 400, (SELL, 5_100, 65))
    submit(exchange, order(3, BUY, 5_100, 50, FAK), at(410))
    frame(exchange, 600, (SELL, 5_100, 13))
    submit(exchange, order(4, BUY, 5_100, 5, FAK), at(610))
    frame(exchange, 620, (SELL, 5_100, 0))
    frame(exchange, 630, (SELL, 5_100, 30))
    submit(exchange, order(5, BUY, 5_100, 50, FAK), at(700))
    fills = [line for line in said(exchange, 1_000) if "FILLED" in line or "NO_MATCH" in line]
    assert fills == snapshot(
        [
            "150 #1 FILLED BUY UP 50 @ 0.51 TAKER",
            "200 #2 REJECTED open 0 FAK_NO_MATCH",
            "560 #3 FILLED BUY UP 15 @ 0.51 TAKER",
            "610 #4 REJECTED open 0 FAK_NO_MATCH",
            "850 #5 FILLED BUY UP 30 @ 0.51 TAKER",
        ]
    )
    conserve(exchange)


def test_fill_or_kill_takes_all_or_nothing() -> None:
    exchange = venue()
    submit(exchange, order(1, BUY, 5_200, 131, FOK), at(0))
    submit(exchange, order(2, BUY, 5_200, 130, FOK), at(1))
    submit(exchange, order(3, BUY, 5_000, 10, FOK), at(2))
    assert said(exchange, 500) == snapshot(
        [
            "0 #1 HELD open 131",
            "1 #2 HELD open 130",
            "2 #3 REJECTED open 0 FOK_NOT_FILLED",
            "150 #1 DONE open 0 FOK_NOT_FILLED",
            "151 #2 FILLED BUY UP 50 @ 0.51 TAKER",
            "151 #2 FEE_CHARGED 0.87465",
            "151 #2 FILLED BUY UP 80 @ 0.52 TAKER",
            "151 #2 FEE_CHARGED 1.39776",
            "151 #2 DONE open 0",
        ]
    )


def test_the_rest_of_a_taker_rests_and_is_not_filled_by_what_it_took() -> None:
    exchange = venue()
    submit(exchange, order(1, BUY, 5_100, 80), at(0))
    frame(exchange, 300, (BUY, 4_800, 150))
    assert said(exchange, 400) == snapshot(
        [
            "0 #1 HELD open 80",
            "150 #1 FILLED BUY UP 50 @ 0.51 TAKER",
            "150 #1 FEE_CHARGED 0.87465",
            "150 #1 RESTING open 30",
        ]
    )
    frame(exchange, 500, (SELL, 5_100, 62))
    assert said(exchange, 600) == snapshot(["500 #1 FILLED BUY UP 12 @ 0.51 MAKER", "500 #1 RESTING open 18"])
    conserve(exchange)


def test_post_only_orders_and_cancels_are_never_held() -> None:
    exchange = venue()
    submit(exchange, order(1, BUY, 5_100, 10, post_only=True), at(0))
    submit(exchange, order(2, BUY, 5_000, 10, post_only=True), at(1))
    submit(exchange, order(3, SELL, 5_000, 10, post_only=True), at(2))
    submit(exchange, cancel(2), at(3))
    submit(exchange, cancel(9), at(4))
    assert said(exchange, 10) == snapshot(
        [
            "0 #1 REJECTED open 0 POST_ONLY_WOULD_CROSS",
            "1 #2 RESTING open 10",
            "2 #3 REJECTED open 0 POST_ONLY_WOULD_CROSS",
            "3 #2 DONE open 0 CANCELLED",
            "4 #9 NONE open 0 UNKNOWN_ORDER",
        ]
    )


def test_what_is_held_cannot_be_cancelled() -> None:
    exchange = venue()
    submit(exchange, order(1, BUY, 5_100, 10, FAK), at(0))
    submit(exchange, order(2, BUY, 4_900, 10), at(1))
    submit(exchange, cancel(1), at(50))
    submit(exchange, cancel(0, Act.CANCEL_MARKET), at(60))
    assert said(exchange, 150) == snapshot(
        [
            "0 #1 HELD open 10",
            "1 #2 RESTING open 10",
            "50 #1 HELD open 10 NOT_CANCELLABLE",
            "60 #2 DONE open 0 CANCELLED",
            "150 #1 FILLED BUY UP 10 @ 0.51 TAKER",
            "150 #1 FEE_CHARGED 0.17493",
            "150 #1 DONE open 0",
        ]
    )


@pytest.mark.parametrize(
    ("command", "reject"),
    [
        (order(1, BUY, 4_905, 10), Reject.OFF_TICK),
        (order(1, BUY, 0, 10), Reject.PRICE_OUT_OF_RANGE),
        (order(1, BUY, 9_910, 10), Reject.PRICE_OUT_OF_RANGE),
        (order(1, BUY, 4_900, 4.99), Reject.BELOW_MIN_SHARES),
        (order(1, BUY, 5_100, 4.99), Reject.BELOW_MIN_SHARES),
        (order(1, BUY, 5_100, 0.001, FAK), Reject.BELOW_MIN_SHARES),
        (order(1, BUY, 5_100, 1.96, FAK), Reject.BELOW_MIN_NOTIONAL),
        (order(1, BUY, 5_100, 1.97, FAK), Reject.NONE),
        (order(1, BUY, 5_000, 10, FAK), Reject.FAK_NO_MATCH),
        (order(1, BUY, 5_100, 10, FAK, post_only=True), Reject.FAILED),
        (order(1, BUY, 4_900, 10, GTD, expires_ns=at(59_000)), Reject.EXPIRED),
        (order(1, BUY, 4_900, 3_000), Reject.NOT_ENOUGH_BALANCE),
        (order(1, SELL, 5_300, 5), Reject.NOT_ENOUGH_BALANCE),
        (order(1, BUY, 4_900, 10, slot_id=1), Reject.MARKET_NOT_READY),
        (order(1, BUY, 4_900, 10, slot_id=99), Reject.MARKET_NOT_READY),
    ],
)
def test_what_the_venue_would_refuse_is_refused_with_its_reason(command: Command, reject: Reject) -> None:
    exchange = venue()
    submit(exchange, command, at(0))
    (answer,) = messages(exchange, 10)
    assert Reject(answer.flags_mask) == reject
    assert exchange.tally.refused_count == (reject != Reject.NONE)
    assert exchange.orders_count == (reject == Reject.NONE)


def test_a_finer_tick_opens_finer_prices_and_leaves_orders_where_they_are() -> None:
    exchange = venue(((BUY, 9_600, 100), (SELL, 9_700, 100)))
    submit(exchange, order(1, BUY, 9_650, 10), at(0))
    submit(exchange, order(2, BUY, 9_600, 10), at(0))
    apply_event(exchange, row(Kind.TICK_CHANGED, 5, price_bps=10))
    submit(exchange, order(3, BUY, 9_650, 10), at(10))
    assert said(exchange, 10) == snapshot(
        ["0 #1 REJECTED open 0 OFF_TICK", "0 #2 RESTING open 10", "10 #3 RESTING open 10"]
    )
    assert exchange.markets[0].book.epoch_count == 1


def test_a_good_till_date_order_ends_a_minute_before_its_date() -> None:
    exchange = venue()
    submit(exchange, order(1, BUY, 4_900, 10, GTD, expires_ns=at(180_000)), at(0))
    assert said(exchange, 119_999) == snapshot(["0 #1 RESTING open 10"])
    assert said(exchange, 120_000) == snapshot(["120000 #1 DONE open 0 EXPIRED"])


def test_an_engine_restart_refuses_everything_and_then_takes_only_post_only_orders() -> None:
    exchange = venue(restart_first_ns=at(1_000))
    submit(exchange, order(1, BUY, 4_900, 10), at(0))
    submit(exchange, order(2, BUY, 5_100, 10, FAK), at(900))
    submit(exchange, order(3, BUY, 4_900, 10), at(1_000))
    submit(exchange, cancel(1), at(1_001))
    submit(exchange, order(4, BUY, 4_900, 10), at(91_000))
    submit(exchange, order(5, BUY, 4_900, 10, post_only=True), at(91_001))
    submit(exchange, cancel(1), at(91_002))
    submit(exchange, order(6, BUY, 4_900, 10), at(211_000))
    assert said(exchange, 300_000) == snapshot(
        [
            "0 #1 RESTING open 10",
            "900 #2 HELD open 10",
            "1000 #3 REJECTED open 0 RESTARTING",
            "1001 #1 RESTING open 10 RESTARTING",
            "1050 #2 DONE open 0 RESTARTING",
            "91000 #4 REJECTED open 0 POST_ONLY_MODE",
            "91001 #5 RESTING open 10",
            "91002 #1 DONE open 0 CANCELLED",
            "211000 #6 RESTING open 10",
        ]
    )


def test_buying_down_is_selling_up_and_is_told_in_downs_terms() -> None:
    exchange = venue()
    submit(exchange, order(1, BUY, 5_200, 120, FAK, token_code=DOWN), at(0))  # Up is bid 49 and 48 cents
    submit(exchange, order(2, BUY, 4_800, 10, token_code=DOWN), at(1))  # an offer of Up at 52 cents
    trade(exchange, 10, SELL, 4_800, 85, token=DOWN)  # somebody buys Up at 52 cents
    assert said(exchange, 200) == snapshot(
        [
            "0 #1 HELD open 120",
            "1 #2 RESTING open 10",
            "10 #2 FILLED BUY DOWN 5 @ 0.48 MAKER",
            "10 #2 RESTING open 5",
            "150 #1 FILLED BUY DOWN 100 @ 0.51 TAKER",
            "150 #1 FEE_CHARGED 1.7493",
            "150 #1 FILLED BUY DOWN 20 @ 0.52 TAKER",
            "150 #1 FEE_CHARGED 0.34944",
            "150 #1 DONE open 0",
        ]
    )
    assert (exchange.markets[0].up_micros, exchange.markets[0].down_micros) == (0, 125 * SHARE)
    conserve(exchange)


def test_we_never_trade_with_ourselves() -> None:
    exchange = venue()
    submit(exchange, order(1, BUY, 5_000, 10), at(0))
    submit(exchange, order(2, BUY, 5_000, 20, FAK, token_code=DOWN), at(10))  # sells Up at 50 cents or better
    submit(exchange, order(3, BUY, 5_000, 10, post_only=True, token_code=DOWN), at(20))
    assert said(exchange, 200) == snapshot(
        [
            "0 #1 RESTING open 10",
            "10 #2 HELD open 20",
            "20 #3 REJECTED open 0 POST_ONLY_WOULD_CROSS",
            "160 #1 DONE open 0 CANCELLED",
            "160 #2 DONE open 0 FAK_NO_MATCH",
        ]
    )


def test_a_table_that_is_full_refuses_and_never_overflows() -> None:
    exchange = venue(cash=10**6)
    for number in range(70):
        submit(exchange, order(number + 1, BUY, 4_900, 5), at(0))
    answers = messages(exchange, 1) + messages(exchange, 1)
    assert [Reject(answer.flags_mask) for answer in answers] == [Reject.NONE] * 64 + [Reject.TOO_MANY_ORDERS] * 6
    sent = [submit(exchange, cancel(number + 1), at(2)) for number in range(200)]
    assert sent == [Reject.NONE] * 128 + [Reject.TOO_MANY_ORDERS] * 72
    conserve(exchange)
