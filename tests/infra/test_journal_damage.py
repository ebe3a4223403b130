"""Nothing that happens to a journal's bytes goes unnoticed, and a killed writer loses nothing it had acknowledged."""

import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.journal.blocks import HEADER_BYTES, MAGIC, SEAL, Block, walk
from infra.journal.errors import Gap, JournalDamaged, JournalError, JournalForeign
from infra.journal.reader import entries, read_events, verify
from infra.journal.recovery import recover
from infra.journal.segments import Tail, survey
from infra.journal.writer import Journal
from state.events import EVENT


def rows(count: int, start: int = 0) -> np.ndarray:
    made = np.zeros(count, EVENT)
    made["seen_ns"] = np.arange(start, start + count)
    made["amount_micros"] = np.random.default_rng(start).integers(0, 1 << 40, count)
    return made


def write(folder: Path, blocks: int = 12, *, segment_bytes: int = 1 << 20, sealed: bool = True) -> list[bytes]:
    """Write some blocks of rows and frames; give what each flushed block held. Unsealed is as after a kill."""
    told: list[bytes] = []
    made = folder if sealed else folder.with_name(folder.name + "-live")
    with Journal(made, created_ns=1, code="test", segment_bytes=segment_bytes) as journal:
        for block in range(blocks):
            part = rows(20, 20 * block)
            journal.append_events(part)
            journal.append_frame(2, 1, block, b"frame %d" % block)
            journal.flush(sync=True)
            told.append(part.tobytes())
        if not sealed:
            shutil.copytree(made, folder)
    return told


def ends(path: Path) -> list[int]:
    return [found.end for found in walk(path.read_bytes()) if isinstance(found, Block)]


def read_all(folder: Path, **more: object) -> bytes:
    return b"".join(chunk.tobytes() for chunk in read_events(folder, **more))  # type: ignore[arg-type]


