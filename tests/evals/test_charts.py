from math import isclose, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals import charts
from evals.markup import MINUS, money, number, percent, shown, signed, table, tag, text
from tools.intervals import Estimate

finite = st.floats(-1e7, 1e7, allow_nan=False)


@given(values=st.lists(finite, min_size=1, max_size=20))
def test_an_axis_holds_its_values_and_its_ticks_say_what_they_are(values: list[float]) -> None:
    axis = charts.axis(values, "x")
    hair = 1e-6 * (axis.high - axis.low)
    assert axis.low <= min(values) + hair and max(values) - hair <= axis.high
    assert 2 <= len(axis.ticks) <= 9
    assert len({words for _, words in axis.ticks}) == len(axis.ticks)
    for value, words in axis.ticks:
        assert isclose(float(words.replace(",", "").replace(MINUS, "-")), value, rel_tol=1e-6, abs_tol=1e-9)


@given(values=st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=20))
def test_a_logarithmic_axis_spans_whole_powers_of_ten(values: list[float]) -> None:
    axis = charts.log_axis(values, "x")
    assert axis.low <= min(values) * (1 + 1e-8) and max(values) <= axis.high * (1 + 1e-8)
    assert axis.share(axis.low) == 0.0 and axis.share(axis.high) == 1.0


@given(a=finite, b=finite)
def test_more_is_further_right_and_higher_up(a: float, b: float) -> None:
    axis = charts.axis([-1e7, 1e7], "x")
    plot = charts.Plot(x=axis, y=axis)
    low, high = sorted((a, b))
    assert plot.at_x(low) <= plot.at_x(high) and plot.at_y(low) >= plot.at_y(high)
    assert plot.left <= plot.at_x(a) <= plot.width - plot.right
    assert plot.top <= plot.at_y(a) <= plot.height - plot.bottom


@pytest.mark.parametrize("values", [[], [nan], [5.0], [0.0, 0.0]])
def test_an_axis_of_nothing_or_of_one_value_still_has_room(values: list[float]) -> None:
    axis = charts.axis(values, "x")
    assert axis.low < axis.high


def test_a_line_breaks_where_a_value_is_not_known() -> None:
    axis = charts.axis([0.0, 4.0], "x")
    plot = charts.Plot(x=axis, y=axis)
    assert charts.curve(plot, [0, 1, 2, 3], [1, nan, 2, 3], 0).count("M") == 2


def test_a_stepped_line_holds_each_value_till_the_next() -> None:
    assert charts.stepped([0, 1, 2], [5, 6, 7]) == ([0, 1, 1, 2, 2], [5, 5, 6, 6, 7])


def test_a_tooltip_cannot_become_markup() -> None:
    axis = charts.axis([0.0, 4.0], "<b>")
    plot = charts.Plot(x=axis, y=axis)
    drawn = plot.svg('"><script>', charts.curve(plot, [0, 1], [1, 2], 0, "<i>"))
    assert "<script" not in drawn and "<i>" not in drawn and "<b>" not in drawn


def test_text_is_escaped_once_and_markup_not_again() -> None:
    assert text("a & b") == "a &amp; b"
    assert tag("p", tag("b", "<"), class_='"') == '<p class="&quot;"><b>&lt;</b></p>'
    assert '<td class="w">&lt;x&gt;</td>' in table(("a",), [("<x>",)], "t")


def test_numbers_are_shown_with_sign_unit_and_interval() -> None:
    estimate = Estimate(mean=-0.0123, low=-0.03, high=0.01, count=50, clusters=20)
    assert shown(estimate, "c") == f"{MINUS}1.23 c [{MINUS}3.00, 1.00]"
    assert shown(estimate, "%") == f"{MINUS}1.2 % [{MINUS}3.0, 1.0]"
    assert shown(Estimate(mean=2.0, count=3, clusters=1), "$") == "+$2.00 [no interval: 1 window]"
    assert {shown(Estimate(mean=nan)), signed(nan), money(nan), percent(nan)} == {"not measured"}
    assert number(-0.0001, 2) == "0.00" and money(1e6, 0) == "+$1,000,000"
