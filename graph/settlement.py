"""A window's end: pay out, close the account, learn from what was thought, and keep the strategy's own record."""

import math
from typing import Final

from graph.fusion import drift, learn
from graph.order_life import end_orders
from state.compiled import compiled
from state.events import Token
from state.units import BPS, MICROS
from state.world import Market, Phase, World
from tools.sequential import update_evidence

SKILL_MEMORY: Final = 0.02
"""Weight of one window in the rolling skill, once fifty have been seen: about four hours of memory."""


@compiled
def settle(world: World, slot: int, outcome: int, final_usd: float) -> None:
    """Apply the venue's word on who won; a second word on the same window may only add the price it ended at."""
    market = world.markets[slot]
    known = market.phase_code == Phase.SETTLED and market.outcome_code == outcome
    if known and market.final_usd == 0.0 and final_usd > 0.0:
        market.final_usd = final_usd
        return
    if market.phase_code == Phase.SETTLED or outcome > Token.DOWN:
        world.refused_count += 1
        return
    market.phase_code = Phase.SETTLED
    market.outcome_code = outcome
    market.final_usd = final_usd
    _pay(world, market, outcome)
    _learn(world, market, outcome)
    end_orders(world, slot)


@compiled
def _pay(world: World, market: Market, outcome: int) -> None:
    position = market.position
    if position.fills_count == 0:
        return
    payout = position.up_micros if outcome == Token.UP else position.down_micros
    position.settled_micros = payout
    position.realized_micros = payout - position.spent_micros - position.fees_micros
    world.money.cash_micros += payout
    world.money.day_realized_micros += position.realized_micros
    world.money.settled_count += 1
    cost = position.first_cost_bps / BPS
    if 0.0 < cost < 1.0:
        # The first fill only, per share: its odds were fixed when it happened. Profit per share of a whole window hangs
        # on how much was added on the way, and would show an edge on a fair game.
        won = 1.0 if position.first_token_code == outcome else 0.0
        result = 0.0 if position.first_reversed else won - cost
        update_evidence(world.track.evidence, result, -cost, 1.0 - cost)


@compiled
def _learn(world: World, market: Market, outcome: int) -> None:
    """Move the fusion's weights by the window's samples, and the rolling skill by its scores against the book."""
    count = int(market.samples_count)
    if count == 0:
        return
    up = outcome == Token.UP
    ours = 0.0
    books = 0.0
    scored = 0
    for row in range(count):
        sample = market.samples[row]
        if not sample.has_mid:
            continue
        scored += 1
        ours += _surprise(sample.p_up, up)
        books += _surprise(sample.p_mid, up)
    if scored == 0:
        return
    drift(world.learner, world.params)
    for row in range(count):
        sample = market.samples[row]
        if sample.has_mid:
            learn(world.learner, sample.features_logodds, up, 1.0 / scored)
    world.learner.windows_count += 1
    track = world.track
    track.skill_windows_count += 1
    weight = max(1.0 / track.skill_windows_count, SKILL_MEMORY)
    track.skill_logodds += weight * ((books - ours) / scored - track.skill_logodds)


@compiled
def _surprise(p_up: float, up: bool) -> float:
    p = p_up if up else 1.0 - p_up
    return -math.log(max(p, 1.0 / MICROS))
