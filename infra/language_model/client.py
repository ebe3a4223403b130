"""The client: LangChain's ChatOpenAI with everything said, a deadline around it, and typed reasons for what fails.

What a model or its server says is data: a refusal, an error's text or a malformed answer is never repeated in a reason,
a log or an exception. After several failures in a row the model rests, so that nobody waits for a dead server again and
again. Every call is paid out of the budget before it is made.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from infra.clock import monotonic_ns
from infra.language_model.budget import Budget
from infra.language_model.settings import ModelSettings
from state.units import NS_PER_S

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage, BaseMessage

T = TypeVar("T")

ANSWER_TOKENS: Final = 2_000
"""An answer may be so long."""
ANSWER_CHARS: Final = 20_000
PROMPT_CHARS: Final = 200_000
CHARS_PER_TOKEN: Final = 3
"""For what is set aside before a call; text of figures has fewer characters a token than prose."""
OPENAI_URL: Final = "https://api.openai.com/v1"
"""Always said: a variable of another tool (OPENAI_BASE_URL) must not send our key elsewhere."""
UNHEARD: Final[Any] = {"tags": ["nostream"], "callbacks": []}
"""A graph that asks streams nothing of it: what a model says is a draft until it has been checked."""
FAILURES_MOST: Final = 3
REST_S: Final = 60.0


class Why(StrEnum):
    """Why there is no answer."""

    UNREACHABLE = "the model's server cannot be reached"
    TIMED_OUT = "the model did not answer in time"
    REFUSED = "the model refused to answer"
    MALFORMED = "the model's answer is not what was asked for"
    EMPTY = "the model's answer is empty"
    TOO_LONG = "the answer, or the question, is too long"
    RATE_LIMITED = "the model's server wants fewer questions"
    NO_RIGHT = "the model's server does not accept the key"
    FAILED = "the model's server failed"
    OVER_BUDGET = "the day's budget for the model is spent"
    RESTING = "the model failed several times and is left alone for a while"


class Unanswered(Exception):
    """The model gave no answer that can be used."""

    def __init__(self, reason: Why, words: str = "") -> None:
        """Take the reason, and figures of ours where there are any; never words of the model."""
        super().__init__(f"{reason.value} ({words})" if words else reason.value)
        self.reason = reason
        self.words = str(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one answer took."""

    model: str
    prompt_sha256: str
    answer_sha256: str
    tokens_in: int
    tokens_out: int
    usd: float
    elapsed_ms: float


