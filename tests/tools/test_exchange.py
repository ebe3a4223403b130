"""The matching model, told as stories: what the venue said, when, and why."""

import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from state.events import LAST_IN_FRAME, Event, FeedState, Kind, Side, Source, Token
from state.exchange import Exchange, VenueOrderState
from state.orders import Act, Command, Liquidity, OrderState, Reject, TimeInForce
from state.records import as_dict, one, rows
from state.rules import Rule
from state.units import MICROS, NS_PER_MS, NS_PER_S
from tools.delays import delay_at, draw_ppm, set_delay, set_fixed, set_lognormal, set_measured
from tools.exchange import (
    advance_to,
    apply_event,
    attend,
    next_due_ns,
    open_exchange,
    poll,
    run_until,
    set_no_delays,
    submit,
)
from tools.queue import ahead_after_cancels

OPEN_NS = 1_792_638_000 * NS_PER_S
"""A window of 2026-10-22: TWAP-60, fee 0.07, hold 150 ms."""
SHARE = DOLLAR = 1_000_000
BUY, SELL = int(Side.BUY), int(Side.SELL)
UP, DOWN = int(Token.UP), int(Token.DOWN)
GTC, GTD, FOK, FAK = TimeInForce.GTC, TimeInForce.GTD, TimeInForce.FOK, TimeInForce.FAK
Level = tuple[int, int, float]
BOOK: tuple[Level, ...] = ((BUY, 4_900, 100), (BUY, 4_800, 200), (SELL, 5_100, 50), (SELL, 5_200, 80))


def at(ms: float) -> int:
    return OPEN_NS + round(ms * NS_PER_MS)


def row(kind: Kind, ms: float, **columns: Any) -> Any:
    event: Any = one(Event)
    event.kind_code = kind
    event.at_ns = at(ms)
    event.seen_ns = at(ms)
    event.source_code = Source.POLYMARKET_BOOK
    event.flags_mask = LAST_IN_FRAME
    for name, value in columns.items():
        event[name] = value
    return event


def frame_rows(ms: float, levels: tuple[Level, ...], token: int = UP, snapshot_first: bool = False) -> list[Any]:
    made = [row(Kind.BOOK_CLEARED, ms, token_code=token, flags_mask=0)] if snapshot_first else []
    for side, price, shares in levels:
        columns = {"token_code": token, "side_code": side, "price_bps": price, "amount_micros": round(shares * SHARE)}
        made.append(row(Kind.LEVEL_SET, ms, flags_mask=0, **columns))
    made[-1].flags_mask = LAST_IN_FRAME
    return made


def frame(exchange: Exchange, ms: float, *levels: Level, token: int = UP) -> None:
    for event in frame_rows(ms, levels, token):
        apply_event(exchange, event)


def trade(exchange: Exchange, ms: float, side: int, price: int, shares: float, token: int = UP) -> None:
    amount = round(shares * SHARE)
    apply_event(
        exchange, row(Kind.TRADE_SEEN, ms, token_code=token, side_code=side, price_bps=price, amount_micros=amount)
    )


def venue(levels: tuple[Level, ...] = BOOK, cash: int = 1_000, **terms: Any) -> Exchange:
    """Open a venue without delays, with one listed market and its first snapshot."""
    exchange = one(Exchange)
    open_exchange(exchange, 11, cash * DOLLAR)
    set_no_delays(exchange)
    for name, value in terms.items():
        exchange.terms[name] = value  # type: ignore[index]
    listed = {"ref_id": OPEN_NS, "span_s": 300, "price_bps": 100, "amount_micros": 5 * SHARE}
    apply_event(exchange, row(Kind.MARKET_LISTED, -5_000, source_code=Source.GAMMA, **listed))
    for event in frame_rows(-1_000, levels, snapshot_first=True):
        apply_event(exchange, event)
    return exchange


