import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from state.prices import Average, Fair, Observations
from state.records import one
from state.units import NS_PER_S
from tools.average import (
    QUICK,
    QUICK_KEEP,
    SLOW,
    SLOW_KEEP,
    catch_up_usd,
    give_average,
    observe,
    open_average,
    refresh_average,
)
from tools.fair import chance, explain_fair, fair_up, point_up
from tools.logodds import P_LEAST

START_S = 1_780_876_800
STRIKE_USD = 64_000.0
VARIANCE = (0.9e-4) ** 2
law = settings(deadline=None, max_examples=100)
LEFT = st.integers(1, 300)
LOOKBACK = st.sampled_from([1, 30, 60])


def window(left_s: int, lookback_s: int, price_usd: float, strike_usd: float | None = STRIKE_USD) -> Any:
    """Give close, strike and the newest second of a window whose stream has stood at one price."""
    observations, close, strike = one(Observations), one(Average), one(Average)
    newest_s = START_S + 300 - left_s
    for second_s in range(newest_s - 200, newest_s + 1):
        observe(observations, second_s * NS_PER_S, price_usd)
    open_average(close, START_S + 300, lookback_s)
    open_average(strike, START_S, lookback_s)
    refresh_average(close, observations)
    refresh_average(strike, observations)
    if strike_usd is not None:
        give_average(strike, strike_usd, 0.0)
    return close, strike, newest_s * NS_PER_S


def fair(left_s: int, lookback_s: int, price_usd: float, nowcast_usd: float | None = None) -> float:
    close, strike, from_ns = window(left_s, lookback_s, price_usd)
    return fair_up(close, strike, from_ns, nowcast_usd or price_usd, 0.0, VARIANCE)


@law
@given(st.floats(-1e3, 1e3), st.floats(1e-3, 100.0), st.floats(0.0, 300.0))
def test_the_chance_of_up_and_of_down_mirror(gap: float, sd: float, open_var: float) -> None:
    assert chance(gap, sd, open_var) + chance(-gap, sd, open_var) == pytest.approx(1.0, abs=1e-12)
    assert 0.0 < chance(gap, sd, open_var) < 1.0


@law
@given(LEFT, LOOKBACK, st.floats(-60.0, 60.0))
def test_a_mirrored_market_has_the_mirrored_price(left_s: int, lookback_s: int, ahead_usd: float) -> None:
    up = fair(left_s, lookback_s, STRIKE_USD + ahead_usd)
    down = fair(left_s, lookback_s, STRIKE_USD - ahead_usd)
    # Not to the last digit: variance is in the log, and a dollar is a little more of a lower price.
    assert up + down == pytest.approx(1.0, abs=1e-3)


@law
@given(LEFT, LOOKBACK, st.floats(-80.0, 80.0), st.floats(0.0, 40.0))
def test_a_higher_nowcast_never_makes_up_less_likely(left_s: int, lookback_s: int, a: float, more: float) -> None:
    low = fair(left_s, lookback_s, STRIKE_USD, STRIKE_USD + a)
    high = fair(left_s, lookback_s, STRIKE_USD, STRIKE_USD + a + more)
    assert low <= high + 1e-12


@law
@given(LEFT, LOOKBACK, st.floats(-200.0, 200.0))
def test_while_anything_is_open_the_chance_is_neither_none_nor_all(left_s: int, lookback_s: int, gap: float) -> None:
    assert P_LEAST <= fair(left_s, lookback_s, STRIKE_USD + gap) <= 1.0 - P_LEAST


@pytest.mark.parametrize("lookback_s", [1, 30, 60])
def test_a_known_outcome_is_as_good_as_certain_and_a_tie_is_up(lookback_s: int) -> None:
    for price_usd, expected in ((STRIKE_USD, 1.0 - P_LEAST), (STRIKE_USD - 0.01, P_LEAST)):
        close, strike, from_ns = window(0, lookback_s, price_usd)
        assert fair_up(close, strike, from_ns, price_usd, 0.0, VARIANCE) == expected


