"""Measure a journal on this machine: rows written one by one, what an append costs the caller, rows read back."""

import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from infra.journal.reader import read_events
from infra.journal.writer import Journal
from state.events import EVENT, Kind, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSpeed:
    """What was measured; rates are medians of the rounds, with the slowest and the fastest beside them."""

    rows_count: int
    rounds_count: int
    written_per_s: float
    """Rows appended one by one, until the last one is synced."""
    written_worst_per_s: float
    written_best_per_s: float
    append_p50_ns: float
    """One append as the caller feels it, with the clock's own cost in it."""
    append_p99_ns: float
    read_per_s: float
    read_worst_per_s: float
    read_best_per_s: float
    bytes_per_row: float


def measure_journal(folder: Path | None = None, rows_count: int = 300_000, rounds_count: int = 5) -> JournalSpeed:
    """Write and read rows as a live feed of level changes makes them.

    Args:
        folder: On the disk to measure; a temporary folder when None.
        rows_count: Rows a round.
        rounds_count: Rounds.
    """
    chance = np.random.default_rng(1)
    rows = np.zeros(rows_count, EVENT)
    rows["seen_ns"] = 1_776_081_600_000_000_000 + np.cumsum(chance.integers(0, 10_000_000, rows_count))
    rows["at_ns"] = rows["seen_ns"] - 90_000_000
    rows["kind_code"], rows["source_code"] = Kind.LEVEL_SET, Source.POLYMARKET_BOOK
    rows["price_bps"] = chance.integers(1, 100, rows_count) * 100
    rows["amount_micros"] = chance.integers(1, 1_000_000, rows_count) * 10_000
    packed = rows.tobytes()
    written, read, appends, size = [], [], [], 0
    base = Path(tempfile.mkdtemp(prefix="journal-speed-", dir=folder))
    try:
        for number in range(rounds_count):
            place = base / str(number)
            with Journal(place, created_ns=0, code="measure") as journal:
                start_s = time.perf_counter()
                for at in range(0, len(packed), EVENT.itemsize):
                    journal.append_event(packed[at : at + EVENT.itemsize])
                journal.flush(sync=True)
                written.append(rows_count / (time.perf_counter() - start_s))
                for at in range(0, 20_000 * EVENT.itemsize, EVENT.itemsize):
                    before_ns = time.perf_counter_ns()
                    journal.append_event(packed[at : at + EVENT.itemsize])
                    appends.append(time.perf_counter_ns() - before_ns)
            size = sum(path.stat().st_size for path in place.iterdir())
            with Journal(base / f"{number}-chunks", created_ns=0, code="measure") as journal:
                for first in range(0, rows_count, 16_384):
                    journal.append_events(rows[first : first + 16_384])
            start_s = time.perf_counter()
            count = sum(len(chunk) for chunk in read_events(base / f"{number}-chunks", sealed=True))
            read.append(count / (time.perf_counter() - start_s))
    finally:
        shutil.rmtree(base, ignore_errors=True)
    return JournalSpeed(
        rows_count=rows_count,
        rounds_count=rounds_count,
        written_per_s=statistics.median(written),
        written_worst_per_s=min(written),
        written_best_per_s=max(written),
        append_p50_ns=float(np.percentile(appends, 50)),
        append_p99_ns=float(np.percentile(appends, 99)),
        read_per_s=statistics.median(read),
        read_worst_per_s=min(read),
        read_best_per_s=max(read),
        bytes_per_row=size / (rows_count + 20_000),
    )
