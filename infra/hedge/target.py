"""Target: what perpetual position a delta asks for, and whether moving to it is worth its cost."""

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeTerms:
    """Bounds of the hedge and what trading it costs."""

    coins_most: float = math.inf
    """Never more than this, long or short, whatever the delta ..."""
    notional_most_usd: float = math.inf
    """... and never more than it can buy of the coin."""
    lot_coins: float = 0.001
    coins_least: float = 0.001
    """The exchange takes no smaller order ..."""
    notional_least_usd: float = 100.0
    """... and none of less than so many dollars, but to close."""
    band_coins: float = 0.002
    """Smaller gaps are left alone, however cheap it would be to close them."""
    band_usd: float = 0.0
    """The same in dollars of the coin; the wider one holds."""
    fee_bps: float = 5.0
    """Of the taker. Binance USD-M without tier; ours to state per account."""
    aversion_per_usd: float = 0.01
    """How much is paid to be rid of variance: half of this times dollars squared is worth as many dollars."""

    def __post_init__(self) -> None:
        """Refuse terms that could not be met."""
        assert self.coins_most >= 0.0 and self.lot_coins > 0.0 and self.coins_least >= self.lot_coins > 0.0

    def at(self, usd: float) -> "HedgeTerms":
        """Give the terms with what is said in dollars turned into coins at a price.

        >>> HedgeTerms(notional_most_usd=50_000.0, band_usd=500.0).at(100_000.0).coins_most
        0.5
        """
        most = min(self.coins_most, self.notional_most_usd / usd)
        return replace(self, coins_most=most, band_coins=max(self.band_coins, self.band_usd / usd))


@dataclass(frozen=True, slots=True)
class Exposure:
    """What our shares hang on."""

    delta_coins: float
    """How many dollars they gain when the coin gains one: of `tools.delta`."""
    variance_usd2: float
    """Of the coin's price from now to the settlement; 0 when nothing is open any more."""


@dataclass(frozen=True, slots=True)
class Touch:
    """Best prices of the perpetual, and when they were quoted."""

    bid_usd: float
    ask_usd: float
    at_ns: int

    @property
    def mid_usd(self) -> float:
        """Give the middle."""
        return (self.bid_usd + self.ask_usd) / 2.0


def target_coins(exposure: Exposure, terms: HedgeTerms) -> float:
    """Give the position that offsets a delta, inside the bound, in whole lots towards zero.

    >>> target_coins(Exposure(0.0567, 1.0), HedgeTerms(coins_most=0.05))
    -0.05
    """
    if not math.isfinite(exposure.delta_coins):
        return 0.0
    bounded = max(-terms.coins_most, min(terms.coins_most, -exposure.delta_coins))
    return _lots(bounded, terms.lot_coins)


def order_coins(held_coins: float, exposure: Exposure, touch: Touch, terms: HedgeTerms) -> float:
    """Give what to trade now, negative to sell; 0 to leave the position as it is.

    A gap is traded when it is wider than the band and the variance that it takes away is worth more than fee and half
    the spread. With r coins bare before, trading g of them leaves r - g: the gain is aversion/2 * variance *
    (r^2 - (r - g)^2), the cost g times that of a coin. Where the bound leaves most of r bare, the first coins are worth
    the most. A position that is outside the bound, and one that nothing is left to hedge for, is traded back whatever
    it costs.
    """
    terms = terms.at(touch.mid_usd)
    target = target_coins(exposure, terms)
    gap = _lots(target - held_coins, terms.lot_coins)
    if abs(gap) < terms.coins_least:
        return 0.0
    closes = target == 0.0
    forced = closes or abs(held_coins) > terms.coins_most + terms.lot_coins / 2
    if abs(gap) * touch.mid_usd < terms.notional_least_usd and not closes:
        return 0.0
    if forced:
        return gap
    cost = touch.mid_usd * terms.fee_bps / 10_000.0 + (touch.ask_usd - touch.bid_usd) / 2.0
    bare = abs(exposure.delta_coins + held_coins)
    gain = 0.5 * terms.aversion_per_usd * exposure.variance_usd2 * (2.0 * bare - abs(gap))
    return gap if abs(gap) > terms.band_coins and gain > cost else 0.0


def _lots(coins: float, lot: float) -> float:
    """Cut to whole lots, towards zero; a hair below a whole lot is that lot, for sums of floats leave hairs."""
    count = math.floor(abs(coins) / lot + 1e-6)
    return round(math.copysign(count * lot, coins), 9) if count else 0.0
