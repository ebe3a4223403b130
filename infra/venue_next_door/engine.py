"""The engine of the venue next door: one market for all, an account of the matching model for each customer."""

from collections.abc import Callable, Iterable
from typing import Any

from numpy.typing import NDArray

from infra.clock import Clock
from infra.venue_next_door.faults import Faults
from infra.venue_next_door.nouns import Account, Answer, BookShown, NewOrder, PlacedOrder, Trade, Window

PublicListener = Callable[[NDArray[Any]], None]
"""Is told rows of `state.events.EVENT`, whole frames only, at the moment they are due to leave the venue."""
OrderListener = Callable[[Account, PlacedOrder, str], None]
"""Is told of an order's news: account, order, and PLACEMENT, UPDATE or CANCELLATION."""
TradeListener = Callable[[Account, Trade], None]
"""Is told of every change of a trade's status."""
WindowListener = Callable[[Window, str], None]
"""Is told `listed`, `hydrated`, `strike` (Gamma may show it), `resolved`."""


class Engine:
    """SKELETON: helper 1 writes this; the signatures stand."""

    clock: Clock
    faults: Faults
    windows: dict[str, Window]
    """By slug; those that ended long ago are forgotten."""
    accounts: dict[str, Account]
    """By API key."""

    def __init__(self, source: Iterable[NDArray[Any]], clock: Clock, faults: Faults, *, seed: int = 1) -> None:
        raise NotImplementedError

    async def run(self) -> None:
        """Live until cancelled: apply what is due, match, publish, settle, watch heartbeats."""

    def step(self) -> None:
        """Do all that is due by the clock's time; called by `run`, and by tests with a clock of their own."""

    # Who listens. Callbacks are synchronous and must not wait.

    def on_public(self, listener: PublicListener) -> None: ...
    def on_order(self, listener: OrderListener) -> None: ...
    def on_trade(self, listener: TradeListener) -> None: ...
    def on_window(self, listener: WindowListener) -> None: ...

    # What is known.

    def now_ns(self) -> int:
        """Give the venue's own time: the clock's, plus the fault `clock_skew` (milliseconds)."""
        raise NotImplementedError

    def window_of_condition(self, condition_id: str) -> Window | None:
        raise NotImplementedError

    def window_of_token(self, token_id: str) -> Window | None:
        raise NotImplementedError

    def window_of_slot(self, slot: int) -> Window | None:
        """Give the window that a slot of the venue's rows stands for now."""
        raise NotImplementedError

    def book(self, token_id: str) -> BookShown | None:
        raise NotImplementedError

    def reference_usd(self) -> float:
        """Give the last value of the settlement stream; 0 before the first."""
        raise NotImplementedError

    # Customers.

    def open_account(self, owner_address: str, wallet_address: str, nonce: int) -> Account:
        """Give the account of a signer and nonce, opened with play money if it is new; same in, same keys out."""
        raise NotImplementedError

    def place(self, account: Account, order: NewOrder) -> Answer:
        """Hand an order to the matching model now and give what it says at once."""
        raise NotImplementedError

    def cancel(self, account: Account, order_hash: str) -> str:
        """Cancel an order; gives "" when it is gone, else the reason in the venue's words."""
        raise NotImplementedError

    def cash_micros(self, account: Account) -> int:
        raise NotImplementedError

    def shares_micros(self, account: Account, token_id: str) -> int:
        """Give confirmed shares of a token (a fresh match counts only once MINED)."""
        raise NotImplementedError

    def split(self, account: Account, condition_id: str, amount_micros: int) -> None:
        """Turn collateral into a pair of tokens; raises ValueError when it does not cover."""

    def merge(self, account: Account, condition_id: str, amount_micros: int) -> None:
        """Turn pairs back into collateral; raises ValueError when there are not enough."""

    def redeem(self, account: Account, condition_id: str) -> int:
        """Pay out a resolved window's winning shares; gives the collateral paid, in micros."""
        raise NotImplementedError
