"""Turn the desk's lines into forecasts at fixed moments, refusals with what they cost or saved, and latencies."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evals.account_fills import Book, taking_usd
from evals.baselines import Moments
from evals.census import Listing, SourceCount
from evals.results import BUDGET_MS, UNKNOWN_OUTCOME, Forecasts, Refusals, Stage
from evals.witness import looks_of, mid_bps
from state.events import Source, Token
from state.records import Floats, Ints
from state.units import BPS, MICROS, NS_PER_S

Rows = NDArray[Any]

GRID_S: Final = (240, 180, 120, 90, 60, 45, 30, 20, 15, 10, 5, 2)
"""Seconds to the close at which a window's forecast is scored: one line each, or chatter would be scored."""
GRID_LATE_S: Final = 1.5
"""A line that came later than this after its moment is not taken for it."""

REFUSAL_EVERY_NS: Final = 10 * NS_PER_S
"""Standing aside for one reason counts once in so long a stretch of a window: a ledger, not a flood."""
SIZE_MICROS: Final = 100 * MICROS
"""Shares that a refused trade and a baseline are supposed to take, or less where less is displayed."""

TRAVELLED: Final = (
    Source.BINANCE, Source.BINANCE_PERP, Source.BYBIT, Source.OKX, Source.COINBASE, Source.POLYMARKET_BOOK,
)  # fmt: skip
"""Sources whose stamps say when a row was sent."""

MOMENTS_S: Final = (120, 60)
MOVE_NS: Final = 15 * NS_PER_S
"""The last move of the price that a baseline looks at."""


def numbered(lines: Rows, listings: Sequence[Listing]) -> Ints:
    """Give the row in `listings` of each line's window; -1 where the tape lists no such window."""
    where = {(listing.slot, listing.open_s): row for row, listing in enumerate(listings)}
    pairs = zip(lines["slot_id"].tolist(), lines["open_s"].tolist(), strict=True)
    return np.array([where.get(pair, -1) for pair in pairs], np.int64)


def forecasts_of(lines: Rows, home: Ints, listings: Sequence[Listing]) -> Forecasts:
    """Give what was forecast at the grid's moments of every window with an outcome; silent moments are left out.

    A moment with half a book and no price is kept for the price that was offered, but the desk's 0.5 there says that
    it had nothing to go on: no forecast, so none is scored.
    """
    rows = _on_grid(lines, home, listings)
    founded = (lines["p_mid"][rows] >= 0.0) | (lines["p_fair"][rows] >= 0.0)
    kept = founded | (lines["ask_bps"][rows] >= 0).any(axis=1)
    rows, founded = rows[kept], founded[kept]
    table = {"fused": np.where(founded, lines["p_up"][rows].astype(np.float64), np.nan)}
    table |= {name: _probability(lines[f"p_{name}"][rows]) for name in ("fair", "mid", "point")}
    table["coin"] = np.full(len(rows), 0.5)
    homes = [listings[row] for row in home[rows]]
    asks = lines["ask_bps"][rows].astype(np.float64)
    return Forecasts(
        window_s=np.array([listing.window_s for listing in homes], np.int64),
        left_s=_grid_of(lines["left_ns"][rows]),
        up=np.array([int(listing.outcome == Token.UP) for listing in homes], np.int64),
        p_up=table,
        ask_bps=np.where(asks[:, 0] >= 0, asks[:, 0], np.nan),
        bid_bps=np.where(asks[:, 1] >= 0, BPS - asks[:, 1], np.nan),
    )


def apart(forecasts: Forecasts) -> tuple[Forecasts, Forecasts]:
    """Part forecasts whose forecasters never meet: books of one day and prices of another have no moment in common.

    Scores are of common moments only, so together they would have none. Gives the larger part, and the smaller one:
    empty where nothing had to be parted.
    """
    out = crowded_out(forecasts.p_up["mid"], forecasts.p_up["fair"])
    if not out:
        return forecasts, Forecasts()
    priced = np.isfinite(forecasts.p_up["fair"])
    with_price = _part(forecasts, priced, "windows with a price")
    with_book = _part(forecasts, ~priced, "windows with a book")
    return (with_price, with_book) if out == ("mid",) else (with_book, with_price)


