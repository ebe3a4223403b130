"""The bus inside one process: every group is handed every message, and what a group has not confirmed is kept."""

import threading
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from infra.bus.messages import Message, Topic, partition_of
from infra.bus.port import PARTITIONS, Full, Refused, State, Taken, Verdict

ROOM: Final = 100_000
"""Messages that a group may be behind."""


@dataclass(slots=True)
class _Group:
    """What a group has not confirmed, and who reads it."""

    topics: frozenset[Topic]
    waiting: deque[Message] = field(default_factory=deque)
    given_count: int = 0
    """Of the waiting, so many were given to the member that reads."""
    reader: "_Reader | None" = None


class InProcess:
    """Hands messages from one thread to others; the slowest group bounds what may be published.

    A group hears what is published from its first subscription on, for nothing is kept for nobody. One member reads for
    a group at a time; another that comes takes its place.
    """

    def __init__(self, room: int = ROOM, partitions: Mapping[Topic, int] = PARTITIONS) -> None:
        """Open a bus with so much room."""
        self._room = room
        self._partitions = dict(partitions)
        self._groups: dict[str, _Group] = {}
        self._by_topic: dict[Topic, list[_Group]] = defaultdict(list)
        self._changed = threading.Condition()
        self._taken = 0
        self._closed = False

    @property
    def partitions(self) -> Mapping[Topic, int]:
        """Give how many partitions each topic has."""
        return self._partitions

    def publish(self, message: Message) -> Verdict:
        """Hand a message to every group that reads its topic, or to none."""
        assert message.place.partition == partition_of(message.key, self._partitions[message.place.topic])
        with self._changed:
            if self._closed:
                return Refused("the bus is closed")
            groups = self._by_topic[message.place.topic]
            behind = max((len(group.waiting) for group in groups), default=0)
            if behind >= self._room:
                return Full(behind, f"a group is {behind} messages behind")
            for group in groups:
                group.waiting.append(message)
            self._taken += 1
            self._changed.notify_all()
        return Taken()

    def state(self) -> State:
        """Say how publishing stands: what is taken has arrived."""
        return State(self._taken, self._taken, self._taken, "", "the bus is closed" if self._closed else "")

    def flush(self, within_s: float) -> State:
        """Say how publishing stands: there is nothing to wait for."""
        del within_s
        return self.state()

    def subscribe(self, group: str, topics: Sequence[Topic]) -> "_Reader":
        """Read topics for a group; what it was given and has not confirmed is given again."""
        with self._changed:
            found = self._groups.get(group)
            if found is None:
                found = self._groups[group] = _Group(frozenset(topics))
                for topic in found.topics:
                    self._by_topic[topic].append(found)
            assert found.topics == frozenset(topics), "a group reads the same topics for ever"
            found.given_count = 0
            found.reader = _Reader(found, self._changed)
            self._changed.notify_all()
            return found.reader

    def close(self) -> None:
        """Take nothing more; what waits may be read to its end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class _Reader:
    """The member that reads for a group."""

    def __init__(self, group: _Group, changed: threading.Condition) -> None:
        self._group, self._changed = group, changed

    def batch(self, most: int, within_s: float) -> list[Message]:
        """Give what waits, at most so many."""
        with self._changed:
            group = self._group
            self._changed.wait_for(lambda: group.reader is not self or len(group.waiting) > group.given_count, within_s)
            if group.reader is not self:
                return []
            start = group.given_count
            group.given_count = min(len(group.waiting), start + most)
            return [group.waiting[at] for at in range(start, group.given_count)]

    def commit(self) -> None:
        """Let go of what was given."""
        with self._changed:
            if self._group.reader is not self:
                return
            for _ in range(self._group.given_count):
                self._group.waiting.popleft()
            self._group.given_count = 0
            self._changed.notify_all()

    def close(self) -> None:
        """Stop reading; the group keeps what is published meanwhile, as long as there is room."""
        with self._changed:
            if self._group.reader is self:
                self._group.reader = None
                self._changed.notify_all()
