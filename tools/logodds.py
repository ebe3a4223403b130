"""Log-odds and back, and the bell curves that chances are read from: closed forms, finite everywhere."""

import math
from typing import Final

from state.compiled import compiled

LOGODDS_MOST: Final = 30.0
"""Log-odds are kept inside +-30, where a probability still differs from 0 and from 1 (by 1e-13)."""

P_LEAST: Final = 1.0 / (1.0 + math.exp(LOGODDS_MOST))
"""The least probability that is told apart from 0: 9.4e-14."""

_ROOT_HALF: Final = math.sqrt(0.5)


@compiled
def logodds(p: float) -> float:
    """Turn a probability into log(p / (1 - p)), held inside +-LOGODDS_MOST, so that 0 and 1 stay finite.

    >>> logodds(0.5), logodds(0.0), logodds(1.0)
    (0.0, -30.0, 30.0)
    """
    if not p > P_LEAST:
        return -LOGODDS_MOST
    if p >= 1.0 - P_LEAST:
        return LOGODDS_MOST
    return math.log(p / (1.0 - p))


@compiled
def probability(value_logodds: float) -> float:
    """Turn log-odds into a probability strictly inside (0, 1); a NaN gives the least one, not a NaN.

    >>> probability(0.0)
    0.5
    """
    if not value_logodds > -LOGODDS_MOST:
        value_logodds = -LOGODDS_MOST
    elif value_logodds > LOGODDS_MOST:
        value_logodds = LOGODDS_MOST
    if value_logodds >= 0.0:
        return 1.0 / (1.0 + math.exp(-value_logodds))
    odds = math.exp(value_logodds)
    return odds / (1.0 + odds)


@compiled
def normal_cdf(z: float) -> float:
    """Give the chance that a standard normal lies below z; exact in both tails.

    >>> normal_cdf(0.0)
    0.5
    """
    return 0.5 * math.erfc(-z * _ROOT_HALF)


@compiled
def student4_cdf(z: float) -> float:
    """Give the chance that Student's t of 4 degrees of freedom, scaled to variance 1, lies below z.

    With t = z sqrt(2) and s = t / sqrt(4 + t^2) the distribution is 1/2 + s (3 - s^2) / 4: no power, no series, one
    square root. Student's t of 4 has variance 2, hence the scaling. The lower tail is reckoned as
    (1 - |s|)^2 (2 + |s|) / 4, so that it keeps its digits.

    >>> student4_cdf(0.0)
    0.5
    """
    # 1 - |s| = 1 - |z| / sqrt(2 + z^2), written so that nothing cancels.
    square = 2.0 + z * z
    gap = 2.0 / (square + math.fabs(z) * math.sqrt(square))
    tail = 0.25 * gap * gap * (3.0 - gap)
    return 1.0 - tail if z > 0.0 else tail


@compiled
def student6_cdf(z: float) -> float:
    """Give the chance that Student's t of 6 degrees of freedom, scaled to variance 1, lies below z.

    With s = z / sqrt(4 + z^2) the lower tail is (1 - |s|)^3 (8 + 9 |s| + 3 s^2) / 16. Like `student4_cdf` it uses no
    function beyond the square root, so that every machine gives the same bits.

    >>> student6_cdf(0.0)
    0.5
    """
    square = 4.0 + z * z
    gap = 4.0 / (square + math.fabs(z) * math.sqrt(square))
    tail = 0.0625 * gap * gap * gap * (20.0 - gap * (15.0 - 3.0 * gap))
    return 1.0 - tail if z > 0.0 else tail
