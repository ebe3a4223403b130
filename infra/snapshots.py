"""Snapshots: a run of the desk as it stands between two chunks, on disk, so that another process goes on from there."""

import hashlib
import json
import os
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evals.backtest import LEDGERS, Backtest, Terms
from infra.journal.blocks import layout_hash
from state.events import EVENT
from state.exchange import Exchange
from state.params import default_params
from state.records import as_dict, layout, rows
from state.session import Session
from state.world import World

SNAPSHOT_VERSION: Final = 1
MEMORY: Final = {"world": World, "exchange": Exchange, "session": Session}
"""What a run remembers, each as the one record it is."""


class SnapshotRefused(Exception):
    """There is no snapshot at that place, or it is damaged, or of other layouts; one line says which."""


def save_snapshot(path: Path, backtest: Backtest) -> None:
    """Write down a run as it stands: memory, ledgers so far, and the rows it has not played out yet.

    The file appears whole or not at all, and is on disk when this returns.
    """
    at = int(backtest.session.desk_cursor_id)
    session = rows(Session, 1)
    session[0] = backtest.session
    session["desk_cursor_id"] = 0
    session["venue_cursor_id"] -= at
    parts: dict[str, Any] = {
        "world": _bytes_of(backtest.world),
        "exchange": _bytes_of(backtest.exchange),
        "session": _bytes_of(session[0]),
        "rest": _bytes_of(backtest._rest[at:]),
    }
    for name in LEDGERS:
        pages = backtest.kept[name]
        parts[f"ledger_{name}"] = _bytes_of(np.concatenate(pages) if pages else np.zeros(0, np.uint8))
    about = {
        "format": SNAPSHOT_VERSION,
        "layouts": _layouts(),
        "events_count": backtest.events_count,
        "params": as_dict(backtest.params),
        "terms": asdict(backtest.terms),
        "sha256": _digest(parts),
    }
    parts["about"] = np.frombuffer(json.dumps(about, sort_keys=True).encode(), np.uint8)
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        np.savez(file, allow_pickle=False, **parts)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def load_snapshot(path: Path) -> Backtest:
    """Give the run that a snapshot was made of; feed it the rows from `events_count` on.

    Raises:
        SnapshotRefused: nothing there, damaged bytes, or records of other layouts than this code's.
    """
    try:
        with np.load(path) as file:
            parts = {name: file[name] for name in file.files}
        about = json.loads(parts.pop("about").tobytes())
    except FileNotFoundError:
        raise SnapshotRefused(f"{path}: no snapshot there; begin from the journal's first row") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        words = " ".join(str(error).split())
        raise SnapshotRefused(f"{path}: not a whole snapshot ({words}); begin from the journal's first row") from error
    if about.get("format") != SNAPSHOT_VERSION or about.get("layouts") != _layouts():
        odd = sorted(name for name, ours in _layouts().items() if about.get("layouts", {}).get(name) != ours)
        what = f"another layout of {', '.join(odd)}" if odd else f"format {about.get('format')}"
        raise SnapshotRefused(f"{path}: {what} than this code reads; begin from the journal's first row")
    if about["sha256"] != _digest(parts):
        raise SnapshotRefused(f"{path}: its bytes are not those that were saved; begin from the journal's first row")
    backtest = Backtest(default_params(about["params"]), Terms(**about["terms"]))
    for name, record in MEMORY.items():
        setattr(backtest, name, _one_of(parts[name], layout(record)))
    backtest.events_count = int(about["events_count"])
    backtest._rest = _rows_of(parts["rest"], EVENT)
    for name, record in LEDGERS.items():
        if len(parts[f"ledger_{name}"]):
            backtest.kept[name] = [_rows_of(parts[f"ledger_{name}"], layout(record))]
    return backtest


def _layouts() -> dict[str, str]:
    return {record.__name__: layout_hash(layout(record)) for record in (*MEMORY.values(), *LEDGERS.values())}


def _digest(parts: dict[str, NDArray[Any]]) -> str:
    total = hashlib.sha256()
    for name in sorted(parts):
        total.update(f"{name} {len(parts[name])}\n".encode())
        total.update(parts[name].tobytes())
    return total.hexdigest()


def _bytes_of(value: Any) -> NDArray[np.uint8]:
    return np.frombuffer(value.tobytes(), np.uint8)


def _rows_of(data: NDArray[np.uint8], dtype: np.dtype[Any]) -> NDArray[Any]:
    made = np.zeros(len(data) // dtype.itemsize, dtype)
    made.view(np.uint8)[:] = data
    return made


def _one_of(data: NDArray[np.uint8], dtype: np.dtype[Any]) -> Any:
    return _rows_of(data, dtype)[0]
