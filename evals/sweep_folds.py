"""Walk-forward over a sweep: choose on the stretches before, judge on the next, and never look back.

What is judged here is the habit of choosing the best set, not a set: each choice was made without the windows that
judge it, so nothing needs correcting, and the mean of these windows is what a sweep's winner may be expected to make.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from evals.sweep_ranking import Panel
from tools.intervals import Estimate, clustered_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """One choice and what it came to; micros a window, the set's less the baseline's."""

    stretch_id: int
    """The stretch that judged."""
    set_id: int
    """What was chosen: the baseline where nothing was better."""
    train_windows: int
    test_windows: int
    train_micros: float
    test_micros: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Folds:
    """All choices, and what choosing came to."""

    folds: tuple[Fold, ...]
    difference: Estimate
    """Micros a window over every window that judged; one cluster a window."""


def walk_forward(panel: Panel, train_blocks: int) -> Folds:
    """Choose on so many stretches that ended before the next began, and judge there.

    Args:
        panel: sets by windows, the baseline among them.
        train_blocks: stretches to choose on; 0 gives no folds.
    """
    nothing = Folds(folds=(), difference=Estimate(mean=float("nan")))
    if not train_blocks or 0 not in panel.set_ids or not panel.profits.shape[1]:
        return nothing
    differences = panel.profits - panel.profits[panel.set_ids.index(0)]
    spans = {int(k): panel.opens_s[panel.stretch_ids == k] for k in np.unique(panel.stretch_ids)}
    folds, judged = [], []
    for test, span in sorted(spans.items(), key=lambda item: (int(item[1][0]), item[0])):
        before = sorted((int(opens[-1]), k) for k, opens in spans.items() if opens[-1] < span[0])
        if len(before) < train_blocks:
            continue
        train = np.isin(panel.stretch_ids, [k for _, k in before[-train_blocks:]])
        here = panel.stretch_ids == test
        row = _choice(differences[:, train])
        judged.append(differences[row, here])
        folds.append(
            Fold(
                stretch_id=test,
                set_id=panel.set_ids[row],
                train_windows=int(train.sum()),
                test_windows=int(here.sum()),
                train_micros=float(differences[row, train].mean()),
                test_micros=float(differences[row, here].mean()),
            )
        )
    if not folds:
        return nothing
    told = np.concatenate(judged)
    return Folds(folds=tuple(folds), difference=clustered_interval(told, np.arange(len(told))))


def _choice(differences: NDArray[np.float64]) -> int:
    """Give the row with the best mean less half its standard error: of two alike the steadier; the first of equals."""
    count = differences.shape[1]
    doubt = differences.std(axis=1, ddof=1) / sqrt(count) if count > 1 else np.zeros(len(differences))
    return int(np.argmax(differences.mean(axis=1) - 0.5 * doubt))
