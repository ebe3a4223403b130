"""The questions that a record can be asked: names, words and arguments, for the chat, other agents, and the page.

Every question is read-only, and every answer is plain JSON whose numbers come from the record or from the core run
again. A decision is named by its number (`decision 123`), an order by its own (`order 7`), a window by its slug.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Number = Annotated[int, Field(ge=1, description="a decision's number")]
Window = Annotated[str | None, Field(max_length=64, description="slug of a window, such as btc-updown-5m-1792573200")]
Agent = Literal["spread", "lead_lag", "flow", "liquidity"]


class Arguments(BaseModel):
    """Arguments of one question; anything that is not asked for is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoArguments(Arguments):
    """Nothing has to be said."""


class FindDecisions(Arguments):
    """Which decisions are meant; what is left out does not matter."""

    window: Window = None
    outcome: Annotated[
        Literal["traded", "allowed", "stood_aside"] | None,
        Field(description="traded: an order came of it; allowed: it gave a mandate; stood_aside: it allowed nothing"),
    ] = None
    gate: Annotated[
        Literal["look", "signal", "validate", "risk", "size"] | None, Field(description="the gate that closed")
    ] = None
    reason: Annotated[str | None, Field(max_length=80, description="part of the reason's words")] = None
    sort: Literal["newest", "oldest", "largest_edge"] = "newest"
    most: Annotated[int, Field(ge=1, le=50)] = 10


class OneDecision(Arguments):
    """One decision."""

    decision: Number


class TwoDecisions(Arguments):
    """Two decisions that are held side by side."""

    first: Number
    second: Number


class WhatIf(Arguments):
    """What is changed before the core runs again; exactly one thing besides the decision."""

    decision: Number
    latency_ms: Annotated[float | None, Field(ge=0, le=5000, description="time from decision to the venue")] = None
    ask_bps: Annotated[int | None, Field(ge=1, le=9999, description="best offer of the side in 1/10,000 dollar")] = None
    fee_rate_ppm: Annotated[int | None, Field(ge=0, le=1_000_000, description="the venue's fee rate")] = None
    without: Annotated[Agent | None, Field(description="an agent that is not heard")] = None
    parameter: Annotated[str | None, Field(max_length=40, description="a parameter; needs `value`")] = None
    value: float | None = None
    posted_at_bps: Annotated[
        int | None, Field(ge=1, le=9999, description="a resting bid at this price instead: would it have filled?")
    ] = None


class OfWindow(Arguments):
    """One window, or all of the record."""

    window: Window = None


class OfOrder(Arguments):
    """Orders of a decision, or of a window, or one by its number."""

    decision: Annotated[int | None, Field(ge=1)] = None
    window: Window = None
    order: Annotated[int | None, Field(ge=1)] = None
    most: Annotated[int, Field(ge=1, le=50)] = 10


@dataclass(frozen=True, slots=True)
class Question:
    """One question: what it is called, what it is for, and what must be said with it."""

    name: str
    words: str
    arguments: type[Arguments]


QUESTIONS: Final[tuple[Question, ...]] = (
    Question("find_decisions", "List decisions and stand-asides of the record, each in a line.", FindDecisions),
    Question("get_decision", "Explain one decision: opinions in log-odds, gates with margins, costs, expected value, "
             "what would have flipped it, and what happened afterwards.", OneDecision),
    Question("compare_decisions", "Hold two decisions side by side: what differs, and which gate parted them.",
             TwoDecisions),
    Question("counterfactual", "Run the core again on a decision with one thing changed.", WhatIf),
    Question("find_orders", "List orders with their decision, fills, fees and how they ended.", OfOrder),
    Question("windows", "List windows with strike, outcome, position and realised profit.", OfWindow),
    Question("position_and_profit", "Say what is held and what was won or lost: confirmed, provisional, at risk.",
             NoArguments),
    Question("feeds_and_health", "Say which feeds were up, how late, what was lost, and what halted.", NoArguments),
    Question("parameter_history", "List the parameters in force and every change with its receipt.", NoArguments),
    Question("risk_state", "Say how much of each limit is used and which is nearest.", NoArguments),
    Question("rules_of_the_day", "Say by which rules a window is settled and what it costs to trade.", OfWindow),
    Question("calibration", "Score the forecasts by time to close, beside the book's own.", NoArguments),
)  # fmt: skip
"""All that can be asked; the order is that of their help."""


def question(name: str) -> Question | None:
    """Give the question of that name, None if there is none."""
    return next((each for each in QUESTIONS if each.name == name), None)


def refusal(name: str, arguments: Mapping[str, Any]) -> dict[str, str] | None:
    """Say why a question may not be asked in this way, None if it may; nothing of what was asked is repeated."""
    asked = question(name)
    if asked is None:
        return {"cannot": "there is no such question; there are " + ", ".join(each.name for each in QUESTIONS)}
    try:
        asked.arguments.model_validate(dict(arguments))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = (
            str(first["loc"][0]) if first["loc"] and first["loc"][0] in asked.arguments.model_fields else "arguments"
        )
        return {"cannot": f"{name}: {where}: {first['msg']}"}
    return None


def as_function(asked: Question) -> dict[str, Any]:
    """Give a question as a function that a language model may call, in the schema of OpenAI's chat completions."""
    schema = asked.arguments.model_json_schema()
    told = {"type": "object", "properties": schema.get("properties", {}), "additionalProperties": False}
    if required := schema.get("required"):
        told["required"] = required
    return {"type": "function", "function": {"name": asked.name, "description": asked.words, "parameters": told}}
