"""The ranking of a sweep: every set against the baseline, window by window, corrected for all sets that were tried.

The best of many worthless sets looks good: that is what is corrected here, in four ways that fail differently.

- Holm (1979) over the two-sided p-values of paired differences: no worthless set among all, however they depend.
- Benjamini and Yekutieli (2001) over the same: the share of worthless sets among those named, however they depend.
- The largest studentized mean under a circular block bootstrap (White 2000; Westfall and Young 1993): sets that differ
  little are no two trials there, and neighbouring windows may depend on each other.
- The deflated Sharpe ratio (Bailey and Lopez de Prado 2014): the Sharpe ratio of the best of so many worthless sets,
  reckoned from how far the tried ones lie apart, is what a set must exceed.

What is left of a mean after the pull towards the others (empirical Bayes) stands beside it; the sets share their
windows, so that figure is a hint and not a law.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import e, isfinite, nan, sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tools.intervals import NORMAL, Estimate, Values, clustered_interval, false_discoveries, p_value

ALPHA: Final = 0.05
WINDOWS_LEAST: Final = 24
"""Two hours: below it nothing is called shown, whatever the figures say."""
DRAWS: Final = 4_000
SEED: Final = 20_261_123
"""Of the bootstrap: the same results give the same ranking."""
SETS_AT_ONCE: Final = 512
TINY: Final = 1e-12
"""A spread below this share of its mean is rounding, not chance."""
EULER: Final = 0.5772156649015329


class Standing(StrEnum):
    """What a sweep shows of its best set, in words."""

    SHOWN = "earns more than the baseline, after correction for every set that was tried"
    NOT_SHOWN = "not shown to earn more than the baseline, once corrected for every set that was tried"
    TOO_FEW = "too few windows to show anything"
    NOTHING = "no set could be held against the baseline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What each set made of each window; a window's profit is the mean over the seeds."""

    set_ids: tuple[int, ...]
    """Rows of the arrays: sets of which every cell is there; the baseline, 0, first."""
    profits: NDArray[np.float64]
    """Micros, set by window."""
    losses: NDArray[np.float64]
    """Brier score of the set's forecasts in that window; NaN where it and the book did not both speak."""
    book_losses: NDArray[np.float64]
    """Brier score of the book's middle at the same moments."""
    stretch_ids: NDArray[np.int64]
    opens_s: NDArray[np.int64]
    unpaired_count: int
    """Windows that not every set has, and that nobody is judged by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """One set's figures; a difference is the set's less the baseline's, in micros a window."""

    set_id: int
    profit: Estimate
    difference: Estimate
    brier: float
    brier_less_book: Estimate
    """Below zero beats the book."""
    p: float
    """Two-sided, of the difference, as if nothing else had been tried."""
    p_holm: float
    p_yekutieli: float
    p_reality: float
    """That the best of all sets tried, all worthless, would look so good against the baseline."""
    p_profit: float
    """The same against making nothing at all."""
    p_deflated: float
    """That its Sharpe ratio is no more than the best of so many worthless sets would show."""
    shrunk_micros: float
    """What is left of the difference after the pull towards the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """All sets by what they made, best first, and what may be said of the best."""

    ranked: tuple[Ranked, ...]
    standing: Standing
    tried_count: int
    """Sets that the corrections count, the failed among them."""
    windows_count: int
    unpaired_count: int
    block_windows: int
    """Neighbouring windows that the bootstrap keeps together."""

    @property
    def best(self) -> Ranked | None:
        """Give the best set that is not the baseline."""
        return next((each for each in self.ranked if each.set_id != 0), None)


def panel_of(columns: dict[str, NDArray[Any]], complete: Sequence[int]) -> Panel:
    """Lay the rows of all cells side by side.

    Args:
        columns: `set_id`, `stretch_id`, `open_s`, `profit_micros`, `brier_sum`, `book_brier_sum`, `forecasts_count`,
            one row a cell and window.
        complete: sets of which every cell is there; others are left out.
    """
    ids = np.array(sorted(complete), np.int64)
    kept = np.isin(columns["set_id"], ids)
    rows = {name: values[kept] for name, values in columns.items()}
    keys, at = np.unique(np.stack([rows["stretch_id"], rows["open_s"]]).astype(np.int64), axis=1, return_inverse=True)
    place = np.searchsorted(ids, rows["set_id"]) * keys.shape[1] + at.reshape(-1)
    shape = (len(ids), keys.shape[1])

    def summed(values: NDArray[Any]) -> NDArray[np.float64]:
        flat = np.bincount(place, weights=values.astype(float), minlength=shape[0] * shape[1])
        return np.asarray(flat, float).reshape(shape)

    count = summed(np.ones(len(place)))
    paired = (count == count.max(axis=0, initial=0.0)).all(axis=0) if len(ids) else np.zeros(shape[1], bool)
    seeds = max(len(np.unique(rows["seed"])), 1)
    spoken = summed(rows["forecasts_count"])
    with np.errstate(invalid="ignore"):
        losses, book = (
            summed(rows[name]) / np.where(spoken > 0, spoken, nan) for name in ("brier_sum", "book_brier_sum")
        )
    return Panel(
        set_ids=tuple(ids.tolist()),
        profits=summed(rows["profit_micros"])[:, paired] / seeds,
        losses=losses[:, paired],
        book_losses=book[:, paired],
        stretch_ids=keys[0][paired],
        opens_s=keys[1][paired],
        unpaired_count=int((~paired).sum()),
    )


def ranking_of(panel: Panel, tried_count: int, *, seed: int = SEED, draws: int = DRAWS) -> Ranking:
    """Rank the sets by what they made a window, with every correction over all that was tried.

    Args:
        panel: sets by windows.
        tried_count: sets held against the baseline, those that failed among them: each counts as worthless.
        seed: of the bootstrap.
        draws: of the bootstrap.
    """
    windows = panel.profits.shape[1]
    block = max(round(windows ** (1 / 3)), 1)
    if not windows or 0 not in panel.set_ids:
        return Ranking(
            ranked=(), standing=Standing.NOTHING, tried_count=tried_count, windows_count=windows,
            unpaired_count=panel.unpaired_count, block_windows=block,
        )  # fmt: skip
    differences = panel.profits - panel.profits[panel.set_ids.index(0)]
    weights = block_weights(windows, block, np.random.default_rng(seed), draws)
    alone = np.array([_p(row) for row in differences])
    others = np.array([set_id != 0 for set_id in panel.set_ids])
    holm, yekutieli = corrected(alone, others, tried_count)
    reality = best_of_many(differences, weights, others)
    profit = best_of_many(panel.profits, weights, np.ones(len(others), bool))
    deflated = deflated_p(panel.profits, tried_count + 1)
    shrunk = shrunk_means(differences, others)
    ranked = [
        Ranked(
            set_id=set_id,
            profit=_interval(panel.profits[row], weights),
            difference=_interval(differences[row], weights),
            brier=_mean(panel.losses[row]),
            brier_less_book=_gap(panel.losses[row], panel.book_losses[row]),
            p=float(alone[row]),
            p_holm=float(holm[row]),
            p_yekutieli=float(yekutieli[row]),
            p_reality=float(reality[row]),
            p_profit=float(profit[row]),
            p_deflated=float(deflated[row]),
            shrunk_micros=float(shrunk[row]),
        )
        for row, set_id in enumerate(panel.set_ids)
    ]
    ranked.sort(key=lambda each: (-each.profit.mean, each.set_id))
    best = next((each for each in ranked if each.set_id != 0), None)
    return Ranking(
        ranked=tuple(ranked),
        standing=standing_of(best, windows),
        tried_count=tried_count,
        windows_count=windows,
        unpaired_count=panel.unpaired_count,
        block_windows=block,
    )


def standing_of(best: Ranked | None, windows: int) -> Standing:
    """Say what may be said of the best set: nothing is shown unless both corrections hold it."""
    if best is None:
        return Standing.NOTHING
    if windows < WINDOWS_LEAST:
        return Standing.TOO_FEW
    shown = best.difference.mean > 0.0 and max(best.p_holm, best.p_reality) <= ALPHA
    return Standing.SHOWN if shown else Standing.NOT_SHOWN


def corrected(p_values: Values, others: NDArray[np.bool_], tried_count: int) -> tuple[Values, Values]:
    """Give Holm's and Benjamini and Yekutieli's adjusted p-values; whoever was tried and is not here counts as 1.

    >>> holm, _ = corrected(np.array([1.0, 0.01, 0.04, 0.5]), np.array([False, True, True, True]), 3)
    >>> holm.tolist()
    [1.0, 0.03, 0.08, 0.5]
    """
    found = np.asarray(p_values, float)[others]
    assert tried_count >= len(found), "no set is ranked that was not tried"
    told = np.concatenate([found, np.ones(tried_count - len(found))])
    order = np.argsort(told, kind="stable")
    holm, yekutieli = np.ones(len(others)), np.ones(len(others))
    if tried_count:
        steps = np.minimum(1.0, np.maximum.accumulate(told[order] * np.arange(tried_count, 0, -1)))
        back = np.empty(tried_count)
        back[order] = steps
        holm[others] = back[: len(found)]
        dependence = float((1.0 / np.arange(1, tried_count + 1)).sum())
        yekutieli[others] = np.minimum(1.0, false_discoveries(told)[1] * dependence)[: len(found)]
    return holm, yekutieli


def block_weights(windows: int, block: int, generator: np.random.Generator, draws: int) -> NDArray[np.float64]:
    """Give how often each window is drawn, draw by draw: runs of neighbours, the last window's neighbour is the first.

    Politis and Romano's circular block bootstrap (1992). Where two stretches meet, a run may cross from one to the
    other, which can only make neighbours look less alike than they are.
    """
    runs = -(-windows // block)
    starts = generator.integers(0, windows, size=(draws, runs))
    picks = ((starts[:, :, None] + np.arange(block)) % windows).reshape(draws, -1)[:, :windows]
    weights = np.zeros((draws, windows))
    np.add.at(weights, (np.arange(draws)[:, None], picks), 1.0)
    return weights / windows


def best_of_many(values: NDArray[np.float64], weights: NDArray[np.float64], among: NDArray[np.bool_]) -> Values:
    """Give for each row how often the best of all rows, with their means taken away, would look as good as it does.

    Means are held against their own standard errors, so that a set with wild windows does not drown the others. A row
    that never differs has no error to be held against, and is told 1.
    """
    windows = values.shape[1]
    means = values.mean(axis=1)
    scale = np.full(len(means), nan)
    peaks = np.full(len(weights), -np.inf)
    for start in range(0, len(values), SETS_AT_ONCE):
        part = slice(start, start + SETS_AT_ONCE)
        drawn = weights @ (values[part] - means[part, None]).T
        spread = drawn.std(axis=0)
        scale[part] = np.where(spread > TINY * (1.0 + np.abs(means[part])), spread, nan)
        held = among[part] & np.isfinite(scale[part])
        if held.any():
            peaks = np.maximum(peaks, (drawn[:, held] / scale[part][held]).max(axis=1))
    told = np.ones(len(means))
    for row in np.flatnonzero(among & np.isfinite(scale)) if windows > 1 else ():
        told[row] = (1 + int((peaks >= means[row] / scale[row]).sum())) / (len(peaks) + 1)
    return told


def deflated_p(profits: NDArray[np.float64], trials: int) -> Values:
    """Give one less the deflated Sharpe ratio of each set, window by window; 1 where there is none."""
    windows = profits.shape[1]
    sd = profits.std(axis=1, ddof=1) if windows > 1 else np.zeros(len(profits))
    known = sd > 0.0
    told = np.ones(len(profits))
    if windows < 3 or not known.any():
        return told
    centred = profits - profits.mean(axis=1, keepdims=True)
    safe = np.where(known, profits.std(axis=1), 1.0)
    skew = (centred**3).mean(axis=1) / safe**3
    tails = (centred**4).mean(axis=1) / safe**4
    sharpe = np.where(known, profits.mean(axis=1) / np.where(known, sd, 1.0), 0.0)
    apart = float(sharpe[known].std(ddof=1)) if known.sum() > 1 else 0.0
    bar = apart * _best_normal(trials)
    for row in np.flatnonzero(known):
        ratio = sharpe[row]
        spread = 1.0 - skew[row] * ratio + (tails[row] - 1.0) / 4.0 * ratio * ratio
        told[row] = 1.0 - NORMAL.cdf((ratio - bar) * sqrt((windows - 1) / max(spread, 1e-12)))
    return told


def shrunk_means(differences: NDArray[np.float64], others: NDArray[np.bool_]) -> Values:
    """Pull each mean towards the mean of all by the share of the spread that is noise (Efron and Morris 1975)."""
    means = differences.mean(axis=1)
    told = np.where(others, means, 0.0)
    windows = differences.shape[1]
    if windows < 2 or others.sum() < 2:
        return told
    noise = differences.var(axis=1, ddof=1) / windows
    middle = float(means[others].mean())
    real = max(float(means[others].var(ddof=1)) - float(noise[others].mean()), 0.0)
    whole = real + noise
    share = np.divide(real, whole, out=np.zeros_like(whole), where=whole > 0.0)
    return np.where(others, middle + share * (means - middle), 0.0)


def _best_normal(trials: int) -> float:
    """Give the mean of the largest of so many standard normals, nearly."""
    if trials < 2:
        return 0.0
    return (1.0 - EULER) * NORMAL.inv_cdf(1.0 - 1.0 / trials) + EULER * NORMAL.inv_cdf(1.0 - 1.0 / (trials * e))


def _p(differences: Values) -> float:
    """Give the two-sided p of a mean difference; 1 where it cannot be known, or never varies."""
    told = clustered_interval(differences, np.arange(len(differences)))
    p = p_value(told)
    return p if isfinite(p) and told.se > TINY * (1.0 + abs(told.mean)) else 1.0


def _interval(values: Values, weights: NDArray[np.float64]) -> Estimate:
    mean, count = float(values.mean()), len(values)
    if count < 2:
        return Estimate(mean=mean, count=count, clusters=count)
    drawn = weights @ values
    low, high = (float(each) for each in np.quantile(drawn, [0.025, 0.975]))
    return Estimate(mean=mean, low=low, high=high, se=float(drawn.std(ddof=1)), count=count, clusters=count)


def _mean(values: Values) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else nan


def _gap(losses: Values, book: Values) -> Estimate:
    known = np.isfinite(losses) & np.isfinite(book)
    return clustered_interval((losses - book)[known], np.flatnonzero(known))
