"""Tapes: what an exchange next door knows of each of its symbols, read off the venue's public rows."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from state.events import EVENT, Asset, Kind, Side, Source
from state.units import MICROS, NS_PER_MS, NS_PER_S

TOUCH_SIZE: Final = 1.0
"""Coins shown at the best bid and ask: rows carry prices of the touch and no sizes, so every touch shows this one."""
RECENT_MAX: Final = 100

_AT_NS, _SEEN_NS, _VALUE, _OTHER, _AMOUNT, _CODE, _KIND, _SIDE = (
    (EVENT.names or ()).index(name)
    for name in (
        "at_ns", "seen_ns", "value_usd", "other_usd", "amount_micros", "code_id", "kind_code", "side_code",
    )
)  # fmt: skip
_ASSETS: Final = tuple(Asset)
_SIDES: Final = tuple(Side)


class Quote(NamedTuple):
    """Best prices of a moment; equal ones are a print, shown as a locked touch."""

    asset: Asset
    at_ns: int
    bid_usd: float
    ask_usd: float


class Print(NamedTuple):
    """One trade."""

    asset: Asset
    at_ns: int
    usd: float
    size: float
    taker: Side
    trade_id: int = 0


def read_rows(rows: NDArray[Any], source: Source) -> Iterator[Quote | Print]:
    """Give what one exchange said, in order; a row without a stamp is stamped by when it was seen."""
    # Records as tuples: reading them field by field costs five times as much (measured 2026-11-22).
    for at in np.flatnonzero(rows["source_code"] == source).tolist():
        row: tuple[Any, ...] = rows.item(at)
        kind = row[_KIND]
        if kind == Kind.PRICE_SEEN:
            yield Quote(_ASSETS[row[_CODE]], row[_AT_NS] or row[_SEEN_NS], row[_VALUE], row[_OTHER])
        elif kind == Kind.CEX_TRADED:
            at_ns, size = row[_AT_NS] or row[_SEEN_NS], row[_AMOUNT] / MICROS
            yield Print(_ASSETS[row[_CODE]], at_ns, row[_VALUE], size, _SIDES[row[_SIDE]])


@dataclass(slots=True)
class Tape:
    """One symbol: its touch, its last trades, and the day as far as this venue has lived it."""

    asset: Asset
    symbol: str
    bid_usd: float = 0.0
    ask_usd: float = 0.0
    quoted_ns: int = 0
    update_id: int = 0
    """Counts changes of the touch, repeats not."""
    seq: int = 0
    """Counts everything."""
    trade_id: int = 0
    recent: deque[Print] = field(default_factory=lambda: deque(maxlen=RECENT_MAX))
    open_usd: float = 0.0
    high_usd: float = 0.0
    low_usd: float = 0.0
    volume: float = 0.0
    """Coins traded since this venue was opened, which is less than the 24 h that the field names say."""
    turnover_usd: float = 0.0
    opened_ns: int = 0

    @property
    def last_usd(self) -> float:
        """Give the price of the last trade; where there was none, the bid."""
        return self.recent[-1].usd if self.recent else self.bid_usd

    @property
    def is_quoted(self) -> bool:
        """Say whether its touch is known."""
        return self.quoted_ns > 0

    def take_quote(self, quote: Quote) -> None:
        """Take a new touch in."""
        self.bid_usd, self.ask_usd, self.quoted_ns = quote.bid_usd, quote.ask_usd, quote.at_ns
        self.update_id += 1
        self.seq += 1
        if not self.recent:
            self._take_price(quote.bid_usd, quote.at_ns)

    def take_print(self, told: Print) -> Print:
        """Take a trade in and give it back with its number."""
        self.trade_id += 1
        self.seq += 1
        trade = told._replace(trade_id=self.trade_id)
        self._take_price(trade.usd, trade.at_ns)
        self.recent.append(trade)
        self.volume += trade.size
        self.turnover_usd += trade.size * trade.usd
        return trade

    def _take_price(self, usd: float, at_ns: int) -> None:
        if not self.open_usd:
            self.open_usd = self.low_usd = self.high_usd = usd
            self.opened_ns = at_ns
        self.high_usd = max(self.high_usd, usd)
        self.low_usd = min(self.low_usd, usd)


def figure(value: float, decimals: int) -> str:
    """Write a number with so many decimals, or with as many as it takes to lose nothing.

    >>> figure(108000.1, 2), figure(0.52345, 2), figure(1.0, 8)
    ('108000.10', '0.52345', '1.00000000')
    """
    text = f"{value:.{decimals}f}"
    return text if float(text) == value else np.format_float_positional(value, trim="0")


def ms_of(at_ns: int) -> int:
    """Give a time in whole milliseconds, as most exchanges write it."""
    return at_ns // NS_PER_MS


def iso_of(at_ns: int) -> str:
    """Write a time as Coinbase does, to the microsecond.

    >>> iso_of(1_792_638_000_123_456_789)
    '2026-10-22T03:00:00.123456Z'
    """
    whole_s, part_ns = divmod(at_ns, NS_PER_S)
    return f"{datetime.fromtimestamp(whole_s, UTC):%Y-%m-%dT%H:%M:%S}.{part_ns // 1_000:06d}Z"
