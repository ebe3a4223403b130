import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from infra.cli.app import app
from infra.journal.segments import SUFFIX
from infra.version import ROOT


def updown(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], prog_name="updown")


def told(result: Result) -> Any:
    """Give the object of an answer; anything beside it on standard output is an error here."""
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make up a market once, in a folder of its own."""
    home = tmp_path_factory.mktemp("cli")
    before = Path.cwd()
    os.chdir(home)
    try:
        done = updown("generate", "--windows", 1, "--seed", 1, "--json")
    finally:
        os.chdir(before)
    assert done.exit_code == 0, done.stderr
    (home / "generated.json").write_text(done.stdout)
    return home


@pytest.fixture(scope="module")
def run(place: Path) -> Path:
    return place / "var" / "generated" / "demo-1-windows-seed-1"


@pytest.fixture(scope="module")
def journal(run: Path) -> Path:
    return run / "journal"


def copied(journal: Path, to: Path) -> Path:
    shutil.copytree(journal, to)
    return next(to.glob(f"*{SUFFIX}"))


def truncated(journal: Path, to: Path) -> Path:
    segment = copied(journal, to)
    segment.write_bytes(segment.read_bytes()[: segment.stat().st_size // 2])
    return to


def flipped(journal: Path, to: Path) -> Path:
    segment = copied(journal, to)
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    return to


def foreign(_: Path, to: Path) -> Path:
    to.mkdir()
    (to / f"000001{SUFFIX}").write_bytes(b"SQLite format 3\0" * 64)
    return to


def strange(_: Path, to: Path) -> Path:
    to.mkdir()
    (to / "notes.txt").write_text("nothing to import")
    return to


def settings(text: str) -> Callable[[Path, Path], Path]:
    def write(_: Path, to: Path) -> Path:
        to.write_text(text)
        return to

    return write


def nothing(_: Path, to: Path) -> Path:
    return to


def a_file(_: Path, to: Path) -> Path:
    to.write_text("no folder")
    return to


def a_limit() -> str:
    """Give a limit at its highest as a word."""
    from state.params import BOUNDS

    name, bound = next((name, bound) for name, bound in BOUNDS.items() if bound.limit and bound.riskier == "up")
    return f"{name}={bound.high:.0f}"


def low_limit(_: Path, to: Path) -> Path:
    from state.params import BOUNDS

    name = a_limit().partition("=")[0]
    to.write_text(f"[params]\n{name} = {BOUNDS[name].low + 1:.0f}\n")
    return to


FILE = ("backtest", "{journal}", "--params", "{bad}")

BAD_INPUT: list[tuple[str, Callable[[Path, Path], Path], tuple[str, ...], int, str]] = [
    ("missing folder", nothing, ("backtest", "{bad}"), 2, "no such folder"),
    ("a file for a folder", a_file, ("backtest", "{bad}"), 2, "not a folder"),
    ("folder of something else", strange, ("backtest", "{bad}"), 3, "no recording that we can import"),
    ("foreign journal", foreign, ("backtest", "{bad}"), 3, "not a journal segment"),
    ("truncated journal", truncated, ("backtest", "{bad}"), 3, "open it for writing once to recover it"),
    ("flipped bit", flipped, ("backtest", "{bad}"), 3, "lost from item"),
    ("two journals", nothing, ("backtest", "{journal}", "{journal}"), 2, "a journal is read alone"),
    ("replay of a flipped bit", flipped, ("replay", "{bad}"), 3, "lost from item"),
    ("replay of nothing", nothing, ("replay", "{bad}"), 2, "no such folder"),
    ("settings for a run", nothing, ("replay", "{run}", "--seed", "2"), 2, "a run has its own parameters"),
    ("unknown parameter", nothing, ("backtest", "{journal}", "--set", "take_edge=1"), 2, "nearest are take_edge_bps"),
    ("value out of bounds", nothing, ("backtest", "{journal}", "--set", "take_edge_bps=1"), 2, "outside 10 .. 2000"),
    ("value that is none", nothing, ("backtest", "{journal}", "--set", "take_edge_bps=much"), 2, "name=value"),
    ("a limit raised by hand", low_limit, (*FILE, "--set", "{limit}"), 2, "in the settings file only"),
    ("no settings file", nothing, FILE, 2, "no such file"),
    ("settings that are not TOML", settings("= 1"), FILE, 2, "not TOML"),
    ("unknown section", settings("[parms]\n"), FILE, 2, "unknown key 'parms'"),
    ("unknown key", settings("[params]\nedge = 1\n"), FILE, 2, "unknown parameter"),
    ("text for a number", settings("[params]\ntake_edge_bps = 'a'\n"), FILE, 2, "no number"),
    ("somebody's folder", strange, ("backtest", "{journal}", "--out", "{bad}"), 2, "already there, and no run"),
    ("import over something", strange, ("import", "{journal}", "--to", "{bad}"), 2, "already there"),
    ("import from nowhere", nothing, ("import", "{bad}", "--to", "{bad}-to"), 2, "no such folder"),
    ("verify nothing", nothing, ("journal", "verify", "{bad}"), 2, "no such folder"),
    ("verify something foreign", foreign, ("journal", "verify", "{bad}"), 3, "not a journal segment"),
    ("show nothing", strange, ("journal", "show", "{bad}"), 2, "no journal in it"),
    ("report of no run", strange, ("report", "{bad}"), 2, "no run in it"),
    ("no such decision", nothing, ("step", "999999999", "--run", "{run}"), 2, "no decision 999999999"),
    ("unknown date", nothing, ("rules", "--at", "yesterday"), 2, "is no date"),
    ("unknown asset", nothing, ("rules", "--asset", "DOGE"), 2, "there are BTC"),
    ("unknown length", nothing, ("rules", "--window", "7m"), 2, "there are 5m"),
    ("untradable window", nothing, ("rules", "--at", "2026-02-01"), 1, "nobody has stated FEE_RATE_PPM"),
    ("unknown claim", nothing, ("prove", "everything"), 2, "there are frames"),
    ("no claim", nothing, ("prove",), 2, "say which claim"),
    ("claim without data", nothing, ("prove", "l2", "--data", "{bad}"), 2, "no such folder"),
    ("claim on other data", strange, ("prove", "l2", "--data", "{bad}"), 2, "holds neither pm_btc5m_l2_2026-04/"),
    ("unknown command", nothing, ("trade",), 2, "no such command"),
    ("unknown option", nothing, ("rules", "--when", "now"), 2, "no such option"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "words", "code", "says"), [row[1:] for row in BAD_INPUT], ids=[row[0] for row in BAD_INPUT]
)
def test_bad_input_is_one_clear_line_and_a_code(
    make: Callable[[Path, Path], Path], words: tuple[str, ...], code: int, says: str,
    journal: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    bad = make(journal, tmp_path / "bad")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    names = {"{bad}": str(bad), "{journal}": str(journal), "{run}": str(run), "{limit}": a_limit()}
    given = [re.sub(r"\{\w+\}", lambda found: names[found.group()], word) for word in words]
    for as_json in (False, True):
        result = updown(*given, *(["--json"] if as_json else []))
        assert result.exit_code == code, result.output
        (line,) = result.stderr.splitlines()
        assert line.startswith("updown: ") and says in line
        if as_json:
            assert told(result) if code == 1 else told(result) == {"error": line.removeprefix("updown: "), "exit": code}
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before, "something was lost"


def test_a_limit_is_lowered_by_a_word_and_raised_in_the_file_only(tmp_path: Path) -> None:
    from infra.settings import SettingsRefused, read_params

    name, _, high = a_limit().partition("=")
    low = low_limit(Path(), tmp_path / "low.toml")
    at_low: Any = read_params(low)
    assert at_low[name] < float(high)
    with pytest.raises(SettingsRefused, match="in the settings file only"):
        read_params(low, [f"{name}={high}"])
    low.write_text(f"[params]\n{name} = {high}\n")
    raised: Any = read_params(low)
    lowered: Any = read_params(low, [f"{name}={at_low[name]}"])
    assert (raised[name], lowered[name]) == (float(high), at_low[name])


def test_a_made_up_market_is_the_same_for_the_same_seed(place: Path, run: Path, tmp_path: Path) -> None:
    first = json.loads((place / "generated.json").read_text())
    done = subprocess.run(
        [sys.executable, "-m", "infra", "generate", "--windows", "1", "--seed", "1", "--json"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    second = json.loads(done.stdout)
    assert second["run"]["run_hash"] == first["run"]["run_hash"]
    assert second["run"]["counts"] == first["run"]["counts"]
    again = tmp_path / second["folder"] / "journal" / f"000001{SUFFIX}"
    assert again.read_bytes() == (run / "journal" / f"000001{SUFFIX}").read_bytes()
    assert first["run"]["counts"]["windows"] == 1 and first["run"]["counts"]["lines"] > 0
    assert first["journal"]["sealed"] and first["events_per_s"] > 0


def test_a_run_keeps_its_ledgers_its_page_and_what_it_was_made_of(run: Path, place: Path) -> None:
    names = sorted(path.name for path in run.iterdir())
    ledgers = ["lines.parquet", "messages.parquet", "orders.parquet", "windows.parquet"]
    assert names == sorted(["journal", "report.html", "run.json", *ledgers])
    assert "</html>" in (run / "report.html").read_text()
    about = json.loads((run / "run.json").read_text())
    assert about["counts"]["events"] == about["journal"]["rows"]
    assert about["run_hash"] == json.loads((place / "generated.json").read_text())["run"]["run_hash"]


def test_a_replay_makes_a_run_again(run: Path) -> None:
    found = told(updown("replay", run, "--json"))
    assert found["same"] and found["hash_recorded"] == found["hash_came"]
    assert {row["ledger"]: row["recorded"] for row in found["ledgers"]} == {
        row["ledger"]: row["came"] for row in found["ledgers"]
    }


def test_a_journal_alone_is_run_by_two_processes(journal: Path, run: Path) -> None:
    found = told(updown("replay", journal, "--json"))
    assert found["same"] and found["processes"] == 2
    assert found["hash_came"] == json.loads((run / "run.json").read_text())["run_hash"]


def test_a_replay_shows_the_first_row_that_differs(run: Path, tmp_path: Path) -> None:
    import duckdb

    changed = tmp_path / "run"
    shutil.copytree(run, changed)
    duckdb.execute(
        f"COPY (SELECT * REPLACE (CASE WHEN mandate_id = 7 THEN 0.5 ELSE p_up END AS p_up) "
        f"FROM '{run / 'lines.parquet'}') TO '{changed / 'lines.parquet'}' (FORMAT parquet)"
    )
    result = updown("replay", changed, "--json")
    assert result.exit_code == 1
    (row,) = [row for row in told(result)["ledgers"] if not row["same"]]
    difference = row["first_difference"]
    assert (row["ledger"], difference["row"]) == ("lines", 6)
    assert difference["sequence"] > 0
    ((field, recorded, came),) = [(f["field"], f["recorded"], f["came"]) for f in difference["fields"]]
    assert field == "p_up" and recorded == 0.5 and came != 0.5
    shown = updown("replay", changed)
    assert shown.exit_code == 1 and "first difference in lines: row 6" in shown.stdout


def test_a_replay_refuses_a_run_whose_ledger_or_journal_has_changed(run: Path, tmp_path: Path) -> None:
    changed = tmp_path / "run"
    shutil.copytree(run, changed)
    (changed / "orders.parquet").write_bytes(b"PAR1 no more")
    result = updown("replay", changed)
    assert result.exit_code == 3 and "orders.parquet: cannot be read" in result.stderr
    shutil.copy(run / "orders.parquet", changed)
    about = json.loads((changed / "run.json").read_text())
    about["journal"]["seal"] = "0" * 64
    (changed / "run.json").write_text(json.dumps(about))
    result = updown("replay", changed)
    assert result.exit_code == 3 and "not the journal that" in result.stderr
    (changed / "run.json").write_text("{")
    result = updown("replay", changed)
    assert result.exit_code == 3 and "run the backtest again" in result.stderr


def test_a_report_is_written_again_from_the_ledgers_alone(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    (copy / "report.html").unlink()
    assert updown("report", copy).exit_code == 0
    assert (copy / "report.html").read_text() == (run / "report.html").read_text()


def test_a_run_over_a_run_replaces_it_and_settings_change_it(journal: Path, run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = told(updown("backtest", journal, "--out", out, "--no-report", "--json"))
    assert first["report"] is None and not (out / "report.html").exists()
    second = told(updown("backtest", journal, "--out", out, "--set", "interval_z=1", "--json"))
    assert second["run"]["params"]["interval_z"] == 1.0
    assert second["run"]["run_hash"] != first["run"]["run_hash"]
    assert (out / "report.html").is_file()
    assert not list(tmp_path.glob(".out.part-*"))


def test_a_decision_is_stepped_through_as_it_was(run: Path) -> None:
    listed = told(updown("step", "--run", run, "--json"))["decisions"]
    which = listed[len(listed) // 2]
    found = told(updown("step", which["decision"], "--run", run, "--json"))
    last = found["stages"][-1]["record"]
    assert last["mandate_id"] == which["decision"]
    assert round(last["p_up"], 4) == which["p_up"]
    assert [stage["stage"] for stage in found["stages"]][:2] == ["look", "spread"]
    closed = [stage["gate"] for stage in found["stages"] if stage["gate"].startswith("closed")]
    assert len(closed) == (which["gate"] != "none")
    shown = updown("step", which["decision"], "--run", run, "--all")
    assert shown.exit_code == 0 and which["why"] in shown.stdout


def test_a_journal_is_verified_and_shown_in_words(journal: Path, tmp_path: Path) -> None:
    sound = told(updown("journal", "verify", journal, "--json"))
    assert sound["sound"] and sound["rows_count"] > 10_000
    result = updown("journal", "verify", flipped(journal, tmp_path / "bad"), "--json")
    assert result.exit_code == 3 and not told(result)["sound"] and told(result)["gaps"][0]["words"]
    shown = told(updown("journal", "show", journal, "--first", 3, "--from-row", 2, "--json"))
    assert sum(shown["kinds"].values()) == shown["rows_count"] == sound["rows_count"]
    assert [row["row"] for row in shown["rows"]] == [2, 3, 4]
    assert "feed changed" in updown("journal", "show", journal).stdout
    damaged = told(updown("journal", "show", tmp_path / "bad", "--json"))
    assert damaged["gaps"] and damaged["rows_count"] < sound["rows_count"]
