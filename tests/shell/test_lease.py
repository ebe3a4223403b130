"""One engine per key: who holds the lease, what a second engine hears, and what becomes of it when the holder dies."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from infra.doctor.check import State
from infra.doctor.machine import judge_lease
from infra.shell.lease import Holder, Lease, LeaseHeld, Standing, lease_folder, look_at
from infra.version import ROOT

ADDRESS = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
OTHER = "0x" + "22" * 20
HOLDS = """
import sys, time
from pathlib import Path
from infra.shell.lease import Lease
with Lease.take(Path(sys.argv[1]), sys.argv[2], now_ns=7, journal="theirs"):
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def another_engine(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A second process that holds the lease until it is ended."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(folder), ADDRESS], stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        assert child.stdout is not None and child.stdout.readline() == "held\n"
        yield child
    finally:
        child.kill()
        child.communicate()


def test_a_lease_is_taken_given_back_and_numbered(tmp_path: Path) -> None:
    assert look_at(tmp_path, ADDRESS).standing is Standing.FREE
    for fence in (1, 2, 3):
        with Lease.take(tmp_path, ADDRESS, now_ns=fence, journal="ours") as lease:
            assert (lease.holder.fence, lease.recovered) == (fence, None)
            assert look_at(tmp_path, ADDRESS).standing is Standing.HELD
        assert look_at(tmp_path, ADDRESS).standing is Standing.FREE


def test_the_file_is_named_by_the_address_and_holds_no_key(tmp_path: Path) -> None:
    with Lease.take(tmp_path, ADDRESS, now_ns=1):
        (file,) = tmp_path.iterdir()
    assert file.name == f"{ADDRESS.lower()}.lease" and file.stat().st_mode & 0o077 == 0
    assert set(msgspec.json.decode(file.read_bytes())) == {"host", "pid", "started_ns", "fence", "journal", "released"}
    with pytest.raises(AssertionError, match="never by a key"):
        Lease.take(tmp_path, "11" * 32, now_ns=1)


def test_a_second_engine_is_refused_with_the_holders_name_and_another_key_is_free(tmp_path: Path) -> None:
    with another_engine(tmp_path) as child:
        with pytest.raises(LeaseHeld, match=f"runs with this key already: process {child.pid} on .*journal theirs"):
            Lease.take(tmp_path, ADDRESS, now_ns=1)
        check = judge_lease(look_at(tmp_path, ADDRESS))
        assert check.state is State.REFUSED and f"process {child.pid}" in check.words
        with Lease.take(tmp_path, OTHER, now_ns=1) as lease:
            assert lease.holder.fence == 1


def test_a_holder_that_hangs_keeps_its_lease(tmp_path: Path) -> None:
    """A stopped process may go on at any moment: its key is not another's to use."""
    with another_engine(tmp_path) as child:
        child.send_signal(signal.SIGSTOP)
        with pytest.raises(LeaseHeld):
            Lease.take(tmp_path, ADDRESS, now_ns=1)


def test_the_lease_of_a_dead_holder_is_taken_over_with_a_higher_number(tmp_path: Path) -> None:
    with another_engine(tmp_path) as child:
        child.kill()
        child.wait()
        look = look_at(tmp_path, ADDRESS)
        assert look.standing is Standing.STALE and "takes it over" in judge_lease(look).words
        with Lease.take(tmp_path, ADDRESS, now_ns=1) as lease:
            assert lease.holder.fence == 2
            assert lease.recovered is not None and lease.recovered.pid == child.pid


def test_a_lease_that_another_machine_has_not_given_back_is_left_alone(tmp_path: Path) -> None:
    """Locks may not be seen from machine to machine: a free lock there proves nothing."""
    with Lease.take(tmp_path, ADDRESS, now_ns=1):
        pass
    (file,) = tmp_path.iterdir()
    file.write_bytes(msgspec.json.encode(Holder(host="elsewhere", pid=1, started_ns=1, fence=8)))
    check = judge_lease(look_at(tmp_path, ADDRESS))
    assert check.state is State.REFUSED and "process 1 on elsewhere" in check.words
    with pytest.raises(LeaseHeld, match="if that machine is gone for good, remove"):
        Lease.take(tmp_path, ADDRESS, now_ns=1)
    file.unlink()
    with Lease.take(tmp_path, ADDRESS, now_ns=1) as lease:
        assert lease.holder.fence == 1


def test_a_file_cut_by_a_crash_is_a_free_lease(tmp_path: Path) -> None:
    (tmp_path / f"{ADDRESS.lower()}.lease").write_bytes(b'{"host":"he')
    with Lease.take(tmp_path, ADDRESS, now_ns=1) as lease:
        assert lease.holder.fence == 1


def test_leases_lie_in_one_place_for_all_sessions_of_a_user() -> None:
    assert lease_folder({"UPDOWN_LEASES": "here"}) == Path("here")
    assert lease_folder({"XDG_STATE_HOME": "there"}) == Path("there/updown/leases")
    assert lease_folder({}).parts[-3:] == ("state", "updown", "leases")
