"""The market channel of the venue next door: who subscribes to which token, and what they are told when.

Behaviour: venue reference 4.1. A message is made once for all, and only when somebody is there to hear it.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from aiohttp import web
from numpy.typing import NDArray

from infra.feeds.rows import FULL
from infra.venue_next_door import market_frames as frames
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.faults import Fault
from infra.venue_next_door.lines import Line, accept
from infra.venue_next_door.nouns import Window
from infra.venue_next_door.shown_books import ShownBook, ShownMarket, ms_text
from state.events import LAST_IN_FRAME, Kind

WIRE: Final = "polymarket_market"

_CLEARED, _LEVEL, _TRADE, _TICK, _TOUCH = (
    int(kind) for kind in (Kind.BOOK_CLEARED, Kind.LEVEL_SET, Kind.TRADE_SEEN, Kind.TICK_CHANGED, Kind.TOUCH_CARRIED)
)
_OURS: Final = frozenset({_CLEARED, _LEVEL, _TRADE, _TICK, _TOUCH})


class Wish(msgspec.Struct):
    """What a client says: the first frame, and later operations."""

    type: str = ""
    operation: str = ""
    assets_ids: list[str] = []
    custom_feature_enabled: bool | None = None
    initial_dump: bool = True


_WISH: Final = msgspec.json.Decoder(Wish)


class Subscriber:
    """One connection and what it wants."""

    __slots__ = ("custom", "line", "send", "tokens")

    def __init__(self, line: Line) -> None:
        """Take the connection's line."""
        self.line = line
        self.send = line.send
        self.tokens: dict[str, None] = {}
        self.custom = False
        """It asked for `best_bid_ask`, `new_market` and `market_resolved`, too."""


