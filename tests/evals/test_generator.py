import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from evals.generator import (
    BUSY,
    DEMO,
    EFFICIENT,
    LATE_MAKERS,
    POINT_MAKERS,
    SPECS,
    STALE_QUOTES,
    MarketSpec,
    generate,
)  # fmt: skip
from evals.generator_path import draw_path
from state.compiled import compiled
from state.events import EVENT, LAST_IN_FRAME, Asset, Kind, Side, Source, StrikeSource, Token
from state.feeds import Lag, LagEstimate
from state.records import Floats, Ints, one
from tools.lag import begin_lag, break_follow, estimate_lag, note_follow, note_lead

MS = 1_000_000
S = 1_000 * MS
Events = NDArray[Any]

SEED = 7
BOOK_KINDS = [Kind.BOOK_CLEARED, Kind.LEVEL_SET, Kind.TOUCH_CARRIED, Kind.TRADE_SEEN, Kind.TICK_CHANGED]
HOUR = replace(EFFICIENT, windows=12)
SMALL = replace(
    EFFICIENT, windows=1, window_s=60, lookback_s=20, quoted_before_s=5, listed_before_s=60, warmup_s=40, makers=4,
    stale_quotes_share=0.25, first_open_s=1_792_573_200,
)  # fmt: skip


@pytest.fixture(scope="module")
def hour() -> Events:
    return generate(HOUR, SEED)


def of(events: Events, kind: Kind) -> Events:
    found: Events = events[events["kind_code"] == kind]
    return found


def test_the_same_spec_and_seed_give_the_same_bytes_and_another_seed_does_not() -> None:
    once, again, other = generate(SMALL, 1), generate(SMALL, 1), generate(SMALL, 2)
    assert once.dtype == EVENT
    assert once.tobytes() == again.tobytes()
    assert once.tobytes() != other.tobytes()


_TWIN = """
import hashlib
from test_generator import SMALL, generate
print(hashlib.sha256(generate(SMALL, 1).tobytes()).hexdigest())
"""


def test_compiled_and_plain_python_give_the_same_bytes() -> None:
    here = Path(__file__).resolve()
    env = os.environ | {
        "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join([str(here.parents[2]), str(here.parent)]),
    }  # fmt: skip
    plain = subprocess.run([sys.executable, "-c", _TWIN], env=env, capture_output=True, text=True, check=True)
    assert plain.stdout.strip() == hashlib.sha256(generate(SMALL, 1).tobytes()).hexdigest()


def test_events_come_in_the_order_they_were_seen_and_prices_are_venue_prices(hour: Events) -> None:
    assert (np.diff(hour["seen_ns"]) >= 0).all()
    book = hour[hour["source_code"] == Source.POLYMARKET_BOOK]
    assert (book["seen_ns"] >= book["at_ns"]).all()
    levels = of(hour, Kind.LEVEL_SET)
    assert ((levels["price_bps"] >= 10) & (levels["price_bps"] <= 9_990) & (levels["price_bps"] % 10 == 0)).all()
    assert (levels["amount_micros"] >= 0).all()
    trades = of(hour, Kind.TRADE_SEEN)
    assert (trades["amount_micros"] > 0).all()
    assert len(hour) / HOUR.windows < 90_000


class Ladder:
    """The plainest possible book of both tokens, kept in dicts."""

    def __init__(self) -> None:
        self.levels: dict[tuple[int, int], dict[int, int]] = {(t, s): {} for t in (0, 1) for s in (0, 1)}

    def apply(self, kind: int, token: int, side: int, price: int, amount: int) -> None:
        if kind == Kind.BOOK_CLEARED:
            self.levels[token, 0], self.levels[token, 1] = {}, {}
        elif amount:
            self.levels[token, side][price] = amount
        else:
            self.levels[token, side].pop(price, None)

    def touch(self, token: int) -> tuple[int, int]:
        bids, asks = self.levels[token, Side.BUY], self.levels[token, Side.SELL]
        return max(bids, default=0), min(asks, default=0)

    def mirrored(self) -> bool:
        return all(
            {10_000 - price: amount for price, amount in self.levels[Token.UP, side].items()}
            == self.levels[Token.DOWN, 1 - side]
            for side in (0, 1)
        )


