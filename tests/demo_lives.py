"""A demo inside a test: begun on a venue next door, cut off as a crash would, begun again, watched in between."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

from infra.proofs.demo_latency import EAGER as TAKES
from infra.settings import read_params
from infra.shell.face import Face
from infra.shell.live import live
from infra.shell.next_door import place_of
from infra.shell.params_request import CHANGED, read_news
from infra.shell.plan import Plan
from infra.terminal.glance import Mode
from infra.venue_next_door.server import VenueServer
from infra.venues.credentials import throwaway_key
from state.units import MICROS
from tools.retuning import Retune

SPEED = 20.0
CASH_MICROS = 100_000 * MICROS
EAGER = read_params(
    None, (*TAKES, "may_quote_count=1", "quote_edge_bps=10", "keep_edge_bps=0", "position_micros=100000000")
)


class Lives:
    """A demo that is begun, cut off as a crash would, and begun again on the same venue."""

    def __init__(self, server: VenueServer, folder: Path) -> None:
        self.server, self.folder, self.key = server, folder, throwaway_key()
        self.face = Face(Mode())
        self.task: asyncio.Task[None] | None = None

    def begin(self, seconds: float = 150.0) -> None:
        place = place_of(self.server.file(), self.key, "made up")
        self.face = Face(Mode(name="demo", speed_ratio=SPEED, journal=str(self.folder)))
        plan = Plan(
            mode="demo", addresses=place.addresses, clock=place.clock, folder=self.folder, params=EAGER,
            cash_micros=CASH_MICROS, code="tests", key=place.key, wallet=place.wallet, seconds=seconds,
            retune=Retune.ANY,
        )  # fmt: skip
        self.task = asyncio.create_task(live(plan, self.face))

    async def until(self, come: Any) -> None:
        assert self.task is not None
        while not come():
            if self.task.done():
                self.task.result()
                raise AssertionError("it ended before that came")
            await asyncio.sleep(0.02)

    async def end(self) -> None:
        assert self.task is not None
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task

    def mandates(self) -> int:
        return self.face.shell.counts.mandates if self.face.shell is not None else 0

    def noted(self) -> int:
        """Count the changes that can be read in the journal, which is a moment behind the session."""
        return sum(each.what == CHANGED for each in read_news(self.folder))

    def changes(self) -> int:
        return self.face.retuning.changes_count if self.face.retuning is not None else 0
