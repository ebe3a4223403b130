"""The files of a journal: their order, their titles and seals, and a walk over all of them that hides nothing."""

import json
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from infra.journal.blocks import (
    FORMAT_VERSION,
    HEADER_BYTES,
    MAGIC,
    SEAL,
    TITLE,
    Block,
    Buffer,
    Damage,
    Head,
    layout_hash,
    payload_of,
    version_of,
    walk,
)
from infra.journal.errors import Gap, JournalDamaged, JournalForeign, JournalMissing
from state.events import EVENT, EVENT_VERSION

SUFFIX: Final = ".journal"
NO_HASH: Final = "0" * 64
"""What the first segment names as its forerunner's hash."""


class Piece(NamedTuple):
    """A good block with items, and the segment it lies in."""

    segment_id: int
    data: Buffer
    block: Block


class Tail(NamedTuple):
    """Where a journal ends."""

    segment_id: int
    sealed: bool
    end_count: int
    """Byte of the last segment after its last good block."""
    torn_count: int
    """Bytes after that which are no block: a write that was cut short."""
    next_seq: int
    next_row: int
    why: str


class Title(NamedTuple):
    """What a segment says of itself in its first block."""

    format_version: int
    event_version: int
    layouts: dict[str, str]
    """Layout hash of each record type by name."""
    code: str
    """Version of the code that wrote it."""
    created_ns: int
    segment_id: int
    previous_hash: str


def segments(folder: Path) -> list[tuple[int, Path]]:
    """Give a journal's segment files with their numbers, in order.

    Raises:
        JournalMissing: there is no such folder, or no segment in it.
    """
    if not folder.is_dir():
        raise JournalMissing(f"{folder}: no such folder; name the folder that holds 000001{SUFFIX}")
    found = sorted((int(path.stem), path) for path in folder.glob(f"*{SUFFIX}") if path.stem.isdigit())
    if not found:
        raise JournalMissing(f"{folder}: no journal in it; name the folder that holds 000001{SUFFIX}")
    return found


def is_journal(folder: Path) -> bool:
    """Say whether a folder holds segment files."""
    return folder.is_dir() and any(path.stem.isdigit() for path in folder.glob(f"*{SUFFIX}"))


def open_bytes(path: Path) -> Buffer:
    """Give a segment's bytes as they are now, mapped into memory."""
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def read_title(path: Path, data: Buffer) -> Title:
    """Read a segment's first block and hold it against what this code can read.

    Raises:
        JournalForeign: no journal, another format, or event rows of another layout.
        JournalDamaged: a journal whose title cannot be read.
    """
    if len(data) and data[: len(MAGIC)] != MAGIC[: len(data)]:
        raise JournalForeign(f"{path}: not a journal segment (it does not begin with {MAGIC.decode()})")
    first = next(walk(data), Damage(0, 0, "the file is empty"))
    if not isinstance(first, Block) or not first.head.flags_mask & TITLE:
        why = first.why if isinstance(first, Damage) else "its title is missing"
        raise JournalDamaged(f"{path}: {why} in its first block; take the file from a backup")
    version = version_of(data, first.start)
    if version != FORMAT_VERSION:
        raise JournalForeign(
            f"{path}: format {version}, this code reads format {FORMAT_VERSION}; use the code it names"
        )
    title = _title(payload_of(data, first))
    ours = layout_hash(EVENT)
    theirs = title.layouts.get("Event", "none")
    if theirs != ours or title.event_version != EVENT_VERSION:
        raise JournalForeign(
            f"{path}: events of layout {theirs} version {title.event_version}, this code reads {ours} version "
            f"{EVENT_VERSION}; read it with code {title.code}, or import its source again"
        )
    return title


def _title(text: bytes) -> Title:
    told: dict[str, Any] = json.loads(text)
    return Title(
        told["format"],
        told["event_version"],
        told["layouts"],
        told["code"],
        told["created_ns"],
        told["segment"],
        told["previous"],
    )


def title_bytes(title: Title) -> bytes:
    """Give the JSON of a title."""
    told = {
        "what": "journal segment",
        "format": title.format_version,
        "event_version": title.event_version,
        "layouts": title.layouts,
        "code": title.code,
        "created_ns": title.created_ns,
        "segment": title.segment_id,
        "previous": title.previous_hash,
    }
    return json.dumps(told, sort_keys=True).encode()


class _Place:
    """How far the walk has come, and what it expects next."""

    def __init__(self) -> None:
        self.seq = 0
        self.row = 0
        self.damage: tuple[int, Damage] | None = None

    def meet(self, segment_id: int, start: int, head: Head) -> Gap | None:
        """Hold a good block against what should come next; advance past it."""
        damage, self.damage = self.damage, None
        gap = None
        items, rows = head.first_seq - self.seq, head.first_row - self.row
        if damage is not None:
            where, hole = damage
            gap = Gap(where, hole.start, hole.end - hole.start, self.seq, items, rows, hole.why)
        elif items or rows:
            why = "blocks are missing" if items > 0 else "blocks are repeated"
            gap = Gap(segment_id, start, 0, self.seq, items, rows, why)
        self.seq = head.first_seq + head.items_count
        self.row = head.first_row + head.rows_count
        return gap


def survey(folder: Path) -> Iterator[Piece | Gap | Tail]:
    """Walk a whole journal: every good block, every hole between them, and at last how it ends.

    Raises:
        JournalMissing: there is none.
        JournalForeign, JournalDamaged: its first segment's title cannot be trusted.
    """
    files = segments(folder)
    place = _Place()
    number = 0
    for index, (number, path) in enumerate(files):
        data = open_bytes(path)
        sealed = False
        end = 0
        if index == 0:
            if number != 1:
                yield Gap(1, 0, 0, 0, -1, -1, f"segments before {path.name} are missing")
                place.seq, place.row = _first(data)
            read_title(path, data)
        elif data[: len(MAGIC)] == MAGIC:
            _hold_format(path, data)
        for found in walk(data):
            if isinstance(found, Damage):
                place.damage = place.damage or (number, found)
                continue
            gap = place.meet(number, found.start, found.head)
            if gap is not None:
                yield gap
            end = found.end
            sealed = bool(found.head.flags_mask & SEAL)
            if found.head.items_count:
                yield Piece(number, data, found)
        last = index + 1 == len(files)
        if sealed and place.damage is not None:
            _, hole = place.damage
            place.damage = None
            yield Gap(number, hole.start, hole.end - hole.start, place.seq, 0, 0, "bytes after the seal")
        if not sealed and not last and place.damage is None:
            yield Gap(number, end, 0, place.seq, 0, 0, "the seal is missing")
        if last:
            torn = place.damage[1] if place.damage else Damage(end, end, "")
            yield Tail(number, sealed, end, torn.end - torn.start, place.seq, place.row, torn.why)


def _first(data: Buffer) -> tuple[int, int]:
    first = next((found for found in walk(data) if isinstance(found, Block)), None)
    return (first.head.first_seq, first.head.first_row) if first else (0, 0)


def _hold_format(path: Path, data: Buffer) -> None:
    first = next(walk(data), None)
    if isinstance(first, Block) and first.head.flags_mask & TITLE and len(data) >= HEADER_BYTES:
        read_title(path, data)
