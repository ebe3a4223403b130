"""Arming: what an operator's word allows and forbids, and what is at risk under the limit that he armed the desk with.

Every word that stops the desk stands by itself: lifting one leaves the others. What the world calls halted is the
gravest of them. A desk that was never told to observe is armed without a limit: paper, rehearsal and backtest begin so;
a live one is told DISARM first of all.
"""

from typing import Final

from state.compiled import compiled
from state.events import Event, Word
from state.orders import ORDERS, OrderState
from state.units import BPS
from state.world import SLOTS, Phase, World
from tools.fees import fee_bps

_HALT: Final = 1 << int(Word.HALT)
_PULL_ALL: Final = 1 << int(Word.PULL_ALL)
_DISARM: Final = 1 << int(Word.DISARM)
_KILL: Final = 1 << int(Word.KILL)


@compiled
def apply_word(world: World, event: Event) -> None:
    """Do as an operator says; a word that is none, and arming without a limit, are counted and change nothing."""
    word = int(event.code_id)
    if word == Word.RESUME:
        world.stops_mask &= ~(_HALT | _PULL_ALL)
    elif word == Word.ARM and event.ref_id > 0:
        world.stops_mask &= ~(_DISARM | _KILL)
        world.armed_micros = event.ref_id
    elif word == Word.KILL or word == Word.DISARM:
        world.stops_mask |= 1 << word
        world.armed_micros = 0
    elif word == Word.HALT or word == Word.PULL_ALL:
        world.stops_mask |= 1 << word
    else:
        world.refused_count += 1
    world.halted_code = _gravest(int(world.stops_mask))


@compiled
def _gravest(stops_mask: int) -> int:
    if stops_mask & _KILL:
        return int(Word.KILL)
    if stops_mask & _DISARM:
        return int(Word.DISARM)
    if stops_mask & _PULL_ALL:
        return int(Word.PULL_ALL)
    return int(Word.HALT) if stops_mask & _HALT else 0


@compiled
def risked_micros(world: World) -> int:
    """Give the collateral at risk over all windows that are not settled: filled, resting and in flight, with fees."""
    total = 0
    for slot in range(SLOTS):
        market = world.markets[slot]
        if market.phase_code != Phase.NONE and market.phase_code != Phase.SETTLED:
            position = market.position
            total += max(position.spent_micros + position.fees_micros + market.pending_cost_micros, 0)
    for row in range(ORDERS):
        order = world.orders[row]
        if order.state_code != OrderState.NONE and not order.post_only:
            rules = world.markets[order.slot_id].rules
            by_notional = rules.fee_by_notional_code == 1
            fee = fee_bps(float(order.price_bps), rules.fee_rate_ppm, rules.fee_exponent_count, by_notional)
            total += order.open_micros * (int(fee) + 1) // BPS  # what it will be charged when it takes
    return int(total)
