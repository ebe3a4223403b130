"""The desk's delta: by how much what it holds moves with the coin. Reckoned only when asked, never at a tick."""

from graph.pricing import has_reference, reference_from_ns, reference_usd, reference_var_usd2
from state.compiled import compiled
from state.world import CLOSE, SLOTS, STRIKE, Phase, World
from tools.delta import coins, fair_delta


@compiled
def window_delta_per_usd(world: World, slot: int) -> float:
    """Give d p_up / d price of one window, per dollar; 0 where there is no window, no strike or no price."""
    market = world.markets[slot]
    if market.phase_code == Phase.NONE or market.phase_code == Phase.SETTLED or market.strike_code == 0:
        return 0.0
    state = world.assets[market.asset_code]
    if not has_reference(state):
        return 0.0
    return fair_delta(
        market.averages[CLOSE],
        market.averages[STRIKE],
        reference_from_ns(state, world.now_ns),
        reference_usd(state),
        reference_var_usd2(state),
        state.variance_per_s,
    )


@compiled
def window_coins(world: World, slot: int) -> float:
    """Give what we hold in one window in coins: a short of as many would offset it for a small move."""
    position = world.markets[slot].position
    return coins(position.up_micros, position.down_micros, window_delta_per_usd(world, slot))


@compiled
def asset_coins(world: World, asset_code: int) -> float:
    """Give what we hold over all windows of one coin, in coins; resting orders do not count, they may never fill."""
    total = 0.0
    for slot in range(SLOTS):
        if world.markets[slot].asset_code == asset_code:
            total += window_coins(world, slot)
    return total
