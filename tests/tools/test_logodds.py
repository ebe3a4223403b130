import math
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.intervals import student_cdf
from tools.logodds import LOGODDS_MOST, logodds, normal_cdf, probability, student4_cdf, student6_cdf

PROBABILITIES = st.floats(0.0, 1.0)
ANYTHING = st.floats(allow_nan=True, allow_infinity=True)


@settings(deadline=None)
@given(ANYTHING)
def test_every_number_has_finite_odds_and_a_probability_strictly_inside(value: float) -> None:
    assert -LOGODDS_MOST <= logodds(value) <= LOGODDS_MOST
    assert 0.0 < probability(value) < 1.0


@settings(deadline=None)
@given(st.floats(1e-9, 1.0 - 1e-9))
def test_there_and_back_gives_the_same_probability(p: float) -> None:
    assert probability(logodds(p)) == pytest.approx(p, rel=1e-9)


@settings(deadline=None)
@given(st.floats(-29.0, 29.0))
def test_up_and_down_mirror(value: float) -> None:
    assert probability(value) + probability(-value) == pytest.approx(1.0, abs=1e-15)
    assert logodds(1.0 - probability(value)) == pytest.approx(-logodds(probability(value)), abs=1e-2)


@settings(deadline=None)
@given(st.floats(-8.0, 8.0))
def test_the_normal_agrees_with_the_standard_library(z: float) -> None:
    assert normal_cdf(z) == pytest.approx(NormalDist().cdf(z), abs=1e-15)


def test_the_normal_keeps_its_digits_in_the_tail() -> None:
    # Abramowitz and Stegun 26.2: Q(7) = 1.279812543886e-12, where the library's 1 + erf has lost half its digits.
    assert normal_cdf(-7.0) == pytest.approx(1.279812543886e-12, rel=1e-11)


@settings(deadline=None)
@given(st.floats(-50.0, 50.0))
def test_the_closed_students_agree_with_the_incomplete_beta(z: float) -> None:
    assert student6_cdf(z) == pytest.approx(student_cdf(z * math.sqrt(1.5), 6.0), rel=1e-9)
    assert student4_cdf(z) == pytest.approx(student_cdf(z * math.sqrt(2.0), 4.0), rel=1e-9)


@settings(deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_every_curve_rises_and_mirrors(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    for curve in (normal_cdf, student4_cdf, student6_cdf):
        assert curve(low) <= curve(high)
        assert curve(a) + curve(-a) == pytest.approx(1.0, abs=1e-15)


def test_the_student_keeps_its_digits_far_out() -> None:
    # The tail of variance-1 Student-4 falls as 3 / (4 z^4): at z = 1e4 it is 7.5e-17, not 0.
    assert student4_cdf(-1e4) == pytest.approx(0.75e-16, rel=1e-6)
    assert student4_cdf(-1e5) > 0.0


@pytest.mark.parametrize("z", [-3.0, -0.1, 0.0, 0.7, 5.0])
def test_compiled_and_plain_give_the_same_bits(z: float) -> None:
    for function in (normal_cdf, student4_cdf, student6_cdf, probability, logodds):
        plain = getattr(function, "py_func", function)
        assert function(z) == plain(z)
