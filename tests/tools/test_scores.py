import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.scores import (
    P_CLIP,
    bootstrap_interval,
    brier,
    brier_losses,
    clustered_interval,
    clustered_rate,
    deflated_sharpe,
    false_discoveries,
    log_loss,
    log_losses,
    max_drawdown,
    p_value,
    paired_difference,
    recalibration,
    reliability,
    sharpe_by_group,
    sharpe_ratio,
    skill,
    wilson_interval,
)

chances = st.floats(0.01, 0.99)
money = st.floats(-1e3, 1e3).map(lambda x: round(x, 3))


@given(truth=chances, said=chances)
def test_saying_what_you_believe_has_the_best_expected_score(truth: float, said: float) -> None:
    for losses in (brier_losses, log_losses):
        outcomes = np.array([1.0, 0.0])
        weights = np.array([truth, 1 - truth])
        honest = float(weights @ losses(np.full(2, truth), outcomes))
        other = float(weights @ losses(np.full(2, said), outcomes))
        assert honest <= other + 1e-12


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=30), seed=st.integers(0, 99))
def test_up_and_down_score_alike(p: list[float], seed: int) -> None:
    said = np.array(p)
    came = np.random.default_rng(seed).integers(0, 2, len(p)).astype(float)
    assert brier(said, came) == pytest.approx(brier(1 - said, 1 - came))
    assert log_loss(said, came) == pytest.approx(log_loss(1 - said, 1 - came), abs=1e-9)


def test_log_loss_of_a_certain_mistake_is_finite_and_stated_by_the_clip() -> None:
    assert log_loss(np.array([0.0]), np.array([1.0])) == pytest.approx(-np.log(P_CLIP))


def test_nothing_scored_is_not_a_score() -> None:
    nothing = np.array([])
    assert np.isnan(brier(nothing, nothing)) and np.isnan(log_loss(nothing, nothing))
    assert np.isnan(clustered_interval(nothing, nothing).mean)
    assert np.isnan(skill(0.2, 0.0))


def test_a_forecast_outside_zero_and_one_is_our_mistake() -> None:
    with pytest.raises(AssertionError):
        brier(np.array([1.2]), np.array([1.0]))


