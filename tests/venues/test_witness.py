"""The witness: our own averages of the settlement stream, held against the venue's word."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.venues.witness import Witness, averages_of, mean_of
from state.events import EVENT, Kind, Token
from state.prices import RING_S
from state.records import rows
from state.rules import Settlement
from state.units import NS_PER_S
from state.world import World

OPEN_S = 1_792_638_000
CLOSE_S = OPEN_S + 300


def stream(strike_usd: float, close_usd: float, missing: tuple[int, ...] = ()) -> dict[int, float]:
    """A stream that stands still, then steps in the middle of the window."""
    middle = OPEN_S + 150
    return {
        second: strike_usd if second < middle else close_usd
        for second in range(OPEN_S - 70, CLOSE_S + 5)
        if second not in missing
    }


def test_an_average_takes_its_own_seconds_and_fills_what_is_missing() -> None:
    assert mean_of({1: 10.0, 2: 20.0, 3: 60.0, 4: 90.0}, 3, 2).usd == 40.0
    filled = mean_of({1: 10.0, 2: 20.0, 4: 90.0}, 4, 3)
    assert filled.usd == pytest.approx((20.0 + 20.0 + 90.0) / 3)
    assert filled.covered_ratio == pytest.approx(2 / 3)
    assert math.isnan(mean_of({}, 4, 3).usd) and mean_of({4: 9.0}, 4, 0).usd == 9.0


def test_equality_is_up_and_too_close_to_quarrel_about() -> None:
    same = averages_of(stream(100_000.0, 100_000.0), OPEN_S, CLOSE_S, 60)
    assert same.outcome is Token.UP and not same.is_sure
    clear = averages_of(stream(100_000.0, 100_010.0), OPEN_S, CLOSE_S, 60)
    assert clear.outcome is Token.UP and clear.is_sure and clear.gap_bps == pytest.approx(1.0)


def test_a_stream_with_holes_is_no_witness() -> None:
    holes = tuple(range(CLOSE_S - 20, CLOSE_S))
    assert not averages_of(stream(100_000.0, 99_000.0, holes), OPEN_S, CLOSE_S, 60).is_sure
    assert averages_of({}, OPEN_S, CLOSE_S, 60).outcome is None


def test_a_window_on_which_one_second_decides_is_too_close_to_tell() -> None:
    values = stream(100_000.0, 100_000.0)
    values[CLOSE_S] = 101_000.0  # the last second alone lifts the average by seventeen dollars
    near = averages_of(values, OPEN_S, CLOSE_S, 60)
    values[CLOSE_S - 59] = 99_500.0  # and a low first second leaves the average that ends a second earlier below
    values[CLOSE_S - 60] = 99_000.0
    nearer = averages_of(values, OPEN_S, CLOSE_S, 60)
    assert near.outcome is Token.UP and nearer.outcome is Token.UP
    assert nearer.shifted_outcome is Token.DOWN and not nearer.is_sure


@given(st.lists(st.floats(1_000, 200_000), min_size=1, max_size=90), st.integers(1, 60))
def test_an_average_lies_between_the_least_and_the_most(values: list[float], lookback: int) -> None:
    mean = mean_of(dict(enumerate(values)), len(values) - 1, lookback)
    if math.isfinite(mean.usd):
        assert min(values) - 1e-6 <= mean.usd <= max(values) + 1e-6


class Session:
    """A world with one settled window, and what a witness said of it."""

    def __init__(self, values: dict[int, float]) -> None:
        self.notes: list[dict[str, Any]] = []
        self.halts: list[str] = []
        self.witness = Witness(self.notes.append, self.halts.append)
        self.worlds = rows(World, 1)
        market = self.worlds[0]["markets"][3]
        market["open_ns"], market["close_ns"] = OPEN_S * NS_PER_S, CLOSE_S * NS_PER_S
        market["rules"]["settlement_code"], market["rules"]["lookback_s"] = Settlement.TWAP, 60
        ring = self.worlds[0]["assets"][0]["observations"]
        for second, usd in values.items():
            ring["second_s"][second % RING_S], ring["value_usd"][second % RING_S] = second, usd

    def settle(self, outcome: Token) -> None:
        event = np.zeros(1, EVENT)
        event["kind_code"], event["slot_id"], event["code_id"] = Kind.SETTLED, 3, outcome
        self.witness.rows(self.worlds, event)


def test_a_venue_that_says_what_we_saw_is_noted_once() -> None:
    session = Session(stream(100_000.0, 99_990.0))
    session.settle(Token.DOWN)
    session.settle(Token.DOWN)  # its final price comes later, with the outcome once more
    assert not session.halts
    assert session.notes == [
        {
            "witnessed": f"btc-updown-5m-{OPEN_S}", "venue": "DOWN", "ours": "DOWN", "strike_usd": 100_000.0,
            "close_usd": pytest.approx(99_990.0), "agrees": True, "sure": True,
        }
    ]  # fmt: skip


def test_a_venue_that_decides_otherwise_than_we_saw_halts_the_desk_once() -> None:
    session = Session(stream(100_000.0, 99_990.0))
    for _ in range(2):
        session.settle(Token.UP)
    assert session.halts == [
        f"btc-updown-5m-{OPEN_S}: the venue says UP, and the stream's averages were 100,000.00 and 99,990.00: look at "
        "the rule before trading on"
    ]


def test_a_close_call_and_a_stream_with_holes_halt_nobody() -> None:
    close = Session(stream(100_000.0, 99_999.0))
    close.settle(Token.UP)
    holes = Session(stream(100_000.0, 99_000.0, tuple(range(CLOSE_S - 20, CLOSE_S))))
    holes.settle(Token.UP)
    assert not close.halts and not holes.halts
    assert [each.notes[0]["agrees"] for each in (close, holes)] == [False, False]
