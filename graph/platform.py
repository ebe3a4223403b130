"""Platform risk: hear what tells whether the ground is sound, and say when it is not.

While anything is unsound nothing is bought, not even to close a position: quotes are pulled, and what is held goes on
to its settlement. A fault stands at once, or after two seconds where one odd price could look like it, and is over only
when its measure has been well inside its bound for `params.platform_calm_ns`: so a measure at its bound does not flap.
"""

import math
from typing import Final

from graph.order_life import find_order, find_past
from graph.pricing import has_reference, leads_by_feeds, reference_usd
from graph.spot_watch import see_spot_trade
from state.compiled import compiled
from state.events import ASSETS, SETTLES, Event, Kind, Source
from state.feeds import VOTERS
from state.orders import Reject
from state.platform import PLATFORM_CODES, UNSETTLED, Platform, PlatformCode
from state.units import BPS, NS_PER_S
from state.world import World
from tools.comovement import note_log, take_step
from tools.feed import is_stale

JUDGE_NS: Final = NS_PER_S // 4
"""How often the measures are looked at when nothing has happened but time."""

STANDS_NS: Final = 2 * NS_PER_S
"""How long feeds must be silent or apart together: a jump reaches one before the other."""

EASED_RATIO: Final = 0.8
"""Share of its bound below which a measure is well inside."""

FAILURES_HALF_LIFE_S: Final = 900.0
TRADES_PRIOR: Final = 10.0
"""Orders with sound trades that are supposed beforehand: one failure alone is no rate."""

MEDIAN_STEP_LOG: Final = 0.002
"""The running median of the base fee moves by so much a block: a doubling takes 347 blocks, twelve minutes."""

PRICE_AGE_NS: Final = 5 * NS_PER_S
"""A coin whose price is older takes no part in the reckoning of what moves together."""


@compiled
def hear_of_outside(world: World, event: Event) -> bool:
    """Take in rows that tell of chain, exchanges and settlement, and move no market; say whether it was one."""
    kind = event.kind_code
    if kind == Kind.CHAIN_SEEN:
        _hear_head(world.platform, event)
        judge_platform(world)
    elif kind == Kind.CEX_TRADED:
        see_spot_trade(world, event)
    elif kind == Kind.FILL_CONFIRMED:
        _settle_match(world.platform, event.ref_id, event.amount_micros)
    elif kind == Kind.FILL_RETRIED:
        _hear_retry(world, event)
    else:
        return False
    return True


@compiled
def _hear_head(platform: Platform, event: Event) -> None:
    """Take in a block: its base fee, held against the running median, and its age. One without a fee is none."""
    fee = event.value_usd
    if not fee > 0.0:
        return
    fee_log = math.log(fee)
    platform.base_fee_log = fee_log
    if platform.head_ns == 0:
        platform.usual_fee_log = fee_log
    platform.head_ns = max(platform.head_ns, event.ref_id)
    apart = fee_log - platform.usual_fee_log
    platform.usual_fee_log += min(max(apart, -MEDIAN_STEP_LOG), MEDIAN_STEP_LOG)


@compiled
def hear_refusal(world: World, event: Event) -> None:
    """Note that the venue restarts: it refused an order or a cancel for that."""
    if event.flags_mask == Reject.RESTARTING or event.flags_mask == Reject.POST_ONLY_MODE:
        world.platform.restart_ns = world.now_ns
        judge_platform(world)


@compiled
def hear_match(world: World, event: Event, booked_micros: int) -> None:
    """Count the first trade of an order of ours, and wait for what was booked if whoever told it will confirm it too.

    Orders are counted, not rows: of one trade there is a row for every price that it met.
    """
    if booked_micros <= 0 or event.ref_id == 0:
        return
    platform = world.platform
    _fade(platform, world.now_ns)
    if _filled_micros(world, event.ref_id) == booked_micros:
        platform.trades_count += 1.0
    if event.flags_mask & SETTLES == 0:
        return
    for row in range(UNSETTLED):
        match = platform.unsettled[row]
        if match.order_id == 0:
            match.order_id = event.ref_id
            match.amount_micros = booked_micros
            match.retried_micros = 0
            match.at_ns = world.now_ns
            match.slot_id = event.slot_id
            platform.unsettled_count += 1
            return


