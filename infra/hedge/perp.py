"""The perpetual leg's port, and the paper behind it: own fills at the feed's touch, with the taker's fee."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from infra.hedge.target import Touch


class Done(StrEnum):
    """What became of an order of the hedge."""

    FILLED = "filled"
    """Wholly or in part."""
    REFUSED = "refused"
    """Nothing was traded."""
    HELD_BACK = "held back"
    """It was not sent, since the operator has not armed it."""
    UNKNOWN = "unknown"
    """The exchange did not say: the position must be read before anything else is sent."""


@dataclass(frozen=True, slots=True)
class Traded:
    """What became of one order."""

    done: Done
    coins: float = 0.0
    """Signed."""
    price_usd: float = 0.0
    fee_usd: float = 0.0
    why: str = ""


class PerpUnread(Exception):
    """The exchange does not tell the position, or the touch is not known."""


class PerpLeg(Protocol):
    """One perpetual at one exchange."""

    async def look(self) -> None:
        """Bring the touch up to date, where the session's own feeds do not.

        Raises:
            PerpUnread: the exchange does not say.
        """

    async def position_coins(self) -> float:
        """Give what is held, by the exchange's word; negative when short.

        Raises:
            PerpUnread: it does not say.
        """

    def touch(self) -> Touch | None:
        """Give the newest best prices; None when none are known."""

    async def trade(self, coins: float, name: str, *, closes: bool, at_market: bool = False) -> Traded:
        """Trade at once up to so many coins; `name` is the same when the same order is meant, and new otherwise.

        Args:
            coins: Negative to sell.
            name: Letters and digits, at most 32: what every exchange takes.
            closes: Only makes the position smaller.
            at_market: Whatever the price: to get out when the touch is not known any more.
        """

    async def close(self) -> None:
        """Let the connections go."""


class PaperPerp:
    """A perpetual on paper: what is asked is filled at the touch of the feed.

    Args:
        quoted: Gives the touch, from the session's own feed.
        fee_bps: Of the taker.
        coins: What is held at the beginning; a session that goes on passes what its journal says.
    """

    def __init__(self, quoted: Callable[[], Touch | None], fee_bps: float, coins: float = 0.0) -> None:
        self._quoted, self._fee_bps, self.coins = quoted, fee_bps, coins

    async def position_coins(self) -> float:
        """Give what is held."""
        return self.coins

    async def look(self) -> None:
        """Do nothing: the session's own feed is all there is."""

    def touch(self) -> Touch | None:
        """Give the newest best prices."""
        return self._quoted()

    async def trade(self, coins: float, name: str, *, closes: bool, at_market: bool = False) -> Traded:
        """Fill at the touch, or at the last that was known."""
        touch = self._quoted()
        if touch is None:
            return Traded(Done.REFUSED, why="no touch")
        price = touch.ask_usd if coins > 0 else touch.bid_usd
        fee = abs(coins) * price * self._fee_bps / 10_000.0
        self.coins = round(self.coins + coins, 9)
        return Traded(Done.FILLED, coins, price, fee)

    async def close(self) -> None:
        """Do nothing: there are no connections."""
