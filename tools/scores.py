"""Proper scores of probability forecasts: Brier, log loss, skill, recalibration and reliability.

A proper score is best in expectation for the one who says what he believes, so it cannot be gamed by betting on
favourites the way a win rate can. Intervals over windows are in `tools.intervals` and are re-exported here.
"""

from dataclasses import dataclass
from math import nan, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tools.intervals import (
    Estimate,
    Labels,
    Values,
    bootstrap_interval,
    clustered_interval,
    clustered_rate,
    false_discoveries,
    p_value,
    paired_difference,
    wilson_interval,
)
from tools.returns import Drawdown, deflated_sharpe, max_drawdown, sharpe_by_group, sharpe_ratio

__all__ = [
    "P_CLIP", "Bin", "Drawdown", "Estimate", "Recalibration", "bootstrap_interval", "brier", "brier_losses",
    "clustered_interval", "clustered_rate", "deflated_sharpe", "false_discoveries", "log_loss", "log_losses",
    "max_drawdown", "p_value", "paired_difference", "recalibration", "reliability", "sharpe_by_group",
    "sharpe_ratio", "skill", "wilson_interval",
]  # fmt: skip

P_CLIP: Final = 1e-4
"""Forecasts are clipped to [1e-4, 1 - 1e-4] for log loss: the venue's finest tick; no belief beyond it can be paid."""


def brier_losses(p: Values, y: Values) -> Values:
    """Give each forecast's squared distance from its outcome (Brier 1950); 0.25 is a coin."""
    forecast, outcome = _pair(p, y)
    gap = forecast - outcome
    return np.asarray(gap * gap)


def log_losses(p: Values, y: Values) -> Values:
    """Give each forecast's surprise in nats, clipped at `P_CLIP`; ln 2 = 0.693 is a coin."""
    forecast, outcome = _pair(p, y)
    clipped = np.clip(forecast, P_CLIP, 1.0 - P_CLIP)
    return np.asarray(-(outcome * np.log(clipped) + (1.0 - outcome) * np.log1p(-clipped)))


def brier(p: Values, y: Values) -> float:
    """Give the mean Brier score; NaN for nothing.

    >>> round(brier(np.array([0.9, 0.2]), np.array([1.0, 0.0])), 6)
    0.025
    """
    losses = brier_losses(p, y)
    return float(losses.mean()) if len(losses) else nan


def log_loss(p: Values, y: Values) -> float:
    """Give the mean log loss in nats; NaN for nothing.

    >>> round(log_loss(np.array([0.5]), np.array([1.0])), 4)
    0.6931
    """
    losses = log_losses(p, y)
    return float(losses.mean()) if len(losses) else nan


def skill(loss: float, reference_loss: float) -> float:
    """Give the share of the reference's loss that is saved: 0 is no better, 1 is perfect, negative is worse.

    >>> round(skill(0.2, 0.25), 3)
    0.2
    """
    return 1.0 - loss / reference_loss if reference_loss > 0.0 else nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalibration:
    """The straight line in log-odds that would have made the forecasts right.

    Slope 1 and intercept 0 is calibrated; a slope below 1 is overconfidence, above 1 is timidity.
    """

    slope: float
    intercept: float
    slope_se: float
    intercept_se: float
    count: int
    clusters: int
    converged: bool
    """False when no finite line is best: one outcome only, forecasts all alike, or perfectly separated outcomes."""


