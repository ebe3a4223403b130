"""Stock: tokens of a shared bucket that were fetched ahead, and what is to be had when the store cannot be reached.

No more is ever in hand than our share of the burst. While the store is away, what is in hand fills at our share of the
rate, beginning when the store has certainly noted our silence. As long as the shares of all come to no more than one,
all together never have more than the whole rate.

Doubt: who was cut off for longer than `DEAD_MS` while others were not, is taken to be dead by the store, and its share
is given to them; until it is back, all together may have more by that share.
"""

from dataclasses import dataclass, field
from typing import Final

from infra.fast_state.bucket import Bucket
from infra.fast_state.port import Rate
from state.units import NS_PER_MS

LIFE_MS: Final = 1_500
"""Who was not heard for so long is taken to go on by himself, with his share; no try to reach the store is longer."""
DEAD_MS: Final = 60_000
LOW_RATIO: Final = 0.75
"""More is fetched as soon as less of the whole is in hand."""


_NEVER: Final = 2**62


@dataclass(slots=True)
class Stock:
    """What is in hand of one bucket; whoever uses it holds the store's lock."""

    rate: Rate
    share: float
    is_alone: bool = True
    """The store is away: what is in hand fills by itself."""
    is_asking: bool = False
    """What is in hand has been reported and not been answered yet: it only grows when it is known how."""
    hand: Bucket = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing in hand, and with nothing to come: the store has not been asked."""
        self.hand = Bucket(self.rate.part(self.share), 0.0, _NEVER)

    @property
    def want(self) -> float:
        """Give how many tokens may be in hand."""
        return self.hand.rate.burst

    @property
    def is_low(self) -> bool:
        """Say whether more should be fetched at once."""
        return self.hand.left < LOW_RATIO * self.want

    def take(self, tokens: float, now_ns: int) -> bool:
        """Take of what is in hand."""
        if self.is_alone and not self.is_asking:
            self.hand.fill(now_ns)
        return self.hand.spend(tokens)

    def report(self, now_ns: int) -> float:
        """Give what is in hand, for the store to know before it grants more."""
        if self.is_alone:
            self.hand.fill(now_ns)
        self.is_asking = True
        return self.hand.left

    def granted(self, tokens: float) -> None:
        """Take in what was fetched."""
        self.is_alone = self.is_asking = False
        self.hand.left += tokens

    def lost(self, now_ns: int) -> None:
        """Go on alone: the store did not answer by now."""
        if not self.is_alone or self.hand.filled_ns == _NEVER:
            self.hand.filled_ns = now_ns + LIFE_MS * NS_PER_MS
        self.is_alone, self.is_asking = True, False
