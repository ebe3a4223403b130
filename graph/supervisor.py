"""The supervisor as a LangGraph: observe, propose, check, rehearse, decide, approve, apply, watch, roll back.

Whatever waits or touches the world is handed in (`Doors`); the graph holds the order of things. Every way out ends in
`receipt`. What is applied is written down before (`intend`), so that a restart finds what a crash left half done.
State is plain JSON, one writer a key.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

from agents.proposal import Accepted, Context, Refused, check, parsed
from state.params import default_params, params_hash

Plain = dict[str, Any]
Asking = Literal["always", "riskier", "never"]

STEPS_MOST: Final = 15


class ProposerFailed(Exception):
    """The model gave no proposal (dead, slow, refusing, out of budget); the message is the reason, without its text."""


class SupervisorState(TypedDict, total=False):
    """What one cycle knows; each key has one node that writes it."""

    digest: Plain
    """`params` by name, `context` as the check's, and the figures that a proposer may read."""
    proposed: Plain
    checked: Plain
    rehearsed: Plain
    verdict: Plain
    approval: Plain
    applied: Plain
    watched: Plain
    rolled_back: Plain
    receipt: Plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """What is handed in: each is the world's side of one node."""

    observe: Callable[[], Awaitable[Plain]]
    model: Callable[[Plain], Awaitable[Plain]] | None
    """Gives a proposal as plain values, or raises ProposerFailed; None: there is no model."""
    search: Callable[[Plain], Awaitable[Plain]]
    """The deterministic proposer; it sits down when the model has failed or there is none."""
    rehearse: Callable[[Plain], Awaitable[Plain]]
    """Takes the check's `changes`; gives the rehearsal's figures."""
    rule: Callable[[Plain, Plain], Plain]
    """Pure: `changes` and figures to `ruling` ("promote" or another) and `because`."""
    intend: Callable[[Plain], Awaitable[None]]
    apply: Callable[[Plain], Awaitable[Plain]]
    """Gives `taken` (bool) and `words`; the session alone decides."""
    watch: Callable[[Plain], Awaitable[Plain]]
    """Gives `ruling` ("keep" or "roll back") and `because`."""
    roll_back: Callable[[Plain], Awaitable[Plain]]
    receipt: Callable[[Plain], Awaitable[Plain]]
    asking: Asking = "riskier"


def build(doors: Doors) -> "StateGraph[SupervisorState]":
    """Lay out one cycle, uncompiled."""
    graph: StateGraph[SupervisorState] = StateGraph(SupervisorState)
    nodes = _proposing(doors) | _applying(doors)
    for name, node in nodes.items():
        graph.add_node(name, node)
    graph.add_edge(START, "observe")
    graph.add_edge("observe", "propose")
    graph.add_edge("propose", "check")
    graph.add_conditional_edges("check", _after_check, ["rehearse", "apply", "receipt"])
    graph.add_edge("rehearse", "decide")
    graph.add_conditional_edges("decide", _after_decide(doors.asking), ["approve", "apply", "receipt"])
    graph.add_conditional_edges("approve", _after_approve, ["apply", "receipt"])
    graph.add_conditional_edges("apply", _after_apply, ["watch", "receipt"])
    graph.add_conditional_edges("watch", _after_watch, ["roll_back", "receipt"])
    graph.add_edge("roll_back", "receipt")
    graph.add_edge("receipt", END)
    return graph


def _proposing(doors: Doors) -> dict[str, Any]:
    async def observe(state: SupervisorState) -> SupervisorState:
        return {"digest": await doors.observe()}

    async def propose(state: SupervisorState) -> SupervisorState:
        failed = "no model is set"
        if doors.model is not None:
            try:
                said = await doors.model(state["digest"])
            except ProposerFailed as why:
                failed = str(why)
            else:
                read = parsed(said)
                if not isinstance(read, Refused):
                    return {"proposed": {"by": "model", "failed": "", "said": read.model_dump(mode="json")}}
                failed = f"{read.reason}: {read.words}"
        return {"proposed": {"by": "search", "failed": failed, "said": await doors.search(state["digest"])}}

    async def hold(state: SupervisorState) -> SupervisorState:
        digest = state["digest"]
        read = parsed(state["proposed"]["said"])
        told: Any = read
        if not isinstance(read, Refused):
            told = check(read, default_params(digest["params"]), Context(**digest["context"]))
        if isinstance(told, Accepted):
            changes = {change.name: [change.before, change.after] for change in told.changes}
            before = params_hash(default_params(digest["params"]))
            checked = {
                "ok": True,
                "changes": changes,
                "halt": told.halt,
                "riskier": told.riskier,
                "params_hash": before,
            }
            return {"checked": checked}
        assert isinstance(told, Refused)
        return {"checked": {"ok": False, "reason": told.reason.value, "words": told.words}}

    async def rehearse(state: SupervisorState) -> SupervisorState:
        return {"rehearsed": await doors.rehearse(state["checked"]["changes"])}

    async def decide(state: SupervisorState) -> SupervisorState:
        return {"verdict": doors.rule(state["checked"]["changes"], state["rehearsed"])}

    return {"observe": observe, "propose": propose, "check": hold, "rehearse": rehearse, "decide": decide}


def _applying(doors: Doors) -> dict[str, Any]:
    async def approve(state: SupervisorState) -> SupervisorState:
        answer = interrupt({"checked": state["checked"], "rehearsed": state["rehearsed"], "verdict": state["verdict"]})
        said: Mapping[str, Any] = answer if isinstance(answer, Mapping) else {}
        words = {key: str(said.get(key, ""))[:400] for key in ("by", "why")}
        return {"approval": {"approve": said.get("approve") is True, **words}}

    async def apply(state: SupervisorState) -> SupervisorState:
        await doors.intend(dict(state))
        return {"applied": await doors.apply(state["checked"])}

    async def watch(state: SupervisorState) -> SupervisorState:
        return {"watched": await doors.watch(dict(state))}

    async def roll_back(state: SupervisorState) -> SupervisorState:
        return {"rolled_back": await doors.roll_back(dict(state))}

    async def receipt(state: SupervisorState) -> SupervisorState:
        return {"receipt": await doors.receipt(dict(state))}

    return {"approve": approve, "apply": apply, "watch": watch, "roll_back": roll_back, "receipt": receipt}


def _after_check(state: SupervisorState) -> str:
    told = state["checked"]
    if not told["ok"]:
        return "receipt"
    return "apply" if told["halt"] else "rehearse"


def _after_decide(asking: Asking) -> Callable[[SupervisorState], str]:
    def way(state: SupervisorState) -> str:
        if state["verdict"]["ruling"] != "promote":
            return "receipt"
        asks = asking == "always" or (asking == "riskier" and state["checked"]["riskier"])
        return "approve" if asks else "apply"

    return way


def _after_approve(state: SupervisorState) -> str:
    return "apply" if state["approval"]["approve"] else "receipt"


def _after_apply(state: SupervisorState) -> str:
    return "watch" if state["applied"]["taken"] and not state["checked"]["halt"] else "receipt"


def _after_watch(state: SupervisorState) -> str:
    return "roll_back" if state["watched"]["ruling"] == "roll back" else "receipt"
