"""Usefulness, measured small: one market, one planted mis-tuning, the whole way through the player's process."""

import json

import pytest

from evals.usefulness import MISTUNED
from infra.supervisor.usefulness import usefulness

pytestmark = pytest.mark.rehearsal


def test_both_proposers_get_the_same_market_and_the_same_number_of_rehearsals() -> None:
    told: list[tuple[int, int]] = []
    table = usefulness([31], 3, lambda done, total: told.append((done, total)), mistuned=MISTUNED[:1])
    assert told == [(1, 1)] and table["rehearsals_count"] == 3
    assert not table["better"], "one market shows nothing"
    (attempt,) = table["attempts"]
    assert attempt["cost_micros"] > 0.0 and set(attempt["proposed_micros"]) == {"search", "random"}
    assert json.loads(json.dumps(table, allow_nan=False)) == table