@compiled
def hear_failure(world: World, event: Event, undone_micros: int) -> None:
    """Count what was undone of a trade that failed on chain, but what counted as repeated; it is waited for no more."""
    if undone_micros <= 0 or event.ref_id == 0:
        return
    counted = _settle_match(world.platform, event.ref_id, undone_micros)
    _count_failure(world, event.ref_id, undone_micros - counted)


@compiled
def _hear_retry(world: World, event: Event) -> None:
    """Count shares whose transaction is tried again, each once; what is not waited for cannot be repeated."""
    left = event.amount_micros
    marked = 0
    for row in range(UNSETTLED):
        match = world.platform.unsettled[row]
        if match.order_id != 0 and match.order_id == event.ref_id:
            more = max(min(left - marked, match.amount_micros - match.retried_micros), 0)
            match.retried_micros += more
            marked += more
    _count_failure(world, event.ref_id, marked)


@compiled
def _count_failure(world: World, order_id: int, amount_micros: int) -> None:
    """Count a failure as the share of its order's matched shares that it concerns."""
    filled = _filled_micros(world, order_id)
    if amount_micros > 0 and filled > 0:
        _fade(world.platform, world.now_ns)
        world.platform.failures_count += amount_micros / filled
        judge_platform(world)


@compiled
def _filled_micros(world: World, order_id: int) -> int:
    """Give the shares of an order that have matched; 0 where it is not remembered."""
    row = find_order(world, order_id)
    if row >= 0:
        return int(world.orders[row].filled_micros)
    past = find_past(world, order_id)
    return int(world.past_orders[past].filled_micros) if past >= 0 else 0


@compiled
def _fade(platform: Platform, now_ns: int) -> None:
    past_s = max(now_ns - platform.faded_ns, 0) / NS_PER_S
    platform.faded_ns = now_ns
    keep = 0.5 ** (past_s / FAILURES_HALF_LIFE_S)
    platform.trades_count *= keep
    platform.failures_count *= keep


@compiled
def _settle_match(platform: Platform, order_id: int, amount_micros: int) -> int:
    """Wait no longer for shares of an order; give how many of them had counted as repeated already.

    Of several matches the one heard of first is taken for settled first.
    """
    left = amount_micros
    counted = 0
    while left > 0 and order_id != 0:
        first = -1
        for row in range(UNSETTLED):
            match = platform.unsettled[row]
            if match.order_id == order_id and (first < 0 or match.at_ns < platform.unsettled[first].at_ns):
                first = row
        if first < 0:
            break
        match = platform.unsettled[first]
        settled = min(left, int(match.amount_micros))
        repeated = min(settled, int(match.retried_micros))
        left -= settled
        counted += repeated
        match.retried_micros -= repeated
        match.amount_micros -= settled
        if match.amount_micros == 0:
            match.order_id = 0
            platform.unsettled_count -= 1
    return counted


@compiled
def forget_matches(world: World, slot: int) -> None:
    """Wait no longer for matches of a window whose slot is given away: nobody will tell of them."""
    platform = world.platform
    for row in range(UNSETTLED):
        match = platform.unsettled[row]
        if match.order_id != 0 and match.slot_id == slot:
            match.order_id = 0
            match.amount_micros = 0
            match.retried_micros = 0
            platform.unsettled_count -= 1


