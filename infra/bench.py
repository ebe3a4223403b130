"""Measure the speeds that the README states: medians with their spread, on this machine, in one run.

Each figure is taken several times; the median is the claim, the quickest and the slowest stand beside it. The bars are
those of the design; a timing is never asserted in a test.
"""

import asyncio
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evals.backtest import Backtest
from evals.generator import generate
from evals.generator_spec import SPECS
from evals.proof import Figure, Proof
from graph.desk import compile_desk, run_desk
from graph.fast import decide
from graph.heart import receive, receive_rows
from graph.views import take_view
from graph.worlds import new_world
from infra.compile_cache import ROOT
from infra.feeds.decoder import Decoder
from infra.feeds.frames import Wire
from infra.journal.speed import measure_journal
from infra.journal.writer import Journal
from infra.recordings.tape import Tape, open_tape
from state.compiled import compiled
from state.desk import Decision
from state.events import EVENT, LAST_IN_FRAME, Kind, Side, Token
from state.orders import COMMANDS, Command
from state.params import default_params
from state.records import Rows, rows
from state.rulebook import REGISTRY
from state.world import World
from tools.intervals import Values

ROUNDS: Final = 7
Progress = Callable[[int, int], None]


def quiet(done: int, total: int) -> None:
    """Show nothing."""


