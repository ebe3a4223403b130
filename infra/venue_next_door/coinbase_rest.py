"""Coinbase next door: what both sockets stand on, and as much REST as clients of either brand ask before them.

The bodies are from memory of the exchange's documentation, and hold what ccxt reads of them.
"""

from typing import Any, Final

from aiohttp import web

from infra.venue_next_door.exchange_socket import ExchangeSocket, encode
from infra.venue_next_door.lines import Line
from infra.venue_next_door.tapes import TOUCH_SIZE, Print, Tape, figure, iso_of
from state.events import Side, Source
from state.units import NS_PER_S

MAKERS: Final = {Side.BUY: "sell", Side.SELL: "buy"}
"""Taker's side -> the maker's word."""


class CoinbaseSocket(ExchangeSocket):
    """What both sockets share: topics by channel and product, and REST."""

    source = Source.COINBASE
    symbol_form = "{}-USD"

    def app(self) -> web.Application:
        """Give the application: the socket at the root, and REST of both brands beside it."""
        app = super().app()
        app.router.add_get("/", self.serve)
        products = "/api/v3/brokerage/market/products"
        for path, answer in (
            ("/time", self._time), ("/currencies", self._currencies), ("/products", self._products),
            ("/products/{symbol}/ticker", self._ticker_of), ("/products/{symbol}/trades", self._trades_of),
            ("/products/{symbol}/book", self._book_of), ("/v2/currencies", self._wallet_currencies),
            ("/v2/currencies/crypto", self._wallet_coins), ("/v2/exchange-rates", self._rates),
            ("/v2/time", self._wallet_time), ("/api/v3/brokerage/time", self._time), (products, self._market_products),
            (products + "/{symbol}/ticker", self._market_trades),
        ):  # fmt: skip
            app.router.add_get(path, answer)
        return app

    def listed(self, line: Line) -> dict[str, list[str]]:
        """Give a line's channels with their products."""
        told: dict[str, list[str]] = {}
        for topic in self.topics.of(line):
            channel, _, symbol = topic.partition(" ")
            told.setdefault(channel, []).append(symbol)
        return told

    # REST.

    async def _time(self, request: web.Request) -> web.Response:
        now_ns = self.clock.now_ns()
        millis = {"epochSeconds": str(now_ns // NS_PER_S), "epochMillis": str(now_ns // 1_000_000)}
        return _answered({"iso": iso_of(now_ns), "epoch": now_ns / NS_PER_S} | millis)

    async def _wallet_time(self, request: web.Request) -> web.Response:
        now_ns = self.clock.now_ns()
        return _answered({"data": {"iso": iso_of(now_ns), "epoch": now_ns // NS_PER_S}})

    async def _wallet_currencies(self, request: web.Request) -> web.Response:
        return _answered({"data": [{"id": "USD", "name": "US Dollar", "min_size": "0.01"}]})

    async def _wallet_coins(self, request: web.Request) -> web.Response:
        rows = [
            {"asset_id": tape.symbol, "code": tape.asset.name, "name": tape.asset.name, "color": "#000000",
             "sort_index": 100 + tape.asset, "exponent": 8, "type": "crypto"}
            for tape in self.tapes.values()
        ]  # fmt: skip
        return _answered({"data": rows})

    async def _rates(self, request: web.Request) -> web.Response:
        rates = {t.asset.name: f"{1 / t.last_usd:.16f}" for t in self.tapes.values() if t.is_quoted}
        return _answered({"data": {"currency": "USD", "rates": rates | {"USD": "1.0"}}})

    async def _currencies(self, request: web.Request) -> web.Response:
        names = [*(tape.asset.name for tape in self.tapes.values()), "USD"]
        rows = [{"id": name, "name": name, "min_size": "0.00000001", "status": "online", "max_precision": "0.00000001",
                 "details": {"type": "fiat" if name == "USD" else "crypto"}} for name in names]  # fmt: skip
        return _answered(rows)

    async def _products(self, request: web.Request) -> web.Response:
        rows = [
            {"id": t.symbol, "base_currency": t.asset.name, "quote_currency": "USD", "quote_increment": "0.01",
             "base_increment": "0.00000001", "display_name": f"{t.asset.name}/USD", "min_market_funds": "1",
             "margin_enabled": False, "post_only": False, "limit_only": False, "cancel_only": False,
             "status": "online", "status_message": "", "trading_disabled": False}
            for t in self.tapes.values()
        ]  # fmt: skip
        return _answered(rows)

    async def _market_products(self, request: web.Request) -> web.Response:
        tapes = [] if request.query.get("product_type", "SPOT") not in ("SPOT", "") else list(self.tapes.values())
        rows = [
            {"product_id": t.symbol, "price": figure(t.last_usd, 2), "base_increment": "0.00000001",
             "quote_increment": "0.01", "price_increment": "0.01", "quote_min_size": "1", "quote_max_size": "50000000",
             "base_min_size": "0.00000001", "base_max_size": "3400", "base_currency_id": t.asset.name,
             "quote_currency_id": "USD", "base_name": t.asset.name, "quote_name": "US Dollar", "status": "online",
             "product_type": "SPOT", "volume_24h": f"{t.volume:.8f}", "is_disabled": False, "new": False,
             "trading_disabled": False, "view_only": False, "cancel_only": False, "limit_only": False,
             "post_only": False, "auction_mode": False, "price_percentage_change_24h": change_of(t),
             "volume_percentage_change_24h": "0"}
            for t in tapes
        ]  # fmt: skip
        return _answered({"products": rows, "num_products": len(rows)})

    def _asked(self, request: web.Request) -> Tape:
        tape = self.by_symbol.get(request.match_info["symbol"])
        if tape is None or not tape.is_quoted:
            raise web.HTTPNotFound(body=encode({"message": "NotFound"}), content_type="application/json")
        return tape

    async def _ticker_of(self, request: web.Request) -> web.Response:
        tape = self._asked(request)
        told = {"ask": figure(tape.ask_usd, 2), "bid": figure(tape.bid_usd, 2), "volume": f"{tape.volume:.8f}"}
        told |= {"price": figure(tape.last_usd, 2), "size": figure(last_size(tape), 8)}
        return _answered(told | {"trade_id": tape.trade_id, "time": iso_of(tape.quoted_ns)})

    async def _book_of(self, request: web.Request) -> web.Response:
        tape = self._asked(request)
        size = figure(TOUCH_SIZE, 8)
        sides = {"bids": [[figure(tape.bid_usd, 2), size, 1]], "asks": [[figure(tape.ask_usd, 2), size, 1]]}
        return _answered(sides | {"sequence": tape.seq, "time": iso_of(tape.quoted_ns)})

    async def _trades_of(self, request: web.Request) -> web.Response:
        rows = [
            {"trade_id": t.trade_id, "side": MAKERS[t.taker], "size": figure(t.size, 8), "price": figure(t.usd, 2),
             "time": iso_of(t.at_ns)}
            for t in reversed(self._asked(request).recent)
        ]  # fmt: skip
        return _answered(rows)

    async def _market_trades(self, request: web.Request) -> web.Response:
        tape = self._asked(request)
        touch = {"best_bid": figure(tape.bid_usd, 2), "best_ask": figure(tape.ask_usd, 2)}
        return _answered({"trades": [trade_of(tape, t) for t in reversed(tape.recent)]} | touch)


def trade_of(tape: Tape, trade: Print) -> dict[str, str]:
    """Give a trade as Advanced Trade writes it."""
    told = {"trade_id": str(trade.trade_id), "product_id": tape.symbol, "price": figure(trade.usd, 2)}
    return told | {"size": figure(trade.size, 8), "side": MAKERS[trade.taker].upper(), "time": iso_of(trade.at_ns)}


def last_size(tape: Tape) -> float:
    """Give the size of the last trade, 0 before the first."""
    return tape.recent[-1].size if tape.recent else 0.0


def change_of(tape: Tape) -> str:
    """Give the change since this venue was opened, in percent."""
    return f"{100 * (tape.last_usd / tape.open_usd - 1):.8f}" if tape.open_usd else "0"


def _answered(body: Any) -> web.Response:
    return web.Response(body=encode(body), content_type="application/json")
