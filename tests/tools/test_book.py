"""The book: what set_level keeps must be what a plain dictionary of levels would say."""

import math
import os
import subprocess
import sys

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot
from recordings import recordings

from state.book import Book, BookCode
from state.events import LAST_IN_FRAME, Event, Kind, Side
from state.records import as_dict, one, rows
from tools.book import (
    apply_to_book,
    best_ask_bps,
    best_bid_bps,
    change_tick,
    clear_book,
    complement_gap_bps,
    complete_set_edges_bps,
    cost_to_take,
    cost_within,
    depth_within,
    effective_best_bps,
    effective_size_at,
    imbalance_ratio,
    is_crossed,
    is_two_sided,
    microprice_p,
    mid_p,
    notional_micros,
    open_book,
    set_level,
    size_at,
    spread_bps,
    touch_micros,
)

SHARE = 1_000_000
BUY, SELL = int(Side.BUY), int(Side.SELL)


def book_of(bids: dict[int, float], asks: dict[int, float], tick_bps: int = 100) -> Book:
    book = one(Book)
    assert open_book(book, tick_bps) == BookCode.DONE
    for side, levels in ((BUY, bids), (SELL, asks)):
        for price, shares in levels.items():
            assert set_level(book, side, price, round(shares * SHARE)) == BookCode.DONE
    book.valid = True
    book.whole = True
    return book


def mirror_of(book: Book) -> Book:
    other = book_of({}, {})
    for mills in range(1, 1000):
        set_level(other, SELL, 10_000 - 10 * mills, size_at(book, BUY, 10 * mills))
        set_level(other, BUY, 10_000 - 10 * mills, size_at(book, SELL, 10 * mills))
    return other


changes = st.lists(
    st.tuples(
        st.sampled_from((BUY, SELL)),
        st.integers(1, 999),
        st.one_of(st.just(0), st.integers(1, 5_000).map(lambda n: n * 10_000)),
    ),
    max_size=60,
)


@given(changes)
@settings(max_examples=200, deadline=None)
def test_the_ladders_say_what_a_dictionary_of_levels_says(made: list[tuple[int, int, int]]) -> None:
    book = book_of({}, {})
    levels: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}
    for side, mills, amount in made:
        assert set_level(book, side, mills * 10, amount) == BookCode.DONE
        levels[side][mills] = amount
        if amount == 0:
            del levels[side][mills]
    for side, ladder, best_of in ((BUY, book.bid, max), (SELL, book.ask, min)):
        known = levels[side]
        assert ladder.levels_count == len(known)
        assert ladder.best_bps == (10 * best_of(known) if known else -1)
        assert ladder.notional_micro_mills == sum(mills * amount for mills, amount in known.items())
        assert touch_micros(book, side) == (known[best_of(known)] if known else 0)
        assert {i: int(size) for i, size in enumerate(ladder.sizes_micros) if size} == known
    assert book.updates_count == len(made)
    assert notional_micros(book) == sum(m * a for known in levels.values() for m, a in known.items()) // 1000
    clear_book(book)
    assert not book.bid.sizes_micros.any() and not book.ask.sizes_micros.any()
    assert (best_bid_bps(book), best_ask_bps(book), notional_micros(book)) == (-1, -1, 0)
    assert not book.valid