def frames(events: Events, slot: int, open_s: int) -> Iterator[tuple[Ladder, Any, int]]:
    """Walk a window's book rows; at each whole frame give the ladder, the closing row and the row's number."""
    mine = (events["slot_id"] == slot) & np.isin(events["kind_code"], BOOK_KINDS)
    mine &= (events["seen_ns"] > (open_s - 610) * S) & (events["seen_ns"] < (open_s + 310) * S)
    ladder = Ladder()
    for number, row in enumerate(events[mine]):
        if row["kind_code"] in (Kind.BOOK_CLEARED, Kind.LEVEL_SET):
            ladder.apply(*(int(row[name]) for name in (
                "kind_code", "token_code", "side_code", "price_bps", "amount_micros"
            )))  # fmt: skip
        if row["flags_mask"] & LAST_IN_FRAME:
            yield ladder, row, number


def test_no_frame_leaves_a_crossed_book_and_the_tokens_are_mirrors(hour: Events) -> None:
    for index in range(HOUR.windows):
        touch = touches(hour, index)
        assert (touch[:, 1] < touch[:, 2]).all()
    checked = mirrors = 0
    for seed in (1, 2):
        events = generate(replace(SMALL, snapshot_every=10), seed)
        for ladder, row, number in frames(events, 0, SMALL.first_open_s):
            bid, ask = ladder.touch(Token.UP)
            assert ask == 0 or bid < ask
            if row["kind_code"] == Kind.TOUCH_CARRIED:
                assert (row["price_bps"], row["span_s"]) == ladder.touch(Token(int(row["token_code"])))
                checked += 1
            if number % 50 == 1 and row["kind_code"] == Kind.LEVEL_SET and row["token_code"] == Token.DOWN:
                assert ladder.mirrored()
                mirrors += 1
    assert checked > 20 and mirrors > 20


def test_trades_happen_at_prices_that_stood_in_the_book() -> None:
    trades = 0
    for ladder, row, _ in frames(generate(SMALL, 4), 0, SMALL.first_open_s):
        if row["kind_code"] == Kind.TRADE_SEEN:
            bid, ask = ladder.touch(Token(int(row["token_code"])))
            assert row["price_bps"] == (ask if row["side_code"] == Side.BUY else bid)
            side = 1 - int(row["side_code"])
            stood = ladder.levels[int(row["token_code"]), side][int(row["price_bps"])]
            assert row["amount_micros"] <= stood
            trades += 1
    assert trades > 60


def test_frames_of_one_window_are_never_torn_by_other_rows(hour: Events) -> None:
    rows = np.isin(hour["kind_code"], BOOK_KINDS)
    inside = rows & (hour["flags_mask"] & LAST_IN_FRAME == 0)
    after = np.flatnonzero(inside) + 1
    assert rows[after].all()
    assert (hour["slot_id"][after] == hour["slot_id"][after - 1]).all()
    assert (hour["seen_ns"][after] == hour["seen_ns"][after - 1]).all()


def test_the_life_of_each_window_is_told_in_order(hour: Events) -> None:
    for index in range(HOUR.windows):
        open_s = HOUR.first_open_s + 300 * index
        listed = of(hour, Kind.MARKET_LISTED)[index]
        assert (listed["slot_id"], listed["ref_id"], listed["span_s"]) == (index % 8, open_s * S, 300)
        assert (listed["price_bps"], listed["amount_micros"]) == (100, 5_000_000)
        strikes = of(hour, Kind.STRIKE_SEEN)
        strikes = strikes[(strikes["slot_id"] == index % 8) & (np.abs(strikes["seen_ns"] - open_s * S) < 250 * S)]
        assert list(strikes["code_id"]) == [StrikeSource.STREAM, StrikeSource.VENUE]
        settled = of(hour, Kind.SETTLED)
        settled = settled[(settled["slot_id"] == index % 8) & (settled["at_ns"] > (open_s + 300) * S)][0]
        assert listed["seen_ns"] < open_s * S < strikes[0]["seen_ns"] < strikes[1]["seen_ns"] < settled["seen_ns"]
        assert settled["at_ns"] <= (open_s + 300 + 162) * S


