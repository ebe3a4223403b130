"""OKX next door: the v5 public socket, and as much REST as its clients ask before it.

Shapes: venue reference 6.3, a recorded session of 2022-05-13 and fixtures. Error codes, the idle cut and the REST
bodies are from memory of the exchange's documentation.
"""

from functools import partial
from typing import Any, Final

from aiohttp import web

from infra.clock import monotonic_ns
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.exchange_socket import PATIENCE_NS, ExchangeSocket, encode
from infra.venue_next_door.lines import Line
from infra.venue_next_door.tapes import TOUCH_SIZE, Print, Tape, figure, ms_of
from state.events import Side, Source
from state.units import NS_PER_S

IDLE_S: Final = 30
CHANNELS: Final = ("bbo-tbt", "books5", "tickers", "trades", "trades-all")
SIDES: Final = {Side.BUY: "buy", Side.SELL: "sell"}


class Okx(ExchangeSocket):
    """Channels `bbo-tbt`, `books5` (of one level), `tickers`, `trades` and `trades-all` of the spot market."""

    wire = "okx"
    source = Source.OKX
    symbol_form = "{}-USDT"

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._heard_ns: dict[Line, int] = {}

    def app(self) -> web.Application:
        """Give the application: the socket, and REST under /api/v5."""
        app = super().app()
        for path in ("/ws/v5/public", "/ws/v5/business"):
            app.router.add_get(path, self.serve)
        for path, answer in (
            ("public/time", self._time), ("public/instruments", self._instruments), ("market/ticker", self._tickers),
            ("market/tickers", self._tickers), ("market/trades", self._trades), ("market/books", self._books),
        ):  # fmt: skip
            app.router.add_get(f"/api/v5/{path}", answer)
        return app

    # Messages out.

    def show_quote(self, tape: Tape) -> None:
        """Tell `bbo-tbt`, `books5` and `tickers`."""
        for channel in ("bbo-tbt", "books5"):
            self.tell(_topic(channel, tape.symbol), partial(self._book_message, channel, tape))
        self.tell(_topic("tickers", tape.symbol), lambda: _message("tickers", tape, _ticker(tape)))

    def show_print(self, tape: Tape, trade: Print) -> None:
        """Tell `trades`, and `trades-all`, which has no count."""
        self.tell(_topic("trades", tape.symbol), lambda: _message("trades", tape, _trade(tape, trade) | {"count": "1"}))
        self.tell(_topic("trades-all", tape.symbol), lambda: _message("trades-all", tape, _trade(tape, trade)))

    def _book_message(self, channel: str, tape: Tape) -> bytes:
        return _message(channel, tape, self._book(channel, tape))

    def _book(self, channel: str, tape: Tape) -> dict[str, Any]:
        data: dict[str, Any] = {"asks": [_rung(tape.ask_usd)], "bids": [_rung(tape.bid_usd)]}
        if channel == "books5":
            data["instId"] = tape.symbol
        return data | {"ts": str(ms_of(tape.quoted_ns)), "seqId": tape.seq}

    # Connections.

    def greet(self, line: Line, request: web.Request) -> None:
        """Begin to count the time without a word."""
        self._heard_ns[line] = monotonic_ns()

    def leave(self, line: Line) -> None:
        """Forget a connection."""
        super().leave(line)
        self._heard_ns.pop(line, None)

    async def care(self, line: Line) -> None:
        """Close a connection on which nothing went either way for half a minute."""
        sent = line.sent
        quiet_ns = self.clock.now_ns()
        while not line.is_closing:
            await self.clock.sleep(NS_PER_S)
            now_ns = self.clock.now_ns()
            if line.sent != sent:
                sent, quiet_ns = line.sent, now_ns
            elif now_ns - quiet_ns > IDLE_S * NS_PER_S and monotonic_ns() - self._heard_ns[line] > PATIENCE_NS:
                await line.close(4004, "No data received in 30s.")

    async def hear(self, line: Line, raw: bytes) -> None:
        """Answer the text `ping`, and requests to subscribe."""
        self._heard_ns[line] = monotonic_ns()
        if raw == b"ping":
            line.answer(b"pong")
            return
        request = self.read_request(raw)
        args = request.get("args") if request else None
        if request is None or request.get("op") not in ("subscribe", "unsubscribe") or not isinstance(args, list):
            wrong = f"Invalid request: {raw[:200].decode('utf-8', 'replace')}"
            line.answer(encode({"event": "error", "code": "60012", "msg": wrong, "connId": line.name}))
            return
        name = {"id": request["id"]} if isinstance(request.get("id"), str) else {}
        for arg in args:
            self._take(line, request["op"], arg, name)

    def _take(self, line: Line, op: str, arg: Any, name: dict[str, str]) -> None:
        told = arg if isinstance(arg, dict) else {}
        channel, symbol = str(told.get("channel")), str(told.get("instId"))
        if channel not in CHANNELS or symbol not in self.by_symbol:
            wrong = f"Wrong URL or channel:{channel[:40]},instId:{symbol[:40]} doesn't exist. "
            wrong += "Please use the correct URL, channel and parameters referring to API document."
            line.answer(encode({**name, "event": "error", "code": "60018", "msg": wrong, "connId": line.name}))
            return
        line.answer(encode({**name, "event": op, "arg": told, "connId": line.name}))
        if op == "unsubscribe":
            self.topics.quit(_topic(channel, symbol), line)
            return
        self.topics.join(_topic(channel, symbol), line)
        tape = self.by_symbol[symbol]
        if tape.is_quoted and self.shows_snapshots() and not channel.startswith("trades"):
            data = _ticker(tape) if channel == "tickers" else self._book(channel, tape)
            line.send(_message(channel, tape, data))

    # REST.

    def _asked(self, request: web.Request) -> list[Tape]:
        if request.query.get("instType", "SPOT") != "SPOT":
            return []
        named = request.query.get("instId")
        return [tape for tape in self.tapes.values() if named in (None, tape.symbol)]

    async def _time(self, request: web.Request) -> web.Response:
        return _answered([{"ts": str(ms_of(self.clock.now_ns()))}])

    async def _instruments(self, request: web.Request) -> web.Response:
        rows = [
            {"instType": "SPOT", "instId": t.symbol, "baseCcy": t.asset.name, "quoteCcy": "USDT", "settleCcy": "",
             "ctVal": "", "ctMult": "", "ctValCcy": "", "ctType": "", "uly": "", "instFamily": "", "category": "1",
             "tickSz": "0.01", "lotSz": "0.00000001", "minSz": "0.00001", "maxLmtSz": "9999999999", "maxMktSz": "",
             "listTime": "1548133413000", "expTime": "", "lever": "10", "state": "live", "alias": "", "optType": "",
             "stk": ""}
            for t in self._asked(request)
        ]  # fmt: skip
        return _answered(rows)

    async def _tickers(self, request: web.Request) -> web.Response:
        return _answered([_ticker(tape) for tape in self._asked(request) if tape.is_quoted])

    async def _trades(self, request: web.Request) -> web.Response:
        return _answered([_trade(t, trade) for t in self._asked(request)[:1] for trade in reversed(t.recent)])

    async def _books(self, request: web.Request) -> web.Response:
        return _answered([self._book("books", t) for t in self._asked(request)[:1] if t.is_quoted])


