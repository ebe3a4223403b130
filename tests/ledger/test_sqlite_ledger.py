"""The ledger's file: the same bytes for the same entries, nothing deleted, refused when it is not ours."""

import os
import sqlite3
from pathlib import Path

import pytest
from ledger_rows import CASH_MICROS, OPEN_S, ended, fee, filled, opened, place, settled, told

from infra.ledger.booking import Booker
from infra.ledger.entries import Entry
from infra.ledger.ledger import LedgerBusy, LedgerForeign
from infra.ledger.ledger_file import SCHEMA_VERSION, read_balances, read_count
from infra.ledger.sqlite_ledger import SqliteLedger, write_ledger
from state.events import Token
from state.units import NS_PER_S


def story() -> tuple[list[Entry], Booker]:
    """A window that is bought, partly undone, and won."""
    books = Booker()
    entries = books.begin(CASH_MICROS, (OPEN_S - 700) * NS_PER_S)
    fresh = opened()
    entries += place(fresh, 7, 100, 4_500)
    entries += told(fresh, [filled(7, 40, 4_500), fee(7, 0.69), filled(7, 20, 4_500), ended(7), settled(Token.UP)])
    return entries, fresh


def test_the_same_entries_make_the_same_bytes(tmp_path: Path) -> None:
    entries, _ = story()
    for name in ("one", "two"):
        write_ledger(tmp_path / name, entries)
    write_ledger(tmp_path / "two", entries)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "one.lock", "two", "two.lock"]


def test_nothing_booked_can_be_changed_or_deleted(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    write_ledger(path, story()[0])
    with sqlite3.connect(path) as books:
        for words in ("DELETE FROM entries", "DELETE FROM postings", "UPDATE postings SET micros = 0",
                      "UPDATE entries SET day = 0"):  # fmt: skip
            with pytest.raises(sqlite3.IntegrityError, match="never"):
                books.execute(words)
    assert read_count(path) == len(story()[0])


def test_one_process_writes_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with SqliteLedger(path), pytest.raises(LedgerBusy, match=rf"process {os.getpid()} is writing"):
        SqliteLedger(path)
    with SqliteLedger(path), pytest.raises(LedgerBusy):
        write_ledger(path, [])
    SqliteLedger(path).close()


def test_what_is_no_ledger_of_ours_is_refused_and_left_alone(tmp_path: Path) -> None:
    text, other, newer = tmp_path / "text", tmp_path / "other", tmp_path / "newer"
    text.write_bytes(b"this is no database, however long it may be" * 100)
    with sqlite3.connect(other) as books:
        books.execute("CREATE TABLE entries (key)")
    write_ledger(newer, [])
    with sqlite3.connect(newer) as books:
        books.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    for path, words in (
        (text, "no ledger"),
        (other, "not a ledger"),
        (newer, f"schema {SCHEMA_VERSION + 1}, this code"),
    ):
        before = path.read_bytes()
        with pytest.raises(LedgerForeign, match=words):
            SqliteLedger(path)
        with pytest.raises(LedgerForeign, match=words):
            read_balances(path)
        assert path.read_bytes() == before
    with pytest.raises(LedgerForeign, match="no such ledger"):
        read_balances(tmp_path / "nothing")
