"""What the money did: trades, targets, equity, costs, markouts and refusals, reckoned from a run's columns."""

from dataclasses import dataclass, replace
from enum import Enum
from math import isfinite, nan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evals.certificate import fills_pnl_usd
from evals.results import UNKNOWN_OUTCOME, Fills, Orders, Refusals, ReportInput
from state.events import Side
from state.orders import Liquidity
from state.records import Ints
from state.units import MICROS
from tools.intervals import Estimate, Values, clustered_interval, clustered_rate
from tools.returns import max_drawdown, sharpe_by_group, sharpe_ratio

WINDOWS_A_YEAR: Final = 288 * 365
DAYS_FOR_SHARPE: Final = 10
"""Fewer days than this give no Sharpe ratio by day that is worth the name."""
WINDOWS_FOR_BAND: Final = 20
"""Fewer traded windows than this give no bootstrap band."""
DRAWS: Final = 500
TARGET_WINS: Final = ("win rate", "> 70 %", "%")
TARGET_PROFIT: Final = ("average profit per trade", "> $15", "$")
TARGET_DRAWDOWN: Final = ("max drawdown", "< 5 %", "%")
TARGET_SHARPE: Final = ("Sharpe ratio, yearly", "> 2.5", "")


class Verdict(Enum):
    """How a measured figure stands against its target."""

    NOT_MEASURED = "not measured"
    MISSED = "missed"
    MISSED_OPEN = "missed, but the interval reaches the target"
    REACHED_OPEN = "reached, but the interval does not hold it"
    REACHED = "reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One of the mission's targets beside what was measured."""

    name: str
    target: str
    measured: Estimate
    unit: str
    """"%": shares shown as per cent; "$": dollars; "": a plain number."""
    verdict: Verdict
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trades:
    """Filled orders, each held to settlement: what the mission calls a trade."""

    order_id: Ints
    window_s: Ints
    pnl_usd: Values
    liquidity_code: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Equity:
    """Capital after every usable window, with a band where there were enough trades."""

    window_s: Ints
    usd: Values
    low_usd: Values
    """At the rows that `thinned` picks; empty when there is no band."""
    high_usd: Values
    drawdown_share: Values
    """Share of the peak lost at each point, not negative."""
    deepest: Estimate
    """Largest share of a peak lost, with the range over windows drawn again with replacement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """From what the trades would have made at the middle to what they made, in dollars."""

    label: str
    fills_count: int
    shares: float
    gross_usd: float
    """At the middle of the moment of decision, without any cost."""
    spread_usd: float
    """Touch less middle; below zero when a maker earned it."""
    slippage_usd: float
    """Walked depth less touch, on the book of the decision."""
    hold_usd: float
    """Price paid less walked depth: what the book did while the order travelled and was held."""
    fee_usd: float
    rebate_usd: float
    net_usd: float
    one_sided_count: int
    """Fills whose book had no middle: their spread is counted as zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Markout:
    """Where the middle went after our fills, per share, in our favour."""

    label: str
    after_s: int
    usd: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRate:
    """How often orders were filled when their token went on to win and when it lost."""

    label: str
    winner: Estimate
    loser: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalRow:
    """One reason to stand aside."""

    gate: str
    reason: str
    count: int
    share: float
    would_usd: Estimate
    """What a refused trade would have made, per refusal; NaN where there was none to make."""


def thinned(count: int, most: int = 2000) -> Ints:
    """Pick evenly spaced rows, first and last among them: more than the pixels of a line are of no use."""
    if count <= most:
        return np.arange(count, dtype=np.int64)
    return np.unique(np.linspace(0, count - 1, most).astype(np.int64))


def trades_of(fills: Fills) -> Trades:
    """Add fills up to trades: orders with a known outcome and at least one match that did not fail."""
    pnl = fills_pnl_usd(fills)
    keep = np.isfinite(pnl) & (fills.reversed_code == 0)
    orders, first, where = np.unique(fills.order_id[keep], return_index=True, return_inverse=True)
    sums = np.bincount(where.reshape(-1), weights=pnl[keep], minlength=len(orders)).astype(np.float64)
    return Trades(
        order_id=orders,
        window_s=fills.window_s[keep][first],
        pnl_usd=sums,
        liquidity_code=fills.liquidity_code[keep][first],
    )


