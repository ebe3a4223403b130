"""Importers carry what a folder says, in the order it was seen, and refuse what they cannot read in one line."""

import json
import shutil
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot
from numpy.typing import NDArray
from recordings import recordings
from small_recordings import ask, save, small_l2

from infra.journal.blocks import EntryKind
from infra.journal.errors import JournalDamaged
from infra.journal.reader import entries, verify
from infra.recordings.importer import import_folder
from infra.recordings.l2_audit import audit_l2
from infra.recordings.recording import Terms
from infra.recordings.rows import blank
from infra.recordings.streams import in_chunks, merge
from infra.recordings.tables import SourceRefused
from infra.recordings.tape import open_tape
from infra.recordings.windows import REST_NS, Window, assign_slots, merge_windows
from state.book import Book
from state.compiled import compiled
from state.events import EVENT, LAST_IN_FRAME, Asset, Event, Kind, Side, Source, StrikeSource, Token
from state.records import one
from state.rules import Rule
from state.units import NS_PER_MS, NS_PER_S
from tools.book import apply_to_book, open_book

OPEN_S = 1_776_081_600
_TOUCH = int(Kind.TOUCH_CARRIED)


def told(rows: np.ndarray) -> str:
    """Say rows in words, times in seconds after the first window's open."""
    lines = []
    for row in rows:
        at, seen = ((int(row[name]) / NS_PER_S - OPEN_S) if row[name] else 0 for name in ("at_ns", "seen_ns"))
        rest = (
            f"{Token(row['token_code']).name} {Side(row['side_code']).name}"
            if row["kind_code"] == Kind.LEVEL_SET
            else ""
        )
        numbers = f"{row['price_bps']} {row['span_s']} {row['amount_micros']} {row['code_id']}"
        last = " last" if row["flags_mask"] & LAST_IN_FRAME else ""
        lines.append(
            f"{seen:.3f} ({at:.3f}) slot {row['slot_id']} {Kind(row['kind_code']).name} {rest} {numbers}{last}"
        )
    return "\n".join(" ".join(line.split()) for line in lines)


def test_the_story_of_a_small_recording_of_books(tmp_path: Path) -> None:
    tape = open_tape([small_l2(tmp_path / "l2")], tmp_path / "cache")
    assert told(tape.array()) == snapshot("""\
-60.000 (-60.000) slot 0 MARKET_LISTED 100 300 5000000 0 last
1.090 (1.000) slot 0 BOOK_CLEARED 0 0 0 0
1.090 (1.000) slot 0 LEVEL_SET DOWN BUY 4900 0 10500000 0
1.090 (1.000) slot 0 LEVEL_SET DOWN SELL 5000 0 20000000 0 last
3.090 (3.000) slot 0 LEVEL_SET DOWN SELL 5000 0 0 0
3.090 (3.000) slot 0 LEVEL_SET DOWN SELL 5100 0 3250000 0 last
3.090 (2.990) slot 0 TOUCH_CARRIED 4900 5100 0 0 last
4.090 (4.000) slot 0 TICK_CHANGED 10 0 0 0
4.090 (4.000) slot 0 TICK_CHANGED 10 0 0 0
4.090 (4.000) slot 0 LEVEL_SET DOWN BUY 4950 0 1000000 0 last
240.000 (240.000) slot 1 MARKET_LISTED 100 300 5000000 0 last
301.090 (301.000) slot 1 BOOK_CLEARED 0 0 0 0
301.090 (301.000) slot 1 LEVEL_SET DOWN BUY 200 0 5000000 0 last
354.000 (354.000) slot 0 SETTLED 0 0 0 0 last\
""")


def test_with_checks_every_frame_ends_in_its_touch(tmp_path: Path) -> None:
    tape = open_tape([small_l2(tmp_path / "l2")], tmp_path / "cache", terms=Terms(checks=True))
    rows = tape.array()
    touches = rows[rows["kind_code"] == Kind.TOUCH_CARRIED]
    assert touches["price_bps"].tolist() == [4900, 4900, 4900, 4950, 200]
    assert touches["span_s"].tolist() == [5000, 5100, 5100, 5100, 0]
    assert (touches["flags_mask"] == LAST_IN_FRAME).all()
    levels = rows[(rows["kind_code"] == Kind.LEVEL_SET) | (rows["kind_code"] == Kind.BOOK_CLEARED)]
    assert not levels["flags_mask"].any()


