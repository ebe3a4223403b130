"""The player of a sweep: one cell, played in whatever process it lands in, as plain values in and out.

Nothing of the core is imported before its machine code is pointed at, so this module may be loaded anywhere.
"""

import hashlib
import os
import sys
import threading
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

ROOT: Final = Path(__file__).resolve().parents[2]
FLOORS: Final = ("state", "tools", "agents", "graph", "evals", "infra/sweep")
LIBRARIES: Final = ("numpy", "numba")
CHUNK: Final = 200_000
NICE: Final = 10
"""Others of this machine go first: a desk may be trading beside the sweep."""
REASON_LENGTH: Final = 200

COLUMNS: Final = (
    ("open_s", np.int64), ("slot_id", np.int64), ("up", np.int64), ("profit_micros", np.int64),
    ("spent_micros", np.int64), ("traded", np.int64), ("forecasts_count", np.int64), ("brier_sum", np.float64),
    ("book_brier_sum", np.float64),
)  # fmt: skip
"""What a cell says of each of its settled windows."""

_GETTING_READY = threading.Lock()


class CellFailed(Exception):
    """A cell cannot be played here; the message is the reason that stands in the results."""


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Name the code that a cell's outcome follows from: the floors' sources and the libraries, on any machine alike."""
    total = hashlib.sha256()
    for floor in FLOORS:
        for path in sorted((ROOT / floor).rglob("*.py")):
            total.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    for name in LIBRARIES:
        total.update(f"{name}={version(name)};".encode())
    return total.hexdigest()[:32]


def answer(request: dict[str, Any], words: NDArray[np.uint8] | None = None) -> dict[str, Any]:
    """Play a cell and give `{"columns": ...}`, or `{"failed": reason}`: one cell never takes the sweep with it."""
    try:
        return {"columns": play(request, words)}
    except Exception as error:  # boundary: a cell that fails is a row with its reason
        said = " ".join(str(error).split())
        told = said if isinstance(error, CellFailed) else f"{type(error).__name__}: {said}"
        return {"failed": told[:REASON_LENGTH]}


def play(request: dict[str, Any], words: NDArray[np.uint8] | None = None) -> dict[str, list[float]]:
    """Play one cell.

    Args:
        request: `params` by name, `seed`, `cash_micros`, `trades_known`, `opens_s`, `code`, and `rows`: the file.
        words: the rows' bytes, where the file is on another machine.

    Raises:
        CellFailed: this process runs other code, or the rows are not there.
        UnknownParameter, OutOfBounds: the parameters cannot stand.
    """
    if request["code"] != code_digest():
        raise CellFailed(f"the worker runs other code ({code_digest()[:8]}, not {request['code'][:8]})")
    _get_ready()
    from evals.backtest import Terms, run_backtest
    from state.events import EVENT
    from state.params import default_params

    terms = Terms(seed=request["seed"], cash_micros=request["cash_micros"], trades_known=request["trades_known"])
    rows = words if words is not None else _mapped(Path(request["rows"]))
    if rows.dtype != np.uint8 or rows.ndim != 1 or len(rows) % EVENT.itemsize:
        raise CellFailed("the rows have another layout; remove the folder `rows` and sweep again")
    ledgers = run_backtest(_chunks(rows, EVENT), default_params(request["params"]), terms)
    return columns_of(ledgers, frozenset(request["opens_s"]))


def columns_of(ledgers: Any, opens_s: frozenset[int]) -> dict[str, list[float]]:
    """Give one line for each window that counts, in order: money, and Brier scores at the moments of a rehearsal.

    The book's own forecast is its middle at the last run of the desk before the moment; a moment at which either was
    silent is scored for neither.
    """
    from dataclasses import replace

    from evals.rehearsal import NO_FORECAST, window_scores

    of_book = ledgers.lines.copy()
    of_book["p_up"] = of_book["p_mid"]
    told: dict[str, list[float]] = {name: [] for name, _ in COLUMNS}
    pairs = zip(window_scores([ledgers]), window_scores([replace(ledgers, lines=of_book)]), strict=True)
    for ours, book in pairs:
        if ours.open_s not in opens_s:
            continue
        spoken = [(p, q) for p, q in zip(ours.p_up, book.p_up, strict=True) if NO_FORECAST not in (p, q)]
        line = (
            ours.open_s, ours.slot_id, int(ours.up), int(ours.profit_micros), int(ours.spent_micros),
            int(ours.traded_ratio), len(spoken),
            sum((p - ours.up) ** 2 for p, _ in spoken), sum((q - ours.up) ** 2 for _, q in spoken),
        )  # fmt: skip
        for (name, _), value in zip(COLUMNS, line, strict=True):
            told[name].append(value)
    return told


def settle_in() -> None:
    """Begin a process of this machine's crew: patient, deaf to Ctrl-C, and gone when its parent is."""
    import multiprocessing
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)  # whoever asked is gone: nobody takes the answer

    threading.Thread(target=follow, name="parent", daemon=True).start()


def _get_ready() -> None:
    with _GETTING_READY:
        if "state.compiled" not in sys.modules:
            from infra.compile_cache import prepare

            prepare(show=False)


def _mapped(file: Path) -> NDArray[np.uint8]:
    try:
        rows: NDArray[np.uint8] = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        why = (getattr(error, "strerror", None) or "not whole").lower()  # no path: results are alike in every folder
        raise CellFailed(f"the rows cannot be read ({why}); remove the folder `rows` and sweep again") from error
    return rows


def _chunks(words: NDArray[np.uint8], layout: Any) -> Iterator[NDArray[Any]]:
    """Give the rows as the very type that the core was compiled for, in arrays that may be written to."""
    size = CHUNK * layout.itemsize
    for start in range(0, len(words), size):
        yield np.array(words[start : start + size]).view(layout)
