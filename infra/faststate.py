"""Fast state: what several parts, and later several processes, must agree on at once: rates.

One port with one store in this process; a store that others share (Redis) keeps the same words and the same meaning.
An order never waits for the network, so `take` answers at once: a shared store hands out tokens that it fetched ahead.
Who may act at all is said by the lease of a key (`infra/shell/lease.py`).
"""

from dataclasses import dataclass, field
from typing import Protocol

from infra.clock import Clock
from state.units import NS_PER_S


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something may be done: so many a second, and so many at once after a quiet time."""

    per_s: float
    burst: float


class FastState(Protocol):
    """The port."""

    def take(self, bucket: str, rate: Rate, tokens: float = 1.0) -> bool:
        """Take tokens of a bucket: all of them or none; never waits. A bucket begins full."""


@dataclass(slots=True)
class Bucket:
    """Tokens that come back with time; the clock's reading is handed in."""

    rate: Rate
    left: float
    filled_ns: int

    def take(self, tokens: float, now_ns: int) -> bool:
        """Take tokens, all or none; a clock that stands back gives nothing and takes nothing."""
        span_ns = max(now_ns - self.filled_ns, 0)
        self.left = min(self.left + span_ns * self.rate.per_s / NS_PER_S, self.rate.burst)
        self.filled_ns = max(self.filled_ns, now_ns)
        if self.left < tokens:
            return False
        self.left -= tokens
        return True


@dataclass(slots=True)
class InProcess:
    """The store of one process: nothing is shared, nothing outlives it."""

    clock: Clock
    _buckets: dict[str, Bucket] = field(default_factory=dict)

    def take(self, bucket: str, rate: Rate, tokens: float = 1.0) -> bool:
        """Take tokens of a bucket; another rate than before makes it a new bucket."""
        now_ns = self.clock.now_ns()
        kept = self._buckets.get(bucket)
        if kept is None or kept.rate != rate:
            kept = self._buckets[bucket] = Bucket(rate, rate.burst, now_ns)
        return kept.take(tokens, now_ns)
