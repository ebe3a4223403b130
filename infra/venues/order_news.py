"""Order news: what the venue says of our orders becomes rows for the core, once, whatever comes late, twice or askew.

Messages of the user channel, answers to our requests and pages of REST all end here. A fill is told once for each
(trade, order of ours); a trade that FAILED is taken back once, and never told when the failure was heard of first. So
the same messages in any order leave the same position, cash and fees (venue reference 4.2; section 8, items 1 and
17 to 19).

An order's end frees what the core has reserved for it, so it is told only when every share that the venue says has
matched has been told as a fill: else the core would for a moment believe that it holds less than it does.

Doubt: that a trade is never called both CONFIRMED and FAILED; were it, it would be taken for failed, and counted.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.feeds.figures import ns_of_stamp
from infra.feeds.frames import READ_ERRORS, Offbeat, Refused, Tally
from infra.feeds.polymarket_user import (
    OrderUpdate,
    TradeUpdate,
    matched_micros,
    matched_ns,
    parse,
    settled_status,
)
from infra.venues.amounts import SHARE_GRAIN_MICROS
from infra.venues.followed import Followed
from infra.venues.known_orders import NO_FEE, NO_TRADE, KnownOrder, fate_of, no_match
from infra.venues.trade_parts import Match, Part, key_of, knew, parts_of
from state.events import EVENT, SETTLES, Kind, Source
from state.orders import Liquidity, OrderState, Reject

Rows = NDArray[Any]
FAILED: Final = "FAILED"
STATUSES: Final = frozenset({"MATCHED", "MATCHED_NOT_BROADCASTED", "MINED", "CONFIRMED", "RETRYING", FAILED})
NO_ROWS: Final = np.zeros(0, EVENT)


class OrderNews:
    """Turns what the venue says of our orders into rows.

    Args:
        api_key: Marks what is ours in messages about orders that we do not know.
        followed: The windows of now; what is said of others is counted, and becomes no row.
    """

    def __init__(self, api_key: str, followed: Followed) -> None:
        self.api_key = api_key
        self.followed = followed
        self.orders: dict[str, KnownOrder] = {}
        """By hash."""
        self.hashes: dict[int, str] = {}  # by order id
        self.matches: dict[tuple[str, str], Match] = {}
        """By trade id and hash."""
        self.oddities = Tally()
        """What should not happen: what, and about which."""
        self.statuses: Counter[str] = Counter()  # news of trades
        self.strays: set[str] = set()
        """Orders that live at the venue though the core has been told that they are over: to be cancelled."""
        self._standing: Counter[tuple[int, ...]] = Counter()
        self._reversed: Counter[tuple[int, ...]] = Counter()
        self._settling: Counter[tuple[int, ...]] = Counter()
        self._rows: list[tuple[Any, ...]] = []
        self._seen_ns = 0
        self._at_ns = 0

    # What we did ourselves.

    def expect(self, order: KnownOrder) -> None:
        """Know an order from before it is sent."""
        self.orders[order.order_hash] = order
        self.hashes[order.order_id] = order.order_hash

    def alias(self, order: KnownOrder, order_hash: str) -> None:
        """Know an order by the id that the venue uses: its cancels and its place in lists go by that one."""
        order.order_hash = order_hash
        self.expect(order)

    def restore(self, orders: Iterable[KnownOrder], told: Rows) -> None:
        """Know again, after a start, what the journal says was sent and told.

        Rows do not carry trade ids, so a trade is known again by order, token, side, price and amount: fills that are
        alike in all of these are as good as one another.
        """
        for order in orders:
            self.expect(order)
        for row in told:
            kind, order_id, amount = int(row["kind_code"]), int(row["ref_id"]), int(row["amount_micros"])
            order_of_row = self.orders.get(self.hashes.get(order_id, ""))
            key = key_of(order_id, int(row["token_code"]), int(row["side_code"]), (int(row["price_bps"]), amount))
            if kind in (Kind.FILL_MINED, Kind.FILL_CONFIRMED):
                self._settling[kind, *key] += 1
            elif kind in (Kind.FILLED, Kind.FILL_REVERSED):
                self._standing[key] += 1 if kind == Kind.FILLED else -1
                self._reversed[key] += kind == Kind.FILL_REVERSED
                if order_of_row is not None and kind == Kind.FILLED:
                    order_of_row.matched_micros += amount
            elif kind == Kind.ORDER_CHANGED and order_of_row is not None:
                state = OrderState(int(row["code_id"]))
                order_of_row.told = state
                if state in (OrderState.DONE, OrderState.REJECTED, OrderState.NONE):
                    order_of_row.is_over = order_of_row.ended = True
                    order_of_row.assumed = state is OrderState.NONE

    def drop_window(self, slot: int) -> None:
        """Forget a window: its orders are over, and what is still said of them becomes no row."""
        self.followed.drop(slot)
        self.hashes = {order_id: each for order_id, each in self.hashes.items() if self.orders[each].slot != slot}
        self.orders = {order_hash: order for order_hash, order in self.orders.items() if order.slot != slot}
        self.matches = {key: match for key, match in self.matches.items() if match.coin.slot != slot}

    def unsettled(self, before_ns: int) -> set[str]:
        """Name the tokens with trades that we heard of before a time, and that are neither confirmed nor failed."""
        return {each.token_id for each in self.matches.values() if not each.is_final and each.heard_ns < before_ns}

    # What the venue answered, or never heard.

    def never_sent(self, order_id: int, slot: int, reject: Reject, seen_ns: int) -> Rows:
        """Say that an order did not leave at all."""
        return self._only(OrderState.REJECTED, order_id, slot, reject, seen_ns)

    def stranger(self, order_id: int, slot: int, seen_ns: int) -> Rows:
        """Say that a cancel named an order that never left: nothing of it is open."""
        self.oddities.add("a cancel of an order that we do not know", str(order_id))
        return self._only(OrderState.NONE, order_id, slot, Reject.UNKNOWN_ORDER, seen_ns)

    def _only(self, state: OrderState, order_id: int, slot: int, reject: Reject, seen_ns: int) -> Rows:
        self._begin(seen_ns, seen_ns)
        self._row(Kind.ORDER_CHANGED, slot, order_id, amount=0, code=state, flags=reject)
        return self._end()

    def on_its_way(self, order_hash: str, state: OrderState, seen_ns: int) -> Rows:
        """Say how far an order has come on its way out: SIGNED or SENT; unless more is known of it already."""
        return self._changed(order_hash, state, Reject.NONE, seen_ns)

    def held(self, order_hash: str, seen_ns: int) -> Rows:
        """Say that an order was taken and is held."""
        return self._changed(order_hash, OrderState.HELD, Reject.NONE, seen_ns)

    def resting(self, order_hash: str, seen_ns: int) -> Rows:
        """Say that an order rests."""
        return self._changed(order_hash, OrderState.RESTING, Reject.NONE, seen_ns)

    def matched(self, order_hash: str, shares_micros: int, seen_ns: int) -> Rows:
        """Say that an order matched at once; the fills come by the user channel, and its end after them."""
        order = self.orders.get(order_hash)
        if order is None:
            return NO_ROWS
        order.stated_micros = max(order.stated_micros, shares_micros)
        fate = fate_of("", "MATCHED", order)
        if order.takes_only and shares_micros == 0:
            fate = (OrderState.HELD, Reject.NONE)  # matched, it does not say how much: the trades will
        assert fate is not None
        return self._changed(order_hash, *fate, seen_ns)

    def refused(self, order_hash: str, reject: Reject, seen_ns: int) -> Rows:
        """Say that the venue did not take an order."""
        return self._changed(order_hash, OrderState.REJECTED, reject, seen_ns)

    def unmatched(self, order_hash: str, seen_ns: int) -> Rows:
        """Say that a held order found nobody."""
        order = self.orders.get(order_hash)
        return NO_ROWS if order is None else self._changed(order_hash, OrderState.DONE, no_match(order.tif), seen_ns)

    def unanswered(self, order_hash: str, seen_ns: int) -> Rows:
        """Say that nobody knows whether the venue took an order."""
        return self._changed(order_hash, OrderState.UNKNOWN, Reject.NONE, seen_ns)

    def cancelled(self, order_hash: str, seen_ns: int) -> Rows:
        """Say that the venue cancelled an order for us; a fill that was quicker is told when it is heard of."""
        return self._changed(order_hash, OrderState.DONE, Reject.CANCELLED, seen_ns)

    def not_cancelled(self, order_hash: str, reject: Reject, seen_ns: int) -> Rows:
        """Say that a cancel was refused: the order is the core's to pull again, unless its end has been told."""
        order = self.orders.get(order_hash)
        if order is None or order.is_over or order.ended:
            return NO_ROWS
        self._begin(seen_ns, seen_ns)
        state = OrderState.HELD if order.told is OrderState.HELD else OrderState.RESTING
        self._tell_order(order, state, reject)
        return self._end()

    def absent(self, order_hash: str, seen_ns: int) -> Rows:
        """Say that the venue has no such open order, after all its trades have been read."""
        order = self.orders.get(order_hash)
        if order is None or order.is_over:
            return NO_ROWS
        if order.missing_micros:
            self.oddities.add(NO_TRADE, order_hash[:80])
            order.stated_micros = order.matched_micros
        if order.ended or order.matched_micros > 0 or order.told in (OrderState.RESTING, OrderState.CANCEL_SENT):
            ended = order.ended or order.open_micros == 0
            return self._changed(order_hash, OrderState.DONE, Reject.NONE if ended else Reject.CANCELLED, seen_ns)
        if order.told is OrderState.HELD:
            return self._changed(order_hash, OrderState.DONE, no_match(order.tif), seen_ns)
        order.assumed = True
        return self._changed(order_hash, OrderState.NONE, Reject.UNKNOWN_ORDER, seen_ns)

    # What the venue says by itself.

    def take(self, raw: bytes, seen_ns: int) -> Rows:
        """Give the rows that a frame of the user channel means; a frame that cannot be read is counted."""
        parsed = parse(raw)
        if isinstance(parsed, Refused):
            self.oddities.add("refused frame", parsed.reason)
            return NO_ROWS
        for refused in parsed.refused:
            self.oddities.add("refused message", refused.reason)
        told = [self.read(message, seen_ns) for message in parsed.messages]
        return np.concatenate(told) if told else NO_ROWS

    def read(self, message: object, seen_ns: int) -> Rows:
        """Give the rows that one message means, of the channel or of a page of REST."""
        try:
            if isinstance(message, OrderUpdate):
                self._begin(ns_of_stamp(str(message.timestamp)) or seen_ns, seen_ns)
                self._read_order(message)
            elif isinstance(message, TradeUpdate):
                self._begin(matched_ns(message) or ns_of_stamp(str(message.timestamp)) or seen_ns, seen_ns)
                self._read_trade(message)
            else:
                return NO_ROWS
        except (*READ_ERRORS, Offbeat) as error:
            self.oddities.add("refused message", str(error)[:100])
        return self._end()

    def _read_order(self, message: OrderUpdate) -> None:
        order = self.orders.get(message.id)
        if order is None:
            self.oddities.add("news of an order that we do not know", message.id[:80])
            return
        order.stated_micros = max(order.stated_micros, matched_micros(message))
        fate = fate_of(message.type, message.status, order)
        if fate is None:
            self.oddities.add("an order's status that we do not know", message.status[:80])
            return
        self._change(order, *fate)

    def _read_trade(self, trade: TradeUpdate) -> None:
        status = settled_status(trade).upper()
        self.statuses[status] += 1
        if status not in STATUSES:
            self.oddities.add("a trade's status that we do not know", status[:80])
            return
        for part in parts_of(trade, self.api_key, self.orders):
            self._read_part(trade.id, part, status)

    # Our parts in a trade.

    def _read_part(self, trade_id: str, part: Part, status: str) -> None:
        match = self.matches.get((trade_id, part.order_hash))
        if match is None:
            match = self._new_match(trade_id, part, status)
            if match is None:
                return
        if (match.failed and status == "CONFIRMED") or (match.confirmed and status == FAILED):
            self.oddities.add("a trade both confirmed and failed", trade_id[:80])
        if status == FAILED:
            if not match.failed:
                match.failed = True
                self._take_back(match)
        elif not match.told and not match.failed:
            self._tell_fill(match)
        for kind in match.come_to(status):
            self._tell_levels(kind, match)
        order = self.orders.get(part.order_hash)
        if order is not None:
            # Whatever else is said of it: an order whose every share has traded is over.
            order.ended = order.ended or order.amount_micros - order.matched_micros < SHARE_GRAIN_MICROS
            self._tell_end(order)

    def _new_match(self, trade_id: str, part: Part, status: str) -> Match | None:
        coin = self.followed.coins.get(part.token_id)
        if coin is None:
            self.oddities.add("a trade in a window that is not followed", trade_id[:80])
            return None
        order = self.orders.get(part.order_hash)
        if order is None:
            self.oddities.add("a trade of an order that we do not know", part.order_hash[:80])
        match = Match(
            order.order_id if order else 0, coin, part.side, part.liquidity, part.levels, part.token_id, self._seen_ns
        )
        self.matches[trade_id, part.order_hash] = match
        if self._was_told(match, status):
            return match
        if order is not None:
            order.matched_micros += part.shares_micros
            order.changed_ns = self._seen_ns
            if order.matched_micros > order.amount_micros:
                self.oddities.add("more shares than were ordered", part.order_hash[:80])
        return match

    def _was_told(self, match: Match, status: str) -> bool:
        """Find a fill among those of before the start, and know it for told (and taken back, if it was)."""
        counted = (self._reversed, self._standing) if status == FAILED else (self._standing, self._reversed)
        keys = [key_of(match.order_id, match.coin.token, match.side, level) for level in match.levels]
        for counts in counted:
            if keys and all(counts[key] > 0 for key in keys):
                counts.subtract(keys)
                match.told = True
                match.failed = counts is self._reversed
                match.mined = knew(self._settling, Kind.FILL_MINED, keys)
                match.confirmed = knew(self._settling, Kind.FILL_CONFIRMED, keys)
                match.fees_micros = self._fees(match)
                return True
        return False

    def _fees(self, match: Match) -> int:
        if match.liquidity is Liquidity.MAKER:
            return 0
        fees = [match.coin.fees.of_match(*level) for level in match.levels]
        if min(fees, default=0) < 0:
            self.oddities.add(NO_FEE, match.coin.condition_id[:80])
            return 0
        return sum(fees)

    def _tell_fill(self, match: Match) -> None:
        match.told = True
        match.fees_micros = self._fees(match)
        self._tell_levels(Kind.FILLED, match)
        if match.fees_micros > 0:
            self._row(Kind.FEE_CHARGED, match.coin.slot, match.order_id, amount=match.fees_micros)

    def _take_back(self, match: Match) -> None:
        if not match.told:
            return
        self._tell_levels(Kind.FILL_REVERSED, match)
        if match.fees_micros > 0:
            self._row(Kind.FEE_CHARGED, match.coin.slot, match.order_id, amount=-match.fees_micros)

    def _tell_levels(self, kind: Kind, match: Match) -> None:
        coin = match.coin
        code = match.liquidity if kind is Kind.FILLED else 0
        for price, amount in match.levels:
            self._row(
                kind, coin.slot, match.order_id, amount=amount, price=price, code=code, token=coin.token,
                side=match.side, flags=SETTLES if kind is Kind.FILLED else 0,
            )  # fmt: skip

    # An order's life.

    def _changed(self, order_hash: str, state: OrderState, reject: Reject, seen_ns: int) -> Rows:
        order = self.orders.get(order_hash)
        if order is None:
            return NO_ROWS
        self._begin(seen_ns, seen_ns)
        self._change(order, state, reject)
        return self._end()

    def _change(self, order: KnownOrder, state: OrderState, reject: Reject) -> None:
        order.changed_ns = self._seen_ns
        if order.is_over or order.ended:
            denied = order.assumed or order.told is OrderState.REJECTED
            if denied and state in (OrderState.HELD, OrderState.RESTING):
                self.strays.add(order.order_hash)
            self._tell_end(order)
        elif state is OrderState.DONE:
            order.ended, order.end_reject = True, reject
            self._tell_end(order)
        elif state in (OrderState.REJECTED, OrderState.NONE):
            order.ended = order.is_over = True
            self._tell_order(order, state, reject)
        elif state is OrderState.UNKNOWN or state <= OrderState.SENT:
            if order.told < min(state, OrderState.HELD):
                self._tell_order(order, state, reject)
        elif order.told is not state and order.told is not OrderState.RESTING:
            self._tell_order(order, state, reject)

    def _tell_end(self, order: KnownOrder) -> None:
        """Tell that an order is over, once all its fills have been told."""
        if order.ended and not order.is_over and order.missing_micros == 0:
            order.is_over = True
            self._tell_order(order, OrderState.DONE, order.end_reject)

    def _tell_order(self, order: KnownOrder, state: OrderState, reject: Reject) -> None:
        order.told = state
        open_micros = 0 if order.is_over else order.open_micros
        self._row(Kind.ORDER_CHANGED, order.slot, order.order_id, amount=open_micros, code=state, flags=reject)

    # Rows.

    def _begin(self, at_ns: int, seen_ns: int) -> None:
        self._rows, self._at_ns, self._seen_ns = [], at_ns, seen_ns

    def _row(
        self, kind: Kind, slot: int, order_id: int, *, amount: int, price: int = 0, code: int = 0, flags: int = 0,
        token: int = 0, side: int = 0,
    ) -> None:  # fmt: skip
        self._rows.append(
            (self._at_ns, self._seen_ns, 0.0, 0.0, amount, order_id, price, 0, slot, code, flags, kind,
             Source.POLYMARKET_USER, token, side, 0)
        )  # fmt: skip

    def _end(self) -> Rows:
        return np.array(self._rows, EVENT) if self._rows else NO_ROWS
