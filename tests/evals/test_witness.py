"""The witness is a second opinion on the venue's model, so its own answers are held to stories told by hand."""

import os
import subprocess
import sys
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.witness import NO_LIMIT_BPS, Rows, looks_of, mid_bps, touch_bps, walk_bps, witness
from state.events import EVENT, LAST_IN_FRAME, FeedState, Kind, Side, Source, Token
from state.units import MICROS, NS_PER_S

SHARE = MICROS
UP, DOWN, BUY, SELL = int(Token.UP), int(Token.DOWN), int(Side.BUY), int(Side.SELL)


def row(kind: Kind, at: int, seen: int, **columns: Any) -> Rows:
    made = np.zeros(1, EVENT)
    made["kind_code"], made["at_ns"], made["seen_ns"], made["flags_mask"] = kind, at, seen, LAST_IN_FRAME
    for name, value in columns.items():
        made[name] = value
    return made


def level(at: int, seen: int, side: int, price_bps: int, shares: float, token: int = UP, **columns: Any) -> Rows:
    return row(
        Kind.LEVEL_SET, at, seen, side_code=side, price_bps=price_bps, amount_micros=round(shares * SHARE),
        token_code=token, source_code=Source.POLYMARKET_BOOK, **columns,
    )  # fmt: skip


def tape(*rows: Rows) -> Rows:
    return np.concatenate([row(Kind.MARKET_LISTED, 0, 0, span_s=300, price_bps=100), *rows])


def nothing() -> Rows:
    return looks_of(np.zeros(0, np.int64), 0, 0)


def by_desk(rows: Rows, looks: Rows) -> Rows:
    return witness([rows], looks, nothing())[0]


def by_venue(rows: Rows, looks: Rows) -> Rows:
    return witness([rows], nothing(), looks)[1]


def at(*when_ns: int, **columns: Any) -> Rows:
    return looks_of(np.array(when_ns, np.int64), 0, columns.pop("token", UP), **columns)


def test_the_desk_looks_by_when_it_saw_and_the_venue_by_when_it_happened() -> None:
    rows = tape(level(10, 20, SELL, 5_500, 1), level(100, 200, SELL, 5_500, 0), level(100, 200, SELL, 5_700, 1))
    assert by_desk(rows, at(19, 20, 150, 200))["ask_bps"].tolist() == [-1, 5_500, 5_500, 5_700]
    assert by_venue(rows, at(9, 10, 99, 100))["ask_bps"].tolist() == [-1, 5_500, 5_500, 5_700]


def test_a_row_cannot_happen_before_the_rows_that_came_before_it_on_its_channel() -> None:
    rows = tape(level(100, 110, SELL, 5_500, 1), level(90, 120, SELL, 5_400, 1))
    assert by_venue(rows, at(95, 100))["ask_bps"].tolist() == [-1, 5_400]


def test_prices_of_the_coin_do_not_hold_up_the_venues_clock() -> None:
    price = row(Kind.PRICE_SEEN, 500, 110, source_code=Source.BINANCE, value_usd=9.0)
    rows = tape(level(100, 105, SELL, 5_500, 1), price, level(120, 130, SELL, 5_400, 1))
    assert by_venue(rows, at(110, 120))["ask_bps"].tolist() == [5_500, 5_400]


def test_both_tokens_are_priced_when_only_down_was_recorded() -> None:
    rows = tape(level(1, 1, BUY, 4_000, 3, DOWN), level(1, 1, SELL, 4_200, 2, DOWN))
    up, down = by_desk(rows, at(5)), by_desk(rows, at(5, token=DOWN))
    assert (up["bid_bps"][0], up["ask_bps"][0]) == (5_800, 6_000)
    assert (down["bid_bps"][0], down["ask_bps"][0]) == (4_000, 4_200)
    assert mid_bps(up)[0] == 5_900.0


def test_a_size_is_walked_through_levels_to_the_limit_and_no_farther() -> None:
    rows = tape(level(1, 1, SELL, 5_000, 10), level(1, 1, SELL, 5_200, 10), level(1, 1, SELL, 5_500, 100))
    looks = at(2, 2, 2, amount_micros=20 * SHARE, limit_bps=np.array([NO_LIMIT_BPS, 5_000, 4_900]))
    found = by_desk(rows, looks)
    assert found["filled_micros"].tolist() == [20 * SHARE, 10 * SHARE, 0]
    assert found["cost_micros"].tolist() == [10_200_000, 5_000_000, 0]
    assert walk_bps(found)[:2].tolist() == [5_100.0, 5_000.0]
    assert np.isnan(walk_bps(found)[2])
    assert found["displayed_micros"].tolist() == [120 * SHARE, 10 * SHARE, 0]


def test_a_seller_meets_the_bids_from_the_best_one_down() -> None:
    rows = tape(level(1, 1, BUY, 5_000, 10), level(1, 1, BUY, 4_800, 10))
    found = by_desk(rows, at(2, side=SELL, amount_micros=15 * SHARE, limit_bps=4_000))
    assert touch_bps(found)[0] == 5_000.0
    assert found["cost_micros"][0] == 7_400_000


def test_what_we_took_is_not_displayed_to_us_twice() -> None:
    rows = tape(level(1, 1, SELL, 5_000, 10), level(50, 50, SELL, 5_100, 5))
    looks = at(10, 20, amount_micros=SHARE, limit_bps=5_000, take_micros=np.array([7, 2]) * SHARE)
    assert by_venue(rows, looks)["displayed_micros"].tolist() == [10 * SHARE, 3 * SHARE]


