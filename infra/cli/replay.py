"""The command `replay`: the same events give the same decisions, or the first difference is shown."""

from pathlib import Path
from typing import Annotated, Any

import typer

from infra.cli.core import Changes, ParamsFile, Seed, get_ready, hold_sources, read_settings, tape_of
from infra.cli.failures import Damaged, Exit, Misuse
from infra.cli.speech import AsJson, answer, progress, records, say, tick


def replay(
    place: Annotated[Path, typer.Argument(metavar="JOURNAL_OR_RUN", help="A journal, or the folder of a run.")],
    params: ParamsFile = None,
    changes: Changes = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Prove that the same events give the same decisions.

    Of a run, everything that it wrote down is made again from its journal, and compared row by row. The journal of a
    live session (demo, paper, live) shows every command that was given: the core is driven through it once more, and
    each is held against the recorded. Any other journal is run by another process first, and that run is then made
    again here. Parameters and seed are for such a journal alone: runs and sessions have their own.

    Example: updown replay var/runs/april-1a2b3c4d
    """
    hold_sources([place])
    if (place / "run.json").is_file():
        if params or changes or seed != 1:
            raise Misuse(f"{place}: a run has its own parameters and seed; leave --params, --set and --seed away")
        get_ready()
        told = replay_run(place)
    elif _is_session(place):
        if params or changes or seed != 1:
            raise Misuse(f"{place}: a session has its own parameters; leave --params, --set and --seed away")
        get_ready()
        told = replay_session(place)
    else:
        read_settings(params, changes)  # what is wrong is refused here, before another process is begun
        get_ready()
        tape_of([place])
        told = _replay_journal(place, params, changes or [], seed)
    if as_json:
        answer(told)
    elif "session" in told:
        _show_session(told)
    else:
        _show(told)
    if not told["same"]:
        raise typer.Exit(Exit.DOES_NOT_HOLD)


def _is_session(place: Path) -> bool:
    from infra.journal.reader import read_notes
    from infra.journal.segments import is_journal

    return is_journal(place) and "session" in next(iter(read_notes(place, torn_ok=True)), {})


def replay_session(folder: Path) -> dict[str, Any]:
    """Drive the core once more through a session's journal and hold its commands, mandates and marks; plain values."""
    from infra.clock import monotonic_ns
    from infra.journal.reader import verify
    from infra.shell.session import play_session
    from infra.version import code_name
    from state.units import NS_PER_S

    rows_count = verify(folder).rows_count
    started_ns = monotonic_ns()
    with progress("replaying") as share:
        played = play_session(folder, lambda done: share(done, rows_count))
    return {
        "session": str(folder),
        "same": not played.difference,
        "difference": played.difference,
        "hash_recorded": played.last_mark,
        "hash_came": played.core.digest(),
        "rows": played.rows_count,
        "commands": played.commands_count,
        "mandates": played.mandates_count,
        "params_changes": played.changes_count,
        "marks": played.marks_count,
        "commands_not_recorded": len(played.pending),
        "took_s": round((monotonic_ns() - started_ns) / NS_PER_S, 3),
        "code": code_name(),
    }


def replay_run(folder: Path) -> dict[str, Any]:
    """Make a run again and hold it against what was recorded; plain values."""
    from evals.backtest import LEDGERS
    from infra.runs import first_difference, play_tape, read_ledgers, read_run, run_tape
    from infra.version import code_name, layouts

    run = read_run(folder)
    recorded = read_ledgers(run)
    with progress("importing") as share:
        tape = run_tape(run, share)
    with progress("replaying") as share:
        came, took_s = play_tape(tape, run.params, run.terms, share)
    ledgers: list[dict[str, Any]] = []
    for name in LEDGERS:
        rows = getattr(came, name)
        at = first_difference(recorded[name], rows)
        ledgers.append(
            {"ledger": name, "recorded": len(recorded[name]), "came": len(rows), "same": at is None}
            | ({} if at is None else {"first_difference": _difference(name, at, recorded[name], rows)})
        )
    return {
        "run": str(folder),
        "same": run.run_hash == came.run_hash and all(row["same"] for row in ledgers),
        "hash_recorded": run.run_hash,
        "hash_came": came.run_hash,
        "ledgers": ledgers,
        "rows": tape.rows_count,
        "took_s": round(took_s, 3),
        "code": code_name(),
        "layouts_same": run.about["code"]["layouts"] == layouts(),
        "commit_recorded": run.about["code"]["commit"],
    }


def _difference(name: str, at: int, recorded: Any, came: Any) -> dict[str, Any]:
    """Say where two ledgers part: the row, the event's sequence, and every field that differs."""
    from state.records import as_dict

    one = as_dict(recorded[at]) if at < len(recorded) else None
    other = as_dict(came[at]) if at < len(came) else None
    either = one or other or {}
    sequence = next((either[key] for key in ("event_seq", "cause_seq", "ref_id", "open_s") if key in either), None)
    fields = [
        {"field": key, "recorded": one[key] if one else "no row", "came": other[key] if other else "no row"}
        for key in either
        if one is None or other is None or repr(one[key]) != repr(other[key])
    ]
    return {"ledger": name, "row": at, "sequence": sequence, "fields": fields}


def _replay_journal(journal: Path, params: Path | None, changes: list[str], seed: int) -> dict[str, Any]:
    import os
    import subprocess
    import sys
    import tempfile

    from infra.version import ROOT

    with tempfile.TemporaryDirectory(prefix="updown-replay-") as home:
        folder = Path(home) / "run"
        words = ["backtest", str(journal.resolve()), "--out", str(folder), "--seed", str(seed), "--no-report", "--json"]
        words += ["--params", str(params.resolve())] if params else []
        words += [word for change in changes for word in ("--set", change)]
        done = subprocess.run(
            [sys.executable, "-m", "infra", *words],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        if done.returncode != Exit.DONE:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1].removeprefix("updown: ")
            raise (Damaged if done.returncode == Exit.BAD_DATA else Misuse)(last)
        return replay_run(folder) | {"run": str(journal), "processes": 2}


def _show_session(told: dict[str, Any]) -> None:
    say(f"{tick(told['same'])} {told['session']}: {told['rows']:,} rows, made again by {told['code']}")
    say(f"  {told['commands']:,} commands, {told['mandates']:,} mandates and {told['marks']:,} marks held to the byte")
    say(f"  last mark recorded  {told['hash_recorded'] or 'none: the session was cut off before its first'}")
    say(f"  hash came           {told['hash_came']}")
    if told["commands_not_recorded"]:
        say(f"  {told['commands_not_recorded']} commands at the end are not in the journal: it was cut off there")
    if told["difference"]:
        say(f"  first difference: {told['difference']}")


def _show(told: dict[str, Any]) -> None:
    by = (
        "two processes"
        if told.get("processes")
        else f"recorded by commit {(told['commit_recorded'] or 'unknown')[:12]}"
    )
    say(f"{tick(told['same'])} {told['run']}: {told['rows']:,} rows, {by}, made again by {told['code']}")
    say(f"  hash recorded  {told['hash_recorded']}")
    say(f"  hash came      {told['hash_came']}")
    if not told["layouts_same"]:
        say("  the record layouts have changed since: the hash, which covers the world, must differ")
    records([{key: row[key] for key in ("ledger", "recorded", "came", "same")} for row in told["ledgers"]])
    for row in told["ledgers"]:
        found = row.get("first_difference")
        if found:
            title = f"first difference in {row['ledger']}: row {found['row']}, sequence {found['sequence']}"
            records(found["fields"], title)
