"""The slope of fair value: the same as finite differences of fair value itself, and gone where nothing moves."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from state.prices import Average
from state.records import one
from state.units import NS_PER_S
from tools.delta import coins, fair_delta, student4_density, student6_density
from tools.fair import fair_up
from tools.logodds import P_LEAST, student4_cdf, student6_cdf

CLOSE_S = 1_792_638_300


def average(
    ends_s: int, lookback_s: int, base_usd: float, pull_ratio: float, gap_var: float, doubt_var: float, given: bool
) -> Any:
    row: Any = one(Average)
    row.ends_s, row.lookback_s, row.base_usd, row.pull_ratio = ends_s, lookback_s, base_usd, pull_ratio
    row.gap_var, row.doubt_var, row.given = gap_var, doubt_var, given
    return row


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Any, Any, int, float, float, float]:
    """A moment of a window: some seconds of the closing minute may be known, and the strike may be told or not."""
    left_s = draw(st.integers(1, 320))
    known = max(60 - left_s, 0) / 60.0
    price = draw(st.floats(20_000.0, 200_000.0))
    off_bps = draw(st.floats(-20.0, 20.0))
    strike_usd = price * (1.0 + off_bps / 10_000.0)
    told = draw(st.booleans()) or left_s < 300
    close = average(CLOSE_S, 60, known * price * (1.0 + draw(st.floats(-5e-4, 5e-4))), 1.0 - known, 0.0, 0.0, False)
    strike_pull = 0.0 if told else 0.5
    strike = average(
        CLOSE_S - 300, 60, (1.0 - strike_pull) * strike_usd, strike_pull, 0.0, draw(st.floats(1.0, 25.0)), told
    )
    var_per_s = draw(st.floats(1e-10, 4e-8))
    nowcast_var = draw(st.floats(0.0, 25.0))
    return close, strike, (CLOSE_S - left_s) * NS_PER_S, price, nowcast_var, var_per_s


@given(scenes())
def test_the_slope_is_that_of_fair_value_itself(scene: tuple[Any, Any, int, float, float, float]) -> None:
    close, strike, from_ns, price, nowcast_var, var_per_s = scene
    step = price * 1e-8
    low, here, high = (
        fair_up(close, strike, from_ns, price + shift, nowcast_var, var_per_s) for shift in (-step, 0.0, step)
    )
    assume(min(low, high) > P_LEAST and max(low, high) < 1.0 - P_LEAST)
    delta = fair_delta(close, strike, from_ns, price, nowcast_var, var_per_s)
    assert 0.0 < here < 1.0
    assert delta == pytest.approx((high - low) / (2.0 * step), rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("z", [-4.0, -1.0, -0.1, 0.0, 0.3, 2.0, 6.0])
def test_a_density_is_the_slope_of_its_distribution(z: float) -> None:
    for density, cdf in ((student4_density, student4_cdf), (student6_density, student6_cdf)):
        assert density(z) == pytest.approx((cdf(z + 1e-5) - cdf(z - 1e-5)) / 2e-5, rel=1e-6)


def test_a_known_minute_no_longer_moves() -> None:
    strike = average(CLOSE_S - 300, 60, 100_000.0, 0.0, 0.0, 0.0, True)
    slopes = []
    for left_s in (300, 60, 30, 5):
        known = max(60 - left_s, 0) / 60.0
        close = average(CLOSE_S, 60, known * 100_000.0, 1.0 - known, 0.0, 0.0, False)
        slopes.append(fair_delta(close, strike, (CLOSE_S - left_s) * NS_PER_S, 100_000.0, 0.0, 1e-8))
    # At the money the slope first grows as less is left open, and it stays finite to the end, unlike that of a digital
    # on the last price: what the average still follows shrinks as fast as what is left open.
    assert slopes[0] < slopes[1] < slopes[2] and slopes[3] < 4.0 * slopes[2]
    done = average(CLOSE_S, 60, 100_010.0, 0.0, 0.0, 0.0, True)
    assert fair_delta(done, strike, CLOSE_S * NS_PER_S, 100_000.0, 0.0, 1e-8) == 0.0
    assert fair_delta(done, strike, CLOSE_S * NS_PER_S, 0.0, 0.0, 1e-8) == 0.0


def test_a_complete_set_has_no_delta_and_the_two_tokens_have_opposite_ones() -> None:
    assert coins(500_000_000, 500_000_000, 0.002) == 0.0
    assert coins(500_000_000, 0, 0.002) == -coins(0, 500_000_000, 0.002) == 1.0
