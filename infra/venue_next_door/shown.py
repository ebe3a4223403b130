"""The book as shown: the crowd's, with our customers' resting orders in it and without what they took out.

The crowd does not know of our customers. What one of them took is taken off what the crowd shows for as long as the
matching model says that it is taken: it shrinks with the level, and what the crowd adds is new. What rests is added.
The model is ahead of what has been published by the time that a frame needs to leave, so what it gives back of a level
is believed when the frame has left that gave it back. When no customer has anything in the market, rows pass as they
are.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.recordings.rows import copy, join
from infra.venue_next_door.nouns import BookLevel, BookShown, Window
from infra.venue_next_door.seat import NO_COMMANDS, NO_ROWS, open_house
from state.events import EVENT, LAST_IN_FRAME, Kind, Side, Source, Token
from state.units import MILL_BPS, NS_PER_S
from state.world import SLOTS
from tools.account import own_price, own_side
from tools.exchange import attend

Rows = NDArray[Any]
Key = tuple[int, int, int]
"""Slot, side and price in bps of Up's book."""
Marks = dict[Key, list[int]]
"""Key -> [taken, resting] micros."""

_LEVEL_SET, _CLEARED, _TRADE = int(Kind.LEVEL_SET), int(Kind.BOOK_CLEARED), int(Kind.TRADE_SEEN)
_OUT: Final = np.zeros(1, EVENT)
_A_TRADE: Final = bytes((_TRADE,))
_NOTHING: Final = (0, 0)
_LATE_NS: Final = 5 * NS_PER_S
"""No row of a book is on its way for longer."""


def _with(crowd: int, mark: "list[int] | tuple[int, int]") -> int:
    return max(crowd - mark[0], 0) + mark[1]


