"""The sender: a bounded queue and one thread that empties it. What does not fit is dropped, oldest first, and counted.

LangSmith's own background queue drops what is newest and keeps its counts to itself, and an endpoint that cannot be
reached holds a process for minutes as it ends. So its client is used for what it knows, the wire, in a thread of ours.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final, Protocol

from infra.traces.runs import Feedback, Tree
from infra.traces.scrub import Scrubber

BATCH: Final = 40
"""Trees and feedback sent at once; a tree is some 20 kB."""
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 30.0
DEADLINE_S: Final = 5.0


class Answer(Enum):
    """What became of a request."""

    TAKEN = "taken"
    AGAIN = "again"
    """Nobody answered, or it was too much: worth another try."""
    REFUSED = "refused"
    """It was understood and not wanted; trying again changes nothing."""


@dataclass(frozen=True, slots=True)
class Told:
    """An answer with its reason."""

    answer: Answer
    why: str = ""


class Outlet(Protocol):
    """Somewhere that takes traces."""

    def send(self, trees: Sequence[Tree], feedback: Sequence[Feedback]) -> Told:
        """Send them and say what came of it; blocks, and never raises for what the other side does."""


@dataclass(slots=True, kw_only=True)
class Counts:
    """What a sender did with what it was given."""

    offered: int = 0
    sent: int = 0
    dropped: int = 0
    """Trees and feedback that found no room: the oldest went."""
    refused: int = 0
    left: int = 0
    """Not sent when time was up."""
    feedback: int = 0
    """Feedback that was sent."""
    tries: int = 0
    """Requests that nobody answered."""
    why: str = ""
    """The last reason that something was not sent."""


Item = Tree | Feedback


@dataclass(slots=True)
class Sender:
    """Takes trees and feedback without ever waiting, and sends them in order."""

    outlets: Sequence[Outlet]
    scrubber: Scrubber
    room: int
    counts: Counts = field(default_factory=Counts)
    _waiting: deque[Item] = field(default_factory=deque)
    _lock: threading.Condition = field(default_factory=threading.Condition)
    _under_way: int = 0
    _dropped_untold: int = 0
    _closing: bool = False
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to send."""
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def offer(self, item: Item) -> None:
        """Take a tree or feedback; scrubbed here, so that nothing unscrubbed ever waits."""
        item = self._scrubbed(item)
        with self._lock:
            self.counts.offered += 1
            if len(self._waiting) >= self.room:
                self._waiting.popleft()
                self.counts.dropped += 1
                self._dropped_untold += 1
            self._waiting.append(item)
            self._lock.notify()

    def wait_for_room(self, most_s: float) -> None:
        """Wait until one more fits, at most so long: for who has time, as a reader of a finished journal has."""
        with self._lock:
            self._lock.wait_for(lambda: len(self._waiting) < self.room, most_s)

    def wait_for_idle(self, most_s: float) -> None:
        """Wait until all that was offered has been dealt with, at most so long."""
        with self._lock:
            self._lock.wait_for(lambda: not self._waiting and not self._under_way, most_s)

    def close(self, deadline_s: float = DEADLINE_S) -> Counts:
        """Send what waits for at most so long, and give the counts; whatever is stuck is left behind."""
        with self._lock:
            self._lock.wait_for(lambda: not self._waiting and not self._under_way, deadline_s)
            self._closing = True
            self._lock.notify_all()
            return replace(self.counts, left=len(self._waiting) + self._under_way)

    def _run(self) -> None:
        wait_s = FIRST_WAIT_S
        while (batch := self._next()) is not None:
            trees = [item for item in batch if isinstance(item, tuple)]
            feedback = [item for item in batch if isinstance(item, Feedback)]
            while not self._send(trees, feedback):
                with self._lock:
                    if self._closing:
                        return
                    self._lock.wait_for(lambda: self._closing, wait_s)
                wait_s = min(wait_s * 2.0, LONGEST_WAIT_S)
            wait_s = FIRST_WAIT_S

    def _next(self) -> list[Item] | None:
        with self._lock:
            self._lock.wait_for(lambda: bool(self._waiting) or self._closing)
            if self._closing:
                return None
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            self._under_way = len(batch)
            if self._dropped_untold:
                batch = _told_of_drops(batch, self._dropped_untold)
                self._dropped_untold = 0
            return batch

    def _send(self, trees: Sequence[Tree], feedback: Sequence[Feedback]) -> bool:
        """Send a batch to every outlet; False: it is worth another try."""
        told = [outlet.send(trees, feedback) for outlet in self.outlets]
        again = [each for each in told if each.answer is Answer.AGAIN]
        refused = [each for each in told if each.answer is Answer.REFUSED]
        with self._lock:
            if again or refused:
                self.counts.why = self.scrubber.text((again or refused)[0].why)
            if again:
                # Ids are reckoned, so an outlet that has taken the batch already is sent the same once more.
                self.counts.tries += 1
                return False
            if refused:
                self.counts.refused += len(trees) + len(feedback)
            else:
                self.counts.sent += len(trees)
                self.counts.feedback += len(feedback)
            self._under_way = 0
            self._lock.notify_all()
        return True

    def _scrubbed(self, item: Item) -> Item:
        clean = self.scrubber
        if isinstance(item, Feedback):
            value = clean.text(item.value) if item.value is not None else None
            return replace(item, comment=clean.text(item.comment), value=value)
        return tuple(
            replace(
                run, inputs=clean.value(run.inputs), outputs=clean.value(run.outputs), error=clean.text(run.error),
                metadata=clean.value(run.metadata), tags=tuple(clean.text(tag) for tag in run.tags),
                name=clean.text(run.name),
            )
            for run in item
        )  # fmt: skip


def _told_of_drops(batch: list[Item], dropped: int) -> list[Item]:
    """Let the first tree of a batch say how many were dropped before it."""
    for at, item in enumerate(batch):
        if isinstance(item, tuple):
            root = replace(item[0], metadata={**item[0].metadata, "dropped_before": dropped})
            batch[at] = (root, *item[1:])
            break
    return batch
