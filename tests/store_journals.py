"""Journals for the tests of stores: a made-up market in event rows, and what an independent reckoning makes of it."""

import os
import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import psycopg
from real_parts import program

from evals.generator import SPECS, generate
from infra.journal.blocks import EntryKind
from infra.journal.naming import journal_id
from infra.journal.reader import Entry, entries
from infra.journal.writer import Journal
from infra.shell.session import LAYOUTS
from infra.stack.postgres import Postgres, running_postgres
from infra.store.port import Batch
from infra.store.rows import JournalRows
from state.events import EVENT, Kind
from state.units import NS_PER_S

TIMESCALE = "UPDOWN_TIMESCALE_DSN"
START_NS = 1_795_000_000 * NS_PER_S


@lru_cache(maxsize=2)
def market_rows(windows: int = 1, seed: int = 7) -> Any:
    """Give the demonstration's market as rows."""
    return generate(replace(SPECS["demo"], windows=windows), seed)


def write_rows(folder: Path, rows: Any, code: str = "tests") -> Path:
    """Write rows down as a journal that is closed."""
    journal = Journal(folder, created_ns=START_NS, code=code, layouts=LAYOUTS)
    journal.append_note({"session": 0, "about": code}, int(rows["seen_ns"][0]) if len(rows) else START_NS)
    journal.append_events(rows)
    journal.close()
    return folder


@lru_cache(maxsize=1)
def market_journal() -> Path:
    """Give a journal of the market's rows, made once for all tests."""
    return write_rows(Path(mkdtemp(prefix="updown-store-")) / "journal", market_rows())


@lru_cache(maxsize=1)
def short_journal() -> Path:
    """Give a journal of some seconds of that market, books and trades in it."""
    rows = market_rows()
    first = int(np.flatnonzero(rows["kind_code"] == Kind.TRADE_SEEN)[0])
    listed = np.flatnonzero(rows["kind_code"] == Kind.MARKET_LISTED)[:2]
    cut = np.concatenate([rows[listed], rows[max(0, first - 2_000) : first + 4_000]])
    return write_rows(Path(mkdtemp(prefix="updown-store-")) / "journal", cut)


def batches(folder: Path, rows_most: int = 1 << 40, from_seq: int = 0) -> list[Batch]:
    """Cut a journal's rows into batches."""
    made, found = JournalRows(journal_id(folder), from_seq), []
    for entry in entries(folder, torn_ok=True):
        is_rows = entry.kind is EntryKind.EVENTS
        cuts = list(range(rows_most, len(entry.data) // EVENT.itemsize, rows_most)) if is_rows else []
        for part in split(entry, cuts) if is_rows else (entry,):
            made.take(part)
            if made.rows_count >= rows_most:
                found.append(made.cut())
    return [*found, made.cut()]


def split(entry: Entry, at: list[int]) -> Iterator[Entry]:
    """Cut an entry of event rows into several, as another writer might have blocked them."""
    size = EVENT.itemsize
    edges = [0, *sorted({each for each in at if 0 < each * size < len(entry.data)}), len(entry.data) // size]
    for start, end in pairwise(edges):
        yield entry._replace(seq=entry.seq + start, row=entry.row + start, data=entry.data[start * size : end * size])


def prints(prices: list[tuple[float, float]], source: int = 2, size: int = 5) -> Any:
    """Give trades at an exchange as rows: (seconds after the start, price)."""
    rows = np.zeros(len(prices), EVENT)
    rows["seen_ns"] = rows["at_ns"] = [START_NS + int(at_s * NS_PER_S) for at_s, _ in prices]
    rows["value_usd"] = rows["other_usd"] = [price for _, price in prices]
    rows["kind_code"], rows["source_code"], rows["amount_micros"] = Kind.CEX_TRADED, source, size
    return rows


def reckoned_bars(columns: Any, price: str, span_s: int) -> dict[tuple[str, str, int], tuple[Any, ...]]:
    """Reckon bars from rows one by one, sharing nothing with either store."""
    groups: dict[tuple[str, str, int], list[tuple[int, Any, int]]] = defaultdict(list)
    wide = span_s * NS_PER_S
    for row in range(len(columns["seq"])):
        seen_ns = int(columns["seen_ns"][row])
        key = (columns["journal"][row], columns["instrument"][row], seen_ns - seen_ns % wide)
        groups[key].append((int(columns["seq"][row]), columns[price][row], int(columns["amount_micros"][row])))
    bars = {}
    for key, found in groups.items():
        found.sort(key=lambda each: each[0])
        values = [value for _, value, _ in found]
        bars[key] = (
            values[0], max(values), min(values), values[-1], sum(amount for *_, amount in found), len(found)
        )  # fmt: skip
    return bars


def as_bars(columns: Any) -> dict[tuple[str, str, int], tuple[Any, ...]]:
    """Give bars out of a store by their key."""
    values = ("open", "high", "low", "close", "amount_micros", "rows_count")
    return {
        (columns["journal"][row], columns["instrument"][row], int(columns["bucket_ns"][row])):
        tuple(columns[name][row] for name in values)
        for row in range(len(columns["journal"]))
    }  # fmt: skip


def assert_same(left: Any, right: Any) -> None:
    """Hold two tables' rows against each other, column by column, to the last bit."""
    assert list(left) == list(right)
    for name in left:
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """Run a real PostgreSQL in a folder of its own."""
    program("postgres", "apt install postgresql")
    folder = Path(mkdtemp(prefix="updown-postgres-"))
    try:
        with running_postgres(folder) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def database(server_dsn: str, name: str) -> Iterator[str]:
    """Make a database and drop it afterwards; gives its address."""
    with psycopg.connect(server_dsn, autocommit=True) as link:
        link.execute(f'CREATE DATABASE "{name}"'.encode())
    try:
        yield server_dsn.rsplit("/", 1)[0] + f"/{name}"
    finally:
        with psycopg.connect(server_dsn, autocommit=True) as link:
            link.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


def timescale_dsn() -> str:
    """Give the address of a TimescaleDB to test on, or skip with how to name one."""
    found = os.environ.get(TIMESCALE)
    if not found:
        import pytest

        pytest.skip(f"{TIMESCALE} names no TimescaleDB: set it to postgresql://USER@HOST:PORT/NAME of one")
    return found
