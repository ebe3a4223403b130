"""Feeds as the world knows them: each source's price, clock, rhythm and basis, the nowcast and the lead/lag sums."""

from enum import IntEnum
from typing import Annotated, Final

import numpy as np

from state.events import FEEDS
from state.records import F64, I64, U8, Flag, Floats, Ints, Record, Rows


class Clock(Record):
    """How long a source's messages take to us, and so how its clock must stand against ours.

    Seen minus at is clock offset plus travel. Travel is never negative and sometimes short, so the least of it (the
    lower envelope) moves with the offset while its spread above the least is jitter.
    """

    floor_ns: I64
    """Least seen-minus-at of the running epoch and the one before it: old minima are forgotten in one to two epochs."""
    offset_ns: I64
    """Least correction that keeps cause before effect: min(floor, 0), added to `at_ns` to stand on our clock."""
    running_floor_ns: I64
    past_floor_ns: I64
    epoch_ends_ns: I64
    jitter_ns: F64
    """Mean delay above the floor."""
    late_ns: F64
    """About the 99th percentile of the delay above the floor."""
    stamps_count: I64
    """Messages that carried a time of their own; a feed without one keeps zero here."""


TRAIL: Final = 16
"""Whole seconds of past prices that a feed keeps, so that a late oracle stamp finds its own second."""


class Feed(Record):
    """One source's price of one asset."""

    bid_usd: F64
    ask_usd: F64
    mid_usd: F64
    mid_log: F64
    """Natural logarithm of the mid."""
    fair_log: F64
    """`mid_log` less the basis: what this feed says the settlement stream will show."""
    at_ns: I64
    """The source's own stamp of the last price; 0 where it gives none."""
    seen_ns: I64
    told_ns: I64
    """When the last price was true, on our clock: `at_ns` put right by the offset, or `seen_ns` without a stamp."""
    fresh_until_ns: I64
    """Last moment of ordinary silence; later than this the feed is stale."""
    clock: Clock
    silence_ns: F64
    """Mean length of the silence that a random moment falls into: the feed's own rhythm, burstiness included."""
    silence_sum_ns: F64
    """Forgetting sums of the intervals, and of their squares in seconds squared, behind `silence_ns`."""
    silence_squares_var: F64
    basis_log: F64
    """Mean of own log price less the settlement stream's: quote currency and venue basis in one."""
    basis_var: F64
    """Variance of that mean."""
    basis_noise_var: F64
    """Variance of one comparison around it."""
    basis_count: I64
    noise_var: F64
    """Running variance of `fair_log` around the nowcast of all: a feed that disagrees for long loses weight."""
    trail_log: Annotated[Floats, np.float64, (TRAIL,)]
    """Last `mid_log` of each recent whole second on our clock, at second modulo TRAIL."""
    trail_s: Annotated[Ints, np.int64, (TRAIL,)]
    """The second that each entry of the trail belongs to."""
    trail_ends_ns: I64
    """First nanosecond after the newest second of the trail."""
    count: I64
    refused_count: I64
    """Prices that could not be true: not finite, not positive, crossed, or a lone leap."""
    refused_run_count: I64
    """Refusals in a row: after a few the leap is believed."""
    late_count: I64
    """Stamped before the price we already hold; never taken as the last price."""
    repeats_count: I64
    """The same stamp and price again."""
    generation_count: I64
    gaps_count: I64
    state_code: U8
    """`FeedState`; 0 before the feed has said anything."""
    odd: Flag
    """Fresh, but far from what the others say at the last nowcast; weighted down there."""


class FeedQuality(IntEnum):
    """What a feed is worth right now."""

    SILENT = 0
    """Never heard."""
    GOOD = 1
    STALE = 2
    DOWN = 3
    ODD = 4
    """Fresh but far from what the others say; weighted down in the nowcast."""


VOTERS: Final = 7
"""Sources 1..7 vote in the nowcast, the settlement stream among them; the on-chain aggregator is only a check."""


class Nowcast(Record):
    """What the settlement stream will show once it has caught up with now."""

    usd: F64
    value_log: F64
    value_var: F64
    """Variance of `value_log` as an estimate of that value."""
    at_ns: I64
    ahead_log: F64
    """`value_log` less the log of the settlement stream's last value: what is still to come out of it."""
    spread_var: F64
    """Weighted mean square distance of the fresh voters from the estimate: how much they disagree."""
    oracle_ratio: F64
    """Share of the weight that the settlement stream's own last value had."""
    feeds_count: I64
    """Fresh voters, the settlement stream included."""
    odd_count: I64
    order_code: Annotated[Ints, np.uint8, (VOTERS,)]
    """Voters' numbers ordered by their price: kept, because almost nothing moves between two calls."""


class Prices(Record):
    """All that is known about one asset's price."""

    feeds: Annotated[Rows[Feed], FEEDS]
    """Row = `Source`; row 0 stays empty."""
    nowcast: Nowcast


LAGS_BEFORE: Final = 20
LAGS_AFTER: Final = 40
LAGS: Final = LAGS_BEFORE + 1 + LAGS_AFTER
"""Grid lags looked at: follower first by up to 20 steps, leader first by up to 40."""

RING: Final = 64
BLOCKS: Final = 12
"""Blocks of time kept; the estimate is over all of them, its error from leaving each one out."""


class Lag(Record):
    """Sums for one leader and one follower on a grid of time; `tools/lag.py` keeps and reads them."""

    step_ns: I64
    block_steps_count: I64
    """Grid steps in a block."""
    next_ns: I64
    """End of the running grid step; 0 before the first value."""
    lead_now_log: F64
    follow_now_log: F64
    """Last value of each side (logarithm of price, or log-odds)."""
    lead_past_log: F64
    follow_past_log: F64
    """Values at the last grid point."""
    lead_seen_ns: I64
    follow_seen_ns: I64
    """When each side last said something, changed or not."""
    lead_known: Flag
    follow_known: Flag
    lead_past_known: Flag
    follow_past_known: Flag
    steps_count: I64
    """Grid steps taken in all."""
    block_id: I64
    """The running block's row."""
    lead_ring_log: Annotated[Floats, np.float64, (RING,)]
    follow_ring_log: Annotated[Floats, np.float64, (RING,)]
    """Changes over the last steps, at step modulo RING."""
    cross_var: Annotated[Floats, np.float64, (BLOCKS * LAGS,)]
    """Sum of leader's times follower's changes by block and lag, row by row."""
    lead_var: Annotated[Floats, np.float64, (BLOCKS,)]
    follow_var: Annotated[Floats, np.float64, (BLOCKS,)]
    wait_ns: Annotated[Floats, np.float64, (BLOCKS,)]
    """Sum over steps of the follower's age less the leader's at the grid point: what slow ticking adds to the lag."""
    block_count: Annotated[Ints, np.int64, (BLOCKS,)]
    """Steps in each block with both sides known."""


class LagEstimate(Record):
    """What the sums say now."""

    lag_ns: I64
    """Follower's reaction after the leader; negative: the follower is first."""
    low_ns: I64
    high_ns: I64
    """95 % interval."""
    wait_ns: I64
    """Mean age of the follower's last tick less the leader's: half is taken off the lag, all is in the interval."""
    peak_ns: I64
    """Grid lag with the largest correlation."""
    p_correlation: F64
    """Correlation at the peak, -1..1."""
    correlation_z: F64
    """That correlation in units of its own error."""
    lead_ratio: F64
    """Sum of squared correlations with the leader first over those with the follower first: above 1, it leads."""
    steps_count: I64
    known: Flag
    """Enough data, a peak clear of chance over all lags and inside the range, and a narrow interval."""
