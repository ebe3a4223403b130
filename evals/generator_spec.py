"""What a generated market is like: every knob of the synthetic world, with its unit, its origin and a name."""

from dataclasses import dataclass, replace
from math import exp

from state.events import Asset, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSpec:
    """One price feed as our machine would see it."""

    source: Source
    rate_per_s: float
    """Top-of-book messages a second at ordinary volatility; more when the price moves."""
    bunch: float = 1.0
    """Messages that come as one, on average: exchanges send every change of size, most of them within a millisecond."""
    behind_ms: float
    """How long its own market takes to follow the efficient price."""
    delay_ms: float
    """Median travel of a message to us."""
    delay_spread: float = 0.15
    """Standard deviation of the logarithm of that travel."""
    clock_ahead_ms: float = 0.0
    """Its clock less ours."""
    stamped: bool = True
    """Whether messages carry the source's time (Binance spot bookTicker does not)."""
    basis_bps: float = 0.0
    """Mean log distance from the settlement currency, in bps: quote currency and venue together."""
    basis_noise_bps: float = 0.3
    """Slow wandering of that distance (standard deviation, one hour)."""
    stick_bps: float = 0.15
    """The mid stays where it is until the fair price has left it by more than this."""
    tick_usd: float = 0.1
    spread_ticks: int = 1
    trades_per_s: float = 0.5
    trade_coins: float = 0.01
    """Median size of a trade, lognormal."""
    trade_spread: float = 2.2
    """Standard deviation of its logarithm."""
    lot_coins: float = 0.001
    """Sizes are whole multiples of this."""


FEEDS_SEEN = (
    # Travel: a European recorder's medians of 2026-07-03 (landscape reference 7.2); basis: venue reference 2.7.
    FeedSpec(
        source=Source.BINANCE_PERP, rate_per_s=15.0, behind_ms=0.0, delay_ms=105.0, basis_bps=-5.0, trades_per_s=2.0,
        trade_coins=0.016,
    ),
    FeedSpec(
        source=Source.BINANCE, rate_per_s=12.0, behind_ms=40.0, delay_ms=118.0, basis_bps=-3.3, tick_usd=0.01,
        stamped=False, trades_per_s=1.5, trade_coins=0.0007, trade_spread=3.4, lot_coins=1e-5,
    ),
    FeedSpec(source=Source.BYBIT, rate_per_s=8.0, behind_ms=70.0, delay_ms=82.0, basis_bps=-3.6, clock_ahead_ms=3.0),
    FeedSpec(source=Source.OKX, rate_per_s=8.0, behind_ms=60.0, delay_ms=114.0, basis_bps=-3.1, clock_ahead_ms=-4.0),
    FeedSpec(
        source=Source.COINBASE, rate_per_s=4.0, behind_ms=110.0, delay_ms=48.0, basis_bps=-0.07, tick_usd=0.01,
        spread_ticks=2,
    ),
)  # fmt: skip


RATES_BUSY = {
    # Messages and trades a second: two hundred in all in the quiet morning in which the standard stretch lies.
    Source.BINANCE_PERP: (165.0, 33.0),
    Source.BINANCE: (68.0, 17.0),
    Source.BYBIT: (4.0, 1.0),
    Source.OKX: (4.0, 1.0),
    Source.COINBASE: (3.0, 1.0),
}

BUNCHES = {Source.BINANCE_PERP: 2.1, Source.BINANCE: 2.6}

FEEDS_BUSY = tuple(
    replace(
        feed, rate_per_s=RATES_BUSY[feed.source][0], trades_per_s=RATES_BUSY[feed.source][1],
        bunch=BUNCHES.get(feed.source, 1.0),
    )
    for feed in FEEDS_SEEN
)  # fmt: skip
"""The same feeds at the rates of a busy time."""

