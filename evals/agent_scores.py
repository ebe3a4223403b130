"""Scores of what the desk's agents say, in the shape of LangSmith's `evaluate`, for runs with and without LangSmith.

An example is `{"inputs": ..., "outputs": ...}`, its outputs being what is right. A target turns inputs into outputs. An
evaluator takes `outputs` and `reference_outputs` and gives `{"key", "score", "comment"}`, its score 1.0 or 0.0, or None
where it has nothing to say. Numbers are looked for in texts as they are written: a figure is right when it is the one
that was reckoned, rounded to the digits shown.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agents.grounding import Grounded, ground
from tools.intervals import wilson_interval

Plain = Mapping[str, Any]
Score = dict[str, Any]
Evaluator = Callable[[Plain, Plain], Score]

LOUDEST: Final = 3
"""So many contributions a complete explanation names."""

_NUMBER: Final = re.compile(r"(?<![\w.])[-+\u2212]?\$?[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")
_NOT_THERE: Final = re.compile(
    r"\b(cannot|can't|can not|could not|couldn't|not (?:in|part of|recorded|known|available)|no such|there is no|"
    r"there are no|does not|doesn't|unable|I can say|nothing in the record)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One case: what is asked, and what is right."""

    name: str
    inputs: Plain
    outputs: Plain

    def as_dict(self) -> dict[str, Any]:
        """Give it as LangSmith takes it."""
        return {"inputs": dict(self.inputs), "outputs": dict(self.outputs), "metadata": {"name": self.name}}


def figures_true(outputs: Plain, reference_outputs: Plain) -> Score:
    """Say whether every number and name of the answer stands in what the record answered.

    `outputs["evidence"]`: the record's answers of the turn; what they say of themselves in sentences is left out.
    """
    told = ground(outputs["text"], [_bare(each) for each in outputs["evidence"]], str(outputs.get("said", "")))
    if isinstance(told, Grounded):
        return _score("figures_true", True, f"{told.checked_count} checked")
    return _score("figures_true", False, ", ".join(told.missing[:5]))


def cause_named(outputs: Plain, reference_outputs: Plain) -> Score:
    """Say whether an explanation names the coded main cause."""
    cause = str(reference_outputs["main_cause"])
    return _score("cause_named", _squeezed(cause) in _squeezed(outputs["text"]), cause)


def complete(outputs: Plain, reference_outputs: Plain) -> Score:
    """Say whether an explanation has all its parts.

    That is: the decision, how probable UP was held, the loudest contributions by name, the gate that closed, and how
    the window ended where that is known.
    """
    text, told = str(outputs["text"]), reference_outputs
    loud = sorted(told["contributions"], key=lambda each: -abs(each["contribution_logodds"]))[:LOUDEST]
    parts = {
        "decision": _has(text, float(told["decision"]), ()),
        "p_up": _has(text, float(told["p_up"]), (100.0,)),
        "gate": not told["gate"] or told["outcome"] != "stood_aside" or str(told["gate"]) in text.lower(),
        "afterwards": not told["afterwards"].get("outcome") or str(told["afterwards"]["outcome"]) in text,
    } | {str(each["source"]): str(each["source"]).replace("_", " ") in text.replace("_", " ") for each in loud}
    missing = [name for name, is_there in parts.items() if not is_there]
    return _score("complete", not missing, f"without {', '.join(missing)}" if missing else "")


def answered_right(outputs: Plain, reference_outputs: Plain) -> Score:
    """Say whether an answer has every figure and word that it must have, or says that there is none.

    `reference_outputs`: `figures` (each with `value` and the `scales` in which it may be shown), `texts`, or
    `unanswerable`.
    """
    text = str(outputs["text"])
    if reference_outputs.get("unanswerable"):
        return _score("answered_right", _NOT_THERE.search(text) is not None, "must say that it is not in the record")
    missing = [
        f"{each['value']:g}"
        for each in reference_outputs.get("figures", ())
        if not _has(text, float(each["value"]), each.get("scales", ()))
    ]
    missing += [each for each in reference_outputs.get("texts", ()) if _squeezed(each) not in _squeezed(text)]
    return _score("answered_right", not missing, f"without {', '.join(missing[:5])}" if missing else "")


def by_model(outputs: Plain, reference_outputs: Plain) -> Score:
    """Say whether the model's own words stood, and no code had to speak in its place."""
    return _score("by_model", outputs["by"] == "model", str(outputs.get("failed", "")))


def right_by_model(outputs: Plain, reference_outputs: Plain) -> Score:
    """Say whether the model's own words stood and were right: of these alone is a model to be praised."""
    right = cause_named if "main_cause" in reference_outputs else answered_right
    is_right = bool(right(outputs, reference_outputs)["score"] and figures_true(outputs, reference_outputs)["score"])
    return _score("right_by_model", outputs["by"] == "model" and is_right, str(outputs.get("failed", "")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table of scores: who, in which suite, by which score, and its interval."""

    suite: str
    who: str
    key: str
    hits: int
    count: int
    low: float
    high: float
    missed: tuple[str, ...]
    """Names of cases that missed, with the comment; at most five."""

    @property
    def rate(self) -> float:
        """Give the share of hits."""
        return self.hits / self.count


def rows(suite: str, who: str, scored: Sequence[tuple[str, Sequence[Score]]]) -> tuple[Row, ...]:
    """Add scores up by key, with Wilson's interval; cases count as independent.

    Args:
        suite: the suite's name.
        who: who answered.
        scored: name of the case, and its scores.
    """
    found: dict[str, list[tuple[str, Score]]] = {}
    for name, scores in scored:
        for score in scores:
            if score["score"] is not None:
                found.setdefault(str(score["key"]), []).append((name, score))
    return tuple(_row(suite, who, key, mine) for key, mine in found.items())


def _row(suite: str, who: str, key: str, mine: Sequence[tuple[str, Score]]) -> Row:
    hits = sum(score["score"] == 1.0 for _, score in mine)
    between = wilson_interval(hits, len(mine))
    missed = tuple(f"{name}: {score['comment']}"[:200] for name, score in mine if score["score"] != 1.0)
    return Row(suite=suite, who=who, key=key, hits=hits, count=len(mine), low=between.low, high=between.high,
               missed=missed[:5])  # fmt: skip


def _score(key: str, is_hit: bool, comment: str = "") -> Score:
    return {"key": key, "score": 1.0 if is_hit else 0.0, "comment": comment}


def _has(text: str, value: float, scales: Sequence[float]) -> bool:
    """Say whether a text shows a figure, as it is or by one of the scales, rounded to the digits shown."""
    for written in _NUMBER.findall(text):
        digits = re.sub(r"[$,+]", "", written).replace("\u2212", "-")
        decimals = len(digits.partition(".")[2])
        for scale in (1.0, *scales):
            room = 0.5 * 10.0**-decimals if decimals or scale != 1.0 or value != int(value) else 0.0
            if abs(abs(float(digits)) - abs(value * scale)) <= room + 1e-9 and (
                decimals or abs(value * scale) >= 1.0 or value == 0.0
            ):
                return True
    return False


def _bare(result: Any) -> Any:
    """Leave out the sentences in which an answer of the record tells itself: they are what is held, not evidence."""
    if isinstance(result, Mapping):
        return {name: _bare(each) for name, each in result.items() if name != "words"}
    return result


def _squeezed(text: str) -> str:
    return " ".join(str(text).lower().split())
