"""Books against the real venue next door: real orders over real sockets, and what the venue itself says of us."""

import asyncio

import numpy as np
import pytest
from gateway_desk import SLOT, Desk, a_desk, a_venue, desk_at
from live_venue import calm_rows, moved
from venue_stage import resolved

from infra.ledger.differences import Difference, What
from infra.ledger.entries import TokenKey
from infra.ledger.ledger_book import DEPOSITED, LISTED, REDEEMED, LedgerBook
from infra.ledger.session_books import hold_against_venue, why_halted
from infra.ledger.standings import collateral_at
from state.events import EVENT, Kind, Token
from state.orders import TimeInForce
from state.units import MICROS, NS_PER_S

pytestmark = pytest.mark.rehearsal


async def books_of(desk: Desk, *, but: int = 0, commands: bool = True) -> LedgerBook:
    """Book all that a desk has sent and heard, but for some of its fills."""
    listing = desk.listing
    book = LedgerBook()
    first = np.zeros(1, EVENT)
    first["kind_code"], first["slot_id"], first["ref_id"] = Kind.MARKET_LISTED, SLOT, listing.open_ns
    first["code_id"], first["span_s"], first["seen_ns"] = listing.asset, listing.span_s, listing.open_ns - NS_PER_S
    book.begin(0, listing.open_ns)
    book.rows(0, first)
    book.note(1, {LISTED: listing.slug, "condition": listing.condition_id}, 0)
    account = next(iter(desk.venue.engine.accounts.values()))
    book.note(2, {DEPOSITED: desk.venue.engine.cash_micros(account) - _moved(desk)}, 0)
    if commands:
        for command in desk.sent:
            book.commands(command)
    rows = desk.rows
    fills = np.flatnonzero(rows["kind_code"] == Kind.FILLED)
    keep = np.ones(len(rows), bool)
    keep[fills[len(fills) - but :]] = False
    book.rows(1, rows[keep])
    return book


def _moved(desk: Desk) -> int:
    """Give what trading has changed of the desk's collateral."""
    _, _, spent, fees = desk.position()
    return -spent - fees


async def held(desk: Desk, book: LedgerBook) -> tuple[Difference, ...]:
    listing = desk.listing
    tokens = {
        TokenKey(listing.slug, Token.UP): listing.up_token,
        TokenKey(listing.slug, Token.DOWN): listing.down_token,
    }
    return await hold_against_venue(
        book, desk.rest, desk.venue.clock, names=lambda: desk.gateway.news.hashes, tokens=lambda: tokens
    )


def test_what_was_traded_and_what_rests_is_what_the_venue_says() -> None:
    async def story() -> None:
        async with a_desk(10) as desk:
            desk.place("0.53", 20, tif=TimeInForce.FAK)
            await desk.until("DONE")
            desk.place("0.41", 15)
            await desk.until("RESTING")
            book = await books_of(desk)
            assert book.balances().shares == {TokenKey(desk.listing.slug, Token.UP): 20 * MICROS}
            assert book.balances().reserved_micros == round(0.41 * 15 * MICROS)
            assert book.balances().collateral_micros == await collateral_at(desk.rest)
            assert await held(desk, book) == ()

    asyncio.run(story())


def test_a_fill_that_was_lost_is_found_and_named() -> None:
    async def story() -> None:
        async with a_desk(10) as desk:
            desk.place("0.53", 20, tif=TimeInForce.FAK)
            await desk.until("DONE")
            book = await books_of(desk, but=1)
            await desk.venue.clock.sleep(30 * NS_PER_S)  # mined by now: nothing is on its way any more
            found = await held(desk, book)
            assert [each.what for each in found if each.halts] == [What.SHARES, What.COLLATERAL]
            assert "UP: the books have 0.000000, the venue 20.000000" in why_halted(found)

    asyncio.run(story())


def test_an_order_that_nobody_here_knows_is_named_by_its_hash() -> None:
    async def story() -> None:
        async with a_desk(10) as desk:
            desk.place("0.41", 15)
            await desk.until("RESTING")
            found = await held(desk, await books_of(desk, commands=False))
            assert [(each.what, each.halts) for each in found] == [(What.ORDER, True)]
            assert found[0].where == desk.gateway.news.hashes[1]
            assert found[0].theirs_micros == 15 * MICROS

    asyncio.run(story())


def test_a_won_window_is_owed_until_it_is_redeemed_and_then_paid() -> None:
    async def story() -> None:
        rows = moved([*calm_rows(), resolved(303, Token.UP, 100_010.0)], 0)
        async with a_venue(280, rows=rows) as venue, desk_at(venue) as desk:
            desk.place("0.53", 20, tif=TimeInForce.FAK)
            await desk.until("DONE")
            await desk.until_true(lambda: desk.venue.window.outcome is not None, "the window is decided")
            book = await books_of(desk)
            outcome = desk.venue.window.outcome
            assert outcome is not None
            end = np.zeros(1, EVENT)
            end["kind_code"], end["slot_id"], end["code_id"] = Kind.SETTLED, SLOT, outcome
            end["seen_ns"] = desk.venue.clock.now_ns()
            book.rows(1_000, end)
            won = 20 * MICROS if outcome is Token.UP else 0
            assert book.balances().pending_redemption_micros == won
            await desk.venue.clock.sleep(20 * NS_PER_S)
            assert await held(desk, book) == (), "both know what is owed"
            account = next(iter(desk.venue.engine.accounts.values()))
            assert desk.venue.engine.redeem(account, desk.listing.condition_id) == won
            found = await held(desk, book)
            assert why_halted(found) == "" and [each.what for each in found] == ([What.PAYOUT] if won else [])
            if won:
                book.note(9, {REDEEMED: desk.listing.slug, "amount_micros": won}, desk.venue.clock.now_ns())
            assert await held(desk, book) == ()
            assert book.balances().collateral_micros == await collateral_at(desk.rest)

    asyncio.run(story())
