"""The ledger's port: where entries are kept, whatever the store behind it; and what is wrong when it cannot be used."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from infra.ledger.balances import Balances, Equity
from infra.ledger.entries import Entry, Fill

Source = Callable[[], Sequence[Entry]]
"""Gives the entries that have come up since it was last asked; called on the writing thread."""


class LedgerError(Exception):
    """Anything that keeps the books from being written or read."""


class LedgerForeign(LedgerError):
    """It is no ledger, or one of another schema."""


class LedgerAway(LedgerError):
    """The server that keeps these books cannot be reached."""


class LedgerBusy(LedgerError):
    """Somebody else writes these books."""


class LedgerDiffers(LedgerError):
    """The same key came with other figures than are booked: the journal and the books do not belong together."""


class LedgerFailed(LedgerError):
    """The writing thread met an error; what was not yet durable is in the journal and will be booked again."""


class Books(Protocol):
    """Books as they are read: what is durable."""

    @property
    def where(self) -> str:
        """Say where they lie, for people."""

    def balances(self) -> Balances:
        """Add up what is durable."""

    def equity(self) -> Equity:
        """Part that by how sure it is, shares at cost."""

    def day_pnl_micros(self, day: int) -> int:
        """Give the realised result of a UTC day, counted from 1970."""

    def fills(self) -> list[Fill]:
        """Give every fill with its state, in the order of booking."""

    def count(self) -> int:
        """Count the entries."""

    def entries(self) -> Iterator[Entry]:
        """Give every entry in order, postings included, fills and ends left out."""

    def digest(self) -> str:
        """Give a hash over every row: the same journal gives the same one, whatever keeps the books."""


class Ledger(Books, Protocol):
    """Keeps entries durably, each once."""

    def book(self, entries: Sequence[Entry]) -> None:
        """Take entries; never waits. Those whose key is booked already are held against it and not booked again."""

    def follow(self, source: Source) -> None:
        """Ask a source for entries from now on, many times a second."""

    def flush(self, timeout_s: float = 30.0) -> None:
        """Wait until all that has come up is durable.

        Raises:
            LedgerFailed: it cannot be written, or not in time.
            LedgerDiffers: an entry is not what is booked under its key.
        """

    @property
    def away(self) -> str:
        """Say why entries wait at the moment; empty when they are written."""

    def complain(self) -> None:
        """Raise what writing failed with, if it has.

        Raises:
            LedgerFailed, LedgerDiffers: as for `flush`.
        """

    def close(self) -> None:
        """Write what is left and let go."""
