"""Fair value of UP: the chance that the close's average reaches the strike's, from what is known of both.

UP wins when A_close >= A_strike (a tie is UP: venue reference 2.5). Given the known seconds and a nowcast of where the
stream is going, both averages are straight lines in the nowcast plus noise, so their difference is

    mean = (base_c - base_s) + (pull_c - pull_s) * nowcast
    var  = price^2 * variance_per_s * (open seconds, weighted) + doubt of gaps, nowcast and a given strike

and the chance is read from a bell curve of mean / sd. Everything that needs a loop is kept in the `Average` records at
each observation of the stream; here a tick costs two table look-ups, a root and a curve.
"""

import math
from typing import Final

from state.compiled import compiled
from state.prices import Average, Fair
from state.units import NS_PER_S
from tools.average import follow_variance, strike_variance
from tools.logodds import P_LEAST, normal_cdf, student4_cdf, student6_cdf

S_PER_NS: Final = 1e-9

HEAVY_S: Final = 2.0
"""How soon the tails thin out: Student's t of 4 over the shortest spans, of 6 over long ones, half-way at so many
seconds of open variance. By likelihood of the standardised gaps on the first half of 2026-06-08, and the second half
says the same; a normal is worse at every span, since volatility itself is only guessed."""

ROUND_OFF_VAR: Final = 1e-18
"""Relative variance below which nothing is left open: the rounding of sums of doubles."""


@compiled
def open_seconds(close: Average, strike: Average, from_ns: int) -> float:
    """Give the seconds of variance between now and the outcome: shocks weighted by what they move, squared.

    Before the strike's average is known, a shock moves both averages and what is common cancels.
    """
    left_s = (close.ends_s * NS_PER_S - from_ns) * S_PER_NS
    open_var = follow_variance(left_s, close.lookback_s)
    until_s = (strike.ends_s * NS_PER_S - from_ns) * S_PER_NS
    if not strike.given and until_s > 0.0:
        open_var = max(open_var - until_s, 0.0) + strike_variance(until_s, strike.lookback_s)
    return open_var


@compiled
def chance(gap: float, sd: float, open_var: float) -> float:
    """Read the chance of a gap of at least zero from a curve between two Students', held inside [P_LEAST, 1 - P_LEAST].

    One-second moves have kurtosis 31, five-minute ones about 4 (recorded 2026-06-08), so the heavier curve's weight
    falls with the variance still open.
    """
    z = gap / sd
    heavy = HEAVY_S / (HEAVY_S + open_var)
    light_p = student6_cdf(z)
    p_up = light_p + heavy * (student4_cdf(z) - light_p)
    return min(max(p_up, P_LEAST), 1.0 - P_LEAST)


@compiled
def spread(
    close: Average,
    strike: Average,
    from_ns: int,
    nowcast_usd: float,
    nowcast_var_usd2: float,
    variance_per_s: float,
) -> tuple[float, float, float]:
    """Give how far the close's average is expected above the strike's, the variance of that, and the open seconds.

    Arguments as of `fair_up`; dollars, squared dollars, and seconds weighted by what they move, squared.
    """
    pull_ratio = close.pull_ratio - strike.pull_ratio
    gap_usd = close.base_usd - strike.base_usd + pull_ratio * nowcast_usd
    open_var = open_seconds(close, strike, from_ns)
    spread_var = nowcast_usd * nowcast_usd * variance_per_s * (open_var + close.gap_var + strike.gap_var)
    spread_var += pull_ratio * pull_ratio * nowcast_var_usd2 + strike.doubt_var + close.doubt_var
    return gap_usd, spread_var, open_var


@compiled
def fair_up(
    close: Average,
    strike: Average,
    from_ns: int,
    nowcast_usd: float,
    nowcast_var_usd2: float,
    variance_per_s: float,
) -> float:
    """Give the chance of UP.

    Args:
        close: the average that ends at the close.
        strike: the average that ended (or will end) at the open, or the venue's value taken by `give_average`.
        from_ns: the moment the nowcast speaks for: now with live exchange prices, the newest observation's second
            when the stream itself is all there is. Shocks after it are open.
        nowcast_usd: what the stream will show once it has caught up with that moment.
        nowcast_var_usd2: variance of the nowcast as an estimate of that, squared dollars.
        variance_per_s: variance of log returns per second over the rest of the window.

    When nothing is left open the outcome is known, and the answer is P_LEAST or 1 - P_LEAST (a tie is UP). Without a
    price it is one half: nothing is known, and the caller's gates see that there is no reference.
    """
    if not nowcast_usd > 0.0:
        return 0.5
    gap_usd, spread_var, open_var = spread(close, strike, from_ns, nowcast_usd, nowcast_var_usd2, variance_per_s)
    if spread_var <= ROUND_OFF_VAR * nowcast_usd * nowcast_usd:
        return 1.0 - P_LEAST if gap_usd >= 0.0 else P_LEAST
    return chance(gap_usd, math.sqrt(spread_var), open_var)


@compiled
def explain_fair(
    fair: Fair,
    close: Average,
    strike: Average,
    from_ns: int,
    nowcast_usd: float,
    nowcast_var_usd2: float,
    variance_per_s: float,
) -> None:
    """Write fair value with its parts into `fair`; the same reckoning as `fair_up`, for people and for views."""
    fair.p_up = fair_up(close, strike, from_ns, nowcast_usd, nowcast_var_usd2, variance_per_s)
    fair.gap_usd, spread_var, fair.open_var = spread(
        close, strike, from_ns, nowcast_usd, nowcast_var_usd2, variance_per_s
    )
    fair.mean_usd = close.base_usd + close.pull_ratio * nowcast_usd
    fair.strike_usd = strike.base_usd + strike.pull_ratio * nowcast_usd
    fair.sd_usd = math.sqrt(spread_var)
    fair.gap_z = fair.gap_usd / fair.sd_usd if fair.sd_usd > 0.0 else 0.0
    fair.known_ratio = close.known_count / close.lookback_s if close.lookback_s > 0 else 0.0


@compiled
def point_up(last_usd: float, strike_usd: float, left_s: float, variance_per_s: float) -> float:
    """Give the chance of UP as the common model has it: a digital option on the last price, sd = sigma sqrt(tau).

    The baseline of every report: it takes the price at the close for the average, and the last value for the price.
    """
    if not (last_usd > 0.0 and strike_usd > 0.0):
        return 0.5
    gap_log = math.log(last_usd / strike_usd)
    spread_var = variance_per_s * max(left_s, 0.0)
    if spread_var <= 0.0:
        return 1.0 - P_LEAST if gap_log >= 0.0 else P_LEAST
    p_up = normal_cdf(gap_log / math.sqrt(spread_var))
    return min(max(p_up, P_LEAST), 1.0 - P_LEAST)
