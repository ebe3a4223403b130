"""The tee: a growing journal onto the bus and back, whatever is killed in between."""

from pathlib import Path

import numpy as np
import pytest
from bus_stage import ALL, drained, extend, items, items_of, messages_of, read, rows_of_windows, written

from infra.bus.in_process import InProcess
from infra.bus.messages import Message, Place, Topic
from infra.bus.ordered import BusReading, Ordered
from infra.bus.port import BusRefused, State
from infra.bus.restoring import BusIncomplete, journals_held, restore
from infra.bus.tee import Tee
from infra.journal.blocks import EntryKind
from infra.journal.naming import journal_end, journal_id
from infra.journal.reader import Entry, entries, read_title_of, verify
from infra.journal.writer import Journal


def no_wait(state: State) -> None:
    raise AssertionError(f"there should be room: {state}")


def test_a_growing_journal_arrives_as_it_grows_and_in_order(tmp_path: Path) -> None:
    bus = InProcess()
    reader = bus.subscribe("archive", ALL)
    with Journal(tmp_path / "journal", created_ns=1, code="test") as journal:
        extend(journal, 60)
        journal.flush()
        tee = Tee(tmp_path / "journal", bus, {}, "test")
        assert tee.refresh(no_wait) == journal.next_seq
        assert tee.refresh(no_wait) == 0
        extend(journal, 60)
        journal.flush()
        assert tee.refresh(no_wait) > 0
        told = tee.told()
        assert (told.arrived_seq, told.lag_items_count, told.lag_s) == (journal.next_seq - 1, 0, 0.0)
    assert read(reader, tee.messages_count) == messages_of(tmp_path / "journal")


def test_it_goes_on_from_what_each_partition_holds_and_sends_nothing_twice(tmp_path: Path) -> None:
    """Killed in the middle, with some partitions further than others: what is there is the beginning of each."""
    folder = written(tmp_path / "journal", 200)
    bus = InProcess()
    reader = bus.subscribe("archive", ALL)
    Tee(folder, bus, {}, "test").refresh(no_wait)
    whole = drained(reader)
    rng = np.random.default_rng(3)
    places = sorted({each.place for each in whole})
    for _ in range(20):
        there = {place: [each for each in whole if each.place == place] for place in places}
        there = {place: each[: int(rng.integers(0, len(each) + 1))] for place, each in there.items()}
        held = {place: each[-1] for place, each in there.items() if each}
        again = InProcess()
        rest_reader = again.subscribe("archive", ALL)
        tee = Tee(folder, again, held, "test")
        tee.refresh(no_wait)
        rest = drained(rest_reader)
        assert tee.held_count == sum(map(len, there.values()))
        for place in places:
            assert there[place] + [each for each in rest if each.place == place] == [
                each for each in whole if each.place == place
            ]


def test_another_journal_of_the_same_name_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "journal", 50)
    messages = messages_of(folder)
    other = messages[3]._replace(payload=messages[3].payload[:-1] + b"\xff")
    tee = Tee(folder, InProcess(), {other.place: other}, "test")
    with pytest.raises(BusRefused, match="has another message of journal test at item"):
        tee.refresh(no_wait)


def test_the_journal_is_the_buffer_while_there_is_no_room(tmp_path: Path) -> None:
    folder = written(tmp_path / "journal", 300)
    bus = InProcess(room=20)
    reader = bus.subscribe("archive", ALL)
    came: list[Message] = []
    lags: list[int] = []
    tee = Tee(folder, bus, {}, "test")

    def wait(state: State) -> None:
        lags.append(tee.told().lag_items_count)
        came.extend(drained(reader))

    tee.refresh(wait)
    came += drained(reader)
    assert came == messages_of(folder)
    assert lags == sorted(lags, reverse=True) and lags[0] > 0
    assert tee.told().lag_items_count == 0


