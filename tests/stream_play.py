"""A server on loopback that plays one wire by a script, so that streams can be told stories by the other side."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from infra.clock import RehearsalClock
from infra.streams.intake import Arrived, Intake, What

ORIGIN_NS = 1_792_638_000 * 10**9
"""Thursday 2026-10-22 03:00:00 UTC: the start of a window."""


def clock_at(offset_s: float, speed_ratio: float = 60.0) -> RehearsalClock:
    return RehearsalClock.starting(ORIGIN_NS + round(offset_s * 1e9), speed_ratio)


@dataclass
class Peer:
    """One connection, as the server sees it."""

    number: int
    socket: web.WebSocketResponse
    request: web.Request
    heard: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def say(self, *texts: str) -> None:
        for text in texts:
            await self.socket.send_str(text)

    async def hear(self, part: str) -> str:
        """Wait until the client has said something with this in it."""
        while True:
            for text in self.heard:
                if part in text:
                    self.heard.remove(text)
                    return text
            self.news.clear()
            await self.news.wait()

    def cut(self) -> None:
        """End without a closing handshake."""
        assert self.request.transport is not None
        self.request.transport.abort()

    async def close(self, code: int, words: str = "") -> None:
        await self.socket.close(code=code, message=words.encode())


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class Played:
    """A server that is up, and who came to it."""

    script: Script
    url: str = ""
    refusals: list[web.Response] = field(default_factory=list)
    """Answers to the next handshakes, before any is taken."""
    knocks: int = 0
    peers: list[Peer] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.knocks += 1
        if self.refusals:
            return self.refusals.pop(0)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        peer = Peer(len(self.peers) + 1, socket, request)
        self.peers.append(peer)
        playing = asyncio.create_task(self._play(peer))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    peer.heard.append(message.data)
                    peer.news.set()
        finally:
            peer.gone.set()
            playing.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await playing
        return socket

    async def _play(self, peer: Peer) -> None:
        await self.script(peer)
        await peer.gone.wait()


@asynccontextmanager
async def playing(script: Script) -> AsyncIterator[Played]:
    """Have a server play a script on each connection; one that returns leaves its connection open and silent."""
    played = Played(script)
    app = web.Application()
    app.router.add_get("/{path:.*}", played.answer)
    async with serving(app) as address:
        played.url = address.replace("http", "ws", 1)
        yield played


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """Have an application listen on a free port of loopback; gives its address."""
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def line(arrived: Arrived) -> str:
    """Tell one arrival in words."""
    words = arrived.what.name.lower()
    if arrived.what is What.FRAME:
        return f"{arrived.wire.name.lower()} {arrived.connection}: {arrived.raw.decode()[:60]}"
    if arrived.listing is not None:
        return f"{words} {arrived.listing.slug}"
    return f"{arrived.wire.name.lower()} {arrived.connection}: {words}" + (f" ({arrived.why})" if arrived.why else "")


class Story:
    """What came into an intake, in words, as it is drained."""

    def __init__(self, intake: Intake, clock: RehearsalClock) -> None:
        self.intake, self.clock = intake, clock
        self.arrived: list[Arrived] = []

    @property
    def lines(self) -> list[str]:
        return [line(each) for each in self.arrived]

    async def until(self, part: str, times: int = 1) -> None:
        """Drain until a line with these words has come so many times."""

        def told(some: list[Arrived]) -> int:
            return sum(part in line(each) or part.encode() in each.raw for each in some)

        count = told(self.arrived)
        async with asyncio.timeout(30):
            while count < times:
                await self.intake.wait(self.clock.now_ns() + 10**9)
                news = self.intake.drain(1000)
                self.arrived += news
                count += told(news)
