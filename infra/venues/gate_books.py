"""Gate books: what the gate knows by itself: orders as they left, and what rows have told of them since.

Kept apart from the core's world on purpose: another arithmetic over the same journal, so that an error in one is seen
by the other. Money is whole micros, rounded against us; what is not known counts at its worst. Rows are heard in the
order in which they are written down, so books made again from a journal are the books of the session that wrote it.
"""

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from infra.ledger.entries import DAY_NS
from infra.venues.columns import columns_of
from state.events import Kind, Side
from state.orders import Act, OrderState, TimeInForce
from state.rules import Rule
from state.units import BPS, MICROS, NS_PER_S

Rows = NDArray[Any]

FEE_MOST_PPM: Final = 250_000
"""The dearest curve there ever was (venue reference 3.1): what a window is reckoned with that states no fee."""
NOTIONAL_MIN_MICROS: Final = MICROS
"""Of a marketable order (venue reference 3.3), where no rule says otherwise."""
_PPM: Final = 1_000_000
_OVER: Final = (int(OrderState.DONE), int(OrderState.REJECTED), int(OrderState.NONE))
_HEARD: Final = np.zeros(256, np.bool_)
_HEARD[[
    Kind.MARKET_LISTED, Kind.RULE_GIVEN, Kind.BOOK_CLEARED, Kind.LEVEL_SET, Kind.SETTLED, Kind.ORDER_CHANGED,
    Kind.FILLED, Kind.FILL_REVERSED, Kind.FEE_CHARGED, Kind.OPERATOR_SAID, Kind.DAY_CARRIED, Kind.MERGED,
]] = True  # fmt: skip