def equity_of(run: ReportInput, generator: np.random.Generator) -> Equity:
    """Follow the capital window by window over the usable ones; the band draws whole windows again."""
    usable = run.windows.usable == 1
    pnl = run.windows.pnl_micros[usable] / MICROS
    line = run.capital_usd + np.cumsum(pnl)
    with_start = np.concatenate([[run.capital_usd], line])
    peaks = np.maximum.accumulate(with_start)[1:]
    fall = np.where(peaks > 0, (peaks - line) / np.where(peaks > 0, peaks, 1.0), 0.0)
    traded = int((run.windows.fills_count[usable] > 0).sum())
    low, high = np.zeros(0), np.zeros(0)
    worst = max_drawdown(with_start).share if run.capital_usd > 0 else nan
    deepest = Estimate(mean=worst if traded else nan, count=len(pnl), clusters=traded)
    if traded >= WINDOWS_FOR_BAND:
        pick = thinned(len(pnl))
        paths, depths = np.zeros((DRAWS, len(pick))), np.zeros(DRAWS)
        for k in range(DRAWS):
            path = run.capital_usd + np.cumsum(pnl[generator.integers(0, len(pnl), len(pnl))])
            depths[k] = max_drawdown(np.concatenate([[run.capital_usd], path])).share
            paths[k] = path[pick]
        low, high = np.quantile(paths, [0.025, 0.975], axis=0)
        depths = np.nan_to_num(depths, nan=1.0)
        ends = np.quantile(depths, [0.025, 0.975])
        deepest = Estimate(
            mean=worst, low=float(ends[0]), high=float(ends[1]), se=float(depths.std()), count=len(pnl), clusters=traded
        )
    return Equity(
        window_s=run.windows.window_s[usable], usd=line, low_usd=low, high_usd=high, drawdown_share=fall,
        deepest=deepest,
    )  # fmt: skip


def targets_of(run: ReportInput, trades: Trades, equity: Equity) -> tuple[Target, ...]:
    """Hold the four targets of the mission against what was measured; nothing measured is never a pass."""
    count = len(trades.pnl_usd)
    if not count:
        nothing = Estimate(mean=nan)
        return tuple(
            _held(name, target, nothing, unit, 0.0, True, "no trades")
            for name, target, unit in (TARGET_WINS, TARGET_PROFIT, TARGET_DRAWDOWN, TARGET_SHARPE)
        )
    rate = clustered_rate(trades.pnl_usd > 0, trades.window_s)
    mean = clustered_interval(trades.pnl_usd, trades.window_s)
    sharpe, sharpe_note = _sharpe(run)
    some = f"{count:,} trades in {rate.clusters:,} windows"
    deep_note = "of the capital, window by window; interval: windows drawn again"
    return (
        _held(*TARGET_WINS[:2], rate, "%", 0.70, True, some),
        _held(*TARGET_PROFIT[:2], mean, "$", 15.0, True, some),
        _held(*TARGET_DRAWDOWN[:2], equity.deepest, "%", 0.05, False, deep_note),
        _held(*TARGET_SHARPE[:2], sharpe, "", 2.5, True, sharpe_note),
    )


def _sharpe(run: ReportInput) -> tuple[Estimate, str]:
    usable = run.windows.usable == 1
    pnl, windows = run.windows.pnl_micros[usable] / MICROS, run.windows.window_s[usable]
    days = windows // 86_400
    count = len(np.unique(days))
    if count >= DAYS_FOR_SHARPE:
        return sharpe_by_group(pnl, days, lags=1, periods=365.0), f"from {count} days"
    days_words = "1 day" if count == 1 else f"{count} days"
    note = f"only {days_words}: from single windows times √105,120, no yearly figure to believe; so no interval either"
    short = sharpe_ratio(pnl, lags=3, periods=float(WINDOWS_A_YEAR))
    return replace(short, low=nan, high=nan), note


def _held(name: str, target: str, measured: Estimate, unit: str, bar: float, above: bool, note: str) -> Target:
    value, low, high = measured.mean, measured.low, measured.high
    if not isfinite(value):
        verdict = Verdict.NOT_MEASURED
    else:
        passes = value > bar if above else value < bar
        sure = measured.known and (low > bar if above else high < bar)
        reach = not measured.known or (high > bar if above else low < bar)
        if passes:
            verdict = Verdict.REACHED if sure else Verdict.REACHED_OPEN
        else:
            verdict = Verdict.MISSED_OPEN if reach else Verdict.MISSED
    return Target(name=name, target=target, measured=measured, unit=unit, verdict=verdict, note=note)


def costs_of(fills: Fills) -> tuple[Costs, ...]:
    """Split the result into its costs: all fills, then takers and makers apart where both exist."""
    settled = (fills.won_code != UNKNOWN_OUTCOME) & (fills.reversed_code == 0)
    if not settled.any():
        return ()
    takers = fills.liquidity_code == Liquidity.TAKER
    groups = [("all fills", settled), ("taker fills", settled & takers), ("maker fills", settled & ~takers)]
    return tuple(_costs(label, fills, rows) for label, rows in groups if rows.any())


