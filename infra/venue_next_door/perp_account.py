"""Customers of a perpetual exchange next door: what they hold and owe, and how an order of theirs is filled.

Three exchanges speak of it in their own words; what happens is the same at each: an order is filled at the touch,
whatever its size, at the taker's fee, or not at all. Nothing rests, and margin is not reckoned.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from numpy.typing import NDArray

from infra.venue_next_door.engine import Engine
from infra.venue_next_door.tapes import Quote, Tape, read_rows
from state.events import Asset, Source

BEGIN_USD: Final = 100_000.0
LOT: Final = 0.001
"""Coins."""
PLAY_PASSWORD: Final = "next door"
"""The passphrase of every key at an exchange that asks for one."""


class Refusal(StrEnum):
    """Why an order is not taken."""

    DUPLICATE = "duplicate"
    LOT = "lot"
    REDUCE = "reduce"
    NOTIONAL = "notional"
    RESTS = "rests"


class PerpRefused(Exception):
    """An order that is not taken."""

    def __init__(self, why: Refusal) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class PerpOrder:
    """One order as it was taken, and what came of it at once."""

    order_id: int
    name: str
    """The client's."""
    symbol: str
    coins: float
    """Wanted; negative to sell."""
    limit_usd: float
    """0 for one at the market."""
    reduces: bool
    usd: float
    """Filled wholly at this price; 0 when it expired."""
    fee_usd: float
    at_ms: int

    @property
    def filled(self) -> float:
        """Give how much was filled, unsigned."""
        return abs(self.coins) if self.usd else 0.0


@dataclass
class PerpAccount:
    """One customer: its key, its money, and what it holds."""

    secret: str
    cash_usd: float = BEGIN_USD
    positions: dict[str, float] = field(default_factory=dict)
    """Symbol -> coins, negative when short."""
    entries_usd: dict[str, float] = field(default_factory=dict)
    """Symbol -> mean price of what is held."""
    orders: dict[str, PerpOrder] = field(default_factory=dict)
    """By the client's id."""
    fees_usd: float = 0.0
    refuse: list[tuple[int, str]] = field(default_factory=list)
    """Said instead of taking an order, one after the other: a fault on a switch."""
    lose_answers: int = 0
    """So many orders are done, and their answers do not come back."""

    def loses_answer(self) -> bool:
        """Say whether this answer is to be lost, once for each that is."""
        if not self.lose_answers:
            return False
        self.lose_answers -= 1
        return True

    def take(
        self, tape: Tape, name: str, coins: float, *, limit_usd: float, at_once: bool, reduces: bool, at_ms: int,
        fee_rate: float, lot: float = LOT, least_usd: float = 0.0,
    ) -> PerpOrder:  # fmt: skip
        """Fill an order at the touch, or let it expire.

        Args:
            tape: Of the perpetual.
            name: The client's id; one that was used is refused.
            coins: Negative to sell.
            limit_usd: 0 for one at the market.
            at_once: Whether a limit is to be filled at once or not at all; others are refused.
            reduces: May only make the position smaller.
            at_ms: Now.
            fee_rate: Of the taker, in USDT.
            lot: Coins.
            least_usd: Smaller orders are refused unless they reduce.

        Raises:
            PerpRefused: it is not taken.
        """
        if name and name in self.orders:
            raise PerpRefused(Refusal.DUPLICATE)
        if limit_usd and not at_once:
            raise PerpRefused(Refusal.RESTS)
        size, held = abs(coins), self.positions.get(tape.symbol, 0.0)
        if size < lot - 1e-9 or abs(round(size / lot) * lot - size) > 1e-9:
            raise PerpRefused(Refusal.LOT)
        if reduces and (held * coins >= 0 or size > abs(held) + 1e-9):
            raise PerpRefused(Refusal.REDUCE)
        usd = tape.ask_usd if coins > 0 else tape.bid_usd
        if not reduces and size * usd < least_usd:
            raise PerpRefused(Refusal.NOTIONAL)
        crosses = not limit_usd or (limit_usd >= usd if coins > 0 else limit_usd <= usd)
        fee_usd = self._trade(tape.symbol, coins, usd, fee_rate) if crosses else 0.0
        order = PerpOrder(
            order_id=len(self.orders) + 1, name=name or f"x{len(self.orders) + 1}", symbol=tape.symbol, coins=coins,
            limit_usd=limit_usd, reduces=reduces, usd=usd if crosses else 0.0, fee_usd=fee_usd, at_ms=at_ms,
        )  # fmt: skip
        self.orders[order.name] = order
        return order

    def _trade(self, symbol: str, coins: float, usd: float, fee_rate: float) -> float:
        """Move position and money; gives the fee."""
        held, entry = self.positions.get(symbol, 0.0), self.entries_usd.get(symbol, 0.0)
        after = round(held + coins, 9)
        if held * coins >= 0:
            self.entries_usd[symbol] = (abs(held) * entry + abs(coins) * usd) / (abs(held) + abs(coins))
        else:
            closed = min(abs(coins), abs(held)) * (1.0 if held > 0 else -1.0)
            self.cash_usd += closed * (usd - entry)
            if after * held < 0:
                self.entries_usd[symbol] = usd
        fee_usd = abs(coins) * usd * fee_rate
        self.cash_usd -= fee_usd
        self.fees_usd += fee_usd
        self.positions[symbol] = after
        return fee_usd

    def find(self, name: str, order_id: str = "") -> PerpOrder | None:
        """Give an order by the client's id, or else by the exchange's."""
        if name:
            return self.orders.get(name)
        return next((order for order in self.orders.values() if str(order.order_id) == order_id), None)


def play_secret(api_key: str) -> str:
    """Give the secret that belongs to a key next door: by rule, for nothing but play money is behind it."""
    return hashlib.sha256(f"next door: {api_key}".encode()).hexdigest()


class PerpCustomers:
    """Who trades at a perpetual exchange.

    Args:
        known: API key -> customer.
        opens: Also open an account for every key that comes, its secret that of `play_secret`.
    """

    def __init__(self, known: Mapping[str, PerpAccount] | None = None, *, opens: bool = False) -> None:
        self._known, self._opens = dict(known or {}), opens

    def find(self, api_key: str) -> PerpAccount | None:
        """Give a customer by its key."""
        if api_key and api_key not in self._known and self._opens:
            self._known[api_key] = PerpAccount(play_secret(api_key))
        return self._known.get(api_key)


class PerpTapes:
    """The perpetual of each coin under an exchange's own names.

    The market next door has one perpetual, and every exchange shows its touch: a basis between exchanges there is not.
    """

    def __init__(self, engine: Engine, symbol_form: str) -> None:
        self.tapes = {asset: Tape(asset, symbol_form.format(asset.name)) for asset in Asset}
        self.by_symbol = {tape.symbol: tape for tape in self.tapes.values()}
        engine.on_public(self.heed)

    def heed(self, rows: NDArray[Any]) -> None:
        """Take what the market said of the perpetual."""
        for told in read_rows(rows, Source.BINANCE_PERP):
            tape = self.tapes[told.asset]
            if isinstance(told, Quote):
                tape.take_quote(told)
            else:
                tape.take_print(told)

    def quoted(self, symbol: str | None = None) -> list[Tape]:
        """Give the perpetuals whose touch is known, or the one that is named."""
        return [tape for tape in self.tapes.values() if tape.is_quoted and symbol in (None, tape.symbol)]
