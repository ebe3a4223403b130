"""Bucket: tokens that come back with time; the clock's reading is handed in."""

from dataclasses import dataclass

from infra.fast_state.port import Rate
from state.units import NS_PER_S


@dataclass(slots=True)
class Bucket:
    """Tokens of one rate."""

    rate: Rate
    left: float
    filled_ns: int

    def take(self, tokens: float, now_ns: int) -> bool:
        """Take tokens, all or none; a clock that stands back gives nothing and takes nothing."""
        self.fill(now_ns)
        return self.spend(tokens)

    def fill(self, now_ns: int) -> None:
        """Let come back what time has brought."""
        span_ns = max(now_ns - self.filled_ns, 0)
        self.left = min(self.left + span_ns * self.rate.per_s / NS_PER_S, self.rate.burst)
        self.filled_ns = max(self.filled_ns, now_ns)

    def spend(self, tokens: float) -> bool:
        """Take of what is there, all or none."""
        if self.left < tokens:
            return False
        self.left -= tokens
        return True
