"""A session starts its own tracer when the variables ask for it, and nothing that happens to that matters to it."""

import os
from pathlib import Path

import pytest
from traced_sessions import traded_session

from infra.traces.child import tracer_beside
from infra.traces.kept import FILE, kept_lines, trees_of
from infra.traces.serving import sink_beside

pytestmark = pytest.mark.rehearsal


def test_a_session_that_did_not_ask_has_no_tracer_and_hears_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    with tracer_beside(tmp_path, {"LANGSMITH_API_KEY": "k"}, said.append):
        pass
    assert said == []


def test_variables_that_cannot_be_are_said_once_and_the_session_goes_on(tmp_path: Path) -> None:
    said: list[str] = []
    ran = False
    with tracer_beside(tmp_path, {"LANGSMITH_TRACING": "true", "LANGSMITH_TRACING_MODE": "pigeon"}, said.append):
        ran = True
    assert ran and len(said) == 1 and said[0].startswith("updown: no traces: LANGSMITH_TRACING_MODE")


def test_the_child_sends_the_session_and_ends_with_it(tmp_path: Path) -> None:
    said: list[str] = []
    with sink_beside(tmp_path) as (endpoint, _):
        asked = {"LANGSMITH_TRACING": "true", "LANGSMITH_ENDPOINT": endpoint, "UPDOWN_PRIVATE_KEY": "00" * 32}
        with tracer_beside(traded_session(), os.environ | asked, said.append):
            pass
    assert said[0] == f"traces go to {endpoint} (project updown)"
    trees = trees_of(kept_lines(tmp_path / FILE))
    assert said[1].startswith(f"traces: {len(trees)} of {len(trees)} traces sent to {endpoint}")
    assert any(tree.outputs["fired"] for tree in trees)