def _part(forecasts: Forecasts, keep: NDArray[np.bool_], called: str) -> Forecasts:
    return Forecasts(
        called=called,
        window_s=forecasts.window_s[keep],
        left_s=forecasts.left_s[keep],
        up=forecasts.up[keep],
        p_up={each: p[keep] for each, p in forecasts.p_up.items()},
        bid_bps=forecasts.bid_bps[keep],
        ask_bps=forecasts.ask_bps[keep],
    )


def crowded_out(mid: Floats, fair: Floats) -> tuple[str, ...]:
    """Name the forecaster to leave out when the book and fair value were never there together."""
    has_mid, has_fair = np.isfinite(mid), np.isfinite(fair)
    if (has_mid & has_fair).any() or not has_mid.any() or not has_fair.any():
        return ()
    return ("mid",) if has_fair.sum() > has_mid.sum() else ("fair",)


def _on_grid(lines: Rows, home: Ints, listings: Sequence[Listing]) -> Ints:
    """Give the first line at or after each moment of the grid, of every window with an outcome."""
    found = []
    for row, listing in enumerate(listings):
        if listing.outcome == UNKNOWN_OUTCOME:
            continue
        mine = np.flatnonzero(home == row)
        left = lines["left_ns"][mine]
        for moment in GRID_S:
            after = np.flatnonzero((left <= moment * NS_PER_S) & (left > (moment - GRID_LATE_S) * NS_PER_S))
            if len(after):
                found.append(mine[after[0]])
    return np.array(found, np.int64)


def _grid_of(left_ns: Ints) -> Ints:
    grid = np.array(sorted(GRID_S), np.int64)
    found: Ints = grid[np.searchsorted(grid * NS_PER_S, left_ns)]
    return found


def _probability(column: Floats) -> Floats:
    return np.where(column >= 0.0, column, np.nan)


def refused_lines(lines: Rows, home: Ints) -> Ints:
    """Give the lines that stood aside, one a window, gate, reason and stretch of `REFUSAL_EVERY_NS`."""
    aside = np.flatnonzero((lines["reason_code"] != 0) & (home >= 0))
    keys = np.stack(
        [
            home[aside],
            lines["gate_code"][aside].astype(np.int64),
            lines["reason_code"][aside].astype(np.int64),
            lines["left_ns"][aside] // REFUSAL_EVERY_NS,
        ]
    )
    _, first = np.unique(keys, axis=1, return_index=True)
    return np.sort(aside[first])


def better_token(lines: Rows) -> Ints:
    """Give the token that the forecast would rather have bought at its ask; -1 where nobody offered either."""
    p_up = lines["p_up"]
    asks = lines["ask_bps"].astype(np.float64)
    edges = np.stack([p_up * BPS, (1.0 - p_up) * BPS], axis=1) - asks
    edges[asks < 0] = -np.inf
    return np.where((asks < 0).all(axis=1), -1, edges.argmax(axis=1)).astype(np.int64)


def refusal_looks(lines: Rows, tokens: Ints, late_ns: Ints) -> tuple[Rows, Rows]:
    """Ask what the better token's ask had for `SIZE_MICROS`: when refused, and when an order would have matched."""
    when, slots = lines["at_ns"].astype(np.int64), lines["slot_id"]
    bought = np.maximum(tokens, 0)
    return (
        looks_of(when, slots, bought, amount_micros=SIZE_MICROS),
        looks_of(when + late_ns, slots, bought, amount_micros=SIZE_MICROS),
    )


def refusals_of(lines: Rows, home: Ints, listings: Sequence[Listing], tokens: Ints, now: Rows, later: Rows) -> Refusals:
    """Give the refusals with what each refused trade would have made."""
    would = [
        taking_usd(listings[row], int(token), now[k], later[k]) if token >= 0 else float("nan")
        for k, (row, token) in enumerate(zip(home, tokens, strict=True))
    ]
    return Refusals(
        gate_code=lines["gate_code"].astype(np.int64),
        reason_code=lines["reason_code"].astype(np.int64),
        window_s=np.array([listings[row].window_s for row in home], np.int64),
        would_usd=np.array(would, np.float64),
    )


