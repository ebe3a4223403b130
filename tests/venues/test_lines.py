"""Lines: a request leaves in one piece; what a server may do to a kept connection costs no order and no answer."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aiohttp
import pytest

from infra.clock import WallClock
from infra.venues.credentials import throwaway_key
from infra.venues.lines import FAILURES, Lines, NotConnected
from infra.venues.rest import NoAnswer, Rest, patiently
from infra.venues.signing import Signer

Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Plays one scene for each connection, in the order in which they come; keeps the requests."""

    def __init__(self, *scenes: Play) -> None:
        self.scenes, self.requests = list(scenes), list[bytes]()
        self.connections = 0

    async def __aenter__(self) -> "Server":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        scene = self.scenes[self.connections]
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await scene(reader, writer)
        writer.close()

    async def hear(self, reader: asyncio.StreamReader) -> None:
        """Take one whole request in."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        self.requests.append(head + await reader.readexactly(length))

    def answering(self, *answers: bytes) -> Play:
        """Answer so many requests, and close."""

        async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for answer in answers:
                await self.hear(reader)
                writer.write(answer)
                await writer.drain()

        return play


def lines_to(address: str) -> Lines:
    return Lines(address, connect_s=2.0)


async def ask(lines: Lines, method: str = "GET", body: bytes = b"") -> tuple[int, bytes]:
    answer = await lines.ask(lines.request(method, "/order", {"POLY_ADDRESS": "0xab"}, body))
    return answer.status, answer.raw


def test_a_request_is_what_a_server_expects_and_the_line_is_kept() -> None:
    async def story() -> None:
        async with Server() as server:
            server.scenes = [server.answering(OK, OK)]
            lines = lines_to(server.address)
            assert await ask(lines, "POST", b'{"a":1}') == (200, b"ok") == await ask(lines)
            assert server.connections == lines.count == 1
            head, _, body = server.requests[0].partition(b"\r\n\r\n")
            assert head.splitlines()[0] == b"POST /order HTTP/1.1" and body == b'{"a":1}'
            assert b"\r\nContent-Type: application/json\r\nPOLY_ADDRESS: 0xab\r\nContent-Length: 7" in head
            assert b"Content-Length" not in server.requests[1]
            lines.close()
            assert lines.count == 0

    asyncio.run(story())


def test_answers_come_in_chunks_or_packed_or_after_a_word_that_says_nothing_yet() -> None:
    packed = gzip.compress(b"ok")
    answers = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(packed), packed),
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK,
    )

    async def story() -> None:
        async with Server() as server:
            server.scenes = [server.answering(*answers)]
            lines = lines_to(server.address)
            assert [await ask(lines) for _ in answers] == [(200, b"ok")] * 3
            lines.close()

    asyncio.run(story())


def test_a_line_that_the_server_closed_while_it_idled_is_not_used() -> None:
    async def story() -> None:
        async with Server() as server:
            server.scenes = [server.answering(OK), server.answering(OK)]
            lines = lines_to(server.address)
            await ask(lines)
            for _ in range(10_000):  # until the end of the first line has come
                await asyncio.sleep(0)
                if not lines.count:
                    break
            assert await ask(lines, "POST", b"{}") == (200, b"ok")
            assert server.connections == 2
            lines.close()

    asyncio.run(story())


async def closing_instead_of_a_second_answer(
    server: Server, reader: asyncio.StreamReader, out: asyncio.StreamWriter
) -> None:
    await server.hear(reader)
    out.write(OK)
    await server.hear(reader)


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
def test_a_line_that_breaks_under_a_request_is_tried_again_but_never_with_an_order(method: str) -> None:
    async def story() -> None:
        async with Server() as server:
            server.scenes = [
                lambda reader, writer: closing_instead_of_a_second_answer(server, reader, writer), server.answering(OK),
            ]  # fmt: skip
            lines = lines_to(server.address)
            await ask(lines)
            if method == "POST":
                with pytest.raises(aiohttp.ServerDisconnectedError):
                    await ask(lines, method, b"{}")
                assert len(server.requests) == 2, "once: nobody can tell whether it arrived"
            else:
                assert await ask(lines, method) == (200, b"ok")
            lines.close()

    asyncio.run(story())


def test_a_line_whose_answer_did_not_come_whole_is_not_kept() -> None:
    async def story() -> None:
        async with Server() as server:
            server.scenes = [server.answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")]
            lines = lines_to(server.address)
            with pytest.raises(FAILURES):
                await ask(lines, "POST", b"{}")
            assert lines.count == 0

    asyncio.run(story())


def test_a_server_that_is_not_there_is_told_from_one_that_does_not_answer() -> None:
    async def story() -> None:
        async with Server() as server:
            address = server.address
        with pytest.raises(NotConnected):
            await ask(lines_to(address))
        rest = Rest(address, WallClock(), Signer(throwaway_key()), None)
        with pytest.raises(NoAnswer) as told:
            await rest.call("GET", "/time", sealed=False)
        assert told.value.unsent

    asyncio.run(story())


def test_no_order_leaves_before_it_is_safe_on_disk_and_other_requests_do_not_wait() -> None:
    async def story() -> None:
        async with Server() as server:
            server.scenes = [server.answering(OK, OK), server.answering(OK)]
            rest = Rest(server.address, WallClock(), Signer(throwaway_key()), None)
            written = asyncio.Event()

            async def safe() -> None:
                await written.wait()

            rest.safe = safe
            order = asyncio.create_task(rest.call("POST", "/order", body=b"{}", sealed=False))
            assert (await rest.call("DELETE", "/order", body=b"{}", sealed=False)).status == 200
            assert [request.split()[0] for request in server.requests] == [b"DELETE"]
            written.set()
            assert (await order).status == 200
            assert [request.split()[0] for request in server.requests] == [b"DELETE", b"POST"]
            await rest.close()

    asyncio.run(story())


def test_a_start_asks_again_while_answers_are_late_and_gives_up_in_the_end() -> None:
    async def story() -> None:
        asked = 0

        async def third() -> int:
            nonlocal asked
            asked += 1
            if asked < 3:
                raise NoAnswer("GET /time: no answer (TimeoutError)", late=True)
            return asked

        assert await patiently(third) == 3
        asked = 0
        with pytest.raises(NoAnswer, match="TimeoutError"):
            await patiently(third, for_s=0.0)
        assert asked == 1

    asyncio.run(story())


def test_a_start_does_not_wait_for_who_refuses_and_knows_who_is_late() -> None:
    async def story() -> None:
        silence = asyncio.Event()

        async def hang(*_: object) -> None:
            await silence.wait()

        async with Server(hang, hang) as server:
            late = Rest(server.address, WallClock(), Signer(throwaway_key()), None)
            with pytest.raises(NoAnswer) as told:
                await late.open()
            silence.set()
            await late.close()
        assert told.value.late and not told.value.unsent
        gone = Rest(server.address, WallClock(), Signer(throwaway_key()), None)
        with pytest.raises(NoAnswer) as refused:
            await patiently(gone.open)
        assert refused.value.unsent and not refused.value.late

    asyncio.run(story())
