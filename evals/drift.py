"""Drift: what a session made of its windows beside what a replay of the same windows makes, paired window by window.

Both share a window's luck, so what is left is what the matching model, delays and fills get wrong. A session's own
quotes stand in the books that it recorded, so even a faultless session shows some difference; a change of the
difference tells more than its size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evals.rehearsal import NO_FORECAST, WindowScore
from tools.intervals import Estimate, clustered_interval, paired_difference
from tools.scores import log_losses


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Live less replayed, over the windows that both have."""

    windows_count: int
    profit: Estimate
    """Micros a window."""
    forecast_gap: Estimate
    """How far apart the two forecasts of UP stood at the same moment, in probability."""
    log_loss: Estimate
    """Nats a forecast; above zero the session forecast worse than its replay."""
    traded_live_ratio: float
    traded_replayed_ratio: float
    """Shares of the windows with a fill."""


def drift(live: Sequence[WindowScore], replayed: Sequence[WindowScore]) -> Drift:
    """Hold what a session made against what its replay makes; windows that only one side has are left out."""
    other = {(score.open_s, score.slot_id): score for score in replayed}
    pairs = [(mine, other[key]) for mine in live if (key := (mine.open_s, mine.slot_id)) in other]
    opens = np.array([mine.open_s for mine, _ in pairs], np.int64)
    profits = np.array([(mine.profit_micros, its.profit_micros) for mine, its in pairs], float).reshape(-1, 2)
    said = _forecasts(pairs)
    gaps = clustered_interval(np.abs(said[:, 0] - said[:, 1]), said[:, 3])
    losses = paired_difference(log_losses(said[:, 0], said[:, 2]), log_losses(said[:, 1], said[:, 2]), said[:, 3])
    return Drift(
        windows_count=len(pairs),
        profit=paired_difference(profits[:, 0], profits[:, 1], opens),
        forecast_gap=gaps,
        log_loss=losses,
        traded_live_ratio=_share([mine.traded_ratio for mine, _ in pairs]),
        traded_replayed_ratio=_share([its.traded_ratio for _, its in pairs]),
    )


def _forecasts(pairs: Sequence[tuple[WindowScore, WindowScore]]) -> Any:
    """Give a row for each moment at which both have a forecast: live, replayed, whether UP won, the window's start."""
    rows = [
        (one, other, float(mine.up), float(mine.open_s))
        for mine, its in pairs
        for one, other in zip(mine.p_up, its.p_up, strict=True)
        if NO_FORECAST not in (one, other)
    ]
    return np.array(rows, float).reshape(-1, 4)


def _share(ratios: Sequence[float]) -> float:
    return float(np.mean([ratio > 0.0 for ratio in ratios])) if ratios else 0.0
