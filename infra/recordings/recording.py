"""What an importer gives: the windows a folder speaks of, and its rows in the order they were seen."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from infra.recordings.rows import Rows
from infra.recordings.tables import SourceRefused
from infra.recordings.windows import LISTED_BEFORE_S, SETTLED_AFTER_S, STRIKE_AFTER_S, Window
from state.events import Kind
from state.units import NS_PER_MS

FEED_DELAY_MS: Final = 90
"""Median delay of the market channel (venue reference 2.7, 2026-10), for recordings whose own clock cannot tell."""

IN_A_SLOT: Final = tuple(
    int(kind) for kind in (Kind.BOOK_CLEARED, Kind.LEVEL_SET, Kind.TOUCH_CARRIED, Kind.TRADE_SEEN, Kind.TICK_CHANGED)
)
"""Kinds whose rows an importer numbers by the folder's window; the importer of folders gives them their slots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is assumed where a recording does not say; every one is an argument and part of the cache's key."""

    feed_delay_ms: int = FEED_DELAY_MS
    listed_before_s: int = LISTED_BEFORE_S
    strike_after_s: int = STRIKE_AFTER_S
    settled_after_s: int = SETTLED_AFTER_S
    checks: bool = False
    """Carry the recorded best prices as rows of their own, so that the core checks its books on the way."""
    coin_margined: bool = False
    """Take Binance's coin-margined perpetual for BINANCE_PERP in place of the dollar-margined one."""

    @property
    def feed_delay_ns(self) -> int:
        """Give the feed delay in nanoseconds."""
        return self.feed_delay_ms * NS_PER_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One folder, ready to be read."""

    kind: str
    folder: Path
    windows: tuple[Window, ...]
    parts: Callable[[], Iterator[Rows]]
    """Arrays of rows in the order they were seen; `slot_id` is an index into `windows`."""
    rows_count: int
    """About how many rows will come, for progress."""
    notes: tuple[str, ...] = ()
    """What was assumed, and what of the folder is not carried."""


def bps_of(prices: NDArray[np.float64], where: str) -> NDArray[np.int32]:
    """Turn dollar prices into bps on the mill grid; a missing price is 0.

    Raises:
        SourceRefused: a price that is not a whole mill between 0 and a dollar.
    """
    mills = np.rint(np.nan_to_num(prices, nan=0.0) * 1000.0)
    wrong = (np.abs(np.nan_to_num(prices, nan=0.0) * 1000.0 - mills) > 1e-3) | (mills < 0) | (mills > 1000)
    if wrong.any():
        raise SourceRefused(f"{where}: {prices[wrong][0]!r} is no price on the mill grid; fetch the file again")
    return (mills * 10).astype(np.int32)


def micros_of(amounts: NDArray[np.float64], where: str) -> NDArray[np.int64]:
    """Turn sizes into whole micros.

    Raises:
        SourceRefused: a size that is negative, missing, or too large to be one.
    """
    wrong = ~(np.isfinite(amounts) & (amounts >= 0) & (amounts < 9e12))
    if wrong.any():
        raise SourceRefused(f"{where}: {amounts[wrong][0]!r} is no size; fetch the file again")
    return np.rint(amounts * 1e6).astype(np.int64)
