"""Followed windows: which token stands for which slot, and the fees that a taker pays there."""

from dataclasses import dataclass, field

from infra.feeds.listings import Listing
from state.events import Token
from state.records import one
from state.rulebook import REGISTRY
from state.rules import Rules, apply_rule, rules_in_force
from tools.fees import fee_micros


@dataclass(frozen=True, slots=True)
class Fees:
    """One market's fee curve."""

    rate_ppm: int
    exponent_count: int
    by_notional: bool

    def of_match(self, price_bps: int, amount_micros: int) -> int:
        """Give the taker's fee of one match; negative (`FEE_UNKNOWN`) where it cannot be reckoned."""
        return int(fee_micros(price_bps, amount_micros, self.rate_ppm, self.exponent_count, self.by_notional))


@dataclass(frozen=True, slots=True)
class Coin:
    """One token of a followed window."""

    slot: int
    token: Token
    token_id: str
    condition_id: str
    fees: Fees


def fees_of(listing: Listing) -> Fees:
    """Give a window's fees: the dated rules, overridden by the market's own data, just as the core reckons."""
    rules = one(Rules)
    rules_in_force(REGISTRY, listing.open_ns, int(listing.asset), listing.span_s, rules)
    for rule, value in listing.rules.items():
        apply_rule(rules, int(rule), value)
    return Fees(int(rules.fee_rate_ppm), int(rules.fee_exponent_count), int(rules.fee_by_notional_code) == 1)


@dataclass(slots=True)
class Followed:
    """The windows that we trade in now."""

    coins: dict[str, Coin] = field(default_factory=dict)
    """By token id."""
    tokens: dict[tuple[int, Token], str] = field(default_factory=dict)
    """(slot, token) -> token id."""
    conditions: dict[int, str] = field(default_factory=dict)
    """Slot -> condition id."""

    def add(self, listing: Listing, slot: int) -> None:
        """Follow a window in a slot; one that was there before is forgotten."""
        self.drop(slot)
        fees = fees_of(listing)
        self.conditions[slot] = listing.condition_id
        for token, token_id in ((Token.UP, listing.up_token), (Token.DOWN, listing.down_token)):
            self.coins[token_id] = Coin(slot, token, token_id, listing.condition_id, fees)
            self.tokens[slot, token] = token_id

    def drop(self, slot: int) -> None:
        """Forget the window of a slot."""
        self.conditions.pop(slot, None)
        for token in Token:
            token_id = self.tokens.pop((slot, token), "")
            self.coins.pop(token_id, None)
