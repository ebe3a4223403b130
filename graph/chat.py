"""The chat as a LangGraph: hear, ask the record, draft, verify, answer; with a model, or by rules without one.

Input is `{"messages": [{"role": "user", "content": "why decision 12"}]}`, so that LangGraph's own faces speak to it
unmodified; the answer is one more message, whose `additional_kwargs` say who spoke, what was asked of the record and
how much of it was checked. A model's draft goes from the node that thinks to the node that verifies by hand (`Send`):
it is in no state and in no message, and only what the verifier has held against the record's answers is said. Whatever
waits or touches the world is handed in (`Doors`), and all of it only reads.
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
from langgraph.types import Command, Send

from agents.answer_words import say_all, say_one
from agents.chat_words import SYSTEM, again, heard, instead, shown
from agents.contradictions import contradictions
from agents.explainer import Ask, NotUnderstood, follow_up, last_named, understand
from agents.grounding import Ungrounded, ground, uncited
from agents.questions import QUESTIONS, as_function, question, refusal

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
    """Of this turn: a model's calls and the record's answers; plain values, for what is a message is shown."""
    asked: list[Plain]
    """Of this turn: question, arguments and answer, and whether the question was one that may be asked."""
    calls: list[Plain]
    """A model's calls as it wrote them; only ever handed to whoever looks."""
    draft: str
    """What a model wrote; only ever handed to the verifier."""
    again: list[str]
    """What was not in the record; only ever handed back to the model."""
    text: str
    """The answer: a model's words when they are verified, or code's."""
    spoken: Plain
    """By whom, why not by the model, how much was checked."""
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
    thinking = {"think": ("look", "verify", "explain"), "verify": ("think", "explain", "answer")}
    for name, node in (_speaking(doors) | _closing()).items():
        graph.add_node(name, node, destinations=thinking.get(name))
    graph.add_edge(START, "hear")
    graph.add_conditional_edges(
        "hear", lambda _: "think" if doors.reply is not None else "explain", ["think", "explain"]
    )
    graph.add_edge("look", "think")
    graph.add_edge("explain", "answer")
    graph.add_edge("answer", END)
    return graph


def _speaking(doors: Doors) -> dict[str, Any]:
    async def ask(name: str, arguments: Plain) -> Plain:
        told = refusal(name, arguments)
        if told is not None:  # the words of a call that may not be made are the model's own: they are not passed on
            known = question(name)
            return {"question": known.name if known else "", "arguments": {}, "result": told, "is_refused": True}
        get_stream_writer()({"asks": name, "arguments": arguments})
        result = await doors.answer(name, arguments)
        return {"question": name, "arguments": arguments, "result": result, "is_refused": False}

    async def think(state: ChatState) -> "Command[Any]":
        assert doors.reply is not None, "only a chat with a model thinks"
        messages = [SystemMessage(SYSTEM), *_before(state), *convert_to_messages(state["inner"])]
        if state.get("again"):
            messages.append(HumanMessage(again(state["again"])))
        try:
            said = await doors.reply(messages, FUNCTIONS)
        except ModelFailed as why:
            return Command(update={"spoken": state["spoken"] | {"failed": str(why)}}, goto="explain")
        spoken = state["spoken"] | {"rounds": state["spoken"]["rounds"] + 1}
        if not said.tool_calls:
            to_verify = {**state, "draft": _text(said), "spoken": spoken}
            return Command(update={"spoken": spoken}, goto=Send("verify", to_verify))
        if spoken["rounds"] > ROUNDS_MOST:
            return Command(update={"spoken": spoken | {"failed": "the model asked without end"}}, goto="explain")
        calls = [dict(each) for each in said.tool_calls[:CALLS_MOST]]
        return Command(update={"spoken": spoken}, goto=Send("look", {**state, "spoken": spoken, "calls": calls}))

    async def look(state: ChatState) -> ChatState:
        asked = [await ask(str(call["name"]), dict(call["args"])) for call in state["calls"]]
        ids = [f"call-{len(state['inner'])}-{at}" for at in range(len(asked))]
        calls = [
            {"id": own, "name": each["question"] or "no_such_question", "args": each["arguments"], "type": "tool_call"}
            for own, each in zip(ids, asked, strict=True)
        ]
        told = [
            {"role": "tool", "content": shown(each["result"], _words(each)), "tool_call_id": own}
            for own, each in zip(ids, asked, strict=True)
        ]
        kept = {"role": "assistant", "content": "", "tool_calls": calls}
        return {"asked": [*state["asked"], *asked], "inner": [*state["inner"], kept, *told]}

    async def explain(state: ChatState) -> ChatState:
        understood = understand(_question(state), state.get("about"))
        spoken = state["spoken"] | {"by": "code"}
        if isinstance(understood, NotUnderstood):
            found = [each for each in state["asked"] if not each["is_refused"]]
            return {"text": _say(found) if found else understood.words, "spoken": spoken}
        found = [await ask(each.name, dict(each.arguments)) for each in understood.asks]
        more = follow_up(understood, [each["result"] for each in found])
        found += [await ask(each.name, dict(each.arguments)) for each in more]
        return {"asked": found, "text": _say(found), "spoken": spoken}

    return {"think": think, "look": look, "explain": explain}


