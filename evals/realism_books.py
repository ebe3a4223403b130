"""What a window's book is like, in figures that a recording and a generated market can be compared by."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from evals.generator_feeds import Events
from evals.realism_walk import (
    ASK,
    ASK_BEST,
    ASK_BEST_USD,
    ASK_SHARES,
    AT_TOUCH,
    BID,
    BID_BEST,
    BID_BEST_USD,
    BID_SHARES,
    FRAMES,
    KNOWN,
    LEVELS,
    LOOK_COLUMNS,
    MILLS,
    TALLY_COLUMNS,
    TOP,
    TOUCHES,
    WHOLE_USD,
    walk,
)  # fmt: skip
from state.events import LAST_IN_FRAME, Kind, Token
from state.records import Floats, Ints
from state.units import MICROS, NS_PER_S

Figures = dict[str, float]

MAIN_S: Final = 240
"""The part of a window in which its book is looked at: the last minute is another market."""

LEAST_CHANGES: Final = 20

ONE_SIDED_S: Final = (60, 30, 10, 5)
BRIER_S: Final = (240, 180, 120, 60, 30, 10, 5)


def book_figures(rows: Events, open_s: int, span_s: int, outcome: Token | None) -> Figures:
    """Measure one window by its DOWN book (of which the recordings are), its rows in the order they were seen."""
    grid_ns = (open_s + np.arange(span_s)) * NS_PER_S
    looks = np.zeros((len(grid_ns), LOOK_COLUMNS))
    tally = np.zeros(TALLY_COLUMNS, np.int64)
    main_s = min(MAIN_S, span_s)
    open_ns = open_s * NS_PER_S
    walk(
        rows, int(Token.DOWN), np.zeros((2, MILLS), np.int64), grid_ns, looks, tally, open_ns,
        open_ns + main_s * NS_PER_S,
    )  # fmt: skip
    figures = _depths(looks[:main_s])
    figures["touch changes a minute"] = float(tally[TOUCHES]) * 60.0 / main_s
    figures |= _late(looks, span_s, outcome)
    return figures


def _depths(looks: Floats) -> Figures:
    both = looks[(looks[:, KNOWN] > 0) & (looks[:, BID] > 0) & (looks[:, ASK] < TOP)]
    if not len(both):
        return {}
    spread = both[:, ASK] - both[:, BID]
    figures = {"spread at one tick": float((spread <= 10).mean()), "spread, cents": float(spread.mean() / 10.0)}
    touch = both[:, [BID_SHARES, ASK_SHARES]]
    best = both[:, [BID_BEST, ASK_BEST]]
    for name, values in (("touch, shares", touch), ("best three, shares", best)):
        for percent in (10, 50, 90):
            figures[f"{name}, p{percent}"] = float(np.percentile(values, percent))
    figures["touch, dollars"] = float(np.median(touch * both[:, [BID, ASK]] / TOP))
    figures["best three, dollars"] = float(np.median(both[:, [BID_BEST_USD, ASK_BEST_USD]]))
    figures["whole book, dollars"] = float(np.median(both[:, WHOLE_USD]))
    figures["levels"] = float(np.median(both[:, LEVELS]))
    return figures


def _late(looks: Floats, span_s: int, outcome: Token | None) -> Figures:
    """Give the book's knowledge and its emptiness by seconds to the close; an empty side stands for 0 or 1."""
    figures: Figures = {}
    for left_s in ONE_SIDED_S:
        look = looks[span_s - left_s]
        if look[KNOWN]:
            figures[f"one-sided at {left_s} s"] = float(look[BID] == 0 or look[ASK] == TOP)
    if outcome is None:
        return figures
    for left_s in BRIER_S:
        look = looks[span_s - left_s]
        if look[KNOWN]:
            p_down = (look[BID] + look[ASK]) / (2.0 * TOP)
            figures[f"Brier at {left_s} s"] = float((p_down - (outcome == Token.DOWN)) ** 2)
    return figures


def trade_figures(rows: Events, from_ns: int, to_ns: int) -> Figures:
    """Measure trades of one market: rows of TRADE_SEEN in order, within a span of its life."""
    trades = rows[(rows["kind_code"] == Kind.TRADE_SEEN) & (rows["seen_ns"] >= from_ns) & (rows["seen_ns"] < to_ns)]
    if len(trades) < 10:
        return {}
    gaps = trade_gaps(trades["at_ns"].astype(np.float64), (to_ns - from_ns) / NS_PER_S)
    return gaps | size_figures(trades["amount_micros"])


def size_figures(micros: Ints) -> Figures:
    """Measure the sizes of trades, in shares."""
    return {
        "trade size, p50": float(np.median(micros)) / MICROS,
        "trade size, p90": float(np.percentile(micros, 90)) / MICROS,
    }


def trade_gaps(at_ns: Floats, span_s: float) -> Figures:
    """Measure how trades follow one another."""
    gaps_ms = np.diff(np.sort(at_ns)) / 1e6
    return {
        "trades a second": len(at_ns) / span_s,
        "gap between trades, p50 ms": float(np.median(gaps_ms)),
        "gap between trades, p95 ms": float(np.percentile(gaps_ms, 95)),
    }


def gather(units: Sequence[Mapping[str, float]]) -> dict[str, Floats]:
    """Give each figure's values over windows or hours; one that a unit does not have is left out."""
    names = dict.fromkeys(name for unit in units for name in unit)
    return {
        name: np.array([unit[name] for unit in units if name in unit and np.isfinite(unit[name])]) for name in names
    }


def change_figures(rows: Events, from_ns: int, to_ns: int) -> Figures:
    """Measure changes of levels between two times, each frame being one: how many, where, how one follows another."""
    tally = np.zeros(TALLY_COLUMNS, np.int64)
    levels, looks = np.zeros((2, MILLS), np.int64), np.zeros((0, LOOK_COLUMNS))
    walk(rows, int(Token.DOWN), levels, np.zeros(0, np.int64), looks, tally, from_ns, to_ns - 1)
    ends = (rows["kind_code"] == Kind.LEVEL_SET) & (rows["flags_mask"] & LAST_IN_FRAME > 0)
    at_ns = rows["at_ns"][ends & (rows["seen_ns"] >= from_ns) & (rows["seen_ns"] < to_ns)]
    if tally[FRAMES] < LEAST_CHANGES:
        return {}
    return {
        "changes a second": float(tally[FRAMES]) * NS_PER_S / (to_ns - from_ns),
        "changes at the touch": float(tally[AT_TOUCH]) / float(tally[FRAMES]),
        "gap between changes, p95 ms": float(np.percentile(np.diff(np.sort(at_ns)) / 1e6, 95)),
    }


def mids(rows: Events, from_ns: int, to_ns: int) -> tuple[Ints, Floats]:
    """Give the times within a span at which the UP book was looked at (every tenth of a second) and its middle."""
    grid_ns = np.arange(from_ns, to_ns, NS_PER_S // 10)
    looks = np.zeros((len(grid_ns), LOOK_COLUMNS))
    walk(rows, int(Token.UP), np.zeros((2, MILLS), np.int64), grid_ns, looks, np.zeros(TALLY_COLUMNS, np.int64), 0, 0)
    good = (looks[:, KNOWN] > 0) & (looks[:, BID] > 0) & (looks[:, ASK] < TOP)
    return grid_ns[good], (looks[good, BID] + looks[good, ASK]) / (2.0 * TOP)
