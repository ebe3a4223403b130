from dataclasses import replace

import numpy as np
import pytest

from evals.baselines import Moments, baseline_interval, baselines, taker_pnl_micros
from evals.results import UNKNOWN_OUTCOME
from state.events import Token
from tools.fees import fee_micros

SHARES = 100_000_000


def moments(windows: int = 400, seed: int = 0) -> Moments:
    """A fair book a cent wide around the truth; the hold costs nothing."""
    chance = np.random.default_rng(seed)
    truth = np.round(chance.uniform(0.05, 0.95, windows), 2)
    up = chance.random(windows) < truth
    n = 2 * windows
    mid = np.repeat(truth, 2) * 10_000
    up_ask, down_ask = (mid + 50).astype(np.int64) // 10 * 10, (10_000 - mid + 50).astype(np.int64) // 10 * 10
    return Moments(
        window_s=np.repeat(300 * np.arange(windows), 2), left_s=np.tile([120, 60], windows),
        outcome_code=np.repeat(np.where(up, Token.UP, Token.DOWN), 2).astype(np.int64),
        up_ask_bps=up_ask, down_ask_bps=down_ask, up_mid_bps=mid, up_cost_micros=up_ask * SHARES // 10_000,
        down_cost_micros=down_ask * SHARES // 10_000, up_held_cost_micros=up_ask * SHARES // 10_000,
        down_held_cost_micros=down_ask * SHARES // 10_000, move_usd=np.full(n, np.nan),
        last_move_usd=np.full(n, np.nan), fee_rate_ppm=np.full(n, 70_000), fee_exponent_count=np.ones(n, np.int64),
        fee_by_notional=np.zeros(n, np.int64),
    )  # fmt: skip


def test_on_a_fair_book_every_rule_loses_about_spread_and_fee() -> None:
    book = moments(6_000)
    found = {b.name: b for b in baselines(book, SHARES, np.random.default_rng(1))}
    assert set(found) == {
        "no trade",
        *(f"{rule} at T-{s} s" for rule in ("favourite", "underdog", "coin") for s in (120, 60)),
    }
    for name, baseline in found.items():
        if name == "no trade":
            assert not baseline.traded.any() and not baseline.pnl_usd.any()
            continue
        made = baseline_interval(baseline)
        p = book.up_mid_bps[::2] / 10_000
        cost = 0.5 + float(np.mean(100 * 0.07 * p * (1 - p)))
        assert made.mean == pytest.approx(-cost, abs=4 * made.se) and made.clusters > 5_900


def test_the_price_is_the_worse_of_now_and_after_the_hold() -> None:
    book = moments(1)
    now = int(book.up_cost_micros[0])
    same = taker_pnl_micros(book, 0, Token.UP, SHARES)
    better = replace(book, up_held_cost_micros=np.array([now - 5_000_000, now]))
    worse = replace(book, up_held_cost_micros=np.array([now + 5_000_000, now]))
    assert same is not None and taker_pnl_micros(better, 0, Token.UP, SHARES) == same
    dearer = taker_pnl_micros(worse, 0, Token.UP, SHARES)
    assert dearer is not None and same - dearer == pytest.approx(5_000_000, abs=400_000)


def test_profit_is_payout_less_cost_and_fee_to_the_micro_dollar() -> None:
    book = replace(moments(1), outcome_code=np.array([Token.UP, Token.UP]), up_cost_micros=np.array([53_000_000] * 2))
    book = replace(book, up_held_cost_micros=np.array([53_000_000] * 2))
    fee = fee_micros(5300, SHARES, 70_000, 1)
    assert taker_pnl_micros(book, 0, Token.UP, SHARES) == SHARES - 53_000_000 - fee
    lost = replace(book, outcome_code=np.array([Token.DOWN, Token.DOWN]))
    assert taker_pnl_micros(lost, 0, Token.UP, SHARES) == -53_000_000 - fee


@pytest.mark.parametrize("column", ["up_cost_micros", "up_held_cost_micros"])
def test_without_depth_now_or_after_the_hold_there_is_no_trade(column: str) -> None:
    book = replace(moments(1), **{column: np.array([-1, -1])})
    assert taker_pnl_micros(book, 0, Token.UP, SHARES) is None


def test_an_unknown_outcome_or_an_unknown_fee_curve_is_no_trade() -> None:
    book = moments(2)
    unknown = replace(book, outcome_code=np.full(4, UNKNOWN_OUTCOME))
    assert all(len(b.window_s) == 0 for b in baselines(unknown, SHARES, np.random.default_rng(1)))
    odd = replace(book, fee_exponent_count=np.full(4, 9))
    assert taker_pnl_micros(odd, 0, Token.UP, SHARES) is None


def test_a_one_sided_book_has_no_favourite_and_a_missing_moment_no_trade() -> None:
    book = moments(3)
    blind = replace(book, up_mid_bps=np.full(6, np.nan))
    found = {b.name: b for b in baselines(blind, SHARES, np.random.default_rng(1))}
    assert not found["favourite at T-120 s"].traded.any() and found["coin at T-120 s"].traded.all()
    late = {b.name: b for b in baselines(book, SHARES, np.random.default_rng(1), at_s=(30,))}
    assert not late["favourite at T-30 s"].traded.any()


def test_following_a_price_that_knows_the_outcome_wins_every_time() -> None:
    book = moments(50)
    knows = np.where(book.outcome_code == Token.UP, 25.0, -25.0)
    book = replace(book, move_usd=knows, last_move_usd=-knows)
    found = {b.name: b for b in baselines(book, SHARES, np.random.default_rng(1))}
    assert (found["above strike at T-60 s"].pnl_usd > 0).mean() > 0.95
    assert (found["last move at T-60 s"].pnl_usd < 0).all()


def test_the_coin_is_seeded() -> None:
    first, second = (
        [b.pnl_usd.tolist() for b in baselines(moments(30), SHARES, np.random.default_rng(7))] for _ in range(2)
    )
    assert first == second
