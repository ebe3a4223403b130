"""A journal that is read while it is written: every item once, whatever was cut where, and a hole is a hole."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.journal.blocks import EntryKind
from infra.journal.errors import JournalDamaged
from infra.journal.reader import Entry, Reading, entries
from infra.journal.writer import Journal
from state.events import EVENT


def opened(folder: Path) -> Journal:
    return Journal(folder, created_ns=1, code="test", segment_bytes=4_096)


def rows(count: int, seed: int) -> np.ndarray:
    made = np.random.default_rng(seed).integers(0, 256, (count, 64), np.uint8)
    return made.reshape(-1).view(EVENT)


def joined(found: list[Entry]) -> list[tuple[int, bytes]]:
    """Entries with neighbouring rows as one, for a look may come between two of them."""
    told: list[tuple[int, bytes]] = []
    for entry in found:
        if told and told[-1][0] == entry.kind == EntryKind.EVENTS:
            told[-1] = (told[-1][0], told[-1][1] + entry.data)
        else:
            told.append((int(entry.kind), entry.data))
    return told


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.booleans(), st.booleans(), st.booleans()), max_size=12))
def test_looks_between_writes_give_every_item_once_over_segments_and_openings(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool, bool, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("journal") / "j"
    journal = opened(folder)
    reading, found = Reading(folder), list[Entry]()
    for seed, (count, notes, again, looks) in enumerate(steps):
        if count:
            journal.append_events(rows(count, seed))
        if notes:
            journal.append_note({"step": seed}, seed)
        journal.flush(sync=False)
        if again:
            journal.close()
            journal = opened(folder)
        if looks:
            found += reading.entries()
    journal.close()
    found += reading.entries()
    assert joined(found) == joined(list(entries(folder)))
    assert list(reading.entries()) == []


def test_a_block_that_is_half_there_is_left_for_the_next_look(tmp_path: Path) -> None:
    with Journal(tmp_path / "whole", created_ns=1, code="test") as journal:
        for seed in range(3):
            journal.append_events(rows(10, seed))
            journal.flush(sync=False)
    whole = (tmp_path / "whole" / "000001.journal").read_bytes()
    growing = tmp_path / "growing"
    growing.mkdir()
    reading, found = Reading(growing), list[Entry]()
    for end in range(0, len(whole) + 1, 37):
        (growing / "000001.journal").write_bytes(whole[:end])
        found += reading.entries()
    (growing / "000001.journal").write_bytes(whole)
    found += reading.entries()
    assert joined(found) == joined(list(entries(tmp_path / "whole")))


def test_what_is_written_behind_bytes_that_are_no_block_is_a_hole(tmp_path: Path) -> None:
    with Journal(tmp_path, created_ns=1, code="test") as journal:
        for seed in range(3):
            journal.append_events(rows(10, seed))
            journal.flush(sync=False)
    path = tmp_path / "000001.journal"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(JournalDamaged, match=r"000001\.journal at byte \d+: a block's checksum is wrong"):
        list(Reading(tmp_path).entries())
