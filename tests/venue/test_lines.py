"""What one socket of the venue next door does to its messages: nothing at all, or exactly the fault that is on."""

import asyncio
import contextlib
import socket as sockets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from hypothesis import given
from hypothesis import strategies as st

from infra.clock import RehearsalClock
from infra.venue_next_door import lines
from infra.venue_next_door.faults import Fault, Faults, Switch
from infra.venue_next_door.lines import Line, accept, open_lines, refusing, text_frame

WIRE = "binance_spot"
HUNDRED = [b"%03d" % number for number in range(100)]


@dataclass
class Stage:
    """A server whose one socket says `script` once the client has said a word."""

    script: Callable[[Line], Awaitable[None]]
    wire: str = WIRE
    clock: RehearsalClock = field(default_factory=lambda: RehearsalClock.starting(10**18, 60.0))
    faults: Faults = field(init=False)
    url: str = ""

    def __post_init__(self) -> None:
        self.faults = Faults(self.clock)

    def on(self, fault: Fault, value: float = 1.0, where: str = "") -> None:
        self.faults.add(Switch(fault, where, self.clock.now_ns(), value=value))

    async def serve(self, request: web.Request) -> web.StreamResponse:
        socket = await accept(request)
        async with Line(socket, self.wire, self.faults, self.clock, seed=7) as line:
            async for word in line.incoming():
                line.answer(b"heard " + word)
                await self.script(line)
        return socket

    @asynccontextmanager
    async def play(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        app = web.Application(middlewares=[refusing(self.faults, self.wire)])
        app.router.add_get("/", self.serve)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        try:
            async with aiohttp.ClientSession() as session, session.ws_connect(self.url) as client:
                yield client
        finally:
            await runner.cleanup()


async def hundred(line: Line) -> None:
    for message in HUNDRED:
        line.send(message)
    line.answer(b"end")


async def heard(client: aiohttp.ClientWebSocketResponse) -> list[bytes]:
    """Give what came between our word and the end."""
    await client.send_str("go")
    assert await client.receive_str() == "heard go"
    said = []
    while (message := await client.receive_str()) != "end":
        said.append(message.encode())
    return said


def played(*faults: tuple[Fault, float], script: Callable[[Line], Awaitable[None]] = hundred) -> list[bytes]:
    async def story() -> list[bytes]:
        stage = Stage(script)
        async with stage.play() as client:
            for fault, value in faults:
                stage.on(fault, value)
            return await heard(client)

    return asyncio.run(story())


def test_without_faults_everything_arrives_once_and_in_order() -> None:
    assert played() == HUNDRED


def test_a_silent_socket_still_answers_and_says_nothing_else() -> None:
    assert played((Fault.SILENT, 1.0)) == []


def test_a_share_of_messages_goes_missing_and_the_rest_keeps_its_order() -> None:
    came = played((Fault.MISSING, 0.3))
    assert came == [message for message in HUNDRED if message in came]
    assert 50 < len(came) < 90


def test_the_same_seed_loses_the_same_messages() -> None:
    assert played((Fault.MISSING, 0.3)) == played((Fault.MISSING, 0.3))


def test_messages_come_twice() -> None:
    assert played((Fault.DUPLICATE, 1.0)) == [message for message in HUNDRED for _ in range(2)]


def test_messages_swap_places_with_the_next() -> None:
    swapped = played((Fault.REORDER, 1.0))
    assert swapped == [message for pair in zip(HUNDRED[1::2], HUNDRED[::2], strict=True) for message in pair]


def test_messages_are_cut_in_the_middle() -> None:
    came = played((Fault.GARBLED, 1.0))
    assert len(came) == 100
    assert all(whole.startswith(cut) and len(cut) < len(whole) for cut, whole in zip(came, HUNDRED, strict=True))


def test_late_messages_keep_their_order_even_when_the_fault_ends_meanwhile() -> None:
    """The first fifty are held back two seconds; the others come after them although no fault is on any more."""

    async def script(line: Line) -> None:
        said_ns = line.clock.now_ns()
        line.faults.add(Switch(Fault.LATE, value=2_000.0))
        for message in HUNDRED[:50]:
            line.send(message)
        line.faults.clear()
        for message in HUNDRED[50:]:
            line.send(message)
        while line.sent < 101:
            await line.clock.sleep(10**8)
        assert line.clock.now_ns() - said_ns >= 2 * 10**9
        line.answer(b"end")

    assert played(script=script) == HUNDRED


def test_a_cut_has_no_farewell_and_the_next_connection_is_taken() -> None:
    async def story() -> None:
        stage = Stage(hundred)
        async with stage.play() as client:
            stage.on(Fault.DISCONNECT)
            end = await client.receive()
            assert end.type is not WSMsgType.CLOSE and client.close_code in (None, 1006)
            async with aiohttp.ClientSession() as session, session.ws_connect(stage.url) as again:
                assert await heard(again) == HUNDRED  # the switch is still on, but that cut was for those before

    asyncio.run(story())


@pytest.mark.parametrize(("wire", "code"), [(WIRE, 1013), ("polybolt", 4002)])
def test_a_slow_consumer_is_told_so_in_the_venues_words(wire: str, code: int) -> None:
    async def story() -> None:
        stage = Stage(hundred, wire)
        async with stage.play() as client:
            stage.on(Fault.SLOW_CONSUMER)
            end = await client.receive()
            assert (end.type, end.data, end.extra) == (WSMsgType.CLOSE, code, "slow consumer: send buffer full")

    asyncio.run(story())


def test_a_client_that_really_does_not_read_is_closed_and_holds_no_more_than_the_buffer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A megabyte of bound, a flood, and a client that sleeps: the line closes, and the backlog ends in code 1013."""
    monkeypatch.setattr(lines, "BUFFER_BYTES_MAX", 1 << 20)
    flooded: list[int] = []

    async def flood(line: Line) -> None:
        while not line.is_closing:
            for _ in range(100):
                line.send(b"x" * 1_000)
            await asyncio.sleep(0)
            flooded.append(line.sent)

    async def story() -> bytes:
        stage = Stage(flood)
        async with stage.play():
            host, _, port = stage.url.removeprefix("http://").strip("/").partition(":")
            raw = sockets.create_connection((host, int(port)))
            raw.setblocking(False)
            loop = asyncio.get_running_loop()
            hello = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            hello += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            await loop.sock_sendall(raw, hello.encode())
            await loop.sock_recv(raw, 4_096)
            await loop.sock_sendall(raw, b"\x81\x80\x00\x00\x00\x00")  # an empty masked text frame: our word
            while not any(line.is_closing for line in open_lines(stage.faults)):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            backlog = b""
            with contextlib.suppress(asyncio.TimeoutError):
                while not backlog.endswith(lines.SLOW.encode()):
                    part = await asyncio.wait_for(loop.sock_recv(raw, 1 << 20), 5)
                    assert part, "cut without a farewell"
                    backlog += part
            raw.close()
            return backlog

    backlog = asyncio.run(story())
    assert backlog.endswith(b"\x88\x21" + (1013).to_bytes(2, "big") + lines.SLOW.encode())
    assert flooded[-1] * 1_000 < 16 << 20  # the rest of it lay in the kernel's own buffers


def test_while_refused_no_connection_is_taken_and_afterwards_it_is() -> None:
    async def story() -> None:
        stage = Stage(hundred)
        async with stage.play(), aiohttp.ClientSession() as session:
            stage.on(Fault.REFUSE)
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(stage.url)
            assert refused.value.status == 503
            stage.faults.clear()
            async with session.ws_connect(stage.url) as client:
                assert await heard(client) == HUNDRED

    asyncio.run(story())


def test_a_fault_of_another_wire_does_not_touch_this_one() -> None:
    async def story() -> list[bytes]:
        stage = Stage(hundred)
        async with stage.play() as client:
            stage.on(Fault.SILENT, where="okx")
            return await heard(client)

    assert asyncio.run(story()) == HUNDRED


@given(st.integers(0, 70_000))
def test_frames_of_every_length_have_the_header_of_the_standard(size: int) -> None:
    frame = text_frame(b"x" * size)
    length, skip = frame[1], 2
    if length == 126:
        length, skip = int.from_bytes(frame[2:4], "big"), 4
    elif length == 127:
        length, skip = int.from_bytes(frame[2:10], "big"), 10
    assert (frame[0], length, len(frame) - skip) == (0x81, size, size)
