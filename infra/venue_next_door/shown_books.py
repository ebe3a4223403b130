"""The books as the venue has published them: what a subscriber who comes now must be told first.

The engine is ahead of them by what a frame needs to leave the venue, so a snapshot out of the engine would be followed
by changes that it already holds. Everything here is made to be cheap: some ten thousand changes a second at 60x.
"""

from functools import lru_cache
from typing import Any, Final

from infra.venue_next_door.nouns import Window
from state.events import Side
from state.units import BPS, LEVELS, MICROS, MILL_BPS

PRICE_TEXTS: Final = tuple(f"{mills / 1000:g}" for mills in range(LEVELS))
"""Price in mills -> as the venue writes it: "0.5", "0.07", "0.001" (recorded 2026-04-21)."""
SIDE_TEXTS: Final = ("BUY", "SELL")

_BUY: Final = int(Side.BUY)
_WORD: Final = (1 << 64) - 1
_HASH: Final = (1 << 160) - 1
_SPREAD: Final = 0x9E3779B97F4A7C15F39CC0605CEDC8341082276B
"""An odd number of 160 bits: multiplying by it spreads 64 bits over forty hex digits and loses none of them."""


def price_text(bps: int) -> str:
    """Write a price as the venue does.

    >>> price_text(5000), price_text(9990), price_text(0)
    ('0.5', '0.999', '0')
    """
    return PRICE_TEXTS[bps // MILL_BPS]


@lru_cache(maxsize=1 << 16)
def size_text(micros: int) -> str:
    """Write an amount as the venue does.

    >>> size_text(362_170_000), size_text(339_000_000), size_text(1)
    ('362.17', '339', '0.000001')
    """
    whole, part = divmod(micros, MICROS)
    return f"{whole}.{part:06d}".rstrip("0") if part else str(whole)


def ms_text(ns: int) -> str:
    """Write a time as the venue's sockets do: milliseconds."""
    return str(ns // 1_000_000)


class ShownBook:
    """One token's book as published, with its best prices and a digest kept beside it."""

    __slots__ = ("ask_bps", "bid_bps", "is_moved", "levels", "mark", "subscribers", "tick_bps", "token_id")

    def __init__(self, token_id: str, tick_bps: int, subscribers: dict[Any, None]) -> None:
        """Take the token, its tick, and who wants to hear of it (a dict that others fill)."""
        self.token_id = token_id
        self.tick_bps = tick_bps
        self.subscribers = subscribers
        self.levels: tuple[dict[int, int], dict[int, int]] = ({}, {})
        """By `state.events.Side`: price in bps -> amount in micros."""
        self.bid_bps = 0
        self.ask_bps = BPS
        """0 and one dollar: the side is empty."""
        self.is_moved = False
        """A best price changed since this was last set back."""
        self.mark = 0

    def clear(self) -> None:
        """Forget all levels."""
        self.levels[0].clear()
        self.levels[1].clear()
        self.is_moved = self.bid_bps > 0 or self.ask_bps < BPS
        self.bid_bps, self.ask_bps, self.mark = 0, BPS, 0

    def set_level(self, side: int, bps: int, micros: int) -> None:
        """Put a level's new total; 0 removes it."""
        levels = self.levels[side]
        before = levels.pop(bps, 0)
        if before:
            self.mark ^= hash((side, bps, before))
        if micros:
            levels[bps] = micros
            self.mark ^= hash((side, bps, micros))
        if side == _BUY:
            if micros:
                if bps > self.bid_bps:
                    self.bid_bps = bps
                    self.is_moved = True
            elif bps == self.bid_bps:
                self.bid_bps = max(levels, default=0)
                self.is_moved = True
        elif micros:
            if bps < self.ask_bps:
                self.ask_bps = bps
                self.is_moved = True
        elif bps == self.ask_bps:
            self.ask_bps = min(levels, default=BPS)
            self.is_moved = True

    def digest(self) -> str:
        """Give forty hex digits that are the same for the same levels; how the venue makes its own is not known."""
        return f"{(self.mark & _WORD) * _SPREAD & _HASH:040x}"


class ShownMarket:
    """Both books of one window, and what is on the way to its subscribers."""

    __slots__ = (
        "at_ns", "books", "changes", "condition_id", "head", "is_book_due", "is_live", "last_trade_bps", "subscribers",
        "trades_count", "window",
    )  # fmt: skip

    def __init__(self, window: Window, books: tuple[ShownBook, ShownBook], *, is_live: bool) -> None:
        """Take a window and a book for each of its tokens, by `state.events.Token`."""
        self.window = window
        self.books = books
        self.condition_id = window.condition_id
        self.head = f'{{"market":"{window.condition_id}",'
        self.is_live = is_live
        """The CLOB knows its tokens; until then nothing is said of them."""
        self.subscribers: dict[Any, None] = {}
        """Who wants to hear of either token: a `price_change` tells of both."""
        self.changes: list[tuple[ShownBook, int, int, int]] = []
        """Book, side, price in bps and new amount in micros: the frame that is being read."""
        self.is_book_due = False
        """A trade was told, and no whole book after it."""
        self.at_ns = 0
        """Stamp of the last frame: what a book that did not change since says it is of (recorded so)."""
        self.last_trade_bps = 0
        self.trades_count = 0
        self.gather()

    def gather(self) -> None:
        """Take up who subscribes to either book now."""
        self.subscribers = {**self.books[0].subscribers, **self.books[1].subscribers}
