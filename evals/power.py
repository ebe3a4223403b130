"""How many trades does it take to know? The power meter, before a strategy is armed and while it runs."""

from dataclasses import dataclass
from math import ceil, inf, isfinite, log, nan, sqrt

import numpy as np

from tools.intervals import NORMAL, Labels, Values, cluster_sums


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerReading:
    """What has been seen, and how much more of the same would settle whether the edge is above zero."""

    mean: float
    """Per window that was traded, unit of the values."""
    sd: float
    windows_count: int
    windows_needed: float
    """Windows in all for a test of fixed length to find this edge; infinite when the mean is not above zero."""
    windows_needed_anytime: float
    """The same for the sequential test, about: the price of being allowed to look at any time."""
    smallest_edge: float
    """The edge, per window, that the windows seen so far could have found."""
    power: float
    level: float

    @property
    def windows_more(self) -> float:
        """Give the windows still missing for the sequential test."""
        return max(0.0, self.windows_needed_anytime - self.windows_count)


def trades_needed(mean: float, sd: float, level: float = 0.95, power: float = 0.8, design_effect: float = 1.0) -> float:
    """Give the number of results that find an edge of this size with this power, one-sided, fixed in advance.

    n = (z_level + z_power)^2 * (sd / mean)^2, times the design effect when results come in clusters (Kish 1965).

    >>> trades_needed(0.02, 0.5)
    3865
    """
    if not mean > 0.0 or not sd >= 0.0:
        return inf
    z = NORMAL.inv_cdf(level) + NORMAL.inv_cdf(power)
    return max(2, ceil(z * z * (sd / mean) ** 2 * design_effect))


def trades_needed_anytime(mean: float, sd: float, level: float = 0.95, bets: int = 8) -> float:
    """Give about how many results the sequential test needs to reach its bar on average.

    The best constant bet grows wealth by about mean^2 / (2 sd^2) a result (Kelly), and the mixture starts with one
    part in `bets` on it; so n = (ln(1 / (1 - level)) + ln(bets)) / growth. An approximation for small edges: for large
    ones growth is bounded by the largest bet.
    """
    if not mean > 0.0 or not sd >= 0.0:
        return inf
    share = min(0.64, mean / (sd * sd + mean * mean)) if sd > 0.0 else 0.64
    growth = share * mean - 0.5 * share * share * (sd * sd + mean * mean)
    return ceil((log(1.0 / (1.0 - level)) + log(bets)) / growth)


def smallest_edge(sd: float, count: int, level: float = 0.95, power: float = 0.8) -> float:
    """Give the smallest edge that so many results would find with this power."""
    if count < 2:
        return inf
    return (NORMAL.inv_cdf(level) + NORMAL.inv_cdf(power)) * sd / sqrt(count)


def power_reading(values: Values, windows: Labels, level: float = 0.95, power: float = 0.8) -> PowerReading:
    """Read the meter on results so far: trades are added up by window first, since they share an outcome.

    Args:
        values: results per trade in any unit; the sequential figure takes the worst window seen as the unit of stake.
        windows: the window of each.
        level: confidence wanted.
        power: chance of finding the edge if it is as large as it looks.
    """
    sums, _ = cluster_sums(values, windows)
    count = len(sums)
    if count < 2:
        return PowerReading(
            mean=float(sums[0]) if count else nan, sd=nan, windows_count=count, windows_needed=nan,
            windows_needed_anytime=nan, smallest_edge=nan, power=power, level=level,
        )  # fmt: skip
    mean, sd = float(sums.mean()), float(sums.std(ddof=1))
    worst = max(float(-sums.min()), sd)
    anytime = trades_needed_anytime(mean / worst, sd / worst, level) if worst > 0.0 else inf
    return PowerReading(
        mean=mean,
        sd=sd,
        windows_count=count,
        windows_needed=trades_needed(mean, sd, level, power),
        windows_needed_anytime=max(anytime, trades_needed(mean, sd, level, power)) if isfinite(anytime) else anytime,
        smallest_edge=smallest_edge(sd, count, level, power),
        power=power,
        level=level,
    )


def power_table(sd: float, edges: Values, level: float = 0.95, power: float = 0.8) -> tuple[tuple[float, float], ...]:
    """Give (edge, results needed) for a row of supposed edges at one spread of results."""
    return tuple((float(edge), trades_needed(float(edge), sd, level, power)) for edge in np.asarray(edges, float))
