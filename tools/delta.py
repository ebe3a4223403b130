"""How much the chance of UP moves with the price: the slope of `tools.fair.fair_up` in the nowcast.

With gap and sd as there, `p = F(gap / sd)`, so

    dp/dprice = f(z) * (pull / sd - gap * (dsd/dprice) / sd**2)

where `pull` is how far both averages follow the nowcast: it fades as the settling minute passes, since seconds that
are known do not move any more. The noise is in proportion to the price, hence the second term. The doubt about the
nowcast itself is taken as given. Where the chance is held at its bounds, the slope is zero.

A window's delta is that slope times shares of UP less shares of DOWN: dollars of worth per dollar of the coin, that
is, coins. A short of as many coins would offset it for a small move; jumps and the tail of the minute it would not.
"""

import math
from typing import Final

from state.compiled import compiled
from state.prices import Average
from state.units import MICROS
from tools.fair import HEAVY_S, ROUND_OFF_VAR, chance, spread
from tools.logodds import P_LEAST

_LIGHT_FACTOR: Final = 60.0
_HEAVY_FACTOR: Final = 3.0


@compiled
def student6_density(z: float) -> float:
    """Give the density of Student's t of 6 degrees of freedom, scaled to variance 1.

    >>> round(student6_density(0.0), 6)
    0.46875
    """
    square = 4.0 + z * z
    return _LIGHT_FACTOR / (square * square * square * math.sqrt(square))


@compiled
def student4_density(z: float) -> float:
    """Give the density of Student's t of 4 degrees of freedom, scaled to variance 1.

    >>> round(student4_density(0.0), 6)
    0.53033
    """
    square = 2.0 + z * z
    return _HEAVY_FACTOR / (square * square * math.sqrt(square))


@compiled
def fair_delta(
    close: Average,
    strike: Average,
    from_ns: int,
    nowcast_usd: float,
    nowcast_var_usd2: float,
    variance_per_s: float,
) -> float:
    """Give d p_up / d price, per dollar; arguments as of `tools.fair.fair_up`. Zero when nothing is left open."""
    if not nowcast_usd > 0.0:
        return 0.0
    gap_usd, spread_var, open_var = spread(close, strike, from_ns, nowcast_usd, nowcast_var_usd2, variance_per_s)
    if spread_var <= ROUND_OFF_VAR * nowcast_usd * nowcast_usd:
        return 0.0
    sd = math.sqrt(spread_var)
    p_up = chance(gap_usd, sd, open_var)
    if p_up <= P_LEAST or p_up >= 1.0 - P_LEAST:
        return 0.0
    z = gap_usd / sd
    heavy = HEAVY_S / (HEAVY_S + open_var)
    light = student6_density(z)
    density = light + heavy * (student4_density(z) - light)
    pull_ratio = close.pull_ratio - strike.pull_ratio
    noise = variance_per_s * (open_var + close.gap_var + strike.gap_var)
    return density * (pull_ratio / sd - gap_usd * nowcast_usd * noise / (sd * spread_var))


@compiled
def coins(up_micros: int, down_micros: int, delta_per_usd: float) -> float:
    """Give a position's delta in coins: how many dollars its worth moves when the coin moves by one dollar."""
    return (up_micros - down_micros) / MICROS * delta_per_usd
