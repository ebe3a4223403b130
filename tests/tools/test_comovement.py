"""Co-movement: what two windows still share, and how coins correlate, held to brute force and to planted truth."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.comovement import Comovement
from state.events import ASSETS
from state.records import one
from state.units import NS_PER_S
from tools.comovement import (
    PRIOR_RATIO,
    STEP_S,
    coins_ratio,
    coins_ratio_most,
    note_log,
    overlap_ratio,
    take_step,
)

VARIANCE = 1e-8
SD = math.sqrt(VARIANCE * STEP_S)
BEGUN_S = 1_792_638_000

seconds = st.integers(-290, 600).map(float)
spans = st.sampled_from((300.0, 900.0))
looks = st.sampled_from((1.0, 30.0, 60.0))
windows = st.tuples(seconds, spans, looks).map(lambda each: (each[0], each[0] + each[1], each[2]))


def moved(moves: Any, known: Any | None = None) -> Any:
    """Coins that made these moves, a row a step, one column a coin."""
    comovement: Any = one(Comovement)
    level = np.zeros(ASSETS)
    for step, row in enumerate([np.zeros(ASSETS), *moves]):
        level += row
        for asset in range(ASSETS):
            note_log(comovement, asset, known is None or bool(known[step][asset]), 11.0 + level[asset], VARIANCE)
        take_step(comovement, (BEGUN_S + step * STEP_S) * NS_PER_S)
    return comovement


def drawn(correlation: Any, steps: int, seed: int) -> Any:
    return np.random.default_rng(seed).multivariate_normal(np.zeros(ASSETS), np.array(correlation), steps) * SD


def like(ratio: float) -> Any:
    return np.full((ASSETS, ASSETS), ratio) + (1.0 - ratio) * np.eye(ASSETS)


def test_windows_of_one_coin_share_what_is_still_open_in_both() -> None:
    five, fifteen = (-100.0, 200.0, 60.0), (-700.0, 200.0, 60.0)
    assert overlap_ratio(*five, *fifteen) == pytest.approx(1.0)  # the same close: the same bet from here on
    after, ended = (200.0, 500.0, 60.0), (-400.0, -100.0, 60.0)
    # The close's average of the one is the strike's of the next: only the last minute is in both.
    # A sixth of the minute is common, of 160 and of 280 seconds of variance that are open.
    assert overlap_ratio(*five, *after) == pytest.approx(10.0 / math.sqrt(160.0 * 280.0), abs=1e-9)
    assert overlap_ratio(*five, *ended) == 0.0
    point, later = (-100.0, 100.0, 1.0), (-100.0, 400.0, 1.0)
    assert overlap_ratio(*point, *later) == pytest.approx(0.5, abs=2e-3)  # a quarter of the longer one's variance


@given(windows, windows)
def test_the_overlap_is_symmetric_inside_zero_and_one_and_whole_for_a_window_and_itself(a: Any, b: Any) -> None:
    shared = overlap_ratio(*a, *b)
    assert 0.0 <= shared <= 1.0 and shared == pytest.approx(overlap_ratio(*b, *a), abs=1e-12)
    assert overlap_ratio(*a, *a) == pytest.approx(1.0)


@settings(max_examples=25)
@given(windows, windows)
def test_the_overlap_is_what_random_walks_show(a: Any, b: Any) -> None:
    at = np.arange(0.0, 1_500.0, 0.25) + 0.125

    def share(window: Any) -> Any:
        open_s, close_s, look = window
        return np.clip((close_s - at) / look, 0, 1) - np.clip((open_s - at) / look, 0, 1)

    ours, theirs = share(a), share(b)
    expected = float(ours @ theirs / math.sqrt(ours @ ours * (theirs @ theirs)))
    assert overlap_ratio(*a, *b) == pytest.approx(expected, abs=0.01)


@given(st.lists(windows, min_size=2, max_size=8))
def test_a_table_of_overlaps_is_positive_semi_definite(every: list[Any]) -> None:
    table = np.array([[overlap_ratio(*a, *b) for b in every] for a in every])
    assert np.linalg.eigvalsh(table).min() > -1e-9


def test_before_any_data_coins_are_taken_to_move_together() -> None:
    empty: Any = one(Comovement)
    assert coins_ratio(empty, 0, 1) == pytest.approx(PRIOR_RATIO)
    assert coins_ratio(empty, 2, 2) == coins_ratio_most(empty, 2, 2) == 1.0
    assert 0.85 < coins_ratio_most(empty, 0, 1) < 0.9


@pytest.mark.parametrize("planted", [-0.3, 0.0, 0.4, 0.9])
def test_a_planted_correlation_is_found_and_the_upper_end_lies_above_it(planted: float) -> None:
    found, above = [], 0
    for seed in range(8):
        comovement = moved(drawn(like(planted), 1_200, seed))
        found.append(coins_ratio(comovement, 0, 1))
        above += coins_ratio_most(comovement, 0, 1) >= abs(planted)
    # Half-hour memory: 260 steps against the prior's 60.
    expected = (260 * planted + 60 * PRIOR_RATIO) / 320
    assert np.mean(found) == pytest.approx(expected, abs=0.05)
    assert above >= 7


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.floats(-0.3, 1.0))
def test_estimates_are_symmetric_bounded_and_positive_semi_definite(seed: int, steps: int, planted: float) -> None:
    comovement = moved(drawn(like(planted), steps, seed))
    table = np.array([[coins_ratio(comovement, a, b) for b in range(ASSETS)] for a in range(ASSETS)])
    assert np.allclose(table, table.T, atol=1e-12) and (np.abs(table) <= 1.0).all()
    assert np.linalg.eigvalsh(table).min() > -1e-9
    for a in range(ASSETS):
        for b in range(ASSETS):
            assert abs(table[a, b]) <= coins_ratio_most(comovement, a, b) <= 1.0


def test_a_coin_that_is_silent_takes_no_part_and_a_wild_print_is_cut() -> None:
    moves = drawn(like(0.9), 400, 3)
    known = np.ones((401, ASSETS), bool)
    known[:, 1] = False
    silent = moved(moves, known)
    assert coins_ratio(silent, 0, 1) == pytest.approx(PRIOR_RATIO) and coins_ratio(silent, 0, 2) > 0.8
    wild = moves.copy()
    wild[200, 0] += 1.0
    wild[201, 0] -= 1.0
    assert coins_ratio(moved(wild), 0, 2) > 0.75


def test_a_silence_is_no_move() -> None:
    comovement = moved(drawn(like(0.5), 50, 4))
    before = coins_ratio(comovement, 0, 1)
    for asset in range(ASSETS):
        note_log(comovement, asset, True, 50.0, VARIANCE)
    take_step(comovement, (BEGUN_S + 10_000) * NS_PER_S)
    assert coins_ratio(comovement, 0, 1) == before
