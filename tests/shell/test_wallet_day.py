"""The day's loss is the wallet's: a session in a new folder begins with what others of its key have lost today."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from ledger_rows import DAY, DAY_S, OPEN_S, failed, fee, filled, opened, place, settled, told

from infra.ledger.ledger_book import FILE
from infra.ledger.rows import Row
from infra.ledger.sqlite_ledger import write_ledger
from infra.shell.arming import Arming
from infra.shell.face import Face
from infra.shell.live import live
from infra.shell.plan import Plan
from infra.shell.session import play_session
from infra.shell.wallet_day import DayUnknown, WalletBooks
from infra.terminal.glance import Mode
from infra.venue_next_door.markets import generated_market
from infra.venue_next_door.server import VenueServer
from infra.venues.credentials import KEY_VARIABLE, throwaway_key
from infra.venues.gate import Gate
from infra.venues.secrets import identity_from
from state.events import Token
from state.params import default_params
from state.units import MICROS, NS_PER_S

ADDRESS = "0x" + "Ab" * 20
NOW_NS = (OPEN_S + 900) * NS_PER_S
LOST = [filled(7, 100, 4_500), fee(7, 1.5), settled(Token.DOWN)]


def books_of(leases: Path, folder: Path) -> WalletBooks:
    return WalletBooks.of(leases, ADDRESS, folder)


def session(home: Path, name: str, rows: list[Row]) -> Path:
    """A session that has been: its books in its folder, on the wallet's list."""
    folder = home / name
    booker = opened()
    entries = place(booker, 7, 100, 4_500) + told(booker, rows)
    write_ledger(folder_made(folder) / FILE, entries)
    books_of(leases_of(home), folder).enrol()
    return folder


def folder_made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def leases_of(home: Path) -> Path:
    return folder_made(home / "leases")


def test_a_new_folder_begins_with_what_the_wallet_lost_today_and_the_old_one_does_not_count_its_own(
    tmp_path: Path,
) -> None:
    old = session(tmp_path, "old", LOST)
    found = books_of(leases_of(tmp_path), tmp_path / "new").elsewhere(NOW_NS)
    assert (found.day, found.micros, found.folders) == (DAY, -46_500_000, (old,))
    assert found.words == "other sessions of this wallet came to -$46.50 today"
    assert books_of(leases_of(tmp_path), old).elsewhere(NOW_NS).micros == 0
    other = WalletBooks.of(leases_of(tmp_path), "0x" + "cd" * 20, tmp_path / "new")
    assert other.elsewhere(NOW_NS).micros == 0, "another key, another wallet"


def test_many_sessions_add_up_and_a_gain_makes_good_for_a_loss(tmp_path: Path) -> None:
    session(tmp_path, "first", LOST)
    session(tmp_path, "second", [filled(7, 100, 4_500), settled(Token.UP)])
    session(tmp_path, "third", [filled(7, 100, 4_500), failed(7, 100, 4_500)])
    found = books_of(leases_of(tmp_path), tmp_path / "new").elsewhere(NOW_NS)
    assert (found.micros, len(found.folders)) == (-46_500_000 + 55 * MICROS, 2)


def test_a_window_whose_end_nobody_saw_counts_as_lost_and_the_line_says_how_to_settle_it(tmp_path: Path) -> None:
    held = session(tmp_path, "held", [filled(7, 100, 4_500), fee(7, 1.5)])
    found = books_of(leases_of(tmp_path), tmp_path / "new").elsewhere(NOW_NS)
    assert (found.realised_micros, found.undecided_micros, found.micros) == (0, 46_500_000, -46_500_000)
    assert "$46.50 of it in windows whose end their books do not know" in found.words and str(held) in found.words


def test_complete_sets_cannot_be_lost(tmp_path: Path) -> None:
    session(tmp_path, "sets", [filled(7, 100, 4_500), filled(8, 100, 5_600, Token.DOWN)])
    assert books_of(leases_of(tmp_path), tmp_path / "new").elsewhere(NOW_NS).undecided_micros == 1 * MICROS


def test_tomorrow_begins_at_zero_and_books_with_nothing_to_say_are_forgotten(tmp_path: Path) -> None:
    old = session(tmp_path, "old", LOST)
    books = books_of(leases_of(tmp_path), folder_made(tmp_path / "new"))
    books.enrol()
    books.enrol()
    assert books.elsewhere(NOW_NS + DAY_S * NS_PER_S).micros == 0
    (old / FILE).unlink()
    assert books.elsewhere(NOW_NS + DAY_S * NS_PER_S).micros == 0, "their loss was yesterday's: nobody misses them"


def test_what_cannot_be_known_refuses_in_one_line_that_says_how_to_mend_it(tmp_path: Path) -> None:
    old = session(tmp_path, "old", LOST)
    (old / FILE).unlink()
    books = books_of(leases_of(tmp_path), tmp_path / "new")
    with pytest.raises(DayUnknown, match=r"not known: .*old/ledger.sqlite: no such ledger.*take its line out of "):
        books.elsewhere(NOW_NS)
    (leases_of(tmp_path) / f"{ADDRESS.lower()}.books").write_text("half a li")
    with pytest.raises(DayUnknown, match="no list of books"):
        books.elsewhere(NOW_NS)


@pytest.mark.rehearsal
def test_a_live_session_in_a_new_folder_knows_its_wallets_day_in_core_gate_and_journal(tmp_path: Path) -> None:
    """The real thing next door: an older session of the same key has lost $46.50 on this (made-up) day."""
    identity = identity_from({KEY_VARIABLE: throwaway_key().reveal()})
    folder, leases = tmp_path / "new", leases_of(tmp_path)
    seen: dict[str, Any] = {}

    async def run() -> None:
        market = generated_market("demo", windows=4, seed=4, speed_ratio=20.0, now_ns=0)
        async with VenueServer.open(market, speed_ratio=20.0, seed=4, cash_micros=10_000 * MICROS) as server:
            day = server.clock.now_ns() // (DAY_S * NS_PER_S)
            shift = (day - DAY) * DAY_S * NS_PER_S
            rows = [each._replace(at_ns=each.at_ns + shift, seen_ns=each.seen_ns + shift) for each in LOST]
            booker = opened()
            entries = place(booker, 7, 100, 4_500) + told(booker, rows)
            write_ledger(folder_made(tmp_path / "old") / FILE, entries)
            WalletBooks.of(leases, identity.address, tmp_path / "old").enrol()
            plan = Plan(
                mode="live", addresses=server.addresses, clock=server.clock, folder=folder, params=default_params(),
                cash_micros=10_000 * MICROS, code="tests", seconds=3.0, identity=identity, wallet=identity.wallet,
                arming=Arming(folder, identity.address, "the venue next door", 4_950_000, 10_000 * MICROS),
                wallet_books=WalletBooks.of(leases, identity.address, folder),
            )  # fmt: skip
            said: list[str] = []
            face = Face(Mode(name="live", began_cash_micros=10_000 * MICROS, journal=str(folder)), say=said.append)
            await live(plan, face)
            shell: Any = face.shell
            gate: Gate = shell.door.gate
            seen["core"] = int(shell.core.world["money"]["day_carried_micros"])
            seen["gate"] = gate.books.carried_micros[day]
            seen["said"] = [line for line in said if "other sessions of this wallet" in line]

    asyncio.run(run())
    assert seen["core"] == seen["gate"] == -46_500_000 and seen["said"]
    played = play_session(folder)
    assert played.difference == ""
    assert int(played.core.world["money"]["day_carried_micros"]) == -46_500_000
