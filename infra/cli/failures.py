"""How a command fails: one line that says how to mend it, and an exit code that scripts may rely on."""

import functools
import json
import os
import sys
import traceback
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final, NoReturn, ParamSpec

import typer

P = ParamSpec("P")


class Exit(IntEnum):
    """Exit codes; they stand in the help of the root and do not change."""

    DONE = 0
    DOES_NOT_HOLD = 1
    BAD_INPUT = 2
    BAD_DATA = 3
    OUR_FAULT = 4


CODES: Final = {
    Exit.DONE: "done; what was claimed holds",
    Exit.DOES_NOT_HOLD: "a claim or a check does not hold",
    Exit.BAD_INPUT: "wrong usage or input, or a place that cannot be read or written",
    Exit.BAD_DATA: "data that is damaged or foreign",
    Exit.OUR_FAULT: "a fault of our own: please report it",
}

UsageError: Final[Any] = typer.BadParameter.__mro__[1]
"""Any mistake in the words of a command. Typer carries a Click of its own since 0.26, so it is reached through it."""


class Misuse(Exception):
    """The operator asked for what cannot be; the message says what to ask instead."""


class Damaged(Exception):
    """Data that we wrote ourselves cannot be read back; the message says what to do."""


def code_of(error: Exception) -> Exit:
    """Give the exit code of an error; whatever we did not foresee is our own fault."""
    if isinstance(error, (*_known("infra.recordings.tables", "SourceRefused"), Damaged)):
        return Exit.BAD_DATA
    bad_data = _known("infra.journal.errors", "JournalForeign", "JournalDamaged") + _known("infra.runs", "RunDamaged")
    bad_data += _known("infra.ledger.ledger", "LedgerForeign", "LedgerDiffers")
    bad_data += _known("infra.bus.restoring", "BusIncomplete")
    if isinstance(error, bad_data):
        return Exit.BAD_DATA
    bad_input = (
        _known("infra.journal.errors", "JournalMissing", "JournalBusy", "JournalFailed")
        + _known("state.params", "UnknownParameter", "OutOfBounds")
        + _known("infra.settings", "SettingsRefused")
        + _known("infra.runs", "RunMissing")
        + _known("infra.snapshots", "SnapshotRefused")
        + _known("infra.traces.settings", "TracingRefused")
        + _known("infra.shell.next_door", "VenueFailed")
        + _known("infra.shell.live", "NotNextDoor")
        + _known("infra.hedge.ccxt_perp", "HedgeRefused")
        + _known("infra.shell.wallet_day", "DayUnknown")
        + _known("infra.venue_next_door.files", "VenueFileRefused")
        + _known("infra.ledger.ledger", "LedgerAway", "LedgerBusy", "LedgerFailed")
        + _known("infra.venues.credentials", "KeyMissing")
        + _known("infra.venues.rest", "CredentialsRefused", "NoAnswer")
        + _known("infra.venues.signing", "SignerFailed")
        + _known("infra.proofs.rehearsals", "RehearsalFailed")
        + _known("infra.bus.port", "BusRefused")
        + _known("infra.stack.kafka", "KafkaMissing")
        + _known("infra.stack.program", "NotStarted")
        + _known("infra.stack.processes", "ProcessFailed")
        + _known("infra.store.port", "StoreRefused", "StoreAway")
        + (Misuse, UsageError, OSError)
    )
    return Exit.BAD_INPUT if isinstance(error, bad_input) else Exit.OUR_FAULT


def _known(module: str, *names: str) -> tuple[type[Exception], ...]:
    """Look error classes up without importing their module: what was never imported was never raised."""
    loaded = sys.modules.get(module)
    return tuple(getattr(loaded, name) for name in names) if loaded else ()


def one_line(error: Exception) -> str:
    """Say an error in one line."""
    if isinstance(error, UsageError):
        return _usage(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror.lower()}"
    words = " ".join(str(error).split())
    if code_of(error) is Exit.OUR_FAULT:
        return f"our own fault: {type(error).__name__}: {words}".rstrip(": ")
    return words or type(error).__name__


def _usage(error: Any) -> str:
    words = " ".join(error.format_message().split()).rstrip(".")
    place = error.ctx.command_path if error.ctx is not None else "updown"
    return f"{words[:1].lower()}{words[1:]} (see `{place} --help`)"


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Let a command fail as the operator expects: one line on standard error, never a trace for what is not our fault.

    With `--json` the error is also the answer on standard output, so that a machine always gets one object.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except BrokenPipeError:  # whoever read us has gone: `updown rules | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(Exit.DONE) from None
        except Exception as error:  # boundary: a command ends in an exit code, whatever happens in it
            if isinstance(error, typer.Exit | typer.Abort):
                raise
            fail(error, as_json=bool(kwargs.get("as_json")))

    return run


def fail(error: Exception, *, as_json: bool) -> NoReturn:
    """Say what went wrong and leave with its code; our own faults show their trace to people."""
    code = code_of(error)
    if code is Exit.OUR_FAULT and not as_json:
        traceback.print_exception(error)
    print(f"updown: {one_line(error)}", file=sys.stderr)
    if as_json:
        print(json.dumps({"error": one_line(error), "exit": int(code)}))
    raise typer.Exit(int(code)) from error
