"""The journal gives back what was put in, in order, across segments and across openings."""

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.journal.blocks import EntryKind, layout_hash
from infra.journal.errors import JournalBusy, JournalFailed, JournalForeign, JournalMissing
from infra.journal.reader import entries, read_events, read_mandates, read_notes, read_params, read_title_of, verify
from infra.journal.writer import Journal
from state.events import EVENT
from state.records import F64, I64, Record, layout


class Slip(Record):
    """A small record to stand for a mandate."""

    made_ns: I64
    p_up: F64


def rows(count: int, seed: int = 0) -> np.ndarray:
    made = np.random.default_rng(seed).integers(0, 256, (count, 64), np.uint8)
    return made.reshape(-1).view(EVENT)


def same(left: np.ndarray, right: np.ndarray) -> bool:
    """Compare bytes: rows of chance hold NaN."""
    return left.tobytes() == right.tobytes()


def opened(folder: Path, **more: object) -> Journal:
    return Journal(folder, created_ns=1, code="test", layouts={"Mandate": layout(Slip)}, **more)  # type: ignore[arg-type]


def all_rows(folder: Path, **more: object) -> np.ndarray:
    chunks = list(read_events(folder, **more))  # type: ignore[arg-type]
    return np.concatenate(chunks) if chunks else np.zeros(0, EVENT)


def test_rows_come_back_bit_for_bit_however_they_were_appended(tmp_path: Path) -> None:
    given_rows = rows(5_000)
    with opened(tmp_path) as journal:
        for index in range(100):
            assert journal.append_event(given_rows[index : index + 1].tobytes()) == index
        assert journal.append_events(given_rows[100:4_000]) == 100
        assert journal.append_events(given_rows[4_000:]) == 4_000
    assert same(all_rows(tmp_path, sealed=True), given_rows)
    assert verify(tmp_path).sound


