"""Where a session's books lie: in a file beside its journal, or under a name in a database that a file there tells."""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from infra.ledger.entries import Entry
from infra.ledger.ledger import Books, Ledger, LedgerForeign
from infra.ledger.ledger_book import FILE
from infra.ledger.ledger_file import FileBooks
from infra.ledger.sqlite_ledger import SqliteLedger, write_ledger
from infra.private_files import write_private

if TYPE_CHECKING:
    from infra.ledger.postgres_ledger import PostgresLedger

PLACE: Final = "ledger.place"
"""Beside the journal, where its books lie in a database."""
DSN_VARIABLE: Final = "UPDOWN_LEDGER_DSN"
"""Address of the database that keeps books, without a password; unset: they lie beside their journals."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Which books in a database are a session's."""

    name: str


_PLACE: Final = msgspec.json.Decoder(Place)


def dsn_from(environment: Mapping[str, str]) -> str:
    """Give the address of the database that keeps books; empty: none does."""
    return environment.get(DSN_VARIABLE, "").strip()


def file_of(folder: Path) -> Path:
    """Give the file beside a journal by which its books are found."""
    place = folder / PLACE
    return place if place.exists() else folder / FILE


def open_ledger(folder: Path, dsn: str, durable: Callable[[], None] | None = None) -> Ledger:
    """Open a session's books for writing, where they are or, for a new session, where they are wanted.

    Raises:
        LedgerForeign, LedgerBusy, LedgerAway: as the ledgers do; or they lie elsewhere than is wanted.
    """
    place = _place_in(folder)
    if place is None and dsn and (folder / FILE).exists():
        raise LedgerForeign(f"{folder / FILE}: these books lie in a file; go on without {DSN_VARIABLE}")
    if place is not None and not dsn:
        raise LedgerForeign(f"{folder / PLACE}: these books lie in a database; say where with {DSN_VARIABLE}")
    if not dsn:
        return SqliteLedger(folder / FILE, durable)
    ledger = _in_database()(dsn, place.name if place is not None else os.urandom(8).hex(), durable)
    if place is None:
        write_place(folder, ledger.name)
    return ledger


def books_by(file: Path, dsn: str) -> Books:
    """Give books to read by the file that they are found by (`file_of`).

    Raises:
        LedgerForeign: they lie in a database, and nobody says in which.
    """
    if file.name != PLACE:
        return FileBooks(file)
    place = _place_in(file.parent)
    if place is None:
        raise LedgerForeign(f"{file}: no such file; it says which books in a database are this session's")
    if not dsn:
        raise LedgerForeign(f"{file}: these books lie in a database; say where with {DSN_VARIABLE}")
    from infra.ledger.postgres_books import PostgresBooks

    return PostgresBooks(dsn, place.name)


def rebuild_books(folder: Path, dsn: str, entries: Iterable[Entry]) -> None:
    """Make a session's books anew: a file in its old one's place; in a database under a name of their own.

    What was booked in a database is never deleted, so the books of before stay there under their name, and nobody
    reads them any more.

    Raises:
        LedgerBusy: somebody writes them.
        LedgerForeign, LedgerAway: as the ledgers do.
    """
    if file_of(folder).name != PLACE:
        write_ledger(folder / FILE, entries)
        return
    if not dsn:
        raise LedgerForeign(f"{folder / PLACE}: these books lie in a database; say where with {DSN_VARIABLE}")
    open_ledger(folder, dsn).close()  # refused while somebody writes them
    ledger = _in_database()(dsn, os.urandom(8).hex())
    with ledger:
        ledger.book(list(entries))
    write_place(folder, ledger.name)


def write_place(folder: Path, name: str) -> None:
    """Say which books in a database are a session's."""
    folder.mkdir(parents=True, exist_ok=True)
    write_private(folder / PLACE, msgspec.json.encode(Place(name=name)) + b"\n")


def _place_in(folder: Path) -> Place | None:
    try:
        return _PLACE.decode((folder / PLACE).read_bytes())
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise LedgerForeign(f"{folder / PLACE}: cannot be read ({error}); put it back, or rebuild the books") from None


def _in_database() -> "type[PostgresLedger]":
    try:
        from infra.ledger.postgres_ledger import PostgresLedger
    except ModuleNotFoundError:
        raise LedgerForeign(f"{DSN_VARIABLE} is set and psycopg is not installed: `uv sync --extra stack`") from None
    return PostgresLedger
