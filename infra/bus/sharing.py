"""How a journal's items are shared out: which topic, which key, which partition, and what went there before."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.bus.messages import (
    NOTHING,
    TITLE,
    TITLE_SEQ,
    Message,
    Place,
    Topic,
    entry_payload,
    partition_of,
    rows_payload,
)
from infra.journal.blocks import ROW_BYTES, EntryKind
from infra.journal.reader import Entry
from infra.plain_memory import plain, window_slug
from state.desk import Mandate
from state.events import Kind, Source
from state.orders import Command
from state.records import layout

_OF_ORDERS: Final = (
    Kind.ORDER_CHANGED, Kind.FILLED, Kind.FEE_CHARGED, Kind.FILL_REVERSED, Kind.REBATE_PAID, Kind.MERGED,
    Kind.FILL_MINED, Kind.FILL_CONFIRMED, Kind.REDEEMED, Kind.FILL_RETRIED,
)  # fmt: skip
_OF_NO_WINDOW: Final = (
    Kind.TICKED, Kind.PRICE_SEEN, Kind.CEX_TRADED, Kind.AVERAGE_SEEN, Kind.FEED_CHANGED, Kind.PARAMS_CHANGED,
    Kind.REBATE_PAID, Kind.OPERATOR_SAID, Kind.CHAIN_SEEN, Kind.DAY_CARRIED,
)  # fmt: skip
_KINDS: Final = 256
_RAW: Final = np.dtype(f"V{ROW_BYTES}")
"""A row as bytes: picking out rows then copies every one of them."""
_ORDERS_BIT: Final = 32
_TOPICS: Final = {
    EntryKind.NOTE: Topic.NOTES, EntryKind.FRAME: Topic.FRAMES, EntryKind.MANDATE: Topic.DECISIONS,
    EntryKind.PARAMS: Topic.PARAMS, EntryKind.COMMAND: Topic.ORDERS,
}  # fmt: skip
_SLOTTED: Final = {EntryKind.MANDATE: layout(Mandate), EntryKind.COMMAND: layout(Command)}
DESK: Final = "desk"
"""Key of what concerns no window and no feed."""


def _table(kinds: tuple[Kind, ...]) -> NDArray[np.bool_]:
    table = np.zeros(_KINDS, np.bool_)
    table[[int(kind) for kind in kinds]] = True
    return table


_IS_OF_ORDERS: Final = _table(_OF_ORDERS)
_IS_OF_NO_WINDOW: Final = _table(_OF_NO_WINDOW)


@dataclass(slots=True)
class Sharing:
    """Turns a journal's entries, read from its first one on, into messages; the same entries give the same messages."""

    journal: str
    partitions: Mapping[Topic, int]
    _last: dict[Place, int] = field(default_factory=dict)
    _windows: dict[int, str] = field(default_factory=dict)
    """Name of the window that a slot stands for now."""

    def title(self, title: bytes) -> Message:
        """Give the message that names the journal; it comes before all others."""
        assert not self._last
        return self._message(Topic.NOTES, DESK, TITLE_SEQ, TITLE_SEQ, TITLE, title)

    def messages(self, entry: Entry) -> Iterator[Message]:
        """Give an entry's messages, in the order of their first items within each partition."""
        if entry.kind is EntryKind.EVENTS:
            yield from self._of_rows(entry)
            return
        topic, key = _TOPICS[entry.kind], self._key_of(entry)
        yield self._message(topic, key, entry.seq, entry.seq, int(entry.kind), entry_payload(entry))

    def _message(self, topic: Topic, key: str, seq: int, last: int, kind: int, payload: bytes) -> Message:
        place = Place(topic, partition_of(key, self.partitions[topic]))
        before = self._last.get(place, NOTHING)
        self._last[place] = seq
        return Message(place, key, self.journal, seq, last, before, kind, payload)

    def _key_of(self, entry: Entry) -> str:
        if entry.kind is EntryKind.FRAME:
            return f"feed-{entry.source}-{entry.connection}"
        record = _SLOTTED.get(entry.kind)
        if record is None or len(entry.data) != record.itemsize:
            return DESK
        return self._window(int(plain(np.frombuffer(entry.data, record))["slot_id"][0]))

    def _window(self, slot: int) -> str:
        return self._windows.get(slot) or f"slot-{slot}"

    def _of_rows(self, entry: Entry) -> Iterator[Message]:
        """Share out rows; a listing begins a new stretch, for from there on its slot is another window."""
        rows, raw = plain(entry.rows), np.frombuffer(entry.data, _RAW)
        listed = np.flatnonzero(rows["kind_code"] == Kind.MARKET_LISTED).tolist()
        cuts = sorted({0, *listed, len(rows)})
        for start, end in pairwise(cuts):
            first = rows[start]
            if int(first["kind_code"]) == Kind.MARKET_LISTED:
                name = window_slug(int(first["code_id"]), int(first["ref_id"]), int(first["span_s"]))
                self._windows[int(first["slot_id"])] = name
            yield from self._of_stretch(entry.seq + start, rows[start:end], raw[start:end])

    def _of_stretch(self, seq: int, rows: NDArray[Any], raw: NDArray[Any]) -> Iterator[Message]:
        """Share out rows during which no slot changes its window: a message for each key, by their first rows."""
        kinds = rows["kind_code"]
        tag = np.where(_IS_OF_NO_WINDOW[kinds], rows["source_code"], rows["slot_id"].astype(np.int64) + _KINDS)
        tag += _IS_OF_ORDERS[kinds].astype(np.int64) << _ORDERS_BIT
        tags, firsts, which = np.unique(tag, return_index=True, return_inverse=True)
        for index in np.argsort(firsts).tolist():
            topic, key = self._named(int(tags[index]))
            at = np.flatnonzero(which == index)
            numbers = at + seq
            payload = rows_payload(numbers, raw[at])
            yield self._message(topic, key, int(numbers[0]), int(numbers[-1]), int(EntryKind.EVENTS), payload)

    def _named(self, tag: int) -> tuple[Topic, str]:
        topic = Topic.ORDERS if tag >> _ORDERS_BIT else Topic.EVENTS
        rest = tag & ((1 << _ORDERS_BIT) - 1)
        return topic, _source(rest) if rest < _KINDS else self._window(rest - _KINDS)


def _source(code: int) -> str:
    return Source(code).name.lower() if code in set(Source) else f"source-{code}"
