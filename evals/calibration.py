"""Were the probabilities right? Forecasters side by side, by time to the close, with intervals that know windows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evals.results import FORECASTERS, Forecasts
from tools.intervals import Estimate, Labels, Values, clustered_interval, clustered_rate, p_value, paired_difference
from tools.scores import Bin, Recalibration, brier_losses, log_losses, recalibration, reliability, skill

BANDS_S: Final[tuple[tuple[int, int], ...]] = ((180, 300), (120, 180), (60, 120), (30, 60), (10, 30), (0, 10))
"""Bands of seconds to the close, lower end left out: a moment 60 s before the close is in 30..60."""

COIN: Final = "coin"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """One forecaster in one band of time to the close."""

    forecaster: str
    band: str
    brier: Estimate
    log_loss: Estimate
    """In nats."""
    against: Estimate
    """Log loss less that of the reference on the same moments: below zero is better than the reference."""
    against_p: float
    """Two-sided p-value of that difference; NaN without an interval."""
    log_skill: float
    """Share of the reference's log loss that is saved."""
    line: Recalibration


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A reliability curve of one forecaster in one band."""

    forecaster: str
    band: str
    bins: tuple[Bin, ...]
    line: Recalibration


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeRow:
    """What buying at one price bucket would have made per share, before fees, for both tokens together."""

    price_low_bps: int
    price_high_bps: int
    paid_bps: float
    """Mean ask paid."""
    won: Estimate
    """Share of purchases whose token won."""
    edge_bps: Estimate
    """Payout less ask, in bps of a dollar per share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookRow:
    """The book as a forecaster at one moment before the close, with what an empty side does to it."""

    left_s: int
    count: int
    """Moments with an offer on at least one side."""
    one_sided_count: int
    """... of which one side was empty: there is no middle."""
    mid: Estimate
    """Brier score of the middle, where both sides were there."""
    touch: Estimate
    """Brier score of the middle over all of them, an empty side taken at its bound: bid 0, ask one dollar."""
    fused: Estimate
    """Brier score of the fused forecast, where it had anything to go on."""


def scored(forecasts: Forecasts, reference: str = "mid", level: float = 0.95) -> tuple[ScoreRow, ...]:
    """Score every forecaster pooled and by band, all on the same moments.

    Only moments at which every forecaster with any forecast spoke are used, or the one who is silent when it is hard
    would look best. A forecaster without a single forecast is left out. A coin is always among them.
    """
    table = _complete(forecasts)
    if not table:
        return ()
    names, keep = list(table), _common(table)
    base = reference if reference in table else COIN
    found = []
    for band, inside in _bands(forecasts.left_s):
        rows = keep & inside
        if not rows.any():
            continue
        y, windows = forecasts.up[rows].astype(float), forecasts.window_s[rows]
        base_losses = log_losses(table[base][rows], y)
        for name in names:
            found.append(_score(name, band, table[name][rows], y, windows, base_losses, level))
    return tuple(found)


def _score(name: str, band: str, p: Values, y: Values, windows: Labels, base_losses: Values, level: float) -> ScoreRow:
    losses = log_losses(p, y)
    against = paired_difference(losses, base_losses, windows, level)
    return ScoreRow(
        forecaster=name,
        band=band,
        brier=clustered_interval(brier_losses(p, y), windows, level),
        log_loss=clustered_interval(losses, windows, level),
        against=against,
        against_p=p_value(against),
        log_skill=skill(float(losses.mean()), float(base_losses.mean())),
        line=recalibration(p, y, windows),
    )


def curves(forecasts: Forecasts, forecaster: str, bins: int = 10) -> tuple[Curve, ...]:
    """Give one forecaster's reliability by band, on all moments at which it spoke."""
    p = forecasts.p_up.get(forecaster)
    if p is None:
        return ()
    spoke = np.isfinite(p)
    found = []
    for band, inside in _bands(forecasts.left_s):
        rows = spoke & inside
        if rows.any():
            y, windows = forecasts.up[rows].astype(float), forecasts.window_s[rows]
            line = recalibration(p[rows], y, windows)
            found.append(
                Curve(forecaster=forecaster, band=band, bins=reliability(p[rows], y, windows, bins), line=line)
            )
    return tuple(found)


