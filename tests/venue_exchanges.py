"""Exchanges next door for tests: a crier in the engine's place, an application on a free port, and clients of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from infra.clock import RehearsalClock
from infra.feeds.frames import Wire
from infra.venue_next_door.binance import binance_spot_app, binance_usdm_app
from infra.venue_next_door.bybit import bybit_app
from infra.venue_next_door.coinbase import coinbase_app, coinbase_exchange_app
from infra.venue_next_door.engine import Engine, PublicListener
from infra.venue_next_door.faults import Fault, Faults, Switch
from infra.venue_next_door.okx import okx_app
from state.events import EVENT, LAST_IN_FRAME, Asset, Kind, Side, Source

MS = 1_000_000
START_NS = 1_792_638_000_000 * MS
"""2026-10-22 03:00:00 UTC."""
Factory = Callable[[Engine], web.Application]


class Crier:
    """The engine as an exchange sees it: a clock, faults, and rows cried out when a test says so."""

    def __init__(self, speed_ratio: float = 20.0) -> None:
        self.clock = RehearsalClock.starting(START_NS, speed_ratio)
        self.faults = Faults(self.clock)
        self.listeners: list[PublicListener] = []

    def on_public(self, listener: PublicListener) -> None:
        self.listeners.append(listener)

    def now_ns(self) -> int:
        return self.clock.now_ns()

    def cry(self, *rows: NDArray[Any]) -> None:
        for listener in self.listeners:
            listener(np.concatenate(rows))

    def on(self, fault: Fault, where: str = "", value: float = 1.0) -> None:
        self.faults.add(Switch(fault, where, self.clock.now_ns(), value=value))


def row(kind: Kind, source: Source, at_ns: int, **columns: Any) -> NDArray[Any]:
    rows = np.zeros(1, EVENT)
    rows["kind_code"], rows["source_code"], rows["at_ns"] = kind, source, at_ns
    rows["seen_ns"], rows["flags_mask"] = at_ns + 40 * MS, LAST_IN_FRAME
    for name, value in columns.items():
        rows[name] = value
    return rows


def touch(source: Source, at_ns: int, bid: float, ask: float, asset: Asset = Asset.BTC) -> NDArray[Any]:
    return row(Kind.PRICE_SEEN, source, at_ns, value_usd=bid, other_usd=ask, code_id=asset)


def trade(source: Source, at_ns: int, usd: float, micros: int, taker: Side, asset: Asset = Asset.BTC) -> NDArray[Any]:
    return row(
        Kind.CEX_TRADED, source, at_ns, value_usd=usd, amount_micros=micros, side_code=taker, code_id=asset
    )  # fmt: skip


@dataclass
class Stage:
    """An exchange that is being served, and what a test does with it."""

    crier: Crier
    session: aiohttp.ClientSession
    host: str

    @property
    def http(self) -> str:
        return f"http://{self.host}"

    @asynccontextmanager
    async def socket(self, path: str) -> AsyncIterator["Client"]:
        async with self.session.ws_connect(self.http + path, autoping=True) as socket:
            yield Client(socket)

    async def get(self, path: str, status: int = 200) -> Any:
        async with self.session.get(self.http + path) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()


@dataclass
class Client:
    """One connection."""

    socket: aiohttp.ClientWebSocketResponse

    async def say(self, message: Any) -> None:
        await self.socket.send_str(message if isinstance(message, str) else json.dumps(message))

    async def hear(self) -> Any:
        raw = await self.hear_raw()
        return json.loads(raw) if raw[:1] in b"[{" else raw.decode()

    async def hear_raw(self) -> bytes:
        return (await self.socket.receive_str(timeout=10)).encode()

    async def ask(self, message: Any) -> Any:
        await self.say(message)
        return await self.hear()

    async def nothing_comes(self) -> bool:
        """Say whether all is said: what is answered after a while on a quiet line."""
        try:
            await self.socket.receive(timeout=0.15)
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def served(factory: Factory, speed_ratio: float = 20.0) -> AsyncIterator[Stage]:
    """Serve one exchange's application on a free port of loopback."""
    crier = Crier(speed_ratio)
    runner = web.AppRunner(factory(cast(Engine, crier)))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Stage(crier, session, f"127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


def form(value: Any) -> Any:
    """Give a message's keys and types, without its values; of lists the first element stands for all."""
    if isinstance(value, dict):
        return {name: form(each) for name, each in value.items()}
    if isinstance(value, list):
        return [form(value[0])] if value else []
    return type(value).__name__


def differences(ours: Any, theirs: Any, where: str = "") -> list[str]:
    """Name what differs between two forms, by path; what has the same keys and types has none."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        told = [f"{where}.{name}: only here" for name in ours.keys() - theirs.keys()]
        told += [f"{where}.{name}: missing" for name in theirs.keys() - ours.keys()]
        for name in ours.keys() & theirs.keys():
            told += differences(ours[name], theirs[name], f"{where}.{name}")
        return sorted(told)
    if isinstance(ours, list) and isinstance(theirs, list):
        return differences(ours[0], theirs[0], f"{where}[]") if ours and theirs else []
    return [] if ours == theirs else [f"{where}: {ours} instead of {theirs}"]


@dataclass(frozen=True)
class Exchange:
    """How a desk subscribes to touch and trades of one exchange."""

    wire: Wire
    factory: Factory
    source: Source
    path: str
    requests: tuple[Any, ...]
    answers: int
    stamped: bool = True


EXCHANGES = (
    Exchange(
        Wire.BINANCE_SPOT, binance_spot_app, Source.BINANCE, "/stream?streams=btcusdt@bookTicker/btcusdt@aggTrade",
        (), 0, stamped=False,
    ),
    Exchange(
        Wire.BINANCE_USDM, binance_usdm_app, Source.BINANCE_PERP, "/ws",
        ({"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker", "btcusdt@trade"], "id": 1},), 1,
    ),
    Exchange(
        Wire.BYBIT, bybit_app, Source.BYBIT, "/v5/public/spot",
        ({"op": "subscribe", "args": ["orderbook.1.BTCUSDT", "publicTrade.BTCUSDT"], "req_id": "1"},), 1,
    ),
    Exchange(
        Wire.OKX, okx_app, Source.OKX, "/ws/v5/public",
        ({"op": "subscribe", "args": [{"channel": c, "instId": "BTC-USDT"} for c in ("bbo-tbt", "trades")]},), 2,
    ),
    Exchange(
        Wire.COINBASE_EXCHANGE, coinbase_exchange_app, Source.COINBASE, "/",
        ({"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["ticker", "matches"]},), 1,
    ),
    Exchange(
        Wire.COINBASE, coinbase_app, Source.COINBASE, "/",
        ({"type": "subscribe", "product_ids": ["BTC-USD"], "channel": "ticker"},
         {"type": "subscribe", "product_ids": ["BTC-USD"], "channel": "market_trades"}), 2,
    ),
)  # fmt: skip
SPOT, USDM, BYBIT, OKX, COINBASE_EXCHANGE, COINBASE = EXCHANGES


async def subscribed(client: Client, exchange: Exchange) -> list[Any]:
    for request in exchange.requests:
        await client.say(request)
    return [await client.hear() for _ in range(exchange.answers)]


def told(story: Callable[[Stage], Coroutine[Any, Any, Any]], factory: Factory, speed_ratio: float = 20.0) -> Any:
    async def run() -> Any:
        async with served(factory, speed_ratio) as stage:
            return await story(stage)

    return asyncio.run(run())
