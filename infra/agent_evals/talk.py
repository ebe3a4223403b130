"""The suites over a record: coded explanations, explanations in talk, and questions, each by whoever is to answer."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from agents.explainer import HELP
from evals.agent_scores import (
    Evaluator,
    Example,
    Row,
    Score,
    answered_right,
    by_model,
    cause_named,
    complete,
    figures_true,
    right_by_model,
    rows,
)
from infra.agent_evals.examples import explanations, questions
from infra.agent_evals.speakers import Speaker
from infra.chat.conversation import Conversation
from infra.record.answers import Answers

Progress = Callable[[int, int], None]

CODE: Final = "code"
CODED_COUNT: Final = 720
TALKED_COUNT: Final = 24
EXPLAINING: Final[tuple[Evaluator, ...]] = (figures_true, cause_named, complete)
ASKING: Final[tuple[Evaluator, ...]] = (figures_true, answered_right)
BY_MODEL: Final[tuple[Evaluator, ...]] = (by_model, right_by_model)


def coded(answers: Answers, progress: Progress, count: int = CODED_COUNT) -> tuple[Row, ...]:
    """Hold coded explanations to their records: every figure, the cause, all parts."""
    examples = explanations(answers, count)
    scored: list[tuple[str, Sequence[Score]]] = []
    for done, example in enumerate(examples):
        outputs = {"text": example.outputs["words"], "evidence": [example.outputs]}
        scored.append((example.name, [judge(outputs, example.outputs) for judge in EXPLAINING]))
        progress(done + 1, len(examples))
    return rows("explanations", CODE, scored)


async def talked(
    answers: Answers, speaker: Speaker | None, progress: Progress, most: int | None = None
) -> tuple[Row, ...]:
    """Ask for explanations and answers in talk, of a model or of code alone (`speaker` None)."""
    found: list[Row] = []
    suites: tuple[tuple[str, Sequence[Example], tuple[Evaluator, ...]], ...] = (
        ("talk", explanations(answers, most or TALKED_COUNT), EXPLAINING),
        ("questions", questions(answers.record)[:most], ASKING),
    )
    whole, done = sum(len(examples) for _, examples, _ in suites), 0
    for suite, examples, judges in suites:
        scored: list[tuple[str, Sequence[Score]]] = []
        for example in examples:
            outputs = await target(answers, speaker, example)
            used = judges if speaker is None else (*judges, *BY_MODEL)
            scored.append((example.name, [judge(outputs, example.outputs) for judge in used]))
            progress(done := done + 1, whole)
        found += rows(suite, CODE if speaker is None else speaker.name, scored)
    return tuple(found)


async def target(answers: Answers, speaker: Speaker | None, example: Example) -> dict[str, Any]:
    """Ask one case in a thread of its own; what the record answered is asked again, for the judges."""
    text = str(example.inputs["text"])
    told = await Conversation(answers, None if speaker is None else speaker.model).reply("eval", text)
    evidence = [answers.answer(each["question"], each["arguments"]) for each in told.asked]
    if not evidence and told.by == CODE:
        evidence = [{"help": HELP}]  # its examples of what can be asked are no claims
    return {"text": told.text, "by": told.by, "failed": told.failed, "said": text, "evidence": evidence}
