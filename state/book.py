"""Order books as dense ladders of prices on the mill grid: where both tokens' resting liquidity is kept."""

from enum import IntEnum
from typing import Annotated

import numpy as np

from state.records import I64, Flag, Ints, Record
from state.units import LEVELS


class BookCode(IntEnum):
    """What a book answers to a change; anything but `DONE` means that nothing was changed."""

    DONE = 0
    OFF_GRID = 1
    """The price or the tick is not a whole mill."""
    OUT_OF_RANGE = 2
    """The price is not inside (0, 1), or the size is negative."""


class Ladder(Record):
    """One side of one token's book: the size at every mill, and the figures that would be dear to add up again.

    `sizes_micros[i]` is the displayed size at `i` mills, which is `10 * i` bps. A zeroed row is not an empty
    ladder, for its best would read as zero: `clear_book` makes one.
    """

    best_bps: I64
    """Highest bid or lowest ask; -1 when the side is empty."""
    levels_count: I64
    notional_micro_mills: I64
    """Sum of price times size: mills times micro-shares, so thousandths of a micro-dollar, whole and exact."""
    sizes_micros: Annotated[Ints, np.int64, (LEVELS,)]


class Book(Record):
    """One token's book as last told, with its tick as an epoch."""

    at_ns: I64
    seen_ns: I64
    tick_bps: I64
    epoch_count: I64
    """Counts tick changes: what was priced in an earlier epoch may lie off today's grid."""
    updates_count: I64
    """Level changes applied since the last snapshot."""
    bid: Ladder
    ask: Ladder
    valid: Flag
    """False until a snapshot, and from a gap in the feed until the next one."""
    whole: Flag
    """False inside a frame: between its first and its last row the book is half old and half new."""
