"""The client against a real server over real HTTP: an answer is held to its shape, and each failure has its reason."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from inline_snapshot import snapshot
from langchain_core.messages import AIMessage, HumanMessage
from pydantic import BaseModel, ConfigDict

from infra.language_model.budget import Budget
from infra.language_model.client import REST_S, LanguageModel, Unanswered, Usage, Why
from infra.language_model.settings import ModelSettings
from infra.model_next_door.script import Call, Fault, Say, Script, lines
from infra.model_next_door.server import ModelNextDoor
from infra.venues.credentials import Secret
from state.units import NS_PER_S

KEY = "sk-not-a-real-key-0123456789"
TOOL = {"type": "function", "function": {"name": "windows", "parameters": {"type": "object", "properties": {}}}}


class Shape(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(extra="forbid")

    value: float
    why: str


class Stage:
    """A model next door and a client of it, with a clock of its own for the breaker."""

    def __init__(self, script: Script, *, timeout_s: float = 5.0, usd_per_day: float = 1.0, retries: int = 0) -> None:
        self.script = script
        self.now_ns = 1
        self.timeout_s, self.usd_per_day, self.retries = timeout_s, usd_per_day, retries
        self.door: Any = None

    def play(self, *asks: str) -> list[Any]:
        """Ask so often, each time for `structured` or `reply`; gives answers or reasons."""

        async def act() -> list[Any]:
            async with ModelNextDoor(self.script) as self.door:
                settings = ModelSettings(
                    model="next-door", base_url=self.door.base_url, key=Secret(KEY), timeout_s=self.timeout_s,
                    retries=self.retries, usd_per_million_in=1.0, usd_per_million_out=2.0, usd_per_day=self.usd_per_day,
                )  # fmt: skip
                budget = Budget(None, settings.usd_per_day, settings.tokens_per_day, lambda: 0)
                self.model = LanguageModel(settings, budget, lambda: self.now_ns)
                self.budget = budget
                return [await self.ask(kind) for kind in asks]

        return asyncio.run(act())

    async def ask(self, kind: str) -> Any:
        if kind == "later":
            self.now_ns += round((REST_S + 1) * NS_PER_S)
            kind = "reply"
        try:
            if kind == "structured":
                return await self.model.structured("Be brief.", "What is it worth?", Shape)
            return await self.model.reply([HumanMessage("What is it worth?")], [TOOL])
        except Unanswered as error:
            assert KEY not in str(error) and error.__cause__ is None and error.__context__ is None
            return error.reason


def test_an_answer_of_the_shape_is_given_with_what_it_took() -> None:
    stage = Stage(lines(Say('{"value": 0.25, "why": "half of half"}')))
    ((said, usage),) = stage.play("structured")
    assert said == {"value": 0.25, "why": "half of half"}
    assert isinstance(usage, Usage) and (usage.model, len(usage.prompt_sha256)) == ("next-door", 64)
    assert usage.usd == pytest.approx((usage.tokens_in + 2 * usage.tokens_out) / 1e6)
    spent = stage.budget.spent()
    assert (spent.usd, spent.tokens, spent.calls) == (usage.usd, usage.tokens_in + usage.tokens_out, 1)
    asked = stage.door.asked[0]
    assert (asked["model"], asked["temperature"], asked["response_format"]["json_schema"]) == snapshot(
        (
            "next-door",
            0.0,
            {
                "name": "Shape",
                "schema": {
                    "description": "What is asked for.",
                    "properties": {"value": {"type": "number"}, "why": {"type": "string"}},
                    "required": ["value", "why"],
                    "type": "object",
                    "additionalProperties": False,
                },
                "strict": True,
            },
        )
    )
    assert stage.door.keys == [f"Bearer {KEY}"]


def test_a_call_of_a_tool_is_given_as_it_was_made() -> None:
    stage = Stage(lines(Say(calls=(Call("windows", {"most": 3}),))))
    ((said, _),) = stage.play("reply")
    assert isinstance(said, AIMessage)
    assert [(call["name"], call["args"]) for call in said.tool_calls] == [("windows", {"most": 3})]


FAILURES: Sequence[tuple[Fault, Why]] = (
    (Fault.CUTS, Why.UNREACHABLE),
    (Fault.HANGS, Why.TIMED_OUT),
    (Fault.TRICKLES, Why.TIMED_OUT),
    (Fault.NO_RIGHT, Why.NO_RIGHT),
    (Fault.NOT_FOUND, Why.FAILED),
    (Fault.RATE_LIMITED, Why.RATE_LIMITED),
    (Fault.FAILS, Why.FAILED),
    (Fault.OVERLOADED, Why.FAILED),
    (Fault.NOT_JSON, Why.MALFORMED),
    (Fault.NO_CHOICES, Why.MALFORMED),
    (Fault.WRONG_TYPES, Why.MALFORMED),
    (Fault.NULL, Why.MALFORMED),
    (Fault.EMPTY, Why.EMPTY),
    (Fault.HUGE, Why.TOO_LONG),
    (Fault.REFUSAL, Why.REFUSED),
    (Fault.CUT_OFF, Why.TOO_LONG),
    (Fault.FILTERED, Why.REFUSED),
    (Fault.BAD_CALL, Why.MALFORMED),
)


@pytest.mark.parametrize(("fault", "why"), FAILURES, ids=[fault.name for fault, _ in FAILURES])
def test_each_failure_has_its_reason(fault: Fault, why: Why, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    calls = (Call("windows"),) if fault is Fault.BAD_CALL else ()
    stage = Stage(lines(Say("buy everything now", calls, fault)), timeout_s=1.0)
    assert stage.play("reply") == [why]
    assert KEY not in caplog.text


def test_a_slow_model_is_not_waited_for() -> None:
    assert Stage(lines(Say("yes", fault=Fault.SLOW, after_s=30.0)), timeout_s=0.5).play("reply") == [Why.TIMED_OUT]


@pytest.mark.parametrize(
    "said", ["{}", "no", '{"value": "NaN?", "why": "x"}', '{"value": 1, "why": "x", "buy": 1}', ""]
)
def test_what_is_not_of_the_shape_is_no_answer(said: str) -> None:
    assert Stage(lines(Say(said))).play("structured") == [Why.MALFORMED]


def test_a_server_that_is_gone_is_said_to_be() -> None:
    stage = Stage(lines(Say("yes")))
    stage.play()

    async def after() -> Any:
        return await stage.ask("reply")

    assert asyncio.run(after()) is Why.UNREACHABLE


def test_who_fails_again_and_again_is_left_alone_for_a_while_and_then_asked_anew() -> None:
    stage = Stage(lines(*[Say(fault=Fault.FAILS)] * 3, Say("yes")))
    told = stage.play("reply", "reply", "reply", "reply", "later")
    assert told[:4] == [Why.FAILED, Why.FAILED, Why.FAILED, Why.RESTING]
    assert len(stage.door.asked) == 4 and told[4][0].content == "yes"


def test_another_try_is_made_as_often_as_was_said() -> None:
    stage = Stage(lines(Say(fault=Fault.FAILS), Say("yes")), retries=1)
    ((said, _),) = stage.play("reply")
    assert said.content == "yes" and len(stage.door.asked) == 2


def test_beyond_the_budget_nobody_is_asked() -> None:
    stage = Stage(lines(Say("yes")), usd_per_day=0.003)
    assert stage.play("reply", "structured") == [Why.OVER_BUDGET] * 2 and stage.door.asked == []
    stage = Stage(lines(Say(fault=Fault.CUTS)), usd_per_day=0.005)
    assert stage.play("reply", "reply") == [Why.UNREACHABLE, Why.OVER_BUDGET] and len(stage.door.asked) == 1


def test_no_answer_costs_what_it_might_have_cost() -> None:
    stage = Stage(lines(Say(fault=Fault.CUTS)))
    stage.play("reply")
    assert stage.budget.spent().tokens >= 2_000
