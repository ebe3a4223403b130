"""The proof of throughput: a desk's journal at a stated rate, onto a real Kafka and into PostgreSQL, without loss.

Writer, tee, broker, a reader of the bus, archive and database share this machine. Beside them it is timed what all
sinks together add to the way of an order. At the end the same journal is copied once more, by itself, for its rate.
"""

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evals.generator import SPECS, generate
from evals.proof import Figure, Proof
from infra.bus.cluster import Cluster, open_topics
from infra.bus.dedupe import Dedupe, Doubled, Missing
from infra.bus.kafka_reading import KafkaSubscription
from infra.bus.messages import TITLE, Foreign, Topic
from infra.clock import now_ns
from infra.journal.blocks import EntryKind
from infra.journal.writer import Journal
from infra.proofs.multi_process import open_scratch
from infra.proofs.rehearsals import Progress
from infra.proofs.sink_costs import timed_beside
from infra.stack.kafka import HEAP_MB, running_kafka
from infra.stack.postgres import Postgres, running_postgres
from infra.stack.processes import Process
from infra.stack.redis import RedisHere
from infra.store.archiving import DATABASE_PACE, Archived, Archiver
from infra.store.postgres_store import PostgresSeries
from state.units import NS_PER_S

NAME: Final = "throughput"
CLAIM: Final = "a desk's journal at 50,000 rows/s for a minute reaches bus and database whole and in time"
RATE_PER_S: Final = 50_000
RUN_S: Final = 60.0
TICK_S: Final = 0.01
LAG_P99_S: Final = 2.0
END_S: Final = 60.0
ARCHIVE_BEHIND_S: Final = 15.0
_SPARE_RATIO: Final = 1.02
"""The writer aims a little higher than the bar."""
_BATCH: Final = 500
_STEPS: Final = 200
"""Batches of rows that are written over and over."""


@dataclass(slots=True)
class _Read:
    """What a reader has taken."""

    numbers: list[NDArray[np.int64]] = field(default_factory=list)
    items_count: int = 0
    lags_s: list[float] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def prove_throughput(_: Path | None, progress: Progress, *, run_s: float = RUN_S, rate: int = RATE_PER_S) -> Proof:
    """Run writer, tee, broker and reader beside each other, and count what arrives by its sequence."""
    with ExitStack() as stack:
        home = stack.enter_context(open_scratch())
        kafka = stack.enter_context(running_kafka(home / "kafka"))
        postgres = stack.enter_context(running_postgres(home / "postgres"))
        redis = stack.enter_context(RedisHere(home / "redis"))
        cluster, folder = Cluster(kafka.bootstrap), home / "journal"
        open_topics(cluster)
        costs = stack.enter_context(timed_beside(redis.url))
        reader, dedupe, read = KafkaSubscription(cluster, "proof", list(Topic)), Dedupe(), _Read()
        written: list[float] = []
        follow = ["--journal", str(folder), "--with-parent", "--json"]
        tee = Process("tee", ["tee", "--to", kafka.bootstrap, *follow], home)
        archive = Process("archive", ["archive", "--to", postgres.dsn(), *follow], home)
        for process in (tee, archive):
            stack.callback(process.kill)
            process.start()
        with Journal(folder, created_ns=now_ns(), code=NAME) as journal:
            writer = threading.Thread(target=_write, args=(journal, run_s, rate, written), name="writer")
            began_s = time.monotonic()
            writer.start()
            while writer.is_alive():
                _read_on(reader, dedupe, read)
                progress(int(time.monotonic() - began_s), int(run_s))
            writer.join()
            journal.flush()
            limit_s = time.monotonic() + END_S
            while read.items_count < journal.next_seq and time.monotonic() < limit_s:
                _read_on(reader, dedupe, read)
            items_count, rows_count = journal.next_seq, journal.next_row
            memory_mb = kafka.memory_mb
        added = costs()
        behind_s = -time.monotonic()
        archive.end()
        behind_s += time.monotonic()
        tee.end()
        reader.close()
        told = {"tee": tee.told(), "archive": archive.told()}
        copied = _copied(folder, postgres)
    figures = (
        *_judged(read, dedupe, told["tee"], items_count, rows_count, written[0], memory_mb),
        *_kept(told["archive"], items_count, behind_s, copied),
        *added,
    )
    note = f"writer, tee, broker (heap {HEAP_MB} MB), reader, archive and database share this machine's cores"
    return Proof(name=NAME, claim=CLAIM, figures=figures, notes=(note,))


def _copied(folder: Path, postgres: Postgres) -> Archived:
    """Archive a finished journal into a database of its own, with nothing beside it."""
    import psycopg

    with psycopg.connect(postgres.dsn(), autocommit=True) as link:
        link.execute("CREATE DATABASE again")
    dsn = postgres.dsn("again")
    return Archiver(folder=folder, open_store=lambda: PostgresSeries(dsn), pace=DATABASE_PACE, pause=time.sleep).run()