def order(order_id: int, side: int, price: int, shares: float, tif: int = GTC, **more: Any) -> Command:
    command: Any = one(Command)
    command.act_code = Act.PLACE
    command.order_id = order_id
    command.side_code = side
    command.price_bps = price
    command.amount_micros = round(shares * SHARE)
    command.tif_code = tif
    for name, value in more.items():
        command[name] = value
    return command  # type: ignore[no-any-return]


def cancel(order_id: int, act: Act = Act.CANCEL) -> Command:
    command: Any = one(Command)
    command.act_code = act
    command.order_id = order_id
    return command  # type: ignore[no-any-return]


def words(event: Any) -> str:
    ms = (event.seen_ns - OPEN_NS) / NS_PER_MS
    kind, shares = Kind(event.kind_code), f"{event.amount_micros / SHARE:g}"
    if kind == Kind.ORDER_CHANGED:
        why = f" {Reject(event.flags_mask).name}" if event.flags_mask else ""
        return f"{ms:g} #{event.ref_id} {OrderState(event.code_id).name} open {shares}{why}"
    if kind in (Kind.FILLED, Kind.FILL_REVERSED):
        side, token = Side(event.side_code).name, Token(event.token_code).name
        as_whom = f" {Liquidity(event.code_id).name}" if kind == Kind.FILLED else ""
        return f"{ms:g} #{event.ref_id} {kind.name} {side} {token} {shares} @ {event.price_bps / 10_000:g}{as_whom}"
    return f"{ms:g} #{event.ref_id} {kind.name} {event.amount_micros / DOLLAR:g}"


def messages(exchange: Exchange, ms: float) -> list[Any]:
    """Give what has reached the desk by a time, after the venue has done what is due by then."""
    advance_to(exchange, at(ms))
    out = rows(Event, 64)
    return [event.copy() for event in out[: poll(exchange, at(ms), out, 64)]]


def said(exchange: Exchange, ms: float) -> list[str]:
    return [words(event) for event in messages(exchange, ms)]


def conserve(exchange: Exchange) -> None:
    """Nothing is made or lost, and no table ran over."""
    account = exchange.account
    paid = account.bought_micros + account.fees_micros
    got = account.sold_micros + account.payouts_micros + account.rebates_micros
    assert account.cash_micros == account.deposited_micros - paid + got
    assert exchange.tally.overflow_count == 0
    busy = [row for row in exchange.orders if row.state_code != VenueOrderState.FREE]
    assert len(busy) == exchange.orders_count == sum(market.orders_count for market in exchange.markets)
    for each in busy:
        assert each.open_micros + each.filled_micros == each.amount_micros
        assert each.open_micros > 0


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


def test_money_that_is_promised_is_not_spent_twice() -> None:
    exchange = venue(cash=60)
    submit(exchange, order(1, BUY, 4_900, 100), at(0))
    submit(exchange, order(2, BUY, 4_900, 23), at(1))
    submit(exchange, order(3, BUY, 5_100, 21, FAK), at(2))
    submit(exchange, order(4, BUY, 4_900, 22), at(3))
    assert said(exchange, 140) == snapshot(
        [
            "0 #1 RESTING open 100",
            "1 #2 REJECTED open 0 NOT_ENOUGH_BALANCE",
            "2 #3 REJECTED open 0 NOT_ENOUGH_BALANCE",
            "3 #4 RESTING open 22",
        ]
    )


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


def test_a_match_that_fails_on_chain_is_undone_with_its_fee() -> None:
    exchange = venue(failure_ppm=MICROS)
    set_fixed(exchange.terms.failure, 2_200 * NS_PER_MS)
    submit(exchange, order(1, BUY, 5_100, 50, FAK), at(0))
    said(exchange, 150)
    assert exchange.markets[0].up_micros == 50 * SHARE
    assert said(exchange, 3_000) == snapshot(["2350 #1 FILL_REVERSED BUY UP 50 @ 0.51", "2350 #1 FEE_CHARGED -0.87465"])
    assert exchange.markets[0].up_micros == 0
    assert exchange.account.cash_micros == 1_000 * DOLLAR
    conserve(exchange)


