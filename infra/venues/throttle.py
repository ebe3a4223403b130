"""Throttle: how many orders may leave, by our own measure and by what the venue asks of us."""

from dataclasses import dataclass
from typing import Final

from infra.clock import Clock
from state.orders import Reject
from state.units import NS_PER_S

ORDERS_PER_S: Final = 20
"""Half of what the venue's lowest tier allows (venue reference 5.7, 10)."""
BURST: Final = 20
PAUSE_S: Final = 1.0
PAUSE_MOST_S: Final = 8.0


@dataclass(slots=True)
class Throttle:
    """A token bucket for orders, and the pauses that the venue imposes; cancels ask nobody. Time is the clock's."""

    clock: Clock
    per_s: float = ORDERS_PER_S
    burst: float = BURST
    left: float = BURST
    filled_ns: int = 0
    pause_until_ns: int = 0
    pause_reject: Reject = Reject.NONE
    pauses_in_row: int = 0
    refused_count: int = 0

    def refusal(self, post_only: bool) -> Reject:
        """Take a token for one order: NONE when it may leave now, else why not. It never waits: prices grow old."""
        now_ns = self.clock.now_ns()
        passing = post_only and self.pause_reject is Reject.POST_ONLY_MODE
        if now_ns < self.pause_until_ns and not passing:
            self.refused_count += 1
            return self.pause_reject
        self.left = min(self.left + (now_ns - self.filled_ns) * self.per_s / NS_PER_S, self.burst)
        self.filled_ns = now_ns
        if self.left < 1.0:
            self.refused_count += 1
            return Reject.RATE_LIMITED
        self.left -= 1.0
        return Reject.NONE

    def pause(self, reject: Reject, asked_s: float) -> None:
        """Send no orders for what the venue asks, or for a time that grows with each pause in a row."""
        grown = min(PAUSE_S * 2.0**self.pauses_in_row, PAUSE_MOST_S)
        self.pauses_in_row = min(self.pauses_in_row + 1, 10)
        self.pause_until_ns = self.clock.now_ns() + round((asked_s or grown) * NS_PER_S)
        self.pause_reject = reject

    def went_well(self) -> None:
        """Note that the venue took an order."""
        self.pauses_in_row = 0
