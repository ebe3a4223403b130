"""Differences: the books held against somebody else's word on the same account, thing by thing, in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from infra.ledger.entries import TokenKey
from state.units import MICROS

DUST_MICROS: Final = 10_000
"""A hundredth of a share, or a cent: what rounding of matches can leave (venue reference 5.4, section 8 item 20)."""


class What(StrEnum):
    """What differs."""

    COLLATERAL = "collateral"
    SHARES = "shares"
    ORDER = "order"
    PAYOUT = "payout"
    """The venue has paid a decided window, and the books have not been told: no fault, and never a halt."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What one party says that we have."""

    who: str
    """As a sentence calls it: "the books", "the core", "the venue"."""
    collateral_micros: int
    shares: Mapping[TokenKey, int] = field(default_factory=dict)
    """Of undecided windows."""
    owed: Mapping[TokenKey, int] = field(default_factory=dict)
    """Winning shares of decided windows that have not been paid."""
    open_micros: Mapping[str, int] = field(default_factory=dict)
    """Shares that may still match, by the order's name: its hash, or the core's number."""
    doubt_micros: tuple[int, int] = (0, 0)
    """How far collateral may be below and above while matches are settling."""
    share_doubt_micros: Mapping[TokenKey, tuple[int, int]] = field(default_factory=dict)
    """The same of shares."""
    decided: frozenset[str] = frozenset()
    """Windows that are decided: what is left of their losing tokens is worth nothing and is nobody's difference."""
    pays_at_once: bool = False
    """Counts payouts as collateral from the decision on, as the core does."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing on which the books and somebody else disagree."""

    what: What
    where: str
    """The token, the order, the window; empty for collateral."""
    ours_micros: int
    theirs_micros: int
    halts: bool
    """It is more than dust, and trading on would be trading on a wrong belief."""
    words: str

    @property
    def gap_micros(self) -> int:
        """Give how much more they say."""
        return self.theirs_micros - self.ours_micros


def compare(ours: Standing, theirs: Standing) -> tuple[Difference, ...]:
    """Hold two standings against each other; the largest differences first, those that halt before others.

    What a match that is still settling explains is no difference.
    """
    paid = {key: owed - theirs.owed.get(key, 0) for key, owed in ours.owed.items()}
    found = [] if theirs.pays_at_once else _payouts(ours, theirs, paid)
    found += _collateral(ours, theirs, sum(paid.values()))
    for key in sorted({*ours.shares, *theirs.shares}):
        low, high = ours.share_doubt_micros.get(key, (0, 0))
        mine, other = ours.shares.get(key, 0), theirs.shares.get(key, 0)
        beyond = _beyond(other - mine, low, high)
        if beyond:
            words = f"{key.commodity}: {ours.who} {_have(ours)} {_shares(mine)}, {theirs.who} {_shares(other)}"
            found.append(Difference(What.SHARES, key.commodity, mine, other, abs(beyond) > DUST_MICROS, words))
    for name in sorted({*ours.open_micros, *theirs.open_micros}):
        mine, other = ours.open_micros.get(name, 0), theirs.open_micros.get(name, 0)
        if mine != other:
            said = f"{_shares(mine)} open" if name in ours.open_micros else "no such order"
            told = f"{_shares(other)} open" if name in theirs.open_micros else "no such order"
            words = f"order {name[:18]}: {ours.who} {_have(ours)} {said}, {theirs.who} {told}"
            found.append(Difference(What.ORDER, name, mine, other, abs(other - mine) > DUST_MICROS, words))
    return tuple(sorted(found, key=lambda each: (not each.halts, -abs(each.gap_micros), each.where)))


def _payouts(ours: Standing, theirs: Standing, paid: Mapping[TokenKey, int]) -> list[Difference]:
    found = []
    for key, micros in paid.items():
        if micros:
            mine, other = ours.owed[key], theirs.owed.get(key, 0)
            more = micros < -DUST_MICROS
            words = f"{key.commodity}: {ours.who} await {_usd(mine)}, {theirs.who} still owes {_usd(other)}"
            found.append(Difference(What.PAYOUT, key.commodity, mine, other, more, words))
    return found


def _collateral(ours: Standing, theirs: Standing, paid_micros: int) -> list[Difference]:
    mine, other = ours.collateral_micros + paid_micros, theirs.collateral_micros
    beyond = _beyond(other - mine, *ours.doubt_micros)
    if not beyond:
        return []
    words = f"collateral: {ours.who} {_have(ours)} {_usd(mine)}, {theirs.who} {_usd(other)}"
    return [Difference(What.COLLATERAL, "", mine, other, abs(beyond) > DUST_MICROS, words)]


def _beyond(gap: int, low: int, high: int) -> int:
    """Give what of a gap lies outside of what is in doubt."""
    return gap + low if gap < -low else gap - high if gap > high else 0


def _have(one: Standing) -> str:
    return "have" if one.who.endswith("s") else "has"


def _usd(micros: int) -> str:
    return f"${micros / MICROS:,.6f}"


def _shares(micros: int) -> str:
    return f"{micros / MICROS:,.6f}"
