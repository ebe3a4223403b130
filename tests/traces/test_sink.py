"""The sink takes what LangSmith's own client sends in its usual ways, and refuses what it cannot read."""

import json
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langsmith import Client

from infra.traces.kept import FILE, kept_lines, trees_of
from infra.traces.runs import Growing, as_sent, run_id
from infra.traces.serving import sink_beside
from infra.traces.sink import Unreadable, runs_of


def test_the_clients_own_background_queue_arrives_packed_with_zstd(tmp_path: Path) -> None:
    """As any other program on this machine would send, with the client's defaults: begun, then ended."""
    number = str(run_id("tests", "run", 10**18))
    with sink_beside(tmp_path) as (endpoint, _):
        client = Client(api_url=endpoint, api_key="k", tracing_mode="langsmith")
        more: Any = {"trace_id": number, "dotted_order": f"20260101T000000000000Z{number}"}
        client.create_run("work", {"x": 1}, "chain", id=number, tags=["t"], **more)
        client.update_run(number, outputs={"y": 2}, **more)
        client.flush()
        client.create_feedback(number, "good", score=1.0, trace_id=number, session_id=number)
        client.flush()
        client.close()
    (tree,) = trees_of(kept_lines(tmp_path / FILE))
    assert (tree.name, tree.told["inputs"], tree.outputs, tree.tags) == ("work", {"x": 1}, {"y": 2}, ["t"])
    assert [(each["key"], each["score"]) for each in tree.feedback] == [("good", 1.0)]


@pytest.mark.parametrize("path", ["/runs/multipart", "/runs/batch", "/feedback", "/v1/traces"])
def test_what_cannot_be_read_is_refused_with_its_reason_and_nothing_is_kept(tmp_path: Path, path: str) -> None:
    with sink_beside(tmp_path) as (endpoint, sink):
        asked = urllib.request.Request(endpoint + path, b"\x28\xb5\x2f\xfdno frame", method="POST")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(asked, timeout=30)
        assert refused.value.code == 422 and json.load(refused.value)["detail"]
        assert sink.counts == {}


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader_of_parts(body: bytes) -> None:
    with suppress(Unreadable):
        runs_of(b"--b\r\n" + body + b"\r\n--b--\r\n", "multipart/form-data; boundary=b")


def test_a_run_that_is_sent_says_nothing_of_this_machine() -> None:
    growing = Growing("tests")
    root = growing.add("work", None, start_ns=1, end_ns=2, inputs={}, outputs={})
    assert as_sent(root, "project")["extra"] == {"metadata": {}}