def _closing() -> dict[str, Any]:
    async def hear(state: ChatState) -> ChatState:
        spoken = {"by": "model", "failed": "", "rounds": 0, "checked": 0, "rewritten": False}
        return {"inner": [], "asked": [], "text": "", "spoken": spoken}

    async def verify(state: ChatState) -> "Command[Any]":
        spoken, results = state["spoken"], [each["result"] for each in state["asked"]]
        if not results:
            failed = "the model answered without asking the record"
            return Command(update={"spoken": spoken | {"failed": failed}}, goto="explain")
        told = ground(state["draft"], results, _question(state))
        missing = list(told.missing) if isinstance(told, Ungrounded) else []
        missing += [*contradictions(state["draft"], results), *uncited(state["draft"], results)]
        if not isinstance(told, Ungrounded) and not missing:
            return Command(
                update={"text": state["draft"], "spoken": spoken | {"checked": told.checked_count}}, goto="answer"
            )
        if spoken["rewritten"]:
            failed = "the model's answer had what is not in the record"
            return Command(update={"spoken": spoken | {"failed": failed}}, goto="explain")
        spoken = spoken | {"rewritten": True}
        to_mend = {**state, "draft": "", "again": missing, "spoken": spoken}
        return Command(update={"spoken": spoken}, goto=Send("think", to_mend))

    async def answer(state: ChatState) -> ChatState:
        spoken, text = state["spoken"], state["text"]
        asked = [each for each in state["asked"] if not each["is_refused"]]
        results = [each["result"] for each in asked]
        there = [each for each in asked if "cannot" not in each["result"]]
        about = last_named(
            [Ask(each["question"], each["arguments"]) for each in there], [each["result"] for each in there]
        )
        if spoken["by"] == "code":
            told = ground(text, results, _question(state))
            spoken = spoken | {"checked": 0 if isinstance(told, Ungrounded) else told.checked_count}
            if spoken["failed"]:
                text = f"{text}\n\n{instead(spoken['failed'])}"
        said = [{"question": each["question"], "arguments": each["arguments"]} for each in asked]
        message = AIMessage(content=text, additional_kwargs={"spoken": spoken, "asked": said})
        about = about if about is not None else state.get("about")
        # Nothing of the turn but its answer is kept: a thread would grow by every table that was looked at.
        return {"messages": [message], "about": about, "inner": [], "asked": []}

    return {"hear": hear, "verify": verify, "answer": answer}


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
    return say_one(each["question"], each["result"])


def _say(asked: Sequence[Plain]) -> str:
    return say_all([(each["question"], each["result"]) for each in asked])
