"""What travels on the bus: items of one journal with their numbers, and how that looks on a wire.

The journal's sequence is the position, not a broker's offset. All items of a journal are shared out to partitions of
topics, and the items of one key keep their order. A message is known by its first item; it names the message that went
to its partition before it (`before`), so whoever reads a partition knows without asking anybody whether one is missing.
"""

import struct
import zlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from infra.journal.blocks import ROW_BYTES, EntryKind
from infra.journal.reader import Entry
from state.events import EVENT, EVENT_VERSION

WIRE_VERSION: Final = 1
SCHEMA: Final = f"{WIRE_VERSION}.{EVENT_VERSION}"
"""Version of this wire, and of the event rows in it."""
TITLE: Final = 0
"""Kind of the message that names the journal; every other kind is an `EntryKind`."""
TITLE_SEQ: Final = -1
"""The title stands before item 0."""
NOTHING: Final = -2
"""What a partition's first message has before it."""
_KINDS: Final = {TITLE, *map(int, EntryKind)}
_ONE: Final = struct.Struct("<qIB")
"""Before the bytes of one entry: time seen, connection, source."""
_OFFSET: Final = np.dtype("<u4")
OFFSET_BYTES: Final = _OFFSET.itemsize
"""Before the rows of a message, each row's place among the journal's items."""
_EACH: Final = ROW_BYTES + OFFSET_BYTES


class Topic(StrEnum):
    """What a message is about."""

    FRAMES = "frames"
    """Messages of feeds as they came."""
    EVENTS = "events"
    """Event rows, but for those of orders."""
    DECISIONS = "decisions"
    """Mandates."""
    ORDERS = "orders"
    """Commands, and the rows that say what became of orders."""
    PARAMS = "params"
    NOTES = "notes"
    """Notes, and the journal's title before them."""


class Place(NamedTuple):
    """A partition of a topic."""

    topic: Topic
    partition: int


class Message(NamedTuple):
    """Items of one journal that belong to one key of one topic, in the journal's order."""

    place: Place
    key: str
    """What keeps its order: a window's name, a feed's connection."""
    journal: str
    seq: int
    """Sequence number of its first item: its own number within the journal, growing within a partition."""
    last: int
    """Sequence number of its last item; items of other keys may lie between."""
    before: int
    """First item of the message of this journal that went to this partition before it; `NOTHING`: it is the first."""
    kind: int
    payload: bytes

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Give the sequence number of each of its items."""
        if self.kind != EntryKind.EVENTS:
            return np.array([self.seq], np.int64)
        count = len(self.payload) // _EACH
        return np.frombuffer(self.payload, _OFFSET, count).astype(np.int64) + self.seq

    @property
    def rows(self) -> NDArray[Any]:
        """Give the event rows of an EVENTS message, as memory that may be written to."""
        assert self.kind == EntryKind.EVENTS
        count = len(self.payload) // _EACH
        return np.frombuffer(bytearray(self.payload[count * OFFSET_BYTES :]), EVENT)

    @property
    def entry(self) -> Entry:
        """Give what is no event row as the entry that it is; which row it stands before is not told on the bus."""
        assert self.kind not in (EntryKind.EVENTS, TITLE)
        seen_ns, connection, source = _ONE.unpack_from(self.payload)
        return Entry(self.seq, -1, EntryKind(self.kind), source, connection, seen_ns, self.payload[_ONE.size :])

    @property
    def seen_ns(self) -> int:
        """Give when its first item was seen; 0 for a title."""
        if self.kind == EntryKind.EVENTS:
            return int(self.rows["seen_ns"][0])
        return 0 if self.kind == TITLE else int(_ONE.unpack_from(self.payload)[0])


class Foreign(NamedTuple):
    """Something on a topic that is no message of ours, or of a version that this code does not read."""

    place: str
    why: str


def rows_payload(numbers: NDArray[np.int64], rows: NDArray[Any]) -> bytes:
    """Pack event rows with their sequence numbers."""
    packed: bytes = (numbers - numbers[0]).astype(_OFFSET).tobytes() + rows.tobytes()
    return packed


def entry_payload(entry: Entry) -> bytes:
    """Pack an entry that is no run of event rows."""
    return _ONE.pack(entry.seen_ns, entry.connection, entry.source) + entry.data


def partition_of(key: str, partitions_count: int) -> int:
    """Give the partition of a key: the same in every process and in every run."""
    return zlib.crc32(key.encode()) % partitions_count


def headers_of(message: Message) -> list[tuple[str, bytes]]:
    """Give a message's headers: plain text, for any reader of the topic."""
    told = {
        "schema": SCHEMA, "journal": message.journal, "seq": message.seq, "last": message.last,
        "before": message.before, "kind": message.kind,
    }  # fmt: skip
    return [(name, str(value).encode()) for name, value in told.items()]


def message_of(place: Place, key: bytes, headers: Sequence[tuple[str, bytes]], payload: bytes) -> Message | Foreign:
    """Read a message from what a broker holds, and say what is wrong with it if anything is."""
    told = dict(headers)
    where = f"{place.topic}/{place.partition}"
    schema = told.get("schema", b"").decode("ascii", "replace")
    if schema != SCHEMA:
        return Foreign(where, f"schema {schema or 'not stated'}, this code reads {SCHEMA}")
    try:
        seq, last, before, kind = (int(told[name]) for name in ("seq", "last", "before", "kind"))
        message = Message(place, key.decode(), told["journal"].decode(), seq, last, before, kind, payload)
    except (KeyError, ValueError) as error:
        return Foreign(where, f"headers cannot be read: {error!r}")
    return _hold(message, where)


def _hold(message: Message, where: str) -> Message | Foreign:
    """Hold a message's numbers against each other and against its payload."""
    size, kind = len(message.payload), message.kind
    if kind not in _KINDS:
        return Foreign(where, f"a message of kind {kind}")
    if not message.before < message.seq <= message.last:
        return Foreign(where, f"items {message.seq} to {message.last} after {message.before}")
    if kind == EntryKind.EVENTS:
        if not size or size % _EACH or int(message.numbers[-1]) != message.last:
            return Foreign(where, f"{size} bytes of rows that end at item {message.last}")
    elif message.seq != message.last or (kind != TITLE and size < _ONE.size):
        return Foreign(where, f"{size} bytes of one entry, items {message.seq} to {message.last}")
    return message


def since(message: Message, seq: int) -> Message:
    """Give what of a message stands at an item or after it; its last item must."""
    assert seq <= message.last
    if message.kind != EntryKind.EVENTS or seq <= message.seq:
        return message
    numbers = message.numbers
    fresh = numbers >= seq
    kept = numbers[fresh]
    return message._replace(seq=int(kept[0]), payload=rows_payload(kept, message.rows[fresh]))
