"""Account for a run: put its ledgers, a second look at its tape and what is known of both into a report's input."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from evals.account import Facts, report_input
from evals.backtest import Ledgers
from evals.census import Census
from evals.results import ReportInput
from infra.journal.reader import read_notes
from infra.recordings.tape import Tape
from state.units import NS_PER_S

Progress = Callable[[int, int], None]

TRADED_ON: Final = ("generated", "full-depth books", "aligned trades and books", "late looks", "best prices")
"""Kinds of recordings with books, in the order in which one is taken for what was traded on."""


def account_run(
    about: Mapping[str, Any], ledgers: Ledgers, tape: Tape, progress: Progress, census: Census | None = None
) -> ReportInput:
    """Make a report's input of a run.

    Args:
        about: what the run was made of, see `infra.runs.about_run`.
        ledgers: what it wrote down.
        tape: its rows, walked once more, and twice where nobody counted them before.
        progress: told rows done, of how many.
        census: what was counted while the desk ran; None when that is long past.

    Raises:
        JournalDamaged: the tape has a hole.
    """
    passes = 1 if census else 2
    if census is None:
        census = Census()
        for _ in census.watch(_watched(tape, progress, 0, passes)):
            pass
    code = about["code"]
    facts = Facts(
        title=about["title"],
        made=f"{datetime.fromtimestamp(about['made_ns'] // NS_PER_S, UTC):%Y-%m-%d %H:%M} UTC",
        version=code["version"] + (f" ({code['commit'][:12]})" if code["commit"] else ""),
        machine=code["machine"],
        kinds=kinds_of(tape.folder),
        notes=tape.notes,
    )
    return report_input(ledgers, census, _watched(tape, progress, passes - 1, passes), facts)


def _watched(tape: Tape, progress: Progress, before: int, passes: int) -> Iterator[NDArray[Any]]:
    done = before * tape.rows_count
    for chunk in tape.chunks():
        yield chunk
        done += len(chunk)
        progress(done, passes * tape.rows_count)


def kinds_of(journal: Path) -> tuple[str, ...]:
    """Tell from a journal's notes what kinds of recordings it was made of, the one with books first."""
    return _ordered(_kinds(read_notes(journal)))


def _kinds(notes: Iterable[Mapping[str, Any]]) -> list[str]:
    found: list[str] = []
    for note in notes:
        if "generated" in note:
            found.append("generated")
        found += [source.split(":")[0] for source in note.get("import", {}).get("sources", ())]
    return found or ["journal"]


def _ordered(kinds: Sequence[str]) -> tuple[str, ...]:
    rank = {kind: place for place, kind in enumerate(TRADED_ON)}
    return tuple(sorted(dict.fromkeys(kinds), key=lambda kind: rank.get(kind, len(rank))))
