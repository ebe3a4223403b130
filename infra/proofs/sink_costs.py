"""What all sinks together add to the way of an order: all that the desk's own process does for them, and nothing else.

Tee, archive and metrics follow the journal's files in processes of their own; what is left to the desk is a token of a
rate that is shared by Redis in place of one of its own, and its pulse every few seconds, off that way. So a token of
each kind is taken by turns, while the sinks work beside: what both have in common (this machine's other work) cancels.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from evals.proof import Figure
from infra.clock import WALL
from infra.fast_state.in_process import InProcess
from infra.fast_state.port import FastState, Rate
from infra.fast_state.redis_store import RedisStore
from infra.fast_state.settings import place_of

RATE: Final = Rate(per_s=5_000.0, burst=2_000.0)
"""Above what is asked for, so that an answer is always a token and never a refusal."""
EVERY_S: Final = 0.002
BAR_US: Final = 20.0
BUCKET: Final = "orders"


@dataclass(slots=True)
class SinkCosts:
    """Takes tokens of both kinds by turns, and times each."""

    url: str
    with_us: list[float] = field(default_factory=list)
    without_us: list[float] = field(default_factory=list)
    refused_count: int = 0

    def run(self, is_over: Callable[[], bool]) -> None:
        """Take tokens until it is over."""
        own = InProcess(WALL)
        with RedisStore(place_of(self.url, 1.0), "proof") as shared:
            for store in (shared, own):
                store.expect(BUCKET, RATE)
            time.sleep(1.0)  # the first tokens are fetched
            while not is_over():
                for store, kept in ((shared, self.with_us), (own, self.without_us)):
                    kept.append(self._timed(store))
                time.sleep(EVERY_S)

    def _timed(self, store: FastState) -> float:
        began_ns = time.perf_counter_ns()
        taken = store.take(BUCKET, RATE)
        spent_ns = time.perf_counter_ns() - began_ns
        self.refused_count += not taken
        return spent_ns / 1e3

    def figures(self) -> list[Figure]:
        """Give what sinks add, as the difference of both kinds at the same share."""
        found = []
        for share in (50, 99):
            shared, own = (float(np.percentile(kept, share)) for kept in (self.with_us, self.without_us))
            found.append(
                Figure(name=f"added to the way of an order by all sinks, p{share}", bar=f"<= {BAR_US:g} us",
                       measured=f"{shared - own:.1f} us ({shared:.1f} less {own:.1f})", holds=shared - own <= BAR_US)
            )  # fmt: skip
        found.append(
            Figure(name="tokens that were asked for and refused", measured=self.refused_count,
                   bar="-")
        )  # fmt: skip
        return found
