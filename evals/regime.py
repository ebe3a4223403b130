"""Regime: what kind of market it was of late, beside what it was before; figures of windows and books, no label.

A label ("calm", "wild") would be a judgement that nobody could hold against a record. What a proposer needs is whether
the last windows differ from those that parameters were fitted on, and by how much.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from state.units import BPS

RECENT: Final = 12
"""Windows that count as of late: an hour."""

Lines = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A settled window: when it opened, how it was named among the lines, and by how much its price moved."""

    open_s: int
    slot_id: int
    move_bps: float
    """Final over strike, less one; both are averages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What some windows in a row were like; NaN where nothing was measured."""

    windows_count: int
    move_rms_bps: float
    """Root mean square of the windows' moves: realised volatility of five minutes."""
    up_ratio: float
    """A tie is UP."""
    runs_ratio: float
    """Share of windows that ended as the one before: above a half they trend, below they turn."""
    overround_bps: float
    """Median of what both tokens' asks cost beyond a dollar."""
    gap_ratio: float
    """Mean distance of fair value from the book's middle, in probability."""
    one_sided_ratio: float
    """Share of decisions that found no two-sided book."""


def regimes(windows: Sequence[Moved], lines: Lines, recent: int = RECENT) -> Mapping[str, Stretch]:
    """Describe the last windows, and those before them.

    Args:
        windows: settled ones, in any order.
        lines: decisions in a line each (`state.desk.DecisionLine`).
        recent: how many windows count as of late.
    """
    ordered = sorted(windows, key=lambda window: (window.open_s, window.slot_id))
    return {"of_late": _stretch(ordered[-recent:], lines), "before": _stretch(ordered[:-recent], lines)}


def _stretch(windows: Sequence[Moved], lines: Lines) -> Stretch:
    moves = np.array([window.move_bps for window in windows], float)
    ups = moves >= 0.0
    mine = lines[np.isin(lines["open_s"], [window.open_s for window in windows])]
    quoted = mine[(mine["ask_bps"] >= 0).all(axis=1) & (mine["p_mid"] >= 0.0)]
    priced = quoted[quoted["p_fair"] >= 0.0]
    return Stretch(
        windows_count=len(windows),
        move_rms_bps=float(np.sqrt(np.mean(moves**2))) if len(moves) else nan,
        up_ratio=_mean(ups),
        runs_ratio=_mean(ups[1:] == ups[:-1]),
        overround_bps=float(np.median(quoted["ask_bps"].sum(axis=1) - BPS)) if len(quoted) else nan,
        gap_ratio=_mean(np.abs(priced["p_fair"] - priced["p_mid"])),
        one_sided_ratio=1.0 - len(quoted) / len(mine) if len(mine) else nan,
    )


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else nan