def _kept(told: dict[str, Any], items_count: int, behind_s: float, copied: Archived) -> tuple[Figure, ...]:
    """Hold what the database has against what was written."""
    return (
        Figure(name="items of the journal that the database lacks", measured=items_count - told["items"], bar="0",
               holds=told["items"] == items_count),
        Figure(name="rows that came of them", measured=f"{told['rows']:,}", bar="-"),
        Figure(name="archive behind at the end", measured=f"{behind_s:.1f} s", bar=f"<= {ARCHIVE_BEHIND_S:g} s",
               holds=behind_s <= ARCHIVE_BEHIND_S),
        Figure(name="the same journal archived by itself", bar="-",
               measured=f"{copied.items / copied.seconds:,.0f} items/s, {copied.rows_per_s:,} rows/s; "
                        f"COPY alone {copied.written_rows_per_s:,} rows/s"),
    )  # fmt: skip


def _judged(
    read: _Read,
    dedupe: Dedupe,
    told: dict[str, Any],
    items_count: int,
    rows_count: int,
    span_s: float,
    memory_mb: float,
) -> tuple[Figure, ...]:
    """Hold what arrived against what was written."""
    numbers = np.concatenate(read.numbers) if read.numbers else np.empty(0, np.int64)
    counts = np.bincount(numbers, minlength=items_count)
    lost, twice = int((counts == 0).sum()), int((counts > 1).sum())
    half, late = (float(np.percentile(read.lags_s, share)) for share in (50, 99)) if read.lags_s else (np.inf, np.inf)
    per_s = rows_count / span_s
    return (
        Figure(name="rows written", measured=f"{per_s:,.0f} /s", bar=f">= {RATE_PER_S:,} /s",
               holds=per_s >= RATE_PER_S),
        Figure(name="for", measured=f"{span_s:.1f} s", bar=f">= {RUN_S:g} s", holds=span_s >= RUN_S),
        Figure(name="items lost", measured=lost, bar="0", holds=lost == 0),
        Figure(name="items taken twice", measured=twice, bar="0", holds=twice == 0),
        Figure(name="holes told", measured=len(read.missing), bar="0", holds=not read.missing),
        Figure(name="written to read, p50", measured=f"{half * 1e3:.0f} ms", bar="-"),
        Figure(name="written to read, p99", measured=f"{late * 1e3:.0f} ms", bar=f"<= {LAG_P99_S * 1e3:g} ms",
               holds=late <= LAG_P99_S),
        Figure(name="written to read, longest", measured=f"{max(read.lags_s, default=0.0) * 1e3:.0f} ms", bar="-"),
        Figure(name="items that the tee left behind", measured=told["lag_items_count"], bar="0",
               holds=not told["lag_items_count"]),
        Figure(name="messages", measured=told["messages_count"], bar="-"),
        Figure(name="messages left out", measured=dedupe.doubled_count, bar="-"),
        Figure(name="broker's memory", measured=f"{memory_mb:.0f} MB", bar="-"),
    )  # fmt: skip


def _write(journal: Journal, run_s: float, rate: int, written: list[float]) -> None:
    """Append rows of a made-up market at a rate, each stamped with the time at which it is written."""
    rows = generate(SPECS["demo"], 7)
    step = int(rate * TICK_S)
    batches = [rows[at : at + step].copy() for at in range(0, min(len(rows), step * _STEPS) - step, step)]
    began_s, count = time.monotonic(), 0
    while (spent_s := time.monotonic() - began_s) < run_s:
        while count * step < spent_s * rate * _SPARE_RATIO:
            batch = batches[count % len(batches)]
            batch["seen_ns"] = now_ns()
            journal.append_events(batch)
            count += 1
        time.sleep(TICK_S)
    written.append(time.monotonic() - began_s)


def _read_on(reader: KafkaSubscription, dedupe: Dedupe, read: _Read) -> None:
    """Take what has come, and confirm it."""
    batch = reader.batch(_BATCH, 0.2)
    seen_ns = now_ns()
    for message in batch:
        told = message if isinstance(message, Foreign) else dedupe.take(message)
        if isinstance(told, Foreign | Missing):
            read.missing.append(str(told))
        elif not isinstance(told, Doubled) and told.kind != TITLE:
            numbers = told.numbers
            read.numbers.append(numbers)
            read.items_count += len(numbers)
            if told.kind == EntryKind.EVENTS:
                read.lags_s.append((seen_ns - told.seen_ns) / NS_PER_S)
    if batch:
        reader.commit()
