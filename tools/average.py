"""The settlement stream second by second and the averages that settle: what is known, and what the rest hangs on.

Which seconds count: the average that ends at T with look-back L is the mean of the L whole seconds T-L+1 .. T, the
value stamped T included and the one stamped T-L not. (The stream's own sampling is unpublished. On the recorded
Chainlink day 2026-06-08 the conventions (T-L, T], [T-L, T) and [T-L, T] name the same winner in all 287 windows, so
the recording cannot tell them apart.) A second without an observation takes the last value before it.

The stream is smoothed: after a move of the market it shows 0.61 of it within a second, 0.80 within two and nearly all
within ten. Measured as the moving-average form of its one-second returns on the first half of that day; the second
half agrees (first coefficient 0.32 against 0.31).
"""

import math
from typing import Final

import numpy as np

from state.compiled import compiled
from state.prices import RING_S, Average, ObservationCode, Observations
from state.records import Floats
from state.units import NS_PER_S

QUICK: Final = 0.198
QUICK_KEEP: Final = 0.19
SLOW: Final = 0.117
SLOW_KEEP: Final = 0.70
"""A surprise of 1 in one second moves the stream by QUICK + SLOW in the next, each part then fading by its KEEP."""

GAP_STEPS: Final = 60
TABLE_S: Final = 4096
"""Seconds for which the responses below are tabled: a 15-minute window more than four times over."""


_WHOLE: Final = 1.0 + QUICK / (1.0 - QUICK_KEEP) + SLOW / (1.0 - SLOW_KEEP)


def _responses() -> tuple[Floats, Floats, Floats]:
    """Table how the stream follows a unit move of the market, for m = 0, 1, 2 ... seconds of room.

    Returns:
        follow_sum: sum over h = 1 .. m of the share of the nowcast's distance shown h seconds on.
        reach_sum: sum over k = 1 .. m of G(k), where a shock moves the sum of its next k values by G(k).
        reach_square_sum: sum over k = 1 .. m of G(k) squared.
    """
    steps = np.arange(TABLE_S + 1, dtype=np.float64)
    quick_whole, slow_whole = QUICK / (1.0 - QUICK_KEEP), SLOW / (1.0 - SLOW_KEEP)
    pending = quick_whole * QUICK_KEEP**steps + slow_whole * SLOW_KEEP**steps
    follow = 1.0 - pending / pending[0]
    shown = np.zeros(TABLE_S + 1)
    shown[1:] = 1.0 - pending[:-1] / _WHOLE
    reach = np.cumsum(shown)
    return np.cumsum(follow), np.cumsum(reach), np.cumsum(reach * reach)


_FOLLOW_SUM, _REACH_SUM, _REACH_SQUARE_SUM = _responses()


@compiled
def observe(observations: Observations, at_ns: int, price_usd: float) -> int:
    """Take one observation of the settlement stream into its second; answer an `ObservationCode`.

    Of several observations in one second the first stands, which for stamps on whole seconds is the value at the
    instant and for finer ones the first at or after it, as third parties match it (venue reference 2.6).
    """
    second_s = at_ns // NS_PER_S
    if not (0.0 < price_usd < math.inf) or second_s <= 0:
        observations.refused_count += 1
        return int(ObservationCode.REFUSED)
    if observations.count > 0 and second_s > observations.newest_s + RING_S:
        # One mad stamp must not wipe the ring and shut the door on all true ones after it.
        near = observations.leap_s > 0 and 0 <= second_s - observations.leap_s <= RING_S
        observations.leap_s = second_s
        if not near:
            observations.refused_count += 1
            return int(ObservationCode.REFUSED)
    if observations.count > 0 and second_s <= observations.newest_s - RING_S:
        if observations.count > 1:
            observations.dropped_count += 1
            return int(ObservationCode.TOO_OLD)
        # A first stamp that stands alone has no more authority than the one that contradicts it.
        observations.second_s[observations.newest_s % RING_S] = 0
        observations.count = 0
        observations.newest_s = 0
    row = second_s % RING_S
    if observations.second_s[row] == second_s:
        if observations.value_usd[row] == price_usd:
            observations.repeats_count += 1
            return int(ObservationCode.REPEATED)
        observations.conflicts_count += 1
        return int(ObservationCode.CONFLICT)
    observations.second_s[row] = second_s
    observations.value_usd[row] = price_usd
    observations.count += 1
    if second_s < observations.newest_s:
        observations.late_count += 1
        return int(ObservationCode.LATE)
    if observations.count > 1:
        _learn_surprise(observations, second_s, price_usd)
    observations.newest_s = second_s
    observations.newest_usd = price_usd
    observations.leap_s = 0
    return int(ObservationCode.TAKEN)


