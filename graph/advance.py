"""Advance: apply one event to the world. Nothing else changes a world but the screen's own orders.

Compiled, allocation-free, without clock, chance or I/O. What cannot be applied is counted and changes nothing.
"""

import math
from typing import Any, Final

from numpy.typing import NDArray

from graph.arming import apply_word
from graph.fills import apply_fee, apply_fill, apply_reversal, hear_of_money
from graph.merging import apply_merged
from graph.order_life import apply_order_change
from graph.platform import (
    forget_matches,
    hear_failure,
    hear_match,
    hear_of_outside,
    hear_refusal,
    judge_platform,
    see_moves,
)
from graph.pricing import begin_averages, renew_asset, see_average, see_price, see_strike
from graph.queues import meet_trade
from graph.settlement import settle
from state.compiled import compiled
from state.events import ASSETS, FEEDS, LAST_IN_FRAME, Event, FeedState, Kind, Side, Source, Token
from state.rules import Rule, apply_rule, rules_in_force
from state.units import BPS, NS_PER_S
from state.world import FLOW_FAST_S, OUTCOME_UNKNOWN, SLOTS, Market, Phase, World
from tools.book import apply_to_book, clear_book, effective_best_bps, open_book
from tools.feed import note_feed_state
from tools.lag import begin_lag, break_follow, note_follow
from tools.logodds import logodds

NO_SLOT: Final = -1
ALL_SLOTS: Final = -2

LAG_STEP_NS: Final = 100_000_000
LAG_BLOCK_STEPS: Final = 300
"""Half a minute a block, six minutes in all: a lag is a habit of the minute, not of the day."""

FLOW_SLOW_S: Final = 60.0

_TOUCHES: Final = (int(Kind.BOOK_CLEARED), int(Kind.LEVEL_SET), int(Kind.TICK_CHANGED))


@compiled
def advance(world: World, event: Event, rulebook: NDArray[Any]) -> int:
    """Apply one event; give the slot to screen, `ALL_SLOTS`, or `NO_SLOT`.

    `MANDATE_GIVEN` and `PARAMS_CHANGED` carry records of their own and come in through `graph.mandates`.
    """
    world.event_seq += 1
    if event.seen_ns > world.now_ns:
        world.now_ns = event.seen_ns
        pass_time(world)
    kind = event.kind_code
    if kind == Kind.LEVEL_SET or kind == Kind.BOOK_CLEARED or kind == Kind.TICK_CHANGED:
        return _see_book(world, event)
    if kind == Kind.PRICE_SEEN or kind == Kind.AVERAGE_SEEN:
        return _see_price(world, event)
    if kind == Kind.TRADE_SEEN:
        return _see_trade(world, event)
    if kind == Kind.TICKED:
        return ALL_SLOTS
    return _seldom(world, event, rulebook)


@compiled
def _seldom(world: World, event: Event, rulebook: NDArray[Any]) -> int:
    """Apply the kinds that come a few times a window."""
    kind = event.kind_code
    if kind == Kind.OPERATOR_SAID:
        apply_word(world, event)
        return ALL_SLOTS
    if kind == Kind.FEED_CHANGED:
        return _feed_changed(world, event)
    if hear_of_outside(world, event):
        return NO_SLOT
    if _is_for_others(kind) or hear_of_money(world, event):
        return NO_SLOT
    slot = int(event.slot_id)
    if slot >= SLOTS:
        world.refused_count += 1
        return NO_SLOT
    if kind == Kind.MARKET_LISTED:
        _list_market(world, event, rulebook)
        return NO_SLOT
    market = world.markets[slot]
    if market.phase_code == Phase.NONE:
        world.refused_count += 1
        return NO_SLOT
    return _in_market(world, market, event)


@compiled
def _is_for_others(kind: int) -> bool:
    """Say whether rows of a kind are for recordings, checks and the books of account: the core need not know them."""
    return kind == Kind.TOUCH_CARRIED or kind == Kind.FILL_MINED or kind == Kind.REDEEMED


@compiled
def _in_market(world: World, market: Market, event: Event) -> int:
    kind = event.kind_code
    slot = int(event.slot_id)
    if kind == Kind.RULE_GIVEN:
        apply_rule(market.rules, int(event.code_id), event.ref_id)
    elif kind == Kind.STRIKE_SEEN:
        see_strike(world, market, event.value_usd, int(event.code_id))
    elif kind == Kind.SETTLED:
        settle(world, slot, int(event.code_id), event.value_usd)
        _choose_front(world, int(market.asset_code))
    elif kind == Kind.ORDER_CHANGED:
        apply_order_change(world, market, event)
        hear_refusal(world, event)
    elif kind == Kind.FILLED:
        hear_match(world, event, apply_fill(world, market, event))
    elif kind == Kind.FEE_CHARGED:
        apply_fee(world, market, event)
    elif kind == Kind.FILL_REVERSED:
        hear_failure(world, event, apply_reversal(world, market, event))
    elif kind == Kind.MERGED:
        apply_merged(world, market, event)
    else:
        world.refused_count += 1
        return NO_SLOT
    return slot


