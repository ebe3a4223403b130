"""Books of a session: opened beside its journal, completed from it, held against core and venue, and let go of."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from infra.clock import Clock
from infra.journal.errors import JournalFailed
from infra.ledger.differences import Difference, What, compare
from infra.ledger.entries import TokenKey
from infra.ledger.ledger import Ledger, LedgerDiffers, LedgerError
from infra.ledger.ledger_book import DEPOSITED, LedgerBook
from infra.ledger.places import open_ledger
from infra.ledger.standings import books_standing, collateral_at, core_standing, venue_standing
from infra.shell.session import Session
from infra.venues.rest import Rest
from state.units import NS_PER_S

SAFE_S: Final = 30.0
"""The books wait no longer for the journal's disk, in real time."""
LOOKS: Final = 3
LOOK_NS: Final = 2 * NS_PER_S
"""Between two looks at the venue: what is on its way at one of them is not at all three."""


@asynccontextmanager
async def session_books(session: Session, folder: Path, dsn: str = "") -> AsyncIterator[LedgerBook]:
    """Open a session's books and let them hear the session until the block ends.

    Args:
        session: Whose.
        folder: Its journal's.
        dsn: Address of the database that keeps the books; empty: they lie beside the journal.

    Raises:
        LedgerDiffers: they are not what the journal leads to.
        LedgerForeign, LedgerBusy, LedgerAway, LedgerFailed: they cannot be written.
    """
    loop = asyncio.get_running_loop()

    ledger = await asyncio.to_thread(open_ledger, folder, dsn, lambda: _make_safe(session, loop))
    try:
        book = LedgerBook(ledger)
        if not session.is_new:
            await asyncio.to_thread(_complete, book, ledger, folder)
        session.books = book
        yield book
    except BaseException:  # boundary: whatever ended the session is told, the books are closed all the same
        session.books = None
        with suppress(LedgerError):
            await asyncio.to_thread(ledger.close)
        raise
    session.books = None
    await asyncio.to_thread(ledger.close)


def _make_safe(session: Session, loop: asyncio.AbstractEventLoop) -> None:
    """Wait until all that the journal has been told is safe on disk; called on the ledger's thread.

    The journal is asked on the loop, as by everyone else: it takes words from one thread.
    """
    safe: Future[None] = Future()

    def heard(error: BaseException | None) -> None:
        if error is None:
            safe.set_result(None)
        else:
            safe.set_exception(error)

    def ask() -> None:
        try:
            session.journal.when_safe(heard)
        except JournalFailed as error:
            heard(error)

    loop.call_soon_threadsafe(ask)
    safe.result(SAFE_S)


def _complete(book: LedgerBook, ledger: Ledger, folder: Path) -> None:
    """Book what the journal has and the books have not; refuse books that have what the journal has not."""
    booked = book.catch_up(folder)
    ledger.flush()
    more = ledger.count() - booked
    if more > 0:
        raise LedgerDiffers(
            f"{ledger.where}: {more} entries are not in the journal; see `updown ledger {folder}`, and make the books "
            f"anew with `--rebuild`"
        )


def hold_against_core(book: LedgerBook, worlds: Any) -> tuple[Difference, ...]:
    """Hold the books against what the core remembers of the same journal."""
    return compare(book.ask(lambda booker: books_standing(booker, of_core=True)), core_standing(worlds))


async def open_account(book: LedgerBook, rest: Rest, session: Session, now_ns: int) -> int:
    """Book what the venue shows beyond what a new session was told to begin with; gives that, negative when less.

    Raises:
        NoAnswer: the venue does not tell.
    """
    extra = await collateral_at(rest) - book.balances().collateral_micros
    session.note({DEPOSITED: extra, "why": "what the venue shows when the session begins"}, now_ns)
    return extra


async def hold_against_venue(
    book: LedgerBook, rest: Rest, clock: Clock, *, names: Callable[[], Mapping[int, str]],
    tokens: Callable[[], Mapping[TokenKey, str]],
) -> tuple[Difference, ...]:  # fmt: skip
    """Hold the books against the venue, several times, and give what differed every time.

    Raises:
        NoAnswer: the venue does not tell.
    """

    async def look() -> tuple[Difference, ...]:
        books = book.ask(lambda booker: books_standing(booker, now_ns=clock.now_ns(), names=names()))
        found = await venue_standing(rest, books, tokens(), book.booker.conditions)
        return compare(books, found)

    return await lasting(look, clock)


async def lasting(look: Callable[[], Awaitable[tuple[Difference, ...]]], clock: Clock) -> tuple[Difference, ...]:
    """Look several times and keep what is there each time: news on its way differs once and not again."""
    found = await look()
    for _ in range(LOOKS - 1):
        if not found:
            break
        await clock.sleep(LOOK_NS)
        still = {(each.what, each.where): each for each in await look()}
        found = tuple(still[each.what, each.where] for each in found if (each.what, each.where) in still)
    return found


def told_differences(found: tuple[Difference, ...], who: str) -> dict[str, Any]:
    """Say differences as a note of the journal."""
    words = [each.words for each in found if each.what is not What.PAYOUT]
    return {"books held against": who, "differences": words, "halts": bool(why_halted(found))}


def why_halted(found: tuple[Difference, ...]) -> str:
    """Say in one line why a session must not trade on; empty when nothing is more than dust."""
    grave = [each.words for each in found if each.halts]
    if not grave:
        return ""
    more = f" (and {len(grave) - 1} more)" if len(grave) > 1 else ""
    return f"the books do not agree: {grave[0]}{more}"
