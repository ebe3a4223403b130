"""The hedge's own books: what its orders came to. The desk's ledger knows nothing of them, nor they of it."""

from dataclasses import dataclass
from typing import Any

from infra.hedge.perp import Done, Traded
from infra.hedge.settings import FUNDING_S
from infra.hedge.target import Touch
from state.units import NS_PER_S


@dataclass(slots=True)
class HedgeBook:
    """One perpetual's position and money since this start.

    Args:
        fee_bps: Of the taker, for what was filled without our hearing of it.
        funding_bps: Charged for every eight hours on whatever is held.
    """

    fee_bps: float
    funding_bps: float
    coins: float = 0.0
    cash_usd: float = 0.0
    """What sales brought less what purchases, fees and funding took."""
    fees_usd: float = 0.0
    funding_usd: float = 0.0
    """Stated, not the exchange's word."""
    trades: int = 0
    refused: int = 0
    turnover_usd: float = 0.0
    most_coins: float = 0.0
    """The largest position, either way."""
    mid_usd: float = 0.0
    """The newest price that was seen."""
    _until_ns: int = 0

    def see(self, touch: Touch | None, now_ns: int) -> None:
        """Take a price in, and charge funding for the time since the last."""
        if touch is not None:
            self.mid_usd = touch.mid_usd
        if self._until_ns and now_ns > self._until_ns:
            rate = self.funding_bps / 10_000.0 * (now_ns - self._until_ns) / NS_PER_S / FUNDING_S
            cost = abs(self.coins) * self.mid_usd * rate
            self.funding_usd += cost
            self.cash_usd -= cost
        self._until_ns = max(self._until_ns, now_ns)

    def book(self, traded: Traded) -> None:
        """Book what came of an order."""
        if traded.done is not Done.FILLED:
            self.refused += traded.done is Done.REFUSED
            return
        self._move(traded.coins, traded.price_usd, traded.fee_usd)
        self.trades += 1

    def correct(self, position_coins: float | None) -> None:
        """Take the exchange's word for the position: what we never heard of is booked at the middle, with its fee."""
        gap = 0.0 if position_coins is None else round(position_coins - self.coins, 9)
        if gap:
            self._move(gap, self.mid_usd, abs(gap) * self.mid_usd * self.fee_bps / 10_000.0)

    def take_over(self, coins: float) -> None:
        """Begin with a position from before this start, at the price now: its earlier worth was another start's."""
        self.coins = coins
        self.cash_usd -= coins * self.mid_usd
        self.most_coins = max(self.most_coins, abs(coins))

    def _move(self, coins: float, usd: float, fee_usd: float) -> None:
        self.coins = round(self.coins + coins, 9)
        self.cash_usd -= coins * usd + fee_usd
        self.fees_usd += fee_usd
        self.turnover_usd += abs(coins) * usd
        self.most_coins = max(self.most_coins, abs(self.coins))

    @property
    def pnl_usd(self) -> float:
        """Give profit and loss after fees and stated funding, what is held marked at the middle."""
        return self.cash_usd + self.coins * self.mid_usd

    def told(self) -> dict[str, Any]:
        """Give it all as plain values."""
        return {
            "position_coins": self.coins, "most_coins": self.most_coins, "orders_filled": self.trades,
            "orders_refused": self.refused, "turnover_usd": self.turnover_usd, "fees_usd": self.fees_usd,
            "funding_usd": self.funding_usd, "profit_usd": self.pnl_usd,
        }  # fmt: skip
