"""Balances: what the books add up to, and equity by how sure it is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from infra.ledger.entries import USD, Account, Fill, TokenKey
from state.events import Side, Token
from state.units import BPS

Sums = Mapping[tuple[str, str], int]
"""(account, commodity) -> micros."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balances:
    """What we have, to the micro."""

    cash_micros: int = 0
    """Collateral that nothing claims."""
    reserved_micros: int = 0
    """Collateral for purchases that rest or are in flight."""
    fees_micros: int = 0
    """Paid in all."""
    rebates_micros: int = 0
    """Received in all."""
    rebates_accrued_micros: int = 0
    """Earned by the rules and not paid yet: an upside, in no other figure here."""
    pending_redemption_micros: int = 0
    """Payouts that the venue owes."""
    realised_micros: int = 0
    """Payouts less cost less fees of decided windows."""
    invested_micros: int = 0
    """Cost of the shares in undecided windows."""
    fees_open_micros: int = 0
    """Fees of undecided windows: in no realised figure yet."""
    deposits_micros: int = 0
    shares: dict[TokenKey, int] = field(default_factory=dict)
    """Shares of undecided windows, those on offer included."""
    offered: dict[TokenKey, int] = field(default_factory=dict)
    """Those that rest for sale or are in flight."""

    @property
    def collateral_micros(self) -> int:
        """Give what the venue shows as our collateral."""
        return self.cash_micros + self.reserved_micros

    @property
    def equity_micros(self) -> int:
        """Give what all is worth with shares at their cost."""
        return self.collateral_micros + self.pending_redemption_micros + self.invested_micros


@dataclass(frozen=True, slots=True)
class Equity:
    """What all is worth, by how sure it is; shares of undecided windows stand at cost, or at marks where given."""

    confirmed_micros: int
    """Rests on nothing that may still fail."""
    provisional_micros: int
    """Rests on matches that are not confirmed yet and may still fail; with the above it is all there is."""
    at_risk_micros: int
    """Collateral behind orders that rest or are in flight: a part of the above that may become shares at any moment."""

    @property
    def total_micros(self) -> int:
        """Give all of it."""
        return self.confirmed_micros + self.provisional_micros


def balances_of(sums: Sums) -> Balances:
    """Read balances off the sums of all postings."""

    def usd(account: Account) -> int:
        return sums.get((account.value, USD), 0)

    shares: dict[TokenKey, int] = {}
    offered: dict[TokenKey, int] = {}
    for (account, commodity), micros in sorted(sums.items()):
        if commodity == USD or not micros:
            continue
        key = TokenKey.of(commodity)
        if account in (Account.SHARES, Account.OFFERED):
            shares[key] = shares.get(key, 0) + micros
        if account == Account.OFFERED:
            offered[key] = micros
    return Balances(
        cash_micros=usd(Account.CASH),
        reserved_micros=usd(Account.RESERVED),
        fees_micros=usd(Account.FEES),
        rebates_micros=-usd(Account.REBATES),
        rebates_accrued_micros=usd(Account.ACCRUED),
        pending_redemption_micros=usd(Account.PENDING),
        realised_micros=-usd(Account.REALISED),
        invested_micros=usd(Account.INVESTED),
        fees_open_micros=usd(Account.FEES) + usd(Account.FEES_CLOSED),
        deposits_micros=-usd(Account.EXTERNAL),
        shares={key: micros for key, micros in shares.items() if micros},
        offered=offered,
    )


def equity_of(
    balances: Balances, fills: Iterable[Fill], outcomes: Mapping[str, Token],
    marks_bps: Mapping[TokenKey, int] | None = None,
) -> Equity:  # fmt: skip
    """Part what all is worth into what is sure and what is not.

    Args:
        balances: As they stand.
        fills: At least those that are not final.
        outcomes: How windows were decided.
        marks_bps: Prices to value shares of undecided windows at; without them a share stands at what it cost.
    """
    marks = marks_bps or {}
    total = balances.collateral_micros + balances.pending_redemption_micros
    if marks:
        total += sum(value_of(marks.get(key), micros) for key, micros in balances.shares.items())
    else:
        total += balances.invested_micros
    provisional = sum(_resting_on(fill, outcomes, marks) for fill in fills if not fill.state.is_final)
    return Equity(total - provisional, provisional, balances.reserved_micros)


def value_of(mark_bps: int | None, micros: int) -> int:
    """Value shares at a mark; without one they are worth nothing that could be relied on."""
    return 0 if mark_bps is None else mark_bps * micros // BPS


def _resting_on(fill: Fill, outcomes: Mapping[str, Token], marks: Mapping[TokenKey, int]) -> int:
    """Give the part of equity that rests on one match: bought shares, or the proceeds of sold ones."""
    if fill.side is Side.SELL:
        return fill.cost_micros
    outcome = outcomes.get(fill.window)
    if outcome is not None:
        return fill.amount_micros if outcome is fill.token else 0
    if marks:
        return value_of(marks.get(TokenKey(fill.window, fill.token)), fill.amount_micros)
    return fill.cost_micros
