"""A session keeps its books as it goes: the same as its journal gives, as the core has, and after any restart."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ledger_rows import failed, fee, filled
from numpy.typing import NDArray
from sessions import CASH_MICROS, feed, market, open_shell, stretch
from typer.testing import CliRunner

from evals.generator import SPECS
from infra.cli.app import app
from infra.journal.reader import read_notes
from infra.ledger.entries import day_of
from infra.ledger.ledger import LedgerDiffers
from infra.ledger.ledger_book import FILE, LedgerBook, entries_of
from infra.ledger.ledger_file import digest_of, read_balances, read_fills
from infra.ledger.session_books import hold_against_core, session_books
from infra.ledger.sqlite_ledger import write_ledger
from infra.ledger.statement import statements_of
from infra.shell.restart import resume, start_from
from infra.shell.session import play_session
from infra.shell.shell import Shell
from state.events import EVENT, Token
from state.orders import Liquidity
from state.params import default_params
from state.units import NS_PER_S

Rows = NDArray[Any]

pytestmark = pytest.mark.rehearsal

BEGINS_S, MATCHED_S, ENDS_S = -700.0, 150.0, 360.0
"""The listing and the prices before the open, the window, and its settlement."""


def matches(at_s: float) -> Rows:
    """Matches with fees, one of which fails, as a venue tells them: of orders that nobody here knows."""
    told = [
        filled(0, 40, 4_500, at_s=at_s), fee(0, 0.6930, at_s=at_s), filled(0, 12.5, 5_600, Token.DOWN, at_s=at_s),
        filled(0, 7, 4_700, liquidity=Liquidity.MAKER, at_s=at_s), failed(0, 12.5, 5_600, Token.DOWN, at_s=at_s),
    ]  # fmt: skip
    return np.array([tuple(each) for each in told], EVENT)


async def lived_through(shell: Shell, rows: Rows) -> None:
    """Let a session take a stretch of the market, with matches of our own in the middle of the window."""
    seen_s = rows["seen_ns"] / NS_PER_S - SPECS["demo"].first_open_s
    await feed(shell, rows[seen_s < MATCHED_S])
    if (seen_s < MATCHED_S).any() and (seen_s >= MATCHED_S).any():
        shell.tell(matches(MATCHED_S))
    await feed(shell, rows[seen_s >= MATCHED_S])


async def kept(shell: Shell, work: Coroutine[Any, Any, None]) -> LedgerBook:
    """Let a session keep its books while it works."""
    shell.session.journal.flush()
    async with session_books(shell.session, shell.session.journal.folder) as book:
        await work
        shell.close()
    shell.session.close()
    return book


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LedgerBook, Any]:
    """A paper session over a whole window: its folder, its books, and the core's memory at the end."""
    folder = tmp_path_factory.mktemp("books") / "journal"
    rows = stretch(market(), BEGINS_S, ENDS_S)

    async def run() -> tuple[LedgerBook, Any]:
        shell = open_shell(folder, int(rows["seen_ns"][0]))
        book = await kept(shell, lived_through(shell, rows))
        assert shell.core is not None
        return book, shell.core.worlds

    book, worlds = asyncio.run(run())
    return folder, book, worlds


def test_the_books_kept_while_trading_are_those_that_the_journal_gives(lived: tuple[Path, LedgerBook, Any]) -> None:
    folder, book, _ = lived
    assert len(book.fills()) > 0, "a session without a fill proves little"
    again = folder.parent / "again.sqlite"
    write_ledger(again, entries_of(folder))
    assert digest_of(again) == digest_of(folder / FILE)
    assert read_balances(folder / FILE) == book.balances() and read_fills(folder / FILE) == book.fills()


def test_the_core_remembers_what_the_books_have(lived: tuple[Path, LedgerBook, Any]) -> None:
    folder, book, worlds = lived
    assert hold_against_core(book, worlds) == ()
    found, money = book.balances(), worlds["money"][0]
    assert found.collateral_micros + found.pending_redemption_micros == int(money["cash_micros"])
    assert found.fees_micros == int(money["fees_micros"])
    assert book.day_pnl_micros(day_of(int(worlds["now_ns"][0]))) == int(money["day_realized_micros"])
    replayed = LedgerBook()
    replayed.catch_up(folder)
    assert hold_against_core(replayed, play_session(folder).core.worlds) == ()


def test_each_day_of_the_statement_adds_up(lived: tuple[Path, LedgerBook, Any]) -> None:
    folder, book, _ = lived
    days = statements_of(entries_of(folder))
    assert all(day.adds_up for day in days)
    assert sum(day.fills for day in days) == len(book.fills())
    assert days[-1].closing == book.balances()
    assert days[0].opening_micros == 0 and sum(day.deposits_micros for day in days) == CASH_MICROS


