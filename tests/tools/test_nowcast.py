import hashlib
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evals.generator import EFFICIENT, MarketSpec, generate
from evals.generator_path import draw_path
from state.compiled import compiled
from state.events import FeedState, Kind, Source
from state.feeds import FeedQuality, Nowcast, Prices
from state.records import Floats, one
from tools.feed import note_feed_state, quality
from tools.nowcast import note_price_seen, renew_nowcast

MS = 1_000_000
S = 1_000 * MS
NOW = 1_792_573_200 * S
VAR_PER_S = 0.9e-4**2
USD = 100_000.0
EXCHANGES = (Source.BINANCE, Source.BINANCE_PERP, Source.BYBIT, Source.OKX, Source.COINBASE)
SPEC = replace(EFFICIENT, windows=1)


def settle_down(prices: Prices, basis_bps: float, seconds: int = 400) -> int:
    """Let every exchange stand `basis_bps` above a still settlement stream until the basis is known."""
    for second in range(seconds):
        now_ns = NOW + second * S
        for source in EXCHANGES:
            usd = USD * math.exp(basis_bps * 1e-4)
            note_price_seen(prices, source, now_ns, now_ns, usd - 0.05, usd + 0.05, VAR_PER_S)
        note_price_seen(prices, Source.CHAINLINK, now_ns, now_ns + 300 * MS, USD, USD, VAR_PER_S)
    return NOW + seconds * S


@pytest.mark.parametrize("basis_bps", [-8.5, -3.3, 0.0, 4.0])
def test_the_quote_currency_s_basis_is_learned_and_taken_off(basis_bps: float) -> None:
    prices = one(Prices)
    settle_down(prices, basis_bps)
    for source in EXCHANGES:
        feed = prices.feeds[source]
        assert feed.basis_log * 1e4 == pytest.approx(basis_bps, abs=0.02)
        assert 0.0 < math.sqrt(feed.basis_var) * 1e4 < 1.0
    assert prices.nowcast.usd == pytest.approx(USD, rel=1e-6)


def test_a_move_of_the_exchanges_is_nowcast_before_the_stream_shows_it() -> None:
    prices = one(Prices)
    now_ns = settle_down(prices, -3.3)
    moved_usd = USD * math.exp((5.0 - 3.3) * 1e-4)
    for source in EXCHANGES:
        note_price_seen(prices, source, now_ns, now_ns, moved_usd - 0.05, moved_usd + 0.05, VAR_PER_S)
    assert prices.nowcast.ahead_log * 1e4 == pytest.approx(5.0, abs=0.3)
    assert prices.nowcast.oracle_ratio < 0.1
    assert prices.nowcast.feeds_count == 6


@pytest.mark.parametrize("wrong_bps", [-150.0, -20.0, 8.0, 60.0])
def test_one_bad_feed_is_held_off_and_named(wrong_bps: float) -> None:
    prices = one(Prices)
    now_ns = settle_down(prices, 0.0)
    usd = USD * math.exp(wrong_bps * 1e-4)
    for source in EXCHANGES:
        good = source != Source.BINANCE_PERP
        value = USD if good else usd
        note_price_seen(prices, source, now_ns, now_ns, value - 0.05, value + 0.05, VAR_PER_S)
    assert abs(math.log(prices.nowcast.usd / USD)) * 1e4 < 0.6
    assert quality(prices.feeds[Source.BINANCE_PERP], now_ns) == FeedQuality.ODD
    assert quality(prices.feeds[Source.OKX], now_ns) == FeedQuality.GOOD
    assert prices.nowcast.odd_count == 1
    # Its disagreement is exported, and the answer is the less sure for it.
    calm = one(Prices)
    settle_down(calm, 0.0)
    for source in EXCHANGES:
        note_price_seen(calm, source, now_ns, now_ns, USD - 0.05, USD + 0.05, VAR_PER_S)
    assert prices.nowcast.spread_var > calm.nowcast.spread_var
    assert prices.nowcast.value_var > calm.nowcast.value_var


