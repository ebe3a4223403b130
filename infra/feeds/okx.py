"""OKX v5 public streams: best bid/offer, tickers, trades, books, answers and notices.

Shapes: venue reference 6.3 (state of 2026-11-22), a recorded session of 2022-05-13, and fixtures.
"""

from typing import Any, Final, Literal

import msgspec

from infra.feeds.figures import usd_of
from infra.feeds.frames import Parsed, Reading, Refused, offbeat, read_frame, unread

Rung = tuple[float, float, float, float]
"""Price, size, a zero kept for old times' sake, and the number of orders."""


class Arg(msgspec.Struct, gc=False, rename="camel"):
    """What a message is about."""

    channel: str
    inst_id: str = ""
    inst_type: str = ""


class BookData(msgspec.Struct, gc=False, rename="camel"):
    """Levels of both sides, best first."""

    asks: list[Rung]
    bids: list[Rung]
    ts: int
    seq_id: int | None = None
    prev_seq_id: int | None = None
    checksum: int | None = None
    inst_id: str = ""


class Books(msgspec.Struct, gc=False):
    """A `bbo-tbt` or `books*` message: `action` says snapshot or update where both occur."""

    arg: Arg
    data: list[BookData]
    action: str = ""


class TickerData(msgspec.Struct, gc=False, rename="camel"):
    """A ticker with best bid and offer; an empty side is empty text."""

    inst_id: str
    ts: int
    last: str = ""
    last_sz: str = ""
    ask_px: str = ""
    ask_sz: str = ""
    bid_px: str = ""
    bid_sz: str = ""
    inst_type: str = ""


class Tickers(msgspec.Struct, gc=False):
    """A `tickers` message."""

    arg: Arg
    data: list[TickerData]


class TradeData(msgspec.Struct, gc=False, rename="camel"):
    """One trade, or `count` of one taker at one price; `side` is the taker's."""

    inst_id: str
    trade_id: str
    px: float
    sz: float
    side: Literal["buy", "sell"]
    ts: int
    count: int = 1
    seq_id: int | None = None
    source: str = ""


class Trades(msgspec.Struct, gc=False):
    """A `trades` message."""

    arg: Arg
    data: list[TradeData]


class Notice(msgspec.Struct, gc=False, rename="camel"):
    """Anything with an `event`: subscribe, unsubscribe, error, channel-conn-count, or the notice before maintenance."""

    event: str
    arg: dict[str, Any] | None = None
    code: str = ""
    msg: str = ""
    conn_id: str = ""
    channel: str = ""
    conn_count: str = ""
    id: str = ""


class Head(msgspec.Struct, gc=False):
    """As much of a message as tells its type."""

    event: str = ""
    arg: Arg | None = None
    op: str = ""


MAINTENANCE_CODE: Final = "64008"
"""The connection will be cut for an upgrade: connect anew elsewhere."""

WORDS: Final = frozenset({b"pong"})

_HEAD: Final = msgspec.json.Decoder(Head)
_CHANNELS: Final[dict[str, type[msgspec.Struct]]] = {
    "bbo-tbt": Books,
    "books": Books,
    "books5": Books,
    "books-l2-tbt": Books,
    "books50-l2-tbt": Books,
    "tickers": Tickers,
    "trades": Trades,
    "trades-all": Trades,
}
_DECODERS: Final[dict[type[msgspec.Struct], msgspec.json.Decoder[Any]]] = {
    shape: msgspec.json.Decoder(shape, strict=False) for shape in (Books, Tickers, Trades, Notice)
}

UNREAD: Final = unread(TickerData="open24h high24h low24h sodUtc0 sodUtc8 volCcy24h vol24h")


def read_message(raw: bytes) -> Reading:
    """Read one message; raises as a `ReadOne` may."""
    head = _HEAD.decode(raw)
    shape = _shape(head)
    message = _DECODERS[shape].decode(raw)
    if isinstance(message, Trades):
        for trade in message.data:
            usd_of(trade.px)
    return Reading(message, raw, shape)


def _shape(head: Head) -> type[msgspec.Struct]:
    if head.event:
        return Notice
    if head.op:
        offbeat("a request, not an answer")
    if head.arg is None:
        offbeat("of no known type")
    shape = _CHANNELS.get(head.arg.channel)
    return offbeat(f"a type this feed does not read: {head.arg.channel[:40]}") if shape is None else shape


def parse(raw: bytes, *, audit: bool = False) -> Parsed | Refused:
    """Say what an OKX frame means, or why it is refused; never raises."""
    return read_frame(raw, read_message, words=WORDS, audit=audit, known=UNREAD)
