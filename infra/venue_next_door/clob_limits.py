"""Who asks too often: token buckets by signer, in the venue's own time, with the headers that tell of them.

Standard tier (venue reference 5.7): 40 orders a second and 60 at once, 80 cancels a second and 120 at once. A batch is
taken whole or refused whole.
"""

from dataclasses import dataclass
from typing import Final

from infra.venue_next_door.refusals import TOO_MANY, Refusal
from state.units import NS_PER_S

ORDERS: Final = (40, 60)
CANCELS: Final = (80, 120)
"""Tokens a second, and the most that are kept."""


@dataclass(slots=True)
class Bucket:
    """One signer's tokens of one sort."""

    per_s: int
    burst: int
    tokens: float
    at_ns: int

    def take(self, count: int, now_ns: int) -> dict[str, str]:
        """Take tokens and give the headers of the answer.

        Raises:
            Refusal: 429 with `Retry-After`; nothing was taken.
        """
        span_ns = max(now_ns - self.at_ns, 0)
        self.tokens = min(self.tokens + span_ns * self.per_s / NS_PER_S, float(self.burst))
        self.at_ns = now_ns
        if self.tokens < count:
            wait_s = max(1, -int((self.tokens - count) // self.per_s))
            raise Refusal(TOO_MANY, 429, headers={**self.headers(now_ns), "Retry-After": str(wait_s)})
        self.tokens -= count
        return self.headers(now_ns)

    def headers(self, now_ns: int) -> dict[str, str]:
        """Give the documented headers; `Reset` is read as the second by which the bucket is full again (a doubt)."""
        full_s = (self.burst - self.tokens) / self.per_s
        return {
            "Poly-RateLimit-Remaining": str(int(self.tokens)),
            "Poly-RateLimit-Reset": str(int(now_ns / NS_PER_S + full_s) + 1),
            "Poly-RateLimit-Tier": "standard",
            "Poly-RateLimit-Warning": "false",
        }


class RateLimits:
    """The buckets of all signers."""

    def __init__(self) -> None:
        """Begin with none: a signer's buckets are full when it first asks."""
        self._buckets: dict[tuple[str, tuple[int, int]], Bucket] = {}

    def take(self, signer: str, sort: tuple[int, int], count: int, now_ns: int) -> dict[str, str]:
        """Take tokens of a sort (`ORDERS`, `CANCELS`) for a signer; gives headers or raises Refusal."""
        bucket = self._buckets.get((signer, sort))
        if bucket is None:
            bucket = self._buckets[signer, sort] = Bucket(*sort, float(sort[1]), now_ns)
        return bucket.take(count, now_ns)
