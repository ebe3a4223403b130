"""Exposure: what the shares of one coin's windows hang on, and the perpetual's touch, read off the core's memory."""

import math
from collections.abc import Callable
from typing import Any, Final

from infra.hedge.target import Exposure, Touch
from infra.plain_memory import plain
from state.events import Asset, Source
from state.units import MICROS, NS_PER_S
from state.world import Phase

Slope = Callable[[Any, int], float]
"""How much a window's chance of UP moves with a dollar of the coin: (world, slot) -> per dollar; the world is the
core's record as compiled code reads it: `graph.deltas.window_delta_per_usd`."""
OVER: Final = (Phase.NONE, Phase.SETTLED)


def exposure_of(worlds: Any, asset: Asset, slope: Slope) -> Exposure:
    """Add up the delta of all shares, and the variance of the price until the last of their windows ends.

    Shares bought and not confirmed count as held: if they fail, the next step takes the hedge back.

    Args:
        worlds: The core's memory, one world.
        asset: Which coin.
        slope: Of `graph.deltas`.
    """
    world = plain(worlds)[0]
    now_ns, state = int(world["now_ns"]), world["assets"][int(asset)]
    delta, left_s = 0.0, 0.0
    for slot, market in enumerate(world["markets"]):
        if int(market["asset_code"]) != int(asset) or int(market["phase_code"]) in OVER:
            continue
        position = market["position"]
        pairs_apart = (int(position["up_micros"]) - int(position["down_micros"])) / MICROS
        if not pairs_apart:
            continue
        told = pairs_apart * slope(worlds[0], slot)
        if math.isfinite(told) and told:
            delta += told
            left_s = max(left_s, (int(market["close_ns"]) - now_ns) / NS_PER_S)
    touch = touch_of(worlds, asset)
    price_usd = touch.mid_usd if touch is not None else 0.0
    variance = float(state["variance_per_s"]) * price_usd * price_usd * max(left_s, 0.0)
    return Exposure(delta, variance if math.isfinite(variance) else 0.0)


def touch_of(worlds: Any, asset: Asset, source: Source = Source.BINANCE_PERP) -> Touch | None:
    """Give the perpetual's best prices as the session's own feed told them last; None before it told any."""
    feed = plain(worlds)[0]["assets"][int(asset)]["prices"]["feeds"][int(source)]
    bid_usd, ask_usd = float(feed["bid_usd"]), float(feed["ask_usd"])
    if not 0.0 < bid_usd <= ask_usd < math.inf:
        return None
    return Touch(bid_usd, ask_usd, int(feed["seen_ns"]))
