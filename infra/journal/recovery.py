"""Bring a journal that was cut off back to its last whole block, keeping what is cut, before anybody appends to it."""

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from infra.journal.blocks import (
    MAGIC,
    SEAL,
    Block,
    Buffer,
    Damage,
    EntryKind,
    Marks,
    payload_of,
    table_of,
    unpack,
    walk,
)
from infra.journal.segments import NO_HASH, is_journal, open_bytes, read_title, segments


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Where appending goes on, and what had to be cut off to get there."""

    last_segment_id: int = 0
    open_segment: Path | None = None
    """The unsealed last segment; None when the next append begins a new one."""
    last_hash: str = NO_HASH
    """The hash that the open or next segment follows."""
    marks: Marks = field(default_factory=Marks)
    """The next numbers to give."""
    cut_count: int = 0
    """Bytes cut off the end, because a write was cut short."""
    kept: Path | None = None
    """Where the cut bytes were put."""
    code: str = ""
    layouts: dict[str, str] = field(default_factory=dict)


def recover(folder: Path) -> Recovery:
    """Find the exact block boundary at which a journal ends, and cut its last segment there if it is unsealed.

    Only bytes after the last whole block are cut, only from an unsealed last segment, and never without a copy beside
    it. Damage with whole blocks after it stays as it is: readers report it as a gap. The caller holds the lock.

    Raises:
        JournalForeign: what lies there is no journal of ours; it is not touched.
        JournalDamaged: its title cannot be read; it is not touched.
    """
    if not is_journal(folder):
        return Recovery()
    number, path = segments(folder)[-1]
    data = open_bytes(path)
    good = [found for found in walk(data) if isinstance(found, Block)]
    if not good and _was_being_begun(data):
        return _forget(folder, number, path, data)
    title = read_title(path, data)
    last = good[-1]
    sealed = bool(last.head.flags_mask & SEAL)
    mandates, params = _others(data, last)
    cut, kept = 0, None
    if not sealed and last.end < len(data):
        cut = len(data) - last.end
        kept = _cut(path, data[last.end :], last.end)
    told = json.loads(payload_of(data, last)) if sealed else {}
    return Recovery(
        last_segment_id=number,
        open_segment=None if sealed else path,
        last_hash=told["sha256"] if sealed else title.previous_hash,
        marks=Marks(
            last.head.first_seq + last.head.items_count,
            last.head.first_row + last.head.rows_count,
            last.head.first_mandate + mandates,
            last.head.first_params + params,
        ),
        cut_count=cut,
        kept=kept,
        code=title.code,
        layouts=title.layouts,
    )


def _was_being_begun(data: Buffer) -> bool:
    """Say whether a segment without a whole block is one whose title was cut short: nothing was ever put in it."""
    if len(data) == 0:
        return True
    first = next(walk(data))
    return data[: len(MAGIC)] == MAGIC[: len(data)] and isinstance(first, Damage) and "cut short" in first.why


def _others(data: Buffer, block: Block) -> tuple[int, int]:
    if block.head.entries_count == 0:
        return 0, 0
    kinds = table_of(unpack(data, block), block.head)["kind_code"].tolist()
    return kinds.count(EntryKind.MANDATE), kinds.count(EntryKind.PARAMS)


def _cut(path: Path, torn: bytes, end: int) -> Path:
    """Put the torn bytes beside the segment, safely, and only then cut them off."""
    kept = path.with_suffix(f".torn-{end}")
    with kept.open("wb") as file:
        file.write(torn)
        file.flush()
        os.fsync(file.fileno())
    with path.open("r+b") as file:
        file.truncate(end)
        os.fsync(file.fileno())
    return kept


def _forget(folder: Path, number: int, path: Path, data: Buffer) -> Recovery:
    """Take away a segment that was cut off while its title was being written, and recover the one before it."""
    kept = _cut(path, bytes(data), 0) if len(data) else None
    path.unlink()
    before = recover(folder)
    return replace(before, cut_count=before.cut_count + len(data), kept=kept or before.kept)
