"""The ledger's port: where entries are kept, whatever the store behind it; and what is wrong when it cannot be used."""

from collections.abc import Callable, Sequence
from typing import Protocol

from infra.ledger.balances import Balances, Equity
from infra.ledger.entries import Entry, Fill

Source = Callable[[], Sequence[Entry]]
"""Gives the entries that have come up since it was last asked; called on the writing thread."""


class LedgerError(Exception):
    """Anything that keeps the books from being written or read."""


class LedgerForeign(LedgerError):
    """It is no ledger, or one of another schema."""


class LedgerBusy(LedgerError):
    """Somebody else writes these books."""


class LedgerDiffers(LedgerError):
    """The same key came with other figures than are booked: the journal and the books do not belong together."""


class LedgerFailed(LedgerError):
    """The writing thread met an error; what was not yet durable is in the journal and will be booked again."""


class Ledger(Protocol):
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

    def complain(self) -> None:
        """Raise what writing failed with, if it has.

        Raises:
            LedgerFailed, LedgerDiffers: as for `flush`.
        """

    def balances(self) -> Balances:
        """Add up what is durable."""

    def equity(self) -> Equity:
        """Part that by how sure it is, shares at cost."""

    def day_pnl_micros(self, day: int) -> int:
        """Give the realised result of a UTC day, counted from 1970."""

    def fills(self) -> list[Fill]:
        """Give every fill with its state, in the order of booking."""

    def close(self) -> None:
        """Write what is left and let go."""
