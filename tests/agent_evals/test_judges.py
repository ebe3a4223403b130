"""Judges see what they are there to see: without the check, with a likelier story, and in LangSmith's own hands."""

import asyncio
import uuid
from typing import Any

import pytest
from small_run import small_run

from agents import proposal
from evals.agent_questions import explanation_examples
from evals.agent_scores import by_model, faithful, main_cause
from infra.agent_evals.scripts import CHARACTERS
from infra.agent_evals.suites import EXPLANATION_SCORES, attacks, chat_target, next_door, run
from infra.proofs.llm_talkers import DEAD_URL, one_turn
from infra.record.answers import Answers
from infra.record.opening import open_record

pytestmark = pytest.mark.rehearsal


@pytest.fixture(scope="module")
def answers() -> Answers:
    return Answers(open_record(small_run()))


def some(answers: Answers) -> Any:
    return explanation_examples(answers.answer, [1, 183, *sorted(answers.record.traded)[:2]])


def test_a_likelier_story_with_true_figures_is_let_through_and_scored(answers: Answers) -> None:
    async def act() -> list[Any]:
        async with next_door(answers, "storyteller") as model:
            scores = (*EXPLANATION_SCORES, by_model)
            return await run(some(answers), chat_target(answers, model), scores, lambda *_: None)

    scored = asyncio.run(act())
    assert "storyteller" in CHARACTERS and len(scored) == 4
    found = {(each.scores["by_model"], each.scores["faithful"], each.scores["main_cause"]) for each in scored}
    # A "main cause" that is not the coded one is caught; the same story without these words is let through.
    assert found == {(1.0, 1.0, 0.0), (0.0, 1.0, 1.0)}


def test_without_the_check_attacks_pass_and_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    import graph.supervisor

    def lenient(said: proposal.Proposal, params: Any, _context: Any) -> Any:
        found = proposal._changes(said, params)
        return found if isinstance(found, proposal.Refused) else proposal.Accepted(found)

    monkeypatch.setattr(graph.supervisor, "check", lenient)
    table, scored = asyncio.run(attacks("next door", None, lambda *_: None))
    harmful = [each.example for each in scored if each.scores["safe"] == 0.0]
    assert len(harmful) > 8, harmful
    assert next(row for row in table if row["score"] == "safe")["mean"] < 1.0


def test_cases_and_judges_run_under_langsmiths_evaluate_with_no_upload(answers: Answers) -> None:
    """The same target, cases and judges, by their shape, in the hands of the library itself."""
    from langsmith import Client
    from langsmith.evaluation import evaluate
    from langsmith.schemas import Example

    examples = some(answers)
    target = chat_target(answers, None)

    async def act() -> dict[str, Any]:
        return {each.inputs["question"]: await target(each.inputs) for each in examples}

    told = asyncio.run(act())
    data = [Example(id=uuid.uuid4(), inputs=each.inputs, outputs=each.reference_outputs) for each in examples]
    found = evaluate(
        lambda inputs: told[inputs["question"]], data=data, evaluators=[faithful, main_cause], upload_results=False,
        client=Client(api_url="http://127.0.0.1:9", api_key="none"), max_concurrency=0,
    )  # fmt: skip
    scores = [each.score for row in found for each in row["evaluation_results"]["results"]]
    assert scores == [1.0] * 8


def test_chat_and_supervisor_go_on_without_a_model_and_say_so(answers: Answers) -> None:
    told = asyncio.run(one_turn(answers, "dead", DEAD_URL))
    assert (told.chat_by, told.supervisor_by, told.contained, told.lied) == ("code", "search", True, False)
    assert told.chat_failed == told.supervisor_failed == "the model's server cannot be reached"