def test_without_a_price_nothing_is_known() -> None:
    close, strike, from_ns = window(100, 60, STRIKE_USD)
    assert fair_up(close, strike, from_ns, 0.0, 0.0, VARIANCE) == 0.5
    assert fair_up(close, strike, from_ns, math.nan, 0.0, VARIANCE) == 0.5


def test_far_from_the_strike_the_outcome_is_nearly_sure() -> None:
    assert fair(60, 60, STRIKE_USD * 1.01) > 0.9999
    assert fair(60, 60, STRIKE_USD * 0.99) < 0.0001


@law
@given(st.integers(361, 900), LOOKBACK, st.floats(-100.0, 100.0))
def test_before_the_strike_begins_the_price_says_nothing(left_s: int, lookback_s: int, ahead_usd: float) -> None:
    close, strike, from_ns = window(left_s, lookback_s, STRIKE_USD + ahead_usd, None)
    assert fair_up(close, strike, from_ns, STRIKE_USD + ahead_usd, 0.0, VARIANCE) == pytest.approx(0.5, abs=1e-9)


def test_a_move_after_half_of_the_strike_already_favours_its_side() -> None:
    close, strike, from_ns = window(330, 60, STRIKE_USD, None)
    assert 0.5 < fair_up(close, strike, from_ns, STRIKE_USD + 10.0, 0.0, VARIANCE) < 0.75


def test_one_deviation_above_the_strike_at_the_open_is_worth_about_61_cents() -> None:
    # landscape 7.6 (c): the price differs from the strike's average by sigma sqrt(L / 3) at the open.
    ahead_usd = STRIKE_USD * math.sqrt(VARIANCE * 20.0)
    assert 0.60 < fair(300, 60, STRIKE_USD + ahead_usd) < 0.63


def test_averaging_settles_what_a_point_would_leave_open() -> None:
    ahead_usd = 10.0
    twap, point = fair(10, 60, STRIKE_USD + ahead_usd), fair(10, 1, STRIKE_USD + ahead_usd)
    assert twap > 0.995
    assert point < 0.98


@law
@given(LEFT, st.floats(-40.0, 40.0), st.floats(0.0, 2000.0))
def test_doubt_about_nowcast_or_strike_pulls_the_chance_towards_a_half(left_s: int, gap: float, doubt: float) -> None:
    assume(abs(gap) > 1e-6)
    close, strike, from_ns = window(left_s, 60, STRIKE_USD + gap)
    sure = fair_up(close, strike, from_ns, STRIKE_USD + gap, 0.0, VARIANCE)
    unsure = fair_up(close, strike, from_ns, STRIKE_USD + gap, doubt, VARIANCE)
    give_average(strike, STRIKE_USD, math.sqrt(doubt))
    doubted = fair_up(close, strike, from_ns, STRIKE_USD + gap, 0.0, VARIANCE)
    assert abs(unsure - 0.5) <= abs(sure - 0.5) + 1e-12
    assert abs(doubted - 0.5) <= abs(sure - 0.5) + 1e-12


@law
@given(LEFT, LOOKBACK, st.floats(-80.0, 80.0))
def test_the_explanation_is_of_the_same_price(left_s: int, lookback_s: int, gap: float) -> None:
    close, strike, from_ns = window(left_s, lookback_s, STRIKE_USD + gap)
    parts = one(Fair)
    explain_fair(parts, close, strike, from_ns, STRIKE_USD + gap, 1.0, VARIANCE)
    assert parts.p_up == fair_up(close, strike, from_ns, STRIKE_USD + gap, 1.0, VARIANCE)
    assert parts.p_up == chance(parts.gap_usd, parts.sd_usd, parts.open_var)
    assert parts.mean_usd - parts.strike_usd == pytest.approx(parts.gap_usd, abs=1e-6)


def smoothed_paths(paths: int, seconds: int) -> np.ndarray:
    """Walk a market and let the stream follow it, in logs: surprises and what is still to come, second by second."""
    surprise = np.random.default_rng(7).normal(0.0, 1.0, (paths, seconds))
    # A unit surprise moves the stream by its whole response in the end; scaled so that the market moves by VARIANCE.
    whole = 1.0 + QUICK / (1.0 - QUICK_KEEP) + SLOW / (1.0 - SLOW_KEEP)
    surprise *= math.sqrt(VARIANCE) / whole
    quick, slow = np.zeros(paths), np.zeros(paths)
    moves = np.empty((paths, seconds))
    for second in range(seconds):
        moves[:, second] = surprise[:, second] + quick + slow
        quick = quick * QUICK_KEEP + QUICK * surprise[:, second]
        slow = slow * SLOW_KEEP + SLOW * surprise[:, second]
    return np.cumsum(moves, axis=1)


