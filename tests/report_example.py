"""A made-up run for the report's tests, and a reader of the page that comes of it."""

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np

from evals.certificate import certify
from evals.report import render_report
from evals.results import (
    Baseline,
    DataStory,
    Fills,
    Forecasts,
    Orders,
    Refusals,
    ReportInput,
    RuleOfDay,
    SourceStory,
    Stage,
    Windows,
)
from state.params import default_params
from state.records import as_dict
from tools.fees import fee_micros

START_S = 1_776_000_000
VOID = {"meta", "line", "circle", "rect", "path"}


def example(windows: int = 81, traded: int = 40, seed: int = 1, edge: float = 0.0) -> ReportInput:
    """A made-up run: every number is drawn, none is real."""
    chance = np.random.default_rng(seed)
    starts = START_S + 300 * np.arange(windows)
    outcome = chance.integers(0, 2, windows)
    rows = np.sort(chance.choice(windows, traded, replace=False))
    fills, orders = _fills(chance, starts, outcome, rows, edge), None
    orders = _orders(chance, starts, outcome, fills)
    pnl, counts = np.zeros(windows, np.int64), np.zeros(windows, np.int64)
    for k in range(len(fills)):
        w = int((fills.window_s[k] - START_S) // 300)
        cost = int(fills.amount_micros[k]) * int(fills.price_bps[k]) // 10_000
        pnl[w] += int(fills.amount_micros[k]) * int(fills.won_code[k]) - cost - int(fills.fee_micros[k])
        counts[w] += 1
    run = ReportInput(
        title="Backtest: BTC 5-minute windows (made-up example)",
        made="2026-11-22 16:00 UTC",
        version="0.1.0",
        machine="2 cores",
        run_hash="9f3c1a0be2d4",
        params_hash="51c0ffee51c0ffee",
        params={**as_dict(default_params({"take_edge_bps": 150.0}))},
        capital_usd=100_000.0,
        story=DataStory(
            sources=(
                SourceStory(
                    name="venue book <full depth>", licence="CC BY 4.0", first_ns=START_S * 10**9,
                    last_ns=(START_S + 300 * windows) * 10**9, events_count=365_323,
                    clock="venue clock good; recorder wanders by -99 to +16 ms", gaps_count=96, longest_gap_s=41.2,
                    note="complete book at every trade; no trade prints",
                ),
            ),
            unusable={"fewer than 500 books": 31, "last book before 285 s": 20, "outcome not known": 7},
            settlement="last oracle tick at the end against the tick at the start; a tie is UP",
        ),
        rules=(RuleOfDay(name="taker fee", value="0.072 p (1-p)", since="2026-03-30", source="venue changelog"),),
        cannot_show="the present settlement by average, queue position, and any lead of an exchange over the book.",
        limits=("Every window here settled on the last tick.", "Maker fills are illustrations."),
        fills=fills,
        orders=orders,
        windows=Windows(
            window_s=starts, usable=np.ones(windows, np.int64), outcome_code=outcome, pnl_micros=pnl,
            fills_count=counts, cap_micros=np.full(windows, 250_000_000), payout_micros=np.full(windows, 900_000_000),
        ),
        forecasts=_forecasts(chance, starts, outcome),
        refusals=_refusals(chance, starts),
        gates=("data", "signal", "validation", "risk", "size"),
        reasons={1: "edge below the least edge", 2: "book too old", 3: "liquidity below $10,000"},
        baselines=tuple(_baseline(chance, name, starts, n) for name, n in (("favourite at T-120 s", 70), ("coin", 60))),
        latency=(
            Stage(name="ingestion", budget_ms=100, samples_ms=chance.lognormal(2.2, 0.6, 4000), modelled=True),
            Stage(name="signal", budget_ms=200, samples_ms=chance.lognormal(-1.5, 0.4, 4000)),
            Stage(name="execution", budget_ms=500, samples_ms=chance.lognormal(5.4, 0.3, 300), modelled=True),
            Stage(name="end to end", budget_ms=1000, samples_ms=chance.lognormal(5.7, 0.3, 300), modelled=True),
        ),
        fee_rate_ppm=72_000,
    )  # fmt: skip
    return replace(run, checks=certify(run))


def _fills(chance: Any, starts: Any, outcome: Any, rows: Any, edge: float) -> Fills:
    picks = np.repeat(rows, chance.integers(1, 3, len(rows)))
    n = len(picks)
    token = chance.integers(0, 2, n)
    taker = chance.random(n) < 0.7
    won = (outcome[picks] == token).astype(np.int64)
    mid = np.clip(chance.normal(5000 + (won - 0.5) * (1500 + 1e4 * edge), 1500), 800, 9200).round(-2)
    touch = mid + 50
    price = np.where(taker, touch + chance.integers(0, 3, n) * 100, mid - 50).astype(np.int64) // 10 * 10
    amount = chance.integers(20, 300, n) * 1_000_000
    decided = (starts[picks] + chance.integers(20, 280, n)) * 10**9
    fee = [fee_micros(int(p), int(a), 72_000, 1) if t else 0 for p, a, t in zip(price, amount, taker, strict=True)]
    drift = chance.normal(-20, 200, (3, n))
    return Fills(
        window_s=starts[picks], order_id=np.arange(1, n + 1), decided_ns=decided, arrived_ns=decided + 40_000_000,
        matched_ns=decided + 190_000_000, evidence_ns=decided, close_ns=(starts[picks] + 300) * 10**9,
        token_code=token, side_code=np.zeros(n, np.int64), liquidity_code=taker.astype(np.int64), price_bps=price,
        amount_micros=amount, fee_micros=np.array(fee, np.int64), rebate_micros=np.where(taker, 0, amount // 1000),
        fee_rate_ppm=np.full(n, 72_000), fee_exponent_count=np.ones(n, np.int64), fee_by_notional=np.zeros(n, np.int64),
        hold_ns=np.full(n, 150_000_000), won_code=won, reversed_code=np.zeros(n, np.int64), p_token=np.full(n, 0.6),
        mid_bps=mid, touch_bps=touch, walk_bps=np.where(taker, touch + 30, price).astype(float),
        match_touch_bps=np.minimum(touch, price).astype(float), displayed_micros=np.where(taker, amount + 5, -1),
        mid_1s_bps=mid + drift[0], mid_5s_bps=mid + drift[1], mid_30s_bps=mid + drift[2],
    )  # fmt: skip


def _orders(chance: Any, starts: Any, outcome: Any, fills: Fills) -> Orders:
    missed = chance.integers(0, len(starts), 60)
    token = chance.integers(0, 2, 60)
    n = len(fills)
    return Orders(
        window_s=np.concatenate([fills.window_s, starts[missed]]),
        order_id=np.arange(1, n + 61),
        placed_ns=np.concatenate([fills.decided_ns, (starts[missed] + 100) * 10**9]),
        token_code=np.concatenate([fills.token_code, token]),
        side_code=np.zeros(n + 60, np.int64),
        post_only=np.concatenate([1 - fills.liquidity_code, chance.integers(0, 2, 60)]),
        price_bps=np.concatenate([fills.price_bps, np.full(60, 4500)]),
        amount_micros=np.concatenate([fills.amount_micros, np.full(60, 50_000_000)]),
        filled_micros=np.concatenate([fills.amount_micros, np.zeros(60, np.int64)]),
        reject_code=np.zeros(n + 60, np.int64),
        won_code=np.concatenate([fills.won_code, (outcome[missed] == token).astype(np.int64)]),
    )


def _forecasts(chance: Any, starts: Any, outcome: Any) -> Forecasts:
    lefts = np.array([240, 180, 120, 90, 60, 45, 30, 15, 10, 5])
    window, left = np.repeat(starts, len(lefts)), np.tile(lefts, len(starts))
    up = np.repeat((outcome == 0).astype(np.int64), len(lefts))
    signal = np.cumsum(chance.normal(0.25, 1.0, (len(starts), len(lefts))), axis=1) * 0.9
    logodds = (
        np.where(up.reshape(signal.shape) == 1, 1, -1) * np.abs(signal) * np.sign(chance.random(signal.shape) - 0.12)
    )
    p = 1 / (1 + np.exp(-logodds.ravel()))

    def bent(slope: float, noise: float) -> Any:
        x = np.log(p / (1 - p)) * slope + chance.normal(0, noise, len(p))
        return np.clip(1 / (1 + np.exp(-x)), 0.001, 0.999)

    mid = bent(1.0, 0.2)
    return Forecasts(
        window_s=window, left_s=left, up=up,
        p_up={"fused": bent(1.0, 0.1), "fair": bent(1.1, 0.4), "mid": mid, "point": bent(0.6, 0.5)},
        bid_bps=np.clip(np.floor(mid * 100) * 100 - 50, 0, 9900),
        ask_bps=np.clip(np.floor(mid * 100) * 100 + 50, 100, 10_000),
    )  # fmt: skip


def _refusals(chance: Any, starts: Any) -> Refusals:
    n = 3_000
    reason = chance.choice([1, 2, 3], n, p=[0.8, 0.15, 0.05])
    return Refusals(
        gate_code=np.where(reason == 1, 1, np.where(reason == 2, 0, 3)),
        reason_code=reason,
        window_s=chance.choice(starts, n),
        would_usd=np.where(reason == 1, chance.normal(-0.4, 9, n), np.nan),
    )


def _baseline(chance: Any, name: str, starts: Any, traded: int) -> Baseline:
    took = np.arange(len(starts)) < traded
    return Baseline(
        name=name, rule="takes 100 shares", window_s=starts,
        pnl_usd=np.where(took, chance.normal(-0.5, 30, len(starts)), 0.0), traded=took.astype(np.int64),
    )  # fmt: skip


class _Page(HTMLParser):
    """Reads a page strictly: every element closed in order, every link to the outside noted."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.outside: list[str] = []
        self.scripts = 0
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag in ("script", "iframe", "object", "embed", "img", "link")
        self.outside += [v for k, v in attrs if v and k in ("href", "src") and not v.startswith("#")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(page: str) -> _Page:
    found = _Page()
    found.feed(page)
    assert found.open == []
    return found


def words_of(run: ReportInput) -> str:
    return " ".join(" ".join(read(render_report(run)).words).replace("\u2060", "").split())
