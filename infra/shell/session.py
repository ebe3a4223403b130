"""A session in its journal: what it began with, every row, mandate and command, and marks to hold a replay against."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from infra.journal.blocks import EntryKind, layout_hash
from infra.journal.errors import JournalDamaged, JournalFailed, JournalForeign
from infra.journal.reader import Entry, entries, read_notes, read_title_of
from infra.journal.writer import Journal
from infra.shell.core import COMMAND, MANDATE, PARAMS, Core, MandateDiffers, MandateOutlived, is_ask
from state.events import EVENT, Kind, Source
from state.orders import Act
from state.params import Params, default_params
from state.records import as_dict

SESSION_VERSION: Final = 3
LAYOUTS: Final = {"Mandate": MANDATE, "Command": COMMAND, "Params": PARAMS}
OF_ORDERS: Final = tuple(
    int(kind) for kind in (Kind.ORDER_CHANGED, Kind.FILLED, Kind.FILL_REVERSED, Kind.FILL_MINED, Kind.FILL_CONFIRMED)
)
_MANDATE_GIVEN: Final = int(Kind.MANDATE_GIVEN)
_PARAMS_CHANGED: Final = int(Kind.PARAMS_CHANGED)

Rows = NDArray[Any]
Told = Callable[[int], None]
"""Told how many rows have been replayed."""


class Books(Protocol):
    """Hears what is written down, in the journal's order and under its numbers; must never wait."""

    def begin(self, cash_micros: int, now_ns: int) -> None:
        """Hear what money a session begins with."""

    def rows(self, first: int, events: Rows) -> None:
        """Hear rows, the first by its ordinal in the journal."""

    def commands(self, commands: Rows) -> None:
        """Hear what the core commanded."""

    def note(self, number: int, note: Mapping[str, Any], now_ns: int) -> None:
        """Hear a note by its number in the journal."""


class Session:
    """The journal of a live session, open for writing."""

    def __init__(self, folder: Path, *, created_ns: int, code: str) -> None:
        """Open or begin a session's journal; a torn end has been cut off to the last whole block."""
        self.journal = Journal(folder, created_ns=created_ns, code=code, layouts=LAYOUTS)
        self._given = np.zeros(1, EVENT)
        self._given["source_code"] = Source.OURSELVES
        self.books: Books | None = None
        """Keeps the books of this session; a watcher would hear rows in another order when a venue answers at once."""
        self.orders_leave = False
        """Orders leave for a venue: they are made safe on disk as soon as they are written down."""
        self._safe: _Sync | None = None
        """The wish that the orders written down last be safe on disk, if it was said."""

    @property
    def is_new(self) -> bool:
        """Say whether nothing was written before."""
        return self.journal.next_seq == 0

    def begin(self, core: Core, about: dict[str, Any], now_ns: int) -> None:
        """Write down what a replay starts from."""
        told = {
            "session": SESSION_VERSION,
            "params": as_dict(core.params),
            "cash_micros": core.cash_micros,
            "about": about,
        }
        self.journal.append_note(told, now_ns)
        if self.books is not None:
            self.books.begin(core.cash_micros, now_ns)

    def note(self, note: dict[str, Any], now_ns: int) -> None:
        """Write down something for people, or for the next start."""
        number = self.journal.append_note(note, now_ns)
        if self.books is not None:
            self.books.note(number, note, now_ns)

    def rows(self, events: Rows, count: int) -> None:
        """Write down rows, before the core receives them."""
        first = self.journal.append_events(events[:count])
        if self.books is not None:
            self.books.rows(first, events[:count])

    def frame(self, wire: int, connection: int, seen_ns: int, raw: bytes) -> None:
        """Write down a frame as it came."""
        self.journal.append_frame(wire, connection, seen_ns, raw)

    def mandate(self, mandates: Rows, seen_ns: int) -> None:
        """Write down a mandate and the moment at which it began to stand."""
        number = self.journal.append_mandate(mandates.tobytes(), seen_ns)
        self._refer(_MANDATE_GIVEN, int(mandates["slot_id"][0]), number, seen_ns)

    def params(self, params: Params, seen_ns: int) -> None:
        """Write down new parameters and the moment from which they are in force."""
        number = self.journal.append_params(np.asarray(params).tobytes(), seen_ns)
        self._refer(_PARAMS_CHANGED, 0, number, seen_ns)

    def _refer(self, kind: int, slot: int, number: int, seen_ns: int) -> None:
        """Write down the row that names a record by its number among those of its kind."""
        self._given["kind_code"], self._given["slot_id"], self._given["ref_id"] = kind, slot, number
        self._given["at_ns"] = self._given["seen_ns"] = seen_ns
        self.journal.append_events(self._given)

    def commands(self, commands: Rows, now_ns: int) -> None:
        """Write down what the core commanded."""
        self.journal.append_commands(commands, now_ns)
        if (commands["act_code"] == Act.PLACE).any():
            self._safe = None
            if self.orders_leave:
                self._make_safe()
        if self.books is not None:
            self.books.commands(commands)

    def mark(self, core: Core, now_ns: int, *, last: bool = False) -> str:
        """Write down the running hash at this point; gives it."""
        digest = core.digest()
        self.journal.append_note({"mark": digest, "event_seq": int(core.world["event_seq"]), "last": last}, now_ns)
        return digest

    async def safe(self) -> None:
        """Return once the orders written down so far are safe on disk; who asks for the same waits for the same sync.

        The disk begins when an order is written down, and works while the order is signed: nothing that is added to it
        on the way is lost with the power, for salt and hash follow from what was written.

        Raises:
            JournalFailed: it could not be written.
        """
        await self._done(self._safe or self._make_safe())

    async def all_safe(self) -> None:
        """Return once everything written down so far is safe on disk.

        Raises:
            JournalFailed: it could not be written.
        """
        sync = _Sync(asyncio.get_running_loop())
        self.journal.when_safe(sync.told)
        await self._done(sync)

    async def _done(self, sync: "_Sync") -> None:
        if not sync.is_done:
            waiter = asyncio.get_running_loop().create_future()
            sync.waiters.append(waiter)
            await waiter
        if sync.failed:
            raise JournalFailed(f"nothing leaves that is not written down, and writing failed: {sync.failed}")

    def _make_safe(self) -> "_Sync":
        sync = self._safe = _Sync(asyncio.get_running_loop())
        self.journal.when_safe(sync.told)
        return sync

    def close(self) -> None:
        """Write out, seal and let go."""
        self.journal.close()