def test_changes_that_do_not_lie_in_order_are_put_in_order(tmp_path: Path) -> None:
    small_l2(tmp_path / "l2")
    shutil.copytree(tmp_path / "l2", tmp_path / "mixed")
    save(tmp_path / "mixed", "l2_changes", f"SELECT * FROM '{tmp_path}/l2/l2_changes.parquet' ORDER BY seq DESC, size")
    plain, mixed = (open_tape([tmp_path / name], tmp_path / "cache").array() for name in ("l2", "mixed"))
    told_of = ["at_ns", "seen_ns", "slot_id", "kind_code", "side_code", "price_bps", "amount_micros"]
    assert sorted(plain[told_of].tolist()) == sorted(mixed[told_of].tolist())
    for name in ("at_ns", "seen_ns", "kind_code", "slot_id", "flags_mask"):
        assert plain[name].tolist() == mixed[name].tolist()


def real_l2(folder: Path, windows: int) -> Path:
    """Cut the first windows out of the real recording; nothing of it stays."""
    source = recordings("pm_btc5m_l2_2026-04")
    starts = ask(f"SELECT window_start FROM '{source}/windows.parquet' ORDER BY 1 LIMIT {windows}")
    for name in ("l2_changes", "tob", "windows"):
        save(folder, name, f"SELECT * FROM '{source}/{name}.parquet' WHERE window_start <= {starts[-1][0]}")
    return folder


@compiled
def count_touches(book: Book, rows: Sequence[Event], agreed: NDArray[np.int64]) -> None:
    """Walk one window's rows through the book; count the carried touches that it shows, and those it does not."""
    for index in range(len(rows)):
        row = rows[index]
        if row.kind_code == _TOUCH:
            same = max(book.bid.best_bps, 0) == row.price_bps and max(book.ask.best_bps, 0) == row.span_s
            agreed[1 if same else 0] += 1
        else:
            apply_to_book(book, row)


def test_imported_real_books_give_every_recorded_touch(tmp_path: Path) -> None:
    folder = real_l2(tmp_path / "l2", 1)
    rows = open_tape([folder], tmp_path / "cache", terms=Terms(checks=True)).array()
    book = one(Book)
    open_book(book, 10)
    agreed = np.zeros(2, np.int64)
    in_book = [Kind.BOOK_CLEARED, Kind.LEVEL_SET, Kind.TICK_CHANGED, Kind.TOUCH_CARRIED]
    count_touches(book, rows[np.isin(rows["kind_code"], in_book) & (rows["token_code"] == Token.DOWN)], agreed)
    frames = ask(f"SELECT count(*) FROM '{folder}/tob.parquet' WHERE token = 'Down'")[0][0]
    assert agreed.tolist() == [0, frames] and frames > 1_000
    assert (np.diff(rows["seen_ns"]) >= 0).all()


def test_the_audit_holds_on_real_books_and_fails_on_a_changed_size(tmp_path: Path) -> None:
    folder = real_l2(tmp_path / "l2", 2)
    assert audit_l2(folder).holds
    save(
        tmp_path / "wrong", "l2_changes",
        f"SELECT * REPLACE (if(window_start = 1776081900 AND seq = 700, size + 0.01, size) AS size) "
        f"FROM '{folder}/l2_changes.parquet'",
    )  # fmt: skip
    for name in ("tob", "windows"):
        shutil.copy(folder / f"{name}.parquet", tmp_path / "wrong")
    proof = audit_l2(tmp_path / "wrong")
    assert not proof.holds
    assert not {figure.name: figure for figure in proof.figures}["level counts and depths of the worst column"].holds


