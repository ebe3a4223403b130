"""The ledger in SQLite: one file beside the journal, one thread that writes it, every commit safe on disk.

The hot loop never waits: it hands over, and the writing thread books what has gathered in one transaction (WAL,
synchronous=FULL). Before each commit the journal is made durable up to there (`durable`), so that the books are never
ahead of what they are made of: after any crash they are a beginning of the journal's, and are completed from it.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from infra.ledger.balances import Balances, Equity
from infra.ledger.entries import Entry, Fill
from infra.ledger.ledger import LedgerDiffers, LedgerFailed, LedgerForeign, Source
from infra.ledger.ledger_file import (
    fill_columns,
    open_books,
    read_balances,
    read_day_pnl,
    read_equity,
    read_fills,
    take_lock,
)

GATHER_S: Final = 0.05
"""How long entries gather before they are written, in real time."""


class SqliteLedger:
    """A ledger open for writing, by one process at a time.

    Args:
        path: The file; made when absent.
        durable: Makes what the entries are made of safe on disk; called before each commit, on the writing thread.
    """

    def __init__(self, path: Path, durable: Callable[[], None] | None = None) -> None:
        self.path = path
        self._durable = durable
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = take_lock(path)
        try:
            self._writing = open_books(path)
        except (LedgerForeign, sqlite3.Error):
            os.close(self._lock)
            raise
        self._waiting: list[Entry] = []
        self._source: Source | None = None
        self._hurry = threading.Event()
        self._rounds = threading.Condition()
        self._begun = self._done = 0
        self._closing = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"ledger {path.name}", daemon=True)
        self._thread.start()

    def book(self, entries: Sequence[Entry]) -> None:
        """Take entries; never waits."""
        self.complain()
        self._waiting.extend(entries)

    def follow(self, source: Source) -> None:
        """Ask a source for entries from now on."""
        self._source = source

    def flush(self, timeout_s: float = 30.0) -> None:
        """Wait until all that has come up is durable.

        Raises:
            LedgerFailed: it cannot be written, or not in time.
            LedgerDiffers: an entry is not what is booked under its key.
        """
        self.complain()
        with self._rounds:
            wanted = self._begun + 1  # a round that has begun may have looked already
            self._hurry.set()
            come = self._rounds.wait_for(lambda: self._done >= wanted or self._error is not None, timeout_s)
        self.complain()
        if not come:
            raise LedgerFailed(f"{self.path}: the disk did not answer within {timeout_s:g} s; see whether it is full")

    def close(self) -> None:
        """Write what is left and let go; closing twice does nothing.

        Raises:
            LedgerFailed, LedgerDiffers: as for `flush`.
        """
        if self._closing:
            return
        try:
            if self._error is None:
                self.flush()
        finally:
            self._closing = True
            self._hurry.set()
            self._thread.join(timeout=5.0)
            self._writing.close()
            os.close(self._lock)
        self.complain()

    def __enter__(self) -> "SqliteLedger":
        """Give the ledger itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def complain(self) -> None:
        """Raise what the writing thread failed with, if it has.

        Raises:
            LedgerFailed: it could not write.
            LedgerDiffers: an entry was not what is booked under its key.
        """
        if isinstance(self._error, LedgerDiffers):
            raise self._error
        if self._error is not None:
            raise LedgerFailed(
                f"{self.path}: writing failed ({self._error}); mend the disk and start again: the journal has it all"
            ) from self._error

    # --- the writing thread

    def _run(self) -> None:
        try:
            while not self._closing:
                self._hurry.wait(GATHER_S)
                self._hurry.clear()
                with self._rounds:
                    self._begun += 1
                self._round()
                with self._rounds:
                    self._done = self._begun
                    self._rounds.notify_all()
        except BaseException as error:  # boundary: kept, and raised by the next call of whoever hands over
            with self._rounds:
                self._error = error
                self._rounds.notify_all()

    def _round(self) -> None:
        entries = list(self._source()) if self._source is not None else []
        waiting = self._waiting[: len(self._waiting)]
        del self._waiting[: len(waiting)]
        entries = waiting + entries
        if not entries:
            return
        if self._durable is not None:
            self._durable()
        self._writing.execute("BEGIN IMMEDIATE")
        try:
            for entry in entries:
                self._write(entry)
        except BaseException:  # boundary: a round is kept whole or not at all, whatever broke it off
            self._writing.execute("ROLLBACK")
            raise
        self._writing.execute("COMMIT")

    def _write(self, entry: Entry) -> None:
        told = (entry.key, entry.kind, entry.seen_ns, entry.day, entry.window, entry.order_id, entry.mark)
        row = self._writing.execute(
            "INSERT INTO entries (key, kind, seen_ns, day, window, order_id, mark) VALUES (?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (key) DO NOTHING RETURNING entry_id",
            told,
        ).fetchone()
        if row is not None:
            self._writing.executemany(
                "INSERT INTO postings VALUES (?, ?, ?, ?, ?)",
                [(row[0], line, each.account.value, each.commodity, each.micros)
                 for line, each in enumerate(entry.postings)],
            )  # fmt: skip
        else:
            booked = self._writing.execute("SELECT mark FROM entries WHERE key = ?", (entry.key,)).fetchone()
            if booked[0] != entry.mark:
                raise LedgerDiffers(
                    f"{self.path}: {entry.key} ({entry.kind}) is booked with other figures than the journal gives; "
                    f"see `updown ledger FOLDER`, and make the books anew with `--rebuild`"
                )
        self._writing.executemany(
            "INSERT OR REPLACE INTO fills VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [fill_columns(fill) for fill in entry.fills],
        )
        if entry.end is not None:
            end = (entry.end.window, entry.end.outcome.name, entry.end.seen_ns)
            self._writing.execute("INSERT OR REPLACE INTO ends VALUES (?, ?, ?)", end)

    # --- reading

    def balances(self) -> Balances:
        """Add up what is durable."""
        return read_balances(self.path)

    def equity(self) -> Equity:
        """Part that by how sure it is, shares at cost."""
        return read_equity(self.path)

    def day_pnl_micros(self, day: int) -> int:
        """Give the realised result of a UTC day, counted from 1970."""
        return read_day_pnl(self.path, day)

    def fills(self) -> list[Fill]:
        """Give every fill with its state, in the order of booking."""
        return read_fills(self.path)


def write_ledger(path: Path, entries: Iterable[Entry]) -> None:
    """Write books whole, in place of those that lie there: they appear whole or not at all.

    Raises:
        LedgerBusy: somebody writes them.
    """
    handle = take_lock(path)
    try:
        fresh = path.with_name(path.name + ".new")
        _remove(fresh)
        with SqliteLedger(fresh) as ledger:
            ledger.book(list(entries))
        with closing(sqlite3.connect(fresh)) as books:
            books.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
        _remove(path)
        os.replace(fresh, path)
        _remove(fresh)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    for ending in ("-wal", "-shm", ""):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    if path.name.endswith(".new"):
        path.with_name(path.name + ".lock").unlink(missing_ok=True)
