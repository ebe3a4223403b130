"""What the CLOB tells everybody: time, markets, books, prices (venue reference 5.1).

Doubts, decided here: in middle price and spread an empty side counts as 0 or 1, as best prices on the market channel
write it; a best price that is not there is "0"; plural requests leave out tokens without a book.
"""

import hashlib
from typing import Any, Final

import msgspec
from aiohttp import web

from infra.venue_next_door.clob_markets import LEGACY_FEE, is_hydrated, long_market, short_market, simple_market
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.faults import Fault
from infra.venue_next_door.last_trades import LastTrades
from infra.venue_next_door.nouns import BookLevel, BookShown, Window
from infra.venue_next_door.pages import page_body
from infra.venue_next_door.refusals import NO_BOOK, Refusal, answered
from infra.venue_next_door.shown_books import ms_text, price_text, size_text
from state.events import Side
from state.units import BPS, NS_PER_S

BOOKS_MAX: Final = 500
MARKETS_PAGE: Final = 1000
_INTERVALS_S: Final = {
    "1h": 3600,
    "6h": 21_600,
    "1d": 86_400,
    "1w": 604_800,
    "1m": 2_592_000,
    "max": 1 << 40,
    "all": 1 << 40,
}


class Asked(msgspec.Struct):
    """One token of a plural request."""

    token_id: str
    side: str = ""


_ASKED: Final = msgspec.json.Decoder(list[Asked])


def _levels(levels: tuple[BookLevel, ...]) -> list[dict[str, str]]:
    return [{"price": price_text(level.price_bps), "size": size_text(level.amount_micros)} for level in levels]


def book_body(book: BookShown, last: tuple[int, Side] | None) -> dict[str, Any]:
    """Write a book; its hash is SHA-1 over itself with an empty hash, as clients reckon it (CV2 `utilities.py`)."""
    last_bps = last[0] if last else book.last_trade_bps
    body: dict[str, Any] = {
        "market": book.window.condition_id,
        "asset_id": book.window.tokens[book.token],
        "timestamp": ms_text(book.at_ns),
        "hash": "",
        "bids": _levels(book.bids),
        "asks": _levels(book.asks),
        "min_order_size": str(book.window.min_shares),
        "tick_size": price_text(book.window.tick_bps),
        "neg_risk": False,
        "last_trade_price": price_text(last_bps) if last_bps else "",
    }
    body["hash"] = hashlib.sha1(msgspec.json.encode(body), usedforsecurity=False).hexdigest()
    return body


def _best(book: BookShown, side: str) -> str:
    """Give the best price of a side: BUY asks for the best bid (measured, venue reference 5.1)."""
    levels = book.bids if side == "BUY" else book.asks
    return price_text(levels[-1].price_bps) if levels else "0"


def _touch(book: BookShown) -> tuple[int, int]:
    return (
        book.bids[-1].price_bps if book.bids else 0,
        book.asks[-1].price_bps if book.asks else BPS,
    )


def _mid(book: BookShown) -> str:
    return f"{sum(_touch(book)) / (2 * BPS):g}"


def _spread(book: BookShown) -> str:
    bid_bps, ask_bps = _touch(book)
    return price_text(ask_bps - bid_bps)


