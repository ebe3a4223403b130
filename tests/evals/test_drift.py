"""Drift and regime: a session beside its replay, and the last windows beside those before them."""

from dataclasses import replace
from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rehearsed_windows import scores

from evals.drift import drift
from evals.regime import Moved, regimes
from evals.rehearsal import NO_FORECAST
from state.desk import DecisionLine
from state.records import layout
from state.units import MICROS


def test_a_session_that_did_as_its_replay_does_has_no_drift() -> None:
    windows = scores([1.0, -2.0, 0.5, 3.0])
    found = drift(windows, windows)
    assert (found.windows_count, found.profit.mean, found.forecast_gap.mean, found.log_loss.mean) == (4, 0.0, 0.0, 0.0)
    assert found.traded_live_ratio == found.traded_replayed_ratio


def test_what_live_trading_costs_beyond_its_replay_is_told_per_window_with_an_interval() -> None:
    replayed = scores([1.0, -2.0, 0.5, 3.0, 0.0])
    live = [replace(score, profit_micros=score.profit_micros - (1 + at) * MICROS) for at, score in enumerate(replayed)]
    found = drift(live, replayed)
    assert found.profit.mean == -3.0 * MICROS
    assert found.profit.low < -4.9 * MICROS and found.profit.high > -1.1 * MICROS
    assert found.profit.clusters == 5


def test_only_windows_and_moments_that_both_have_are_held_against_each_other() -> None:
    replayed = scores([1.0, 2.0, 3.0])
    silent = replace(replayed[2], p_up=(NO_FORECAST,) * len(replayed[2].p_up))
    found = drift([replayed[1], silent], replayed)
    assert found.windows_count == 2 and found.forecast_gap.clusters == 1
    nothing = drift([], replayed)
    assert nothing.windows_count == 0 and isnan(nothing.profit.mean) and isnan(nothing.log_loss.mean)


def test_the_last_windows_are_told_apart_from_those_before() -> None:
    lines = np.zeros(3, layout(DecisionLine))
    lines["open_s"], lines["p_mid"], lines["p_fair"] = [0, 300, 600], [0.5, 0.6, -1.0], [0.5, 0.7, 0.5]
    lines["ask_bps"] = [(5_050, 5_050), (6_100, 4_100), (-1, 4_000)]
    moved = [Moved(open_s=300 * at, slot_id=0, move_bps=move) for at, move in enumerate([3.0, -4.0, 40.0])]
    told = regimes(moved, lines, recent=1)
    late, before = told["of_late"], told["before"]
    assert (late.windows_count, late.move_rms_bps, late.up_ratio, late.one_sided_ratio) == (1, 40.0, 1.0, 1.0)
    assert isnan(late.overround_bps) and isnan(late.gap_ratio) and isnan(late.runs_ratio)
    assert before.move_rms_bps == pytest.approx(12.5**0.5)
    assert (before.windows_count, before.up_ratio, before.runs_ratio, before.overround_bps) == (2, 0.5, 0.0, 150.0)
    assert before.gap_ratio == pytest.approx(0.05)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30))
def test_the_order_in_which_windows_come_tells_nothing(moves: list[float]) -> None:
    windows = [Moved(open_s=300 * at, slot_id=0, move_bps=move) for at, move in enumerate(moves)]
    shuffled = sorted(windows, key=lambda window: window.move_bps)
    empty = np.zeros(0, layout(DecisionLine))
    assert str(regimes(windows, empty)) == str(regimes(shuffled, empty))
