"""Intervals that respect windows: clustered means, seeded bootstraps, win rates, and many tests at once.

Trades of one window share one outcome, so they are one observation seen several times. Every interval here takes the
cluster (the window, or the day) of each value and lets only clusters count as independent.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import exp, inf, isfinite, lgamma, log, log1p, nan, sqrt
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Labels = NDArray[Any]

NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean with its interval; `low` and `high` are NaN where the data cannot give one."""

    mean: float
    low: float = nan
    high: float = nan
    se: float = nan
    level: float = 0.95
    count: int = 0
    """Observations."""
    clusters: int = 0
    """Independent groups among them; fewer than two give no interval."""

    @property
    def known(self) -> bool:
        """Say whether there is an interval at all."""
        return isfinite(self.low) and isfinite(self.high)


def clustered_interval(values: Values, clusters: Labels, level: float = 0.95) -> Estimate:
    """Give the mean with an interval that lets only whole clusters vary.

    Cluster-robust variance of a mean (Liang and Zeger 1986) with the factor g / (g - 1) and Student's t of g - 1
    degrees of freedom (Cameron and Miller 2015). With one cluster per value it is the ordinary t interval.

    Args:
        values: any unit; the answer is in the same.
        clusters: the label of each value's cluster, same length.
        level: coverage, e.g. 0.95.
    """
    sums, counts = cluster_sums(values, clusters)
    total, groups = int(counts.sum()), len(sums)
    if total == 0:
        return Estimate(mean=nan, level=level)
    mean = float(sums.sum()) / total
    if groups < 2:
        return Estimate(mean=mean, level=level, count=total, clusters=groups)
    residuals = sums - counts * mean
    se = sqrt(groups / (groups - 1) * float((residuals * residuals).sum())) / total
    half = student_quantile(0.5 + level / 2, groups - 1) * se
    return Estimate(mean=mean, low=mean - half, high=mean + half, se=se, level=level, count=total, clusters=groups)


def bootstrap_interval(
    values: Values, clusters: Labels, generator: np.random.Generator, level: float = 0.95, draws: int = 2000
) -> Estimate:
    """Give the mean with a percentile interval from clusters drawn again with replacement (Cameron et al. 2008).

    Better than the t interval when few windows carry most of the result; the generator is handed in so that the same
    seed gives the same answer.
    """
    sums, counts = cluster_sums(values, clusters)
    total, groups = int(counts.sum()), len(sums)
    if total == 0:
        return Estimate(mean=nan, level=level)
    mean = float(sums.sum()) / total
    if groups < 2:
        return Estimate(mean=mean, level=level, count=total, clusters=groups)
    picks = generator.integers(0, groups, size=(draws, groups))
    means = sums[picks].sum(axis=1) / counts[picks].sum(axis=1)
    low, high = (float(q) for q in np.quantile(means, [0.5 - level / 2, 0.5 + level / 2]))
    se = float(means.std(ddof=1))
    return Estimate(mean=mean, low=low, high=high, se=se, level=level, count=total, clusters=groups)


def paired_difference(first: Values, second: Values, clusters: Labels, level: float = 0.95) -> Estimate:
    """Give the mean of first minus second, value by value, so that what both share cancels."""
    return clustered_interval(np.asarray(first, float) - np.asarray(second, float), clusters, level)


def cluster_sums(values: Values, clusters: Labels) -> tuple[Values, Values]:
    """Give each cluster's sum and its count, in the order of the sorted labels."""
    data, labels = np.asarray(values, float), np.asarray(clusters)
    assert data.ndim == 1 and data.shape == labels.shape, "values and clusters must be two rows of one length"
    assert bool(np.isfinite(data).all()), "values must be finite: leave out what was not measured"
    _, where = np.unique(labels, return_inverse=True)
    where = where.reshape(-1)
    groups = int(where.max()) + 1 if len(where) else 0
    counts = np.bincount(where, minlength=groups).astype(np.float64)
    return np.bincount(where, weights=data, minlength=groups).astype(np.float64), counts


def p_value(estimate: Estimate) -> float:
    """Give the two-sided chance of a mean this far from zero if the true one were zero; NaN without an interval."""
    if not estimate.known or estimate.clusters < 2:
        return nan
    if estimate.se == 0.0:
        return 1.0 if estimate.mean == 0.0 else 0.0
    return min(1.0, 2.0 * student_cdf(-abs(estimate.mean) / estimate.se, estimate.clusters - 1))


