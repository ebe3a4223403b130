"""Studio: recorded views that end as they are named, and the server that opens the desk for people."""

import asyncio
import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from desk_views import bytes_of, decided, fill_view

from infra.studio import RECORDED, UnknownView, desk, recorded_view
from infra.studio_record import NotRecorded, StudioRecord, studio_model
from state.desk import Mandate
from state.reasons import Gate, Reason
from state.records import as_dict, from_dict

ROOT = Path(__file__).resolve().parents[2]
READY_S = 60
NAMED = {
    "edge-thin": (Gate.SIGNAL, Reason.EDGE_THIN), "no-reference": (Gate.LOOK, Reason.NO_REFERENCE),
    "too-early": (Gate.LOOK, Reason.TOO_EARLY), "book-stale": (Gate.LOOK, Reason.BOOK_STALE),
    "fires": (Gate.NONE, Reason.NONE), "quotes": (Gate.NONE, Reason.NONE),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_a_recorded_view_ends_in_the_mandate_that_its_name_says(name: str) -> None:
    view = fill_view(recorded_view(name))
    assert as_dict(view) == RECORDED[name]
    mandate = decided(view).mandate
    assert (mandate.gate_code, mandate.reason_code) == NAMED[name]
    if name == "fires":
        assert mandate.take_mask != 0 and max(mandate.shares_micros) > 0
    if name == "quotes":
        assert mandate.take_mask == 0 and mandate.quote_mask != 0 and max(mandate.shares_micros) > 0
    answer = asyncio.run(desk.ainvoke({"recorded": name}))
    assert bytes_of(from_dict(Mandate, answer["mandate"])) == bytes_of(mandate)


def test_there_is_no_other_recorded_view_and_an_unknown_name_lists_them() -> None:
    assert set(RECORDED) == set(NAMED)
    with pytest.raises(UnknownView, match="no recorded view 'fire'; there are book-stale, edge-thin, fires"):
        recorded_view("fire")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if importlib.util.find_spec("langgraph_cli") is None or importlib.util.find_spec("langgraph_api") is None:
        pytest.skip("langgraph-cli[inmem] is not installed, so there is no server to open the desk with")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = tmp_path_factory.mktemp("studio") / "server.log"
    switches = {"LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGGRAPH_NO_VERSION_CHECK": "true", "LANGSMITH_TRACING": "false"}
    order = [sys.executable, "-m", "langgraph_cli", "dev", "--host", "127.0.0.1", "--port", str(port)]
    order += ["--no-browser", "--no-reload", "--n-jobs-per-worker", "2"]
    with told.open("wb") as log:
        running = subprocess.Popen(order, cwd=ROOT, env=os.environ | switches, stdout=log, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(running, address, told)
        yield address
    finally:
        running.terminate()
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def _wait(running: "subprocess.Popen[bytes]", address: str, told: Path) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        assert running.poll() is None, told.read_text()[-2_000:]
        try:
            if httpx.get(f"{address}/ok", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.25)
    pytest.fail(f"the server was not ready in {READY_S} s: {told.read_text()[-2_000:]}")


def _client(address: str) -> Any:
    from langgraph_sdk import get_sync_client

    return get_sync_client(url=address)


def test_the_server_offers_the_desk_and_gives_the_fused_mandate(server: str) -> None:
    client = _client(server)
    assert {each["graph_id"] for each in client.assistants.search()} == {"desk", "supervisor", "chat"}
    for name in NAMED:
        answer = client.runs.wait(None, "desk", input={"recorded": name})
        assert answer["mandate"] == as_dict(decided(fill_view(recorded_view(name))).mandate)


def test_the_server_streams_the_steps_by_their_names(server: str) -> None:
    parts = _client(server).runs.stream(None, "desk", input={"recorded": "fires"}, stream_mode="updates")
    names = [name for part in parts if part.event == "updates" for name in part.data]
    assert names[:2] == ["recall", "look"] and set(names[2:6]) == {"spread", "lead_lag", "flow", "liquidity"}
    assert names[6:] == ["fuse", "signal", "validate", "risk", "size", "execute"]


def test_a_state_is_edited_and_the_run_forks_from_there(server: str) -> None:
    client = _client(server)
    thread = client.threads.create()["thread_id"]
    first = client.runs.wait(thread, "desk", input={"recorded": "fires"})
    assert first["mandate"]["take_mask"] != 0
    before = next(state for state in client.threads.get_history(thread, limit=20) if state["next"] == ["look"])
    halted = {**before["values"]["market"], "halted_code": 1}
    fork = client.threads.update_state(thread, {"market": halted}, as_node="recall", checkpoint=before["checkpoint"])
    second = client.runs.wait(thread, "desk", input=None, checkpoint=fork["checkpoint"])
    fused = decided(fill_view(halted)).mandate
    assert fused.reason_code == Reason.HALTED
    assert second["mandate"] == as_dict(fused)


def test_an_unknown_name_ends_the_run_with_words(server: str) -> None:
    answer = _client(server).runs.wait(None, "desk", input={"recorded": "nothing"}, raise_error=False)
    assert "no recorded view 'nothing'" in str(answer)


def test_a_record_that_is_not_there_is_said_in_a_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    nothing = StudioRecord(tmp_path)
    assert "neither a session's journal nor a run" in nothing.answer("windows", {})["cannot"]
    with pytest.raises(NotRecorded, match="neither a session's journal nor a run"):
        nothing.decision(12)
    assert StudioRecord.named({"UPDOWN_STUDIO_RECORD": str(tmp_path)}).folder == tmp_path


def test_a_model_that_cannot_be_leaves_the_graphs_without_one(caplog: pytest.LogCaptureFixture) -> None:
    assert studio_model({"UPDOWN_MODEL": "gpt-x", "UPDOWN_MODEL_BASE_URL": "nowhere"}) is None
    assert "UPDOWN_MODEL_BASE_URL must be an address" in caplog.text
