"""Playback: a session's journal, driven through the core once more as far as it is written, for whoever listens.

The desk that trades knows nothing of this. A journal that still grows is played on from where the last look ended, so
a reader beside a running desk pays for what is new alone.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from infra.journal.blocks import EntryKind
from infra.journal.errors import JournalForeign
from infra.journal.reader import Reading
from infra.shell.core import MANDATE, PARAMS, Core, MandateDiffers, MandateOutlived
from infra.shell.session import begun
from state.events import Kind
from state.orders import Act
from state.params import default_params

Rows = NDArray[Any]

OURS: Final = (
    Kind.ORDER_CHANGED, Kind.FILLED, Kind.FEE_CHARGED, Kind.FILL_REVERSED, Kind.FILL_CONFIRMED, Kind.MERGED,
    Kind.REDEEMED, Kind.OPERATOR_SAID,
)  # fmt: skip
"""Kinds that are told one by one, when the core has received them."""
_STOPS: Final = tuple(int(kind) for kind in (*OURS, Kind.MANDATE_GIVEN, Kind.PARAMS_CHANGED, Kind.SETTLED))


class Hears(Protocol):
    """Whoever listens to a playback; the core stands as it stood at that row."""

    def rows(self, events: Rows) -> None:
        """Hear rows that the core has received."""

    def decided(self, seq: int, decision: Any, seen_ns: int) -> None:
        """Hear a run of the desk whose mandate stands from now on; `seq` is the mandate's place in the journal."""

    def commanded(self, command: Any) -> None:
        """Hear a command other than a wish for a run of the desk."""

    def told(self, event: Any) -> None:
        """Hear a row of ours."""

    def settled(self, event: Any, market: Any) -> None:
        """Hear how a window ended, with the market as the core has it now."""

    def changed(self, params: Any, seen_ns: int) -> None:
        """Hear that other parameters are in force."""

    def noted(self, note: dict[str, Any], seen_ns: int) -> None:
        """Hear a note of the session."""


@dataclass(slots=True)
class Playback:
    """One session's journal, played to its end and beyond."""

    folder: Path
    listener: Hears
    core: Core = field(init=False)
    first: dict[str, Any] = field(init=False)
    """What the session began with."""
    rows_count: int = 0
    _reading: Reading = field(init=False)
    _mandates: list[tuple[int, bytes]] = field(default_factory=list)
    _params: list[bytes] = field(default_factory=list)
    _due: list[tuple[int, Callable[[], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Read what the session began with.

        Raises:
            JournalForeign, JournalMissing: it is no session that this code can play.
        """
        self.first = begun(self.folder)
        self._reading = Reading(self.folder)
        self.core = Core(default_params(self.first["params"]), int(self.first["cash_micros"]))

    def refresh(self) -> int:
        """Play what was written since the last call; gives how many rows that were.

        Raises:
            JournalForeign: another code wrote it: the core comes to other mandates.
            JournalDamaged: a hole.
        """
        before = self.rows_count
        for entry in self._reading.entries():
            if entry.kind is EntryKind.EVENTS:
                rows = entry.rows
                self.rows_count += len(rows)
                self._play(rows)
            elif entry.kind is EntryKind.MANDATE:
                self._mandates.append((entry.seq, entry.data))
            elif entry.kind is EntryKind.PARAMS:
                self._params.append(entry.data)
            elif entry.kind is EntryKind.NOTE:
                self.listener.noted(json.loads(entry.data), entry.seen_ns)
        return self.rows_count - before

    def later(self, due_ns: int, call: Callable[[], None]) -> None:
        """Call something when every row up to a time has been received."""
        self._due.append((due_ns, call))

    def _play(self, events: Rows) -> None:
        start = 0
        for at in [*np.flatnonzero(np.isin(events["kind_code"], _STOPS)).tolist(), len(events)]:
            self._feed(events[start:at])
            if at < len(events):
                self._stop(events[at : at + 1])
            start = at + 1

    def _feed(self, events: Rows) -> None:
        while len(events) and self._due:
            due_ns = min(each[0] for each in self._due)
            after = np.flatnonzero(events["seen_ns"] > due_ns)
            if not len(after):
                break
            self._receive(events[: after[0]])
            calls = [call for each_ns, call in self._due if each_ns <= due_ns]
            self._due = [each for each in self._due if each[0] > due_ns]
            for call in calls:
                call()
            events = events[after[0] :]
        self._receive(events)

    def _receive(self, events: Rows) -> None:
        if not len(events):
            return
        for commands in self.core.receive(events, len(events)):
            self._hear(commands)
        self.listener.rows(events)

    def _stop(self, row: Rows) -> None:
        kind, seen_ns = int(row["kind_code"][0]), int(row["seen_ns"][0])
        if kind == Kind.MANDATE_GIVEN:
            self._give(int(row["ref_id"][0]), seen_ns)
        elif kind == Kind.PARAMS_CHANGED:
            params = np.frombuffer(bytearray(self._params[int(row["ref_id"][0])]), PARAMS)[0]
            commands = self.core.change_params(params, seen_ns)
            self.listener.changed(params, seen_ns)
            self._hear(commands)
        else:
            self._feed(row)
            if kind == Kind.SETTLED:
                self.listener.settled(row[0], self.core.worlds["markets"][0][int(row["slot_id"][0])])
            else:
                self.listener.told(row[0])

    def _give(self, number: int, seen_ns: int) -> None:
        seq, packed = self._mandates[number]
        self._mandates[number] = (seq, b"")
        mandates = np.frombuffer(bytearray(packed), MANDATE)
        asked = self.core.asked.get(int(mandates["mandate_id"][0]))
        try:
            commands = self.core.give(mandates, seen_ns)
        except MandateOutlived:
            return
        except MandateDiffers as error:
            raise JournalForeign(f"{self.folder}: {error}; read it with the code that wrote it") from None
        assert asked is not None, "a mandate that stands was asked for"
        self.listener.decided(seq, asked.decision[0].copy(), seen_ns)
        self._hear(commands)

    def _hear(self, commands: Rows) -> None:
        for row in range(len(commands)):
            if int(commands["act_code"][row]) == Act.ASK:
                self.core.ask(int(commands["slot_id"][row]))
            else:
                self.listener.commanded(commands[row])
