"""Who watches whether the books can be written: all the while, also in a session that stands halted anyway."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from sessions import Hand

from infra.ledger.ledger import LedgerFailed
from infra.ledger.watching import BooksWatch


class Shell:
    """As much of a shell as the watch needs: a clock, and a reason to stand halted."""

    def __init__(self, halted_why: str) -> None:
        self.clock, self.halted_why = Hand(), halted_why

    def halt(self, why: str) -> None:
        self.halted_why = why


@pytest.mark.parametrize("before", ["", "observe"])
def test_books_that_cannot_be_written_any_more_halt_a_session_halted_or_not(before: str) -> None:
    """A live session observes from its first moment; a watch that ended there would never see the disk fill up."""
    complaints = iter((None, None, LedgerFailed("the disk is full")))

    def complain() -> None:
        if (error := next(complaints)) is not None:
            raise error

    shell: Any = Shell(before)
    book: Any = SimpleNamespace(complain=complain)
    asyncio.run(BooksWatch(book, shell, None, None, goes_on=False).run())
    assert shell.halted_why == "the disk is full"
