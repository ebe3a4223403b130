"""How much the outcomes of two windows move together: of coins by their moves, of windows by the time they still share.

*Windows.* What decides a window is its close's average less its strike's. A move of the price at a moment moves that
gap by the share of the close's average that is still to come, less the same of the strike's. So with moves that are
independent over time, the gaps of two windows of one coin correlate by the overlap of what is still open in both:

    overlap = integral of a(u) b(u) du / sqrt(integral of a(u)^2 du * integral of b(u)^2 du)

over all moments u ahead, where a and b are those shares. It is an angle between two functions: in [0, 1] here, and a
table of overlaps is positive semi-definite. The stream's smoothing is left out, for it delays both windows alike.

*Coins.* The correlation of two coins' log moves over steps of ten seconds, forgetting by half-hours, shrunk towards a
prior. Shorter steps show too little of it, for prices of different coins do not tick together (Epps 1979). A limit
reads the upper end of its interval, by Fisher's z: little data means much co-movement.

*Outcomes.* The gaps of windows of two coins correlate by the product of both numbers. What a window pays is a function
of its gap, and functions of two normal variables correlate at most as those do (Lancaster 1957), so the number holds
for outcomes as a bound. It is taken without its sign: bought on opposite sides, two windows hedge each other, and the
limit does not reward that.
"""

import math
from typing import Final

from state.comovement import PAIRS, Comovement
from state.compiled import compiled
from state.events import ASSETS
from state.units import NS_PER_S

STEP_S: Final = 10
HALF_LIFE_S: Final = 1800.0
_KEEP: Final = 0.5 ** (STEP_S / HALF_LIFE_S)

PRIOR_RATIO: Final = 0.8
"""Five-minute moves of the large coins correlate about this much; a judgement, taken until data say otherwise."""

PRIOR_STEPS: Final = 60.0
"""Ten minutes of data weigh as much as the prior."""

LEAST_STEPS: Final = 30.0
"""Five minutes: fewer steps say nothing by themselves."""

INTERVAL_Z: Final = 1.645
"""The upper end holds with 95 %, were the moves normal; they are not, and the cut below makes up for part of it."""

CUT_SDS: Final = 5.0
"""A coin's move beyond so many standard deviations of its own is cut to it."""

_RATIO_MOST: Final = 0.999999


@compiled
def note_log(comovement: Comovement, asset: int, known: bool, value_log: float, variance_per_s: float) -> None:
    """Give one coin's price at this grid point, before the step is taken; without one it takes no part."""
    comovement.now_known_mask[asset] = 1 if known else 0
    comovement.now_log[asset] = value_log if known else 0.0
    comovement.most_log[asset] = CUT_SDS * math.sqrt(max(variance_per_s, 0.0) * STEP_S)


