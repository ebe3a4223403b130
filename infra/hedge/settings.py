"""What an operator wants of the hedge; without a word it is off."""

from dataclasses import dataclass, fields
from typing import Any, Final

from infra.hedge.target import HedgeTerms

OFF: Final = "off"
PAPER: Final = "paper"
EXCHANGES: Final = ("binance", "bybit", "okx")
WHERE: Final = (OFF, PAPER, *EXCHANGES)
FUNDING_S: Final = 8.0 * 3_600.0
"""How often funding is paid."""
_BOUNDS: Final = {
    "notional_most_usd": (100.0, 10_000_000.0),
    "band_usd": (0.0, 1_000_000.0),
    "interval_s": (0.1, 3_600.0),
    "fee_bps": (0.0, 100.0),
    "funding_bps": (0.0, 100.0),
    "aversion_per_usd": (0.0, 1e6),
}


class HedgeUnclear(ValueError):
    """Settings of the hedge that cannot stand; one line: what, and what can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeSettings:
    """Where the perpetual is traded, and within what."""

    where: str = OFF
    """off, paper (filled at the touch of the session's own feed, nothing is sent), or an exchange."""
    notional_most_usd: float = 100_000.0
    """Never more of the perpetual than this, long or short."""
    band_usd: float = 500.0
    """Gaps of less are left alone."""
    interval_s: float = 1.0
    """Looks, and therefore orders, are at least so far apart, by the session's clock."""
    fee_bps: float = 5.0
    """Of the taker: Binance USD-M and OKX without tier; Bybit takes 5.5."""
    funding_bps: float = 1.0
    """Charged in our figures every eight hours, long or short: what it really is changes, and may be a gain."""
    aversion_per_usd: float = 0.01
    """How much is paid to be rid of variance: half of this times dollars squared is worth as many dollars."""

    def __post_init__(self) -> None:
        """Refuse what cannot stand.

        Raises:
            HedgeUnclear: a place that there is not, or a figure out of its bounds.
        """
        if self.where not in WHERE:
            raise HedgeUnclear(f"hedge where = {self.where!r}: it can be {', '.join(WHERE)}")
        for name, (least, most) in _BOUNDS.items():
            value: Any = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
                raise HedgeUnclear(f"hedge {name} = {value!r}: a number from {least:g} to {most:g}")

    @property
    def is_on(self) -> bool:
        """Say whether there is a hedge at all."""
        return self.where != OFF

    @property
    def terms(self) -> HedgeTerms:
        """Give what the target is reckoned by."""
        return HedgeTerms(
            notional_most_usd=self.notional_most_usd, band_usd=self.band_usd, fee_bps=self.fee_bps,
            aversion_per_usd=self.aversion_per_usd,
        )  # fmt: skip


def hedge_from(section: dict[str, Any], where: str = "") -> HedgeSettings:
    """Give the settings that a file's section says, with the place from elsewhere if one is named there.

    Raises:
        HedgeUnclear: a name that there is not, or a value that cannot stand.
    """
    known = [each.name for each in fields(HedgeSettings)]
    odd = sorted(set(section) - set(known))
    if odd:
        raise HedgeUnclear(f"hedge has no {odd[0]!r}; there are {', '.join(known)}")
    return HedgeSettings(**(section | ({"where": where} if where else {})))