@given(changes, st.sampled_from((BUY, SELL)), st.integers(0, 20_000_000_000), st.integers(0, 10_000))
@settings(max_examples=200, deadline=None)
def test_the_cost_of_a_size_is_the_sum_over_the_levels_it_takes(
    made: list[tuple[int, int, int]], side: int, wanted: int, limit: int
) -> None:
    book = book_of({}, {})
    for level_side, mills, amount in made:
        set_level(book, level_side, mills * 10, amount)
    left, exact = wanted, 0
    walk = range(1000) if side == BUY else range(999, -1, -1)
    for mills in walk:
        if (10 * mills > limit) if side == BUY else (10 * mills < limit):
            continue
        part = min(left, size_at(book, 1 - side, 10 * mills))
        left -= part
        exact += part * mills
    filled, cost = cost_within(book, side, wanted, limit)
    assert filled == wanted - left
    assert cost == (-(-exact // 1000) if side == BUY else exact // 1000)
    if filled % 10_000 == 0:
        assert cost * 1000 == exact, "exact to the micro on the venue's size grid"


def test_prices_off_the_mills_and_out_of_range_are_refused_and_change_nothing() -> None:
    book = book_of({5_000: 10}, {5_100: 10})
    before = as_dict(book)
    assert set_level(book, BUY, 5_005, SHARE) == BookCode.OFF_GRID
    assert set_level(book, BUY, 0, SHARE) == BookCode.OUT_OF_RANGE
    assert set_level(book, SELL, 10_000, SHARE) == BookCode.OUT_OF_RANGE
    assert set_level(book, SELL, 5_200, -1) == BookCode.OUT_OF_RANGE
    assert change_tick(book, 25) == BookCode.OFF_GRID
    assert change_tick(book, 1) == BookCode.OFF_GRID
    assert change_tick(book, 0) == BookCode.OUT_OF_RANGE
    assert as_dict(book) == before


def test_a_new_tick_begins_an_epoch_and_resting_levels_stay() -> None:
    book = book_of({9_600: 10}, {9_700: 10})
    assert change_tick(book, 10) == BookCode.DONE
    assert change_tick(book, 10) == BookCode.DONE
    assert (book.epoch_count, book.tick_bps, size_at(book, BUY, 9_600)) == (1, 10, 10 * SHARE)
    assert set_level(book, BUY, 9_610, SHARE) == BookCode.DONE
    assert best_bid_bps(book) == 9_610


def test_one_sided_books_answer_without_a_price() -> None:
    book = book_of({200: 40}, {})
    assert not is_two_sided(book)
    assert (best_bid_bps(book), best_ask_bps(book), spread_bps(book)) == (200, -1, -1)
    assert math.isnan(mid_p(book)) and math.isnan(microprice_p(book))
    assert cost_to_take(book, BUY, SHARE) == (0, 0)
    assert cost_to_take(book, SELL, 50 * SHARE) == (40 * SHARE, 800_000)
    assert depth_within(book, SELL, 4) == 0
    assert imbalance_ratio(book, 4) == 1.0


def test_depth_counts_from_each_sides_own_touch() -> None:
    book = book_of({5_000: 1, 4_900: 2, 4_600: 4, 4_590: 8}, {5_200: 3, 5_600: 5, 5_610: 7})
    assert [depth_within(book, BUY, cents) // SHARE for cents in (0, 1, 4, 5)] == [1, 3, 7, 15]
    assert [depth_within(book, SELL, cents) // SHARE for cents in (0, 4, 5)] == [3, 8, 15]
    assert imbalance_ratio(book, 4) == (7 - 8) / 15
    assert mid_p(book) == 0.51
    assert microprice_p(book) == (5_000 * 3 + 5_200 * 1) / (4 * 10_000)
    assert depth_within(book_of({50: 1}, {9_950: 2}), SELL, 9) == 2 * SHARE


def test_two_books_of_one_market_are_one_book_seen_twice() -> None:
    up = book_of({5_000: 10, 4_900: 20}, {5_200: 7})
    down = mirror_of(up)
    assert (best_bid_bps(down), best_ask_bps(down)) == (4_800, 5_000)
    assert complement_gap_bps(up, down) == 0
    empty = book_of({}, {})
    for book, other in ((up, down), (up, empty), (empty, down)):
        assert effective_best_bps(book, other, BUY) == 5_000
        assert effective_best_bps(book, other, SELL) == 5_200
        assert effective_size_at(book, other, BUY, 5_000) == 10 * SHARE
    assert effective_best_bps(empty, empty, BUY) == effective_best_bps(empty, empty, SELL) == -1
    set_level(down, SELL, 4_900, SHARE)
    assert complement_gap_bps(up, down) == 100
    assert complement_gap_bps(up, empty) == 10_000


def test_complete_sets_are_weighed_from_both_sides() -> None:
    up = book_of({5_000: 10}, {5_100: 10})
    assert complete_set_edges_bps(up, book_of({4_700: 1}, {4_800: 1})) == (100, -300)
    assert complete_set_edges_bps(up, book_of({5_200: 1}, {5_300: 1})) == (-400, 200)
    assert complete_set_edges_bps(up, book_of({}, {})) == (-10_000, -10_000)


def test_a_frame_is_told_row_by_row_and_whole_at_its_end() -> None:
    book = one(Book)
    open_book(book, 100)
    frame = rows(Event, 4)
    frame["at_ns"] = (1, 1, 1, 2)
    frame["seen_ns"] = (5, 5, 5, 6)
    frame["kind_code"] = (Kind.BOOK_CLEARED, Kind.LEVEL_SET, Kind.LEVEL_SET, Kind.TICK_CHANGED)
    frame["side_code"] = (0, 0, 1, 0)
    frame["price_bps"] = (0, 5_000, 4_900, 10)
    frame["amount_micros"] = (0, SHARE, SHARE, 0)
    frame["flags_mask"] = (0, 0, LAST_IN_FRAME, LAST_IN_FRAME)
    seen = []
    for event in frame:
        code = apply_to_book(book, event)
        seen.append((code, bool(book.valid), bool(book.whole), is_crossed(book), int(book.tick_bps), int(book.seen_ns)))
    assert seen == snapshot(
        [
            (0, True, False, False, 100, 5),
            (0, True, False, False, 100, 5),
            (0, True, True, True, 100, 5),
            (0, True, True, True, 10, 6),
        ]
    )


STORY = """
import numpy as np
from state.book import Book
from state.records import one
from tools.book import *
book = one(Book)
open_book(book, 10)
said = []
rng = np.random.default_rng(5)
for side, mills, lots in rng.integers((0, 1, -40), (2, 1000, 60), (300, 3)):
    set_level(book, int(side), int(mills) * 10, max(int(lots), 0) * 10_000)
    said.append((spread_bps(book), microprice_p(book), imbalance_ratio(book, 9), notional_micros(book)))
    said.append(cost_to_take(book, int(side), 3_000_000))
print(repr(said))
"""


def test_plain_python_and_compiled_code_say_the_same() -> None:
    said = [
        subprocess.run(
            [sys.executable, "-c", STORY],
            env={**os.environ, "NUMBA_DISABLE_JIT": off},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for off in ("0", "1")
    ]
    assert said[0] == said[1]
    assert len(said[0]) > 1_000


def test_recorded_changes_rebuild_the_recorded_touches_and_depths() -> None:
    folder = recordings("pm_btc5m_l2_2026-04")
    ask = duckdb.connect().execute
    long = "group by all having count(*) > 1000 order by all limit 1"
    window, token = ask(f"select window_start, token from '{folder}/tob.parquet' {long}").fetchall()[0]
    where = f"where window_start = {window} and token = '{token}' order by seq"
    columns = "seq, (side = 'A')::int as side, price_mills, round(size * 1e6)::bigint as amount"
    moves = ask(f"select {columns} from '{folder}/l2_changes.parquet' {where}").fetchnumpy()
    shown = ask(f"select * from '{folder}/tob.parquet' {where}").fetchnumpy()
    book = book_of({}, {})
    starts = np.searchsorted(moves["seq"], shown["seq"], "left")
    ends = np.searchsorted(moves["seq"], shown["seq"], "right")
    for row in range(len(shown["seq"])):
        for i in range(starts[row], ends[row]):
            assert (
                set_level(book, int(moves["side"][i]), int(moves["price_mills"][i]) * 10, int(moves["amount"][i])) == 0
            )
        for side, best, name in ((BUY, best_bid_bps(book), "bid"), (SELL, best_ask_bps(book), "ask")):
            told = shown[name][row]
            assert best == (-1 if np.ma.is_masked(told) or math.isnan(told) else round(told * 10_000))
            if best > 0:
                assert depth_within(book, side, 4) / SHARE == pytest.approx(shown[f"{name}_sz_4c"][row], rel=1e-6)
                assert touch_micros(book, side) / SHARE == pytest.approx(shown[f"{name}_sz"][row], rel=1e-6)
