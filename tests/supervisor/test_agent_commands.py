"""The commands that talk and tune, used as they are typed: answers, receipts, and one clear line for what cannot be."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from small_run import small_run
from typer.testing import CliRunner, Result

from infra.cli.app import app

pytestmark = pytest.mark.rehearsal


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, with no model and no traces."""
    monkeypatch.chdir(tmp_path)
    for name in ("UPDOWN_MODEL", "UPDOWN_MODEL_BASE_URL", "UPDOWN_MODEL_KEY", "OPENAI_API_KEY", "LANGSMITH_TRACING"):
        monkeypatch.delenv(name, raising=False)


def updown(*words: object, typed: str = "") -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], prog_name="updown", input=typed)


def told(result: Result) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_a_question_is_answered_and_a_conversation_goes_on_in_its_thread() -> None:
    one = told(updown("chat", "--of", small_run(), "--ask", "why did you last trade?", "--json"))
    assert (one["by"], one["failed"]) == ("code", "") and one["checked"] > 5
    assert [each["question"] for each in one["asked"]] == ["find_decisions", "get_decision"]
    again = updown("chat", "--of", small_run(), typed="and without flow, had it been so?\nlist the windows\n\n")
    assert again.exit_code == 0, again.stderr
    assert "no model is set" in again.stdout and "run again with" in again.stdout and "4 windows." in again.stdout


def test_a_cycle_leaves_a_receipt_that_is_listed_and_shown() -> None:
    ended = told(updown("supervise", "--journal", small_run(), "--rehearsals", 1, "--json"))
    assert (ended["cycle"], ended["waits"], ended["receipt"], ended["failed"]) == ("cycle-1", False, 1, "")
    assert ended["proposed"]["by"] == "search"
    listed = told(updown("proposals", "--json"))
    assert [each["cycle"] for each in listed["proposals"]] == ["cycle-1"] and listed["waits"] is None
    shown = told(updown("proposals", "show", "cycle-1", "--json"))["receipts"]
    assert [each["kind"] for each in shown] == ["done"] and shown[0]["hash"] == ended["hash"]
    for act in ("approve", "reject", "roll-back"):
        refused = updown("proposals", act, "cycle-1", "--journal", small_run())
        assert refused.exit_code == 2 and len(refused.stderr.strip().splitlines()) == 1


def test_receipts_that_somebody_changed_are_refused_with_the_line() -> None:
    told(updown("supervise", "--journal", small_run(), "--rehearsals", 1, "--json"))
    file = Path("var/supervisor/receipts.jsonl")
    file.write_text(file.read_text().replace("search", "ann"))
    refused = updown("proposals")
    assert refused.exit_code == 3 and "line 1 does not follow" in refused.stderr


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("chat", "--json"), "--json needs --ask"),
        (("chat", "--ask", "why", "--of", "nowhere"), "nowhere"),
        (("chat", "--ask", "why"), "make one with"),
        (("supervise", "--approve", "maybe"), "always, riskier, never"),
        (("supervise", "--journal", "nowhere"), "no such folder"),
        (("proposals", "burn"), "no 'burn'"),
        (("proposals", "approve"), "say which"),
        (("proposals", "show", "cycle-9"), "no receipt"),
        (("evals", "--suite", "beauty"), "no suite"),
        (("evals", "--model", "gpt-x"), "no key for gpt-x"),
    ],
)
def test_what_cannot_be_is_one_line_that_says_how_to_mend_it(words: tuple[str, ...], part: str) -> None:
    refused = updown(*words)
    assert refused.exit_code == 2 and part in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1, refused.stderr


def test_a_port_that_is_taken_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPDOWN_MCP_TOKEN", "not-a-real-token-0123456789")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = updown("mcp", "--http", "--port", taken.getsockname()[1], "--of", small_run())
    assert refused.exit_code == 2 and "say another with --port" in refused.stderr
