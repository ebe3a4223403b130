"""What every ledger keeps, in a file and in a real PostgreSQL: each entry once, nothing changed, whole after a kill."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from dataclasses import replace as changed
from functools import lru_cache
from pathlib import Path

import pytest
from ledger_rows import CASH_MICROS, OPEN_S, ended, fee, filled, opened, place, settled, told
from store_journals import postgres_server

from infra.ledger.booking import Booker
from infra.ledger.entries import USD, Account, Entry, FillState, Posting
from infra.ledger.ledger import Ledger, LedgerAway, LedgerBusy, LedgerDiffers, LedgerFailed, LedgerForeign
from infra.ledger.ledger_book import FILE
from infra.ledger.places import PLACE, books_by, file_of, open_ledger, rebuild_books
from infra.stack.outage import Shape, give_back, take_away
from infra.stack.postgres import Postgres
from state.events import Token
from state.units import MICROS, NS_PER_S


@lru_cache(maxsize=1)
def story() -> tuple[tuple[Entry, ...], Booker]:
    """A window that is bought, partly undone, and won."""
    books = Booker()
    entries = books.begin(CASH_MICROS, (OPEN_S - 700) * NS_PER_S)
    fresh = opened()
    entries += place(fresh, 7, 100, 4_500)
    entries += told(fresh, [filled(7, 40, 4_500), fee(7, 0.69), filled(7, 20, 4_500), ended(7), settled(Token.UP)])
    return tuple(entries), fresh


@dataclass
class Stage:
    """Books of one session at one kind of place."""

    folder: Path
    dsn: str

    def ledger(self, durable: Callable[[], None] | None = None) -> Ledger:
        return open_ledger(self.folder, self.dsn, durable)

    @property
    def digest(self) -> str:
        return books_by(file_of(self.folder), self.dsn).digest()

    @property
    def count(self) -> int:
        return books_by(file_of(self.folder), self.dsn).count()

    def written(self, entries: tuple[Entry, ...]) -> None:
        ledger = self.ledger()
        ledger.book(entries)
        ledger.close()


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["file", "postgres"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    dsn = request.getfixturevalue("postgres").dsn() if request.param == "postgres" else ""
    folder = tmp_path / "journal"
    folder.mkdir()
    return Stage(folder, dsn)


def test_what_is_booked_is_read_back_the_same(stage: Stage) -> None:
    entries, books = story()
    ledger = stage.ledger()
    ledger.book(entries)
    ledger.flush()
    assert ledger.balances() == books.balances()
    assert ledger.fills() == books.all_fills()
    assert ledger.day_pnl_micros(OPEN_S // 86_400) == books.balances().realised_micros != 0
    assert ledger.equity().provisional_micros == 60 * MICROS
    assert list(ledger.entries()) == [changed(entry, fills=(), end=None) for entry in entries]
    assert ledger.count() == len(entries)
    ledger.close()


def test_the_same_entries_make_the_same_digest_whatever_keeps_them(tmp_path: Path, postgres: Postgres) -> None:
    entries, _ = story()
    stages = [Stage(tmp_path / "file", ""), Stage(tmp_path / "server", postgres.dsn())]
    for each in stages:
        each.written(entries)
    assert stages[0].digest == stages[1].digest
    assert (file_of(stages[0].folder).name, file_of(stages[1].folder).name) == (FILE, PLACE)


def test_the_same_entries_again_are_booked_once_and_other_figures_are_refused(stage: Stage) -> None:
    entries, _ = story()
    stage.written(entries)
    before = stage.digest
    stage.written((*entries, *entries[3:]))
    assert stage.digest == before
    other = (Posting(Account.CASH, USD, 1), Posting(Account.EXTERNAL, USD, -1))
    ledger = stage.ledger()
    fresh = Entry(key="row 1000", kind="deposit", seen_ns=1, day=0, postings=other)
    ledger.book([fresh, changed(entries[-1], postings=other)])
    with pytest.raises(LedgerDiffers, match="booked with other figures than the journal gives"):
        ledger.flush()
    with pytest.raises(LedgerDiffers):
        ledger.close()
    assert stage.digest == before, "nothing of that round was kept"


def test_one_process_writes_at_a_time(stage: Stage) -> None:
    ledger = stage.ledger()
    with pytest.raises(LedgerBusy, match="writing these books"):
        stage.ledger()
    with pytest.raises(LedgerBusy):
        rebuild_books(stage.folder, stage.dsn, [])
    ledger.close()
    stage.ledger().close()


def test_books_made_anew_are_those_of_before(stage: Stage) -> None:
    entries, _ = story()
    stage.written(entries)
    before = stage.digest
    rebuild_books(stage.folder, stage.dsn, entries)
    assert stage.digest == before and stage.count == len(entries)


def test_who_hands_over_does_not_wait(stage: Stage) -> None:
    ready, asked = threading.Event(), threading.Event()

    def disk() -> None:
        asked.set()
        assert ready.wait(30)

    entries, _ = story()
    ledger = stage.ledger(disk)
    ledger.book(entries[:2])
    assert asked.wait(30)
    ledger.book(entries[2:])
    assert stage.count == 0, "nothing is committed before what it is made of is safe"
    ready.set()
    ledger.flush()
    assert stage.count == len(entries)
    ledger.close()


def test_what_fails_is_said_to_the_next_who_hands_over(stage: Stage) -> None:
    def disk() -> None:
        raise OSError(28, "No space left on device")

    ledger = stage.ledger(disk)
    ledger.book(story()[0])
    with pytest.raises(LedgerFailed, match=r"No space left.*the journal has it all"):
        ledger.flush()
    with pytest.raises(LedgerFailed):
        ledger.close()
    assert stage.count == 0


def test_a_fill_keeps_its_row_as_its_state_moves_on(stage: Stage) -> None:
    entries, _ = story()
    bought = next(entry for entry in entries if entry.kind == "fill")
    final = changed(bought.fills[0], state=FillState.CONFIRMED)
    more = Entry(key="row 99", kind="confirmed", seen_ns=bought.seen_ns, day=bought.day, fills=(final,))
    ledger = stage.ledger()
    ledger.book([*entries, more])
    ledger.flush()
    assert [fill.state for fill in ledger.fills()] == [FillState.CONFIRMED, FillState.MATCHED]
    assert ledger.equity().provisional_micros == 20 * MICROS
    ledger.close()


WRITER = """
import sys
sys.path[:0] = sys.argv[3:]
from pathlib import Path
from infra.ledger.entries import USD, Account, Entry, Posting
from infra.ledger.places import open_ledger
ledger = open_ledger(Path(sys.argv[1]), sys.argv[2])
number = 0
while True:
    lines = (Posting(Account.CASH, USD, number), Posting(Account.EXTERNAL, USD, -number))
    ledger.book([Entry(key=f"row {number}", kind="deposit", seen_ns=number, day=0, postings=lines)])
    number += 1
    if number % 7 == 0:
        ledger.flush()
        print(number, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 5])
