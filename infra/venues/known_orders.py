"""Known orders: what we sent, by its hash, and how far each has come by all that the venue has said of it so far."""

from dataclasses import dataclass
from typing import Final

from infra.venues.amounts import SHARE_GRAIN_MICROS
from infra.venues.refusals import reject_of
from state.events import Side, Token
from state.orders import OrderState, Reject, TimeInForce

_ENDS: Final = (
    ("CANCELED_MARKET", Reject.MARKET_CLOSED),
    ("CANCELED_NOT_ENOUGH_BALANCE", Reject.NOT_ENOUGH_BALANCE),
    ("CANCELED_EXPIRED", Reject.EXPIRED),
    ("CANCELED_ORDER_TIMED_OUT", Reject.EXPIRED),
)
"""How a status begins -> why the order ended (venue reference 4.2); others are free text behind the first word."""

NO_TRADE: Final = "matched shares without a trade"
NO_FEE: Final = "a fee that cannot be reckoned"
UNRECKONED: Final = frozenset({NO_TRADE, NO_FEE})
"""Oddities that leave money out of the books."""
_UNANSWERED: Final = (
    OrderState.WANTED, OrderState.SIGNED, OrderState.SENT, OrderState.HELD, OrderState.UNKNOWN,
)  # fmt: skip


@dataclass(slots=True)
class KnownOrder:
    """One order of ours; `order_id` is the core's number, `order_hash` the world's."""

    order_hash: str
    order_id: int
    slot: int
    token_id: str
    token: Token
    side: Side
    price_bps: int
    amount_micros: int
    """Shares as sent, which may be a little less than the core asked for."""
    tif: TimeInForce
    changed_ns: int
    """When it was sent, or last heard of."""
    sent_ns: int = 0
    """When the core commanded it: no match of it is older."""
    told: OrderState = OrderState.WANTED
    """What the core was told last."""
    matched_micros: int = 0
    """In trades that we know, failed ones too: they used up the order."""
    stated_micros: int = 0
    """What the venue says has matched; more than the trades that we know when those are still on their way."""
    ended: bool = False
    end_reject: Reject = Reject.NONE
    is_over: bool = False
    """The core has been told that nothing is open any more."""
    assumed: bool = False
    """It is over because the venue did not know it, which may have been too early to say."""

    @property
    def takes_only(self) -> bool:
        """Say whether it never rests."""
        return self.tif in (TimeInForce.FAK, TimeInForce.FOK)

    @property
    def missing_micros(self) -> int:
        """Give the matched shares whose trades we do not know; dust of rounding is none (venue reference 5.4)."""
        missing = self.stated_micros - self.matched_micros
        return missing if missing >= SHARE_GRAIN_MICROS else 0

    @property
    def open_micros(self) -> int:
        """Give what may still match."""
        if self.ended:
            return 0
        return max(self.amount_micros - max(self.matched_micros, self.stated_micros), 0)

    @property
    def in_doubt(self) -> bool:
        """Say whether news of it should come by itself soon, so that silence is a reason to ask."""
        if self.is_over or self.ended:
            return self.missing_micros > 0
        return self.told in _UNANSWERED or self.missing_micros > 0


def no_match(tif: TimeInForce) -> Reject:
    """Give the reason of an order that found nobody."""
    return Reject.FOK_NOT_FILLED if tif is TimeInForce.FOK else Reject.FAK_NO_MATCH


def fate_of(kind: str, status: str, order: KnownOrder) -> tuple[OrderState, Reject] | None:
    """Say what an order message means for an order whose matched shares have been noted; None where it says nothing.

    Args:
        kind: PLACEMENT, UPDATE or CANCELLATION; empty in answers over REST.
        status: The venue's word, which may be free text (venue reference 4.2).
        order: The order that it is about.
    """
    word = status.upper().removeprefix("ORDER_STATUS_")
    if kind == "CANCELLATION" or word.startswith("CANCEL"):
        return OrderState.DONE, _end_of(word)
    if order.amount_micros - order.stated_micros < SHARE_GRAIN_MICROS:
        return OrderState.DONE, Reject.NONE
    if word.startswith("UNMATCHED"):
        return OrderState.DONE, no_match(order.tif)
    if word.startswith("INVALID"):
        return OrderState.DONE, reject_of(status)
    if word.startswith("DELAYED"):
        return OrderState.HELD, Reject.NONE
    if word == "MATCHED" and order.takes_only:
        return OrderState.DONE, Reject.NONE
    if word in ("LIVE", "MATCHED", ""):
        return (OrderState.HELD if order.takes_only else OrderState.RESTING), Reject.NONE
    reject = reject_of(status)
    return None if reject is Reject.FAILED else (OrderState.DONE, reject)


def _end_of(word: str) -> Reject:
    found = next((reject for start, reject in _ENDS if word.startswith(start)), None)
    if found is not None:
        return found
    reject = reject_of(word)
    return Reject.CANCELLED if reject in (Reject.FAILED, Reject.NOT_CANCELLABLE) else reject
