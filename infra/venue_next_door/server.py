"""The venue next door as one server: a market, its engine, and every host of the venue on a port of its own."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Final

from aiohttp import web

from infra.addresses import Addresses
from infra.clock import RehearsalClock
from infra.venue_next_door.admin import ADMIN, Admin, admin_app
from infra.venue_next_door.binance import binance_spot_app
from infra.venue_next_door.binance_perp import binance_perp_app
from infra.venue_next_door.bybit_perp import bybit_perp_app
from infra.venue_next_door.clob import clob_app
from infra.venue_next_door.coinbase import coinbase_app, coinbase_exchange_app
from infra.venue_next_door.data_api import data_api_app, geoblock_app
from infra.venue_next_door.engine import CASH_MICROS, Engine
from infra.venue_next_door.faults import Faults, Switch
from infra.venue_next_door.files import VenueFile
from infra.venue_next_door.gamma import gamma_app
from infra.venue_next_door.lines import open_lines
from infra.venue_next_door.markets import Market
from infra.venue_next_door.okx_perp import okx_perp_app
from infra.venue_next_door.perp_account import PerpCustomers
from infra.venue_next_door.polybolt import polybolt_app
from infra.venue_next_door.polygon import polygon_app
from infra.venue_next_door.relayer import relayer_app
from infra.venue_next_door.rtds import rtds_app
from infra.venue_next_door.subscriptions import subscriptions_app

HOST: Final = "127.0.0.1"
FAREWELL_S: Final = 1.0
"""Clients have so long to take leave before they are cut."""

UP_S: Final = 5.0
"""A recording may begin with silence: nobody waits longer for its first row."""

APPS: Final[dict[str, Callable[[Engine], web.Application]]] = {
    "gamma": gamma_app,
    "clob": clob_app,
    "subscriptions": subscriptions_app,
    "polybolt": polybolt_app,
    "rtds": rtds_app,
    "binance_spot": binance_spot_app,
    "binance_usdm": lambda engine: binance_perp_app(engine, PerpCustomers(opens=True)),
    "bybit": lambda engine: bybit_perp_app(engine, PerpCustomers(opens=True)),
    "okx": lambda engine: okx_perp_app(engine, PerpCustomers(opens=True)),
    "coinbase_exchange": coinbase_exchange_app,
    "coinbase": coinbase_app,
    "polygon": polygon_app,
    "relayer": relayer_app,
    "data_api": data_api_app,
    "geoblock": lambda engine: geoblock_app(engine.faults),
}
"""Every host of the venue, by name."""

AUTO_REDEEM_S = 30.0
"""Winnings are swept so long after a resolution, as for accounts that approved it; the venue names no time (7.1)."""


@dataclass(slots=True)
class VenueServer:
    """A venue that runs; made by `open`."""

    engine: Engine
    market: Market
    clock: RehearsalClock
    faults: Faults
    addresses: Addresses
    admin_address: str
    token: str
    _admin: Admin
    _life: asyncio.Task[None]

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        market: Market,
        *,
        speed_ratio: float = 1.0,
        seed: int = 1,
        cash_micros: int = CASH_MICROS,
        script: Sequence[Switch] = (),
        apps: dict[str, Callable[[Engine], web.Application]] | None = None,
    ) -> AsyncIterator["VenueServer"]:
        """Open a venue on free ports, and close it at the end of the block.

        Args:
            market: What happens in it; its rows can be played once.
            speed_ratio: How many of its seconds pass in one.
            seed: Of the venue's own chance and ids.
            cash_micros: Play money of every new account.
            script: Faults to come.
            apps: The hosts, by name; all if not said. For tests of a few.
        """
        # The first rows take seconds to draw: the clock starts when they are there.
        rows = iter(market.rows)
        first = [chunk for chunk in (await asyncio.to_thread(next, rows, None),) if chunk is not None]
        clock = RehearsalClock.starting(market.origin_ns, speed_ratio)
        faults = Faults(clock, list(script))
        engine = Engine(
            chain(first, rows), clock, faults, seed=seed, cash_micros=cash_micros, auto_redeem_s=AUTO_REDEEM_S
        )
        token = os.urandom(24).hex()
        async with AsyncExitStack() as stack:
            stack.callback(engine.close)
            ports = {}
            for name, app in (apps or APPS).items():
                ports[name] = await stack.enter_async_context(_hosted(app(engine)))
            control = admin_app(engine, token)
            admin_port = await stack.enter_async_context(_hosted(control))
            stack.push_async_callback(_take_leave, faults)
            life = asyncio.create_task(engine.run(), name="venue")
            stack.push_async_callback(_end, life)
            await _first_rows(control[ADMIN], life)
            yield cls(
                engine, market, clock, faults, addresses_of(ports), f"http://{HOST}:{admin_port}", token,
                control[ADMIN], life,
            )  # fmt: skip

    async def over(self) -> str:
        """Wait for the end and say what it was: the market's, or the admin's wish; raises what ended the engine."""
        waits = {
            asyncio.create_task(self.clock.sleep_until(self.market.ends_ns)): "the last window has settled",
            asyncio.create_task(self._admin.shutdown.wait()): "the admin asked for it",
        }
        try:
            done, _ = await asyncio.wait([*waits, self._life], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self._life in done:
            self._life.result()
            return "the engine has ended"
        return waits[next(iter(done))]

    def file(self) -> VenueFile:
        """Give what another process must know of this venue."""
        return VenueFile(
            addresses=self.addresses, origin_ns=self.clock.origin_ns, started_ns=self.clock.started_ns,
            speed_ratio=self.clock.speed_ratio, admin=self.admin_address, token=self.token, pid=os.getpid(),
            market=self.market.words, first_open_s=self.market.first_open_s, ends_ns=self.market.ends_ns,
        )  # fmt: skip


def addresses_of(ports: dict[str, int]) -> Addresses:
    """Give every server's address by its port; a host that is not served has port 0 and refuses."""

    def at(name: str, scheme: str, path: str = "") -> str:
        return f"{scheme}://{HOST}:{ports.get(name, 0)}{path}"

    return Addresses(
        gamma=at("gamma", "http"),
        clob=at("clob", "http"),
        market_ws=at("subscriptions", "ws", "/ws/market"),
        user_ws=at("subscriptions", "ws", "/ws/user"),
        polybolt=at("polybolt", "ws", "/ws"),
        rtds=at("rtds", "ws"),
        binance_spot=at("binance_spot", "ws"),
        binance_usdm=at("binance_usdm", "ws"),
        bybit=at("bybit", "ws", "/v5/public/spot"),
        okx=at("okx", "ws", "/ws/v5/public"),
        coinbase_exchange=at("coinbase_exchange", "ws"),
        coinbase=at("coinbase", "ws"),
        polygon=at("polygon", "http"),
        relayer=at("relayer", "http"),
        data_api=at("data_api", "http"),
        geoblock=at("geoblock", "http"),
    )


@asynccontextmanager
async def _hosted(app: web.Application) -> AsyncIterator[int]:
    """Serve one host on a free port and give the port."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=FAREWELL_S, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _first_rows(admin: Admin, life: asyncio.Task[None]) -> None:
    """Wait until the venue has lived through what was before it: who connects then meets a market."""
    begun = asyncio.create_task(admin.begun.wait())
    await asyncio.wait([begun, life], timeout=UP_S, return_when=asyncio.FIRST_COMPLETED)
    begun.cancel()


async def _take_leave(faults: Faults) -> None:
    """Close every socket as a server does that goes away; cut who does not answer."""
    lines = open_lines(faults)
    leaving = asyncio.gather(*(line.close(1001, "the venue goes away") for line in lines), return_exceptions=True)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(leaving, FAREWELL_S)
    for line in lines:
        line.cut()


async def _end(life: asyncio.Task[None]) -> None:
    life.cancel()
    await asyncio.gather(life, return_exceptions=True)
