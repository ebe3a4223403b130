"""Who answers in an evaluation: code alone, a real model, or one of four next door whose manners are known.

The four show that the scores tell good from bad: `honest` asks the record and says what it answered; `lying` asks, and
says other figures; `lazy` never asks; `storyteller` asks, keeps the figures, and puts a likelier story in the place of
the coded cause. The last one is what no check of figures can catch, so a score must.
"""

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from agents.answer_words import say_one
from agents.explainer import Ask, NotUnderstood, follow_up, understand
from infra.language_model.budget import Budget
from infra.language_model.client import LanguageModel
from infra.language_model.settings import ModelSettings
from infra.model_next_door.script import Asked, Call, Say, Script, said_last, tool_results
from infra.model_next_door.server import ModelNextDoor
from infra.venues.credentials import Secret

STORY: Final = "the market's momentum was strong"
CANNOT: Final = "That cannot be answered from the record."
USD_MOST: Final = 1_000.0
TOKENS_MOST: Final = 10**9


@dataclass(frozen=True, slots=True)
class Speaker:
    """A model under test, by a name for the table."""

    name: str
    model: LanguageModel


@asynccontextmanager
async def next_door() -> AsyncIterator[tuple[Speaker, ...]]:
    """Serve the four, each by a server of its own, as long as the block lasts."""
    async with AsyncExitStack() as stack:
        doors = [(name, await stack.enter_async_context(ModelNextDoor(script))) for name, script in SCRIPTS.items()]
        yield tuple(Speaker(name, _client(door.base_url)) for name, door in doors)


def _client(base_url: str) -> LanguageModel:
    settings = ModelSettings(model="next-door", base_url=base_url, key=Secret("k"), timeout_s=20.0, retries=0)
    return LanguageModel(settings, Budget(None, USD_MOST, TOKENS_MOST, lambda: 0))


def _honest(asked: Asked) -> Say:
    return _asks(asked, _plainly)


def _lying(asked: Asked) -> Say:
    return _asks(
        asked, lambda asks, results: re.sub(r"\d+\.\d+", "987.65", _plainly(asks, results)) + " We made $98765."
    )


def _lazy(_: Asked) -> Say:
    return Say("It looked good, so the desk went for it.")


def _storyteller(asked: Asked) -> Say:
    def tell(asks: tuple[Ask, ...], results: list[Any]) -> str:
        text = _plainly(asks, results)
        for result in results:
            cause = str(result.get("main_cause", "")) if isinstance(result, dict) else ""
            text = text.replace(cause, STORY) if cause else text
        return text

    return _asks(asked, tell)


def _asks(asked: Asked, tell: Callable[[tuple[Ask, ...], list[Any]], str]) -> Say:
    """Ask the record what code would ask, then tell of it."""
    understood = understand(_question(asked))
    asks = (Ask("windows"),) if isinstance(understood, NotUnderstood) else understood.asks
    results = [each.get("data") if isinstance(each, dict) else each for each in tool_results(_turn(asked))]
    if not results:
        return Say(calls=tuple(Call(ask.name, ask.arguments) for ask in asks))
    if isinstance(understood, NotUnderstood):
        return Say(CANNOT)
    more = follow_up(understood, [each for each in results if isinstance(each, dict)])
    if more and len(results) == len(asks):
        return Say(calls=tuple(Call(ask.name, ask.arguments) for ask in more))
    return Say(tell((*asks, *more), results))


def _plainly(asks: tuple[Ask, ...], results: list[Any]) -> str:
    return "\n\n".join(
        say_one(ask.name, result) if isinstance(result, dict) else str(result)
        for ask, result in zip(asks, results, strict=False)
    )


def _turn(asked: Asked) -> Asked:
    """Leave out the word that asks for the answer again, so that the results before it are seen."""
    messages = list(asked["messages"])
    if messages and messages[-1].get("role") == "user" and _is_again(messages[-1]):
        messages = messages[:-1]
    return {"messages": messages}


def _question(asked: Asked) -> str:
    return said_last(_turn(asked))


def _is_again(message: Any) -> bool:
    content = message.get("content")
    return "no tool's answer of this turn" in (content if isinstance(content, str) else json.dumps(content))


SCRIPTS: Final[dict[str, Script]] = {
    "honest": _honest, "lying": _lying, "lazy": _lazy, "storyteller": _storyteller,
}  # fmt: skip
