"""Outages: what the faults of prices and clocks do to the rows that leave the venue."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.recordings.rows import copy
from infra.venue_next_door.faults import Fault, Faults
from state.events import Kind, Source
from state.units import NS_PER_MS

Rows = NDArray[Any]

WIRES: Final = {
    Source.BINANCE: "binance_spot",
    Source.BINANCE_PERP: "binance_usdm",
    Source.BYBIT: "bybit",
    Source.OKX: "okx",
    Source.COINBASE: "coinbase",
}
"""Source -> its wire. Coinbase has two wires and one price: a freeze of `coinbase_exchange` alone is its server's."""
_PRICED: Final = (int(Kind.PRICE_SEEN), int(Kind.CEX_TRADED))
_ORACLE: Final = (int(Kind.PRICE_SEEN), int(Kind.AVERAGE_SEEN))


class Outages:
    """Spoils rows as long as a fault is on; remembers at what price a feed froze."""

    def __init__(self, faults: Faults) -> None:
        """Take the board of switches."""
        self._faults = faults
        self._frozen: dict[Source, tuple[float, float]] = {}

    def spoil(self, rows: Rows) -> Rows:
        """Give the rows as the faults leave them; the rows themselves without any."""
        if not self._faults.switches:
            self._frozen.clear()
            return rows
        if self._faults.is_on(Fault.ORACLE_GAP):
            said = (rows["source_code"] == Source.CHAINLINK) & np.isin(rows["kind_code"], _ORACLE)
            rows = rows[~said]
        rows = self._freeze(rows)
        skew_ns = self.skew_ns()
        if skew_ns:
            rows = copy(rows)
            rows["at_ns"][rows["source_code"] == Source.POLYMARKET_BOOK] += skew_ns
        return rows

    def skew_ns(self) -> int:
        """Give how far the venue's clock is ahead."""
        return round(self._faults.value(Fault.CLOCK_SKEW) * NS_PER_MS)

    def _freeze(self, rows: Rows) -> Rows:
        """Let every frozen feed repeat the first price that it said while frozen."""
        for source, wire in WIRES.items():
            if not self._faults.is_on(Fault.FEED_FREEZE, wire):
                self._frozen.pop(source, None)
                continue
            said = (rows["source_code"] == source) & np.isin(rows["kind_code"], _PRICED)
            places = np.flatnonzero(said)
            if not len(places):
                continue
            first = rows[places[0]]
            bid_usd, ask_usd = self._frozen.setdefault(source, (float(first["value_usd"]), float(first["other_usd"])))
            rows = copy(rows)
            rows["value_usd"][said] = bid_usd
            rows["other_usd"][said & (rows["kind_code"] == Kind.PRICE_SEEN)] = ask_usd or bid_usd
        return rows
