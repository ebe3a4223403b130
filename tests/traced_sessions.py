"""A short paper session that trades and settles, whose journal the trace tests follow."""

import asyncio
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

from sessions import feed, market, open_shell, stretch

FROM_S, UNTIL_S = -700.0, 345.0
"""From the listing to the settlement, 39 s after the close."""


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
