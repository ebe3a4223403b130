"""The platform we stand on: what is watched of the venue, the feeds and the chain, and which of it is not sound."""

from enum import IntEnum
from typing import Annotated, Final

import numpy as np

from state.reasons import Reason
from state.records import F64, I64, Ints, Record, Rows


class PlatformCode(IntEnum):
    """What is not sound; of several the first is told. `PLATFORM_REASONS` has the reason, and so the sentence, of each.

    Which of them matter: venue reference 7.5.
    """

    SOUND = 0
    SETTLEMENT_SLOW = 1
    """A match of ours is not confirmed on chain for too long."""
    TRADES_FAIL = 2
    """Too many of our recent trades failed or had to be tried again."""
    VENUE_RESTARTING = 3
    """The venue answered 425, or that it takes post-only orders alone."""
    FEEDS_STALE = 4
    """Too many of the price feeds that we have are silent."""
    ORACLE_APART = 5
    """The settlement stream and the exchanges tell different prices."""
    FEE_SURGE = 6
    """Polygon's base fee is far above its own recent median: matched trades fail at such times."""
    CHAIN_BEHIND = 7
    """Polygon's newest block that we know is old."""


PLATFORM_CODES: Final = len(PlatformCode)

PLATFORM_REASONS: Final = (
    int(Reason.NONE),
    int(Reason.SETTLEMENT_SLOW),
    int(Reason.TRADES_FAIL),
    int(Reason.VENUE_RESTARTING),
    int(Reason.FEEDS_STALE),
    int(Reason.ORACLE_APART),
    int(Reason.FEE_SURGE),
    int(Reason.CHAIN_BEHIND),
)
"""The reason of each `PlatformCode`, in its place."""

UNSETTLED: Final = 32
"""Matches that are waited for at once; the oldest count, so what finds no room is not missed."""


class Unsettled(Record):
    """Shares of one order that have matched and are not confirmed yet."""

    order_id: I64
    """0: an empty row."""
    amount_micros: I64
    retried_micros: I64
    """Of those, what has counted as repeated: should it fail after all, it counts no second time."""
    at_ns: I64
    """When we heard of the match, by our clock."""
    slot_id: I64


class Platform(Record):
    """What is watched, and since when each measure has been beyond its bound or well inside it."""

    faults_mask: I64
    """Bit `1 << PlatformCode`: it is not sound."""
    due_ns: I64
    """When the measures are looked at next."""
    over_ns: Annotated[Ints, np.int64, (PLATFORM_CODES,)]
    """Since when each measure has been beyond its bound; 0 while it is not."""
    calm_ns: Annotated[Ints, np.int64, (PLATFORM_CODES,)]
    """Since when each has been well inside; 0 while it is not."""
    unsettled: Annotated[Rows[Unsettled], UNSETTLED]
    unsettled_count: I64
    trades_count: F64
    """Our orders that matched recently, forgetting by a half-life."""
    failures_count: F64
    """Of those, the failed and the repeated, an order by the share of its matched shares."""
    faded_ns: I64
    restart_ns: I64
    """When the venue last answered that it restarts or takes post-only orders alone; 0 never."""
    base_fee_log: F64
    """Logarithm of the newest base fee in gwei ..."""
    usual_fee_log: F64
    """... and of its running median."""
    head_ns: I64
    """Time of the newest block, by the chain; 0: none is known."""
