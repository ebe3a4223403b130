"""The chat's ear without a model: what people ask at a desk, and the questions of the record that it becomes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.explainer import Ask, NotUnderstood, Understood, follow_up, last_named, understand
from agents.questions import question

SLUG = "btc-updown-5m-1792573200"

HEARD: list[tuple[str, str, dict[str, Any]]] = [
    ("why did decision 12 fire?", "get_decision", {"decision": 12}),
    ("Explain mandate #7", "get_decision", {"decision": 7}),
    ("why was #31 allowed", "get_decision", {"decision": 31}),
    ("compare decisions 3 and 9", "compare_decisions", {"first": 3, "second": 9}),
    ("how does decision 9 differ from decision 4?", "compare_decisions", {"first": 9, "second": 4}),
    ("what if decision 12 had a latency of 300 ms", "counterfactual", {"decision": 12, "latency_ms": 300.0}),
    ("had decision 12 been 2 seconds later?", "counterfactual", {"decision": 12, "latency_ms": 2000.0}),
    ("decision 12 without flow?", "counterfactual", {"decision": 12, "without": "flow"}),
    ("would decision 12 fire without lead-lag", "counterfactual", {"decision": 12, "without": "lead_lag"}),
    ("what if decision 12 had no fees", "counterfactual", {"decision": 12, "fee_rate_ppm": 0}),
    ("what if the fee were 2 % for decision 12", "counterfactual", {"decision": 12, "fee_rate_ppm": 20_000}),
    ("if the ask of decision 12 were 55 cents", "counterfactual", {"decision": 12, "ask_bps": 5_500}),
    ("had decision 12 posted a bid at $0.48", "counterfactual", {"decision": 12, "posted_at_bps": 4_800}),
    ("what if take_edge_bps were 50 for decision 12", "counterfactual",
     {"decision": 12, "parameter": "take_edge_bps", "value": 50.0}),
    ("why did we stand aside?", "find_decisions", {"outcome": "stood_aside"}),
    ("why no trades?", "find_decisions", {"outcome": "stood_aside"}),
    (f"why did it not trade in {SLUG}", "find_decisions", {"outcome": "stood_aside", "window": SLUG}),
    ("what stood aside at the risk gate", "find_decisions", {"outcome": "stood_aside", "gate": "risk"}),
    ("which decisions traded?", "find_decisions", {"outcome": "traded"}),
    ("largest edge today", "find_decisions", {"sort": "largest_edge"}),
    ("order 7", "find_orders", {"order": 7}),
    ("show me the fills", "find_orders", {}),
    (f"what happened in {SLUG}", "windows", {"window": SLUG}),
    ("list the windows", "windows", {}),
    (f"how many decisions were there in {SLUG}?", "find_decisions", {"window": SLUG}),
    (f"how many trades in {SLUG}?", "find_decisions", {"window": SLUG, "outcome": "traded"}),
    ("how much money did we make?", "position_and_profit", {}),
    ("P&L?", "position_and_profit", {}),
    ("are the feeds healthy", "feeds_and_health", {}),
    ("was it halted?", "feeds_and_health", {}),
    ("which parameters changed", "parameter_history", {}),
    ("how near are the limits", "risk_state", {}),
    ("how is it settled, and a tie?", "rules_of_the_day", {}),
    ("how many stood aside because of the edge?", "find_decisions", {"outcome": "stood_aside", "reason": "edge"}),
    ("which limits are near", "risk_state", {}),
    ("why did the risk gate refuse decision 9?", "get_decision", {"decision": 9}),
    ("how well calibrated are we", "calibration", {}),
    ("do we beat the book", "calibration", {}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "name", "arguments"), HEARD, ids=[each[0] for each in HEARD])
def test_what_people_ask_becomes_a_question_of_the_record(text: str, name: str, arguments: dict[str, Any]) -> None:
    told = understand(text)
    assert isinstance(told, Understood)
    assert (told.asks[0].name, dict(told.asks[0].arguments)) == (name, arguments)


def test_it_and_that_mean_what_was_spoken_of_before() -> None:
    assert understand("what if it were without flow?", 12) == Understood(
        (Ask("counterfactual", {"decision": 12, "without": "flow"}),)
    )
    assert last_named([Ask("get_decision", {"decision": 12})], [{"decision": 12}]) == 12
    assert last_named([Ask("compare_decisions", {"first": 1, "second": 2})], [{}]) is None


def test_what_if_is_asked_of_what_was_spoken_of_or_else_of_the_last_trade() -> None:
    text = "what if latency were 200 ms?"
    assert understand(text, 12) == Understood((Ask("counterfactual", {"decision": 12, "latency_ms": 200.0}),))
    told = understand(text)
    assert told == Understood(
        (Ask("find_decisions", {"outcome": "traded", "most": 1}),), change_first={"latency_ms": 200.0}
    )
    assert follow_up(told, [{"decisions": [{"decision": 88}]}]) == (
        Ask("counterfactual", {"decision": 88, "latency_ms": 200.0}),
    )


def test_the_last_trade_is_looked_for_and_then_explained() -> None:
    told = understand("why did you last trade?")
    assert isinstance(told, Understood) and told.explain_first
    assert follow_up(told, [{"decisions": [{"decision": 88}]}]) == (Ask("get_decision", {"decision": 88}),)
    assert follow_up(told, [{"decisions": []}]) == ()


def test_what_is_not_understood_is_said_with_what_can_be_asked() -> None:
    told = understand("write me a poem")
    assert isinstance(told, NotUnderstood) and "why decision N" in told.words


@given(
    st.text(max_size=200)
    | st.sampled_from([each[0] for each in HEARD]).flatmap(
        lambda said: st.text(max_size=40).map(lambda more: said + more)
    )
)
def test_whatever_is_typed_the_arguments_are_ones_that_may_be_asked(text: str) -> None:
    told = understand(text, 5)
    if isinstance(told, Understood):
        for ask in told.asks:
            asked = question(ask.name)
            assert asked is not None and set(ask.arguments) <= set(asked.arguments.model_fields)
