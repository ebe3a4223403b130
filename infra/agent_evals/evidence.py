"""The record that evals are run on when none is named: a backtest's run over a market of our own making."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from evals.backtest import Terms
from infra.generated import write_market
from infra.recordings.tape import open_tape
from infra.runs import about_run, play_tape, save_run
from state.params import default_params

MARKET: Final = "demo"
WINDOWS: Final = 4
SEED: Final = 4


@contextmanager
def evidence_run() -> Iterator[Path]:
    """Make the run and give its folder; it goes with the block."""
    with tempfile.TemporaryDirectory(prefix="updown-evals-") as scratch:
        home = Path(scratch) / "var" / "generated" / "evals"
        save_evidence(home)
        yield home


def save_evidence(home: Path) -> None:
    """Make the run in a folder."""
    write_market(home / "journal", name=MARKET, windows=WINDOWS, seed=SEED)
    tape = open_tape([home / "journal"])
    ledgers, took_s = play_tape(tape, default_params(), Terms(), lambda *_: None)
    save_run(home, about_run("evals", [home / "journal"], tape, ledgers, took_s), ledgers, {})