class MarketChannel:
    """Keeps the books as published and tells subscribers of them."""

    def __init__(self, engine: Engine) -> None:
        """Listen to an engine from now on."""
        self._engine = engine
        self._markets: dict[int, ShownMarket] = {}
        """By slot."""
        self._books: dict[str, ShownBook] = {}
        self._wanted: dict[str, dict[Subscriber, None]] = {}
        """By token, known or not: tokens may be subscribed to before the venue knows them."""
        self._everybody: dict[Subscriber, None] = {}
        self._connections_count = 0
        engine.on_public(self.publish)
        engine.on_window(self.tell_window)

    # What the engine says.

    def publish(self, rows: NDArray[Any]) -> None:
        """Take rows that are due, whole frames only, and tell each frame's message."""
        market: ShownMarket | None = None
        at_slot = -1
        cleared: ShownBook | None = None
        # Unpacking bytes is several times quicker than going through numpy row by row.
        for at_ns, _, _, _, micros, _, bps, _, slot, _, flags, kind, _, token, side, _ in FULL.iter_unpack(
            rows.tobytes()
        ):
            if kind not in _OURS:
                continue
            if slot != at_slot:
                market, at_slot = self._market(slot), slot
            if market is None:
                continue
            book = market.books[token]
            if kind == _LEVEL:
                book.set_level(side, bps, micros)
                if book is not cleared:
                    market.changes.append((book, side, bps, micros))
            elif kind == _CLEARED:
                book.clear()
                cleared = book
            elif kind == _TRADE:
                self._tell_trade(market, book, side, bps, micros, at_ns)
            elif kind == _TICK:
                self._tell_tick(market, book, bps, at_ns)
            if flags & LAST_IN_FRAME:
                self._end_frame(market, cleared, at_ns)
                cleared = None

    def _market(self, slot: int) -> ShownMarket | None:
        """Give what is shown of the window that a slot stands for now."""
        window = self._engine.window_of_slot(slot)
        market = self._markets.get(slot)
        if market is not None and market.window is window:
            return market
        if market is not None:
            self._forget(slot, market)
        if window is None:
            return None
        up, down = (ShownBook(token, window.tick_bps, self._wanted.setdefault(token, {})) for token in window.tokens)
        market = ShownMarket(window, (up, down), is_live=0 < window.hydrated_ns <= self._engine.now_ns())
        self._markets[slot] = market
        self._books |= {book.token_id: book for book in market.books}
        return market

    def _forget(self, slot: int, market: ShownMarket) -> None:
        del self._markets[slot]
        for book in market.books:
            self._books.pop(book.token_id, None)
            if not book.subscribers:
                self._wanted.pop(book.token_id, None)

    def _end_frame(self, market: ShownMarket, cleared: ShownBook | None, at_ns: int) -> None:
        changes = market.changes
        market.at_ns = at_ns
        if not market.subscribers or not market.is_live:
            changes.clear()
            market.books[0].is_moved = market.books[1].is_moved = False
            return
        if changes:
            data = frames.price_change(market, ms_text(at_ns))
            for subscriber in market.subscribers:
                subscriber.send(data)
            changes.clear()
            if market.is_book_due:
                market.is_book_due = False
                for book in market.books:
                    self._tell_book(market, book, at_ns)
        if cleared is not None:
            # A whole book was published by itself: the one that the last trade made due needs no telling any more.
            market.is_book_due = False
            self._tell_book(market, cleared, at_ns)
        for book in market.books:
            if book.is_moved:
                self._tell_touch(market, book, at_ns)

    def _tell_book(self, market: ShownMarket, book: ShownBook, at_ns: int) -> None:
        if book.subscribers:
            data = frames.book_after_trade(market, book, ms_text(at_ns))
            for subscriber in book.subscribers:
                subscriber.send(data)

    def _tell_touch(self, market: ShownMarket, book: ShownBook, at_ns: int) -> None:
        book.is_moved = False
        data = b""
        for subscriber in book.subscribers:
            if subscriber.custom:
                data = data or frames.best_bid_ask(market, book, ms_text(at_ns))
                subscriber.send(data)

    def _tell_trade(self, market: ShownMarket, book: ShownBook, side: int, bps: int, micros: int, at_ns: int) -> None:
        market.last_trade_bps = bps
        market.trades_count += 1
        # The venue sends both books some 20 ms after a trade; here they follow the change that the trade made.
        market.is_book_due = True
        if book.subscribers and market.is_live:
            data = frames.last_trade_price(market, book, side, bps, micros, ms_text(at_ns))
            for subscriber in book.subscribers:
                subscriber.send(data)

    def _tell_tick(self, market: ShownMarket, book: ShownBook, tick_bps: int, at_ns: int) -> None:
        if book.tick_bps == tick_bps:
            return
        if book.subscribers and market.is_live:
            data = frames.tick_size_change(market, book, tick_bps, ms_text(at_ns))
            for subscriber in book.subscribers:
                subscriber.send(data)
        book.tick_bps = tick_bps

    def tell_window(self, window: Window, news: str) -> None:
        """Take a window's news: a new market, its tokens known to the CLOB, or its end."""
        now_ns = self._engine.now_ns()
        if news == "listed":
            self._market(window.slot)
            self._tell_everybody(frames.new_market(window, now_ns))
        elif news == "hydrated":
            market = self._market(window.slot)
            if market is not None and market.window is window and not market.is_live:
                market.is_live = True
                for subscriber in market.subscribers:
                    self._dump(subscriber, [t for t in window.tokens if t in subscriber.tokens])
        elif news == "resolved" and not self._is_kept_quiet(window):
            # Both kinds of news go to whoever asked for them, whatever tokens he has (rs-clob-client-v2 pull 16).
            self._tell_everybody(frames.market_resolved(window, now_ns))

    def _is_kept_quiet(self, window: Window) -> bool:
        """Say whether the fault `unresolved` was on while the window waited: then the news of its end never comes."""
        return any(
            switch.fault is Fault.UNRESOLVED
            and switch.from_ns <= window.resolved_ns
            and window.close_ns < switch.until_ns
            for switch in self._engine.faults.switches
        )

    def _tell_everybody(self, data: bytes) -> None:
        for subscriber in self._everybody:
            if subscriber.custom:
                subscriber.send(data)

    # What clients say.

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Take one connection and live with it until it goes."""
        engine = self._engine
        socket = await accept(request)
        self._connections_count += 1
        async with Line(socket, WIRE, engine.faults, engine.clock, self._connections_count) as line:
            subscriber = Subscriber(line)
            self._everybody[subscriber] = None
            try:
                async for text in line.incoming():
                    self._hear(subscriber, text)
            finally:
                self._everybody.pop(subscriber, None)
                self._unsubscribe(subscriber, list(subscriber.tokens))
        return socket

    def _hear(self, subscriber: Subscriber, text: bytes) -> None:
        if text == b"PING":
            subscriber.line.answer(b"PONG")
            return
        try:
            wish = _WISH.decode(text)
        except msgspec.MsgspecError:
            return  # what the venue says to junk is not known: it hears nothing from us
        if wish.operation == "unsubscribe":
            self._unsubscribe(subscriber, wish.assets_ids)
        elif wish.operation == "subscribe" or wish.type.lower() == "market":
            self._subscribe(subscriber, wish)

    def _subscribe(self, subscriber: Subscriber, wish: Wish) -> None:
        # The flag is taken before assets that are no news are refused (py-sdk, market_protocol).
        if wish.custom_feature_enabled is not None:
            subscriber.custom = wish.custom_feature_enabled
        fresh = [token for token in dict.fromkeys(wish.assets_ids) if token not in subscriber.tokens]
        if not fresh:
            if wish.assets_ids:
                subscriber.line.answer(b"NO NEW ASSETS")
            return
        for token in fresh:
            subscriber.tokens[token] = None
            self._wanted.setdefault(token, {})[subscriber] = None
        self._gather(fresh)
        if wish.initial_dump:
            self._dump(subscriber, fresh)

    def _unsubscribe(self, subscriber: Subscriber, tokens: Iterable[str]) -> None:
        for token in tokens:
            subscriber.tokens.pop(token, None)
            wanting = self._wanted.get(token)
            if wanting is not None:
                wanting.pop(subscriber, None)
                if not wanting and token not in self._books:
                    del self._wanted[token]
        self._gather(tokens)

    def _gather(self, tokens: Iterable[str]) -> None:
        for token in tokens:
            market = self._market_of(token)
            if market is not None:
                market.gather()

    def _market_of(self, token: str) -> ShownMarket | None:
        window = self._engine.window_of_token(token)
        market = self._market(window.slot) if window is not None else None
        return market if market is not None and market.window is window else None

    def _dump(self, subscriber: Subscriber, tokens: Iterable[str]) -> None:
        """Send the books of the tokens that the venue knows, as one array."""
        if self._engine.faults.is_on(Fault.NO_SNAPSHOT, WIRE):
            return
        books = []
        for token in tokens:
            market = self._market_of(token)
            if market is not None and market.is_live:
                at_ms = ms_text(market.at_ns or self._engine.now_ns())
                books.append(frames.book_dumped(market, self._books[token], at_ms))
        subscriber.send(b"[" + b",".join(books) + b"]")
