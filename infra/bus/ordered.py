"""A journal's entries in their one order again, from messages that came by partitions."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from infra.bus.dedupe import Dedupe, Doubled, Missing
from infra.bus.messages import OFFSET_BYTES, TITLE, Foreign, Message
from infra.bus.port import Subscription
from infra.journal.blocks import ROW_BYTES, EntryKind
from infra.journal.reader import Entry
from state.events import EVENT


class _Waiting(NamedTuple):
    """What of a message was not given yet, ordered by the number of its next item."""

    seq: int
    at: int
    """How many of its items were given."""
    message: Message
    numbers: NDArray[np.int64]


@dataclass(slots=True)
class Ordered:
    """Puts the items of a journal's messages into one order, and gives them as far as there is no hole.

    Args:
        next_seq: The first item that is wanted.
        row: How many event rows stand before it in the journal.
    """

    next_seq: int = 0
    row: int = 0
    _waiting: list[_Waiting] = field(default_factory=list)

    def put(self, message: Message) -> None:
        """Take a message, in any order; each once, and without items before the first that is wanted."""
        assert message.kind != TITLE and message.seq >= self.next_seq
        heapq.heappush(self._waiting, _Waiting(message.seq, 0, message, message.numbers))

    def ready(self) -> Iterator[Entry]:
        """Give the entries that come next; runs of event rows may be cut otherwise than they were in the journal."""
        while self._waiting and self._waiting[0].seq == self.next_seq:
            _, at, message, numbers = heapq.heappop(self._waiting)
            breaks = np.flatnonzero(np.diff(numbers[at:]) != 1)
            end = at + (int(breaks[0]) + 1 if len(breaks) else len(numbers) - at)
            yield self._entry(message, at, end, len(numbers))
            self.next_seq += end - at
            if end < len(numbers):
                heapq.heappush(self._waiting, _Waiting(int(numbers[end]), end, message, numbers))

    @property
    def waiting_count(self) -> int:
        """Give how many messages wait for something before them."""
        return len(self._waiting)

    @property
    def hole(self) -> str:
        """Say what is missing before what waits; empty when nothing waits."""
        if not self._waiting:
            return ""
        return f"items {self.next_seq} to {self._waiting[0].seq - 1}"

    def _entry(self, message: Message, at: int, end: int, count: int) -> Entry:
        if message.kind != EntryKind.EVENTS:
            return message.entry._replace(row=self.row)
        start = count * OFFSET_BYTES
        data = message.payload[start + at * ROW_BYTES : start + end * ROW_BYTES]
        first = np.frombuffer(data, EVENT, 1)
        source, seen_ns = int(first["source_code"][0]), int(first["seen_ns"][0])
        entry = Entry(self.next_seq, self.row, EntryKind.EVENTS, source, 0, seen_ns, data)
        self.row += end - at
        return entry


@dataclass(slots=True)
class BusReading:
    """One journal, read from a bus as `infra.journal.reader.Reading` reads it from its files while it is written.

    Args:
        subscription: Of all topics, by a group of this reader's own.
        journal: Its name on the bus.
        ordered: Stands at the first item that is wanted.
    """

    subscription: Subscription
    journal: str
    ordered: Ordered
    foreign_count: int = 0
    """Messages that this code cannot read."""
    _dedupe: Dedupe = field(init=False)

    def __post_init__(self) -> None:
        """Want what `ordered` wants."""
        self._dedupe = Dedupe(from_seq=self.ordered.next_seq)

    def entries(self, most: int, within_s: float) -> Iterator[Entry | Missing]:
        """Give what has come and is whole, waiting for the first message no longer than stated.

        A hole ends it: nothing behind it is ever given, so whoever reads says so and stops.
        """
        for message in self.subscription.batch(most, within_s):
            if isinstance(message, Foreign):
                self.foreign_count += 1
            elif message.journal == self.journal:
                told = self._dedupe.take(message)
                if isinstance(told, Missing):
                    yield told
                    return
                if not isinstance(told, Doubled) and told.kind != TITLE:
                    self.ordered.put(told)
        yield from self.ordered.ready()

    def commit(self) -> bool:
        """Confirm what was given, unless a part of it still waits for its turn; says whether it was confirmed."""
        if self.ordered.waiting_count:
            return False
        self.subscription.commit()
        return True
