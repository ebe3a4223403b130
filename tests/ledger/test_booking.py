"""The books of a window, told as stories: what each piece of news does to cash, claims, shares and results."""

from dataclasses import replace

import pytest
from inline_snapshot import snapshot
from ledger_rows import (
    CASH_MICROS,
    DAY,
    DAY_S,
    OPEN_S,
    SLUG,
    ended,
    failed,
    fee,
    filled,
    in_words,
    listed,
    opened,
    place,
    rebate,
    row,
    settled,
    told,
)

from infra.ledger.balances import equity_of
from infra.ledger.entries import USD, Account, Entry, FillState, Posting
from infra.ledger.rows import Row
from state.events import EVENT, Kind, Side, Token
from state.orders import Liquidity, OrderState
from state.units import MICROS, NS_PER_S

UP, DOWN, SELL = Token.UP, Token.DOWN, Side.SELL
MAKER = Liquidity.MAKER


def test_an_order_claims_its_money_fills_in_parts_and_is_paid_when_its_window_is_redeemed() -> None:
    books = opened()
    lines = [in_words(books)]
    place(books, 7, 100, 4_500)
    lines.append(in_words(books))
    for number, each in enumerate(
        [filled(7, 40, 4_500), fee(7, 0.69), filled(7, 20, 4_500), ended(7), settled(UP)], start=1
    ):
        books.row(number, each)
        lines.append(in_words(books))
    books.redeem("note 9", SLUG, 60 * MICROS, (OPEN_S + 400) * NS_PER_S)
    lines.append(in_words(books))
    assert lines == snapshot(
        [
            "cash 1000",
            "cash 955, reserved 45",
            "cash 955, reserved 27, invested 18, 40 UP",
            "cash 954.31, reserved 27, invested 18, fees 0.69, 40 UP",
            "cash 954.31, reserved 18, invested 27, fees 0.69, 60 UP",
            "cash 972.31, invested 27, fees 0.69, 60 UP",
            "cash 972.31, pending 60, fees 0.69, realised 32.31",
            "cash 1032.31, fees 0.69, realised 32.31",
        ]
    )
    assert books.day_pnl[DAY] == books.balances().realised_micros == round((60 - 27 - 0.69) * MICROS)


def test_a_match_that_failed_gives_money_shares_and_fee_back_but_not_the_order() -> None:
    books = opened()
    place(books, 7, 100, 4_500)
    told(books, [filled(7, 40, 4_500), fee(7, 0.69), failed(7, 40, 4_500), fee(7, -0.69, at_s=70)])
    assert in_words(books) == snapshot("cash 973, reserved 27")
    assert [fill.state for fill in books.all_fills()] == [FillState.FAILED]


def test_what_comes_after_the_end_is_realised_at_once() -> None:
    """A fill that is heard of late pays out like the others; so does a late failure, the other way."""
    books = opened()
    told(books, [filled(1, 10, 4_000), settled(UP), filled(2, 5, 6_000, at_s=340), fee(2, 0.08, at_s=340)])
    assert in_words(books) == snapshot("cash 992.92, pending 15, fees 0.08, realised 7.92")
    told(books, [failed(1, 10, 4_000, at_s=350)], first=5)
    assert in_words(books) == snapshot("cash 996.92, pending 5, fees 0.08, realised 1.92")


def test_a_result_counts_on_the_day_that_its_window_was_decided() -> None:
    """A window across midnight: bought today, decided tomorrow; a fee of it that comes later counts when it comes."""
    books = opened()
    before_midnight_s = DAY_S - OPEN_S % DAY_S - 100.0
    told(
        books,
        [
            filled(1, 10, 4_000, at_s=before_midnight_s),
            settled(DOWN, at_s=before_midnight_s + 200),
            fee(1, 0.2, at_s=before_midnight_s + 200 + DAY_S),
        ],
    )
    assert dict(books.day_pnl) == {DAY + 1: -4 * MICROS, DAY + 2: -200_000}


def test_a_sale_claims_shares_not_money() -> None:
    books = opened()
    told(books, [filled(1, 10, 4_000)])
    place(books, 2, 6, 5_500, side=SELL)
    assert {key.token: micros for key, micros in books.balances().offered.items()} == {UP: 6 * MICROS}
    assert in_words(books) == snapshot("cash 996, invested 4, 10 UP")
    told(books, [filled(2, 2, 5_500, side=SELL, at_s=90), ended(2, at_s=95)], first=2)
    assert in_words(books) == snapshot("cash 997.1, invested 2.9, 8 UP")
    assert books.balances().offered == {}


def test_a_rebate_is_accrued_by_the_fill_and_cleared_by_the_payout() -> None:
    """The rules of the day: 7 % of p(1-p), a fifth of it for makers; 100 shares at 50 cents earn 35 cents."""
    books = opened()
    told(books, [filled(1, 100, 5_000, liquidity=MAKER)])
    assert books.balances().rebates_accrued_micros == 350_000
    told(books, [failed(1, 100, 5_000), filled(2, 400, 5_000, liquidity=MAKER, at_s=75)], first=2)
    assert books.balances().rebates_accrued_micros == 1_400_000, "what failed earns nothing"
    told(books, [rebate(1.40, at_s=DAY_S)], first=4)
    found = books.balances()
    assert (found.rebates_accrued_micros, found.rebates_micros) == (0, 1_400_000)