@pytest.mark.parametrize("cut_s", [100.0, 250.0])
def test_a_session_that_goes_on_completes_books_that_lag_behind(cut_s: float, tmp_path: Path) -> None:
    """Killed half-way: the journal has more than the books, for a round of the books was not committed any more."""
    folder, rows = tmp_path / "journal", stretch(market(), BEGINS_S, ENDS_S)
    first, second = stretch(rows, BEGINS_S, cut_s), stretch(rows, cut_s, ENDS_S)

    async def begin() -> None:
        shell = open_shell(folder, int(first["seen_ns"][0]))
        await kept(shell, lived_through(shell, first))

    async def go_on() -> tuple[LedgerBook, Any]:
        start = start_from(folder, default_params(), CASH_MICROS)
        assert start.played is not None
        shell = open_shell(folder, start.played.last_seen_ns, start.core)

        async def work() -> None:
            resume(shell, shell.session, start.played, shell.clock.now_ns())  # type: ignore[arg-type]
            await lived_through(shell, second)

        book = await kept(shell, work())
        return book, start.core.worlds

    asyncio.run(begin())
    whole = list(entries_of(folder))
    write_ledger(folder / FILE, whole[: len(whole) // 2])
    book, worlds = asyncio.run(go_on())
    assert digest_of(folder / FILE) == _digest_of_journal(folder)
    assert hold_against_core(book, worlds) == ()


def _digest_of_journal(folder: Path) -> str:
    path = folder.parent / "made.sqlite"
    write_ledger(path, entries_of(folder))
    return digest_of(path)


def _copy(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to / "journal")
    return to / "journal"


def test_books_that_know_more_than_the_journal_are_refused(lived: tuple[Path, LedgerBook, Any], tmp_path: Path) -> None:
    folder = _copy(lived[0], tmp_path)
    with sqlite3.connect(folder / FILE) as books:
        books.execute("INSERT INTO entries VALUES (9999, 'row 999999', 'fill', 1, 0, '', 0, 'odd')")

    async def open_again() -> None:
        shell = open_shell(folder, int(lived[2]["now_ns"][0]))
        try:
            async with session_books(shell.session, folder):
                raise AssertionError("the books were taken")
        finally:
            shell.session.close()

    with pytest.raises(LedgerDiffers, match=r"1 entries are not in the journal.*--rebuild"):
        asyncio.run(open_again())


def _run(*words: str) -> tuple[int, Any]:
    done = CliRunner().invoke(app, [*words, "--json"])
    return done.exit_code, json.loads(done.stdout)


def test_the_command_says_what_there_is_and_makes_the_books_anew(
    lived: tuple[Path, LedgerBook, Any], tmp_path: Path
) -> None:
    folder = _copy(lived[0], tmp_path)
    code, told = _run("ledger", str(folder), "--replay")
    assert code == 0 and told["core"]["same"] and told["file"]["same"] and told["file"]["missing"] == 0
    assert told["balances"]["cash_micros"] == lived[1].balances().cash_micros
    assert sum(told["fills_by_state"].values()) == len(lived[1].fills())
    (folder / FILE).unlink()
    assert _run("ledger", str(folder))[1]["file"]["there"] is False
    code, told = _run("ledger", str(folder), "--rebuild")
    assert code == 0 and told["rebuilt"]["digest"] == digest_of(lived[0] / FILE)
    assert _run("ledger", str(folder), "--rebuild")[1]["rebuilt"]["same_as_before"] is True


def test_the_command_shows_where_books_and_journal_part(lived: tuple[Path, LedgerBook, Any], tmp_path: Path) -> None:
    folder = _copy(lived[0], tmp_path)
    with sqlite3.connect(folder / FILE) as books:
        books.execute("DROP TRIGGER entries_hold")
        books.execute("UPDATE entries SET day = day + 1 WHERE kind = 'fill'")
    code, told = _run("ledger", str(folder))
    assert code == 1 and told["holds"] is False
    assert all(line.endswith("other figures than the journal") for line in told["file"]["differences"])


def test_the_statement_is_that_of_a_replay(lived: tuple[Path, LedgerBook, Any]) -> None:
    code, told = _run("statement", str(lived[0]))
    assert code == 0 and told["core"]["same"]
    day = told["days"][-1]
    assert day["adds_up"] and day["closing_micros"] == lived[1].balances().equity_micros
    assert sum(line["fills"] for line in day["windows"]) == day["fills"]
    only, picked = _run("statement", str(lived[0]), "--day", day["date"], "--quick")
    assert only == 0 and [each["date"] for each in picked["days"]] == [day["date"]]
    assert _run("statement", str(lived[0]), "--day", "2020-01-01", "--quick")[0] == 2
    assert _run("statement", str(lived[0]), "--day", "yesterday")[0] == 2
    assert read_notes(lived[0])[0]["cash_micros"] == CASH_MICROS
