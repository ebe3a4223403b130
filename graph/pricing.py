"""Price a window from the world: the nowcast in force, the strike, the averages, and fair value of UP."""

import math
from typing import Final

from state.compiled import compiled
from state.events import Event, Source, StrikeSource
from state.rules import Settlement
from state.units import BPS, NS_PER_S
from state.world import CLOSE, SLOTS, STRIKE, AssetState, Market, Phase, World
from tools.average import catch_up_usd, give_average, is_complete, observe, open_average, refresh_average
from tools.fair import explain_fair, fair_up
from tools.lag import estimate_lag, note_lead
from tools.logodds import logodds
from tools.nowcast import note_price_seen
from tools.volatility import update_volatility, variance_per_s

STRIKE_LATE_S: Final = 10
"""A stream value stamped this long after the open no longer stands for the strike (first at or after the open does)."""

FAIR_STANDS_NS: Final = 5_000_000
"""How long fair value stands when only time has passed: in 5 ms the variance left changes by 0.1 % at five seconds."""

LAG_READ_NS: Final = 10 * NS_PER_S
"""How often the lag is read from its sums: it is a habit of minutes, and reading costs 50 us."""

ROOT_TWO_PI: Final = 2.5066282746310002


@compiled
def begin_averages(world: World, market: Market) -> None:
    """Open the strike's and the close's averages under the market's own settlement rule."""
    rules = market.rules
    lookback_s = 1 if rules.settlement_code == Settlement.POINT else max(int(rules.lookback_s), 1)
    open_average(market.averages[STRIKE], market.open_ns // NS_PER_S, lookback_s)
    open_average(market.averages[CLOSE], market.close_ns // NS_PER_S, lookback_s)
    _refresh(world.assets[market.asset_code], market)


@compiled
def _refresh(state: AssetState, market: Market) -> None:
    """Reckon a window's averages anew from the observations, and take the strike from ours while nobody tells it."""
    refresh_average(market.averages[STRIKE], state.observations)
    refresh_average(market.averages[CLOSE], state.observations)
    strike = market.averages[STRIKE]
    if not strike.given and is_complete(strike):
        market.strike_code = StrikeSource.OWN_AVERAGE
        market.strike_usd = strike.base_usd


@compiled
def see_price(world: World, asset: int, event: Event) -> bool:
    """Take a price: the settlement stream's observation, or a feed's bid and ask; say whether it was news."""
    state = world.assets[asset]
    state.changes_count += 1
    news = note_price_seen(
        state.prices,
        int(event.source_code),
        event.at_ns,
        event.seen_ns,
        event.value_usd,
        event.other_usd,
        state.variance_per_s,
    )
    if event.source_code == Source.CHAINLINK:
        observe(state.observations, event.at_ns, event.value_usd)
        update_volatility(state.volatility, event.at_ns, event.value_usd)
        for slot in range(SLOTS):
            market = world.markets[slot]
            if market.phase_code != Phase.NONE and market.asset_code == asset and market.phase_code != Phase.SETTLED:
                _refresh(state, market)
    elif news and state.observations.count == 0:
        update_volatility(state.volatility, event.seen_ns, state.prices.nowcast.usd)
    if news and event.source_code != Source.CHAINLINK:
        note_lead(state.lag, world.now_ns, state.prices.nowcast.value_log)
    return news or event.source_code == Source.CHAINLINK


@compiled
def see_average(world: World, asset: int, event: Event) -> None:
    """Take the venue's own average: at or first after a window's open it is the strike, at its end the close."""
    stamp_s = event.at_ns // NS_PER_S
    for slot in range(SLOTS):
        market = world.markets[slot]
        if market.phase_code == Phase.NONE or market.asset_code != asset:
            continue
        if market.averages[CLOSE].lookback_s != event.span_s:
            continue
        since_open_s = stamp_s - market.open_ns // NS_PER_S
        if 0 <= since_open_s <= STRIKE_LATE_S and market.strike_code < StrikeSource.STREAM:
            see_strike(world, market, event.value_usd, int(StrikeSource.STREAM))
        since_close_s = stamp_s - market.close_ns // NS_PER_S
        if 0 <= since_close_s <= STRIKE_LATE_S and not market.averages[CLOSE].given:
            give_average(market.averages[CLOSE], event.value_usd, 0.0)
            market.fair_until_ns = 0


@compiled
def see_strike(world: World, market: Market, strike_usd: float, source_code: int) -> None:
    """Take a told strike when its source is better than what we have; keep how far our own average was from it."""
    if source_code < market.strike_code or not strike_usd > 0.0:
        return
    own = market.averages[STRIKE]
    if market.strike_code != 0:
        market.strike_gap_bps = (strike_usd / market.strike_usd - 1.0) * BPS
    market.strike_code = source_code
    market.strike_usd = strike_usd
    market.fair_until_ns = 0
    give_average(own, strike_usd, 0.0)


@compiled
def renew_asset(world: World, asset: int) -> None:
    """Once a second: the variance at the front window's horizon; now and then the lag of its book."""
    state = world.assets[asset]
    state.renewed_ns = world.now_ns
    state.changes_count += 1
    horizon_s = 60.0
    if state.front_slot_id >= 0:
        horizon_s = max((world.markets[state.front_slot_id].close_ns - world.now_ns) / NS_PER_S, 1.0)
    state.variance_per_s = variance_per_s(state.volatility, horizon_s, world.now_ns)
    if state.front_slot_id >= 0 and world.now_ns - state.lag_read_ns >= LAG_READ_NS:
        state.lag_read_ns = world.now_ns
        estimate_lag(state.lag, state.lag_estimate)


@compiled
def has_reference(state: AssetState) -> bool:
    """Say whether anything tells the asset's price."""
    return state.observations.count > 0 or state.prices.nowcast.feeds_count > 0


@compiled
def leads_by_feeds(state: AssetState) -> bool:
    """Say whether exchanges' prices stand behind the nowcast, and not the settlement stream alone."""
    nowcast = state.prices.nowcast
    return nowcast.feeds_count > 0 and nowcast.oracle_ratio < 1.0


@compiled
def reference_usd(state: AssetState) -> float:
    """Give the nowcast: of all feeds together, or the stream's newest value and what it still has to catch up."""
    if leads_by_feeds(state):
        return float(state.prices.nowcast.usd)
    return state.observations.newest_usd + catch_up_usd(state.observations)


@compiled
def reference_var_usd2(state: AssetState) -> float:
    """Give the nowcast's variance in squared dollars; the stream's own is already in its open seconds."""
    if leads_by_feeds(state):
        return state.prices.nowcast.value_var * state.prices.nowcast.usd * state.prices.nowcast.usd
    return 0.0


@compiled
def reference_from_ns(state: AssetState, now_ns: int) -> int:
    """Give the moment the nowcast speaks for: now with live feeds, the newest observation's second without."""
    return now_ns if leads_by_feeds(state) else state.observations.newest_s * NS_PER_S


@compiled
def renew_fair(world: World, market: Market) -> None:
    """Reckon the market's fair value of UP anew, unless nothing that moves it has changed since the last time."""
    state = world.assets[market.asset_code]
    if market.fair_changes_count == state.changes_count and world.now_ns < market.fair_until_ns:
        return
    market.fair_changes_count = state.changes_count
    market.fair_until_ns = world.now_ns + FAIR_STANDS_NS
    market.has_fair = market.strike_code != 0 and has_reference(state)
    if not market.has_fair:
        return
    market.p_fair = fair_at(world, market, 0.0)
    market.fair_logodds = logodds(market.p_fair)


@compiled
def fair_at(world: World, market: Market, jump_ratio: float) -> float:
    """Give fair value of UP, if from now on the coin's price were another by that ratio; 0: as it is."""
    state = world.assets[market.asset_code]
    return fair_up(
        market.averages[CLOSE],
        market.averages[STRIKE],
        reference_from_ns(state, world.now_ns),
        reference_usd(state) * (1.0 + jump_ratio),
        reference_var_usd2(state),
        state.variance_per_s,
    )


@compiled
def explain(world: World, market: Market) -> None:
    """Write fair value with all its parts into the market, for a view."""
    state = world.assets[market.asset_code]
    explain_fair(
        market.fair,
        market.averages[CLOSE],
        market.averages[STRIKE],
        reference_from_ns(state, world.now_ns),
        reference_usd(state),
        reference_var_usd2(state),
        state.variance_per_s,
    )


@compiled
def hold_sd(world: World, market: Market, span_ns: int) -> float:
    """Give how far fair value moves, one standard deviation, over a span: its slope in the price times the price's."""
    state = world.assets[market.asset_code]
    fair = market.fair
    if fair.sd_usd <= 0.0:
        return 0.0
    pull = abs(market.averages[CLOSE].pull_ratio - market.averages[STRIKE].pull_ratio)
    density = math.exp(-0.5 * fair.gap_z * fair.gap_z) / (ROOT_TWO_PI * fair.sd_usd)
    move_usd = reference_usd(state) * math.sqrt(state.variance_per_s * span_ns / NS_PER_S)
    return density * pull * move_usd
