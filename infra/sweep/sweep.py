"""A sweep from its grid to its ranking: what is done already is read, the rest is played, each cell kept at once.

The folder of a sweep: `rows/` and `markets/` can be made again; `cells/` has one Parquet file for each cell that is
done; `results.parquet`, `ranking.parquet` and `folds.parquet` are written at the end, from the cells alone.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from evals.sweep import Cell, Grid, cells_of
from evals.sweep_folds import Folds, walk_forward
from evals.sweep_ranking import Ranking, panel_of, ranking_of
from infra.lock_file import LockTaken, take_lock
from infra.sweep.player import COLUMNS, code_digest
from infra.sweep.stretches import Rows
from infra.sweep.tables import Columns, TableDamaged, read_table, write_table
from state.records import as_dict
from state.units import MICROS

Progress = Callable[[int, int], None]
Player = Callable[[Iterable[dict[str, Any]]], Iterator[tuple[dict[str, Any], dict[str, Any]]]]
"""Plays requests and gives each with its answer, in any order."""

MARK: Final = "sweep.lock"
NUMBERS: Final = tuple(name for name, _ in COLUMNS)


class SweepBusy(Exception):
    """Another process sweeps in that folder."""


class SweepForeign(Exception):
    """The folder holds something that is no sweep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a sweep came to."""

    grid: Grid
    rows: tuple[Rows, ...]
    cells_count: int
    kept_count: int
    """Cells that were done before."""
    failed: dict[str, str]
    """Why, by the names of cells."""
    failed_sets: tuple[int, ...]
    """Sets of which a cell failed: they are not ranked and still count as tried."""
    ranking: Ranking
    folds: Folds


def sweep(grid: Grid, rows: Sequence[Rows], folder: Path, player: Player, progress: Progress) -> Swept:
    """Play every cell that is not done, and write results, ranking and folds.

    Args:
        grid: what is tried.
        rows: over which stretches.
        folder: of the sweep; one sweep at a time.
        player: who plays.
        progress: told cells done, of how many.

    Raises:
        ClusterRefused: the cluster was lost; what was done is kept.
        OSError: a file cannot be written.
    """
    code = code_digest()
    cells = cells_of(grid, [each.stretch for each in rows], code)
    home = folder / "cells"
    home.mkdir(parents=True, exist_ok=True)
    found = {cell.name: told for cell in cells if (told := _kept(home / f"{cell.name}.parquet")) is not None}
    kept_count, failed = len(found), {}
    missing = [cell for cell in cells if cell.name not in found]
    progress(len(found), len(cells))
    for request, told in player(_request(grid, rows, cell, code) for cell in missing):
        name = request["name"]
        if "failed" in told:
            failed[name] = str(told["failed"])
        else:
            found[name] = {column: np.array(told["columns"][column], kind) for column, kind in COLUMNS}
            write_table(home / f"{name}.parquet", found[name])
        progress(len(found) + len(failed), len(cells))
    return _told(grid, tuple(rows), folder, cells, found, failed, kept_count)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a sweep's folder against a second sweep.

    Raises:
        SweepBusy: another process sweeps there.
        SweepForeign: files of somebody else lie there.
    """
    if folder.exists() and not (folder / MARK).is_file() and any(folder.iterdir()):
        raise SweepForeign(f"{folder}: already there, and no sweep; name a new folder with --out")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        handle = take_lock(folder / MARK)
    except LockTaken as error:
        raise SweepBusy(f"{folder}: {error} sweeps there; wait for it, or name another folder with --out") from None
    try:
        yield
    finally:
        os.close(handle)


def _request(grid: Grid, rows: Sequence[Rows], cell: Cell, code: str) -> dict[str, Any]:
    each = rows[cell.stretch_id]
    return {
        "name": cell.name,
        "params": as_dict(grid.sets[cell.set_id].params),
        "seed": cell.seed,
        "cash_micros": grid.cash_micros,
        "trades_known": each.stretch.trades_known,
        "opens_s": list(each.stretch.opens_s),
        "rows": str(each.file.resolve()),
        "code": code,
    }


def _kept(file: Path) -> Columns | None:
    """Give a cell that is done; one that cannot be read is played again."""
    if not file.is_file():
        return None
    try:
        told = read_table(file)
    except TableDamaged:
        file.unlink()
        return None
    if tuple(told) != NUMBERS:
        file.unlink()
        return None
    return told


