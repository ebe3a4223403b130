"""Other agents ask the record through the official SDK's own client: over stdio, and over HTTP with the token."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from small_run import small_run

from agents.questions import QUESTIONS
from infra.questions_server.http import TokenRefused, token_of
from infra.record.answers import Answers
from infra.record.opening import open_record
from infra.version import ROOT

pytestmark = pytest.mark.rehearsal

TOKEN = "not-a-real-token-0123456789"
GIVEN: dict[str, dict[str, Any]] = {
    "get_decision": {"decision": 100}, "compare_decisions": {"first": 100, "second": 200},
    "counterfactual": {"decision": 100, "without": "flow"},
}  # fmt: skip


def words(*more: str) -> list[str]:
    return ["-m", "infra", "mcp", "--of", str(small_run()), *more]


def surroundings(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


async def over_stdio(act: Any) -> Any:
    async with Client(StdioServerParameters(command=sys.executable, args=words(), env=surroundings())) as client:
        return await act(client)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve over HTTP in a process of its own; gives the address."""
    child = subprocess.Popen(
        [sys.executable, *words("--http", "--port", "0")], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, cwd=folder,
        env=surroundings(UPDOWN_MCP_TOKEN=TOKEN), text=True,
    )  # fmt: skip
    assert child.stderr is not None
    try:
        for line in child.stderr:
            if found := re.search(r"http://\S+/mcp", line):
                assert TOKEN not in line
                yield found.group()
                break
    finally:
        child.terminate()
        child.wait(20)
        child.stderr.close()


async def over_http(address: str, act: Any, token: str = TOKEN, **headers: str) -> Any:
    told = {"Authorization": f"Bearer {token}", **headers}
    async with create_mcp_http_client(told) as http, Client(
        streamable_http_client(address, http_client=http)
    ) as client:  # fmt: skip
        return await act(client)


async def everything(client: Any) -> dict[str, Any]:
    tools = (await client.list_tools()).tools
    found = {
        tool.name: (tool.annotations.read_only_hint, tool.annotations.destructive_hint, tool.input_schema)
        for tool in tools
    }
    one = await client.call_tool("get_decision", {"decision": 100})
    given = {name: GIVEN.get(name, {}) for name in found}
    every = {name: (await client.call_tool(name, arguments)).content[0].text for name, arguments in given.items()}
    wrong = await client.call_tool("get_decision", {"decision": 99_999_999})
    odd = await client.call_tool("get_decision", {"decision": "all", "force": True})
    none = await client.call_tool("place_order", {"size": 5})
    return {"tools": found, "one": one, "every": every, "failed": [wrong, odd, none]}


def held(told: dict[str, Any]) -> None:
    """What is told over either way is what the record answers."""
    assert list(told["tools"]) == [question.name for question in QUESTIONS]
    assert all(read_only and not destructive for read_only, destructive, _ in told["tools"].values())
    assert told["tools"]["get_decision"][2]["required"] == ["decision"]
    answer = Answers(open_record(small_run())).answer("get_decision", {"decision": 100})
    plain = json.loads(json.dumps(answer, default=str))
    assert told["one"].structured_content == plain and json.loads(told["one"].content[0].text) == plain
    for name, said in told["every"].items():
        wanted = Answers(open_record(small_run())).answer(name, GIVEN.get(name, {}))
        assert said == wanted.get("cannot", json.dumps(json.loads(json.dumps(wanted, default=str)))), name
    assert [each.is_error for each in told["failed"]] == [True] * 3
    said = [each.content[0].text for each in told["failed"]]
    assert "there is no decision 99999999" in said[0]
    assert "there is no such question" in said[2]


def test_every_question_is_a_tool_that_only_reads_over_stdio() -> None:
    held(asyncio.run(over_stdio(everything)))


def test_the_same_over_http_for_whoever_has_the_token_and_nobody_else(tmp_path: Path) -> None:
    import httpx

    with served(tmp_path) as address:
        held(asyncio.run(over_http(address, everything)))
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        accepts = {"Accept": "application/json, text/event-stream"}
        assert httpx.post(address, json=body, headers=accepts).status_code == 401
        wrong = accepts | {"Authorization": "Bearer wrong"}
        assert httpx.post(address, json=body, headers=wrong).status_code == 401
        right = accepts | {"Authorization": f"Bearer {TOKEN}"}
        strange = right | {"Host": "evil.example"}
        assert httpx.post(address, json=body, headers=strange).status_code == 421
        page = right | {"Origin": "http://evil.example"}
        assert httpx.post(address, json=body, headers=page).status_code == 403


def test_the_token_is_made_once_for_this_user_alone_and_shown_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "var" / "mcp-token"
    first = token_of({}, file)
    assert token_of({}, file) == first and len(first.reveal()) == 48 and first.reveal() not in repr(first)
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    with pytest.raises(TokenRefused, match="16 characters"):
        token_of({"UPDOWN_MCP_TOKEN": "short"}, file)
