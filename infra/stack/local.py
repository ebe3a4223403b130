"""The whole desk as processes of their own over real servers of this machine: the stack, without containers.

A venue next door, an ingest that hears its feeds, a desk that takes their frames off the bus and trades there, a tee of
its journal to Apache Kafka, an archive of it in PostgreSQL, its metrics, and Redis for the rate that desks share. Each
part may be killed and started again by itself; the journal is what they agree on, and the desk waits for none of them.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from infra.fast_state.settings import URL_VARIABLE
from infra.journal.naming import journal_end
from infra.journal.segments import is_journal
from infra.stack.kafka import Kafka
from infra.stack.postgres import Postgres
from infra.stack.processes import Process, ProcessFailed
from infra.stack.redis import RedisHere

UP_S: Final = 180.0
POLL_S: Final = 0.1


class Part(Protocol):
    """A server or a process of the stack."""

    def start(self) -> None:
        """Start it."""

    def kill(self) -> None:
        """Kill it on the spot."""

    def end(self) -> None:
        """End it in good order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackPlan:
    """What is rehearsed: which market, how fast, how long."""

    market: str = "demo"
    speed: float = 10.0
    windows: int = 6
    seed: int = 4
    changes: tuple[str, ...] = ()
    """Parameters of the desk, as `name=value`."""
    apart: bool = True
    """The feeds are heard by a process of their own, and the desk takes their frames off the bus."""


@dataclass(slots=True)
class LocalStack:
    """The parts, by name.

    Args:
        folder: All that they write.
        plan: What is rehearsed.
    """

    folder: Path
    plan: StackPlan
    kafka: Kafka = field(init=False)
    postgres: Postgres = field(init=False)
    redis: RedisHere = field(init=False)
    processes: dict[str, Process] = field(init=False)

    def __post_init__(self) -> None:
        """Say what will run; nothing is started.

        Raises:
            KafkaMissing, NotStarted: a server is not on this machine.
        """
        self.folder = self.folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.kafka = Kafka(self.folder / "kafka")
        self.kafka.format()
        self.postgres = Postgres(self.folder / "postgres")
        self.redis = RedisHere(self.folder / "redis")
        plan, journal, venue = self.plan, str(self.journal), str(self.folder / "venue.json")
        to_file = ["--write", venue, "--with-parent"]
        words = {
            "venue": ["venue", "--market", plan.market, "--speed", f"{plan.speed:g}", "--seed", str(plan.seed),
                      "--windows", str(plan.windows + 4), *to_file],
            "desk": ["demo", "--venue", venue, "--out", journal, "--windows", str(plan.windows), "--json",
                     *(word for change in plan.changes for word in ("--set", change)),
                     *(("--feeds-from", self.kafka.bootstrap) if plan.apart else ())],
            "tee": ["tee", "--journal", journal, "--to", self.kafka.bootstrap, "--with-parent", "--json"],
            "archive": ["archive", "--journal", journal, "--to", self.postgres.dsn(), "--with-parent", "--json"],
            "metrics": ["metrics", "--journal", journal, "--port", "0", "--json"],
        }  # fmt: skip
        if plan.apart:
            words["ingest"] = ["ingest", "--venue", venue, "--out", str(self.folder / "feeds"), "--with-parent",
                               "--to", self.kafka.bootstrap, "--json"]  # fmt: skip
        self.processes = {name: Process(name, each, self.folder) for name, each in words.items()}
        self.processes["desk"].environment = {URL_VARIABLE: self.redis.url}

    @property
    def journal(self) -> Path:
        """Give the desk's journal."""
        return self.folder / "journal"

    @property
    def desk(self) -> Process:
        """Give the desk."""
        return self.processes["desk"]

    @property
    def parts(self) -> dict[str, Part]:
        """Give every part but the venue, which stands for the world."""
        beside = {name: each for name, each in self.processes.items() if name != "venue"}
        return {"kafka": self.kafka, "postgres": self.postgres, "redis": self.redis, **beside}

    def start(self) -> None:
        """Start all, servers first.

        Raises:
            NotStarted, ProcessFailed: one did not come up.
        """
        for server in (self.kafka, self.postgres, self.redis):
            server.start()
        venue = self.processes["venue"]
        venue.start()
        limit = time.monotonic() + UP_S
        while not (self.folder / "venue.json").exists():
            if venue.is_over or time.monotonic() > limit:
                raise ProcessFailed(f"the venue did not come up: {venue.last_words}")
            time.sleep(POLL_S)
        for name in ("ingest", "desk", "tee", "archive"):
            if name in self.processes:
                self.processes[name].start()
        while not (is_journal(self.journal) and journal_end(self.journal).next_seq):
            if self.desk.is_over or time.monotonic() > limit:
                raise ProcessFailed(f"the desk did not begin: {self.desk.last_words}")
            time.sleep(POLL_S)
        self.processes["metrics"].start()

    def finish(self) -> None:
        """Let those beside the desk take what it left them, once it has ended, and end."""
        assert self.desk.is_over, "the desk ends first"
        for name in ("ingest", "tee", "archive"):
            if name in self.processes:
                self.processes[name].end()

    def close(self) -> None:
        """End all that still runs."""
        with ExitStack() as stack:
            for server in (self.kafka, self.postgres, self.redis):
                stack.callback(server.end)
            for process in self.processes.values():
                stack.callback(process.kill)


@contextmanager
def local_stack(folder: Path, plan: StackPlan) -> Iterator[LocalStack]:
    """Run the whole stack while the block lasts.

    Raises:
        KafkaMissing, NotStarted, ProcessFailed: a part is not on this machine, or did not come up.
    """
    stack = LocalStack(folder, plan)
    try:
        stack.start()
        yield stack
    finally:
        stack.close()
