import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.compiled import compiled
from state.prices import SEASONS, Volatility
from state.records import Floats, as_dict, one
from state.units import NS_PER_S
from tools.average import QUICK, QUICK_KEEP, SLOW, SLOW_KEEP
from tools.volatility import (
    LEVEL_PRIOR_RATIO,
    jump_ratio,
    level_ratio,
    open_volatility,
    update_volatility,
    variance_per_s,
)

START_S = 1_780_876_800
SIGMA = 0.9e-4


def opened(level: float = 1.0, prior_s: float = 120.0) -> Volatility:
    volatility = one(Volatility)
    open_volatility(volatility, 0.8, prior_s, level)
    return volatility


@compiled
def _walk(volatility: Volatility, logs: Floats, start_ns: int, step_ns: int) -> None:
    for step in range(len(logs)):
        update_volatility(volatility, start_ns + step * step_ns, 64_000.0 * math.exp(logs[step]))


def walked(volatility: Volatility, logs: np.ndarray, start_s: int = START_S, per_s: int = 1) -> int:
    """Feed a path of log prices and give the time after it."""
    _walk(volatility, logs, start_s * NS_PER_S, NS_PER_S // per_s)
    return (start_s + len(logs) // per_s) * NS_PER_S


def white(seconds: int, sigma: float = SIGMA, seed: int = 1) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).normal(0.0, sigma, seconds))


def smoothed(seconds: int, seed: int = 2) -> np.ndarray:
    surprise = np.random.default_rng(seed).normal(0.0, 1.0, seconds)
    surprise *= SIGMA / (1.0 + QUICK / (1.0 - QUICK_KEEP) + SLOW / (1.0 - SLOW_KEEP))
    quick = slow = 0.0
    moves = []
    for each in surprise:
        moves.append(each + quick + slow)
        quick, slow = quick * QUICK_KEEP + QUICK * each, slow * SLOW_KEEP + SLOW * each
    return np.cumsum(moves)


def test_before_any_data_the_prior_is_the_answer() -> None:
    for level in (1.0, LEVEL_PRIOR_RATIO):
        assert variance_per_s(opened(level), 60.0, START_S * NS_PER_S) == pytest.approx((0.8e-4) ** 2)


def test_a_steady_walk_is_measured_at_every_horizon() -> None:
    volatility = opened()
    now_ns = walked(volatility, white(20_000))
    for horizon_s, tolerance in ((10.0, 0.2), (60.0, 0.2), (240.0, 0.15)):
        assert math.sqrt(variance_per_s(volatility, horizon_s, now_ns)) == pytest.approx(SIGMA, rel=tolerance)


def test_smoothing_is_undone() -> None:
    volatility = opened()
    now_ns = walked(volatility, smoothed(30_000))
    assert level_ratio(volatility) > 1.2
    assert math.sqrt(variance_per_s(volatility, 240.0, now_ns)) == pytest.approx(SIGMA, rel=0.12)


def test_bouncing_quotes_are_seen_through() -> None:
    bounce = np.random.default_rng(3).choice([-2e-4, 2e-4], 30_000)
    volatility = opened()
    now_ns = walked(volatility, white(30_000) + bounce)
    assert level_ratio(volatility) < 0.5
    assert math.sqrt(variance_per_s(volatility, 240.0, now_ns)) == pytest.approx(SIGMA, rel=0.2)


def test_a_fast_feed_is_sampled_once_a_second() -> None:
    logs = white(4_000)
    slow, fast = opened(), opened()
    walked(slow, logs)
    walked(fast, np.repeat(logs, 20) + np.tile([0.0] + [5e-4] * 19, 4_000), per_s=20)
    assert as_dict(slow) == as_dict(fast)


def test_one_jump_is_cut_and_shown_as_a_jump() -> None:
    logs = white(7_200)
    jumped = logs + np.where(np.arange(7_200) > 7_000, 60 * SIGMA, 0.0)
    calm, shaken = opened(), opened()
    now_ns = walked(calm, logs)
    walked(shaken, jumped)
    whole = (60 * SIGMA) ** 2 / (200.0 * SIGMA**2)
    grown = variance_per_s(shaken, 60.0, now_ns) / variance_per_s(calm, 60.0, now_ns)
    assert 1.0 < grown < 0.2 * whole
    assert jump_ratio(shaken) > jump_ratio(calm) + 0.1


def test_no_return_spans_a_long_silence() -> None:
    logs = white(3_000)
    whole, broken = opened(), opened()
    walked(whole, logs)
    walked(broken, logs)
    update_volatility(broken, (START_S + 3_000 + 60) * NS_PER_S, 70_000.0)
    assert list(broken.quick_var) == list(whole.quick_var)


def test_a_calm_minute_shows_at_short_horizons_first() -> None:
    volatility = opened()
    now_ns = walked(volatility, np.concatenate([white(7_200), np.full(120, white(7_200)[-1])]))
    near, far = (variance_per_s(volatility, horizon_s, now_ns) for horizon_s in (10.0, 300.0))
    assert near < 0.75 * far


def test_late_and_false_prices_change_nothing() -> None:
    volatility = opened()
    now_ns = walked(volatility, white(100))
    before = as_dict(volatility)
    for at_ns, price_usd in ((now_ns - 50 * NS_PER_S, 64_000.0), (now_ns, math.nan), (now_ns, 0.0)):
        update_volatility(volatility, at_ns, price_usd)
    assert as_dict(volatility) == before


@settings(deadline=None, max_examples=20)
@given(st.floats(0.2, 5.0))
def test_twice_the_moves_are_four_times_the_variance(scale: float) -> None:
    logs = white(1_500)
    small, large = opened(), one(Volatility)
    open_volatility(large, 0.8 * scale, 120.0, 1.0)
    now_ns = walked(small, logs)
    walked(large, logs * scale)
    ratio = variance_per_s(large, 60.0, now_ns) / variance_per_s(small, 60.0, now_ns)
    assert ratio == pytest.approx(scale * scale, rel=1e-6)


def test_a_quarter_of_an_hour_that_is_always_wild_is_learnt() -> None:
    volatility = opened()
    generator = np.random.default_rng(5)
    wild, days = 20, 6
    inside = (np.arange(days * 86_400) // 900) % SEASONS == wild
    walked(volatility, np.cumsum(generator.normal(0.0, SIGMA, days * 86_400) * np.where(inside, 2.0, 1.0)))
    seasons = np.asarray(volatility.season_ratio)
    assert int(seasons.argmax()) == wild
    assert seasons[wild] > 1.3
    assert seasons.mean() == pytest.approx(1.0)
