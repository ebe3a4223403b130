"""The time series in PostgreSQL, with TimescaleDB or without: rows by binary COPY, the watermark in the same step.

A connection that is lost is opened anew by the next call; whether a step that was cut off counts is read from the
watermark, never guessed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import psycopg
from psycopg import sql

from infra.store import database
from infra.store.copy_bytes import packed
from infra.store.database import Link, run
from infra.store.port import EVER, Batch, Columns, Span, StoreBehind, Upkeep, numbers, texts, whole
from infra.store.postgres_upkeep import keep_up
from infra.store.schema import BY_NAME, ROLLUP_BY_NAME, TABLES, Column, Holds, bar_columns
from infra.store.statements import EPOCH, Branch, copy_into, day_of, make_partition, select_bars, select_rows

AHEAD_DAYS: Final = 3
"""Partitions made before anything needs them."""
_AS: Final = {Holds.WHOLE: whole, Holds.NUMBER: numbers, Holds.TEXT: texts}


class PostgresSeries:
    """Keeps time series in a database.

    Args:
        dsn: Its address, without a password: that is for a file that PGPASSFILE names.
        wanted: The branch to make its tables as; None: the better one that it can.
    """

    def __init__(self, dsn: str, wanted: Branch | None = None) -> None:
        """Connect, and make the tables or follow them up.

        Raises:
            StoreAway: nobody answers.
            StoreRefused: it is not a database that we may write.
        """
        self._dsn, self._wanted = dsn, wanted
        self._place = database.place_of(dsn)
        self._link: Link | None = None
        self._days: set[int] = set()
        self.branch = Branch.PLAIN
        with self._linked():
            pass

    @property
    def where(self) -> str:
        """Say where it is, and which branch keeps it."""
        return f"{self._place} ({self.branch})"

    def watermark(self, journal: str) -> int:
        """Give the first item of a journal that it does not have."""
        with self._linked() as link:
            row = run(link, "SELECT next_seq FROM watermarks WHERE journal = %s", (journal,)).fetchone()
        return int(row[0]) if row else 0

    def write(self, batch: Batch) -> int:
        """Keep a batch with its watermark in one transaction; two who write the same journal take turns.

        Raises:
            StoreAway: the connection went; nothing or all of it is kept: ask the watermark.
            StoreBehind: items before these are lacking.
        """
        with self._linked() as link:
            self._make_room(link, batch)
            try:
                return self._write(link, batch)
            except psycopg.errors.CheckViolation:  # somebody dropped a day that we had made
                self._days.clear()
                self._make_room(link, batch)
                return self._write(link, batch)

    def rows(self, table: str, span: Span = EVER, journal: str | None = None) -> Columns:
        """Give a table's rows of a stretch of time, ordered by journal, sequence and part."""
        of = BY_NAME[table]
        moments = _moment(span.from_ns), _moment(span.until_ns)
        values: tuple[Any, ...] = (*moments, span.from_ns, span.until_ns, *((journal,) if journal else ()))
        return self._ask(select_rows(of, of_journal=journal is not None), values, of.all_columns)

    def bars(self, rollup: str, span: Span = EVER, journal: str | None = None) -> Columns:
        """Give bars that begin in a stretch of time, as far as upkeep has made them."""
        of = ROLLUP_BY_NAME[rollup]
        wide = of.span_ns
        moments = (_moment(-(-span.from_ns // wide) * wide), _moment(-(-span.until_ns // wide) * wide))
        values: tuple[Any, ...] = (*moments, *((journal,) if journal else ()))
        return self._ask(select_bars(of, of_journal=journal is not None), values, bar_columns(of.holds))

    def upkeep(self, now_ns: int, keep_days: int | None = None) -> Upkeep:
        """Do what is due; one at a time, whoever calls."""
        with self._linked() as link:
            made = 0
            if self.branch is Branch.PLAIN:
                today = day_of(now_ns)
                made = self._make(link, {*range(today, today + AHEAD_DAYS + 1)} - self._days)
            done = keep_up(link, self.branch, now_ns, keep_days)
            if done.dropped_count:
                self._days.clear()
            return done._replace(made_count=made)

    def close(self) -> None:
        """Let the connection go."""
        if self._link is not None:
            self._link.close()
            self._link = None

    @contextmanager
    def _linked(self) -> Iterator[Link]:
        """Give the connection, opened anew when it was lost; after a failure it counts as lost."""
        if self._link is None or self._link.closed:
            link = database.connect(self._dsn)
            self.branch = database.prepare(link, self._place, self._wanted)
            self._link = link
        try:
            with database.told(self._place):
                yield self._link
        except StoreBehind:
            raise
        except BaseException:  # boundary: whatever cut a step short: its connection is not used again
            self.close()
            raise

    def _write(self, link: Link, batch: Batch) -> int:
        with link.transaction():
            run(link, "INSERT INTO watermarks VALUES (%s, 0) ON CONFLICT DO NOTHING", (batch.journal,))
            row = run(
                link, "SELECT next_seq FROM watermarks WHERE journal = %s FOR UPDATE", (batch.journal,)
            ).fetchone()
            assert row is not None, "it was put there"
            mark = int(row[0])
            if batch.next_seq <= mark:
                return 0
            if batch.first_seq > mark:
                raise StoreBehind(f"{self.where} has journal {batch.journal} up to item {mark}, not {batch.first_seq}")
            left = batch.after(mark)
            for name, columns in left.tables.items():
                with link.cursor().copy(sql.SQL(copy_into(BY_NAME[name]))) as copy:
                    for piece in packed(BY_NAME[name], columns):
                        copy.write(piece)
            run(
                link, "UPDATE watermarks SET next_seq = %s, written = now() WHERE journal = %s",
                (left.next_seq, batch.journal),
            )  # fmt: skip
            return left.rows_count

    def _make_room(self, link: Link, batch: Batch) -> None:
        if self.branch is Branch.PLAIN:
            found = (np.unique(columns["seen_ns"] // (86_400 * 10**9)) for columns in batch.tables.values())
            self._make(link, {int(day) for days in found for day in days} - self._days)

    def _make(self, link: Link, days: set[int]) -> int:
        if days:
            with link.transaction():
                run(link, "SELECT pg_advisory_xact_lock(%s)", (database.LOCK,))
                for day in sorted(days):
                    for table in TABLES:
                        run(link, make_partition(table.name, day))
            self._days |= days
        return len(days)

    def _ask(self, query: str, values: tuple[Any, ...], columns: tuple[Column, ...]) -> Columns:
        with self._linked() as link:
            found = run(link, query, values).fetchall()
        across: list[Any] = list(zip(*found, strict=True)) if found else [()] * len(columns)
        return {column.name: _as(column)(list(given)) for column, given in zip(columns, across, strict=True)}


def _as(column: Column) -> Callable[[Any], Any]:
    return _AS[column.holds]


def _moment(at_ns: int) -> datetime:
    return EPOCH + timedelta(microseconds=at_ns // 1_000)
