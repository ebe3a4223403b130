"""Booked windows: what a window's rows have come to by day, and what of it is realised once it is decided."""

from collections import defaultdict
from dataclasses import dataclass, field

from infra.ledger.entries import Account, Lines, TokenKey
from infra.ledger.reservations import OrderClaim
from infra.plain_memory import window_slug
from state.events import Token
from state.records import one
from state.rulebook import REGISTRY
from state.rules import Rules, apply_rule, rules_in_force
from state.units import MICROS, NS_PER_S
from tools.fees import fee_micros


@dataclass(slots=True)
class Flow:
    """What went through a window."""

    spent_micros: int = 0
    fees_micros: int = 0
    up_micros: int = 0
    down_micros: int = 0

    def add(self, other: "Flow") -> None:
        """Take another in."""
        self.spent_micros += other.spent_micros
        self.fees_micros += other.fees_micros
        self.up_micros += other.up_micros
        self.down_micros += other.down_micros


@dataclass(slots=True)
class BookedWindow:
    """One window, as far as the books need it."""

    slug: str
    open_ns: int
    close_ns: int
    rules: Rules
    outcome: Token | None = None
    decided_day: int = 0
    flows: defaultdict[int, Flow] = field(default_factory=lambda: defaultdict(Flow))
    """By the UTC day that each row was seen on."""
    claims: list[OrderClaim] = field(default_factory=list)
    """Its orders."""

    @property
    def held(self) -> tuple[int, int]:
        """Give the shares of UP and DOWN that all rows add up to."""
        flows = self.flows.values()
        return sum(each.up_micros for each in flows), sum(each.down_micros for each in flows)

    def rebate_of(self, price_bps: int, amount_micros: int) -> int:
        """Give what a maker's fill earns if all fees are shared by fee-equivalent (venue reference 3.2)."""
        rules = self.rules
        fee = fee_micros(
            price_bps, amount_micros, int(rules.fee_rate_ppm), int(rules.fee_exponent_count),
            int(rules.fee_by_notional_code) == 1,
        )  # fmt: skip
        return max(int(fee), 0) * max(int(rules.rebate_ppm), 0) // MICROS

    def realise(self, flow: Flow, lines: Lines) -> None:
        """Turn shares into a payout, and cost and fees into a result."""
        assert self.outcome is not None
        payout = flow.up_micros if self.outcome is Token.UP else flow.down_micros
        lines.move(Account.REALISED, Account.PENDING, payout)
        lines.move(Account.INVESTED, Account.REALISED, flow.spent_micros)
        lines.move(Account.FEES_CLOSED, Account.REALISED, flow.fees_micros)
        for token, shares in ((Token.UP, flow.up_micros), (Token.DOWN, flow.down_micros)):
            lines.move(Account.SHARES, Account.MARKET, shares, TokenKey(self.slug, token).commodity)


def window_of(asset: int, open_ns: int, span_s: int) -> BookedWindow:
    """Begin a window under the rules of its day, named as the venue names it."""
    rules = one(Rules)
    rules_in_force(REGISTRY, open_ns, asset, span_s, rules)
    return BookedWindow(window_slug(asset, open_ns, span_s), open_ns, open_ns + span_s * NS_PER_S, rules)


def give_rule(window: BookedWindow, rule: int, value: int) -> None:
    """Take a rule that the market's own data states."""
    apply_rule(window.rules, rule, value)
