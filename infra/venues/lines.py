"""Lines: kept-alive HTTP/1.1 connections to one server, over which a request leaves within microseconds.

Connections, answers and their errors are aiohttp's. Only the request is written here, in one piece: aiohttp's own way
to the socket takes some 300 us of work for every request, httpx's four times that, this one some 20 (measured by
`updown prove order-speed`). What a session does beyond that is not wanted here: redirects are not followed, cookies
are not kept.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import SERVER_SOFTWARE
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

MOST: Final = 256
"""Requests under way at once; further ones wait for a line."""
FAILURES: Final = (aiohttp.ClientError, HttpProcessingError, OSError)
"""What a request that got no answer fails with."""


class NotConnected(Exception):
    """No connection could be made, so nothing was sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    raw: bytes


class Lines:
    """Connections to a server, taken in turn so that none of them grows cold.

    Args:
        address: Base address, e.g. "https://clob.polymarket.com".
        connect_s: How long a connection may take to make.
        tls: What proves who the server is; None: the certificates that this machine trusts.

    Attributes:
        written: Is told of the bytes of every request when they have been handed to the event loop, for measuring.
    """

    def __init__(self, address: str, connect_s: float, tls: ssl.SSLContext | None = None) -> None:
        url = URL(address)
        assert url.host and url.port and url.scheme in ("http", "https"), "an address of a server"
        self._host, self._port, self._connect_s = url.host, url.port, connect_s
        self._tls = (tls or ssl.create_default_context()) if url.scheme == "https" else None
        self._base = url.raw_path.rstrip("/")
        self._fixed = (
            f"Host: {url.host_port_subcomponent}\r\nUser-Agent: {SERVER_SOFTWARE}\r\nAccept: */*\r\n"
            "Accept-Encoding: gzip, deflate\r\nContent-Type: application/json\r\n"
        )
        self._idle: deque[ResponseHandler] = deque()
        self._every: set[ResponseHandler] = set()
        self._room = asyncio.Semaphore(MOST)
        self.written: Callable[[bytes], None] | None = None

    @property
    def count(self) -> int:
        """Give the number of connections that are open."""
        return sum(line.is_connected() for line in self._every)

    def close(self) -> None:
        """Let all connections go; what is under way fails."""
        for line in self._every:
            line.abort()
        self._every.clear()
        self._idle.clear()

    def request(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
        """Write a request as it will be sent, so that it can be ready before it may leave."""
        told = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        length = f"Content-Length: {len(body)}\r\n" if body or method == "POST" else ""
        return f"{method} {self._base}{target} HTTP/1.1\r\n{self._fixed}{told}{length}\r\n".encode("ascii") + body

    async def ask(self, request: bytes) -> Answer:
        """Send one request and give the answer, whatever its status.

        A server may close a line that idles at the very moment at which we write. Where that happens the request is
        sent once more on a new line, but never a POST: nobody can tell whether it arrived.

        Raises:
            NotConnected: nothing was sent.
            aiohttp.ClientError, HttpProcessingError, OSError: it may have been (`FAILURES`).
        """
        async with self._room:
            kept = self._kept()
            if kept is not None:
                try:
                    return await self._exchange(kept, request)
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                    if request.startswith(b"POST "):
                        raise
            return await self._exchange(await self._connected(), request)

    def _kept(self) -> ResponseHandler | None:
        """Give the line that has idled longest and still stands."""
        while self._idle:
            line = self._idle.popleft()
            if line.is_connected() and not line.should_close:
                return line
            self._drop(line)
        return None

    async def _connected(self) -> ResponseHandler:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_s):
                _, line = await loop.create_connection(
                    lambda: ResponseHandler(loop), self._host, self._port, ssl=self._tls
                )
        except (OSError, TimeoutError) as error:
            raise NotConnected(f"no connection ({type(error).__name__})") from error
        self._every.add(line)
        return line

    async def _exchange(self, line: ResponseHandler, request: bytes) -> Answer:
        whole = False
        try:
            assert line.transport is not None, "a line that is taken stands"
            line.transport.write(request)
            if self.written is not None:
                self.written(request)
            line.set_response_params()
            message, payload = await line.read()
            while message.code < 200:  # such as 103, which says nothing yet
                message, payload = await line.read()
            raw: Any = await payload.read()
            whole = True
            return Answer(message.code, message.headers, raw)
        finally:
            if whole and not line.should_close:
                self._idle.append(line)
            else:
                self._drop(line)

    def _drop(self, line: ResponseHandler) -> None:
        line.abort()
        self._every.discard(line)