class ShownBooks:
    """The crowd's books as published so far, and our customers' marks on them."""

    def __init__(self, seed: int, truth: Any) -> None:
        """Begin with empty books.

        Args:
            seed: Of the model that is told rows when they leave.
            truth: The model that is told rows when they happen.
        """
        self.house = open_house(seed)
        """A model that is told rows when they leave, not when they happen."""
        market = self.house["markets"][0]
        self.rules = market["rules"]
        """`state.rules.Rules` by slot."""
        self._sizes, self._true_sizes = _sizes_of(self.house), _sizes_of(truth)
        self._marks: Marks = {}
        self._told: dict[Key, int] = {}
        """What a level was last said to be, where a customer has a mark."""
        self._stamps_ns: dict[int, int] = {}
        """Slot -> stamp of our own last row, which later rows may not go behind."""
        self._last_trade: dict[tuple[int, int], int] = {}
        """Slot and token -> price."""

    def follow(self, rows: Rows, now_ns: int) -> None:
        """Take the crowd's rows that leave now into the books."""
        attend(self.house, NO_COMMANDS, 0, now_ns, rows, now_ns, _OUT)
        kinds = rows["kind_code"]
        if _A_TRADE in kinds.tobytes():
            self.note_trades(rows[kinds == _TRADE])

    def note_trades(self, trades: Rows) -> None:
        """Remember the last price of each token."""
        for trade in trades:
            self._last_trade[int(trade["slot_id"]), int(trade["token_code"])] = int(trade["price_bps"])

    def empty(self, slot: int) -> None:
        """Forget what was said in a slot: another market begins there."""
        self._stamps_ns.pop(slot, None)
        for token in Token:
            self._last_trade.pop((slot, int(token)), None)

    def _crowd(self, key: Key) -> int:
        slot, side, bps = key
        return int(self._sizes[slot][side][bps // MILL_BPS])

    def mark(self, fresh: Marks) -> None:
        """Take what our customers have in the books by now."""
        if not fresh and not self._marks:
            return
        marks: Marks = {}
        for key in self._marks.keys() | fresh.keys():
            taken, resting = fresh.get(key, _NOTHING)
            before = self._marks.get(key, _NOTHING)[0]
            slot, side, bps = key
            crowd = self._crowd(key)
            if taken < before and crowd != int(self._true_sizes[slot][side][bps // MILL_BPS]):
                taken = before  # the frame that gives it back is still on its way
            if key not in self._told:
                self._told[key] = crowd
            if taken or resting:
                marks[key] = [taken, resting]
        self._marks = marks

    # Rows that leave.

    def dress(self, rows: Rows, now_ns: int) -> Rows:
        """Give the crowd's rows as they are shown: totals with our customers' marks, stamps that do not go back."""
        if not self._told and not self._stamps_ns:
            return rows
        shown = copy(rows)
        self._stamps_ns = {slot: at_ns for slot, at_ns in self._stamps_ns.items() if at_ns > now_ns - _LATE_NS}
        for slot, stamp_ns in self._stamps_ns.items():
            ours = (shown["slot_id"] == slot) & (shown["source_code"] == Source.POLYMARKET_BOOK)
            shown["at_ns"][ours] = np.maximum(shown["at_ns"][ours], stamp_ns)
        if not self._told:
            return shown
        slots = sorted({slot for slot, _, _ in self._told})
        in_question = np.flatnonzero((shown["kind_code"] == _LEVEL_SET) & np.isin(shown["slot_id"], slots))
        for at in in_question.tolist():
            key = _key_of(shown[at])
            mark = self._marks.get(key)
            if mark is not None:
                self._told[key] = amount = _with(int(shown["amount_micros"][at]), mark)
                shown["amount_micros"][at] = amount
            elif key in self._told:
                self._told[key] = int(shown["amount_micros"][at])
        if np.any((shown["kind_code"] == _CLEARED) & np.isin(shown["slot_id"], slots)):
            return self._complete(shown)
        return shown

    def _complete(self, rows: Rows) -> Rows:
        """Add to whole books the levels at which only our customers rest."""
        parts: list[Rows] = []
        start = 0
        for at in np.flatnonzero(rows["kind_code"] == _CLEARED).tolist():
            end = at
            while end + 1 < len(rows) and not rows["flags_mask"][end] & LAST_IN_FRAME:
                end += 1
            missing = self._missing(rows[at : end + 1])
            if len(missing):
                whole = copy(rows[start : end + 1])
                whole["flags_mask"][-1] &= ~np.uint8(LAST_IN_FRAME)
                parts += [whole, missing]
                start = end + 1
        return join([*parts, rows[start:]])

    def _missing(self, frame: Rows) -> Rows:
        slot, token = int(frame["slot_id"][0]), int(frame["token_code"][0])
        there = {_key_of(row) for row in frame[1:]}
        made = [
            _level(key, token, mark[1], int(frame["at_ns"][0]), int(frame["seen_ns"][0]))
            for key, mark in self._marks.items()
            if key[0] == slot and mark[1] > 0 and key not in there
        ]
        if not made:
            return NO_ROWS
        rows = np.array(made, EVENT)
        rows["flags_mask"][-1] = LAST_IN_FRAME
        return rows

    def changes(self, trades: list[tuple[Any, ...]], stamp_ns: int, now_ns: int) -> Rows:
        """Give the rows that tell what customers did: trades first, then every level that looks different by now.

        Args:
            trades: Rows of TRADE_SEEN, as values.
            stamp_ns: What the rows say of their time.
            now_ns: When they leave.
        """
        made = list(trades)
        for key, told in list(self._told.items()):
            mark = self._marks.get(key)
            amount = _with(self._crowd(key), mark or _NOTHING)
            if amount != told:
                made += [_level(key, token, amount, stamp_ns, now_ns) for token in (0, 1)]
                self._told[key] = amount
            if mark is None:
                del self._told[key]
        if not made:
            return NO_ROWS
        rows = np.array(made, EVENT)
        rows["flags_mask"] = np.where((rows["kind_code"] == _LEVEL_SET) & (rows["token_code"] == 0), 0, LAST_IN_FRAME)
        for slot in np.unique(rows["slot_id"]).tolist():
            self._stamps_ns[slot] = stamp_ns
        self.note_trades(rows[rows["kind_code"] == _TRADE])
        return rows

    @property
    def is_marked(self) -> bool:
        """Whether a customer has, or had until just now, anything in a book."""
        return bool(self._told)

    # Whole books.

    def book(self, window: Window, token: Token, at_ns: int) -> BookShown:
        """Give one token's whole book."""
        sides: list[dict[int, int]] = [{}, {}]
        for side in range(2):
            sizes = self._sizes[window.slot][side]
            for mills in np.flatnonzero(sizes).tolist():
                sides[side][mills * MILL_BPS] = int(sizes[mills])
        for (slot, side, bps), mark in self._marks.items():
            if slot == window.slot:
                sides[side][bps] = _with(sides[side].get(bps, 0), mark)
        bids, asks = (_levels(sides[own_side(token, side)], token) for side in Side)
        last = self._last_trade.get((window.slot, int(token)), 0)
        return BookShown(window, token, tuple(bids), tuple(reversed(asks)), at_ns, last)


def _levels(amounts: dict[int, int], token: Token) -> list[BookLevel]:
    own = sorted((own_price(token, bps), micros) for bps, micros in amounts.items() if micros > 0)
    return [BookLevel(bps, micros) for bps, micros in own]


def _sizes_of(house: Any) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Give live views of the bids' and asks' sizes by mill, by slot."""
    book = house["markets"][0]["book"]
    return [(book["bid"]["sizes_micros"][slot], book["ask"]["sizes_micros"][slot]) for slot in range(SLOTS)]


def _key_of(row: np.void) -> Key:
    token = int(row["token_code"])
    return int(row["slot_id"]), own_side(token, int(row["side_code"])), own_price(token, int(row["price_bps"]))


def _level(key: Key, token: int, amount: int, at_ns: int, seen_ns: int) -> tuple[Any, ...]:
    slot, side, bps = key
    return (
        at_ns, seen_ns, 0.0, 0.0, amount, 0, own_price(token, bps), 0, slot, 0, 0, _LEVEL_SET,
        int(Source.POLYMARKET_BOOK), token, own_side(token, side), 0,
    )  # fmt: skip


def trade_row(
    slot: int, token: Token, side: Side, bps: int, amount: int, at_ns: int, seen_ns: int
) -> tuple[Any, ...]:  # fmt: skip
    """Give the row of a trade that a customer made, as values."""
    return (
        at_ns, seen_ns, 0.0, 0.0, amount, 0, bps, 0, slot, 0, LAST_IN_FRAME, _TRADE, int(Source.POLYMARKET_BOOK),
        int(token), int(side), 0,
    )  # fmt: skip


def tick_rows(slot: int, tick_bps: int, at_ns: int, seen_ns: int) -> Rows:
    """Give the frame that changes the tick of both tokens."""
    values = [
        (at_ns, seen_ns, 0.0, 0.0, 0, 0, tick_bps, 0, slot, 0, token * LAST_IN_FRAME, int(Kind.TICK_CHANGED),
         int(Source.POLYMARKET_BOOK), token, 0, 0)
        for token in (0, 1)
    ]  # fmt: skip
    return np.array(values, EVENT)