def test_a_real_day_of_settlement_ticks_carries_strikes_outcomes_and_rules_without_looking_ahead(
    tmp_path: Path,
) -> None:
    folder = recordings("chainlink_btcusd_1hz")
    rows = open_tape([folder], tmp_path).array()
    of = {kind: rows[rows["kind_code"] == kind] for kind in Kind}
    (markets,) = ask(f"SELECT count(*), count(strike), count(outcome) FROM '{folder}/markets_*.parquet'")
    assert (len(of[Kind.MARKET_LISTED]), len(of[Kind.STRIKE_SEEN]), len(of[Kind.SETTLED])) == markets
    ticks = ask(f"SELECT count(*) FROM '{folder}/ticks_*.parquet'")[0][0]
    assert len(of[Kind.PRICE_SEEN]) == ticks
    assert (of[Kind.PRICE_SEEN]["source_code"] == Source.CHAINLINK).all()
    assert (of[Kind.STRIKE_SEEN]["code_id"] == StrikeSource.VENUE).all()
    assert set(of[Kind.MARKET_LISTED]["price_bps"].tolist()) == {100}
    fees = of[Kind.RULE_GIVEN][of[Kind.RULE_GIVEN]["code_id"] == Rule.FEE_RATE_PPM]
    assert set(fees["ref_id"].tolist()) == {70_000} and len(fees) == markets[0]
    assert (np.diff(rows["seen_ns"]) >= 0).all()
    _lives_do_not_touch(rows)
    final = of[Kind.SETTLED][of[Kind.SETTLED]["value_usd"] > 0]
    assert len(final) >= 0.9 * markets[0]


