"""Lines: what the venue says on one WebSocket, written many messages at a time, through whatever fault is on.

A client that does not read fills a buffer with a bound; past it the line is closed as the venue does, with 1013.
"""

import asyncio
import struct
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from typing import Final, Self

import numpy as np
from aiohttp import ClientError, WSMsgType, web
from aiohttp.typedefs import Middleware

from infra.clock import Clock
from infra.venue_next_door.faults import Fault, Faults, Switch
from state.units import NS_PER_MS

SLOW: Final = "slow consumer: send buffer full"
SLOW_CODES: Final = {"polybolt": 4002}
"""By wire; everybody else closes with 1013 (venue reference 4.1, 4.4)."""
BUFFER_BYTES_MAX: Final = 4 * 1024 * 1024
HELD_MAX: Final = 20_000
"""Messages that the fault `late` may hold back before the buffer counts as full."""
FRAME_BYTES_MAX: Final = 1024 * 1024
WATCH_S: Final = 0.05
"""How often a line looks whether it shall be cut, in seconds of the machine: data may be quiet, the cut is not."""

_LONG: Final = struct.Struct("!BBH").pack
_LONGEST: Final = struct.Struct("!BBQ").pack
_TEXT: Final = 0x81
_ABNORMAL: Final = (Fault.SILENT, Fault.MISSING, Fault.GARBLED, Fault.DUPLICATE, Fault.REORDER, Fault.LATE)
_open: set["Line"] = set()
_numbers = count(1)


def text_frame(data: bytes) -> bytes:
    """Give a message as one unmasked text frame (RFC 6455, 5.2)."""
    size = len(data)
    if size < 126:
        return bytes((_TEXT, size)) + data
    if size < 1 << 16:
        return _LONG(_TEXT, 126, size) + data
    return _LONGEST(_TEXT, 127, size) + data


def open_lines(faults: Faults) -> list["Line"]:
    """Give the lines that are open now at the venue that has this board of faults."""
    return [line for line in _open if line.faults is faults]


async def accept(request: web.Request) -> web.WebSocketResponse:
    """Take a WebSocket connection the way lines want it: no compression, pings and pongs left to the line."""
    socket: web.WebSocketResponse = web.WebSocketResponse(
        compress=False, autoping=False, max_msg_size=FRAME_BYTES_MAX, decode_text=True
    )
    await socket.prepare(request)
    return socket


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def refusing(faults: Faults, wire: str) -> Middleware:
    """Give a middleware that answers 503 to new connections while the fault `refuse` is on for this wire."""

    @web.middleware
    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket" and faults.is_on(Fault.REFUSE, wire):
            return web.Response(status=503, text="Service Unavailable", headers={"Retry-After": "1"})
        return await handler(request)

    return refuse