def test_windows_settle_by_the_averages_and_each_strike_is_the_final_before(hour: Events) -> None:
    strikes = of(hour, Kind.STRIKE_SEEN)
    venue = strikes[strikes["code_id"] == StrikeSource.VENUE]
    settled = of(hour, Kind.SETTLED)
    assert venue["value_usd"][1:].tolist() == settled["value_usd"][:-1].tolist()
    ups = settled["value_usd"] >= venue["value_usd"]
    assert (np.where(ups, Token.UP, Token.DOWN) == settled["code_id"]).all()
    assert 0 < ups.sum() < HOUR.windows
    averages = of(hour, Kind.AVERAGE_SEEN)
    assert set(averages["span_s"]) == {60}
    by_second = dict(zip(averages["at_ns"].tolist(), averages["value_usd"].tolist(), strict=True))
    told = [
        (by_second[close_ns], final)
        for close_ns, final in zip(
            [(HOUR.first_open_s + 300 * (i + 1)) * S for i in range(HOUR.windows)], settled["value_usd"], strict=True
        )
        if close_ns in by_second
    ]
    assert len(told) > 8 and all(published == final for published, final in told)


def test_the_published_average_is_the_mean_of_the_stream_over_its_minute(hour: Events) -> None:
    stream = of(hour, Kind.PRICE_SEEN)
    stream = stream[stream["source_code"] == Source.CHAINLINK]
    for average in of(hour, Kind.AVERAGE_SEEN)[100:3_000:500]:
        inside = (stream["at_ns"] > average["at_ns"] - 60 * S) & (stream["at_ns"] <= average["at_ns"])
        _, first = np.unique(stream["at_ns"][inside], return_index=True)
        values = stream["value_usd"][inside][first]
        if len(values) > 55:
            assert average["value_usd"] == pytest.approx(values.mean(), rel=3e-5)


def test_the_stream_has_its_recorded_faults(hour: Events) -> None:
    stream = of(hour, Kind.PRICE_SEEN)
    stream = stream[stream["source_code"] == Source.CHAINLINK]
    stamps = stream["at_ns"]
    assert (stamps % S == 0).all()
    assert 0.93 < len(np.unique(stamps)) / ((stamps.max() - stamps.min()) / S) < 0.995
    assert len(np.unique(stamps)) < len(stamps)
    assert (np.diff(stamps) < 0).any()
    assert np.median(stream["seen_ns"] - stamps) / MS == pytest.approx(1_320, rel=0.05)
    _, first = np.unique(stamps, return_index=True)
    moves = np.diff(np.log(stream["value_usd"][first]))[np.diff(stamps[first]) == S]
    assert 0.3 < moves.std() * 1e4 < 1.2
    assert 0.2 < np.corrcoef(moves[:-1], moves[1:])[0, 1] < 0.5


def test_feeds_carry_their_own_clock_basis_and_rate(hour: Events) -> None:
    prices = of(hour, Kind.PRICE_SEEN)
    path = draw_path(HOUR, np.random.default_rng(np.random.SeedSequence(SEED).spawn(5)[0]))
    for spec in HOUR.feeds:
        mine = prices[prices["source_code"] == spec.source]
        assert (mine["value_usd"] < mine["other_usd"]).all()
        assert (mine["at_ns"] > 0).all() == spec.stamped
        span_s = (mine["seen_ns"][-1] - mine["seen_ns"][0]) / S
        assert 0.5 < len(mine) / span_s / spec.rate_per_s < 2.5
        places = ((mine["seen_ns"] - spec.delay_ms * MS - path.start_ns) / (20 * MS)).astype(np.int64)
        basis = np.log(0.5 * (mine["value_usd"] + mine["other_usd"]) / path.usd[places])
        assert basis.mean() * 1e4 == pytest.approx(spec.basis_bps, abs=1.0)


