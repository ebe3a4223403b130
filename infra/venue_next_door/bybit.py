"""Bybit next door: the v5 public socket, and as much REST as its clients ask before it.

Shapes: venue reference 6.2 and fixtures of client libraries; no recorded session was to be had. The refusals' words and
the REST bodies are from memory of the exchange's documentation.
"""

from functools import partial
from typing import Any, Final

from aiohttp import web

from infra.venue_next_door.engine import Engine
from infra.venue_next_door.exchange_socket import ExchangeSocket, encode
from infra.venue_next_door.lines import Line
from infra.venue_next_door.tapes import TOUCH_SIZE, Print, Tape, figure, ms_of
from state.events import Side, Source
from state.units import NS_PER_S

QUIET_S: Final = 3
"""A book that did not change for so long is sent again with the same update id."""
ARGS_MAX: Final = 10
SIDES: Final = {Side.BUY: "Buy", Side.SELL: "Sell"}


class Bybit(ExchangeSocket):
    """Topics `orderbook.1.`, `publicTrade.` and `tickers.` of the spot market."""

    wire = "bybit"
    source = Source.BYBIT
    symbol_form = "{}USDT"

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._shown_ns: dict[str, int] = {}

    def app(self) -> web.Application:
        """Give the application: the socket, and REST under /v5."""
        app = super().app()
        app.router.add_get("/v5/public/spot", self.serve)
        for path, answer in (
            ("time", self._time), ("tickers", self._tickers), ("instruments-info", self._instruments),
            ("recent-trade", self._trades), ("orderbook", self._book),
        ):  # fmt: skip
            app.router.add_get(f"/v5/market/{path}", answer)
        return app

    # Messages out.

    def show_quote(self, tape: Tape) -> None:
        """Tell `orderbook.1`, always whole, and `tickers`, which on spot has no best prices."""
        self._shown_ns[tape.symbol] = self.clock.now_ns()
        self.tell(f"orderbook.1.{tape.symbol}", lambda: self._book_message(tape))
        self.tell(f"tickers.{tape.symbol}", lambda: self._ticker_message(tape))

    def show_print(self, tape: Tape, trade: Print) -> None:
        """Tell `publicTrade`."""
        self.tell(f"publicTrade.{tape.symbol}", lambda: self._trade_message(tape, trade))

    async def live(self) -> None:
        """Send quiet books again."""
        while True:
            await self.clock.sleep(NS_PER_S)
            now_ns = self.clock.now_ns()
            for tape in self.tapes.values():
                if tape.is_quoted and now_ns - self._shown_ns[tape.symbol] >= QUIET_S * NS_PER_S:
                    self._shown_ns[tape.symbol] = now_ns
                    self.tell(f"orderbook.1.{tape.symbol}", partial(self._book_message, tape))

    def _rungs(self, tape: Tape) -> dict[str, Any]:
        size = figure(TOUCH_SIZE, 6)
        return {"b": [[figure(tape.bid_usd, 2), size]], "a": [[figure(tape.ask_usd, 2), size]]}

    def _book_message(self, tape: Tape) -> bytes:
        at_ms = ms_of(tape.quoted_ns)
        # Update ids begin at 2: 1 would say that the service restarted.
        data = {"s": tape.symbol, **self._rungs(tape), "u": tape.update_id + 1, "seq": tape.seq}
        head = {"topic": f"orderbook.1.{tape.symbol}", "type": "snapshot", "ts": at_ms, "data": data, "cts": at_ms}
        return encode(head)

    def _ticker_message(self, tape: Tape) -> bytes:
        head = {"topic": f"tickers.{tape.symbol}", "ts": ms_of(tape.quoted_ns), "type": "snapshot", "cs": tape.seq}
        return encode(head | {"data": {"symbol": tape.symbol} | _day(tape)})

    def _trade_message(self, tape: Tape, trade: Print) -> bytes:
        at_ms = ms_of(trade.at_ns)
        data = {"i": str(trade.trade_id), "T": at_ms, "p": figure(trade.usd, 2), "v": figure(trade.size, 6)}
        data |= {"S": SIDES[trade.taker], "s": tape.symbol, "BT": False, "RPI": False, "seq": tape.seq}
        topic = f"publicTrade.{tape.symbol}"
        return encode({"type": "snapshot", "topic": topic, "ts": at_ms, "data": [data]})

    # Connections.

    async def hear(self, line: Line, raw: bytes) -> None:
        """Answer `subscribe`, `unsubscribe` and `ping`."""
        request = self.read_request(raw)
        if request is None or not isinstance(request.get("op"), str):
            line.answer(self._answer(line, False, "Params Error", "", ""))
            return
        op, args, name = request["op"], request.get("args") or [], str(request.get("req_id") or "")
        if op == "ping":
            line.answer(self._answer(line, True, "pong", name, "ping"))
        elif op == "unsubscribe":
            for topic in args:
                self.topics.quit(str(topic), line)
            line.answer(self._answer(line, True, "", name, op))
        elif op == "subscribe":
            wrong = self._wrong(line, args)
            line.answer(self._answer(line, not wrong, wrong, name, op))
            if not wrong:
                self._subscribe(line, args)
        else:
            line.answer(self._answer(line, False, f"error:op {op[:40]} not supported", name, op))

    def _wrong(self, line: Line, args: Any) -> str:
        if not isinstance(args, list) or not args:
            return "error:request args is empty"
        if len(args) > ARGS_MAX:
            return f"args size >{ARGS_MAX}"
        for topic in args:
            if not self._is_topic(topic):
                return f"error:handler not found,topic:{str(topic)[:60]}"
            if line in self.topics.lines(topic):
                return f"error:already subscribed,topic:{topic}"
        return ""

    def _is_topic(self, topic: Any) -> bool:
        if not isinstance(topic, str):
            return False
        kind, _, symbol = topic.rpartition(".")
        return kind in ("orderbook.1", "publicTrade", "tickers") and symbol in self.by_symbol

    def _subscribe(self, line: Line, topics: list[str]) -> None:
        for topic in topics:
            self.topics.join(topic, line)
            kind, _, symbol = topic.rpartition(".")
            tape = self.by_symbol[symbol]
            if tape.is_quoted and self.shows_snapshots() and kind != "publicTrade":
                line.send(self._book_message(tape) if kind == "orderbook.1" else self._ticker_message(tape))

    def _answer(self, line: Line, success: bool, words: str, name: str, op: str) -> bytes:
        told = {"success": success, "ret_msg": words, "conn_id": line.name, "req_id": name, "op": op}
        return encode(told)

    # REST.

    def _answered(self, result: dict[str, Any]) -> web.Response:
        now_ms = ms_of(self.clock.now_ns())
        body = {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": now_ms}
        return web.Response(body=encode(body), content_type="application/json")

    def _asked(self, request: web.Request) -> list[Tape]:
        if request.query.get("category", "spot") != "spot":
            return []
        named = request.query.get("symbol")
        return [t for t in self.tapes.values() if named in (None, t.symbol)]

    async def _time(self, request: web.Request) -> web.Response:
        now_ns = self.clock.now_ns()
        return self._answered({"timeSecond": str(now_ns // NS_PER_S), "timeNano": str(now_ns)})

    async def _tickers(self, request: web.Request) -> web.Response:
        size = figure(TOUCH_SIZE, 6)
        rows = [
            {"symbol": t.symbol, "bid1Price": figure(t.bid_usd, 2), "bid1Size": size,
             "ask1Price": figure(t.ask_usd, 2), "ask1Size": size} | _day(t)
            for t in self._asked(request) if t.is_quoted
        ]  # fmt: skip
        return self._answered({"category": request.query.get("category", "spot"), "list": rows})

    async def _instruments(self, request: web.Request) -> web.Response:
        size = {"basePrecision": "0.000001", "quotePrecision": "0.00000001", "minOrderQty": "0.000001",
                "maxOrderQty": "1000", "minOrderAmt": "1", "maxOrderAmt": "10000000"}  # fmt: skip
        rows = [
            {"symbol": t.symbol, "baseCoin": t.asset.name, "quoteCoin": "USDT", "innovation": "0", "status": "Trading",
             "marginTrading": "none", "lotSizeFilter": size, "priceFilter": {"tickSize": "0.01"}}
            for t in self._asked(request)
        ]  # fmt: skip
        told = {"category": request.query.get("category", "spot"), "list": rows, "nextPageCursor": ""}
        return self._answered(told)

    async def _trades(self, request: web.Request) -> web.Response:
        rows = [
            {"execId": str(t.trade_id), "symbol": tape.symbol, "price": figure(t.usd, 2), "size": figure(t.size, 6),
             "side": SIDES[t.taker], "time": str(ms_of(t.at_ns)), "isBlockTrade": False}
            for tape in self._asked(request)[:1] for t in reversed(tape.recent)
        ]  # fmt: skip
        return self._answered({"category": "spot", "list": rows})

    async def _book(self, request: web.Request) -> web.Response:
        tapes = [tape for tape in self._asked(request) if tape.is_quoted][:1]
        if not tapes:
            return self._answered({})
        tape = tapes[0]
        told = {"s": tape.symbol, **self._rungs(tape), "ts": ms_of(tape.quoted_ns), "u": tape.update_id + 1}
        return self._answered(told)


def _day(tape: Tape) -> dict[str, str]:
    change = tape.last_usd / tape.open_usd - 1 if tape.open_usd else 0.0
    return {
        "lastPrice": figure(tape.last_usd, 2),
        "highPrice24h": figure(tape.high_usd, 2),
        "lowPrice24h": figure(tape.low_usd, 2),
        "prevPrice24h": figure(tape.open_usd, 2),
        "volume24h": f"{tape.volume:.6f}",
        "turnover24h": f"{tape.turnover_usd:.8f}",
        "price24hPcnt": f"{change:.4f}",
        "usdIndexPrice": "",
    }


def bybit_app(engine: Engine) -> web.Application:
    """Give the application of Bybit."""
    return Bybit(engine).app()
