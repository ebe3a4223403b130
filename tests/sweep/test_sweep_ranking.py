from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.sweep_folds import walk_forward
from evals.sweep_ranking import (
    Panel,
    Standing,
    best_of_many,
    block_weights,
    corrected,
    deflated_p,
    panel_of,
    ranking_of,
    shrunk_means,
)
from state.units import MICROS


def panel(profits_usd: np.ndarray, stretch_windows: int = 12) -> Panel:
    """Give windows one after the other; row 0 is the baseline."""
    count = profits_usd.shape[1]
    return Panel(
        set_ids=tuple(range(len(profits_usd))),
        profits=profits_usd * MICROS,
        losses=np.full(profits_usd.shape, 0.25),
        book_losses=np.full(profits_usd.shape, 0.2),
        stretch_ids=np.arange(count) // stretch_windows,
        opens_s=300 * np.arange(count),
        unpaired_count=0,
    )


def worthless(sets: int, windows: int, seed: int) -> np.ndarray:
    """Make up sets that share the luck of their windows and differ by noise alone."""
    chance = np.random.default_rng(seed)
    return chance.normal(0.0, 20.0, windows) + chance.normal(0.0, 5.0, (sets, windows))


def test_holm_and_benjamini_yekutieli_as_their_papers_reckon() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.005])
    holm, yekutieli = corrected(p, np.ones(4, bool), 4)
    assert holm == pytest.approx([0.03, 0.06, 0.06, 0.02])
    whole = 1 + 1 / 2 + 1 / 3 + 1 / 4
    assert yekutieli == pytest.approx(np.minimum(1.0, whole * np.array([0.02, 0.04, 0.04, 0.02])))


def test_a_set_that_failed_still_counts_as_tried() -> None:
    alone, _ = corrected(np.array([1.0, 0.01]), np.array([False, True]), 1)
    beside, _ = corrected(np.array([1.0, 0.01]), np.array([False, True]), 20)
    assert (alone[1], beside[1]) == (0.01, pytest.approx(0.2))


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30))
def test_no_correction_makes_a_p_value_smaller(p: list[float]) -> None:
    told = np.array(p)
    for adjusted in corrected(told, np.ones(len(told), bool), len(told)):
        assert (adjusted >= told - 1e-15).all() and (adjusted <= 1.0).all()
        assert (np.diff(adjusted[np.argsort(told, kind="stable")]) >= 0).all()


def test_the_best_of_many_worthless_sets_is_hardly_ever_shown() -> None:
    shown = [
        ranking_of(panel(worthless(31, 120, seed)), 30, draws=400).standing is Standing.SHOWN for seed in range(100)
    ]
    naive = [
        min(each.p for each in ranking_of(panel(worthless(31, 120, seed)), 30, draws=50).ranked) for seed in range(20)
    ]
    assert sum(shown) <= 10  # 5 % of 100, and a little more than chance allows
    assert np.median(naive) < 0.05  # without the correction, most such sweeps would have found something


def test_a_set_that_is_really_better_is_shown_among_many_that_are_not() -> None:
    profits = worthless(31, 240, 3)
    profits[17] += 4.0
    told = ranking_of(panel(profits), 30)
    assert told.best is not None and told.best.set_id == 17
    assert told.standing is Standing.SHOWN
    assert told.best.p < told.best.p_holm < 0.05 and told.best.p_reality < 0.05
    assert 0.0 < told.best.shrunk_micros < told.best.difference.mean


def test_few_windows_show_nothing_whatever_the_figures_say() -> None:
    profits = worthless(3, 12, 1)
    profits[1] += 100.0
    assert ranking_of(panel(profits), 2).standing is Standing.TOO_FEW


def test_a_set_that_never_differs_from_the_baseline_is_no_discovery() -> None:
    profits = np.repeat(worthless(1, 60, 2), 3, axis=0)
    profits[2] += 1.0  # the same dollar more in every window: no spread to judge it by
    told = ranking_of(panel(profits), 2)
    assert all(each.p_holm == each.p_reality == 1.0 for each in told.ranked)


def test_a_sweep_without_a_window_or_a_baseline_says_so() -> None:
    assert ranking_of(panel(np.zeros((3, 0))), 2).standing is Standing.NOTHING
    assert ranking_of(panel(np.zeros((1, 30))), 4).standing is Standing.NOTHING


