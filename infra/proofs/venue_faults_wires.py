"""Wires without sockets: the ways from a desk to the venue's servers on the stage of the venue's faults."""

import asyncio
from collections import Counter
from typing import Any, Final, cast

from aiohttp import ClientSession, web

from infra.feeds.frames import Wire
from infra.proofs.hand_clock import HandClock
from infra.proofs.storm_stage import GIVE_UP_NS, DirectRest, ask_app
from infra.streams.life import State
from infra.streams.rest import Answer, Missed
from infra.streams.rest import Rest as Questions
from infra.venues.relaying import RelayerAnswer, WalletRelayer
from infra.venues.rest import NoAnswer
from infra.venues.signing import Signer
from state.units import NS_PER_MS

WAY_NS: Final = 2 * NS_PER_MS
"""What one way between desk and venue takes."""


class HandRest(DirectRest):
    """The way to the order book: a moment each way, three seconds' patience, and a count of what was answered."""

    def __init__(self, app: web.Application, clock: HandClock, signer: Signer) -> None:
        super().__init__(app, clock, signer)
        self.answers: Counter[tuple[str, str, int]] = Counter()
        """(method, path, status) -> how often; status 0: no answer in time."""
        self._left: set[asyncio.Task[web.Response]] = set()

    async def _travel(self) -> None:
        await self._hand.sleep(WAY_NS)

    async def _ask(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> web.Response:
        """Ask, and give up in time; what the venue was asked it goes on to do, as a server does."""
        asked = asyncio.get_running_loop().create_task(ask_app(self._app, method, target, headers, body))
        patience = asyncio.get_running_loop().create_task(self._hand.sleep(GIVE_UP_NS))
        await asyncio.wait({asked, patience}, return_when=asyncio.FIRST_COMPLETED)
        path = target.partition("?")[0]
        if not asked.done():
            self._left.add(asked)
            asked.add_done_callback(self._left.discard)
            self.doubts += 1
            self.answers[method, path, 0] += 1
            raise NoAnswer(f"{method} {path}: no answer")
        patience.cancel()
        response = asked.result()
        self.answers[method, path, response.status] += 1
        return response

    def count(self, method: str, path: str, *statuses: int) -> int:
        """Count the answers to paths that begin so."""
        told = self.answers.items()
        return sum(
            n for (how, where, status), n in told if how == method and where.startswith(path) and status in statuses
        )

    async def close(self) -> None:
        """Give up what still waits."""
        for task in self._left:
            task.cancel()
        await asyncio.gather(*self._left, return_exceptions=True)


class HandQuestions(Questions):
    """Questions to the servers that anybody may ask, without sockets."""

    def __init__(self, apps: dict[str, web.Application], clock: HandClock) -> None:
        super().__init__(cast(ClientSession, None), clock)
        self._apps = apps
        self.asked: Counter[str] = Counter()
        """Address without its query -> how often."""

    async def _ask(self, wire: Wire, url: str, body: bytes | None) -> Answer | Missed:
        host, _, target = url.removeprefix("http://").partition("/")
        self.asked[url.partition("?")[0]] += 1
        life, sent_ns = self.life(wire), self.clock.now_ns()
        await self.clock.sleep(WAY_NS)
        method = "GET" if body is None else "POST"
        headers = {"Content-Type": "application/json"} if body is not None else {}
        response = await ask_app(self._apps[host], method, f"/{target}", headers, body or b"")
        await self.clock.sleep(WAY_NS)
        life.last_frame_ns = self.clock.now_ns()
        raw = response.body
        assert isinstance(raw, bytes)
        if response.status != 200:
            return self.missed(wire, f"status {response.status}", response.status)
        life.state, life.last_data_ns = State.UP, life.last_frame_ns
        return Answer(raw, sent_ns, life.last_data_ns)


class HandRelayer(WalletRelayer):
    """The way to the relayer, without a socket."""

    def __init__(self, app: web.Application, *parts: Any) -> None:
        super().__init__("http://relayer", *parts)
        self._app = app
        self.asked: Counter[tuple[str, str]] = Counter()

    async def _wire(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> RelayerAnswer:
        self.asked[method, path.partition("?")[0]] += 1
        await self._clock.sleep(WAY_NS)
        response = await ask_app(self._app, method, path, headers, body)
        await self._clock.sleep(WAY_NS)
        raw = response.body
        assert isinstance(raw, bytes)
        return RelayerAnswer(response.status, raw, float(response.headers.get("Retry-After", "0")))
