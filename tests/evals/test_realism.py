from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.generator import BUSY, EFFICIENT, SPECS
from evals.generator_feeds import Events
from evals.realism import WINDOWS, Band, all_inside, band_of, figure_of, reaching, side_by_side
from evals.realism_bands import BANDS, VENUE
from evals.realism_books import book_figures, change_figures, trade_gaps
from evals.realism_market import market_figures
from evals.realism_prices import autocorrelation, exchange_figures, lag_s, stream_figures
from state.events import EVENT, LAST_IN_FRAME, Kind, Side, Source, Token
from state.records import Floats

S = 1_000_000_000
MS = 1_000_000
OPEN_S = 1_792_573_200


def band(low: float, high: float, name: str = "spread, cents") -> Band:
    return Band(name=name, real=0.5 * (low + high), low=low, high=high, source="a recording")


def test_a_figure_is_inside_its_band_or_outside_and_what_was_not_measured_is_outside() -> None:
    measured = {"spread, cents": np.array([1.0, 3.0]), "levels": np.array([7.0])}
    inside, outside, missing = side_by_side(measured, [band(1.9, 2.0), band(8, 9, "levels"), band(0, 1, "never")])
    assert (inside.simulated, inside.inside) == (2.0, True)
    assert (outside.simulated, outside.inside) == (7.0, False)
    assert np.isnan(missing.simulated) and not missing.inside
    assert all_inside([inside]) and not all_inside([inside, missing])


@pytest.mark.parametrize(("figure", "inside"), [(0.09998, False), (0.099995, True), (1_000.05, True), (1_000.2, False)])
def test_the_slack_of_rounded_bands_is_a_share_of_each_end_alone(figure: float, inside: bool) -> None:
    (row,) = side_by_side({"spread, cents": np.array([figure])}, [band(0.1, 1_000.0)])
    assert row.inside is inside


def test_shares_and_scores_are_averaged_and_other_figures_are_those_of_the_middle_window() -> None:
    values = np.array([0.0, 0.0, 1.0])
    assert figure_of("one-sided at 30 s", values) == pytest.approx(1 / 3)
    assert figure_of("touch, shares, p50", values) == 0.0


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=40), st.integers(1, 40))
def test_a_band_lies_within_what_was_recorded_and_is_the_same_each_time(recorded: list[float], count: int) -> None:
    values = np.array(recorded)
    once, again = (band_of("touch, dollars", values, count, "somewhere") for _ in range(2))
    assert once == again
    assert values.min() - 1e-9 <= once.low <= once.high <= values.max() + 1e-9


def test_more_windows_make_a_band_narrower() -> None:
    values = np.random.default_rng(1).normal(5.0, 1.0, 80)
    few, many = band_of("spread, cents", values, 4, ""), band_of("spread, cents", values, 64, "")
    assert many.low > few.low and many.high < few.high
    assert many.low < values.mean() < many.high


def test_a_band_reaches_to_a_later_measurement() -> None:
    reached = reaching(band(1.0, 2.0), band(0.5, 0.6))
    assert (reached.low, reached.high) == (0.5, 2.0)
    assert reaching(band(1.0, 2.0), None) == band(1.0, 2.0)


def test_every_stored_band_is_one_and_says_where_it_is_from() -> None:
    names = [each.name for each in BANDS]
    assert len(names) == len(set(names)) > 40
    assert {each.name for each in VENUE} <= set(names)
    for each in BANDS:
        assert each.low <= each.high and each.source
        assert np.isnan(each.real) or each.low <= each.real <= each.high


def book_row(at_s: float, token: int, side: int, cents: int, shares: float, kind: Kind = Kind.LEVEL_SET) -> Events:
    row = np.zeros(1, EVENT)
    row["seen_ns"] = row["at_ns"] = round((OPEN_S + at_s) * S)
    row["kind_code"], row["source_code"] = kind, Source.POLYMARKET_BOOK
    row["token_code"], row["side_code"], row["price_bps"] = token, side, cents * 100
    row["amount_micros"], row["flags_mask"] = round(shares * 1_000_000), LAST_IN_FRAME
    return row


def small_book() -> Floats:
    """A DOWN book of 50/51 that turns 50/52 after two minutes, and has no bids in the last ten seconds."""
    down, up = int(Token.DOWN), int(Token.UP)
    rows = [book_row(-5, down, 0, 0, 0, Kind.BOOK_CLEARED)]
    rows += [book_row(-4, down, Side.BUY, 50 - step, 100 + step) for step in range(4)]
    rows += [book_row(-3, down, Side.SELL, 51, 10), book_row(-3, down, Side.SELL, 52, 20)]
    rows += [book_row(1, up, Side.BUY, 10, 999)]
    rows += [book_row(120.5, down, Side.SELL, 51, 0)]
    rows += [book_row(130, down, Side.BUY, 49, 7)]
    rows += [book_row(290 + step / 10, down, Side.BUY, 50 - step, 0) for step in range(4)]
    return np.concatenate(rows)


def test_a_window_is_measured_by_looking_at_its_down_book_every_second() -> None:
    figures = book_figures(small_book(), OPEN_S, 300, Token.DOWN)
    assert figures["spread at one tick"] == pytest.approx(121 / 240)
    assert figures["touch changes a minute"] == pytest.approx(1 / 4)
    assert figures["touch, shares, p50"] == pytest.approx(60.0)
    assert figures["best three, shares, p90"] == pytest.approx(100 + 101 + 102)
    assert figures["whole book, dollars"] == pytest.approx(
        (50 + 101 * 0.49 + 102 * 0.48 + 103 * 0.47 + 5.1 + 10.4), abs=0.2
    )
    assert figures["levels"] == 6.0
    assert (figures["one-sided at 30 s"], figures["one-sided at 5 s"]) == (0.0, 1.0)
    assert figures["Brier at 240 s"] == pytest.approx((0.505 - 1.0) ** 2)


