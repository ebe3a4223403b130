"""A backtest run, opened for questions: what is explained is in the record, and what is said to turn it turns it."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_run import small_run

from agents.questions import QUESTIONS
from evals.explanation import explain
from evals.flips import INPUTS, flips
from evals.margins import margins_of
from evals.step import stage_trace
from graph.fast import decide
from infra.record.answers import Answers
from infra.record.opening import NothingRecorded, newest, open_record
from infra.record.record import Missing, Record
from state.desk import Decision
from state.params import default_params
from state.reasons import Reason
from state.records import one

SAMPLE = 60
"""Decisions that every law is held on."""


@pytest.fixture(scope="module")
def record() -> Record:
    """A run over four made-up windows with late makers."""
    return open_record(small_run())


@pytest.fixture(scope="module")
def decisions(record: Record) -> list[Any]:
    """Decisions of every kind: each reason's first, every one that traded, and some between."""
    lines = record.lines
    first = [int(lines["mandate_id"][lines["reason_code"] == code][0]) for code in np.unique(lines["reason_code"])]
    spread = lines["mandate_id"][:: max(len(lines) // SAMPLE, 1)].tolist()
    numbers = sorted({*first, *sorted(record.traded)[:10], *spread})
    found = [record.decision(number) for number in numbers[:SAMPLE]]
    assert not any(isinstance(each, Missing) for each in found)
    return found


def test_contributions_add_up_to_the_posterior(decisions: list[Any]) -> None:
    for decision in decisions:
        told = explain(decision, default_params(), "w", {})
        total = sum(each.contribution_logodds for each in told.contributions)
        assert total == pytest.approx(float(decision["forecast"]["posterior_logodds"]), abs=1e-12)


def test_what_is_said_to_turn_a_decision_turns_it_and_a_little_less_does_not(decisions: list[Any]) -> None:
    params, turned = default_params(), 0
    for decision in decisions:
        side = 0 if decision["alpha"]["edge_bps"][0] >= decision["alpha"]["edge_bps"][1] else 1
        allowed = int(decision["mandate"]["reason_code"]) == 0
        for flip, moved in zip(flips(decision, params), INPUTS, strict=True):
            if not flip.turns:
                continue
            turned += 1
            was = moved.read(decision.market, params, side)
            for share, turns in ((1.0, True), (0.99, False)):
                again, mine = one(Decision), params.copy()  # type: ignore[attr-defined]
                again.market = decision["market"]
                assert moved.write(again.market, mine, side, was + flip.change * share)
                decide(mine, again)
                assert ((int(again.mandate.reason_code) == 0) != allowed) is turns, (flip, share)
    assert turned > 20


def test_a_closed_gate_of_a_distance_has_a_margin_below_zero_and_no_open_gate_of_data_has(decisions: list[Any]) -> None:
    closed = 0
    for decision in decisions:
        reason = Reason(int(decision["mandate"]["reason_code"]))
        margins = margins_of(decision, default_params())
        mine = [each for each in margins if each.reason_code == reason]
        if mine and reason is not Reason.NONE:
            closed += 1
            assert min(each.margin for each in mine) <= 0.0, (reason, mine)
        if reason is Reason.NONE:
            assert all(each.margin >= 0.0 for each in margins if each.gate in ("look", "validate", "risk"))
    assert closed > 3


def numbers_in(text: str) -> list[str]:
    """Every number of a text, but those that are part of a name."""
    return re.findall(r"(?<![\w.-])[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w-])", text)


def flat(value: Any) -> list[float]:
    """Every number of plain values, keys that are numbers too."""
    if isinstance(value, dict):
        return [
            each
            for key, inner in value.items()
            for each in (*flat(inner), *([float(key)] if str(key).isdigit() else []))
        ]
    if isinstance(value, list | tuple):
        return [each for inner in value for each in flat(inner)]
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []


def test_every_number_that_is_said_is_in_the_plain_values(record: Record) -> None:
    answers = Answers(record)
    said = 0
    for number in [*sorted(record.traded)[:10], *record.lines["mandate_id"][::100].tolist()]:
        told = answers.explanation(number)
        known = flat({key: value for key, value in told.items() if key != "words"})
        known += [each / 100 for each in known]  # cents are said of bps
        for each in numbers_in(told["words"].replace("$", " ").replace("(", " ").replace(")", " ")):
            digits = len(each.partition(".")[2].partition("e")[0])
            near = 0.51 * 10.0**-digits if "e" not in each else abs(float(each)) * 1e-3
            short = abs(float(each)) * 1e-3  # four significant digits
            assert any(abs(float(each) - value) <= max(near, short) for value in known), (each, told["words"])
            said += 1
    assert said > 100


def test_stepping_and_explaining_tell_of_one_decision(decisions: list[Any]) -> None:
    for decision in decisions[:20]:
        told = explain(decision, default_params(), "w", {})
        closed = [each for each in stage_trace(decision) if each["gate"].startswith("closed")]
        assert [each["gate"] for each in closed] == ([f"closed: {told.main_cause}"] if told.gate else [])


def test_every_question_has_an_answer_and_what_cannot_be_answered_says_why(record: Record) -> None:
    answers = Answers(record)
    traded = max(record.traded)
    words_of: dict[str, dict[str, Any]] = {
        "get_decision": {"decision": traded}, "compare_decisions": {"first": traded, "second": traded - 1},
        "counterfactual": {"decision": traded, "without": "spread"},
    }  # fmt: skip
    cannot = {
        each.name: answer["cannot"]
        for each in QUESTIONS
        if "cannot" in (answer := answers.answer(each.name, words_of.get(each.name, {})))
    }
    assert cannot == {"feeds_and_health": "this record has no connections: it is no live session"}
    assert "there is no decision 999999" in answers.answer("get_decision", {"decision": 999_999})["cannot"]
    assert "say one change" in answers.answer("counterfactual", {"decision": traded})["cannot"]
    assert "greater than or equal to 1" in answers.answer("get_decision", {"decision": -3})["cannot"]
    assert "there is no such question" in answers.answer("place_order", {})["cannot"]
    assert answers.answer("find_orders", {"order": 10**9})["cannot"] == "this record has no order 1000000000"


def test_counterfactuals_run_the_core_again(record: Record) -> None:
    answers, number = Answers(record), max(record.traded)
    before = record.lines.copy()
    dearer = answers.answer("counterfactual", {"decision": number, "fee_rate_ppm": 1_000_000})
    assert dearer["after"]["edge_up_bps"] < dearer["before"]["edge_up_bps"]
    wanted = answers.answer("counterfactual", {"decision": number, "parameter": "liquidity_micros", "value": 1e15})
    assert (wanted["turned"], wanted["after"]["gate"]) == (True, "risk")
    odd = answers.answer("counterfactual", {"decision": number, "parameter": "position_micros", "value": 1e15})
    assert odd["cannot"].startswith("position_micros = 1e+15 is outside 0 .. 5e+10")
    bid = answers.answer("counterfactual", {"decision": number, "posted_at_bps": 100})
    assert not bid["filled"] and 0.0 <= bid["probability_low"] <= bid["probability"] <= bid["probability_high"] <= 1.0
    assert (record.lines == before).all(), "asking changes nothing"


def test_the_money_of_windows_and_of_orders_is_one(record: Record) -> None:
    answers = Answers(record)
    told = answers.answer("position_and_profit", {})
    windows = answers.answer("windows", {})["windows"]
    assert told["settled_profit_usd"] == pytest.approx(sum(each["realised_usd"] or 0 for each in windows))
    by_orders = 0.0
    for order in record.orders.values():
        window = record.windows[order.window]
        kept = [fill for fill in order.fills if not fill.is_reversed]
        by_orders += sum(fill.shares_micros for fill in kept if fill.token == window.outcome) / 1e6
        by_orders -= sum(fill.shares_micros * fill.price_bps for fill in kept) / 1e10 + order.fees_micros / 1e6
    assert by_orders == pytest.approx(told["settled_profit_usd"], abs=0.05), "cents of rounding aside"


def test_what_is_no_record_is_refused_in_a_line(tmp_path: Path, record: Record) -> None:
    with pytest.raises(NothingRecorded, match="neither a session's journal nor a run"):
        open_record(tmp_path)
    with pytest.raises(NothingRecorded, match="a recording, with no decisions in it"):
        open_record(record.folder / "journal")
    with pytest.raises(NothingRecorded, match="no session and no run in it"):
        newest(tmp_path)
    assert newest(record.folder.parent.parent) == record.folder
