"""What all sinks together add to the way of an order: all that the desk's own process does for them, and nothing else.

Tee, archive and metrics follow the journal's files in processes of their own; what is left to the desk is a token of a
rate that is shared by Redis in place of one of its own, and its pulse every few seconds, off that way. So a token of
each kind is taken by turns, while the sinks work beside: what both have in common (this machine's other work) cancels.
It is done in a process of its own, as a desk is one: `python -m infra.proofs.sink_costs URL`, until its input ends.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from evals.proof import Figure
from infra.clock import WALL
from infra.fast_state.in_process import InProcess
from infra.fast_state.port import FastState, Rate
from infra.fast_state.redis_store import RedisStore
from infra.fast_state.settings import place_of
from infra.version import ROOT

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
            pairs: list[tuple[FastState, list[float]]] = [(shared, self.with_us), (own, self.without_us)]
            for store, _ in pairs:
                store.expect(BUCKET, RATE)
            time.sleep(1.0)  # the first tokens are fetched
            while not is_over():
                for store, kept in pairs:
                    kept.append(self._timed(store))
                pairs.reverse()  # whoever comes first after a pause finds the processor's memory cold
                time.sleep(EVERY_S)

    def _timed(self, store: FastState) -> float:
        began_ns = time.perf_counter_ns()
        taken = store.take(BUCKET, RATE)
        spent_ns = time.perf_counter_ns() - began_ns
        self.refused_count += not taken
        return spent_ns / 1e3

    def told(self) -> dict[str, list[float]]:
        """Give what was timed, as JSON can hold it."""
        return {"with_us": self.with_us, "without_us": self.without_us, "refused": [float(self.refused_count)]}


@contextmanager
def timed_beside(url: str) -> Iterator[Callable[[], list[Figure]]]:
    """Time in a process of its own while the block lasts; what is given ends it and gives the figures."""
    child = subprocess.Popen(
        [sys.executable, "-m", "infra.proofs.sink_costs", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip

    def ended() -> list[Figure]:
        out, _ = child.communicate(b"")
        return figures_of(json.loads(out))

    try:
        yield ended
    finally:
        if child.poll() is None:
            child.kill()
            child.communicate()


def figures_of(told: dict[str, list[float]]) -> list[Figure]:
    """Give what sinks add, as the difference of both kinds at the same share."""
    found = []
    for share in (50, 99):
        shared, own = (float(np.percentile(told[name], share)) for name in ("with_us", "without_us"))
        found.append(
            Figure(name=f"added to the way of an order by all sinks, p{share}", bar=f"<= {BAR_US:g} us",
                   measured=f"{shared - own:.1f} us ({shared:.1f} less {own:.1f}, {len(told['with_us']):,} timed)",
                   holds=shared - own <= BAR_US)
        )  # fmt: skip
    return [*found, Figure(name="tokens that were asked for and refused", measured=int(told["refused"][0]), bar="-")]


if __name__ == "__main__":
    over = threading.Event()
    costs = SinkCosts(sys.argv[1])
    timing = threading.Thread(target=costs.run, args=(over.is_set,))
    timing.start()
    while os.read(0, 4096):
        pass
    over.set()
    timing.join()
    sys.stdout.write(json.dumps(costs.told()))