class LanguageModel:
    """One model behind its budget."""

    def __init__(
        self, settings: ModelSettings, budget: Budget, clock_ns: Callable[[], int] = monotonic_ns
    ) -> None:  # fmt: skip
        """Take settings, a budget, and what tells when a rest is over; nothing is imported or asked yet."""
        self.settings = settings
        self.budget = budget
        self._clock_ns = clock_ns
        self._failures_count = 0
        self._rests_until_ns = 0
        self._chat: Any = None

    async def structured(self, system: str, user: str, schema: type[BaseModel]) -> tuple[dict[str, Any], Usage]:
        """Ask for an answer of a shape, under the server's strict schema, and hold it to that shape ourselves.

        Raises:
            Unanswered: with its reason.
        """
        from langchain_core.messages import HumanMessage, SystemMessage

        messages = [SystemMessage(system), HumanMessage(user)]
        strict: dict[str, Any] = {
            "type": "json_schema",
            "json_schema": {"name": schema.__name__, "schema": strict_schema(schema), "strict": True},
        }
        said, usage = await self._ask(messages, response_format=strict)
        with suppress(ValidationError):  # it carries the model's words, so ours is raised outside of it
            return schema.model_validate_json(_text_of(said)).model_dump(mode="json"), usage
        self._failed()
        raise Unanswered(Why.MALFORMED)

    async def reply(
        self, messages: "Sequence[BaseMessage]", tools: Sequence[Mapping[str, Any]] = ()
    ) -> "tuple[AIMessage, Usage]":
        """Ask for the next message of a conversation; `tools` are functions in OpenAI's schema.

        Raises:
            Unanswered: with its reason.
        """
        said, usage = await self._ask(messages, **({"tools": list(tools)} if tools else {}))
        if not said.tool_calls and said.invalid_tool_calls:
            self._failed()
            raise Unanswered(Why.MALFORMED)
        if not said.tool_calls and not _text_of(said).strip():
            self._failed()
            raise Unanswered(Why.EMPTY)
        return said, usage

    # One question.

    async def _ask(self, messages: "Sequence[BaseMessage]", **more: Any) -> "tuple[AIMessage, Usage]":
        if self._clock_ns() < self._rests_until_ns:
            raise Unanswered(Why.RESTING)
        prompt = json.dumps([[each.type, each.content] for each in messages] + [more], sort_keys=True, default=str)
        if len(prompt) > PROMPT_CHARS:
            raise Unanswered(Why.TOO_LONG, f"the question has {len(prompt):,} characters of {PROMPT_CHARS:,}")
        tokens_in = len(prompt) // CHARS_PER_TOKEN + 1
        tries = self.settings.retries + 1
        ticket = self.budget.ask(self._usd(tokens_in, ANSWER_TOKENS) * tries, (tokens_in + ANSWER_TOKENS) * tries)
        if not ticket:
            raise Unanswered(Why.OVER_BUDGET)
        began_ns = self._clock_ns()
        said = await self._answered(lambda: self._client().ainvoke(list(messages), UNHEARD, **more))
        usage = self._usage(prompt, said, tokens_in, began_ns)
        self.budget.spend(ticket, usage.usd, usage.tokens_in + usage.tokens_out)
        self._hold(said)
        self._failures_count = 0
        return said, usage

    async def _answered(self, ask: Callable[[], Awaitable[Any]]) -> "AIMessage":
        """Wait for an answer, tries and all, no longer than the deadline, and give failures their reasons."""
        import httpx
        import openai

        why = Why.FAILED
        try:
            said: AIMessage = await asyncio.wait_for(ask(), self.settings.timeout_s)
            return said
        except (TimeoutError, openai.APITimeoutError, httpx.TimeoutException):
            why = Why.TIMED_OUT
        except (openai.AuthenticationError, openai.PermissionDeniedError):
            why = Why.NO_RIGHT
        except openai.RateLimitError:
            why = Why.RATE_LIMITED
        except (openai.APIConnectionError, httpx.TransportError, OSError):
            why = Why.UNREACHABLE
        except openai.LengthFinishReasonError:
            why = Why.TOO_LONG
        except openai.ContentFilterFinishReasonError:
            why = Why.REFUSED
        except (openai.APIResponseValidationError, ValueError, TypeError, KeyError, IndexError, AttributeError):
            why = Why.MALFORMED  # the libraries trip in many ways over an answer that is none
        except openai.OpenAIError:
            why = Why.FAILED
        self._failed()
        raise Unanswered(why) from None

    def _hold(self, said: "AIMessage") -> None:
        """Refuse what is no answer: a refusal, one that was cut off, one without end."""
        ended = str(said.response_metadata.get("finish_reason", ""))
        if said.additional_kwargs.get("refusal") or ended == "content_filter":
            raise Unanswered(Why.REFUSED)
        if ended == "length" or len(_text_of(said)) > ANSWER_CHARS:
            raise Unanswered(Why.TOO_LONG)

    def _failed(self) -> None:
        self._failures_count += 1
        if self._failures_count >= FAILURES_MOST:
            self._failures_count = 0
            self._rests_until_ns = self._clock_ns() + round(REST_S * NS_PER_S)

    def _client(self) -> Any:
        if self._chat is None:
            import httpx
            from langchain_openai import ChatOpenAI
            from pydantic import SecretStr

            told = self.settings
            # A line of its own, and a new one for each question: the library's is shared by all clients of a process
            # and outlives the loop that it was opened on.
            line = httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0))
            self._chat = ChatOpenAI(
                model=told.model,
                api_key=SecretStr(told.key.reveal()),
                base_url=told.base_url or OPENAI_URL,
                timeout=told.timeout_s,
                max_retries=told.retries,
                use_responses_api=False,
                max_completion_tokens=ANSWER_TOKENS,
                temperature=0.0,
                n=1,
                streaming=False,
                stream_usage=False,
                http_async_client=line,
            )
        return self._chat

    def _usage(self, prompt: str, said: "AIMessage", tokens_in: int, began_ns: int) -> Usage:
        """Take what the server counted; where it did not count, what we set aside."""
        text = _text_of(said) + json.dumps(said.tool_calls, sort_keys=True, default=str)
        told: Mapping[str, Any] = said.usage_metadata or {}
        counted = {name: told.get(name) for name in ("input_tokens", "output_tokens")}
        sent = counted["input_tokens"] or tokens_in
        came = counted["output_tokens"] or len(text) // CHARS_PER_TOKEN + 1
        return Usage(
            model=self.settings.model, prompt_sha256=_digest(prompt), answer_sha256=_digest(text),
            tokens_in=max(int(sent), 0), tokens_out=max(int(came), 0), usd=self._usd(int(sent), int(came)),
            elapsed_ms=(self._clock_ns() - began_ns) / 1e6,
        )  # fmt: skip

    def _usd(self, tokens_in: int, tokens_out: int) -> float:
        told = self.settings
        return (tokens_in * told.usd_per_million_in + tokens_out * told.usd_per_million_out) / 1e6


def strict_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """Give a model's JSON schema as strict structured output wants it: every key required, none besides."""
    told: dict[str, Any] = _closed(schema.model_json_schema())
    return told


def _closed(part: Any) -> Any:
    if isinstance(part, list):
        return [_closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    closed = {name: _closed(each) for name, each in part.items() if name not in ("title", "default")}
    if closed.get("type") == "object":
        closed["additionalProperties"] = False
        closed["required"] = list(closed.get("properties", {}))
    return closed


def _text_of(said: "AIMessage") -> str:
    return said.content if isinstance(said.content, str) else json.dumps(said.content, default=str)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
