"""Read a journal back: event rows as arrays, entries in order, mandates, parameters, notes; and check it whole."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from infra.journal.blocks import (
    MIXED,
    ROW_BYTES,
    SEAL,
    Block,
    EntryKind,
    layout_hash,
    payload_of,
    rows_of,
    table_of,
    walk,
)
from infra.journal.blocks import unpack as unpack_bytes
from infra.journal.errors import Gap, JournalDamaged, JournalForeign
from infra.journal.segments import NO_HASH, Piece, Tail, Title, open_bytes, read_title, segments, survey
from state.events import EVENT

_KINDS: Final = {int(kind): kind for kind in EntryKind}


class Entry(NamedTuple):
    """One entry as it was appended; neighbouring event rows come back as one."""

    seq: int
    """Sequence number of its first item; each event row is an item."""
    row: int
    """How many event rows stand before it in the whole journal."""
    kind: EntryKind
    source: int
    connection: int
    seen_ns: int
    data: bytes

    @property
    def rows(self) -> NDArray[Any]:
        """Give the event rows of an EVENTS entry, as memory that may be written to."""
        assert self.kind == EntryKind.EVENTS
        return np.frombuffer(bytearray(self.data), EVENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a check of a whole journal found; `sound` only when nothing is missing, damaged, torn or unchained."""

    segments_count: int
    sealed_count: int
    items_count: int
    rows_count: int
    bytes_count: int
    gaps: tuple[Gap, ...]
    torn_count: int
    sealed: bool
    faults: tuple[str, ...]
    """Seals that do not fit their segment or their forerunner."""

    @property
    def sound(self) -> bool:
        """Say whether every byte is as it was written; an unsealed end is allowed."""
        return not self.gaps and not self.faults and self.torn_count == 0


def read_title_of(folder: Path) -> Title:
    """Give what a journal says of itself in its first segment."""
    _, path = segments(folder)[0]
    return read_title(path, open_bytes(path))


def read_events(
    folder: Path, from_row: int = 0, *, sealed: bool = False, torn_ok: bool = False, gaps: list[Gap] | None = None
) -> Iterator[NDArray[Any]]:
    """Give a journal's event rows in order, an array a block, from a row on: the fast way in.

    Args:
        folder: The journal.
        from_row: Ordinal of the first row wanted.
        sealed: Refuse a journal that was not closed; for recordings, which always are.
        torn_ok: Accept a write cut short at the end, as after kill -9.
        gaps: When given, holes are noted here and reading goes on; otherwise a hole raises.

    Raises:
        JournalDamaged: a hole, a torn end or a missing seal that was not allowed; all rows before it have been given.
    """
    for piece in _pieces(folder, sealed, torn_ok, gaps):
        head = piece.block.head
        if head.rows_count and head.first_row + head.rows_count > from_row:
            rows = rows_of(_unpack(folder, piece), head)
            yield rows[max(0, from_row - head.first_row) :]