def moment_looks(listings: Sequence[Listing], late_ns: Sequence[int]) -> tuple[Rows, Rows]:
    """Ask for both tokens of every window at the baselines' moments, and a little before for the price's last move.

    The desk's rows are UP, DOWN and UP before, in turn; the venue's UP and DOWN.
    """
    when, slots, held = [], [], []
    for listing, late in zip(listings, late_ns, strict=True):
        for moment in MOMENTS_S:
            when.append(listing.close_ns - moment * NS_PER_S)
            slots.append(listing.slot)
            held.append(when[-1] + late)
    at, before = np.array(when, np.int64), np.array(when, np.int64) - MOVE_NS
    slot = np.array(slots, np.int64)
    desk = looks_of(
        np.stack([at, at, before], axis=1).reshape(-1), np.repeat(slot, 3), np.tile([0, 1, 0], len(slot)),
        amount_micros=SIZE_MICROS,
    )  # fmt: skip
    venue = looks_of(
        np.repeat(np.array(held, np.int64), 2), np.repeat(slot, 2), np.tile([0, 1], len(slot)),
        amount_micros=SIZE_MICROS,
    )  # fmt: skip
    return desk, venue


def moments_of(listings: Sequence[Listing], desk: Rows, venue: Rows) -> Moments:
    """Give the books at the baselines' moments."""
    homes = [listing for listing in listings for _ in MOMENTS_S]
    up, down, before = desk[0::3], desk[1::3], desk[2::3]
    strike = np.array([home.strike_at(int(at)) for home, at in zip(homes, up["when_ns"], strict=True)], np.float64)
    price = np.where(up["price_usd"] > 0, up["price_usd"], np.nan)
    past = np.where(before["price_usd"] > 0, before["price_usd"], np.nan)
    rules = [home.rules for home in homes]
    return Moments(
        window_s=np.array([home.window_s for home in homes], np.int64),
        left_s=np.tile(np.array(MOMENTS_S, np.int64), len(listings)),
        outcome_code=np.array([home.outcome for home in homes], np.int64),
        up_ask_bps=up["ask_bps"].astype(np.int64),
        down_ask_bps=down["ask_bps"].astype(np.int64),
        up_mid_bps=mid_bps(up),
        up_cost_micros=_whole(up),
        down_cost_micros=_whole(down),
        up_held_cost_micros=_whole(venue[0::2]),
        down_held_cost_micros=_whole(venue[1::2]),
        move_usd=np.asarray(price - strike, np.float64),
        last_move_usd=np.asarray(price - past, np.float64),
        fee_rate_ppm=np.array([int(rule.fee_rate_ppm) for rule in rules], np.int64),
        fee_exponent_count=np.array([int(rule.fee_exponent_count) for rule in rules], np.int64),
        fee_by_notional=np.array([int(rule.fee_by_notional_code) for rule in rules], np.int64),
    )


def _whole(looks: Rows) -> Ints:
    """Give the cost of the whole size; -1 where less was displayed."""
    return np.where(looks["filled_micros"] >= looks["amount_micros"], looks["cost_micros"], -1).astype(np.int64)


def stages_of(sources: Sequence[SourceCount], lines: Rows, book: Book, desk_delay_ns: int) -> tuple[Stage, ...]:
    """Give the latencies of a run; all of them are the recording's and the model's, none of them this machine's.

    Ingestion: seen less stamped, of a sample of the rows of books and exchanges that carry a stamp of their own; an
    oracle stamps the second that it speaks of, which says nothing of the way to us. Signal: the desk's run as the model
    delays it. Execution: from sending an order to hearing what came of it, hold and all. End to end: the three added up
    for each order, with ingestion at its median.
    """
    late = [source.late_ms for source in sources if source.source in TRAVELLED]
    ingestion = np.concatenate([np.zeros(0), *late])
    heard = book.told_ns > 0
    execution = (book.told_ns[heard] - book.placed["at_ns"][heard]) / 1e6
    signal = np.full(min(len(lines), 1_000), desk_delay_ns / 1e6)
    middle = float(np.median(ingestion)) if len(ingestion) else 0.0
    samples = {
        "ingestion": ingestion,
        "signal": signal,
        "execution": execution,
        "end to end": execution + middle + desk_delay_ns / 1e6,
    }
    return tuple(
        Stage(name=name, budget_ms=budget, samples_ms=np.asarray(samples[name], np.float64), modelled=True)
        for name, budget in BUDGET_MS.items()
    )
