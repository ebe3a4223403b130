"""One run of a trace as a value: where it hangs in its tree, what went in, what came out; and feedback upon it.

Ids are reckoned, not drawn: a run's id follows from its session, its name and its time, so whoever reads a journal
twice sends the same trace twice, and a second sending replaces the first instead of standing beside it. They have the
shape of UUID version 7 (time first), which LangSmith wants. Its `dotted_order` is the path from the root, each step
the start time and the id: sorted as text, a tree's runs stand in the order they were begun in.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from state.units import NS_PER_S

NS_PER_MS: Final = 1_000_000
NS_PER_US: Final = 1_000
LATEST_MS: Final = 2**48 - 1


def run_id(session: str, name: str, at_ns: int) -> UUID:
    """Reckon a run's id: 48 bits of its time in milliseconds, the rest of a hash over session and name."""
    told = hashlib.sha256(f"{session}\n{name}\n{at_ns}".encode()).digest()
    packed = bytearray(min(max(at_ns // NS_PER_MS, 0), LATEST_MS).to_bytes(6, "big") + told[:10])
    packed[6] = packed[6] & 0x0F | 0x70
    packed[8] = packed[8] & 0x3F | 0x80
    return UUID(bytes=bytes(packed))


def moment(at_ns: int) -> datetime:
    """Give a time as LangSmith keeps it: to the microsecond, UTC."""
    seconds, rest = divmod(at_ns, NS_PER_S)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // NS_PER_US)


def order_step(at_ns: int, number: UUID) -> str:
    """Give one step of a dotted order."""
    return f"{moment(at_ns):%Y%m%dT%H%M%S%f}Z{number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run; the first of a tree is its root."""

    run_id: UUID
    trace_id: UUID
    parent_id: UUID | None
    dotted_order: str
    name: str
    run_type: str
    start_ns: int
    end_ns: int
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What became of a traced decision, told later: a score, or a word where a number would say nothing."""

    run_id: UUID
    start_ns: int
    """When that run began; LangSmith finds a run sooner by it."""
    key: str
    score: float | None = None
    value: str | None = None
    comment: str = ""
    at_ns: int = 0
    """When it was known."""

    @property
    def feedback_id(self) -> UUID:
        """Give its id: the same run and key give the same one."""
        return run_id(str(self.run_id), f"feedback {self.key}", self.start_ns)


Tree = tuple[Run, ...]
"""The runs of one trace, root first, every parent before its children."""


@dataclass(slots=True)
class Growing:
    """A tree while it is put together."""

    session: str
    runs: list[Run] = field(default_factory=list)

    def add(
        self, path: str, parent: Run | None, *, start_ns: int, end_ns: int, inputs: Mapping[str, Any],
        outputs: Mapping[str, Any], name: str = "", run_type: str = "chain", tags: tuple[str, ...] = (),
        metadata: Mapping[str, Any] | None = None, error: str = "",
    ) -> Run:  # fmt: skip
        """Add a run below a parent; `path` tells it from every other run of the session."""
        number = run_id(self.session, path, start_ns)
        step = order_step(start_ns, number)
        run = Run(
            run_id=number, trace_id=parent.trace_id if parent else number, parent_id=parent.run_id if parent else None,
            dotted_order=f"{parent.dotted_order}.{step}" if parent else step, name=name or path, run_type=run_type,
            start_ns=start_ns, end_ns=max(start_ns, end_ns), inputs=_plain(inputs), outputs=_plain(outputs), tags=tags,
            metadata=_plain(metadata or {}), error=error,
        )  # fmt: skip
        self.runs.append(run)
        return run

    def tree(self) -> Tree:
        """Give the runs that were added."""
        return tuple(self.runs)


def _plain(value: Any) -> Any:
    """Give a value as JSON can hold it: what is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return str(value)


def as_sent(run: Run, project: str) -> dict[str, Any]:
    """Give a run as LangSmith takes it in one piece, begun and ended."""
    sent: dict[str, Any] = {
        "id": run.run_id, "trace_id": run.trace_id, "dotted_order": run.dotted_order, "name": run.name,
        "run_type": run.run_type, "start_time": moment(run.start_ns), "end_time": moment(run.end_ns),
        "inputs": dict(run.inputs), "outputs": dict(run.outputs), "tags": list(run.tags),
        "extra": {"metadata": dict(run.metadata)}, "session_name": project,
    }  # fmt: skip
    if run.parent_id is not None:
        sent["parent_run_id"] = run.parent_id
    if run.error:
        sent["error"] = run.error
    return sent
