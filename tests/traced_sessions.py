"""A short paper session that trades and settles, whose journal the trace tests follow."""

import asyncio
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

from sessions import feed, market, open_shell, stretch

FROM_S, UNTIL_S = -700.0, 330.0
"""From the listing to half a minute after the close, when the window has settled."""


@lru_cache(maxsize=1)
def traded_session() -> Path:
    """Give the journal of a session over one whole window; made once for all tests."""
    folder = Path(mkdtemp(prefix="updown-traced-")) / "journal"
    rows = stretch(market(), FROM_S, UNTIL_S)

    async def run() -> None:
        shell = open_shell(folder, int(rows["seen_ns"][0]))
        await feed(shell, rows)
        shell.close()
        shell.session.close()

    asyncio.run(run())
    return folder
