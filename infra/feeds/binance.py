"""Binance market streams: spot, USD-M and COIN-M, raw or in the combined-stream envelope.

Shapes: venue reference 6.1 (state of 2026-11-22) and recorded frames of 2021 and 2024. Spot's `bookTicker` has neither
an event name nor a time; it is known by its fields.
"""

from typing import Any, Final

import msgspec

from infra.feeds.figures import usd_of
from infra.feeds.frames import Parsed, Reading, Refused, offbeat, read_frame, unread

Rung = tuple[float, float]
"""Price and total size at it; 0 removes the level."""


class BookTicker(msgspec.Struct, gc=False):
    """Best bid and ask of a symbol; times only on futures."""

    update_id: int = msgspec.field(name="u")
    symbol: str = msgspec.field(name="s")
    bid: float = msgspec.field(name="b")
    bid_size: float = msgspec.field(name="B")
    ask: float = msgspec.field(name="a")
    ask_size: float = msgspec.field(name="A")
    event_ms: int = msgspec.field(name="E", default=0)
    trade_ms: int = msgspec.field(name="T", default=0)
    pair: str = msgspec.field(name="ps", default="")
    kind: str = msgspec.field(name="e", default="bookTicker")


class Trade(msgspec.Struct, gc=False):
    """One trade; `buyer_is_maker` means that the taker sold."""

    trade_id: int = msgspec.field(name="t")
    symbol: str = msgspec.field(name="s")
    price: float = msgspec.field(name="p")
    size: float = msgspec.field(name="q")
    buyer_is_maker: bool = msgspec.field(name="m")
    event_ms: int = msgspec.field(name="E", default=0)
    trade_ms: int = msgspec.field(name="T", default=0)
    origin: str = msgspec.field(name="X", default="")
    """On futures MARKET for a match; INSURANCE_FUND and ADL are not anybody's taking."""
    kind: str = msgspec.field(name="e", default="trade")


class AggTrade(msgspec.Struct, gc=False):
    """Trades of one taker order at one price, together."""

    aggregate_id: int = msgspec.field(name="a")
    symbol: str = msgspec.field(name="s")
    price: float = msgspec.field(name="p")
    size: float = msgspec.field(name="q")
    buyer_is_maker: bool = msgspec.field(name="m")
    first_id: int = msgspec.field(name="f", default=0)
    last_id: int = msgspec.field(name="l", default=0)
    event_ms: int = msgspec.field(name="E", default=0)
    trade_ms: int = msgspec.field(name="T", default=0)
    kind: str = msgspec.field(name="e", default="aggTrade")


class DepthUpdate(msgspec.Struct, gc=False):
    """Levels that changed between two update ids; on futures with the last id of the update before."""

    symbol: str = msgspec.field(name="s")
    first_id: int = msgspec.field(name="U")
    last_id: int = msgspec.field(name="u")
    bids: list[Rung] = msgspec.field(name="b")
    asks: list[Rung] = msgspec.field(name="a")
    event_ms: int = msgspec.field(name="E", default=0)
    trade_ms: int = msgspec.field(name="T", default=0)
    previous_id: int | None = msgspec.field(name="pu", default=None)
    pair: str = msgspec.field(name="ps", default="")
    kind: str = msgspec.field(name="e", default="depthUpdate")


class DepthSnapshot(msgspec.Struct, gc=False):
    """A REST answer (or partial-depth message): levels of both sides at one update id."""

    last_id: int = msgspec.field(name="lastUpdateId")
    bids: list[Rung]
    asks: list[Rung]
    event_ms: int = msgspec.field(name="E", default=0)
    trade_ms: int = msgspec.field(name="T", default=0)
    symbol: str = ""
    pair: str = ""


class Shutdown(msgspec.Struct, gc=False):
    """The server is about to close this connection."""

    kind: str = msgspec.field(name="e", default="serverShutdown")
    event_ms: int = msgspec.field(name="E", default=0)


class Answer(msgspec.Struct, gc=False):
    """What became of a request of ours, by its id."""

    id: int | str | None
    result: Any = None


class Fault(msgspec.Struct, gc=False):
    """A request of ours was refused."""

    error: dict[str, Any]
    id: int | str | None = None


class Head(msgspec.Struct, gc=False):
    """As much of a message as tells its type; also the combined-stream envelope."""

    kind: str = msgspec.field(name="e", default="")
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


_HEAD: Final = msgspec.json.Decoder(Head)
_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SHAPES: Final[dict[str, type[msgspec.Struct]]] = {
    "bookTicker": BookTicker,
    "trade": Trade,
    "aggTrade": AggTrade,
    "depthUpdate": DepthUpdate,
    "serverShutdown": Shutdown,
}
_UNNAMED: Final[tuple[tuple[set[str], type[msgspec.Struct]], ...]] = (
    ({"lastUpdateId"}, DepthSnapshot),
    ({"error"}, Fault),
    ({"id", "result"}, Answer),
)
_READ: Final[list[type[msgspec.Struct]]] = [*_SHAPES.values(), DepthSnapshot, Answer, Fault]
_DECODERS: Final = {shape: msgspec.json.Decoder(shape, strict=False) for shape in _READ}
_TICKER: Final = msgspec.json.Decoder(BookTicker, strict=False)

UNREAD: Final = unread(BookTicker="st", AggTrade="st", DepthUpdate="st", Trade="M st")
"""`st` and `M` have no use that the venue would tell of."""


def read_message(raw: bytes) -> Reading:
    """Read one message, taking it out of its envelope first; raises as a `ReadOne` may."""
    head = _HEAD.decode(raw)
    wrapper = None
    if head.stream:
        raw, wrapper = bytes(head.data), Head
        head = _HEAD.decode(raw)
    message = _read_named(head.kind, raw) if head.kind else _read_unnamed(raw)
    if isinstance(message, BookTicker):
        usd_of(message.bid)
        usd_of(message.ask)
    elif isinstance(message, Trade | AggTrade):
        usd_of(message.price)
    return Reading(message, raw, type(message), wrapper)


def _read_named(kind: str, raw: bytes) -> Any:
    shape = _SHAPES.get(kind)
    if shape is None:
        offbeat(f"a type this feed does not read: {kind[:40]}")
    return _DECODERS[shape].decode(raw)


def _read_unnamed(raw: bytes) -> Any:
    try:
        return _TICKER.decode(raw)  # nearly all that has no name is spot's best prices
    except msgspec.ValidationError:
        names = _FIELDS.decode(raw).keys()
    if names >= {"u", "s", "b", "B", "a", "A"}:
        return _TICKER.decode(raw)  # fails as before, and the reason is told
    for must, shape in _UNNAMED:
        if must <= names:
            return _DECODERS[shape].decode(raw)
    return offbeat("of no known type")


def parse(raw: bytes, *, audit: bool = False) -> Parsed | Refused:
    """Say what a Binance frame means, or why it is refused; never raises."""
    return read_frame(raw, read_message, audit=audit, known=UNREAD)