@compiled
def _list_market(world: World, event: Event, rulebook: NDArray[Any]) -> None:
    """Begin a window in its slot; a slot whose window is unsettled and holds anything of ours is not taken."""
    slot = int(event.slot_id)
    market = world.markets[slot]
    asset = int(event.code_id)
    busy = market.phase_code == Phase.OPEN or market.phase_code == Phase.CLOSED
    held = market.orders_count > 0 or market.position.up_micros != 0 or market.position.down_micros != 0
    if asset >= ASSETS or event.span_s == 0 or (busy and held):
        world.refused_count += 1
        return
    _blank_market(market)
    forget_matches(world, slot)
    market.phase_code = Phase.LISTED
    market.asset_code = asset
    market.open_ns = event.ref_id
    market.close_ns = event.ref_id + int(event.span_s) * NS_PER_S
    rules_in_force(rulebook, market.open_ns, asset, int(event.span_s), market.rules)
    if event.price_bps > 0:
        apply_rule(market.rules, int(Rule.TICK_BPS), int(event.price_bps))
    if event.amount_micros > 0:
        apply_rule(market.rules, int(Rule.SHARES_MIN_MICROS), event.amount_micros)
    for token in range(2):
        open_book(market.books[token], int(market.rules.tick_bps))
    begin_averages(world, market)
    state = world.assets[asset]
    if state.lag.step_ns == 0:
        begin_lag(state.lag, LAG_STEP_NS, LAG_BLOCK_STEPS)
        state.front_slot_id = NO_SLOT
    _pass_phase(world, market)


@compiled
def _blank_market(market: Market) -> None:
    """Forget the window that was here before; books and averages are begun by their own tools."""
    market.book_seen_ns = 0
    market.strike_usd = 0.0
    market.strike_code = 0
    market.strike_gap_bps = 0.0
    market.flow.signed_micros = 0.0
    market.flow.total_micros = 0.0
    market.flow.slow_micros = 0.0
    market.flow.touch_changes_per_s = 0.0
    market.flow.seen_ns = 0
    market.touch_bps[0] = -1
    market.touch_bps[1] = -1
    market.mid_logodds = 0.0
    market.has_mid = False
    market.has_fair = False
    market.p_fair = 0.5
    market.fair_until_ns = 0
    market.fair_logodds = 0.0
    market.posterior_logodds = 0.0
    _blank_position(market)
    market.pending_micros[0] = 0
    market.pending_micros[1] = 0
    market.pending_cost_micros = 0
    market.orders_count = 0
    market.mandate.mandate_id = 0
    market.mandate.until_ns = 0
    market.mandate.take_mask = 0
    market.mandate.quote_mask = 0
    market.used_micros = 0
    market.asked_ns = 0
    market.asked_logodds = 0.0
    market.took_ns = 0
    market.refused_ns = 0
    market.churn_due_ns = 0
    market.merge_id = 0
    market.merge_micros = 0
    market.merge_from_ns = 0
    market.next_sample_id = 0
    market.samples_count = 0
    market.outcome_code = OUTCOME_UNKNOWN
    market.final_usd = 0.0


@compiled
def _blank_position(market: Market) -> None:
    position = market.position
    position.up_micros = 0
    position.down_micros = 0
    position.spent_micros = 0
    position.fees_micros = 0
    position.traded_micros = 0
    position.fills_count = 0
    position.reversed_count = 0
    position.merged_micros = 0
    position.settled_micros = 0
    position.realized_micros = 0
    position.first_order_id = 0
    position.first_cost_bps = 0.0
    position.first_token_code = 0
    position.first_reversed = False


@compiled
def pass_time(world: World) -> None:
    """Let the clock open and close windows, and begin the new UTC day's loss count."""
    day = world.now_ns // (86_400 * NS_PER_S)
    if day != world.money.day_id:
        world.money.day_id = day
        world.money.day_realized_micros = 0
        world.money.day_carried_micros = 0
    if world.now_ns >= world.comovement.next_ns:
        see_moves(world)
    if world.now_ns >= world.platform.due_ns:
        judge_platform(world)
    if world.now_ns < world.phase_due_ns:
        return
    world.phase_due_ns = world.now_ns + 3_600 * NS_PER_S
    for slot in range(SLOTS):
        _pass_phase(world, world.markets[slot])


@compiled
def _pass_phase(world: World, market: Market) -> None:
    """Move one window along its life by the clock, and note when the next one is due."""
    before = market.phase_code
    if market.phase_code == Phase.LISTED and world.now_ns >= market.open_ns:
        market.phase_code = Phase.OPEN
    if market.phase_code == Phase.OPEN and world.now_ns >= market.close_ns:
        market.phase_code = Phase.CLOSED
    if market.phase_code == Phase.LISTED:
        world.phase_due_ns = min(world.phase_due_ns, market.open_ns)
    elif market.phase_code == Phase.OPEN:
        world.phase_due_ns = min(world.phase_due_ns, market.close_ns)
    if market.phase_code != before:
        _choose_front(world, int(market.asset_code))


