"""The venue as a whole: feeds, messages, drivers, and the laws that hold whatever happens."""

import os
import subprocess
import sys
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot
from venue_play import (
    BOOK,
    BUY,
    DOLLAR,
    DOWN,
    FAK,
    GTC,
    SELL,
    SHARE,
    UP,
    at,
    cancel,
    conserve,
    frame_rows,
    order,
    play,
    row,
    said,
    trade,
    venue,
    words,
)

from state.events import Event, FeedState, Kind
from state.exchange import Exchange
from state.orders import Command
from state.records import as_dict, rows
from state.rules import Rule
from state.units import MICROS, NS_PER_MS
from tools.delays import set_fixed, set_lognormal
from tools.exchange import apply_event, attend, next_due_ns, open_exchange, poll, run_until, submit


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
    terms: Any = exchange.terms
    for name, ms in (("submit", 30), ("cancel", 20), ("answer", 10), ("report", 5)):
        set_fixed(terms[name], ms * NS_PER_MS)
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


def test_downs_rows_and_ups_rows_are_the_same_book() -> None:
    exchange = venue()
    before = as_dict(exchange.markets[0].book)
    for event in frame_rows(5, tuple((1 - s, 10_000 - p, n) for s, p, n in BOOK), DOWN, snapshot_first=True):
        apply_event(exchange, event)
    after = as_dict(exchange.markets[0].book)
    for changing in ("at_ns", "seen_ns", "updates_count", "whole"):
        before.pop(changing), after.pop(changing)
    assert before == after


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


def test_the_rules_of_the_market_overrule_the_registry() -> None:
    exchange = venue()
    for rule, value in ((Rule.TAKER_HOLD_NS, 0), (Rule.FEE_RATE_PPM, 0), (Rule.SHARES_MIN_MICROS, 50 * SHARE)):
        apply_event(exchange, row(Kind.RULE_GIVEN, -500, code_id=rule, ref_id=value))
    submit(exchange, order(1, BUY, 5_100, 50), at(0))
    submit(exchange, order(2, BUY, 4_900, 49), at(0))
    assert said(exchange, 0) == snapshot(
        ["0 #1 FILLED BUY UP 50 @ 0.51 TAKER", "0 #1 DONE open 0", "0 #2 REJECTED open 0 BELOW_MIN_SHARES"]
    )


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


moves = st.one_of(
    st.tuples(st.just("level"), st.sampled_from((BUY, SELL)), st.integers(1, 6), st.integers(0, 60)),
    st.tuples(st.just("trade"), st.sampled_from((BUY, SELL)), st.integers(-6, 6), st.integers(1, 9_000)),
    st.tuples(st.just("order"), st.integers(0, 31), st.integers(-6, 6), st.integers(5, 80)),
    st.tuples(st.just("cancel"), st.integers(0, 40), st.just(0), st.just(0)),
)


@given(st.lists(moves, max_size=40), st.sampled_from((0, 300_000)), st.booleans())
@settings(max_examples=60, deadline=None)
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
sys.path.insert(0, "tests")
from venue_play import *
from state.records import as_dict
from tools.delays import set_lognormal
import numpy as np
rng = np.random.default_rng(9)
kinds = ("level", "level", "trade", "trade", "order", "cancel")
script = []
for _ in range(90):
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
    assert told[0].count("'kind_code': 18") > 5, "the story has fills in it"
