"""Laws of the books under random news: they balance, order of arrival does not matter, and core and venue agree."""

from collections import Counter
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_rows import CASH_MICROS, OPEN_S, SLUG, ended, filled, in_words, listed, opened, place, row, settled

from infra.ledger.booking import Booker
from infra.ledger.entries import FillState, TokenKey, totals
from infra.ledger.rows import Row
from infra.shell.core import Core
from infra.venue_next_door.ledger import Ledger as VenueLedger
from state.events import EVENT, Kind, Side, Token
from state.orders import Liquidity
from state.params import default_params
from state.units import MICROS

GRAIN = 10_000
DAY_S = 86_400
tokens, sides = st.sampled_from(Token), st.sampled_from(Side)
cents = st.integers(1, 99).map(lambda cent: cent * 100)
mills = st.integers(1, 999).map(lambda mill: mill * 10)
some_orders = st.integers(1, 4)
grains = st.integers(1, 5_000).map(lambda count: count * GRAIN)


@st.composite
def fills(draw: Any, prices: Any = mills, amounts: Any = grains, orders: Any = some_orders) -> Row:
    """A match at some second of the window or of the hours after it."""
    return row(
        Kind.FILLED, draw(st.integers(10, 7_200)), ref_id=draw(orders), token_code=draw(tokens), side_code=draw(sides),
        price_bps=draw(prices), amount_micros=draw(amounts), code_id=draw(st.sampled_from(Liquidity)),
    )  # fmt: skip


@st.composite
def histories(draw: Any) -> list[Row]:
    """News of one window: matches with fees, some failed, some confirmed, sets merged, an end, later rebates."""
    rows: list[Row] = []
    for fill in draw(st.lists(fills(), max_size=8)):
        rows.append(fill)
        if draw(st.booleans()):
            charged = row(Kind.FEE_CHARGED, 20, ref_id=fill.ref_id, amount_micros=draw(st.integers(10, 10**6)))
            rows.append(charged._replace(seen_ns=fill.seen_ns))
        fate = draw(st.sampled_from(["", "failed", "FILL_MINED", "FILL_CONFIRMED"]))
        later = fill._replace(seen_ns=fill.seen_ns + draw(st.integers(1, 2 * DAY_S)) * 10**9, code_id=0)
        if fate == "failed":
            rows.append(later._replace(kind_code=int(Kind.FILL_REVERSED)))
        elif fate:
            rows.append(later._replace(kind_code=int(Kind[fate])))
    for order in draw(st.sets(st.integers(1, 4))):
        rows.append(ended(order, at_s=draw(st.integers(10, 500))))
    if draw(st.booleans()):
        rows.append(row(Kind.MERGED, draw(st.integers(30, 400)), amount_micros=draw(grains)))
    if draw(st.booleans()):
        rows.append(settled(draw(tokens), at_s=draw(st.integers(301, 2 * DAY_S))))
    for _ in range(draw(st.integers(0, 2))):
        rows.append(row(Kind.REBATE_PAID, draw(st.integers(1, 3)) * DAY_S, amount_micros=draw(st.integers(1, 10**7))))
    return sorted(rows, key=lambda each: each.seen_ns)


def played(news: list[tuple[int, Row]], orders: list[tuple[int, int]]) -> Booker:
    """Book news under its numbers; an order is commanded where its turn in the list comes."""
    books = opened()
    turns = Counter(turn for turn, _ in orders)
    for at, (number, each) in enumerate(news):
        if turns[at]:
            for _, order in (pair for pair in orders if pair[0] == at):
                place(books, order, 30, 4_000)
        books.row(number, each)
    for turn, order in orders:
        if turn >= len(news):
            place(books, order, 30, 4_000)
    return books


def state_of(books: Booker) -> dict[str, Any]:
    """All that must not depend on the order of arrival."""
    return {
        "sums": {key: micros for key, micros in books.sums.items() if micros},
        "days": {day: micros for day, micros in books.day_pnl.items() if micros},
        "owed": {slug: micros for slug, micros in books.owed.items() if micros},
        "states": Counter(
            (fill.order_id, fill.price_bps, fill.amount_micros, fill.state) for fill in books.all_fills()
        ),
        "by key": {fill.key: fill.state for fill in books.all_fills()},
    }


