"""Bybit v5 public streams: order book, trades, tickers, and the answers to what we ask.

Shapes: venue reference 6.2 (state of 2026-11-22). No recorded session was to be had: fixtures only.
"""

from typing import Any, Final, Literal

import msgspec

from infra.feeds.figures import usd_of
from infra.feeds.frames import Parsed, Reading, Refused, offbeat, read_frame, unread

Rung = tuple[float, float]
"""Price and total size at it; 0 removes the level."""


class BookData(msgspec.Struct, gc=False):
    """Levels of one symbol, best first; `update_id` 1 says that the service restarted."""

    symbol: str = msgspec.field(name="s")
    bids: list[Rung] = msgspec.field(name="b")
    asks: list[Rung] = msgspec.field(name="a")
    update_id: int = msgspec.field(name="u", default=0)
    seq: int = 0


class OrderBook(msgspec.Struct, gc=False):
    """A snapshot (all we know) or a delta (what changed) of an order book."""

    topic: str
    type: Literal["snapshot", "delta"]
    ts: int
    data: BookData
    cts: int = 0
    """When the matching engine made it, in ms; 0 where not given."""


class TradeData(msgspec.Struct, gc=False):
    """One trade; `side` is the taker's."""

    trade_ms: int = msgspec.field(name="T")
    symbol: str = msgspec.field(name="s")
    side: Literal["Buy", "Sell"] = msgspec.field(name="S")
    size: float = msgspec.field(name="v")
    price: float = msgspec.field(name="p")
    trade_id: str = msgspec.field(name="i", default="")
    block: bool = msgspec.field(name="BT", default=False)
    direction: str = msgspec.field(name="L", default="")
    seq: int = 0


class Trades(msgspec.Struct, gc=False):
    """Trades since the last such message."""

    topic: str
    ts: int
    data: list[TradeData]
    type: str = ""


class TickerData(msgspec.Struct, gc=False, rename="camel"):
    """A ticker; a delta carries only what changed, and spot never carries bid and ask."""

    symbol: str
    last_price: float | None = None
    mark_price: float | None = None
    index_price: float | None = None
    bid: float | None = msgspec.field(name="bid1Price", default=None)
    bid_size: float | None = msgspec.field(name="bid1Size", default=None)
    ask: float | None = msgspec.field(name="ask1Price", default=None)
    ask_size: float | None = msgspec.field(name="ask1Size", default=None)


class Ticker(msgspec.Struct, gc=False):
    """A ticker message."""

    topic: str
    ts: int
    data: TickerData
    type: str = ""
    cs: int = 0
    id: str = ""


class Answer(msgspec.Struct, gc=False):
    """The answer to subscribe, ping or auth; spot says `conn_id`, account streams say `connId`."""

    op: str
    success: bool | None = None
    ret_msg: str = ""
    conn_id: str = ""
    req_id: str = ""
    ret_text: str = msgspec.field(name="retMsg", default="")
    ret_code: int = msgspec.field(name="retCode", default=0)
    connection: str = msgspec.field(name="connId", default="")
    args: list[Any] | None = None


class Head(msgspec.Struct, gc=False):
    """As much of a message as tells its type."""

    topic: str = ""
    op: str = ""


_HEAD: Final = msgspec.json.Decoder(Head)
_ANSWERS: Final = frozenset({"subscribe", "unsubscribe", "ping", "pong", "auth"})
_TOPICS: Final[tuple[tuple[str, type[msgspec.Struct]], ...]] = (
    ("orderbook.", OrderBook),
    ("publicTrade.", Trades),
    ("trade.", Trades),
    ("tickers.", Ticker),
)
_DECODERS: Final[dict[type[msgspec.Struct], msgspec.json.Decoder[Any]]] = {
    shape: msgspec.json.Decoder(shape, strict=False) for shape in (OrderBook, Trades, Ticker, Answer)
}

_TICKER_UNREAD: Final = """
    tickDirection price24hPcnt prevPrice24h highPrice24h lowPrice24h prevPrice1h openInterest openInterestValue
    turnover24h volume24h nextFundingTime fundingRate fundingIntervalHour fundingCap bidPrice bidSize bidIv askPrice
    askSize askIv markPriceIv underlyingPrice totalVolume totalTurnover delta gamma vega theta
    predictedDeliveryPrice change24h usdIndexPrice
"""
UNREAD: Final = unread(TickerData=_TICKER_UNREAD)


def read_message(raw: bytes) -> Reading:
    """Read one message; raises as a `ReadOne` may."""
    head = _HEAD.decode(raw)
    shape = _shape(head)
    message = _DECODERS[shape].decode(raw)
    if isinstance(message, Trades):
        for trade in message.data:
            usd_of(trade.price)
    elif isinstance(message, OrderBook):
        for price, _ in (*message.data.bids[:1], *message.data.asks[:1]):
            usd_of(price)
    return Reading(message, raw, shape)


def _shape(head: Head) -> type[msgspec.Struct]:
    if head.op in _ANSWERS:
        return Answer
    for prefix, shape in _TOPICS:
        if head.topic.startswith(prefix):
            return shape
    kind = head.topic or head.op
    return offbeat(f"a type this feed does not read: {kind[:40]}" if kind else "of no known type")


def parse(raw: bytes, *, audit: bool = False) -> Parsed | Refused:
    """Say what a Bybit frame means, or why it is refused; never raises."""
    return read_frame(raw, read_message, audit=audit, known=UNREAD)
