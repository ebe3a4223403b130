"""Reconcile: hold what the venue lists against what we know, after a start and after every gap of the user channel."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infra.feeds.polymarket_user import OrderUpdate, TradeUpdate
from infra.venues.followed import Followed
from infra.venues.known_orders import KnownOrder
from infra.venues.order_news import NO_ROWS, OrderNews
from state.events import Side, Token
from state.orders import Act, OrderState, TimeInForce

Rows = NDArray[Any]

LISTED: tuple[OrderState, ...] = (OrderState.RESTING, OrderState.CANCEL_SENT)
"""States in which an order must be in the venue's list; held and unanswered ones are asked for one by one."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What came of it."""

    rows: Rows
    """What the core must hear."""
    to_cancel: tuple[str, ...] = ()
    """Hashes of orders that live at the venue and that nobody here knows, or that are over to the core."""
    gone: tuple[str, ...] = ()
    """Hashes of orders that the venue does not list any more."""


def reconcile(
    news: OrderNews,
    open_orders: Iterable[OrderUpdate],
    trades: Iterable[TradeUpdate],
    asked_ns: int,
    seen_ns: int,
    *,
    everywhere: bool = True,
) -> Reconciled:
    """Tell what was missed, and what must be cancelled.

    Args:
        news: What we know; it is brought up to date.
        open_orders: All that the venue lists as open.
        trades: Its trades in the followed windows since the last that we are sure of.
        asked_ns: When the list was asked for: an order that changed later than that proves nothing by its absence.
        seen_ns: Now.
        everywhere: Cancel unknown orders in markets that are not followed, too; not right after a start, when
            windows of before may not have been prepared yet.
    """
    followed = set(news.followed.conditions.values())
    expected = [
        order
        for order in news.orders.values()
        if not order.is_over and (order.told in LISTED or order.ended) and order.changed_ns < asked_ns
    ]
    told = [news.read(trade, seen_ns) for trade in trades]
    listed: set[str] = set()
    to_cancel: list[str] = []
    for update in open_orders:
        listed.add(update.id)
        order = news.orders.get(update.id)
        if order is None or order.is_over:
            if everywhere or update.market in followed:
                to_cancel.append(update.id)
        else:
            told.append(news.read(update, seen_ns))
    gone = [order.order_hash for order in expected if order.order_hash not in listed]
    told += [news.absent(order_hash, seen_ns) for order_hash in gone]
    rows = [each for each in told if len(each)]
    return Reconciled(np.concatenate(rows) if rows else NO_ROWS, tuple(to_cancel), tuple(gone))


@dataclass(slots=True)
class Past:
    """What the journal says of before this start: commands that went out and rows that came back."""

    commands: Rows
    """Of `state.orders.Command`."""
    told: Rows
    """Of `state.events.EVENT`: at least ORDER_CHANGED, FILLED and FILL_REVERSED."""

    def restore(
        self, news: OrderNews, followed: Followed, slot: int, open_ns: int, close_ns: int,
        known: Callable[[Any, str], KnownOrder | None],
    ) -> int:  # fmt: skip
        """Know again the orders and fills of one window; says how many orders that were.

        Slots are used again by later windows, so commands and rows count that fall within the window's own time
        (orders are placed in open windows only), rows also later.

        Args:
            news: Where they are made known.
            followed: Gives the slot's tokens.
            slot: The window's slot.
            open_ns: Its start.
            close_ns: Its end.
            known: Reckons the order of a PLACE command for a token id again, hash included.
        """
        mine: list[KnownOrder] = []
        sent, at_ns = self.commands, self.commands["at_ns"]
        in_time = (open_ns <= at_ns) & (at_ns < close_ns)
        for command in sent[in_time & (sent["act_code"] == Act.PLACE) & (sent["slot_id"] == slot)]:
            token_id = followed.tokens[slot, Token(int(command["token_code"]))]
            order = known(command, token_id)
            if order is not None:
                mine.append(order)
        ids = [order.order_id for order in mine]
        rows = self.told
        fits = (rows["slot_id"] == slot) & (rows["seen_ns"] >= open_ns) & np.isin(rows["ref_id"], [*ids, 0])
        news.restore(mine, rows[fits])
        return len(mine)


def order_of(command: Any, token_id: str, order_hash: str, shares_micros: int) -> KnownOrder:
    """Give the order that a PLACE command became."""
    return KnownOrder(
        order_hash=order_hash,
        order_id=int(command["order_id"]),
        slot=int(command["slot_id"]),
        token_id=token_id,
        token=Token(int(command["token_code"])),
        side=Side(int(command["side_code"])),
        price_bps=int(command["price_bps"]),
        amount_micros=shares_micros,
        tif=TimeInForce(int(command["tif_code"])),
        changed_ns=int(command["at_ns"]),
        sent_ns=int(command["at_ns"]),
    )
