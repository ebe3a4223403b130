"""Entries: accounts, postings that add up to nothing in every commodity, and fills with how far the chain has come.

An entry is booked once: its key is the journal's own number of what it books, so that reading the journal again after
a crash books nothing twice. Nothing is ever deleted; what turns out otherwise is reversed by another entry.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from state.events import Side, Token
from state.orders import Liquidity
from state.units import BPS, NS_PER_S

USD: Final = "USD"
DAY_NS: Final = 86_400 * NS_PER_S


class Account(StrEnum):
    """Where an amount stands. Ours are positive when we have it; what it came from is negative."""

    CASH = "cash"
    """Collateral that nothing claims."""
    RESERVED = "reserved"
    """Collateral for purchases that rest or are in flight."""
    INVESTED = "invested"
    """What the shares of undecided windows have cost, less what their sale brought."""
    PENDING = "pending redemption"
    """Payouts of decided windows that have not been paid yet; a debt where shares were owed."""
    FEES = "fees"
    FEES_CLOSED = "fees closed"
    """Fees that have gone into realised results: the other side of that."""
    REBATES = "rebates"
    REALISED = "realised"
    """Results of decided windows, fees taken off; negative is a gain, as in any income account."""
    EXTERNAL = "external"
    """Deposits, owed to whoever made them."""
    ACCRUED = "rebates accrued"
    """Rebates that our makers' fills earn by the rules and that are not paid yet: beside the balance, never in it."""
    EXPECTED = "rebates expected"
    """The other side of these."""
    SHARES = "shares"
    OFFERED = "shares offered"
    """Shares that rest for sale or are in flight."""
    MARKET = "market"
    """Whoever had the shares before us or has them after us."""


class FillState(StrEnum):
    """How far a match has come (venue reference 4.2); only the last two are final."""

    MATCHED = "matched"
    MINED = "mined"
    CONFIRMED = "confirmed"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Say whether the chain has spoken."""
        return self in (FillState.CONFIRMED, FillState.FAILED)


class TokenKey(NamedTuple):
    """One token of one window."""

    window: str
    """The venue's slug."""
    token: Token

    @property
    def commodity(self) -> str:
        """Name it as the books do."""
        return f"{self.window} {self.token.name}"

    @classmethod
    def of(cls, commodity: str) -> "TokenKey":
        """Read the books' name of a token."""
        window, _, token = commodity.rpartition(" ")
        return cls(window, Token[token])


class Posting(NamedTuple):
    """One line of an entry."""

    account: Account
    commodity: str
    """`USD`, or a token by `TokenKey.commodity`."""
    micros: int


@dataclass(frozen=True, slots=True)
class Fill:
    """One match of ours, as it stands."""

    key: str
    """That of the entry which booked it."""
    window: str
    order_id: int
    """0: an order that we do not know."""
    token: Token
    side: Side
    price_bps: int
    amount_micros: int
    liquidity: Liquidity
    seen_ns: int
    state: FillState

    @property
    def cost_micros(self) -> int:
        """Give the collateral of it, without fees."""
        return cost_of(self.side, self.price_bps, self.amount_micros)


@dataclass(frozen=True, slots=True)
class WindowEnd:
    """How a window was decided."""

    window: str
    outcome: Token
    seen_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one thing that happened did to the books; each commodity adds up to nothing."""

    key: str
    kind: str
    seen_ns: int
    day: int
    """UTC day since 1970 that results count on."""
    window: str = ""
    order_id: int = 0
    postings: tuple[Posting, ...] = ()
    fills: tuple[Fill, ...] = ()
    """Fills that are new or have changed their state by this."""
    end: WindowEnd | None = None

    def __post_init__(self) -> None:
        """Hold the law."""
        odd = {commodity: total for commodity, total in totals(self.postings).items() if total}
        assert not odd, f"{self.key}: {odd} came from nowhere"

    @property
    def mark(self) -> str:
        """Give a digest of what it says: the same key must always come with the same one."""
        lines = [f"{account.value}|{commodity}|{micros}" for account, commodity, micros in self.postings]
        head = (self.key, self.kind, str(self.seen_ns), str(self.day), self.window, str(self.order_id))
        told = "\n".join([*head, *lines])
        return hashlib.sha256(told.encode()).hexdigest()[:16]


@dataclass(slots=True)
class Lines:
    """Gathers the lines of one entry, one an account and commodity, in the order of their first mention."""

    _sums: defaultdict[tuple[Account, str], int] = field(default_factory=lambda: defaultdict(int))

    def move(self, giver: Account, taker: Account, micros: int, commodity: str = USD) -> None:
        """Let one account give another an amount; a negative one goes the other way."""
        self._sums[giver, commodity] -= micros
        self._sums[taker, commodity] += micros

    def postings(self) -> tuple[Posting, ...]:
        """Give the lines that are not nothing."""
        return tuple(Posting(*where, micros) for where, micros in self._sums.items() if micros)


def totals(postings: Iterable[Posting]) -> Mapping[str, int]:
    """Add up postings by commodity."""
    sums: defaultdict[str, int] = defaultdict(int)
    for _, commodity, micros in postings:
        sums[commodity] += micros
    return sums


def cost_of(side: Side, price_bps: int, amount_micros: int) -> int:
    """Give what shares cost or bring, rounded against us to the micro, as the core and the venue's chain do.

    The venue matches whole hundredths of a share, of which the price is whole micros: then nothing is rounded.
    """
    notional = price_bps * amount_micros
    return -(-notional // BPS) if side is Side.BUY else notional // BPS


def day_of(seen_ns: int) -> int:
    """Give the UTC day of a moment, counted from 1970."""
    return seen_ns // DAY_NS