@compiled
def take_step(comovement: Comovement, now_ns: int) -> None:
    """Take the moves since the last grid point into the sums; after a silence of a whole step there was no move."""
    late = comovement.next_ns == 0 or now_ns >= comovement.next_ns + STEP_S * NS_PER_S
    comovement.next_ns = (now_ns // (STEP_S * NS_PER_S) + 1) * STEP_S * NS_PER_S
    if not late:
        for pair in range(PAIRS):
            _take_pair(comovement, pair // ASSETS, pair % ASSETS)
    for asset in range(ASSETS):
        comovement.past_log[asset] = comovement.now_log[asset]
        comovement.past_known_mask[asset] = comovement.now_known_mask[asset]


@compiled
def _take_pair(comovement: Comovement, first: int, second: int) -> None:
    if not (_has_moved(comovement, first) and _has_moved(comovement, second)):
        return
    pair = first * ASSETS + second
    ours = _move_log(comovement, first)
    comovement.cross_var[pair] = _KEEP * comovement.cross_var[pair] + ours * _move_log(comovement, second)
    comovement.own_var[pair] = _KEEP * comovement.own_var[pair] + ours * ours
    comovement.steps_ratio[pair] = _KEEP * comovement.steps_ratio[pair] + 1.0


@compiled
def _has_moved(comovement: Comovement, asset: int) -> bool:
    return bool(comovement.now_known_mask[asset] == 1 and comovement.past_known_mask[asset] == 1)


@compiled
def _move_log(comovement: Comovement, asset: int) -> float:
    most = comovement.most_log[asset]
    return float(min(max(comovement.now_log[asset] - comovement.past_log[asset], -most), most))


@compiled
def coins_ratio(comovement: Comovement, first: int, second: int) -> float:
    """Give the correlation of two coins' moves: of the data and the prior, by how much each is worth."""
    if first == second:
        return 1.0
    steps = comovement.steps_ratio[first * ASSETS + second]
    seen = _seen_ratio(comovement, first, second)
    return float((PRIOR_STEPS * PRIOR_RATIO + steps * seen) / (PRIOR_STEPS + steps))


@compiled
def _seen_ratio(comovement: Comovement, first: int, second: int) -> float:
    """Give the correlation that the data show; where one coin has not moved there is none, and the prior's stands."""
    pair = first * ASSETS + second
    spread_var = comovement.own_var[pair] * comovement.own_var[second * ASSETS + first]
    if not spread_var > 0.0:
        return PRIOR_RATIO
    return float(min(max(comovement.cross_var[pair] / math.sqrt(spread_var), -1.0), 1.0))


@compiled
def coins_ratio_most(comovement: Comovement, first: int, second: int) -> float:
    """Give how strongly two coins move together at most, whichever way; 1 for a coin and itself.

    It is the farther of two intervals' ends: with the prior, and, once there are data enough, without it; so that the
    prior never hides more than it knows.
    """
    if first == second:
        return 1.0
    steps = comovement.steps_ratio[first * ASSETS + second]
    most = _farther_end(coins_ratio(comovement, first, second), PRIOR_STEPS + steps)
    if steps >= LEAST_STEPS:
        most = max(most, _farther_end(_seen_ratio(comovement, first, second), steps))
    return most


@compiled
def _farther_end(ratio: float, steps: float) -> float:
    inside = min(math.fabs(ratio), _RATIO_MOST)
    return math.tanh(math.atanh(inside) + INTERVAL_Z / math.sqrt(steps - 3.0))


@compiled
def overlap_ratio(
    open_s: float, close_s: float, lookback_s: float, other_open_s: float, other_close_s: float, other_lookback_s: float
) -> float:
    """Give the correlation of two windows' gaps if both were of one coin, 0..1.

    Args:
        open_s: when the one window opens, in seconds from now; negative when it has opened.
        close_s: when it closes.
        lookback_s: length of its averages, at least 1.
        other_open_s: the same of the other window.
        other_close_s: its close.
        other_lookback_s: length of its averages.
    """
    at_s, cross, ours, theirs = 0.0, 0.0, 0.0, 0.0
    end_s = max(close_s, other_close_s)
    while at_s < end_s:
        # Between two corners both shares are straight lines, and Simpson's rule is exact for products of them.
        until_s = _corner(at_s, end_s, open_s, close_s, lookback_s)
        until_s = _corner(at_s, until_s, other_open_s, other_close_s, other_lookback_s)
        for point in range(3):
            u = at_s + 0.5 * point * (until_s - at_s)
            a = _share(u, open_s, close_s, lookback_s)
            b = _share(u, other_open_s, other_close_s, other_lookback_s)
            weight = (until_s - at_s) * (4.0 if point == 1 else 1.0)
            cross += weight * a * b
            ours += weight * a * a
            theirs += weight * b * b
        at_s = until_s
    if not (ours > 0.0 and theirs > 0.0):
        return 0.0
    return min(cross / math.sqrt(ours * theirs), 1.0)


@compiled
def _corner(from_s: float, end_s: float, open_s: float, close_s: float, lookback_s: float) -> float:
    """Give the first of the window's corners after a moment, or the end if none comes before it."""
    first_s = end_s
    for corner_s in (open_s - lookback_s, open_s, close_s - lookback_s, close_s):
        if from_s < corner_s < first_s:
            first_s = corner_s
    return first_s


@compiled
def _share(at_s: float, open_s: float, close_s: float, lookback_s: float) -> float:
    """Give by how much a move of the price at a moment ahead moves the window's gap."""
    to_close = min(max((close_s - at_s) / lookback_s, 0.0), 1.0)
    to_open = min(max((open_s - at_s) / lookback_s, 0.0), 1.0)
    return to_close - to_open
