"""The kill switch: a file, a call and a command, each of which stops a desk and sees its orders gone."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from gateway_desk import Desk, a_desk
from typer.testing import CliRunner

from infra.cli.app import app
from infra.shell.kill import (
    KEY_FILE,
    KILL_FILE,
    SWITCH_FILE,
    KillSwitch,
    SwitchFileRefused,
    kill_switch,
    leave_kill_file,
    read_switch_file,
)
from infra.shell.next_door import own_venue
from infra.venue_next_door.faults import Fault
from infra.venues.gate import Gate
from infra.venues.heartbeat import Heartbeat
from infra.venues.pulling import pull_everything
from infra.version import ROOT
from state.params import default_params

pytestmark = pytest.mark.rehearsal


class Guarded:
    """A desk with its switch, and all that the switch had to say."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self.desk = desk
        self.folder = folder
        self.said: list[str] = []
        self.notes: list[dict[str, Any]] = []
        self.switch = KillSwitch(
            folder, desk.gateway, desk.rest, lambda why, word: self.said.append(f"{word.name}: {why}"),
            lambda: self.said.append("lifted"), self.notes.append,
        )  # fmt: skip

    @property
    def open_orders(self) -> int:
        account = self.desk.venue.engine.accounts[self.desk.gateway.news.api_key]
        return sum(order.is_open for order in account.orders.values())

    @asynccontextmanager
    async def alive(self) -> Any:
        desk, signer = self.desk, self.desk.gateway._signer
        async with kill_switch(
            self.switch, self.folder, mode="demo", addresses=desk.venue.addresses, clock=desk.venue.clock,
            wallet=signer.wallet, signature_type=int(signer.signature_type), key=None,
        ):  # fmt: skip
            yield self