def cost_micros(price_bps: int, shares_micros: int) -> int:
    """Give what shares cost at a price, rounded up."""
    return -(-shares_micros * price_bps // BPS)


@dataclass(slots=True)
class Sent:
    """One order that has left, or is about to."""

    token: int
    side: int
    price_bps: int
    open_micros: int
    may_take: bool
    """It may be charged a fee."""
    tif: int = TimeInForce.GTC


@dataclass(slots=True)
class BookedWindow:
    """What is known of one window."""

    slot: int
    asset: int
    open_ns: int
    close_ns: int
    min_shares_micros: int
    min_notional_micros: int = NOTIONAL_MIN_MICROS
    fee_ppm: int = FEE_MOST_PPM
    shares_micros: list[int] = field(default_factory=lambda: [0, 0])
    """By token."""
    spent_micros: int = 0
    """Paid for shares less received for them, without fees."""
    fees_micros: int = 0
    orders: dict[int, Sent] = field(default_factory=dict)
    """What may still match, by the core's number."""
    bids: tuple[dict[int, int], dict[int, int]] = field(default_factory=lambda: ({}, {}))
    """By token: price -> shares that somebody bids for."""
    outcome: int = -1
    """The winning token; -1 before it is settled."""
    day: int = 0
    """The UTC day on which it was settled."""
    booked_micros: int = 0
    """Its result as it stands in that day's."""

    @property
    def is_risky(self) -> bool:
        """Say whether anything of ours is at stake in it."""
        return self.outcome < 0 and bool(self.orders or any(self.shares_micros))

    def cost_of(self, order: Sent, *, with_fees: bool) -> int:
        """Give the most that an order can cost: at its limit, for what is cheaper saves more than its fee is dearer."""
        if order.side != Side.BUY:
            return 0
        fee = self.fee_most_micros(order.price_bps, order.open_micros) if with_fees and order.may_take else 0
        return cost_micros(order.price_bps, order.open_micros) + fee

    def fee_most_micros(self, price_bps: int, shares_micros: int) -> int:
        """Give the most that a taker is charged: the curve with exponent 1, above which none of the venue's lies."""
        return -(-shares_micros * self.fee_ppm * price_bps * (BPS - price_bps) // (_PPM * BPS * BPS)) + 1

    def worst_micros(self, more: Sent | None = None, *, with_fees: bool = True) -> int:
        """Give the collateral at risk, never below 0: the most that is lost whichever token wins and whatever matches.

        Args:
            more: An order that is not booked yet, on top.
            with_fees: Also what is and may be charged.
        """
        paid = self.spent_micros + (self.fees_micros if with_fees else 0)
        orders = [*self.orders.values(), more] if more is not None else list(self.orders.values())
        return max(
            0,
            *(
                paid - self.shares_micros[winner] + sum(self._harm_of(each, winner, with_fees) for each in orders)
                for winner in (0, 1)
            ),
        )

    def _harm_of(self, order: Sent, winner: int, with_fees: bool) -> int:
        """Give how much worse an order can make the result if a token wins; it need not match."""
        wins = order.open_micros if order.token == winner else 0
        if order.side == Side.BUY:
            return max(self.cost_of(order, with_fees=with_fees) - wins, 0)
        return max(wins - order.open_micros * order.price_bps // BPS, 0)

    def unpromised_micros(self, token: int) -> int:
        """Give the shares of a token that no open sale may still take."""
        sales = (order for order in self.orders.values() if (order.side, order.token) == (Side.SELL, token))
        return self.shares_micros[token] - sum(order.open_micros for order in sales)

    def is_exit(self, order: Sent) -> bool:
        """Say whether a purchase only completes sets: with what is under way, no more than is held of the other token.

        A set pays a dollar for certain, so what can still be lost is never more than was at stake before.
        """
        coming = sum(each.open_micros for each in self.orders.values() if each.token == order.token)
        single = self.unpromised_micros(1 - order.token) - self.shares_micros[order.token]
        return order.side == Side.BUY and order.open_micros + coming <= single

    def marked_micros(self) -> int:
        """Give the result of what is held if it were sold now; where nobody bids, shares are worth nothing.

        Doubt: every share is marked at the best bid, though a large position would have to go deeper.
        """
        worth = sum(
            self.shares_micros[token] * max(self.bids[token], default=0) // BPS
            for token in (0, 1)
            if self.shares_micros[token] > 0
        )
        return worth - self.spent_micros - self.fees_micros

    def result_micros(self, outcome: int) -> int:
        """Give the result if a token wins."""
        return self.shares_micros[outcome] - self.spent_micros - self.fees_micros


class GateBooks:
    """All windows, orders and days that the gate knows."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.slots: dict[int, BookedWindow] = {}
        self.parted: list[BookedWindow] = []
        """Windows whose slot was given to another while something of ours was at stake in them."""
        self.orders: dict[int, BookedWindow] = {}
        """Which window each order of a known window was sent to, by the core's number; ended ones too."""
        self.days_micros: dict[int, int] = {}
        """Realised, by UTC day."""
        self.carried_micros: dict[int, int] = {}
        """What other sessions of the wallet came to, by UTC day."""

    # What leaves.

    def send(self, command: Any) -> None:
        """Book an order that leaves; one that is booked already is not booked again."""
        self.book(wanted_of(command))

    def book(self, wanted: "Wanted") -> None:
        """Book an order that leaves."""
        window = self.slots.get(wanted.slot)
        if window is None or wanted.order_id in self.orders or wanted.act != Act.PLACE:
            return
        self.orders[wanted.order_id] = window
        window.orders[wanted.order_id] = wanted.order

    # What is heard.

    def hear(self, events: Rows, count: int) -> list[tuple[int, int]]:
        """Book rows; all are handed over, most say nothing to us. Gives the operator's words, each with its value."""
        heard = _HEARD[events["kind_code"][:count]]
        if not heard.any():
            return []
        words = []
        for row in events[:count][heard].tolist():
            _, seen_ns, _, _, amount, ref, price, span_s, slot, code, _, kind, _, token, side, _ = row
            if kind == Kind.LEVEL_SET:
                self._level(slot, token, side, price, amount)
            elif kind == Kind.BOOK_CLEARED:
                if slot in self.slots:
                    self.slots[slot].bids[token].clear()
            elif kind == Kind.MARKET_LISTED:
                self._listed(slot, code, ref, ref + span_s * NS_PER_S, amount)
            elif kind == Kind.RULE_GIVEN:
                self._rule(slot, code, ref)
            elif kind == Kind.SETTLED:
                self._settled(slot, code, seen_ns)
            elif kind == Kind.OPERATOR_SAID:
                words.append((code, ref))
            elif kind == Kind.DAY_CARRIED:
                self.carried_micros[ref] = amount
            else:
                self._of_orders(kind, slot, ref, token, side, price, amount, code)
        return words

    def _level(self, slot: int, token: int, side: int, price: int, amount: int) -> None:
        window = self.slots.get(slot)
        if window is None or side != Side.BUY:
            return
        if amount > 0:
            window.bids[token][price] = amount
        else:
            window.bids[token].pop(price, None)

    def _listed(self, slot: int, asset: int, open_ns: int, close_ns: int, min_shares_micros: int) -> None:
        before = self.slots.get(slot)
        if before is not None and (before.asset, before.open_ns, before.close_ns) == (asset, open_ns, close_ns):
            before.min_shares_micros = min_shares_micros
            return
        if before is not None:
            self.parted = [window for window in [*self.parted, before] if window.is_risky]
            kept = {id(window) for window in (*self.parted, *self.slots.values()) if window is not before}
            kept |= {id(before)} if before.is_risky else set()
            self.orders = {order_id: window for order_id, window in self.orders.items() if id(window) in kept}
        self.slots[slot] = BookedWindow(slot, asset, open_ns, close_ns, min_shares_micros)

    def _rule(self, slot: int, rule: int, value: int) -> None:
        window = self.slots.get(slot)
        if window is None or value < 0:
            return
        if rule == Rule.SHARES_MIN_MICROS:
            window.min_shares_micros = value
        elif rule == Rule.NOTIONAL_MIN_MICROS:
            window.min_notional_micros = value
        elif rule == Rule.FEE_RATE_PPM:
            window.fee_ppm = value

    def _settled(self, slot: int, outcome: int, seen_ns: int) -> None:
        window = self.slots.get(slot)
        if window is None or outcome not in (0, 1):
            return
        if window.outcome < 0:
            window.day = seen_ns // DAY_NS
            window.orders.clear()
        window.outcome = outcome
        self._rebook(window)

    def _of_orders(
        self, kind: int, slot: int, order_id: int, token: int, side: int, price: int, amount: int, code: int
    ) -> None:
        window = self.orders.get(order_id) or self.slots.get(slot)
        if window is None:
            return
        if kind == Kind.ORDER_CHANGED:
            if code in _OVER:
                window.orders.pop(order_id, None)
            return
        if kind == Kind.FEE_CHARGED:
            window.fees_micros += amount
        elif kind == Kind.MERGED:
            window.shares_micros = [shares - amount for shares in window.shares_micros]
            window.spent_micros -= amount
        else:
            self._filled(window, order_id, token, price, amount * (1 if side == Side.BUY else -1), kind == Kind.FILLED)
        self._rebook(window)

    def _filled(
        self, window: BookedWindow, order_id: int, token: int, price: int, signed_micros: int, forth: bool
    ) -> None:
        """Book a match or take one back; what is taken back does not open the order again (venue reference 4.2)."""
        step = 1 if forth else -1
        window.shares_micros[token] += step * signed_micros
        window.spent_micros += step * cost_micros(price, signed_micros)
        order = window.orders.get(order_id)
        if forth and order is not None:
            order.open_micros = max(order.open_micros - abs(signed_micros), 0)

    def _rebook(self, window: BookedWindow) -> None:
        """Keep the day's result of a settled window up to date, whatever is still heard of it."""
        if window.outcome >= 0:
            result = window.result_micros(window.outcome)
            self.days_micros[window.day] = self.days_micros.get(window.day, 0) + result - window.booked_micros
            window.booked_micros = result

    # What it comes to.

    @property
    def risky(self) -> list[BookedWindow]:
        """Give the windows in which something of ours is at stake."""
        return [window for window in (*self.slots.values(), *self.parted) if window.is_risky]

    def day_micros(self, now_ns: int, *, at_best: bool = False) -> int:
        """Give the wallet's result of the UTC day: settled, and held at its bids or, `at_best`, as if all of it won."""
        held = sum(
            max(window.result_micros(0), window.result_micros(1)) if at_best else window.marked_micros()
            for window in self.risky
        )
        day = now_ns // DAY_NS
        return self.days_micros.get(day, 0) + self.carried_micros.get(day, 0) + held


class Wanted(NamedTuple):
    """What a command asks for, read once: a record's columns are dear to read one by one."""

    act: int
    order_id: int
    slot: int
    at_ns: int
    p_up: float
    order: Sent


def wanted_of(command: Any) -> Wanted:
    """Read a command."""
    act, order_id, slot, at_ns, p_up, token, side, price, amount, tif, post_only = _WANTED(command.item())
    may_take = tif in (TimeInForce.FAK, TimeInForce.FOK) or not post_only
    return Wanted(act, order_id, slot, at_ns, p_up, Sent(token, side, price, amount, may_take, tif))


_WANTED: Final = columns_of(
    "act_code", "order_id", "slot_id", "at_ns", "p_up", "token_code", "side_code", "price_bps", "amount_micros",
    "tif_code", "post_only",
)  # fmt: skip