def test_messages_can_be_lost_doubled_and_late() -> None:
    lost = venue(lost_ppm=MICROS)
    submit(lost, order(1, BUY, 4_900, 10), at(0))
    assert said(lost, 1_000) == [] and lost.orders_count == 1
    doubled = venue(duplicated_ppm=MICROS)
    submit(doubled, order(1, BUY, 4_900, 10), at(0))
    assert said(doubled, 1_000) == ["0 #1 RESTING open 10"] * 2
    late = venue(late_ppm=MICROS)
    set_fixed(late.terms.lateness, 700 * NS_PER_MS)
    submit(late, order(1, BUY, 4_900, 10), at(0))
    assert said(late, 1_000) == ["700 #1 RESTING open 10"]


def test_each_way_has_its_own_delay() -> None:
    exchange = venue()
    for name, ms in (("submit", 30), ("cancel", 20), ("answer", 10), ("report", 5)):
        set_fixed(exchange.terms[name], ms * NS_PER_MS)  # type: ignore[index]
    submit(exchange, order(1, BUY, 5_100, 10, FAK), at(0))
    submit(exchange, order(2, BUY, 4_900, 10), at(1))
    submit(exchange, cancel(2), at(50))
    assert next_due_ns(exchange) == at(30)
    assert said(exchange, 1_000) == snapshot(
        [
            "40 #1 HELD open 10",
            "41 #2 RESTING open 10",
            "80 #2 DONE open 0 CANCELLED",
            "185 #1 FILLED BUY UP 10 @ 0.51 TAKER",
            "185 #1 FEE_CHARGED 0.17493",
            "185 #1 DONE open 0",
        ]
    )


def test_a_maker_waits_for_those_ahead_and_then_is_filled_by_trades() -> None:
    exchange = venue()
    submit(exchange, order(1, BUY, 4_900, 30), at(0))
    trade(exchange, 10, SELL, 4_900, 60)
    frame(exchange, 11, (BUY, 4_900, 40))
    assert exchange.orders[0].ahead_micros == 40 * SHARE
    trade(exchange, 20, BUY, 5_100, 500)
    trade(exchange, 30, SELL, 4_900, 50)
    frame(exchange, 31, (BUY, 4_900, 0))
    trade(exchange, 40, SELL, 4_900, 7.142856)
    trade(exchange, 50, SELL, 4_900, 500)
    assert said(exchange, 100) == snapshot(
        [
            "0 #1 RESTING open 30",
            "30 #1 FILLED BUY UP 10 @ 0.49 MAKER",
            "30 #1 RESTING open 20",
            "40 #1 FILLED BUY UP 7.14 @ 0.49 MAKER",
            "40 #1 RESTING open 12.86",
            "50 #1 FILLED BUY UP 12.86 @ 0.49 MAKER",
            "50 #1 DONE open 0",
        ]
    )
    assert exchange.account.fees_micros == 0
    assert exchange.account.rebate_micros > 0
    conserve(exchange)


def test_a_print_and_its_decrease_count_once_in_either_order() -> None:
    left = []
    for print_first in (True, False):
        exchange = venue()
        submit(exchange, order(1, BUY, 4_900, 30), at(0))
        frame(exchange, 5, (BUY, 4_900, 300))
        if print_first:
            trade(exchange, 10, SELL, 4_900, 60)
        frame(exchange, 12, (BUY, 4_900, 240))
        if not print_first:
            trade(exchange, 14, SELL, 4_900, 60)
        left.append(exchange.orders[0].ahead_micros / SHARE)
    assert left == [40, 40]


