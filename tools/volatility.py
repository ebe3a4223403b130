"""Volatility of one price: noise-robust, over several half-lives, truncated against jumps, seasonal by time of day.

Five-second squared returns, overlapping, are precise but biased: a smoothed oracle shows too little of them, a
bouncing quote too much, and truncation cuts what jumps add. Sixty-second returns are right but rough. So the quick
sums follow the five-second ones, and slow sums of both give the ratio that puts their level right (the two-scale idea
of Zhang, Mykland and Ait-Sahalia 2005, with a ratio for the difference, since here the bias is smoothing as often as
noise). Truncation: Mancini 2009.
"""

import math
from typing import Final

from state.compiled import compiled
from state.prices import HALF_LIVES, SEASONS, VOLATILITY_RING, Volatility
from state.units import NS_PER_S

SHORT_S: Final = 5
LONG_S: Final = 60
GAP_MOST_S: Final = 10
"""A longer silence ends the run: what happened inside it is not known second by second."""

HALF_LIVES_S: Final = (60.0, 300.0, 1800.0, 14400.0)
_KEEPS: Final = tuple(0.5 ** (1.0 / half_life_s) for half_life_s in HALF_LIVES_S)
_SLOW_KEEP: Final = 0.5 ** (1.0 / 7200.0)

TRUNCATION_Z: Final = 4.0
"""Five-second returns beyond so many of the half-hour's standard deviations are cut to it."""

LEVEL_PRIOR_RATIO: Final = 1.45
"""Variance per second that the settlement stream shows over a minute against a truncated five seconds, before any
data; measured on the first half of the recorded Chainlink day 2026-06-08."""
LEVEL_PRIOR_S: Final = 1800.0

QUICK_MOST: Final = 0.65
QUICK_HORIZON_S: Final = 150.0
MIDDLE: Final = 0.15
"""Weight of the quickest half-life, by horizon, and of the next; the slow two share the rest. By likelihood of the
gaps on the first half of that day: 0.6 up to a minute ahead, 0.4 at two minutes, 0.1 at four."""

SEASON_S: Final = 900
SEASON_GAIN: Final = 0.1
SEASON_MOST_LOG: Final = 1.4


@compiled
def open_volatility(volatility: Volatility, prior_bps: float, prior_s: float, level_ratio: float) -> None:
    """Start a volatility from its prior.

    Args:
        volatility: the row, overwritten.
        prior_bps: standard deviation per root second before any data, in basis points of the price.
        prior_s: how many seconds of data the prior is worth.
        level_ratio: long over short variance before any data: LEVEL_PRIOR_RATIO for the settlement stream, 1 for
            a price that is neither smoothed nor noisy.
    """
    variance = (prior_bps * 1e-4) ** 2
    volatility.newest_s = 0
    volatility.run_count = 0
    for scale in range(HALF_LIVES):
        volatility.quick_var[scale] = variance / level_ratio * prior_s
        volatility.weight_ratio[scale] = prior_s
    volatility.slow_weight_ratio = LEVEL_PRIOR_S
    volatility.short_var = variance / level_ratio * LEVEL_PRIOR_S
    volatility.whole_var = volatility.short_var
    volatility.long_var = variance * LEVEL_PRIOR_S
    for season in range(SEASONS):
        volatility.season_ratio[season] = 1.0
    volatility.bin_id = -1
    volatility.bin_var = 0.0
    volatility.bin_count = 0
    volatility.count = 0


@compiled
def update_volatility(volatility: Volatility, at_ns: int, price_usd: float) -> None:
    """Take a price into the volatility: the first in each second counts, so feeds of any speed serve alike.

    Between two prices the grid keeps the older one (previous tick); a silence beyond GAP_MOST_S starts a new run, and
    no return spans it.
    """
    second_s = at_ns // NS_PER_S
    if second_s <= volatility.newest_s or not (0.0 < price_usd < math.inf):
        return
    value_log = math.log(price_usd)
    gap_s = second_s - volatility.newest_s
    if volatility.newest_s == 0 or gap_s > GAP_MOST_S:
        volatility.run_count = 0
        gap_s = 1
    past_log = volatility.grid_log[volatility.newest_s % VOLATILITY_RING] if volatility.run_count > 0 else value_log
    for step in range(1, gap_s + 1):
        grid_s = second_s - gap_s + step
        volatility.grid_log[grid_s % VOLATILITY_RING] = value_log if step == gap_s else past_log
        volatility.run_count = min(volatility.run_count + 1, VOLATILITY_RING)
        _take_second(volatility, grid_s)
    volatility.newest_s = second_s
    volatility.count += 1


