"""The proof of traces: a demo's trees, tags and feedback arrive whole, and the desk is as quick with them as without.

One desk at real time and real rates, one tracer beside it that is stopped and let go on in turns. A tracer that goes
on has to make up for what was written while it stood still: the part of its turns in which it does is left out, and so
are the first seconds without it. What is compared is a tracer that keeps pace, and none.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evals.proof import Figure, Proof
from graph.stages import STAGES
from infra.clock import Clock
from infra.proofs.demo_latency import EAGER
from infra.proofs.rehearsals import Desk, Progress, RehearsalFailed, last_words, venue
from infra.shell.session import play_session
from infra.traces.follow import Follower, coded_words
from infra.traces.kept import FILE, KeptRun, kept_lines, trees_of
from infra.traces.serving import sink_beside
from infra.traces.tree import Seen
from infra.version import ROOT
from state.events import Kind
from state.orders import OrderState
from state.units import NS_PER_S

MINUTES: Final = 16.0
"""Warm-up, two windows with their settlements and a part of the next, in real time."""
BUSY: Final = (*EAGER, "mandate_ns=400000000", "ask_interval_ns=200000000")
"""A desk that is asked as often as it may be, five times a second: its tail takes thousands of runs to see."""
TURN_S: Final = {True: 40.0, False: 30.0}
SETTLE_S: Final = {True: 12.0, False: 4.0}
"""After each change: the tracer makes up, or the machine calms down."""
ROOM: Final = 1.10
DRAWS: Final = 2_000
NAME: Final = "traces"
CLAIM: Final = "traces of a demo arrive whole, with tags and feedback, and leave the desk's latency as it was"
TAGS: Final = {"market", "reason", "mode", "params_hash"}
TOLD: Final = {"filled", "rule_verdict", "outcome"}
"""Feedback that every decision which traded has once its window has settled."""
_ANSWERED: Final = (OrderState.HELD, OrderState.RESTING, OrderState.PARTLY, OrderState.DONE, OrderState.REJECTED)


@dataclass(slots=True)
class Turn:
    """A stretch of the session with the tracer at work, or standing still."""

    on: bool
    from_ns: int
    until_ns: int = 0


@dataclass(slots=True)
class Timed:
    """What a session's journal says of its latencies: moment and milliseconds of each."""

    desk: list[tuple[int, float]] = field(default_factory=list)
    orders: list[tuple[int, float]] = field(default_factory=list)
    fired: set[int] = field(default_factory=set)
    """Decisions that traded."""


def prove_traces(_: Path | None, progress: Progress, *, minutes: float = MINUTES) -> Proof:
    """Run venue, desk, tracer and sink side by side, and hold what arrived and how quick the desk was."""
    with tempfile.TemporaryDirectory(prefix="updown-traces-") as home, venue(
        Path(home), market="rushed", speed=1.0, windows=4
    ) as (file, place), sink_beside(Path(home) / "sink", gives_way=True) as (endpoint, _sink):  # fmt: skip
        scratch = Path(home)
        journal = scratch / "journal"
        words = ["--minutes", f"{minutes:g}", "--windows", "0"]
        words += [word for change in BUSY for word in ("--set", change)]
        desk = Desk(file, journal, more=words)
        tracer = _tracer(journal, endpoint, scratch / "tracer")
        try:
            turns = _take_turns(desk, tracer, place.clock, minutes, progress)
            told = desk.wait(lambda: None, 180.0)
            traced = _end(tracer, scratch / "tracer")
        finally:
            desk.close()
            tracer.kill()
            tracer.wait()
        trees = trees_of(kept_lines(scratch / "sink" / FILE))
        return judged(timed(journal), turns, trees, traced, told)


def _tracer(journal: Path, endpoint: str, said: Path) -> "subprocess.Popen[bytes]":
    words = ["trace", "--journal", str(journal), "--follow", "--with-parent", "--deadline", "120", "--json"]
    with said.with_suffix(".json").open("wb") as out, said.with_suffix(".err").open("wb") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", "infra", *words], stdin=subprocess.PIPE, stdout=out, stderr=errors,
            env=os.environ | {"PYTHONPATH": str(ROOT), "LANGSMITH_ENDPOINT": endpoint, "LANGSMITH_TRACING": "true"},
        )  # fmt: skip


