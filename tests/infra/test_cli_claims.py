import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from recordings import recordings
from typer.testing import CliRunner, Result

from infra.cli.app import COMMANDS, app
from infra.cli.prove import CLAIMS
from infra.version import ROOT


def updown(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], prog_name="updown")


def told(result: Result) -> Any:
    """Give the object of an answer; anything beside it on standard output is an error here."""
    return json.loads(result.stdout)


def test_the_desk_is_drawn_with_every_stage() -> None:
    from graph.stages import STAGES

    drawn = told(updown("graph", "--json"))
    names = [stage.name for stage in STAGES]
    assert [stage["stage"] for stage in drawn["stages"]] == names
    picture = updown("graph").stdout
    assert all(f"[ {name} ]" in picture for name in names)
    assert picture.count("stand aside") == sum(stage["gate"] != "none" for stage in drawn["stages"])
    mermaid = updown("graph", "--mermaid").stdout
    assert all(name in mermaid for name in (*names, "stand_aside"))


def test_rules_change_with_their_day() -> None:
    def value(day: str, rule: str) -> str:
        rows = told(updown("rules", "--at", day, "--json"))["rules"]
        return next(str(row["value"]) for row in rows if row["rule"] == rule)

    days = ("2026-08-06", "2026-08-13T23:55", "2026-08-14")
    assert [value(day, "SETTLEMENT") for day in days] == ["POINT", "TWAP", "TWAP"]
    assert [value(day, "LOOKBACK_S") for day in days] == ["0", "30", "60"]


def test_every_parameter_is_listed_with_its_bounds() -> None:
    from state.params import BOUNDS

    rows = told(updown("rules", "--params", "--json"))["params"]
    assert [row["parameter"] for row in rows] == list(BOUNDS)
    assert all(row["low"] <= row["default"] <= row["high"] and row["what"] for row in rows)
    assert "take_edge_bps" in updown("rules", "--params").stdout


def test_every_claim_is_listed() -> None:
    rows = told(updown("prove", "--list", "--json"))["claims"]
    assert [row["name"] for row in rows] == list(CLAIMS)
    named = {"frames", "l2", "settlement", "pricing", "determinism", "speed", "bad-input"}
    assert named <= set(CLAIMS)


def test_a_claim_is_held_against_a_recording_named_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = recordings("chainlink_btcusd_1hz")
    itself, parent = (updown("prove", "settlement", "--data", data, "--json") for data in (folder, folder.parent))
    monkeypatch.setenv("UPDOWN_RECORDINGS", str(folder.parent))
    shown = updown("prove", "settlement")
    assert [result.exit_code for result in (itself, parent, shown)] == [0, 0, 0]
    first, second = (told(result)["proofs"][0]["figures"] for result in (itself, parent))
    assert first == second
    assert "✓ settlement" in shown.stdout and "283 of 283" in shown.stdout


def test_a_claim_that_does_not_hold_exits_1(monkeypatch: pytest.MonkeyPatch) -> None:
    import infra.cli.prove as desk
    from evals.proof import Figure, Proof

    figures = (Figure(name="speed", measured=3, bar=">= 5", holds=False), Figure(name="rows", measured=1, bar="-"))
    claim = Proof(name="speed", claim="it is fast", figures=figures, notes=("on this machine",))
    monkeypatch.setattr(desk, "prover", lambda _: lambda folder, progress: claim)
    result = updown("prove", "speed")
    assert result.exit_code == 1
    assert "✗ speed: it is fast" in result.stdout and ">= 5" in result.stdout
    answer = told(updown("prove", "speed", "--json"))
    assert answer["holds"] is False and answer["proofs"][0]["figures"][0]["measured"] == 3


def test_a_fault_of_our_own_is_loud_for_people_and_one_line_for_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    import infra.cli.prove as desk

    def broken(folder: object, progress: object) -> None:
        raise ZeroDivisionError("nothing to divide by")

    monkeypatch.setattr(desk, "prover", lambda _: broken)
    loud = updown("prove", "speed")
    assert loud.exit_code == 4 and "Traceback" in loud.stderr and "ZeroDivisionError" in loud.stderr
    quiet = updown("prove", "speed", "--json")
    assert quiet.exit_code == 4 and told(quiet)["exit"] == 4
    assert quiet.stderr.splitlines() == ["updown: our own fault: ZeroDivisionError: nothing to divide by"]


def test_the_version_names_code_and_layouts() -> None:
    found = told(updown("version", "--json"))
    assert set(found["layouts"]) == {"Event", "World", "Mandate"}
    assert set(found["libraries"]) >= {"numpy", "numba", "langgraph"}
    assert found["version"] in updown("version").stdout


def test_the_layouts_are_those_of_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from infra.journal.blocks import layout_hash
    from infra.version import layouts
    from state.records import layout
    from state.world import World

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    reckoned, kept = layouts(), layouts()
    assert reckoned == kept and reckoned["World"] == layout_hash(layout(World))


def test_the_help_says_the_exit_codes_and_every_command_gives_an_example() -> None:
    root = updown("--help").stdout
    assert [line.split()[0] for line in root.splitlines() if re.match(r"  +\d  ", line)] == ["0", "1", "2", "3", "4"]
    for name in COMMANDS:
        assert "Example: updown" in updown(name, "--help").stdout, name
        assert re.search(rf"^  {name}\b", root, re.M), name


def test_nothing_heavy_is_imported_to_say_help_or_version() -> None:
    heavy = ["numba", "numpy", "duckdb", "langgraph", "rich", "state.compiled"]
    code = (
        "import sys; from infra.cli.app import app; app(['{0}'], standalone_mode=False); "
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    updown("version")  # keeps the layout hashes
    for word in ("--help", "version"):
        done = subprocess.run(
            [sys.executable, "-c", code.format(word)],
            cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert (done.returncode, done.stderr.strip()) == (0, "[]"), word


def test_a_claim_that_can_do_without_a_recording_takes_one_only_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from infra.cli.failures import Misuse
    from infra.cli.prove import folder_of

    monkeypatch.delenv("UPDOWN_RECORDINGS", raising=False)
    assert folder_of("speed", None) is None
    with pytest.raises(Misuse, match="give --data DIR, or set UPDOWN_RECORDINGS"):
        folder_of("l2", None)
    monkeypatch.setenv("UPDOWN_RECORDINGS", str(tmp_path))
    assert folder_of("speed", None) is None
    with pytest.raises(Misuse, match="holds neither"):
        folder_of("speed", tmp_path)
    books = tmp_path / CLAIMS["speed"].recording
    books.mkdir()
    assert folder_of("speed", None) == folder_of("l2", tmp_path) == books
    (tmp_path / "000001.journal").touch()
    assert folder_of("speed", tmp_path) == books
    books.rmdir()
    assert folder_of("speed", tmp_path) == tmp_path
