"""Settling: a decided window's payout arrives, once, whoever sets it off, and whatever fails on the way."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from gateway_desk import SLOT
from relayer_stage import Stage, lived, stage

from infra.ledger.ledger_book import LedgerBook
from infra.venues.relaying import Relayer
from infra.venues.settling import Settling
from state.events import EVENT, Kind, Source, Token
from state.orders import TimeInForce
from state.units import MICROS, NS_PER_S

pytestmark = pytest.mark.rehearsal


@dataclass
class Books:
    """What a session would be: rows and notes in the order in which they came, and books over them."""

    on: Stage
    cash_micros: int
    facts: list[Any] = field(default_factory=list)
    halts: list[str] = field(default_factory=list)
    heard: int = 0

    def __post_init__(self) -> None:
        self.book = self.opened()

    def opened(self) -> LedgerBook:
        """Open books anew, as a restart does: from the journal alone."""
        book = LedgerBook()
        book.begin(self.cash_micros, 1)
        for number, fact in enumerate(self.facts):
            self._hear(book, number, fact)
        return book

    @staticmethod
    def _hear(book: LedgerBook, number: int, fact: Any) -> None:
        if isinstance(fact, dict):
            book.note(number, fact, 2)
        else:
            book.rows(1_000 * number, fact)

    def add(self, fact: Any) -> None:
        self.facts.append(fact)
        self._hear(self.book, len(self.facts) - 1, fact)

    def row(self, kind: Kind, **columns: int) -> None:
        row = np.zeros(1, EVENT)
        row["kind_code"], row["source_code"], row["slot_id"] = kind, Source.GAMMA, SLOT
        row["at_ns"] = row["seen_ns"] = self.on.venue.clock.now_ns()
        for name, value in columns.items():
            row[name] = value
        self.add(row)

    def listen(self) -> None:
        """Take in what the desk has been told since."""
        rows = self.on.desk.rows
        if len(rows) > self.heard:
            self.add(rows[self.heard :].copy())
            self.heard = len(rows)

    def settling(self, relayer: Relayer | None) -> Settling:
        listing = self.on.desk.listing
        return Settling(
            self.book, self.on.desk.rest, relayer, self.on.venue.clock, note=self.add,
            listings=lambda: {listing.slug: listing}, slug_of=lambda _: listing.slug, halt=self.halts.append,
        )  # fmt: skip

    def notes(self, key: str) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, dict) and key in fact]

    def owed(self) -> float:
        return self.book.balances().pending_redemption_micros / MICROS

    def agree(self) -> bool:
        """Say whether books and venue have the same collateral, to the micro."""
        return self.book.balances().collateral_micros == self.on.venue.engine.cash_micros(self.on.account)


async def holding_winners(on: Stage, decided: bool = True) -> Books:
    """Buy ten UP, see them confirmed, and let the window be decided."""
    books = Books(on, on.began)
    listing = on.desk.listing
    books.row(Kind.MARKET_LISTED, code_id=0, ref_id=listing.open_ns, span_s=300, price_bps=100)
    books.add({"listed": listing.slug, "condition": listing.condition_id, "slot": SLOT})
    on.desk.place("0.52", 10, tif=TimeInForce.FAK)
    engine, up = on.venue.engine, on.venue.window.tokens[Token.UP]
    await on.desk.until_true(lambda: engine.shares_micros(on.account, up) == 10 * MICROS, "shares on the chain")
    await on.desk.until("fee 0.1")
    await on.desk.until("DONE")
    if decided:
        await on.desk.until_true(lambda: on.venue.window.outcome is not None, "the outcome")
    books.listen()
    books.row(Kind.SETTLED, code_id=Token.UP)
    assert books.owed() == 10.0
    return books


async def look_until(settling: Settling, on: Stage, come: Callable[[], bool], seconds: float = 300) -> None:
    """Look every five seconds until something has come."""
    until_ns = on.venue.clock.now_ns() + round(seconds * NS_PER_S)
    while not come():
        assert on.venue.clock.now_ns() < until_ns, "it did not come"
        await settling.look()
        await on.venue.clock.sleep(5 * NS_PER_S)


async def look_for(settling: Settling, on: Stage, seconds: float) -> None:
    """Look every five seconds for so long, as `run` does."""
    until_ns = on.venue.clock.now_ns() + round(seconds * NS_PER_S)
    while on.venue.clock.now_ns() < until_ns:
        await settling.look()
        await on.venue.clock.sleep(5 * NS_PER_S)


@lived
async def test_what_the_venue_leaves_is_redeemed_and_booked_once() -> None:
    async with stage(150) as on:
        books = await holding_winners(on)
        settling = books.settling(on.relayer)
        await look_until(settling, on, lambda: bool(books.notes("redeemed")))
        await look_for(settling, on, 60)
        (paid,) = books.notes("redeemed")
        assert (paid["amount_micros"], paid["by"]) == (10 * MICROS, "the relayer")
        assert books.owed() == 0.0 and books.agree() and on.line.submits == 1


@lived
async def test_what_the_venue_sweeps_by_itself_is_recognised_and_never_redeemed() -> None:
    async with stage(150) as on:
        books = await holding_winners(on)
        on.venue.engine.ledger.redeem_all(on.venue.window.condition_id)
        settling = books.settling(on.relayer)
        await look_until(settling, on, lambda: bool(books.notes("redeemed")))
        await look_for(settling, on, 60)
        (paid,) = books.notes("redeemed")
        assert (paid["amount_micros"], paid["by"]) == (10 * MICROS, "the venue")
        assert books.agree() and on.line.submits == 0


@lived
async def test_a_refusing_relayer_is_asked_again_later_and_the_money_counted_as_pending_until_then() -> None:
    async with stage(150) as on:
        books = await holding_winners(on)
        on.line.refusals = [(400, "simulation failed: paused")]
        settling = books.settling(on.relayer)
        await look_until(settling, on, lambda: bool(books.notes("not redeemed")))
        assert books.owed() == 10.0 and books.book.balances().equity_micros == on.began + 4_625_280
        (why,) = books.notes("not redeemed")
        assert why["why"] == "not redeemed: refused: 400 simulation failed: paused"
        await look_until(settling, on, lambda: bool(books.notes("redeemed")))
        assert len(books.notes("redeemed")) == 1 and books.agree()


@lived
async def test_a_lost_answer_does_not_redeem_twice() -> None:
    """The relayer redeemed and we did not hear of it: at the next look the tokens are gone and the money is there."""
    async with stage(150) as on:
        books = await holding_winners(on)
        on.line.lose_answers = 1
        await look_until(books.settling(on.relayer), on, lambda: bool(books.notes("redeemed")))
        assert len(books.notes("redeemed")) == 1 and on.line.submits == 1 and books.agree()


@lived
async def test_nothing_is_redeemed_before_the_clob_names_the_winner_too() -> None:
    """The outcome was told before the CLOB had it: no transaction is wasted on what the chain would undo."""
    async with stage(150) as on:
        books = await holding_winners(on, decided=False)
        settling = books.settling(on.relayer)
        await look_until(settling, on, lambda: bool(books.notes("not redeemed")))
        assert [each["why"] for each in books.notes("not redeemed")] == ["the CLOB names no winner yet"]
        assert on.line.submits == 0 and not books.notes("second word")
        await on.desk.until_true(lambda: on.venue.window.outcome is not None, "the outcome")
        await look_until(settling, on, lambda: bool(books.notes("redeemed")))
        (word,) = books.notes("second word")
        assert (word["first"], word["clob"], word["agrees"]) == ("UP", "Up", True)
        assert len(books.notes("redeemed")) == 1 and books.agree() and not books.halts


@lived
async def test_two_words_that_differ_halt_and_nothing_is_redeemed() -> None:
    """The window is settled as UP by the first word, and the CLOB has DOWN."""
    async with stage(150, outcome=Token.DOWN) as on:
        books = await holding_winners(on)
        settling = books.settling(on.relayer)
        await look_for(settling, on, 90)
        (halt,) = books.halts
        assert halt == (
            f"{on.desk.listing.slug}: it was settled as UP, and the CLOB names Down as the winner: nothing is "
            "redeemed; look at both before trading on"
        )
        assert books.notes("not redeemed")[-1]["why"] == "the CLOB names another winner"
        assert on.line.submits == 0 and not books.notes("redeemed") and len(books.notes("second word")) == 1


@lived
async def test_the_second_word_is_heard_also_where_nothing_is_owed() -> None:
    """Settled as DOWN while UP was held, nothing seems to be owed; but the CLOB says UP, and that is our money."""
    async with stage(150) as on:
        books = await holding_winners(on)
        books.facts = [fact for fact in books.facts if isinstance(fact, dict) or fact["kind_code"][0] != Kind.SETTLED]
        books.row(Kind.SETTLED, code_id=Token.DOWN)
        books.book = books.opened()
        assert books.owed() == 0.0
        await look_for(books.settling(on.relayer), on, 20)
        (halt,) = books.halts
        assert "it was settled as DOWN, and the CLOB names Up as the winner" in halt


@lived
async def test_a_kill_between_payment_and_note_is_made_good_by_the_next_start() -> None:
    async with stage(150) as on:
        books = await holding_winners(on)
        await on.relayer.redeem(on.pair, Token.UP, 10 * MICROS)  # and then the process ended
        books.book = books.opened()
        assert books.owed() == 10.0
        for _ in range(2):  # two more starts, of which the second has nothing left to do
            await look_for(books.settling(on.relayer), on, 20)
            books.book = books.opened()
        assert len(books.notes("redeemed")) == 1 and on.line.submits == 1
        assert books.owed() == 0.0 and books.agree()


@lived
async def test_an_account_without_a_relayer_waits_for_the_venue_warns_and_is_paid_in_the_end() -> None:
    async with stage(100, speed=200.0) as on:
        books = await holding_winners(on)
        settling = books.settling(None)
        await look_for(settling, on, 620)
        assert [each["amount_micros"] for each in books.notes("payout late")] == [10 * MICROS, 10 * MICROS]
        assert books.owed() == 10.0 and not books.notes("redeemed")
        on.venue.engine.ledger.redeem_all(on.venue.window.condition_id)
        await look_for(settling, on, 10)
        assert len(books.notes("redeemed")) == 1 and books.agree()


@lived
async def test_tokens_that_go_without_money_are_not_booked_as_paid() -> None:
    """Somebody took the winners: no collateral came, so the books go on saying that it is owed."""
    async with stage(150) as on:
        books = await holding_winners(on)
        ledger = on.venue.engine.ledger
        ledger.redeem_all(on.venue.window.condition_id)
        books.row(Kind.REBATE_PAID, amount_micros=10 * MICROS)  # so the books expect more than there is
        await look_for(books.settling(on.relayer), on, 20)
        assert not books.notes("redeemed") and books.owed() == 10.0
        assert books.notes("not redeemed")[0]["why"] == "the tokens are gone and the collateral has not grown"


@lived
async def test_complete_sets_are_merged_and_a_lost_answer_is_settled_by_what_is_held() -> None:
    async with stage(10) as on:
        books = Books(on, on.began)
        settling = books.settling(on.relayer)
        await on.relayer.split(on.pair, 9 * MICROS)
        assert await settling.merge(SLOT, 4 * MICROS) == 4 * MICROS
        on.line.lose_answers = 1
        assert await settling.merge(SLOT, 2 * MICROS) == 2 * MICROS
        assert await settling.merge(SLOT, 50 * MICROS) == 0  # there are not so many: the chain undoes it
        assert on.holding() == (-3.0, 3.0, 3.0) and not books.halts
        assert await books.settling(None).merge(SLOT, MICROS) == 0
