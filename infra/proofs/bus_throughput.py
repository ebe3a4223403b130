"""The proof of the bus: a desk's journal at a stated rate, teed onto a real Kafka and read by a group, without loss."""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
from infra.proofs.rehearsals import Progress
from infra.stack.kafka import HEAP_MB, running_kafka
from state.units import NS_PER_S

NAME: Final = "bus"
CLAIM: Final = "a desk's journal at 50,000 rows/s for a minute reaches a reader over a real Kafka, whole and in time"
RATE_PER_S: Final = 50_000
RUN_S: Final = 60.0
TICK_S: Final = 0.01
LAG_P99_S: Final = 2.0
END_S: Final = 60.0
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


def prove_bus(_: Path | None, progress: Progress, *, run_s: float = RUN_S, rate: int = RATE_PER_S) -> Proof:
    """Run writer, tee, broker and reader beside each other, and count what arrives by its sequence."""
    with tempfile.TemporaryDirectory(prefix="updown-bus-") as home, running_kafka(Path(home) / "kafka") as kafka:
        cluster, folder = Cluster(kafka.bootstrap), Path(home) / "journal"
        open_topics(cluster)
        reader, dedupe, read = KafkaSubscription(cluster, "proof", list(Topic)), Dedupe(), _Read()
        written: list[float] = []
        with Journal(folder, created_ns=now_ns(), code=NAME) as journal, _tee(folder, kafka.bootstrap) as tee:
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
            tee.terminate()
            told = json.loads(tee.communicate(timeout=END_S)[0])
        reader.close()
    return _judged(read, dedupe, told, items_count, rows_count, written[0], memory_mb)


def _judged(
    read: _Read,
    dedupe: Dedupe,
    told: dict[str, Any],
    items_count: int,
    rows_count: int,
    span_s: float,
    memory_mb: float,
) -> Proof:
    """Hold what arrived against what was written."""
    numbers = np.concatenate(read.numbers) if read.numbers else np.empty(0, np.int64)
    counts = np.bincount(numbers, minlength=items_count)
    lost, twice = int((counts == 0).sum()), int((counts > 1).sum())
    half, late = (float(np.percentile(read.lags_s, share)) for share in (50, 99)) if read.lags_s else (np.inf, np.inf)
    per_s = rows_count / span_s
    figures = (
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
    note = f"writer, tee, broker (heap {HEAP_MB} MB) and reader share this machine's cores"
    return Proof(name=NAME, claim=CLAIM, figures=figures, notes=(note,))


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


@contextmanager
def _tee(folder: Path, bootstrap: str) -> Iterator["subprocess.Popen[str]"]:
    """Run the tee as a process of its own."""
    words = [sys.executable, "-m", "infra", "tee", "--journal", str(folder), "--to", bootstrap, "--json"]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
