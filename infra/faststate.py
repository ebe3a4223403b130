"""Fast state: what several parts, and later several processes, must agree on at once: rates, leases, last values.

One port with one store in this process; a store that others share (Redis) keeps the same words and the same meaning.
An order never waits for the network, so `take` answers at once: a shared store hands out tokens that it fetched ahead.
What may wait, waits (`async`).

A lease says who may act, and until when. Each new holder gets a higher fence, and whoever keeps values by lease refuses
those of a lower one: a holder that slept past its end and woke can do no harm.
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


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to act under a name until a time, by the store's clock."""

    name: str
    holder: str
    fence: int
    """Grows with each new holder of the name, and never falls."""
    until_ns: int


class FastState(Protocol):
    """The port."""

    def take(self, bucket: str, rate: Rate, tokens: float = 1.0) -> bool:
        """Take tokens of a bucket: all of them or none; never waits. A bucket begins full."""

    async def lease(self, name: str, holder: str, span_ns: int) -> Lease | None:
        """Get a name for a span; None while another holds it. A holder that asks again goes on under its fence."""

    async def release(self, lease: Lease) -> bool:
        """Give a name back; False when it was no longer ours."""

    async def put(self, name: str, value: bytes, lease: Lease | None = None) -> bool:
        """Keep a last value; False (and nothing kept) under a lease that is over or was overtaken."""

    async def last(self, name: str) -> bytes | None:
        """Give the last value of a name; None where there is none."""


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
    _leases: dict[str, Lease] = field(default_factory=dict)
    """By name; one that is over stays, for its fence."""
    _values: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    """Value, and the fence under which it was put."""

    def take(self, bucket: str, rate: Rate, tokens: float = 1.0) -> bool:
        """Take tokens of a bucket; another rate than before makes it a new bucket."""
        now_ns = self.clock.now_ns()
        kept = self._buckets.get(bucket)
        if kept is None or kept.rate != rate:
            kept = self._buckets[bucket] = Bucket(rate, rate.burst, now_ns)
        return kept.take(tokens, now_ns)

    async def lease(self, name: str, holder: str, span_ns: int) -> Lease | None:
        """Get a name for a span from now on."""
        now_ns = self.clock.now_ns()
        before = self._leases.get(name)
        alive = before is not None and now_ns < before.until_ns
        if before is not None and alive and before.holder != holder:
            return None
        fence = 1 if before is None else before.fence + (not alive)
        self._leases[name] = given = Lease(name, holder, fence, now_ns + span_ns)
        return given

    async def release(self, lease: Lease) -> bool:
        """Give a name back."""
        if not self._stands(lease):
            return False
        self._leases[lease.name] = Lease(lease.name, lease.holder, lease.fence, self.clock.now_ns())
        return True

    async def put(self, name: str, value: bytes, lease: Lease | None = None) -> bool:
        """Keep a last value; without a lease it is anybody's, as long as nobody put it under one."""
        fence = lease.fence if lease is not None else 0
        if (lease is not None and not self._stands(lease)) or fence < self._values.get(name, (b"", 0))[1]:
            return False
        self._values[name] = value, fence
        return True

    async def last(self, name: str) -> bytes | None:
        """Give the last value of a name."""
        found = self._values.get(name)
        return None if found is None else found[0]

    def _stands(self, lease: Lease) -> bool:
        kept = self._leases.get(lease.name)
        return kept is not None and kept.fence == lease.fence and self.clock.now_ns() < kept.until_ns
