"""The venue next door, alive: a real engine run by a clock, real servers on free ports, rows known beforehand.

`open_venue` lives in the test's own loop. `venue_in_a_thread` has a loop of its own, for clients that block.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from aiohttp import web
from venue_stage import OPEN_S, Rows, cleared, frame, level, listed, oracle, trade

from infra.addresses import Addresses
from infra.clock import RehearsalClock, now_ns
from infra.venue_next_door.clob import clob_app
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.faults import Fault, Faults, Switch
from infra.venue_next_door.gamma import gamma_app
from infra.venue_next_door.nouns import Window
from infra.venue_next_door.polygon import polygon_app
from infra.venue_next_door.relayer import relayer_app
from infra.venue_next_door.user_socket import UserChannel
from state.events import Kind, Side, Token
from state.units import NS_PER_S

UP_BOOK = ((Side.BUY, 4700, 300.0), (Side.BUY, 4800, 100.0), (Side.SELL, 5300, 300.0), (Side.SELL, 5200, 100.0))
DOWN_BOOK = tuple((Side(1 - side), 10_000 - bps, shares) for side, bps, shares in UP_BOOK)
PRINT_BPS = 4_900
"""Somebody sells UP at this price every second: a bid of ours that is the best meets it."""


def calm_rows(first_s: int = -590, last_s: int = 330, prints: bool = True) -> list[Rows]:
    """A window whose UP stands at 48 to 52 cents; small things move so that the book keeps alive."""
    made = [listed(), cleared(-590, Token.UP, *UP_BOOK), cleared(-590, Token.DOWN, *DOWN_BOOK)]
    for second in range(first_s + 1, last_s):
        made.append(oracle(second, 100_000.0 + second % 3))
        size = 50.0 + second % 7
        made.append(
            frame(
                level(second + 0.2, Token.UP, Side.BUY, 4600, size),
                level(second + 0.2, Token.DOWN, Side.SELL, 5400, size),
            )
        )
        if prints:
            made.append(trade(second + 0.5, Token.UP, Side.SELL, PRINT_BPS, 4))
    return made


def moved(rows: Iterable[Rows], by_s: int) -> Rows:
    """Move rows in time, their window's start with them."""
    whole = np.concatenate(list(rows))
    for name in ("at_ns", "seen_ns"):
        whole[name] += by_s * NS_PER_S
    whole["ref_id"][whole["kind_code"] == Kind.MARKET_LISTED] += by_s * NS_PER_S
    return whole[np.argsort(whole["seen_ns"], kind="stable")]


@dataclass
class LiveVenue:
    """One venue and where its servers are."""

    engine: Engine
    clock: RehearsalClock
    faults: Faults
    addresses: Addresses

    def on(self, fault: Fault, value: float = 1.0, where: str = "", span_s: float = 1e6) -> None:
        """Switch a fault on from now on, for so many of the clock's seconds."""
        now_ns = self.clock.now_ns()
        self.faults.add(Switch(fault, where, now_ns, now_ns + round(span_s * NS_PER_S), value))

    @property
    def window(self) -> Window:
        """The one window."""
        return next(iter(self.engine.windows.values()))


@asynccontextmanager
async def open_venue(rows: Rows, clock: RehearsalClock) -> AsyncIterator[LiveVenue]:
    """Run an engine over rows and serve it until the block ends."""
    faults = Faults(clock)
    engine = Engine(iter([rows]), clock, faults, seed=1)
    user = web.Application()
    user.router.add_get("/ws/user", UserChannel(engine).serve)
    apps = {
        "clob": clob_app(engine), "gamma": gamma_app(engine), "polygon": polygon_app(engine),
        "relayer": relayer_app(engine), "user_ws": user,
    }  # fmt: skip
    async with AsyncExitStack() as stack:
        places: dict[str, str] = {}
        for name, app in apps.items():
            runner = web.AppRunner(app)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            places[name] = f"http://127.0.0.1:{runner.addresses[0][1]}"
        places["user_ws"] = places["user_ws"].replace("http", "ws", 1) + "/ws/user"
        life = asyncio.create_task(engine.run())
        stack.push_async_callback(_end, life)
        yield LiveVenue(engine, clock, faults, Addresses(**places))


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@contextmanager
def venue_in_a_thread(rows: Rows, clock: RehearsalClock) -> Iterator[LiveVenue]:
    """Serve a venue from a thread, for clients that know nothing of event loops."""
    opened: list[tuple[LiveVenue, asyncio.Event, asyncio.AbstractEventLoop]] = []
    ready = threading.Event()
    failed: list[BaseException] = []

    async def live() -> None:
        done = asyncio.Event()
        async with open_venue(rows, clock) as venue:
            opened.append((venue, done, asyncio.get_running_loop()))
            ready.set()
            await done.wait()

    def run() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:  # boundary: told to the test, which raises it
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="venue")
    thread.start()
    ready.wait()
    if opened:
        venue, done, loop = opened[0]
        try:
            yield venue
        finally:
            with suppress(RuntimeError):  # its loop has ended by itself: `failed` says why
                loop.call_soon_threadsafe(done.set)
            thread.join()
    if failed:
        raise failed[0]


PATIENCE_S = 60.0


def until(come: Callable[[], Any], what: str) -> Any:
    """Wait in real time, as clients that block live in it; gives what came."""
    limit = time.monotonic() + PATIENCE_S
    while time.monotonic() < limit:
        if found := come():
            return found
        time.sleep(0.02)
    raise AssertionError(f"did not come: {what}")


@contextmanager
def venue_of_now() -> Iterator[LiveVenue]:
    """Serve a calm market at the real time, for clients that read the machine's clock."""
    started_ns = now_ns()
    rows = moved(calm_rows(), next_open_s(started_ns // NS_PER_S) - OPEN_S)
    with venue_in_a_thread(rows, RehearsalClock.starting(started_ns, 1.0)) as live:
        until(lambda: bool(live.engine.windows) and bool(live.window.hydrated_ns), "the window is listed")
        until(lambda: live.engine.book(live.window.tokens[0]) is not None, "the book has come")
        yield live


def next_open_s(now_s: int) -> int:
    """Give the start of the window after the one of now: its orders are taken already, and it does not end soon."""
    return now_s // 300 * 300 + 300
