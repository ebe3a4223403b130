"""A session's journal becomes run trees and feedback: the real langsmith client sends them, the real sink keeps them."""

from pathlib import Path

import pytest
from traced_sessions import traded_session

from infra.traces.kept import FILE, KeptRun, kept_lines, trees_of
from infra.traces.serving import sink_beside
from infra.traces.settings import settings_of
from infra.traces.tracer import Traced, open_sender, trace_journal


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Traced, list[KeptRun]]:
    home = tmp_path_factory.mktemp("sink")
    complaints: list[str] = []
    with sink_beside(home) as (endpoint, _):
        surroundings = {"LANGSMITH_ENDPOINT": endpoint, "LANGSMITH_TRACING_SAMPLING_RATE": "0.1"}
        tracing = settings_of(surroundings)
        sender = open_sender(tracing, surroundings, complaints.append)
        told = trace_journal(traded_session(), tracing, sender, deadline_s=60.0)
    assert complaints == []
    return told, trees_of(kept_lines(home / FILE))


def test_every_decision_that_traded_arrives_whole(collected: tuple[Traced, list[KeptRun]]) -> None:
    told, trees = collected
    print(told.words)
    assert told.counts.sent == told.trees == len(trees)
    assert told.counts.feedback == told.feedback > 0