class Line:
    """One open WebSocket, served: `async with` it, `send` to it, iterate over its `incoming`."""

    def __init__(self, socket: web.WebSocketResponse, wire: str, faults: Faults, clock: Clock, seed: int) -> None:
        """Take a prepared socket.

        Args:
            socket: Prepared; best by `accept`.
            wire: Whose wire it is, by the names that `Fault` lists.
            faults: The venue's board.
            clock: The venue's clock.
            seed: Seeds the draws of faults that hit a share of messages.
        """
        assert socket._req is not None, "a line needs a socket that has been prepared"
        transport = socket._req.transport
        self.socket = socket
        self.wire = wire
        self.faults = faults
        self.clock = clock
        self.opened_ns = clock.now_ns()
        self.ponged_ns = self.opened_ns
        """When the client last answered a ping."""
        self.name = f"{wire}-{next(_numbers)}"
        """Tells connections apart, in the venue's answers and in its state."""
        self.sent = 0
        """Messages written, answers too."""
        self.dropped = 0
        """Messages that a fault swallowed."""
        self.is_closing = transport is None
        self._transport = transport
        self._rng = np.random.default_rng(seed)
        self._loop = asyncio.get_running_loop()
        self._ready: list[bytes] = []
        self._is_due = False
        self._late: deque[tuple[int, bytes]] = deque()
        self._swapped: bytes | None = None
        self._outlived: set[Switch] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        now_ns = self.clock.now_ns()
        # Who comes while a cut lasts is taken: the cut was for those before.
        self._outlived = {s for s in self.faults.switches if s.from_ns <= now_ns}
        _open.add(self)
        self._start(self._watch())
        return self

    async def __aexit__(self, *error: object) -> None:
        self._flush()
        self.is_closing = True
        closing = {task for task in self._tasks if task.get_name() == "close"}
        for task in self._tasks - closing:
            task.cancel()
        try:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        finally:
            _open.discard(self)

    # Out.

    def send(self, data: bytes) -> None:
        """Send a message of the feed, through whatever fault is on; never waits."""
        if self.faults.switches or self._late or self._swapped is not None:
            self._send_through_faults(data)
        else:
            self._write(text_frame(data))

    def answer(self, data: bytes) -> None:
        """Send an answer (PONG, to a subscription) that no fault touches; never waits."""
        self._write(text_frame(data))

    def _write(self, frame: bytes) -> None:
        """Queue a frame for the one write at the end of this turn of the loop."""
        if self.is_closing:
            return
        self._ready.append(frame)
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_due = False
        frames = self._ready
        if not frames:
            return
        self._ready = []
        transport = self._transport
        if transport is None or transport.is_closing():
            self.is_closing = True
            return
        transport.write(b"".join(frames) if len(frames) > 1 else frames[0])
        self.sent += len(frames)
        if transport.get_write_buffer_size() > BUFFER_BYTES_MAX:
            self._overflow()

    def _overflow(self) -> None:
        self._close_soon(SLOW_CODES.get(self.wire, 1013), SLOW)

    # Faults.

    def _send_through_faults(self, data: bytes) -> None:
        silent, missing, garbled, twice, swap, late_ms = (self.faults.value(f, self.wire) for f in _ABNORMAL)
        if silent or (missing and self._hits(missing)):
            self.dropped += 1
            return
        if garbled and self._hits(garbled) and len(data) > 1:
            cut = int(self._rng.integers(1, len(data)))
            data = data[:cut].decode("utf-8", "ignore").encode()
        frames = [text_frame(data)]
        if twice and self._hits(twice):
            frames *= 2
        if self._swapped is not None:
            frames.append(self._swapped)
            self._swapped = None
        elif swap and self._hits(swap):
            self._swapped = frames.pop()
        due_ns = self.clock.now_ns() + round(late_ms * NS_PER_MS)
        for frame in frames:
            self._hold(due_ns, frame) if late_ms or self._late else self._write(frame)

    def _hits(self, share: float) -> bool:
        return share >= 1.0 or bool(self._rng.random() < share)

    def _hold(self, due_ns: int, frame: bytes) -> None:
        is_first = not self._late
        self._late.append((max(due_ns, self._late[-1][0]) if self._late else due_ns, frame))
        if len(self._late) > HELD_MAX:
            self._overflow()
        elif is_first:
            self._start(self._carry())

    async def _carry(self) -> None:
        """Write what is held back when its time comes; lives as long as something is."""
        while self._late:
            await self.clock.sleep_until(self._late[0][0])
            now_ns = self.clock.now_ns()
            while self._late and self._late[0][0] <= now_ns:
                self._write(self._late.popleft()[1])

    async def _watch(self) -> None:
        """Cut or close the line when a fault says so: each such fault hits a connection once."""
        while not self.is_closing:
            await asyncio.sleep(WATCH_S)
            now_ns = self.clock.now_ns()
            for switch in self.faults.switches:
                if switch.from_ns > now_ns or switch in self._outlived or not self.wire.startswith(switch.where):
                    continue
                self._outlived.add(switch)
                if switch.fault is Fault.DISCONNECT:
                    self.cut()
                elif switch.fault is Fault.SLOW_CONSUMER:
                    self._overflow()

    # The end.

    def cut(self) -> None:
        """End the connection without a closing handshake, as a broken network does."""
        self.is_closing = True
        self._ready.clear()
        self._late.clear()
        if self._transport is not None:
            self._transport.abort()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close with a code and words; what was sent before goes out first, and who does not read is cut at last."""
        if self.is_closing:
            return
        self._flush()
        self.is_closing = True
        # No draining: a client that reads nothing would hold us here for ever. Ten seconds, then the cut.
        await self.socket.close(code=code, message=reason.encode()[:123], drain=False)
        if self._transport is not None:
            self._transport.abort()

    def _close_soon(self, code: int, reason: str) -> None:
        if not self.is_closing:
            self._late.clear()
            self._start(self.close(code, reason), "close")

    def _start(self, work: "asyncio._CoroutineLike[None]", name: str = "line") -> None:
        task = self._loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # In.

    async def ping(self, payload: bytes) -> None:
        """Send a ping of the protocol; `ponged_ns` tells when it was answered."""
        if not self.is_closing:
            await self.socket.ping(payload)

    async def incoming(self) -> AsyncIterator[bytes]:
        """Give what the client says, text frame by text frame, until it goes or the line is closed."""
        while True:
            try:
                message = await self.socket.receive()
                if message.type is WSMsgType.PING:
                    await self.socket.pong(message.data)
            except (ClientError, ConnectionError):
                return
            if message.type is WSMsgType.TEXT:
                yield message.data.encode() if isinstance(message.data, str) else bytes(message.data)
            elif message.type is WSMsgType.PONG:
                self.ponged_ns = self.clock.now_ns()
            elif message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return