def test_cancels_are_shared_between_those_ahead_and_behind() -> None:
    exchange = venue()
    submit(exchange, order(1, BUY, 4_900, 30), at(0))
    frame(exchange, 10, (BUY, 4_900, 400))
    frame(exchange, 20, (BUY, 4_900, 300))
    assert exchange.orders[0].ahead_micros == 75 * SHARE
    frame(exchange, 30, (BUY, 4_900, 50))
    assert exchange.orders[0].ahead_micros == snapshot(12_500_000)
    assert ahead_after_cancels(100, 300, 100, 1) == 75
    assert ahead_after_cancels(100, 300, 100, 2) == 90, "a longer part behind gives more of the cancels"
    assert ahead_after_cancels(300, 100, 100, 2) == 210
    assert ahead_after_cancels(100, 300, 390, 2) == 10, "never more ahead than is displayed"


def test_a_trade_beyond_our_price_came_to_us_first() -> None:
    exchange = venue()
    submit(exchange, order(1, BUY, 4_900, 30), at(0))
    submit(exchange, order(2, BUY, 5_000, 5), at(1))
    trade(exchange, 10, SELL, 4_800, 20)
    assert said(exchange, 20)[2:] == snapshot(
        [
            "10 #2 FILLED BUY UP 5 @ 0.5 MAKER",
            "10 #2 DONE open 0",
            "10 #1 FILLED BUY UP 15 @ 0.49 MAKER",
            "10 #1 RESTING open 15",
        ]
    )


def test_our_own_orders_at_a_level_are_filled_in_turn_by_one_trade() -> None:
    exchange = venue()
    submit(exchange, order(1, BUY, 4_900, 10), at(0))
    frame(exchange, 1, (BUY, 4_900, 120))
    submit(exchange, order(2, BUY, 4_900, 10), at(2))
    trade(exchange, 10, SELL, 4_900, 135)
    fills = [line for line in said(exchange, 20) if "FILLED" in line]
    assert fills == snapshot(["10 #1 FILLED BUY UP 10 @ 0.49 MAKER", "10 #2 FILLED BUY UP 5 @ 0.49 MAKER"])


def test_quotes_that_reach_our_price_fill_us_and_those_beyond_fill_us_wholly() -> None:
    exchange = venue()
    submit(exchange, order(1, BUY, 4_900, 30), at(0))
    frame(exchange, 10, (BUY, 4_900, 0), (SELL, 4_900, 12))
    frame(exchange, 20, (SELL, 4_900, 0), (SELL, 4_800, 1), (BUY, 4_800, 0))
    assert said(exchange, 30)[1:] == snapshot(
        [
            "10 #1 FILLED BUY UP 12 @ 0.49 MAKER",
            "10 #1 RESTING open 18",
            "20 #1 FILLED BUY UP 18 @ 0.49 MAKER",
            "20 #1 DONE open 0",
        ]
    )
    conserve(exchange)


def test_without_prints_a_stated_share_of_what_leaves_the_touch_is_a_trade() -> None:
    exchange = venue(trades_known=False, touch_trade_ppm=500_000)
    submit(exchange, order(1, BUY, 4_900, 30), at(0))
    submit(exchange, order(2, BUY, 4_800, 30), at(0))
    frame(exchange, 10, (BUY, 4_900, 40))  # 60 left the touch: 30 traded, 30 cancelled from those ahead of us
    assert exchange.orders[0].ahead_micros == 40 * SHARE
    frame(exchange, 20, (BUY, 4_900, 0))  # 20 traded, 20 cancelled
    assert exchange.orders[0].ahead_micros == 0
    frame(exchange, 30, (BUY, 4_800, 150))  # 50 left the new touch: 25 of them traded, through our better price
    assert said(exchange, 40)[2:] == snapshot(["30 #1 FILLED BUY UP 25 @ 0.49 MAKER", "30 #1 RESTING open 5"])
    assert exchange.orders[1].ahead_micros == 150 * SHARE


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


def test_downs_rows_and_ups_rows_are_the_same_book() -> None:
    exchange = venue()
    before = as_dict(exchange.markets[0].book)
    for event in frame_rows(5, tuple((1 - s, 10_000 - p, n) for s, p, n in BOOK), DOWN, snapshot_first=True):
        apply_event(exchange, event)
    after = as_dict(exchange.markets[0].book)
    for changing in ("at_ns", "seen_ns", "updates_count", "whole"):
        before.pop(changing), after.pop(changing)
    assert before == after


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