@compiled
def judge_platform(world: World) -> None:
    """Hold every measure against its bound, and name the first fault that stands."""
    platform, params = world.platform, world.params
    platform.due_ns = world.now_ns + JUDGE_NS
    _fade(platform, world.now_ns)
    _judge(world, int(PlatformCode.SETTLEMENT_SLOW), _longest_wait_ns(world) / params.settle_most_ns, 0)
    _judge(world, int(PlatformCode.TRADES_FAIL), _failures_ratio(platform) / params.failures_ratio, 0)
    _judge(world, int(PlatformCode.VENUE_RESTARTING), _restart_ratio(world), 0)
    silent, apart = _feeds_ratio(world)
    _judge(world, int(PlatformCode.FEEDS_STALE), silent, STANDS_NS)
    _judge(world, int(PlatformCode.ORACLE_APART), apart, STANDS_NS)
    surge = 0.0
    if platform.head_ns > 0:
        surge = math.exp(platform.base_fee_log - platform.usual_fee_log) / params.base_fee_ratio
    _judge(world, int(PlatformCode.FEE_SURGE), surge, 0)
    behind_ns = world.now_ns - platform.head_ns if platform.head_ns > 0 else 0
    _judge(world, int(PlatformCode.CHAIN_BEHIND), behind_ns / params.head_age_ns, 0)
    world.platform_code = 0
    for code in range(PLATFORM_CODES - 1, 0, -1):
        if platform.faults_mask & (1 << code):
            world.platform_code = code


@compiled
def _judge(world: World, code: int, measure_ratio: float, stands_ns: int) -> None:
    """Let a fault begin or end by its measure, told as a share of its bound."""
    platform = world.platform
    now = world.now_ns
    if measure_ratio <= 1.0:
        platform.over_ns[code] = 0
    elif platform.over_ns[code] == 0:
        platform.over_ns[code] = now
    if measure_ratio >= EASED_RATIO:
        platform.calm_ns[code] = 0
    elif platform.calm_ns[code] == 0:
        platform.calm_ns[code] = now
    bit = 1 << code
    if platform.over_ns[code] > 0 and now - platform.over_ns[code] >= stands_ns:
        platform.faults_mask |= bit
    elif platform.calm_ns[code] > 0 and now - platform.calm_ns[code] >= world.params.platform_calm_ns:
        platform.faults_mask &= ~bit


@compiled
def _longest_wait_ns(world: World) -> int:
    """Give how long the match that has waited longest for its confirmation has waited."""
    platform = world.platform
    longest = 0
    if platform.unsettled_count > 0:
        for row in range(UNSETTLED):
            if platform.unsettled[row].order_id != 0:
                longest = max(longest, world.now_ns - platform.unsettled[row].at_ns)
    return int(longest)


@compiled
def _failures_ratio(platform: Platform) -> float:
    return float(platform.failures_count / (TRADES_PRIOR + max(platform.trades_count, platform.failures_count)))


@compiled
def _restart_ratio(world: World) -> float:
    """Give 2 while the venue's word that it restarts is young, else 0."""
    said_ns = world.platform.restart_ns
    return 2.0 if said_ns > 0 and world.now_ns - said_ns < world.params.restart_quiet_ns else 0.0


@compiled
def _feeds_ratio(world: World) -> tuple[float, float]:
    """Give, as shares of their bounds, how many feeds of coins with open windows are silent, and how far they part."""
    known = 0
    silent = 0
    apart_log = 0.0
    for asset in range(ASSETS):
        state = world.assets[asset]
        if state.open_count == 0:
            continue
        for source in range(1, VOTERS + 1):
            feed = state.prices.feeds[source]
            if feed.count > 0:
                known += 1
                silent += 1 if is_stale(feed, world.now_ns) else 0
        if state.prices.feeds[Source.CHAINLINK].count > 0 and leads_by_feeds(state):
            apart_log = max(apart_log, abs(state.prices.nowcast.ahead_log))
    params = world.params
    share = silent / known if known > 0 else 0.0
    # A bound of nothing allows no silent feed; a share of it is then beyond it by any number.
    return share / max(params.stale_feeds_ratio, 1e-9), apart_log * BPS / params.oracle_apart_bps


@compiled
def see_moves(world: World) -> None:
    """Every ten seconds: let each coin's price say how the coins move together."""
    for asset in range(ASSETS):
        state = world.assets[asset]
        told_ns = state.observations.newest_s * NS_PER_S
        if leads_by_feeds(state):
            told_ns = state.prices.nowcast.at_ns
        price_usd = reference_usd(state) if has_reference(state) else 0.0
        known = price_usd > 0.0 and world.now_ns - told_ns <= PRICE_AGE_NS
        note_log(world.comovement, asset, known, math.log(price_usd) if known else 0.0, state.variance_per_s)
    take_step(world.comovement, world.now_ns)
