"""The writing thread of books: entries are handed over without waiting, and kept in rounds, whatever keeps them."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Final, Self

from infra.ledger.entries import Entry
from infra.ledger.ledger import LedgerDiffers, LedgerFailed, Source

GATHER_S: Final = 0.05
"""How long entries gather before they are written, in real time."""
SLOW_S: Final = 5.0
"""A round that takes longer, in real time, is told of."""
AWAY_MOST_S: Final = 120.0
"""Books that are not written for longer, in real time, halt the session: nobody knows when they will be."""


class Writing(ABC):
    """Gathers entries and keeps them in a thread of its own, which begins at once: what it needs must be there before.

    Args:
        where: The books, for people.
        durable: Makes what the entries are made of safe on disk; called before each round is kept.
        mend: What to do when they cannot be kept.
    """

    def __init__(self, where: str, durable: Callable[[], None] | None, mend: str) -> None:
        self.where = where
        self._durable, self._mend = durable, mend
        self._waiting: list[Entry] = []
        self._source: Source | None = None
        self._hurry = threading.Event()
        self._rounds = threading.Condition()
        self._begun = self._done = 0
        self.is_closing = False
        self.said_away = ""
        """What whoever keeps them says of why it cannot at the moment."""
        self._round_s = 0.0
        """When the round under way began (monotonic); 0: none is."""
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"ledger {where}", daemon=True)
        self._thread.start()

    @abstractmethod
    def keep(self, entries: Sequence[Entry]) -> None:
        """Keep a round's entries, whole or not at all; called on the writing thread.

        Raises:
            LedgerDiffers: one is not what is booked under its key.
        """

    @abstractmethod
    def let_go(self) -> None:
        """Let go of what the books lie in; called once, when the thread has ended."""

    def book(self, entries: Sequence[Entry]) -> None:
        """Take entries; never waits."""
        self.complain()
        self._waiting.extend(entries)

    def follow(self, source: Source) -> None:
        """Ask a source for entries from now on."""
        self._source = source

    def flush(self, timeout_s: float = 30.0) -> None:
        """Wait until all that has come up is durable.

        Raises:
            LedgerFailed: it cannot be written, or not in time.
            LedgerDiffers: an entry is not what is booked under its key.
        """
        self.complain()
        with self._rounds:
            wanted = self._begun + 1  # a round that has begun may have looked already
            self._hurry.set()
            come = self._rounds.wait_for(lambda: self._done >= wanted or self._error is not None, timeout_s)
        self.complain()
        if not come:
            raise LedgerFailed(f"{self.where}: nothing was written within {timeout_s:g} s; {self._mend}")

    def close(self) -> None:
        """Write what is left and let go; closing twice does nothing.

        Raises:
            LedgerFailed, LedgerDiffers: as for `flush`.
        """
        if self.is_closing:
            return
        try:
            if self._error is None:
                self.flush()
        finally:
            self.is_closing = True
            self._hurry.set()
            self._thread.join(timeout=5.0)
            self.let_go()
        self.complain()

    def __enter__(self) -> Self:
        """Give the ledger itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    @property
    def away(self) -> str:
        """Say why entries wait at the moment; empty when they are written."""
        stands_s = self._stands_s()
        return self.said_away or (f"{self.where}: no answer for {stands_s:.0f} s" if stands_s > SLOW_S else "")

    def _stands_s(self) -> float:
        """Give how long the round under way has taken so far: who hangs says nothing by itself."""
        began_s = self._round_s
        return time.monotonic() - began_s if began_s else 0.0

    def complain(self) -> None:
        """Raise what the writing thread failed with, if it has.

        Raises:
            LedgerFailed: it could not write, or has not for too long.
            LedgerDiffers: an entry was not what is booked under its key.
        """
        if self._error is None and (stands_s := self._stands_s()) > AWAY_MOST_S:
            raise LedgerFailed(f"{self.where}: nothing was written for {stands_s:.0f} s; {self._mend}")
        if isinstance(self._error, LedgerDiffers):
            raise self._error
        if self._error is not None:
            raise LedgerFailed(
                f"{self.where}: writing failed ({self._error}); {self._mend} and start again: the journal has it all"
            ) from self._error

    def _run(self) -> None:
        try:
            while not self.is_closing:
                self._hurry.wait(GATHER_S)
                self._hurry.clear()
                with self._rounds:
                    self._begun += 1
                self._round_s = time.monotonic()
                self._round()
                self._round_s = 0.0
                with self._rounds:
                    self._done = self._begun
                    self._rounds.notify_all()
        except BaseException as error:  # boundary: kept, and raised by the next call of whoever hands over
            with self._rounds:
                self._error = error
                self._rounds.notify_all()

    def _round(self) -> None:
        entries = list(self._source()) if self._source is not None else []
        waiting = self._waiting[: len(self._waiting)]
        del self._waiting[: len(waiting)]
        entries = waiting + entries
        if not entries:
            return
        if self._durable is not None:
            self._durable()
        self.keep(entries)
