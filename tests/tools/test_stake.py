"""Stakes: the formula held to a brute-force search for growth, and the caps to their word."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.units import LOT_MICROS
from tools.fees import fee_micros
from tools.stake import (
    StakeCode,
    StakeTerms,
    doubt_ratio,
    interval_sd,
    kelly_ratio,
    purchase_micros,
    stake_micros,
    tail_loss_micros,
    worst_loss_micros,
)

SHARE = DOLLAR = 1_000_000
PLAIN = StakeTerms(
    p_win=0.6,
    p_sd=0.0,
    price_bps=5_000,
    fee_rate_ppm=0,
    fee_exponent_count=1,
    held_micros=0,
    against_micros=0,
    spent_micros=0,
    bankroll_micros=1_000 * DOLLAR,
    kelly_ratio=1.0,
    room_micros=10**12,
    depth_micros=10**12,
    min_shares_micros=5 * SHARE,
    min_notional_micros=DOLLAR,
)


def growth(terms: StakeTerms, shares: float) -> float:
    cost = terms.price_bps / 10_000
    purse = (terms.bankroll_micros - terms.spent_micros) / DOLLAR - cost * shares
    won = purse + terms.held_micros / SHARE + shares
    lost = purse + terms.against_micros / SHARE
    if won <= 0 or lost <= 0:
        return -math.inf
    return terms.p_win * math.log(won) + (1 - terms.p_win) * math.log(lost)


def test_from_flat_the_stake_is_kellys_fraction() -> None:
    amount, code = stake_micros(PLAIN)
    assert code == StakeCode.KELLY
    assert amount == 400 * SHARE  # (0.6 - 0.5) / (1 - 0.5) of $1,000 buys 400 shares of 50 cents
    assert kelly_ratio(0.6, 0.5) == pytest.approx(0.2)
    assert kelly_ratio(0.5, 0.6) == 0.0


@given(
    p=st.floats(0.05, 0.95),
    mills=st.integers(30, 970),
    held=st.integers(0, 300),
    against=st.integers(0, 300),
    spent=st.integers(0, 300),
)
@settings(max_examples=150, deadline=None)
def test_no_other_size_grows_faster_whatever_is_held_already(
    p: float, mills: int, held: int, against: int, spent: int
) -> None:
    terms = PLAIN._replace(
        p_win=p,
        price_bps=mills * 10,
        held_micros=held * SHARE,
        against_micros=against * SHARE,
        spent_micros=spent * DOLLAR,
        min_shares_micros=0,
        min_notional_micros=0,
    )
    amount, code = stake_micros(terms)
    if p <= mills / 1000:
        assert (amount, code) == (0, StakeCode.NO_EDGE)
        return
    best = growth(terms, amount / SHARE)
    for other in (0.0, *(amount / SHARE + step for step in (-50, -5, -0.5, 0.5, 5, 50))):
        if other >= 0:
            assert growth(terms, other) <= best + 1e-8


@given(st.floats(0.01, 0.99), st.floats(0.0, 0.3), st.integers(10, 990), st.integers(0, 10**6), st.floats(0.0, 1.0))
@settings(max_examples=200, deadline=None)
def test_doubt_fees_and_caution_only_ever_make_a_stake_smaller(
    p: float, sd: float, mills: int, rate: int, ratio: float
) -> None:
    free = PLAIN._replace(p_win=p, price_bps=mills * 10)
    full, _ = stake_micros(free)
    changed = (free._replace(p_sd=sd), free._replace(fee_rate_ppm=rate // 5), free._replace(kelly_ratio=ratio))
    assert all(stake_micros(terms)[0] <= full for terms in changed)


def test_doubt_as_wide_as_the_edge_halves_the_stake() -> None:
    assert doubt_ratio(0.6, 0.1, 0.5) == pytest.approx(0.5)
    assert doubt_ratio(0.6, 0.0, 0.5) == 1.0
    assert doubt_ratio(0.4, 0.1, 0.5) == 0.0
    assert interval_sd(0.5, 0.7, 2.0) == pytest.approx(0.05)
    assert stake_micros(PLAIN._replace(p_sd=0.1))[0] == pytest.approx(200 * SHARE, abs=LOT_MICROS)


@given(st.integers(0, 2_000 * DOLLAR), st.integers(0, 900 * SHARE), st.integers(10, 990), st.floats(0.0, 1.0))
@settings(max_examples=300, deadline=None)
def test_no_cap_is_ever_passed_and_no_minimum_undercut(room: int, depth: int, mills: int, p: float) -> None:
    terms = PLAIN._replace(p_win=p, price_bps=mills * 10, fee_rate_ppm=70_000, room_micros=room, depth_micros=depth)
    amount, code = stake_micros(terms)
    spent = purchase_micros(terms.price_bps, amount, 70_000, 1)
    assert spent == -(-terms.price_bps * amount // 10_000) + fee_micros(terms.price_bps, amount, 70_000, 1)
    assert spent <= room and amount <= depth and amount % LOT_MICROS == 0
    assert (amount == 0) == (code >= StakeCode.NO_EDGE)
    if amount:
        assert amount >= 5 * SHARE and terms.price_bps * amount >= 10_000 * DOLLAR
        more = purchase_micros(terms.price_bps, amount + LOT_MICROS, 70_000, 1)
        assert code != StakeCode.ROOM or more > room, "a lot more would not have fitted"
        assert code != StakeCode.DEPTH or amount + LOT_MICROS > depth


def test_reasons_are_told() -> None:
    def code(**changes: Any) -> StakeCode:
        amount, said = stake_micros(PLAIN._replace(**changes))
        return StakeCode(said) if amount == 0 else StakeCode.KELLY

    assert code(p_win=0.5) == StakeCode.NO_EDGE
    assert code(held_micros=400 * SHARE, spent_micros=200 * DOLLAR) == StakeCode.NO_EDGE
    assert code(room_micros=2 * DOLLAR) == StakeCode.BELOW_MIN_SHARES
    assert code(p_win=0.2, price_bps=100, room_micros=900_000) == StakeCode.BELOW_MIN_NOTIONAL
    assert code(p_win=math.nan) == StakeCode.UNRECKONABLE
    assert code(p_sd=math.nan) == StakeCode.UNRECKONABLE
    assert code(bankroll_micros=0) == StakeCode.UNRECKONABLE
    assert code(price_bps=10_000) == StakeCode.UNRECKONABLE
    assert code(fee_exponent_count=9) == StakeCode.UNRECKONABLE


def test_what_rests_is_counted_as_bought_and_the_other_token_as_a_hedge() -> None:
    half = PLAIN._replace(held_micros=200 * SHARE, spent_micros=100 * DOLLAR)
    assert stake_micros(half)[0] == 200 * SHARE
    hedged = PLAIN._replace(against_micros=100 * SHARE, spent_micros=50 * DOLLAR)
    assert stake_micros(hedged)[0] > stake_micros(PLAIN)[0]


def test_the_worst_a_window_can_cost() -> None:
    assert worst_loss_micros(100, 30, 0) == 100
    assert worst_loss_micros(100, 130, 40) == 60
    assert worst_loss_micros(100, 130, 110) == 0


@given(
    st.lists(st.tuples(st.floats(-90, 90), st.floats(-90, 90), st.floats(0.02, 0.98)), min_size=1, max_size=4),
    st.floats(0, 1),
    st.sampled_from((0.05, 0.3, 1.0)),
)
@settings(max_examples=60, deadline=None)
def test_the_tail_is_the_mean_of_the_worst_outcomes(
    windows: list[tuple[float, float, float]], together: float, p_tail: float
) -> None:
    ups, downs, chances = (np.array(column) for column in zip(*windows, strict=True))
    count = len(windows)
    outcomes: list[tuple[float, float]] = []
    for state in range(2**count):
        wins = [bool(state >> i & 1) for i in range(count)]
        weight = math.prod(p if win else 1 - p for p, win in zip(chances, wins, strict=True))
        loss = -sum(up if win else down for up, down, win in zip(ups, downs, wins, strict=True))
        outcomes.append((loss, (1 - together) * weight))
    edges = [0.0, *sorted(chances), 1.0]
    for low, high in pairwise(edges):
        middle = (low + high) / 2
        loss = -sum(up if middle < p else down for up, down, p in zip(ups, downs, chances, strict=True))
        outcomes.append((loss, together * (high - low)))
    left, total = p_tail, 0.0
    for loss, weight in sorted(outcomes, reverse=True):
        part = min(left, weight)
        total += part * loss
        left -= part
    assert tail_loss_micros(ups, downs, chances, count, together, p_tail) == pytest.approx(total / p_tail, abs=1e-6)


def test_windows_that_move_together_have_a_worse_tail() -> None:
    ups, downs, chances = np.full(5, 50.0), np.full(5, -50.0), np.full(5, 0.6)
    apart = tail_loss_micros(ups, downs, chances, 5, 0.0, 0.05)
    tied = tail_loss_micros(ups, downs, chances, 5, 0.7, 0.05)
    assert apart < tied <= 250.0
    assert tail_loss_micros(ups, downs, chances, 0, 0.5, 0.05) == 0.0
