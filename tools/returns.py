"""Ratios of a row of results: Sharpe with its interval, Sharpe after many tries, and drawdown."""

from dataclasses import dataclass
from math import e, isfinite, nan, sqrt

import numpy as np

from tools.intervals import NORMAL, Estimate, Labels, Values, cluster_sums, student_quantile

EULER = 0.5772156649015329


def sharpe_ratio(
    values: Values, clusters: Labels | None = None, lags: int = 0, level: float = 0.95, periods: float = 1.0
) -> Estimate:
    """Give mean over standard deviation with an interval that knows clusters and autocorrelation.

    Delta method on the ratio's influence values (Lo 2002, in its general form): clustered when clusters are given,
    else Newey and West's (1987) with `lags` lags. No normality is assumed.

    Args:
        values: results in the order they came, any unit.
        clusters: label of each value's cluster; None takes each value as its own.
        lags: autocorrelation lags to allow for; with clusters, lags between neighbouring clusters in sorted order.
        level: coverage.
        periods: how many such values a year holds; scales the ratio by its square root, right only for results that
            are not autocorrelated from one value to the next.
    """
    data = np.asarray(values, float)
    count = len(data)
    labels = np.arange(count) if clusters is None else np.asarray(clusters)
    groups = len(np.unique(labels))
    if count < 2:
        return Estimate(mean=nan, level=level, count=count, clusters=groups)
    centred = data - data.mean()
    sd = sqrt(float((centred * centred).mean()))
    if sd <= 1e-12 * max(1.0, float(np.abs(data).max())):
        return Estimate(mean=nan, level=level, count=count, clusters=groups)
    ratio, scale = float(data.mean()) / sd, sqrt(periods)
    if groups < 3:
        return Estimate(mean=ratio * scale, level=level, count=count, clusters=groups)
    pull = centred / sd - 0.5 * ratio * ((centred / sd) ** 2 - 1.0)
    sums, _ = cluster_sums(pull, labels)
    spread = float((sums * sums).sum())
    for lag in range(1, min(lags, groups - 1) + 1):
        weight = 1.0 - lag / (lags + 1.0)
        spread += 2.0 * weight * float((sums[lag:] * sums[:-lag]).sum())
    se = sqrt(max(spread, 0.0) * groups / (groups - 1)) / count * scale
    half = student_quantile(0.5 + level / 2, groups - 1) * se
    mean = ratio * scale
    return Estimate(mean=mean, low=mean - half, high=mean + half, se=se, level=level, count=count, clusters=groups)


def sharpe_by_group(
    values: Values, groups: Labels, lags: int = 0, level: float = 0.95, periods: float = 1.0
) -> Estimate:
    """Give the Sharpe ratio of the groups' sums: by window, or by day with `periods` days a year."""
    sums, _ = cluster_sums(values, groups)
    return sharpe_ratio(sums, None, lags, level, periods)


def deflated_sharpe(values: Values, tries: int, tries_sd: float) -> float:
    """Give the chance that the Sharpe ratio is above what the best of many worthless tries would show.

    Bailey and Lopez de Prado 2014, with the skew and kurtosis of the results themselves.

    Args:
        values: independent results (sums by window or by day), any unit.
        tries: how many variants were looked at, this one included.
        tries_sd: standard deviation of the Sharpe ratios over those variants.
    """
    assert tries >= 1 and tries_sd >= 0.0
    data = np.asarray(values, float)
    count = len(data)
    ratio = sharpe_ratio(data).mean
    if count < 3 or not isfinite(ratio):
        return nan
    z = (data - data.mean()) / data.std()
    skew, kurtosis = float((z**3).mean()), float((z**4).mean())
    lucky = 0.0
    if tries > 1:
        lucky = tries_sd * (
            (1.0 - EULER) * NORMAL.inv_cdf(1.0 - 1.0 / tries) + EULER * NORMAL.inv_cdf(1.0 - 1.0 / (tries * e))
        )
    noise = 1.0 - skew * ratio + (kurtosis - 1.0) / 4.0 * ratio * ratio
    return NORMAL.cdf((ratio - lucky) * sqrt(count - 1) / sqrt(noise)) if noise > 0.0 else nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawdown:
    """The deepest fall of an equity line from a peak: how much, what share of the peak, and from where to where."""

    fall: float
    """In the unit of the equity line, not negative."""
    share: float
    """Of the peak it fell from; NaN when that peak is not positive."""
    peak_index: int
    trough_index: int


def max_drawdown(equity: Values) -> Drawdown:
    """Find the deepest fall, by share of the peak; an equity line starts with the capital, not with zero.

    >>> max_drawdown(np.array([100.0, 110.0, 99.0, 120.0])).share
    0.1
    """
    line = np.asarray(equity, float)
    if len(line) == 0:
        return Drawdown(fall=0.0, share=0.0, peak_index=0, trough_index=0)
    peaks = np.maximum.accumulate(line)
    falls = peaks - line
    shares = np.where(peaks > 0.0, falls / np.where(peaks > 0.0, peaks, 1.0), np.where(falls > 0.0, np.inf, 0.0))
    trough = int(shares.argmax())
    peak = int(line[: trough + 1].argmax())
    share = float(shares[trough])
    return Drawdown(
        fall=float(falls[trough]), share=share if isfinite(share) else nan, peak_index=peak, trough_index=trough
    )
