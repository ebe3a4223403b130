"""Where the rows of the venue next door come from: drawn or recorded, set to the clock, taken a stretch at a time."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from recordings import recordings
from venue_customer import BOOK, BUY, UP, House
from venue_stage import OPEN_S, Rows, change, cleared, listed, quote, row, trade

from evals.generator import generate
from evals.generator_spec import DEMO, MarketSpec
from infra.journal.writer import Journal
from infra.recordings.rows import join
from infra.venue_next_door.nouns import NewOrder
from infra.venue_next_door.runway import Runway
from infra.venue_next_door.source import PRIVATE, first_open_s, generated, moved, recorded
from state.events import Kind, Source
from state.orders import TimeInForce
from state.rules import Rule
from state.units import NS_PER_S

HOUR_NS = 3_600 * NS_PER_S
SMALL = replace(DEMO, warmup_s=300)


# Generated markets.


def test_the_first_window_opens_a_warm_up_after_the_clocks_origin() -> None:
    assert first_open_s(OPEN_S * NS_PER_S, SMALL) == OPEN_S + 300
    assert first_open_s(OPEN_S * NS_PER_S + 1, SMALL) == OPEN_S + 600
    assert first_open_s(OPEN_S * NS_PER_S, replace(SMALL, warmup_s=301)) == OPEN_S + 600
    assert first_open_s(OPEN_S * NS_PER_S, replace(SMALL, warmup_s=0)) == OPEN_S


@given(st.integers(0, 2 * 10**18), st.integers(0, 840), st.sampled_from((300, 900)))
def test_the_plan_is_on_the_grid_and_wastes_less_than_a_window(origin_ns: int, warmup_s: int, window_s: int) -> None:
    spec = MarketSpec(warmup_s=warmup_s, window_s=window_s)
    opens_s = first_open_s(origin_ns, spec)
    assert opens_s % window_s == 0
    assert 0 <= (opens_s - warmup_s) * NS_PER_S - origin_ns < window_s * NS_PER_S


def test_a_generated_market_is_the_generators_own_set_to_the_clock() -> None:
    chunks = list(generated(SMALL, 3, OPEN_S + 300, 1))
    whole = generate(replace(SMALL, first_open_s=OPEN_S + 300, windows=1), 3)
    assert join(chunks).tobytes() == whole.tobytes()
    prices = whole[whole["kind_code"] == Kind.PRICE_SEEN]
    assert prices["seen_ns"].min() >= OPEN_S * NS_PER_S


# Recorded days.


def test_a_day_is_moved_and_its_windows_keep_their_own_rules() -> None:
    day = join((listed(), *BOOK[1:], quote(-20, 1.0, 2.0), row(Kind.CHAIN_SEEN, -10, Source.POLYGON, ref_id=5)))
    day["at_ns"][day["source_code"] == Source.BINANCE] = 0
    months_ns = 24 * 140 * HOUR_NS
    then = moved(day, -months_ns)
    assert then["kind_code"][0] == Kind.MARKET_LISTED
    ruled = then[then["kind_code"] == Kind.RULE_GIVEN]
    assert np.all(then["kind_code"][1 : len(ruled) + 1] == Kind.RULE_GIVEN), "right after the listing"
    assert {Rule(int(code)).name: int(value) for code, value in ruled[["code_id", "ref_id"]].tolist()} == snapshot(
        {"SETTLEMENT": 2, "LOOKBACK_S": 60, "FEE_RATE_PPM": 70000, "TAKER_HOLD_NS": 150000000, "REBATE_PPM": 200000}
    )
    rest = then[then["kind_code"] != Kind.RULE_GIVEN]
    assert (day["seen_ns"] - rest["seen_ns"]).tolist() == [months_ns] * len(day)
    assert rest["at_ns"][rest["source_code"] == Source.BINANCE].tolist() == [0], "what was not stamped is not"
    assert (day["ref_id"] - rest["ref_id"]).tolist() == [months_ns, *[0] * (len(day) - 2), months_ns]
    for name in ("amount_micros", "price_bps", "value_usd", "flags_mask", "slot_id", "token_code"):
        assert rest[name].tolist() == day[name].tolist()


def test_what_was_about_the_recorders_own_orders_is_left_out() -> None:
    private = [row(kind, -10, Source.OURSELVES) for kind in PRIVATE]
    kept = moved(join((*BOOK, *private)), HOUR_NS)
    assert len(kept) == len(join(BOOK))
    assert not np.isin(kept["kind_code"], PRIVATE).any()


def journal(folder: Path, *rows: Rows) -> Path:
    with Journal(folder, created_ns=0, code="test") as open_journal:
        for group in rows:
            open_journal.append_events(group)
    return folder


def test_a_journal_is_replayed_as_if_its_day_began_now(tmp_path: Path) -> None:
    folder = journal(tmp_path / "day", *BOOK, change(-25, BUY, 4_900, 120), trade(-20, UP, BUY, 5_100, 5))
    now_ns = (OPEN_S + 100_000) * NS_PER_S + 7
    rows = join(list(recorded(folder, now_ns)))
    assert -300 * NS_PER_S < rows["seen_ns"][0] - now_ns <= 0
    shift_ns = int(rows["seen_ns"][0] - BOOK[0]["seen_ns"][0])
    assert shift_ns % (300 * NS_PER_S) == 0
    first_open = int(rows["ref_id"][rows["kind_code"] == Kind.MARKET_LISTED][0])
    assert first_open == OPEN_S * NS_PER_S + shift_ns


def test_no_frame_is_torn_where_a_journals_blocks_end(tmp_path: Path) -> None:
    snapshot_rows = cleared(-59, UP, *((BUY, 100 * step, 10.0) for step in range(1, 50)))
    halves = snapshot_rows[:20], snapshot_rows[20:]
    folder = journal(tmp_path / "day", listed(), *halves, change(-25, BUY, 4_900, 120))
    chunks = list(recorded(folder, OPEN_S * NS_PER_S))
    for before, after in pairwise(chunks):
        assert before["seen_ns"][-1] < after["seen_ns"][0]
    assert len(join(chunks)) == len(snapshot_rows) + 3


def test_a_real_day_of_books_lives_at_the_venue() -> None:
    day = recordings("pm_btc5m_l2_2026-04")
    house = House.over(recorded(day, OPEN_S * NS_PER_S), 0)
    house.until(90, 0.25)
    window = next(iter(house.engine.windows.values()))
    assert (window.lookback_s, window.fee_rate) == (0, 0.072), "in April windows were decided by the last price"
    book = house.engine.book(window.tokens[UP])
    assert book is not None and book.bids and book.asks
    house.engine.place(
        house.account, NewOrder("#1", "0x", window.tokens[UP], BUY, 9_900, 10_000_000, TimeInForce.FAK, False)
    )
    house.until(92, 0.01)
    assert house.account.orders["#1"].matched_micros == 10_000_000
    house.until(420, 0.5)
    assert window.outcome is not None


# The runway.


def endless(taken: list[int], seconds: int = 10) -> Iterator[Rows]:
    at_s = 0
    while True:
        taken.append(at_s)
        yield join([quote(at_s + second, 1.0, 2.0) for second in range(seconds)])
        at_s += seconds


def test_rows_are_fetched_a_stretch_ahead_by_a_thread_and_dropped_behind() -> None:
    taken: list[int] = []
    runway = Runway(endless(taken))
    start_ns = OPEN_S * NS_PER_S
    for second in range(600):
        now_ns = start_ns + second * NS_PER_S
        runway.reach(now_ns)
        runway.applied, runway.published = runway.to_apply(now_ns), runway.to_publish(now_ns)
        assert taken[-1] <= second + 60, "not the whole day at once"
        assert len(runway.rows) <= 70, "what is done with is dropped"
        if runway.published < len(runway.rows):
            assert runway.rows["seen_ns"][runway.published] > now_ns
    assert sum(taken) > 0 and max(taken) >= 600
    assert any(thread.name.startswith("runway") for thread in threading.enumerate())
    runway.close()


def test_a_source_that_ends_leaves_a_venue_that_goes_on() -> None:
    house = House(*BOOK)
    house.until(1_000, 10)
    assert house.window.outcome is None
    assert house.engine._runway.is_spent


def test_a_source_that_goes_back_in_time_stops_the_venue() -> None:
    runway = Runway(iter([quote(5, 1.0, 2.0), quote(4, 1.0, 2.0)]))
    with pytest.raises(AssertionError, match="go back in time"):
        runway.reach((OPEN_S + 10) * NS_PER_S)
