from dataclasses import replace
from typing import Any

import pytest

from evals.backtest import Ledgers, Terms, run_backtest
from evals.generator import DEMO, generate
from evals.step import NEVER_RAN, STAND_ASIDE, decision_at, stage_trace
from graph.stages import STAGES
from state.params import default_params
from state.reasons import WORDS, Reason


@pytest.fixture(scope="module")
def events() -> Any:
    return generate(replace(DEMO, windows=1), 3)


@pytest.fixture(scope="module")
def run(events: Any) -> Ledgers:
    return run_backtest([events], default_params())


def test_every_kind_of_decision_comes_again_whole_whatever_the_chunks(events: Any, run: Ledgers) -> None:
    kinds = {int(line["reason_code"]): line for line in run.lines}
    assert len(kinds) > 2
    for size, line in zip((997, 10_000, len(events)) * len(kinds), kinds.values(), strict=False):
        chunks = (events[start : start + size] for start in range(0, len(events), size))
        found = decision_at(chunks, default_params(), Terms(), int(line["mandate_id"]))
        assert found is not None
        decision: Any = found[0]
        mandate = decision.mandate
        assert (mandate.mandate_id, mandate.given_ns, mandate.view_seq) == (
            line["mandate_id"], line["at_ns"], line["event_seq"]
        )  # fmt: skip
        assert (mandate.p_up, mandate.reason_code, mandate.gate_code) == (
            line["p_up"], line["reason_code"], line["gate_code"]
        )  # fmt: skip
        assert found[1] <= len(events)


def test_a_closed_gate_ends_the_trace_in_standing_aside_with_its_words(events: Any, run: Ledgers) -> None:
    line = next(line for line in run.lines if line["reason_code"] == Reason.EDGE_THIN)
    found = decision_at([events], default_params(), Terms(), int(line["mandate_id"]))
    assert found is not None
    trace = stage_trace(found[0])
    assert len(trace) == len(STAGES)
    by_name = {stage["stage"]: stage for stage in trace}
    assert by_name["signal"]["gate"] == f"closed: {WORDS[Reason.EDGE_THIN]}" and by_name["fuse"]["gate"] == "open"
    assert [by_name[name]["why"] for name in ("validate", "risk", "size")] == [NEVER_RAN] * 3
    assert trace[-1]["stage"] == STAND_ASIDE and trace[-1]["record"]["mandate_id"] == line["mandate_id"]
    assert by_name["look"]["reads"]["market"]["now_ns"] == line["at_ns"]


@pytest.mark.parametrize("mandate_id", [0, -1, 10**12])
def test_a_decision_that_never_was_is_none(events: Any, mandate_id: int) -> None:
    assert decision_at([events[:20_000]], default_params(), Terms(), mandate_id) is None


def test_asking_for_a_decision_changes_nothing_of_the_run(events: Any, run: Ledgers) -> None:
    again = run_backtest([events[:50_000], events[50_000:]], default_params())
    assert again.run_hash == run.run_hash
