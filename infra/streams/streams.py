"""Streams: all feeds at once, alive as long as the block lasts; what they bring goes into one intake.

    async with Streams(addresses, clock, intake, credentials) as streams:
        ...            # drain the intake; look at `streams.health()`

Production, staging and the venue next door differ in `addresses` alone. What the other side does never raises here; a
fault of ours in any task is logged, ends the block, and goes up.
"""

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from aiohttp import ClientSession, DummyCookieJar, TCPConnector

from infra.addresses import Addresses
from infra.clock import Clock
from infra.feeds.frames import Wire
from infra.streams.chain import Chain
from infra.streams.clock_offset import Skew, VenueClock
from infra.streams.connection import Connection
from infra.streams.discovery import Discovery, Windows
from infra.streams.endpoints import EVERY, endpoints
from infra.streams.intake import Intake
from infra.streams.life import Health, Life, State, health_of
from infra.streams.rest import Rest
from infra.streams.tokens import Tokens
from infra.streams.watchdog import Watchdog
from infra.venues.credentials import Credentials
from state.events import Asset

LOG: Final = logging.getLogger("updown.streams")


class Streams:
    """Every feed of the desk.

    Args:
        addresses: Where the servers are.
        clock: The desk's clock; all pauses, limits and stamps are by it.
        intake: Where everything goes.
        credentials: Of the venue's API; without them there is no user channel, and RTDS stands in for PolyBolt.
        wires: Which feeds; those that need credentials are left out when there are none.
        assets: What is followed.
        span_s: Length of the followed windows.
        ahead: How many windows beyond the current one are followed, so that a roll-over finds them warm.
        seed: Of the pauses between attempts to connect.
        beside: How wires do that somebody else pours into the intake.
        windows_to: Hears of windows in the intake's place, and hands on those that are to be followed.
    """

    def __init__(
        self,
        addresses: Addresses,
        clock: Clock,
        intake: Intake,
        credentials: Credentials | None = None,
        *,
        wires: frozenset[Wire] = EVERY,
        assets: Sequence[Asset] = (Asset.BTC,),
        span_s: int = 300,
        ahead: int = 3,
        seed: int = 1,
        beside: Mapping[Wire, Life] | None = None,
        windows_to: Windows | None = None,
    ) -> None:
        self._addresses, self._clock, self._intake, self._credentials = addresses, clock, intake, credentials
        self._wires, self._assets, self._span_s, self._ahead, self._seed = wires, assets, span_s, ahead, seed
        self._beside, self._windows_to = dict(beside or {}), windows_to or intake
        self.connections: dict[Wire, Connection] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        # No cookies, no limit on connections, no shared pool between the sockets' long lives and short questions.
        self._session = ClientSession(cookie_jar=DummyCookieJar(), connector=TCPConnector(limit=0))
        self._rest = Rest(self._session, self._clock)
        self._group = asyncio.TaskGroup()
        try:
            await self._group.__aenter__()
            self._connect_all()
        except BaseException:  # boundary: nothing began, so nothing may be left open
            await self._session.close()
            raise
        return self

    def _connect_all(self) -> None:
        clock, intake, rest = self._clock, self._intake, self._rest
        tokens = Tokens(clock)
        rng = np.random.default_rng(self._seed)
        every = endpoints(self._addresses, self._wires, self._assets, self._credentials, tokens.all)
        for endpoint in every:
            look = tokens.look if endpoint.wire is Wire.POLYMARKET_MARKET else None
            self.connections[endpoint.wire] = Connection(endpoint, self._session, clock, intake, rng.spawn(1)[0], look)
        if (market := self.connections.get(Wire.POLYMARKET_MARKET)) is not None:
            tokens.connection = market
            market.want(False)
        if Wire.POLYBOLT in self.connections and Wire.RTDS in self.connections:
            self.connections[Wire.RTDS].want(False)
        self._discovery = Discovery(
            self._addresses, clock, self._windows_to, rest, self._assets, self._span_s, self._ahead,
            on_listed=tokens.list_window, on_unlisted=tokens.unlist_window,
        )  # fmt: skip
        self._venue_clock = VenueClock(self._addresses, clock, intake, rest)
        watchdog = Watchdog(
            clock, list(self.connections.values()), self._discovery.listed.values, ask_again=tokens.ask_again
        )
        intake.on_loss = self._lost
        for connection in self.connections.values():
            self._begin(connection.run(), connection.wire.name.lower())
        self._begin(watchdog.run(), "watchdog")
        if Wire.GAMMA in self._wires:
            self._begin(self._discovery.run(), "discovery")
        if Wire.CLOB_REST in self._wires:
            self._begin(self._venue_clock.run(), "venue clock")
        if Wire.POLYGON in self._wires:
            self._begin(Chain(self._addresses, clock, intake, rest).run(), "chain")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every stream, say goodbye on every socket, and raise what went wrong with us, if anything did."""
        self._intake.on_loss = None
        for task in self._tasks:
            task.cancel()
        failed_here = isinstance(error, asyncio.CancelledError)
        try:
            # The block's own error goes up as it is; only faults of the tasks come as a group.
            await self._group.__aexit__(*((kind, error, trace) if failed_here else (None, None, None)))
        finally:
            await self._session.close()

    def _begin(self, life: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(self._group.create_task(_guarded(life, name), name=name))

    def _lost(self, wire: Wire) -> None:
        """Ask for fresh snapshots after the intake had to give frames up."""
        if wire in self.connections:
            self.connections[wire].renew("frames were dropped here: fresh snapshots are needed")

    # What others may ask.

    def follow(self, slug: str) -> None:
        """Follow a window by its name, for one that came to an end while we were away."""
        self._discovery.follow(slug)

    def renew(self, wire: Wire, why: str) -> None:
        """Connect one wire anew, so that snapshots come."""
        self.connections[wire].renew(why)

    @property
    def skew(self) -> Skew:
        """Give what is known of the venue's clock against ours."""
        return self._venue_clock.skew

    def reasons(self) -> list[dict[str, Any]]:
        """Give why questions over HTTP brought nothing, most frequent first."""
        return self._rest.reasons.rows("wire", "reason")

    def health(self) -> list[Health]:
        """Give how each wire does, in order of the wires; a wire that was asked for and cannot be is told as idle."""
        lives: dict[Wire, Life] = (
            {wire: each.life for wire, each in self.connections.items()} | self._rest.lives | self._beside
        )
        for wire in self._wires - lives.keys():
            needs = "needs credentials of the venue's API" if wire in _KEYED else ""
            lives[wire] = Life(State.IDLE, why=needs)
        now_ns = self._clock.now_ns()
        conflated, lost = self._intake.conflated, self._intake.lost
        return [health_of(wire, lives[wire], now_ns, conflated[wire], lost[wire]) for wire in sorted(lives)]


_KEYED: Final = frozenset({Wire.POLYMARKET_USER, Wire.POLYBOLT})


async def _guarded(life: Coroutine[Any, Any, None], name: str) -> None:
    try:
        await life
    except Exception:  # boundary: one task's fault of ours is named here; raised again, it ends the whole block
        LOG.exception("a fault of ours in %s", name)
        raise
