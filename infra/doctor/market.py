"""The market: do the rules that a live window states agree with those that this program was written for?

Any difference is a refusal: an unknown rule is not guessed at (venue reference 10). Only the tick may be either of the
two that a window has over its life (2.4), and the legacy fee numbers mean nothing (3.1).
"""

from dataclasses import dataclass
from typing import Any, Final

from infra.addresses import Addresses
from infra.clock import Clock
from infra.doctor.check import Check, ready, refused
from infra.feeds import clob_rest, gamma
from infra.feeds.frames import Parsed, Refused, Wire
from infra.feeds.listings import Listing, listing_of, rules_of_short
from infra.streams.discovery import slug_of
from infra.streams.rest import Missed, Rest
from state.events import Asset
from state.records import as_dict
from state.rulebook import FIELDS, RulesUnknown, rules_at
from state.rules import NOT_WHOLE, Rule
from state.units import NS_PER_S

SPAN_S: Final = 300
LOOKBACK_S: Final = 60
DURATION: Final = "5m"
LIFE_NS: Final = 120 * NS_PER_S
"""A window with less than this to live is not the one to look at."""
AHEAD: Final = 3
"""Windows beyond the present one among which one is looked for that takes orders."""
_NAME: Final = "rules"
_MEND: Final = "update this program before trading"


@dataclass(frozen=True, slots=True)
class LiveMarket:
    """One window as catalogue and order book describe it now."""

    listing: Listing
    config: gamma.CryptoConfig | None
    short: clob_rest.ShortMarket


async def find_market(rest: Rest, addresses: Addresses, clock: Clock) -> LiveMarket | str:
    """Find a window that takes orders: the present one while it lives long enough, else the next; or say why not."""
    span_ns = SPAN_S * NS_PER_S
    first, lived_ns = divmod(clock.now_ns(), span_ns)
    why = "no window is listed"
    for number in range(0 if span_ns - lived_ns > LIFE_NS else 1, AHEAD + 1):
        slug = slug_of(Asset.BTC, (first + number) * SPAN_S, SPAN_S)
        found = await _look(rest, addresses, slug)
        if isinstance(found, LiveMarket):
            return found
        why = found
    return why


async def _look(rest: Rest, addresses: Addresses, slug: str) -> LiveMarket | str:
    answer = await rest.get(Wire.GAMMA, f"{addresses.gamma}/events/slug/{slug}")
    if isinstance(answer, Missed):
        return f"{slug}: {answer.why}"
    parsed = gamma.parse(answer.raw)
    if isinstance(parsed, Refused):
        return f"{slug}: {parsed.reason}"
    for market, event in (pair for message in parsed.messages for pair in gamma.windows_in(message)):
        if market.slug != slug:
            continue
        listing = listing_of(market, event)
        if isinstance(listing, Refused):
            return f"{slug}: {listing.reason}"
        short = await _short(rest, addresses, listing)
        if isinstance(short, str):
            return f"{slug}: {short}"
        return LiveMarket(listing, market.crypto_market_config, short)
    return f"{slug}: not in the catalogue's answer"


async def _short(rest: Rest, addresses: Addresses, listing: Listing) -> clob_rest.ShortMarket | str:
    answer = await rest.get(Wire.CLOB_REST, f"{addresses.clob}/clob-markets/{listing.condition_id}")
    if isinstance(answer, Missed):
        return f"the order book does not know it ({answer.why})"
    parsed = clob_rest.parse(answer.raw)
    short = parsed.messages[0] if isinstance(parsed, Parsed) and parsed.messages else None
    if not isinstance(short, clob_rest.ShortMarket) or short.condition_id != listing.condition_id:
        return "the order book tells of something else"
    if {token.token_id for token in short.tokens} != {listing.up_token, listing.down_token}:
        return "the order book has other tokens than the catalogue, or none yet"
    return short


def judge_market(found: LiveMarket | str) -> Check:
    """Hold every rule that catalogue and order book state against the registry of that day."""
    if isinstance(found, str):
        return refused(_NAME, f"no live window to hold the rules against ({found})", "try again in a minute")
    listing = found.listing
    registry = rules_at(listing.open_ns, listing.asset, listing.span_s)
    if isinstance(registry, RulesUnknown):
        return refused(_NAME, f"the registry itself cannot be traded under: {registry.reason}", _MEND)
    odd = differing(as_dict(registry), listing.rules, "catalogue")
    odd += differing(as_dict(registry), rules_of_short(found.short), "order book")
    odd += _configured(found.config)
    if found.short.taker_hold is None:
        odd.append("the order book does not say whether taking orders are held (itode)")
    if found.short.neg_risk:
        odd.append("the market is a neg-risk one")
    if odd:
        return refused(_NAME, f"{listing.slug} is not as this program knows it: {'; '.join(odd)}", _MEND)
    known = len(set(listing.rules) | set(rules_of_short(found.short)))
    return ready(_NAME, f"{listing.slug} states {known} rules, each as the registry has it")


def differing(registry: dict[str, Any], stated: dict[Rule, int], where: str) -> list[str]:
    """Put into words which rules are stated otherwise than the registry has them."""
    ticks = {registry["tick_bps"], registry["tick_fine_bps"]}
    found = []
    for rule, value in stated.items():
        ours = registry[FIELDS[rule]]
        if value == ours or (rule is Rule.TICK_BPS and value in ticks):
            continue
        theirs = "something that makes no sense" if value == NOT_WHOLE else f"{value:,}"
        found.append(f"{where} says {rule.name} = {theirs}, the registry {ours:,}")
    for rule in (Rule.FEE_RATE_PPM, Rule.FEE_EXPONENT, Rule.TICK_BPS, Rule.SHARES_MIN_MICROS):
        if rule not in stated:
            found.append(f"the {where} does not state {rule.name}")
    return found


def _configured(config: gamma.CryptoConfig | None) -> list[str]:
    if config is None:
        return ["the catalogue does not say what it settles on (cryptoMarketConfig)"]
    found = []
    if config.duration != DURATION:
        found.append(f"the catalogue says a length of {config.duration or 'nothing'}, not {DURATION}")
    if config.twap_enabled is not True or config.twap_lookback_seconds != LOOKBACK_S:
        found.append(f"the catalogue says an average of {config.twap_lookback_seconds} s, not {LOOKBACK_S} s")
    return found


def order_version(found: LiveMarket | str) -> int:
    """Give the version that orders for this market are signed under; 2 where nobody says."""
    return 2 if isinstance(found, str) else found.listing.rules.get(Rule.ORDER_VERSION, 2)
