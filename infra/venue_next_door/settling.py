"""Trades on their way to the chain: MATCHED, MINED, CONFIRMED, with the detours of RETRYING and FAILED.

Venue reference 4.2 has the path, its timing is an assumption: about 2.2 s to the block (p90 3 s), 2 s more until it is
final, some 3 s more for a trade that had to be sent again. A trade that will fail never says MINED.
"""

import hashlib
import math
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

from infra.venue_next_door.agenda import Agenda
from infra.venue_next_door.faults import Fault, Faults
from infra.venue_next_door.nouns import Account, PlacedOrder, Trade, TradeStatus, Window
from state.events import Side, Token
from state.units import NS_PER_MS, NS_PER_S

MINED_MS: Final = 2_200.0
MINED_SPREAD: Final = math.log(3_000.0 / MINED_MS) / 1.281552
CONFIRMED_MS: Final = 2_000.0
CONFIRMED_SPREAD: Final = 0.2
AGAIN_MS: Final = 3_000.0

TradeNews = Callable[[Account, Trade], None]


class Settling:
    """Moves every trade along, and tells of each step."""

    def __init__(self, agenda: Agenda, faults: Faults, seed: int, tell: TradeNews) -> None:
        """Take where to note what is due, and who is told."""
        self._agenda = agenda
        self._faults = faults
        self._seed = seed
        self._tell = tell
        self._rng = np.random.default_rng((seed, 0x5E77))
        self._unmined: dict[str, tuple[Account, Trade]] = {}
        """Trades that are not on chain yet, by id."""
        self._doomed: dict[str, None] = {}
        """Those of them that will fail."""

    def trade_id(self, account: Account, number: int) -> str:
        """Give the id of an account's next trade: as long as the run's seed is the same, the same."""
        digits = hashlib.sha256(f"{self._seed} {account.api_key} {number}".encode()).hexdigest()
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))

    def begin(self, account: Account, trade: Trade, is_doomed: bool) -> None:
        """Take a fresh match, tell of it, and send it on its way."""
        if trade.is_maker and self._faults.is_on(Fault.SHARED_TRADE):
            trade.shared_id = _id_to_share(account, trade)
        mined_ms, again, confirmed_ms = self._drawn()
        self._unmined[trade.trade_id] = account, trade
        self._tell(account, trade)
        due_ns = trade.matched_ns + round(mined_ms * NS_PER_MS)
        if again:
            self._agenda.add(due_ns, lambda at_ns: self._retry(trade.trade_id, at_ns))
            due_ns += round(AGAIN_MS * NS_PER_MS)
        if is_doomed:
            self._doomed[trade.trade_id] = None
        else:
            self._agenda.add(due_ns, lambda at_ns: self._mine(trade.trade_id, at_ns, confirmed_ms))

    def _drawn(self) -> tuple[float, bool, float]:
        one, two = self._rng.standard_normal(2)
        again = float(self._rng.random()) < self._faults.value(Fault.RETRYING_TRADE)
        return MINED_MS * math.exp(MINED_SPREAD * one), again, CONFIRMED_MS * math.exp(CONFIRMED_SPREAD * two)

    def _change(self, account: Account, trade: Trade, status: TradeStatus, at_ns: int) -> None:
        trade.status, trade.changed_ns = status, at_ns
        self._tell(account, trade)

    def _retry(self, trade_id: str, at_ns: int) -> None:
        if trade_id in self._unmined:
            self._change(*self._unmined[trade_id], TradeStatus.RETRYING, at_ns)

    def _mine(self, trade_id: str, at_ns: int, confirmed_ms: float) -> None:
        if trade_id not in self._unmined:
            return  # it failed meanwhile
        account, trade = self._unmined.pop(trade_id)
        trade.transaction_hash = "0x" + hashlib.sha256(f"{trade_id} mined".encode()).hexdigest()
        self._change(account, trade, TradeStatus.MINED, at_ns)
        due_ns = at_ns + round(confirmed_ms * NS_PER_MS)
        self._agenda.add(due_ns, lambda at_ns: self._change(account, trade, TradeStatus.CONFIRMED, at_ns))

    def overfill_micros(self) -> int:
        """Give what a take gets beyond what it asked for."""
        return round(self._faults.value(Fault.OVERFILL))

    def doomed_count(self, order: PlacedOrder, price_bps: int, amount_micros: int) -> int:
        """Give how many of an order's trades at a price and of a size will fail."""
        return sum(_is_match(self._unmined[each][1], order, price_bps, amount_micros) for each in self._doomed)

    def fail(self, order: PlacedOrder, price_bps: int, amount_micros: int, at_ns: int) -> None:
        """Let the first of an order's doomed trades at a price and of a size be FAILED."""
        for trade_id in self._doomed:
            account, trade = self._unmined[trade_id]
            if _is_match(trade, order, price_bps, amount_micros):
                del self._doomed[trade_id], self._unmined[trade_id]
                self._change(account, trade, TradeStatus.FAILED, at_ns)
                return
        raise AssertionError(f"no trade of order {order.order_hash} was to fail")

    def spare(self, window: Window, at_ns: int) -> None:
        """Let the doomed trades of a window that is settled stand: the model takes nothing back after that."""
        for trade_id in [each for each in self._doomed if self._unmined[each][1].order.window is window]:
            del self._doomed[trade_id]
            self._agenda.add(at_ns + NS_PER_S, partial(self._mine_spared, trade_id))

    def _mine_spared(self, trade_id: str, at_ns: int) -> None:
        self._mine(trade_id, at_ns, CONFIRMED_MS)

    def unmined_micros(self, account: Account, window: Window, token: Token) -> int:
        """Give the shares of a token that an account has bought and that are not on chain yet."""
        return sum(
            trade.amount_micros
            for holder, trade in self._unmined.values()
            if holder is account
            and trade.order.window is window
            and trade.order.token is token
            and trade.order.side is Side.BUY
        )


def _id_to_share(account: Account, trade: Trade) -> str:
    """Give the id of the newest match of another resting order in the window; one that this order has not had yet."""
    order = trade.order
    taken = {each.told_id for each in account.trades.values() if each.order is order}
    for each in reversed(account.trades.values()):
        is_like = each.is_maker and each.order is not order and each.order.window is order.window
        if is_like and each.told_id not in taken:
            return each.told_id
    return ""


def _is_match(trade: Trade, order: PlacedOrder, price_bps: int, amount_micros: int) -> bool:
    return trade.order is order and trade.price_bps == price_bps and trade.amount_micros == amount_micros