def recalibration(p: Values, y: Values, clusters: NDArray[np.generic] | None = None) -> Recalibration:
    """Fit outcome = logistic(intercept + slope * logodds(p)) by Newton's method (Cox 1958).

    Standard errors are the sandwich over clusters when those are given (windows), else over single forecasts.
    Forecasts are clipped at `P_CLIP` first, or a single 0 or 1 would decide the fit.
    """
    forecast, outcome = _pair(p, y)
    count = len(forecast)
    labels = np.arange(count) if clusters is None else np.asarray(clusters)
    groups = len(np.unique(labels))
    bad = Recalibration(
        slope=nan, intercept=nan, slope_se=nan, intercept_se=nan, count=count, clusters=groups, converged=False
    )
    if count < 2 or outcome.min() == outcome.max():
        return bad
    clipped = np.clip(forecast, P_CLIP, 1.0 - P_CLIP)
    x = np.log(clipped) - np.log1p(-clipped)
    if x.max() - x.min() < 1e-9 or _separated(x, outcome):
        return bad
    design = np.column_stack([np.ones(count), x])
    beta = _newton(design, outcome)
    if beta is None:
        return bad
    fitted = _logistic(design @ beta)
    bread = np.linalg.inv(design.T @ (design * (fitted * (1.0 - fitted))[:, None]))
    scores = design * (outcome - fitted)[:, None]
    _, where = np.unique(labels, return_inverse=True)
    sums = np.zeros((groups, 2))
    np.add.at(sums, where.reshape(-1), scores)
    factor = groups / (groups - 1) if groups > 1 else nan
    cover = bread @ (sums.T @ sums) @ bread * factor
    return Recalibration(
        slope=float(beta[1]),
        intercept=float(beta[0]),
        slope_se=sqrt(cover[1, 1]) if groups > 1 else nan,
        intercept_se=sqrt(cover[0, 0]) if groups > 1 else nan,
        count=count,
        clusters=groups,
        converged=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """One point of a reliability curve: what was said, and how often it came true."""

    p_low: float
    p_high: float
    p_said: float
    """Mean forecast in the bin."""
    came_true: Estimate
    """Share of UP with a window-clustered Wilson interval."""


def reliability(p: Values, y: Values, clusters: Labels | None = None, bins: int = 10) -> tuple[Bin, ...]:
    """Group forecasts into equal steps of probability and show how often each came true; empty bins are left out."""
    forecast, outcome = _pair(p, y)
    labels = np.arange(len(forecast)) if clusters is None else np.asarray(clusters)
    index = np.minimum((forecast * bins).astype(int), bins - 1)
    found = []
    for k in range(bins):
        inside = index == k
        if inside.any():
            rate = clustered_rate(outcome[inside] > 0.5, labels[inside])
            said = float(forecast[inside].mean())
            found.append(Bin(p_low=k / bins, p_high=(k + 1) / bins, p_said=said, came_true=rate))
    return tuple(found)


def _pair(p: Values, y: Values) -> tuple[Values, Values]:
    forecast, outcome = np.asarray(p, float), np.asarray(y, float)
    assert forecast.ndim == 1 and forecast.shape == outcome.shape, "forecasts and outcomes must be two equal rows"
    assert bool(((forecast >= 0.0) & (forecast <= 1.0)).all()), "a forecast is a number in [0, 1]"
    assert bool(((outcome == 0.0) | (outcome == 1.0)).all()), "an outcome is 0 or 1"
    return forecast, outcome


def _logistic(z: Values) -> Values:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * z)))


def _separated(x: Values, y: Values) -> bool:
    ups, downs = x[y == 1.0], x[y == 0.0]
    return bool(ups.min() >= downs.max() or downs.min() >= ups.max())


def _newton(design: Values, y: Values) -> Values | None:
    """Climb to the best line, halving any step that does not climb; None when it does not come to rest."""
    beta = np.array([0.0, 1.0])
    value = _likelihood(design, y, beta)
    for _ in range(100):
        fitted = _logistic(design @ beta)
        slope = design.T @ (y - fitted)
        curve = design.T @ (design * (fitted * (1.0 - fitted))[:, None])
        if not np.linalg.cond(curve) < 1e14:
            return None
        step = np.linalg.solve(curve, slope)
        scale = 1.0
        while _likelihood(design, y, beta + scale * step) < value - 1e-12 and scale > 1e-8:
            scale *= 0.5
        beta = beta + scale * step
        value = _likelihood(design, y, beta)
        if float(np.abs(scale * step).max()) < 1e-10:
            return np.asarray(beta)
    return None


def _likelihood(design: Values, y: Values, beta: Values) -> float:
    z = design @ beta
    return float((y * z - np.logaddexp(0.0, z)).sum())
