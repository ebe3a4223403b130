"""Reference prices as the venue's live-data sockets have them: the last two minutes, and each new one as it comes."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.venue_next_door.engine import Engine
from state.events import Asset, Kind, Source
from state.units import NS_PER_MS, NS_PER_S

KEPT_MS: Final = 120_000
E18: Final = 10**18

_PRICE, _AVERAGE = int(Kind.PRICE_SEEN), int(Kind.AVERAGE_SEEN)
_TELLING: Final = (bytes((_PRICE,)), bytes((_AVERAGE,)))


class Series(StrEnum):
    """What is followed; the value is the name of the settlement stream's part or of the exchange."""

    CHAINLINK = "chainlink"
    AVERAGE = "average"
    """Chainlink's own average, of `LOOKBACK_S`."""
    BINANCE = "binance"
    """One price a second, as the venue passes them on (recorded 2026-09-05)."""


LOOKBACK_S: Final = 60


@dataclass(frozen=True, slots=True)
class Point:
    """One value, stamped by who observed it."""

    at_ms: int
    usd: float

    @property
    def decimal_text(self) -> str:
        """Give the value as a decimal of at least eight digits, more where it has more."""
        text = f"{self.usd:.8f}"
        return text if float(text) == self.usd else f"{Decimal(repr(self.usd)):f}"

    @property
    def e18_text(self) -> str:
        """Give the value as an integer scaled by 1e18."""
        return str(int(Decimal(repr(self.usd)) * E18))


PointListener = Callable[[Series, Asset, Point], None]


class ReferencePrices:
    """Follows an engine's prices for one socket server."""

    def __init__(self, engine: Engine, listener: PointListener) -> None:
        """Listen to an engine from now on, and tell the listener of each point."""
        self._engine = engine
        self._listener = listener
        self._points: dict[tuple[Series, Asset], deque[Point]] = {}
        engine.on_public(self.hear)

    def hear(self, rows: NDArray[Any]) -> None:
        """Take rows that are due; nearly all are books, and a look at their kinds says so."""
        kinds = rows["kind_code"]
        said = kinds.tobytes()
        if _TELLING[0] not in said and _TELLING[1] not in said:
            return
        for row in rows[(kinds == _PRICE) | (kinds == _AVERAGE)]:
            series = self._series(row)
            if series is not None:
                self._take(series, row)

    @staticmethod
    def _series(row: np.void) -> Series | None:
        source = int(row["source_code"])
        if source == Source.CHAINLINK:
            if int(row["kind_code"]) == _PRICE:
                return Series.CHAINLINK
            return Series.AVERAGE if int(row["span_s"]) == LOOKBACK_S else None
        return Series.BINANCE if source == Source.BINANCE and int(row["kind_code"]) == _PRICE else None

    def _take(self, series: Series, row: np.void) -> None:
        asset = Asset(int(row["code_id"]))
        points = self._points.setdefault((series, asset), deque())
        at_ms, usd = int(row["at_ns"]) // NS_PER_MS, float(row["value_usd"])
        if series is Series.BINANCE:
            # Its ticker carries no time of its own: the time it was seen stands in for it.
            at_ms = (int(row["at_ns"]) or int(row["seen_ns"])) // NS_PER_S * 1000
            if points and points[-1].at_ms >= at_ms:
                return
            usd = round((usd + float(row["other_usd"])) / 2.0, 2)
        point = Point(at_ms, usd)
        points.append(point)
        while points[0].at_ms < at_ms - KEPT_MS:
            points.popleft()
        self._listener(series, asset, point)

    def last(self, series: Series, asset: Asset, span_ms: int) -> list[Point]:
        """Give the points of the last stretch, in order of their stamps, each stamp once."""
        since_ms = self._engine.now_ns() // NS_PER_MS - span_ms
        points = {point.at_ms: point for point in self._points.get((series, asset), ()) if point.at_ms >= since_ms}
        return [points[at_ms] for at_ms in sorted(points)]
