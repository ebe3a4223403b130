"""One connection kept alive: connect, subscribe, pour frames into the intake, and come back after every end.

What the world sees of it: CONNECTED, frames, DISCONNECTED with a reason, and so on for ever. All times are the clock's.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from typing import Final, cast

import numpy as np
from aiohttp import (
    ClientError,
    ClientSession,
    ClientWebSocketResponse,
    ClientWSTimeout,
    WSMsgType,
    WSServerHandshakeError,
)
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_never

from infra.clock import Clock
from infra.feeds.frames import FRAME_BYTES_MAX, Wire
from infra.streams.endpoints import Advice, Endpoint, Ping
from infra.streams.intake import Arrived, Intake, What
from infra.streams.life import Life, State
from state.units import NS_PER_MS, NS_PER_S

LOG: Final = logging.getLogger("updown.streams")

JITTER_LEAST_S: Final = 1.0
JITTER_MOST_S: Final = 30.0
SPREAD_S: Final = 10.0
LONG_S: Final = 300.0
GATE_S: Final = 10.0
"""Longest wait for the answer that opens the way to subscribing."""
HANDSHAKE_REAL_S: Final = 10.0
"""Longest handshake; of real time, for no rehearsal makes the machine faster."""
FAREWELL_REAL_S: Final = 0.5
"""Longest wait for the other side's closing frame; nobody trades on that."""

_ADVICE_HTTP: Final = {401: Advice.STOP, 403: Advice.LONG, 451: Advice.LONG}
"""Status of a refused handshake -> how to go on; others mean `JITTER`, or the time that the server names."""

WireSocket = ClientWebSocketResponse[bool]


class Ended(Exception):
    """A connection ended: why, and how to go on. It says what the other side did, so it is never a fault of ours."""

    def __init__(self, why: str, advice: Advice = Advice.JITTER, *, after_s: float = 0.0) -> None:
        super().__init__(why)
        self.why, self.advice, self.after_s = why, advice, after_s


