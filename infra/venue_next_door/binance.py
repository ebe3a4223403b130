"""Binance next door: market streams of spot and of USD-M futures, and as much REST as its clients ask before them.

Shapes: venue reference 6.1 and recorded frames of 2021 and 2024. Error texts, limits of messages and the REST bodies
are from memory of the exchange's documentation.
"""

import asyncio
from collections import deque
from typing import Any, ClassVar, Final

from aiohttp import web

from infra.venue_next_door.engine import Engine
from infra.venue_next_door.exchange_socket import ExchangeSocket, encode
from infra.venue_next_door.lines import Line
from infra.venue_next_door.tapes import TOUCH_SIZE, Print, Tape, figure, ms_of
from state.events import Side, Source
from state.units import NS_PER_S

STREAMS_MAX: Final = 1024
LIFE_S: Final = 24 * 3600
TICKER_S: Final = 1.0


class Binance(ExchangeSocket):
    """The stream protocol; spot and futures differ by numbers and a few fields."""

    symbol_form = "{}USDT"
    price_decimals: ClassVar[int] = 8
    size_decimals: ClassVar[int] = 8
    messages_per_s: ClassVar[int] = 5
    ping_every_s: ClassVar[float] = 20.0
    pong_within_s: ClassVar[float] = 60.0
    rest: ClassVar[str] = "/api/v3"

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._wrapped: set[Line] = set()
        self._said: dict[Line, deque[int]] = {}

    def app(self) -> web.Application:
        """Give the application: `/ws/…`, `/stream?streams=…`, and the REST paths beside them."""
        app = super().app()
        for path in ("/ws", "/ws/{streams:.+}", "/stream"):
            for ahead in ("", "/public", "/market"):  # the futures' addresses since 2026 name a category first
                app.router.add_get(ahead + path, self.serve)
        for path, answer in (
            ("ping", self._ping), ("time", self._time), ("exchangeInfo", self._info),
            ("ticker/bookTicker", self._touches), ("ticker/price", self._prices), ("ticker/24hr", self._days),
            ("trades", self._trades), ("aggTrades", self._agg_trades), ("depth", self._depth),
        ):  # fmt: skip
            app.router.add_get(f"{self.rest}/{path}", answer)
        app.router.add_get("/dapi/v1/exchangeInfo", self._no_coin_margined)
        return app

    # Messages out.

    def show_quote(self, tape: Tape) -> None:
        """Tell `bookTicker`."""
        self._publish(tape, "bookTicker", lambda: encode(self._book_ticker(tape)))

    def show_print(self, tape: Tape, trade: Print) -> None:
        """Tell `trade` and `aggTrade`: every trade here is one taker's at one price."""
        self._publish(tape, "trade", lambda: encode(self._trade(tape, trade)))
        self._publish(tape, "aggTrade", lambda: encode(self._agg_trade(tape, trade)))

    def _publish(self, tape: Tape, kind: str, message: Any) -> None:
        stream = f"{tape.symbol.lower()}@{kind}"
        lines = self.topics.lines(stream)
        if not lines:
            return
        data = message()
        wrapped = b'{"stream":"' + stream.encode() + b'","data":' + data + b"}"
        for line in lines:
            line.send(wrapped if line in self._wrapped else data)

    async def live(self) -> None:
        """Tell the day's figures once a second."""
        while True:
            await self.clock.sleep(round(TICKER_S * NS_PER_S))
            for tape in self.tapes.values():
                if tape.is_quoted:
                    self._publish(tape, "ticker", lambda tape=tape: encode(self._day_ticker(tape)))
                    self._publish(tape, "miniTicker", lambda tape=tape: encode(self._mini_ticker(tape)))

    def _px(self, usd: float) -> str:
        return figure(usd, self.price_decimals)

    def _qty(self, size: float) -> str:
        return figure(size, self.size_decimals)

    def _book_ticker(self, tape: Tape) -> dict[str, Any]:
        touch = {"b": self._px(tape.bid_usd), "B": self._qty(TOUCH_SIZE)}
        return {"u": tape.update_id, "s": tape.symbol, **touch, "a": self._px(tape.ask_usd), "A": self._qty(TOUCH_SIZE)}

    def _trade(self, tape: Tape, trade: Print) -> dict[str, Any]:
        at_ms = ms_of(trade.at_ns)
        body = {"e": "trade", "E": at_ms, "s": tape.symbol, "t": trade.trade_id, "p": self._px(trade.usd)}
        return body | {"q": self._qty(trade.size), "T": at_ms, "m": trade.taker is Side.SELL, "M": True}

    def _agg_trade(self, tape: Tape, trade: Print) -> dict[str, Any]:
        at_ms = ms_of(trade.at_ns)
        body = {"e": "aggTrade", "E": at_ms, "s": tape.symbol, "a": trade.trade_id, "p": self._px(trade.usd)}
        body |= {"q": self._qty(trade.size), "f": trade.trade_id, "l": trade.trade_id, "T": at_ms}
        return body | {"m": trade.taker is Side.SELL, "M": True}

    def _mini_ticker(self, tape: Tape) -> dict[str, Any]:
        body = {"e": "24hrMiniTicker", "E": ms_of(self.clock.now_ns()), "s": tape.symbol, "c": self._px(tape.last_usd)}
        body |= {"o": self._px(tape.open_usd), "h": self._px(tape.high_usd), "l": self._px(tape.low_usd)}
        return body | {"v": self._qty(tape.volume), "q": self._qty(tape.turnover_usd)}

    def _day_ticker(self, tape: Tape) -> dict[str, Any]:
        last, open_usd = tape.last_usd, tape.open_usd
        mean = tape.turnover_usd / tape.volume if tape.volume else last
        body = {"e": "24hrTicker", "E": ms_of(self.clock.now_ns()), "s": tape.symbol, "p": self._px(last - open_usd)}
        body |= {"P": f"{100 * (last / open_usd - 1):.3f}", "w": self._px(mean), "c": self._px(last)}
        body |= {"Q": self._qty(tape.recent[-1].size if tape.recent else 0.0), "b": self._px(tape.bid_usd)}
        body |= {"B": self._qty(TOUCH_SIZE), "a": self._px(tape.ask_usd), "A": self._qty(TOUCH_SIZE)}
        body |= {"o": self._px(open_usd), "h": self._px(tape.high_usd), "l": self._px(tape.low_usd)}
        body |= {"v": self._qty(tape.volume), "q": self._qty(tape.turnover_usd), "O": ms_of(tape.opened_ns)}
        return body | {"C": ms_of(tape.quoted_ns), "F": 1, "L": tape.trade_id, "n": tape.trade_id}

    # Connections.

    def greet(self, line: Line, request: web.Request) -> None:
        """Subscribe to what the address names; addresses of `/stream` wrap every message."""
        if request.path.endswith("/stream"):
            self._wrapped.add(line)
        named = request.match_info.get("streams") or request.query.get("streams", "")
        for stream in named.split("/"):
            if stream:
                self.topics.join(stream, line)
        self._said[line] = deque(maxlen=self.messages_per_s + 1)

    def leave(self, line: Line) -> None:
        """Forget a connection."""
        super().leave(line)
        self._wrapped.discard(line)
        self._said.pop(line, None)

    async def care(self, line: Line) -> None:
        """Ping, and after 24 hours say `serverShutdown` and close."""
        pings = asyncio.create_task(self.ping_often(line, self.ping_every_s, self.pong_within_s))
        try:
            await self.clock.sleep(LIFE_S * NS_PER_S)
            line.send(encode({"e": "serverShutdown", "E": ms_of(self.clock.now_ns())}))
            await line.close(1001, "24h")
        finally:
            pings.cancel()

    async def hear(self, line: Line, raw: bytes) -> None:
        """Answer a request by its method and id."""
        said, now_ns = self._said[line], self.clock.now_ns()
        said.append(now_ns)
        if len(said) > self.messages_per_s and now_ns - said[0] < NS_PER_S:
            await line.close(1008, "Too many requests")
            return
        request = self.read_request(raw)
        if request is None:
            line.answer(encode({"error": {"code": 3, "msg": "Invalid JSON: expected value"}}))
            return
        ways = {
            "SUBSCRIBE": self._subscribe,
            "UNSUBSCRIBE": self._unsubscribe,
            "LIST_SUBSCRIPTIONS": self._list,
            "SET_PROPERTY": self._set_property,
            "GET_PROPERTY": self._get_property,
        }
        way = ways.get(str(request.get("method")))
        name, params = request.get("id"), request.get("params") or []
        if way is None or not isinstance(params, list) or not isinstance(name, int | str | None):
            wrong = f"Invalid request: unknown variant `{str(request.get('method'))[:40]}`"
            line.answer(
                encode({"error": {"code": 2, "msg": wrong}, "id": name if isinstance(name, int | str) else None})
            )
            return
        line.answer(encode(way(line, params) | {"id": name}))

    def _subscribe(self, line: Line, params: list[Any]) -> dict[str, Any]:
        if not all(isinstance(stream, str) for stream in params):
            return {"error": {"code": 2, "msg": "Invalid request: request params must be a string array"}}
        if len(self.topics.of(line)) + len(params) > STREAMS_MAX:
            return {"error": {"code": 2, "msg": f"Invalid request: more than {STREAMS_MAX} streams"}}
        for stream in params:
            self.topics.join(stream, line)
        return {"result": None}

    def _unsubscribe(self, line: Line, params: list[Any]) -> dict[str, Any]:
        for stream in params:
            self.topics.quit(str(stream), line)
        return {"result": None}

    def _list(self, line: Line, params: list[Any]) -> dict[str, Any]:
        return {"result": self.topics.of(line)}

    def _set_property(self, line: Line, params: list[Any]) -> dict[str, Any]:
        if len(params) != 2 or params[0] != "combined" or not isinstance(params[1], bool):
            return {"error": {"code": 0, "msg": "Unknown property"}}
        (self._wrapped.add if params[1] else self._wrapped.discard)(line)
        return {"result": None}

    def _get_property(self, line: Line, params: list[Any]) -> dict[str, Any]:
        if params != ["combined"]:
            return {"error": {"code": 0, "msg": "Unknown property"}}
        return {"result": line in self._wrapped}

    # REST.

    async def _ping(self, request: web.Request) -> web.Response:
        return answered({})

    async def _time(self, request: web.Request) -> web.Response:
        return answered({"serverTime": ms_of(self.clock.now_ns())})

    async def _no_coin_margined(self, request: web.Request) -> web.Response:
        return answered({"symbols": []})

    async def _info(self, request: web.Request) -> web.Response:
        now_ms = ms_of(self.clock.now_ns())
        symbols = [self._symbol(tape) for tape in self.tapes.values()]
        body = {"timezone": "UTC", "serverTime": now_ms, "rateLimits": [], "exchangeFilters": [], "symbols": symbols}
        return answered(body)

    def _symbol(self, tape: Tape) -> dict[str, Any]:
        base = tape.asset.name
        filters = [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000.00", "stepSize": "0.00001"},
            {"filterType": "NOTIONAL", "minNotional": "5.00"},
        ]
        return {
            "symbol": tape.symbol, "status": "TRADING", "baseAsset": base, "baseAssetPrecision": 8,
            "quoteAsset": "USDT", "quotePrecision": 8, "quoteAssetPrecision": 8, "orderTypes": ["LIMIT", "MARKET"],
            "isSpotTradingAllowed": True, "isMarginTradingAllowed": False, "filters": filters, "permissions": ["SPOT"],
        }  # fmt: skip

    def _asked(self, request: web.Request) -> list[Tape]:
        symbol = request.query.get("symbol")
        if symbol is None:
            return [tape for tape in self.tapes.values() if tape.is_quoted]
        tape = self.by_symbol.get(symbol)
        if tape is None or not tape.is_quoted:
            raise refused(-1121, "Invalid symbol.")
        return [tape]

    def _only(self, request: web.Request) -> Tape:
        if "symbol" not in request.query:
            raise refused(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        return self._asked(request)[0]

    def _one_or_all(self, request: web.Request, rows: list[dict[str, Any]]) -> web.Response:
        return answered(rows[0] if "symbol" in request.query else rows)

    async def _touches(self, request: web.Request) -> web.Response:
        size = self._qty(TOUCH_SIZE)
        rows = [
            {"symbol": t.symbol, "bidPrice": self._px(t.bid_usd), "bidQty": size, "askPrice": self._px(t.ask_usd),
             "askQty": size}
            for t in self._asked(request)
        ]  # fmt: skip
        return self._one_or_all(request, rows)

    async def _prices(self, request: web.Request) -> web.Response:
        rows = [{"symbol": tape.symbol, "price": self._px(tape.last_usd)} for tape in self._asked(request)]
        return self._one_or_all(request, rows)

    async def _days(self, request: web.Request) -> web.Response:
        return self._one_or_all(request, [self._day(tape) for tape in self._asked(request)])

    def _day(self, tape: Tape) -> dict[str, Any]:
        told = self._day_ticker(tape)
        names = {
            "symbol": "s", "priceChange": "p", "priceChangePercent": "P", "weightedAvgPrice": "w", "lastPrice": "c",
            "lastQty": "Q", "bidPrice": "b", "bidQty": "B", "askPrice": "a", "askQty": "A", "openPrice": "o",
            "highPrice": "h", "lowPrice": "l", "volume": "v", "quoteVolume": "q", "openTime": "O", "closeTime": "C",
            "firstId": "F", "lastId": "L", "count": "n",
        }  # fmt: skip
        return {long: told[short] for long, short in names.items()}

    async def _trades(self, request: web.Request) -> web.Response:
        tape = self._only(request)
        rows = [
            {"id": t.trade_id, "price": self._px(t.usd), "qty": self._qty(t.size),
             "quoteQty": self._qty(t.usd * t.size), "time": ms_of(t.at_ns), "isBuyerMaker": t.taker is Side.SELL}
            for t in tape.recent
        ]  # fmt: skip
        return answered(rows)

    async def _agg_trades(self, request: web.Request) -> web.Response:
        tape = self._only(request)
        rows = [self._agg_trade(tape, trade) for trade in tape.recent]
        return answered([{name: row[name] for name in row if name not in ("e", "E", "s")} for row in rows])

    async def _depth(self, request: web.Request) -> web.Response:
        tape = self._only(request)
        size = self._qty(TOUCH_SIZE)
        sides = {"bids": [[self._px(tape.bid_usd), size]], "asks": [[self._px(tape.ask_usd), size]]}
        return answered({"lastUpdateId": tape.update_id} | sides)


class BinanceSpot(Binance):
    """Spot: `bookTicker` has neither name nor time."""

    wire = "binance_spot"
    source = Source.BINANCE


class BinanceUsdm(Binance):
    """USD-M perpetuals: times on `bookTicker`, the origin on `trade`, shorter figures, a slower ping."""

    wire = "binance_usdm"
    source = Source.BINANCE_PERP
    price_decimals = 2
    size_decimals = 3
    messages_per_s = 10
    ping_every_s = 180.0
    pong_within_s = 600.0
    rest = "/fapi/v1"

    def _book_ticker(self, tape: Tape) -> dict[str, Any]:
        at_ms = ms_of(tape.quoted_ns)
        return {"e": "bookTicker"} | super()._book_ticker(tape) | {"T": at_ms, "E": at_ms}

    def _trade(self, tape: Tape, trade: Print) -> dict[str, Any]:
        at_ms = ms_of(trade.at_ns)
        body = {"e": "trade", "E": at_ms, "T": at_ms, "s": tape.symbol, "t": trade.trade_id, "p": self._px(trade.usd)}
        return body | {"q": self._qty(trade.size), "X": "MARKET", "m": trade.taker is Side.SELL}

    def _agg_trade(self, tape: Tape, trade: Print) -> dict[str, Any]:
        body = super()._agg_trade(tape, trade)
        del body["M"]
        return body

    def _symbol(self, tape: Tape) -> dict[str, Any]:
        perpetual: dict[str, Any] = {"pair": tape.symbol, "contractType": "PERPETUAL", "contractStatus": "TRADING"}
        perpetual |= {"marginAsset": "USDT", "deliveryDate": 4133404800000, "onboardDate": 1569398400000}
        return super()._symbol(tape) | perpetual | {"pricePrecision": 2, "quantityPrecision": 3}


def answered(body: Any) -> web.Response:
    """Answer a REST call with JSON."""
    return web.Response(body=encode(body), content_type="application/json")


def refused(code: int, words: str) -> web.HTTPBadRequest:
    """Give a refusal in the exchange's form."""
    return web.HTTPBadRequest(body=encode({"code": code, "msg": words}), content_type="application/json")


def binance_spot_app(engine: Engine) -> web.Application:
    """Give the application of Binance spot."""
    return BinanceSpot(engine).app()


def binance_usdm_app(engine: Engine) -> web.Application:
    """Give the application of Binance USD-M futures."""
    return BinanceUsdm(engine).app()