def test_a_gap_in_the_feed_stops_trading_until_a_snapshot_comes() -> None:
    exchange = venue()
    submit(exchange, order(1, BUY, 4_900, 10), at(0))
    apply_event(exchange, row(Kind.FEED_CHANGED, 10, code_id=FeedState.GAP, ref_id=2))
    trade(exchange, 15, SELL, 4_700, 500)
    submit(exchange, order(2, BUY, 4_900, 10), at(20))
    for event in frame_rows(30, BOOK, snapshot_first=True):
        apply_event(exchange, event)
    submit(exchange, order(3, BUY, 4_900, 10), at(40))
    assert said(exchange, 50) == snapshot(
        ["0 #1 RESTING open 10", "20 #2 REJECTED open 0 MARKET_NOT_READY", "40 #3 RESTING open 10"]
    )


def test_settlement_pays_the_winner_and_ends_every_order() -> None:
    exchange = venue()
    submit(exchange, order(1, BUY, 5_100, 50, FAK), at(0))
    submit(exchange, order(2, BUY, 4_900, 10), at(1))
    said(exchange, 200)
    cash = exchange.account.cash_micros
    submit(exchange, order(3, BUY, 5_200, 50, FAK), at(354_900))
    apply_event(exchange, row(Kind.SETTLED, 355_000, source_code=Source.GAMMA, code_id=Token.UP))
    submit(exchange, order(4, BUY, 4_900, 10), at(355_001))
    assert said(exchange, 360_000) == snapshot(
        [
            "354900 #3 HELD open 50",
            "355000 #3 DONE open 0 MARKET_CLOSED",
            "355000 #2 DONE open 0 MARKET_CLOSED",
            "355001 #4 REJECTED open 0 MARKET_CLOSED",
        ]
    )
    assert exchange.account.cash_micros == cash + 50 * DOLLAR
    conserve(exchange)


