"""The messages of the user channel: an order's news and a trade's, with the other side as the venue would name it.

Shapes: venue reference 4.2. Who stood on the other side of a match is the market's crowd; it gets ids that are made
from the trade's own, so that the same trade always has the same other side.
"""

import hashlib
from typing import Any, Final

import msgspec

from infra.venue_next_door.nouns import Account, OrderStatus, PlacedOrder, Trade
from infra.venue_next_door.shown_books import SIDE_TEXTS, ms_text, price_text, size_text
from state.events import Side, Token
from state.orders import TimeInForce
from state.units import BPS, NS_PER_S

OUTCOMES: Final = ("Up", "Down")


def order_news(account: Account, order: PlacedOrder, news: str, now_ns: int) -> bytes:
    """Tell what became of an order: `news` is PLACEMENT, UPDATE or CANCELLATION."""
    status: str = order.status
    if order.status is OrderStatus.CANCELED and order.tif in (TimeInForce.FOK, TimeInForce.FAK) and order.reason:
        status = f"{order.status}_{order.reason}"  # as a killed FOK has been seen (fixture of a client)
    message: dict[str, Any] = {
        "asset_id": order.window.tokens[order.token],
        "associate_trades": list(order.trade_ids) or None,
        "created_at": str(order.created_ns // NS_PER_S),
        "event_type": "order",
        "expiration": str(order.expiration_s),
        "id": order.order_hash,
        "maker_address": order.maker_address,
        "market": order.window.condition_id,
        "order_owner": account.api_key,
        "order_type": order.tif.name,
        "original_size": size_text(order.amount_micros),
        "outcome": OUTCOMES[order.token],
        "owner": account.api_key,
        "price": price_text(order.price_bps),
        "side": SIDE_TEXTS[order.side],
        "size_matched": size_text(order.matched_micros),
        "status": status,
        "timestamp": ms_text(now_ns),
        "type": news,
    }
    return msgspec.json.encode(message)


def made_hex(trade: Trade, what: str, digits: int) -> str:
    """Give hex digits that belong to a trade and a word, always the same."""
    return hashlib.sha256(f"{trade.trade_id} {what}".encode()).hexdigest()[:digits]


def _made_key(trade: Trade, what: str) -> str:
    digits = made_hex(trade, what, 32)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _crosses(trade: Trade) -> bool:
    """Say whether the other side dealt in the other token: a mint of pairs, or a merge."""
    return made_hex(trade, "crosses", 1) in "01234567"


def _other_side(trade: Trade) -> tuple[Token, Side, int]:
    """Give token, side and price of who stood opposite."""
    order = trade.order
    if _crosses(trade):
        return Token(1 - order.token), order.side, BPS - trade.price_bps
    return order.token, Side(1 - order.side), trade.price_bps


def trade_news(account: Account, trade: Trade, now_ns: int) -> bytes:
    """Tell a trade at its present status.

    As maker, side, token, price and size at the top are the taker's, and ours is the entry among `maker_orders`; when
    the two deal in different tokens, prices are complementary.
    """
    order, window = trade.order, trade.order.window
    other_token, other_side, other_bps = _other_side(trade)
    ours = (order.token, order.side, trade.price_bps)
    theirs = (other_token, other_side, other_bps)
    taker, maker = (theirs, ours) if trade.is_maker else (ours, theirs)
    address = "0x" + made_hex(trade, "address", 40)
    message: dict[str, Any] = {
        "asset_id": window.tokens[taker[0]],
        "bucket_index": 0,
        "event_type": "trade",
        "fee_rate_bps": "0",
        "id": trade.told_id,
        "last_update": str(trade.changed_ns // NS_PER_S),
        "maker_address": address if trade.is_maker else order.maker_address,
        "maker_orders": [
            {
                "asset_id": window.tokens[maker[0]],
                "fee_rate_bps": "0",
                "maker_address": order.maker_address if trade.is_maker else address,
                "matched_amount": size_text(trade.amount_micros),
                "order_id": order.order_hash if trade.is_maker else "0x" + made_hex(trade, "order", 64),
                "outcome": OUTCOMES[maker[0]],
                "owner": account.api_key if trade.is_maker else _made_key(trade, "owner"),
                "price": price_text(maker[2]),
                "side": SIDE_TEXTS[maker[1]],
            }
        ],
        "market": window.condition_id,
        "match_time": str(trade.matched_ns // NS_PER_S),
        "outcome": OUTCOMES[taker[0]],
        "owner": account.api_key,
        "price": price_text(taker[2]),
        "side": SIDE_TEXTS[taker[1]],
        "size": size_text(trade.amount_micros),
        "status": str(trade.status),
        "taker_order_id": "0x" + made_hex(trade, "order", 64) if trade.is_maker else order.order_hash,
        "timestamp": ms_text(now_ns),
        "trade_owner": account.api_key,
        "trader_side": "MAKER" if trade.is_maker else "TAKER",
        "transaction_hash": trade.transaction_hash,
        "type": "TRADE",
    }
    return msgspec.json.encode(message)
