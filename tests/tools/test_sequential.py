import os
import subprocess
import sys
from itertools import product
from math import exp, log
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.records import one
from state.sequential import EProcess
from tools.sequential import EVIDENCE_BAR_LOG, evidence_curve, update_evidence

ROOT = Path(__file__).parents[2]
STORY = """
import numpy as np
from state.records import one
from state.sequential import EProcess
from tools.sequential import update_evidence
chance, process = np.random.default_rng(5), one(EProcess)
for _ in range(300):
    low, high = chance.uniform(0.1, 2, 2)
    update_evidence(process, chance.uniform(-low, high), -low, high)
told = process.tobytes().hex()
"""
bound = st.floats(0.05, 10.0)


def _told(results: list[tuple[float, float, float]]) -> EProcess:
    process = one(EProcess)
    for x, low, high in results:
        assert update_evidence(process, x, low, high)
    return process


def _binary_results(seed: int, count: int, edge: float) -> list[tuple[float, float, float]]:
    """Buy one share at a random price; the token wins `edge` more often than the price says."""
    chance = np.random.default_rng(seed)
    price = chance.uniform(0.1, 0.9, count)
    won = chance.random(count) < price + edge
    x = np.where(won, 1.0 - price, -price)
    return [(float(a), float(b), float(c)) for a, b, c in zip(x, -price, 1.0 - price, strict=True)]


@settings(max_examples=60)
@given(bounds=st.lists(st.tuples(bound, bound), min_size=1, max_size=7))
def test_without_an_edge_neither_side_can_expect_to_gain(bounds: list[tuple[float, float]]) -> None:
    """Exact, by counting every path of fair two-valued bets: the expected e-value is one."""
    for_mean, against_mean = 0.0, 0.0
    for wins in product((False, True), repeat=len(bounds)):
        path = [(high if won else -low, -low, high) for won, (low, high) in zip(wins, bounds, strict=True)]
        likely = 1.0
        for won, (low, high) in zip(wins, bounds, strict=True):
            likely *= low / (low + high) if won else high / (low + high)
        process = _told(path)
        for_mean += likely * exp(process.for_log)
        against_mean += likely * exp(process.against_log)
    assert (for_mean, against_mean) == pytest.approx((1.0, 1.0), abs=1e-9)


def test_looking_after_every_result_is_fooled_at_most_once_in_twenty() -> None:
    fooled_for = fooled_against = 0
    trials = 400
    for seed in range(trials):
        process = _told(_binary_results(seed, 1_000, edge=0.0))
        fooled_for += process.for_peak_log >= EVIDENCE_BAR_LOG
        fooled_against += process.against_peak_log >= EVIDENCE_BAR_LOG
    allowed = trials * 0.05 + 3 * (trials * 0.05 * 0.95) ** 0.5
    assert fooled_for <= allowed and fooled_against <= allowed
    assert fooled_for + fooled_against > 0, "a test that never errs has no power left to find anything"


def test_doubling_up_after_losses_earns_no_evidence_on_bounds_fixed_beforehand() -> None:
    """Cap 31: stake 1, 2, 4, 8, 16 on a fair coin until the first win. 31 wins of 32, and worth nothing."""
    fooled = 0
    for seed in range(300):
        chance = np.random.default_rng(seed)
        wins = chance.random(600) < 31 / 32
        process = _told([(1.0 if won else -31.0, -31.0, 31.0) for won in wins])
        fooled += process.for_peak_log >= EVIDENCE_BAR_LOG
    assert fooled <= 300 * 0.05 + 3 * (300 * 0.05 * 0.95) ** 0.5


def test_a_real_edge_is_found_and_its_opposite_pauses() -> None:
    found = [_told(_binary_results(seed, 800, edge=0.08)) for seed in range(40)]
    lost = [_told(_binary_results(seed, 800, edge=-0.08)) for seed in range(40)]
    assert sum(p.for_peak_log >= EVIDENCE_BAR_LOG for p in found) >= 36
    assert sum(p.against_peak_log >= EVIDENCE_BAR_LOG for p in lost) >= 34
    assert sum(p.against_peak_log >= EVIDENCE_BAR_LOG for p in found) <= 1
    assert sum(p.for_peak_log >= EVIDENCE_BAR_LOG for p in lost) <= 1


def test_an_edge_that_dies_is_paused_although_its_past_was_good() -> None:
    paused = 0
    for seed in range(20):
        good = _binary_results(seed, 600, edge=0.12)
        bad = _binary_results(1_000 + seed, 500, edge=-0.15)
        paused += _told(good + bad).against_log >= EVIDENCE_BAR_LOG
    assert paused >= 18


@given(results=st.lists(st.tuples(st.floats(-1, 1), bound, bound), max_size=40))
def test_evidence_stays_finite_and_its_peak_never_falls(results: list[tuple[float, float, float]]) -> None:
    process = one(EProcess)
    peak = 0.0
    for share, low, high in results:
        x = share * low if share < 0 else share * high
        assert update_evidence(process, x, -low, high)
        assert np.isfinite([process.for_log, process.against_log]).all()
        assert process.for_peak_log >= max(peak, process.for_log)
        peak = process.for_peak_log
    assert process.results_count == len(results)


def test_the_unit_of_the_results_does_not_matter() -> None:
    results = _binary_results(3, 50, edge=0.1)
    in_micros = [(x * 1e6, low * 1e6, high * 1e6) for x, low, high in results]
    assert _told(results).for_log == pytest.approx(_told(in_micros).for_log)


@pytest.mark.parametrize(
    ("x", "low", "high"),
    [(2.0, -1.0, 1.0), (-2.0, -1.0, 1.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0), (float("nan"), -1.0, 1.0)],
)
def test_a_result_outside_its_bounds_is_refused_and_counted(x: float, low: float, high: float) -> None:
    process = one(EProcess)
    assert not update_evidence(process, x, low, high)
    assert (process.results_count, process.refused_count, process.for_log) == (0, 1, 0.0)


def test_two_sure_wins_are_worth_what_the_grid_says() -> None:
    bets = 0.005 * 2.0 ** np.arange(8)
    process = _told([(1.0, -1.0, 1.0), (1.0, -1.0, 1.0)])
    assert process.for_log == pytest.approx(log(float(np.mean((1 + bets) ** 2))))
    staked = 0.5 * (1 - bets) ** 2 + (1 / 6) * (1 - bets)
    assert process.against_log == pytest.approx(log(float(np.mean(staked)) + 1 / 3))


def test_a_curve_has_one_point_per_result_that_counts() -> None:
    assert evidence_curve([]) == []
    assert len(evidence_curve([(1.0, -1.0, 1.0), (9.0, -1.0, 1.0), (-1.0, -1.0, 1.0)])) == 2


def test_compiled_and_plain_python_give_the_same_bits() -> None:
    here: dict[str, object] = {}
    exec(STORY, here)
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-c", STORY + "print(told)"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stdout.strip() == here["told"]