def test_pairs_turned_back_into_dollars_are_no_result_until_the_window_ends() -> None:
    books = opened()
    told(books, [filled(1, 10, 4_000), filled(2, 10, 5_500, DOWN), row(Kind.MERGED, 90, amount_micros=8 * MICROS)])
    assert books.balances().realised_micros == 0
    assert {key.token: micros // MICROS for key, micros in books.balances().shares.items()} == {UP: 2, DOWN: 2}
    told(books, [row(Kind.MERGED, 95, amount_micros=0), settled(DOWN)], first=4)
    assert books.balances().realised_micros == round(0.5 * MICROS)


def test_news_of_the_chain_moves_a_fill_and_no_money() -> None:
    books = opened()
    told(books, [filled(1, 10, 4_000), filled(1, 5, 4_000)])
    before = in_words(books)
    told(books, [replace_kind(filled(1, 10, 4_000, at_s=63), "FILL_MINED")], first=3)
    assert [fill.state for fill in books.all_fills()] == [FillState.MINED, FillState.MATCHED]
    told(books, [replace_kind(filled(1, 10, 4_000, at_s=65), "FILL_CONFIRMED")], first=4)
    assert [fill.state for fill in books.all_fills()] == [FillState.CONFIRMED, FillState.MATCHED]
    assert in_words(books) == before


def test_of_two_matches_alike_one_settles_and_the_other_does_not_pass_for_it() -> None:
    """Mined and confirmed are two pieces of news of one match; the other's news is still to come."""
    books = opened()
    told(books, [filled(1, 10, 4_000), filled(1, 10, 4_000, at_s=61)])
    told(books, [replace_kind(filled(1, 10, 4_000), kind) for kind in ("FILL_MINED", "FILL_CONFIRMED")], first=3)
    assert [fill.state for fill in books.all_fills()] == [FillState.CONFIRMED, FillState.MATCHED]
    told(books, [failed(1, 10, 4_000)], first=5)
    assert sorted(fill.state for fill in books.all_fills()) == [FillState.CONFIRMED, FillState.FAILED]


def test_an_amount_alone_reaches_the_oldest_whole_matches() -> None:
    """News without a price, of a match over several levels: it counts for the fills that it covers."""
    books = opened()
    told(books, [filled(1, 10, 4_000), filled(1, 5, 4_100), filled(1, 20, 4_000, at_s=61)])
    told(books, [replace_kind(filled(1, 15, 0), "FILL_CONFIRMED")], first=4)
    assert [fill.state for fill in books.all_fills()] == [FillState.CONFIRMED, FillState.CONFIRMED, FillState.MATCHED]


def replace_kind(one: Row, kind: str) -> Row:
    return one._replace(kind_code=int(Kind[kind]))


def test_a_slot_serves_one_window_after_another_but_not_while_the_first_is_held() -> None:
    books = opened()
    told(books, [filled(1, 10, 4_000), listed(open_s=OPEN_S + 300, at_s=100), filled(2, 1, 5_000)])
    assert {key.window for key in books.balances().shares} == {SLUG}
    assert books.counts == {"a window in the slot of one that we hold": 1}
    told(books, [settled(UP), listed(open_s=OPEN_S + 300, at_s=340), filled(3, 1, 5_000, at_s=350)], first=4)
    assert {key.window for key in books.balances().shares} == {f"btc-updown-5m-{OPEN_S + 300}"}


def test_a_kind_that_nobody_knows_is_counted_and_changes_nothing() -> None:
    books = opened()
    before = in_words(books)
    assert told(books, [row(200, 10, amount_micros=5), row(Kind.TICKED, 11), row(Kind.OPERATOR_SAID, 12)]) == []
    assert books.counts == {"rows of a kind that the books do not know": 1}
    assert in_words(books) == before


def test_an_end_of_any_kind_releases_the_claim() -> None:
    for state in (OrderState.DONE, OrderState.REJECTED, OrderState.NONE):
        books = opened()
        place(books, 1, 10, 4_000)
        assert books.balances().reserved_micros == 4 * MICROS
        told(books, [ended(1, state=OrderState.RESTING), ended(1, state=state)])
        assert (books.balances().reserved_micros, books.balances().cash_micros) == (0, CASH_MICROS)


def test_equity_says_what_is_sure_what_may_still_fail_and_what_is_at_risk() -> None:
    books = opened()
    place(books, 1, 10, 4_000)
    place(books, 2, 50, 3_000)
    told(books, [filled(1, 10, 4_000), ended(1)])
    equity = equity_of(books.balances(), books.all_fills(), books.outcomes())
    assert (equity.confirmed_micros, equity.provisional_micros, equity.at_risk_micros) == (
        996 * MICROS, 4 * MICROS, 15 * MICROS,
    )  # fmt: skip
    sure = [replace(fill, state=FillState.CONFIRMED) for fill in books.all_fills()]
    assert equity_of(books.balances(), sure, {}).provisional_micros == 0
    told(books, [settled(UP)], first=3)
    equity = equity_of(books.balances(), books.all_fills(), books.outcomes())
    assert (equity.confirmed_micros, equity.provisional_micros, equity.at_risk_micros) == (
        996 * MICROS, 10 * MICROS, 0,
    )  # fmt: skip


def test_an_entry_that_does_not_add_up_cannot_be_made() -> None:
    lines = (Posting(Account.CASH, USD, 5), Posting(Account.FEES, USD, -4))
    with pytest.raises(AssertionError, match="came from nowhere"):
        Entry(key="row 1", kind="fee", seen_ns=0, day=0, postings=lines)


def test_a_row_is_the_record_column_by_column() -> None:
    assert EVENT.names == Row._fields
