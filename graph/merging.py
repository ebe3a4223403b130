"""Merging: one share of each token is a dollar for certain, so complete sets go back to money before the settlement.

A set that is held to the end pays the same dollar, only later: merging frees capital, it earns nothing. It needs no
mandate, for it adds no risk; a desk that is halted asks for none, for then nothing leaves but cancels.
"""

from typing import Final

from state.compiled import compiled
from state.events import Event
from state.units import NS_PER_S
from state.world import SLOTS, Market, Phase, World

AFTER_MATCH_NS: Final = 10 * NS_PER_S
"""A match is a promise until it is mined (venue reference 10: about 2 s); what is not there cannot be merged."""
AFTER_REFUSAL_NS: Final = 60 * NS_PER_S


@compiled
def sets_to_merge(world: World, slot: int) -> int:
    """Give the complete sets that should be merged now, in micros; 0: none, or not now."""
    market = world.markets[slot]
    sets = min(market.position.up_micros, market.position.down_micros)
    params = world.params
    if sets < params.merge_micros or params.may_merge_count == 0:
        return 0
    if world.halted_code != 0 or world.now_ns < market.merge_from_ns:
        return 0
    if world.now_ns >= market.close_ns - params.merge_quiet_ns:
        return 0
    for each in range(SLOTS):
        if world.markets[each].merge_id != 0 and world.markets[each].phase_code != Phase.SETTLED:
            return 0  # one at a time: each is a transaction of the same wallet
    return int(sets)


@compiled
def begin_merge(world: World, slot: int, amount_micros: int) -> int:
    """Note that a merge leaves; gives its number, counted with the orders', so that a number names one thing only.

    The sets stay ours until they are said to be merged.
    """
    world.next_order_id += 1
    market = world.markets[slot]
    market.merge_id = world.next_order_id
    market.merge_micros = amount_micros
    return int(market.merge_id)


@compiled
def put_off_merge(world: World, market: Market) -> None:
    """Wait with merging until what has just matched can be on chain."""
    market.merge_from_ns = max(market.merge_from_ns, world.now_ns + AFTER_MATCH_NS)


@compiled
def apply_merged(world: World, market: Market, event: Event) -> None:
    """Book what was merged: both tokens' shares go, a dollar a set comes. A refusal is not argued with for a while.

    Number 0 is a merge that nobody here asked for, made by hand; any other number counts once, while it is under way.
    More sets than there are cannot have been merged: that is counted, and books nothing.
    """
    amount = event.amount_micros
    ours = event.ref_id == market.merge_id and event.ref_id != 0
    if amount < 0 or (event.ref_id != 0 and not ours):
        world.refused_count += 1
        return
    if ours:
        market.merge_id = 0
        market.merge_micros = 0
    if amount == 0:
        market.merge_from_ns = world.now_ns + AFTER_REFUSAL_NS
        return
    position = market.position
    if amount > min(position.up_micros, position.down_micros):
        world.refused_count += 1
        return
    position.up_micros -= amount
    position.down_micros -= amount
    position.merged_micros += amount
    position.spent_micros -= amount
    world.money.cash_micros += amount
    if market.phase_code == Phase.SETTLED:
        # Heard of after the payout, which took the winning shares for still there: it paid that much too much.
        position.settled_micros -= amount
        world.money.cash_micros -= amount
