"""Turn data folders into a journal: tell what is in a folder, merge several by time, give windows their slots."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.journal.segments import is_journal
from infra.journal.writer import Journal
from infra.recordings.aligned import open_aligned
from infra.recordings.cex_book import open_cex
from infra.recordings.chainlink_day import open_chainlink
from infra.recordings.ladder import open_ladder
from infra.recordings.polymarket_l2 import open_l2
from infra.recordings.raw_frames import write_frames
from infra.recordings.recording import IN_A_SLOT, Recording, Terms
from infra.recordings.streams import in_chunks, merge
from infra.recordings.tables import SourceRefused
from infra.recordings.top_of_book import open_top_of_book
from infra.recordings.windows import assign_slots, merge_windows, window_rows
from state.events import Kind

IMPORTER_VERSION: Final = 1
"""Part of the cache's key: raise it when the same folder gives other rows."""

Progress = Callable[[int, int], None]
"""Told how much is done, of how much about."""

_OPENERS: Final[tuple[tuple[tuple[str, ...], Callable[[Path, Terms], Recording]], ...]] = (
    (("l2_changes.parquet", "tob.parquet"), open_l2),
    (("markets_*.parquet", "gamma_markets_*.jsonl.zst"), open_chainlink),
    (("*_bbo.parquet",), open_cex),
    (("books.parquet", "trades.parquet"), open_aligned),
    (("ladder.parquet", "maker_probe.parquet"), open_ladder),
    (("ticks_*.parquet",), open_top_of_book),
)
"""A folder that holds any of these files is of that kind; a file that is then missing is named."""

