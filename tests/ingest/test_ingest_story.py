"""An ingest, a real Kafka and desks as processes: killed and started again, shared out by leases of a real Redis."""

import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from bus_stage import shared_kafka
from fast_stores import shared

from infra.fast_state.settings import URL_VARIABLE
from infra.journal.naming import journal_end
from infra.journal.reader import read_events, read_notes
from infra.journal.segments import is_journal
from infra.proofs.demo_latency import EAGER
from infra.shell.session import play_session
from infra.stack.processes import Process
from state.events import Kind
from state.units import NS_PER_S

pytestmark = pytest.mark.rehearsal
LEASES_OVER_S = 300
"""By the venue's clock at ten times: a lease lasts ten seconds, and a desk asks for what it lacks every few."""


class House:
    """A venue next door, an ingest of its feeds, and desks that take them off the bus."""

    def __init__(self, folder: Path, stack: ExitStack, prefix: str, speed: int) -> None:
        self.folder, self.stack, self.prefix, self.servers = folder, stack, prefix, shared_kafka().bootstrap
        self.file = folder / "venue.json"
        self.begin("venue", "venue", "--speed", f"{speed}", "--windows", "40", "--market", "demo",
                   "--write", str(self.file), "--with-parent")  # fmt: skip
        until(self.file.exists, "the venue is up")
        self.ingest = self.begin("ingest", "ingest", "--venue", str(self.file), "--out", str(folder / "feeds"),
                                 "--to", self.servers, "--prefix", prefix, "--with-parent", "--json")  # fmt: skip

    def begin(self, name: str, *words: str, redis: str = "") -> Process:
        process = Process(name, words, self.folder, {URL_VARIABLE: redis} if redis else {})
        self.stack.callback(process.kill)
        process.start()
        return process

    def desk(self, name: str, *more: str, redis: str = "") -> Process:
        venue = self.folder / f"{name}.json"  # who we are is kept beside it, so each desk has an account of its own
        shutil.copy(self.file, venue)
        changes = [word for change in EAGER for word in ("--set", change)]
        return self.begin(
            name, "demo", "--venue", str(venue), "--out", str(self.journal(name)), "--windows", "0", "--json",
            "--feeds-from", self.servers, "--feeds-prefix", self.prefix, *changes, *more, redis=redis,
        )  # fmt: skip

    def journal(self, name: str) -> Path:
        return self.folder / f"{name}-journal"

    def notes(self, name: str) -> list[dict[str, Any]]:
        folder = self.journal(name)
        return list(read_notes(folder, torn_ok=True)) if is_journal(folder) else []

    def connections(self, name: str) -> list[str]:
        """Say what became of the market channel, as a desk's journal tells."""
        told = [note for note in self.notes(name) if note.get("wire") == "polymarket_market"]
        return [str(note["connection"]) for note in told if "connection" in note]

    def windows(self, name: str) -> set[str]:
        """Give the windows that a desk followed."""
        return {str(note["listed"]) for note in self.notes(name) if "listed" in note}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def until(is_so: Callable[[], bool], what: str, within_s: float = 150.0) -> None:
    limit = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < limit, f"not within {within_s:g} s: {what}"
        time.sleep(0.5)


def test_a_desk_trades_on_frames_off_the_bus_and_stands_still_while_nobody_hears_the_feeds(
    tmp_path: Path, stack: ExitStack
) -> None:
    house = House(tmp_path, stack, "story", speed=4)
    desk = house.desk("desk")
    until(lambda: house.connections("desk") == ["connected"], "frames come off the bus")
    until(lambda: any("order" in note for note in house.notes("desk")), "the desk trades")
    house.ingest.kill()
    until(lambda: house.connections("desk")[-1] == "disconnected", "the desk knows that nobody hears the feeds", 20.0)
    lost = [note for note in house.notes("desk") if note.get("wire") == "okx"][-1]
    assert (lost["connection"], lost["why"]) == ("disconnected", "nothing came over the bus for 1 s")
    house.ingest.start()
    until(lambda: house.connections("desk")[-1] != "disconnected", "the feeds are back")
    back_ns = journal_end(house.journal("desk")).seen_ns
    until(lambda: mandates_since(house.journal("desk"), back_ns) >= 3, "the desk decides again")
    desk.stop()
    told = desk.told()
    played = play_session(house.journal("desk"))
    assert played.difference == "" and played.core.digest() == told["session"]["run_hash"]
    house.ingest.end()
    assert house.ingest.told()["tee"]["lag_items_count"] == 0


def open_s(slug: str) -> int:
    return int(slug.rpartition("-")[2])


def mandates_since(journal: Path, from_ns: int) -> int:
    told = (rows[rows["kind_code"] == Kind.MANDATE_GIVEN] for rows in read_events(journal, torn_ok=True))
    return sum(int((rows["seen_ns"] > from_ns).sum()) for rows in told)


def test_two_desks_share_the_windows_and_one_takes_over_when_the_other_dies(tmp_path: Path, stack: ExitStack) -> None:
    server = stack.enter_context(shared(tmp_path / "redis"))
    house = House(tmp_path, stack, "shared", speed=10)
    one = house.desk("one", "--share", redis=server.server.url)
    house.desk("two", "--share", redis=server.server.url)
    until(lambda: bool(house.windows("one")) and bool(house.windows("two")), "both follow windows")
    until(lambda: len(house.windows("one") | house.windows("two")) >= 5, "windows come and go")
    one.kill()
    before, theirs = house.windows("one"), house.windows("two")
    died_s = journal_end(house.journal("one")).seen_ns // NS_PER_S
    until(lambda: max(map(open_s, house.windows("two"))) > died_s + LEASES_OVER_S + 900, "the other takes over")
    both = before & house.windows("two")
    assert all(open_s(slug) > died_s for slug in both), "only what had not opened was taken over"
    assert not theirs & before, "while both lived, no window was followed by both"
    late = sorted(open_s(slug) for slug in house.windows("two") if open_s(slug) > died_s + LEASES_OVER_S)
    assert late and all(b - a == 300 for a, b in itertools.pairwise(late)), "it leaves none out"