def _take_turns(
    desk: Desk, tracer: "subprocess.Popen[bytes]", clock: Clock, minutes: float, progress: Progress
) -> list[Turn]:
    """Stop the tracer and let it go on by turns until the desk has had its time."""
    turns = [Turn(on=True, from_ns=clock.now_ns())]
    began, changed = time.monotonic(), time.monotonic()
    while not desk.is_over and time.monotonic() - began < minutes * 60.0 + 120.0:
        time.sleep(0.5)
        progress(int(time.monotonic() - began), int(minutes * 60.0))
        if tracer.poll() is not None:
            raise RehearsalFailed("the tracer ended before the desk")
        if time.monotonic() - changed >= TURN_S[turns[-1].on]:
            changed, on = time.monotonic(), not turns[-1].on
            turns[-1].until_ns = clock.now_ns()
            os.kill(tracer.pid, signal.SIGCONT if on else signal.SIGSTOP)
            turns.append(Turn(on=on, from_ns=clock.now_ns()))
    turns[-1].until_ns = clock.now_ns()
    os.kill(tracer.pid, signal.SIGCONT)
    return turns


def _end(tracer: "subprocess.Popen[bytes]", said: Path) -> dict[str, Any]:
    """Let the tracer finish, and give what it says it did."""
    assert tracer.stdin is not None
    tracer.stdin.close()
    tracer.wait(180.0)
    try:
        told: dict[str, Any] = json.loads(said.with_suffix(".json").read_text())
    except ValueError:
        raise RehearsalFailed(f"the tracer said: {last_words(said)}") from None
    return told


def timed(journal: Path) -> Timed:
    """Read a session's latencies out of its journal: the desk's runs, and command to the venue's answer."""
    out = Timed()
    begun: dict[int, int] = {}

    def see(seen: Seen) -> bool:
        asked_ns = int(seen.decision["market"]["now_ns"])
        out.desk.append((asked_ns, (seen.given_ns - asked_ns) / 1e6))
        begun.update({shot.order_id: shot.at_ns for shot in seen.shots})
        if seen.shots:
            out.fired.add(seen.number)
        return False

    follower = Follower(journal, see, coded_words)
    follower.refresh()
    follower.finish()
    for rows in play_session(journal).told:
        for row in rows[rows["kind_code"] == Kind.ORDER_CHANGED]:
            at_ns = begun.get(int(row["ref_id"])) if int(row["code_id"]) in _ANSWERED else None
            if at_ns is not None:
                out.orders.append((at_ns, (int(row["seen_ns"]) - at_ns) / 1e6))
                del begun[int(row["ref_id"])]
    return out


def judged(
    seen: Timed, turns: Sequence[Turn], trees: Sequence[KeptRun], traced: dict[str, Any], told: dict[str, Any]
) -> Proof:
    """Hold what arrived, and the latencies of the two kinds of turns."""
    fired = [tree for tree in trees if tree.outputs.get("fired")]
    numbers = [int(tree.metadata["decision"]) for tree in fired]
    whole = sum(_is_whole(tree) for tree in trees)
    settled = {tree.metadata["window"] for tree in fired if tree.feedback}
    due = [tree for tree in fired if tree.metadata["window"] in settled]
    known = sum({str(each["key"]) for each in tree.feedback} >= TOLD for tree in due)
    counts = traced["counts"]
    figures = [
        Figure(name="decisions that traded", measured=len(seen.fired), bar=">= 50", holds=len(seen.fired) >= 50),
        Figure(name="of them traced, once each", measured=len(numbers), bar="all",
               holds=set(numbers) == seen.fired and len(numbers) == len(seen.fired)),
        Figure(name="trees with every stage, gate, order and tag", measured=f"{whole} of {len(trees)}", bar="all",
               holds=whole == len(trees) > 0),
        Figure(name="traded decisions of settled windows with feedback", measured=f"{known} of {len(due)}", bar="all",
               holds=known == len(due) > 0),
        *(
            Figure(name=f"{what} by the tracer", measured=counts[what], bar="0", holds=counts[what] == 0)
            for what in ("dropped", "refused", "left")
        ),
        *_compared("desk", seen.desk, turns),
        *_compared("command to answer", seen.orders, turns, is_rare=True),
    ]  # fmt: skip
    cpu = told["counts"]["cpu_ratio"]
    return Proof(
        name=NAME, claim=CLAIM, figures=tuple(figures),
        notes=(
            f"{len(turns)} turns, of {TURN_S[True]:g} s with tracing and {TURN_S[False]:g} s without",
            f"{len(trees)} trees of {traced['decisions']} decisions, "
            f"{traced['runs']} runs and {traced['feedback']} feedback; the desk used {cpu:.0%} of a core",
            f"requests without an answer, tried again: {counts['tries']} {counts['why']}",
            "ratios with their 95 % interval, turns drawn again; venue, desk, tracer and sink share these cores",
        ),
    )  # fmt: skip