def test_rows_that_were_read_may_be_written_to_and_lie_aligned(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.append_frame(9, 1, 5, b"odd")
        journal.append_events(rows(3))
    (chunk,) = read_events(tmp_path)
    assert chunk.flags.writeable and chunk.flags.aligned and chunk.flags.c_contiguous


def test_an_array_may_be_reused_right_after_it_was_appended(tmp_path: Path) -> None:
    given_rows = rows(10)
    kept = given_rows.copy()
    with opened(tmp_path) as journal:
        journal.append_events(given_rows)
        given_rows[:] = 0
    assert same(all_rows(tmp_path), kept)


Spell = list[tuple[str, Any]]
words = st.lists(
    st.one_of(
        st.tuples(st.just("frame"), st.binary(max_size=40)),
        st.tuples(st.just("note"), st.text(max_size=8)),
        st.tuples(st.just("events"), st.integers(1, 4)),
        st.tuples(st.just("event"), st.just(1)),
        st.tuples(st.just("mandate"), st.floats(0, 1)),
        st.tuples(st.just("params"), st.binary(max_size=8)),
        st.tuples(st.just("flush"), st.booleans()),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(words, words)
def test_any_mixture_comes_back_in_order_also_after_opening_again(
    tmp_path_factory: pytest.TempPathFactory, first: Spell, second: Spell
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    expected: list[tuple[EntryKind, bytes]] = []
    seq = row = 0
    for spell in (first, second):
        with opened(folder) as journal:
            assert (journal.next_seq, journal.next_row) == (seq, row)
            for index, (what, value) in enumerate(spell):
                more, packed = 1, b""
                if what == "frame":
                    packed = value
                    assert journal.append_frame(3, 7, index, value) == seq
                elif what == "note":
                    packed = json.dumps({"said": value}, sort_keys=True).encode()
                    assert journal.append_note({"said": value}, index) == seq
                elif what in ("event", "events"):
                    made = rows(value, index)
                    packed, more = made.tobytes(), value
                    answered = journal.append_event(packed) if what == "event" else journal.append_events(made)
                    assert answered == row
                    row += value
                elif what == "mandate":
                    slip = np.array([(index, value)], layout(Slip))
                    packed = slip.tobytes()
                    number = sum(kind == EntryKind.MANDATE for kind, _ in expected)
                    assert journal.append_mandate(packed, index) == number
                elif what == "params":
                    packed = value
                    number = sum(kind == EntryKind.PARAMS for kind, _ in expected)
                    assert journal.append_params(value, index) == number
                else:
                    journal.flush(sync=value)
                    continue
                seq += more
                kind = EntryKind.EVENTS if what in ("event", "events") else EntryKind[what.upper()]
                expected.append((kind, packed))
    assert _joined(expected) == _joined([(entry.kind, entry.data) for entry in entries(folder)])
    frames = [entry for entry in entries(folder) if entry.kind == EntryKind.FRAME]
    assert all((frame.source, frame.connection) == (3, 7) for frame in frames)
    assert same(all_rows(folder), np.frombuffer(_of(expected, EntryKind.EVENTS), EVENT))
    assert read_mandates(folder, layout(Slip)).tobytes() == _of(expected, EntryKind.MANDATE)
    assert read_params(folder) == [data for kind, data in expected if kind == EntryKind.PARAMS]
    assert [json.dumps(note, sort_keys=True).encode() for note in read_notes(folder)] == [
        data for kind, data in expected if kind == EntryKind.NOTE
    ]
    report = verify(folder)
    assert report.sound and report.sealed and report.items_count == seq and report.rows_count == row


def _joined(told: list[tuple[EntryKind, bytes]]) -> list[tuple[EntryKind, bytes]]:
    """Join neighbouring event entries: how rows were grouped is not kept, their order is."""
    joined: list[tuple[EntryKind, bytes]] = []
    for kind, data in told:
        if joined and kind == EntryKind.EVENTS == joined[-1][0]:
            joined[-1] = (kind, joined[-1][1] + data)
        else:
            joined.append((kind, data))
    return joined


def _of(told: list[tuple[EntryKind, bytes]], wanted: EntryKind) -> bytes:
    return b"".join(data for kind, data in told if kind == wanted)


@given(st.integers(0, 3_000))
@settings(max_examples=30, deadline=None)
def test_reading_resumes_at_any_row_and_at_any_item(tmp_path_factory: pytest.TempPathFactory, start: int) -> None:
    folder = tmp_path_factory.getbasetemp() / "resume"
    given_rows = rows(2_500)
    if not folder.exists():
        with opened(folder, segment_bytes=40_000) as journal:
            for index in range(0, 2_500, 50):
                journal.append_events(given_rows[index : index + 50])
                journal.append_frame(1, 2, index, str(index).encode())
                if index % 200 == 0:
                    journal.flush()
    assert same(all_rows(folder, from_row=start), given_rows[start:])
    whole = list(entries(folder))
    rest = list(entries(folder, from_seq=start))
    assert (len(whole) == 100 and rest == [e for e in whole if e.seq >= start]) or rest[0].seq == start
    later = [entry for entry in whole if entry.seq >= start]
    assert rest[len(rest) - len(later) :] == later


def test_segments_are_sealed_by_size_and_chained(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=200_000) as journal:
        for seed in range(6):
            journal.append_events(rows(2_000, seed))
            journal.flush()
    report = verify(tmp_path)
    assert report.sound and report.sealed_count == report.segments_count >= 3
    assert same(all_rows(tmp_path, sealed=True), np.concatenate([rows(2_000, seed) for seed in range(6)]))


def test_what_was_flushed_can_be_read_while_the_writer_goes_on(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.append_events(rows(10))
        journal.flush()
        assert same(all_rows(tmp_path), rows(10))
        journal.append_events(rows(10, 1))
        journal.flush(sync=True)
        assert len(all_rows(tmp_path)) == 20


def test_items_reach_the_disk_without_being_asked_within_a_moment(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.append_events(rows(3))
        for _ in range(200):
            if len(all_rows(tmp_path, torn_ok=True)) == 3:
                break
            time.sleep(0.01)
        assert len(all_rows(tmp_path)) == 3


def test_only_one_writes_a_folder_and_the_other_is_told_who_does(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(JournalBusy, match=rf"process {os.getpid()} is writing this journal; stop it"):
        opened(tmp_path)
    opened(tmp_path).close()


def test_a_closed_journal_refuses_and_closing_twice_does_nothing(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.close()
    journal.close()
    with pytest.raises(JournalFailed, match="closed; open it again"):
        journal.append_frame(1, 1, 1, b"late")
    with pytest.raises(JournalFailed, match="closed"):
        journal.flush()


def test_an_error_of_the_writing_thread_is_raised_by_the_next_calls(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.append_events(rows(3))
    journal.flush(sync=True)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, journal._file)
    os.close(full)
    journal.append_events(rows(2, 1))
    with pytest.raises(JournalFailed, match=r"No space left on device.*items from 3 on are not written"):
        journal.flush(sync=True)
    with pytest.raises(JournalFailed, match="No space left"):
        journal.append_frame(1, 1, 1, b"more")
    with pytest.raises(JournalFailed, match="No space left"):
        journal.close()
    with opened(tmp_path) as again:
        assert again.next_row == 3
    assert same(all_rows(tmp_path), rows(3))


def test_a_title_says_what_the_journal_is(tmp_path: Path) -> None:
    opened(tmp_path).close()
    title = read_title_of(tmp_path)
    assert (title.code, title.created_ns, title.segment_id) == ("test", 1, 1)
    assert title.layouts == {"Event": layout_hash(EVENT), "Mandate": layout_hash(layout(Slip))}


def test_mandates_of_another_layout_are_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.append_mandate(np.zeros(1, layout(Slip)).tobytes(), 1)
    other = np.dtype([("made_ns", "<i8"), ("p_down", "<f8")])
    with pytest.raises(JournalForeign, match="mandates of layout"):
        read_mandates(tmp_path, other)


def test_a_layout_hash_changes_with_names_types_and_places() -> None:
    base = np.dtype([("a", "<i8"), ("b", "<f8")])
    others = [
        np.dtype([("a", "<i8"), ("c", "<f8")]),
        np.dtype([("a", "<i8"), ("b", "<i8")]),
        np.dtype([("b", "<f8"), ("a", "<i8")]),
        np.dtype([("a", "<i8"), ("b", "<f8", (2,))]),
        np.dtype([("a", "<i8"), ("b", [("x", "<f8")])]),
    ]
    assert len({layout_hash(dtype) for dtype in [base, *others]}) == 6


def test_a_folder_without_a_journal_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(JournalMissing, match="no such folder"):
        list(read_events(tmp_path / "nowhere"))
    with pytest.raises(JournalMissing, match="no journal in it"):
        list(read_events(tmp_path))


def test_a_journal_of_other_layouts_is_not_continued(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal._closed = True  # as after a kill: unsealed
    journal._let_go()
    with pytest.raises(JournalForeign, match="other layouts"):
        Journal(tmp_path, created_ns=1, code="test")
