from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from evals.certificate import certificate_light, certify, fill_pnl_micros, fills_pnl_usd
from evals.results import UNKNOWN_OUTCOME, Check, Fills, Light, Orders, ReportInput, Windows
from state.events import Side
from state.orders import Liquidity
from tools.fees import fee_micros

SHARES = 100_000_000


def honest() -> ReportInput:
    """Two windows: a taker who walks the book and wins, and resting orders of which the losing one is filled."""
    n = 3
    taker = np.array([1, 1, 0])
    price = np.array([5300, 5400, 4500])
    won = np.array([1, 1, 0])
    fee = np.array([fee_micros(int(p), SHARES, 72_000, 1) if t else 0 for p, t in zip(price, taker, strict=True)])
    decided = np.array([10, 10, 20]) * 10**9
    fills = Fills(
        window_s=np.array([0, 0, 300]), order_id=np.array([1, 1, 2]), decided_ns=decided, arrived_ns=decided + 30,
        matched_ns=decided + 280, evidence_ns=decided, close_ns=np.full(n, 600 * 10**9), token_code=np.zeros(n, int),
        side_code=np.full(n, Side.BUY), liquidity_code=taker, price_bps=price, amount_micros=np.full(n, SHARES),
        fee_micros=fee, rebate_micros=np.zeros(n, int), fee_rate_ppm=np.full(n, 72_000),
        fee_exponent_count=np.ones(n, int), fee_by_notional=np.zeros(n, int), hold_ns=np.full(n, 250), won_code=won,
        reversed_code=np.zeros(n, int), p_token=np.full(n, 0.6), mid_bps=np.array([5250.0, 5250.0, 4550.0]),
        touch_bps=np.array([5300.0, 5300.0, 4600.0]), walk_bps=np.array([5350.0, 5350.0, 4500.0]),
        match_touch_bps=np.array([5300.0, 5300.0, 4500.0]), displayed_micros=np.array([SHARES, 2 * SHARES, -1]),
        mid_1s_bps=np.full(n, np.nan), mid_5s_bps=np.full(n, np.nan), mid_30s_bps=np.full(n, np.nan),
    )  # fmt: skip
    orders = Orders(
        window_s=np.array([0, 300, 300]), order_id=np.array([1, 2, 3]), placed_ns=np.array([10, 20, 20]) * 10**9,
        token_code=np.array([0, 0, 1]), side_code=np.full(3, Side.BUY), post_only=np.array([0, 1, 1]),
        price_bps=np.array([5400, 4500, 4500]), amount_micros=np.array([2 * SHARES, SHARES, SHARES]),
        filled_micros=np.array([2 * SHARES, SHARES, 0]), reject_code=np.zeros(3, int), won_code=np.array([1, 0, 1]),
    )  # fmt: skip
    pnl = np.array([2 * SHARES - 53_000_000 - 54_000_000 - fee[0] - fee[1], -45_000_000])
    windows = Windows(
        window_s=np.array([0, 300]), usable=np.ones(2, int), outcome_code=np.array([0, 1]), pnl_micros=pnl,
        fills_count=np.array([2, 1]), cap_micros=np.zeros(2, int), payout_micros=np.zeros(2, int),
    )  # fmt: skip
    return ReportInput(title="honest", fills=fills, orders=orders, windows=windows)


def with_fill(**changes: Any) -> ReportInput:
    """Lie in the first fill."""
    run = honest()
    columns = {name: getattr(run.fills, name).copy() for name in changes}
    for name, value in changes.items():
        columns[name][0] = value
    return replace(run, fills=replace(run.fills, **columns))


def lights(run: ReportInput) -> dict[str, Light]:
    return {check.name: check.light for check in certify(run)}


def test_an_honest_run_shows_no_red_and_says_how_much_it_looked_at() -> None:
    checks = {check.name: check for check in certify(honest())}
    assert certificate_light(tuple(checks.values())) is Light.GREEN
    assert {name for name, check in checks.items() if check.light is Light.UNKNOWN} == {
        "failed matches",
        "fill when winning, fill when losing",
    }
    assert checks["fees"].looked_count == 3 and checks["taker prices"].looked_count == 2
    assert "2 of 2" in checks["taker prices"].found


