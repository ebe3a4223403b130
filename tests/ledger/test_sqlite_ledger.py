"""The ledger's file: each entry once, nothing deleted, whole after kill -9, refused when it is not ours."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from ledger_rows import CASH_MICROS, OPEN_S, SLUG, ended, fee, filled, opened, place, settled, told

from infra.ledger.booking import Booker
from infra.ledger.entries import USD, Account, Entry, FillState, Posting, TokenKey
from infra.ledger.ledger import LedgerBusy, LedgerDiffers, LedgerFailed, LedgerForeign
from infra.ledger.ledger_file import SCHEMA_VERSION, digest_of, read_balances, read_count, read_entries
from infra.ledger.sqlite_ledger import SqliteLedger, write_ledger
from state.events import Token
from state.units import MICROS, NS_PER_S


def story() -> tuple[list[Entry], Booker]:
    """A window that is bought, partly undone, and won."""
    books = Booker()
    entries = books.begin(CASH_MICROS, (OPEN_S - 700) * NS_PER_S)
    fresh = opened()
    entries += place(fresh, 7, 100, 4_500)
    entries += told(fresh, [filled(7, 40, 4_500), fee(7, 0.69), filled(7, 20, 4_500), ended(7), settled(Token.UP)])
    return entries, fresh


def test_what_is_booked_is_read_back_the_same(tmp_path: Path) -> None:
    entries, books = story()
    with SqliteLedger(tmp_path / "ledger.sqlite") as ledger:
        ledger.book(entries)
        ledger.flush()
        assert ledger.balances() == books.balances()
        assert ledger.fills() == books.all_fills()
        assert ledger.day_pnl_micros(OPEN_S // 86_400) == books.balances().realised_micros != 0
        assert ledger.equity().provisional_micros == 60 * MICROS
    kept = list(read_entries(tmp_path / "ledger.sqlite"))
    assert kept == [replace(entry, fills=(), end=None) for entry in entries]


def test_the_same_entries_again_are_booked_once_and_other_figures_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    entries, _ = story()
    write_ledger(path, entries)
    before = digest_of(path)
    with SqliteLedger(path) as ledger:
        ledger.book(entries)
        ledger.book(entries[3:])
        ledger.flush()
        assert digest_of(path) == before
    other = (Posting(Account.CASH, USD, 1), Posting(Account.EXTERNAL, USD, -1))
    ledger = SqliteLedger(path)
    ledger.book([replace(entries[-1], postings=other)])
    with pytest.raises(LedgerDiffers, match="booked with other figures than the journal gives"):
        ledger.flush()
    with pytest.raises(LedgerDiffers):
        ledger.close()
    assert digest_of(path) == before, "nothing of that round was kept"


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


def test_who_hands_over_does_not_wait_for_a_slow_disk(tmp_path: Path) -> None:
    """The disk is not ready until we say so, and still every entry is taken."""
    ready = threading.Event()
    asked = threading.Event()

    def disk() -> None:
        asked.set()
        assert ready.wait(30)

    entries, _ = story()
    ledger = SqliteLedger(tmp_path / "ledger.sqlite", disk)
    ledger.book(entries[:2])
    assert asked.wait(30)
    ledger.book(entries[2:])
    assert read_count(ledger.path) == 0, "nothing is committed before what it is made of is safe"
    ready.set()
    ledger.flush()
    assert read_count(ledger.path) == len(entries)
    ledger.close()


def test_a_disk_that_fails_is_said_to_the_next_who_hands_over(tmp_path: Path) -> None:
    def disk() -> None:
        raise OSError(28, "No space left on device")

    ledger = SqliteLedger(tmp_path / "ledger.sqlite", disk)
    ledger.book(story()[0])
    with pytest.raises(LedgerFailed, match=r"No space left.*the journal has it all"):
        ledger.flush()
    with pytest.raises(LedgerFailed):
        ledger.book([])
    with pytest.raises(LedgerFailed):
        ledger.close()
    assert read_count(tmp_path / "ledger.sqlite") == 0


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


WRITER = """
import sys
sys.path[:0] = sys.argv[2:]
from pathlib import Path
from infra.ledger.entries import USD, Account, Entry, Posting
from infra.ledger.sqlite_ledger import SqliteLedger
ledger = SqliteLedger(Path(sys.argv[1]))
number = 0
while True:
    lines = (Posting(Account.CASH, USD, number), Posting(Account.EXTERNAL, USD, -number))
    ledger.book([Entry(key=f"row {number}", kind="deposit", seen_ns=number, day=0, postings=lines)])
    number += 1
    if number % 7 == 0:
        ledger.flush()
        print(number, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 2, 5, 9])
def test_after_kill_9_the_books_are_whole_and_have_all_that_was_said_to_be_safe(lines: int, tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    words = [sys.executable, "-c", WRITER, str(path), str(Path(__file__).parents[2])]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        safe = [int(child.stdout.readline()) for _ in range(lines)][-1]
        os.kill(child.pid, signal.SIGKILL)
    with SqliteLedger(path) as ledger:
        count = read_count(path)
        assert count >= safe
        assert [entry.key for entry in read_entries(path)] == [f"row {number}" for number in range(count)]
        assert ledger.balances().cash_micros == ledger.balances().deposits_micros == count * (count - 1) // 2


def test_a_fill_keeps_its_row_as_its_state_moves_on(tmp_path: Path) -> None:
    entries, _ = story()
    bought = next(entry for entry in entries if entry.kind == "fill")
    final = replace(bought.fills[0], state=FillState.CONFIRMED)
    more = Entry(key="row 99", kind="confirmed", seen_ns=bought.seen_ns, day=bought.day, window=SLUG, fills=(final,))
    with SqliteLedger(tmp_path / "ledger.sqlite") as ledger:
        ledger.book([*entries, more])
        ledger.flush()
        assert [fill.state for fill in ledger.fills()] == [FillState.CONFIRMED, FillState.MATCHED]
        assert ledger.equity().provisional_micros == 20 * MICROS
        assert ledger.balances().shares.get(TokenKey(SLUG, Token.UP)) is None
