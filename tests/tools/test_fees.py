"""Fees: whole-number arithmetic held to the exact rational, the published table and a fee paid on chain."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.fees import FEE_UNKNOWN, fee_bps, fee_micros, rebate_micros, rebate_payout_micros

SHARE = 1_000_000


def exact_fee(mills: int, amount_micros: int, rate_ppm: int, exponent: int, by_notional: bool) -> int:
    p = Fraction(mills, 1000)
    dollars = Fraction(amount_micros, SHARE) * Fraction(rate_ppm, 10**6) * (p * (1 - p)) ** exponent
    grains = (dollars * p if by_notional else dollars) * 100_000
    if grains < 1:
        return 0
    return int(grains + Fraction(1, 2)) * 10


curves = st.tuples(
    st.one_of(st.sampled_from((70_000, 72_000, 250_000)), st.integers(0, 10**6)), st.integers(0, 3), st.booleans()
)


@given(st.integers(0, 1000), st.one_of(st.integers(0, 10**9), st.integers(0, 10**13)), curves)
@settings(max_examples=500, deadline=None)
def test_the_fee_is_the_exact_rational_rounded_to_five_decimals(
    mills: int, amount: int, curve: tuple[int, int, bool]
) -> None:
    assert fee_micros(mills * 10, amount, *curve) == exact_fee(mills, amount, *curve)


@given(st.integers(0, 1000), st.integers(0, 10**9), curves)
@settings(max_examples=200, deadline=None)
def test_the_fraction_for_edges_is_the_fee_without_rounding(
    mills: int, amount: int, curve: tuple[int, int, bool]
) -> None:
    unrounded = fee_bps(mills * 10.0, *curve) * amount / 10_000
    assert abs(unrounded - fee_micros(mills * 10, amount, *curve)) <= 10 + 1e-9 * unrounded


@pytest.mark.parametrize(
    ("price", "cents"),
    [
        ("0.05", "0.3325"),
        ("0.10", "0.63"),
        ("0.25", "1.3125"),
        ("0.50", "1.75"),
        ("0.75", "1.3125"),
        ("0.90", "0.63"),
        ("0.95", "0.3325"),
    ],
)
def test_a_hundred_shares_cost_what_the_published_table_says(price: str, cents: str) -> None:
    fee = fee_micros(int(Decimal(price) * 10_000), 100 * SHARE, 70_000, 1)
    assert Decimal(fee) / 10**6 == Decimal(cents)
    assert fee_bps(float(price) * 10_000, 70_000, 1) == pytest.approx(float(cents) * 100)


def test_a_fee_seen_on_chain_comes_out_to_the_micro() -> None:
    assert fee_micros(6_400, 25 * SHARE, 70_000, 1) == 403_200


def test_the_curves_of_earlier_days_come_out() -> None:
    notional = 50 * SHARE
    launch = fee_micros(5_000, 100 * SHARE, 250_000, 2, True)
    assert launch == 781_250
    assert launch / notional == pytest.approx(0.0156, abs=5e-5), "the launch curve peaks at 1.56 % of notional"
    assert fee_micros(5_000, 100 * SHARE, 72_000, 1) == 1_800_000


def test_what_is_smaller_than_a_grain_is_nothing_and_a_half_goes_up() -> None:
    assert fee_micros(5_000, 570, 70_000, 1) == 0  # 0.000009975 dollars: under a grain, though nearer to one
    assert fee_micros(5_000, 572, 70_000, 1) == 10
    assert fee_micros(500, SHARE, 70_000, 1) == 3_330  # 0.003325


def test_a_curve_that_cannot_be_reckoned_is_said_to_be_unknown() -> None:
    assert fee_micros(5_000, SHARE, 70_000, 4) == FEE_UNKNOWN
    assert fee_micros(5_000, SHARE, 70_000, -1) == FEE_UNKNOWN
    assert fee_micros(5_000, SHARE, -1, 1) == FEE_UNKNOWN
    assert fee_micros(5_000, SHARE, 1_000_001, 1) == FEE_UNKNOWN
    assert fee_micros(5_005, SHARE, 70_000, 1) == FEE_UNKNOWN
    assert fee_micros(10_010, SHARE, 70_000, 1) == FEE_UNKNOWN
    assert fee_micros(5_000, -1, 70_000, 1) == FEE_UNKNOWN
    assert fee_bps(5_000.0, 70_000, 4) != fee_bps(5_000.0, 70_000, 4)


amounts = st.integers(0, 10**12)


@given(amounts, amounts, amounts, st.integers(0, 10**6))
@settings(max_examples=300, deadline=None)
def test_a_rebate_is_our_part_of_the_pool_and_never_more(own: int, all_: int, collected: int, rate: int) -> None:
    paid = rebate_micros(own, all_, collected, rate)
    pool = Fraction(collected) * rate / 10**6
    share = Fraction(own, max(all_, own)) if own else Fraction(0)
    assert 0 <= paid <= pool * share
    slack = 2 if pool < 3_000_000_000 and own < 3_000_000_000 else 2 + pool / 10**6 + 10**6
    assert pool * share - paid <= slack


def test_rebates_under_a_dollar_a_day_are_not_paid() -> None:
    assert rebate_micros(1_750_000, 7_000_000, 7_000_000, 200_000) == 350_000
    assert rebate_payout_micros(999_999) == 0
    assert rebate_payout_micros(1_000_000) == 1_000_000
