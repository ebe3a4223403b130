"""The table of the venue's failures: whole, and unforgiving by a micro."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from infra.ledger.balances import Balances
from infra.ledger.ledger_file import read_balances
from infra.proofs import venue_faults_table
from infra.proofs.fault_days import Seen
from infra.proofs.venue_faults import NUMBERS, ROWS, judged
from infra.proofs.venue_faults_desks import HandDesk
from infra.proofs.venue_faults_stage import Stage
from infra.proofs.venue_faults_table import Compared, Row, Told, by_hand, demand, told
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.nouns import Account


def row_told(number: int, *, holds: bool = True, equal: bool = True) -> Told:
    return Told(number, f"failure {number}", "happened", "was met", "equal: dollars 1.000000", equal, holds)


def test_every_failure_of_section_8_has_one_row_and_a_name_of_its_own() -> None:
    assert tuple(row.number for row in ROWS) == NUMBERS == tuple(range(1, 37))
    assert len({row.name for row in ROWS}) == 36


def test_the_proof_holds_only_when_every_row_does() -> None:
    whole = [row_told(number) for number in NUMBERS]
    assert judged(whole).holds
    for spoiled in (
        [*whole[:6], row_told(7, holds=False), *whole[7:]],
        [*whole[:6], row_told(7, holds=False, equal=False), *whole[7:]],
        [*whole[:6], *whole[7:]],
        [*whole, row_told(7)],
    ):
        assert not judged(spoiled).holds
    assert judged([*whole[:6], *whole[7:]]).figures[-1].measured == "7"


def test_a_figure_that_is_a_micro_off_is_told_with_both_sides() -> None:
    same = Compared((("dollars", 5_000_000, 5_000_000), ("fees", 70, 70)), 1)
    off = Compared((("dollars", 5_000_000, 5_000_001), ("fees", 70, 70)), 1)
    assert same.equal and same.words == "equal: dollars 5.000000, fees 0.000070"
    assert not off.equal
    assert off.words == "DIFFER: dollars: the desk 5.000000, the venue 5.000001 (+1 micros)"


async def nothing(stage: Stage, desk: HandDesk) -> Seen:
    """A story in which nothing goes wrong."""
    return Seen("nothing", "nothing")


def played(folder: Path) -> Told:
    return asyncio.run(told(Row(0, "nothing", by_hand(nothing)), folder))


@pytest.mark.rehearsal
def test_a_row_without_a_fault_holds(tmp_path: Path) -> None:
    seen = played(tmp_path)
    assert seen.holds and seen.ledger.startswith("equal: dollars 99,9")


Spoil = Callable[[Engine, Account], None]


def dollars(engine: Engine, account: Account) -> None:
    engine.ledger.charge(account.api_key, 1)


def shares(engine: Engine, account: Account) -> None:
    window = next(iter(engine.windows.values()))
    engine.ledger.split(account.api_key, window.condition_id, 1)
    engine.ledger.deposit(account.api_key, 1)


@pytest.mark.rehearsal
@pytest.mark.parametrize(("spoil", "which"), [(dollars, "dollars: the desk"), (shares, "UP: the desk")])
def test_a_row_fails_when_the_venues_ledger_has_a_micro_more_or_less(
    spoil: Spoil, which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = venue_faults_table.compare

    def spoiled(ours: Balances, engine: Engine, account: Account) -> Compared:
        spoil(engine, account)
        return compare(ours, engine, account)

    monkeypatch.setattr(venue_faults_table, "compare", spoiled)
    seen = played(tmp_path)
    assert not seen.holds and not seen.equal
    assert seen.ledger.startswith("DIFFER") and which in seen.ledger


@pytest.mark.rehearsal
def test_a_row_fails_when_the_desks_file_has_a_micro_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def more(path: Path) -> Balances:
        found = read_balances(path)
        return replace(found, cash_micros=found.cash_micros + 1)

    monkeypatch.setattr(venue_faults_table, "read_balances", more)
    seen = played(tmp_path)
    assert not seen.holds and "(-1 micros)" in seen.ledger


def test_a_row_fails_when_what_it_demands_is_not_seen(tmp_path: Path) -> None:
    async def unseen(_: Path) -> tuple[Seen, Compared]:
        demand(False, "the fault was met")
        return Seen("", ""), Compared((), 1)

    seen = asyncio.run(told(Row(0, "unseen", unseen), tmp_path))
    assert not seen.holds and seen.desk == "NOT SEEN: the fault was met"


def test_a_row_in_which_nothing_was_traded_proves_nothing(tmp_path: Path) -> None:
    async def idle(_: Path) -> tuple[Seen, Compared]:
        return Seen("nothing", "nothing"), Compared((("dollars", 1, 1),), 0)

    seen = asyncio.run(told(Row(0, "idle", idle), tmp_path))
    assert not seen.holds and "nothing was traded" in seen.ledger
