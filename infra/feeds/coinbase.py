"""Coinbase's two public sockets: Advanced Trade (`parse`) and Exchange (`parse_exchange`).

Shapes: venue reference 6.4 (state of 2026-11-22), a recorded Exchange session of 2021-04-17, and fixtures. On both, a
trade's `side` is the maker's: a maker who sold was taken by a buyer.
"""

from typing import Any, Final, Literal

import msgspec

from infra.feeds.figures import ns_of_iso, usd_of
from infra.feeds.frames import Parsed, Reading, Refused, offbeat, read_frame, unread


class TickerData(msgspec.Struct, gc=False):
    """One product's ticker; best prices may be missing in a quiet product."""

    product_id: str
    price: float | None = None
    best_bid: float | None = None
    best_bid_quantity: float | None = None
    best_ask: float | None = None
    best_ask_quantity: float | None = None
    type: str = ""


class TickerEvent(msgspec.Struct, gc=False):
    """A snapshot or update of tickers."""

    tickers: list[TickerData]
    type: str = ""


class TradeData(msgspec.Struct, gc=False):
    """One trade; `side` is the maker's."""

    trade_id: str
    product_id: str
    price: float
    size: float
    side: Literal["BUY", "SELL"]
    time: str


class TradeEvent(msgspec.Struct, gc=False):
    """Trades, newest first in a snapshot."""

    trades: list[TradeData]
    type: str = ""


class LevelData(msgspec.Struct, gc=False):
    """One level's new total."""

    side: Literal["bid", "offer"]
    price_level: float
    new_quantity: float
    event_time: str = ""


class LevelEvent(msgspec.Struct, gc=False):
    """A snapshot or update of a book."""

    product_id: str
    updates: list[LevelData]
    type: str = ""


class Beat(msgspec.Struct, gc=False):
    """One heartbeat; its counter has no gaps."""

    heartbeat_counter: int
    current_time: str = ""


class Subscribed(msgspec.Struct, gc=False):
    """All that the connection is subscribed to."""

    subscriptions: dict[str, list[str]]


class Tickers(msgspec.Struct, gc=False):
    """A `ticker` or `ticker_batch` message."""

    channel: str
    timestamp: str
    sequence_num: int
    events: list[TickerEvent]
    client_id: str = ""


class Trades(msgspec.Struct, gc=False):
    """A `market_trades` message."""

    channel: str
    timestamp: str
    sequence_num: int
    events: list[TradeEvent]
    client_id: str = ""


class Levels(msgspec.Struct, gc=False):
    """An `l2_data` message."""

    channel: str
    timestamp: str
    sequence_num: int
    events: list[LevelEvent]
    client_id: str = ""


class Heartbeats(msgspec.Struct, gc=False):
    """A `heartbeats` message."""

    channel: str
    timestamp: str
    sequence_num: int
    events: list[Beat]
    client_id: str = ""


class Subscriptions(msgspec.Struct, gc=False):
    """A `subscriptions` message."""

    channel: str
    timestamp: str
    sequence_num: int
    events: list[Subscribed]
    client_id: str = ""


class Fault(msgspec.Struct, gc=False):
    """A request of ours was refused, on either socket."""

    type: Literal["error"]
    message: str = ""
    reason: str = ""


class ExchangeTicker(msgspec.Struct, gc=False):
    """Exchange: last trade and best prices of one product."""

    type: str
    product_id: str
    price: float
    time: str = ""
    sequence: int = 0
    best_bid: float | None = None
    best_bid_size: float | None = None
    best_ask: float | None = None
    best_ask_size: float | None = None
    side: str = ""
    trade_id: int = 0
    last_size: float | None = None


class ExchangeMatch(msgspec.Struct, gc=False):
    """Exchange: one trade (`match`), or the last before we subscribed (`last_match`); `side` is the maker's."""

    type: Literal["match", "last_match"]
    trade_id: int
    product_id: str
    price: float
    size: float
    side: Literal["buy", "sell"]
    time: str
    sequence: int = 0
    maker_order_id: str = ""
    taker_order_id: str = ""


