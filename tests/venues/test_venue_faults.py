"""The 36 known failures of the venue: each is played, and its ledger held against the venue's own."""

import asyncio
from pathlib import Path

import pytest

from infra.proofs.venue_faults import ROWS
from infra.proofs.venue_faults_table import Row, told

pytestmark = pytest.mark.rehearsal


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.number}-{row.name.replace(' ', '-')}")
def test_the_failure_is_met_as_it_must_be(row: Row, tmp_path: Path) -> None:
    seen = asyncio.run(told(row, tmp_path))
    assert seen.holds, f"{seen.desk}; {seen.ledger}"


@pytest.mark.parametrize("number", [3, 33])
def test_a_row_is_the_same_when_it_is_played_again(number: int, tmp_path: Path) -> None:
    row = next(each for each in ROWS if each.number == number)
    first, again = (asyncio.run(told(row, tmp_path / name)) for name in ("first", "again"))
    assert first == again
