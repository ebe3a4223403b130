"""Trees of what runs beside the desk: a turn of the chat with its tools, a cycle of the supervisor with its steps.

Whoever runs them hands their steps in as plain values and sends the tree with `infra.traces.tracer.open_sender`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.traces.runs import Growing, Tree, run_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a turn or a cycle: a question asked of the record, a call of a model, a check."""

    name: str
    start_ns: int
    end_ns: int
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    run_type: str = "chain"
    """As LangSmith names kinds: llm, tool, chain."""
    error: str = ""


def trace_of(name: str, session: str, number: int, start_ns: int) -> str:
    """Give the id under which such a tree is found, LangSmith's or any OTLP collector's, before it is sent."""
    return str(run_id(session, f"{name} {number}", start_ns))


def aside_tree(
    name: str, session: str, number: int, whole: Step, steps: Sequence[Step], *, tags: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
) -> Tree:  # fmt: skip
    """Give the tree of one turn or cycle.

    Args:
        name: `chat turn` or `supervisor cycle`.
        session: the thread of a chat, or the session that a supervisor watches; with the number it makes the ids.
        number: counted within the session.
        whole: what went in and came out of all of it.
        steps: in their order.
        tags: for filtering.
        metadata: receipt's number and hash, parameters, versions; the thread is added.
    """
    growing = Growing(session)
    path = f"{name} {number}"
    root = growing.add(
        path, None, name=name, start_ns=whole.start_ns, end_ns=whole.end_ns, inputs=whole.inputs, error=whole.error,
        outputs=whole.outputs, tags=tuple(tags), metadata={"thread_id": session, "number": number, **(metadata or {})},
    )  # fmt: skip
    for at, step in enumerate(steps):
        growing.add(
            f"{path} {at} {step.name}", root, name=step.name, start_ns=step.start_ns, end_ns=step.end_ns,
            inputs=step.inputs, outputs=step.outputs, run_type=step.run_type, error=step.error,
        )  # fmt: skip
    return growing.tree()
