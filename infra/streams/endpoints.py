"""Endpoints: what is said on each wire, by whom it is kept alive, and what its limits are, as data.

Sources: venue reference 4 (the venue's own sockets) and 6 (exchanges); the symbols are those that the Decoder knows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

import msgspec

from infra.addresses import Addresses
from infra.feeds import polybolt, rtds
from infra.feeds.frames import Wire
from infra.feeds.quotes import SYMBOLS
from infra.venues.credentials import Credentials
from state.events import Asset

TOKENS_MOST: Final = 200
"""Tokens on one connection of the market channel: what others keep to; the venue states no cap (reference 4.1)."""

LOOKBACK_S: Final = 60
"""The one look-back for which PolyBolt has averages (reference 4.4)."""


@dataclass(frozen=True, slots=True)
class Ping:
    """How a wire wants to be told that we are still there; times are the clock's."""

    text: str
    every_s: float
    answers: frozenset[bytes] = frozenset()
    """Whole frames that are nothing but the answer; they go no further."""
    dead_s: float = 0.0
    """Without an answer for so long the connection is dead; 0: nobody counts on an answer."""
    when_quiet: bool = False
    """Only when nothing came for `every_s`."""


class Advice(IntEnum):
    """How to go on after a connection ended."""

    JITTER = 1
    """Full jitter from 1 to 30 s, the longer the more often it failed in a row."""
    AT_ONCE = 2
    """Without a pause, if the connection had been of use."""
    SPREAD = 3
    """After 0 to 10 s, drawn evenly: the server asks all its clients to come back."""
    LONG = 4
    """After minutes: the other side says that something about us is wrong."""
    STOP = 5
    """Not at all, before a person has mended it."""


CLOSES: Final[dict[int, Advice]] = {1013: Advice.AT_ONCE}
"""Close code -> how to go on; codes that are not here mean `JITTER`. 1013 is "slow consumer" (reference 4.1)."""

POLYBOLT_CLOSES: Final[dict[int, Advice]] = CLOSES | {
    4001: Advice.STOP,
    4002: Advice.JITTER,
    4003: Advice.SPREAD,
    4008: Advice.LONG,
}
"""Reference 4.4: authentication; slow or no pong; draining; policy."""


def _nothing() -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One wire: where it is, what is said first, and how its frames are told apart."""

    wire: Wire
    url: str
    first: Callable[[], Sequence[str]] = field(default=_nothing, repr=False)
    """Gives what is said on connecting; may hold keys, so it is made when needed and kept nowhere."""
    gate: bytes = b""
    """Where not empty: after the first of `first`, wait for a frame that holds this before the rest is said."""
    spacing_ms: float = 0.0
    """Pause between two frames of ours: the limit of the other side."""
    ping: Ping | None = None
    data_mark: bytes = b""
    """A frame that holds this is data; any other is an answer, a heartbeat or a notice, and proves no life."""
    complaint_mark: bytes = b""
    """A frame without data that holds this refuses something that we asked for."""
    fatal_mark: bytes = b""
    """A complaint that holds this is one that only a person can mend."""
    farewell_mark: bytes = b""
    """A frame without data that holds this says that the connection will be cut: connect anew before that."""
    closes: dict[int, Advice] = field(default_factory=lambda: CLOSES)


def _said(message: Any) -> str:
    return msgspec.json.encode(message).decode()


def _symbols(wire: Wire, assets: Sequence[Asset]) -> list[str]:
    """Give the wire's names of assets: the first that the Decoder knows for each."""
    return [next(name for (its, name), asset in SYMBOLS.items() if its is wire and asset is each) for each in assets]


# The venue's own sockets.


def market_first(tokens: Sequence[str]) -> list[str]:
    """Give the first frame of the market channel (reference 4.1)."""
    return [_said({"type": "market", "assets_ids": tokens, "custom_feature_enabled": True, "initial_dump": True})]


def market_more(tokens: Sequence[str]) -> str:
    """Give the frame that asks for more tokens."""
    return _said({"operation": "subscribe", "assets_ids": tokens, "custom_feature_enabled": True})


def market_less(tokens: Sequence[str]) -> str:
    """Give the frame that lets tokens go."""
    return _said({"operation": "unsubscribe", "assets_ids": tokens})


