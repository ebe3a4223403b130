"""A backtest's run becomes run trees: every decision that is wanted arrives once, also those of one nanosecond."""

from pathlib import Path

import pytest
from small_run import small_run

from infra.runs import read_ledgers, read_run
from infra.traces.kept import FILE, kept_lines, trees_of
from infra.traces.run_trace import trace_run, whole_decisions
from infra.traces.serving import sink_beside
from infra.traces.settings import settings_of
from infra.traces.tracer import open_sender

pytestmark = pytest.mark.rehearsal


@pytest.fixture(scope="module")
def run() -> Path:
    return small_run()


def test_every_decision_of_a_run_arrives_once_with_what_became_of_it(run: Path, tmp_path: Path) -> None:
    lines = read_ledgers(read_run(run))["lines"]
    complaints: list[str] = []
    with sink_beside(tmp_path) as (endpoint, _):
        surroundings = {"LANGSMITH_ENDPOINT": endpoint, "LANGSMITH_TRACING_SAMPLING_RATE": "1"}
        tracing = settings_of(surroundings)
        sender = open_sender(tracing, surroundings, complaints.append)
        told = trace_run(run, tracing, sender, lambda *_: None, deadline_s=60.0)
    assert complaints == []
    assert (told.counts.dropped, told.counts.refused, told.counts.left) == (0, 0, 0)
    trees = trees_of(kept_lines(tmp_path / FILE))
    assert sorted(tree.metadata["decision"] for tree in trees) == sorted(lines["mandate_id"].tolist())
    fired = [tree for tree in trees if tree.outputs["fired"]]
    assert fired and all({"filled", "outcome"} <= {str(each["key"]) for each in tree.feedback} for tree in fired)


def test_decisions_of_one_moment_are_all_met(run: Path) -> None:
    """Two windows are seldom decided on at one nanosecond: here three are asked for at the moment of the last."""
    opened = read_run(run)
    lines = read_ledgers(opened)["lines"][100:160].copy()
    for first in range(0, len(lines), 3):
        lines["at_ns"][first : first + 3] = lines["at_ns"][first + 2]
    met = {
        int(line["mandate_id"]): int(decision["mandate"]["mandate_id"])
        for line, decision in whole_decisions(opened, lines, lambda *_: None)
    }
    assert sorted(met) == sorted(lines["mandate_id"].tolist()) and all(asked == got for asked, got in met.items())
