"""Rows about sockets themselves, lived over real ones at 20x: silence, gaps, slow consumers, and quiet that is none."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final

from infra.feeds.frames import Wire
from infra.ledger.ledger_book import FILE
from infra.ledger.ledger_file import read_balances
from infra.proofs.fault_days import Day, Seen, a_day
from infra.proofs.fault_stories import MARKET, MARKET_NAME, MARKET_STORIES
from infra.proofs.venue_faults_stage import is_settled
from infra.proofs.venue_faults_table import Compared, Play, Row, compare, demand, eager
from infra.streams.life import State
from infra.venue_next_door.faults import Fault
from state.events import Word
from state.units import NS_PER_S

WINDOWS: Final = 2
LivedStory = Callable[[Day], Awaitable[Seen]]


def by_socket(story: LivedStory, into_s: float = 12.0) -> Play:
    """Give a row that is lived through over sockets, from a moment of a day's first window on."""
    return partial(_play, story, into_s)


async def _play(story: LivedStory, into_s: float, folder: Path) -> tuple[Seen, Compared]:
    async with a_day(folder, windows=WINDOWS, books=True, params=eager()) as day:
        await day.at(1, into_s)
        seen = await story(day)
        account, engine = day.desk.account, day.venue.engine
        await day.until(lambda: bool(account.trades), "the desk trades", 120.0)
        day.desk.shell.halt("the story is over", Word.PULL_ALL)
        matches = day.desk.gateway.news.matches

        def over() -> bool:
            return is_settled(account) and all(match.is_final for match in matches.values())

        await day.until(over, "all is settled", 60.0)
        await day.pause(2.0)
        # A day sweeps winners by itself, and has nobody who books that: the ledgers are compared before it does.
        demand(day.window(1).resolved_ns == 0, "the first window is not decided yet: nothing has been paid out")
    return seen, compare(read_balances(folder / "desk" / FILE), engine, account)


def _lived(fault: Fault) -> LivedStory:
    """Give the story of a fault of the market channel."""
    return next(story.play for story in MARKET_STORIES if story.fault is fault)


async def _relay_silent(day: Day) -> Seen:
    """Row 10."""
    polybolt, rtds = day.desk.life(Wire.POLYBOLT), day.desk.life(Wire.RTDS)
    before = rtds.silences
    with day.on(Fault.SILENT, "polybolt"):
        await day.until(lambda: rtds.state is State.UP and rtds.last_data_ns > 0, "RTDS is called in", 60.0)
        with day.on(Fault.SILENT, "rtds"):
            silent_ns, generation = day.now_ns, rtds.generation
            await day.until(lambda: rtds.silences > before, "the watchdog cuts RTDS", 60.0)
            cut_s = (day.now_ns - silent_ns) / NS_PER_S
        back_ns = day.now_ns
        await day.until(lambda: rtds.generation > generation and rtds.last_data_ns > back_ns, "RTDS speaks again", 60.0)
    await day.until(lambda: polybolt.state is State.UP and polybolt.last_data_ns > back_ns, "PolyBolt speaks", 60.0)
    await day.until(lambda: rtds.state is State.IDLE, "RTDS is let go", 90.0)
    demand(not day.desk.shell.halted_why, "nothing had to be halted for it")
    return Seen(
        "PolyBolt said nothing, RTDS was called in, and then its socket, too, stood open and said nothing",
        f"the watchdog cut RTDS for the age of its data after {cut_s:.0f} s, though it answered pings; it spoke again "
        f"as connection {rtds.generation}, and was let go once PolyBolt was well",
    )


async def _quiet(day: Day) -> Seen:
    """Row 28."""
    life = day.desk.life(MARKET)
    await day.until(lambda: life.state is State.UP and life.last_data_ns > 0, "books are heard")
    before, generation = life.silences, life.generation
    with day.on(Fault.SILENT, MARKET_NAME):
        quiet_ns = day.now_ns
        await day.at(1, -5.0)
        quiet_s = (day.now_ns - quiet_ns) / NS_PER_S
        demand(
            quiet_s > 40 and life.silences == before and life.generation == generation, "quiet is not taken for dead"
        )
        demand(not day.desk.shell.halted_why, "and nothing is halted for it")
    await day.at(1, 12.0)
    seen = await _lived(Fault.SILENT)(day)
    demand(life.silences == before + 1, "in the open window it is")
    return Seen(
        f"the books stood still for {quiet_s:.0f} s before the window opened, and again while it was open",
        f"before the open: no cut, no halt, the same connection; while open: {seen.desk}",
    )


SOCKET_ROWS: Final = (
    Row(9, "market channel silent", by_socket(_lived(Fault.SILENT))),
    Row(10, "RTDS silent", by_socket(_relay_silent)),
    Row(12, "gap behind a reconnect", by_socket(_lived(Fault.NO_SNAPSHOT))),
    Row(28, "quiet taken for a fault", by_socket(_quiet, into_s=-75.0)),
    Row(29, "slow consumer", by_socket(_lived(Fault.SLOW_CONSUMER))),
)