@compiled
def _take_second(volatility: Volatility, grid_s: int) -> None:
    if volatility.run_count <= SHORT_S:
        return
    now_log = volatility.grid_log[grid_s % VOLATILITY_RING]
    move_log = now_log - volatility.grid_log[(grid_s - SHORT_S) % VOLATILITY_RING]
    whole_var = move_log * move_log / SHORT_S
    season = (grid_s // SEASON_S) % SEASONS
    season_ratio = volatility.season_ratio[season]
    usual_var = season_ratio * volatility.quick_var[2] / volatility.weight_ratio[2]
    cut_var = min(whole_var, TRUNCATION_Z * TRUNCATION_Z * usual_var)
    for scale in range(HALF_LIVES):
        keep = _KEEPS[scale]
        volatility.quick_var[scale] = keep * volatility.quick_var[scale] + cut_var / season_ratio
        volatility.weight_ratio[scale] = keep * volatility.weight_ratio[scale] + 1.0
    _learn_season(volatility, season, cut_var)
    if volatility.run_count > LONG_S:
        move_log = now_log - volatility.grid_log[(grid_s - LONG_S) % VOLATILITY_RING]
        volatility.short_var = _SLOW_KEEP * volatility.short_var + cut_var
        volatility.whole_var = _SLOW_KEEP * volatility.whole_var + whole_var
        volatility.long_var = _SLOW_KEEP * volatility.long_var + move_log * move_log / LONG_S
        volatility.slow_weight_ratio = _SLOW_KEEP * volatility.slow_weight_ratio + 1.0


@compiled
def _learn_season(volatility: Volatility, season: int, cut_var: float) -> None:
    """Collect the quarter's variance; when it ends, move its bin a little towards what was seen, mean kept at 1."""
    if season != volatility.bin_id:
        if volatility.bin_count >= SEASON_S // 2:
            last = volatility.bin_id
            usual_var = volatility.quick_var[3] / volatility.weight_ratio[3] * volatility.season_ratio[last]
            seen_log = math.log(max(volatility.bin_var / volatility.bin_count, 1e-3 * usual_var) / usual_var)
            seen_log = min(max(seen_log, -SEASON_MOST_LOG), SEASON_MOST_LOG)
            volatility.season_ratio[last] *= math.exp(SEASON_GAIN * seen_log)
            total = 0.0
            for each in range(SEASONS):
                total += volatility.season_ratio[each]
            for each in range(SEASONS):
                volatility.season_ratio[each] *= SEASONS / total
        volatility.bin_id = season
        volatility.bin_var = 0.0
        volatility.bin_count = 0
    volatility.bin_var += cut_var
    volatility.bin_count += 1


@compiled
def level_ratio(volatility: Volatility) -> float:
    """Give long over short variance: what smoothing, noise and truncation take from the quick sums."""
    return volatility.long_var / volatility.short_var if volatility.short_var > 0.0 else 1.0


@compiled
def jump_ratio(volatility: Volatility) -> float:
    """Give the share of five-second variance that truncation cuts off: how much of the movement is jumps."""
    return 1.0 - volatility.short_var / volatility.whole_var if volatility.whole_var > 0.0 else 0.0


@compiled
def variance_per_s(volatility: Volatility, horizon_s: float, now_ns: int) -> float:
    """Forecast the mean variance of log returns per second over the next `horizon_s` seconds.

    A weighted mean of the half-lives (Corsi's heterogeneous autoregression, 2009): the shorter the horizon, the more
    the last minute says. Times the level ratio, times the season of the horizon's middle.
    """
    far = horizon_s / QUICK_HORIZON_S
    quick = QUICK_MOST / (1.0 + far * far)
    rest = 0.5 * (1.0 - quick - MIDDLE)
    weights = (quick, MIDDLE, rest, rest)
    total = 0.0
    for scale in range(HALF_LIVES):
        total += weights[scale] * volatility.quick_var[scale] / volatility.weight_ratio[scale]
    middle_s = now_ns // NS_PER_S + int(0.5 * horizon_s)
    return float(total * level_ratio(volatility) * volatility.season_ratio[(middle_s // SEASON_S) % SEASONS])