_VENUE_PING: Final = Ping("PING", 10.0, frozenset({b"PONG"}), dead_s=30.0)


def market(addresses: Addresses, tokens: Callable[[], Sequence[str]]) -> Endpoint:
    """The public market channel; `tokens` gives what is followed now."""
    return Endpoint(
        wire=Wire.POLYMARKET_MARKET, url=addresses.market_ws, first=lambda: market_first(tokens()),
        ping=_VENUE_PING, data_mark=b'"asset_id"', spacing_ms=50.0,
    )  # fmt: skip


def user(addresses: Addresses, credentials: Credentials) -> Endpoint:
    """The user channel, for all markets at once: no race when windows roll over (reference 4.2)."""
    return Endpoint(
        wire=Wire.POLYMARKET_USER, url=addresses.user_ws,
        first=lambda: [_said({"type": "user", "auth": credentials.spoken()})],
        ping=_VENUE_PING, data_mark=b'"event_type"',
    )  # fmt: skip


def polybolt_prices(addresses: Addresses, credentials: Credentials, assets: Sequence[Asset]) -> Endpoint:
    """PolyBolt: the average that windows settle on, and the price that it is made of (reference 4.4)."""

    def first() -> list[str]:
        said = [_said({"op": "auth", "rid": "a1", "auth": credentials.spoken()})]
        for number, symbol in enumerate(_symbols(Wire.POLYBOLT, assets)):
            average = {"channel": polybolt.AVERAGE, "filter": {"symbol": symbol, "window_seconds": LOOKBACK_S}}
            price = {"channel": polybolt.PRICE, "filter": {"symbol": symbol}}
            for mark, each in (("t", average), ("p", price)):
                said.append(_said({"op": "subscribe", "rid": f"{mark}{number}", "subscriptions": [each]}))
        return said

    return Endpoint(
        wire=Wire.POLYBOLT, url=addresses.polybolt, first=first, gate=b'"authed"', spacing_ms=110.0,
        data_mark=b'"payload"', complaint_mark=b'"code"', fatal_mark=b'"auth_invalid"', closes=POLYBOLT_CLOSES,
    )  # fmt: skip


def rtds_prices(addresses: Addresses, assets: Sequence[Asset]) -> Endpoint:
    """RTDS, the older socket, for when PolyBolt is not to be had: Chainlink alone, one topic a frame (reference 4.3).

    The filter is compact JSON within JSON: a space in it gives a replay and then silence. The topics with Binance's
    prices are left out, for Binance itself tells them sooner.
    """

    def first() -> list[str]:
        pairs = [symbol for symbol in _symbols(Wire.RTDS, assets) if "/" in symbol]
        return [
            _said(
                {
                    "action": "subscribe",
                    "subscriptions": [{"topic": topic, "type": kind, "filters": _said({"symbol": pair})}],
                }
            )
            for pair in pairs
            for topic, kind in ((rtds.CHAINLINK, "*"), ("crypto_prices_twap_sixty", "update"))
        ]

    return Endpoint(
        wire=Wire.RTDS, url=addresses.rtds, first=first, ping=Ping("PING", 5.0, frozenset({b"PONG", b""})),
        data_mark=b'"payload"', complaint_mark=b'"statusCode"',
    )  # fmt: skip


# Exchanges.


def binance(wire: Wire, address: str, assets: Sequence[Asset]) -> Endpoint:
    """Binance, spot or USD-M: best prices and trades; the server pings by protocol (reference 6.1)."""

    def first() -> list[str]:
        names = [f"{symbol.lower()}@{stream}" for symbol in _symbols(wire, assets) for stream in _BINANCE_STREAMS]
        return [_said({"method": "SUBSCRIBE", "params": names, "id": 1})]

    return Endpoint(
        wire=wire, url=f"{address}/ws", first=first, spacing_ms=250.0, data_mark=b'"s":', complaint_mark=b'"error"',
        farewell_mark=b'"serverShutdown"',
    )  # fmt: skip


_BINANCE_STREAMS: Final = ("bookTicker", "aggTrade")


