"""The daily statement: what a UTC day began with, what was done, what it came to, and whether the sums agree."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from infra.ledger.balances import Balances, balances_of, value_of
from infra.ledger.entries import USD, Account, Entry, TokenKey
from state.units import MICROS, NS_PER_S

DAY_S: Final = 86_400
_COLLATERAL: Final = (Account.CASH, Account.RESERVED)


@dataclass(slots=True)
class WindowLine:
    """One window on a statement."""

    window: str
    fills: int = 0
    failed: int = 0
    paid_micros: int = 0
    """Collateral that went into its shares, less what they brought."""
    fees_micros: int = 0
    result_micros: int | None = None
    """None while it is undecided."""


@dataclass(slots=True)
class DayStatement:
    """One UTC day, in micro-dollars; worth is at cost: collateral, payouts owed, and what open shares have cost."""

    day: int
    opening_micros: int
    opening_collateral_micros: int
    deposits_micros: int = 0
    orders: int = 0
    fills: int = 0
    failed: int = 0
    bought_micros: int = 0
    """Shares, as are the sold: failed matches are taken off."""
    sold_micros: int = 0
    trades_micros: int = 0
    """Collateral from trading: sales less purchases, failed matches given back."""
    pairs_micros: int = 0
    """Collateral from complete sets: turned back into it."""
    fees_micros: int = 0
    rebates_micros: int = 0
    redemptions_micros: int = 0
    realised_micros: int = 0
    fees_open_micros: int = 0
    """Change of fees in undecided windows: in the worth, and in no result yet."""
    unrealised_micros: int | None = None
    """Open shares at their marks less their cost; None where no marks are known, as at past midnights."""
    closing: Balances = field(default_factory=Balances)
    windows: dict[str, WindowLine] = field(default_factory=dict)

    @property
    def date(self) -> str:
        """Name the day."""
        return datetime.fromtimestamp(self.day * DAY_S, UTC).strftime("%Y-%m-%d")

    @property
    def expected_micros(self) -> int:
        """Give what the day must close with, by what was done."""
        made = self.realised_micros + self.rebates_micros - self.fees_open_micros
        return self.opening_micros + self.deposits_micros + made

    @property
    def expected_collateral_micros(self) -> int:
        """Give the collateral that the day must close with."""
        moved = self.deposits_micros + self.trades_micros + self.pairs_micros + self.redemptions_micros
        return self.opening_collateral_micros + moved + self.rebates_micros - self.fees_micros

    @property
    def adds_up(self) -> bool:
        """Say whether what was done leads from the opening to the closing, in worth and in collateral."""
        worth = self.expected_micros == self.closing.equity_micros
        return worth and self.expected_collateral_micros == self.closing.collateral_micros


def statements_of(entries: Iterable[Entry], marks_bps: Mapping[TokenKey, int] | None = None) -> list[DayStatement]:
    """Write a statement for each day on which anything was booked; marks value the shares that are open at the end."""
    sums: defaultdict[tuple[str, str], int] = defaultdict(int)
    days: list[DayStatement] = []
    for entry in sorted(entries, key=lambda each: each.day):
        if not days or days[-1].day != entry.day:
            if days:
                days[-1].closing = balances_of(sums)
            before = balances_of(sums)
            days.append(DayStatement(entry.day, before.equity_micros, before.collateral_micros))
        for account, commodity, micros in entry.postings:
            sums[account.value, commodity] += micros
        _add(days[-1], entry)
    if days:
        days[-1].closing = balances_of(sums)
        days[-1].unrealised_micros = unrealised(days[-1].closing, marks_bps)
    return days


def unrealised(balances: Balances, marks_bps: Mapping[TokenKey, int] | None) -> int | None:
    """Give what open shares are worth at marks beyond their cost; None where a mark is missing."""
    if not balances.shares:
        return -balances.invested_micros
    if marks_bps is None or balances.shares.keys() - marks_bps.keys():
        return None
    return sum(value_of(marks_bps[key], micros) for key, micros in balances.shares.items()) - balances.invested_micros


def _add(day: DayStatement, entry: Entry) -> None:
    """Take one entry into its day."""
    usd: defaultdict[Account, int] = defaultdict(int)
    for account, commodity, micros in entry.postings:
        if commodity == USD:
            usd[account] += micros
    collateral = sum(usd[account] for account in _COLLATERAL)
    day.fees_open_micros += usd[Account.FEES] + usd[Account.FEES_CLOSED]
    day.realised_micros -= usd[Account.REALISED]
    kind = entry.kind
    if kind == "deposit":
        day.deposits_micros += collateral
    elif kind == "reservation":
        day.orders += 1
    elif kind in ("fill", "reversal"):
        day.trades_micros += collateral
        _add_trade(day, entry)
    elif kind == "merge":
        day.pairs_micros += collateral
    elif kind == "fee":
        day.fees_micros -= collateral
    elif kind == "rebate":
        day.rebates_micros += collateral
    elif kind == "redemption":
        day.redemptions_micros += collateral
    if entry.window and kind in ("fill", "reversal", "fee", "merge", "result"):
        _add_to_window(day, entry, usd)


def _add_trade(day: DayStatement, entry: Entry) -> None:
    day.fills += entry.kind == "fill"
    day.failed += entry.kind == "reversal"
    shares = -sum(micros for account, _, micros in entry.postings if account is Account.MARKET)
    bought = (shares > 0) == (entry.kind == "fill")
    if bought:
        day.bought_micros += shares
    else:
        day.sold_micros -= shares


def _add_to_window(day: DayStatement, entry: Entry, usd: Mapping[Account, int]) -> None:
    line = day.windows.setdefault(entry.window, WindowLine(entry.window))
    line.fills += entry.kind == "fill"
    line.failed += entry.kind == "reversal"
    if entry.kind == "result":
        line.result_micros = (line.result_micros or 0) - usd.get(Account.REALISED, 0)
        return
    line.paid_micros += usd.get(Account.INVESTED, 0)
    line.fees_micros += usd.get(Account.FEES, 0)


def day_of_date(date: str) -> int:
    """Read a date as a day since 1970.

    Raises:
        ValueError: it is none.
    """
    at = datetime.strptime(date, "%Y-%m-%d").replace(tzinfo=UTC)
    return int(at.timestamp()) // DAY_S


def dollars(micros: int | None) -> str:
    """Say an amount to the micro, without idle zeros."""
    if micros is None:
        return ""
    whole, part = divmod(abs(micros), MICROS)
    cents = f"{part:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micros < 0 else ''}{whole:,}.{cents}"


def clock_of(seen_ns: int) -> str:
    """Say a moment of a day."""
    return datetime.fromtimestamp(seen_ns // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M:%S")
