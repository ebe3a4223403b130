"""User news: what happened to orders and trades, told to who listens, at once or as late as a fault wants."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from infra.venue_next_door.agenda import Agenda
from infra.venue_next_door.faults import Fault, Faults
from infra.venue_next_door.nouns import Account, PlacedOrder, Trade
from state.units import NS_PER_MS

OrderListener = Callable[[Account, PlacedOrder, str], None]
"""Is told of an order's news: account, order, and PLACEMENT, UPDATE or CANCELLATION."""
TradeListener = Callable[[Account, Trade], None]
"""Is told of every change of a trade's status."""


class UserNews:
    """Tells listeners; while the fault `delayed_status` is on, later, as things stood, and in their order."""

    def __init__(self, agenda: Agenda, faults: Faults, now_ns: Callable[[], int]) -> None:
        """Take where to note what is held back, and what says the time."""
        self._agenda = agenda
        self._faults = faults
        self._now_ns = now_ns
        self._held: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._last_ns = 0
        self.orders: list[OrderListener] = []
        self.trades: list[TradeListener] = []

    def tell_order(self, account: Account, order: PlacedOrder, news: str) -> None:
        """Tell an order's news."""
        if self._is_free():
            self._say_order(account, order, news)
        else:
            self._hold(self._say_order, account, replace(order, trade_ids=list(order.trade_ids)), news)

    def tell_trade(self, account: Account, trade: Trade) -> None:
        """Tell a trade's status."""
        if self._is_free():
            self._say_trade(account, trade)
        else:
            self._hold(self._say_trade, account, replace(trade))

    def _say_order(self, account: Account, order: PlacedOrder, news: str) -> None:
        for listener in self.orders:
            listener(account, order, news)

    def _say_trade(self, account: Account, trade: Trade) -> None:
        for listener in self.trades:
            listener(account, trade)

    def _is_free(self) -> bool:
        return not self._held and not self._faults.is_on(Fault.DELAYED_STATUS)

    def _hold(self, say: Callable[..., None], *what: Any) -> None:
        late_ns = round(self._faults.value(Fault.DELAYED_STATUS) * NS_PER_MS)
        self._last_ns = max(self._last_ns, self._now_ns() + late_ns)
        self._held.append((say, what))
        self._agenda.add(self._last_ns, self._let_go)

    def _let_go(self, _: int) -> None:
        say, what = self._held.popleft()
        say(*what)