@given(histories(), st.data())
def test_whatever_comes_first_the_books_end_the_same(history: list[Row], data: st.DataObject) -> None:
    """Duplicates, reorderings, failures before their match, late fees, an end before late matches: one outcome."""
    news = list(enumerate(history, start=1))
    orders = [1, 2, 3]
    first = played(news, [(0, order) for order in orders])
    shuffled = data.draw(
        st.permutations(news + data.draw(st.lists(st.sampled_from(news), max_size=4) if news else st.just([])))
    )
    turns = [(data.draw(st.integers(0, len(shuffled))), order) for order in orders]
    assert state_of(played(shuffled, turns)) == state_of(first)


@given(histories())
def test_every_commodity_adds_up_to_nothing_and_equity_to_what_came_in_and_was_made(history: list[Row]) -> None:
    books = opened()
    place(books, 1, 30, 4_000)
    place(books, 2, 10, 6_000, side=Side.SELL)
    for number, each in enumerate(history, start=1):
        for entry in books.row(number, each):
            assert not any(totals(entry.postings).values())
        sums: Counter[str] = Counter()
        for (_, commodity), micros in books.sums.items():
            sums[commodity] += micros
        assert not any(sums.values())
        found = books.balances()
        made = found.realised_micros + found.rebates_micros - found.fees_open_micros
        assert found.equity_micros == found.deposits_micros + made
        assert sum(books.day_pnl.values()) == found.realised_micros
        assert found.reserved_micros >= 0 and all(micros >= 0 for micros in found.offered.values())


@given(histories())
def test_a_decided_window_holds_nothing_but_what_is_owed(history: list[Row]) -> None:
    books = opened()
    for number, each in enumerate([*history, settled(Token.UP, at_s=3 * DAY_S)], start=1):
        books.row(number, each)
    found = books.balances()
    assert found.shares == {} and found.invested_micros == found.reserved_micros == found.fees_open_micros == 0
    assert found.pending_redemption_micros == books.owed[SLUG]


@settings(max_examples=40)
@given(st.lists(fills(orders=st.just(0), amounts=st.integers(1, 10**9)), max_size=12), st.data())
def test_cash_shares_and_results_are_the_cores_to_the_micro(bought: list[Row], data: st.DataObject) -> None:
    """The same rows through the compiled core: amounts of any size, so that rounding has something to do."""
    rows = [listed()]
    at_ns = 0
    for number, fill in enumerate(sorted(bought, key=lambda each: each.seen_ns)):
        at_ns = fill.seen_ns + number
        rows.append(fill._replace(seen_ns=at_ns))
        rows.append(row(Kind.FEE_CHARGED, 0, amount_micros=data.draw(st.integers(10, 10**6)))._replace(seen_ns=at_ns))
        if data.draw(st.booleans()):
            rows.append(fill._replace(kind_code=int(Kind.FILL_REVERSED), seen_ns=at_ns, code_id=0))
    end_at = data.draw(st.integers(1, len(rows)))
    if data.draw(st.booleans()):
        rows.insert(end_at, settled(data.draw(tokens))._replace(seen_ns=max(each.seen_ns for each in rows[:end_at])))
    rows.append(
        row(Kind.REBATE_PAID, 8_000, amount_micros=data.draw(st.integers(1, 10**7)))._replace(
            seen_ns=max(each.seen_ns for each in rows)
        )
    )
    core, books = Core(default_params(), CASH_MICROS), Booker()
    books.begin(CASH_MICROS, rows[0].seen_ns)
    events = np.array([tuple(each) for each in rows], EVENT)
    for _ in core.receive(events, len(events)):
        pass
    for number, each in enumerate(rows):
        books.row(number, each)
    found, market, money = books.balances(), core.world["markets"][0], core.world["money"]
    assert found.collateral_micros + found.pending_redemption_micros == int(money["cash_micros"])
    assert found.fees_micros == int(money["fees_micros"]) and found.rebates_micros == int(money["rebates_micros"])
    if market["outcome_code"] > Token.DOWN:
        held = [found.shares.get(TokenKey(SLUG, token), 0) for token in Token]
        assert held == [int(market["position"]["up_micros"]), int(market["position"]["down_micros"])]
        assert found.invested_micros == int(market["position"]["spent_micros"])
    elif any(each.kind_code == Kind.FILLED for each in rows[:end_at]):  # the core closes no account without a fill
        assert found.realised_micros == int(market["position"]["realized_micros"])
        assert books.day_pnl[int(money["day_id"])] == int(money["day_realized_micros"])


