"""The ledger of the venue next door: stories of money and shares, and the law under random operations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.venue_next_door.ledger import CROWD, CROWD_MICROS, FEES, USD, Ledger
from state.events import Side, Token
from state.units import MICROS

UP, DOWN, BUY, SELL = Token.UP, Token.DOWN, Side.BUY, Side.SELL
WINDOW, OTHER = "0xa", "0xb"
ANN, BOB = "ann", "bob"
LOT = 10_000


def opened() -> Ledger:
    ledger = Ledger()
    for holder in (ANN, BOB):
        ledger.deposit(holder, 1_000 * MICROS)
    return ledger


def test_a_purchase_from_the_crowd_mints_the_pairs_it_needs() -> None:
    ledger = opened()
    ledger.fill(ANN, WINDOW, UP, BUY, 4_000, 10 * MICROS)
    assert ledger.balance(ANN) == 996 * MICROS
    assert ledger.shares(ANN, WINDOW, UP) == 10 * MICROS
    assert ledger.shares(CROWD, WINDOW, DOWN) == 10 * MICROS
    assert ledger.locked(WINDOW) == 10 * MICROS
    assert ledger.balance(CROWD) == CROWD_MICROS + 4 * MICROS - 10 * MICROS


def test_the_crowd_sells_what_it_has_before_it_mints_and_merges_what_meets_in_its_hands() -> None:
    ledger = opened()
    ledger.fill(ANN, WINDOW, UP, BUY, 4_000, 10 * MICROS)
    ledger.fill(BOB, WINDOW, DOWN, BUY, 6_000, 4 * MICROS)
    assert ledger.locked(WINDOW) == 10 * MICROS, "the crowd had these four Downs"
    ledger.fill(ANN, WINDOW, UP, SELL, 5_000, 10 * MICROS)
    assert ledger.locked(WINDOW) == 4 * MICROS
    assert ledger.shares(CROWD, WINDOW, UP) == 4 * MICROS
    assert ledger.balance(ANN) == 1_001 * MICROS
    ledger.check()


def test_fees_and_rebates_stay_in_the_house() -> None:
    ledger = opened()
    ledger.charge(ANN, 350_000)
    ledger.rebate(BOB, 1_500_000)
    assert (ledger.balance(ANN), ledger.balance(BOB)) == (1_000 * MICROS - 350_000, 1_000 * MICROS + 1_500_000)
    assert ledger.balance(FEES) == 350_000, "the crowd's fees paid the rebate"
    ledger.charge(ANN, -350_000)
    assert ledger.balance(FEES) == 0
    ledger.check()


def test_a_decided_window_pays_a_dollar_a_winning_share_when_it_is_redeemed() -> None:
    ledger = opened()
    ledger.fill(ANN, WINDOW, UP, BUY, 4_000, 10 * MICROS)
    ledger.split(BOB, WINDOW, 3 * MICROS)
    ledger.settle(WINDOW, UP)
    assert ledger.balance(ANN) == 996 * MICROS
    assert ledger.redeemable(ANN, WINDOW) == ledger.all_redeemable(ANN) == 10 * MICROS
    assert ledger.redeem(ANN, WINDOW) == 10 * MICROS
    assert ledger.redeem(ANN, WINDOW) == 0
    assert ledger.outcome(WINDOW) is UP, "there is one who has not redeemed"
    ledger.redeem_all(WINDOW)
    assert ledger.balance(BOB) == 1_000 * MICROS
    assert ledger.outcome(WINDOW) is None
    assert ledger.locked(WINDOW) == 0


def test_a_failed_match_whose_shares_were_sold_is_a_debt_and_is_due_at_the_settlement() -> None:
    ledger = opened()
    ledger.fill(ANN, WINDOW, UP, BUY, 4_000, 10 * MICROS)
    ledger.fill(ANN, WINDOW, UP, SELL, 5_000, 10 * MICROS)
    ledger.reverse(ANN, WINDOW, UP, BUY, 4_000, 10 * MICROS)
    assert ledger.shares(ANN, WINDOW, UP) == -10 * MICROS
    ledger.check()
    ledger.settle(WINDOW, UP)
    assert ledger.balance(ANN) == (1_000 + 5 - 10) * MICROS
    ledger.check()


def test_a_posting_that_makes_money_from_nothing_stops_the_venue() -> None:
    ledger = opened()
    with pytest.raises(AssertionError, match="from nowhere"):
        ledger._post("", (ANN, USD, 5))
    with pytest.raises(AssertionError, match="locked"):
        opened()._post(WINDOW, ("issuer", (WINDOW, 0), -5), (ANN, (WINDOW, 0), 5))


WHO = st.sampled_from((ANN, BOB))
WHERE = st.sampled_from((WINDOW, OTHER))
LOTS = st.integers(1, 5_000).map(lambda count: count * LOT)
OPERATIONS = st.one_of(
    st.tuples(
        st.sampled_from(("fill", "reverse")), WHO, WHERE, st.sampled_from(Token), st.sampled_from(Side),
        st.integers(1, 999).map(lambda mills: mills * 10), LOTS,
    ),
    st.tuples(st.sampled_from(("charge", "rebate", "deposit")), WHO, st.integers(0, 10**8)),
    st.tuples(st.sampled_from(("split", "merge")), WHO, WHERE, LOTS),
    st.tuples(st.just("settle"), WHERE, st.sampled_from(Token)),
    st.tuples(st.just("redeem"), WHO, WHERE),
)  # fmt: skip


@given(st.lists(OPERATIONS, max_size=60))
def test_nothing_is_made_or_lost_whatever_happens(operations: list[tuple[object, ...]]) -> None:
    ledger = opened()
    decided: set[object] = set()
    for name, *words in operations:
        windows = {WINDOW, OTHER} & {word for word in words if isinstance(word, str)}
        if name != "redeem" and windows & decided:
            continue  # nothing is traded, split or decided there any more
        if name == "settle":
            decided |= windows
        getattr(ledger, str(name))(*words)
        ledger.check()
    for window in (WINDOW, OTHER):
        if window not in decided:
            ledger.settle(window, DOWN)
        ledger.redeem_all(window)
        assert ledger.locked(window) == 0
    ledger.check()
    assert sum(ledger.balance(holder) for holder in (ANN, BOB, CROWD, FEES)) == ledger.deposited()