class Connection:
    """Keeps one socket alive.

    Args:
        endpoint: What is said there.
        session: Makes the connections.
        clock: By which it pauses, pings and stamps.
        intake: Where everything goes.
        rng: Draws the pauses.
        look: Is shown each frame with data (the market channel waits for books); None: nobody looks.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        session: ClientSession,
        clock: Clock,
        intake: Intake,
        rng: np.random.Generator,
        look: Callable[[bytes], None] | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.life = Life()
        self._session, self._clock, self._intake, self._rng, self._look = session, clock, intake, rng, look
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._cut: asyncio.Future[Ended] | None = None
        self._failures = 0
        self._to_say: deque[str] = deque()
        self._words = asyncio.Event()
        self._gate = asyncio.Event()
        self._pong_ns = 0
        self._useful = False

    @property
    def wire(self) -> Wire:
        """Give its wire."""
        return self.endpoint.wire

    # What others ask of it.

    def want(self, wanted: bool, why: str = "not needed now") -> None:
        """Let it connect, or let it go and rest until it is wanted again."""
        if wanted:
            self._wanted.set()
        elif self._wanted.is_set():
            self._wanted.clear()
            self._end(Ended(why, Advice.AT_ONCE))

    @property
    def wanted(self) -> bool:
        """Say whether it is to be connected."""
        return self._wanted.is_set()

    def renew(self, why: str) -> bool:
        """Cut it and connect anew, so that a fresh snapshot comes; says whether there was anything to cut."""
        return self._end(Ended(why, Advice.AT_ONCE))

    def say(self, text: str) -> None:
        """Say something more on the connection that stands; without one, `first` will say all that is needed."""
        if self.life.state is State.UP:
            self._to_say.append(text)
            self._words.set()

    def _end(self, ended: Ended) -> bool:
        if self._cut is None or self._cut.done():
            return False
        self._cut.set_result(ended)
        return True

    # Its life.

    async def run(self) -> None:
        """Live until cancelled, or until an end that only a person can mend."""
        retrying = AsyncRetrying(
            sleep=self._sleep, wait=self._pause_s, stop=stop_never, retry=retry_if_exception(_may_return), reraise=True
        )
        try:
            await retrying(self._live)
        except Ended as ended:
            self.life.state = State.STOPPED
            LOG.error("%s stopped: %s; mend that and start again", self.wire.name.lower(), ended.why)

    async def _sleep(self, pause_s: float) -> None:
        await self._clock.sleep(round(pause_s * NS_PER_S))

    def _pause_s(self, retry: RetryCallState) -> float:
        """Say how long to wait after an end, in the clock's seconds."""
        ended = retry.outcome.exception() if retry.outcome is not None else None
        assert isinstance(ended, Ended)
        self._failures = 0 if self._useful else self._failures + 1
        if ended.after_s:
            return ended.after_s
        if ended.advice is Advice.AT_ONCE and self._useful:
            return 0.0
        if ended.advice is Advice.SPREAD:
            return float(self._rng.uniform(0.0, SPREAD_S))
        if ended.advice is Advice.LONG:
            return float(self._rng.uniform(LONG_S, 1.5 * LONG_S))
        most_s = min(JITTER_MOST_S, JITTER_LEAST_S * 2.0 ** (min(self._failures, 10) + 1))
        return float(self._rng.uniform(JITTER_LEAST_S, most_s))

    async def _live(self) -> None:
        """Live through one connection; always ends by raising.

        Raises:
            Ended: it could not be made, was cut, or was given up by us.
        """
        if not self._wanted.is_set():
            self.life.state = State.IDLE
            await self._wanted.wait()
        self._useful = False
        self.life.state = State.CONNECTING
        socket = await self._connect()
        life, now_ns = self.life, self._clock.now_ns()
        life.generation += 1
        life.last_frame_ns = life.connected_ns = self._pong_ns = now_ns
        life.state = State.UP
        self._gate.clear()
        self._to_say.clear()
        self._cut = asyncio.get_running_loop().create_future()
        if not self._wanted.is_set():
            self._end(Ended("not needed any more", Advice.AT_ONCE))
        self._put(What.CONNECTED, now_ns)
        ended = Ended("stopped by us")
        try:
            ended = await self._race(socket)
        finally:
            life.state, life.why, self._cut = State.DOWN, ended.why, None
            life.ends += 1
            self._put(What.DISCONNECTED, self._clock.now_ns(), ended.why)
            await _closed(socket)
        LOG.info("%s ended: %s", self.wire.name.lower(), ended.why)
        raise ended

    async def _connect(self) -> WireSocket:
        try:
            async with asyncio.timeout(HANDSHAKE_REAL_S):
                # One annotation for both forms: with `decode_text=False` texts come as the bytes that they were.
                return cast(
                    WireSocket,
                    await self._session.ws_connect(
                        self.endpoint.url, decode_text=False, max_msg_size=FRAME_BYTES_MAX, autoclose=True,
                        autoping=True, timeout=ClientWSTimeout(ws_close=FAREWELL_REAL_S),
                    ),
                )  # fmt: skip
        except WSServerHandshakeError as error:
            raise self._refused(error) from error
        except (ClientError, OSError, TimeoutError) as error:
            why = f"no connection: {str(error) or type(error).__name__}"
        self.life.state, self.life.why = State.DOWN, why
        raise Ended(why)

    def _refused(self, error: WSServerHandshakeError) -> Ended:
        """Read a refused handshake: 429 and 503 may say when to come again (reference 4.4)."""
        headers = error.headers if error.headers is not None else {}
        named = headers.get("Retry-After", "").strip()
        after_s = float(named) if named.isdecimal() and error.status in (429, 503) else 0.0
        why = f"handshake refused with {error.status}" + (f", come again after {named} s" if after_s else "")
        self.life.state, self.life.why = State.DOWN, why
        return Ended(why, _ADVICE_HTTP.get(error.status, Advice.JITTER), after_s=after_s)

    async def _race(self, socket: WireSocket) -> Ended:
        """Read, speak and wait to be cut, side by side; the first that ends, ends it all."""
        assert self._cut is not None
        reading = asyncio.create_task(self._read(socket))
        speaking = asyncio.create_task(self._speak(socket))
        try:
            await asyncio.wait({reading, speaking, self._cut}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended: Ended | None = None
            for task in (speaking, reading):  # why the reader ended says more than that nothing could be said
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    ended = await task
        if self._cut.done():
            return self._cut.result()
        assert ended is not None, "one of the two has ended, or it was cut"
        return ended

    # Reading.

    async def _read(self, socket: WireSocket) -> Ended:
        endpoint, life, put, clock = self.endpoint, self.life, self._intake.put, self._clock
        wire, mark, look, connection = endpoint.wire, endpoint.data_mark, self._look, life.generation
        answers = endpoint.ping.answers if endpoint.ping is not None else frozenset()
        while True:
            try:
                message = await socket.receive()
            except (ClientError, OSError) as error:  # it answers pings by itself, also while it is being closed
                return Ended(f"broken: {str(error) or type(error).__name__}")
            if message.type is not WSMsgType.TEXT and message.type is not WSMsgType.BINARY:
                return self._closed_by(socket, message.type, message.data)
            seen_ns = clock.now_ns()
            raw = cast(bytes, message.data)
            life.frames += 1
            life.octets += len(raw)
            life.last_frame_ns = seen_ns
            if mark in raw:
                life.last_data_ns = seen_ns
                self._useful = True
                if look is not None:
                    look(raw)
            elif raw in answers:
                self._pong_ns = seen_ns
                continue
            else:
                self._hear(raw)
            put(Arrived(What.FRAME, wire, connection, seen_ns, raw))

    def _hear(self, raw: bytes) -> None:
        """Take note of a frame that holds no data: the gate's answer, a refusal, a farewell."""
        endpoint = self.endpoint
        if endpoint.gate and endpoint.gate in raw:
            self._gate.set()
        elif endpoint.farewell_mark and endpoint.farewell_mark in raw:
            self.renew("the other side said that it will cut the connection")
        elif endpoint.complaint_mark and endpoint.complaint_mark in raw:
            self.life.complaint = raw[:200].decode(errors="replace")
            LOG.warning("%s refused: %s", self.wire.name.lower(), self.life.complaint)
            if endpoint.fatal_mark and endpoint.fatal_mark in raw:
                self._end(Ended(f"refused: {self.life.complaint}", Advice.STOP))

    def _closed_by(self, socket: WireSocket, kind: WSMsgType, data: object) -> Ended:
        code = socket.close_code
        if kind is WSMsgType.ERROR:
            return Ended(f"broken: {str(data) or type(data).__name__}")
        if code == 1013:
            self.life.slow_consumer += 1
        words = "cut without a word" if code in (None, 1006) else f"closed with {code}"
        return Ended(words, self.endpoint.closes.get(code or 0, Advice.JITTER))

    # Speaking.

    async def _speak(self, socket: WireSocket) -> Ended:
        """Say the first frames, then what others ask for, and ping in between."""
        endpoint, gap_ns = self.endpoint, round(self.endpoint.spacing_ms * NS_PER_MS)
        try:
            for number, text in enumerate(endpoint.first()):
                if number and gap_ns:
                    await self._clock.sleep(gap_ns)
                await socket.send_str(text)
                if number == 0 and endpoint.gate and not await self._gate_opened():
                    return Ended(f"no answer to the first frame in {GATE_S:g} s; {self.life.complaint}".rstrip("; "))
            while True:
                while self._to_say:
                    await socket.send_str(self._to_say.popleft())
                    await self._clock.sleep(gap_ns)
                self._words.clear()
                if (ended := await self._keep_alive(socket, endpoint.ping)) is not None:
                    return ended
        except (ClientError, OSError) as error:
            return Ended(f"could not speak: {str(error) or type(error).__name__}")

    async def _gate_opened(self) -> bool:
        return await self._within(self._gate, GATE_S)

    async def _within(self, event: asyncio.Event, span_s: float) -> bool:
        """Wait for an event, at most for so many of the clock's seconds."""
        try:
            async with asyncio.timeout(span_s / self._clock.speed_ratio):
                await event.wait()
        except TimeoutError:
            return False
        return True

    async def _keep_alive(self, socket: WireSocket, ping: Ping | None) -> Ended | None:
        """Wait for words to say or for the next ping, and send that; the clock says when a pong is missing."""
        if ping is None:
            await self._words.wait()
            return None
        if await self._within(self._words, ping.every_s):
            return None
        now_ns = self._clock.now_ns()
        if ping.dead_s and now_ns - self._pong_ns > ping.dead_s * NS_PER_S:
            return Ended(f"no answer to a ping for {(now_ns - self._pong_ns) / NS_PER_S:.0f} s", Advice.AT_ONCE)
        if not ping.when_quiet or now_ns - self.life.last_frame_ns >= ping.every_s * NS_PER_S / 2:
            await socket.send_str(ping.text)
        return None

    def _put(self, what: What, seen_ns: int, why: str = "") -> None:
        self._intake.put(Arrived(what, self.wire, self.life.generation, seen_ns, why=why))


def _may_return(error: BaseException) -> bool:
    """Say whether an end is one to come back from; whatever is no `Ended` is a fault of ours and goes up."""
    return isinstance(error, Ended) and error.advice is not Advice.STOP


async def _closed(socket: WireSocket) -> None:
    """Say goodbye, but wait for no answer that does not come."""
    with contextlib.suppress(ClientError, OSError, TimeoutError):
        async with asyncio.timeout(2 * FAREWELL_REAL_S):
            await socket.close()
