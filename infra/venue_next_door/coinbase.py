"""Coinbase next door: the sockets of Exchange and of Advanced Trade.

Shapes: venue reference 6.4, a recorded Exchange session of 2021-04-17 and fixtures. On both a trade's `side` is the
maker's. Refusals' words are from memory of the exchange's documentation. The real tickers are sent with each trade;
here with each change of the best prices too, for trades are rare in what we play.
"""

from collections.abc import Callable
from functools import partial
from hashlib import md5
from typing import Any, Final

from aiohttp import web

from infra.venue_next_door.coinbase_rest import MAKERS, CoinbaseSocket, change_of, last_size, trade_of
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.exchange_socket import encode
from infra.venue_next_door.lines import Line
from infra.venue_next_door.tapes import TOUCH_SIZE, Print, Tape, figure, iso_of
from state.events import Side
from state.units import NS_PER_S

BEAT_S: Final = 1
EXCHANGE_CHANNELS: Final = ("ticker", "ticker_batch", "matches", "heartbeat")
CHANNELS: Final = ("ticker", "ticker_batch", "market_trades", "heartbeats")
EVERYTHING: Final = "heartbeats"
"""What stands for a product where a channel has none."""


class CoinbaseExchange(CoinbaseSocket):
    """Exchange: flat messages by `type`; `sequence` counts by product."""

    wire = "coinbase_exchange"

    def show_quote(self, tape: Tape) -> None:
        """Tell the ticker."""
        for channel in ("ticker", "ticker_batch"):
            self.tell(f"{channel} {tape.symbol}", lambda: encode(self._ticker(tape)))

    def show_print(self, tape: Tape, trade: Print) -> None:
        """Tell `match`, and the ticker that follows it."""
        self.tell(f"matches {tape.symbol}", lambda: encode(_match("match", tape, trade)))
        if tape.is_quoted:
            self.show_quote(tape)

    async def live(self) -> None:
        """Beat once a second for every product."""
        while True:
            await self.clock.sleep(BEAT_S * NS_PER_S)
            for tape in self.tapes.values():
                self.tell(f"heartbeat {tape.symbol}", partial(self._beat, tape))

    def _beat(self, tape: Tape) -> bytes:
        head: dict[str, Any] = {"type": "heartbeat", "last_trade_id": tape.trade_id, "product_id": tape.symbol}
        return encode(head | {"sequence": tape.seq, "time": iso_of(self.clock.now_ns())})

    def _ticker(self, tape: Tape) -> dict[str, Any]:
        last, size = tape.recent[-1] if tape.recent else None, figure(TOUCH_SIZE, 8)
        return {
            "type": "ticker", "sequence": tape.seq, "product_id": tape.symbol, "price": figure(tape.last_usd, 2),
            "open_24h": figure(tape.open_usd, 2), "volume_24h": f"{tape.volume:.8f}",
            "low_24h": figure(tape.low_usd, 2), "high_24h": figure(tape.high_usd, 2),
            "volume_30d": f"{tape.volume:.8f}", "best_bid": figure(tape.bid_usd, 2), "best_bid_size": size,
            "best_ask": figure(tape.ask_usd, 2), "best_ask_size": size,
            "side": "buy" if last is None or last.taker is Side.BUY else "sell",  # of a ticker it is the taker's
            "time": iso_of(max(tape.quoted_ns, last.at_ns if last else 0)), "trade_id": tape.trade_id,
            "last_size": figure(last_size(tape), 8),
        }  # fmt: skip

    async def hear(self, line: Line, raw: bytes) -> None:
        """Answer `subscribe` and `unsubscribe`, channel by channel."""
        request = self.read_request(raw)
        if request is None or request.get("type") not in ("subscribe", "unsubscribe"):
            line.answer(encode({"type": "error", "message": "Malformed JSON or unknown type"}))
            return
        pairs = _named(request)
        if isinstance(pairs, str):
            self._refuse(line, pairs)
            return
        if unknown := [product for _, product in pairs if product not in self.by_symbol]:
            self._refuse(line, f"{unknown[0][:40]} is not a valid product")
            return
        if request["type"] == "unsubscribe":
            for channel, product in pairs:
                self.topics.quit(f"{channel} {product}", line)
            self._list(line)
            return
        new = [(channel, product) for channel, product in pairs if self.topics.join(f"{channel} {product}", line)]
        self._list(line)
        for channel, product in new if self.shows_snapshots() else ():
            self._snapshot(line, channel, self.by_symbol[product])

    def _snapshot(self, line: Line, channel: str, tape: Tape) -> None:
        if channel.startswith("ticker") and tape.is_quoted:
            line.send(encode(self._ticker(tape)))
        elif channel == "matches" and tape.recent:
            line.send(encode(_match("last_match", tape, tape.recent[-1])))

    def _refuse(self, line: Line, reason: str) -> None:
        line.answer(encode({"type": "error", "message": "Failed to subscribe", "reason": reason}))

    def _list(self, line: Line) -> None:
        channels = [{"name": name, "product_ids": products} for name, products in self.listed(line).items()]
        line.answer(encode({"type": "subscriptions", "channels": channels}))


