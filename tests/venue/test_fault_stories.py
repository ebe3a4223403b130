"""Bad days at the venue next door: every fault there is, and what the desk does about it, told by the desk itself."""

from pathlib import Path

import pytest
import uvloop

from infra.proofs.faults import STORIES, Days, Told, judged, live_bad_days
from infra.venue_next_door.faults import AT_THE_DOOR, OF_ONE_ROW, Fault

pytestmark = pytest.mark.rehearsal


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Days:
    """Live through the bad day once; every test tells one story of it."""
    scratch: Path = tmp_path_factory.mktemp("bad-day")
    return uvloop.run(live_bad_days(scratch, lambda _: None))


def test_no_fault_is_without_a_story() -> None:
    """Others are told by `updown prove live-refusals` and `updown prove venue-faults`."""
    assert {story.fault for story in STORIES} == set(Fault) - AT_THE_DOOR - OF_ONE_ROW


@pytest.mark.parametrize("fault", [story.fault for story in STORIES], ids=[story.fault.value for story in STORIES])
def test_the_desk_meets_the_fault(days: Days, fault: Fault) -> None:
    told = days.of(fault)
    assert told, "its story was told"
    assert all(each.holds for each in told), [each.desk for each in told]


def test_after_all_of_it_the_desk_and_the_venue_count_the_same_cash(days: Days) -> None:
    assert days.desk_cash_micros == days.venue_cash_micros


def test_the_proof_tells_every_story_and_fails_with_any_of_them(days: Days) -> None:
    proof = judged(days)
    assert [row["fault"] for row in proof.tables["faults"]] == [each.fault.value for each in days.told]
    broken = Told(Fault.SILENT, "", "silence", "nothing", holds=False)
    assert not judged(Days((*days.told, broken), 0, 0)).holds
    assert not judged(Days(days.told[1:], 0, 0)).holds, "a fault has no story"
    assert not judged(Days(days.told, 0, 1)).holds, "a cent too few"
