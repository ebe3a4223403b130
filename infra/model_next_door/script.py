"""What the model next door says: an answer, calls of tools, or a fault by its name."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

Asked = Mapping[str, Any]
"""The body of a request: `messages`, `tools`, `response_format`, `stream`."""


class Fault(StrEnum):
    """What a model and its server may do instead of answering."""

    NONE = "none"
    CUTS = "cuts"
    """Hangs up without a word."""
    SLOW = "slow"
    """Answers well, but late."""
    HANGS = "hangs"
    """Sends half of its answer and then nothing more."""
    TRICKLES = "trickles"
    """Sends blanks for ever: the line is never silent."""
    NO_RIGHT = "401"
    NOT_FOUND = "404"
    RATE_LIMITED = "429"
    FAILS = "500"
    OVERLOADED = "503"
    NOT_JSON = "not json"
    NO_CHOICES = "no choices"
    WRONG_TYPES = "wrong types"
    NULL = "null"
    EMPTY = "empty"
    HUGE = "huge"
    REFUSAL = "refusal"
    CUT_OFF = "cut off"
    """The answer ends at the limit of its length."""
    FILTERED = "filtered"
    BAD_CALL = "bad call"
    """A tool's arguments are no JSON."""


HTTP: Final = {
    Fault.NO_RIGHT: (401, "invalid_api_key"),
    Fault.NOT_FOUND: (404, "model_not_found"),
    Fault.RATE_LIMITED: (429, "rate_limit_exceeded"),
    Fault.FAILS: (500, "server_error"),
    Fault.OVERLOADED: (503, "overloaded"),
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Say:
    """What is answered to one request."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    fault: Fault = Fault.NONE
    after_s: float = 0.0
    """For SLOW: real seconds."""


Script = Callable[[Asked], Say]


def said_last(asked: Asked, role: str = "user") -> str:
    """Give the last message of a role, as text."""
    for message in reversed(asked.get("messages", [])):
        if message.get("role") == role:
            content = message.get("content") or ""
            return content if isinstance(content, str) else json.dumps(content)
    return ""


def tool_results(asked: Asked) -> list[Any]:
    """Give what the tools have answered since the user spoke last, oldest first."""
    found: list[Any] = []
    for message in reversed(asked.get("messages", [])):
        if message.get("role") == "user":
            break
        if message.get("role") == "tool":
            try:
                found.append(json.loads(message.get("content") or "null"))
            except ValueError:
                found.append(message.get("content"))
    return found[::-1]


def lines(*answers: Say) -> Script:
    """Answer with these one after the other; the last one again and again."""
    left = list(answers)

    def script(_: Asked) -> Say:
        return left.pop(0) if len(left) > 1 else left[0]

    return script
