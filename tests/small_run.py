"""A backtest's run over a few made-up windows with late makers; made once for all tests of a process."""

from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

from evals.backtest import Terms
from infra.generated import write_market
from infra.recordings.tape import open_tape
from infra.runs import about_run, play_tape, save_run
from state.params import default_params


@lru_cache(maxsize=1)
def small_run(windows: int = 4) -> Path:
    """Give the run's folder."""
    home = Path(mkdtemp(prefix="updown-run-")) / "var" / "generated" / "small"
    write_market(home / "journal", name="demo", windows=windows, seed=4)
    tape = open_tape([home / "journal"])
    ledgers, took_s = play_tape(tape, default_params(), Terms(), lambda *_: None)
    save_run(home, about_run("small", [home / "journal"], tape, ledgers, took_s), ledgers, {})
    return home
