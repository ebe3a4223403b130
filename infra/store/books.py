"""Books kept from their levels, for their best prices alone: told at the end of each frame that changed them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final, NamedTuple

from state.events import LAST_IN_FRAME, Kind, Side, Token
from state.units import BPS

_CLEARED: Final = int(Kind.BOOK_CLEARED)
_LEVEL: Final = int(Kind.LEVEL_SET)
_LOST: Final = int(Kind.FEED_CHANGED)
_BUY: Final = int(Side.BUY)
NONE: Final = -1
"""Price of a side that is empty."""


class Top(NamedTuple):
    """The best prices of a token's book, in bps, with the shares there."""

    bid_bps: int
    bid_micros: int
    ask_bps: int
    ask_micros: int


EMPTY: Final = Top(NONE, 0, NONE, 0)


@dataclass(slots=True)
class _Book:
    """Levels of a token's book by price; whole once it has had a snapshot."""

    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)
    bid: int = NONE
    ask: int = NONE
    is_whole: bool = False
    told: Top | None = None

    def clear(self) -> None:
        """Begin a snapshot."""
        self.bids.clear()
        self.asks.clear()
        self.bid = self.ask = NONE
        self.is_whole = True

    def lose(self) -> None:
        """Forget everything: there was a gap, and nothing holds until the next snapshot."""
        self.clear()
        self.is_whole, self.told = False, None

    def set(self, side: int, price: int, amount: int) -> None:
        """Set a level's whole amount; 0 removes it."""
        if side == _BUY:
            levels, best = self.bids, self.bid
            better = price > best
        else:
            levels, best = self.asks, self.ask
            better = best == NONE or price < best
        if amount > 0:
            levels[price] = amount
            if not better:
                return
            best = price
        else:
            levels.pop(price, None)
            if price != best:
                return
            best = (max if side == _BUY else min)(levels, default=NONE)
        if side == _BUY:
            self.bid = best
        else:
            self.ask = best

    @property
    def top(self) -> Top:
        """Give the best prices."""
        return Top(self.bid, self.bids.get(self.bid, 0), self.ask, self.asks.get(self.ask, 0))


@dataclass(slots=True)
class Tops:
    """Every book that a journal tells of."""

    _books: dict[tuple[int, int], _Book] = field(default_factory=dict)
    _spreads: dict[int, tuple[int, int]] = field(default_factory=dict)
    _touched: dict[tuple[int, int], None] = field(default_factory=dict)

    def forget(self, slot: int) -> None:
        """Drop a slot's books: it holds another window."""
        for token in Token:
            self._books.pop((slot, int(token)), None)
            self._touched.pop((slot, int(token)), None)
        self._spreads.pop(slot, None)

    def play(
        self, kinds: Sequence[int], slots: Sequence[int], tokens: Sequence[int], sides: Sequence[int],
        prices: Sequence[int], amounts: Sequence[int], flags: Sequence[int],
    ) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:  # fmt: skip
        """Take rows of books and ends of frames; gives the tops and the spreads that changed.

        Each as (row, part, slot, ...) with the schema's columns after them. They are told at the row that ends the
        frame, wherever it began, so that it does not matter how a journal is cut into stretches.
        """
        tops: list[tuple[int, ...]] = []
        spreads: list[tuple[int, ...]] = []
        for at, kind, slot, token, side, price, amount, flag in zip(
            count(), kinds, slots, tokens, sides, prices, amounts, flags, strict=False
        ):
            if kind in (_LEVEL, _CLEARED):
                key = (slot, token)
                book = self._books.get(key)
                if book is None:
                    book = self._books[key] = _Book()
                if kind == _CLEARED:
                    book.clear()
                elif book.is_whole:
                    book.set(side, price, amount)
                self._touched[key] = None
            elif kind == _LOST:
                self._lose()
            if flag & LAST_IN_FRAME:
                self._tell(at, tops, spreads)
        return tops, spreads

    def _lose(self) -> None:
        for book in self._books.values():
            book.lose()
        self._spreads.clear()
        self._touched.clear()

    def _tell(self, at: int, tops: list[tuple[int, ...]], spreads: list[tuple[int, ...]]) -> None:
        for part, (slot, token) in enumerate(self._touched):
            book = self._books[slot, token]
            if not book.is_whole:
                continue
            top = book.top
            if top != book.told:
                book.told = top
                tops.append((at, part, slot, token, *top))
        for part, slot in enumerate(dict.fromkeys(slot for slot, _ in self._touched)):
            spread = self._spread(slot)
            if spread is not None and spread != self._spreads.get(slot):
                self._spreads[slot] = spread
                spreads.append((at, part, slot, *spread, spread[1] - spread[0]))
        self._touched.clear()

    def _spread(self, slot: int) -> tuple[int, int] | None:
        """Give the effective book's best prices where it has both sides."""
        tops = [book.top if book is not None and book.is_whole else EMPTY
                for book in (self._books.get((slot, int(token))) for token in Token)]  # fmt: skip
        up, down = tops
        bids = [up.bid_bps, BPS - down.ask_bps if down.ask_bps != NONE else NONE]
        asks = [each for each in (up.ask_bps, BPS - down.bid_bps if down.bid_bps != NONE else NONE) if each != NONE]
        bid = max(bids)
        return (bid, min(asks)) if bid != NONE and asks else None
