"""What a generated market is like: every knob of the synthetic world, with its unit, its origin and a name."""

from dataclasses import dataclass

from state.events import Asset, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSpec:
    """One price feed as our machine would see it."""

    source: Source
    rate_per_s: float
    """Top-of-book messages a second at ordinary volatility; they bunch when the price moves."""
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


FEEDS_SEEN = (
    # Travel: a European recorder's medians of 2026-07-03 (landscape reference 7.2); basis: venue reference 2.7.
    FeedSpec(source=Source.BINANCE_PERP, rate_per_s=15.0, behind_ms=0.0, delay_ms=105.0, basis_bps=-5.0),
    FeedSpec(
        source=Source.BINANCE, rate_per_s=12.0, behind_ms=40.0, delay_ms=118.0, basis_bps=-3.3, tick_usd=0.01,
        stamped=False,
    ),
    FeedSpec(source=Source.BYBIT, rate_per_s=8.0, behind_ms=70.0, delay_ms=82.0, basis_bps=-3.6, clock_ahead_ms=3.0),
    FeedSpec(source=Source.OKX, rate_per_s=8.0, behind_ms=60.0, delay_ms=114.0, basis_bps=-3.1, clock_ahead_ms=-4.0),
    FeedSpec(
        source=Source.COINBASE, rate_per_s=4.0, behind_ms=110.0, delay_ms=48.0, basis_bps=-0.07, tick_usd=0.01,
        spread_ticks=2,
    ),
)  # fmt: skip


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
    vol_bps: float = 0.9
    """Ordinary volatility in bps per square root of a second (recorded: 9.8 bps median window move)."""
    vol_fast_sd: float = 0.35
    """Spread of log volatility that comes and goes in a minute and a half."""
    vol_slow_sd: float = 0.3
    """Spread of log volatility that comes and goes in half an hour."""
    jumps_per_hour: float = 3.0
    jump_bps: float = 5.0
    """Mean size of a jump, exponential, either way."""

    feeds: tuple[FeedSpec, ...] = FEEDS_SEEN
    oracle_smooth_ms: float = 1_250.0
    """The stream's value is the mean of the price over so long; recorded: lag-1 autocorrelation 0.32 at 1 s."""
    oracle_behind_ms: float = 300.0
    """... ending so long before its stamp."""
    oracle_delay_ms: float = 1_320.0
    """Seen after stamped, median (recorded 1,099 to send, 213 to receive)."""
    oracle_delay_spread: float = 0.2
    oracle_lost_share: float = 0.02
    oracle_late_share: float = 0.01
    oracle_twice_share: float = 0.005
    oracle_gaps_per_hour: float = 0.5
    """Gaps of 5..60 s."""

    makers: int = 7
    makers_fast_ms: float = 110.0
    """Price news reaches the fastest makers after so long: the nearest exchange feed plus their own reaction."""
    makers_spread_ms: float = 40.0
    """Slower makers are up to so much later."""
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
    maker_edge_cents: float = 0.25
    """Least distance a maker keeps from its fair value; the widest keeps four times as much."""
    maker_slack: float = 0.9
    """A maker moves when its quotes are wrong by more than this share of the taker fee there: closer would be churn."""
    maker_shares: float = 24.0
    """Median size at a maker's best level; deeper levels are larger."""
    exit_s: float = 22.0
    """Makers drop the losing side so long before the close (mean of an exponential)."""
    sniper_shares: float = 150.0
    """Most that the informed taker takes at once; 0: there is none."""
    sniper_ms: float = 110.0
    """Price news reaches it after so long; then the taker hold."""
    hold_ms: float = 150.0

    taker_per_s: float = 2.0
    """Uninformed takers (venue: 3 to 10 a second; kept low so that recordings stay small)."""
    taker_shares: float = 8.0
    """Median size of theirs."""
    favourite_per_s: float = 1.0
    """Buyers of the likely winner in the last minute."""
    flicker_per_s: float = 5.0
    """Size changes without news."""
    spoofs_per_min: float = 2.0
    snapshot_every: int = 60
    """Trades between full books; the venue sends one after each."""

    book_delay_ms: float = 9.0
    """Market channel to us, median (recorded p50 9, p95 37 in eu-west-1)."""
    book_delay_spread: float = 0.8
    warmup_s: int = 300
    """Prices are told from so long before the first open on: averages and bases want to be known by then."""
    listed_before_s: int = 600
    quoted_before_s: int = 60
    settled_after_s: float = 54.0
    """Median; p90 87, at most 162 (venue reference 2.4)."""


EFFICIENT = MarketSpec()
"""Makers as fast as the fastest feed, all on the right rule, an informed taker beside them: nothing to take here."""

LATE_MAKERS = MarketSpec(name="late-makers", makers_late_ms=600.0, sniper_shares=0.0)
"""Every maker learns of the price 0.6 s late, and nobody else takes what that leaves."""

POINT_MAKERS = MarketSpec(name="point-makers", point_rule_share=0.34, sniper_shares=0.0)
"""A third of the makers still price the last price: in the last minute they think the outcome too uncertain."""

DEMO = MarketSpec(name="demo", makers_late_ms=900.0, point_rule_share=0.34, sniper_shares=0.0, maker_shares=300.0)
"""Both of these, the makers later still and deep enough for the liquidity minimum: what the demonstration shows."""

SPECS: dict[str, MarketSpec] = {spec.name: spec for spec in (EFFICIENT, LATE_MAKERS, POINT_MAKERS, DEMO)}
