"""Rows out of a journal: the same however it is cut, and what an independent reckoning says."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from store_journals import START_NS, assert_same, batches, market_journal, short_journal, split, write_rows
from traced_sessions import traded_session

from infra.journal.blocks import EntryKind
from infra.journal.naming import journal_id
from infra.journal.reader import entries, read_events, read_mandates
from infra.shell.core import COMMAND, MANDATE
from infra.store.rows import JournalRows
from infra.store.schema import TABLES
from state.events import EVENT, LAST_IN_FRAME, Kind, Side, Token
from state.orders import Act

BOOK = ("bid_bps", "bid_micros", "ask_bps", "ask_micros")


def _event(kind: int, at_s: float, **columns: Any) -> Any:
    row = np.zeros(1, EVENT)
    row["kind_code"], row["seen_ns"], row["at_ns"] = kind, START_NS + int(at_s * 1e9), START_NS
    for name, value in columns.items():
        row[name] = value
    return row


def test_a_frame_of_both_books_becomes_two_tops_and_a_spread(tmp_path: Path) -> None:
    level = {"slot_id": 3, "kind_code": Kind.LEVEL_SET}
    rows = np.concatenate([
        _event(Kind.MARKET_LISTED, 0, slot_id=3, ref_id=1_795_000_200 * 10**9, span_s=300),
        _event(Kind.BOOK_CLEARED, 1, slot_id=3, token_code=Token.UP),
        _event(Kind.LEVEL_SET, 1, **level, token_code=Token.UP, side_code=Side.BUY, price_bps=5100, amount_micros=7),
        _event(Kind.LEVEL_SET, 1, **level, token_code=Token.UP, side_code=Side.BUY, price_bps=5000, amount_micros=9),
        _event(Kind.LEVEL_SET, 1, **level, token_code=Token.UP, side_code=Side.SELL, price_bps=5400, amount_micros=2),
        _event(Kind.BOOK_CLEARED, 1, slot_id=3, token_code=Token.DOWN),
        _event(Kind.LEVEL_SET, 1, **level, token_code=Token.DOWN, side_code=Side.BUY, price_bps=4700, amount_micros=5,
               flags_mask=LAST_IN_FRAME),
        _event(Kind.LEVEL_SET, 2, **level, token_code=Token.UP, side_code=Side.BUY, price_bps=5100, amount_micros=0,
               flags_mask=LAST_IN_FRAME),
    ])  # fmt: skip
    (batch,) = batches(write_rows(tmp_path / "j", rows))
    tops, spreads = batch.tables["books_top"], batch.tables["spreads"]
    seen = [[int(tops[name][row]) for name in ("seq", "part_id", "token_code", *BOOK)] for row in range(3)]
    assert seen == [
        [7, 0, 0, 5100, 7, 5400, 2],
        [7, 1, 1, 4700, 5, -1, 0],
        [8, 0, 0, 5000, 9, 5400, 2],
    ]  # fmt: skip
    assert set(tops["market"]) == {"btc-updown-5m-1795000200"}
    assert [spreads[name].tolist() for name in ("bid_bps", "ask_bps", "spread_bps")] == [
        [5100, 5000], [5300, 5300], [200, 300],
    ]  # fmt: skip


def test_a_book_is_nothing_after_a_gap_until_its_next_snapshot(tmp_path: Path) -> None:
    bid = {"slot_id": 1, "side_code": Side.BUY, "amount_micros": 4, "flags_mask": LAST_IN_FRAME}
    rows = np.concatenate([
        _event(Kind.LEVEL_SET, 0, price_bps=4000, **bid),
        _event(Kind.BOOK_CLEARED, 1, slot_id=1),
        _event(Kind.LEVEL_SET, 1, price_bps=5000, **bid),
        _event(Kind.FEED_CHANGED, 2, source_code=9, code_id=3, flags_mask=LAST_IN_FRAME),
        _event(Kind.LEVEL_SET, 3, price_bps=5100, **bid),
        _event(Kind.BOOK_CLEARED, 4, slot_id=1),
        _event(Kind.LEVEL_SET, 4, price_bps=5000, **bid),
    ])  # fmt: skip
    (batch,) = batches(write_rows(tmp_path / "j", rows))
    tops = batch.tables["books_top"]
    assert list(zip(tops["seq"].tolist(), tops["bid_bps"].tolist(), strict=True)) == [(3, 5000), (7, 5000)]


@settings(max_examples=15)
@given(st.lists(st.integers(1, 1_100), max_size=6), st.integers(0, 7_000), st.integers(100, 4_000))
def test_rows_do_not_depend_on_how_a_journal_is_cut(at: Any, from_seq: int, rows_most: int) -> None:
    folder = short_journal()
    (whole,) = batches(folder)
    made, pieces = JournalRows(journal_id(folder), from_seq), []
    for entry in entries(folder):
        parts = split(entry, at) if entry.kind is EntryKind.EVENTS else [entry]
        for part in parts:
            made.take(part)
            if made.rows_count > rows_most:
                pieces.append(made.cut())
    pieces.append(made.cut())
    assert all(left.next_seq == right.first_seq for left, right in pairwise(pieces))
    wanted = whole.after(from_seq).tables
    for name in {*wanted, *(name for piece in pieces for name in piece.tables)}:
        found = [piece.tables[name] for piece in pieces if name in piece.tables]
        put = {column: np.concatenate([each[column] for each in found]) for column in found[0]}
        assert_same(_ordered(put), _ordered(wanted[name]))


def _ordered(columns: Any) -> Any:
    order = np.lexsort((columns["part_id"], columns["seq"]))
    return {name: values[order] for name, values in columns.items()}


def test_tops_are_those_of_books_rebuilt_one_row_at_a_time() -> None:
    (batch,) = batches(market_journal())
    tops = batch.tables["books_top"]
    told = {(int(seq), int(token)): row for row, (seq, token) in
            enumerate(zip(tops["seq"], tops["token_code"], strict=True))}  # fmt: skip
    books: dict[Any, Any] = {}
    last: dict[Any, Any] = {}
    held = 0
    first = 1  # after the note
    for rows in read_events(market_journal()):
        for seq, row in enumerate(rows, first):
            key, kind = (int(row["slot_id"]), int(row["token_code"])), int(row["kind_code"])
            if kind == Kind.MARKET_LISTED:
                for token in Token:
                    books.pop((key[0], int(token)), None)
                    last.pop((key[0], int(token)), None)
            elif kind == Kind.BOOK_CLEARED:
                books[key] = [{}, {}]
            elif kind == Kind.LEVEL_SET and key in books:
                books[key][int(row["side_code"])][int(row["price_bps"])] = int(row["amount_micros"])
            if int(row["flags_mask"]) & LAST_IN_FRAME:
                for (slot, token), sides in books.items():
                    bids, asks = ({price: size for price, size in side.items() if size} for side in sides)
                    bid, ask = max(bids, default=-1), min(asks, default=-1)
                    top = (bid, bids.get(bid, 0), ask, asks.get(ask, 0))
                    if last.get((slot, token)) != top:
                        last[slot, token] = top
                        row_at = told[seq, token]
                        assert tuple(int(tops[name][row_at]) for name in BOOK) == top
                        held += 1
        first += len(rows)
    assert held == len(tops["seq"]) > 1_000


def test_a_session_gives_its_decisions_orders_and_fills() -> None:
    folder = traded_session()
    (batch,) = batches(folder)
    mandates = read_mandates(folder, MANDATE)
    decisions = batch.tables["decisions"]
    assert decisions["mandate_id"].tolist() == mandates["mandate_id"].tolist()
    assert decisions["p_up"].tolist() == mandates["p_up"].tolist()
    assert [int(text, 16) for text in decisions["view_hash"]] == mandates["view_hash"].tolist()
    assert all(bool(reason) == bool(code) for reason, code in
               zip(decisions["reason"], decisions["reason_code"], strict=True))  # fmt: skip

    rows = np.concatenate(list(read_events(folder)))
    commands = [np.frombuffer(e.data, COMMAND)[0] for e in entries(folder) if e.kind is EntryKind.COMMAND]
    wanted = sum(int(each["act_code"]) != Act.ASK for each in commands)
    orders = batch.tables["orders"]
    assert (orders["step"] != "told").sum() == wanted > 0
    assert (orders["step"] == "told").sum() == (rows["kind_code"] == Kind.ORDER_CHANGED).sum() > 0
    fills = batch.tables["fills"]
    filled = rows[rows["kind_code"] == Kind.FILLED]
    assert fills["amount_micros"][fills["step"] == "filled"].tolist() == filled["amount_micros"].tolist() != []
    params = set(orders["market"]) | set(decisions["market"])
    assert all(name.startswith("btc-updown-5m-") for name in params)


def test_every_row_of_a_table_has_a_place_of_its_own() -> None:
    for folder in (market_journal(), traded_session()):
        (batch,) = batches(folder)
        assert {table.name for table in TABLES} >= set(batch.tables)
        for columns in batch.tables.values():
            places = set(zip(columns["seq"].tolist(), columns["part_id"].tolist(), strict=True))
            assert len(places) == len(columns["seq"])