def test_the_rebate_is_paid_at_midnight_if_it_makes_a_dollar() -> None:
    paid = []
    for shares in (200, 300):
        exchange = venue()
        submit(exchange, order(1, BUY, 5_000, shares), at(0))
        trade(exchange, 10, SELL, 5_000, shares)
        midnight = (OPEN_NS // (86_400 * NS_PER_S) + 1) * 86_400 * NS_PER_S
        paid.append([line.split(" ", 1)[1] for line in said(exchange, (midnight - OPEN_NS) / NS_PER_MS)[3:]])
        conserve(exchange)
    assert paid == snapshot([[], ["#0 REBATE_PAID 1.05"]])


def test_the_rules_of_the_market_overrule_the_registry() -> None:
    exchange = venue()
    for rule, value in ((Rule.TAKER_HOLD_NS, 0), (Rule.FEE_RATE_PPM, 0), (Rule.SHARES_MIN_MICROS, 50 * SHARE)):
        apply_event(exchange, row(Kind.RULE_GIVEN, -500, code_id=rule, ref_id=value))
    submit(exchange, order(1, BUY, 5_100, 50), at(0))
    submit(exchange, order(2, BUY, 4_900, 49), at(0))
    assert said(exchange, 0) == snapshot(
        ["0 #1 FILLED BUY UP 50 @ 0.51 TAKER", "0 #1 DONE open 0", "0 #2 REJECTED open 0 BELOW_MIN_SHARES"]
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


moves = st.one_of(
    st.tuples(st.just("level"), st.sampled_from((BUY, SELL)), st.integers(1, 6), st.integers(0, 60)),
    st.tuples(st.just("trade"), st.sampled_from((BUY, SELL)), st.integers(-6, 6), st.integers(1, 9_000)),
    st.tuples(st.just("order"), st.integers(0, 31), st.integers(-6, 6), st.integers(5, 80)),
    st.tuples(st.just("cancel"), st.integers(0, 40), st.just(0), st.just(0)),
)


def play(exchange: Exchange, script: list[tuple[str, int, int, int]]) -> list[Any]:
    """Play a random script on the venue, checking its laws at every step; answers all messages."""
    told: list[Any] = []
    ahead: dict[int, int] = {}
    for step, (what, a, b, c) in enumerate(script):
        ms = 40 * step
        if what == "level":
            frame(exchange, ms, (a, 5_000 - 100 * b if a == BUY else 5_000 + 100 * b, c))
        elif what == "trade":
            trade(exchange, ms, a, 5_000 + 100 * b, c / 100)
        elif what == "order":
            side, token, post = a & 1, a >> 1 & 1, a >> 4 & 1
            tif = (GTC, FAK, GTC, FOK)[a >> 2 & 3]
            submit(exchange, order(step + 1, side, 5_000 + 100 * b, c, tif, token_code=token, post_only=post), at(ms))
        else:
            submit(exchange, cancel(a), at(ms))
        told += messages(exchange, ms + 20)
        conserve(exchange)
        resting = {int(o.order_id): o for o in exchange.orders if o.state_code == VenueOrderState.RESTING}
        for order_id, each in resting.items():
            assert 0 <= each.ahead_micros <= max(ahead.get(order_id, 10**15), 0), "a queue only ever gets shorter"
        ahead = {order_id: int(each.ahead_micros) for order_id, each in resting.items()}
    told += messages(exchange, 40 * len(script) + 10_000)
    return told


@given(st.lists(moves, max_size=40), st.sampled_from((0, 300_000)), st.booleans())
@settings(max_examples=120, deadline=None)
def test_nothing_is_made_or_lost_whatever_happens(
    script: list[tuple[str, int, int, int]], failure_ppm: int, trades_known: bool
) -> None:
    exchange = venue(cash=500, failure_ppm=failure_ppm, trades_known=trades_known)
    told = play(exchange, script)
    conserve(exchange)
    assert exchange.failures_count == 0 and exchange.account.cash_micros >= 0
    held, asked = {UP: 0, DOWN: 0}, {step + 1: c * SHARE for step, (w, _, _, c) in enumerate(script) if w == "order"}
    filled = dict.fromkeys(asked, 0)
    cash = 500 * DOLLAR
    for event in told:
        kind, sign = Kind(event.kind_code), 1 - 2 * int(event.side_code)
        amount, value = int(event.amount_micros), int(event.price_bps) * int(event.amount_micros) // 10_000
        if kind == Kind.FILLED:
            held[int(event.token_code)] += sign * amount
            cash -= sign * value
            filled[int(event.ref_id)] += amount
        elif kind == Kind.FILL_REVERSED:
            held[int(event.token_code)] -= sign * amount
            cash += sign * value
        elif kind == Kind.FEE_CHARGED:
            cash -= amount
    assert all(filled[order_id] <= asked[order_id] for order_id in asked)
    assert held == {UP: exchange.markets[0].up_micros, DOWN: exchange.markets[0].down_micros}
    assert cash == exchange.account.cash_micros, "the messages alone account for every micro"


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 4_000)), max_size=30), st.integers(0, 300), st.integers(1, 3))
@settings(max_examples=150, deadline=None)
def test_a_maker_is_never_filled_before_the_queue_ahead_is_gone(
    steps: list[tuple[bool, int]], first: int, power: int
) -> None:
    levels = ((BUY, 4_900, first), (SELL, 5_100, 50)) if first else ((BUY, 100, 1), (SELL, 5_100, 50))
    exchange = venue(levels, behind_power_count=power)
    submit(exchange, order(1, BUY, 4_900, 100), at(0))
    messages(exchange, 0)
    displayed, traded, gone, filled = first * SHARE, 0, 0, 0
    for step, (is_trade, lots) in enumerate(steps):
        ms, size = 1_000 * (step + 1), lots * 10_000
        if is_trade:
            trade(exchange, ms, SELL, 4_900, size / SHARE)
            part = min(size, displayed)
            traded, displayed = traded + size, displayed - part
            if part:
                frame(exchange, ms + 1, (BUY, 4_900, displayed / SHARE))
        else:
            gone += max(displayed - size, 0)
            displayed = size
            frame(exchange, ms, (BUY, 4_900, displayed / SHARE))
        ahead = exchange.orders[0].ahead_micros
        new = sum(int(e.amount_micros) for e in messages(exchange, ms + 2) if e.kind_code == Kind.FILLED)
        assert new == 0 or ahead == 0
        filled += new
        assert filled <= max(traded + gone - first * SHARE, 0)
        assert filled <= traded
        if filled == 100 * SHARE:
            return