SEASON = (
    1.00, 0.95, 0.95, 0.90, 0.75, 0.75, 0.75, 0.80, 0.90, 0.80, 0.70, 0.70,
    0.80, 1.05, 1.60, 1.70, 1.55, 1.40, 1.15, 1.10, 1.00, 0.90, 0.95, 0.90,
)  # fmt: skip
"""Volatility by hour of the day (UTC) against its mean: mean moves of five minutes, 2025-12 to 2026-02, rounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSpec:
    """A stretch of consecutive windows; the defaults are an efficient market under the rules since 2026-09-04."""

    name: str = "efficient"
    asset: Asset = Asset.BTC
    first_open_s: int = 1_792_573_200
    """Unix second of the first window's start, a multiple of the length (2026-10-21 09:00 UTC)."""
    windows: int = 12
    window_s: int = 300
    lookback_s: int = 60
    """Seconds of the average at each end; 0 settles on the point price, as before 2026-08-07."""

    start_usd: float = 108_000.0
    season: tuple[float, ...] = SEASON
    """Volatility by hour of the day (UTC) against its mean."""
    vol_bps: float = 1.02
    """Ordinary volatility in bps per square root of a second (recorded: 9.8 bps median window move)."""
    vol_burst_sd: float = 0.75
    """Spread of log volatility that comes and goes in some seconds: quiet, and then everything at once."""
    vol_fast_sd: float = 0.35
    """Spread of log volatility that comes and goes in a minute and a half."""
    vol_slow_sd: float = 0.2
    """Spread of log volatility that comes and goes in half an hour."""
    jumps_per_hour: float = 3.0
    jump_bps: float = 5.0
    """Mean size of a jump, exponential, either way."""

    feeds: tuple[FeedSpec, ...] = FEEDS_SEEN
    oracle_smooth_ms: float = 270.0
    """Memory of the stream's value: part of its sources follow the price so closely ..."""
    oracle_slow_ms: float = 1_800.0
    """... and part so slowly; recorded autocorrelation of its 1 s moves: 0.33 at one second, 0.13 at two."""
    oracle_slow_share: float = 0.4
    oracle_behind_ms: float = 300.0
    """... ending so long before its stamp."""
    oracle_delay_ms: float = 1_320.0
    """Seen after stamped, median (recorded 1,099 to send, 213 to receive)."""
    oracle_delay_spread: float = 0.2
    oracle_lost_share: float = 0.016
    oracle_late_share: float = 0.01
    oracle_twice_share: float = 0.005
    oracle_gaps_per_hour: float = 0.3
    """Gaps of 5..60 s."""

    makers: int = 7
    makers_fast_ms: float = 110.0
    """Price news reaches the fastest makers after so long: the nearest exchange feed plus their own reaction."""
    makers_spread_ms: float = 40.0
    """Slower makers are up to so much later."""
    maker_look_ms: float = 40.0
    """The quickest look at the price so often; others only every second or third time."""
    makers_late_ms: float = 0.0
    """Planted: every maker is so much later still."""
    point_rule_share: float = 0.0
    """Planted: share of makers that price the last price instead of the average in the last minute."""
    stale_quotes_share: float = 0.0
    """Planted: share of makers that look only every few seconds."""
    maker_noise_bps: float = 0.15
    """Each maker's own error about the price (standard deviation, a minute's memory)."""
    maker_vol_sd: float = 0.07
    """Spread of the makers' volatility estimates (log)."""
    maker_edge_cents: float = 0.33
    """Least distance a maker keeps from its fair value; the widest keeps four times as much."""
    maker_slack: float = 1.35
    """A maker moves when its quotes are wrong by more than this share of the taker fee there: closer would be churn."""
    maker_give: float = 0.7
    """... and then stays wrong by this share of that, on the side it came from. Recorded middles follow slowly: their
    half-second moves have two thirds of the standard deviation that their half-minute moves would give."""
    maker_shares: float = 35.0
    """Median size at a maker's best level ..."""
    maker_deeper: float = 0.3
    """... and each level further away is larger by so much of that."""
    maker_size_sd: float = 1.195
    """Standard deviation of the logarithm of sizes."""
    fine_makers_share: float = 0.3
    """Share of makers that use the fine tick, and only where the outcome is nearly sure."""
    maker_at_touch: float = 1.65
    """An order that is changed at the touch is larger by this."""
    exit_s: float = 7.5
    """Makers drop the losing side so long before the close (mean of an exponential)."""
    sniper_shares: float = 150.0
    """Most that the informed taker takes at once; 0: there is none."""
    sniper_edge_cents: float = 1.0
    """What it wants beside the fee."""
    sniper_ms: float = 110.0
    """Price news reaches it after so long; then the taker hold."""
    hold_ms: float = 150.0

    taker_per_s: float = 11.0
    """Uninformed takers (recorded: 10.7 a second, median of windows)."""
    taker_follow: float = 0.5
    """Takers that each one brings along, on average."""
    taker_follow_ms: float = 80.0
    """How soon."""
    taker_shares: float = 5.5
    """Median size of theirs."""
    taker_size_sd: float = 1.1
    favourite_per_s: float = 1.0
    """Buyers of the likely winner in the last minute."""
    flicker_per_s: float = 20.0
    """Size changes without news (recorded: some 480 a second in a busy minute)."""
    flicker_touch_share: float = 0.65
    """Share of them at the touch."""
    patient_shares: float = 500.0
    """Median size of the orders that stand at every cent far from the middle; the ends hold more."""
    patient_away_cents: float = 3.5
    patient_exit_s: float = 15.0
    """They leave the losing side so long before the close."""
    spoofs_per_min: float = 2.0
    snapshot_every: int = 150
    """Trades between full books; the venue sends one after each."""

    block_s: int = 2
    """Polygon's time between blocks."""
    base_fee_gwei: float = 40.0

    book_delay_ms: float = 9.0
    """Market channel to us, median (recorded p50 9, p95 37 in eu-west-1)."""
    book_delay_spread: float = 0.8
    warmup_s: int = 300
    """Prices are told from so long before the first open on: averages and bases want to be known by then."""
    listed_before_s: int = 600
    quoted_before_s: int = 60
    settled_after_s: float = 54.0
    """Median; p90 87, at most 162 (venue reference 2.4)."""

    @property
    def vol_mean_bps(self) -> float:
        """Give the mean of the volatility, which is less than its root mean square."""
        return self.vol_bps * exp(-0.5 * (self.vol_burst_sd**2 + self.vol_fast_sd**2 + self.vol_slow_sd**2))


