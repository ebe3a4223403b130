"""A session of the shell over a made-up market, driven by hand: frames at their times, the real desk's mandates."""

import asyncio
import atexit
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from evals.generator import SPECS, generate
from infra.feeds.frames import Wire
from infra.shell.core import Core
from infra.shell.desk_process import DeskProcess
from infra.shell.paper import PaperVenue
from infra.shell.session import Session
from infra.shell.shell import Shell
from infra.streams.intake import Arrived, Intake, What
from state.params import default_params
from state.units import MICROS, NS_PER_S

CASH_MICROS = 100_000 * MICROS


@dataclass
class Hand:
    """A clock that shows what a test says."""

    at_ns: int = 0
    speed_ratio: float = 1.0

    def now_ns(self) -> int:
        return self.at_ns

    async def sleep(self, span_ns: int) -> None:
        self.at_ns += max(span_ns, 0)
        await asyncio.sleep(0)

    async def sleep_until(self, at_ns: int) -> None:
        await self.sleep(at_ns - self.at_ns)


@lru_cache(maxsize=2)
def market(windows: int = 1, seed: int = 7) -> Any:
    """Give the demonstration's market as rows."""
    return generate(replace(SPECS["demo"], windows=windows), seed)


def arrivals(rows: Any) -> list[Arrived]:
    """Cut rows into what a socket would have brought at once."""
    cuts = [0, *(np.flatnonzero(np.diff(rows["seen_ns"])) + 1).tolist(), len(rows)]
    return [
        Arrived(What.ROWS, Wire.GAMMA, 0, int(rows["seen_ns"][start]), rows=rows[start:end].copy())
        for start, end in pairwise(cuts)
        if end > start
    ]


@lru_cache(maxsize=1)
def _shared_process() -> DeskProcess:
    process = DeskProcess()
    atexit.register(process.close)
    return process.ready()


def desk_process() -> DeskProcess:
    """Give the one desk's process that all tests share, for it takes seconds to start; nobody listens to it.

    A session that a test left as a crash would leave it is parted from it here.
    """
    process = _shared_process()
    process.part()
    return process


def open_shell(folder: Path, now_ns: int, core: Core | None = None, **more: Any) -> Shell:
    """Open a paper session in a folder; must be called inside a running loop."""
    clock = Hand(now_ns)
    session = Session(folder, created_ns=now_ns, code="tests")
    began = core or Core(default_params(), CASH_MICROS)
    if session.is_new:
        session.begin(began, {"mode": "paper"}, now_ns)
    return Shell(
        desk=desk_process(),
        clock=clock,
        intake=Intake(clock),
        session=session,
        core=began,
        door=PaperVenue(1, CASH_MICROS),
        **more,
    )


async def feed(shell: Shell, rows: Any) -> None:
    """Let a shell take rows in, each at its time, and wait for the desk after each so that a test is the same twice."""
    clock: Any = shell.clock
    desk = shell.desk
    assert desk is not None
    for arrived in arrivals(rows):
        clock.at_ns = arrived.seen_ns
        shell.take([arrived])
        while desk.is_busy:  # noqa: ASYNC110 - the desk tells its own loop, not a test
            await asyncio.sleep(0.0005)
        shell.take(shell.intake.drain(64))


def stretch(rows: Any, from_s: float, until_s: float) -> Any:
    """Give the rows seen between two moments, in seconds since the first window's open."""
    since = rows["seen_ns"] / NS_PER_S - SPECS["demo"].first_open_s
    return rows[(since >= from_s) & (since < until_s)]