def _forecasts(seed: int, windows: int, slope: float, shift: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    x = chance.normal(0, 1.5, windows)
    y = (chance.random(windows) < 1 / (1 + np.exp(-(shift + slope * x)))).astype(float)
    return 1 / (1 + np.exp(-x)), y, np.arange(windows)


def test_recalibration_finds_the_line_that_made_the_outcomes() -> None:
    p, y, _ = _forecasts(1, 40_000, slope=0.7, shift=0.3)
    line = recalibration(p, y)
    assert line.converged
    assert line.slope == pytest.approx(0.7, abs=4 * line.slope_se) and line.slope_se < 0.02
    assert line.intercept == pytest.approx(0.3, abs=4 * line.intercept_se)


def test_recalibrated_forecasts_have_slope_one_and_intercept_zero() -> None:
    p, y, _ = _forecasts(2, 2_000, slope=1.6, shift=-0.4)
    line = recalibration(p, y)
    x = np.log(p / (1 - p))
    again = recalibration(1 / (1 + np.exp(-(line.intercept + line.slope * x))), y)
    assert (again.slope, again.intercept) == pytest.approx((1.0, 0.0), abs=1e-3)


def test_repeating_every_forecast_ten_times_does_not_narrow_the_clustered_doubt() -> None:
    p, y, w = _forecasts(3, 500, slope=1.0, shift=0.0)
    once = recalibration(p, y, w)
    often = recalibration(np.repeat(p, 10), np.repeat(y, 10), np.repeat(w, 10))
    fooled = recalibration(np.repeat(p, 10), np.repeat(y, 10))
    assert often.slope_se == pytest.approx(once.slope_se, rel=0.01)
    assert fooled.slope_se < 0.4 * once.slope_se


@pytest.mark.parametrize(
    ("p", "y"),
    [
        ([0.2, 0.8, 0.9], [1.0, 1.0, 1.0]),
        ([0.5, 0.5, 0.5], [1.0, 0.0, 1.0]),
        ([0.1, 0.2, 0.8, 0.9], [0.0, 0.0, 1.0, 1.0]),
        ([0.1, 0.2, 0.8, 0.9], [1.0, 1.0, 0.0, 0.0]),
    ],
)
def test_where_no_line_is_best_recalibration_says_so(p: list[float], y: list[float]) -> None:
    line = recalibration(np.array(p), np.array(y))
    assert not line.converged and np.isnan(line.slope)


def test_reliability_of_honest_forecasts_lies_on_the_diagonal() -> None:
    p, y, w = _forecasts(4, 20_000, slope=1.0, shift=0.0)
    for group in reliability(p, y, w):
        assert group.p_low <= group.p_said <= group.p_high
        wide = 1.6 * (group.came_true.high - group.came_true.low)
        assert abs(group.came_true.mean - group.p_said) < wide


def test_a_certain_forecast_falls_into_the_last_bin() -> None:
    (group,) = reliability(np.array([1.0]), np.array([1.0]))
    assert group.p_high == 1.0


def test_clustered_interval_equals_the_textbook_t_interval_when_every_value_stands_alone() -> None:
    values = np.array([2.0, 4.0, 6.0, 8.0, 10.0])
    answer = clustered_interval(values, np.arange(5))
    assert (answer.mean, answer.low, answer.high) == pytest.approx((6.0, 2.0735, 9.9265), abs=1e-4)


def test_clustered_interval_covers_the_truth_nineteen_times_in_twenty() -> None:
    chance = np.random.default_rng(5)
    held, naive, trials = 0, 0, 600
    for _ in range(trials):
        sizes = chance.integers(1, 12, 25)
        windows = np.repeat(np.arange(25), sizes)
        values = np.repeat(chance.normal(0, 1, 25), sizes) + chance.normal(0, 0.3, len(windows))
        clustered = clustered_interval(values, windows)
        alone = clustered_interval(values, np.arange(len(values)))
        held += clustered.low <= 0 <= clustered.high
        naive += alone.low <= 0 <= alone.high
    assert 0.90 <= held / trials <= 0.98
    assert naive / trials < 0.75


def test_one_window_gives_a_mean_and_no_interval() -> None:
    answer = clustered_interval(np.array([1.0, 3.0]), np.array([7, 7]))
    assert answer.mean == 2.0 and not answer.known and np.isnan(p_value(answer))


@settings(max_examples=30)
@given(values=st.lists(money, min_size=4, max_size=40), seed=st.integers(0, 5))
def test_bootstrap_repeats_itself_under_a_seed_and_stays_within_the_values(values: list[float], seed: int) -> None:
    data = np.array(values)
    windows = np.arange(len(values)) // 2
    first = bootstrap_interval(data, windows, np.random.default_rng(seed), draws=200)
    assert first == bootstrap_interval(data, windows, np.random.default_rng(seed), draws=200)
    assert data.min() - 1e-9 <= first.low <= first.high <= data.max() + 1e-9


def test_bootstrap_and_t_agree_when_there_are_many_windows() -> None:
    chance = np.random.default_rng(6)
    windows = np.repeat(np.arange(300), 4)
    values = np.repeat(chance.normal(1, 2, 300), 4) + chance.normal(0, 1, 1200)
    t = clustered_interval(values, windows)
    boot = bootstrap_interval(values, windows, chance)
    assert (boot.low, boot.high) == pytest.approx((t.low, t.high), abs=0.06)


def test_a_paired_difference_cancels_what_both_share() -> None:
    chance = np.random.default_rng(7)
    shared = chance.normal(0, 10, 400)
    windows = np.repeat(np.arange(100), 4)
    first, second = shared + 0.1, shared + chance.normal(0, 0.1, 400)
    gap = paired_difference(first, second, windows)
    assert abs(gap.mean - 0.1) < 4 * gap.se and gap.high - gap.low < 0.05
    assert p_value(gap) < 0.001


def test_p_value_matches_the_interval() -> None:
    values = np.array([2.0, 4.0, 6.0, 8.0, 10.0])
    answer = clustered_interval(values, np.arange(5))
    assert p_value(answer) == pytest.approx(0.0132, abs=1e-4)
    assert p_value(clustered_interval(np.ones(5), np.arange(5))) == 0.0
    assert p_value(clustered_interval(np.zeros(5), np.arange(5))) == 1.0


@pytest.mark.parametrize(
    ("wins", "count", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)]
)
def test_wilson_matches_the_published_values(wins: int, count: int, low: float, high: float) -> None:
    answer = wilson_interval(wins, count)
    assert (answer.low, answer.high) == pytest.approx((low, high), abs=1e-4)


