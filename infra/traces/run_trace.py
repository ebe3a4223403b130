"""Traces of a backtest's run: which decisions, from its ledgers; each of them whole, by playing the run once more.

The rows are cut at the decisions that are wanted, so that one pass meets every moment of them. A run keeps no books
of the seconds after its fills, so its feedback has no markouts; all the rest is as that of a session.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evals.backtest import Backtest
from infra.plain_memory import plain, window_slug
from infra.recordings.tape import Tape
from infra.runs import Run, read_ledgers, read_run, run_tape
from infra.traces.follow import coded_words, shot_of
from infra.traces.outcome import Came, Fate, Fill
from infra.traces.sampling import Sampling, drawn
from infra.traces.sender import Sender
from infra.traces.settings import Tracing
from infra.traces.tracer import Traced
from infra.traces.tree import Seen, Shot, decision_tree
from state.events import EVENT, Kind
from state.orders import Act
from state.reasons import Gate, Reason
from state.units import NS_PER_S

Rows = NDArray[Any]
Progress = Callable[[int, int], None]
MODE = "backtest"


def trace_run(folder: Path, tracing: Tracing, sender: Sender, progress: Progress, *, deadline_s: float) -> Traced:
    """Trace a run: play it again up to every decision that is wanted, and send those with what became of them.

    Raises:
        RunMissing, RunDamaged: it cannot be read, or not played again.
    """
    run = read_run(folder)
    ledgers = read_ledgers(run)
    sampling = Sampling(share=tracing.share)
    session = run.run_hash[:16]
    shots, came = _orders(ledgers)
    wanted = _wanted(run, ledgers["lines"], shots, sampling, session)
    fates: list[Fate] = []
    runs = 0
    for line, decision in whole_decisions(run, wanted, progress):
        number = int(line["mandate_id"])
        seen = _seen(run, session, decision, tuple(shots.get(number, ())))
        if sampling.why(seen) is None:
            continue
        tree = decision_tree(seen)
        runs += len(tree)
        sender.wait_for_room(deadline_s)
        sender.offer(tree)
        fates.append(Fate(seen, tree[0], came.get(number, Came())))
    feedback = _feedback(fates, ledgers["windows"])
    for each in feedback:
        sender.wait_for_room(deadline_s)
        sender.offer(each)
    counts = sender.close(deadline_s)
    return Traced(session, tracing.words, len(ledgers["lines"]), len(fates), runs, len(feedback), counts)


def _orders(ledgers: dict[str, Rows]) -> tuple[dict[int, list[Shot]], dict[int, Came]]:
    """Give the orders of each decision, and what came of them."""
    shots: defaultdict[int, list[Shot]] = defaultdict(list)
    came: defaultdict[int, Came] = defaultdict(Came)
    by_order: dict[int, int] = {}
    for command in ledgers["orders"]:
        if int(command["act_code"]) == Act.PLACE:
            number = int(command["mandate_id"])
            shots[number].append(shot_of(command))
            by_order[int(command["order_id"])] = number
    for event in ledgers["messages"]:
        number = by_order.get(int(event["ref_id"]), 0)
        kind, amount = int(event["kind_code"]), int(event["amount_micros"])
        if not number:
            continue
        token, price = int(event["token_code"]), int(event["price_bps"])
        if kind == Kind.FILLED:
            came[number].fills.append(Fill(int(event["seen_ns"]), token, price, amount))
        elif kind == Kind.FILL_REVERSED:
            came[number].reverse(token, price, amount)
        elif kind == Kind.FEE_CHARGED:
            came[number].fees_micros += amount
    return dict(shots), dict(came)


def _wanted(run: Run, lines: Rows, shots: dict[int, list[Shot]], sampling: Sampling, session: str) -> Rows:
    """Give the lines of the decisions that may be traced; whether they are is said when they are known whole."""
    near = lines["edge_bps"].max(axis=1) >= float(run.params.take_edge_bps) - sampling.near_bps
    near &= np.isin(lines["reason_code"], (Reason.NONE, Reason.EDGE_THIN))
    near |= np.isin(lines["gate_code"], (Gate.VALIDATE, Gate.RISK, Gate.SIZE))
    numbers = lines["mandate_id"].tolist()
    picked = [
        bool(close) or number in shots or drawn(session, number) < sampling.share
        for number, close in zip(numbers, near, strict=True)
    ]
    chosen: Rows = lines[np.array(picked, dtype=bool)]
    return chosen


def whole_decisions(run: Run, lines: Rows, progress: Progress) -> Iterator[tuple[Any, Any]]:
    """Give every wanted decision with its line, whole; those made at one nanosecond need a pass each, and are few."""
    while len(lines):
        missed: list[int] = []
        yield from _passed(run, lines, missed, progress)
        assert len(missed) < len(lines), "the first of what is wanted is met in every pass"
        lines = lines[np.isin(lines["mandate_id"], missed)]


def _passed(run: Run, lines: Rows, missed: list[int], progress: Progress) -> Iterator[tuple[Any, Any]]:
    """Play a run and give wanted decisions whole, of two that are made at one nanosecond the first alone.

    Rows are fed up to the moment of the wanted decision, which then lies at the horizon that the venue may look to,
    and is made when the rows after it come: so never two moments are met in one call.
    """
    tape = run_tape(run, progress)
    backtest = Backtest(run.params, run.terms)
    session = backtest.session
    waiting = list(lines)
    done = 0
    for chunk in [*_cut(tape, lines), np.zeros(0, EVENT)]:
        if waiting:
            session.wanted_mandate_id = int(waiting[0]["mandate_id"])
        done += len(chunk)
        backtest.feed(chunk, final=not len(chunk))
        progress(done, tape.rows_count)
        if waiting and int(session.wanted.mandate.mandate_id) == int(waiting[0]["mandate_id"]):
            yield waiting.pop(0), plain(np.array([session.wanted]))[0]
        while waiting and int(session.runs_count) >= int(waiting[0]["mandate_id"]):
            missed.append(int(waiting.pop(0)["mandate_id"]))  # made in the same call as the one before it


def _cut(tape: Tape, lines: Rows) -> Iterator[Rows]:
    """Cut a tape's rows behind the moment of each line."""
    moments = np.unique(lines["at_ns"])
    for chunk in tape.chunks():
        ends = np.searchsorted(chunk["seen_ns"], moments, side="right")
        start = 0
        for end in [*np.unique(ends[(ends > 0) & (ends < len(chunk))]).tolist(), len(chunk)]:
            if end > start:
                yield chunk[start:end]
            start = end


def _seen(run: Run, session: str, decision: Any, shots: tuple[Shot, ...]) -> Seen:
    market, mandate = decision["market"], decision["mandate"]
    span_s = int(market["close_ns"] - market["open_ns"]) // NS_PER_S
    return Seen(
        session=session, number=int(mandate["mandate_id"]), decision=decision,
        window=window_slug(int(market["asset_code"]), int(market["open_ns"]), span_s), mode=MODE,
        code=str(run.about.get("code", "")), given_ns=int(mandate["given_ns"]), journal_seq=-1,
        explanation=coded_words(decision, shots[0].reason if shots else ""), shots=shots,
    )  # fmt: skip


def _feedback(fates: list[Fate], windows: Rows) -> list[Any]:
    ended = {(int(each["asset_code"]), int(each["open_s"])): each for each in windows}
    out: list[Any] = []
    for fate in fates:
        market = fate.seen.decision["market"]
        window = ended.get((int(market["asset_code"]), int(market["open_ns"]) // NS_PER_S))
        if window is not None and int(window["outcome_code"]) in (0, 1):
            out += fate.settled(int(window["outcome_code"]), int(window["seen_ns"]))
    return out
