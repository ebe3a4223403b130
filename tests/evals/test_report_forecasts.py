"""Windows with books of one day and windows with prices of another are both on the page, each on its own terms."""

from dataclasses import replace

import numpy as np

from evals.report import render_report, report_json
from evals.results import Forecasts, ReportInput

NAN = float("nan")


def group(called: str, first_s: int, windows: int, **p_up: float) -> Forecasts:
    """Every other window goes up; with a middle, the book is whole at 60 s and one-sided at 5 s."""
    starts = np.repeat(first_s + 300 * np.arange(windows), 2)
    left = np.tile([60, 5], windows)
    up = (starts // 300) % 2
    said = {name: np.where(up == 1, p, 1.0 - p) for name, p in p_up.items()}
    whole = (left == 60) & ("mid" in p_up)
    if "mid" in p_up:
        said = {name: np.where(whole, p, NAN) for name, p in said.items()}
    middle = 10_000 * said.get("mid", np.full(len(up), NAN))
    late = (left == 5) & ("mid" in p_up)
    return Forecasts(
        called=called,
        window_s=starts,
        left_s=left,
        up=up,
        p_up=said,
        bid_bps=np.where(whole, middle - 50, np.where(late & (up == 1), 9_900, NAN)),
        ask_bps=np.where(whole, middle + 50, np.where(late & (up == 0), 100, NAN)),
    )


PRICES = group("windows with a price", 300_000, 60, fused=0.8, fair=0.8)
BOOKS = group("windows with a book", 900_000, 40, fused=0.7, mid=0.7)


def test_both_groups_are_on_the_page_with_their_own_reference() -> None:
    page = render_report(ReportInput(title="Two days", forecasts=PRICES, other_forecasts=BOOKS))
    assert "Windows with a price: 120 moments in 60 windows" in page
    assert "Windows with a book: 80 moments in 40 windows" in page
    assert "log loss less coin" in page
    assert "log loss less book&#x27;s middle" in page
    assert page.count("Reliability by time to close") == 2
    assert page.count("<figcaption>Edge by price") == 1
    assert page.count("No book with an ask") == 0
    assert "40 of 80 books had one side only" in page


def test_the_json_has_both_groups_whole() -> None:
    found = report_json(ReportInput(title="Two days", forecasts=PRICES, other_forecasts=BOOKS))
    prices, books = found["forecasts"]
    assert (prices["called"], prices["windows"], books["called"], books["windows"]) == (
        "windows with a price", 60, "windows with a book", 40,
    )  # fmt: skip
    assert prices["book_by_moment"] == prices["edge_by_price"] == []
    assert [(row["left_s"], row["one_sided_count"]) for row in books["book_by_moment"]] == [(60, 0), (5, 40)]
    assert books["edge_by_price"]
    assert {row["forecaster"] for row in books["scores"]} == {"fused", "mid", "coin"}
    assert {curve["forecaster"] for curve in prices["reliability"]} == {"fused", "fair"}


def test_one_group_stands_without_a_heading_and_an_empty_one_says_so() -> None:
    page = render_report(ReportInput(title="One", forecasts=replace(BOOKS, called="")))
    assert "Windows with a book" not in page
    assert "Reliability by time to close" in page
    nothing = render_report(ReportInput(title="None"))
    assert "nothing to score" in nothing
    assert report_json(ReportInput(title="None"))["forecasts"] == []
