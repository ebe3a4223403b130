"""The command `mcp`: the questions of a session or run as tools for other agents, by the Model Context Protocol."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from infra.cli.failures import Misuse
from infra.cli.speech import note
from infra.cli.why import Of, opened


def mcp(
    of: Of = None,
    http: Annotated[bool, typer.Option("--http", help="Serve on 127.0.0.1 with a token, and not over stdio.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="For --http; 0 takes a free one.")] = 8931,
) -> None:
    """Serve the record's questions to other agents (MCP): read-only tools, nothing can be changed.

    Over standard input and output for a client that starts this command, or with --http on 127.0.0.1 for one that
    sends `Authorization: Bearer TOKEN`. The token is UPDOWN_MCP_TOKEN, or stands in var/mcp-token, for you alone.

    Example: updown mcp --of var/demo/today
    """
    from infra.record.answers import Answers

    answers = Answers(opened(of))
    if not http:
        from infra.questions_server.server import serve_stdio

        asyncio.run(serve_stdio(answers))
        return
    from infra.private_files import NotPrivate
    from infra.questions_server.http import HOST, ROUTE, TOKEN_FILE, TokenRefused, listening, serve_http, token_of

    try:
        token = token_of(os.environ, Path(TOKEN_FILE))
        taken = listening(port)
    except (TokenRefused, NotPrivate) as error:
        raise Misuse(f"token: {error}") from None
    except OSError as error:
        raise Misuse(f"port {port}: {(error.strerror or str(error)).lower()}; say another with --port") from None
    note(f"http://{HOST}:{taken.getsockname()[1]}{ROUTE}, token in UPDOWN_MCP_TOKEN or {TOKEN_FILE}; Ctrl-C ends it")
    asyncio.run(serve_http(answers, token, taken))