def test_without_fresh_feeds_the_value_stays_and_its_variance_grows() -> None:
    prices = one(Prices)
    now_ns = settle_down(prices, 0.0)
    before_usd, before_var = prices.nowcast.usd, prices.nowcast.value_var
    for source in (*EXCHANGES, Source.CHAINLINK):
        note_feed_state(prices.feeds[source], FeedState.DOWN, 1)
    renew_nowcast(prices, now_ns + 5 * S, VAR_PER_S)
    renew_nowcast(prices, now_ns + 30 * S, VAR_PER_S)
    assert prices.nowcast.usd == before_usd
    assert prices.nowcast.feeds_count == 0
    assert prices.nowcast.value_var == pytest.approx(before_var + 30 * VAR_PER_S, rel=0.1)


def test_before_the_stream_has_spoken_a_basis_of_many_bps_is_allowed_for() -> None:
    prices = one(Prices)
    note_price_seen(prices, Source.BINANCE, NOW, NOW, USD, USD, VAR_PER_S)
    assert math.sqrt(prices.nowcast.value_var) * 1e4 > 5.0


def test_the_on_chain_aggregator_is_kept_but_has_no_vote() -> None:
    prices = one(Prices)
    now_ns = settle_down(prices, 0.0)
    before_usd = prices.nowcast.usd
    assert note_price_seen(prices, Source.CHAINLINK_ONCHAIN, now_ns, now_ns, USD * 1.01, USD * 1.01, VAR_PER_S)
    assert prices.nowcast.usd == before_usd


@compiled
def follow(events: Any, prices: Prices, out: Floats) -> int:
    count = 0
    for row in range(len(events)):
        event = events[row]
        if event.kind_code != Kind.PRICE_SEEN:
            continue
        source = int(event.source_code)
        note_price_seen(prices, source, event.at_ns, event.seen_ns, event.value_usd, event.other_usd, 0.81e-8)
        nowcast: Nowcast = prices.nowcast
        out[count, 0] = float(event.seen_ns)
        out[count, 1] = nowcast.value_log
        out[count, 2] = nowcast.value_var
        out[count, 3] = prices.feeds[1].mid_log
        count += 1
    return count


def test_on_generated_feeds_it_is_far_nearer_than_the_stream_and_as_sure_as_it_should_be() -> None:
    seed = 3
    spec: MarketSpec = SPEC
    events = generate(spec, seed)
    path = draw_path(spec, np.random.default_rng(np.random.SeedSequence(seed).spawn(5)[0]))
    out = np.zeros((len(events), 4))
    out = out[: follow(events, one(Prices), out)]
    first_ns, last_ns = out[0, 0] + 120 * S, out[-1, 0] - 5 * S
    out = out[(out[:, 0] > first_ns) & (out[:, 0] < last_ns)]
    # The stream's value is a mean that ended a little ago: it stands for the price of its middle.
    caught_up_ns = (spec.oracle_behind_ms + spec.oracle_smooth_ms / 2.0) * MS
    seconds_ns = np.arange(len(path.oracle_usd)) * S
    truth = np.log(np.interp(out[:, 0] + caught_up_ns - path.start_ns, seconds_ns, path.oracle_usd))
    error = out[:, 1] - truth
    # The path keeps the stream once a second; between two seconds truth is drawn straight, which is part of the error.
    assert np.sqrt(np.mean(error**2)) < 0.45 * np.sqrt(np.mean((out[:, 3] - truth) ** 2))
    assert 0.7 < np.sqrt(np.mean(error**2 / out[:, 2])) < 1.4


_TWIN = """
import hashlib
from test_nowcast import *
prices = one(Prices)
settle_down(prices, -3.3, 40)
print(hashlib.sha256(prices.tobytes()).hexdigest())
"""


def test_compiled_and_plain_python_agree_to_the_last_bit() -> None:
    prices = one(Prices)
    settle_down(prices, -3.3, 40)
    here = Path(__file__).resolve()
    roots = [str(here.parents[2]), str(here.parent), str(here.parents[1])]
    env = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(roots)}
    plain = subprocess.run([sys.executable, "-c", _TWIN], env=env, capture_output=True, text=True, check=True)
    assert plain.stdout.strip() == hashlib.sha256(prices.tobytes()).hexdigest()  # type: ignore[attr-defined]
