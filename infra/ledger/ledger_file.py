"""The ledger's file: its schema with versions, the lock of its writer, and everything that can be read off it."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from infra import lock_file
from infra.ledger.balances import Balances, Equity, balances_of, equity_of
from infra.ledger.entries import Account, Entry, Fill, FillState, Posting, WindowEnd
from infra.ledger.ledger import LedgerBusy, LedgerForeign
from state.events import Side, Token
from state.orders import Liquidity

SCHEMA_VERSION: Final = 1
APPLICATION_ID: Final = 0x75706C64
"""Marks the file as ours: "upld"."""
STEPS: Final[dict[int, str]] = {
    1: """
        CREATE TABLE entries (
            entry_id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, seen_ns INTEGER NOT NULL,
            day INTEGER NOT NULL, window TEXT NOT NULL, order_id INTEGER NOT NULL, mark TEXT NOT NULL
        ) STRICT;
        CREATE TABLE postings (
            entry_id INTEGER NOT NULL REFERENCES entries, line INTEGER NOT NULL, account TEXT NOT NULL,
            commodity TEXT NOT NULL, micros INTEGER NOT NULL, PRIMARY KEY (entry_id, line)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE fills (
            key TEXT PRIMARY KEY, window TEXT NOT NULL, order_id INTEGER NOT NULL, token TEXT NOT NULL,
            side TEXT NOT NULL, price_bps INTEGER NOT NULL, amount_micros INTEGER NOT NULL, liquidity TEXT NOT NULL,
            seen_ns INTEGER NOT NULL, state TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE ends (window TEXT PRIMARY KEY, outcome TEXT NOT NULL, seen_ns INTEGER NOT NULL)
            STRICT, WITHOUT ROWID;
        CREATE INDEX entries_by_day ON entries (day);
        CREATE TRIGGER entries_stay BEFORE DELETE ON entries
            BEGIN SELECT RAISE(ABORT, 'entries are never deleted'); END;
        CREATE TRIGGER postings_stay BEFORE DELETE ON postings
            BEGIN SELECT RAISE(ABORT, 'postings are never deleted'); END;
        CREATE TRIGGER entries_hold BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'entries never change'); END;
        CREATE TRIGGER postings_hold BEFORE UPDATE ON postings BEGIN SELECT RAISE(ABORT, 'postings never change'); END;
    """,
}
"""Schema version -> what leads there from the one before."""
_TABLES: Final = (
    "SELECT * FROM entries ORDER BY entry_id", "SELECT * FROM postings ORDER BY entry_id, line",
    "SELECT * FROM fills ORDER BY key", "SELECT * FROM ends ORDER BY window",
)  # fmt: skip


def read_sums(path: Path) -> dict[tuple[str, str], int]:
    """Add up all postings by account and commodity."""
    with _reading(path) as books:
        return _sums(books)


def read_balances(path: Path) -> Balances:
    """Add up the books in a file.

    Raises:
        LedgerForeign: it is no ledger of this schema.
    """
    return balances_of(read_sums(path))


def read_equity(path: Path) -> Equity:
    """Part what a file's books add up to by how sure it is, shares at cost."""
    with _reading(path) as books:
        books.execute("BEGIN")  # one look, while somebody may be writing
        return equity_of(balances_of(_sums(books)), _fills(books), {end.window: end.outcome for end in _ends(books)})


def read_fills(path: Path) -> list[Fill]:
    """Give every fill of a file's books with its state, in the order of booking."""
    with _reading(path) as books:
        return _fills(books)


def read_day_pnl(path: Path, day: int) -> int:
    """Give the realised result of a UTC day, counted from 1970."""
    with _reading(path) as books:
        return -_sum_of(books, Account.REALISED, day)


def read_count(path: Path) -> int:
    """Count a file's entries."""
    with _reading(path) as books:
        return int(books.execute("SELECT count(*) FROM entries").fetchone()[0])


def read_entries(path: Path) -> Iterator[Entry]:
    """Give every entry of a file's books in order, postings included, fills and ends left out."""
    with _reading(path) as books:
        lines: dict[int, list[Posting]] = {}
        for entry_id, account, commodity, micros in books.execute(
            "SELECT entry_id, account, commodity, micros FROM postings ORDER BY entry_id, line"
        ):
            lines.setdefault(entry_id, []).append(Posting(Account(account), commodity, micros))
        for entry_id, key, kind, seen_ns, day, window, order_id in books.execute(
            "SELECT entry_id, key, kind, seen_ns, day, window, order_id FROM entries ORDER BY entry_id"
        ):
            yield Entry(
                key=key, kind=kind, seen_ns=seen_ns, day=day, window=window, order_id=order_id,
                postings=tuple(lines.get(entry_id, ())),
            )  # fmt: skip


class FileBooks:
    """A file's books as they are read (`infra.ledger.ledger.Books`)."""

    def __init__(self, path: Path) -> None:
        """Take the file; it is looked at when something is asked."""
        self.path, self.where = path, str(path)

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

    def count(self) -> int:
        """Count the entries."""
        return read_count(self.path)

    def entries(self) -> Iterator[Entry]:
        """Give every entry in order, postings included, fills and ends left out."""
        return read_entries(self.path)

    def digest(self) -> str:
        """Give a hash over every row."""
        return digest_of(self.path)


def digest_of(path: Path) -> str:
    """Give a hash over every row of a file's books: the same journal gives the same one."""
    digest = hashlib.sha256()
    with _reading(path) as books:
        books.execute("BEGIN")
        for query in _TABLES:
            for row in books.execute(query):
                digest.update(repr(row).encode())
    return digest.hexdigest()


def _sums(books: sqlite3.Connection) -> dict[tuple[str, str], int]:
    query = "SELECT account, commodity, sum(micros) FROM postings GROUP BY account, commodity"
    return {(account, commodity): micros for account, commodity, micros in books.execute(query)}


def _sum_of(books: sqlite3.Connection, account: Account, day: int) -> int:
    query = "SELECT coalesce(sum(micros), 0) FROM postings JOIN entries USING (entry_id) WHERE day = ? AND account = ?"
    return int(books.execute(query, (day, account.value)).fetchone()[0])


def fill_columns(fill: Fill) -> tuple[Any, ...]:
    """Give a fill as the columns of its table."""
    return (
        fill.key, fill.window, fill.order_id, fill.token.name, fill.side.name, fill.price_bps, fill.amount_micros,
        fill.liquidity.name, fill.seen_ns, fill.state.value,
    )  # fmt: skip


def _fills(books: sqlite3.Connection) -> list[Fill]:
    query = "SELECT fills.* FROM fills JOIN entries USING (key) ORDER BY entry_id"
    return [
        Fill(key, window, order_id, Token[token], Side[side], price, amount, Liquidity[liquidity], seen_ns,
             FillState(state))
        for key, window, order_id, token, side, price, amount, liquidity, seen_ns, state in books.execute(query)
    ]  # fmt: skip


def _ends(books: sqlite3.Connection) -> list[WindowEnd]:
    query = "SELECT window, outcome, seen_ns FROM ends ORDER BY seen_ns, window"
    return [WindowEnd(window, Token[outcome], seen_ns) for window, outcome, seen_ns in books.execute(query)]


# --- the file


def open_books(path: Path) -> sqlite3.Connection:
    """Open a file's books for writing, made or brought up to the newest schema where needed.

    Raises:
        LedgerForeign: it is no ledger, or of a newer schema.
    """
    books = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        if books.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            _hold_schema(path, books, newest=False)
        books.execute("PRAGMA journal_mode = WAL")
        books.execute("PRAGMA synchronous = FULL")
        books.execute("PRAGMA foreign_keys = ON")
        for version in range(_version(books) + 1, SCHEMA_VERSION + 1):
            books.executescript(
                f"BEGIN; {STEPS[version]} PRAGMA application_id = {APPLICATION_ID}; "
                f"PRAGMA user_version = {version}; COMMIT;"
            )
    except (LedgerForeign, sqlite3.Error) as error:
        books.close()
        raise _foreign(path, error) from error
    return books


def _version(books: sqlite3.Connection) -> int:
    return int(books.execute("PRAGMA user_version").fetchone()[0])


def _hold_schema(path: Path, books: sqlite3.Connection, *, newest: bool) -> None:
    """Refuse a file that is no ledger, or of a schema that this code does not know."""
    ours, version = int(books.execute("PRAGMA application_id").fetchone()[0]), _version(books)
    if ours != APPLICATION_ID:
        raise LedgerForeign(f"{path}: not a ledger; take it away, and the books are made anew from the journal")
    if version > SCHEMA_VERSION or (newest and version != SCHEMA_VERSION):
        raise LedgerForeign(
            f"{path}: schema {version}, this code has schema {SCHEMA_VERSION}; make the books anew with "
            f"`updown ledger FOLDER --rebuild`"
        )


def _foreign(path: Path, error: Exception) -> Exception:
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return LedgerForeign(f"{path}: no ledger, or a damaged one ({error}); take it away: the journal has it all")
    return error


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.is_file():
        raise LedgerForeign(f"{path}: no such ledger; name the folder of a session")
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as books:
        try:
            _hold_schema(path, books, newest=True)
        except sqlite3.DatabaseError as error:
            raise _foreign(path, error) from error
        yield books


def take_lock(path: Path) -> int:
    """Take the lock of a ledger's writer; it goes with the process, however that ends.

    Raises:
        LedgerBusy: somebody else has it.
    """
    try:
        return lock_file.take_lock(path.with_name(path.name + ".lock"))
    except lock_file.LockTaken as who:
        raise LedgerBusy(f"{path}: {who} is writing these books; stop it first") from None