@compiled
def _learn_surprise(observations: Observations, second_s: int, price_usd: float) -> None:
    """Update what the stream still has to show; over a gap the surprise is spread evenly on its seconds."""
    steps = min(second_s - observations.newest_s, GAP_STEPS)
    quick, slow = observations.quick_log, observations.slow_log
    fresh_quick = 0.0
    fresh_slow = 0.0
    surprise = math.log(price_usd / observations.newest_usd)
    for _ in range(steps):
        surprise -= quick + slow
        quick *= QUICK_KEEP
        slow *= SLOW_KEEP
    reach = _REACH_SUM[steps] - _REACH_SUM[steps - 1]
    share = surprise / (_WHOLE * reach)
    for _ in range(steps):
        fresh_quick = fresh_quick * QUICK_KEEP + QUICK * share
        fresh_slow = fresh_slow * SLOW_KEEP + SLOW * share
    observations.quick_log = quick + fresh_quick
    observations.slow_log = slow + fresh_slow


@compiled
def value_at(observations: Observations, second_s: int) -> float:
    """Give the observation of that very second, or NaN."""
    row = second_s % RING_S
    if second_s > observations.newest_s - RING_S and observations.second_s[row] == second_s > 0:
        return float(observations.value_usd[row])
    return math.nan


@compiled
def value_before(observations: Observations, second_s: int) -> float:
    """Give the last observation at or before a second, or NaN when the ring holds none."""
    oldest_s = max(observations.newest_s - RING_S, 0)
    at_s = min(second_s, observations.newest_s)
    while at_s > oldest_s:
        row = at_s % RING_S
        if observations.second_s[row] == at_s:
            return float(observations.value_usd[row])
        at_s -= 1
    return math.nan


@compiled
def catch_up_usd(observations: Observations) -> float:
    """Give what the smoothed stream is still expected to move, from its own last returns alone, in dollars.

    Add it to the newest value to get the nowcast when there is no other price. Linear in the log, so the dollar move
    is exact to first order (a hundredth of a basis point at most).
    """
    ahead_log = observations.quick_log / (1.0 - QUICK_KEEP) + observations.slow_log / (1.0 - SLOW_KEEP)
    return observations.newest_usd * ahead_log


@compiled
def open_average(average: Average, ends_s: int, lookback_s: int) -> None:
    """Start an average that ends at a second; look-back 1 is the point rule."""
    average.ends_s = ends_s
    average.lookback_s = lookback_s
    average.known_count = 0
    average.covered_count = 0
    average.newest_s = 0
    average.base_usd = 0.0
    average.pull_ratio = 1.0
    average.gap_var = 0.0
    average.doubt_var = 0.0
    average.given = False


@compiled
def give_average(average: Average, value_usd: float, sd_usd: float) -> None:
    """Take the value from the venue or its stream: it is known from now on, with the doubt that the source deserves."""
    average.known_count = average.lookback_s
    average.covered_count = average.lookback_s
    average.base_usd = value_usd
    average.pull_ratio = 0.0
    average.gap_var = 0.0
    average.doubt_var = sd_usd * sd_usd
    average.given = True