def test_the_reality_check_forgives_sets_that_are_nearly_one() -> None:
    """Holm counts a hundred copies as a hundred trials; the largest of a hundred copies is just one of them."""
    chance = np.random.default_rng(5)
    one = chance.normal(1.0, 5.0, 200)
    copies = np.concatenate([np.zeros((1, 200)), one + chance.normal(0.0, 0.01, (100, 200))])
    told = ranking_of(panel(copies), 100).best
    assert told is not None and told.p_reality < told.p_holm


def test_neighbours_stay_together_in_the_bootstrap_and_every_draw_has_all_its_windows() -> None:
    weights = block_weights(10, 3, np.random.default_rng(1), 500)
    assert weights.sum(axis=1) == pytest.approx(np.ones(500))
    assert weights.mean(axis=0) == pytest.approx(np.full(10, 0.1), abs=0.02)


def test_windows_that_lean_on_their_neighbours_get_a_wider_interval() -> None:
    chance = np.random.default_rng(9)
    alone = chance.normal(0.0, 1.0, 343)
    leaning = np.convolve(chance.normal(0.0, 1.0, 349), np.ones(7) / 7, "valid") * np.sqrt(7)
    wide = [ranking_of(panel(each[None, :]), 0, draws=2_000) for each in (alone, leaning)]
    widths = [each.ranked[0].profit.high - each.ranked[0].profit.low for each in wide]
    assert widths[1] > 1.5 * widths[0]


def test_the_more_sets_were_tried_the_less_a_sharpe_ratio_is_worth() -> None:
    profits = worthless(11, 200, 4)
    profits[3] += 8.0
    few, many = deflated_p(profits, 2), deflated_p(profits, 1_000)
    assert few[3] < many[3]


def test_a_lucky_mean_is_pulled_back_to_the_others() -> None:
    differences = np.random.default_rng(1).normal(0.0, 1.0, (50, 100))
    told = shrunk_means(differences, np.ones(50, bool))
    assert np.abs(told).max() < 0.5 * np.abs(differences.mean(axis=1)).max()


def test_who_looks_best_is_told_the_smallest_p() -> None:
    values = np.random.default_rng(2).normal(0.0, 1.0, (6, 80))
    p = best_of_many(values, block_weights(80, 4, np.random.default_rng(3), 500), np.ones(6, bool))
    t = values.mean(axis=1) / values.std(axis=1)
    assert p[np.argmax(t)] == p.min()


def test_rows_of_cells_become_windows_by_sets() -> None:
    rows = [  # set, stretch, open, seed, profit, forecasts
        (0, 0, 300, 1, 10, 2), (0, 0, 300, 2, 20, 2), (1, 0, 300, 1, 30, 0), (1, 0, 300, 2, 50, 2),
        (0, 0, 600, 1, 1, 1), (0, 0, 600, 2, 1, 1), (1, 0, 600, 1, 1, 1),
    ]  # fmt: skip
    names = ("set_id", "stretch_id", "open_s", "seed", "profit_micros", "forecasts_count")
    columns = {name: np.array(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}
    columns |= {"brier_sum": 0.5 * columns["forecasts_count"], "book_brier_sum": 0.25 * columns["forecasts_count"]}
    told = panel_of(columns, [0, 1])
    assert told.opens_s.tolist() == [300] and told.unpaired_count == 1
    assert told.profits.tolist() == [[15.0], [40.0]]
    assert told.losses.tolist() == [[0.5], [0.5]]
    assert panel_of(columns, [0]).opens_s.tolist() == [300, 600]


def test_walk_forward_judges_a_choice_by_windows_that_it_did_not_see() -> None:
    profits = np.zeros((3, 36))
    profits[1, :12], profits[2, 12:24] = 5.0, 7.0  # each is good once, and never again
    told = walk_forward(panel(profits), 1)
    assert [(fold.stretch_id, fold.set_id, fold.train_micros / MICROS, fold.test_micros) for fold in told.folds] == [
        (1, 1, 5.0, 0.0),
        (2, 2, 7.0, 0.0),
    ]
    assert told.difference.mean == 0.0 and told.difference.count == 24


def test_walk_forward_needs_stretches_that_ended_before() -> None:
    assert walk_forward(panel(np.zeros((2, 36))), 3).folds == ()
    assert isnan(walk_forward(panel(np.zeros((2, 36))), 0).difference.mean)