def test_what_a_level_loses_is_ours_first_and_what_it_gains_is_new() -> None:
    rows = tape(
        level(1, 1, SELL, 5_000, 10), level(20, 20, SELL, 5_000, 6), level(40, 40, SELL, 5_000, 9),
        level(60, 60, SELL, 5_000, 1),
    )  # fmt: skip
    looks = at(10, 30, 50, 70, limit_bps=5_000, take_micros=np.array([7, 0, 0, 0]) * SHARE)
    # 7 of 10 taken; 4 leave and are ours, so 3 of the 6 left are still taken; 3 come: 6 free; 8 leave: all ours gone.
    assert by_venue(rows, looks)["displayed_micros"].tolist() == [10 * SHARE, 3 * SHARE, 6 * SHARE, SHARE]


def test_taking_one_token_takes_the_others_mirrored_level() -> None:
    rows = tape(level(1, 1, BUY, 4_000, 10, DOWN))
    looks = np.concatenate([at(10, limit_bps=6_000, take_micros=4 * SHARE), at(20, token=DOWN, side=SELL, limit_bps=1)])
    assert by_venue(rows, looks)["displayed_micros"].tolist() == [10 * SHARE, 6 * SHARE]


def test_a_new_window_in_the_slot_begins_with_empty_books_and_nothing_taken() -> None:
    rows = np.concatenate([tape(level(1, 1, SELL, 5_000, 10)), tape(level(100, 100, SELL, 5_000, 8))])
    rows["at_ns"][2] = rows["seen_ns"][2] = 90
    looks = at(10, 95, 110, limit_bps=5_000, take_micros=np.array([10, 0, 0]) * SHARE)
    assert by_venue(rows, looks)["displayed_micros"].tolist() == [10 * SHARE, 0, 8 * SHARE]


def test_a_gap_in_the_books_feed_leaves_no_book() -> None:
    gap = row(Kind.FEED_CHANGED, 50, 50, source_code=Source.POLYMARKET_BOOK, code_id=FeedState.GAP)
    rows = tape(level(1, 1, SELL, 5_000, 10), gap)
    assert by_desk(rows, at(40, 60))["ask_bps"].tolist() == [5_000, -1]


def test_the_settlement_streams_price_outranks_an_exchanges() -> None:
    exchange = row(Kind.PRICE_SEEN, 5, 5, source_code=Source.BINANCE, value_usd=100.0, other_usd=102.0)
    oracle = row(Kind.PRICE_SEEN, 9, 9, source_code=Source.CHAINLINK, value_usd=99.0, other_usd=99.0)
    assert by_desk(tape(exchange, oracle), at(1, 6, 10))["price_usd"].tolist() == [0.0, 101.0, 99.0]


def test_looks_keep_the_order_they_were_handed_in() -> None:
    rows = tape(level(10, 10, SELL, 5_000, 1), level(20, 20, SELL, 4_000, 1))
    assert by_desk(rows, at(25, 5, 15))["ask_bps"].tolist() == [4_000, -1, 5_000]


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 30), st.integers(0, 9), st.sampled_from([BUY, SELL]), st.integers(1, 9), st.integers(0, 3)
    ),
    min_size=1, max_size=40,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(CHANGES, st.integers(1, 7))
def test_touches_are_those_of_a_book_kept_by_hand_however_the_tape_is_cut(
    changes: list[tuple[int, int, int, int, int]], size: int
) -> None:
    seen, rows = 0, [row(Kind.MARKET_LISTED, 0, 0, span_s=300, price_bps=100)]
    for step, late, side, price, shares in changes:
        seen += step
        # Bids below and asks above the middle, so that the book is never crossed.
        price_bps = 500 * price if side == BUY else 10_000 - 500 * price
        rows.append(level(max(seen - late, 0), seen, side, price_bps, shares))
    whole = np.concatenate(rows)
    looks = at(*range(0, seen + 2))
    chunks = [whole[k : k + size] for k in range(0, len(whole), size)]
    found = witness(chunks, looks, looks.copy())
    stamps = np.maximum.accumulate(whole["at_ns"])
    for answers, clock in zip(found, (whole["seen_ns"], stamps), strict=True):
        for answer in answers:
            bids, asks = by_hand(whole[clock <= answer["when_ns"]])
            assert (answer["bid_bps"], answer["ask_bps"]) == (max(bids, default=-1), min(asks, default=-1))


def by_hand(rows: Rows) -> tuple[set[int], set[int]]:
    books: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for event in rows[rows["kind_code"] == Kind.LEVEL_SET]:
        books[int(event["side_code"])][int(event["price_bps"])] = int(event["amount_micros"])
    bids, asks = ({price for price, size in book.items() if size} for book in books)
    return bids, asks


def test_the_witness_says_the_same_uncompiled() -> None:
    code = "import sys; sys.path.insert(0, 'tests/evals'); import test_witness; print(test_witness.story().tolist())"
    bare = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert bare.stdout.strip() == str(story().tolist())


def story() -> Rows:
    chance = np.random.default_rng(3)
    rows = [row(Kind.MARKET_LISTED, 0, 0, span_s=300, price_bps=100)]
    for step in range(80):
        side = int(chance.integers(0, 2))
        price = int(chance.integers(1, 49)) * 100
        shares = float(chance.integers(0, 20))
        when = step * NS_PER_S
        rows.append(level(when, when + 5, side, price if side == BUY else 10_000 - price, shares, step % 2))
    when_ns = np.sort(chance.integers(0, 80 * NS_PER_S, 12))
    looks = looks_of(
        when_ns,
        0,
        chance.integers(0, 2, 12),
        chance.integers(0, 2, 12),
        30 * SHARE,
        5_000,
        chance.integers(0, 9, 12) * SHARE,
    )
    desk, venue = witness([np.concatenate(rows)], looks, looks.copy())
    return np.concatenate([desk, venue])
