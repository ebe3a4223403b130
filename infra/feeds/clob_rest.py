"""Answers of the venue's CLOB over REST: books, markets long and short, fee rates, orders, trades, and refusals.

Shapes: venue reference 2.3, 5.1 and 5.8 (state of 2026-11-22) and fixtures of its client libraries.
"""

from typing import Any, Final

import msgspec

from infra.feeds import polymarket_market, polymarket_user
from infra.feeds.figures import tick_bps_of
from infra.feeds.frames import Parsed, Reading, Refused, offbeat, read_frame, unread


class Token(msgspec.Struct, gc=False):
    """One outcome of a market; `winner` once it is decided."""

    token_id: str
    outcome: str
    price: float | None = None
    winner: bool | None = None


class Market(msgspec.Struct, gc=False):
    """`/markets/{condition}`; a young market may have no tokens for minutes."""

    condition_id: str
    tokens: list[Token]
    enable_order_book: bool | None = None
    accepting_orders: bool | None = None
    active: bool | None = None
    closed: bool | None = None
    archived: bool | None = None
    minimum_order_size: float | None = None
    minimum_tick_size: float | None = None
    seconds_delay: int | None = None
    neg_risk: bool | None = None
    market_slug: str = ""
    question_id: str | None = None
    end_date_iso: str | None = None
    accepting_order_timestamp: str | None = None


class ShortToken(msgspec.Struct, gc=False):
    """One outcome in the short form."""

    token_id: str = msgspec.field(name="t")
    outcome: str = msgspec.field(name="o")


class FeeCurve(msgspec.Struct, gc=False):
    """The fee curve in the short form."""

    rate: float | None = msgspec.field(name="r", default=None)
    exponent: float | None = msgspec.field(name="e", default=None)
    taker_only: bool | None = msgspec.field(name="to", default=None)


class ShortMarket(msgspec.Struct, gc=False):
    """`/clob-markets/{condition}`: what an order needs to know, in short keys."""

    tokens: list[ShortToken] = msgspec.field(name="t")
    condition_id: str = msgspec.field(name="c", default="")
    tick: float | None = msgspec.field(name="mts", default=None)
    min_size: float | None = msgspec.field(name="mos", default=None)
    neg_risk: bool | None = msgspec.field(name="nr", default=None)
    fees: FeeCurve | None = msgspec.field(name="fd", default=None)
    accepting_orders: bool | None = msgspec.field(name="ao", default=None)
    seconds_delay: int | None = msgspec.field(name="sd", default=None)
    taker_hold: bool | None = msgspec.field(name="itode", default=None)
    """Marketable orders are held; for how long is not said."""
    accepting_since: str | None = msgspec.field(name="aot", default=None)
    clear_book_on_start: bool | None = msgspec.field(name="cbos", default=None)


class FeeRate(msgspec.Struct, gc=False):
    """`/fee-rate`: a legacy number, not the fee."""

    base_fee: float


class Balance(msgspec.Struct, gc=False):
    """`/balance-allowance`: both in micros as text, though decimals have been seen."""

    balance: str
    allowance: str | None = None
    allowances: dict[str, str] | None = None


class Cancelled(msgspec.Struct, gc=False):
    """Which cancels were done, and why the others were not."""

    canceled: list[str]
    not_canceled: dict[str, str]


class Posted(msgspec.Struct, gc=False, rename="camel"):
    """What became of a posted order; `status` may be `delayed`, which is not `no fill`."""

    success: bool
    order_id: str | None = msgspec.field(name="orderID", default=None)
    error_msg: str | None = None
    status: str = ""
    making_amount: str = ""
    taking_amount: str = ""
    transactions_hashes: list[str] | None = None
    order_hashes: list[str] | None = None


class Fault(msgspec.Struct, gc=False):
    """The request failed."""

    error: str


class Page(msgspec.Struct, gc=False):
    """A page of orders or trades; `messages` are filled from `data` by `read_message`."""

    data: list[msgspec.Raw]
    next_cursor: str = ""
    limit: int | None = None
    count: int | None = None
    messages: list[Any] = []


_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_BY_FIELDS: Final[tuple[tuple[frozenset[str], type[msgspec.Struct]], ...]] = (
    (frozenset({"condition_id", "tokens"}), Market),
    (frozenset({"t", "mts"}), ShortMarket),
    (frozenset({"base_fee"}), FeeRate),
    (frozenset({"canceled", "not_canceled"}), Cancelled),
    (frozenset({"success"}), Posted),
    (frozenset({"data", "next_cursor"}), Page),
    (frozenset({"balance"}), Balance),
    (frozenset({"error"}), Fault),
)
_DECODERS: Final[dict[type[msgspec.Struct], msgspec.json.Decoder[Any]]] = {
    shape: msgspec.json.Decoder(shape, strict=False) for _, shape in _BY_FIELDS
}

UNREAD: Final = unread(
    Market=(
        "description fpmm game_start_time icon image is_50_50_outcome maker_base_fee neg_risk_market_id "
        "neg_risk_request_id notifications_enabled question rewards tags taker_base_fee"
    ),
    ShortMarket="mbf tbf gst rfqe ibce oas r",
)


def read_message(raw: bytes) -> Reading:
    """Read one object of an answer; raises as a `ReadOne` may."""
    names = _FIELDS.decode(raw).keys()
    if names >= {"bids", "asks", "asset_id"}:
        return polymarket_market.read_and_judge(raw)
    if "original_size" in names or "taker_order_id" in names:
        return polymarket_user.read_message(raw)
    shape = next((shape for must, shape in _BY_FIELDS if must <= names), None)
    if shape is None:
        offbeat("an answer this feed does not read")
    message = _DECODERS[shape].decode(raw)
    if isinstance(message, Page):
        message.messages = [polymarket_user.read_message(bytes(part)).message for part in message.data]
    elif isinstance(message, Market) and message.minimum_tick_size:
        tick_bps_of(message.minimum_tick_size)
    elif isinstance(message, ShortMarket) and message.tick:
        tick_bps_of(message.tick)
    return Reading(message, raw, shape)


def parse(raw: bytes, *, audit: bool = False) -> Parsed | Refused:
    """Say what an answer of the CLOB holds, or why it is refused; never raises."""
    return read_frame(raw, read_message, audit=audit, known=UNREAD)
