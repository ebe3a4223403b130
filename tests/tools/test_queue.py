"""Our place in the queue: what brings it forward, and what fills us."""

from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot
from venue_play import BUY, SELL, SHARE, at, conserve, frame, messages, order, said, trade, venue

from state.events import Kind
from tools.exchange import submit
from tools.queue import ahead_after_cancels


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


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 4_000)), max_size=30), st.integers(0, 300), st.integers(1, 3))
@settings(max_examples=80, deadline=None)
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
