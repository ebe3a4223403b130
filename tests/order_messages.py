"""What the venue says of our orders, as its user channel and REST pages write it, for tests to tell stories with."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from infra.feeds.listings import Listing
from infra.venues.followed import Followed
from infra.venues.known_orders import KnownOrder
from infra.venues.order_news import OrderNews
from state.events import Asset, Kind, Side, Token
from state.orders import Liquidity, OrderState, Reject, TimeInForce
from state.rules import Rule
from state.units import BPS, MICROS, NS_PER_S

OPEN_S = 1_792_638_000
OPEN_NS = OPEN_S * NS_PER_S
API_KEY = "our-key"
STRANGER = "somebody"
UP_ID, DOWN_ID = "1" * 70, "2" * 70
SLOT = 3

LISTING = Listing(
    condition_id="0x" + "cd" * 32,
    slug=f"btc-updown-5m-{OPEN_S}",
    asset=Asset.BTC,
    open_ns=OPEN_NS,
    span_s=300,
    up_token=UP_ID,
    down_token=DOWN_ID,
    tick_bps=100,
    min_micros=5 * MICROS,
    rules={Rule.FEE_RATE_PPM: 70_000, Rule.FEE_EXPONENT: 1},
    accepting_orders=True,
)


def hash_of(number: int) -> str:
    return f"0x{number:064x}"


def token_id(token: Token) -> str:
    return UP_ID if token is Token.UP else DOWN_ID


def an_order(
    number: int = 1, token: Token = Token.UP, price_bps: int = 5_200, shares: float = 10,
    tif: TimeInForce = TimeInForce.GTC, side: Side = Side.BUY,
) -> KnownOrder:  # fmt: skip
    return KnownOrder(
        order_hash=hash_of(number), order_id=number, slot=SLOT, token_id=token_id(token), token=token, side=side,
        price_bps=price_bps, amount_micros=round(shares * MICROS), tif=tif, changed_ns=OPEN_NS,
    )  # fmt: skip


def some_news(*orders: KnownOrder) -> OrderNews:
    followed = Followed()
    followed.add(LISTING, SLOT)
    news = OrderNews(API_KEY, followed)
    for order in orders:
        news.expect(order)
    return news


def plain(micros_or_bps: int, scale: int) -> str:
    return str(Decimal(micros_or_bps) / scale)


def order_message(order: KnownOrder, kind: str, status: str, matched: float = 0, **changes: Any) -> dict[str, Any]:
    return {
        "event_type": "order", "type": kind, "id": order.order_hash, "owner": API_KEY, "order_owner": API_KEY,
        "maker_address": "0x22", "market": LISTING.condition_id, "asset_id": order.token_id,
        "outcome": order.token.name.title(), "side": order.side.name, "price": plain(order.price_bps, BPS),
        "original_size": plain(order.amount_micros, MICROS), "size_matched": str(matched) if matched else "",
        "order_type": order.tif.name, "status": status, "associate_trades": None, "created_at": str(OPEN_S + 1),
        "expiration": "0", "timestamp": str((OPEN_S + 1) * 1000),
    } | changes  # fmt: skip


@dataclass(frozen=True)
class Bit:
    """Our part in a trade."""

    order: KnownOrder
    price_bps: int
    shares_micros: int
    liquidity: Liquidity


def trade_message(
    trade_id: str, status: str, *bits: Bit, taker_token: Token = Token.UP, **changes: Any
) -> dict[str, Any]:
    """A trade with our parts in it; as maker the top level tells of a stranger who takes."""
    takers = [bit for bit in bits if bit.liquidity is Liquidity.TAKER]
    makers = [bit for bit in bits if bit.liquidity is Liquidity.MAKER]
    if takers:
        bit = takers[0]
        top = {
            "asset_id": bit.order.token_id, "side": bit.order.side.name, "price": plain(bit.price_bps, BPS),
            "size": plain(bit.shares_micros, MICROS), "taker_order_id": bit.order.order_hash, "trader_side": "TAKER",
            "owner": API_KEY,
        }  # fmt: skip
        shown = [_maker_entry(hash_of(999), STRANGER, bit.order.token_id, Side(1 - bit.order.side), bit)]
    else:
        top = {
            "asset_id": token_id(taker_token), "side": "BUY", "price": "0.5",
            "size": plain(sum(bit.shares_micros for bit in makers), MICROS), "taker_order_id": hash_of(998),
            "trader_side": "MAKER", "owner": API_KEY,
        }  # fmt: skip
        shown = [_maker_entry(b.order.order_hash, API_KEY, b.order.token_id, b.order.side, b) for b in makers]
    return {
        "event_type": "trade", "type": "TRADE", "id": trade_id, "status": status, "market": LISTING.condition_id,
        "outcome": "Up", "trade_owner": API_KEY, "fee_rate_bps": "0", "bucket_index": 0,
        "match_time": str(OPEN_S + 3), "last_update": str(OPEN_S + 3), "timestamp": str((OPEN_S + 3) * 1000),
        "transaction_hash": "", "maker_orders": shown,
    } | top | changes  # fmt: skip


def _maker_entry(order_hash: str, owner: str, token: str, side: Side, bit: Bit) -> dict[str, Any]:
    return {
        "order_id": order_hash, "owner": owner, "maker_address": "0x33", "asset_id": token, "outcome": "Up",
        "side": side.name, "matched_amount": plain(bit.shares_micros, MICROS), "price": plain(bit.price_bps, BPS),
        "fee_rate_bps": "0",
    }  # fmt: skip


def hear(news: OrderNews, *messages: dict[str, Any], at_s: float = 5) -> NDArray[Any]:
    told = [news.take(msgspec.json.encode(message), OPEN_NS + round(at_s * NS_PER_S)) for message in messages]
    return np.concatenate(told)


def in_words(rows: NDArray[Any]) -> list[str]:
    """Say what rows mean."""
    lines = []
    for row in rows:
        kind, amount = Kind(int(row["kind_code"])), Decimal(int(row["amount_micros"])) / MICROS
        head = f"order {row['ref_id']}"
        if kind is Kind.ORDER_CHANGED:
            why = Reject(int(row["flags_mask"]))
            reason = "" if why is Reject.NONE else f" ({why.name})"
            lines.append(f"{head}: {OrderState(int(row['code_id'])).name}, {amount} open{reason}")
        elif kind is Kind.FEE_CHARGED:
            lines.append(f"{head}: fee {amount}")
        else:
            token, price = Token(int(row["token_code"])).name, Decimal(int(row["price_bps"])) / BPS
            how = f" as {Liquidity(int(row['code_id'])).name.lower()}" if kind is Kind.FILLED else ""
            verb = kind.name.lower().replace("_", " ")
            side = Side(int(row["side_code"])).name.lower()
            lines.append(f"{head}: {verb} {side} {amount} {token} at {price}{how}")
    return lines
