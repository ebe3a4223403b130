"""Exposure: the core's memory read as a delta, and the hedge that follows from it."""

from typing import Any

import pytest

from infra.hedge.exposure import exposure_of, touch_of
from infra.hedge.target import HedgeTerms, order_coins
from state.events import Asset, Source
from state.records import rows
from state.units import MICROS, NS_PER_S
from state.world import Phase, World

NOW_S = 1_792_638_200


def world(*windows: tuple[Phase, int, int, int]) -> Any:
    """Phase, UP and DOWN shares, and seconds that are left, window by window."""
    worlds = rows(World, 1)
    worlds[0]["now_ns"] = NOW_S * NS_PER_S
    asset = worlds[0]["assets"][int(Asset.BTC)]
    asset["variance_per_s"] = 4e-10  # two dollars a second at 100,000
    feed = asset["prices"]["feeds"][int(Source.BINANCE_PERP)]
    feed["bid_usd"], feed["ask_usd"], feed["seen_ns"] = 99_999.5, 100_000.5, NOW_S * NS_PER_S
    for slot, (phase, up, down, left_s) in enumerate(windows):
        market = worlds[0]["markets"][slot]
        market["phase_code"], market["close_ns"] = phase, (NOW_S + left_s) * NS_PER_S
        market["position"]["up_micros"], market["position"]["down_micros"] = up * MICROS, down * MICROS
    return worlds


def slope(world: Any, slot: int) -> float:
    return 0.01 if int(world["markets"][slot]["close_ns"]) > int(world["now_ns"]) else 0.0


def test_shares_of_open_windows_add_up_and_pairs_cancel() -> None:
    found = exposure_of(world((Phase.OPEN, 1_500, 0, 100), (Phase.OPEN, 0, 300, 50)), Asset.BTC, slope)
    assert found.delta_coins == pytest.approx(12.0)
    assert found.variance_usd2 == pytest.approx(400.0)
    pairs = exposure_of(world((Phase.OPEN, 700, 700, 100)), Asset.BTC, slope)
    assert (pairs.delta_coins, pairs.variance_usd2) == (0.0, 0.0)


def test_what_is_over_asks_for_nothing_so_the_hedge_closes() -> None:
    over = exposure_of(world((Phase.CLOSED, 1_500, 0, -1), (Phase.SETTLED, 900, 0, -300)), Asset.BTC, slope)
    touch = touch_of(world(), Asset.BTC)
    assert touch is not None
    assert order_coins(-12.0, over, touch, HedgeTerms(coins_most=50.0)) == 12.0


def test_another_coins_windows_and_an_unquoted_perpetual_say_nothing() -> None:
    worlds = world((Phase.OPEN, 1_500, 0, 100))
    assert exposure_of(worlds, Asset.ETH, slope).delta_coins == 0.0
    assert touch_of(worlds, Asset.ETH) is None


def test_a_slope_that_is_no_number_counts_for_nothing() -> None:
    worlds = world((Phase.OPEN, 1_500, 0, 100))
    assert exposure_of(worlds, Asset.BTC, lambda *_: float("nan")).delta_coins == 0.0
