"""Trade parts: which of our orders a trade was made with, on which side, and at what prices.

As maker, a trade's own token, side, price and size are the taker's; ours stand in `maker_orders` (venue reference 4.2).
Doubt: at which price a taker is charged is not documented beyond "the level hit"; where the makers' parts add up to
the trade, theirs are taken, one fill a price.
"""

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from typing import Final

from infra.feeds.figures import LEVEL_BPS, bps_of, micros_of
from infra.feeds.polymarket_user import MakerOrder, TradeUpdate
from infra.venues.followed import Coin
from state.events import Kind, Side
from state.orders import Liquidity
from state.units import BPS

Level = tuple[int, int]
"""Price in bps and shares in micros."""

_SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}


@dataclass(frozen=True, slots=True)
class Part:
    """What one order of ours did in a trade."""

    order_hash: str
    token_id: str
    """The token that our order was for."""
    side: Side
    liquidity: Liquidity
    levels: tuple[Level, ...]

    @property
    def shares_micros(self) -> int:
        """Give all shares of it."""
        return sum(amount for _, amount in self.levels)


@dataclass(slots=True)
class Match:
    """Our part in one trade, and what has been told of it."""

    order_id: int
    coin: Coin
    side: Side
    liquidity: Liquidity
    levels: tuple[Level, ...]
    token_id: str
    heard_ns: int
    """When it was first heard of."""
    fees_micros: int = 0
    told: bool = False
    failed: bool = False
    confirmed: bool = False
    mined: bool = False
    retried: bool = False

    @property
    def is_final(self) -> bool:
        """Say whether the chain has spoken: until then it is no money."""
        return self.failed or self.confirmed

    def come_to(self, status: str) -> list[Kind]:
        """Note how far its transaction has come, and give what is to be told of that: each step once."""
        steps = {
            Kind.FILL_RETRIED: status == "RETRYING" and not self.retried,
            Kind.FILL_MINED: status in ("MINED", "CONFIRMED") and not self.mined,
            Kind.FILL_CONFIRMED: status == "CONFIRMED" and not self.confirmed,
        }
        self.retried |= steps[Kind.FILL_RETRIED]
        self.mined |= steps[Kind.FILL_MINED]
        self.confirmed |= steps[Kind.FILL_CONFIRMED]
        return [kind for kind, news in steps.items() if news and self.told and not self.failed]


def key_of(order_id: int, token: int, side: int, level: Level) -> tuple[int, ...]:
    """Give what a fill is known by in rows, which carry no trade's name."""
    return (order_id, int(token), int(side), *level)


def knew(settling: Counter[tuple[int, ...]], kind: Kind, keys: list[tuple[int, ...]]) -> bool:
    """Say whether a step of a fill on chain is among those told before, and take it out of them."""
    told = [(int(kind), *key) for key in keys]
    known = all(settling[each] > 0 for each in told)
    settling.subtract(told if known else ())
    return known


def parts_of(trade: TradeUpdate, api_key: str, known: Container[str]) -> list[Part]:
    """Give our parts in a trade.

    Args:
        trade: As the venue tells it.
        api_key: Whose orders are ours even where we do not know them.
        known: Hashes of the orders that we know.

    Raises:
        Offbeat: a price off the mills or an amount that cannot be.
    """
    side = _SIDES[trade.side]
    parts: list[Part] = []
    owned = api_key in (trade.owner, trade.trade_owner)
    if trade.taker_order_id in known or (trade.trader_side == "TAKER" and owned):
        parts.append(Part(trade.taker_order_id, trade.asset_id, side, Liquidity.TAKER, taker_levels(trade)))
    ours: dict[str, list[MakerOrder]] = {}
    for maker in trade.maker_orders:
        if maker.order_id in known or maker.owner == api_key:
            ours.setdefault(maker.order_id, []).append(maker)
    for order_hash, makers in ours.items():
        first = makers[0]
        # Tokens differ where two purchases met and a pair was minted: then both sides did the same.
        opposite = Side(1 - side) if first.asset_id == trade.asset_id else side
        own = opposite if first.side is None else _SIDES[first.side]
        levels = tuple((bps_of(each.price), micros_of(each.matched_amount)) for each in makers)
        parts.append(Part(order_hash, first.asset_id, own, Liquidity.MAKER, levels))
    return parts


def taker_levels(trade: TradeUpdate) -> tuple[Level, ...]:
    """Give the prices at which the taker of a trade got its shares."""
    size = micros_of(trade.size)
    amounts: Counter[int] = Counter()
    for maker in trade.maker_orders:
        price = LEVEL_BPS.get(maker.price, 0)
        amounts[price if maker.asset_id == trade.asset_id else BPS - price] += micros_of(maker.matched_amount)
    if all(0 < price < BPS for price in amounts) and amounts.total() == size:
        return tuple(sorted(amounts.items()))
    return ((bps_of(trade.price), size),)
