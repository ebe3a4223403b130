"""The core as plain Python and as machine code: the same run, to the last bit of every ledger and of the memory."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from desk_views import bytes_of, demo_events

from evals.backtest import LEDGERS, Backtest
from state.events import EVENT, Kind
from state.exchange import Exchange
from state.orders import Act
from state.params import default_params
from state.records import Record, layout
from state.session import Session
from state.world import World

ROOT = Path(__file__).resolve().parents[2]
ROWS = 1_500
BOLD = {"fair_weight_ratio": 0.9, "weight_sd_ratio": 0.05, "take_edge_bps": 10.0, "quote_edge_bps": 10.0}


def busy_moment() -> tuple[Any, Any]:
    """Play a window by machine code up to where it trades; give the run as it stands, and the rows that follow.

    The rows end with the window's settlement.
    """
    events = demo_events()
    settled = events[events["kind_code"] == Kind.SETTLED]
    events = events[events["seen_ns"] < settled["seen_ns"][0]]
    whole = Backtest(default_params(BOLD))
    whole.feed(events)
    orders = whole.ledgers().orders
    placed = orders[orders["act_code"] == Act.PLACE]["at_ns"]
    start = int(np.searchsorted(events["seen_ns"], int(placed[len(placed) // 2]))) - ROWS // 3
    begun = Backtest(default_params(BOLD))
    begun.feed(events[:start])
    return begun, np.concatenate([events[start : start + ROWS], settled])


def digest(ledgers: Any) -> dict[str, Any]:
    """Hash every field of every ledger and of both memories, to name what differs; the run's hash is of all bytes."""
    told: dict[str, Any] = {name: hashlib.sha256(ledgers_bytes(getattr(ledgers, name))).hexdigest() for name in LEDGERS}
    for part in ("world", "exchange"):
        row = getattr(ledgers, part)
        for name in row.dtype.names:
            told[f"{part}.{name}"] = hashlib.sha256(field_bytes(row[name])).hexdigest()
    counts = {f"{name} rows": len(getattr(ledgers, name)) for name in LEDGERS}
    return told | counts | {"run_hash": ledgers.run_hash}


def field_bytes(value: Any) -> bytes:
    if getattr(value, "dtype", None) is not None and value.dtype.names is not None:
        return ledgers_bytes(value) if isinstance(value, np.ndarray) else bytes_of(value)
    return np.asarray(value).tobytes()


def ledgers_bytes(rows: Any) -> bytes:
    return b"".join(field_bytes(rows[name]) for name in rows.dtype.names)


MEMORY: dict[str, type[Record]] = {"world": World, "exchange": Exchange, "session": Session}


def keep(folder: Path, begun: Any, events: Any) -> None:
    for name in MEMORY:
        (folder / name).write_bytes(getattr(begun, name).tobytes())
    np.save(folder / "rest.npy", begun._rest)
    np.save(folder / "events.npy", events)


def run(folder: Path) -> dict[str, Any]:
    """Go on from what was kept (a copy by NumPy would leave the padding to chance, so the bytes are the memory)."""
    backtest = Backtest(default_params(BOLD))
    for name, record in MEMORY.items():
        setattr(backtest, name, np.frombuffer(bytearray((folder / name).read_bytes()), layout(record))[0])
    backtest._rest = np.load(folder / "rest.npy").astype(EVENT)
    backtest.feed(np.load(folder / "events.npy").astype(EVENT), final=True)
    return digest(backtest.ledgers())


def test_plain_python_and_machine_code_write_the_same_ledgers_and_remember_the_same(tmp_path: Path) -> None:
    begun, events = busy_moment()
    keep(tmp_path, begun, events)
    order = [sys.executable, str(Path(__file__)), str(tmp_path)]
    place = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    env = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": place}
    heard = subprocess.run(order, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert heard.returncode == 0, heard.stderr[-2_000:]
    plain, compiled = json.loads(heard.stdout), run(tmp_path)
    assert {name: (plain[name], compiled[name]) for name in plain if plain[name] != compiled[name]} == {}
    assert compiled["lines rows"] > 5 and compiled["orders rows"] > 0 and compiled["messages rows"] > 0
    assert compiled["windows rows"] == 1


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(Path(sys.argv[1]))))
