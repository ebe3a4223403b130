"""The price of the synthetic world: an efficient price, with jumps and clustered volatility, and its oracle."""

import math
from dataclasses import dataclass

import numpy as np

from evals.generator_spec import MarketSpec
from state.compiled import compiled
from state.records import Floats
from state.units import NS_PER_MS, NS_PER_S

STEP_NS = 20 * NS_PER_MS
"""The world's own grid of time."""

STEPS_PER_S = NS_PER_S // STEP_NS

LEAD_S = 900
"""Seconds of price before the first open: the earlier windows' averages, listings and feeds need them."""

TAIL_S = 180

SEASON = (
    0.85, 0.80, 0.80, 0.80, 0.80, 0.80, 0.85, 0.95, 1.00, 1.00, 0.95, 0.95,
    1.00, 1.20, 1.40, 1.40, 1.30, 1.20, 1.10, 1.05, 1.05, 1.00, 0.90, 0.85,
)  # fmt: skip
"""Volatility by hour of the day (UTC) against its mean: the European morning, the American open. A rough picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One draw of the world's price on the grid; index 0 is `start_ns`."""

    start_ns: int
    usd: Floats
    """Efficient price, shape (steps + 1,)."""
    vol: Floats
    """True volatility of the log price per square root of a second."""
    vol_seen: Floats
    """What a careful observer would estimate of it: two minutes of memory."""
    oracle_usd: Floats
    """The stream's value at each grid point: a short mean, a little behind."""
    oracle_sum: Floats
    """Running integral of it in dollar seconds: differences over the look-back give the average."""

    def step(self, at_ns: int) -> int:
        """Give the grid point at or before a time."""
        return (at_ns - self.start_ns) // STEP_NS

    def average_usd(self, at_s: int, lookback_s: int) -> float:
        """Give the published average over the `lookback_s` before a second, or the point value for 0; 8 decimals."""
        end = self.step(at_s * NS_PER_S)
        if lookback_s == 0:
            return round(float(self.oracle_usd[end]), 8)
        total = self.oracle_sum[end] - self.oracle_sum[end - lookback_s * STEPS_PER_S]
        return round(float(total) / lookback_s, 8)


def draw_path(spec: MarketSpec, rng: np.random.Generator) -> Path:
    """Draw a price for the whole stretch: from `LEAD_S` before the first open to `TAIL_S` after the last close."""
    first_s = spec.first_open_s - LEAD_S
    seconds = LEAD_S + spec.windows * spec.window_s + TAIL_S
    steps = seconds * STEPS_PER_S
    step_s = STEP_NS / NS_PER_S
    wander = spec.vol_fast_sd * wandering(seconds, 90.0, rng) + spec.vol_slow_sd * wandering(seconds, 1_800.0, rng)
    # Mean one in variance, so that `vol_bps` stays the ordinary volatility whatever the clustering.
    wander -= spec.vol_fast_sd**2 + spec.vol_slow_sd**2
    hours = ((first_s + np.arange(seconds)) // 3600) % 24
    vol_by_s = spec.vol_bps * 1e-4 * np.asarray(SEASON)[hours] * np.exp(wander)
    vol = np.repeat(vol_by_s, STEPS_PER_S)
    moves = vol * math.sqrt(step_s) * rng.standard_normal(steps)
    jumps = rng.random(steps) < spec.jumps_per_hour * step_s / 3600.0
    count = int(jumps.sum())
    moves[jumps] += rng.exponential(spec.jump_bps * 1e-4, count) * rng.choice((-1.0, 1.0), count)
    usd = spec.start_usd * np.exp(np.concatenate(([0.0], np.cumsum(moves))))
    oracle_usd = trailing_mean(usd, spec.oracle_smooth_ms, spec.oracle_behind_ms)
    oracle_sum = np.concatenate(([0.0], np.cumsum(oracle_usd[1:] * step_s)))
    memory = 1.0 / (120.0 * STEPS_PER_S)
    vol_seen = np.sqrt(forgetting_mean(np.append(vol, vol[-1]) ** 2, memory))
    return Path(
        start_ns=first_s * NS_PER_S, usd=usd, vol=vol, vol_seen=vol_seen, oracle_usd=oracle_usd, oracle_sum=oracle_sum
    )


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


def trailing_mean(values: Floats, span_ms: float, behind_ms: float) -> Floats:
    """Give at each grid point the mean over `span_ms` that ended `behind_ms` ago; before the start it stood still."""
    span = max(round(span_ms * NS_PER_MS / STEP_NS), 1)
    behind = round(behind_ms * NS_PER_MS / STEP_NS)
    padded = np.concatenate((np.full(span + behind, values[0]), values))
    # Sums of small differences from the start keep sixteen digits where sums of the prices would lose some.
    sums = np.concatenate(([0.0], np.cumsum(padded - values[0])))
    ends = np.arange(len(values)) + span + 1
    means: Floats = values[0] + (sums[ends] - sums[ends - span]) / span
    return means