def _lives_do_not_touch(rows: np.ndarray) -> None:
    """In every slot: listed, then strike, then settled, and rest before the next."""
    for slot in range(8):
        mine = rows[(rows["slot_id"] == slot) & np.isin(rows["kind_code"], [Kind.MARKET_LISTED, Kind.SETTLED])]
        kinds = mine["kind_code"].tolist()
        assert kinds == [Kind.MARKET_LISTED, Kind.SETTLED] * (len(kinds) // 2)
        assert (mine["seen_ns"][2::2] - mine["seen_ns"][1:-1:2] >= REST_NS).all()


def test_real_exchange_prices_keep_their_slow_clock(tmp_path: Path) -> None:
    folder = recordings("cex_binance_2024-08-08")
    rows = open_tape([folder], tmp_path / "a").array()
    perp = rows[(rows["source_code"] == Source.BINANCE_PERP) & (rows["kind_code"] == Kind.PRICE_SEEN)]
    spot = rows[(rows["source_code"] == Source.BINANCE) & (rows["kind_code"] == Kind.PRICE_SEEN)]
    assert np.median(perp["seen_ns"] - perp["at_ns"]) < -1_000 * NS_PER_MS
    assert not spot["at_ns"].any() and (spot["value_usd"] < spot["other_usd"]).all()
    coin = open_tape([folder], tmp_path / "a", terms=Terms(coin_margined=True)).array()
    assert len(coin) != len(rows)


def test_real_aligned_books_come_back_level_by_level(tmp_path: Path) -> None:
    folder = recordings("pm_binance_aligned_2025-12-11")
    rows = open_tape([folder], tmp_path).array()
    listed = rows[rows["kind_code"] == Kind.MARKET_LISTED]
    assert {(Asset(a).name, int(s)) for a, s in zip(listed["code_id"], listed["span_s"], strict=True)} == {
        ("BTC", 900), ("BTC", 3600), ("ETH", 900), ("ETH", 3600), ("SOL", 900), ("XRP", 900),
    }  # fmt: skip
    slot = int(listed["slot_id"][(listed["code_id"] == Asset.SOL)][0])
    book = one(Book)
    open_book(book, 100)
    for row in rows[(rows["slot_id"] == slot) & (rows["token_code"] == Token.DOWN)]:
        if row["kind_code"] in (Kind.BOOK_CLEARED, Kind.LEVEL_SET):
            apply_to_book(book, row)
    (last,) = ask(
        f"SELECT bid_px, bid_sz, ask_px, ask_sz FROM '{folder}/books.parquet' "
        "WHERE market = 'sol_15m' AND token = 'Down' ORDER BY seq DESC LIMIT 1"
    )
    for ladder, prices, sizes in ((book.bid, *last[:2]), (book.ask, *last[2:])):
        assert {int(i): int(ladder.sizes_micros[i]) for i in np.flatnonzero(ladder.sizes_micros)} == {
            round(price * 1000): round(size * 1e6) for price, size in zip(prices, sizes, strict=True)
        }


@pytest.mark.parametrize("name", ["pm_btc5m_tob_ticks_2026-04-21", "pm_btc5m_ladder_2026-07"])
def test_real_recordings_of_touches_build_no_books(tmp_path: Path, name: str) -> None:
    rows = open_tape([recordings(name)], tmp_path).array()
    assert (rows["kind_code"] == Kind.TOUCH_CARRIED).sum() > 1_000
    assert not (rows["kind_code"] == Kind.LEVEL_SET).any()
    assert (np.diff(rows["seen_ns"]) >= 0).all()


def test_raw_frames_come_back_byte_for_byte(tmp_path: Path) -> None:
    texts = ['{"a":1}', '[{"b":"\\u00e9"}]', "PONG"]
    lines = [json.dumps({"recv_s": 1.5, "raw": text}) for text in texts] + [json.dumps({"dir": "sent", "raw": "PING"})]
    (tmp_path / "raw").mkdir()
    packed = zstandard.compress("\n".join(lines).encode())
    (tmp_path / "raw" / "okx_v5_ws.jsonl.zst").write_bytes(packed)
    summary = import_folder(tmp_path / "raw", tmp_path / "j")
    frames = [entry for entry in entries(tmp_path / "j", sealed=True) if entry.kind == EntryKind.FRAME]
    assert [frame.data.decode() for frame in frames] == texts and summary.frames_count == 3
    assert {(frame.source, frame.connection, frame.seen_ns) for frame in frames} == {(Source.OKX, 1, 1_500_000_000)}
    with pytest.raises(SourceRefused, match="no event rows in this journal"):
        open_tape([tmp_path / "j"])


def test_several_folders_become_one_tape_in_the_order_seen(tmp_path: Path) -> None:
    small_l2(tmp_path / "l2")
    small_l2(tmp_path / "other")
    day = tmp_path / "day"
    save(
        day, "ticks_1",
        "SELECT (1776081600000 + i * 1000)::BIGINT feed_ts_ms, 60000.0 + i AS price, "
        "(1776081601300 + i * 1000)::BIGINT recv_ms FROM range(700) t(i)",
    )  # fmt: skip
    save(
        day, "markets_1",
        "SELECT 'btc-updown-5m-1' slug, 1776081600::BIGINT window_start, 1776081900::BIGINT window_end, "
        "'Down' outcome, 60000.0 strike, '2026-04-13 12:05:20+00' closed_time, 0.001 tick_size, 5::BIGINT min_size, "
        "0.07 fee_rate, 1::BIGINT fee_exponent, true fee_taker_only, 0.2 rebate_rate",
    )  # fmt: skip
    tape = open_tape([tmp_path / "l2", day], tmp_path / "cache")
    rows = tape.array()
    assert (np.diff(rows["seen_ns"]) >= 0).all() and len(rows) == tape.rows_count
    listed = rows[rows["kind_code"] == Kind.MARKET_LISTED]
    assert listed["ref_id"].tolist() == [OPEN_S * NS_PER_S, (OPEN_S + 300) * NS_PER_S]
    (settled,) = rows[rows["kind_code"] == Kind.SETTLED]
    assert (settled["code_id"], settled["value_usd"]) == (Token.UP, 0.0)
    whole = rows[np.isin(rows["kind_code"], [Kind.BOOK_CLEARED, Kind.LEVEL_SET, Kind.TICK_CHANGED])]
    alone = open_tape([tmp_path / "l2"], tmp_path / "cache").array()
    assert len(whole) == np.isin(alone["kind_code"], [Kind.BOOK_CLEARED, Kind.LEVEL_SET, Kind.TICK_CHANGED]).sum()


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.lists(st.lists(st.integers(0, 30), max_size=6), max_size=5), min_size=1, max_size=4), st.integers(1, 9)
)
def test_merging_is_a_stable_sort_that_breaks_no_frame(streams: list[list[list[int]]], size: int) -> None:
    parts = []
    for number, stream in enumerate(streams):
        times = iter(sorted(time for part in stream for time in part))
        made: list[np.ndarray] = []
        for part in stream:
            rows = blank(len(part), Kind.TICKED, number)
            rows["seen_ns"] = [next(times) for _ in part]
            rows["ref_id"] = np.arange(len(part)) + sum(len(one_part) for one_part in made)
            made.append(rows)
        parts.append(made)
    chunks = list(in_chunks(merge([iter(made) for made in parts]), size))
    assert all(len(chunk) == size for chunk in chunks[:-1])
    merged = np.concatenate(chunks) if chunks else np.zeros(0, EVENT)
    expected = sorted(
        (int(row["seen_ns"]), int(row["source_code"]), int(row["ref_id"]))
        for made in parts
        for rows in made
        for row in rows
    )
    assert [(int(r["seen_ns"]), int(r["source_code"]), int(r["ref_id"])) for r in merged] == expected