@dataclass(slots=True)
class _Sync:
    """One wish that all be safe on disk, and who waits for it."""

    loop: asyncio.AbstractEventLoop
    is_done: bool = False
    failed: str = ""
    waiters: list["asyncio.Future[None]"] = field(default_factory=list)

    def told(self, error: BaseException | None) -> None:
        """Hear from the journal's thread that it is done, or failed; who asks from now on need not wait."""
        self.failed = "" if error is None else repr(error)
        self.is_done = True
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)


@dataclass(slots=True)
class Played:
    """What a replay of a session came to."""

    core: Core
    rows_count: int = 0
    commands_count: int = 0
    mandates_count: int = 0
    changes_count: int = 0
    """Changes of parameters."""
    marks_count: int = 0
    frames_count: int = 0
    last_seen_ns: int = 0
    last_mark: str = ""
    difference: str = ""
    """The first thing that came out otherwise than recorded; empty when nothing did."""
    placed: list[bytes] = field(default_factory=list)
    """Orders that the core commanded, packed, in order."""
    told: list[Rows] = field(default_factory=list)
    """What came back of orders: ORDER_CHANGED, FILLED and FILL_REVERSED rows."""
    notes: list[dict[str, Any]] = field(default_factory=list)
    """What the session noted beside its marks."""
    pending: list[bytes] = field(default_factory=list)
    """Commands that the core gave and the journal did not yet show: all of them, after a kill, are lost for good."""


def is_session(folder: Path) -> bool:
    """Say whether a journal is that of a live session."""
    first = next(iter(read_notes(folder, torn_ok=True)), {})
    return "session" in first


def begun(folder: Path) -> dict[str, Any]:
    """Give what a session began with.

    Raises:
        JournalForeign: it is no session, or one of other layouts.
    """
    first = next(iter(read_notes(folder, torn_ok=True)), {})
    if first.get("session") != SESSION_VERSION:
        raise JournalForeign(f"{folder}: not the journal of a live session of this version; use `updown backtest`")
    layouts = read_title_of(folder).layouts
    odd = [name for name, dtype in LAYOUTS.items() if layouts.get(name) != layout_hash(dtype)]
    if odd:
        raise JournalForeign(f"{folder}: written with another layout of {', '.join(odd)}; replay it with its own code")
    return first