def test_four_thousand_random_bit_flips_are_all_detected(tmp_path: Path) -> None:
    write(tmp_path / "whole")
    path = tmp_path / "whole" / "000001.journal"
    whole = path.read_bytes()
    chance = random.Random(7)
    for _ in range(4_000):
        place, bit = chance.randrange(len(whole)), chance.randrange(8)
        flipped = bytearray(whole)
        flipped[place] ^= 1 << bit
        found = list(walk(bytes(flipped)))
        bad = [piece for piece in found if not isinstance(piece, Block)]
        assert len(bad) == 1 and bad[0].start <= place < bad[0].end, (place, bit)
        assert sum(isinstance(piece, Block) for piece in found) == len(ends(path)) - 1


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_is_one_clear_line_and_costs_at_most_its_own_block(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole, told = _kept(tmp_path_factory, "flip", sealed=True)
    folder = tmp_path_factory.mktemp("flipped")
    path = Path(shutil.copytree(whole, folder / "j")) / "000001.journal"
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with pytest.raises(JournalError) as refused:
        read_all(folder / "j", sealed=True)
    assert "\n" not in str(refused.value)
    if not isinstance(refused.value, JournalForeign) and place > ends(whole / "000001.journal")[0]:
        gaps: list[Gap] = []
        left = read_all(folder / "j", gaps=gaps, torn_ok=True)
        missing = [part for part in told if part not in left]
        assert len(missing) <= 1
        assert not verify(folder / "j").sound
        if missing:
            (gap,) = gaps
            assert (gap.items_count, gap.rows_count) == (21, 20)
            assert gap.offset_count <= place < gap.offset_count + gap.bytes_count
    assert path.read_bytes() == content  # reading never mends


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_torn_end_is_recovered_to_the_exact_block_boundary(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole, told = _kept(tmp_path_factory, "torn", sealed=False)
    boundaries = ends(whole / "000001.journal")
    folder = tmp_path_factory.mktemp("cut") / "j"
    path = Path(shutil.copytree(whole, folder)) / "000001.journal"
    content = path.read_bytes()
    size = data.draw(st.one_of(st.integers(0, len(content)), st.sampled_from(boundaries)))
    garbage = data.draw(st.binary(max_size=80))
    path.write_bytes(content[:size] + garbage)
    torn = content[:size] + garbage
    if size < len(MAGIC) and not MAGIC.startswith(torn[: len(MAGIC)]):
        with pytest.raises(JournalForeign, match="not a journal segment"):
            recover(folder)
        return
    kept = max([0, *[end for end in boundaries if end <= size]])
    if kept == 0 and size + len(garbage) >= boundaries[0]:
        with pytest.raises(JournalDamaged):
            recover(folder)
        return
    found = recover(folder)
    assert found.cut_count == len(torn) - kept
    blocks = max(0, sum(end <= kept for end in boundaries) - 1)
    assert found.marks[:2] == (21 * blocks, 20 * blocks)
    if kept:
        assert path.read_bytes() == content[:kept]
        assert found.cut_count == 0 or (found.kept is not None and found.kept.read_bytes() == torn[kept:])
    with Journal(folder, created_ns=2, code="test") as journal:
        assert journal.append_events(rows(3, 900)) == 20 * blocks
    assert read_all(folder, sealed=True) == b"".join(told[:blocks]) + rows(3, 900).tobytes()
    assert verify(folder).sound


def _kept(factory: pytest.TempPathFactory, name: str, *, sealed: bool) -> tuple[Path, list[bytes]]:
    folder = factory.getbasetemp() / f"kept-{name}"
    if not folder.exists():
        write(folder, sealed=sealed)
    return folder, [rows(20, 20 * block).tobytes() for block in range(12)]


def test_damage_in_the_middle_of_an_open_segment_is_never_cut_away(tmp_path: Path) -> None:
    told = write(tmp_path / "j", sealed=False)
    path = tmp_path / "j" / "000001.journal"
    content = bytearray(path.read_bytes())
    boundaries = ends(path)
    content[boundaries[4] + 90] ^= 1
    path.write_bytes(content)
    with Journal(tmp_path / "j", created_ns=2, code="test") as journal:
        assert journal.recovery.cut_count == 0 and journal.next_row == 240
    gaps: list[Gap] = []
    left = read_all(tmp_path / "j", gaps=gaps)
    assert left == b"".join(told[:4] + told[5:])
    assert [(gap.first_seq, gap.items_count, gap.rows_count) for gap in gaps] == [(84, 21, 20)]


def test_a_truncated_recording_is_refused_even_at_a_block_boundary(tmp_path: Path) -> None:
    write(tmp_path / "j")
    path = tmp_path / "j" / "000001.journal"
    path.write_bytes(path.read_bytes()[: ends(path)[5]])
    with pytest.raises(
        JournalDamaged, match=r"has no seal: cut short after 105 items, or never closed; import it again"
    ):
        read_all(tmp_path / "j", sealed=True)
    assert len(read_all(tmp_path / "j")) == 5 * 20 * 64


def test_a_truncated_journal_says_what_is_left_and_how_to_mend_it(tmp_path: Path) -> None:
    write(tmp_path / "j")
    path = tmp_path / "j" / "000001.journal"
    path.write_bytes(path.read_bytes()[: ends(path)[5] + 33])
    with pytest.raises(JournalDamaged, match=r"ends in 33 bytes that are no block .* after 105 whole items; open it"):
        read_all(tmp_path / "j")
    assert len(read_all(tmp_path / "j", torn_ok=True)) == 5 * 20 * 64


def test_a_missing_segment_is_a_gap_that_says_what_was_lost(tmp_path: Path) -> None:
    write(tmp_path / "j", blocks=30, segment_bytes=2_500)
    paths = sorted((tmp_path / "j").glob("*.journal"))
    assert len(paths) >= 4
    lost = sum(found.head.items_count for found in walk(paths[1].read_bytes()) if isinstance(found, Block))
    paths[1].unlink()
    with pytest.raises(JournalDamaged, match="blocks are missing"):
        read_all(tmp_path / "j")
    report = verify(tmp_path / "j")
    assert [gap.items_count for gap in report.gaps] == [lost] and not report.sound
    assert report.faults


def test_a_missing_first_segment_is_a_gap(tmp_path: Path) -> None:
    write(tmp_path / "j", blocks=30, segment_bytes=2_500)
    (tmp_path / "j" / "000001.journal").unlink()
    with pytest.raises(JournalDamaged, match=r"segments before 000002\.journal are missing"):
        read_all(tmp_path / "j")


def test_bytes_after_a_seal_and_a_lost_seal_are_reported(tmp_path: Path) -> None:
    write(tmp_path / "j", blocks=30, segment_bytes=2_500)
    first = tmp_path / "j" / "000001.journal"
    content = first.read_bytes()
    first.write_bytes(content + b"more")
    with pytest.raises(JournalDamaged, match="bytes after the seal"):
        read_all(tmp_path / "j")
    seal = next(found for found in walk(content) if isinstance(found, Block) and found.head.flags_mask & SEAL)
    first.write_bytes(content[: seal.start])
    with pytest.raises(JournalDamaged, match="the seal is missing"):
        read_all(tmp_path / "j")


def test_a_replaced_segment_breaks_the_chain(tmp_path: Path) -> None:
    write(tmp_path / "j", blocks=30, segment_bytes=2_500)
    with Journal(tmp_path / "k", created_ns=99, code="other", segment_bytes=2_500) as journal:
        for block in range(30):
            journal.append_events(rows(20, 20 * block))
            journal.append_frame(2, 1, block, b"frame %d" % block)
            journal.flush()
    shutil.copy(tmp_path / "k" / "000001.journal", tmp_path / "j" / "000001.journal")
    report = verify(tmp_path / "j")
    assert any("does not follow" in fault for fault in report.faults) and not report.sound


def test_another_format_another_layout_and_another_file_are_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path / "j")
    path = tmp_path / "j" / "000001.journal"
    content = path.read_bytes()
    other = content.replace(b'"Event": "', b'"Event": "0')
    assert other != content
    _with_checksum(path, content, other, 1)
    with pytest.raises(
        JournalForeign, match=r"events of layout 0\w+ version 2, this code reads \w+ version 2; read it"
    ):
        read_all(tmp_path / "j")
    _with_checksum(path, content, content[:4] + b"\x63\x00" + content[6:], 0)
    with pytest.raises(JournalForeign, match="format 99, this code reads format 1"):
        read_all(tmp_path / "j")
    path.write_bytes(b"PAR1" + bytes(200))
    with pytest.raises(JournalForeign, match="not a journal segment"):
        read_all(tmp_path / "j")
    with pytest.raises(JournalForeign, match="not a journal segment"):
        Journal(tmp_path / "j", created_ns=1, code="test")
    assert path.read_bytes() == b"PAR1" + bytes(200)
    path.write_bytes(b"")
    with pytest.raises(JournalDamaged, match="the file is empty"):
        read_all(tmp_path / "j")


def _with_checksum(path: Path, was: bytes, content: bytes, longer: int) -> None:
    """Write a segment whose first block was changed but is whole again."""
    first = next(found for found in walk(was) if isinstance(found, Block))
    body = bytearray(content[: first.end + longer])
    at = struct.calcsize("<4sHHIII")
    for place in (at, at + 4):
        (size,) = struct.unpack_from("<I", body, place)
        struct.pack_into("<I", body, place, size + longer)
    crc = zlib.crc32(body[HEADER_BYTES:], zlib.crc32(body[: HEADER_BYTES - 4]))
    struct.pack_into("<I", body, HEADER_BYTES - 4, crc)
    path.write_bytes(bytes(body) + content[first.end + longer :])


WRITER = """
import sys
import zlib
from pathlib import Path
import numpy as np
from infra.journal.writer import Journal
from state.events import EVENT
journal = Journal(Path(sys.argv[1]), created_ns=1, code="victim", segment_bytes=400_000, sync_s=0.02)
count = journal.next_row
made = np.zeros(1, EVENT)
while True:
    for _ in range(500):
        made["seen_ns"] = count
        journal.append_event(made.tobytes())
        journal.append_frame(2, 1, count, b"frame %d" % count)
        count += 1
    journal.flush(sync=True)
    print(count, flush=True)
"""


def test_kill_dash_nine_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    chance = random.Random(3)
    root = Path(__file__).resolve().parents[2]
    for _ in range(3):
        victim = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)],
            stdout=subprocess.PIPE,
            cwd=root,
            env=os.environ | {"PYTHONPATH": str(root)},
        )
        assert victim.stdout is not None
        acknowledged = 0
        for _ in range(chance.randrange(3, 25)):
            acknowledged = int(victim.stdout.readline())
        victim.send_signal(signal.SIGKILL)
        rest = victim.stdout.read().split()
        victim.wait()
        victim.stdout.close()
        acknowledged = int(rest[-1]) if rest else acknowledged
        with Journal(folder, created_ns=2, code="victim", segment_bytes=400_000) as journal:
            assert journal.next_row >= acknowledged
            seen = [int(value) for chunk in read_events(folder) for value in chunk["seen_ns"]]
            assert seen == list(range(journal.next_row))
        frames = [entry.data for entry in entries(folder) if entry.data.startswith(b"frame")]
        assert frames == [b"frame %d" % index for index in range(len(frames))] and len(frames) >= acknowledged
    report = verify(folder)
    assert report.sound and report.segments_count > 1
    assert isinstance(list(survey(folder))[-1], Tail)
