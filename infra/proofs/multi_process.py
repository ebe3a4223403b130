"""The proof of several processes: a demo over real Kafka, PostgreSQL and Redis, each part killed in turn, nothing lost.

What the bus holds is made into a journal again and replayed; what the database holds is read row by row and held
against the same journal archived in files, in this process, with no server at all.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from evals.proof import Figure, Proof
from infra.bus.cluster import Cluster, partitions_of
from infra.bus.kafka_reading import held
from infra.bus.restoring import Restored, journals_held, restore
from infra.journal.naming import journal_end
from infra.proofs.demo_latency import EAGER
from infra.proofs.rehearsals import Progress, RehearsalFailed, replayed
from infra.stack.local import LocalStack, StackPlan, local_stack
from infra.store.archiving import FILES_PACE, Archived, Archiver
from infra.store.parquet_store import ParquetSeries
from infra.store.port import Columns
from infra.store.postgres_store import PostgresSeries
from infra.store.schema import TABLES

NAME: Final = "multi-process"
CLAIM: Final = "over real Kafka, PostgreSQL and Redis, with each process killed in turn, nothing is lost or doubled"
PLAN: Final = StackPlan(market="rushed", speed=4.0, windows=40, changes=EAGER)
FIRST_S: Final = 40.0
"""Until the first is killed: everything has come up and the desk trades."""
AWAY_S: Final = 4.0
BETWEEN_S: Final = 12.0
ORDER: Final = ("tee", "archive", "kafka", "postgres", "redis", "metrics", "desk")


def prove_multi_process(_: Path | None, progress: Progress) -> Proof:
    """Run the stack, kill each part in turn, and hold what bus and database have against the journal."""
    with open_scratch() as scratch, local_stack(scratch / "stack", PLAN) as stack:
        rows = _kill_in_turn(stack, progress)
        stack.desk.stop()
        told = stack.desk.told()
        stack.finish()
        again = replayed(stack.journal)
        cluster = Cluster(stack.kafka.bootstrap)
        name = journals_held(held(cluster, partitions_of(cluster)))[0]
        restored = restore(held(cluster, partitions_of(cluster)), name, scratch / "restored")
        figures = [
            *_told(told, again),
            *_bus(restored, stack.processes["tee"].told(), replayed(scratch / "restored"), again),
            *_database(stack, scratch / "files"),
        ]
    return Proof(name=NAME, claim=CLAIM, figures=tuple(figures), tables={"killed": rows})


@contextmanager
def open_scratch() -> Iterator[Path]:
    """Give a folder for a while that PostgreSQL's own user may pass through, where we are root."""
    with tempfile.TemporaryDirectory(prefix="updown-stack-") as home:
        Path(home).chmod(0o711)
        yield Path(home)


def _kill_in_turn(stack: LocalStack, progress: Progress) -> list[dict[str, Any]]:
    steps = int(FIRST_S + len(ORDER) * (AWAY_S + BETWEEN_S))
    began, rows = time.monotonic(), []

    def wait(span_s: float) -> None:
        until = time.monotonic() + span_s
        while time.monotonic() < until:
            if stack.desk.is_over:
                raise RehearsalFailed(f"the desk ended: {stack.desk.last_words}")
            time.sleep(0.25)
            progress(int(time.monotonic() - began), steps)

    wait(FIRST_S)
    for name in ORDER:
        part = stack.parts[name]
        part.kill()
        rows.append({"part": name, "killed_after_s": round(time.monotonic() - began, 1), "away_s": AWAY_S})
        time.sleep(AWAY_S)
        written = journal_end(stack.journal).next_seq
        part.start()
        while name == "desk" and journal_end(stack.journal).next_seq <= written:
            wait(1.0)
        wait(BETWEEN_S)
    return rows


def _told(told: dict[str, Any], again: dict[str, Any]) -> list[Figure]:
    same = bool(again["same"]) and again["hash_came"] == told["session"]["run_hash"]
    return [
        Figure(name="parts killed with -9 and started again", measured=len(ORDER), bar="-"),
        Figure(name="windows settled, orders placed", bar="-",
               measured=f"{told['windows']['settled']}, {told['orders']['placed']}"),
        Figure(name="the journal replayed without any of them", bar="the same hash", holds=same,
               measured="the same hash" if same else f"differs: {again['difference']}"),
    ]  # fmt: skip


def _bus(restored: Restored, tee: dict[str, Any], came: dict[str, Any], again: dict[str, Any]) -> list[Figure]:
    same = came["hash_came"] == again["hash_came"]
    items = int(tee["items_count"])  # of a tee that was killed, and read the journal from its beginning again
    return [
        Figure(name="items on the bus, and in the journal", measured=f"{restored.items_count:,} and {items:,}",
               bar="equal", holds=restored.items_count == items and not tee["lag_items_count"]),
        Figure(name="messages that the bus holds twice", measured=restored.doubled_count, bar="0",
               holds=restored.doubled_count == 0),
        Figure(name="the bus's journal replayed: commands, mandates, hash", bar="the same", holds=same,
               measured=f"{came['commands']:,}, {came['mandates']:,}, {'the same' if same else 'another'}"),
    ]  # fmt: skip


def _database(stack: LocalStack, folder: Path) -> list[Figure]:
    """Hold every table of the database against the same journal archived in files."""
    told = _archived(stack.journal, folder)
    files, database = ParquetSeries(folder), PostgresSeries(stack.postgres.dsn())
    lag = stack.processes["archive"].told()["lag_items"]
    figures = [Figure(name="items of the journal that the database lacks", measured=lag, bar="0", holds=lag == 0)]
    try:
        for table in TABLES:
            ours, theirs = files.rows(table.name), database.rows(table.name)
            same = _equal(ours, theirs)
            figures.append(
                Figure(name=f"rows of {table.name} in the database, by sequence", measured=f"{len(theirs['seq']):,}",
                       bar=f"those in files, {len(ours['seq']):,}", holds=same)
            )  # fmt: skip
    finally:
        files.close()
        database.close()
    assert told.lag_items == 0
    return figures


def _archived(journal: Path, folder: Path) -> Archived:
    return Archiver(
        folder=journal, open_store=lambda: ParquetSeries(folder), pace=FILES_PACE, pause=time.sleep
    ).run()  # fmt: skip


def _equal(ours: Columns, theirs: Columns) -> bool:
    return ours.keys() == theirs.keys() and all(_same(ours[name], theirs[name]) for name in ours)


def _same(one: Any, other: Any) -> bool:
    if len(one) != len(other):
        return False
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
