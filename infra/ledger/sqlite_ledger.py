"""The ledger in SQLite: one file beside the journal, one thread that writes it, every commit safe on disk.

The hot loop never waits: it hands over, and the writing thread books what has gathered in one transaction (WAL,
synchronous=FULL). Before each commit the journal is made durable up to there (`durable`), so that the books are never
ahead of what they are made of: after any crash they are a beginning of the journal's, and are completed from it.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path

from infra.ledger.entries import Entry
from infra.ledger.ledger import LedgerDiffers, LedgerForeign
from infra.ledger.ledger_file import FileBooks, fill_columns, open_books, take_lock
from infra.ledger.writing import Writing


class SqliteLedger(Writing, FileBooks):
    """A ledger open for writing, by one process at a time.

    Args:
        path: The file; made when absent.
        durable: Makes what the entries are made of safe on disk; called before each commit, on the writing thread.
    """

    def __init__(self, path: Path, durable: Callable[[], None] | None = None) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = take_lock(path)
        try:
            self._writing = open_books(path)
        except (LedgerForeign, sqlite3.Error):
            os.close(self._lock)
            raise
        super().__init__(str(path), durable, "see whether the disk is full")

    def keep(self, entries: Sequence[Entry]) -> None:
        """Keep a round in one transaction."""
        self._writing.execute("BEGIN IMMEDIATE")
        try:
            for entry in entries:
                self._write(entry)
        except BaseException:  # boundary: a round is kept whole or not at all, whatever broke it off
            self._writing.execute("ROLLBACK")
            raise
        self._writing.execute("COMMIT")

    def let_go(self) -> None:
        """Close the file and give its lock back."""
        self._writing.close()
        os.close(self._lock)

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
