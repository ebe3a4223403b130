import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import recordings

from state.compiled import compiled
from state.feeds import Clock
from state.records import Ints, one
from tools.clock_offset import EPOCH_NS, note_delay, on_our_clock

MS = 1_000_000
S = 1_000 * MS


@compiled
def learn(clock: Clock, at_ns: Ints, seen_ns: Ints) -> None:
    for row in range(len(at_ns)):
        note_delay(clock, at_ns[row], seen_ns[row])


def messages(rng: np.random.Generator, seconds: int, offset_ms: float) -> tuple[Ints, Ints]:
    seen_ns = np.sort(rng.integers(0, seconds * S, seconds * 50)) + 1_000 * S
    travel_ns = (3 * MS + rng.exponential(5 * MS, len(seen_ns))).astype(np.int64)
    return seen_ns - travel_ns - round(offset_ms * MS), seen_ns


def test_a_slow_clock_of_ours_is_found_within_a_millisecond_of_the_shortest_travel() -> None:
    clock = one(Clock)
    learn(clock, *messages(np.random.default_rng(1), 60, -1_270.0))
    assert clock.floor_ns == pytest.approx(-1_267 * MS, abs=MS)
    assert clock.offset_ns == clock.floor_ns
    assert clock.jitter_ns == pytest.approx(5 * MS, rel=0.25)
    assert clock.late_ns == pytest.approx(5 * MS * np.log(100.0), rel=0.4)


def test_a_long_road_is_no_clock_error() -> None:
    clock = one(Clock)
    learn(clock, *messages(np.random.default_rng(2), 60, 1_100.0))
    assert clock.floor_ns > 1_100 * MS
    assert clock.offset_ns == 0
    assert on_our_clock(clock, 5) == 5


def test_a_clock_that_is_set_forward_or_back_is_followed_within_two_epochs() -> None:
    rng = np.random.default_rng(3)
    for step_ms in (-40.0, 40.0):
        clock = one(Clock)
        at_ns, seen_ns = messages(rng, 60, -500.0)
        learn(clock, at_ns, seen_ns)
        later_at_ns, later_seen_ns = messages(rng, 2 * EPOCH_NS // S + 2, -500.0 + step_ms)
        learn(clock, later_at_ns + 60 * S, later_seen_ns + 60 * S)
        assert clock.floor_ns == pytest.approx((-497.0 + step_ms) * MS, abs=MS)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40 * S), st.integers(-2 * S, 2 * S)), min_size=1, max_size=60))
def test_nothing_recent_was_seen_before_it_happened_on_our_clock(steps: list[tuple[int, int]]) -> None:
    clock = one(Clock)
    seen_ns = 1_000 * S
    for wait_ns, delay_ns in steps:
        seen_ns += wait_ns
        note_delay(clock, seen_ns - delay_ns, seen_ns)
        assert on_our_clock(clock, seen_ns - delay_ns) <= seen_ns
        assert clock.floor_ns <= delay_ns
        assert clock.jitter_ns >= 0.0 and clock.late_ns >= 0.0


def test_the_recorded_binance_clock_is_1270_ms_off_with_its_recorded_jitter() -> None:
    folder = recordings("cex_binance_2024-08-08")
    for name in ("binance_usdm_btcusdt_bbo", "binance_coinm_btcusd_perp_bbo"):
        query = f"select recv_ns, event_ms from read_parquet('{folder / name}.parquet') order by recv_ns"
        columns = duckdb.connect().execute(query).fetchnumpy()
        at_ns = columns["event_ms"].astype(np.int64) * MS
        seen_ns = columns["recv_ns"].astype(np.int64)
        delay_ms = (seen_ns - at_ns) / MS
        clock = one(Clock)
        learn(clock, at_ns, seen_ns)
        # The last two minutes hold the minimum that is still remembered; the day's own is a few ms of drift away.
        assert clock.floor_ns / MS == pytest.approx(delay_ms.min(), abs=5.0)
        assert clock.floor_ns / MS < np.percentile(delay_ms, 2.0)
        # p99 over ten minutes against a running estimate: bursts make it wander by a factor, not by an order.
        assert 0.3 < clock.late_ns / MS / (np.percentile(delay_ms, 99.0) - delay_ms.min()) < 3.0
