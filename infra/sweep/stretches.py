"""Recordings cut into stretches of windows, each with the rows that play it in one file that every process maps.

A stretch begins a quarter of an hour before its first window, so that averages and volatility are known by then, and
ends with the settlement of its last; what else was said before and still holds stands at its head. Only one stretch is
held in memory at a time.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evals.sweep import Grid, Stretch, cut
from infra.generated import write_market
from infra.journal.segments import is_journal
from infra.recordings.rows import join, words_of
from infra.recordings.tape import Tape, open_tape
from infra.runs import read_run, run_tape, trades_known
from infra.supervisor.frozen import MARKS, STANDING, WARM_S, frozen_rows
from state.events import EVENT, Kind
from state.units import NS_PER_S

WINDOW_S: Final = 300
LATE_S: Final = 900
"""A settlement that is told later than this after the close is not waited for, if an earlier one was told."""

Progress = Callable[[int, int], None]


class NothingToSweep(Exception):
    """No settled window in what was named, or the same windows twice; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A stretch and the file of its rows."""

    stretch: Stretch
    file: Path


def lay_out(grid: Grid, sources: Sequence[Path], folder: Path, progress: Progress) -> list[Rows]:
    """Write the rows of every stretch of recordings and made-up markets, unless they are there already.

    A journal and a run folder are recordings of their own; data folders that are named together are imported together.

    Args:
        grid: how windows are cut, and which markets are made up.
        sources: what was recorded.
        folder: where rows and made-up markets are kept.
        progress: told recordings done, of how many.

    Raises:
        NothingToSweep: no window settled, or two recordings tell of the same windows.
        SourceRefused, JournalMissing, JournalForeign, JournalDamaged, RunMissing, RunDamaged: a source cannot be read.
    """
    alone = [source for source in sources if (source / "run.json").is_file() or is_journal(source)]
    together = [source for source in sources if source not in alone]
    tapes: list[Callable[[], tuple[str, Tape, bool]]] = [lambda each=each: _recorded(each) for each in alone]  # type: ignore[misc]
    tapes += [lambda: _imported(together)] if together else []
    recorded_count = len(tapes)
    tapes += [lambda each=each: _generated(each, folder) for each in grid.markets]  # type: ignore[misc]
    found: list[list[Rows]] = []
    for at, opened in enumerate(tapes):
        progress(at, len(tapes))
        name, tape, known = opened()
        found.append(_stretches(name, tape, known, grid, folder / "rows"))
    progress(len(tapes), len(tapes))
    _hold_apart([rows for each in found[:recorded_count] for rows in each])
    told = sorted((rows for each in found for rows in each), key=lambda r: (r.stretch.opens_s[0], r.stretch.digest))
    if not told:
        names = ", ".join(str(source) for source in sources) or "the markets"
        raise NothingToSweep(f"{names}: no window has settled there; name a longer recording")
    return told


def _recorded(source: Path) -> tuple[str, Tape, bool]:
    if (source / "run.json").is_file():
        run = read_run(source)
        return source.name, run_tape(run, lambda done, total: None), run.terms.trades_known
    tape = open_tape([source])
    name = source.resolve().parent.name if source.name == "journal" else source.resolve().name
    return name, tape, trades_known(tape)


def _imported(sources: Sequence[Path]) -> tuple[str, Tape, bool]:
    tape = open_tape(sources)
    return "+".join(source.resolve().name for source in sources)[:80], tape, trades_known(tape)


def _generated(market: Any, folder: Path) -> tuple[str, Tape, bool]:
    name = f"{market.name}-{market.windows}-windows-seed-{market.seed}"
    journal = folder / "markets" / name / "journal"
    if not (journal.parent / "whole").is_file():
        write_market(journal, name=market.name, windows=market.windows, seed=market.seed)
        (journal.parent / "whole").touch()
    tape = open_tape([journal])
    return name, tape, trades_known(tape)


def _stretches(name: str, tape: Tape, known: bool, grid: Grid, folder: Path) -> list[Rows]:
    marks = [chunk[np.isin(chunk["kind_code"], MARKS)] for chunk in tape.chunks()]
    settled_ns = _settled_ns(join(marks)) if marks else {}
    return [
        _write(name, tape, known, opens_s, settled_ns[opens_s[-1]], grid.cash_micros, folder)
        for opens_s in cut(sorted(settled_ns), grid.block_windows)
    ]


def _settled_ns(marks: NDArray[Any]) -> dict[int, int]:
    """Give when each window's settlement was seen, by its start: a slot's listing before it says which it was."""
    listed: dict[int, int] = {}
    found: dict[int, int] = {}
    for row in marks:
        slot, seen_ns = int(row["slot_id"]), int(row["seen_ns"])
        if int(row["kind_code"]) == Kind.MARKET_LISTED:
            listed[slot] = int(row["ref_id"]) // NS_PER_S
        elif slot in listed:
            open_s = listed[slot]
            if open_s not in found or seen_ns <= (open_s + WINDOW_S + LATE_S) * NS_PER_S:
                found[open_s] = seen_ns
    return found


def _write(
    name: str, tape: Tape, known: bool, opens_s: tuple[int, ...], end_ns: int, cash_micros: int, folder: Path
) -> Rows:
    from_ns = (opens_s[0] - WARM_S) * NS_PER_S
    kept = []
    for chunk in tape.chunks():
        if int(chunk["seen_ns"][0]) > end_ns:
            break
        wanted = (chunk["seen_ns"] >= from_ns) | np.isin(chunk["kind_code"], STANDING)
        wanted &= chunk["seen_ns"] <= end_ns
        if wanted.any():
            kept.append(words_of(chunk)[wanted].reshape(-1).view(EVENT))
    frozen = frozen_rows((name,), join(kept), cash_micros=cash_micros, trades_known=known, from_s=opens_s[0])
    told = json.dumps([frozen.digest, opens_s])
    digest = hashlib.sha256(told.encode()).hexdigest()[:32]
    file = folder / f"{digest}.npy"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{file.name}.{os.getpid()}")
        with part.open("wb") as out:
            np.save(out, np.ascontiguousarray(frozen.rows).view(np.uint8).reshape(-1), allow_pickle=False)
        part.replace(file)
    return Rows(stretch=Stretch(recording=name, digest=digest, opens_s=opens_s, trades_known=known), file=file)


def _hold_apart(recorded: Sequence[Rows]) -> None:
    """Refuse two recordings of the same windows: one result would count as two."""
    first: dict[int, str] = {}
    for rows in recorded:
        for open_s in rows.stretch.opens_s:
            other = first.setdefault(open_s, rows.stretch.digest)
            if other != rows.stretch.digest:
                raise NothingToSweep(
                    f"{rows.stretch.recording}: the window that opened at {open_s} stands in another recording too and "
                    "would count twice; name one of them"
                )