def test_after_kill_9_the_books_are_whole_and_have_all_that_was_said_to_be_safe(lines: int, stage: Stage) -> None:
    words = [sys.executable, "-c", WRITER, str(stage.folder), stage.dsn, str(Path(__file__).parents[2])]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        safe = [int(child.stdout.readline()) for _ in range(lines)][-1]
        os.kill(child.pid, signal.SIGKILL)
    ledger = _opened(stage)
    count = ledger.count()
    assert count >= safe
    assert [entry.key for entry in ledger.entries()] == [f"row {number}" for number in range(count)]
    assert ledger.balances().cash_micros == ledger.balances().deposits_micros == count * (count - 1) // 2
    ledger.close()


def _opened(stage: Stage) -> Ledger:
    """Open books whose writer was killed: a server may take a moment to notice."""
    limit = time.monotonic() + 10.0
    while True:
        try:
            return stage.ledger()
        except LedgerBusy:
            assert time.monotonic() < limit
            time.sleep(0.1)


@pytest.mark.parametrize("shape", list(Shape))
def test_while_the_database_is_away_entries_wait_and_nobody_else_does(
    shape: Shape, tmp_path: Path, postgres: Postgres
) -> None:
    entries, books = story()
    stage = Stage(tmp_path / "journal", postgres.dsn())
    ledger = stage.ledger()
    ledger.book(entries[:2])
    ledger.flush()
    held = take_away(postgres, shape)
    began_s = time.monotonic()
    ledger.book(entries[2:])
    ledger.complain()
    assert time.monotonic() - began_s < 1.0, "handing over waits for nobody"
    until_so(lambda: bool(ledger.away), "it is told")
    if shape is Shape.DEAD:
        with pytest.raises(LedgerAway):
            stage.ledger()
    else:
        assert "no answer for" in ledger.away
    give_back(postgres, shape, held)
    ledger.flush()
    until_so(lambda: not ledger.away, "all is written")
    assert ledger.balances() == books.balances() and stage.count == len(entries)
    ledger.close()


