"""The commands `import`, `journal verify` and `journal show`: recordings into journals, and what stands in one."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from infra.cli.core import hold_sources
from infra.cli.failures import Exit, Misuse
from infra.cli.speech import AsJson, answer, progress, records, say, table, tick

Folder = Annotated[Path, typer.Argument(metavar="JOURNAL", help="The folder that holds 000001.journal.")]


def import_sources(
    sources: Annotated[list[Path], typer.Argument(metavar="SOURCE...", help="Folders of recordings.")],
    to: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the journal; must not be there yet.")],
    feed_delay_ms: Annotated[
        int | None, typer.Option(min=0, max=10_000, help="Delay of the market channel where the recording cannot tell.")
    ] = None,
    checks: Annotated[
        bool, typer.Option("--checks", help="Carry the recorded best prices as rows of their own.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make one journal of folders of recordings.

    Rows are merged by the time they were seen. It appears whole or not at all, and the same folders give the same
    bytes. `updown backtest` imports by itself, into a cache; this is for a journal to keep.

    Example: updown import chainlink_btcusd_1hz --to var/journals/2026-06-08
    """
    from infra.clock import now_ns
    from infra.recordings.importer import import_folders
    from infra.recordings.recording import Terms

    hold_sources(sources)
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise Misuse(f"{to}: already there; name a new folder, or take this one away first")
    terms = Terms(checks=checks) if feed_delay_ms is None else Terms(checks=checks, feed_delay_ms=feed_delay_ms)
    with progress("importing") as told:
        summary = import_folders(sources, to, told, terms=terms, created_ns=now_ns())
    if as_json:
        answer(asdict(summary))
        return
    say(f"{to}: {summary.rows_count:,} rows, {summary.frames_count:,} frames, {summary.windows_count:,} windows")
    table(("kind", "count"), list(summary.kinds.items()))
    for line in summary.notes:
        say(f"  {line}")


def verify(folder: Folder, as_json: AsJson = False) -> None:
    """Check every checksum, count and seal of a journal.

    Exit 3 when something is wrong with it.

    Example: updown journal verify var/journals/2026-06-08
    """
    from infra.journal.reader import verify as check

    found = check(folder)
    told: dict[str, Any] = asdict(found) | {"sound": found.sound, "gaps": [_gap(gap) for gap in found.gaps]}
    if as_json:
        answer(told)
    else:
        end = "sealed" if found.sealed else "not closed: still being written, or cut short"
        say(f"{tick(found.sound)} {folder}: {found.rows_count:,} rows, {found.items_count:,} items, {end}")
        say(f"  {found.segments_count} segments, {found.sealed_count} sealed, {found.bytes_count:,} bytes")
        for line in _faults(found):
            say(f"  {line}")
    if not found.sound:
        raise typer.Exit(Exit.BAD_DATA)


def _gap(gap: Any) -> dict[str, Any]:
    return {**gap._asdict(), "words": str(gap)}


def _faults(found: Any) -> list[str]:
    torn = [f"{found.torn_count} bytes at the end are no block: a write that was cut short"] if found.torn_count else []
    return [*(str(gap) for gap in found.gaps), *found.faults, *torn]


def show(
    folder: Folder,
    first: Annotated[int, typer.Option(min=0, max=10_000, help="How many rows to say in words.")] = 12,
    from_row: Annotated[int, typer.Option(min=0, help="The first of them, counted from 0.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Say what stands in a journal.

    Its title, counts by kind, holes, notes, and its first rows in words.

    Example: updown journal show var/journals/2026-06-08 --first 20
    """
    import numpy as np

    from infra.journal.errors import Gap
    from infra.journal.reader import read_events, read_notes, read_title_of
    from state.events import Kind

    title = read_title_of(folder)
    gaps: list[Gap] = []
    kinds = np.zeros(256, np.int64)
    rows: list[dict[str, Any]] = []
    at = 0
    for chunk in read_events(folder, torn_ok=True, gaps=gaps):
        kinds += np.bincount(chunk["kind_code"], minlength=256)
        lo, hi = max(from_row - at, 0), min(from_row + first - at, len(chunk))
        rows += [{"row": at + index} | row_words(chunk[index]) for index in range(lo, hi)]
        at += len(chunk)
    counts = {Kind(code).name: int(kinds[code]) for code in np.flatnonzero(kinds).tolist()}
    notes = read_notes(folder, torn_ok=True) if not gaps else []
    if as_json:
        told = {"title": title._asdict(), "kinds": counts, "gaps": [_gap(gap) for gap in gaps], "notes": notes}
        answer(told | {"rows_count": at, "rows": rows})
        return
    say(f"{folder}: {at:,} rows, written by {title.code}, format {title.format_version}")
    table(("kind", "rows"), list(counts.items()), "Rows by kind")
    for gap in gaps:
        say(f"  hole: {gap}")
    for note in notes:
        for line in note.get("import", {}).get("notes", ()):
            say(f"  {line}")
    for line in params_lines(notes):
        say(f"  {line}")
    records(rows, "First rows" if from_row == 0 else f"Rows from {from_row:,}")


def params_lines(notes: list[dict[str, Any]]) -> list[str]:
    """Say in a line each what became of requests for other parameters."""
    from infra.shell.params_request import news_of, news_words

    return [news_words(each) for each in news_of(notes)]


def row_words(row: Any) -> dict[str, Any]:
    """Say one event in words: when it was seen, how late, what it was, from whom, and every column that it uses."""
    from datetime import UTC, datetime

    from state.events import Kind, Source
    from state.records import as_dict
    from state.units import NS_PER_MS, NS_PER_S

    values = as_dict(row)
    seen_ns, at_ns = values.pop("seen_ns"), values.pop("at_ns")
    kind, source = values.pop("kind_code"), values.pop("source_code")
    seen = datetime.fromtimestamp(seen_ns // NS_PER_S, UTC)
    return {
        "seen": f"{seen:%Y-%m-%d %H:%M:%S}.{seen_ns % NS_PER_S // 1000:06d}",
        "late_ms": round((seen_ns - at_ns) / NS_PER_MS, 3),
        "what": Kind(kind).name.lower().replace("_", " ") if kind in set(Kind) else f"kind {kind}",
        "from": Source(source).name.lower().replace("_", " ") if source in set(Source) else f"source {source}",
        "columns": " ".join(f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
                            for name, value in values.items() if value),
    }  # fmt: skip
