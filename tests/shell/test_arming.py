"""A live session observes until somebody arms it, for this start and up to a limit; and disarms by itself in time."""

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sessions import CASH_MICROS, feed, market, open_shell, stretch
from typer.testing import CliRunner

from infra.cli.app import app
from infra.private_files import write_private
from infra.shell.arming import (
    ANSWER_FILE,
    LIVE_FILE,
    REQUEST_FILE,
    Arming,
    ArmingRefused,
    Request,
    ask_session,
    session_in,
    words_for,
)
from infra.shell.core import COMMAND
from infra.shell.kill import KILL_FILE
from infra.shell.restart import start_from
from infra.shell.shell import Shell
from infra.venues.gate import Bar, Gate
from state.events import Kind, Word
from state.orders import Act
from state.params import default_params
from state.units import MICROS, NS_PER_S

ROWS = stretch(market(), -700.0, 40.0)
BEGUN_NS = int(ROWS["seen_ns"][0])
LEAST = 4_950_000


encode = msgspec.json.encode


class Door:
    """The gateway as far as arming goes: a real gate, and whether it has stopped for good."""

    def __init__(self) -> None:
        self.gate = Gate(default_params(), BEGUN_NS)
        self.halt_why = ""


@contextmanager
def observing(folder: Path, **more: Any) -> Iterator[tuple[Shell, Arming, Door]]:
    """Open a session that observes."""
    shell, door = open_shell(folder, BEGUN_NS, **more), Door()
    arming = Arming(folder, "0x" + "11" * 20, "the venue next door", LEAST, CASH_MICROS)
    arming.observe(shell, door)  # type: ignore[arg-type]  # a gateway has sockets, and none is needed here
    try:
        yield shell, arming, door
    finally:
        shell.close()
        shell.session.close()


async def asked(arming: Arming, folder: Path, **words: Any) -> str:
    """Say something as an operator does, from the files' other end, while the session looks for it."""
    asking = asyncio.create_task(ask_session(folder, **words))
    while not asking.done():
        arming.look()
        await asyncio.sleep(0.001)
    return await asking


def is_halted(shell: Shell) -> bool:
    assert shell.core is not None
    return bool(shell.core.world["halted_code"])


def test_a_session_that_nobody_armed_sees_everything_and_orders_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        with observing(tmp_path) as (shell, arming, door):
            await feed(shell, ROWS)
            assert is_halted(shell) and shell.halted_why == "observe" and arming.armed is None
            assert door.gate.is_disarmed
            assert shell.counts.mandates > 0, "the desk thinks, and says why it stands aside"
            assert shell.counts.commands["place"] == 0

    asyncio.run(run())


def test_armed_it_may_trade_up_to_the_limit_and_disarmed_no_more(tmp_path: Path) -> None:
    async def run() -> None:
        with observing(tmp_path) as (shell, arming, door):
            words = await asked(arming, tmp_path, arm=True, limit_usd=500.0, hours=1.0)
            assert words == "armed: at most $500.00 at risk, for 1 h, at the venue next door"
            assert not is_halted(shell) and shell.halted_why == ""
            assert arming.armed is not None and arming.armed.limit_micros == 500 * MICROS
            assert (door.gate.armed_micros, door.gate.is_disarmed) == (500 * MICROS, False)
            assert await asked(arming, tmp_path, arm=False) == "disarmed: nothing but cancels leaves"
            assert is_halted(shell) and arming.armed is None and door.gate.is_disarmed

    asyncio.run(run())


def test_an_arming_ends_by_itself(tmp_path: Path) -> None:
    async def run() -> None:
        with observing(tmp_path) as (shell, arming, door):
            await asked(arming, tmp_path, arm=True, limit_usd=50.0, hours=0.5)
            clock: Any = shell.clock
            clock.at_ns += 1_799 * NS_PER_S
            arming.look()
            assert not is_halted(shell)
            clock.at_ns += NS_PER_S
            arming.look()
            assert is_halted(shell) and shell.halted_why == "the arming ran out" and door.gate.is_disarmed

    asyncio.run(run())