def told(folder: Path, story: Callable[[Guarded], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with a_desk() as desk:
            await story(Guarded(desk, folder))

    asyncio.run(run())


async def three_rest(guarded: Guarded) -> None:
    for price in ("0.40", "0.41", "0.42"):
        guarded.desk.place(price, 10)
    await guarded.desk.until_true(lambda: guarded.open_orders == 3, "three rest")


def test_a_file_in_its_folder_stops_a_desk_and_its_orders_go(tmp_path: Path) -> None:
    async def story(guarded: Guarded) -> None:
        async with guarded.alive():
            await three_rest(guarded)
            (tmp_path / KILL_FILE).touch()
            await guarded.desk.until_true(lambda: guarded.switch.pulled is not None, "the orders are pulled")
            assert guarded.switch.pulled is not None and guarded.switch.pulled.is_verified
            assert guarded.open_orders == 0
            assert guarded.said == ["KILL: killed: the file KILL lies in the session's folder"]
            guarded.desk.place("0.43", 10)
            await guarded.desk.until("order 4: REJECTED, 0 open (FAILED)")
            assert guarded.desk.gateway.counts["posted"] == 3
            guarded.desk.cancel(1)  # cancels pass, also then
            assert [each for each in guarded.notes if "pulled" in each] == [{"pulled": True, "open": 0, "words": ""}]

    told(tmp_path, story)


def test_a_desk_that_slept_through_the_kill_sends_nothing_on_waking(tmp_path: Path) -> None:
    """Nobody watches the file here, as in a process that was stopped: the order itself looks."""

    async def story(guarded: Guarded) -> None:
        guarded.desk.place("0.40", 10)
        await guarded.desk.until("order 1: RESTING")
        leave_kill_file(tmp_path, "a story")
        guarded.switch._looked_ns -= 10**9
        guarded.desk.place("0.41", 10)
        await guarded.desk.until("order 2: REJECTED, 0 open (FAILED)")
        assert guarded.desk.gateway.counts["posted"] == 1

    told(tmp_path, story)


def test_an_order_that_waits_for_the_disk_while_the_desk_is_killed_does_not_leave(tmp_path: Path) -> None:
    async def story(guarded: Guarded) -> None:
        disk = asyncio.Event()

        async def written() -> None:
            await disk.wait()

        guarded.desk.gateway._written = written
        guarded.desk.place("0.40", 10)
        await asyncio.sleep(0)
        guarded.switch.stop("a story")
        disk.set()
        await guarded.desk.until("order 1: REJECTED, 0 open (FAILED)")
        assert guarded.desk.gateway.counts["not sent: killed"] == 1
        assert not guarded.desk.venue.engine.accounts[guarded.desk.gateway.news.api_key].orders

    told(tmp_path, story)


def test_a_restart_under_the_file_begins_dead_and_lifting_it_lets_the_desk_live(tmp_path: Path) -> None:
    async def story(guarded: Guarded) -> None:
        leave_kill_file(tmp_path, "killed yesterday")
        async with guarded.alive():
            guarded.desk.place("0.40", 10)
            await guarded.desk.until("order 1: REJECTED, 0 open (FAILED)")
            await guarded.desk.until_true(lambda: bool(guarded.said), "the core is told")
            assert guarded.said == ["KILL: killed: killed yesterday"]
            (tmp_path / KILL_FILE).unlink()
            await guarded.desk.until_true(lambda: guarded.said[-1] == "lifted", "lifted")
            guarded.desk.place("0.40", 10)
            await guarded.desk.until("order 2: RESTING")

    told(tmp_path, story)


def test_the_call_kills_verifies_and_leaves_the_file_and_only_the_token_opens_it(tmp_path: Path) -> None:
    async def story(guarded: Guarded) -> None:
        async with guarded.alive(), aiohttp.ClientSession() as session:
            await three_rest(guarded)
            door = read_switch_file(tmp_path)
            assert door.api.startswith("http://127.0.0.1:") and door.pid == os.getpid()
            assert stat.S_IMODE((tmp_path / SWITCH_FILE).stat().st_mode) == 0o600
            assert door.token not in repr(door)
            for headers in ({}, {"Authorization": "Bearer wrong"}):
                async with session.post(f"{door.api}/kill", headers=headers) as refused:
                    assert refused.status == 401
            assert guarded.open_orders == 3 and not guarded.switch.why
            headers = {"Authorization": f"Bearer {door.token}"}
            async with session.post(f"{door.api}/kill", headers=headers) as reply:
                said = await reply.json()
            assert said == {"killed": True, "why": "called over the loopback API", "verified": True, "open": 0}
            assert guarded.open_orders == 0 and (tmp_path / KILL_FILE).exists()
            assert stat.S_IMODE((tmp_path / KILL_FILE).stat().st_mode) == 0o600
            async with session.get(f"{door.api}/kill", headers=headers) as reply:
                assert (await reply.json())["killed"]

    told(tmp_path, story)


def test_what_the_venue_does_not_show_to_be_gone_is_not_called_verified(tmp_path: Path) -> None:
    async def story(guarded: Guarded) -> None:
        await three_rest(guarded)
        guarded.desk.venue.on(Fault.SERVER_ERROR, 1.0, "/cancel-all")
        pulled = await pull_everything(guarded.desk.rest, patience_s=0.5)
        assert (pulled.is_verified, pulled.open_count, pulled.words) == (False, 3, "3 orders are still open")
        guarded.desk.venue.on(Fault.SERVER_ERROR, 1.0, "/data/orders")
        pulled = await pull_everything(guarded.desk.rest, patience_s=0.5)
        assert (pulled.is_verified, pulled.open_count) == (False, -1)
        assert "500" in pulled.words
        guarded.desk.venue.faults.clear()
        assert (await pull_everything(guarded.desk.rest)).is_verified

    told(tmp_path, story)


def test_a_killed_desk_lets_its_heart_stand_still_so_that_the_venue_cancels_too(tmp_path: Path) -> None:
    """The venue takes no cancel, and still nothing rests ten seconds after the last beat."""

    async def story(guarded: Guarded) -> None:
        desk = guarded.desk
        heart = Heartbeat(desk.rest, desk.venue.clock, lambda: desk.gateway.is_killed())
        beating = asyncio.create_task(heart.run())
        async with guarded.alive():
            await desk.until_true(lambda: heart.accepted_count > 0, "it beats")
            await three_rest(guarded)
            desk.venue.on(Fault.SERVER_ERROR, 1.0, "/cancel-all")
            leave_kill_file(tmp_path, "a story")
            await desk.until_true(lambda: guarded.open_orders == 0, "the venue's own switch")
        beating.cancel()

    told(tmp_path, story)


def test_arming_does_not_lift_a_kill_whose_file_still_lies_there(tmp_path: Path) -> None:
    async def story(guarded: Guarded) -> None:
        gate = guarded.desk.gateway.gate = Gate(default_params(), guarded.desk.venue.clock.now_ns())
        leave_kill_file(tmp_path, "a story")
        async with guarded.alive():
            await guarded.desk.until_true(lambda: bool(guarded.said), "killed")
            gate.arm(10**9)
            guarded.switch.look()
            assert gate.killed_why == "a story"
            await guarded.desk.until_true(lambda: len(guarded.said) == 2, "and the core is told again")

    told(tmp_path, story)


# From another process.


@contextmanager
def a_desk_process(folder: Path, venue_file: Path) -> Iterator["subprocess.Popen[str]"]:
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    child = subprocess.Popen(
        [sys.executable, str(ROOT / "tests/kill_desk.py"), str(folder), str(venue_file)],
        stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": paths},
    )  # fmt: skip
    try:
        yield child
    finally:
        child.send_signal(signal.SIGCONT)
        child.kill()
        child.communicate()


def says(child: "subprocess.Popen[str]", words: str) -> str:
    """Read on until a line begins with some words."""
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith(words):
            return line.strip()
    raise AssertionError(f"it ended without saying {words!r}")


def killed(*words: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(app, ["kill", *words, "--json"])
    return result.exit_code, json.loads(result.stdout)


def test_a_desk_that_hangs_is_killed_from_another_process_and_stays_dead(tmp_path: Path) -> None:
    """Venue and desk are processes of their own; the desk is stopped in the midst of quoting, as a hung one is."""
    folder = tmp_path / "session"
    folder.mkdir()
    with own_venue(
        tmp_path / "venue", market="demo", speed=2.0, seed=4, windows=3, cash_usd=1e5, faults=None
    ), a_desk_process(folder, tmp_path / "venue/venue.json") as desk:  # fmt: skip
        for _ in range(3):
            says(desk, "resting")
        desk.send_signal(signal.SIGSTOP)
        code, said = killed("--journal", str(folder))
        assert (code, said["verified"], said["open"], said["desk_answered"]) == (0, True, 0, False)
        assert (folder / KILL_FILE).exists() and stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600

        desk.send_signal(signal.SIGCONT)  # it wakes, and finds itself killed
        says(desk, "halted killed: the operator killed it")
        says(desk, "refused")
        code, said = killed("--journal", str(folder))
        assert (code, said["verified"], said["desk_answered"]) == (0, True, True)

        lifted = CliRunner().invoke(app, ["kill", "--lift", "--journal", str(folder)])
        assert lifted.exit_code == 0 and not (folder / KILL_FILE).exists()
        says(desk, "resting")
        code, said = killed("--journal", str(folder))
        assert (code, said["verified"]) == (0, True)


def test_a_kill_that_cannot_be_verified_says_so_by_its_code(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    folder.mkdir()
    with own_venue(
        tmp_path / "venue", market="demo", speed=2.0, seed=4, windows=3, cash_usd=1e5, faults=None
    ), a_desk_process(folder, tmp_path / "venue/venue.json") as desk:  # fmt: skip
        says(desk, "resting")
        desk.send_signal(signal.SIGSTOP)
    code, said = killed("--journal", str(folder), "--seconds", "1")
    assert (code, said["verified"], said["desk_answered"]) == (1, False, False)
    assert said["words"] and (folder / KILL_FILE).exists(), "the venue is gone; the desk stays dead all the same"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--journal", "{tmp}/none"], "no such folder; name the folder of a session"),
        (["--journal", "{tmp}"], "switch.json: no such file or directory; name the folder of a session"),
        (["--lift"], "--lift needs --journal DIR: whose desk may live again"),
        (["--lift", "--journal", "{tmp}"], "KILL: no such file; that desk is not killed"),
        (["--journal", "{tmp}", "--venue", "{tmp}"], "--journal and --venue are two ways of saying where; name one"),
    ],
)
def test_what_cannot_be_killed_is_said_in_one_line(words: list[str], line: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["kill", *(word.format(tmp=tmp_path) for word in words)])
    assert result.exit_code == 2 and line in result.stderr and "Traceback" not in result.stderr


def test_a_switch_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / SWITCH_FILE).write_text('{"mode": 3}')
    with pytest.raises(SwitchFileRefused, match="no session's switch file"):
        read_switch_file(tmp_path)
