from math import inf, isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.power import power_reading, power_table, smallest_edge, trades_needed, trades_needed_anytime
from state.records import one
from state.sequential import EProcess
from tools.sequential import EVIDENCE_BAR_LOG, update_evidence


def test_so_many_trades_find_the_edge_as_often_as_promised() -> None:
    needed = int(trades_needed(0.2, 1.0, level=0.95, power=0.8))
    chance = np.random.default_rng(1)
    samples = chance.normal(0.2, 1.0, (3_000, needed))
    z = samples.mean(axis=1) / (samples.std(axis=1, ddof=1) / np.sqrt(needed))
    assert (z > 1.645).mean() == pytest.approx(0.8, abs=0.03)


def test_the_sequential_test_needs_about_what_the_meter_says() -> None:
    chance = np.random.default_rng(2)
    win = 0.5 + 0.06
    took = []
    for _ in range(60):
        process, count = one(EProcess), 0
        while process.for_log < EVIDENCE_BAR_LOG:
            update_evidence(process, 1.0 if chance.random() < win else -1.0, -1.0, 1.0)
            count += 1
        took.append(count)
    said = trades_needed_anytime(0.12, (1 - 0.12**2) ** 0.5)
    assert 0.5 * said < float(np.mean(took)) < 1.5 * said


@given(mean=st.floats(0.001, 1.0), sd=st.floats(0.01, 10.0))
def test_half_the_edge_needs_about_four_times_the_trades(mean: float, sd: float) -> None:
    whole, half = trades_needed(mean, sd), trades_needed(mean / 2, sd)
    assert half <= 4 * whole and (half >= 4 * (whole - 1) or whole == 2)


def test_no_edge_is_never_found() -> None:
    assert trades_needed(0.0, 1.0) == inf and trades_needed(-1.0, 1.0) == inf
    assert trades_needed_anytime(0.0, 1.0) == inf and smallest_edge(1.0, 1) == inf


def test_the_smallest_edge_is_the_one_that_needs_what_was_seen() -> None:
    assert trades_needed(smallest_edge(3.0, 250), 3.0) == pytest.approx(250, abs=1)


def test_trades_of_one_window_are_one_result() -> None:
    chance = np.random.default_rng(3)
    pnl = np.repeat(chance.normal(1.0, 5.0, 40), 5)
    reading = power_reading(pnl, np.repeat(np.arange(40), 5))
    assert reading.windows_count == 40 and reading.mean == pytest.approx(5 * pnl.mean())
    assert reading.windows_more > 0


def test_nothing_and_one_window_have_no_spread() -> None:
    assert isnan(power_reading(np.array([]), np.array([])).sd)
    assert isnan(power_reading(np.array([1.0]), np.array([1])).sd)


def test_the_table_has_a_row_for_each_edge() -> None:
    assert [edge for edge, _ in power_table(10.0, np.array([1.0, 5.0]))] == [1.0, 5.0]
