"""Throttle: how many orders may leave, by our own measure and by what the venue asks of us."""

from dataclasses import dataclass, field
from typing import Final

from infra.clock import Clock
from infra.fast_state.in_process import InProcess
from infra.fast_state.port import FastState, Rate
from state.orders import Reject
from state.units import NS_PER_S

ORDERS: Final = Rate(per_s=20.0, burst=20.0)
"""Half of what the venue's lowest tier allows (venue reference 5.7, 10)."""
PAUSE_S: Final = 1.0
PAUSE_MOST_S: Final = 8.0


@dataclass(slots=True)
class Throttle:
    """A bucket of orders in the fast state, and the pauses that the venue imposes; cancels ask nobody.

    Who shares an account shares its bucket: `account` names it. Time is the clock's.
    """

    clock: Clock
    store: FastState | None = None
    """None: a store of this process alone."""
    account: str = ""
    rate: Rate = ORDERS
    pauses_in_row: int = 0
    refused_count: int = 0
    _store: FastState = field(init=False)
    _pauses: dict[Reject, int] = field(default_factory=dict)
    """Why -> until when: each reason has its own end, so that none cuts another short."""

    def __post_init__(self) -> None:
        """Take a store."""
        self._store = self.store if self.store is not None else InProcess(self.clock)
        self._store.expect(self._bucket, self.rate)

    @property
    def _bucket(self) -> str:
        return f"orders/{self.account}"

    @property
    def pause_until_ns(self) -> int:
        """Give until when some order is held up."""
        return max(self._pauses.values(), default=0)

    @property
    def pause_reject(self) -> Reject:
        """Give why, of several reasons the one that lasts longest."""
        return max(self._pauses, key=self._pauses.__getitem__, default=Reject.NONE)

    def refusal(self, post_only: bool) -> Reject:
        """Take a token for one order: NONE when it may leave now, else why not. It never waits: prices grow old."""
        for reject, until_ns in self._pauses.items():
            passing = post_only and reject is Reject.POST_ONLY_MODE
            if self.clock.now_ns() < until_ns and not passing:
                self.refused_count += 1
                return reject
        if not self._store.take(self._bucket, self.rate):
            self.refused_count += 1
            return Reject.RATE_LIMITED
        return Reject.NONE

    def pause(self, reject: Reject, asked_s: float) -> None:
        """Send no orders for what the venue asks, or for a time that grows with each pause in a row; never shorten."""
        grown = min(PAUSE_S * 2.0**self.pauses_in_row, PAUSE_MOST_S)
        self.pauses_in_row = min(self.pauses_in_row + 1, 10)
        until_ns = self.clock.now_ns() + round((asked_s or grown) * NS_PER_S)
        self._pauses[reject] = max(until_ns, self._pauses.get(reject, 0))

    def went_well(self) -> None:
        """Note that the venue took an order."""
        self.pauses_in_row = 0