def test_a_journal_comes_back_item_by_item_whatever_order_partitions_are_read_in(tmp_path: Path) -> None:
    folder = written(tmp_path / "journal", 300)
    bus = InProcess()
    reader = bus.subscribe("archive", ALL)
    Tee(folder, bus, {}, "test").refresh(no_wait)
    came = drained(reader)
    by_place: dict[Place, list[Message]] = {}
    for each in came:
        by_place.setdefault(each.place, []).append(each)
    rng = np.random.default_rng(5)
    for attempt in range(5):
        queues = {place: list(each) for place, each in by_place.items()}
        mixed: list[Message] = []
        while queues:
            place = sorted(queues)[int(rng.integers(len(queues)))]
            mixed.append(queues[place].pop(0))
            if not queues[place]:
                del queues[place]
        told = restore([*mixed[:30], *mixed], "test", tmp_path / f"again{attempt}")  # the first thirty came twice
        assert (told.items_count, told.doubled_count) == (journal_end(folder).next_seq, 30)
        assert items(tmp_path / f"again{attempt}") == items(folder)
        assert read_title_of(tmp_path / f"again{attempt}") == read_title_of(folder)
        assert verify(tmp_path / f"again{attempt}").sound


def test_a_journal_is_read_from_the_bus_as_it_grows_and_again_from_where_a_reader_stood(tmp_path: Path) -> None:
    bus = InProcess()
    reader = BusReading(bus.subscribe("archive", ALL), "test", Ordered())
    folder = tmp_path / "journal"
    tee = Tee(folder, bus, {}, "test")
    came: list[Entry] = []
    with Journal(folder, created_ns=1, code="test") as journal:
        for _ in range(4):
            extend(journal, 40)
            journal.flush()
            tee.refresh(no_wait)
            while found := list(reader.entries(7, 0.0)):
                came += [each for each in found if isinstance(each, Entry)]
            assert reader.commit()
    assert items_of(came) == items(folder)
    rows = [each.row for each in came if each.kind is EntryKind.EVENTS]
    assert rows == np.cumsum([0, *(len(each.rows) for each in came if each.kind is EntryKind.EVENTS)])[:-1].tolist()
    stood = came[len(came) // 2]
    again = InProcess()
    later = BusReading(again.subscribe("archive", ALL), "test", Ordered(stood.seq, stood.row))
    Tee(folder, again, {}, "test").refresh(no_wait)
    rest = [each for _ in range(100) for each in later.entries(50, 0.0) if isinstance(each, Entry)]
    assert items_of(rest) == [each for each in items(folder) if each[0] >= stood.seq]


def test_a_hole_on_the_bus_is_never_made_into_a_journal(tmp_path: Path) -> None:
    folder = written(tmp_path / "journal", 100)
    bus = InProcess()
    reader = bus.subscribe("archive", ALL)
    Tee(folder, bus, {}, "test").refresh(no_wait)
    came = drained(reader)
    lost = next(each for each in came if each.place.topic is Topic.EVENTS and each.before >= 0)
    with pytest.raises(BusIncomplete, match=r"messages of events/\d are missing after item"):
        restore([each for each in came if each is not lost], "test", tmp_path / "again")
    tail = [each for each in came if each.place != lost.place]
    with pytest.raises(BusIncomplete, match=r"journal test: items \d+ to \d+ are missing on the bus"):
        restore(tail, "test", tmp_path / "tail")
    with pytest.raises(BusRefused, match="no title of journal other"):
        restore(came, "other", tmp_path / "other")
    assert journals_held(came) == ["test"]


def test_a_journal_is_named_by_its_title_and_its_first_entry(tmp_path: Path) -> None:
    names = set()
    for created_ns, first in ((1, 0), (2, 0), (1, 5)):
        folder = tmp_path / f"{created_ns}-{first}"
        with Journal(folder, created_ns=created_ns, code="test") as journal:
            journal.append_events(rows_of_windows(3, first=first))
        names.add(journal_id(folder))
        assert journal_id(folder) == journal_id(folder)
    assert len(names) == 3


def test_the_end_of_a_journal_is_read_from_its_last_segment(tmp_path: Path) -> None:
    with Journal(tmp_path, created_ns=1, code="test", segment_bytes=1) as journal:
        for _ in range(3):
            extend(journal, 20)
            journal.flush()
        assert journal_end(tmp_path).next_seq == journal.next_seq
    last: Entry = list(entries(tmp_path))[-1]
    assert journal_end(tmp_path).seen_ns == last.seen_ns
