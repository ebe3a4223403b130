"""A tape: the rows that a backtest or a replay runs over, from a journal or from data folders imported once."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infra.journal.errors import Gap, JournalDamaged
from infra.journal.reader import read_events, read_notes
from infra.journal.segments import Piece, Tail, is_journal, survey
from infra.recordings.importer import Progress, fingerprint, import_folders, quiet
from infra.recordings.recording import Terms
from infra.recordings.rows import words_of
from infra.recordings.tables import SourceRefused
from state.events import EVENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Tape:
    """The rows of a journal, by chunks or all at once; `sealed` says whether the journal was closed properly."""

    folder: Path
    rows_count: int
    first_seen_ns: int
    last_seen_ns: int
    sealed: bool
    notes: tuple[str, ...]
    """What the import assumed and left out."""

    def chunks(self, from_row: int = 0) -> Iterator[NDArray[Any]]:
        """Give the rows in order, a block at a time, as arrays that may be written to.

        The next block is unpacked by another thread while the caller works on this one.

        Raises:
            JournalDamaged: the journal has a hole or a torn end.
        """
        return _ahead(read_events(self.folder, from_row, sealed=self.sealed))

    def array(self) -> NDArray[Any]:
        """Give all rows as one array: 64 bytes a row."""
        rows = np.empty(self.rows_count, EVENT)
        at = 0
        for chunk in self.chunks():
            words_of(rows)[at : at + len(chunk)] = words_of(chunk)
            at += len(chunk)
        assert at == self.rows_count, f"{at} rows where {self.rows_count} were counted"
        return rows


def open_tape(
    sources: Sequence[Path], cache: Path | None = None, progress: Progress = quiet, *, terms: Terms | None = None
) -> Tape:
    """Open a journal, or the journal that data folders make together, importing them unless that was done before.

    Args:
        sources: One journal, or data folders.
        cache: Where imports are kept; the user's cache folder when None.
        progress: Told rows done and rows expected while importing.
        terms: What is assumed where recordings do not say.

    Raises:
        SourceRefused: nothing, several journals, or a folder that cannot be imported.
        JournalMissing, JournalForeign, JournalDamaged: a journal that cannot be read.
    """
    if not sources:
        raise SourceRefused("no recording named; name a journal or one or more data folders")
    journals = [source for source in sources if is_journal(source)]
    if journals and len(sources) > 1:
        raise SourceRefused(f"{journals[0]}: a journal is read alone; its slots would mix with those of other folders")
    if journals:
        return _tape(journals[0])
    terms = terms or Terms()
    folder = (cache or default_cache()) / fingerprint(sources, terms)
    if not is_journal(folder):
        try:
            import_folders(sources, folder, progress, terms=terms)
        except OSError:
            if not is_journal(folder):  # else another process was first
                raise
    return _tape(folder)


def _ahead(chunks: Iterator[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """Keep one chunk ready: unpacking needs no interpreter, so it costs the caller nothing on a second core."""
    with ThreadPoolExecutor(1, thread_name_prefix="tape") as pool:
        coming = pool.submit(next, chunks, None)
        while (chunk := coming.result()) is not None:
            coming = pool.submit(next, chunks, None)
            yield chunk


def default_cache() -> Path:
    """Give the folder in which imports are kept for this user."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "updown" / "recordings"


def _tape(folder: Path) -> Tape:
    """Count a journal's rows from its headers; every checksum is held on the way.

    Raises:
        JournalDamaged: it has a hole or a torn end.
        SourceRefused: there are no event rows in it.
    """
    first_ns = last_ns = 0
    seen_any = False
    for found in survey(folder):
        if isinstance(found, Gap):
            raise JournalDamaged(f"{folder}: {found}; import it again, or take the segment from a backup")
        if isinstance(found, Piece) and found.block.head.rows_count:
            first_ns = first_ns if seen_any else found.block.head.first_seen_ns
            last_ns = found.block.head.last_seen_ns
            seen_any = True
        if isinstance(found, Tail):
            tail = found
    if tail.torn_count:
        raise JournalDamaged(
            f"{folder}: segment {tail.segment_id:06d} ends in {tail.torn_count} bytes that are no block ({tail.why}), "
            f"after {tail.next_seq} whole items; open it for writing once to recover it"
        )
    if tail.next_row == 0:
        raise SourceRefused(f"{folder}: no event rows in this journal; raw frames must be parsed first")
    told = [note["import"] for note in read_notes(folder) if "import" in note]
    notes = tuple(line for summary in told for line in summary["notes"])
    return Tape(
        folder=folder,
        rows_count=tail.next_row,
        first_seen_ns=first_ns,
        last_seen_ns=last_ns,
        sealed=tail.sealed,
        notes=notes,
    )
