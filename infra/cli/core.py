"""What commands that run the core do first: get its machine code, read settings, open what to run over."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from infra.cli.failures import Misuse
from infra.cli.speech import progress

if TYPE_CHECKING:
    from infra.addresses import Addresses
    from infra.clock import Clock
    from infra.recordings.tape import Tape
    from state.params import Params
    from tools.retuning import Retune

ParamsFile = Annotated[
    Path | None,
    typer.Option(
        "--params", metavar="FILE.toml", help="Settings: a section [params]; names by `updown rules --params`."
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Change one parameter; may be given again. Limits only down."),
]
RetuneTo = Annotated[
    str,
    typer.Option(
        "--retune", metavar="HOW", help="Parameters may be changed while it runs: none, safer (away from risk), any."
    ),
]
Seed = Annotated[int, typer.Option(min=0, max=2**62, help="Seeds every draw; the same seed gives the same run.")]


def get_ready(*, whole: bool = True) -> None:
    """Get the core's machine code ready; must come before anything of it is imported.

    With `whole` all of it is compiled first, visibly, unless that was done before; else only what is used, when it is.
    """
    if "state.compiled" in sys.modules:
        return
    from infra.compile_cache import cache_folder, point_at, prepare

    if whole:
        prepare()
    elif os.environ.get("NUMBA_DISABLE_JIT") != "1":
        point_at(cache_folder())


def read_settings(file: Path | None, changes: Sequence[str] | None) -> "Params":
    """Give the parameters of a run."""
    from infra.settings import read_params

    return read_params(file, changes or ())


def where(venue: Path | None, params: Path | None) -> "tuple[Addresses, Clock]":
    """Give addresses and clock: those of a venue next door that runs already, or the real ones and the wall's.

    Raises:
        VenueFileRefused: there is no such file, or nothing that it tells of runs.
    """
    from infra.clock import WALL
    from infra.settings import read_addresses
    from infra.venue_next_door.files import read_venue_file

    if venue is None:
        return read_addresses(params), cast("Clock", WALL)
    told = read_venue_file(venue)
    return told.addresses, told.clock


def read_retune(word: str) -> "Retune":
    """Give how far a session's parameters may be changed while it runs."""
    from tools.retuning import Retune

    try:
        return Retune(word)
    except ValueError:
        raise Misuse(f"--retune {word}: say {', '.join(Retune)}") from None


def hold_sources(sources: Sequence[Path]) -> None:
    """Refuse folders that are not there, before anything slow begins."""
    for source in sources:
        if not source.is_dir():
            kind = "not a folder" if source.exists() else "no such folder"
            raise Misuse(f"{source}: {kind}; name a journal or a folder of recordings")


def hold_run(run: Path | None) -> None:
    """Refuse a folder that is no run, before anything slow begins."""
    if run is not None and not (run / "run.json").is_file():
        raise Misuse(f"{run}: no run in it (no run.json); name a folder that `updown backtest` wrote")


def tape_of(sources: Sequence[Path]) -> "Tape":
    """Open what to run over: a journal, or data folders, imported once."""
    from infra.journal.segments import is_journal
    from infra.recordings.tape import open_tape

    hold_sources(sources)
    if len(sources) > 1 and any(is_journal(source) for source in sources):
        raise Misuse("a journal is read alone: its slots would mix with those of other folders; name it by itself")
    with progress("importing") as told:
        return open_tape(sources, progress=told)


def terms_of(seed: int, cash_usd: float) -> Any:
    """Give the terms of a run."""
    from evals.backtest import Terms
    from state.units import MICROS

    return Terms(seed=seed, cash_micros=round(cash_usd * MICROS))