def simulated_gaps(left_s: int, open_left_s: int, paths: int = 700) -> tuple[np.ndarray, float]:
    """Give the errors of the expected gap over many streams, and the deviation that was said.

    The strike is the average that ends `open_left_s` seconds after the newest observation; it is told when that is
    not positive.
    """
    seconds = left_s + 100
    newest, ends_s, opens_s = 99, 99 + left_s, 99 + open_left_s
    errors, said = [], 0.0
    for path in STRIKE_USD * np.exp(smoothed_paths(paths, seconds)):
        observations, close, strike, parts = one(Observations), one(Average), one(Average), one(Fair)
        for second in range(newest + 1):
            observe(observations, (START_S + second) * NS_PER_S, float(path[second]))
        open_average(close, START_S + ends_s, 60)
        open_average(strike, START_S + opens_s, 60)
        truth = path[ends_s - 59 : ends_s + 1].mean()
        if open_left_s > 0:
            truth -= path[opens_s - 59 : opens_s + 1].mean()
        else:
            give_average(strike, STRIKE_USD, 0.0)
            truth -= STRIKE_USD
        refresh_average(close, observations)
        refresh_average(strike, observations)
        nowcast_usd = observations.newest_usd + catch_up_usd(observations)
        explain_fair(parts, close, strike, observations.newest_s * NS_PER_S, nowcast_usd, 0.0, VARIANCE)
        errors.append(truth - parts.gap_usd)
        said = parts.sd_usd
    return np.array(errors), said


@pytest.mark.parametrize(
    ("left_s", "open_left_s"), [(2, 0), (10, 0), (40, 0), (60, 0), (150, 0), (303, 3), (330, 30), (360, 60), (420, 120)]
)
def test_mean_and_deviation_are_those_of_simulated_streams(left_s: int, open_left_s: int) -> None:
    errors, said = simulated_gaps(left_s, open_left_s)
    seen = float(errors.std())
    assert abs(float(errors.mean())) < 4.0 * seen / math.sqrt(len(errors))
    # The error of a deviation over 700 paths is 2.7 %.
    assert said == pytest.approx(seen, rel=0.08)


def test_what_moves_strike_and_close_alike_leaves_nothing_open() -> None:
    # Each minute before the strike's look-back begins adds nothing.
    said = [simulated_gaps(300 + before_s, before_s, 2)[1] for before_s in (60, 90, 150)]
    assert said[0] == pytest.approx(said[1], rel=0.02)
    assert said[1] == pytest.approx(said[2], rel=0.02)


def test_the_point_model_is_a_digital_option() -> None:
    assert point_up(STRIKE_USD, STRIKE_USD, 60.0, VARIANCE) == 0.5
    one_sd = STRIKE_USD * math.exp(math.sqrt(VARIANCE * 60.0))
    assert point_up(one_sd, STRIKE_USD, 60.0, VARIANCE) == pytest.approx(0.841345, abs=1e-6)
    assert point_up(STRIKE_USD, STRIKE_USD, 0.0, VARIANCE) == 1.0 - P_LEAST
    assert point_up(STRIKE_USD - 1.0, STRIKE_USD, 0.0, VARIANCE) == P_LEAST
    assert point_up(0.0, STRIKE_USD, 60.0, VARIANCE) == 0.5


def test_compiled_and_plain_give_the_same_bits() -> None:
    plain = getattr(fair_up, "py_func", fair_up)
    for left_s in (1, 30, 90, 280):
        close, strike, from_ns = window(left_s, 60, STRIKE_USD + 3.3)
        arguments = (close, strike, from_ns + 123_456_789, STRIKE_USD + 4.4, 2.0, VARIANCE)
        assert fair_up(*arguments) == plain(*arguments)