def wilson_interval(wins: int, count: int, level: float = 0.95) -> Estimate:
    """Give a rate with Wilson's interval (1927): right at 0 %, at 100 % and for a handful of trials.

    >>> round(wilson_interval(9, 10).low, 3)
    0.596
    """
    assert 0 <= wins <= count, "wins must lie between none and all"
    if count == 0:
        return Estimate(mean=nan, level=level)
    z = NORMAL.inv_cdf(0.5 + level / 2)
    rate = wins / count
    shrink = 1.0 + z * z / count
    centre = (rate + z * z / (2 * count)) / shrink
    half = z * sqrt(rate * (1 - rate) / count + z * z / (4 * count * count)) / shrink
    se = sqrt(rate * (1 - rate) / count)
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Estimate(mean=rate, low=low, high=high, se=se, level=level, count=count, clusters=count)


def clustered_rate(hits: NDArray[np.bool_], clusters: Labels, level: float = 0.95) -> Estimate:
    """Give a rate of trades with an interval for the number of *windows* behind it.

    Wilson's interval at the effective number of trials: the count shrunk by the design effect that the clustered
    variance shows (Kish 1965), never grown by it.
    """
    data = np.asarray(hits, float)
    plain = clustered_interval(data, clusters, level)
    if plain.count == 0:
        return plain
    spread = plain.mean * (1.0 - plain.mean)
    effective = float(plain.clusters)
    if spread > 0.0 and plain.known and plain.se > 0.0:
        effective = min(float(plain.count), spread / (plain.se * plain.se))
    z = NORMAL.inv_cdf(0.5 + level / 2)
    shrink = 1.0 + z * z / effective
    centre = (plain.mean + z * z / (2 * effective)) / shrink
    half = z * sqrt(spread / effective + z * z / (4 * effective * effective)) / shrink
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    se = sqrt(spread / effective)
    return Estimate(mean=plain.mean, low=low, high=high, se=se, level=level, count=plain.count, clusters=plain.clusters)


def false_discoveries(p_values: Values, rate: float = 0.05) -> tuple[NDArray[np.bool_], Values]:
    """Say which of many findings survive at a false discovery rate, with their adjusted p-values.

    Benjamini and Hochberg 1995; the adjusted value of a finding is the smallest rate at which it survives.

    >>> false_discoveries(np.array([0.01, 0.04, 0.5]))[0].tolist()
    [True, False, False]
    """
    raw = np.asarray(p_values, float)
    count = len(raw)
    order = np.argsort(raw, kind="stable")
    scaled = raw[order] * count / np.arange(1, count + 1)
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return adjusted <= rate, adjusted


@lru_cache(maxsize=4096)
def student_quantile(p: float, freedom: float) -> float:
    """Give Student's t at probability p; the normal beyond a million degrees of freedom.

    >>> round(student_quantile(0.975, 10), 4)
    2.2281
    """
    assert 0.0 < p < 1.0 and freedom > 0
    if freedom > 1e6:
        return NORMAL.inv_cdf(p)
    if p < 0.5:
        return -student_quantile(1.0 - p, freedom)
    low, high = 0.0, 1.0
    while student_cdf(high, freedom) < p and high < 1e12:
        high *= 2.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        if high - low <= 1e-13 * high:
            break
        low, high = (middle, high) if student_cdf(middle, freedom) < p else (low, middle)
    return 0.5 * (low + high)


def student_cdf(t: float, freedom: float) -> float:
    """Give the chance that Student's t lies below a value.

    >>> round(student_cdf(2.2281, 10), 4)
    0.975
    """
    if t == inf:
        return 1.0
    tail = 0.5 * beta_share(freedom / 2.0, 0.5, freedom / (freedom + t * t))
    return 1.0 - tail if t >= 0 else tail


def beta_share(a: float, b: float, x: float) -> float:
    """Give the regularised incomplete beta function by its continued fraction (DLMF 8.17.22, Lentz's method)."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - beta_share(b, a, 1.0 - x)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
    tiny = 1e-300
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    result = d
    for m in range(1, 500):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        step = 1.0
        for term in (even, odd):
            d = 1.0 + term * d
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = 1.0 + term / c
            c = c if abs(c) > tiny else tiny
            step = c * d
            result *= step
        if abs(step - 1.0) < 1e-15:
            break
    return front * result
