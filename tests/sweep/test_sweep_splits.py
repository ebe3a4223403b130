"""However a sweep is split, stopped or shuffled, its results are the same to the byte."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sweep_stage import GRID, dask_cluster, small_grid, small_rows

from evals.sweep import Grid
from infra.sweep.cluster import played_there
from infra.sweep.local import played_here
from infra.sweep.player import ROOT, answer
from infra.sweep.stretches import Rows
from infra.sweep.sweep import Player, Swept, sweep
from infra.sweep.tables import read_table

pytestmark = pytest.mark.rehearsal
FILES = ("results.parquet", "ranking.parquet", "folds.parquet")


@pytest.fixture(scope="module")
def grid() -> Grid:
    return small_grid()


@pytest.fixture(scope="module")
def rows(grid: Grid, tmp_path_factory: pytest.TempPathFactory) -> list[Rows]:
    return small_rows(tmp_path_factory.mktemp("rows"), grid)


@pytest.fixture(scope="module")
def alone(grid: Grid, rows: list[Rows], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sweep in one process: what every other way is held against."""
    home = tmp_path_factory.mktemp("alone")
    run(grid, rows, home, partial(played_here, workers=1))
    return home


def run(grid: Grid, rows: list[Rows], home: Path, player: Player) -> Swept:
    return sweep(grid, rows, home, player, lambda done, total: None)


def digests(home: Path) -> list[str]:
    return [sha256((home / name).read_bytes()).hexdigest() for name in FILES]


def shuffled(requests: Any) -> Iterator[Any]:
    told = list(requests)
    for at in np.random.default_rng(7).permutation(len(told)):
        yield told[at], answer(told[at])


def test_the_results_say_something(alone: Path, grid: Grid) -> None:
    told = read_table(alone / "results.parquet")
    assert len(told["cell"]) == len(grid.sets) * 6  # windows
    assert set(told["failed"].tolist()) == {""}
    assert (told["forecasts_count"] > 0).all()
    made = [told["profit_micros"][told["set_id"] == at].sum() for at in range(len(grid.sets))]
    assert len(set(made)) >= 3, made  # sets traded, and not all alike


def test_two_processes_give_the_same_bytes(alone: Path, grid: Grid, rows: list[Rows], tmp_path: Path) -> None:
    run(grid, rows, tmp_path, partial(played_here, workers=2))
    assert digests(tmp_path) == digests(alone)


def test_a_shuffled_order_gives_the_same_bytes(alone: Path, grid: Grid, rows: list[Rows], tmp_path: Path) -> None:
    run(grid, rows, tmp_path, shuffled)
    assert digests(tmp_path) == digests(alone)


def test_a_cluster_of_two_workers_gives_the_same_bytes(
    alone: Path, grid: Grid, rows: list[Rows], tmp_path: Path
) -> None:
    with dask_cluster(tmp_path / "dask") as address:
        told = run(grid, rows, tmp_path / "out", partial(played_there, address=address))
    assert not told.failed
    assert digests(tmp_path / "out") == digests(alone)


def test_a_sweep_that_was_killed_goes_on_where_it_was(alone: Path, grid: Grid, tmp_path: Path) -> None:
    (tmp_path / "grid.toml").write_text(GRID)
    words = [sys.executable, "-m", "infra", "sweep", "grid.toml", "--out", "out", "--workers", "2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    cells = tmp_path / "out" / "cells"
    try:
        until(lambda: child.poll() is not None or len(list(cells.glob("*.parquet"))) >= 2)
        assert child.poll() is None, child.communicate()[1].decode()
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    done = len(list(cells.glob("*.parquet")))
    assert 2 <= done < len(grid.sets) * 2
    asked: list[str] = []

    def counted(requests: Any) -> Iterator[Any]:
        for request in requests:
            asked.append(request["name"])
            yield request, answer(request)

    told = run(grid, small_rows(tmp_path / "out", grid), tmp_path / "out", counted)
    assert told.kept_count >= done and len(asked) == told.cells_count - told.kept_count
    assert digests(tmp_path / "out") == digests(alone)


def test_a_cell_that_fails_is_a_row_with_its_reason_and_its_set_is_not_ranked(
    alone: Path, grid: Grid, rows: list[Rows], tmp_path: Path
) -> None:
    def failing(requests: Any) -> Iterator[Any]:
        for at, request in enumerate(requests):
            yield request, {"failed": "no room"} if at == 5 else {"columns": columns[request["name"]]}

    columns = {file.stem: read_table(file) for file in (alone / "cells").glob("*.parquet")}
    told = run(grid, rows, tmp_path, failing)
    assert list(told.failed.values()) == ["no room"] and len(told.failed_sets) == 1
    assert told.failed_sets[0] not in [each.set_id for each in told.ranking.ranked]
    assert told.ranking.tried_count == grid.tried_count
    assert read_table(tmp_path / "results.parquet")["failed"].tolist().count("no room") == 1
    again = run(grid, rows, tmp_path, shuffled)
    assert again.kept_count == told.cells_count - 1 and digests(tmp_path) == digests(alone)


def test_a_damaged_cell_is_played_again(alone: Path, grid: Grid, rows: list[Rows], tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    for at, file in enumerate(sorted((alone / "cells").glob("*.parquet"))):
        (tmp_path / "cells" / file.name).write_bytes(file.read_bytes()[: 40 if at == 0 else None])
    told = run(grid, rows, tmp_path, shuffled)
    assert told.kept_count == told.cells_count - 1 and digests(tmp_path) == digests(alone)


def until(true: Callable[[], bool], within_s: float = 120.0) -> None:
    limit = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < limit, "it did not come to that in time"
        time.sleep(0.02)
