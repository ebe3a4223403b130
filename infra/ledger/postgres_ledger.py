"""The ledger in PostgreSQL: the books of many sessions in one database, each written by one process at a time.

What makes books trustworthy does not change with their place: they are made of the journal, which is safe on disk
before a round is kept, and can be made again from it. So no order waits for the database. While it is away entries
gather in memory, what is asked is answered from there, and it is told; one that stays away halts the session, as a disk
does that cannot be written.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from infra.ledger.entries import Entry
from infra.ledger.ledger import LedgerAway, LedgerBusy, LedgerDiffers
from infra.ledger.ledger_file import fill_columns
from infra.ledger.postgres_books import FILL, SCHEMA, PostgresBooks, make_schema, told
from infra.ledger.writing import AWAY_MOST_S, Writing
from infra.store import database
from infra.store.database import Link, run

AGAIN_S: Final = 0.5


class PostgresLedger(Writing, PostgresBooks):
    """Books open for writing, by one process at a time.

    Args:
        dsn: The database's address, without a password.
        name: Whose books.
        durable: Makes what the entries are made of safe on disk; called before each round, on the writing thread.
    """

    def __init__(self, dsn: str, name: str, durable: Callable[[], None] | None = None) -> None:
        """Connect, make the tables or follow them up, and take the books for this process.

        Raises:
            LedgerAway: nobody answers.
            LedgerForeign: it is not a database that we may write, or its tables are newer.
            LedgerBusy: another process writes these books.
        """
        PostgresBooks.__init__(self, dsn, name)
        self._link: Link | None = self._connected()
        Writing.__init__(self, self.where, durable, "see whether the database is there")

    def keep(self, entries: Sequence[Entry]) -> None:
        """Keep a round in one transaction; while the database is away, try again."""
        since_s = time.monotonic()
        while True:
            try:
                if self._link is None:
                    self._link = self._connected()
                with told(self.where), self._link.transaction():
                    self._write(self._link, entries)
            except (LedgerAway, LedgerBusy) as error:  # busy: the server has not noticed yet that we were cut off
                self._drop()
                self.said_away = str(error)
                if self.is_closing or time.monotonic() - since_s > AWAY_MOST_S:
                    raise
                time.sleep(AGAIN_S)
            else:
                self.said_away = ""
                return

    def let_go(self) -> None:
        """Close the connection; the books are free with it."""
        self._drop()

    def _connected(self) -> Link:
        with told(self.where):
            link = database.connect(self.dsn)
            try:
                make_schema(link, self.where)
                taken = run(link, "SELECT pg_try_advisory_lock(hashtextextended(%s, 1))", (self.name,)).fetchone()
                if taken is None or not taken[0]:
                    raise LedgerBusy(f"{self.where}: another process is writing these books; stop it first")
            except BaseException:  # boundary: a connection that is of no use is not left open
                link.close()
                raise
        return link

    def _drop(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _write(self, link: Link, entries: Sequence[Entry]) -> None:
        keys = [entry.key for entry in entries]
        query = f"SELECT key, mark FROM {SCHEMA}.entries WHERE books = %s AND key = ANY(%s)"
        known: dict[str, str] = dict(run(link, query, (self.name, keys)).fetchall())
        last = run(link, f"SELECT coalesce(max(entry_id), 0) FROM {SCHEMA}.entries WHERE books = %s", (self.name,))
        number = int((last.fetchone() or (0,))[0])
        rows: dict[str, list[tuple[Any, ...]]] = {"entries": [], "postings": [], "fills": [], "ends": []}
        for entry in entries:
            if entry.key not in known:
                number += 1
                known[entry.key] = entry.mark
                rows["entries"].append((self.name, number, *_columns(entry)))
                rows["postings"] += [
                    (self.name, number, line, each.account.value, each.commodity, each.micros)
                    for line, each in enumerate(entry.postings)
                ]
            elif known[entry.key] != entry.mark:
                raise LedgerDiffers(
                    f"{self.where}: {entry.key} ({entry.kind}) is booked with other figures than the journal gives; "
                    f"see `updown ledger FOLDER`, and make the books anew with `--rebuild`"
                )
            rows["fills"] += [(self.name, *fill_columns(fill)) for fill in entry.fills]
            if entry.end is not None:
                rows["ends"].append((self.name, entry.end.window, entry.end.outcome.name, entry.end.seen_ns))
        with link.cursor() as cursor:
            for table, found in rows.items():
                if found:
                    cursor.executemany(_INSERT[table], found)


def _columns(entry: Entry) -> tuple[Any, ...]:
    return (entry.key, entry.kind, entry.seen_ns, entry.day, entry.window, entry.order_id, entry.mark)


def _insert(table: str, columns: str, count: int, after: str = "") -> str:
    return f"INSERT INTO {SCHEMA}.{table} ({columns}) VALUES ({', '.join(['%s'] * count)}){after}"


_MOVED: Final = ", ".join(f"{name.strip()} = EXCLUDED.{name.strip()}" for name in FILL.split(",")[1:])
_INSERT: Final = {
    "entries": _insert("entries", 'books, entry_id, key, kind, seen_ns, day, "window", order_id, mark', 9),
    "postings": _insert("postings", "books, entry_id, line, account, commodity, micros", 6),
    "fills": _insert("fills", f"books, {FILL}", 11, f" ON CONFLICT (books, key) DO UPDATE SET {_MOVED}"),
    "ends": _insert(
        "ends", 'books, "window", outcome, seen_ns', 4,
        ' ON CONFLICT (books, "window") DO UPDATE SET outcome = EXCLUDED.outcome, seen_ns = EXCLUDED.seen_ns',
    ),
}  # fmt: skip