def entries(
    folder: Path, from_seq: int = 0, *, sealed: bool = False, torn_ok: bool = False, gaps: list[Gap] | None = None
) -> Iterator[Entry]:
    """Give everything that was appended, in order, from an item on; arguments and errors as in `read_events`."""
    for piece in _pieces(folder, sealed, torn_ok, gaps):
        head = piece.block.head
        if head.first_seq + head.items_count <= from_seq:
            continue
        for entry in _entries_of(folder, piece):
            last = entry.seq + (len(entry.data) // ROW_BYTES if entry.kind == EntryKind.EVENTS else 1)
            if entry.seq >= from_seq:
                yield entry
            elif last > from_seq:
                skip = from_seq - entry.seq
                yield entry._replace(seq=from_seq, row=entry.row + skip, data=entry.data[skip * ROW_BYTES :])


@dataclass(slots=True)
class Reading:
    """A journal that is read while it is written: each look goes on after the last whole block of the one before.

    What was read is not looked at again, so a look costs what is new, whatever the journal's age. A block that is still
    being written is left for the next look.
    """

    folder: Path
    _segment: int = 1
    _at: int = 0
    _seq: int = 0

    def entries(self) -> Iterator[Entry]:
        """Give what was appended since the last look; a look must be read to its end.

        Raises:
            JournalMissing: there is no journal.
            JournalDamaged: a hole: something was written behind bytes that are no block, or items are missing.
        """
        last = segments(self.folder)[-1][0]
        for number, path in segments(self.folder):
            if number < self._segment:
                continue
            data = open_bytes(path)
            for found in walk(data, self._at if number == self._segment else 0):
                if not isinstance(found, Block):
                    if number == last and found.end == len(data):
                        return  # being written, or cut short for good
                    raise JournalDamaged(f"{self.folder}: {path.name} at byte {found.start}: {found.why}")
                if found.head.items_count:
                    if found.head.first_seq != self._seq:
                        raise JournalDamaged(
                            f"{self.folder}: {path.name} goes on at item {found.head.first_seq}, not {self._seq}"
                        )
                    yield from _entries_of(self.folder, Piece(number, data, found))
                    self._seq += found.head.items_count
                self._segment, self._at = number, found.end


def read_mandates(folder: Path, layout: np.dtype[Any], *, torn_ok: bool = False) -> NDArray[Any]:
    """Give all mandates as one array, so that MANDATE_GIVEN's `ref_id` is an index into it.

    Raises:
        JournalForeign: they were written in another layout.
    """
    theirs = read_title_of(folder).layouts.get("Mandate")
    packed = [entry.data for entry in _of_kind(folder, EntryKind.MANDATE, torn_ok)]
    if packed and theirs != layout_hash(layout):
        raise JournalForeign(f"{folder}: mandates of layout {theirs}, this code reads {layout_hash(layout)}")
    return np.frombuffer(bytearray(b"".join(packed)), layout)


def read_params(folder: Path, *, torn_ok: bool = False) -> list[bytes]:
    """Give all sets of parameters as they were appended, so that PARAMS_CHANGED's `ref_id` is an index into it."""
    return [entry.data for entry in _of_kind(folder, EntryKind.PARAMS, torn_ok)]


def read_notes(folder: Path, *, torn_ok: bool = False) -> list[dict[str, Any]]:
    """Give all notes, each as the JSON object it was."""
    return [json.loads(entry.data) for entry in _of_kind(folder, EntryKind.NOTE, torn_ok)]


def verify(folder: Path) -> Verification:
    """Check every checksum, every count and the chain of seals, and report it as a value; raises for no damage within.

    Raises:
        JournalMissing, JournalForeign: there is nothing to check.
        JournalDamaged: the very first block is unreadable.
    """
    items = rows = 0
    gaps: list[Gap] = []
    tail: Tail | None = None
    for found in survey(folder):
        if isinstance(found, Gap):
            gaps.append(found)
        elif isinstance(found, Tail):
            tail = found
        else:
            items += found.block.head.items_count
            rows += found.block.head.rows_count
            try:
                unpack_bytes(found.data, found.block)
            except ValueError as error:
                where = found.block.start
                gaps.append(Gap(found.segment_id, where, 0, found.block.head.first_seq, 0, 0, str(error)))
    assert tail is not None
    faults, sealed_count, size = _chain(folder)
    return Verification(
        segments_count=len(segments(folder)),
        sealed_count=sealed_count,
        items_count=items,
        rows_count=rows,
        bytes_count=size,
        gaps=tuple(gaps),
        torn_count=tail.torn_count,
        sealed=tail.sealed,
        faults=faults,
    )


def _chain(folder: Path) -> tuple[tuple[str, ...], int, int]:
    """Hold every seal against its segment's bytes and every title against the seal before it."""
    faults: list[str] = []
    previous, sealed_count, size = NO_HASH, 0, 0
    for _, path in segments(folder):
        data = open_bytes(path)
        size += len(data)
        try:
            if read_title(path, data).previous_hash != previous:
                faults.append(f"{path.name}: does not follow the segment before it")
        except (JournalDamaged, JournalForeign) as error:
            faults.append(str(error))
        seal = next((b for b in walk(data) if isinstance(b, Block) and b.head.flags_mask & SEAL), None)
        if seal is None:
            previous = ""
            continue
        sealed_count += 1
        told = json.loads(payload_of(data, seal))
        previous = told["sha256"]
        if previous != chain_hash(told["previous"], data[: seal.start]):
            faults.append(f"{path.name}: its bytes are not those that were sealed")
    return tuple(faults), sealed_count, size


def chain_hash(previous: str, content: bytes) -> str:
    """Give a segment's hash: over its forerunner's hash and its own bytes before the seal."""
    return hashlib.sha256(previous.encode() + content).hexdigest()


def _pieces(folder: Path, sealed: bool, torn_ok: bool, gaps: list[Gap] | None) -> Iterator[Piece]:
    for found in survey(folder):
        if isinstance(found, Piece):
            yield found
        elif isinstance(found, Gap):
            if gaps is None:
                raise JournalDamaged(f"{folder}: {found}; take the segment from a backup, or read it allowing gaps")
            gaps.append(found)
        elif found.torn_count and not torn_ok:
            raise JournalDamaged(
                f"{folder}: segment {found.segment_id:06d} ends in {found.torn_count} bytes that are no block "
                f"({found.why}), after {found.next_seq} whole items; open it for writing once to recover it"
            )
        elif sealed and not found.sealed:
            raise JournalDamaged(
                f"{folder}: segment {found.segment_id:06d} has no seal: cut short after {found.next_seq} items, or "
                f"never closed; import it again, or open it for writing once to recover it"
            )


def _unpack(folder: Path, piece: Piece) -> NDArray[np.uint8]:
    try:
        return unpack_bytes(piece.data, piece.block)
    except ValueError as error:
        where = f"segment {piece.segment_id:06d} at byte {piece.block.start}"
        raise JournalDamaged(f"{folder}: {where}: {error} though its checksum holds; report this") from error


def _entries_of(folder: Path, piece: Piece) -> Iterator[Entry]:
    head = piece.block.head
    raw = _unpack(folder, piece)
    table = table_of(raw, head)
    content = raw.tobytes()
    rows_at = 0
    heap_at = head.rows_count * ROW_BYTES + table.nbytes
    seq, row = head.first_seq, head.first_row
    for seen_ns, length, items, connection, kind, source, _ in table.tolist():
        if kind == EntryKind.EVENTS:
            data = content[rows_at : rows_at + length]
            yield Entry(seq, row, _KINDS[kind], source, connection, seen_ns, data)
            rows_at += length
            row += items
        else:
            data = content[heap_at : heap_at + length]
            yield Entry(seq, row, _KINDS[kind], source, connection, seen_ns, data)
            heap_at += length
        seq += items


def _of_kind(folder: Path, kind: EntryKind, torn_ok: bool) -> Iterator[Entry]:
    for piece in _pieces(folder, False, torn_ok, None):
        if piece.block.head.flags_mask & MIXED:
            yield from (entry for entry in _entries_of(folder, piece) if entry.kind == kind)
