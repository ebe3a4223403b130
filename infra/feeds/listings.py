"""Listings: what a market object of the venue says about one up/down window, checked against itself."""

import re
from dataclasses import dataclass, field
from typing import Final

from infra.feeds import clob_rest, gamma
from infra.feeds.figures import micros_of, ns_of_iso, tick_bps_of, usd_of
from infra.feeds.frames import Offbeat, Refused, offbeat, refusal
from state.events import Asset, Token
from state.rules import NOT_WHOLE, Rule, Settlement
from state.units import NS_PER_S

PPM: Final = 1_000_000

_SLUG: Final = re.compile(r"(btc|eth|sol|xrp)-updown-(5m|15m|4h)-(\d{9,10})")
_SPAN_S: Final = {"5m": 300, "15m": 900, "4h": 14_400}
_LABELS: Final = {"up": Token.UP, "down": Token.DOWN}
_AVERAGED: Final = re.compile(r"twap-(\d+)s")
_ORDER_VERSIONS: Final = {"v1": 2, "v2": 3}
"""Gamma's `version` of a market -> version in the domain that its orders are signed under (venue reference 0)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One window as the venue lists it."""

    condition_id: str
    slug: str
    asset: Asset
    open_ns: int
    span_s: int
    up_token: str
    down_token: str
    tick_bps: int
    min_micros: int
    rules: dict[Rule, int] = field(default_factory=dict)
    """What the venue's own data state of the rules; `NOT_WHOLE` where they state something that makes no sense."""
    accepting_orders: bool = False
    closed: bool = False
    price_to_beat_usd: float = 0.0
    final_price_usd: float = 0.0
    """Both 0 until published."""
    outcome: Token | None = None
    closed_ns: int = 0

    @property
    def close_ns(self) -> int:
        """Give the window's end."""
        return self.open_ns + self.span_s * NS_PER_S


def listing_of(market: gamma.Market, event: gamma.Event | None = None) -> Listing | Refused:
    """Read one window out of Gamma's market object and, for the published prices, the event around it.

    Labels are looked up, never taken by place; the start comes from the slug and must agree with `eventStartTime`,
    the end with `endDate`.
    """
    try:
        return _listing(market, event)
    except Offbeat as error:
        return refusal(error, market.slug[:60])


def _listing(market: gamma.Market, event: gamma.Event | None) -> Listing:
    asset, open_ns, span_s = window_of_slug(market.slug)
    if market.event_start_time is not None and ns_of_iso(market.event_start_time) != open_ns:
        offbeat(f"eventStartTime {market.event_start_time[:40]} is not the start in the slug")
    if market.end_date is not None and ns_of_iso(market.end_date) != open_ns + span_s * NS_PER_S:
        offbeat(f"endDate {market.end_date[:40]} is not the end by the slug")
    config = market.crypto_market_config
    if config is not None and config.asset and config.asset.upper() != asset.name:
        offbeat(f"the market's configuration is about {config.asset[:10]}, its slug about {asset.name}")
    labels = [_LABELS.get(label.strip().lower()) for label in gamma.listed(market.outcomes, "outcomes")]
    if sorted(labels, key=str) != sorted(_LABELS.values(), key=str):
        offbeat("outcomes are not one Up and one Down")
    tokens = dict(zip(labels, _token_ids(market), strict=True))
    if market.order_price_min_tick_size is None or market.order_min_size is None:
        offbeat("no tick or no minimum size")
    metadata = (event.event_metadata if event is not None else None) or market.event_metadata
    return Listing(
        condition_id=market.condition_id,
        slug=market.slug,
        asset=asset,
        open_ns=open_ns,
        span_s=span_s,
        up_token=tokens[Token.UP],
        down_token=tokens[Token.DOWN],
        tick_bps=tick_bps_of(market.order_price_min_tick_size),
        min_micros=micros_of(market.order_min_size),
        rules=rules_of(market),
        accepting_orders=bool(market.accepting_orders),
        closed=bool(market.closed),
        price_to_beat_usd=_published(metadata.price_to_beat if metadata is not None else None),
        final_price_usd=_published(metadata.final_price if metadata is not None else None),
        outcome=_outcome(market, [label for label in labels if label is not None]),
        closed_ns=ns_of_iso(market.closed_time) if market.closed_time else 0,
    )


