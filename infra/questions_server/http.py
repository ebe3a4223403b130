"""The same server over HTTP (streamable, by MCP's own rules), on 127.0.0.1, for whoever has the token.

The token is made at the first start, in a file for this user alone, or taken from the environment; it is compared in
constant time and printed nowhere. Requests whose Host or Origin is not this machine's are turned away, so that a page
in a browser cannot reach the server by a name of its own (DNS rebinding).
"""

import hmac
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import uvicorn
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from infra.private_files import offer_private, read_private
from infra.questions_server.server import server_of
from infra.record.answers import Answers
from infra.venues.credentials import Secret

HOST: Final = "127.0.0.1"
ROUTE: Final = "/mcp"
TOKEN: Final = "UPDOWN_MCP_TOKEN"
TOKEN_FILE: Final = Path("var/mcp-token")
TOKEN_BYTES: Final = 24
TOKEN_LEAST: Final = 16
SESSIONS_MOST: Final = 32


class TokenRefused(ValueError):
    """The token that was said is too short to be one."""


def token_of(environment: Mapping[str, str], file: Path) -> Secret:
    """Give the token: the environment's, or the file's, which is made when there is none.

    Raises:
        TokenRefused: it is shorter than 16 characters.
        NotPrivate: others could have written the file.
    """
    said = environment.get(TOKEN, "").strip()
    if not said:
        file.parent.mkdir(parents=True, exist_ok=True)
        offer_private(file, os.urandom(TOKEN_BYTES).hex().encode())
        said = read_private(file).decode("ascii", "replace").strip()
    if len(said) < TOKEN_LEAST:
        raise TokenRefused(f"{TOKEN} must have {TOKEN_LEAST} characters or more")
    return Secret(said)


class _Guarded:
    """Lets requests through that bring the token."""

    def __init__(self, app: ASGIApp, token: Secret) -> None:
        self._app = app
        self._wanted = f"Bearer {token.reveal()}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope.get("headers", ())).get(b"authorization", b"")
        if scope["type"] == "http" and not hmac.compare_digest(given, self._wanted):
            refused = JSONResponse({"error": "say the token: Authorization: Bearer TOKEN"}, 401)
            await refused(scope, receive, send)
            return
        await self._app(scope, receive, send)


def app_of(answers: Answers, token: Secret, port: int) -> Starlette:
    """Give the application that serves `/mcp`."""
    hosts = [f"{HOST}:{port}", f"localhost:{port}"]
    manager = StreamableHTTPSessionManager(
        app=server_of(answers), json_response=True, max_sessions=SESSIONS_MOST,
        security_settings=TransportSecuritySettings(
            allowed_hosts=hosts, allowed_origins=[f"http://{host}" for host in hosts]
        ),
    )  # fmt: skip

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with manager.run():
            yield

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        await manager.handle_request(scope, receive, send)

    return Starlette(routes=[Route(ROUTE, endpoint=_Guarded(handle, token))], lifespan=lifespan)


def listening(port: int) -> socket.socket:
    """Take a port of this machine, a free one for 0; who connects from now on waits until he is served.

    Raises:
        OSError: it is taken.
    """
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind((HOST, port))
    taken.listen()
    return taken


async def serve_http(answers: Answers, token: Secret, taken: socket.socket) -> None:
    """Serve until the process is told to end."""
    told: Any = taken.getsockname()
    config = uvicorn.Config(
        app_of(answers, token, int(told[1])), log_level="warning", access_log=False, lifespan="on", ws="none"
    )
    await uvicorn.Server(config).serve(sockets=[taken])
