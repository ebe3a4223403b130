"""RTDS, the venue's older live-data socket, with its habits: filters to the letter, and silence without a ping.

Behaviour: venue reference 4.3; shapes and the length of replays from frames recorded on 2026-09-05.
"""

import base64
import hashlib
import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import msgspec
from aiohttp import web

from infra.venue_next_door.engine import Engine
from infra.venue_next_door.faults import Fault
from infra.venue_next_door.lines import Line, accept, refusing
from infra.venue_next_door.reference_prices import LOOKBACK_S, Point, ReferencePrices, Series
from state.events import Asset
from state.units import NS_PER_MS, NS_PER_S

WIRE: Final = "rtds"
TOPICS: Final = {
    "crypto_prices": Series.BINANCE,
    "crypto_prices_chainlink": Series.CHAINLINK,
    "crypto_prices_twap_sixty": Series.AVERAGE,
}
TOPIC_OF: Final = {series: topic for topic, series in TOPICS.items()}
REPLAYED_MS: Final = {Series.BINANCE: 120_000, Series.CHAINLINK: 60_000, Series.AVERAGE: 60_000}
UNPINGED_NS: Final = 360 * NS_PER_S
"""So long after the last PING nothing is sent any more, and nobody says so (measured by others: about six minutes)."""


class Subscription(msgspec.Struct):
    """One topic with its filter, a text."""

    topic: str = ""
    type: str = ""
    filters: str = ""


class Wish(msgspec.Struct):
    """What a client says."""

    action: str = ""
    subscriptions: list[Subscription] = []


_WISH: Final = msgspec.json.Decoder(Wish)
_SYMBOL: Final = msgspec.json.Decoder(dict[str, str])
_encode: Final = msgspec.json.encode


def _symbol_of(series: Series, asset: Asset) -> str:
    return f"{asset.name.lower()}usdt" if series is Series.BINANCE else f"{asset.name.lower()}/usd"


class Client:
    """One connection and the topics that it hears."""

    def __init__(self, line: Line, number: int) -> None:
        """Take the connection's line."""
        self.line = line
        self.connection_id = base64.b64encode(hashlib.sha256(f"rtds {number}".encode()).digest()[:13]).decode()
        self.hears: dict[Series, frozenset[str]] = {}
        """Series -> symbols; none named: all."""
        self.pinged_ns = line.opened_ns


class Rtds:
    """Serves prices to whoever asks."""

    def __init__(self, engine: Engine) -> None:
        """Listen to an engine from now on."""
        self._engine = engine
        self._prices = ReferencePrices(engine, self.tell)
        self._clients: dict[Client, None] = {}
        self._numbers: Iterator[int] = itertools.count(1)

    def tell(self, series: Series, asset: Asset, point: Point) -> None:
        """Take a new point and send it to who hears its topic."""
        symbol = _symbol_of(series, asset)
        now_ns = self._engine.clock.now_ns()
        tail = b""
        for client in self._clients:
            symbols = client.hears.get(series)
            if symbols is None or (symbols and symbol not in symbols) or now_ns - client.pinged_ns > UNPINGED_NS:
                continue
            tail = tail or self._tail(series, symbol, point)
            client.line.send(b'{"connection_id":"' + client.connection_id.encode() + tail)

    def _tail(self, series: Series, symbol: str, point: Point) -> bytes:
        message = {
            "payload": _payload(series, symbol, point),
            "timestamp": self._engine.now_ns() // NS_PER_MS,
            "topic": TOPIC_OF[series],
            "type": "update",
        }
        return b'",' + _encode(message)[1:]

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Take one connection and live with it until it goes."""
        engine = self._engine
        socket = await accept(request)
        number = next(self._numbers)
        async with Line(socket, WIRE, engine.faults, engine.clock, number) as line:
            client = Client(line, number)
            self._clients[client] = None
            line.answer(b"")  # the greeting, as recorded
            try:
                async for text in line.incoming():
                    self._hear(client, text)
            finally:
                del self._clients[client]
        return socket

    def _hear(self, client: Client, text: bytes) -> None:
        if text.strip().upper() == b"PING":
            client.pinged_ns = self._engine.clock.now_ns()
            client.line.answer(b"")
            return
        try:
            wish = _WISH.decode(text)
        except msgspec.MsgspecError:
            return
        if wish.action == "unsubscribe":
            for subscription in wish.subscriptions:
                if subscription.topic in TOPICS:
                    client.hears.pop(TOPICS[subscription.topic], None)
        elif wish.action == "subscribe":
            self._subscribe(client, wish)

    def _subscribe(self, client: Client, wish: Wish) -> None:
        bad = next((s for s in wish.subscriptions if s.topic not in TOPICS or s.type not in ("update", "*")), None)
        if bad is not None:
            # One that is not known silences all of its array.
            words = f"topic: {bad.topic[:60]} and type: {bad.type[:20]} not found"
            client.line.answer(_encode({"body": {"message": words}, "statusCode": 401}))
            return
        for subscription in wish.subscriptions:
            series = TOPICS[subscription.topic]
            symbols, is_exact = _symbols(series, subscription.filters)
            self._replay(client, series, symbols)
            if is_exact:
                known = client.hears.get(series)
                client.hears[series] = symbols if known is None or not symbols else known | symbols

    def _replay(self, client: Client, series: Series, symbols: frozenset[str]) -> None:
        if self._engine.faults.is_on(Fault.NO_SNAPSHOT, WIRE):
            return
        for asset in Asset:
            symbol = _symbol_of(series, asset)
            points = self._prices.last(series, asset, REPLAYED_MS[series])
            if (symbols and symbol not in symbols) or (not symbols and not points):
                continue
            message = {
                "payload": _replayed(series, symbol, points),
                "timestamp": self._engine.now_ns() // NS_PER_MS,
                "topic": TOPIC_OF[series],
                "type": "subscribe",
            }
            client.line.send(_encode(message))


def _symbols(series: Series, filters: str) -> tuple[frozenset[str], bool]:
    """Give the symbols that a filter names, and whether it is written to the letter.

    Binance's are plain words with commas between; the others are JSON, and a single space in it means a replay and
    then nothing.
    """
    if not filters:
        return frozenset(), True
    if series is Series.BINANCE and not filters.startswith("{"):
        return frozenset(filters.split(",")), " " not in filters
    try:
        named = _SYMBOL.decode(filters)
    except msgspec.MsgspecError:
        return frozenset((filters,)), False
    symbol = named.get("symbol", "")
    return frozenset((symbol,)), filters == _encode({"symbol": symbol}).decode()


def _payload(series: Series, symbol: str, point: Point) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "full_accuracy_value": point.decimal_text if series is Series.BINANCE else point.e18_text,
        "symbol": symbol,
        "timestamp": point.at_ms,
        "value": point.usd,
    }
    return payload | ({"window_s": LOOKBACK_S} if series is Series.AVERAGE else {})


def _replayed(series: Series, symbol: str, points: list[Point]) -> dict[str, Any]:
    data = []
    for point in points:
        one: dict[str, Any] = {} if series is Series.BINANCE else {"full_accuracy_value": point.e18_text}
        data.append(one | {"timestamp": point.at_ms, "value": point.usd})
    return {"data": data, "symbol": symbol} | ({"window_s": LOOKBACK_S} if series is Series.AVERAGE else {})


def rtds_app(engine: Engine) -> web.Application:
    """Give the server of `/` (venue reference 4.3); it listens to the engine at once."""
    app = web.Application()
    app.router.add_get("/", partial(refusing(engine.faults, WIRE), handler=Rtds(engine).serve))
    return app