@compiled
def refresh_average(average: Average, observations: Observations) -> None:
    """Reckon the average's known part anew from the ring: call it at each new observation, late ones included.

    Reckoning anew costs one pass over at most `lookback_s` seconds, once a second, and leaves nothing to go wrong.
    Seconds before the first observation ever seen take that first one: they count as known but not as covered.
    An average that has begun to leave the ring stays as it is.
    """
    if average.given or observations.count == 0:
        return
    if observations.newest_s - average.ends_s + average.lookback_s >= RING_S:
        return
    lookback_s = int(average.lookback_s)
    first_s = average.ends_s - lookback_s + 1
    last_s = min(int(average.ends_s), int(observations.newest_s))
    average.newest_s = observations.newest_s
    known_usd = 0.0
    gap_var = 0.0
    known = 0
    covered = 0
    missing = 0
    value_usd = value_before(observations, first_s - 1) if last_s >= first_s else math.nan
    for second_s in range(first_s, last_s + 1):
        row = second_s % RING_S
        known += 1
        if observations.second_s[row] == second_s:
            value_usd = observations.value_usd[row]
            covered += 1
            if math.isnan(known_usd):
                known_usd = value_usd * (known - 1)
            gap_var += _gap_var(missing)
            missing = 0
        else:
            missing += 1
        known_usd += value_usd
    if math.isnan(known_usd):
        # The stream began after the average had ended: all we have is a later price.
        known_usd = observations.newest_usd * known
        gap_var += float(observations.newest_s - first_s) * known * known
    unknown = lookback_s - known
    average.known_count = known
    average.covered_count = covered
    average.gap_var = (gap_var + _gap_var(missing)) / (lookback_s * lookback_s)
    _lean(average, known_usd, unknown, float(observations.newest_usd))


@compiled
def _gap_var(missing: int) -> float:
    """Give the variance of the sum of so many filled seconds: they walk away from the value that fills them."""
    return missing * (missing + 1.0) * (2.0 * missing + 1.0) / 6.0


@compiled
def _lean(average: Average, known_usd: float, unknown: int, newest_usd: float) -> None:
    """Split the expected average into a fixed part and one that follows the nowcast.

    The value h seconds after the newest one is expected at newest + follow(h) * (nowcast - newest): the stream is
    smoothed and only catches up.
    """
    if unknown == 0:
        average.base_usd = known_usd / average.lookback_s
        average.pull_ratio = 0.0
        return
    reach_s = min(int(average.ends_s - average.newest_s), TABLE_S)
    from_s = max(reach_s - unknown, 0)
    followed = _FOLLOW_SUM[reach_s] - _FOLLOW_SUM[from_s]
    average.base_usd = (known_usd + newest_usd * (unknown - followed)) / average.lookback_s
    average.pull_ratio = followed / average.lookback_s


@compiled
def coverage_ratio(average: Average) -> float:
    """Give the share of the known seconds that have an observation of their own; 1 while none is known."""
    return average.covered_count / average.known_count if average.known_count > 0 else 1.0


@compiled
def known_ratio(average: Average) -> float:
    """Give the share of the average that is known already."""
    return average.known_count / average.lookback_s if average.lookback_s > 0 else 0.0


@compiled
def is_complete(average: Average) -> bool:
    """Say whether every second of the average is known, by observation, by filling or by being told."""
    return average.lookback_s > 0 and average.known_count == average.lookback_s


@compiled
def follow_variance(left_s: float, lookback_s: int) -> float:
    """Give the variance of an average whose end is `left_s` ahead, in seconds of the price's variance.

    Exact for the discrete sum over a smoothed stream: a shock k seconds before the end moves the average by
    G(k) / L, where G sums the stream's response. Without smoothing it tends to tau - 2 L / 3 for tau >= L and to
    tau^3 / (3 L^2) inside. Between whole seconds it runs straight.
    """
    if left_s <= 0.0:
        return 0.0
    inside_s = min(left_s, float(lookback_s))
    return _between_square(inside_s) / (lookback_s * lookback_s) + (left_s - inside_s)


@compiled
def strike_variance(left_s: float, lookback_s: int) -> float:
    """Give the variance, in seconds, of a later price less an average that ends `left_s` ahead, up to that end.

    A shock before the strike's look-back moves close and strike alike and cancels; inside it, it moves the strike by
    G(k) / L and the close by 1.
    """
    if left_s <= 0.0:
        return 0.0
    inside_s = min(left_s, float(lookback_s))
    linear = 2.0 * _between(inside_s) / lookback_s
    return max(inside_s - linear + _between_square(inside_s) / (lookback_s * lookback_s), 0.0)


@compiled
def _between(left_s: float) -> float:
    row = min(int(left_s), TABLE_S - 1)
    return float(_REACH_SUM[row] + (left_s - row) * (_REACH_SUM[row + 1] - _REACH_SUM[row]))


@compiled
def _between_square(left_s: float) -> float:
    row = min(int(left_s), TABLE_S - 1)
    return float(_REACH_SQUARE_SUM[row] + (left_s - row) * (_REACH_SQUARE_SUM[row + 1] - _REACH_SQUARE_SUM[row]))