@pytest.mark.parametrize(
    ("lie", "caught"),
    [
        ({"price_bps": 5250}, "taker prices"),
        ({"displayed_micros": SHARES - 1}, "depth and own consumption"),
        ({"matched_ns": 10 * 10**9 + 279}, "latency and taker hold"),
        ({"arrived_ns": 10 * 10**9}, "latency and taker hold"),
        ({"fee_micros": 0}, "fees"),
        ({"fee_micros": 1_793_540}, "fees"),
        ({"matched_ns": 600 * 10**9}, "fills after close"),
        ({"evidence_ns": 10 * 10**9 + 1}, "look-ahead"),
        ({"order_id": 9}, "unfilled orders"),
        ({"amount_micros": SHARES // 2}, "unfilled orders"),
        ({"price_bps": 4000}, "books balance"),
        ({"won_code": 0}, "books balance"),
        ({"window_s": 900}, "books balance"),
        ({"reversed_code": 1}, "failed matches"),
    ],
)
def test_each_lie_is_caught_by_its_own_check(lie: dict[str, int], caught: str) -> None:
    assert lights(honest())[caught] is not Light.RED
    assert lights(with_fill(**lie))[caught] is Light.RED


def test_a_seller_below_the_bid_is_honest_and_above_it_is_not() -> None:
    low = with_fill(side_code=int(Side.SELL), price_bps=5200)
    high = with_fill(side_code=int(Side.SELL), price_bps=5400)
    assert lights(low)["taker prices"] is Light.GREEN
    assert lights(high)["taker prices"] is Light.RED


def test_trading_at_the_middle_is_seen_even_without_a_touch_at_the_match() -> None:
    run = honest()
    blind = replace(run.fills, match_touch_bps=np.full(3, np.nan), mid_bps=run.fills.price_bps.astype(float))
    found = lights(replace(run, fills=blind))
    assert found["taker prices"] is Light.UNKNOWN and found["tape against executable"] is Light.RED


def test_a_simulator_without_fees_cannot_claim_that_they_were_charged() -> None:
    run = honest()
    free = replace(run, fills=replace(run.fills, fee_micros=np.zeros(3, int)))
    assert lights(free)["fee ablation"] is Light.RED


def test_orders_filled_beyond_their_size_are_red() -> None:
    run = honest()
    small = replace(run.orders, amount_micros=np.array([SHARES, SHARES, SHARES]))
    assert lights(replace(run, orders=small))["unfilled orders"] is Light.RED


def _resting(filled_when_won: float, filled_when_lost: float) -> ReportInput:
    chance, n = np.random.default_rng(1), 200
    won = chance.integers(0, 2, n)
    filled = chance.random(n) < np.where(won == 1, filled_when_won, filled_when_lost)
    columns = {item.name: np.zeros(n, int) for item in fields(Orders)}
    columns |= {
        "window_s": 300 * np.arange(n), "order_id": np.arange(n), "post_only": np.ones(n, int), "won_code": won,
        "amount_micros": np.full(n, SHARES), "filled_micros": np.where(filled, SHARES, 0),
    }  # fmt: skip
    return ReportInput(title="resting", orders=Orders(**columns))


def test_makers_who_fill_on_winners_do_not_live_in_this_market() -> None:
    name = "fill when winning, fill when losing"
    assert lights(_resting(0.9, 0.3))[name] is Light.RED
    assert lights(_resting(0.8, 0.95))[name] is Light.GREEN


def test_an_empty_run_is_unknown_all_through() -> None:
    checks = certify(ReportInput(title="empty"))
    assert {check.light for check in checks} == {Light.UNKNOWN}
    assert certificate_light(checks) is Light.UNKNOWN and certificate_light(()) is Light.UNKNOWN


def test_one_red_makes_the_whole_red() -> None:
    green = Check(name="a", light=Light.GREEN, asked="", found="")
    assert certificate_light((green, replace(green, light=Light.RED))) is Light.RED


def test_profit_of_a_fill_counts_payout_cost_and_fee_and_nothing_for_what_failed() -> None:
    fills = honest().fills
    assert fill_pnl_micros(fills, 0) == 47_000_000 - int(fills.fee_micros[0])
    assert fill_pnl_micros(fills, 2) == -45_000_000
    assert fill_pnl_micros(with_fill(side_code=int(Side.SELL)).fills, 0) == -47_000_000 - int(fills.fee_micros[0])
    assert fill_pnl_micros(with_fill(reversed_code=1).fills, 0) == 0
    assert np.isnan(fills_pnl_usd(with_fill(won_code=UNKNOWN_OUTCOME).fills)[0])
    assert fills.liquidity_code[2] == Liquidity.MAKER and fills.fee_micros[2] == 0
