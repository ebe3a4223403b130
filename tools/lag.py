"""Who moves first, and by how long: an online lead/lag estimate between two values that arrive at their own times.

Both sides are read by their previous tick on a common grid of our clock; products of their changes are summed for lags
of -20..+40 steps, in blocks of time of which the oldest is dropped. The lag is the centroid of the correlation's peak
(for a pure delay between grid points that is exact: the previous-tick kernel is a triangle), its error the jackknife
over blocks, so that bursts and changing volatility are priced in. (Hayashi & Yoshida 2005; Huth & Abergel 2014 for
the lead/lag ratio; Efron & Stein 1981 for the jackknife.)
"""

import math
from typing import Final

import numpy as np

from state.compiled import compiled
from state.feeds import BLOCKS, LAGS, LAGS_AFTER, LAGS_BEFORE, RING, Lag, LagEstimate
from state.records import Floats

STEPS_LEAST: Final = 600
BLOCKS_LEAST: Final = 4

TAIL_SHARE: Final = 0.1

SILENT_STEPS: Final = RING
"""A side that says nothing for so many steps is not standing still, it is gone."""

KNOWN_Z: Final = 3.5
"""A peak chosen among 61 lags is chance beyond 3.5 errors in about 3 of 100 series."""

WIDE_Z: Final = 1.96

WIDEST_STEPS: Final = 10
"""An interval wider than so many steps to each side says nothing worth acting on."""


@compiled
def begin_lag(lag: Lag, step_ns: int, block_steps_count: int) -> None:
    """Make a zeroed row ready: a grid of `step_ns`, blocks of so many steps, twelve blocks kept."""
    lag.step_ns = step_ns
    lag.block_steps_count = block_steps_count


@compiled
def note_lead(lag: Lag, now_ns: int, value_log: float) -> None:
    """Take the leader's new value (log price) as of `now_ns` on our clock."""
    if now_ns >= lag.next_ns:
        advance_lag(lag, now_ns)
    lag.lead_now_log = value_log
    lag.lead_seen_ns = now_ns
    lag.lead_known = True


@compiled
def note_follow(lag: Lag, now_ns: int, value_log: float) -> None:
    """Take the follower's new value (log price, or log-odds of the book's mid) as of `now_ns` on our clock."""
    if now_ns >= lag.next_ns:
        advance_lag(lag, now_ns)
    lag.follow_now_log = value_log
    lag.follow_seen_ns = now_ns
    lag.follow_known = True


@compiled
def break_follow(lag: Lag) -> None:
    """Forget the follower's last value but keep the sums: another market's book comes next, or continuity was lost."""
    lag.follow_known = False
    lag.follow_past_known = False


@compiled
def break_lead(lag: Lag) -> None:
    """Forget the leader's last value but keep the sums: the feed lost continuity."""
    lag.lead_known = False
    lag.lead_past_known = False


