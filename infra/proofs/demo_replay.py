"""The proof of replay: a live session's journal gives the same commands again, also after the desk was killed."""

import tempfile
import time
from pathlib import Path
from typing import Any, Final

from evals.proof import Figure, Proof
from infra.journal.reader import read_notes
from infra.proofs.rehearsals import Desk, Progress, RehearsalFailed, replayed, state_of, venue
from infra.shell.session import play_session

NAME: Final = "demo-replay"
CLAIM: Final = "a demo replays to the same hash; a demo killed in the middle of a window starts again and goes on"
SPEED: Final = 20.0
KILLED_S: Final = 150.0
"""Into the first window, by its clock."""
STEPS: Final = 6


def prove_demo_replay(_: Path | None, progress: Progress) -> Proof:
    """Run one demo to its end and another with a kill -9 in it, and replay both in other processes."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="updown-demo-replay-") as home:
        scratch = Path(home)
        figures += _whole(scratch / "whole", progress)
        figures += _killed(scratch / "killed", progress)
    return Proof(name=NAME, claim=CLAIM, figures=tuple(figures))


def _whole(scratch: Path, progress: Progress) -> list[Figure]:
    scratch.mkdir()
    with venue(scratch, market="demo", speed=SPEED, windows=5) as (file, _):
        desk = Desk(file, scratch / "journal", more=["--windows", "2"])
        try:
            told = desk.wait(lambda: progress(1, STEPS), 300.0)
        finally:
            desk.close()
    progress(2, STEPS)
    again = replayed(scratch / "journal")
    same = again["same"] and again["hash_came"] == told["session"]["run_hash"]
    return [
        Figure(name="windows settled", measured=told["windows"]["settled"], bar=">= 2",
               holds=told["windows"]["settled"] >= 2),
        Figure(name="orders placed", measured=told["orders"]["placed"], bar="-"),
        Figure(name="rows, commands, mandates replayed", bar="-",
               measured=f"{again['rows']:,}, {again['commands']:,}, {again['mandates']:,}"),
        Figure(name="replay of the demo", measured="the same hash" if same else f"differs: {again['difference']}",
               bar="the same hash", holds=same),
    ]  # fmt: skip


def _killed(scratch: Path, progress: Progress) -> list[Figure]:
    scratch.mkdir()
    journal = scratch / "journal"
    with venue(scratch, market="demo", speed=SPEED, windows=6) as (file, place):
        opens_ns = (place.clock.now_ns() // 300_000_000_000 + 1) * 300_000_000_000
        first = Desk(file, journal, name="first", more=["--windows", "4"])
        try:
            while place.clock.now_ns() < opens_ns + int((300 + KILLED_S) * 1e9):
                progress(3, STEPS)
                if first.is_over:
                    raise RehearsalFailed("the desk ended before it was killed")
                time.sleep(0.2)
        finally:
            first.kill()
        before = play_session(journal)
        progress(4, STEPS)
        second = Desk(file, journal, name="second", more=["--windows", "2"])
        try:
            told = second.wait(lambda: progress(4, STEPS), 300.0)
        finally:
            second.close()
        held = _held_against_venue(place, told)
    progress(5, STEPS)
    again = replayed(journal)
    same = again["same"] and again["hash_came"] == told["session"]["run_hash"]
    restarts = sum("restarted" in note for note in read_notes(journal))
    progress(STEPS, STEPS)
    return [
        Figure(name="killed after rows", measured=before.rows_count, bar="> 0", holds=before.rows_count > 0),
        Figure(name="restarts in the journal", measured=restarts, bar="1", holds=restarts == 1),
        Figure(name="windows settled after the restart", measured=told["windows"]["settled"], bar=">= 2",
               holds=told["windows"]["settled"] >= 2),
        Figure(name="orders without an answer at the end", measured=len(told["orders"]["open"]), bar="0",
               holds=not told["orders"]["open"]),
        *held,
        Figure(name="replay of both halves as one", bar="the same hash", holds=same,
               measured="the same hash" if same else f"differs: {again['difference']}"),
    ]  # fmt: skip


def _held_against_venue(place: Any, told: dict[str, Any]) -> list[Figure]:
    """Hold the desk's cash against what the venue's own ledger says the account has."""
    state = state_of(place)
    ours = told["cash"]["ended_usd"]
    theirs = [account["cash_usd"] + account["redeemable_usd"] for account in state["accounts"]]
    same = any(abs(ours - each) < 1e-6 for each in theirs)
    shown = ", ".join(f"${each:,.6f}" for each in theirs)
    name = "cash by the desk, and by the venue with what it still has to pay out"
    return [Figure(name=name, measured=f"${ours:,.6f} and {shown}", bar="equal", holds=same)]
