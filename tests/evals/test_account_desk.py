"""Forecasts of books and of prices are scored together where they meet, and apart where they never do."""

import numpy as np

from evals.account_desk import apart, crowded_out
from evals.results import Forecasts


def test_forecasters_that_never_meet_are_not_scored_against_each_other() -> None:
    nan = float("nan")
    mid, fair = np.array([0.5, nan, nan]), np.array([nan, 0.4, 0.6])
    assert crowded_out(mid, fair) == ("mid",)
    assert crowded_out(fair, mid) == ("fair",)
    assert crowded_out(mid, np.array([0.1, 0.2, nan])) == ()
    assert crowded_out(mid, np.full(3, nan)) == ()


def test_forecasts_of_books_and_of_prices_on_other_days_are_scored_apart() -> None:
    nan = float("nan")
    both = Forecasts(
        window_s=np.array([0, 300, 600]),
        left_s=np.array([60, 60, 60]),
        up=np.array([1, 0, 1]),
        p_up={"fused": np.array([0.5, 0.4, 0.6]), "mid": np.array([0.5, nan, nan]), "fair": np.array([nan, 0.4, 0.6])},
        bid_bps=np.full(3, nan),
        ask_bps=np.full(3, nan),
    )
    larger, smaller = apart(both)
    assert larger.window_s.tolist() == [300, 600]
    assert smaller.window_s.tolist() == [0]
    assert (larger.called, smaller.called) == ("windows with a price", "windows with a book")
    together, none = apart(larger)
    assert len(none) == 0
    assert together is larger


def test_a_book_with_one_side_goes_with_the_books() -> None:
    nan = float("nan")
    both = Forecasts(
        window_s=np.array([0, 0, 600, 600, 600]),
        left_s=np.array([60, 5, 60, 30, 5]),
        up=np.array([1, 1, 1, 1, 1]),
        p_up={
            "fused": np.array([0.5, nan, 0.6, 0.6, 0.6]),
            "mid": np.array([0.5, nan, nan, nan, nan]),
            "fair": np.array([nan, nan, 0.6, 0.6, 0.6]),
        },
        bid_bps=np.array([4_900.0, 9_900.0, nan, nan, nan]),
        ask_bps=np.array([5_100.0, nan, nan, nan, nan]),
    )
    larger, smaller = apart(both)
    assert (larger.window_s.tolist(), smaller.left_s.tolist()) == ([600, 600, 600], [60, 5])
