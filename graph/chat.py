"""The chat as a LangGraph: hear, ask the record, draft, verify, answer; with a model, or by rules without one.

Input is `{"messages": [{"role": "user", "content": "why decision 12"}]}`, so that LangGraph's own faces speak to it
unmodified; the answer is one more message, whose `additional_kwargs` say who spoke, what was asked of the record and
how much of it was checked. A model's draft is never a message: it stands in the state, for who debugs, and only what
the verifier has held against the record's answers is said. Whatever waits or touches the world is handed in (`Doors`),
and all of it only reads.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypedDict

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    convert_to_messages,
)  # fmt: skip
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

from agents.answer_words import say_all, say_one
from agents.chat_words import SYSTEM, again, heard, instead, shown
from agents.explainer import Ask, NotUnderstood, follow_up, last_named, understand
from agents.grounding import Ungrounded, ground
from agents.questions import QUESTIONS, as_function

Plain = dict[str, Any]

ROUNDS_MOST: Final = 5
"""Times that a model may ask the record in one turn."""
CALLS_MOST: Final = 8
"""Questions that it may ask at once."""
BEFORE_MOST: Final = 12
"""Messages of before that a model is shown."""
FUNCTIONS: Final = tuple(as_function(each) for each in QUESTIONS)


class ModelFailed(Exception):
    """The model gave no message (dead, slow, refusing, out of budget); the message is the reason, without its text."""


class ChatState(TypedDict, total=False):
    """A conversation, and what the turn under way has come to."""

    messages: Annotated[list[AnyMessage], add_messages]
    inner: list[Plain]
    """Of this turn: a model's calls, the record's answers, its drafts; plain values, for what is a message is shown."""
    asked: list[Plain]
    """Of this turn: question, arguments and answer."""
    draft: str
    spoken: Plain
    """By whom, why not by the model, what was missing."""
    about: int | None
    """The decision that was spoken of last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """What is handed in."""

    answer: Callable[[str, Plain], Awaitable[Plain]]
    """Asks the record; what cannot be answered comes back as `{"cannot": reason}`."""
    reply: Callable[[Sequence[BaseMessage], Sequence[Plain]], Awaitable[AIMessage]] | None
    """Asks a model for the next message, or raises ModelFailed; None: there is no model."""


def build(doors: Doors) -> "StateGraph[ChatState]":
    """Lay out one turn, uncompiled; a checkpointer makes it remember."""
    graph: StateGraph[ChatState] = StateGraph(ChatState)
    for name, node in (_speaking(doors) | _closing()).items():
        graph.add_node(name, node)
    graph.add_edge(START, "hear")
    graph.add_conditional_edges(
        "hear", lambda _: "think" if doors.reply is not None else "explain", ["think", "explain"]
    )
    graph.add_conditional_edges("think", _after_think, ["look", "verify", "explain"])
    graph.add_edge("look", "think")
    graph.add_conditional_edges("verify", _after_verify, ["think", "explain", "answer"])
    graph.add_edge("explain", "answer")
    graph.add_edge("answer", END)
    return graph


def _speaking(doors: Doors) -> dict[str, Any]:
    async def ask(name: str, arguments: Plain) -> Plain:
        get_stream_writer()({"asks": name, "arguments": arguments})
        return {"question": name, "arguments": arguments, "result": await doors.answer(name, arguments)}

    async def think(state: ChatState) -> ChatState:
        assert doors.reply is not None, "only a chat with a model thinks"
        try:
            said = await doors.reply(
                [SystemMessage(SYSTEM), *_before(state), *convert_to_messages(state["inner"])], FUNCTIONS
            )
        except ModelFailed as why:
            return {"spoken": state["spoken"] | {"failed": str(why)}}
        spoken = state["spoken"] | {"rounds": state["spoken"]["rounds"] + 1}
        if said.tool_calls and spoken["rounds"] > ROUNDS_MOST:
            spoken |= {"failed": "the model asked without end"}
        calls = said.tool_calls[:CALLS_MOST]
        kept = {
            "role": "assistant",
            "content": "" if calls else _text(said),
            "tool_calls": [dict(each) for each in calls],
        }
        return {"inner": [*state["inner"], kept], "draft": "" if calls else _text(said), "spoken": spoken}

    async def look(state: ChatState) -> ChatState:
        calls = state["inner"][-1]["tool_calls"]
        asked = [await ask(str(call["name"]), dict(call["args"])) for call in calls]
        told = [
            {"role": "tool", "content": shown(each["result"], _words(each)), "tool_call_id": str(call["id"])}
            for call, each in zip(calls, asked, strict=True)
        ]
        return {"asked": [*state["asked"], *asked], "inner": [*state["inner"], *told]}

    async def explain(state: ChatState) -> ChatState:
        understood = understand(_question(state), state.get("about"))
        if isinstance(understood, NotUnderstood):
            found = state["asked"]
            draft = _say(found) if found else understood.words
            return {"draft": draft, "spoken": state["spoken"] | {"by": "code"}}
        found = [await ask(each.name, dict(each.arguments)) for each in understood.asks]
        more = follow_up(understood, [each["result"] for each in found])
        found += [await ask(each.name, dict(each.arguments)) for each in more]
        return {"asked": found, "draft": _say(found), "spoken": state["spoken"] | {"by": "code"}}

    return {"think": think, "look": look, "explain": explain}


