"""A resting bid against taking: chances held against a simulated queue, and laws of what each is worth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.making import (
    TRADE_MICROS,
    filled_ratio,
    first_ratio,
    making_bps,
    sales_per_s,
    through_ratio,
)

SHARE = 1_000_000
rates = st.floats(0.0, 50.0)
shares = st.integers(0, 20_000).map(lambda count: count * SHARE)


def waited(ahead: float, own: float, trades: float, ends: float, rounds: int, rng: np.random.Generator) -> float:
    """Let takers come until the wait ends, many times; give the mean share of our order that they filled."""
    filled = 0.0
    for _ in range(rounds):
        end_s, at_s, sold = rng.exponential(1.0 / ends), 0.0, 0.0
        while sold < ahead + own:
            at_s += rng.exponential(1.0 / trades)
            if at_s > end_s:
                break
            sold += rng.exponential(TRADE_MICROS)
        filled += min(max(sold - ahead, 0.0), own) / own
    return filled / rounds


@pytest.mark.parametrize(
    ("ahead", "own", "trades", "ends"), [(0, 10, 2.0, 1.0), (60, 10, 4.0, 1.0), (200, 100, 8.0, 0.7), (30, 5, 0.5, 2.0)]
)
def test_the_filled_share_is_that_of_a_simulated_queue(ahead: int, own: int, trades: float, ends: float) -> None:
    rng = np.random.default_rng(7)
    told = filled_ratio(ahead * SHARE, own * SHARE, trades, ends)
    seen = waited(ahead * SHARE, own * SHARE, trades, ends, 6_000, rng)
    assert told == pytest.approx(seen, abs=0.02)


@given(shares, shares, rates, rates)
def test_a_filled_share_is_a_share_and_a_longer_queue_never_fills_sooner(
    ahead: int, own: int, trades: float, ends: float
) -> None:
    filled = filled_ratio(ahead, own, trades, ends)
    assert 0.0 <= filled <= 1.0
    assert filled_ratio(ahead + 50 * SHARE, own, trades, ends) <= filled
    assert filled_ratio(ahead, own + 50 * SHARE, trades, ends) <= filled + 1e-12
    assert filled_ratio(ahead, own, trades, ends + 1.0) <= filled + 1e-12
    assert filled_ratio(ahead, own, trades + 1.0, ends) >= filled - 1e-12


@given(shares, rates)
def test_without_takers_nothing_fills_and_the_price_can_still_go_through(ahead: int, ends: float) -> None:
    assert filled_ratio(ahead, SHARE, 0.0, ends) == 0.0
    assert through_ratio(0.0, ends) == (0.5 if ends > 0.0 else 0.0)


@given(rates, rates)
def test_first_and_through_share_the_same_chances(trades: float, ends: float) -> None:
    first, through = first_ratio(trades, ends), through_ratio(trades, ends)
    assert 0.0 <= first <= 1.0 and 0.0 <= through <= 0.5 and first + through <= 1.0 + 1e-12


def test_a_thin_flow_gives_no_rate_and_a_one_sided_one_fills_only_its_side() -> None:
    full = 300.0 * SHARE
    assert sales_per_s(0.0, 19.0 * SHARE, full, 5.0, 0) == 0.0
    assert sales_per_s(math.nan, math.nan, full, 5.0, 0) == 0.0
    buying = full
    assert sales_per_s(buying, full, full, 5.0, 0) == 0.0
    assert sales_per_s(buying, full, full, 5.0, 1) == pytest.approx(0.5 * full / 5.0 / TRADE_MICROS)


@given(st.floats(-1.0, 1.0), st.floats(21.0, 5_000.0), st.floats(0.0, 5_000.0))
def test_a_burst_is_not_believed_to_last(sided: float, total: float, slow: float) -> None:
    for token in range(2):
        rate = sales_per_s(sided * total * SHARE, total * SHARE, slow * SHARE, 5.0, token)
        assert 0.0 <= rate <= 0.5 * slow * SHARE / 5.0 / TRADE_MICROS + 1e-12


@given(st.floats(-500.0, 500.0), st.floats(0.0, 300.0), st.floats(0.0, 1.0), st.floats(0.0, 0.5))
def test_being_run_over_never_makes_a_quote_worth_more(
    edge: float, adverse: float, filled: float, through: float
) -> None:
    worth = making_bps(edge, adverse, 100.0, filled, through)
    assert worth <= filled * (edge - adverse) + 1e-9
    assert making_bps(edge, adverse + 10.0, 100.0, filled, through) <= worth + 1e-9
    if edge <= adverse:
        assert worth <= 0.0