def prove_speed(data: Path | None = None, progress: Progress = quiet) -> Proof:
    """Measure everything and hold it against its bars; `data` is a journal or a folder of recorded books."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as scratch:
        tape = open_tape([data]) if data is not None else _generated(Path(scratch))
        steps: tuple[Callable[[], Iterator[Figure]], ...] = (
            lambda: _core(tape),
            lambda: _backtest(tape),
            _live_frame,
            _desks,
            lambda: _journal(Path(scratch)),
            _starts,
        )
        for done, step in enumerate(steps):
            progress(done, len(steps))
            figures.extend(step())
        progress(len(steps), len(steps))
    note = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return Proof(
        name="speed",
        claim="the hot loop costs a fraction of a microsecond, a mandate milliseconds, a start seconds",
        figures=tuple(figures),
        notes=(
            f"machine: {note}; load before the run {os.getloadavg()[0]:.1f}",
            f"rows: {tape.rows_count:,} from {'the generator' if data is None else 'the recording given'}",
            "every figure is the median of its rounds [quickest .. slowest]",
        ),
    )


def run_bench(data: Path | None = None, progress: Progress = quiet) -> Proof:
    """Measure for people: the same figures as `prove speed`."""
    return prove_speed(data, progress)


def _generated(scratch: Path) -> Tape:
    events = generate(replace(SPECS["demo"], windows=8), seed=1)
    with Journal(scratch / "journal", created_ns=0, code="bench") as journal:
        journal.append_events(events)
    return open_tape([scratch / "journal"])


def _figure(name: str, values: list[float], bar: float, unit: str, *, most: bool, digits: int = 2) -> Figure:
    """Make a figure of rounds; `most`: the bar is an upper one."""
    middle = float(np.median(values))
    shown = f"{middle:,.{digits}f} {unit} [{min(values):,.{digits}f} .. {max(values):,.{digits}f}]"
    return Figure(
        name=name,
        measured=shown,
        bar=f"{'<=' if most else '>='} {bar:g} {unit}",
        holds=middle <= bar if most else middle >= bar,
    )


@compiled
def _receive_all(worlds: Rows[World], events: NDArray[Any], rulebook: NDArray[Any], commands: Rows[Command]) -> int:
    """Drive the core over an array of rows, commands thrown away."""
    total = 0
    for at in range(len(events)):
        total += receive(worlds[0], events[at], rulebook, commands)
    return total


def _worlds() -> Any:
    worlds = rows(World, 1)
    worlds[0] = new_world(default_params(), 10**11)
    return worlds


def _core(tape: Tape) -> Iterator[Figure]:
    """Time advance and screen alone, screened after every single row."""
    events = next(_big_chunks(tape, 2_000_000))
    woken = events.copy()
    woken["flags_mask"] |= LAST_IN_FRAME
    commands: Any = rows(Command, COMMANDS)
    _receive_all(_worlds(), woken[:10], REGISTRY, commands)
    for name, held in (("core, woken at every row", woken), ("core, woken at every whole frame", events)):
        speeds = []
        for _ in range(ROUNDS):
            worlds = _worlds()
            started = time.perf_counter()
            _receive_all(worlds, held, REGISTRY, commands)
            speeds.append(len(held) / (time.perf_counter() - started) / 1e6)
        yield _figure(name, speeds, 5.0, "M rows/s", most=False)


def _big_chunks(tape: Tape, count: int) -> Iterator[NDArray[Any]]:
    parts: list[NDArray[Any]] = []
    size = 0
    for chunk in tape.chunks():
        parts.append(chunk)
        size += len(chunk)
        if size >= count:
            break
    yield np.concatenate(parts)


def _backtest(tape: Tape) -> Iterator[Figure]:
    """Time a whole backtest from disk: unpacking, hot loop, desk, matching, ledgers, hash."""
    speeds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        backtest = Backtest(default_params())
        for chunk in tape.chunks():
            backtest.feed(chunk)
        backtest.feed(np.zeros(0, EVENT), final=True)
        backtest.ledgers()
        speeds.append(tape.rows_count / (time.perf_counter() - started) / 1e6)
    yield _figure("whole backtest from disk", speeds, 1.5, "M rows/s", most=False)
    yield _figure("its resident memory, peak", [_peak_of(tape.folder)], 600.0, "MB", most=True, digits=0)


def _peak_of(journal: Path) -> float:
    """Run that backtest in a process of its own and give the most memory it had, in MB."""
    code = (
        "import resource, sys; from pathlib import Path; from infra.compile_cache import prepare; prepare(show=False);"
        "from evals.backtest import run_backtest; from infra.recordings.tape import open_tape;"
        "from state.params import default_params;"
        "run_backtest(open_tape([Path(sys.argv[1])]).chunks(), default_params());"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(journal)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return float(told.stdout)


UP_TOKEN: Final = "1" * 77
DOWN_TOKEN: Final = "2" * 77
CONDITION: Final = "0x" + "ab" * 32


def price_change_frames(events: NDArray[Any], count: int) -> list[bytes]:
    """Write level changes of UP as the venue's price_change frames, each with its mirror for DOWN."""
    chosen = events[(events["kind_code"] == Kind.LEVEL_SET) & (events["token_code"] == Token.UP)][:count]
    frames = []
    for row in chosen:
        price, size = row["price_bps"] / 10_000, row["amount_micros"] / 1_000_000
        side = ("BUY", "SELL") if row["side_code"] == Side.BUY else ("SELL", "BUY")
        told = [
            f'{{"asset_id":"{token}","price":"{at:g}","size":"{size:g}","side":"{way}","hash":"{"c" * 40}",'
            f'"best_bid":"0.5","best_ask":"0.51"}}'
            for token, at, way in ((UP_TOKEN, price, side[0]), (DOWN_TOKEN, round(1 - price, 4), side[1]))
        ]
        stamp = int(row["at_ns"]) // 1_000_000
        frames.append(
            f'{{"market":"{CONDITION}","price_changes":[{",".join(told)}],"timestamp":"{stamp}",'
            f'"event_type":"price_change"}}'.encode()
        )
    return frames