@pytest.mark.parametrize(
    ("limit_usd", "line"),
    [
        (1.0, r"\$1.00 is below the venue's smallest order \(\$4.95\)"),
        (0.0, "below the venue's smallest order"),
        (100_001.0, r"more than the account had at the start \(\$100,000.00\)"),
        (float("nan"), "cannot be read"),
    ],
)
def test_a_limit_that_makes_no_sense_arms_nothing(tmp_path: Path, limit_usd: float, line: str) -> None:
    async def run() -> None:
        with observing(tmp_path) as (shell, arming, door):
            with pytest.raises(ArmingRefused, match=line):
                await asked(arming, tmp_path, arm=True, limit_usd=limit_usd)
            assert is_halted(shell) and arming.armed is None and door.gate.is_disarmed

    asyncio.run(run())


def test_a_word_for_an_earlier_start_arms_no_later_one(tmp_path: Path) -> None:
    """The operator looked at a session that has ended since: what he allowed was that one."""

    async def run() -> None:
        with observing(tmp_path) as (shell, arming, _):
            write_private(
                tmp_path / REQUEST_FILE,
                encode(Request(nonce="n", session_id="of yesterday", arm=True, limit_usd=50.0, for_s=60.0)),
            )
            arming.look()
            assert is_halted(shell) and b"earlier start" in (tmp_path / ANSWER_FILE).read_bytes()
            assert not (tmp_path / REQUEST_FILE).exists()

    asyncio.run(run())


def test_a_word_that_others_could_have_written_is_not_heard(tmp_path: Path) -> None:
    async def run() -> None:
        with observing(tmp_path) as (shell, arming, _):
            request = Request(nonce="n", session_id=arming.session_id, arm=True, limit_usd=50.0, for_s=60.0)
            write_private(tmp_path / REQUEST_FILE, encode(request))
            os.chmod(tmp_path / REQUEST_FILE, 0o666)
            arming.look()
            assert is_halted(shell) and b"others could have written" in (tmp_path / ANSWER_FILE).read_bytes()

    asyncio.run(run())


