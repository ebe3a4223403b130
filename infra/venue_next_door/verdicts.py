"""Verdicts: what the matching model's refusals and ends are in the venue's words (venue reference 4.2, 5.8)."""

from decimal import Decimal
from typing import Final

from infra.venue_next_door.nouns import OrderStatus, PlacedOrder
from infra.venue_next_door.refusals import BAD_EXPIRATION, NO_ALLOWANCE, NO_BOOK, NOT_READY, NOT_RUN, TOO_EARLY
from state.exchange import VENUE_ORDERS
from state.orders import Reject
from state.units import BPS, MICROS

GONE: Final = "order can't be found - already canceled or matched"
HELD: Final = "the order is delayed and can't be canceled"
"""Since 2026-06-05 held orders cannot be cancelled (venue reference 3.4); how the venue says so is not known."""

FOK_KILLED: Final = "order couldn't be fully filled. FOK orders are fully filled or killed."
FAK_KILLED: Final = (
    "no orders found to match with FAK order. FAK orders are partially filled or killed if no match is found."
)

END_STATUSES: Final = {
    Reject.MARKET_CLOSED: OrderStatus.CANCELED_MARKET_RESOLVED,
    Reject.EXPIRED: OrderStatus.CANCELED_EXPIRED_ORDER,
}
END_TEXTS: Final = {
    Reject.FOK_NOT_FILLED: FOK_KILLED,
    Reject.FAK_NO_MATCH: FAK_KILLED,
    Reject.MARKET_NOT_READY: NOT_READY,
    Reject.RESTARTING: TOO_EARLY,
}

_TEXTS: Final = {
    Reject.POST_ONLY_WOULD_CROSS: (400, "invalid post-only order: order crosses book"),
    Reject.FOK_NOT_FILLED: (400, FOK_KILLED),
    Reject.FAK_NO_MATCH: (400, FAK_KILLED),
    Reject.MARKET_NOT_READY: (400, NOT_READY),
    Reject.MARKET_CLOSED: (404, NO_BOOK),
    Reject.EXPIRED: (400, BAD_EXPIRATION),
    Reject.RESTARTING: (425, TOO_EARLY),
    Reject.TOO_MANY_ORDERS: (400, f"too many open orders: {VENUE_ORDERS} at most"),
}
"""The last is our own limit, and worded so that nobody takes it for the venue's."""


def _text(value: Decimal) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def duplicated(order_hash: str) -> str:
    """Word the refusal of an order that was accepted before."""
    return f"order {order_hash} is invalid. Duplicated."


def uncovered(cash: int, locked: int, matched: int, need: int) -> str:
    """Word the refusal of an order that balance does not cover, with the figures that the venue gives."""
    return (
        f"{NO_ALLOWANCE}: the balance is not enough -> balance: {cash}, sum of active orders: {locked}, "
        f"sum of matched orders: {matched}, order amount: {need}"
    )


def refusal_of(reject: Reject, order: PlacedOrder) -> tuple[int, str]:
    """Give the HTTP status and the words of the model's refusal of an order."""
    if reject in (Reject.OFF_TICK, Reject.PRICE_OUT_OF_RANGE):
        price, tick = (_text(Decimal(bps) / BPS) for bps in (order.price_bps, order.window.tick_bps))
        return 400, f"order {order.order_hash} is invalid. Price ({price}) breaks minimum tick size rule: {tick}"
    if reject is Reject.BELOW_MIN_SHARES:
        size, least = _text(Decimal(order.amount_micros) / MICROS), order.window.min_shares
        return 400, f"order {order.order_hash} is invalid. Size ({size}) lower than the minimum: {least}"
    if reject is Reject.BELOW_MIN_NOTIONAL:
        spent = _text(Decimal(order.amount_micros) * order.price_bps / BPS / MICROS)
        return 400, f"invalid amount for a marketable {order.side.name} order (${spent}), min size: $1"
    return _TEXTS.get(reject, (500, NOT_RUN))