@compiled
def walk(rows: Any, out: Ints) -> None:
    """Write time, best bid and best ask of UP in mills after each whole frame: columns of `out`, 0 where not whole."""
    levels = np.zeros((2, 1_001), np.int64)
    bid, ask = 0, 1_000
    for number in range(len(rows)):
        row = rows[number]
        if row.token_code == Token.UP and row.kind_code == Kind.BOOK_CLEARED:
            levels[:] = 0
        elif row.token_code == Token.UP and row.kind_code == Kind.LEVEL_SET:
            levels[row.side_code, row.price_bps // 10] = row.amount_micros
        if row.flags_mask & LAST_IN_FRAME:
            bid, ask = 1_000, 0
            while bid > 0 and levels[0, bid] == 0:
                bid -= 1
            while ask < 1_000 and levels[1, ask] == 0:
                ask += 1
            out[number, 0], out[number, 1], out[number, 2] = row.seen_ns, bid, ask


def touches(events: Events, index: int) -> Ints:
    """Best prices of a window's UP book over time: rows of time, bid, ask in mills (0 and 1000: that side is empty)."""
    open_s = HOUR.first_open_s + 300 * index
    mine = (events["slot_id"] == index % 8) & np.isin(events["kind_code"], BOOK_KINDS)
    mine &= (events["seen_ns"] > (open_s - 610) * S) & (events["seen_ns"] < (open_s + 310) * S)
    out = np.zeros((int(mine.sum()), 3), np.int64)
    walk(events[mine], out)
    return out[out[:, 0] > 0]


def test_the_book_knows_more_the_nearer_the_close(hour: Events) -> None:
    left_s = np.array([240, 120, 60, 20, 5])
    ups = of(hour, Kind.SETTLED)["code_id"] == Token.UP
    scores = []
    for index in range(HOUR.windows):
        touch = touches(hour, index)
        rows = np.searchsorted(touch[:, 0], (HOUR.first_open_s + 300 * (index + 1) - left_s) * S) - 1
        scores.append((touch[rows, 1] + touch[rows, 2]) / 2_000)
    brier = ((np.array(scores) - ups[:, None]) ** 2).mean(axis=0)
    assert 0.1 < brier[0] < 0.35
    assert brier[0] > brier[2] > brier[4]
    assert brier[4] < 0.05


@compiled
def feed_both(lag: Lag, is_lead: Ints, seen_ns: Ints, value_log: Floats) -> None:
    for row in range(len(seen_ns)):
        if is_lead[row]:
            note_lead(lag, seen_ns[row], value_log[row])
        else:
            note_follow(lag, seen_ns[row], value_log[row])


def book_lag(events: Events, windows: int) -> Any:
    """Measure how long the book's mid follows the perpetual's price, with the desk's own estimator."""
    lag = one(Lag)
    begin_lag(lag, 100 * MS, 1_400)
    perpetual = of(events, Kind.PRICE_SEEN)
    perpetual = perpetual[perpetual["source_code"] == Source.BINANCE_PERP]
    for index in range(windows):
        start_ns = (HOUR.first_open_s + 300 * index) * S
        mine = perpetual[(perpetual["seen_ns"] > start_ns) & (perpetual["seen_ns"] < start_ns + 240 * S)]
        touch = touches(events, index)
        touch = touch[(touch[:, 0] > start_ns) & (touch[:, 0] < start_ns + 240 * S)]
        touch = touch[(touch[:, 1] > 50) & (touch[:, 2] < 950)]
        p_up = (touch[:, 1] + touch[:, 2]) / 2_000
        seen_ns = np.concatenate((mine["seen_ns"], touch[:, 0]))
        values = np.concatenate((np.log(0.5 * (mine["value_usd"] + mine["other_usd"])), np.log(p_up / (1.0 - p_up))))
        is_lead = np.repeat([1, 0], [len(mine), len(touch)])
        order = np.argsort(seen_ns, kind="stable")
        feed_both(lag, is_lead[order], seen_ns[order], values[order])
        break_follow(lag)
    estimate: Any = one(LagEstimate)
    estimate_lag(lag, estimate)
    return estimate


def test_the_planted_lateness_of_the_makers_is_there_to_be_measured(hour: Events) -> None:
    quick = book_lag(hour, 6)
    late = book_lag(generate(replace(LATE_MAKERS, windows=6), SEED), 6)
    assert late.known and late.peak_ns >= 500 * MS
    assert late.lag_ns - quick.lag_ns == pytest.approx(LATE_MAKERS.makers_late_ms * MS, abs=250 * MS)
    assert late.lead_ratio > 3.0


def test_named_specs_say_what_is_planted_in_them() -> None:
    assert set(SPECS) == {"efficient", "late-makers", "point-makers", "stale-quotes", "demo", "busy", "rushed"}
    for name, spec in SPECS.items():
        assert spec.name == name
    for honest in (EFFICIENT, BUSY):
        assert (honest.makers_late_ms, honest.point_rule_share, honest.stale_quotes_share) == (0.0, 0.0, 0.0)
    assert STALE_QUOTES.stale_quotes_share > 0.0
    assert DEMO.makers_late_ms >= LATE_MAKERS.makers_late_ms > 0.0
    assert DEMO.point_rule_share == POINT_MAKERS.point_rule_share > 0.0


@pytest.mark.parametrize(
    "spec",
    [
        replace(EFFICIENT, windows=0),
        replace(EFFICIENT, windows=10_000),
        replace(EFFICIENT, first_open_s=1_792_573_201),
        replace(EFFICIENT, lookback_s=300),
        replace(EFFICIENT, warmup_s=880),
        replace(EFFICIENT, listed_before_s=2_400),
        replace(EFFICIENT, quoted_before_s=700),
    ],
)
def test_a_spec_that_cannot_be_played_is_refused(spec: MarketSpec) -> None:
    with pytest.raises(ValueError, match=r"must|more windows"):
        generate(spec, 1)


def test_the_point_rule_of_old_days_settles_on_the_stream_itself() -> None:
    events = generate(replace(SMALL, lookback_s=0), 5)
    assert len(of(events, Kind.AVERAGE_SEEN)) == 0
    stream = of(events, Kind.PRICE_SEEN)
    stream = stream[stream["source_code"] == Source.CHAINLINK]
    known = dict(zip(stream["at_ns"].tolist(), stream["value_usd"].tolist(), strict=True))
    for index, settled in enumerate(of(events, Kind.SETTLED)):
        close_ns = (SMALL.first_open_s + 60 * (index + 1)) * S
        if close_ns in known:
            assert settled["value_usd"] == known[close_ns]


def test_another_asset_and_length_are_only_data() -> None:
    spec = replace(EFFICIENT, asset=Asset.ETH, windows=1, window_s=900, first_open_s=1_792_573_200, listed_before_s=300)
    events = generate(spec, 2)
    assert of(events, Kind.MARKET_LISTED)[0]["span_s"] == 900
    assert set(of(events, Kind.PRICE_SEEN)["code_id"]) == {Asset.ETH}


def test_books_hold_orders_at_every_cent_as_recorded_ones_do() -> None:
    events = generate(replace(EFFICIENT, windows=1), 3)
    stood = 0
    for ladder, row, number in frames(events, 0, EFFICIENT.first_open_s):
        left_s = EFFICIENT.first_open_s + 300 - row["seen_ns"] / S
        if number % 1_000 == 0 and 60 < left_s < 300:
            stood += 1
            prices = {price for side in (0, 1) for price in ladder.levels[Token.UP, side]}
            assert len(prices & set(range(100, 10_000, 100))) > 85
    assert stood > 10
