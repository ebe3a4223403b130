"""Money and shares at the venue: fees, failures, settlement, rebates, and what is promised already."""

from typing import Any

from inline_snapshot import snapshot
from venue_play import BUY, DOLLAR, FAK, OPEN_NS, SELL, SHARE, at, conserve, order, row, said, trade, venue

from state.events import Kind, Source, Token
from state.orders import Act, Command
from state.records import one
from state.units import MICROS, NS_PER_MS, NS_PER_S
from tools.delays import set_fixed
from tools.exchange import apply_event, submit


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


def merge(number: int, shares: float, ms: float = 0) -> Command:
    command: Any = one(Command)
    command.act_code, command.order_id, command.at_ns = Act.MERGE, number, at(ms)
    command.amount_micros = round(shares * SHARE)
    return command  # type: ignore[no-any-return]


def test_complete_sets_become_dollars_and_nothing_else_is_merged() -> None:
    exchange = venue()
    set_fixed(exchange.terms.merge, 4_000 * NS_PER_MS)
    submit(exchange, order(1, BUY, 5_100, 50, FAK), at(0))
    submit(exchange, order(2, BUY, 5_100, 30, FAK, token_code=Token.DOWN), at(0))
    said(exchange, 200)
    cash = exchange.account.cash_micros
    for number, shares in ((1, 30), (2, 30), (3, 0)):
        submit(exchange, merge(number, shares), at(1_000))
    submit(exchange, order(3, BUY, 4_900, 10), at(1_001))
    assert said(exchange, 6_000) == snapshot(
        [
            "1001 #3 RESTING open 10",
            "5000 #1 MERGED 30",
            "5000 #2 MERGED 0 NOT_ENOUGH_BALANCE",
            "5000 #3 MERGED 0 NOT_ENOUGH_BALANCE",
        ]
    )
    assert exchange.account.cash_micros == cash + 30 * DOLLAR
    assert (exchange.markets[0].up_micros, exchange.markets[0].down_micros) == (20 * SHARE, 0)
    conserve(exchange)


def test_a_merge_that_comes_after_the_end_is_refused() -> None:
    exchange = venue()
    set_fixed(exchange.terms.merge, 4_000 * NS_PER_MS)
    submit(exchange, order(1, BUY, 5_100, 10, FAK), at(0))
    submit(exchange, order(2, BUY, 5_100, 10, FAK, token_code=Token.DOWN), at(0))
    submit(exchange, merge(1, 10, 353_000), at(353_000))
    said(exchange, 353_500)
    apply_event(exchange, row(Kind.SETTLED, 355_000, source_code=Source.GAMMA, code_id=Token.UP))
    assert said(exchange, 360_000) == snapshot(["357000 #1 MERGED 0 MARKET_CLOSED"])
    conserve(exchange)