@compiled
def advance_lag(lag: Lag, now_ns: int) -> None:
    """Close every grid step that ended by `now_ns`; a silence longer than the ring is a break, not a run of zeros."""
    if lag.step_ns <= 0:
        return
    if lag.next_ns == 0 or now_ns - lag.next_ns > RING * lag.step_ns:
        lag.next_ns = (now_ns // lag.step_ns + 1) * lag.step_ns
        for row in range(RING):
            lag.lead_ring_log[row] = 0.0
            lag.follow_ring_log[row] = 0.0
        lag.lead_past_known = False
        lag.follow_past_known = False
        return
    while now_ns >= lag.next_ns:
        _close_step(lag)
        lag.next_ns += lag.step_ns


@compiled
def _close_step(lag: Lag) -> None:
    if lag.next_ns - lag.lead_seen_ns > SILENT_STEPS * lag.step_ns:
        break_lead(lag)
    if lag.next_ns - lag.follow_seen_ns > SILENT_STEPS * lag.step_ns:
        break_follow(lag)
    row = lag.steps_count % RING
    block = lag.steps_count // lag.block_steps_count % BLOCKS
    if lag.steps_count % lag.block_steps_count == 0:
        _clear_block(lag, block)
    lead_known = lag.lead_known and lag.lead_past_known
    follow_known = lag.follow_known and lag.follow_past_known
    lead_log = lag.lead_now_log - lag.lead_past_log if lead_known else 0.0
    follow_log = lag.follow_now_log - lag.follow_past_log if follow_known else 0.0
    lag.lead_ring_log[row] = lead_log
    lag.follow_ring_log[row] = follow_log
    if lead_known and follow_known:
        lag.block_count[block] += 1
        lag.lead_var[block] += lead_log * lead_log
        lag.follow_var[block] += follow_log * follow_log
        lag.wait_ns[block] += float(lag.lead_seen_ns - lag.follow_seen_ns)
    base = block * LAGS + LAGS_BEFORE
    if follow_log != 0.0:
        for back in range(LAGS_AFTER + 1):
            lag.cross_var[base + back] += lag.lead_ring_log[(row - back) % RING] * follow_log
    if lead_log != 0.0:
        for back in range(1, LAGS_BEFORE + 1):
            lag.cross_var[base - back] += lag.follow_ring_log[(row - back) % RING] * lead_log
    lag.lead_past_log = lag.lead_now_log
    lag.follow_past_log = lag.follow_now_log
    lag.lead_past_known = lag.lead_known
    lag.follow_past_known = lag.follow_known
    lag.block_id = block
    lag.steps_count += 1


@compiled
def _clear_block(lag: Lag, block: int) -> None:
    for step in range(LAGS):
        lag.cross_var[block * LAGS + step] = 0.0
    lag.lead_var[block] = 0.0
    lag.follow_var[block] = 0.0
    lag.wait_ns[block] = 0.0
    lag.block_count[block] = 0


@compiled
def correlation_at(lag: Lag, step: int, without: int) -> float:
    """Give the correlation with the leader first by `step` grid steps, without one block (-1: with all)."""
    cross = lead = follow = 0.0
    for block in range(BLOCKS):
        if block != without:
            cross += lag.cross_var[block * LAGS + LAGS_BEFORE + step]
            lead += lag.lead_var[block]
            follow += lag.follow_var[block]
    scale = math.sqrt(lead * follow)
    return cross / scale if scale > 0.0 else 0.0


@compiled
def _steps(lag: Lag) -> int:
    steps = 0
    for block in range(BLOCKS):
        steps += int(lag.block_count[block])
    return steps


@compiled
def _peak(lag: Lag, without: int) -> int:
    best, best_step = -2.0, 0
    for step in range(-LAGS_BEFORE, LAGS_AFTER + 1):
        here = correlation_at(lag, step, without)
        if here > best:
            best, best_step = here, step
    return best_step


@compiled
def _floor(lag: Lag, peak: int, without: int) -> float:
    return max(TAIL_SHARE * correlation_at(lag, peak, without), 2.0 / math.sqrt(max(_steps(lag), 1)))


@compiled
def _hidden(lag: Lag, peak: int, without: int) -> float:
    """Give the share of an exponential tail's mean that lies under the floor, 0..1: what the centroid cannot see."""
    part = _floor(lag, peak, without) / max(correlation_at(lag, peak, without), 1e-12)
    return part * math.log(1.0 / part) / (1.0 - part) if part < 0.999 else 1.0


@compiled
def _reaction(lag: Lag, peak: int, without: int) -> float:
    """Give the lag in steps, less what the follower's slower ticking added to the centroid.

    Where ticks come at random that is the whole difference of ages, where news itself makes the tick it is none. We
    do not know, take half, and let the interval reach both.
    """
    wait = _wait(lag, without) * (1.0 - _hidden(lag, peak, without))
    return _centroid(lag, peak, without) - 0.5 * wait


@compiled
def _centroid(lag: Lag, peak: int, without: int) -> float:
    """Give the weighted mean step over the unbroken stretch around the peak that stands out of the noise."""
    # A follower that ticks at random has an exponential tail in its correlogram; it belongs to the mean delay.
    floor = _floor(lag, peak, without)
    first = last = peak
    while first > -LAGS_BEFORE and correlation_at(lag, first - 1, without) > floor:
        first -= 1
    while last < LAGS_AFTER and correlation_at(lag, last + 1, without) > floor:
        last += 1
    weights = moved = 0.0
    for step in range(first, last + 1):
        weight = max(correlation_at(lag, step, without), 0.0)
        weights += weight
        moved += weight * step
    return moved / weights if weights > 0.0 else float(peak)


@compiled
def _wait(lag: Lag, without: int) -> float:
    """Give the mean age of the follower's last tick less the leader's, in steps: the sampling in the centroid."""
    wait_ns, steps = 0.0, 0
    for block in range(BLOCKS):
        if block != without:
            wait_ns += lag.wait_ns[block]
            steps += lag.block_count[block]
    return wait_ns / (steps * lag.step_ns) if steps > 0 else 0.0


@compiled
def estimate_lag(lag: Lag, estimate: LagEstimate) -> None:
    """Read the sums into `estimate`: lag with 95 % interval, correlation with its error, and whether to believe it.

    Costs tens of microseconds: for the desk, not for every event.
    """
    estimate.known = False
    steps, blocks = _steps(lag), 0
    for block in range(BLOCKS):
        blocks += int(lag.block_count[block] > lag.block_steps_count // 4)
    estimate.steps_count = steps
    if steps == 0:
        return
    peak = _peak(lag, -1)
    wait = _wait(lag, -1)
    center = _reaction(lag, peak, -1)
    correlation = correlation_at(lag, peak, -1)
    estimate.peak_ns = peak * lag.step_ns
    estimate.lag_ns = int(center * lag.step_ns)
    estimate.wait_ns = int(wait * lag.step_ns)
    estimate.p_correlation = correlation
    estimate.lead_ratio = _lead_ratio(lag)
    if blocks < BLOCKS_LEAST:
        return
    place_var = high_var = 0.0
    for block in range(BLOCKS):
        if lag.block_count[block] > lag.block_steps_count // 4:
            place = _reaction(lag, _peak(lag, block), block) - center
            height = correlation_at(lag, peak, block) - correlation
            place_var += place * place
            high_var += height * height
    share = (blocks - 1.0) / blocks
    # The grid itself cannot place a lag better than a step's own width: a twelfth of its square.
    half_ns = WIDE_Z * math.sqrt(share * place_var + 1.0 / 12.0) * lag.step_ns
    half_ns += 0.5 * (1.0 + _hidden(lag, peak, -1)) * abs(wait) * lag.step_ns
    estimate.low_ns = estimate.lag_ns - int(half_ns)
    estimate.high_ns = estimate.lag_ns + int(half_ns)
    error = math.sqrt(max(share * high_var, 1.0 / steps))
    estimate.correlation_z = correlation / error
    inside = -LAGS_BEFORE < peak < LAGS_AFTER and half_ns < WIDEST_STEPS * lag.step_ns
    estimate.known = steps >= STEPS_LEAST and estimate.correlation_z > KNOWN_Z and inside


@compiled
def _lead_ratio(lag: Lag) -> float:
    first = later = 0.0
    for step in range(1, LAGS_BEFORE + 1):
        ahead = correlation_at(lag, step, -1)
        behind = correlation_at(lag, -step, -1)
        first += ahead * ahead
        later += behind * behind
    return first / later if later > 0.0 else 0.0


@compiled
def lag_left_ns(lag_ns: int, hold_ns: int, own_ns: int) -> int:
    """Give what a taker can still use of a lag, in ns: less the venue's hold and his own way there; may be negative."""
    return lag_ns - hold_ns - own_ns


def correlogram(lag: Lag) -> Floats:
    """Give the correlation at every grid lag from -20 to +40 steps: shape (61,), for reports."""
    return np.array([correlation_at(lag, step, -1) for step in range(-LAGS_BEFORE, LAGS_AFTER + 1)])