@given(raw=st.binary(max_size=200))
def test_no_file_of_whatever_bytes_arms_anything_or_ends_the_session(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    folder = tmp_path_factory.mktemp("session")

    async def run() -> None:
        with observing(folder) as (shell, arming, _):
            file = folder / REQUEST_FILE
            file.touch(mode=0o600)
            file.write_bytes(raw)
            arming.look()
            assert is_halted(shell) and arming.armed is None

    asyncio.run(run())


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads what nobody else may")
def test_a_word_that_cannot_be_read_is_refused_and_ends_nothing(tmp_path: Path) -> None:
    """`sudo updown disarm` writes a file of root's: the session says so, and hears the next word."""
    unreadable(tmp_path, lambda file: (file.touch(), file.chmod(0o000)))


def test_a_word_that_is_no_file_of_ours_is_refused_and_ends_nothing(tmp_path: Path) -> None:
    unreadable(tmp_path, lambda file: file.symlink_to(tmp_path / LIVE_FILE))


def unreadable(folder: Path, leave: Any) -> None:
    async def run() -> None:
        with observing(folder) as (shell, arming, _):
            leave(folder / REQUEST_FILE)
            arming.look()
            assert b"a request that this session cannot read" in (folder / ANSWER_FILE).read_bytes()
            assert is_halted(shell) and await asked(arming, folder, arm=True, limit_usd=50.0)
            assert not is_halted(shell), "the next word is heard"

    asyncio.run(run())


@pytest.mark.parametrize("ends", ["disarmed", "in time"])
def test_the_reason_of_a_halt_outlives_a_disarming(tmp_path: Path, ends: str) -> None:
    """Then `arm --resume` lifts it in the core and at the gate; were it forgotten, nothing could be armed any more."""

    async def run() -> None:
        with observing(tmp_path) as (shell, arming, _):
            await asked(arming, tmp_path, arm=True, limit_usd=50.0, hours=1.0)
            shell.halt("books and venue differ")
            if ends == "disarmed":
                await asked(arming, tmp_path, arm=False)
            else:
                clock: Any = shell.clock
                clock.at_ns += 3_600 * NS_PER_S
                arming.look()
            with pytest.raises(ArmingRefused, match="halted: books and venue differ; look into it"):
                await asked(arming, tmp_path, arm=True, limit_usd=50.0)
            await asked(arming, tmp_path, arm=True, limit_usd=50.0, resume=True)
            assert not is_halted(shell)

    asyncio.run(run())


def test_the_gate_ends_an_arming_by_itself(tmp_path: Path) -> None:
    """Though nobody looks for words any more: what looks may hang, or have failed."""

    async def run() -> None:
        with observing(tmp_path) as (shell, arming, door):
            await asked(arming, tmp_path, arm=True, limit_usd=50.0, hours=1.0)
            door.gate.hear(words_for(True, 50 * MICROS), 1)
            command: Any = np.zeros(1, COMMAND)[0]
            command["act_code"], command["order_id"] = Act.PLACE, 1
            now_ns = shell.clock.now_ns()
            before, after = (door.gate.check(command, now_ns + hours * 3_600 * NS_PER_S) for hours in (0, 1))
            assert before is not None and before.bar is not Bar.DISARMED
            assert after is not None and after.bar is Bar.DISARMED

    asyncio.run(run())


def test_a_halt_of_before_is_lifted_only_when_that_is_said(tmp_path: Path) -> None:
    async def run() -> None:
        with observing(tmp_path) as (shell, arming, _):
            await asked(arming, tmp_path, arm=True, limit_usd=50.0)
            shell.halt("books and venue differ")
            with pytest.raises(ArmingRefused, match="halted: books and venue differ; look into it"):
                await asked(arming, tmp_path, arm=True, limit_usd=50.0)
            assert is_halted(shell)
            await asked(arming, tmp_path, arm=True, limit_usd=50.0, resume=True)
            assert not is_halted(shell)

    asyncio.run(run())


def test_a_halt_is_not_forgotten_when_the_desk_is_disarmed_after_it(tmp_path: Path) -> None:
    """Disarming puts a reason of its own before people; the halt behind it stands, and needs its own word."""

    async def run() -> None:
        with observing(tmp_path) as (shell, arming, _):
            await asked(arming, tmp_path, arm=True, limit_usd=50.0)
            shell.halt("books and venue differ")
            for _again in range(2):
                await asked(arming, tmp_path, arm=False)
                assert shell.halted_why == "books and venue differ"
            with pytest.raises(ArmingRefused, match="halted: books and venue differ; look into it"):
                await asked(arming, tmp_path, arm=True, limit_usd=50.0)
            await asked(arming, tmp_path, arm=True, limit_usd=50.0, resume=True)
            assert not is_halted(shell) and shell.halted_why == ""

    asyncio.run(run())


def test_what_was_killed_is_not_armed_before_that_is_lifted(tmp_path: Path) -> None:
    """The file may come between the operator's look and the session's own: both look."""

    async def run() -> None:
        with observing(tmp_path) as (shell, arming, door):
            for_now = Request(
                nonce="1", session_id=session_in(tmp_path).session_id, arm=True, limit_usd=50.0, for_s=60.0, resume=True
            )
            write_private(tmp_path / REQUEST_FILE, msgspec.json.encode(for_now))
            (tmp_path / KILL_FILE).touch()
            arming.look()
            answer = msgspec.json.decode((tmp_path / ANSWER_FILE).read_bytes())
            assert (answer["taken"], "KILL: killed; look into it" in answer["words"]) == (False, True)
            with pytest.raises(ArmingRefused, match="KILL: killed; look into it, then lift that with `updown kill"):
                await asked(arming, tmp_path, arm=True, limit_usd=50.0, resume=True)
            assert is_halted(shell) and door.gate.is_disarmed

    asyncio.run(run())


def test_an_operator_who_arms_what_was_killed_gets_one_line_and_an_exit_code(tmp_path: Path) -> None:
    """Also where no session runs, and as an object for machines; disarming is never refused for it."""
    (tmp_path / KILL_FILE).touch()
    arm = ["arm", "--limit-usd", "50", "--journal", str(tmp_path)]
    done = CliRunner().invoke(app, arm)
    mend = f"killed; look into it, then lift that with `updown kill --lift --journal {tmp_path}`"
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"updown: {tmp_path / KILL_FILE}: {mend}\n"
    told = json.loads(CliRunner().invoke(app, [*arm, "--json"]).stdout)
    assert told["exit"] == 2 and mend in told["error"]
    assert "no live session runs here" in CliRunner().invoke(app, ["disarm", "--journal", str(tmp_path)]).stderr


def test_a_gateway_that_has_stopped_for_good_needs_a_new_start(tmp_path: Path) -> None:
    async def run() -> None:
        with observing(tmp_path) as (shell, arming, door):
            door.halt_why = "the venue does not accept our signature"
            with pytest.raises(ArmingRefused, match="stopped for good: the venue does not accept our signature"):
                await asked(arming, tmp_path, arm=True, limit_usd=50.0, resume=True)
            assert is_halted(shell)

    asyncio.run(run())


def test_after_a_crash_while_armed_it_observes_again_and_a_halt_is_remembered(tmp_path: Path) -> None:
    async def first() -> None:
        with observing(tmp_path) as (shell, arming, _):
            await asked(arming, tmp_path, arm=True, limit_usd=50.0)
            shell.halt("the venue's bot wall stands between us and the venue")

    asyncio.run(first())
    start = start_from(tmp_path, default_params(), CASH_MICROS)
    assert start.played is not None and start.played.difference == "", "words of arming replay as all else"

    async def second() -> None:
        shell = open_shell(tmp_path, BEGUN_NS + 60 * NS_PER_S, start.core)
        shell.halted_why = "the venue's bot wall stands between us and the venue (before this start)"
        arming = Arming(tmp_path, "0x" + "11" * 20, "the venue next door", LEAST, CASH_MICROS)
        arming.observe(shell, None)
        with pytest.raises(ArmingRefused, match="halted: the venue's bot wall"):
            await asked(arming, tmp_path, arm=True, limit_usd=50.0)
        shell.close()
        shell.session.close()

    asyncio.run(second())


def test_an_operator_hears_when_nobody_is_there_or_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(ArmingRefused, match="no live session runs here; start one with `updown live --journal"):
        session_in(tmp_path)

    async def run() -> None:
        with observing(tmp_path) as (_, arming, _door):
            with pytest.raises(ArmingRefused, match="does not answer, and the word was taken back"):
                await ask_session(tmp_path, arm=True, limit_usd=50.0, patience_s=0.05)
            assert not (tmp_path / REQUEST_FILE).exists(), "a word that nobody heard is not heard later"
            assert arming.armed is None
            assert (tmp_path / LIVE_FILE).stat().st_mode & 0o077 == 0

    asyncio.run(run())


def test_words_are_rows_that_a_core_knows() -> None:
    armed, disarmed = words_for(True, 7), words_for(False, 0)
    assert (armed["kind_code"] == Kind.OPERATOR_SAID).all() and armed["ref_id"][-1] == 7
    names = [Word(int(rows["code_id"][-1])).name for rows in (armed, disarmed)]
    assert names == ["ARM", "DISARM"]
    assert int(words_for(True, 7, resume=True)["code_id"][0]) == Word.RESUME


def test_the_gate_lets_nothing_leave_while_a_session_observes(tmp_path: Path) -> None:
    """The core would have to err for that; then the gate stands there."""

    async def run() -> None:
        with observing(tmp_path) as (_, _arming, door):
            command: Any = np.zeros(1, COMMAND)[0]
            command["act_code"], command["order_id"], command["at_ns"] = Act.PLACE, 1, BEGUN_NS
            refused = door.gate.admit(command, BEGUN_NS)
            assert refused is not None and refused.bar is Bar.DISARMED

    asyncio.run(run())


def test_a_request_is_small_and_typed() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"nonce":"a","session_id":"b","arm":"yes"}', type=Request)