def window_of_slug(slug: str) -> tuple[Asset, int, int]:
    """Read asset, start in ns and length in s out of a window's computable name.

    Raises:
        Offbeat: it is no window of an asset that we know, or does not start on its grid.

    >>> window_of_slug("btc-updown-5m-1792638000")[1:]
    (1792638000000000000, 300)
    """
    found = _SLUG.fullmatch(slug)
    if found is None:
        offbeat("not an up/down window that we know")
    asset, length, start = Asset[found[1].upper()], found[2], int(found[3])
    if start % 300:
        offbeat("the start in the slug is not on the grid of windows")
    return asset, start * NS_PER_S, _SPAN_S[length]


def _token_ids(market: gamma.Market) -> list[str]:
    if market.version == "v2" and market.position_ids is not None:
        ids = (
            market.position_ids
            if isinstance(market.position_ids, list)
            else gamma.listed(market.position_ids, "positionIds")
        )
    else:
        ids = gamma.listed(market.clob_token_ids, "clobTokenIds")
    if len(ids) != 2 or len(set(ids)) != 2 or not all(each.isdecimal() for each in ids):
        offbeat("not two different token ids")
    return ids


def _outcome(market: gamma.Market, labels: list[Token]) -> Token | None:
    if not market.closed or market.outcome_prices is None:
        return None
    prices = gamma.listed(market.outcome_prices, "outcomePrices")
    if sorted(prices) not in (["0", "1"], ["0.0", "1.0"]):
        return None
    return labels[prices.index(max(prices))]


def _published(price: float | None) -> float:
    return 0.0 if price is None else usd_of(price)


def rules_of(market: gamma.Market) -> dict[Rule, int]:
    """Give the rules that a market's own data state, whole and in the unit of each rule."""
    rules = _settlement(market)
    fees = market.fee_schedule
    if fees is not None:
        rules |= _stated(Rule.FEE_RATE_PPM, fees.rate, PPM) | _stated(Rule.FEE_EXPONENT, fees.exponent, 1)
        rules |= _stated(Rule.TAKER_ONLY, fees.taker_only, 1) | _stated(Rule.REBATE_PPM, fees.rebate_rate, PPM)
    elif market.fees_enabled is False:
        rules[Rule.FEE_RATE_PPM] = 0
    rules |= _stated(Rule.TICK_BPS, market.order_price_min_tick_size, 10_000)
    rules |= _stated(Rule.SHARES_MIN_MICROS, market.order_min_size, 1_000_000)
    if market.version is not None:
        rules[Rule.ORDER_VERSION] = _ORDER_VERSIONS.get(market.version, NOT_WHOLE)
    return rules


def _settlement(market: gamma.Market) -> dict[Rule, int]:
    source = market.resolution_source or ""
    config = market.crypto_market_config
    named = _AVERAGED.search(source)
    if config is not None and config.twap_enabled is not None:
        lookback = config.twap_lookback_seconds if config.twap_enabled else 0
        if lookback is None or (named is not None and int(named[1]) != lookback):
            return {Rule.SETTLEMENT: Settlement.TWAP, Rule.LOOKBACK_S: NOT_WHOLE}
        return {Rule.SETTLEMENT: Settlement.TWAP if lookback else Settlement.POINT, Rule.LOOKBACK_S: lookback}
    if named is not None:
        return {Rule.SETTLEMENT: Settlement.TWAP, Rule.LOOKBACK_S: int(named[1])}
    if "binance.com" in source:
        return {Rule.SETTLEMENT: Settlement.CANDLE, Rule.LOOKBACK_S: 0}
    return {}


def rules_of_short(market: clob_rest.ShortMarket) -> dict[Rule, int]:
    """Give the rules that the CLOB's short market object states."""
    rules = _stated(Rule.TICK_BPS, market.tick, 10_000) | _stated(Rule.SHARES_MIN_MICROS, market.min_size, 1_000_000)
    if market.fees is not None:
        rules |= _stated(Rule.FEE_RATE_PPM, market.fees.rate, PPM)
        rules |= _stated(Rule.FEE_EXPONENT, market.fees.exponent, 1)
        rules |= _stated(Rule.TAKER_ONLY, market.fees.taker_only, 1)
    if market.taker_hold is False:
        rules[Rule.TAKER_HOLD_NS] = 0
    return rules


def _stated(rule: Rule, value: float | None, scale: int) -> dict[Rule, int]:
    if value is None:
        return {}
    if not 0 <= value * scale < 2**53:
        return {rule: NOT_WHOLE}
    whole = round(value * scale)
    return {rule: whole if whole / scale == value else NOT_WHOLE}
