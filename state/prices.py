"""What is known of the settlement stream: its observations, averages of them, how much it moves, and fair value."""

from enum import IntEnum
from typing import Annotated, Final

import numpy as np

from state.records import F64, I64, Flag, Floats, Ints, Record

RING_S: Final = 1024
"""Seconds of observations kept: a 15-minute window with a minute of look-back before it, and a minute of lateness."""


class ObservationCode(IntEnum):
    """What became of an observation."""

    TAKEN = 0
    """It opened a new second."""
    LATE = 1
    """It filled an older second that had been missing."""
    REPEATED = 2
    """Its second was known with the same value: nothing changed."""
    CONFLICT = 3
    """Its second was known with another value: the first is kept."""
    TOO_OLD = 4
    """Its second has left the ring."""
    REFUSED = 5
    """No price at all, or a stamp that leaps ahead of the ring and stands alone."""


class Observations(Record):
    """One asset's settlement stream, one value a second, keyed by the second the source observed it in."""

    newest_s: I64
    newest_usd: F64
    count: I64
    """Seconds known so far, also those that have left the ring."""
    late_count: I64
    repeats_count: I64
    conflicts_count: I64
    dropped_count: I64
    refused_count: I64
    leap_s: I64
    """Second of a stamp that leapt ahead and was refused; another one near it is believed."""
    quick_log: F64
    slow_log: F64
    """What the stream is expected to move in its next second, in the quick and the slow part of its smoothing."""
    value_usd: Annotated[Floats, np.float64, (RING_S,)]
    second_s: Annotated[Ints, np.int64, (RING_S,)]
    """The second that each value belongs to, at second modulo RING_S; 0 where there is none."""


class Average(Record):
    """One average that settles a market (its strike or its close): the known part, and what the rest hangs on.

    The average over the seconds (ends - lookback, ends] of the stream; look-back 1 is the value at the instant.
    Everything here changes once a second at most, so that a tick costs only the few operations of `fair_up`.
    """

    ends_s: I64
    lookback_s: I64
    known_count: I64
    """Seconds of the average at or before the newest observation, filled ones included."""
    covered_count: I64
    """Known seconds that have an observation of their own."""
    newest_s: I64
    """Newest observation that was taken in; 0 before any."""
    base_usd: F64
    """The part of the average that does not hang on where the price goes now."""
    pull_ratio: F64
    """The share of the average that follows the nowcast: average = base + pull * nowcast + noise."""
    gap_var: F64
    """Doubt from filled seconds, in seconds of the price's variance."""
    doubt_var: F64
    """Doubt about a given value, in squared dollars."""
    given: Flag
    """Told by the venue or its stream: our own observations no longer matter."""


HALF_LIVES: Final = 4
VOLATILITY_RING: Final = 64
SEASONS: Final = 96
"""Quarters of an hour in a day."""


class Volatility(Record):
    """How much one price moves per second: forgetting sums over several half-lives, all in squared log returns."""

    newest_s: I64
    """Newest whole second of the grid."""
    run_count: I64
    """Seconds in a row without a gap that ends the run, capped at the ring."""
    grid_log: Annotated[Floats, np.float64, (VOLATILITY_RING,)]
    """Log price at the start of each second, at second modulo the ring."""
    quick_var: Annotated[Floats, np.float64, (HALF_LIVES,)]
    """Sums of truncated 5-second variance per second, by half-life."""
    weight_ratio: Annotated[Floats, np.float64, (HALF_LIVES,)]
    """Their weights: seconds of data, the prior's included."""
    short_var: F64
    """Slow sum of truncated 5-second variance ..."""
    whole_var: F64
    """... of the same without truncation ..."""
    long_var: F64
    """... and of 60-second variance: their ratios undo smoothing, noise and truncation."""
    slow_weight_ratio: F64
    season_ratio: Annotated[Floats, np.float64, (SEASONS,)]
    """How much more than usual each quarter of an hour moves, in variance; mean 1."""
    bin_id: I64
    bin_var: F64
    bin_count: I64
    count: I64


class Fair(Record):
    """Fair value with its reasons: what views and explanations show."""

    p_up: F64
    mean_usd: F64
    """Expected close of the window, as its rule averages it."""
    gap_usd: F64
    """That less the expected strike."""
    sd_usd: F64
    """Standard deviation of the gap."""
    strike_usd: F64
    gap_z: F64
    open_var: F64
    """Seconds of the price's variance that are still open."""
    known_ratio: F64
    """Share of the close's average that is known."""