def _costs(label: str, fills: Fills, rows: NDArray[np.bool_]) -> Costs:
    shares = fills.amount_micros[rows] / MICROS
    sign = np.where(fills.side_code[rows] == Side.BUY, 1.0, -1.0)
    price = fills.price_bps[rows] / 1e4
    maker = fills.liquidity_code[rows] == Liquidity.MAKER
    walk = np.where(maker, price, _filled_in(fills.walk_bps[rows] / 1e4, price))
    touch = np.where(maker, price, _filled_in(fills.touch_bps[rows] / 1e4, walk))
    mid = _filled_in(fills.mid_bps[rows] / 1e4, touch)
    payout = (fills.won_code[rows] == 1).astype(float)

    def total(per_share: Values) -> float:
        return float((sign * shares * per_share).sum())

    fee, rebate = float(fills.fee_micros[rows].sum()) / MICROS, float(fills.rebate_micros[rows].sum()) / MICROS
    return Costs(
        label=label,
        fills_count=int(rows.sum()),
        shares=float(shares.sum()),
        gross_usd=total(payout - mid),
        spread_usd=total(touch - mid),
        slippage_usd=total(walk - touch),
        hold_usd=total(price - walk),
        fee_usd=fee,
        rebate_usd=rebate,
        net_usd=total(payout - price) - fee + rebate,
        one_sided_count=int((~np.isfinite(fills.mid_bps[rows])).sum()),
    )


def _filled_in(values: Values, instead: Values) -> Values:
    return np.where(np.isfinite(values), values, instead)


def markouts_of(fills: Fills) -> tuple[Markout, ...]:
    """Measure the middle 1, 5 and 30 s after our fills against our price, in dollars per share, in our favour."""
    found = []
    sign = np.where(fills.side_code == Side.BUY, 1.0, -1.0)
    for code, label in ((Liquidity.TAKER, "taker"), (Liquidity.MAKER, "maker")):
        for after_s, later in ((1, fills.mid_1s_bps), (5, fills.mid_5s_bps), (30, fills.mid_30s_bps)):
            rows = (fills.liquidity_code == code) & np.isfinite(later)
            if rows.any():
                moved = (sign * (later - fills.price_bps))[rows] / 1e4
                found.append(Markout(label=label, after_s=after_s, usd=clustered_interval(moved, fills.window_s[rows])))
    return tuple(found)


def fill_rates_of(orders: Orders) -> tuple[FillRate, ...]:
    """Compare fill rates on winners and losers, for orders that rest and orders that take."""
    found = []
    known = (orders.won_code != UNKNOWN_OUTCOME) & (orders.side_code == Side.BUY)
    for post_only, label in ((1, "resting (post-only)"), (0, "taking")):
        rows = known & (orders.post_only == post_only)
        if rows.any():
            filled = orders.filled_micros > 0
            winner, loser = rows & (orders.won_code == 1), rows & (orders.won_code == 0)
            found.append(
                FillRate(
                    label=label,
                    winner=clustered_rate(filled[winner], orders.window_s[winner]),
                    loser=clustered_rate(filled[loser], orders.window_s[loser]),
                )
            )
    return tuple(found)


def refusals_of(refusals: Refusals, gates: tuple[str, ...], reasons: dict[int, str]) -> tuple[RefusalRow, ...]:
    """Count refusals by gate and reason, the most frequent first, with what they would have made."""
    if not len(refusals):
        return ()
    pairs, where = np.unique(np.stack([refusals.gate_code, refusals.reason_code]), axis=1, return_inverse=True)
    where = where.reshape(-1)
    found = []
    for k in range(pairs.shape[1]):
        gate, reason = int(pairs[0, k]), int(pairs[1, k])
        rows = where == k
        would = rows & np.isfinite(refusals.would_usd)
        found.append(
            RefusalRow(
                gate=gates[gate] if 0 <= gate < len(gates) else f"gate {gate}",
                reason=reasons.get(reason, f"reason {reason}"),
                count=int(rows.sum()),
                share=float(rows.sum()) / len(refusals),
                would_usd=clustered_interval(refusals.would_usd[would], refusals.window_s[would]),
            )
        )
    return tuple(sorted(found, key=lambda row: -row.count))


def profit_per_window(run: ReportInput) -> Estimate:
    """Give the desk's mean profit per window that it traded, in dollars, with its interval."""
    rows = (run.windows.usable == 1) & (run.windows.fills_count > 0)
    return clustered_interval(run.windows.pnl_micros[rows] / MICROS, run.windows.window_s[rows])


def total_profit(run: ReportInput) -> Estimate:
    """Give the desk's whole profit over the usable windows, in dollars, with the interval over windows."""
    rows = run.windows.usable == 1
    pnl = run.windows.pnl_micros[rows] / MICROS
    each = clustered_interval(pnl, run.windows.window_s[rows])
    n = float(each.count)
    return Estimate(
        mean=float(pnl.sum()), low=each.low * n, high=each.high * n, se=each.se * n, count=each.count,
        clusters=int((run.windows.fills_count[rows] > 0).sum()),
    )  # fmt: skip