class Coinbase(CoinbaseSocket):
    """Advanced Trade: events by channel; `sequence_num` counts by connection."""

    wire = "coinbase"

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._numbers: dict[Line, int] = {}
        self._beats: dict[Line, int] = {}

    def greet(self, line: Line, request: web.Request) -> None:
        """Begin to number."""
        self._numbers[line] = self._beats[line] = 0

    def leave(self, line: Line) -> None:
        """Forget a connection."""
        super().leave(line)
        self._numbers.pop(line, None)
        self._beats.pop(line, None)

    def show_quote(self, tape: Tape) -> None:
        """Tell the ticker."""
        for channel in ("ticker", "ticker_batch"):
            if self.topics.lines(f"{channel} {tape.symbol}"):
                self._tell(channel, tape.symbol, tape.quoted_ns, _ticker_event("update", tape))

    def show_print(self, tape: Tape, trade: Print) -> None:
        """Tell the trade."""
        if self.topics.lines(f"market_trades {tape.symbol}"):
            event = {"type": "update", "trades": [trade_of(tape, trade)]}
            self._tell("market_trades", tape.symbol, trade.at_ns, event)

    async def live(self) -> None:
        """Beat once a second on every connection that asked for it."""
        while True:
            await self.clock.sleep(BEAT_S * NS_PER_S)
            now_ns = self.clock.now_ns()
            for line in list(self.topics.lines(f"heartbeats {EVERYTHING}")):
                self._beats[line] += 1
                words = iso_of(now_ns).replace("T", " ").replace("Z", "000+00:00")
                event = {"current_time": words, "heartbeat_counter": self._beats[line]}
                self._say(line, line.send, _parts("heartbeats", now_ns, event))

    def _tell(self, channel: str, symbol: str, at_ns: int, event: dict[str, Any]) -> None:
        parts = _parts(channel, at_ns, event)
        for line in self.topics.lines(f"{channel} {symbol}"):
            self._say(line, line.send, parts)

    def _say(self, line: Line, way: Callable[[bytes], None], parts: tuple[bytes, bytes]) -> None:
        """Put a connection's own number between the two parts that are the same for all."""
        number = self._numbers[line]
        self._numbers[line] = number + 1
        way(parts[0] + str(number).encode() + parts[1])

    async def hear(self, line: Line, raw: bytes) -> None:
        """Answer `subscribe` and `unsubscribe`; a frame names one channel."""
        request = self.read_request(raw)
        channel = request.get("channel") if request else None
        if request is None or request.get("type") not in ("subscribe", "unsubscribe") or channel not in CHANNELS:
            line.answer(encode({"type": "error", "message": "channel is not supported or the message is malformed"}))
            return
        products = [EVERYTHING] if channel == "heartbeats" else request.get("product_ids") or []
        if not isinstance(products, list) or any(each not in (EVERYTHING, *self.by_symbol) for each in products):
            line.answer(encode({"type": "error", "message": "Failed to subscribe: unknown product"}))
            return
        is_new = []
        for product in products:
            if request["type"] == "unsubscribe":
                self.topics.quit(f"{channel} {product}", line)
            elif self.topics.join(f"{channel} {product}", line):
                is_new.append(product)
        self._say(line, line.answer, _parts("subscriptions", self.clock.now_ns(), {"subscriptions": self.listed(line)}))
        for product in is_new if self.shows_snapshots() else ():
            self._snapshot(line, str(channel), self.by_symbol.get(product))

    def _snapshot(self, line: Line, channel: str, tape: Tape | None) -> None:
        if tape is None or not tape.is_quoted:
            return
        if channel.startswith("ticker"):
            self._say(line, line.send, _parts(channel, tape.quoted_ns, _ticker_event("snapshot", tape)))
        elif channel == "market_trades":
            event = {"type": "snapshot", "trades": [trade_of(tape, trade) for trade in reversed(tape.recent)]}
            self._say(line, line.send, _parts(channel, self.clock.now_ns(), event))


