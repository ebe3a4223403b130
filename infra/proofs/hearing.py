"""Hearing: open every socket of a running venue next door, ask for all that it has, and keep what it says by type."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import msgspec

from infra.addresses import Addresses
from infra.venues.credentials import Credentials

KEPT: Final = 400
"""Messages of one type: more say nothing new of its shape."""

_JSON: Final = msgspec.json.Decoder()

ADVANCED: Final = ("ticker", "market_trades", "heartbeats")

KeyOf = Callable[[dict[str, Any]], str]


@dataclass(slots=True)
class Heard:
    """Messages by type; plain words stand under what they are."""

    messages: dict[str, list[Any]] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    """Of the last answer of each endpoint."""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def keep(self, key: str, message: Any) -> None:
        """Keep a message."""
        kept = self.messages.setdefault(key, [])
        if len(kept) < KEPT:
            kept.append(message)
            self.news.set()

    async def wait_for(self, keys: Sequence[str]) -> None:
        """Wait until something of every type has been heard."""
        while any(key not in self.messages for key in keys):
            self.news.clear()
            await self.news.wait()


@dataclass(frozen=True, slots=True)
class Socket:
    """One connection to make: where, what to say first, what to say to stay, and how its messages are called."""

    name: str
    url: str
    requests: tuple[Any, ...]
    key: KeyOf
    ping: str = ""


def market_key(message: dict[str, Any]) -> str:
    """Name a message of the market channel."""
    return f"market {message.get('event_type')}"


def user_key(message: dict[str, Any]) -> str:
    """Name a message of the user channel."""
    if message.get("event_type") == "order":
        return f"user order {message.get('type')}"
    return f"user {message.get('event_type')}"


def rtds_key(message: dict[str, Any]) -> str:
    """Name a message of RTDS."""
    return f"rtds {message['topic']} {message.get('type')}" if "topic" in message else "rtds refusal"


def polybolt_key(message: dict[str, Any]) -> str:
    """Name a frame of PolyBolt."""
    if "channel" in message and "payload" in message:
        return f"polybolt {message['channel']}{' snapshot' if message.get('snapshot') else ''}"
    return f"polybolt {message.get('op')}"


def binance_key(host: str) -> KeyOf:
    """Name the messages of a Binance host: wrapped ones by their stream, bare ones by their event."""

    def key(message: dict[str, Any]) -> str:
        if "stream" in message:
            return f"{host} {message['stream'].split('@')[1]}"
        if "result" in message:
            return f"{host} answer"
        return f"{host} bare {message.get('e', 'bookTicker')}"

    return key


def bybit_key(message: dict[str, Any]) -> str:
    """Name a message of Bybit."""
    if "topic" in message:
        return f"bybit {message['topic'].split('.')[0]}"
    return f"bybit {message.get('op')}{'' if message.get('success', True) else ' refused'}"


def okx_key(message: dict[str, Any]) -> str:
    """Name a message of OKX."""
    return f"okx {message['event'] if 'event' in message else message['arg']['channel']}"


def coinbase_key(host: str) -> KeyOf:
    """Name the messages of a Coinbase host."""
    return lambda message: f"{host} {message.get('channel') or message.get('type')}"


def public_sockets(addresses: Addresses, tokens: Sequence[str]) -> list[Socket]:
    """Give the connections that need no keys."""
    btc = {"product_ids": ["BTC-USD"]}
    topics = (
        ("crypto_prices", "update", "btcusdt"),
        ("crypto_prices_chainlink", "*", '{"symbol":"btc/usd"}'),
        ("crypto_prices_twap_sixty", "update", '{"symbol":"btc/usd"}'),
        ("no_such_topic", "update", ""),
    )
    rtds = tuple(
        {"action": "subscribe", "subscriptions": [{"topic": topic, "type": kind, "filters": filters}]}
        for topic, kind, filters in topics
    )
    args = ["orderbook.1.BTCUSDT", "publicTrade.BTCUSDT", "tickers.BTCUSDT"]
    pairs = [{"channel": channel, "instId": "BTC-USDT"} for channel in ("bbo-tbt", "tickers", "trades")]
    first = {"type": "market", "assets_ids": list(tokens), "custom_feature_enabled": True, "initial_dump": True}
    sockets = [
        Socket("market", addresses.market_ws, (first,), market_key, "PING"),
        Socket("rtds", addresses.rtds, rtds, rtds_key, "PING"),
        Socket("bybit", addresses.bybit, ({"op": "subscribe", "args": args, "req_id": "1"},
                                          {"op": "subscribe", "args": ["no.such"], "req_id": "2"}), bybit_key,
               '{"op":"ping"}'),
        Socket("okx", addresses.okx, ({"op": "subscribe", "args": pairs},), okx_key, "ping"),
        Socket("coinbase_exchange", addresses.coinbase_exchange,
               ({"type": "subscribe", **btc, "channels": ["ticker", "matches", "heartbeat"]},),
               coinbase_key("coinbase_exchange")),
        Socket("coinbase", addresses.coinbase,
               tuple({"type": "subscribe", **btc, "channel": each} for each in ADVANCED),
               coinbase_key("coinbase")),
    ]  # fmt: skip
    streams = "btcusdt@bookTicker/btcusdt@trade/btcusdt@aggTrade"
    asked = {"method": "SUBSCRIBE", "params": streams.split("/"), "id": 1}
    for host, address in (("binance_spot", addresses.binance_spot), ("binance_usdm", addresses.binance_usdm)):
        sockets.append(Socket(host, f"{address}/stream?streams={streams}", (), binance_key(host)))
        sockets.append(Socket(host, f"{address}/ws", (asked,), binance_key(host)))
    return sockets


def private_sockets(addresses: Addresses, credentials: Credentials) -> list[Socket]:
    """Give the connections that need the venue's own keys."""
    keys = {
        "apiKey": credentials.api_key,
        "secret": credentials.secret.reveal(),
        "passphrase": credentials.passphrase.reveal(),
    }
    prices = tuple(
        {"op": "subscribe", "rid": channel, "subscriptions": [{"channel": channel, "filter": wanted}]}
        for channel, wanted in (
            ("price.crypto.twap", {"symbol": "btcusd", "window_seconds": 60}),
            ("price.crypto", {"symbol": "btcusd"}),
            ("no.such", {}),
        )
    )
    return [
        Socket("user", addresses.user_ws, ({"type": "user", "auth": keys},), user_key, "PING"),
        Socket("polybolt", addresses.polybolt, ({"op": "auth", "rid": "a1", "auth": keys}, *prices), polybolt_key),
    ]


async def listen(session: aiohttp.ClientSession, socket: Socket, heard: Heard, ping_s: float) -> None:
    """Stay on one socket and keep what it says, until cancelled or closed."""
    async with session.ws_connect(socket.url, heartbeat=None) as line:
        for request in socket.requests:
            await line.send_str(msgspec.json.encode(request).decode())
        pinging = asyncio.create_task(_ping(line, socket.ping, ping_s)) if socket.ping else None
        try:
            async for told in line:
                if told.type is aiohttp.WSMsgType.TEXT:
                    take(socket, told.data, heard)
        finally:
            if pinging is not None:
                pinging.cancel()


async def _ping(line: aiohttp.ClientWebSocketResponse, words: str, every_s: float) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            await line.send_str(words)
            await asyncio.sleep(every_s)


def take(socket: Socket, text: str, heard: Heard) -> None:
    """Keep what one frame said: an object, an array of objects, or words."""
    try:
        frame = _JSON.decode(text)
    except msgspec.DecodeError:
        heard.keep(f"{socket.name} words {text}", text)
        return
    for message in frame if isinstance(frame, list) else [frame]:
        key = socket.key(message)
        heard.keep(key, message)
        if key == "user trade":
            heard.keep(f"{key} {message.get('status')}", message)
