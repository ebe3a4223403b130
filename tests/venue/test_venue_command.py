"""The venue next door from outside: its fault scripts, its file, and the command that serves it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from typer.testing import CliRunner

from infra.addresses import Addresses
from infra.cli.app import app
from infra.venue_next_door.fault_script import FaultRefused, read_script, switch_of
from infra.venue_next_door.faults import Fault, Switch
from infra.venue_next_door.files import VenueFile, VenueFileRefused, read_venue_file, write_venue_file
from infra.version import ROOT
from state.units import NS_PER_S

pytestmark = pytest.mark.rehearsal

# Fault scripts.

SHARES = {Fault.DUPLICATE, Fault.REORDER, Fault.MISSING, Fault.GARBLED, Fault.FAILED_TRADE, Fault.RETRYING_TRADE}


@given(
    st.sampled_from(Fault),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.floats(0.01, 1.0),
)
def test_a_table_means_the_switch_that_its_words_say(fault: Fault, at_s: int, for_s: int, value: float) -> None:
    table = {"name": fault.value, "at_s": at_s, "value": value} | ({"for_s": for_s} if for_s else {})
    switch = switch_of(table, 5 * NS_PER_S)
    assert (switch.fault, switch.where, switch.value) == (fault, "", value)
    assert switch.from_ns == (5 + at_s) * NS_PER_S
    assert switch.until_ns - switch.from_ns == for_s * NS_PER_S if for_s else switch.until_ns >= 1 << 62


def test_a_script_is_read_and_what_cannot_be_is_refused_in_a_line(tmp_path: Path) -> None:
    file = tmp_path / "script.toml"

    def read(text: str) -> str | list[Switch]:
        file.write_text(text)
        try:
            return read_script(file, 100 * NS_PER_S)
        except FaultRefused as error:
            return str(error).replace(str(file), "script.toml")

    assert read('[[fault]]\nname = "late"\nwhere = "okx"\nat_s = 2.5\nfor_s = 10\nvalue = 300') == [
        Switch(Fault.LATE, "okx", 102_500_000_000, 112_500_000_000, 300.0)
    ]
    assert read("") == []
    names = ", ".join(fault.value for fault in Fault)
    assert read('[[fault]]\nname = "silent"\n[[fault]]\nname = "rain"') == (
        f"script.toml: fault 2: no fault 'rain'; there are {names}"
    )
    refused = [
        read(text)
        for text in (
            "[[fault]",
            "fault = 3",
            'name = "silent"',
            '[[fault]]\nname = "silent"\nwhen = 3',
            '[[fault]]\nname = "silent"\nat_s = "soon"',
            '[[fault]]\nname = "silent"\nfor_s = -1',
            '[[fault]]\nname = "rate_limited"\nwhere = "okx"',
        )
    ]
    assert refused[0] is not None and "not TOML" in str(refused[0])
    assert refused[1:] == snapshot(
        [
            "script.toml: write tables [[fault]] and nothing else",
            "script.toml: write tables [[fault]] and nothing else",
            "script.toml: fault 1: unknown key 'when'; a fault has name, where, at_s, for_s, value",
            "script.toml: fault 1: silent: at_s = 'soon' is no number",
            "script.toml: fault 1: silent: at_s and for_s are not negative",
            "script.toml: fault 1: rate_limited: where is the beginning of a path, as in \"/order\", not 'okx'",
        ]
    )


# The file.


def test_a_file_that_tells_of_no_running_venue_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "venue.json"
    gone = VenueFile(
        addresses=Addresses(), origin_ns=1, started_ns=1, speed_ratio=1.0, admin="", token="", pid=2**22 + 1,
        market="", first_open_s=0, ends_ns=0,
    )  # fmt: skip

    def why() -> str:
        with pytest.raises(VenueFileRefused) as refused:
            read_venue_file(file)
        return str(refused.value).replace(str(tmp_path), "var").partition("; ")[0]

    refusals = [why()]
    file.write_text("{}")
    refusals.append(why())
    write_venue_file(file, gone)
    refusals.append(why())
    assert refusals == snapshot(
        [
            "var/venue.json: no such file or directory",
            "var/venue.json: no venue's file (Object missing required field `addresses`)",
            "var/venue.json: the venue that it tells of has ended",
        ]
    )


# The command.


def child(*words: str, folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "infra", "venue", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_the_command_serves_until_the_windows_are_over(tmp_path: Path) -> None:
    """One window at five hundred times the speed; the file is there meanwhile, and gone afterwards."""
    venue = child("--windows", "1", "--speed", "500", "--write", "venue.json", "--json", folder=tmp_path)
    out, err = venue.communicate()
    assert (venue.returncode, err.decode().strip().splitlines()[-1]) == (0, "closed: the last window has settled")
    told = json.loads(out)
    assert told["addresses"]["clob"].startswith("http://127.0.0.1:")
    assert "token" not in told and told["market"] == "market demo, 1 windows, seed 4"
    assert not (tmp_path / "venue.json").exists()


def test_a_venue_ends_with_its_parent(tmp_path: Path) -> None:
    venue = child("--windows", "1", "--with-parent", "--json", folder=tmp_path)
    assert venue.stdout is not None and venue.stdin is not None and venue.stderr is not None
    while venue.stdout.readline() != b"}\n":
        assert venue.poll() is None
    venue.stdin.close()
    assert venue.wait() == 0
    assert venue.stderr.read().decode().splitlines()[-1] == "closed: the parent has gone"


def test_a_venue_ends_in_order_when_it_is_asked_to(tmp_path: Path) -> None:
    venue = child("--windows", "1", "--json", folder=tmp_path)
    assert venue.stdout is not None
    while venue.stdout.readline() != b"}\n":
        assert venue.poll() is None
    venue.terminate()
    _, err = venue.communicate()
    assert (venue.returncode, err.decode().splitlines()[-1]) == (0, "closed: asked to end")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["--market", "gold"],
            "--market gold: no market 'gold'; there are efficient, late-makers, point-makers, stale-quotes, demo, "
            "busy, rushed",
        ),
        (["--faults", "none.toml"], "none.toml: no such file; write tables [[fault]] into it"),
        (["--write", "none/venue.json"], "none/venue.json: there is no folder none; make it first"),
        (["--replay", "none"], "none: no such folder; name a journal or a folder of recordings"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(words: list[str], line: str, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["venue", *words], prog_name="updown")
    assert (done.exit_code, done.stderr.strip().splitlines()[-1]) == (2, f"updown: {line}")
