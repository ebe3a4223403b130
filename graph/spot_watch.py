"""The guard of the averaging minute: no new risk in a window while somebody may be pushing the price that settles it.

How often it would fire on an honest day, had every minute been one that settles: on Binance's spot and both of its
perpetuals of 2024-08-08/09 (eleven minutes, a range of 49 bps; no other public recording has several exchanges on one
clock) sweeps stood 1.1 % of the time, in two episodes, and a price ran away 0.1 % of the time, in two. The test beside
holds it to that. Doubt: eleven minutes of one venue are little, and three feeds of one venue move closer together than
those of four. A push that is slow enough, or the same at every exchange, is not seen.
"""

from typing import Final

from state.compiled import compiled
from state.events import ASSETS, FEEDS, Event, Source
from state.feeds import VOTERS
from state.reasons import Reason
from state.units import BPS, NS_PER_S
from state.world import CLOSE, AssetState, Market, World
from tools.feed import is_stale
from tools.spot import ECHO_RATIO, note_trade, sweep_sign

WATCH_S: Final = 60
"""The minute before the close is watched also where the rule averages over less: what is pushed stays for a while."""

FIRST_EXCHANGE: Final = int(Source.BINANCE)

WITNESSES: Final = 3
"""So many fresh feeds must there be for one of them to stand alone."""


@compiled
def see_spot_trade(world: World, event: Event) -> None:
    """Take in a taker's trade at an exchange; what cannot be one is counted."""
    asset, source = int(event.code_id), int(event.source_code)
    if asset >= ASSETS or source >= FEEDS or source == Source.OURSELVES or event.amount_micros <= 0:
        world.refused_count += 1
        return
    note_trade(world.assets[asset].spot[source], world.now_ns, int(event.side_code), event.amount_micros)


@compiled
def spot_fault(world: World, market: Market) -> int:
    """Say why the price that settles a window is not to be trusted now (`Reason`), 0 when it is or is not yet asked."""
    watched_s = max(int(market.averages[CLOSE].lookback_s), WATCH_S)
    if world.now_ns < market.close_ns - watched_s * NS_PER_S:
        return 0
    state = world.assets[market.asset_code]
    if runs_away(world, state):
        return int(Reason.SPOT_RUNS_AWAY)
    return int(Reason.SPOT_ONE_SIDED) if is_swept(world, state) else 0


@compiled
def runs_away(world: World, state: AssetState) -> bool:
    """Say whether one exchange's price stands away from all feeds together, with witnesses enough."""
    nowcast = state.prices.nowcast
    if nowcast.feeds_count < WITNESSES:
        return False
    for source in range(FIRST_EXCHANGE, VOTERS + 1):
        feed = state.prices.feeds[source]
        apart_bps = abs(feed.fair_log - nowcast.value_log) * BPS
        if feed.count > 0 and not is_stale(feed, world.now_ns) and apart_bps > world.params.spot_runaway_bps:
            return True
    return False


@compiled
def is_swept(world: World, state: AssetState) -> bool:
    """Say whether one exchange is swept to one side and no other follows, not even half as much."""
    surge, side = world.params.spot_surge_ratio, world.params.spot_side_ratio
    for source in range(FIRST_EXCHANGE, VOTERS + 1):
        sign = sweep_sign(state.spot[source], world.now_ns, surge, side)
        if sign == 0:
            continue
        echoed = False
        for other in range(FIRST_EXCHANGE, VOTERS + 1):
            if other != source:
                theirs = sweep_sign(state.spot[other], world.now_ns, ECHO_RATIO * surge, ECHO_RATIO * side)
                echoed = echoed or theirs == sign
        if not echoed:
            return True
    return False
