"""The proof that live refuses: its cases cover what was asked, it can fail, and some of it is lived through here."""

from dataclasses import replace
from pathlib import Path

import pytest

from infra.proofs.live_refusals import CASES, Case, Told, judged, tell_all
from infra.venue_next_door.faults import AT_THE_DOOR

ASKED = (
    "no key", "wrong wallet type", "skewed clock", "second engine", "unknown market version", "unknown fee",
    "missing approval", "limit below the venue's minimum", "armed limit missing",
)  # fmt: skip


def test_every_reason_that_was_asked_for_and_every_fault_at_the_door_has_a_case() -> None:
    assert set(ASKED) <= {case.name for case in CASES}
    assert {fault for case in CASES for fault, _ in case.faults} >= AT_THE_DOOR


GOOD = Told(CASES[0], "live refuses to start: no key to sign with", 2, 0, 1)


@pytest.mark.parametrize(
    "bad",
    [
        replace(GOOD, line="it began"), replace(GOOD, code=0), replace(GOOD, code=1), replace(GOOD, orders=1),
        replace(GOOD, lines=2),
    ],
)  # fmt: skip
def test_the_proof_fails_with_any_case_that_does_not_hold(bad: Told) -> None:
    assert judged([GOOD]).holds
    assert not judged([GOOD, bad]).holds


@pytest.mark.rehearsal
def test_some_refusals_are_lived_through(tmp_path: Path) -> None:
    wanted = ("no key", "missing approval", "second engine", "armed limit missing")
    cases: list[Case] = [case for case in CASES if case.name in wanted]
    told = tell_all(tmp_path, lambda _done, _of: None, cases)
    assert len(told) == len(wanted) + 1, "and the engine beside them, which nobody armed"
    assert judged(told).holds, [each.row() for each in told]