def _told(
    grid: Grid, rows: tuple[Rows, ...], folder: Path, cells: Sequence[Cell], found: dict[str, Columns],
    failed: dict[str, str], kept_count: int,
) -> Swept:  # fmt: skip
    results = _results(grid, rows, cells, found, failed)
    write_table(folder / "results.parquet", results)
    failed_sets = sorted({cell.set_id for cell in cells if cell.name in failed})
    panel = panel_of(results, [set_id for set_id in range(len(grid.sets)) if set_id not in failed_sets])
    ranking = ranking_of(panel, grid.tried_count)
    folds = walk_forward(panel, grid.train_blocks)
    write_table(folder / "ranking.parquet", _ranking_table(grid, ranking))
    write_table(folder / "folds.parquet", _folds_table(grid, rows, folds))
    return Swept(
        grid=grid,
        rows=rows,
        cells_count=len(cells),
        kept_count=kept_count,
        failed=failed,
        failed_sets=tuple(failed_sets),
        ranking=ranking,
        folds=folds,
    )


def _results(
    grid: Grid, rows: Sequence[Rows], cells: Sequence[Cell], found: dict[str, Columns], failed: dict[str, str]
) -> Columns:
    """Lay all windows of all cells under each other, by set, stretch, seed and window; a failed cell is one row."""
    parts: dict[str, list[Any]] = {}
    for cell in sorted(cells, key=lambda each: (each.set_id, each.stretch_id, each.seed)):
        told = found.get(cell.name) or {name: np.zeros(1, kind) for name, kind in COLUMNS}
        count = len(told["open_s"])
        each, tried = rows[cell.stretch_id].stretch, grid.sets[cell.set_id]
        labels: dict[str, Any] = {
            "set_id": cell.set_id, "params_hash": tried.digest, "changes": tried.words,
            "stretch_id": cell.stretch_id, "recording": each.recording, "rows_digest": each.digest,
            "seed": cell.seed, "cell": cell.name, "failed": failed.get(cell.name, ""),
        }  # fmt: skip
        for name, value in labels.items():
            parts.setdefault(name, []).append(np.full(count, value, object if isinstance(value, str) else np.int64))
        for name, values in told.items():
            parts.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in parts.items()}


def _ranking_table(grid: Grid, ranking: Ranking) -> Columns:
    lines = [ranking_line(grid, rank, each) for rank, each in enumerate(ranking.ranked, start=1)]
    if not lines:
        return {"rank": np.zeros(0, np.int64)}
    return {name: _column([line[name] for line in lines]) for name in lines[0]}


def ranking_line(grid: Grid, rank: int, each: Any) -> dict[str, Any]:
    """Give a ranked set as plain values, money in dollars a window."""
    tried = grid.sets[each.set_id]
    line: dict[str, Any] = {
        "rank": rank, "set_id": each.set_id, "params_hash": tried.digest, "changes": tried.words,
        "windows_count": each.profit.count,
    }  # fmt: skip
    for name in ("profit", "difference"):
        told = getattr(each, name)
        for part in ("mean", "low", "high"):
            line[f"{name}_{part}_usd"] = getattr(told, part) / MICROS
    gap = each.brier_less_book
    line |= {"brier": each.brier, "brier_less_book": gap.mean, "brier_less_book_low": gap.low}
    line |= {"brier_less_book_high": gap.high, "shrunk_usd": each.shrunk_micros / MICROS}
    return line | {name: getattr(each, name) for name in P_VALUES}


P_VALUES: Final = ("p", "p_holm", "p_yekutieli", "p_reality", "p_profit", "p_deflated")


def _folds_table(grid: Grid, rows: Sequence[Rows], folds: Folds) -> Columns:
    told = folds.folds
    return {
        "recording": np.array([rows[each.stretch_id].stretch.recording for each in told], object),
        "first_open_s": np.array([rows[each.stretch_id].stretch.opens_s[0] for each in told], np.int64),
        "set_id": np.array([each.set_id for each in told], np.int64),
        "changes": np.array([grid.sets[each.set_id].words for each in told], object),
        "train_windows": np.array([each.train_windows for each in told], np.int64),
        "test_windows": np.array([each.test_windows for each in told], np.int64),
        "train_usd": np.array([each.train_micros / MICROS for each in told], float),
        "test_usd": np.array([each.test_micros / MICROS for each in told], float),
    }


def _column(values: list[Any]) -> Any:
    kind = object if isinstance(values[0], str) else np.int64 if isinstance(values[0], int) else np.float64
    return np.array(values, kind)
