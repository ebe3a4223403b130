"""The venue's authenticated user channel: the lives of our orders and trades, whole and typed.

Shapes: venue reference 4.2 (state of 2026-11-22). What they mean for orders of ours is decided elsewhere; here nothing
that the venue said is lost. As maker, a trade's own side, token, price and size are the taker's.
"""

from typing import Any, Final, Literal

import msgspec

from infra.feeds.figures import bps_of, micros_of, ns_of_stamp
from infra.feeds.frames import Parsed, Reading, Refused, offbeat, read_frame

Side = Literal["BUY", "SELL"]
Clock = str | int
"""Seconds, milliseconds or ISO text, as text or number: `figures.ns_of_stamp` reads them all."""

TERMINAL: Final = frozenset({"CONFIRMED", "FAILED"})
"""Trade statuses after which nothing more comes; a MATCHED trade is not money."""


class OrderUpdate(msgspec.Struct, tag_field="event_type", tag="order", gc=False):
    """What became of one of our orders: `type` is PLACEMENT, UPDATE or CANCELLATION."""

    id: str
    asset_id: str
    side: Side
    price: float
    original_size: float
    type: str = ""
    status: str = ""
    """LIVE, MATCHED, DELAYED, CANCELED..., or free text that begins with one of these."""
    size_matched: str = ""
    """Empty means nothing yet; `matched_micros` reads it."""
    market: str = ""
    outcome: str = ""
    owner: str = ""
    order_owner: str = ""
    maker_address: str = ""
    order_type: str = ""
    associate_trades: list[str] | None = None
    created_at: Clock = ""
    expiration: Clock | None = None
    timestamp: Clock = ""


class MakerOrder(msgspec.Struct, gc=False):
    """One resting order that a trade matched; ours when its owner is."""

    order_id: str
    asset_id: str
    matched_amount: float
    price: float
    side: Side | None = None
    outcome: str = ""
    owner: str = ""
    maker_address: str = ""
    fee_rate_bps: str = ""


class TradeUpdate(msgspec.Struct, tag_field="event_type", tag="trade", gc=False):
    """One trade at one status; it comes again with each status, and (trade, order) is what to count once."""

    id: str
    asset_id: str
    side: Side
    price: float
    size: float
    status: str
    """MATCHED, MINED, CONFIRMED, RETRYING, FAILED; `settled_status` takes REST's prefix off."""
    taker_order_id: str = ""
    trader_side: str = ""
    maker_orders: list[MakerOrder] = []
    type: str = ""
    market: str = ""
    outcome: str = ""
    owner: str = ""
    trade_owner: str = ""
    maker_address: str = ""
    fee_rate_bps: str = ""
    bucket_index: int | None = None
    match_time: Clock = ""
    matchtime: Clock = ""
    last_update: Clock = ""
    timestamp: Clock = ""
    transaction_hash: str | None = None


Message = OrderUpdate | TradeUpdate

WORDS: Final = frozenset({b"PONG"})

_MESSAGE: Final = msgspec.json.Decoder(Message, strict=False)
_FIELDS: Final = msgspec.json.Decoder(dict[str, Any])


def matched_micros(order: OrderUpdate) -> int:
    """Give what of the order has matched so far, in micros."""
    try:
        return micros_of(float(order.size_matched or 0))
    except ValueError:
        return offbeat(f"size_matched {order.size_matched[:40]!r} is no number")


def matched_ns(trade: TradeUpdate) -> int:
    """Give when the trade matched, by the venue; 0 where it does not say."""
    return ns_of_stamp(str(trade.match_time or trade.matchtime))


def settled_status(trade: TradeUpdate) -> str:
    """Give the status without the prefix that REST answers may carry."""
    return trade.status.removeprefix("TRADE_STATUS_")


def read_message(raw: bytes) -> Reading:
    """Read one order or trade, of the channel or of a REST answer that has no `event_type`."""
    try:
        message = _MESSAGE.decode(raw)
    except msgspec.ValidationError:
        fields = _FIELDS.decode(raw)
        if "event_type" in fields:
            raise
        shape: type[msgspec.Struct]
        if "original_size" in fields:
            shape, tag = OrderUpdate, "order"
        elif "taker_order_id" in fields:
            shape, tag = TradeUpdate, "trade"
        else:
            offbeat("neither an order nor a trade")
        message = msgspec.convert(fields | {"event_type": tag}, shape, strict=False)
    judge(message)
    return Reading(message, raw, type(message))


def judge(message: Message) -> None:
    """Refuse figures that cannot be: prices off the mills, sizes below zero, times of no known unit."""
    bps_of(message.price)
    if isinstance(message, OrderUpdate):
        micros_of(message.original_size)
        matched_micros(message)
        ns_of_stamp(str(message.timestamp))
        return
    micros_of(message.size)
    matched_ns(message)
    for maker in message.maker_orders:
        bps_of(maker.price)
        micros_of(maker.matched_amount)


def parse(raw: bytes, *, audit: bool = False) -> Parsed | Refused:
    """Say what a frame of the user channel means, or why it is refused; never raises."""
    return read_frame(raw, read_message, words=WORDS, audit=audit)