def test_the_other_tokens_outcome_gives_the_other_score_and_an_unknown_one_none() -> None:
    up = book_figures(small_book(), OPEN_S, 300, Token.UP)
    assert up["Brier at 240 s"] == pytest.approx(0.505**2)
    assert "Brier at 240 s" not in book_figures(small_book(), OPEN_S, 300, None)


def test_changes_are_counted_by_the_frame_and_by_whether_they_touch_the_best_price() -> None:
    down = int(Token.DOWN)
    rows = [book_row(-1, down, 0, 0, 0, Kind.BOOK_CLEARED), book_row(-1, down, Side.BUY, 50, 5)]
    rows += [book_row(step / 100, down, Side.BUY, 50 if step % 4 else 40, 5 + step) for step in range(100)]
    figures = change_figures(np.concatenate(rows), OPEN_S * S, (OPEN_S + 1) * S)
    assert figures["changes a second"] == 100.0
    assert figures["changes at the touch"] == 0.75
    assert figures["gap between changes, p95 ms"] == pytest.approx(10.0, abs=0.01)


def test_gaps_between_trades() -> None:
    figures = trade_gaps((np.arange(11) * 50.0 * MS).astype(np.float64), 0.5)
    assert figures == {"trades a second": 22.0, "gap between trades, p50 ms": 50.0, "gap between trades, p95 ms": 50.0}


@pytest.mark.parametrize("late_s", [0.0, 0.5, 1.0, 2.0])
def test_who_follows_is_found_as_late_as_he_is(late_s: float) -> None:
    rng = np.random.default_rng(3)
    at_ns = np.arange(4_000) * 100 * MS
    walk = np.cumsum(rng.normal(0.0, 1e-4, len(at_ns)))
    lag = lag_s(at_ns, np.exp(walk), at_ns + round(late_s * S), walk)
    assert lag == pytest.approx(late_s, abs=0.12)


def test_two_that_have_little_in_common_in_time_give_no_lag() -> None:
    at_ns = np.arange(100) * S
    assert np.isnan(lag_s(at_ns, np.full(100, 2.0), at_ns + 90 * S, np.zeros(100)))
    assert np.isnan(lag_s(at_ns, np.full(100, 2.0), at_ns, np.zeros(100)))


def test_autocorrelation_leaves_out_moves_over_lost_seconds() -> None:
    rng = np.random.default_rng(4)
    shocks = rng.normal(size=20_001)
    moves = shocks[1:] + shocks[:-1]
    whole = np.ones(len(moves), np.bool_)
    assert autocorrelation(moves, whole, 1) == pytest.approx(0.5, abs=0.03)
    assert autocorrelation(moves, whole, 2) == pytest.approx(0.0, abs=0.03)
    spoiled = moves.copy()
    spoiled[::50], whole[::50] = 1e6, False
    assert autocorrelation(spoiled, whole, 1) == pytest.approx(0.5, abs=0.03)


def test_the_stream_is_measured_by_the_hour() -> None:
    rows = np.zeros(3_600, EVENT)
    rows["at_ns"] = (OPEN_S + np.arange(3_600)) * S
    rows["seen_ns"] = rows["at_ns"] + 1_300 * MS
    rows["value_usd"] = 100_000.0 * np.exp(1e-4 * np.cumsum(np.random.default_rng(5).normal(size=3_600)))
    figures = stream_figures(rows[np.arange(3_600) % 100 != 7])
    assert figures["stream seconds present"] == [0.99]
    assert figures["stream delay, p50 ms"] == [1_300.0]
    assert figures["stream 1 s moves, sd bps"][0] == pytest.approx(1.0, abs=0.05)
    assert figures["stream 1 s moves, kurtosis"][0] == pytest.approx(3.0, abs=0.3)


def test_an_exchange_is_measured_by_ten_seconds() -> None:
    rows = np.zeros(600, EVENT)
    rows["seen_ns"] = OPEN_S * S + np.arange(600) * 100 * MS
    rows["kind_code"] = np.where(np.arange(600) % 5 == 0, Kind.CEX_TRADED, Kind.PRICE_SEEN)
    figures = exchange_figures(rows, "spot")
    assert set(figures["exchange messages a second, spot"].tolist()) == {8.0}
    assert set(figures["exchange trades a second, spot"].tolist()) == {2.0}


@pytest.fixture(scope="module")
def busy() -> dict[str, Floats]:
    return market_figures(BUSY, 1, WINDOWS)


def test_the_busy_market_is_inside_every_band(busy: dict[str, Floats]) -> None:
    rows = side_by_side(busy, BANDS)
    assert [row.band.name for row in rows if not row.inside] == []


def test_each_window_is_measured_once_for_each_figure_and_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    figures = market_figures(replace(EFFICIENT, feeds=()), 2, 2, lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert len(figures["spread, cents"]) == len(figures["Brier at 60 s"]) == 2
    assert not any(name.startswith("exchange") for name in figures)


def test_an_unlike_market_is_found_out() -> None:
    unlike = replace(SPECS["efficient"], maker_shares=4.0, patient_shares=0.0, taker_per_s=1.0)
    rows = side_by_side(market_figures(unlike, 1, 4), BANDS)
    outside = {row.band.name for row in rows if not row.inside}
    assert {"touch, shares, p50", "whole book, dollars", "levels", "trades a second"} <= outside