class PublicDesk:
    """The handlers of what needs no key."""

    def __init__(self, engine: Engine) -> None:
        """Begin to listen to the engine's trades."""
        self.engine = engine
        self.trades = LastTrades(engine)

    def routes(self) -> list[web.RouteDef]:
        """Give the routes."""
        plural = {
            "/books": self.books,
            "/midpoints": self.midpoints,
            "/prices": self.prices,
            "/spreads": self.spreads,
            "/last-trades-prices": self.last_trades_prices,
        }
        pages = [web.get(path, self.simple_page) for path in ("/simplified-markets", "/sampling-simplified-markets")]
        pages += [web.get(path, self.long_page) for path in ("/markets", "/sampling-markets")]
        return [
            web.get("/", self.ok),
            web.get("/ok", self.ok),
            web.get("/time", self.time),
            web.get("/version", self.version),
            web.get("/book", self.book),
            web.get("/midpoint", self.midpoint),
            web.get("/price", self.price),
            web.get("/spread", self.spread),
            web.get("/last-trade-price", self.last_trade_price),
            web.get("/tick-size", self.tick_size),
            web.get("/neg-risk", self.neg_risk),
            web.get("/fee-rate", self.fee_rate),
            web.get("/prices-history", self.prices_history),
            web.get("/markets/{condition}", self.market),
            web.get("/markets-by-token/{token}", self.market_by_token),
            web.get("/clob-markets/{condition}", self.clob_market),
            *pages,
            *(web.get(path, handler) for path, handler in plural.items()),
            *(web.post(path, handler) for path, handler in plural.items()),
        ]

    # One token.

    def _window_of_token(self, token_id: str) -> Window:
        window = self.engine.window_of_token(token_id)
        if window is None or not is_hydrated(window, self.engine.clock.now_ns()):
            raise Refusal(NO_BOOK, 404)
        return window

    def _book(self, token_id: str) -> BookShown:
        self._window_of_token(token_id)
        book = self.engine.book(token_id)
        if book is None:
            raise Refusal(NO_BOOK, 404)
        return book

    def _asked_book(self, request: web.Request) -> BookShown:
        token_id = request.query.get("token_id", "")
        if not token_id:
            raise Refusal("Invalid token id")
        return self._book(token_id)

    async def ok(self, request: web.Request) -> web.Response:
        """Say that somebody is there."""
        return answered("OK")

    async def time(self, request: web.Request) -> web.Response:
        """Tell the venue's time in seconds."""
        return answered(self.engine.now_ns() // NS_PER_S)

    async def version(self, request: web.Request) -> web.Response:
        """Tell the generation of orders."""
        return answered({"version": int(self.engine.faults.value(Fault.VERSION_MISMATCH, "/version")) or 2})

    async def book(self, request: web.Request) -> web.Response:
        """Tell a book whole."""
        book = self._asked_book(request)
        return answered(book_body(book, self.trades.last(book.window.tokens[book.token])))

    async def midpoint(self, request: web.Request) -> web.Response:
        """Tell the middle price."""
        return answered({"mid": _mid(self._asked_book(request))})

    async def price(self, request: web.Request) -> web.Response:
        """Tell the best price of a side."""
        side = request.query.get("side", "").upper()
        if side not in ("BUY", "SELL"):
            raise Refusal("Invalid side")
        return answered({"price": _best(self._asked_book(request), side)})

    async def spread(self, request: web.Request) -> web.Response:
        """Tell the spread."""
        return answered({"spread": _spread(self._asked_book(request))})

    def _last(self, token_id: str) -> dict[str, str]:
        last = self.trades.last(token_id)
        return {"price": price_text(last[0]), "side": last[1].name} if last else {"price": "0.5", "side": ""}

    async def last_trade_price(self, request: web.Request) -> web.Response:
        """Tell the last trade; before the first, 0.5 and no side (a side of "" is what clients know for none)."""
        token_id = request.query.get("token_id", "")
        self._window_of_token(token_id)
        return answered(self._last(token_id))

    async def tick_size(self, request: web.Request) -> web.Response:
        """Tell the tick."""
        window = self._window_of_token(request.query.get("token_id", ""))
        return answered({"minimum_tick_size": window.tick_bps / BPS})

    async def neg_risk(self, request: web.Request) -> web.Response:
        """Say that it is no neg-risk market."""
        self._window_of_token(request.query.get("token_id", ""))
        return answered({"neg_risk": False})

    async def fee_rate(self, request: web.Request) -> web.Response:
        """Tell the legacy number that is not the fee."""
        self._window_of_token(request.query.get("token_id", ""))
        return answered({"base_fee": LEGACY_FEE})

    async def prices_history(self, request: web.Request) -> web.Response:
        """Tell the last trade of each minute of a token; fidelity is in minutes."""
        query, now_s = request.query, self.engine.now_ns() // NS_PER_S
        try:
            step_s = max(int(query.get("fidelity", "1")), 1) * 60
            last_s = int(query.get("endTs", str(now_s)))
            span_s = _INTERVALS_S[query.get("interval", "max")]
            first_s = int(query.get("startTs", str(last_s - span_s)))
        except (ValueError, KeyError) as error:
            raise Refusal("invalid filters") from error
        minutes = self.trades.minutes(query.get("market", ""), first_s, last_s, step_s)
        return answered({"history": [{"t": second, "p": bps / BPS} for second, bps in minutes]})

    # Many tokens.

    async def _asked(self, request: web.Request) -> list[tuple[BookShown, str, str]]:
        """Give book, token and side of every token asked for, by body or by `token_ids` of the query."""
        if request.method == "POST":
            try:
                asked = _ASKED.decode(await request.read())
            except msgspec.DecodeError as error:
                raise Refusal("Invalid payload") from error
        else:
            sides = request.query.get("sides", "").split(",")
            ids = [token_id for token_id in request.query.get("token_ids", "").split(",") if token_id]
            asked = [Asked(token_id, sides[at] if at < len(sides) else "") for at, token_id in enumerate(ids)]
        if len(asked) > BOOKS_MAX:
            raise Refusal(f"Payload exceeds the limit of {BOOKS_MAX}")
        found: list[tuple[BookShown, str, str]] = []
        for one in asked:
            try:
                found.append((self._book(one.token_id), one.token_id, one.side.upper()))
            except Refusal:
                continue
        return found

    async def books(self, request: web.Request) -> web.Response:
        """Tell many books."""
        found = await self._asked(request)
        return answered([book_body(book, self.trades.last(token_id)) for book, token_id, _ in found])

    async def midpoints(self, request: web.Request) -> web.Response:
        """Tell many middle prices."""
        return answered({token_id: _mid(book) for book, token_id, _ in await self._asked(request)})

    async def prices(self, request: web.Request) -> web.Response:
        """Tell many best prices; without a side, both."""
        told: dict[str, dict[str, str]] = {}
        for book, token_id, side in await self._asked(request):
            for each in (side,) if side in ("BUY", "SELL") else ("BUY", "SELL"):
                told.setdefault(token_id, {})[each] = _best(book, each)
        return answered(told)

    async def spreads(self, request: web.Request) -> web.Response:
        """Tell many spreads."""
        return answered({token_id: _spread(book) for book, token_id, _ in await self._asked(request)})

    async def last_trades_prices(self, request: web.Request) -> web.Response:
        """Tell many last trades; tokens that never traded are left out."""
        found = await self._asked(request)
        return answered(
            [{"token_id": token_id, **self._last(token_id)} for _, token_id, _ in found if self.trades.last(token_id)]
        )

    # Markets.

    def _window(self, request: web.Request) -> Window:
        window = self.engine.window_of_condition(request.match_info["condition"])
        if window is None:
            raise Refusal("market not found", 404)
        return window

    async def market(self, request: web.Request) -> web.Response:
        """Tell a market long."""
        return answered(long_market(self.engine, self._window(request)))

    async def clob_market(self, request: web.Request) -> web.Response:
        """Tell a market short."""
        return answered(short_market(self.engine, self._window(request)))

    async def market_by_token(self, request: web.Request) -> web.Response:
        """Tell which market a token is of."""
        window = self._window_of_token(request.match_info["token"])
        return answered(
            {
                "condition_id": window.condition_id,
                "primary_token_id": window.tokens[0],
                "secondary_token_id": window.tokens[1],
            }
        )

    async def simple_page(self, request: web.Request) -> web.Response:
        """Tell all markets in a few words each."""
        rows = [simple_market(self.engine, window) for window in self.engine.windows.values()]
        return answered(page_body(rows, request.query.get("next_cursor", ""), MARKETS_PAGE))

    async def long_page(self, request: web.Request) -> web.Response:
        """Tell all markets long."""
        rows = [long_market(self.engine, window) for window in self.engine.windows.values()]
        return answered(page_body(rows, request.query.get("next_cursor", ""), MARKETS_PAGE))
