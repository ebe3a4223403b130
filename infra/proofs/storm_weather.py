"""Weather: what goes wrong in one run of the storm, all of it drawn from the run's seed."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from infra.venue_next_door.faults import Fault, Switch
from state.units import NS_PER_MS, NS_PER_S


class Fate(IntEnum):
    """What becomes of one request on its way."""

    ANSWERED = 0
    UNSENT = 1
    """No connection: it never left."""
    LOST = 2
    """It left and never arrived."""
    ANSWER_LOST = 3
    """The venue did it; the answer never came."""


SWITCHES: Final[tuple[tuple[Fault, str, float, float], ...]] = (
    (Fault.TOO_EARLY, "", 0.0, 0.10),
    (Fault.POST_ONLY_MODE, "", 0.0, 0.10),
    (Fault.RATE_LIMITED, "/order", 0.0, 0.10),
    (Fault.SERVER_ERROR, "/order", 0.0, 0.15),
    (Fault.SERVER_ERROR, "/data", 0.0, 0.10),
    (Fault.CLOUDFLARE, "/order", 0.0, 0.03),
    (Fault.UNAUTHORIZED, "", 0.0, 0.03),
    (Fault.VERSION_MISMATCH, "/order", 0.0, 0.03),
    (Fault.FAILED_TRADE, "", 0.4, 0.6),
    (Fault.RETRYING_TRADE, "", 0.5, 0.20),
    (Fault.DELAYED_STATUS, "", 2_000.0, 0.15),
    (Fault.TICK_CHANGE, "", 0.001, 0.15),
    (Fault.PHANTOM_LOCK, "", 99_900.0, 0.10),
    (Fault.CLOCK_SKEW, "", 400.0, 0.10),
)
"""Faults of the venue itself: which, where, its value, and in how large a share of the runs it is on for a while."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What becomes of one message of the user channel: when its copies arrive; none: it is lost."""

    late_ns: tuple[int, ...]


class Weather:
    """Draws fates; one generator for each sort of thing, so that one more request does not change the messages."""

    def __init__(self, seed: int, from_ns: int, until_ns: int) -> None:
        """Draw how bad the run is: many are mild, some are wild."""
        mood, self._requests, self._frames, self._rows, self._words = (
            np.random.default_rng([seed, each]) for each in range(5)
        )
        self.until_ns = until_ns
        wild = mood.uniform(0.0, 1.0)
        self.request_odds = wild * mood.dirichlet((1.0, 1.0, 1.0)) * 0.6
        self.slow_ms = float(mood.choice((5.0, 30.0, 150.0, 800.0)))
        self.frame_lost, self.frame_twice, self.frame_late = wild * mood.uniform(0.0, 0.3, 3)
        self.late_ms = float(mood.choice((20.0, 300.0, 3_000.0)))
        self.rows_lost = wild * mood.choice((0.0, 0.0, 0.0, 0.05))
        self.switches = self._switched(mood, from_ns, until_ns)
        halts = mood.integers(0, 3) if mood.uniform() < 0.3 else 0
        self.halts_ns = sorted(int(each) for each in mood.integers(from_ns, until_ns, halts))
        """When an operator says halt; each is lifted four seconds later."""

    def _switched(self, mood: np.random.Generator, from_ns: int, until_ns: int) -> list[Switch]:
        switches = []
        for fault, where, value, share in SWITCHES:
            if mood.uniform() < share:
                since_ns = int(mood.integers(from_ns, until_ns))
                span_ns = int(mood.uniform(1.0, 25.0) * NS_PER_S)
                switches.append(Switch(fault, where, since_ns, min(since_ns + span_ns, until_ns), value))
        return switches

    def request(self, now_ns: int) -> Fate:
        """Give what becomes of a request."""
        drawn = self._requests.uniform()
        if now_ns >= self.until_ns:
            return Fate.ANSWERED
        for fate, odds in zip((Fate.UNSENT, Fate.LOST, Fate.ANSWER_LOST), self.request_odds, strict=True):
            if drawn < odds:
                return fate
            drawn -= odds
        return Fate.ANSWERED

    def travel_ns(self, now_ns: int) -> int:
        """Give how long one way takes."""
        drawn = self._requests.exponential(self.slow_ms)
        return round((drawn if now_ns < self.until_ns else 2.0) * NS_PER_MS) + NS_PER_MS

    def frame(self, now_ns: int) -> Frame:
        """Give what becomes of a message of the user channel."""
        lost, twice, late, *spans = self._frames.uniform(size=5)
        if now_ns >= self.until_ns:
            return Frame((NS_PER_MS,))
        if lost < self.frame_lost:
            return Frame(())
        copies = 2 if twice < self.frame_twice else 1
        most_ms = self.late_ms if late < self.frame_late else 3.0
        return Frame(tuple(round((1.0 + span * most_ms) * NS_PER_MS) for span in spans[:copies]))

    def loses_rows(self, now_ns: int) -> bool:
        """Say whether a stretch of market data is lost."""
        return bool(self._rows.uniform() < self.rows_lost) and now_ns < self.until_ns
