import numpy as np
import pytest

from evals.calibration import COIN, book_by_moment, curves, edge_by_price, scored
from evals.results import Forecasts
from tools.scores import log_loss

LEFT = np.array([240, 60, 20])


def told(windows: int, seed: int = 0, slope: float = 1.0) -> Forecasts:
    """Outcomes drawn from `true`; `bold` says the same with its log-odds stretched."""
    chance = np.random.default_rng(seed)
    truth = chance.uniform(0.05, 0.95, windows)
    up = np.repeat(chance.random(windows) < truth, 3).astype(np.int64)
    p = np.repeat(truth, 3)
    x = np.log(p / (1 - p)) * slope
    return Forecasts(
        window_s=np.repeat(300 * np.arange(windows), 3),
        left_s=np.tile(LEFT, windows),
        up=up,
        p_up={"fair": p, "mid": 1 / (1 + np.exp(-x))},
        bid_bps=np.floor(p * 100) * 100 - 100,
        ask_bps=np.floor(p * 100) * 100 + 200,
    )


def test_the_honest_forecaster_beats_the_bold_one_and_both_beat_a_coin() -> None:
    rows = {(r.forecaster, r.band): r for r in scored(told(4_000, slope=1.8))}
    fair, mid, coin = (rows[name, "all"] for name in ("fair", "mid", COIN))
    assert fair.log_loss.mean < mid.log_loss.mean < coin.log_loss.mean == pytest.approx(np.log(2))
    assert fair.against.high < 0.0 and fair.against_p < 0.001 and fair.log_skill > 0.0
    assert mid.against.mean == 0.0 and mid.log_skill == 0.0
    assert abs(fair.line.slope - 1.0) < 4 * fair.line.slope_se
    assert mid.line.slope == pytest.approx(fair.line.slope / 1.8)


def test_forecasts_of_one_window_count_as_one() -> None:
    row = next(r for r in scored(told(50)) if r.band == "all")
    assert (row.log_loss.count, row.log_loss.clusters) == (150, 50)


def test_everybody_is_scored_on_moments_at_which_all_spoke() -> None:
    forecasts = told(200)
    fair = forecasts.p_up["fair"].copy()
    hard = np.abs(fair - 0.5) < 0.3
    fair[hard] = np.nan
    silent = Forecasts(
        window_s=forecasts.window_s, left_s=forecasts.left_s, up=forecasts.up,
        p_up={"fair": fair, "mid": forecasts.p_up["mid"]},
    )  # fmt: skip
    rows = {r.forecaster: r for r in scored(silent) if r.band == "all"}
    assert {r.log_loss.count for r in rows.values()} == {int((~hard).sum())}
    expected = log_loss(forecasts.p_up["mid"][~hard], forecasts.up[~hard].astype(float))
    assert rows["mid"].log_loss.mean == pytest.approx(expected)


def test_a_forecaster_who_never_spoke_is_left_out_and_silences_nobody() -> None:
    forecasts = told(30)
    quiet = Forecasts(
        window_s=forecasts.window_s, left_s=forecasts.left_s, up=forecasts.up,
        p_up={**forecasts.p_up, "fused": np.full(90, np.nan)},
    )  # fmt: skip
    assert {r.forecaster for r in scored(quiet)} == {"fair", "mid", COIN}
    assert curves(quiet, "fused") == () and curves(quiet, "nobody") == ()


def test_nothing_said_is_nothing_scored() -> None:
    assert scored(Forecasts()) == () and edge_by_price(Forecasts()) == ()


def test_a_moment_belongs_to_the_band_that_ends_at_it() -> None:
    counts = {r.band: r.brier.count for r in scored(told(10)) if r.forecaster == "mid"}
    assert counts == {"all": 30, "300..180 s": 10, "60..30 s": 10, "30..10 s": 10}


def test_reliability_of_an_honest_forecaster_covers_the_diagonal() -> None:
    pooled = [b for seed in range(20) for b in curves(told(1_000, seed), "fair")[0].bins]
    inside = [b.came_true.low <= b.p_said <= b.came_true.high for b in pooled]
    assert len(inside) == 200 and 0.90 <= sum(inside) / 200 <= 0.99


def test_fair_asks_with_a_spread_lose_the_spread_at_every_price() -> None:
    rows = edge_by_price(told(6_000))
    assert len(rows) >= 9
    total = sum(r.edge_bps.mean * r.edge_bps.count for r in rows) / sum(r.edge_bps.count for r in rows)
    assert total == pytest.approx(-150.0, abs=25.0)
    assert all(r.price_low_bps <= r.paid_bps < r.price_high_bps for r in rows)


def test_an_empty_side_of_the_book_is_no_price() -> None:
    forecasts = told(20)
    bids = np.full(60, np.nan)
    bids[:3] = 0.0
    asks = np.full(60, np.nan)
    only = Forecasts(
        window_s=forecasts.window_s, left_s=forecasts.left_s, up=forecasts.up, p_up={}, bid_bps=bids, ask_bps=asks
    )
    assert edge_by_price(only) == ()


def test_an_empty_side_of_the_book_is_counted_and_taken_at_its_bound() -> None:
    nan = float("nan")
    forecasts = Forecasts(
        window_s=np.array([0, 300, 600, 900, 0]),
        left_s=np.array([5, 5, 5, 5, 60]),
        up=np.array([1, 0, 1, 1, 1]),
        p_up={"fused": np.array([nan, nan, 0.8, nan, 0.5]), "mid": np.array([nan, nan, 0.7, nan, 0.5])},
        bid_bps=np.array([9_800.0, nan, 6_800.0, nan, 4_000.0]),
        ask_bps=np.array([nan, 200.0, 7_200.0, nan, 6_000.0]),
    )
    early, late = book_by_moment(forecasts)
    assert (early.left_s, early.count, early.one_sided_count, early.mid.mean) == (60, 1, 0, 0.25)
    assert (late.left_s, late.count, late.one_sided_count) == (5, 3, 2)
    assert late.mid.mean == pytest.approx(0.3**2)
    assert late.touch.mean == pytest.approx((0.01**2 + 0.01**2 + 0.3**2) / 3)
    assert late.fused.mean == pytest.approx(0.2**2)
    assert book_by_moment(Forecasts()) == ()