def bybit(addresses: Addresses, assets: Sequence[Asset]) -> Endpoint:
    """Bybit: best prices and trades; at most ten topics a frame (reference 6.2)."""

    def first() -> list[str]:
        topics = [f"{kind}.{each}" for each in _symbols(Wire.BYBIT, assets) for kind in ("orderbook.1", "publicTrade")]
        return [
            _said({"op": "subscribe", "args": topics[at : at + 10], "req_id": str(at)})
            for at in range(0, len(topics), 10)
        ]

    return Endpoint(
        wire=Wire.BYBIT, url=addresses.bybit, first=first, ping=Ping('{"op":"ping"}', 20.0),
        data_mark=b'"topic"', complaint_mark=b'"success":false',
    )  # fmt: skip


def okx(addresses: Addresses, assets: Sequence[Asset]) -> Endpoint:
    """OKX: best prices tick by tick and trades; a text ping when nothing came for 25 s (reference 6.3)."""

    def first() -> list[str]:
        args = [
            {"channel": channel, "instId": each}
            for each in _symbols(Wire.OKX, assets)
            for channel in ("bbo-tbt", "trades")
        ]
        return [_said({"op": "subscribe", "args": args})]

    return Endpoint(
        wire=Wire.OKX, url=addresses.okx, first=first,
        ping=Ping("ping", 25.0, frozenset({b"pong"}), when_quiet=True),
        data_mark=b'"data"', complaint_mark=b'"error"', farewell_mark=b'"64008"',
    )  # fmt: skip


def coinbase_exchange(addresses: Addresses, assets: Sequence[Asset]) -> Endpoint:
    """Coinbase Exchange: tickers, matches, and a heartbeat a second (reference 6.4)."""

    def first() -> list[str]:
        products = _symbols(Wire.COINBASE_EXCHANGE, assets)
        return [_said({"type": "subscribe", "product_ids": products, "channels": ["ticker", "matches", "heartbeat"]})]

    return Endpoint(
        wire=Wire.COINBASE_EXCHANGE, url=addresses.coinbase_exchange, first=first,
        data_mark=b'"price"', complaint_mark=b'"error"',
    )  # fmt: skip


PUBLIC: Final = frozenset(
    {Wire.POLYMARKET_MARKET, Wire.RTDS, Wire.BINANCE_SPOT, Wire.BINANCE_USDM, Wire.BYBIT, Wire.OKX,
     Wire.COINBASE_EXCHANGE}
)  # fmt: skip
"""Wires that need no keys."""

PRIVATE: Final = frozenset({Wire.POLYMARKET_USER, Wire.POLYBOLT})
"""Wires that need the credentials of the venue's API."""

POLLED: Final = frozenset({Wire.GAMMA, Wire.CLOB_REST, Wire.POLYGON})
"""Wires that are asked over HTTP."""

EVERY: Final = PUBLIC | PRIVATE | POLLED


def endpoints(
    addresses: Addresses,
    wires: frozenset[Wire],
    assets: Sequence[Asset],
    credentials: Credentials | None,
    tokens: Callable[[], Sequence[str]],
) -> list[Endpoint]:
    """Give the sockets to connect to, in order of their wires; those that need credentials only if there are any."""
    made: dict[Wire, Callable[[], Endpoint]] = {
        Wire.POLYMARKET_MARKET: lambda: market(addresses, tokens),
        Wire.RTDS: lambda: rtds_prices(addresses, assets),
        Wire.BINANCE_SPOT: lambda: binance(Wire.BINANCE_SPOT, addresses.binance_spot, assets),
        Wire.BINANCE_USDM: lambda: binance(Wire.BINANCE_USDM, addresses.binance_usdm, assets),
        Wire.BYBIT: lambda: bybit(addresses, assets),
        Wire.OKX: lambda: okx(addresses, assets),
        Wire.COINBASE_EXCHANGE: lambda: coinbase_exchange(addresses, assets),
    }
    if credentials is not None:
        made[Wire.POLYMARKET_USER] = lambda: user(addresses, credentials)
        made[Wire.POLYBOLT] = lambda: polybolt_prices(addresses, credentials, assets)
    return [made[wire]() for wire in sorted(made) if wire in wires]
