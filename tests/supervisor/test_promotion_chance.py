"""The rule against chance: how often worthless proposals are promoted, and sound promotions rolled back."""

import numpy as np
import pytest
from rehearsed_windows import FIRST_S

from evals.promotion import LiveWindow, Promise, Ruling, bar_log, keep
from evals.rehearsal import bets
from state.records import Floats
from state.units import MICROS

pytestmark = pytest.mark.rehearsal

DESKS, PROPOSALS, WINDOWS = 1_500, 10, 60


def worthless(chance: np.random.Generator, kind: int, shared: Floats) -> tuple[Floats, float]:
    """Draw one worthless proposal's differences and their bound; they share the windows' luck with the others."""
    if kind == 0:  # a coin: nowhere do bets come nearer to their bar
        return np.sign(shared + chance.standard_normal(WINDOWS)), 1.0
    rare = chance.random(WINDOWS) < 0.1
    skewed = np.where(rare, 4.5, -0.5) * (1.0 if kind == 1 else -1.0)
    return np.clip(0.3 * shared, -0.5, 0.5) + skewed, 5.0


def test_a_proposer_of_worthless_changes_is_hardly_ever_believed() -> None:
    chance = np.random.default_rng(11)
    mistaken, uncorrected = 0, 0
    for _ in range(DESKS):
        shared = chance.standard_normal(WINDOWS)
        peaks = [float(bets(*worthless(chance, number % 3, shared)).for_peak_log) for number in range(PROPOSALS)]
        mistaken += any(peak >= bar_log(0.05, number) for number, peak in enumerate(peaks, start=1))
        uncorrected += any(peak >= bar_log(0.05, 1) for peak in peaks)
    assert mistaken / DESKS < 0.05
    assert uncorrected > mistaken > 0, "a bar that nothing ever crosses would show nothing"


def test_a_steady_gain_is_found_in_spite_of_that() -> None:
    chance = np.random.default_rng(12)
    found = [float(bets(1.0 + chance.standard_normal(288), 9.0).for_peak_log) >= bar_log(0.05, 10) for _ in range(100)]
    assert np.mean(found) > 0.95


def test_a_sound_promotion_is_seldom_rolled_back_however_often_one_looks() -> None:
    chance, back, desks = np.random.default_rng(13), 0, 200
    promise = Promise(mean_micros=2.0 * MICROS, sd_micros=10.0 * MICROS, windows_count=60, bound_micros=60.0 * MICROS)
    for _ in range(desks):
        live = MICROS * chance.normal(2.0, 10.0, 36)
        replayed = live + MICROS * chance.normal(0.0, 2.0, 36)
        windows = [
            LiveWindow(open_s=FIRST_S + 300 * k, live_micros=a, replayed_micros=b)
            for k, (a, b) in enumerate(zip(live.tolist(), replayed.tolist(), strict=True))
        ]
        back += any(keep(promise, windows[:count]).ruling is Ruling.ROLL_BACK for count in range(1, 37, 5))
    assert back / desks < 0.05
