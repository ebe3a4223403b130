"""A journal made again from what a bus holds of it: every item under its number, or the first that is missing."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from infra.bus.dedupe import Dedupe, Doubled, Missing
from infra.bus.messages import TITLE, Foreign, Message
from infra.bus.ordered import Ordered
from infra.bus.port import BusRefused
from infra.journal.blocks import EntryKind, layout_hash
from infra.journal.errors import JournalForeign
from infra.journal.reader import Entry
from infra.journal.segments import Title
from infra.journal.writer import Journal
from state.desk import Mandate
from state.events import EVENT
from state.orders import Command
from state.params import Params
from state.records import layout

LAYOUTS: Final[Mapping[str, np.dtype[Any]]] = {
    "Mandate": layout(Mandate), "Command": layout(Command), "Params": layout(Params)
}  # fmt: skip
"""Records that a session's journal may name, beside the event rows."""


class BusIncomplete(Exception):
    """What a bus holds of a journal does not make up the journal; one line: what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was made again."""

    journal: str
    folder: str
    items_count: int
    messages_count: int
    doubled_count: int
    """Messages that the bus held twice."""
    foreign_count: int
    """Messages on these topics that this code cannot read."""

    def as_plain(self) -> dict[str, Any]:
        """Give it as JSON can hold it."""
        return asdict(self)

    @property
    def words(self) -> str:
        """Say it in a line."""
        said = f"{self.folder}: {self.items_count:,} items of journal {self.journal}"
        said += f" from {self.messages_count:,} messages, {self.doubled_count:,} of them held twice"
        return said + (f"; {self.foreign_count:,} others could not be read" if self.foreign_count else "")


def restore(held: Iterable[Message | Foreign], journal: str, folder: Path) -> Restored:
    """Write a journal anew from its messages; the folder must not hold one.

    Raises:
        BusIncomplete: messages or items are missing; what came before them has been written.
        BusRefused: nothing of that journal is held.
        JournalForeign: it has records of other layouts than this code's.
    """
    dedupe, ordered = Dedupe(), Ordered()
    counts = {"messages": 0, "foreign": 0}
    waiting: list[Message] = []
    into: Journal | None = None
    try:
        for message in _taken(held, journal, dedupe, counts):
            if message.kind == TITLE:
                into = _open(folder, message.payload)
            elif into is None:
                waiting.append(message)
                continue
            else:
                ordered.put(message)
            for early in waiting:
                ordered.put(early)
            waiting.clear()
            for entry in ordered.ready():
                _append(into, entry)
        if into is None:
            raise BusRefused(f"the bus holds no title of journal {journal}; see `updown tee --json` for its name")
        if ordered.hole:
            raise BusIncomplete(f"journal {journal}: {ordered.hole} are missing on the bus; tee its journal once more")
    finally:
        if into is not None:
            into.close()
    return Restored(
        journal=journal, folder=str(folder), items_count=ordered.next_seq, messages_count=counts["messages"],
        doubled_count=dedupe.doubled_count, foreign_count=counts["foreign"],
    )  # fmt: skip


def journals_held(held: Iterable[Message | Foreign]) -> list[str]:
    """Name the journals whose title a bus holds."""
    return sorted({each.journal for each in held if isinstance(each, Message) and each.kind == TITLE})


def _taken(
    held: Iterable[Message | Foreign], journal: str, dedupe: Dedupe, counts: dict[str, int]
) -> Iterator[Message]:
    """Give each message of one journal once."""
    for each in held:
        if isinstance(each, Foreign):
            counts["foreign"] += 1
            continue
        if each.journal != journal:
            continue
        counts["messages"] += 1
        told = dedupe.take(each)
        if isinstance(told, Missing):
            raise BusIncomplete(f"{told}; the bus keeps them no longer, or the tee has not sent them")
        if not isinstance(told, Doubled):
            yield told


def _open(folder: Path, told: bytes) -> Journal:
    about: dict[str, Any] = json.loads(told)
    title = Title(about["format"], about["event_version"], about["layouts"], about["code"], about["created_ns"], 1, "")
    ours = {name: layout_hash(dtype) for name, dtype in {**LAYOUTS, "Event": EVENT}.items()}
    odd = [name for name, theirs in title.layouts.items() if ours.get(name) != theirs]
    if odd:
        raise JournalForeign(f"the journal has another layout of {', '.join(odd)}; restore it with code {title.code}")
    layouts = {name: dtype for name, dtype in LAYOUTS.items() if name in title.layouts}
    return Journal(folder, created_ns=title.created_ns, code=title.code, layouts=layouts)


def _append(into: Journal, entry: Entry) -> None:
    if entry.kind is EntryKind.EVENTS:
        into.append_events(np.frombuffer(entry.data, EVENT))
    elif entry.kind is EntryKind.FRAME:
        into.append_frame(entry.source, entry.connection, entry.seen_ns, entry.data)
    elif entry.kind is EntryKind.MANDATE:
        into.append_mandate(entry.data, entry.seen_ns)
    elif entry.kind is EntryKind.COMMAND:
        into.append_commands(np.frombuffer(entry.data, LAYOUTS["Command"]), entry.seen_ns)
    elif entry.kind is EntryKind.PARAMS:
        into.append_params(entry.data, entry.seen_ns)
    else:
        into.append_note(json.loads(entry.data), entry.seen_ns)
