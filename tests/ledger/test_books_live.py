"""Whole sessions with their books: opened, gone on with, and halted when the venue says otherwise."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from infra.journal.reader import read_notes
from infra.ledger.ledger_book import DEPOSITED, FILE, entries_of
from infra.ledger.ledger_file import digest_of, read_balances
from infra.ledger.sqlite_ledger import write_ledger
from infra.shell.face import Face
from infra.shell.live import live
from infra.shell.next_door import Place, place_of
from infra.shell.plan import Plan
from infra.terminal.glance import Mode
from infra.venue_next_door.faults import Fault, Switch
from infra.venue_next_door.markets import generated_market
from infra.venue_next_door.server import VenueServer
from infra.venues.credentials import throwaway_key
from infra.venues.rest import NoAnswer
from state.params import default_params
from state.units import MICROS, NS_PER_S

pytestmark = pytest.mark.rehearsal

SPEED = 20.0
THERE_MICROS = 100_000 * MICROS
"""What the venue gives a newcomer."""


async def session(place: Place, folder: Path, seconds: float, cash_usd: int = 100_000) -> dict[str, Any]:
    """Live one demo session; gives its summary."""
    face = Face(Mode(name="demo", speed_ratio=SPEED, began_cash_micros=cash_usd * MICROS, journal=str(folder)))
    plan = Plan(
        mode="demo", addresses=place.addresses, clock=place.clock, folder=folder, params=default_params(),
        cash_micros=cash_usd * MICROS, code="tests", key=place.key, wallet=place.wallet, seconds=seconds,
    )  # fmt: skip
    await live(plan, face)
    return face.summary()


def held(folder: Path) -> list[tuple[str, bool]]:
    """Whom the books were held against, and whether that halted."""
    notes = read_notes(folder, torn_ok=True)
    return [(note["books held against"], note["halts"]) for note in notes if "books held against" in note]


def test_books_begin_with_what_the_venue_shows_go_on_and_halt_on_money_that_is_gone(tmp_path: Path) -> None:
    """Three sessions in one folder at one venue; before the third, somebody takes five dollars out of the account."""
    folder = tmp_path / "journal"

    async def story() -> list[dict[str, Any]]:
        market = generated_market("demo", windows=6, seed=4, speed_ratio=SPEED, now_ns=0)
        async with VenueServer.open(market, speed_ratio=SPEED, seed=4, cash_micros=THERE_MICROS, script=[]) as server:
            place = place_of(server.file(), throwaway_key(), "made up")
            summaries = [await session(place, folder, 6.0, 90_000), await session(place, folder, 8.0, 90_000)]
            account = next(iter(server.engine.accounts.values()))
            server.engine.ledger.charge(account.api_key, 5 * MICROS)
            summaries.append(await session(place, folder, 8.0, 90_000))
            return summaries

    first, second, third = asyncio.run(story())
    notes = read_notes(folder, torn_ok=True)
    assert [note[DEPOSITED] for note in notes if DEPOSITED in note] == [10_000 * MICROS]
    assert read_balances(folder / FILE).deposits_micros == THERE_MICROS
    assert held(folder)[:4] == [("the venue", False), ("the core", False), ("the venue", False), ("the venue", False)]
    assert held(folder)[4:6] == [("the core", False), ("the venue", True)]
    assert "halted" not in first and "halted" not in second
    assert third["halted"].startswith("the books do not agree: collateral: the books have $")
    again = tmp_path / "again.sqlite"
    write_ledger(again, entries_of(folder))
    assert digest_of(again) == digest_of(folder / FILE), "one journal, one set of books, over three sessions"


def test_a_session_that_is_not_told_what_the_account_holds_asks_on_and_then_ends_in_one_line(tmp_path: Path) -> None:
    """Else its books would begin with the wrong money, and the next start would halt on the difference."""
    folder = tmp_path / "journal"

    async def story() -> tuple[str, dict[str, Any]]:
        market = generated_market("demo", windows=6, seed=4, speed_ratio=SPEED, now_ns=0)
        async with VenueServer.open(market, speed_ratio=SPEED, seed=4, cash_micros=THERE_MICROS, script=[]) as server:
            place = place_of(server.file(), throwaway_key(), "made up")
            server.engine.faults.add(Switch(Fault.SERVER_ERROR, "/balance-allowance"))
            with pytest.raises(NoAnswer, match="does not say what the account holds; start again") as caught:
                await session(place, folder, 6.0, 90_000)
            server.engine.faults.clear()
            now_ns = place.clock.now_ns()
            server.engine.faults.add(Switch(Fault.SERVER_ERROR, "/balance-allowance", now_ns, now_ns + 10 * NS_PER_S))
            return str(caught.value), await session(place, folder, 6.0, 90_000)

    words, second = asyncio.run(story())
    assert "\n" not in words and "halted" not in second
    notes = list(read_notes(folder, torn_ok=True))
    assert [note[DEPOSITED] for note in notes if DEPOSITED in note] == [10_000 * MICROS]
    assert [halts for _, halts in held(folder)] == [False] * len(held(folder))
