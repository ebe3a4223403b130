"""What a generated market has beside its own book: trades at exchanges, the chain, seasons, depth, and a busy day."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from evals.generator import BUSY, EFFICIENT, generate
from evals.generator_path import draw_path
from state.events import LAST_IN_FRAME, Kind, Side, Source

MS = 1_000_000
S = 1_000 * MS
Events = NDArray[Any]
SEED = 7
HOUR = replace(EFFICIENT, windows=12)


@pytest.fixture(scope="module")
def hour() -> Events:
    return generate(HOUR, SEED)


def of(events: Events, kind: Kind) -> Events:
    found: Events = events[events["kind_code"] == kind]
    return found


def test_exchanges_tell_their_trades_at_what_stood_there(hour: Events) -> None:
    for spec in HOUR.feeds:
        mine = hour[hour["source_code"] == spec.source]
        trades = of(mine, Kind.CEX_TRADED)
        assert len(trades) > 100
        assert (trades["at_ns"] > 0).all() and (trades["amount_micros"] > 0).all()
        assert set(trades["side_code"].tolist()) == {Side.BUY, Side.SELL}
        lot_micros = round(spec.lot_coins * 1e6)
        assert (trades["amount_micros"] % lot_micros == 0).all()
        tops = of(mine, Kind.PRICE_SEEN)
        before = np.searchsorted(tops["seen_ns"], trades["seen_ns"]) - 1
        away = np.abs(trades["value_usd"][before > 0] / tops["value_usd"][before[before > 0]] - 1.0)
        assert np.median(away) < 2e-5


def test_takers_at_exchanges_lean_to_where_the_price_goes() -> None:
    perp = of(generate(replace(EFFICIENT, windows=4), 3), Kind.CEX_TRADED)
    perp = perp[perp["source_code"] == Source.BINANCE_PERP]
    later = np.searchsorted(perp["seen_ns"], perp["seen_ns"] + S)
    ok = later < len(perp)
    moves = np.log(perp["value_usd"][later[ok]] / perp["value_usd"][ok])
    buys = perp["side_code"][ok] == Side.BUY
    assert moves[buys].mean() > moves[~buys].mean()


def test_the_chain_tells_a_head_every_two_seconds(hour: Events) -> None:
    heads = of(hour, Kind.CHAIN_SEEN)
    assert set(heads["source_code"]) == {Source.POLYGON}
    assert set(np.diff(np.sort(heads["ref_id"])).tolist()) == {2 * S}
    assert (heads["seen_ns"] > heads["ref_id"]).all() and (heads["value_usd"] > 0.0).all()


def test_volatility_has_the_seasons_of_the_day() -> None:
    spec = replace(
        EFFICIENT, windows=288, first_open_s=1_792_540_800, vol_burst_sd=0.0, vol_fast_sd=0.0, vol_slow_sd=0.0
    )
    path = draw_path(spec, np.random.default_rng(1))
    at_s = path.start_ns // S + np.arange(len(path.vol))
    night, rush = (path.vol[(at_s % 86_400) // 3_600 == hour_].mean() for hour_ in (4, 15))
    assert rush / night == pytest.approx(spec.season[15] / spec.season[4], rel=0.05)
    flat = draw_path(replace(spec, season=(1.0,) * 24), np.random.default_rng(1))
    assert flat.vol.std() == pytest.approx(0.0, abs=1e-12)


def test_the_busy_market_has_the_venues_own_rates() -> None:
    """Load tests count on it: 500 changes of levels and 200 exchange messages a second, a book after each trade."""
    events = generate(replace(BUSY, windows=1), 3)
    open_ns = BUSY.first_open_s * S
    inside = events[(events["seen_ns"] > open_ns) & (events["seen_ns"] < open_ns + 240 * S)]
    level_rows = of(inside, Kind.LEVEL_SET)
    assert 400 < (level_rows["flags_mask"] & LAST_IN_FRAME > 0).sum() / 240 < 650
    exchanges = inside[np.isin(inside["source_code"], [feed.source for feed in BUSY.feeds])]
    assert 140 < len(exchanges) / 240 < 300
    assert len(of(inside, Kind.BOOK_CLEARED)) == 2 * len(of(inside, Kind.TRADE_SEEN))