def window(open_s: int, ends_s: int, **more: object) -> Window:
    base = {
        "asset": Asset.BTC,
        "open_s": open_s,
        "span_s": 300,
        "listed_ns": open_s * NS_PER_S,
        "ends_ns": ends_s * NS_PER_S,
    }
    return Window(**(base | more))  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 10_000), unique=True, max_size=40))
def test_no_slot_has_two_windows_at_once(opens: list[int]) -> None:
    windows = [window(open_s, open_s + 400) for open_s in opens]
    try:
        slots = assign_slots(windows)
    except SourceRefused as refused:
        assert "more than 8 windows at once" in str(refused)
        return
    for slot in range(8):
        mine = sorted((w.listed_ns, w.ends_ns) for w, s in zip(windows, slots, strict=True) if s == slot)
        assert all(later[0] >= earlier[1] + REST_NS for earlier, later in pairwise(mine))


def test_slots_go_round_and_do_not_depend_on_the_order_given() -> None:
    windows = [window(open_s, open_s + 354) for open_s in range(0, 3_000, 300)]
    assert assign_slots(windows) == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1]
    assert assign_slots(windows[::-1]) == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1][::-1]


def test_the_venues_outcome_outranks_an_inferred_one() -> None:
    inferred = window(0, 300, outcome=Token.UP)
    official = window(0, 320, outcome=Token.DOWN, official=True, final_usd=5.0)
    for pair in ((inferred, official), (official, inferred)):
        (merged,) = merge_windows(pair).values()
        assert (merged.outcome, merged.final_usd, merged.ends_ns) == (Token.DOWN, 5.0, 320 * NS_PER_S)


def test_an_import_is_kept_until_a_file_changes(tmp_path: Path) -> None:
    small_l2(tmp_path / "l2")
    calls: list[int] = []
    first = open_tape([tmp_path / "l2"], tmp_path / "cache", lambda done, total: calls.append(done))
    assert calls
    calls.clear()
    again = open_tape([tmp_path / "l2"], tmp_path / "cache", lambda done, total: calls.append(done))
    assert again == first and not calls
    save(
        tmp_path / "l2",
        "windows",
        "SELECT 1776081600::BIGINT window_start, 'Down' outcome, '' outcome_source, true usable",
    )
    assert open_tape([tmp_path / "l2"], tmp_path / "cache").folder != first.folder
    assert open_tape([tmp_path / "l2"], tmp_path / "cache", terms=Terms(feed_delay_ms=20)).folder != first.folder


def test_a_tape_gives_the_same_rows_by_chunks_from_anywhere_and_may_be_left_early(tmp_path: Path) -> None:
    tape = open_tape([small_l2(tmp_path / "l2")], tmp_path / "cache")
    whole = tape.array()
    for start in range(len(whole) + 1):
        assert b"".join(chunk.tobytes() for chunk in tape.chunks(start)) == whole[start:].tobytes()
    before = threading.active_count()
    next(iter(tape.chunks()))
    assert threading.active_count() == before


def test_the_same_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    small_l2(tmp_path / "l2")
    for name in ("a", "b"):
        import_folder(tmp_path / "l2", tmp_path / name)
    assert (tmp_path / "a" / "000001.journal").read_bytes() == (tmp_path / "b" / "000001.journal").read_bytes()
    assert verify(tmp_path / "a").sound and verify(tmp_path / "a").sealed


def test_a_damaged_cache_is_refused_and_not_read_half(tmp_path: Path) -> None:
    tape = open_tape([small_l2(tmp_path / "l2")], tmp_path / "cache")
    path = tape.folder / "000001.journal"
    path.write_bytes(path.read_bytes()[:-700])
    with pytest.raises(JournalDamaged):
        open_tape([tmp_path / "l2"], tmp_path / "cache")