class ExchangeHeartbeat(msgspec.Struct, gc=False):
    """Exchange: one product's heartbeat."""

    type: str
    product_id: str
    sequence: int
    last_trade_id: int = 0
    time: str = ""


class ExchangeSnapshot(msgspec.Struct, gc=False):
    """Exchange: a full book, each level price and size."""

    type: str
    product_id: str
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]
    time: str = ""


class ExchangeLevels(msgspec.Struct, gc=False):
    """Exchange: changed levels, each side, price and new total."""

    type: str
    product_id: str
    changes: list[tuple[Literal["buy", "sell"], float, float]]
    time: str = ""


class ExchangeSubscriptions(msgspec.Struct, gc=False):
    """Exchange: all that the connection is subscribed to."""

    type: str
    channels: list[Any]


class Head(msgspec.Struct, gc=False):
    """As much of a message as tells its type."""

    channel: str = ""
    type: str = ""


_HEAD: Final = msgspec.json.Decoder(Head)
_CHANNELS: Final[dict[str, type[msgspec.Struct]]] = {
    "ticker": Tickers,
    "ticker_batch": Tickers,
    "market_trades": Trades,
    "l2_data": Levels,
    "heartbeats": Heartbeats,
    "subscriptions": Subscriptions,
}
_TYPES: Final[dict[str, type[msgspec.Struct]]] = {
    "ticker": ExchangeTicker,
    "match": ExchangeMatch,
    "last_match": ExchangeMatch,
    "heartbeat": ExchangeHeartbeat,
    "snapshot": ExchangeSnapshot,
    "l2update": ExchangeLevels,
    "subscriptions": ExchangeSubscriptions,
    "error": Fault,
}
_DECODERS: Final[dict[type[msgspec.Struct], msgspec.json.Decoder[Any]]] = {
    shape: msgspec.json.Decoder(shape, strict=False) for shape in {*_CHANNELS.values(), *_TYPES.values()}
}

UNREAD: Final = unread(
    TickerData="volume_24_h low_24_h high_24_h low_52_w high_52_w price_percent_chg_24_h",
    ExchangeTicker="open_24h volume_24h low_24h high_24h volume_30d",
)


def read_message(raw: bytes) -> Reading:
    """Read one Advanced Trade message; raises as a `ReadOne` may."""
    head = _HEAD.decode(raw)
    shape: type[msgspec.Struct] | None = _CHANNELS.get(head.channel)
    if head.type == "error":
        shape = Fault
    return _read_as(shape, head.channel or head.type, raw)


def read_exchange(raw: bytes) -> Reading:
    """Read one Exchange message; raises as a `ReadOne` may."""
    head = _HEAD.decode(raw)
    if head.type == "subscribe":
        offbeat("a request, not an answer")
    return _read_as(_TYPES.get(head.type), head.type, raw)


def _read_as(shape: type[msgspec.Struct] | None, kind: str, raw: bytes) -> Reading:
    if shape is None:
        offbeat(f"a type this feed does not read: {kind[:40]}" if kind else "of no known type")
    message = _DECODERS[shape].decode(raw)
    if isinstance(message, Trades):
        for event in message.events:
            for trade in event.trades:
                usd_of(trade.price)
                ns_of_iso(trade.time)
    elif isinstance(message, ExchangeMatch):
        usd_of(message.price)
        ns_of_iso(message.time)
    elif isinstance(message, Tickers):
        ns_of_iso(message.timestamp)
    elif isinstance(message, ExchangeTicker) and message.time:
        ns_of_iso(message.time)
    return Reading(message, raw, shape)


def parse(raw: bytes, *, audit: bool = False) -> Parsed | Refused:
    """Say what an Advanced Trade frame means, or why it is refused; never raises."""
    return read_frame(raw, read_message, audit=audit, known=UNREAD)


def parse_exchange(raw: bytes, *, audit: bool = False) -> Parsed | Refused:
    """Say what an Exchange frame means, or why it is refused; never raises."""
    return read_frame(raw, read_exchange, audit=audit, known=UNREAD)
