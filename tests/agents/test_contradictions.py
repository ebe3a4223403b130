"""Contradictions: a sentence that has no false figure and is false all the same."""

from typing import Any

import pytest

from agents.contradictions import contradictions
from state.reasons import WORDS, Reason

TRADED: dict[str, Any] = {
    "decision": 12, "outcome": "traded", "gate": "", "main_cause": "spread pushed towards UP: fair value lies above",
    "afterwards": {
        "orders": [{"order": 7, "decision": 12, "filled_shares": 20.0}], "outcome": "DOWN", "profit_usd": -9.5,
    },
}  # fmt: skip
ASIDE: dict[str, Any] = {
    "decision": 13, "outcome": "stood_aside", "gate": "signal", "main_cause": WORDS[Reason.EDGE_THIN],
    "afterwards": {"orders": [], "outcome": "", "profit_usd": None},
}  # fmt: skip
PROFIT: dict[str, Any] = {"settled_profit_usd": 4.5, "holds": []}
AGAIN: dict[str, Any] = {"decision": 12, "before": {"allowed": True}, "after": {"allowed": False}}

TRUE: list[tuple[str, list[Any]]] = [
    ("Decision 12 traded, its order was filled, and it lost money: the window settled DOWN.", [TRADED]),
    ("It made no profit.", [TRADED]),
    ("Decision 13 stood aside at the signal gate; nothing was traded.", [ASIDE]),
    ("Decision 13 did not fire. With a thicker edge it would have traded.", [ASIDE]),
    ("Main cause of decision 13: the edge after costs is too thin.", [ASIDE]),
    (
        "Main cause: no agent pushed; the price was low.",
        [{**TRADED, "main_cause": "no agent pushed; the price was low"}],
    ),
    ("Decision 12 traded and decision 13 did not.", [TRADED, ASIDE]),
    ("Decision 12 traded. Decision 13 stood aside.", [TRADED, ASIDE]),
    ("The desk made a profit.", [PROFIT]),
    ("With that latency decision 12 stood aside.", [TRADED, AGAIN]),
    ("Decision 14 traded.", [TRADED]),
]
FALSE: list[tuple[str, list[Any], str]] = [
    ("Decision 12 stood aside.", [TRADED], "decision 12 did not stand aside"),
    ("It never fired.", [TRADED], "decision 12 traded"),
    ("Decision 13 fired.", [ASIDE], "decision 13 did not trade"),
    ("It bought UP.", [ASIDE], "decision 13 did not trade"),
    ("Decision 13 stood aside at the risk gate.", [ASIDE], "decision 13 was closed by the gate signal"),
    ("The validate gate stopped it.", [TRADED], "decision 12 was closed by no gate"),
    ("Its window settled UP.", [TRADED], "its window settled DOWN"),
    ("Decision 12 won.", [TRADED], "decision 12 made no profit"),
    ("It was profitable.", [TRADED], "decision 12 made no profit"),
    ("Its order was never filled.", [TRADED], "orders of decision 12 were filled"),
    ("The main cause was the flow of takers.", [TRADED], "the main cause of decision 12"),
    ("The day's loss limit is reached.", [ASIDE], '"the day\'s loss limit is reached"'),
    ("The desk lost money.", [PROFIT], "the desk made no loss"),
    ("Decision 13 traded. Decision 12 stood aside.", [TRADED, ASIDE], "decision 13 did not trade"),
]


@pytest.mark.parametrize(("text", "results"), TRUE, ids=[text for text, _ in TRUE])
def test_what_the_record_said_may_be_said(text: str, results: list[Any]) -> None:
    assert contradictions(text, results) == ()


@pytest.mark.parametrize(("text", "results", "found"), FALSE, ids=[text for text, *_ in FALSE])
def test_what_is_plainly_contrary_is_named(text: str, results: list[Any], found: str) -> None:
    assert found in contradictions(text, results)
