"""Pulse: how the session itself does, noted in its journal every few seconds for those who watch from outside.

What came in and what was decided can be read off the journal anyway; this is what cannot: how much waits, what was
dropped, how long each stage took, how the connections and the shared fast state do. Whoever exports it, alarms or
draws it does so in a process of his own. A replay does not look at it.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import numpy as np

from infra.clock import monotonic_ns
from infra.fast_state.port import FastState, Standing
from infra.shell.face import Face
from infra.shell.latency import Latency, Span
from infra.shell.shell import Shell
from state.units import NS_PER_S

LOOK_S: Final = 0.25
PULSE_S: Final = 5.0
"""Both in real time, however fast a rehearsal runs."""
KEY: Final = "pulse"
BOUNDS_MS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0)


@dataclass(slots=True)
class Spread:
    """Samples by size: how many were at most so many ms, and the sum of all."""

    counts: Any = field(default_factory=lambda: np.zeros(len(BOUNDS_MS) + 1, np.int64))
    """By bound, each without those of the bound before; the last has what is beyond."""
    sum_ms: float = 0.0
    taken: int = 0

    def take(self, samples: "deque[float]", count: int) -> None:
        """Take in what was added since the last look; what has left the deque by then is not counted."""
        fresh = np.fromiter(islice(reversed(samples), min(count - self.taken, len(samples))), float)
        self.taken = count
        if len(fresh):
            self.counts += np.bincount(np.searchsorted(BOUNDS_MS, fresh), minlength=len(BOUNDS_MS) + 1)
            self.sum_ms += float(fresh.sum())

    @property
    def plain(self) -> dict[str, Any]:
        """Give it as the journal holds it."""
        return {"counts": self.counts.tolist(), "sum_ms": round(self.sum_ms, 3)}


class Pulse:
    """Notes how a session does; the session goes on whatever it finds.

    Args:
        store: The fast state that others share; None where the session's is its own.
        shell: Of the session.
        face: Knows the connections, and tells people.
    """

    def __init__(self, store: FastState | None, shell: Shell, face: Face) -> None:
        self._store, self._shell, self._face = store, shell, face
        self._seen = Standing()
        self._spreads = {span: Spread() for span in Span}
        self._next_ns = 0

    async def run(self) -> None:
        """Look until cancelled; a recorder keeps what came in and nothing else."""
        while self._shell.core is not None:
            self.look()
            if monotonic_ns() >= self._next_ns:
                self._next_ns = monotonic_ns() + round(PULSE_S * NS_PER_S)
                self.beat()
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Look at the shared fast state once, and say what has changed."""
        if self._store is None:
            return
        before, self._seen = self._seen, self._store.standing()
        if bool(before.degraded) == bool(self._seen.degraded):
            return
        self._note({"fast_state": "degraded" if self._seen.degraded else "well", "why": self._seen.degraded})
        if self._seen.degraded:
            words = f"the shared fast state is away ({self._seen.degraded}); orders go on at our share of the rate"
        else:
            words = "the shared fast state is back"
        self._face.tell(words)

    def beat(self) -> None:
        """Note how the session does."""
        self._note({KEY: self.told()})

    def told(self) -> dict[str, Any]:
        """Give how the session does, as plain values; counts are since its start."""
        shell, intake = self._shell, self._shell.intake
        return {
            "fast_state": self._seen.degraded,
            "waiting": intake.waiting,
            "deepest": intake.deepest,
            "frames": shell.counts.frames,
            "lost": {wire.name.lower(): count for wire, count in intake.lost.items()},
            "conflated": {wire.name.lower(): count for wire, count in intake.conflated.items()},
            "refused": shell.decoder.refusals.total,
            "coalesced": shell.desk.coalesced_count if shell.desk is not None else 0,
            "wires": {each.wire: {"state": each.state, "reconnects": each.reconnects} for each in self._face.health()},
            "spans": self._told_spans(shell.latency),
        }

    def _told_spans(self, latency: Latency) -> dict[str, Any]:
        for span, spread in self._spreads.items():
            spread.take(latency.spans[span], latency.counts[span])
        return {str(span): spread.plain for span, spread in self._spreads.items() if spread.taken}

    def _note(self, note: dict[str, Any]) -> None:
        self._shell.session.note(note, self._shell.clock.now_ns())
