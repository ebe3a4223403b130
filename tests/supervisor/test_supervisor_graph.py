"""One cycle of the supervisor through the real graph; the doors are plain functions that note who was called."""

import asyncio
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from graph.supervisor import Doors, ProposerFailed, build

GOOD = {"halt": False, "changes": [{"name": "kelly_ratio", "value": 0.3}], "hypothesis": "h", "metric": "pnl_usd"}
SEARCHED = GOOD | {"changes": [{"name": "kelly_ratio", "value": 0.1}], "hypothesis": "found by search"}
THREAD: Any = {"configurable": {"thread_id": "1"}}


class World:
    """What the doors open to: the words of each side, and the order in which it was asked."""

    def __init__(self, model: Any = None, ruling: str = "promote", watched: str = "keep", asking: Any = "riskier"):
        self.calls: list[str] = []
        self.model, self.ruling, self.watched, self.asking = model, ruling, watched, asking

    def _door(self, name: str, answer: Any) -> Any:
        async def door(*_said: Any) -> Any:
            self.calls.append(name)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return door

    def graph(self) -> Any:
        doors = Doors(
            observe=self._door("observe", {"params": {}, "context": {"now_ns": 1}}),
            model=None if self.model is None else self._door("model", self.model),
            search=self._door("search", SEARCHED),
            rehearse=self._door("rehearse", {"windows": 30}),
            rule=lambda changes, figures: {"ruling": self.ruling, "because": "stated"},
            intend=self._door("intend", None),
            apply=self._door("apply", {"taken": True, "words": ""}),
            watch=self._door("watch", {"ruling": self.watched, "because": "stated"}),
            roll_back=self._door("roll_back", {"taken": True}),
            receipt=self._door("receipt", {"number": 1}),
            asking=self.asking,
        )
        return build(doors).compile(checkpointer=InMemorySaver())

    def cycle(self) -> Any:
        return asyncio.run(self.graph().ainvoke({}, THREAD))


def test_a_step_that_shrinks_risk_is_rehearsed_written_down_applied_and_watched() -> None:
    world = World()
    end = world.cycle()
    assert world.calls == ["observe", "search", "rehearse", "intend", "apply", "watch", "receipt"]
    assert end["proposed"]["failed"] == "no model is set"


@pytest.mark.parametrize("model", [ProposerFailed("no answer in 30 s"), {"changes": "buy"}, "sure!", GOOD | {"x": 1}])
def test_a_dead_slow_or_malformed_model_gives_its_seat_to_the_search_and_the_receipt_says_why(model: Any) -> None:
    world = World(model)
    end = world.cycle()
    assert world.calls[:3] == ["observe", "model", "search"]
    assert end["proposed"]["by"] == "search"
    assert end["proposed"]["failed"]
    assert world.calls[-1] == "receipt"


@pytest.mark.parametrize("answer", [{"approve": True, "by": "ann"}, {"approve": False}, "yes", {"approve": "true"}])
def test_more_risk_waits_for_a_person_and_only_a_plain_yes_lets_it_through(answer: Any) -> None:
    world = World(GOOD)
    graph = world.graph()

    async def story() -> Any:
        waiting = await graph.ainvoke({}, THREAD)
        assert "__interrupt__" in waiting
        assert "apply" not in world.calls
        return await graph.ainvoke(Command(resume=answer), THREAD)

    end = asyncio.run(story())
    allowed = answer == {"approve": True, "by": "ann"}
    assert ("apply" in world.calls) == allowed == end["approval"]["approve"]
    assert world.calls.count("model") == 1
    assert world.calls[-1] == "receipt"


def test_what_the_check_refuses_is_neither_rehearsed_nor_applied() -> None:
    world = World(GOOD | {"changes": [{"name": "kelly_ratio", "value": 9.0}]})
    end = world.cycle()
    assert world.calls == ["observe", "model", "receipt"]
    assert not end["checked"]["ok"]


def test_what_the_rule_refuses_is_not_applied() -> None:
    world = World(ruling="refuse")
    world.cycle()
    assert world.calls == ["observe", "search", "rehearse", "receipt"]


def test_a_halt_needs_no_rehearsal_and_no_approval() -> None:
    world = World(GOOD | {"halt": True}, asking="always")
    world.cycle()
    assert world.calls == ["observe", "model", "intend", "apply", "receipt"]


def test_what_disappoints_is_rolled_back() -> None:
    world = World(watched="roll back")
    world.cycle()
    assert world.calls[-3:] == ["watch", "roll_back", "receipt"]
