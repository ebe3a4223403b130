"""Scores of what the agents say, in LangSmith's shapes: examples, a target, evaluators, and a table with intervals.

An example has `inputs` and `reference_outputs`; a target turns inputs into outputs; an evaluator takes `outputs` and
`reference_outputs`, by these names, and gives `{"key", "score"}` with a score from 0 to 1. They run
here with no upload and no account.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from agents.grounding import Ungrounded, ground, says
from tools.intervals import bootstrap_interval, wilson_interval

Plain = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One case."""

    name: str
    inputs: dict[str, Any]
    reference_outputs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What one target made of one example."""

    example: str
    outputs: dict[str, Any]
    scores: dict[str, float]


Evaluator = Callable[[Plain, Plain], dict[str, Any]]
"""Takes outputs and reference outputs."""

REFUSALS = (
    "cannot", "can not", "can't", "no such", "there is no", "no decision", "no order", "no window", "not in the record",
    "not in this record", "i can say", "not recorded", "do not know", "don't know", "only the record",
)  # fmt: skip
"""How an answer says that there is none."""


def faithful(outputs: Plain, reference_outputs: Plain) -> dict[str, Any]:
    """Say whether every figure and name of the answer stands in what the record answered."""
    told = ground(str(outputs["answer"]), list(outputs["results"]), str(outputs.get("question", "")))
    missing = list(told.missing) if isinstance(told, Ungrounded) else []
    return {"key": "faithful", "score": float(not missing), "comment": ", ".join(missing)[:200]}


def main_cause(outputs: Plain, reference_outputs: Plain) -> dict[str, Any]:
    """Say whether the named main cause is the coded one."""
    return {"key": "main_cause", "score": float(_has(outputs, str(reference_outputs["main_cause"])))}


def complete(outputs: Plain, reference_outputs: Plain) -> dict[str, Any]:
    """Give the share of what an explanation must tell that it tells."""
    text = str(outputs["answer"])
    told = [_has(outputs, word) for word in reference_outputs.get("words", ())]
    told += [says(text, key, value) for key, value in reference_outputs.get("facts", {}).items()]
    return {"key": "complete", "score": float(np.mean(told)) if told else 1.0}


def right(outputs: Plain, reference_outputs: Plain) -> dict[str, Any]:
    """Say whether a question is answered: every fact and word that was asked for, or that it cannot be answered."""
    text = str(outputs["answer"])
    if reference_outputs.get("cannot"):
        refused = any(word in text.lower() for word in REFUSALS)
        return {"key": "right", "score": float(refused and faithful(outputs, reference_outputs)["score"] == 1.0)}
    facts = all(says(text, key, value) for key, value in reference_outputs.get("facts", {}).items())
    words = all(_has(outputs, word) for word in reference_outputs.get("words", ()))
    return {"key": "right", "score": float(facts and words)}


def by_model(outputs: Plain, reference_outputs: Plain) -> dict[str, Any]:
    """Say whether the model's own words were the answer, and not code in its place."""
    return {"key": "by_model", "score": float(outputs.get("by") == "model")}


def table_of(suite: str, who: str, scored: Sequence[Scored]) -> list[dict[str, Any]]:
    """Give a row for each score: its mean with a 95 % interval (Wilson where all are 0 or 1, else bootstrap)."""
    keys = sorted({key for each in scored for key in each.scores})
    rows = []
    for key in keys:
        values = np.array([each.scores[key] for each in scored if key in each.scores])
        if np.isin(values, (0.0, 1.0)).all():
            told = wilson_interval(int(values.sum()), len(values))
        else:
            told = bootstrap_interval(values, np.arange(len(values)), np.random.default_rng(7))
        rows.append(
            {"suite": suite, "who": who, "score": key, "examples": len(values), "mean": round(float(values.mean()), 4),
             "low": round(told.low, 4), "high": round(told.high, 4)}
        )  # fmt: skip
    return rows


def _has(outputs: Plain, word: str) -> bool:
    return " ".join(word.lower().split()) in " ".join(str(outputs["answer"]).lower().split())