def edge_by_price(forecasts: Forecasts, bucket_bps: int = 1000, level: float = 0.95) -> tuple[EdgeRow, ...]:
    """Show what each price was worth: buy one share of each token at its ask at every moment, hold to settlement.

    Executable prices only: UP at its ask, DOWN at one dollar less UP's bid. Before fees, so that the fee curve can be
    drawn beside it.
    """
    up = forecasts.up.astype(float)
    ask = np.concatenate([forecasts.ask_bps, 10_000.0 - forecasts.bid_bps])
    won = np.concatenate([up, 1.0 - up])
    windows = np.concatenate([forecasts.window_s, forecasts.window_s])
    there = np.isfinite(ask) & (ask > 0.0) & (ask < 10_000.0)
    ask, won, windows = ask[there], won[there], windows[there]
    found = []
    for low in range(0, 10_000, bucket_bps):
        rows = (ask >= low) & (ask < low + bucket_bps)
        if rows.any():
            found.append(
                EdgeRow(
                    price_low_bps=low,
                    price_high_bps=low + bucket_bps,
                    paid_bps=float(ask[rows].mean()),
                    won=clustered_rate(won[rows] > 0.5, windows[rows], level),
                    edge_bps=clustered_interval(won[rows] * 10_000.0 - ask[rows], windows[rows], level),
                )
            )
    return tuple(found)


def book_by_moment(forecasts: Forecasts, level: float = 0.95) -> tuple[BookRow, ...]:
    """Score the book's middle at each moment, without and with the books that had one side only.

    Late in a window the loser's bids are gone: scored on whole books alone, the book looks worse than it was, as just
    the undecided windows are left. With the empty side at its bound every book counts.
    """
    y = forecasts.up.astype(float)
    bid, ask = forecasts.bid_bps, forecasts.ask_bps
    has_bid, has_ask = np.isfinite(bid), np.isfinite(ask)
    there, whole = has_bid | has_ask, has_bid & has_ask
    touch = (np.where(has_bid, bid, 0.0) + np.where(has_ask, ask, 10_000.0)) / 20_000.0
    fused = forecasts.p_up.get("fused", np.full(len(y), np.nan))

    def brier(p: Values, keep: NDArray[np.bool_]) -> Estimate:
        return clustered_interval(brier_losses(p[keep], y[keep]), forecasts.window_s[keep], level)

    found = []
    for left_s in sorted(set(forecasts.left_s[there].tolist()), reverse=True):
        rows = there & (forecasts.left_s == left_s)
        found.append(
            BookRow(
                left_s=left_s,
                count=int(rows.sum()),
                one_sided_count=int((rows & ~whole).sum()),
                mid=brier(touch, rows & whole),
                touch=brier(touch, rows),
                fused=brier(fused, rows & np.isfinite(fused)),
            )
        )
    return tuple(found)


def _complete(forecasts: Forecasts) -> Mapping[str, Values]:
    table = {name: np.asarray(p, float) for name, p in forecasts.p_up.items() if np.isfinite(p).any()}
    if len(forecasts) == 0 or not table:
        return {}
    table.setdefault(COIN, np.full(len(forecasts), 0.5))
    known = [name for name in FORECASTERS if name in table]
    return {name: table[name] for name in [*known, *sorted(set(table) - set(known))]}


def _common(table: Mapping[str, Values]) -> NDArray[np.bool_]:
    return np.asarray(np.all([np.isfinite(p) for p in table.values()], axis=0))


def _bands(left_s: Labels) -> list[tuple[str, NDArray[np.bool_]]]:
    left = np.asarray(left_s)
    bands: list[tuple[str, NDArray[np.bool_]]] = [("all", np.ones(len(left), bool))]
    return bands + [(f"{high}..{low} s", (left > low) & (left <= high)) for low, high in BANDS_S]
