"""The name of a journal, by which a bus and a store know whose items they hold, and how far one is written."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from infra.journal.blocks import Block, walk
from infra.journal.errors import JournalMissing
from infra.journal.reader import entries, read_title_of
from infra.journal.segments import open_bytes, segments

_ID_CHARS: Final = 16


class End(NamedTuple):
    """How far a journal is written."""

    next_seq: int
    seen_ns: int


def journal_id(folder: Path) -> str:
    """Name a journal: sixteen hex digits over its title and its first entry.

    Raises:
        JournalMissing: nothing was written down yet.
    """
    begun = segments(folder)[0][1].stat().st_size > 0
    title = read_title_of(folder) if begun else None
    first = next(entries(folder, torn_ok=True), None) if begun else None
    if title is None or first is None:
        raise JournalMissing(f"{folder}: nothing was written down yet")
    told = json.dumps([title.created_ns, title.code, title.layouts], sort_keys=True).encode()
    return hashlib.sha256(told + first.data).hexdigest()[:_ID_CHARS]


def journal_end(folder: Path) -> End:
    """Say how far a journal is written, from its last segment alone."""
    found = End(0, 0)
    for _, path in reversed(segments(folder)):
        for block in _blocks(path):
            head = block.head
            found = End(head.first_seq + head.items_count, head.last_seen_ns or found.seen_ns)
        if found.seen_ns:
            break
    return found


def _blocks(path: Path) -> Iterator[Block]:
    yield from (found for found in walk(open_bytes(path)) if isinstance(found, Block))