def _closing() -> dict[str, Any]:
    async def hear(state: ChatState) -> ChatState:
        spoken = {"by": "model", "failed": "", "missing": [], "rounds": 0, "rewritten": False}
        return {"inner": [], "asked": [], "draft": "", "spoken": spoken}

    async def verify(state: ChatState) -> ChatState:
        if not state["asked"]:
            return {"spoken": state["spoken"] | {"failed": "the model answered without asking the record"}}
        told = ground(state["draft"], [each["result"] for each in state["asked"]], _question(state))
        if not isinstance(told, Ungrounded):
            return {"spoken": state["spoken"] | {"missing": [], "checked": told.checked_count}}
        spoken = state["spoken"] | {"missing": list(told.missing)}
        if not state["spoken"]["rewritten"]:
            inner = [*state["inner"], {"role": "user", "content": again(told.missing)}]
            return {"inner": inner, "draft": "", "spoken": spoken | {"rewritten": True}}
        return {"spoken": spoken | {"failed": "the model's answer had what is not in the record"}}

    async def answer(state: ChatState) -> ChatState:
        spoken, asked = state["spoken"], state["asked"]
        results = [each["result"] for each in asked]
        about = last_named([Ask(each["question"], each["arguments"]) for each in asked], results)
        text = state["draft"]
        if spoken["by"] == "code":
            told = ground(text, results, _question(state))
            spoken = spoken | {"checked": 0 if isinstance(told, Ungrounded) else told.checked_count}
            if spoken["failed"]:
                text = f"{text}\n\n{instead(spoken['failed'])}"
        said = [{"question": each["question"], "arguments": each["arguments"]} for each in asked]
        shown_of = {name: value for name, value in spoken.items() if name != "missing"}
        message = AIMessage(content=text, additional_kwargs={"spoken": shown_of, "asked": said})
        return {"messages": [message], "about": about if about is not None else state.get("about")}

    return {"hear": hear, "verify": verify, "answer": answer}


def _after_think(state: ChatState) -> str:
    if state["spoken"]["failed"]:
        return "explain"
    return "verify" if state["draft"] else "look"


def _after_verify(state: ChatState) -> str:
    if state["spoken"]["failed"]:
        return "explain"
    return "think" if state["spoken"]["missing"] else "answer"


def _before(state: ChatState) -> list[BaseMessage]:
    """Give the conversation as a model is shown it: words of users and of ours, capped."""
    kept: list[BaseMessage] = []
    for message in state["messages"][-BEFORE_MOST:]:
        if isinstance(message, HumanMessage):
            kept.append(HumanMessage(heard(_text(message))))
        elif isinstance(message, AIMessage):
            kept.append(AIMessage(_text(message)))
    return kept


def _question(state: ChatState) -> str:
    said = [message for message in state["messages"] if isinstance(message, HumanMessage)]
    return heard(_text(said[-1])) if said else ""


def _text(message: BaseMessage) -> str:
    """Give a message's text; faces may send it in parts."""
    if isinstance(message.content, str):
        return message.content
    parts = (part if isinstance(part, str) else str(part.get("text", "")) for part in message.content)
    return "\n".join(part for part in parts if part)


def _words(each: Plain) -> str:
    known = {question.name for question in QUESTIONS}
    return say_one(each["question"], each["result"]) if each["question"] in known else str(each["result"])


def _say(asked: Sequence[Plain]) -> str:
    return say_all([(each["question"], each["result"]) for each in asked])