def play_session(folder: Path, told: Told | None = None) -> Played:
    """Drive the core once more through everything a session saw, and hold what it commands against what it commanded.

    An end cut short is fine: everything up to there is held. Stops at the first difference.
    """
    first = begun(folder)
    played = Played(Core(default_params(first["params"]), int(first["cash_micros"])))
    records = _Records()
    for entry in entries(folder, torn_ok=True):
        played.last_seen_ns = max(played.last_seen_ns, entry.seen_ns)
        if entry.kind is EntryKind.EVENTS:
            _play_rows(played, entry, records)
            if told is not None:
                told(played.rows_count)
        elif entry.kind is EntryKind.MANDATE:
            records.mandates.append(entry.data)
        elif entry.kind is EntryKind.PARAMS:
            records.params.append(entry.data)
        elif entry.kind is EntryKind.COMMAND:
            _hold_command(played, entry)
        elif entry.kind is EntryKind.NOTE:
            _hold_note(played, json.loads(entry.data))
        elif entry.kind is EntryKind.FRAME:
            played.frames_count += 1
        if played.difference:
            break
    return played


@dataclass(slots=True)
class _Records:
    """What rows refer to by number, as far as the journal has told."""

    mandates: list[bytes] = field(default_factory=list)
    params: list[bytes] = field(default_factory=list)

    def take(self, played: Played, event: Any) -> tuple[bool, bytes]:
        """Give the record that a row names, and whether it is a mandate.

        Raises:
            JournalDamaged: there is no such record.
        """
        is_mandate, number = int(event["kind_code"]) == _MANDATE_GIVEN, int(event["ref_id"])
        told, what = (self.mandates, "mandate") if is_mandate else (self.params, "parameters")
        if not 0 <= number < len(told):
            raise JournalDamaged(f"row {played.rows_count}: refers to {what} {number}, the journal has {len(told)}")
        return is_mandate, told[number]


def _play_rows(played: Played, entry: Entry, records: _Records) -> None:
    events = entry.rows
    played.rows_count += len(events)
    played.last_seen_ns = max(played.last_seen_ns, int(events["seen_ns"].max()))
    ours = np.isin(events["kind_code"], OF_ORDERS)
    if ours.any():
        played.told.append(events[ours])
    given = np.flatnonzero(np.isin(events["kind_code"], (_MANDATE_GIVEN, _PARAMS_CHANGED)))
    start = 0
    for at in [*given.tolist(), len(events)]:
        for commands in played.core.receive(events[start:at], at - start):
            _keep(played, commands)
        if at < len(events) and not _play_record(played, events[at], records):
            return
        start = at + 1


def _play_record(played: Played, event: Any, records: _Records) -> bool:
    is_mandate, data = records.take(played, event)
    seen_ns = int(event["seen_ns"])
    if not is_mandate:
        params: Any = np.frombuffer(bytearray(data), PARAMS)[0]
        played.changes_count += 1
        _keep(played, played.core.change_params(params, seen_ns))
        return True
    try:
        commands = played.core.give(np.frombuffer(bytearray(data), MANDATE), seen_ns)
    except (MandateDiffers, MandateOutlived) as error:
        played.difference = str(error)
        return False
    played.mandates_count += 1
    _keep(played, commands)
    return True


def _keep(played: Played, commands: Rows) -> None:
    for row in range(len(commands)):
        packed = commands[row : row + 1].tobytes()
        played.pending.append(packed)
        if int(commands["act_code"][row]) == Act.PLACE:
            played.placed.append(packed)
        if is_ask(commands[row]):
            played.core.ask(int(commands["slot_id"][row]))


def _hold_command(played: Played, entry: Entry) -> None:
    """Hold a recorded command against the next one that came."""
    played.commands_count += 1
    came = played.pending.pop(0) if played.pending else b""
    if came == entry.data:
        return
    recorded = as_dict(np.frombuffer(entry.data, COMMAND)[0])
    if not came:
        played.difference = f"command {played.commands_count}: recorded {recorded}, and none came"
        return
    other = as_dict(np.frombuffer(came, COMMAND)[0])
    odd = {name: (recorded[name], other[name]) for name in recorded if repr(recorded[name]) != repr(other[name])}
    played.difference = f"command {played.commands_count}: recorded and came differ in {odd}"


def _hold_note(played: Played, note: dict[str, Any]) -> None:
    if "pulse" in note:  # how it did, thousands a day, for who watches from outside
        return
    if "mark" not in note:
        played.notes.append(note)
        return
    played.marks_count += 1
    played.last_mark = note["mark"]
    if note["event_seq"] == int(played.core.world["event_seq"]) and note["mark"] != played.core.digest():
        played.difference = f"mark at event {note['event_seq']}: recorded {note['mark'][:16]}, came otherwise"
    elif note["event_seq"] != int(played.core.world["event_seq"]):
        played.difference = f"mark at event {note['event_seq']}: the replay stands at {played.core.world['event_seq']}"


def notes_of(played: Played, key: str) -> Iterator[Any]:
    """Give the values that a session noted under a key, in order."""
    yield from (note[key] for note in played.notes if key in note)
