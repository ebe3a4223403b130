"""Requests as files and by command: what is no request, nobody to hear one, and what an operator reads and asks."""

import asyncio
import json
import os
from pathlib import Path

import msgspec
import pytest
from inline_snapshot import snapshot
from params_session import BEGAN, asked, pass_s, refused, session
from typer.testing import CliRunner

from infra.cli.app import app
from infra.journal.writer import Journal
from infra.private_files import write_private
from infra.shell.params_request import (
    ANSWER_FILE,
    REFUSED,
    REQUEST_FILE,
    ChangeRefused,
    Request,
    ask_change,
    read_news,
)
from infra.shell.session import LAYOUTS
from state.params import default_params, params_hash


@pytest.mark.parametrize(
    ("raw", "mode", "code"),
    [
        (b"{", 0o600, "UNREADABLE"),
        (b"", 0o600, "UNREADABLE"),
        (b'{"nonce":"n","receipt":"","before":"x","changes":{}}', 0o600, "UNREADABLE"),
        (b'{"nonce":"n","receipt":"a\\nb","before":"x","changes":{}}', 0o600, "UNREADABLE"),
        (b'{"nonce":"n","receipt":"r","before":"x","changes":{"take_edge_bps":"all"}}', 0o600, "UNREADABLE"),
        (b'{"nonce":"n","receipt":"r","before":"x","changes":{},"why":"' + b"w" * 500 + b'"}', 0o600, "UNREADABLE"),
        (b"[" * 20_000, 0o600, "UNREADABLE"),
        (b'{"nonce":"n","receipt":"r","before":"x","changes":{"take_edge_bps":200}}', 0o666, "NOT_OURS"),
    ],
)
def test_a_file_that_is_no_request_changes_nothing_and_is_taken_away(
    tmp_path: Path, raw: bytes, mode: int, code: str
) -> None:
    async def run() -> None:
        with session(tmp_path) as (shell, retuning, _):
            write_private(tmp_path / REQUEST_FILE, raw)
            os.chmod(tmp_path / REQUEST_FILE, mode)
            await retuning.look()
            assert not (tmp_path / REQUEST_FILE).exists() and retuning.waiting is None
            pass_s(shell, 10.0)
            assert retuning.core.params_hash == params_hash(BEGAN)

    asyncio.run(run())
    (news,) = read_news(tmp_path)
    assert (news.what, news.code) == (REFUSED, code)


def test_one_request_at_a_time_and_nobody_to_hear_it_are_said(tmp_path: Path) -> None:
    async def ask(folder: Path) -> str:
        with pytest.raises(ChangeRefused) as error:
            words = {"receipt": "r", "before": "x", "changes": {"take_edge_bps": 200.0}, "why": ""}
            await ask_change(folder, patience_s=0.1, **words)  # type: ignore[arg-type]
        return error.value.code

    async def run() -> list[str]:
        told = [await ask(tmp_path)]
        with session(tmp_path):
            told.append(await ask(tmp_path))
            assert not (tmp_path / REQUEST_FILE).exists(), "what was not heard is taken back"
            lies = Request(nonce="other", receipt="o", before="x", changes={})
            write_private(tmp_path / REQUEST_FILE, msgspec.json.encode(lies))
            told.append(await ask(tmp_path))
            assert b"other" in (tmp_path / REQUEST_FILE).read_bytes()
            assert not (tmp_path / ANSWER_FILE).exists()
        return told

    assert asyncio.run(run()) == ["NOBODY_RUNS", "NO_ANSWER", "ANOTHER_ASKS"]


def test_an_operator_reads_parameters_history_and_refusals_from_the_journal(tmp_path: Path) -> None:
    async def run() -> None:
        with session(tmp_path) as (shell, retuning, _):
            pass_s(shell, 1.0)
            await asked(retuning, receipt="s-1", take_edge_bps=250.0)
            pass_s(shell, 1.0)
            await refused(retuning, receipt="s-2", position_micros=9e10)
            await asked(retuning, receipt="s-3", undoes="s-1", take_edge_bps=120.0)

    asyncio.run(run())
    shown = CliRunner().invoke(app, ["params", "--journal", str(tmp_path)])
    now, began = params_hash(default_params({"take_edge_bps": 250.0})), params_hash(BEGAN)
    last = params_hash(default_params({"take_edge_bps": 120.0}))
    assert shown.exit_code == 0, shown.output
    lines = [" ".join(line.split()) for line in shown.output.replace(str(tmp_path), "J").splitlines() if line.strip()]
    assert lines == [
        f"J: parameters {now}, begun with {began}",
        "Changed since the beginning",
        "name value begun with",
        lines[3],
        "take_edge_bps 250 100",
        f"parameters asked for, s-1: take_edge_bps 100 to 250; {began} to {now}",
        f"parameters changed, s-1: take_edge_bps 100 to 250; {began} to {now}",
        "parameters not changed, s-2: position_micros = 9e+10 is outside 0 .. 5e+10 (largest cost of one window's"
        " position)",
        f"parameters asked for, s-3: take_edge_bps 250 to 120, takes s-1 back; {now} to {last}",
        "s-3 waits for its boundary",
    ]
    told = json.loads(CliRunner().invoke(app, ["params", "--journal", str(tmp_path), "--json"]).output)
    assert (told["params_hash"], told["params"]["take_edge_bps"], told["waiting"]["receipt"]) == (now, 250.0, "s-3")
    assert "parameters changed, s-1" in CliRunner().invoke(app, ["journal", "show", str(tmp_path)]).output


def test_the_command_asks_under_the_same_rules_and_says_each_refusal_in_a_line(tmp_path: Path) -> None:
    def updown(*words: str) -> str:
        told = CliRunner().invoke(app, ["params", "--journal", str(tmp_path), *words])
        assert told.exit_code == 2
        return " ".join(told.stderr.replace(str(tmp_path), "J").split())

    with Journal(tmp_path, created_ns=1, code="tests", layouts=LAYOUTS) as journal:
        journal.append_note({"session": 3, "params": {}}, 1)
    (tmp_path / "lock").write_text("process 4194304999\n")
    assert [
        updown("--ask", "kelly_ratio=0.1"),
        updown("--ask", "kelly_ratio=lots"),
        updown("--ask", "kelly_ratio=2"),
        updown("--undo", "nothing"),
        updown("--undo", "nothing", "--ask", "kelly_ratio=0.1"),
    ] == snapshot(
        [
            "updown: J: no session runs here, so nobody hears a request (NOBODY_RUNS)",
            "updown: --ask kelly_ratio=lots: say name=value with a number, as in --ask take_edge_bps=150",
            "updown: --ask kelly_ratio=2: kelly_ratio = 2 is outside 0 .. 1 (share of the full Kelly stake)",
            "updown: no change was made for receipt 'nothing'; `updown params` lists them (UNKNOWN_RECEIPT)",
            "updown: --ask and --undo are two requests: make one after the other",
        ]
    )