def _live_frame() -> Iterator[Figure]:
    """Time one frame from bytes to commands: parsed, packed into rows, advanced, screened."""
    events = generate(replace(SPECS["demo"], windows=1), seed=2)
    opening = int(events["seen_ns"][np.argmax(events["kind_code"] == Kind.LEVEL_SET)]) + 30_000_000_000
    worlds = _worlds()
    commands: Any = rows(Command, COMMANDS)
    before = events[events["seen_ns"] <= opening]
    _receive_all(worlds, before, REGISTRY, commands)
    slot = int(before["slot_id"][before["kind_code"] == Kind.LEVEL_SET][-1])
    decoder = Decoder()
    decoder.list_market(slot, CONDITION, UP_TOKEN, DOWN_TOKEN)
    frames = price_change_frames(events[events["seen_ns"] > opening], 20_000)
    out: Any = np.zeros(64, EVENT)
    seen = opening
    spans = np.empty(len(frames))
    for at, frame in enumerate(frames):
        seen += 1_000_000
        started = time.perf_counter_ns()
        count = decoder.decode(Wire.POLYMARKET_MARKET, frame, seen, out)
        receive_rows(worlds, out, count, REGISTRY, commands)
        spans[at] = time.perf_counter_ns() - started
    yield from _quantiles("live frame, bytes to screened", spans[1_000:] / 1e3, 15.0, 60.0, "us")


def _quantiles(name: str, spans: Values, half: float, tail: float, unit: str) -> Iterator[Figure]:
    """Cut the samples into rounds and give their p50 and p99 with the spread over rounds."""
    for level, bar in ((50, half), (99, tail)):
        each = [float(np.percentile(part, level)) for part in np.array_split(spans, ROUNDS)]
        yield _figure(f"{name}, p{level}", each, bar, unit, most=True)


def _desks() -> Iterator[Figure]:
    """Time one mandate: by the LangGraph desk and fused, on the same view."""
    events = generate(replace(SPECS["demo"], windows=1), seed=3)
    worlds = _worlds()
    commands: Any = rows(Command, COMMANDS)
    _receive_all(worlds, events[: len(events) // 2], REGISTRY, commands)
    slot = int(worlds[0].assets[0].front_slot_id)
    decisions = rows(Decision, 1)
    decision: Any = decisions[0]
    take_view(worlds[0], max(slot, 0), decision.market)
    params = default_params()
    decide(params, decision)
    fused = []
    for _ in range(2_000):
        started = time.perf_counter_ns()
        decide(params, decision)
        fused.append(time.perf_counter_ns() - started)
    spans = asyncio.run(_time_desk(params, decision.market))
    yield from _quantiles("mandate by the LangGraph desk", spans / 1e6, 9.0, 60.0, "ms")
    yield from _quantiles("mandate fused, called from Python", np.array(fused) / 1e6, 0.1, 1.0, "ms")


async def _time_desk(params: Any, view: Any) -> Values:
    desk = compile_desk()
    spans = []
    for _ in range(420):
        started = time.perf_counter_ns()
        await run_desk(desk, params, view)
        spans.append(time.perf_counter_ns() - started)
    return np.array(spans[20:], np.float64)


def _journal(scratch: Path) -> Iterator[Figure]:
    speed = measure_journal(scratch, 200_000, ROUNDS)
    spread = [speed.written_worst_per_s / 1e3, speed.written_per_s / 1e3, speed.written_best_per_s / 1e3]
    yield _figure("journal, row by row, synced off the loop", spread, 200.0, "k rows/s", most=False, digits=0)


def _starts() -> Iterator[Figure]:
    """Time a start of the core in a fresh process: the first ever, with an empty compile cache, and later ones."""
    folder = tempfile.mkdtemp()
    try:
        env = os.environ | {"XDG_CACHE_HOME": folder}
        env.pop("NUMBA_CACHE_DIR", None)
        yield _figure("first start ever", [_start(env)], 40.0, "s", most=True, digits=1)
        yield _figure("later start", [_start(env) for _ in range(3)], 4.0, "s", most=True, digits=1)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(env: dict[str, str]) -> float:
    code = "from infra.compile_cache import prepare; prepare(show=False); from infra.warm import warm_play; warm_play()"
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, check=True, capture_output=True)
    return time.perf_counter() - started
