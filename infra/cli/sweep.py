"""The command `sweep`: many sets of parameters over many windows, ranked with a correction for all that was tried."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from infra.cli.backtest import interval
from infra.cli.core import get_ready, hold_sources
from infra.cli.failures import Exit, Misuse
from infra.cli.speech import AsJson, answer, note, progress, say, table

if TYPE_CHECKING:
    from evals.sweep import Grid
    from infra.sweep.stretches import Rows
    from infra.sweep.sweep import Swept

SHOWN_MOST: Final = 20
FAILED_MOST: Final = 5
INTERRUPTED: Final = 130
"""What shells expect of a command that Ctrl-C ended."""


def sweep(
    grid: Annotated[Path | None, typer.Argument(metavar="GRID.toml", help="What to try; --example prints one.")] = None,
    more: Annotated[list[Path] | None, typer.Argument(metavar="[FOLDER]...", help="Further folders.")] = None,
    over: Annotated[
        list[Path] | None,
        typer.Option(
            "--over", metavar="FOLDER", help="A journal, a run, or folders of recordings; several may follow."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where it goes; var/sweeps/<name of the grid> if not said.")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, max=1024, help="Processes of this machine; 0: one for each core.")] = 0,
    cluster: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Play on a Dask cluster: its scheduler, as tcp://127.0.0.1:8786.")
    ] = "",
    example: Annotated[bool, typer.Option("--example", help="Print a grid file to begin with.")] = False,
    as_json: AsJson = False,
) -> None:
    """Try many sets of parameters over many windows, and rank them honestly.

    Every cell, a set over a stretch of windows with one seed, is a backtest of its own and is kept as it is done: the
    same command goes on where it was stopped, on any number of processes, with the same results to the byte. Each set
    is held against the baseline window by window; p-values are corrected for all sets that were tried. A cell that
    fails is a row with its reason, and the exit code is 1.

    Example: updown sweep grid.toml --over var/generated/demo-12-windows-seed-4/journal --out var/sweeps/edges
    """
    from evals.sweep import EXAMPLE

    if example:
        say(EXAMPLE.rstrip())
        return
    if grid is None:
        raise Misuse("name a grid file; `updown sweep --example` prints one")
    sources = [*(over or ()), *(more or ())]
    hold_sources(sources)
    folder = out or Path("var/sweeps") / grid.stem
    told = _grid(grid, cluster)
    if not sources and not told.markets:
        raise Misuse("nothing to sweep over; name recordings with --over, or a market under [generated]")
    get_ready()
    with _one_line():
        swept = _swept(told, sources, folder, workers, cluster)
    if as_json:
        answer(_plain(swept, folder))
    else:
        _show(swept, folder)
    if swept.failed:
        raise typer.Exit(Exit.DOES_NOT_HOLD)


def _grid(file: Path, cluster: str) -> "Grid":
    """Read what was asked, before the core is compiled for it."""
    from evals.sweep import GridRefused
    from infra.sweep.cluster import ClusterRefused, hold_address
    from infra.sweep.grid_file import read_grid

    try:
        if cluster:
            hold_address(cluster)
        return read_grid(file)
    except (GridRefused, ClusterRefused) as error:
        raise Misuse(str(error)) from error


def _swept(grid: "Grid", sources: list[Path], folder: Path, workers: int, cluster: str) -> "Swept":
    from infra.sweep.cluster import played_there
    from infra.sweep.local import cores, played_here
    from infra.sweep.stretches import lay_out
    from infra.sweep.sweep import alone
    from infra.sweep.sweep import sweep as swept

    player: Callable[..., Any] = partial(played_here, workers=workers or cores())
    if cluster:
        player = partial(played_there, address=cluster)
    with alone(folder):
        with progress("laying out recordings") as told:
            rows: list[Rows] = lay_out(grid, sources, folder, told)
        try:
            with progress("playing cells") as told:
                return swept(grid, rows, folder, player, told)
        except KeyboardInterrupt:
            note(f"stopped; what is done is kept in {folder / 'cells'}, and the same command goes on from there")
            raise typer.Exit(INTERRUPTED) from None


@contextmanager
def _one_line() -> Iterator[None]:
    """Turn what only a sweep refuses into words for its operator."""
    from infra.sweep.cluster import ClusterRefused
    from infra.sweep.stretches import NothingToSweep
    from infra.sweep.sweep import SweepBusy, SweepForeign

    try:
        yield
    except (NothingToSweep, ClusterRefused, SweepBusy, SweepForeign) as error:
        raise Misuse(str(error)) from error


def headline(swept: "Swept") -> str:
    """Say in one line what the sweep shows of its best set: never without the correction."""
    ranking = swept.ranking
    best = ranking.best
    if best is None:
        return f"best of {ranking.tried_count} sets: {ranking.standing}"
    made = f"best of {ranking.tried_count} sets: corrected p = {best.p_holm:.3g} (Holm), {best.p_reality:.3g} (reality "
    return f"{made}check); {ranking.standing}; expect regression to the mean"


def _plain(swept: "Swept", folder: Path) -> dict[str, Any]:
    from infra.sweep.sweep import ranking_line

    ranking = swept.ranking
    names = {index: cell for index, cell in enumerate(swept.rows)}
    lines = [ranking_line(swept.grid, rank, each) for rank, each in enumerate(ranking.ranked, start=1)]
    told = {
        "folder": str(folder),
        "headline": headline(swept),
        "standing": ranking.standing.name.lower(),
        "sets_tried": ranking.tried_count,
        "windows": ranking.windows_count,
        "windows_unpaired": ranking.unpaired_count,
        "cells": swept.cells_count,
        "cells_kept": swept.kept_count,
        "failed": swept.failed,
        "sets_failed": [swept.grid.sets[set_id].words for set_id in swept.failed_sets],
        "ranking": lines,
        "walk_forward": {
            "folds": len(swept.folds.folds),
            "difference_usd": [getattr(swept.folds.difference, part) / 1e6 for part in ("mean", "low", "high")],
            "chosen": [
                {
                    "recording": names[fold.stretch_id].stretch.recording,
                    "changes": swept.grid.sets[fold.set_id].words,
                    "train_usd": fold.train_micros / 1e6,
                    "test_usd": fold.test_micros / 1e6,
                }
                for fold in swept.folds.folds
            ],
        },
    }
    return dict(_mended(told))


def _mended(value: Any) -> Any:
    """Turn what is not known into None."""
    if isinstance(value, dict):
        return {name: _mended(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_mended(each) for each in value]
    return None if isinstance(value, float) and value != value else value


def _show(swept: "Swept", folder: Path) -> None:
    ranking = swept.ranking
    say(headline(swept))
    rows = [
        (
            rank, swept.grid.sets[each.set_id].words, _usd(each.profit), _usd(each.difference),
            f"{each.shrunk_micros / 1e6:+,.2f}", f"{each.brier_less_book.mean:+.4f}",
            *(f"{p:.3f}" for p in (each.p, each.p_holm, each.p_yekutieli, each.p_reality, each.p_profit)),
            f"{each.p_deflated:.3f}",
        )
        for rank, each in enumerate(ranking.ranked[:SHOWN_MOST], start=1)
    ]  # fmt: skip
    head = (
        "rank", "changes", "USD a window", "less baseline's", "shrunk", "Brier less book's", "p alone", "Holm", "B-Y",
        "reality", "p of profit", "deflated",
    )  # fmt: skip
    table(
        head, rows, f"Sets by what they made, {ranking.windows_count:,} windows (p alone counts one set, the rest all)"
    )
    if swept.folds.folds:
        told = _usd(swept.folds.difference)
        say(f"\nwalk-forward: the best of the past made {told} USD a window more than the baseline on the next stretch")
        say(f"              ({len(swept.folds.folds)} choices, {swept.folds.difference.count:,} windows)")
    for name, why in list(swept.failed.items())[:FAILED_MOST]:
        say(f"failed  {name}: {why}")
    if swept.failed:
        say(f"{len(swept.failed)} of {swept.cells_count} cells failed; their sets are not ranked and count as tried")
    say(f"\nresults  {folder / 'results.parquet'}\nranking  {folder / 'ranking.parquet'}")
    say(f"cells    {swept.cells_count:,}, of which {swept.kept_count:,} were done before")


def _usd(told: Any) -> str:
    from dataclasses import asdict

    plain = {name: value / 1e6 if value == value else None for name, value in asdict(told).items()}
    return interval(plain)
