"""The storm's stage: the venue's REST application and the desk's process, both called without a socket."""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from aiohttp import StreamReader, web
from aiohttp.test_utils import make_mocked_request

from graph.fast import decide
from infra.proofs.hand_clock import HandClock
from infra.proofs.storm_weather import Fate, Weather
from infra.shell.core import MANDATE
from infra.shell.desk_process import Answer, Failed, Heard
from infra.venues.rest import ORDER_PATHS, NoAnswer, Reply, Rest
from infra.venues.signing import Signer
from state.desk import Decision, View
from state.params import Params
from state.records import layout, one
from state.units import NS_PER_MS, NS_PER_S

GIVE_UP_NS: Final = 3 * NS_PER_S


class DirectRest(Rest):
    """The venue's REST application, called without a socket and through the weather."""

    def __init__(self, app: web.Application, clock: HandClock, signer: Signer) -> None:
        super().__init__("http://venue", clock, signer, None)
        self._app, self._hand = app, clock
        self.weather: Weather | None = None
        self.doubts = 0

    async def open(self, connections: int = 2) -> None:
        """Nothing has to be opened."""
        self._app.freeze()

    async def close(self) -> None:
        """Nothing has to be closed."""

    async def call(
        self, method: str, path: str, *, query: str = "", body: bytes = b"", sealed: bool = True,
        headers: dict[str, str] | None = None, leaving: Callable[[], None] | None = None,
    ) -> Reply:  # fmt: skip
        """Ask once, if the weather allows."""
        sent_ns = self._hand.now_ns()
        if sealed:
            assert self._seal is not None, "credentials before sealed requests"
            headers = self._seal.headers(sent_ns // NS_PER_S, method, path, body)
        fate = self.weather.request(sent_ns) if self.weather is not None else Fate.ANSWERED
        if self.safe is not None and method == "POST" and path in ORDER_PATHS:
            await self.safe()
        if fate is not Fate.UNSENT and leaving is not None:
            leaving()
        if fate is Fate.UNSENT:
            raise NoAnswer(f"{method} {path}: no connection", unsent=True)
        await self._travel()
        if fate is not Fate.LOST:
            response = await self._ask(method, path if not query else f"{path}?{query}", body, headers or {})
        if fate is not Fate.ANSWERED:
            self.doubts += 1
            await self._hand.sleep(GIVE_UP_NS)
            raise NoAnswer(f"{method} {path}: no answer")
        await self._travel()
        after = response.headers.get("Retry-After", "0")
        assert isinstance(response.body, bytes)
        return Reply(response.status, response.body, float(after), sent_ns, self._hand.now_ns())

    async def _travel(self) -> None:
        if self.weather is not None:
            await self._hand.sleep(self.weather.travel_ns(self._hand.now_ns()))

    async def _ask(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> web.Response:
        return await ask_app(self._app, method, target, headers, body)


async def ask_app(
    app: web.Application, method: str, target: str, headers: Mapping[str, str], body: bytes
) -> web.Response:
    """Ask a server's application, without a socket."""
    request = make_mocked_request(method, target, headers=dict(headers), app=app)
    payload = StreamReader(request.protocol, 1 << 20, loop=asyncio.get_running_loop())
    payload.feed_data(body)
    payload.feed_eof()
    request = request.clone()
    request._payload = payload
    response = await app._handle(request)
    assert isinstance(response, web.Response)
    return response


class FusedRunner:
    """Stands in for the desk's process: the fused desk comes to the same bytes, a while later by the hand clock."""

    cpu_s: float = 0.0

    def __init__(self, clock: HandClock, seed: int) -> None:
        self._clock, self._chance = clock, np.random.default_rng([seed, 99])
        self._heard: Heard | None = None
        self._tickets = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    def listen(self, heard: Heard, failed: Failed) -> None:
        """Tell answers from now on."""
        self._heard = heard

    def part(self) -> None:
        """Tell no more."""
        self._heard = None

    def ask(self, params: bytes, market: bytes) -> int:
        """Run the fused desk."""
        ticket = next(self._tickets)
        task = asyncio.get_running_loop().create_task(self._answer(ticket, params, market))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return ticket

    async def _answer(self, ticket: int, params: bytes, market: bytes) -> None:
        given: Any = np.frombuffer(bytearray(params), layout(Params))[0]
        decision: Any = one(Decision)
        decision.market = np.frombuffer(bytearray(market), layout(View))[0]
        decide(given, decision)
        mandate = np.zeros(1, MANDATE)
        mandate[0] = decision.mandate
        await self._clock.sleep(round(self._chance.exponential(15.0) * NS_PER_MS))
        if self._heard is not None:
            self._heard(Answer(ticket, mandate.tobytes(), "", 0.0))