def test_the_door_for_a_live_shell_does_it_all_in_one_call() -> None:
    exchanges: Any = rows(Exchange, 1)
    exchanges[0] = venue()
    commands, out, none = rows(Command, 4), rows(Event, 8), rows(Event, 0)
    commands[0] = order(1, BUY, 4_900, 10)
    commands[1] = order(2, BUY, 5_100, 10, FAK)
    assert attend(exchanges, commands, 2, at(0), none, at(0), out) == 2
    assert [words(event) for event in out[:2]] == ["0 #1 RESTING open 10", "0 #2 HELD open 10"]
    came = rows(Event, 1)
    came[0] = row(Kind.LEVEL_SET, 120, side_code=SELL, price_bps=5_100, amount_micros=0)
    assert attend(exchanges, commands, 0, at(200), came, at(200), out) == 1
    assert words(out[0]) == "150 #2 DONE open 0 FAK_NO_MATCH"


def test_the_same_seed_says_the_same_and_another_seed_does_not() -> None:
    def story(seed: int) -> list[str]:
        exchange = venue()
        open_exchange(exchange, seed, 1_000 * DOLLAR)
        for event in frame_rows(-900, BOOK, snapshot_first=True):
            apply_event(exchange, event)
        told = []
        for number in range(8):
            submit(exchange, order(number + 1, BUY, 4_900 + 200 * (number % 2), 5, (GTC, FAK)[number % 2]), at(number))
        for ms in range(0, 2_000, 50):
            told += said(exchange, ms)
        return told

    assert story(3) == story(3)
    assert story(3) != story(4)


def test_a_driver_of_whole_recordings_stops_at_each_message_and_sees_the_same() -> None:
    recording: list[Any] = []
    for step in range(200):
        recording += frame_rows(10 * step, ((BUY, 4_900, 100 - step % 7 * 10), (SELL, 5_100, 50 + step % 3 * 20)))
        recording.append(row(Kind.TRADE_SEEN, 10 * step + 3, side_code=SELL, price_bps=4_900, amount_micros=3 * SHARE))
        recording.append(row(Kind.PRICE_SEEN, 10 * step + 4, value_usd=1.0))
    events = rows(Event, len(recording))
    for i, event in enumerate(recording):
        events[i] = event

    def commands(exchange: Exchange, ms: int) -> None:
        if ms % 250 == 0:
            submit(exchange, order(ms + 1, BUY, 4_900 if ms % 500 else 5_100, 20), at(ms))

    stepped, driven = venue(cash=10_000), venue(cash=10_000)
    for exchange in (stepped, driven):
        for way in (exchange.terms.submit, exchange.terms.answer, exchange.terms.report):
            set_lognormal(way, 5 * NS_PER_MS, 12 * NS_PER_MS, 40 * NS_PER_MS)
    told: list[list[str]] = [[], []]
    cursor = 0
    out = rows(Event, 8)
    for ms in range(0, 3_000, 10):
        for event in events[(events["at_ns"] <= at(ms)) & (events["at_ns"] > at(ms - 10))]:
            apply_event(stepped, event)
        told[0] += said(stepped, ms)
        commands(stepped, ms)
        while True:
            cursor = run_until(driven, events, cursor, at(ms))
            count = poll(driven, driven.clock_ns, out, 8)
            if count == 0:
                break
            assert driven.clock_ns <= at(ms) and all(event.seen_ns <= driven.clock_ns for event in out[:count])
            told[1] += [words(event) for event in out[:count]]
        commands(driven, ms)
    assert told[0] == told[1]
    assert len(told[0]) > 20 and cursor == len(events)