def _parts(channel: str, at_ns: int, event: dict[str, Any]) -> tuple[bytes, bytes]:
    head = encode({"channel": channel, "client_id": "", "timestamp": iso_of(at_ns)})
    return head[:-1] + b',"sequence_num":', b',"events":' + encode([event]) + b"}"


def _ticker_event(kind: str, tape: Tape) -> dict[str, Any]:
    low, high, size = figure(tape.low_usd, 2), figure(tape.high_usd, 2), figure(TOUCH_SIZE, 8)
    ticker = {
        "type": "ticker", "product_id": tape.symbol, "price": figure(tape.last_usd, 2),
        "volume_24_h": f"{tape.volume:.8f}", "low_24_h": low, "high_24_h": high, "low_52_w": low, "high_52_w": high,
        "price_percent_chg_24_h": change_of(tape), "best_bid": figure(tape.bid_usd, 2), "best_bid_quantity": size,
        "best_ask": figure(tape.ask_usd, 2), "best_ask_quantity": size,
    }  # fmt: skip
    return {"type": kind, "tickers": [ticker]}


def _match(kind: str, tape: Tape, trade: Print) -> dict[str, Any]:
    orders = {f"{who}_order_id": _order_id(tape.symbol, trade.trade_id, who) for who in ("maker", "taker")}
    told = {"side": MAKERS[trade.taker], "size": figure(trade.size, 8), "price": figure(trade.usd, 2)}
    told |= {"product_id": tape.symbol, "time": iso_of(trade.at_ns)}
    return {"type": kind, "trade_id": trade.trade_id, **orders, **told, "sequence": tape.seq}


def _named(request: dict[str, Any]) -> list[tuple[str, str]] | str:
    """Give the channels and products that a request of Exchange names, or what is wrong with it."""
    channels, common = request.get("channels"), request.get("product_ids") or []
    if not isinstance(channels, list) or not channels:
        return "no channels provided"
    pairs: list[tuple[str, str]] = []
    for channel in channels:
        its = channel if isinstance(channel, dict) else {"name": channel}
        name, products = its.get("name"), its.get("product_ids") or common
        if name not in EXCHANGE_CHANNELS:
            return f"{str(name)[:40]} is not a valid channel"
        if not isinstance(products, list) or not all(isinstance(product, str) for product in products):
            return "product_ids is no list of products"
        pairs += [(name, product) for product in products]
    return pairs


def _order_id(symbol: str, trade_id: int, who: str) -> str:
    text = md5(f"{symbol} {trade_id} {who}".encode(), usedforsecurity=False).hexdigest()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def coinbase_exchange_app(engine: Engine) -> web.Application:
    """Give the application of Coinbase Exchange."""
    return CoinbaseExchange(engine).app()


def coinbase_app(engine: Engine) -> web.Application:
    """Give the application of Coinbase Advanced Trade."""
    return Coinbase(engine).app()
