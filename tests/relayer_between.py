"""A line to the relayer next door that can be bad: requests and answers are lost on it as one wishes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web


@dataclass
class Line:
    """What happens on the line."""

    target: str
    session: aiohttp.ClientSession
    address: str = ""
    lose_submits: int = 0
    """So many submissions never arrive, and nobody says so."""
    lose_answers: int = 0
    """So many submissions arrive, and their answers do not come back."""
    refusals: list[tuple[int, str]] = field(default_factory=list)
    """Said instead of taking a submission, one after the other."""
    swallows: int = 0
    """So many submissions are said to be taken, and never arrive."""
    tells_no_state: bool = False
    """How far transactions are is not told: each is still new."""
    submits: int = 0
    """That arrived at the relayer."""

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.path == "/submit":
            if self.refusals:
                status, words = self.refusals.pop(0)
                return web.json_response({"error": words}, status=status)
            if self.lose_submits:
                self.lose_submits -= 1
                return await _silence(request)
            if self.swallows:
                self.swallows -= 1
                return web.json_response({"transactionID": "lost", "state": "STATE_NEW"})
            self.submits += 1
        elif (
            self.tells_no_state
            and request.path.startswith("/v1/account/transactions/")
            and "params" not in request.path
        ):
            return web.json_response({"state": "STATE_NEW"})
        headers = {name: value for name, value in request.headers.items() if name.lower() not in ("host",)}
        async with self.session.request(
            request.method, self.target + request.path_qs, data=body or None, headers=headers
        ) as answer:
            raw = await answer.read()
            if request.path == "/submit" and self.lose_answers:
                self.lose_answers -= 1
                return await _silence(request)
            return web.Response(body=raw, status=answer.status, content_type="application/json")


async def _silence(request: web.Request) -> web.StreamResponse:
    """Take the connection away without a word."""
    assert request.transport is not None
    request.transport.abort()
    await asyncio.sleep(0)
    return web.Response()


@asynccontextmanager
async def line_to(target: str) -> AsyncIterator[Line]:
    """Open a line on a free loopback port."""
    async with aiohttp.ClientSession() as session:
        line = Line(target, session)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", line.pass_on)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        line.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield line
        finally:
            await runner.cleanup()
