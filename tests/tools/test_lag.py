from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from recordings import recordings

from state.compiled import compiled
from state.feeds import BLOCKS, LAGS_BEFORE, Lag, LagEstimate
from state.records import Floats, Ints, as_dict, one
from tools.lag import begin_lag, break_follow, correlogram, estimate_lag, lag_left_ns, note_follow, note_lead

MS = 1_000_000
S = 1_000 * MS
START = 1_792_573_200 * S


@compiled
def feed_both(lag: Lag, is_lead: Ints, seen_ns: Ints, value_log: Floats) -> None:
    for row in range(len(seen_ns)):
        if is_lead[row]:
            note_lead(lag, seen_ns[row], value_log[row])
        else:
            note_follow(lag, seen_ns[row], value_log[row])


def measured(
    lead: tuple[Ints, Floats], follow: tuple[Ints, Floats], step_ns: int = 100 * MS, block_steps: int = 600
) -> Lag:
    lag = one(Lag)
    begin_lag(lag, step_ns, block_steps)
    seen_ns = np.concatenate((lead[0], follow[0]))
    value_log = np.concatenate((lead[1], follow[1]))
    is_lead = np.concatenate((np.ones(len(lead[0]), np.int64), np.zeros(len(follow[0]), np.int64)))
    order = np.argsort(seen_ns, kind="stable")
    feed_both(lag, is_lead[order], seen_ns[order], value_log[order])
    return lag


def read(lag: Lag) -> dict[str, Any]:
    estimate = one(LagEstimate)
    estimate_lag(lag, estimate)
    return as_dict(estimate)


