"""The ledger's book of a session: hears what the journal is told, in its order and numbering, and books it.

Hearing is an append; booking happens on the ledger's writing thread, or at once where somebody asks for a balance.
What is asked is always up to what was last heard, whether durable yet or not.
"""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from infra.journal.blocks import EntryKind
from infra.journal.reader import entries as journal_entries
from infra.ledger.balances import Balances, Equity, equity_of
from infra.ledger.booking import PLACE, UNBOOKED, Booker, rows_of
from infra.ledger.entries import Entry, Fill, TokenKey
from infra.ledger.ledger import Ledger
from infra.shell.core import COMMAND
from state.events import EVENT, Side, Token

Rows = NDArray[Any]
Fact = tuple[str, int, int, Any]
"""What was heard: its kind, a number, a time, and the thing itself."""
Answer = TypeVar("Answer")
Told = Callable[[int], None]
"""Told how many rows of a journal have been read."""

FILE: Final = "ledger.sqlite"
"""Beside the segments of the session's journal."""
REDEEMED: Final = "redeemed"
"""Key of a session's note that a decided window has been paid: its slug; `amount_micros` says what."""
DEPOSITED: Final = "deposited_micros"
"""Key of a session's note of collateral that the venue showed beyond what the session was told to begin with."""
LISTED: Final = "listed"
"""Key of a session's note of a window that it follows: its slug; `condition` says what the chain calls it."""


class LedgerBook:
    """Books one session.

    Args:
        ledger: Keeps the entries; None: only in memory, for looking into a journal.
    """

    def __init__(self, ledger: Ledger | None = None) -> None:
        self.booker = Booker()
        self._ledger = ledger
        self._heard: deque[Fact] = deque()
        self._lock = threading.Lock()
        self._unwritten: list[Entry] = []
        if ledger is not None:
            ledger.follow(self._take)

    # Hearing: called by the session, never waits.

    def begin(self, cash_micros: int, now_ns: int) -> None:
        """Hear what money a session begins with."""
        self._heard.append(("begin", cash_micros, now_ns, None))

    def rows(self, first: int, events: Rows) -> None:
        """Hear rows of the journal, the first by its ordinal."""
        if events["kind_code"].tobytes().translate(None, UNBOOKED):
            self._heard.append(("rows", first, 0, events.tobytes()))

    def commands(self, commands: Rows) -> None:
        """Hear commands: orders claim money from here on."""
        self._heard.append(("commands", 0, 0, commands.tobytes()))

    def note(self, number: int, note: Mapping[str, Any], now_ns: int) -> None:
        """Hear a note of the journal by its number; those that say what was paid are booked."""
        if _is_told(note):
            self._heard.append(("note", number, now_ns, dict(note)))

    # Booking.

    def _take(self) -> list[Entry]:
        """Give the entries that have come up; called by the ledger's thread."""
        with self._lock:
            self._book()
            taken, self._unwritten = self._unwritten, []
        return taken

    def _book(self) -> None:
        while self._heard:
            for entry in booked(self.booker, self._heard.popleft()):
                if self._ledger is not None:
                    self._unwritten.append(entry)

    def catch_up(self, folder: Path, told: Told | None = None) -> int:
        """Book a journal from its beginning; says how many entries that makes.

        What the ledger has already is held against it and not booked again.
        """
        count = 0
        with self._lock:
            for fact in facts_of(folder, told):
                for entry in booked(self.booker, fact):
                    count += 1
                    if self._ledger is not None:
                        self._unwritten.append(entry)
        return count

    @property
    def away(self) -> str:
        """Say why entries wait to be written; empty when they do not."""
        return "" if self._ledger is None else self._ledger.away

    def complain(self) -> None:
        """Say whether the books can be written.

        Raises:
            LedgerFailed, LedgerDiffers: they cannot.
        """
        if self._ledger is not None:
            self._ledger.complain()

    # Asking.

    def ask(self, question: Callable[[Booker], Answer]) -> Answer:
        """Ask the books something while nobody else writes in them."""
        with self._lock:
            self._book()
            return question(self.booker)

    def balances(self) -> Balances:
        """Give what we have."""
        return self.ask(Booker.balances)

    def equity(self, marks_bps: Mapping[TokenKey, int] | None = None) -> Equity:
        """Give what it is worth, by how sure it is: at cost, or at marks where given."""
        return self.ask(lambda booker: equity_of(booker.balances(), booker.all_fills(), booker.outcomes(), marks_bps))

    def day_pnl_micros(self, day: int) -> int:
        """Give the realised result of a UTC day, counted from 1970; the same after any restart."""
        return self.ask(lambda booker: booker.day_pnl[day])

    def fills(self) -> list[Fill]:
        """Give every fill with its state, oldest first."""
        return self.ask(Booker.all_fills)


def booked(booker: Booker, fact: Fact) -> Iterator[Entry]:
    """Book one thing that was heard."""
    kind, number, now_ns, thing = fact
    if kind == "rows":
        for place, row in rows_of(np.frombuffer(thing, EVENT)):
            yield from booker.row(number + place, row)
    elif kind == "commands":
        for command in np.frombuffer(thing, COMMAND):
            if int(command["act_code"]) == PLACE:
                yield from booker.place(
                    int(command["order_id"]), int(command["slot_id"]), Token(int(command["token_code"])),
                    Side(int(command["side_code"])), int(command["price_bps"]), int(command["amount_micros"]),
                    int(command["at_ns"]),
                )  # fmt: skip
    elif kind == "begin":
        yield from booker.begin(number, now_ns)
    elif REDEEMED in thing:
        yield from booker.redeem(f"note {number}", str(thing[REDEEMED]), int(thing["amount_micros"]), now_ns)
    elif DEPOSITED in thing:
        yield from booker.deposit(f"note {number}", int(thing[DEPOSITED]), now_ns)
    else:
        booker.conditions[str(thing[LISTED])] = str(thing.get("condition", ""))


def facts_of(folder: Path, told: Told | None = None) -> Iterator[Fact]:
    """Give everything in a session's journal that moves money, in order; an end cut short is fine."""
    for entry in journal_entries(folder, torn_ok=True):
        if entry.kind is EntryKind.EVENTS:
            yield "rows", entry.row, 0, entry.data
            if told is not None:
                told(entry.row + len(entry.data) // EVENT.itemsize)
        elif entry.kind is EntryKind.COMMAND:
            yield "commands", 0, 0, entry.data
        elif entry.kind is EntryKind.NOTE:
            note = json.loads(entry.data)
            if "session" in note and "cash_micros" in note:
                yield "begin", int(note["cash_micros"]), entry.seen_ns, None
            elif _is_told(note):
                yield "note", entry.seq, entry.seen_ns, note


def _is_told(note: Mapping[str, Any]) -> bool:
    return REDEEMED in note or DEPOSITED in note or LISTED in note


def entries_of(folder: Path, told: Told | None = None) -> Iterator[Entry]:
    """Give all entries of a session's journal, in order."""
    booker = Booker()
    for fact in facts_of(folder, told):
        yield from booked(booker, fact)