def until_so(is_so: Callable[[], bool], what: str) -> None:
    limit = time.monotonic() + 30.0
    while not is_so():
        assert time.monotonic() < limit, what
        time.sleep(0.05)


def test_nothing_booked_in_a_database_can_be_changed_or_deleted(tmp_path: Path, postgres: Postgres) -> None:
    import psycopg

    Stage(tmp_path / "journal", postgres.dsn()).written(story()[0])
    with psycopg.connect(postgres.dsn(), autocommit=True) as link:
        for words in (
            "DELETE FROM updown_ledger.entries", "DELETE FROM updown_ledger.postings",
            "UPDATE updown_ledger.postings SET micros = 0", "UPDATE updown_ledger.entries SET day = 0",
        ):  # fmt: skip
            with pytest.raises(psycopg.errors.RaiseException, match="never change and are never deleted"):
                link.execute(words)


def test_books_that_lie_elsewhere_than_they_are_looked_for_are_refused_in_a_line(
    tmp_path: Path, postgres: Postgres
) -> None:
    entries, _ = story()
    at_home, away = Stage(tmp_path / "home", ""), Stage(tmp_path / "away", postgres.dsn())
    at_home.written(entries)
    away.written(entries)
    with pytest.raises(LedgerForeign, match="these books lie in a file; go on without UPDOWN_LEDGER_DSN"):
        open_ledger(at_home.folder, postgres.dsn())
    with pytest.raises(LedgerForeign, match="these books lie in a database; say where with UPDOWN_LEDGER_DSN"):
        open_ledger(away.folder, "")
    with pytest.raises(LedgerForeign, match="leave the password out of the address"):
        open_ledger(tmp_path / "new", "postgresql://me:secret@127.0.0.1/x")
    (away.folder / PLACE).write_text("{")
    with pytest.raises(LedgerForeign, match="cannot be read"):
        open_ledger(away.folder, postgres.dsn())


def test_a_database_with_newer_tables_is_refused_and_left_alone(tmp_path: Path, postgres: Postgres) -> None:
    import psycopg

    with psycopg.connect(postgres.dsn(), autocommit=True) as link:
        link.execute("CREATE DATABASE newer")
    stage = Stage(tmp_path / "journal", postgres.dsn("newer"))
    stage.written(story()[0])
    with psycopg.connect(postgres.dsn("newer"), autocommit=True) as link:
        link.execute("UPDATE updown_ledger.about SET version = 2")
    with pytest.raises(LedgerForeign, match="schema 2 of the ledger, this code has schema 1"):
        stage.ledger()
