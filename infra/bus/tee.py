"""The tee: follows a journal as it grows and publishes what is in it, in a process of its own, beside the desk.

The journal is the buffer: while brokers are away nothing is read on, and so nothing is dropped. Where a tee goes on
after it was killed is read from what the brokers hold: of each partition they have the beginning of what this journal
sends there, for it is sent in order and in messages that follow from the journal alone. So the journal is read from its
beginning once more, and what they have is left out.

Doubt: a tee reads what the kernel has, up to a tenth of a second before it is on disk. Where a machine loses its power,
brokers may have items that the journal does not, and another session of that journal gives their numbers anew; the
next start then finds another message than its own and refuses.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from infra.bus.messages import NOTHING, TITLE_SEQ, Message, Place
from infra.bus.port import Bus, BusRefused, Full, Refused, State
from infra.bus.sharing import Sharing
from infra.journal.blocks import ROW_BYTES, EntryKind
from infra.journal.naming import journal_end
from infra.journal.reader import Entry, Reading, read_title_of
from infra.journal.segments import title_bytes

Wait = Callable[[State], None]
"""Called while there is no room, with how publishing stands; sleeps a little, or raises to give up."""


class _Mark(NamedTuple):
    """An entry that was published: how many messages had been by then, and its last item."""

    messages_count: int
    seq: int
    seen_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Teed:
    """What a tee did and how far it is behind."""

    journal: str
    items_count: int
    """Items read."""
    messages_count: int
    """Messages published by this process."""
    held_count: int
    """Messages left out, for the brokers had them."""
    arrived_seq: int
    """Every item up to this one is with the brokers."""
    lag_items_count: int
    """Items written down that are not."""
    lag_s: float
    """How much later the newest of them was seen than the last that is."""
    away: str
    """Why nothing arrives; empty when all is well."""

    def as_plain(self) -> dict[str, Any]:
        """Give it as JSON can hold it."""
        return asdict(self)

    @property
    def words(self) -> str:
        """Say it in a line."""
        said = f"journal {self.journal}: {self.messages_count:,} messages published, {self.held_count:,} were there"
        said += f", everything up to item {self.arrived_seq:,}" if self.arrived_seq > TITLE_SEQ else ""
        if self.lag_items_count:
            said += f"; {self.lag_items_count:,} items ({self.lag_s:.1f} s) behind"
        return said + (f"; {self.away}" if self.away else "")


@dataclass(slots=True)
class Tee:
    """One journal, published from its beginning to its end and beyond.

    Args:
        folder: The journal's.
        bus: Where to.
        held: The last message of this journal that each partition has.
        journal: Its name on the bus.
    """

    folder: Path
    bus: Bus
    held: Mapping[Place, Message]
    journal: str
    items_count: int = 0
    messages_count: int = 0
    held_count: int = 0
    _sharing: Sharing = field(init=False)
    _reading: Reading = field(init=False)
    _marks: deque[_Mark] = field(default_factory=deque)
    """Entries of which not all messages have arrived."""
    _arrived: _Mark = field(default_factory=lambda: _Mark(0, NOTHING, 0))

    def __post_init__(self) -> None:
        """Stand before the journal's beginning."""
        self._sharing = Sharing(self.journal, self.bus.partitions)
        self._reading = Reading(self.folder)

    def refresh(self, wait: Wait) -> int:
        """Publish what was written down since the last call, and give how many items that were.

        Args:
            wait: Called as long as there is no room.

        Raises:
            JournalDamaged, JournalForeign: it cannot be read.
            BusRefused: the bus takes nothing any more, or holds another journal under this name.
        """
        before = self.items_count
        if not self.items_count:
            self._publish(self._sharing.title(title_bytes(read_title_of(self.folder))), wait)
        for entry in self._reading.entries():
            for message in self._sharing.messages(entry):
                self._publish(message, wait)
            count = items_of(entry)
            self.items_count += count
            self._marks.append(_Mark(self.messages_count, entry.seq + count - 1, last_seen_ns(entry)))
        return self.items_count - before

    def told(self) -> Teed:
        """Say how it stands."""
        state = self.bus.state()
        while self._marks and self._marks[0].messages_count <= state.whole_count:
            self._arrived = self._marks.popleft()
        end = journal_end(self.folder)
        lag = max(0, end.next_seq - 1 - max(self._arrived.seq, TITLE_SEQ))
        since_ns = self._arrived.seen_ns or end.seen_ns
        return Teed(
            journal=self.journal, items_count=self.items_count, messages_count=self.messages_count,
            held_count=self.held_count, arrived_seq=self._arrived.seq, lag_items_count=lag,
            lag_s=max(0, end.seen_ns - since_ns) / 1e9 if lag else 0.0, away=state.refused or state.away,
        )  # fmt: skip

    def _publish(self, message: Message, wait: Wait) -> None:
        held = self.held.get(message.place)
        if held is not None and message.seq <= held.seq:
            self._hold(message, held)
            self.held_count += 1
            return
        while isinstance(verdict := self.bus.publish(message), Full):
            wait(self.bus.state())
        if isinstance(verdict, Refused):
            raise BusRefused(f"the bus takes nothing any more: {verdict.why}")
        self.messages_count += 1

    def _hold(self, message: Message, held: Message) -> None:
        """Hold the last message that a partition has against our own of that number."""
        if message.seq == held.seq and message != held:
            where = f"{held.place.topic}/{held.place.partition}"
            raise BusRefused(
                f"{where} has another message of journal {self.journal} at item {held.seq} than {self.folder}: it is "
                f"of another journal, or of one that lost its end; name it anew with --journal-id"
            )


def items_of(entry: Entry) -> int:
    """Say how many sequence numbers an entry takes."""
    return len(entry.data) // ROW_BYTES if entry.kind is EntryKind.EVENTS else 1


def last_seen_ns(entry: Entry) -> int:
    """Say when the last item of an entry was seen."""
    return int(entry.rows["seen_ns"][-1]) if entry.kind is EntryKind.EVENTS else entry.seen_ns
