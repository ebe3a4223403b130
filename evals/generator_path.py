"""The price of the synthetic world: an efficient price, with jumps and clustered volatility, and its oracle."""

import math
from dataclasses import dataclass

import numpy as np

from evals.generator_spec import MarketSpec
from state.compiled import compiled
from state.records import Floats, Ints
from state.units import NS_PER_MS, NS_PER_S

STEP_NS = 20 * NS_PER_MS
"""The world's own grid of time."""

STEPS_PER_S = NS_PER_S // STEP_NS

LEAD_S = 900
"""Seconds of price before the first open: the earlier windows' averages, listings and feeds need them."""

TAIL_S = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One draw of the world's price on the grid; index 0 is `start_ns`."""

    start_ns: int
    usd: Floats
    """Efficient price, shape (steps + 1,)."""
    vol: Floats
    """True volatility of the log price per square root of a second, by second."""
    vol_seen: Floats
    """What a careful observer would estimate of it, by second: two minutes of memory."""
    oracle_usd: Floats
    """The stream's value at each whole second: a short mean, a little behind."""
    oracle_sum: Floats
    """Running integral of it on the grid in dollar seconds: differences over the look-back give the average."""

    def step(self, at_ns: int) -> int:
        """Give the grid point at or before a time."""
        return (at_ns - self.start_ns) // STEP_NS

    def average_usd(self, at_s: int, lookback_s: int) -> float:
        """Give the published average over the `lookback_s` before a second, or the point value for 0; 8 decimals."""
        return float(self.averages_usd(np.array([at_s]), lookback_s)[0])

    def averages_usd(self, at_s: Ints, lookback_s: int) -> Floats:
        """Give the same for many seconds."""
        ends = at_s - self.start_ns // NS_PER_S
        if lookback_s == 0:
            return np.round(self.oracle_usd[ends], 8)
        ends = ends * STEPS_PER_S
        return np.round((self.oracle_sum[ends] - self.oracle_sum[ends - lookback_s * STEPS_PER_S]) / lookback_s, 8)


def draw_path(spec: MarketSpec, rng: np.random.Generator) -> Path:
    """Draw a price for the whole stretch: from `LEAD_S` before the first open to `TAIL_S` after the last close."""
    first_s = spec.first_open_s - LEAD_S
    seconds = LEAD_S + spec.windows * spec.window_s + TAIL_S
    steps = seconds * STEPS_PER_S
    step_s = STEP_NS / NS_PER_S
    memories_s = ((spec.vol_burst_sd, 3.0), (spec.vol_fast_sd, 90.0), (spec.vol_slow_sd, 1_800.0))
    wander = np.zeros(seconds)
    for sd, memory_s in memories_s:
        # Mean one in variance, so that `vol_bps` stays the ordinary volatility whatever the clustering.
        wander += sd * wandering(seconds, memory_s, rng) - sd * sd
    vol = spec.vol_bps * 1e-4 * season_at(spec, first_s + np.arange(seconds)) * np.exp(wander)
    moves = rng.standard_normal(steps)
    moves *= np.repeat(vol * math.sqrt(step_s), STEPS_PER_S)
    jumps = rng.random(steps) < spec.jumps_per_hour * step_s / 3600.0
    count = int(jumps.sum())
    moves[jumps] += rng.exponential(spec.jump_bps * 1e-4, count) * rng.choice((-1.0, 1.0), count)
    usd = np.concatenate(([0.0], np.cumsum(moves)))
    del moves, jumps
    np.exp(usd, out=usd)
    usd *= spec.start_usd
    oracle_usd = smoothed(usd, spec.oracle_smooth_ms, spec.oracle_behind_ms) * (1.0 - spec.oracle_slow_share)
    oracle_usd += smoothed(usd, spec.oracle_slow_ms, spec.oracle_behind_ms) * spec.oracle_slow_share
    oracle_sum = np.concatenate(([0.0], np.cumsum(oracle_usd[1:] * step_s)))
    return Path(
        start_ns=first_s * NS_PER_S,
        usd=usd,
        vol=vol,
        vol_seen=np.sqrt(forgetting_mean(vol**2, 1.0 / 120.0)),
        oracle_usd=oracle_usd[::STEPS_PER_S].copy(),
        oracle_sum=oracle_sum,
    )


def season_at(spec: MarketSpec, seconds: Ints) -> Floats:
    """Give the season's part in volatility at Unix seconds: straight lines between the middles of the hours."""
    hours = np.arange(-1, 25)
    values: Floats = np.interp((seconds % 86_400) / 3600.0 - 0.5, hours, np.asarray(spec.season)[hours % 24])
    return values


def wandering(count: int, memory: float, rng: np.random.Generator) -> Floats:
    """Draw a mean-reverting walk of unit variance with so many steps of memory (Ornstein-Uhlenbeck, exact steps)."""
    keep = math.exp(-1.0 / memory)
    shocks = rng.standard_normal(count) * math.sqrt(1.0 - keep * keep)
    if count:
        shocks[0] = rng.standard_normal()
    return _remember(shocks, keep)


@compiled
def _remember(shocks: Floats, keep: float) -> Floats:
    out = np.empty_like(shocks)
    state = 0.0
    for row in range(len(shocks)):
        state = keep * state + shocks[row]
        out[row] = state
    return out


@compiled
def forgetting_mean(values: Floats, weight: float) -> Floats:
    """Give the exponentially forgetting mean of the values so far."""
    out = np.empty_like(values)
    state = values[0]
    for row in range(len(values)):
        state += weight * (values[row] - state)
        out[row] = state
    return out


def smoothed(values: Floats, memory_ms: float, behind_ms: float) -> Floats:
    """Give at each grid point the forgetting mean of the values up to `behind_ms` ago; before, the first one stood."""
    behind = round(behind_ms * NS_PER_MS / STEP_NS)
    # Small differences from the start keep sixteen digits where the prices themselves would lose some.
    late = np.concatenate((np.zeros(behind), values[: len(values) - behind] - values[0]))
    weight = 1.0 - math.exp(-STEP_NS / (max(memory_ms, 1e-3) * NS_PER_MS))
    smooth: Floats = values[0] + forgetting_mean(late, weight)
    return smooth