@compiled
def _choose_front(world: World, asset: int) -> None:
    """Find the open window of an asset that closes first: its book is what the lag is measured against."""
    state = world.assets[asset]
    front = NO_SLOT
    state.open_count = 0
    for slot in range(SLOTS):
        market = world.markets[slot]
        if market.asset_code != asset or market.phase_code != Phase.OPEN:
            continue
        state.open_count += 1
        if front == NO_SLOT or market.close_ns < world.markets[front].close_ns:
            front = slot
    if front != state.front_slot_id:
        break_follow(state.lag)
    state.front_slot_id = front


@compiled
def _see_book(world: World, event: Event) -> int:
    slot = int(event.slot_id)
    if slot >= SLOTS or event.token_code > Token.DOWN or world.markets[slot].phase_code == Phase.NONE:
        world.refused_count += 1
        return NO_SLOT
    market = world.markets[slot]
    book = market.books[event.token_code]
    if apply_to_book(book, event) != 0:
        world.refused_count += 1
    if event.kind_code == Kind.TICK_CHANGED:
        apply_rule(market.rules, int(Rule.TICK_BPS), int(event.price_bps))
    market.book_seen_ns = event.seen_ns
    if event.flags_mask & LAST_IN_FRAME:
        _see_touch(world, market, slot)
        return slot
    return NO_SLOT


@compiled
def _see_touch(world: World, market: Market, slot: int) -> None:
    """Join both books' touches; a new middle is news to the lag estimator and to the flow's pace."""
    up = market.books[Token.UP]
    down = market.books[Token.DOWN]
    bid = effective_best_bps(up, down, int(Side.BUY))
    ask = effective_best_bps(up, down, int(Side.SELL))
    if bid == market.touch_bps[0] and ask == market.touch_bps[1]:
        return
    market.touch_bps[0] = bid
    market.touch_bps[1] = ask
    _fade_flow(market, world.now_ns)
    market.flow.touch_changes_per_s += 1.0 / FLOW_SLOW_S
    market.has_mid = bid >= 0 and ask >= 0
    if not market.has_mid:
        return
    market.mid_logodds = logodds(0.5 * (bid + ask) / BPS)
    state = world.assets[market.asset_code]
    if state.front_slot_id == slot:
        note_follow(state.lag, world.now_ns, market.mid_logodds)


@compiled
def _fade_flow(market: Market, now_ns: int) -> None:
    flow = market.flow
    past_s = (now_ns - flow.seen_ns) / NS_PER_S
    flow.seen_ns = now_ns
    fast = math.exp(-past_s / FLOW_FAST_S)
    slow = math.exp(-past_s / FLOW_SLOW_S)
    flow.signed_micros *= fast
    flow.total_micros *= fast
    flow.slow_micros *= slow
    flow.touch_changes_per_s *= slow


@compiled
def _see_trade(world: World, event: Event) -> int:
    """Count a taker's trade in shares of UP: buying UP and selling DOWN are the same bet."""
    slot = int(event.slot_id)
    if slot >= SLOTS or world.markets[slot].phase_code == Phase.NONE:
        world.refused_count += 1
        return NO_SLOT
    market = world.markets[slot]
    _fade_flow(market, world.now_ns)
    for_up = (event.token_code == Token.UP) == (event.side_code == Side.BUY)
    amount = float(event.amount_micros)
    market.flow.signed_micros += amount if for_up else -amount
    market.flow.total_micros += amount
    market.flow.slow_micros += amount * FLOW_FAST_S / FLOW_SLOW_S
    if market.orders_count > 0:
        meet_trade(world, event)
    return slot


@compiled
def _see_price(world: World, event: Event) -> int:
    asset = int(event.code_id)
    if asset >= ASSETS or event.source_code >= FEEDS or event.source_code == Source.OURSELVES:
        world.refused_count += 1
        return NO_SLOT
    state = world.assets[asset]
    if event.kind_code == Kind.AVERAGE_SEEN:
        see_average(world, asset, event)
        return NO_SLOT
    if not see_price(world, asset, event):
        return NO_SLOT
    if world.now_ns - state.renewed_ns >= NS_PER_S:
        renew_asset(world, asset)
    if state.open_count == 0:
        return NO_SLOT
    return int(state.front_slot_id) if state.open_count == 1 else ALL_SLOTS


@compiled
def _feed_changed(world: World, event: Event) -> int:
    """A price feed came or went; or the book's feed lost continuity, and no book is valid until its next snapshot."""
    source = int(event.source_code)
    if source == Source.POLYMARKET_BOOK:
        if event.code_id != FeedState.UP:
            for slot in range(SLOTS):
                for token in range(2):
                    clear_book(world.markets[slot].books[token])
                world.markets[slot].touch_bps[0] = -1
                world.markets[slot].touch_bps[1] = -1
                world.markets[slot].has_mid = False
                world.markets[slot].book_seen_ns = 0
        return ALL_SLOTS
    if 0 < source < FEEDS:
        for asset in range(ASSETS):
            note_feed_state(world.assets[asset].prices.feeds[source], int(event.code_id), event.ref_id)
    return ALL_SLOTS
