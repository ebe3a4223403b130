"""The tracer: follows a journal and sends what is worth tracing, in a process of its own, beside the desk and below it.

The desk knows of it only that it was started. It runs when nobody else wants to (it gets what is left over), ends when
the desk does, and whatever happens to it happens to nobody else: it says so once, on its own error stream.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from infra.clock import monotonic_ns
from infra.journal.errors import JournalMissing
from infra.journal.segments import is_journal
from infra.traces.follow import Explain, Follower, coded_words
from infra.traces.runs import Tree
from infra.traces.sampling import Sampling
from infra.traces.scrub import scrubber_of
from infra.traces.sender import DEADLINE_S, Counts, Item, Outlet, Sender
from infra.traces.settings import Protocol, Tracing
from state.units import NS_PER_S

POLL_S: Final = 1.0
"""How often a growing journal is read on."""
BEGIN_S: Final = 120.0
"""How long a session may take to begin its journal."""
PATIENCE_S: Final = 20.0
"""How long one reading of a growing journal may wait for the sender: what is not read yet is on disk anyway."""

Say = Callable[[str], None]
Over = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Traced:
    """What a tracer did."""

    session: str
    where: str
    decisions: int
    trees: int
    runs: int
    feedback: int
    counts: Counts

    def as_plain(self) -> dict[str, Any]:
        """Give it as JSON can hold it."""
        return asdict(self)

    @property
    def words(self) -> str:
        """Say it in a line."""
        told = self.counts
        said = f"{told.sent} of {self.trees} traces sent to {self.where}, {told.feedback} of {self.feedback} feedback"
        lost = {"dropped": told.dropped, "refused": told.refused, "left unsent": told.left}
        said += "".join(f", {count} {what}" for what, count in lost.items() if count)
        return said + (f" ({told.why})" if told.why else "")


def open_sender(tracing: Tracing, environment: Mapping[str, str], say: Say) -> Sender:
    """Open a sender for what the settings say, and start it; the chat and the supervisor send through one of their own.

    Args:
        tracing: where to.
        environment: whose secrets are scrubbed by heart.
        say: hears what the libraries complain of, once a minute at most.
    """
    outlets: list[Outlet] = []
    if tracing.protocol is not Protocol.OTEL:
        from infra.traces.langsmith_outlet import langsmith_outlet

        outlets.append(langsmith_outlet(tracing, say))
    if tracing.protocol is not Protocol.LANGSMITH:
        from infra.traces.otlp import otlp_outlet

        outlets.append(otlp_outlet(tracing, say))
    sender = Sender(outlets, scrubber_of(environment), tracing.room)
    sender.start()
    return sender


def trace_journal(
    folder: Path, tracing: Tracing, sender: Sender, *, is_over: Over | None = None, explain: Explain = coded_words,
    deadline_s: float = DEADLINE_S,
) -> Traced:  # fmt: skip
    """Trace a session's journal: once as it stands, or, with `is_over`, as it grows until that says so.

    Raises:
        JournalMissing, JournalForeign, JournalDamaged: it cannot be followed.
    """
    sampling = Sampling(share=tracing.share)
    follower = Follower(folder, lambda seen: sampling.why(seen) is not None, explain)
    told = _Tally()
    if is_over is not None:
        _wait_for(folder, is_over)
    while True:
        last = is_over is None or is_over()
        _read_on(follower, sender, told, last=last, patience_s=deadline_s if is_over is None else PATIENCE_S)
        if last:
            break
        time.sleep(POLL_S)
    counts = sender.close(deadline_s)
    return Traced(
        follower.session, tracing.words, follower.decisions_count, told.trees, told.runs, told.feedback, counts
    )


@dataclass(slots=True)
class _Tally:
    trees: int = 0
    runs: int = 0
    feedback: int = 0

    def add(self, trees: list[Tree], feedback: int) -> None:
        self.trees += len(trees)
        self.runs += sum(len(tree) for tree in trees)
        self.feedback += feedback


def _read_on(follower: Follower, sender: Sender, told: _Tally, *, last: bool, patience_s: float) -> None:
    """Read what is new and hand it to the sender, who is given some time to make room; then the oldest are dropped."""
    follower.refresh()
    if last:
        follower.finish()
    trees, feedback = follower.take()
    told.add(trees, len(feedback))
    items: list[Item] = [*trees, *feedback]
    until_ns = monotonic_ns() + round(patience_s * NS_PER_S)
    for item in items:
        sender.wait_for_room(max(until_ns - monotonic_ns(), 0) / NS_PER_S)
        sender.offer(item)


def _wait_for(folder: Path, is_over: Over) -> None:
    until_ns = monotonic_ns() + round(BEGIN_S * NS_PER_S)
    while not _has_begun(folder):
        if is_over() or monotonic_ns() > until_ns:
            raise JournalMissing(f"{folder}: no session began here")
        time.sleep(POLL_S / 5)


def _has_begun(folder: Path) -> bool:
    """Say whether a session's first note is on disk."""
    from infra.journal.errors import JournalDamaged
    from infra.shell.session import is_session

    try:
        return is_journal(folder) and is_session(folder)
    except (JournalDamaged, JournalMissing):  # its first block is still being written
        return False