def test_ten_trades_of_one_window_are_not_ten_wins() -> None:
    windows = np.repeat(np.arange(12), 10)
    hits = np.repeat(np.arange(12) % 3 > 0, 10)
    grouped = clustered_rate(hits, windows)
    fooled = wilson_interval(int(hits.sum()), len(hits))
    assert grouped.high - grouped.low > 2.0 * (fooled.high - fooled.low)
    assert clustered_rate(np.ones(3, bool), np.arange(3)).low == pytest.approx(wilson_interval(3, 3).low)


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_false_discoveries_follow_the_step_up_rule(p: list[float]) -> None:
    values = np.array(p)
    kept, adjusted = false_discoveries(values, 0.1)
    ranked = np.sort(values)
    lines = 0.1 * np.arange(1, len(p) + 1) / len(p)
    passing = np.flatnonzero(ranked <= lines)
    threshold = ranked[passing[-1]] if len(passing) else -1.0
    near = np.abs(adjusted - 0.1) < 1e-12
    assert ((kept == (values <= threshold)) | near).all()
    assert (adjusted >= values - 1e-12).all()


def test_sharpe_interval_covers_the_truth_for_fat_tails() -> None:
    chance = np.random.default_rng(8)
    held, trials = 0, 400
    for _ in range(trials):
        answer = sharpe_ratio(chance.standard_t(6, 250) + 0.3)
        held += answer.low <= 0.3 / np.sqrt(1.5) <= answer.high
    assert 0.90 <= held / trials <= 0.98


def test_sharpe_of_trades_that_repeat_within_a_window_is_wider() -> None:
    chance = np.random.default_rng(9)
    windows = np.repeat(np.arange(40), 10)
    values = np.repeat(chance.normal(0.2, 1, 40), 10)
    alone, grouped = sharpe_ratio(values), sharpe_ratio(values, windows)
    assert alone.mean == grouped.mean
    assert grouped.high - grouped.low > 2.5 * (alone.high - alone.low)


def test_autocorrelation_widens_the_sharpe_interval() -> None:
    chance = np.random.default_rng(10)
    noise = chance.normal(0, 1, 601)
    values = 0.1 + noise[1:] + 0.9 * noise[:-1]
    plain, aware = sharpe_ratio(values), sharpe_ratio(values, lags=5)
    assert aware.high - aware.low > 1.15 * (plain.high - plain.low)


def test_sharpe_needs_results_that_vary() -> None:
    assert np.isnan(sharpe_ratio(np.array([1.0])).mean)
    assert np.isnan(sharpe_ratio(np.full(9, 0.1)).mean)
    assert not sharpe_ratio(np.array([1.0, 2.0])).known
    two_days = sharpe_by_group(np.array([1.0, 2.0, 4.0]), np.array([1, 1, 2]))
    assert two_days.count == 2 and not two_days.known


def test_the_best_of_many_worthless_tries_is_deflated_to_a_coin_or_less() -> None:
    chance = np.random.default_rng(11)
    tries = chance.normal(0, 1, (200, 250))
    ratios = np.array([sharpe_ratio(row).mean for row in tries])
    best = tries[int(ratios.argmax())]
    assert deflated_sharpe(best, 1, 0.0) > 0.99
    assert 0.05 < deflated_sharpe(best, 200, float(ratios.std())) < 0.8


@given(line=st.lists(st.floats(1.0, 1e4), min_size=1, max_size=60))
def test_drawdown_is_the_worst_of_all_pairs(line: list[float]) -> None:
    worst = max((line[i] - line[j]) / line[i] for i in range(len(line)) for j in range(i, len(line)))
    found = max_drawdown(np.array(line))
    assert found.share == pytest.approx(worst, abs=1e-12)
    assert found.peak_index <= found.trough_index
    assert found.fall == pytest.approx(line[found.peak_index] - line[found.trough_index])