@given(st.lists(fills(cents), max_size=10), tokens, st.data())
def test_the_venues_own_ledger_has_the_same_to_the_micro(
    trades: list[Row], outcome: Token, data: st.DataObject
) -> None:
    """Matches of whole hundredths, failures, fees, rebates, pairs, the end and its payment, on both sides."""
    venue, books, number, cash = VenueLedger(), Booker(), 1, 10**12
    venue.deposit("us", cash)
    books.begin(cash, OPEN_S * 10**9)
    books.row(0, listed())

    def tell(one: Row) -> None:
        nonlocal number
        books.row(number, one)
        number += 1

    for fill in trades:
        told = ("us", SLUG, Token(fill.token_code), Side(fill.side_code), fill.price_bps, fill.amount_micros)
        venue.fill(*told)
        tell(fill)
        fee = data.draw(st.integers(0, 10**6))
        venue.charge("us", fee)
        tell(row(Kind.FEE_CHARGED, 60, ref_id=fill.ref_id, amount_micros=fee))
        if data.draw(st.booleans()):
            venue.reverse(*told)
            venue.charge("us", -fee)
            tell(fill._replace(kind_code=int(Kind.FILL_REVERSED), code_id=0))
            tell(row(Kind.FEE_CHARGED, 61, ref_id=fill.ref_id, amount_micros=-fee))
        if data.draw(st.booleans()):
            pairs = data.draw(grains)
            for token in Token:
                venue.fill("us", SLUG, token, Side.BUY, 5_000, pairs)
                tell(filled(1, pairs / MICROS, 5_000, token, at_s=62))
            venue.merge("us", SLUG, pairs // 2)
            tell(row(Kind.MERGED, 63, amount_micros=pairs // 2))
        assert_same(books, venue)
    venue.rebate("us", 1_234_567)
    tell(row(Kind.REBATE_PAID, 100, amount_micros=1_234_567))
    venue.settle(SLUG, outcome)
    tell(settled(outcome))
    owed = venue.redeemable("us", SLUG)
    found = books.balances()
    assert found.collateral_micros + found.pending_redemption_micros == venue.balance("us") + owed
    venue.redeem("us", SLUG)
    books.redeem("note 1", SLUG, found.pending_redemption_micros, OPEN_S * 10**9)
    assert books.balances().collateral_micros == venue.balance("us")


def assert_same(books: Booker, venue: VenueLedger) -> None:
    found = books.balances()
    assert found.collateral_micros == venue.balance("us")
    assert [found.shares.get(TokenKey(SLUG, token), 0) for token in Token] == [
        venue.shares("us", SLUG, token) for token in Token
    ]


@given(histories())
def test_the_few_fills_that_the_chain_owes_a_word_on_are_known_without_looking_at_all(history: list[Row]) -> None:
    books = opened()
    for number, each in enumerate(history, start=1):
        books.row(number, each)
    assert books.unsettled == {fill.key: fill for fill in books.all_fills() if not fill.state.is_final}


@given(histories())
def test_a_fill_that_failed_has_failed_once_for_each_failure(history: list[Row]) -> None:
    books = opened()
    for number, each in enumerate(history, start=1):
        books.row(number, each)
    failures = sum(each.kind_code == Kind.FILL_REVERSED for each in history)
    assert sum(fill.state is FillState.FAILED for fill in books.all_fills()) == failures
    assert in_words(books)