def _topic(channel: str, symbol: str) -> str:
    return f"{channel} {symbol}"


def _message(channel: str, tape: Tape, data: dict[str, Any]) -> bytes:
    return encode({"arg": {"channel": channel, "instId": tape.symbol}, "data": [data]})


def _rung(usd: float) -> list[str]:
    return [figure(usd, 1), _coins(TOUCH_SIZE), "0", "1"]


def _coins(size: float) -> str:
    return figure(size, 0)


def _ticker(tape: Tape) -> dict[str, Any]:
    last = tape.recent[-1].size if tape.recent else 0.0
    day = {"open24h": tape.open_usd, "high24h": tape.high_usd, "low24h": tape.low_usd}
    day |= {"sodUtc0": tape.open_usd, "sodUtc8": tape.open_usd}
    touch = {"askPx": figure(tape.ask_usd, 1), "askSz": _coins(TOUCH_SIZE)}
    touch |= {"bidPx": figure(tape.bid_usd, 1), "bidSz": _coins(TOUCH_SIZE)}
    return {
        "instType": "SPOT", "instId": tape.symbol, "last": figure(tape.last_usd, 1), "lastSz": _coins(last), **touch,
        **{name: figure(usd, 1) for name, usd in day.items()}, "volCcy24h": f"{tape.turnover_usd:.4f}",
        "vol24h": f"{tape.volume:.8f}", "ts": str(ms_of(tape.quoted_ns)),
    }  # fmt: skip


def _trade(tape: Tape, trade: Print) -> dict[str, Any]:
    told = {"instId": tape.symbol, "tradeId": str(trade.trade_id), "px": figure(trade.usd, 1)}
    return told | {"sz": _coins(trade.size), "side": SIDES[trade.taker], "ts": str(ms_of(trade.at_ns))}


def _answered(rows: list[dict[str, Any]]) -> web.Response:
    return web.Response(body=encode({"code": "0", "msg": "", "data": rows}), content_type="application/json")


def okx_app(engine: Engine) -> web.Application:
    """Give the application of OKX."""
    return Okx(engine).app()