def planted(
    rng: np.random.Generator, lag_ms: float, seconds: int = 700, lead_per_s: int = 40, follow_per_s: int = 15
) -> tuple[tuple[Ints, Floats], tuple[Ints, Floats]]:
    """Two noisy views of one walk with bursts of volatility, sampled at random; the second sees it `lag_ms` later."""
    grid_ms = 5
    burst = np.repeat(np.exp(rng.standard_normal(seconds)), 1_000 // grid_ms)
    walk = np.cumsum(rng.standard_normal(len(burst)) * burst) * 0.8e-4 * np.sqrt(grid_ms / 1_000)
    sides = []
    for per_s, late_ms, noise in ((lead_per_s, 0.0, 1e-6), (follow_per_s, lag_ms, 1e-5)):
        seen_ms = np.sort(rng.uniform(5_000, seconds * 1_000 - 5_000, per_s * seconds))
        values = walk[((seen_ms - late_ms) / grid_ms).astype(np.int64)] + noise * rng.standard_normal(len(seen_ms))
        sides.append((START + (seen_ms * MS).astype(np.int64), values))
    return sides[0], sides[1]


@pytest.mark.parametrize("lag_ms", [-300.0, 0.0, 150.0, 430.0, 600.0, 1_200.0])
def test_a_planted_lag_lies_in_the_interval(lag_ms: float) -> None:
    for seed in range(3):
        found = read(measured(*planted(np.random.default_rng(seed), lag_ms)))
        assert found["known"]
        assert found["low_ns"] <= lag_ms * MS <= found["high_ns"]
        assert found["high_ns"] - found["low_ns"] < 400 * MS
        assert found["lag_ns"] == pytest.approx(lag_ms * MS, abs=80 * MS)
        if lag_ms:
            assert (found["lead_ratio"] > 1.0) == (lag_ms > 0)


def test_two_walks_of_their_own_have_no_known_lag() -> None:
    known = 0
    for seed in range(20):
        lead, _ = planted(np.random.default_rng(seed), 0.0)
        _, follow = planted(np.random.default_rng(1_000 + seed), 0.0)
        known += read(measured(lead, follow))["known"]
    assert known <= 2


def test_old_blocks_are_forgotten_so_that_a_changed_lag_is_found() -> None:
    lead, follow = planted(np.random.default_rng(5), 900.0, seconds=600)
    later_lead, later_follow = planted(np.random.default_rng(6), 200.0, seconds=600)
    shift_ns = 600 * S
    lead = (np.concatenate((lead[0], later_lead[0] + shift_ns)), np.concatenate((lead[1], later_lead[1])))
    follow = (np.concatenate((follow[0], later_follow[0] + shift_ns)), np.concatenate((follow[1], later_follow[1])))
    found = read(measured(lead, follow, block_steps=400))
    assert found["known"]
    assert found["steps_count"] <= 400 * BLOCKS
    assert found["low_ns"] <= 200 * MS <= found["high_ns"]


def test_a_side_that_falls_silent_is_gone_and_not_standing_still() -> None:
    lead, follow = planted(np.random.default_rng(7), 400.0, seconds=400)
    quiet = follow[0] > START + 200 * S
    lag = measured(lead, (follow[0][~quiet], follow[1][~quiet]))
    assert int(np.sum(np.asarray(lag.block_count))) < 2_100
    assert float(correlogram(lag).max()) > 0.25


def test_another_market_s_book_does_not_look_like_a_move() -> None:
    lead, follow = planted(np.random.default_rng(8), 400.0, seconds=400)
    lag = one(Lag)
    begin_lag(lag, 100 * MS, 600)
    half = START + 200 * S
    for until_ns, offset in ((half, 0.0), (START + 400 * S, 3.0)):
        part = [(side[0] >= until_ns - 200 * S) & (side[0] < until_ns) for side in (lead, follow)]
        seen_ns = np.concatenate((lead[0][part[0]], follow[0][part[1]]))
        values = np.concatenate((lead[1][part[0]], follow[1][part[1]] + offset))
        is_lead = np.repeat([1, 0], [int(part[0].sum()), int(part[1].sum())])
        order = np.argsort(seen_ns, kind="stable")
        feed_both(lag, is_lead[order], seen_ns[order], values[order])
        break_follow(lag)
    assert float(np.sum(np.asarray(lag.follow_var))) < 0.1
    assert float(correlogram(lag).max()) > 0.25


def test_what_is_left_for_a_taker_is_the_lag_less_hold_and_road() -> None:
    assert lag_left_ns(600 * MS, 150 * MS, 90 * MS) == 360 * MS
    assert lag_left_ns(100 * MS, 150 * MS, 90 * MS) < 0


def test_before_it_is_begun_or_without_data_nothing_is_known() -> None:
    lag = one(Lag)
    note_lead(lag, START, 1.0)
    note_follow(lag, START + S, 1.0)
    assert not read(lag)["known"]
    begin_lag(lag, 100 * MS, 600)
    assert not read(lag)["known"]


def columns(query: str) -> dict[str, Any]:
    return duckdb.connect().execute(query).fetchnumpy()


def by_hand(lead: tuple[Ints, Floats], follow: tuple[Ints, Floats], step_ns: int, steps: list[int]) -> list[float]:
    """Correlations of previous-tick changes on the same grid, in NumPy."""
    first = max(lead[0][0], follow[0][0]) // step_ns + 2
    grid = np.arange(first, min(lead[0][-1], follow[0][-1]) // step_ns) * step_ns
    moves = [np.diff(side[1][np.searchsorted(side[0], grid, side="left") - 1]) for side in (lead, follow)]
    out = []
    for step in steps:
        ahead = moves[0][max(0, -step) : len(moves[0]) - max(0, step)]
        behind = moves[1][max(0, step) : len(moves[1]) - max(0, -step)]
        scale = np.sqrt((moves[0] ** 2).sum() * (moves[1] ** 2).sum())
        out.append(float((ahead * behind).sum() / scale))
    return out


def cex(folder: Path, name: str) -> tuple[Ints, Floats]:
    found = columns(f"select recv_ns, ln((bid + ask) / 2) as mid from '{folder / name}.parquet' order by recv_ns")
    return found["recv_ns"].astype(np.int64), found["mid"]


def test_recorded_spot_and_perpetual_move_together_with_a_hair_of_a_lead() -> None:
    folder = recordings("cex_binance_2024-08-08")
    spot, perpetual = cex(folder, "binance_spot_btcusdt_bbo"), cex(folder, "binance_usdm_btcusdt_bbo")
    end_ns = min(spot[0][-1], perpetual[0][-1])
    spot = (spot[0][spot[0] <= end_ns], spot[1][spot[0] <= end_ns])
    lag = measured(spot, perpetual, block_steps=300)
    steps = [-2, -1, 0, 1, 2]
    ours = [float(correlogram(lag)[LAGS_BEFORE + step]) for step in steps]
    assert ours == pytest.approx(by_hand(spot, perpetual, 100 * MS, steps), abs=0.02)
    assert ours[2] > 0.6 and max(ours[1], ours[3]) < 0.25
    found = read(lag)
    assert found["known"]
    assert found["low_ns"] <= 0 <= found["high_ns"]


def test_the_recorded_venue_follows_binance_within_two_seconds() -> None:
    folder = recordings("pm_binance_aligned_2025-12-11")
    books = f"'{folder / 'books.parquet'}'"
    either = f"(select ts_recv_ms, binance_mid, market from {books} union all by name " + (
        f"select ts_recv_ms, binance_mid, market from '{folder / 'trades.parquet'}')"
    )
    for market, coin in (("btc_1h", "btc"), ("eth_1h", "eth")):
        book = columns(
            f"select ts_recv_ms, (bid_px[1] + ask_px[1]) / 2 as mid, token from {books}"
            f" where market = '{market}' order by ts_recv_ms, seq"
        )
        binance = columns(
            f"select ts_recv_ms, ln(binance_mid) as mid from {either} where starts_with(market, '{coin}')"
            " order by ts_recv_ms"
        )
        p_up = np.where(book["token"] == "Up", book["mid"], 1.0 - book["mid"])
        follow = (book["ts_recv_ms"].astype(np.int64) * MS, np.log(p_up / (1.0 - p_up)))
        lead = (binance["ts_recv_ms"].astype(np.int64) * MS, binance["mid"])
        kept = lead[0] <= follow[0][-1]
        lag = measured((lead[0][kept], lead[1][kept]), follow, step_ns=S, block_steps=120)
        steps = [-1, 0, 1, 2]
        ours = [float(correlogram(lag)[LAGS_BEFORE + step]) for step in steps]
        assert ours == pytest.approx(by_hand(lead, follow, S, steps), abs=0.05)
        assert ours[1] > 0.3 and ours[2] > 0.15 and ours[2] > 2.0 * ours[0]
        # A second's grid over fifteen minutes of trade-time books: who leads is plain, by how long is not.
        assert read(lag)["lead_ratio"] > 1.5
