"""A halt outlives the session that it stopped, however that ended, until an operator lifts it; a start says so."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from sessions import CASH_MICROS, feed, market, open_shell, stretch

from infra.feeds.frames import Wire
from infra.shell.ending import still_halted, wind_down
from infra.shell.gate_start import gate_from
from infra.shell.restart import halted_before, resume, start_from
from infra.shell.session import play_session
from infra.shell.shell import Shell
from infra.streams.intake import Arrived, What
from infra.venues.gate import Bar, Gate
from state.events import EVENT, Kind, Source, Word
from state.params import default_params
from state.units import NS_PER_S

ROWS = stretch(market(), -700.0, 20.0)
BEGUN_NS = int(ROWS["seen_ns"][0])
WHY = "the gate refuses order 7: over the limit of a window"


def is_halted(shell: Shell) -> bool:
    assert shell.core is not None
    return bool(shell.core.world["halted_code"])


async def end(shell: Shell, how: str) -> None:
    """Let a session end: as after Ctrl-C, or as after kill -9, when nothing more is said."""
    if how == "graceful":
        await wind_down(shell, None)
    shell.close()
    shell.session.close()


async def again(folder: Path) -> tuple[Shell, Gate]:
    """Start again in a folder; gives the session and the gate that a live one would have."""
    start = start_from(folder, default_params(), CASH_MICROS)
    assert start.played is not None and start.played.difference == ""
    now_ns = start.played.last_seen_ns + NS_PER_S
    gate = gate_from(folder, start.played, default_params(), now_ns)
    shell = open_shell(folder, now_ns, start.core, hear_first=gate.hear)
    resume(shell, shell.session, start.played, now_ns)
    return shell, gate


def bar_of(gate: Gate) -> Bar | None:
    """Name what keeps any order from leaving, whatever it is."""
    refused = gate._stopped(0)
    return refused.bar if refused is not None else None


@pytest.mark.parametrize("how", ["graceful", "killed"])
@pytest.mark.parametrize("word", [Word.HALT, Word.PULL_ALL])
def test_a_halt_stands_over_every_restart_until_somebody_lifts_it(tmp_path: Path, how: str, word: Word) -> None:
    async def run() -> None:
        shell = open_shell(tmp_path, BEGUN_NS)
        await feed(shell, ROWS)
        shell.halt(WHY, word)
        await end(shell, how)
        for _ in range(3):
            shell, gate = await again(tmp_path)
            assert is_halted(shell) and bar_of(gate) is Bar.HALTED
            assert shell.halted_why == f"{WHY} (before this start)"
            await end(shell, how)
        shell, gate = await again(tmp_path)
        shell.say(Word.RESUME)
        assert not is_halted(shell) and bar_of(gate) is None
        await end(shell, how)
        shell, gate = await again(tmp_path)
        assert not is_halted(shell) and bar_of(gate) is None and shell.halted_why == "", "lifted once is lifted"
        await end(shell, how)

    asyncio.run(run())
    assert play_session(tmp_path).difference == ""


def test_the_end_of_a_session_alone_halts_no_later_one(tmp_path: Path) -> None:
    """A stop pulls everything and lets nothing leave any more; the next start trades on."""

    async def run() -> None:
        shell = open_shell(tmp_path, BEGUN_NS)
        await feed(shell, ROWS)
        await wind_down(shell, None)
        assert is_halted(shell) and shell.halted_why == "", "it leaves, and nothing is amiss"
        await end(shell, "killed")
        shell, gate = await again(tmp_path)
        assert not is_halted(shell) and bar_of(gate) is None and shell.halted_why == ""
        await end(shell, "graceful")

    asyncio.run(run())


def test_a_kill_stands_too_and_so_does_what_was_said_while_the_session_ended(tmp_path: Path) -> None:
    async def run() -> None:
        shell = open_shell(tmp_path, BEGUN_NS)
        await feed(shell, ROWS)
        await wind_down(shell, None)
        shell.halt("the books do not agree: cash", Word.HALT)  # found at the very end, after the farewell
        await end(shell, "killed")
        shell, _ = await again(tmp_path)
        assert is_halted(shell) and shell.halted_why == "the books do not agree: cash (before this start)"
        shell.say(Word.RESUME)
        shell.halt("killed: the operator killed it", Word.KILL)
        await end(shell, "graceful")
        shell, gate = await again(tmp_path)
        shell.say(Word.RESUME)
        assert is_halted(shell) and bar_of(gate) is Bar.KILLED, "no RESUME lifts a kill"
        assert shell.halted_why == "killed: the operator killed it (before this start)"
        await end(shell, "graceful")

    asyncio.run(run())


def test_a_stream_that_halts_the_core_says_why_to_the_next_start_as_well(tmp_path: Path) -> None:
    """The venue's clock halts by a row of its own, with its reason beside it."""
    row = np.zeros(1, EVENT)
    row["kind_code"], row["source_code"], row["code_id"] = Kind.OPERATOR_SAID, Source.OURSELVES, Word.HALT

    async def run() -> None:
        shell = open_shell(tmp_path, BEGUN_NS)
        await feed(shell, ROWS)
        now_ns = shell.clock.now_ns()
        why = "the venue's clock is +5.00 s from ours"
        shell.take([Arrived(What.ROWS, Wire.CLOB_REST, 0, now_ns, why=why, rows=row)])
        assert is_halted(shell) and shell.halted_why == why
        await end(shell, "graceful")

    asyncio.run(run())
    assert halted_before(play_session(tmp_path)) == "the venue's clock is +5.00 s from ours (before this start)"


@pytest.mark.parametrize(
    ("mode", "mend"), [("paper", "start it with --resume"), ("live", "`updown arm --limit-usd N --resume --journal x`")]
)
def test_a_start_says_in_one_line_that_it_is_halted_why_and_what_lifts_it(mode: str, mend: str) -> None:
    line = still_halted(mode, Path("x"), f"{WHY} (before this start)")
    assert line.startswith(f"halted: {WHY} (before this start); nothing but cancels leaves; look into it, then ")
    assert mend in line and "\n" not in line
