"""Watching the books of a session: held against core and venue when it goes on and when it ends; what differs halts it.

A session that goes on from a journal has made claims: what differs from them beyond dust halts it. A new one has made
none, so what the venue shows at its beginning is where its books begin.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from infra.ledger.differences import Difference
from infra.ledger.entries import TokenKey
from infra.ledger.ledger import LedgerError
from infra.ledger.ledger_book import LedgerBook
from infra.ledger.session_books import (
    hold_against_core,
    hold_against_venue,
    open_account,
    told_differences,
    why_halted,
)
from infra.ledger.standings import books_standing
from infra.shell.shell import Shell
from infra.venues.gateway import Gateway
from infra.venues.rest import NoAnswer, Rest
from state.events import Token
from state.units import NS_PER_S

WAIT_NS: Final = NS_PER_S
RECONCILED_NS: Final = 30 * NS_PER_S
"""The gateway reconciles first: orders and trades that were missed become rows. Longer than this is not waited."""
ANSWERED_NS: Final = 60 * NS_PER_S
"""An order that was on its way at the end is asked for by hash; one that never arrived is known to be none after ten
seconds of asking, and until then it is open in the books and nowhere else."""
DECIDED_NS: Final = 180 * NS_PER_S
"""A window that ended while nobody looked may have been paid already: who won is heard first."""

OPENED_NS: Final = 30 * NS_PER_S
"""How long a new session asks what the account holds before it gives up."""
MERGED_NS: Final = 420 * NS_PER_S
"""A merge that was under way at the end is known of by then, one way or another."""


@dataclass(slots=True)
class BooksWatch:
    """Watches one session's books."""

    book: LedgerBook
    shell: Shell
    rest: Rest | None
    """Where the account can be asked about; None on paper."""
    gateway: Gateway | None
    goes_on: bool
    """The session goes on from a journal whose books were opened."""
    _is_away: bool = False

    async def begin(self) -> None:
        """Hold the books against the core, or book what is there when a session is new; before anything is sent.

        Raises:
            NoAnswer: the venue does not say what is there.
        """
        if self.goes_on:
            assert self.shell.core is not None
            self._report(hold_against_core(self.book, self.shell.core.worlds), "the core")
        elif self.rest is not None:
            await self._open(self.rest)

    async def _open(self, rest: Rest) -> None:
        """Ask what is there until it is told: books that were never opened would halt the next start."""
        clock = self.shell.clock
        until_ns = clock.now_ns() + OPENED_NS
        while True:
            try:
                await open_account(self.book, rest, self.shell.session, clock.now_ns())
                return
            except NoAnswer as error:
                if clock.now_ns() >= until_ns:
                    raise NoAnswer(f"the venue does not say what the account holds; start again: {error}") from error
            await clock.sleep(WAIT_NS)

    async def run(self) -> None:
        """Hold the books against the venue once it has been reconciled; then see that they can be written."""
        clock = self.shell.clock
        if self.goes_on and self.gateway is not None:
            gateway, began_ns = self.gateway, clock.now_ns()
            await self._wait_while(lambda: not gateway.counts["reconciliations"], RECONCILED_NS)
            await self._wait_while(self._is_merging, MERGED_NS)
            await self._wait_while(
                lambda: self.book.ask(lambda books: books.is_awaiting_end(clock.now_ns())), DECIDED_NS
            )
            await self._wait_while(lambda: self._is_asking(gateway, began_ns), ANSWERED_NS)
            while not await self.hold():
                await clock.sleep(5 * WAIT_NS)
        while True:
            await clock.sleep(WAIT_NS)
            self._tell_away()
            try:
                self.book.complain()
            except LedgerError as error:
                self.shell.halt(str(error))
                return

    def _tell_away(self) -> None:
        """Note when entries begin to wait for the place that keeps them, and when they do no longer."""
        away = self.book.away
        if bool(away) != self._is_away:
            self._is_away = bool(away)
            self._note({"books": "wait" if away else "are written again", "why": away})

    async def _wait_while(self, is_so: Callable[[], bool], longest_ns: int) -> None:
        """Wait until something is so no longer, or has been for too long."""
        clock = self.shell.clock
        until_ns = clock.now_ns() + longest_ns
        while is_so() and clock.now_ns() < until_ns:
            await clock.sleep(WAIT_NS)

    def _is_asking(self, gateway: Gateway, began_ns: int) -> bool:
        """Say whether the fate of an order of before is still asked for, or one is open that is not known again yet."""
        known = gateway.news.hashes
        ours = self.book.ask(lambda booker: books_standing(booker, names=known))
        return gateway.is_in_doubt(began_ns) or any(name.isdigit() for name in ours.open_micros)

    def _is_merging(self) -> bool:
        """Say whether a merge of before this start has not been told of: until then books and venue differ by it."""
        return self.shell.core is not None and bool(self.shell.core.worlds["markets"][0]["merge_id"].any())

    async def hold(self) -> bool:
        """Hold the books against the venue and report; says whether the venue told all that is needed."""
        if self.rest is None or self.gateway is None:
            return True
        gateway = self.gateway
        try:
            found = await hold_against_venue(
                self.book, self.rest, self.shell.clock, names=lambda: gateway.news.hashes, tokens=self.tokens
            )
        except NoAnswer as error:
            self._note({"books not held": str(error)})
            return False
        self._report(found, "the venue")
        return True

    def tokens(self) -> Mapping[TokenKey, str]:
        """Give the token ids of the windows that are followed."""
        known: dict[TokenKey, str] = {}
        for slug, listing in self.shell.listings.items():
            known[TokenKey(slug, Token.UP)] = listing.up_token
            known[TokenKey(slug, Token.DOWN)] = listing.down_token
        return known

    def _report(self, found: tuple[Difference, ...], who: str) -> None:
        self._note(told_differences(found, who))
        if (why := why_halted(found)) and self.goes_on:
            self.shell.halt(why)

    def _note(self, told: dict[str, object]) -> None:
        self.shell.session.note(told, self.shell.clock.now_ns())
