"""Books held against somebody else's word: what is a difference, what is dust, what is only on its way."""

import asyncio
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from ledger_rows import OPEN_S, SLUG, fee, filled, opened, place, settled, told
from sessions import Hand

from infra.ledger.differences import DUST_MICROS, Difference, Standing, What, compare
from infra.ledger.entries import TokenKey
from infra.ledger.session_books import lasting, why_halted
from infra.ledger.standings import books_standing
from state.events import Token
from state.units import MICROS, NS_PER_S

UP = TokenKey(SLUG, Token.UP)
DOWN = TokenKey(SLUG, Token.DOWN)
BOOKS = Standing("the books", 900 * MICROS, {UP: 10 * MICROS}, {}, {"0xaa": 5 * MICROS})
VENUE = replace(BOOKS, who="the venue")


def words(found: tuple[Difference, ...]) -> list[str]:
    return [f"{'HALT ' if each.halts else ''}{each.what}: {each.words}" for each in found]


def test_what_is_the_same_is_no_difference() -> None:
    assert compare(BOOKS, VENUE) == ()


def test_a_trade_that_we_were_never_told_of_shows_in_shares_in_money_and_in_the_order() -> None:
    theirs = replace(VENUE, collateral_micros=895_500_000, shares={UP: 20 * MICROS}, open_micros={"0xbb": 9 * MICROS})
    assert words(compare(BOOKS, theirs)) == snapshot(
        [
            "HALT shares: btc-updown-5m-1792638000 UP: the books have 10.000000, the venue 20.000000",
            "HALT order: order 0xbb: the books have no such order, the venue 9.000000 open",
            "HALT order: order 0xaa: the books have 5.000000 open, the venue no such order",
            "HALT collateral: collateral: the books have $900.000000, the venue $895.500000",
        ]
    )


def test_dust_is_said_and_does_not_halt() -> None:
    theirs = replace(VENUE, collateral_micros=BOOKS.collateral_micros + DUST_MICROS, shares={UP: 10 * MICROS - 9_000})
    assert words(compare(BOOKS, theirs)) == snapshot(
        [
            "collateral: collateral: the books have $900.000000, the venue $900.010000",
            "shares: btc-updown-5m-1792638000 UP: the books have 10.000000, the venue 9.991000",
        ]
    )


def test_a_match_on_its_way_excuses_what_it_explains_and_no_more() -> None:
    """Bought ten more at 45 cents, not mined: the venue may still show neither the shares nor the money gone."""
    books = opened()
    place(books, 7, 10, 4_500)
    told(books, [filled(7, 10, 4_500, at_s=60), fee(7, 0.17, at_s=60)])
    ours = books_standing(books, now_ns=(OPEN_S + 62) * NS_PER_S)
    before = Standing("the venue", 1_000 * MICROS)
    after = Standing("the venue", ours.collateral_micros, {UP: 10 * MICROS})
    assert compare(ours, before) == compare(ours, after) == ()
    assert words(compare(ours, replace(before, collateral_micros=1_001 * MICROS))) == snapshot(
        ["HALT collateral: collateral: the books have $995.330000, the venue $1,001.000000"]
    )
    late = books_standing(books, now_ns=(OPEN_S + 200) * NS_PER_S)
    assert [each.what for each in compare(late, before) if each.halts] == [What.SHARES, What.COLLATERAL]


def test_a_payout_that_the_venue_made_by_itself_is_no_fault() -> None:
    books = opened()
    told(books, [filled(7, 10, 4_500), settled(Token.UP)])
    ours = books_standing(books)
    assert ours.owed == {UP: 10 * MICROS}
    unpaid = Standing("the venue", ours.collateral_micros, {}, {UP: 10 * MICROS})
    paid = Standing("the venue", ours.collateral_micros + 10 * MICROS, {}, {})
    assert compare(ours, unpaid) == ()
    assert words(compare(ours, paid)) == snapshot(
        ["payout: btc-updown-5m-1792638000 UP: the books await $10.000000, the venue still owes $0.000000"]
    )
    burnt = replace(paid, collateral_micros=ours.collateral_micros)
    assert [each.what for each in compare(ours, burnt) if each.halts] == [What.COLLATERAL], (
        "paid, but the money is not there"
    )


def test_the_core_counts_a_payout_as_money_at_once() -> None:
    books = opened()
    told(books, [filled(7, 10, 4_500), settled(Token.UP)])
    core = Standing("the core", books.balances().equity_micros, pays_at_once=True)
    assert compare(books_standing(books, of_core=True), core) == ()


def test_collateral_beyond_what_a_session_was_told_of_is_the_accounts_and_not_the_cores() -> None:
    books = opened()
    books.deposit("note 3", 250 * MICROS, OPEN_S * NS_PER_S)
    assert books.deposit("note 3", 250 * MICROS, OPEN_S * NS_PER_S) == []
    assert books_standing(books).collateral_micros == 1_250 * MICROS
    assert books_standing(books, of_core=True).collateral_micros == 1_000 * MICROS


def test_why_a_session_halts_is_one_line() -> None:
    theirs = replace(VENUE, collateral_micros=895_500_000, shares={})
    assert why_halted(compare(BOOKS, theirs)) == snapshot(
        "the books do not agree: btc-updown-5m-1792638000 UP: the books have 10.000000, the venue 0.000000 (and 1 more)"
    )
    assert why_halted(()) == ""


def test_only_what_is_there_at_every_look_counts() -> None:
    """A fill that comes between two answers differs once; a lost one differs each time."""
    lost = compare(BOOKS, replace(VENUE, shares={UP: 4 * MICROS}))
    passing = compare(BOOKS, replace(VENUE, collateral_micros=0))
    looks = [lost + passing, lost, lost + compare(BOOKS, replace(VENUE, open_micros={}))]

    async def look() -> tuple[Difference, ...]:
        return looks.pop(0)

    assert asyncio.run(lasting(look, Hand())) == lost
    assert looks == []


micros = st.integers(-(10**9), 10**9)


@given(micros, micros, st.integers(0, 10**8), st.integers(0, 10**8))
def test_a_gap_halts_exactly_when_it_is_beyond_doubt_and_dust(ours: int, theirs: int, low: int, high: int) -> None:
    one = Standing("the books", 0, {UP: ours}, share_doubt_micros={UP: (low, high)})
    found = compare(one, Standing("the venue", 0, {UP: theirs}))
    beyond = max(theirs - ours - high, ours - low - theirs, 0)
    assert bool(found) == (beyond > 0)
    assert any(each.halts for each in found) == (beyond > DUST_MICROS)