def _is_whole(tree: KeptRun) -> bool:
    names = [run.name for run in tree.below]
    wanted = [stage.name for stage in STAGES[:-1]]
    ran = [run for run in tree.walk() if run.name.startswith("gate ")]
    orders = sum(run.name.startswith("order ") for run in tree.walk())
    return (
        names[:-1] == wanted and bool(ran) and {tag.partition(":")[0] for tag in tree.tags} == TAGS
        and (orders > 0) == bool(tree.outputs.get("fired"))
        and {"journal_seq", "view_hash", "decision_hash", "thread_id"} <= tree.metadata.keys()
    )  # fmt: skip


def _compared(
    name: str, samples: Sequence[tuple[int, float]], turns: Sequence[Turn], *, is_rare: bool = False
) -> list[Figure]:
    """Compare both kinds of turns; turns in which nothing was timed do not count.

    Of some thousand samples a dozen make the 99th percentile, too few to tell a tenth from chance: there the bar is
    that no more than a tenth is shown, by the interval, and the interval is printed. The 95th has five times as many,
    and is held as it was measured, unless the samples are rare altogether.
    """
    parted = {True: list[NDArray[Any]](), False: list[NDArray[Any]]()}
    at = np.array([when for when, _ in samples], dtype=np.int64)
    ms = np.array([each for _, each in samples])
    for turn in turns:
        inside = ms[(at >= turn.from_ns + round(SETTLE_S[turn.on] * NS_PER_S)) & (at < turn.until_ns)]
        if len(inside):
            parted[turn.on].append(inside)
    counts = {on: sum(map(len, kept)) for on, kept in parted.items()}
    if min(counts.values()) < 20:
        return [Figure(name=f"{name}, p99 with tracing", measured=f"only {counts} timed", bar="timed", holds=False)]
    figures = []
    for percent in (50, 95, 99):
        tail = {on: _tail(kept, percent) for on, kept in parted.items()}
        ratio = tail[True] / tail[False]
        low, high = _interval(parted[True], parted[False], percent)
        is_loose = is_rare or percent == 99
        figures += [
            Figure(name=f"{name}, p{percent} with / without", bar="-",
                   measured=f"{tail[True]:.2f} / {tail[False]:.2f} ms ({counts[True]} and {counts[False]} timed)"),
            Figure(name=f"{name}, ratio of p{percent}", measured=f"{ratio:.3f} ({low:.3f} to {high:.3f})",
                   bar="interval reaches <= 1.10" if is_loose else "<= 1.10",
                   holds=(low if is_loose else ratio) <= ROOM),
        ]  # fmt: skip
    return figures


def _tail(kept: Sequence[NDArray[Any]], percent: int) -> float:
    return float(np.percentile(np.concatenate(kept), percent))


def _interval(on: Sequence[NDArray[Any]], off: Sequence[NDArray[Any]], percent: int) -> tuple[float, float]:
    """Give the 95 % interval of the ratio, by drawing whole turns again: samples of one turn hang together."""
    rng = np.random.default_rng(5)
    drawn = [
        _tail([on[at] for at in rng.integers(0, len(on), len(on))], percent)
        / _tail([off[at] for at in rng.integers(0, len(off), len(off))], percent)
        for _ in range(DRAWS)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)