_KNOWN: Final = (
    "full-depth books, settlement stream, exchange prices, aligned books, late looks, best prices, raw frames"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSummary:
    """What an import wrote."""

    folder: str
    sources: tuple[str, ...]
    rows_count: int
    frames_count: int
    kinds: dict[str, int]
    """Rows by `Kind`, or frames by file."""
    windows_count: int
    settled_count: int
    first_seen_ns: int
    last_seen_ns: int
    notes: tuple[str, ...]


def quiet(done: int, total: int) -> None:
    """Take progress and say nothing."""


def import_folder(
    source: Path, target: Path, progress: Progress = quiet, *, terms: Terms | None = None
) -> ImportSummary:
    """Make a journal of one data folder; as `import_folders`."""
    return import_folders([source], target, progress, terms=terms)


def import_folders(
    sources: Sequence[Path],
    target: Path,
    progress: Progress = quiet,
    *,
    terms: Terms | None = None,
    created_ns: int = 0,
    code: str = f"importer {IMPORTER_VERSION}",
) -> ImportSummary:
    """Make one journal of one or several data folders, their rows merged by the time they were seen.

    The journal appears whole or not at all. The same folders and terms give the same bytes.

    Args:
        sources: Data folders.
        target: Folder of the journal; must not exist yet.
        progress: Told rows done and rows expected.
        terms: What is assumed where the recordings do not say.
        created_ns: Creation time to write in the journal.
        code: Code version to write in the journal.

    Raises:
        SourceRefused: a folder is missing, unknown or damaged, or the target is in the way.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise SourceRefused(f"{target}: already there; name a new folder, or take this one away first")
    frames = [source for source in sources if _holds_frames(source)]
    if frames and len(sources) > 1:
        raise SourceRefused(f"{frames[0]}: raw frames have no rows to merge; import this folder by itself")
    opened = [] if frames else [open_folder(source, terms or Terms()) for source in sources]
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{target.name}.part-", dir=target.parent))
    try:
        with Journal(part, created_ns=created_ns, code=code) as journal:
            if frames:
                summary = _write_frames(sources[0], target, journal, progress)
            else:
                summary = _write_rows(opened, target, journal, progress)
            told = {name: value for name, value in asdict(summary).items() if name != "folder"}
            journal.append_note({"import": told | {"terms": asdict(terms or Terms())}}, summary.last_seen_ns)
        (part / "lock").unlink(missing_ok=True)
        if target.exists():
            target.rmdir()
        part.chmod(0o755)
        os.rename(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return summary


def open_folder(source: Path, terms: Terms) -> Recording:
    """Tell what kind of recording a folder holds and look into it.

    Raises:
        SourceRefused: it is missing, or of no kind we know, or damaged.
    """
    if not source.is_dir():
        raise SourceRefused(f"{source}: no such folder; name a folder of recordings")
    for patterns, opener in _OPENERS:
        if any(next(source.glob(pattern), None) for pattern in patterns):
            return opener(source, terms)
    held = ", ".join(sorted(path.name for path in source.iterdir())[:4]) or "nothing"
    raise SourceRefused(f"{source}: no recording that we can import (it holds {held}); we know {_KNOWN}")


def _holds_frames(source: Path) -> bool:
    return (
        source.is_dir()
        and not any(source.glob("*.parquet"))
        and any(source.glob("*.jsonl.zst"))
        and not any(source.glob("gamma_markets_*"))
    )


def _write_frames(source: Path, target: Path, journal: Journal, progress: Progress) -> ImportSummary:
    counts = write_frames(source, journal, progress)
    return ImportSummary(
        folder=str(target),
        sources=(f"raw frames: {source}",),
        rows_count=0,
        frames_count=sum(counts.values()),
        kinds=counts,
        windows_count=0,
        settled_count=0,
        first_seen_ns=0,
        last_seen_ns=0,
        notes=("frames as they were received, file by file; what the recorder sent is left out",),
    )


def _write_rows(opened: Sequence[Recording], target: Path, journal: Journal, progress: Progress) -> ImportSummary:
    windows = merge_windows(window for recording in opened for window in recording.windows)
    order = list(windows)
    slots = assign_slots([windows[key] for key in order])
    slot_of = dict(zip(order, slots, strict=True))
    streams = [iter([window_rows([windows[key] for key in order], slots)])]
    for recording in opened:
        numbers = np.array([slot_of[window.key] for window in recording.windows] or [0])
        streams.append(_in_slots(recording.parts(), numbers))
    total = sum(recording.rows_count for recording in opened)
    kinds = np.zeros(256, np.int64)
    first_ns = last_ns = done = 0
    for chunk in in_chunks(merge(streams)):
        first_ns = first_ns if done else int(chunk["seen_ns"][0])
        assert int(chunk["seen_ns"][0]) >= last_ns or not done, "rows out of order"
        last_ns = int(chunk["seen_ns"][-1])
        journal.append_events(chunk)
        kinds += np.bincount(chunk["kind_code"], minlength=256)
        done += len(chunk)
        progress(min(done, total), total)
    return ImportSummary(
        folder=str(target),
        sources=tuple(f"{recording.kind}: {recording.folder}" for recording in opened),
        rows_count=done,
        frames_count=0,
        kinds={Kind(code).name: int(kinds[code]) for code in np.flatnonzero(kinds).tolist()},
        windows_count=len(windows),
        settled_count=sum(window.outcome is not None for window in windows.values()),
        first_seen_ns=first_ns,
        last_seen_ns=last_ns,
        notes=tuple(f"{recording.folder.name}: {note}" for recording in opened for note in recording.notes),
    )


def _in_slots(parts: Iterator[NDArray[Any]], numbers: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Write the slot of each row's window over its number in the folder."""
    slotted = np.zeros(256, bool)
    slotted[list(IN_A_SLOT)] = True
    for rows in parts:
        inside = slotted[rows["kind_code"]]
        rows["slot_id"] = np.where(inside, numbers[np.where(inside, rows["slot_id"], 0)], 0)
        yield rows


def fingerprint(sources: Sequence[Path], terms: Terms) -> str:
    """Name what an import would give: files by place, size and time of change, the terms, the importer's version.

    Raises:
        SourceRefused: a folder is missing.
    """
    told: list[Any] = [IMPORTER_VERSION, asdict(terms)]
    for source in sources:
        if not source.is_dir():
            raise SourceRefused(f"{source}: no such folder; name a folder of recordings")
        files = sorted(path for path in source.iterdir() if path.is_file())
        told.append([str(source.resolve()), *((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files)])
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:24]


def holds_journal(source: Path) -> bool:
    """Say whether a folder is a journal already."""
    return is_journal(source)
