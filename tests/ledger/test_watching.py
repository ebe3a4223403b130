"""Who watches whether the books can be written: all the while, also in a session that stands halted anyway."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from sessions import Hand

from infra.ledger.booking import Booker
from infra.ledger.ledger import LedgerFailed
from infra.ledger.watching import BooksWatch
from state.units import NS_PER_S


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
    book: Any = SimpleNamespace(complain=complain, away="")
    asyncio.run(BooksWatch(book, shell, None, None, goes_on=False).run())
    assert shell.halted_why == "the disk is full"


def test_that_books_wait_and_that_they_are_written_again_is_noted_once_each() -> None:
    away = iter(("", "no answer for 6 s", "no answer for 7 s", "", ""))
    noted: list[dict[str, str]] = []

    class Books:
        def complain(self) -> None:
            if len(noted) == 2:
                raise LedgerFailed("the end of the story")

        @property
        def away(self) -> str:
            return next(away)

    shell: Any = Shell("")
    shell.session = SimpleNamespace(note=lambda note, _: noted.append(note))
    book: Any = Books()
    asyncio.run(BooksWatch(book, shell, None, None, goes_on=False).run())
    assert noted == [{"books": "wait", "why": "no answer for 6 s"}, {"books": "are written again", "why": ""}]


def test_the_books_are_not_held_against_the_venue_while_an_order_of_before_is_asked_for() -> None:
    """Killed between signing and sending: the books have an order open that the venue never saw, for ten seconds."""
    shell: Any = Shell("")
    shell.core = None
    held_s: list[float] = []

    class Watch(BooksWatch):
        async def hold(self) -> bool:
            held_s.append(shell.clock.now_ns() / NS_PER_S)
            return True

    books = Booker()

    def complain() -> None:
        raise LedgerFailed("the end of the test")

    began_ns = shell.clock.now_ns()
    gateway: Any = SimpleNamespace(
        counts={"reconciliations": 1}, news=SimpleNamespace(hashes={}),
        is_in_doubt=lambda before_ns: before_ns == began_ns and shell.clock.now_ns() < began_ns + 11 * NS_PER_S,
    )  # fmt: skip
    book: Any = SimpleNamespace(complain=complain, away="", ask=lambda question: question(books))
    asyncio.run(Watch(book, shell, None, gateway, goes_on=True).run())
    assert held_s == [began_ns / NS_PER_S + 11.0]
