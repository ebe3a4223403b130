"""A small sweep for tests: a grid over a market of our own making, and a Dask cluster of real processes."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from evals.sweep import Grid, grid_of
from infra.stack.program import HOST, Program, answers, free_port, running
from infra.sweep.player import ROOT
from infra.sweep.stretches import Rows, lay_out

GRID = """\
seeds = [1]

[grid]
take_edge_bps = [100, 400]
fair_weight_ratio = [0.35, 1.0]

[blocks]
windows = 3

[generated]
market = "demo"
windows = 6
seeds = [4]
"""


def small_grid(text: str = GRID) -> Grid:
    """Give the grid: four sets over two stretches."""
    import tomllib

    return grid_of(tomllib.loads(text), "grid.toml")


def small_rows(home: Path, grid: Grid) -> list[Rows]:
    """Give the rows of its stretches: three windows each."""
    return lay_out(grid, (), home, lambda done, total: None)


@contextmanager
def dask_cluster(folder: Path, workers: int = 2) -> Iterator[str]:
    """Run a scheduler and its workers, processes of their own, and give the scheduler's address."""
    port = free_port()
    address = f"tcp://{HOST}:{port}"
    dask = (sys.executable, "-m", "dask")
    quiet = {"PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "False"}
    scheduler = Program(
        name="scheduler", folder=folder, environment=quiet,
        words=[*dask, "scheduler", "--host", HOST, "--port", str(port), "--no-dashboard"],
    )  # fmt: skip
    with ExitStack() as stack:
        stack.enter_context(running(scheduler, lambda: answers(port), 60.0))
        for at in range(workers):
            words = [*dask, "worker", address, "--host", HOST, "--nthreads", "1", "--no-dashboard", "--no-nanny"]
            worker = Program(
                name=f"worker-{at}", folder=folder, environment=quiet,
                words=[*words, "--local-directory", str(folder / f"worker-{at}")],
            )  # fmt: skip

            def joined(log: Path = worker.log) -> bool:
                return log.exists() and "Registered to" in log.read_text(errors="replace")

            stack.enter_context(running(worker, joined, 60.0))
        yield address
