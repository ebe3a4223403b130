"""Models of known character for the model next door: what the scores must tell apart when there is no real model."""

import re
from collections.abc import Callable
from typing import Any, Final

from agents.answer_words import say_one
from agents.explainer import NotUnderstood, follow_up, understand
from agents.questions import question
from infra.model_next_door.script import Asked, Call, Say, Script, said_last

Plain = dict[str, Any]
Ask = Callable[[str, Plain], Plain]

_FIGURE: Final = re.compile(r"\d+\.\d+")
_CAUSE: Final = re.compile(r"(Main cause: |stood aside at the gate \w+: )[^\n]*?\.(?=\s|$)")
_STORY: Final = "the market's momentum was strong."
_AGAIN: Final = "no tool's answer of this turn"


def honest(ask: Ask) -> Script:
    """Ask what the question is about, and say what came of it in its own words."""
    return _character(ask, lambda words: words)


def lying(ask: Ask) -> Script:
    """Ask, and then change every figure."""
    return _character(ask, lambda words: _FIGURE.sub(lambda found: f"{float(found.group()) * 1.7 + 3.1:.4f}", words))


def curt(ask: Ask) -> Script:
    """Ask, and then say next to nothing of it, all of it true."""
    return _character(ask, lambda words: " ".join(words.split()[:2]).rstrip("(;:,") + ", so the record says.")


def storyteller(ask: Ask) -> Script:
    """Ask, keep every figure, and put a likelier story in the place of the coded cause: no check of figures sees it."""
    return _character(ask, lambda words: _CAUSE.sub(lambda found: found[1] + _STORY, words))


def idle(_: Ask) -> Script:
    """Ask nothing, and say what may be true of anything."""
    return lambda asked: Say("Probably because the market was quiet. I am confident that this was the right decision.")


CHARACTERS: Final[dict[str, Callable[[Ask], Script]]] = {
    "honest": honest, "lying": lying, "curt": curt, "storyteller": storyteller, "idle": idle,
}  # fmt: skip


def _character(ask: Ask, bend: Callable[[str], str]) -> Script:
    """Let a script call the tools that the question needs, and bend what they give."""

    def script(asked: Asked) -> Say:
        text = _first_words(asked)
        understood = understand(text)
        if isinstance(understood, NotUnderstood):
            if not _called(asked):
                return Say(calls=(Call("windows"),))
            return Say("That cannot be answered from the record.")
        found = [(each.name, dict(each.arguments)) for each in understood.asks]
        if not _called(asked):
            return Say(calls=tuple(Call(name, arguments) for name, arguments in found))
        results = [ask(name, arguments) for name, arguments in found]
        more = [(each.name, dict(each.arguments)) for each in follow_up(understood, results)]
        if more and _called(asked) == len(found):
            return Say(calls=tuple(Call(name, arguments) for name, arguments in more))
        told = [*zip(found, results, strict=True), *((each, ask(*each)) for each in more)]
        words = "\n\n".join(say_one(name, result) for (name, _), result in told if question(name))
        return Say(bend(words))

    return script


def _first_words(asked: Asked) -> str:
    """Give what the user said last, before the verifier spoke in his place."""
    users = [m for m in asked.get("messages", []) if m.get("role") == "user" and _AGAIN not in str(m.get("content"))]
    return str(users[-1]["content"]) if users else said_last(asked)


def _called(asked: Asked) -> int:
    """Count the tools' answers of this turn."""
    count = 0
    for message in reversed(asked.get("messages", [])):
        if message.get("role") == "user" and _AGAIN not in str(message.get("content")):
            break
        count += message.get("role") == "tool"
    return count