EFFICIENT = MarketSpec()
"""Makers as fast as the fastest feed, all on the right rule, an informed taker beside them: nothing to take here."""

LATE_MAKERS = MarketSpec(name="late-makers", makers_late_ms=600.0, sniper_shares=0.0)
"""Every maker learns of the price 0.6 s late, and nobody else takes what that leaves."""

STALE_QUOTES = MarketSpec(name="stale-quotes", stale_quotes_share=0.34, sniper_shares=0.0)
"""A third of the makers look at the price only every two to five seconds, and nobody else takes what that leaves."""

POINT_MAKERS = MarketSpec(name="point-makers", point_rule_share=0.34, sniper_shares=0.0)
"""A third of the makers still price the last price: in the last minute they think the outcome too uncertain."""

DEMO = MarketSpec(name="demo", makers_late_ms=900.0, point_rule_share=0.34, sniper_shares=0.0)
"""Late makers and a point rule together, the makers later still: what the demonstration shows."""

BUSY = MarketSpec(name="busy", feeds=FEEDS_BUSY, flicker_per_s=530.0, snapshot_every=1)
"""The efficient market at the venue's and the exchanges' own rates: for load tests, and to be held to recordings."""

RUSHED = replace(BUSY, name="rushed", makers_late_ms=900.0, point_rule_share=0.34, sniper_shares=0.0)
"""The demonstration's late makers at real rates: so that there is something to fire at when orders are timed."""

SPECS: dict[str, MarketSpec] = {
    spec.name: spec for spec in (EFFICIENT, LATE_MAKERS, POINT_MAKERS, STALE_QUOTES, DEMO, BUSY, RUSHED)
}
"""Market specs by name."""