STORY = """
import sys
sys.path[:0] = ["tests", "tests/tools"]
from test_exchange import *
import numpy as np
rng = np.random.default_rng(9)
kinds = ("level", "level", "trade", "trade", "order", "cancel")
script = []
for _ in range(150):
    what = kinds[rng.integers(6)]
    a = int(rng.integers(0, {"level": 2, "trade": 2, "order": 32, "cancel": 41}[what]))
    b = int(rng.integers(1, 7)) if what == "level" else int(rng.integers(-6, 7))
    c = int(rng.integers(5, 80)) if what != "trade" else int(rng.integers(1, 9000))
    script.append((what, a, b, c))
exchange = venue(failure_ppm=200_000, late_ppm=100_000, duplicated_ppm=100_000, trades_known=bool(len(script) % 2))
for way in (exchange.terms.submit, exchange.terms.answer, exchange.terms.report):
    set_lognormal(way, 5 * NS_PER_MS, 12 * NS_PER_MS, 40 * NS_PER_MS)
exchange.terms.behind_power_count = 2
for event in play(exchange, script):
    print(as_dict(event))
print(as_dict(exchange))
"""


def test_plain_python_and_compiled_code_say_the_same_to_the_last_bit() -> None:
    told = []
    for off in ("0", "1"):
        environment = {**os.environ, "NUMBA_DISABLE_JIT": off}
        run = subprocess.run(
            [sys.executable, "-W", "error::RuntimeWarning", "-c", STORY],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr[-2_000:]
        told.append(run.stdout)
    assert told[0] == told[1]
    assert told[0].count("'kind_code': 18") > 10, "the story has fills in it"


def test_draws_are_even_and_do_not_know_of_each_other() -> None:
    import numpy as np

    draws = np.array(
        [[draw_ppm(seed, subject, purpose) for subject in range(3_000)] for seed in (0, 1) for purpose in (1, 2)]
    )
    assert draws.min() >= 0 and draws.max() < MICROS
    for lane in draws:
        counts, _ = np.histogram(lane, bins=10, range=(0, MICROS))
        assert ((counts - 300) ** 2 / 300).sum() < 35  # chi-square, 9 degrees of freedom
    off_diagonal = np.corrcoef(draws) - np.eye(4)
    assert abs(off_diagonal).max() < 0.08
    assert abs(np.corrcoef(draws[0][1:], draws[0][:-1])[0, 1]) < 0.08


def test_delays_follow_their_data() -> None:
    terms = venue().terms
    delay = terms.submit
    set_lognormal(delay, 10, 30, 90)
    assert (delay_at(delay, 500_000), delay_at(delay, 950_000)) == (30, 90)
    assert 10 <= delay_at(delay, 0) < delay_at(delay, 999_999)
    set_measured(delay, [step * 7 for step in range(1, 101)])
    assert (delay_at(delay, 0), delay_at(delay, 500_000), delay_at(delay, MICROS)) == (7, 350, 700)
    set_delay(delay, ((0, 100), (500_000, 200), (MICROS, 600)))
    assert [delay_at(delay, level) for level in (0, 250_000, 750_000, MICROS)] == [100, 150, 400, 600]
    for wrong in (((0, 5),), ((0, 5), (MICROS, 4)), ((1, 5), (MICROS, 6)), ((0, -1), (MICROS, 4))):
        with pytest.raises(ValueError, match="delay"):
            set_delay(delay, wrong)
    with pytest.raises(ValueError, match="too few"):
        set_measured(delay, [1, 2, 3])
    with pytest.raises(ValueError, match="least < median"):
        set_lognormal(delay, 10, 10, 20)
