"""The venue's clock against ours: asked over HTTP, bounded from both sides, and judged.

The venue tells whole seconds (`GET /time`, venue reference 5.1). An answer `T` says: at some moment between our asking
and our having the answer its clock stood in [T, T + 1 s). So its offset lies between `T - seen` and `T + 1 s - sent`.
Each further question cuts that interval smaller, the more so as the questions fall into different parts of a second;
what remains is about the time of the quickest round trip (after Cristian, 1989, and Marzullo, 1984).
"""

import logging
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from infra.addresses import Addresses
from infra.clock import Clock
from infra.feeds.frames import Wire
from infra.streams.intake import Arrived, Intake, What
from infra.streams.rest import Answer, Missed, Rest
from state.events import EVENT, Kind, Source, Word
from state.units import NS_PER_MS, NS_PER_S

LOG: Final = logging.getLogger("updown.streams")

WARN_NS: Final = 500 * NS_PER_MS
HALT_NS: Final = 2 * NS_PER_S
"""Limits of skew (venue reference 10): signed requests carry whole seconds of our clock."""
MEMORY_NS: Final = 300 * NS_PER_S
"""Bounds older than this say nothing of now: clocks drift and are set."""
BURST: Final = 12
"""Questions in a row, each a little later in its second than the one before."""
STEP_NS: Final = 1_083_333_333
"""Between two of a row: a second and a twelfth, so that a row falls into twelve parts of a second."""
REST_NS: Final = 60 * NS_PER_S

_SECONDS: Final = msgspec.json.Decoder(int | float | str)


class Verdict(StrEnum):
    """What the skew means."""

    UNKNOWN = "unknown"
    GOOD = "good"
    WARN = "warn"
    HALT = "halt"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one answer says: the venue's clock is ahead of ours by at least and at most so much."""

    least_ns: int
    most_ns: int
    asked_ns: int


@dataclass(slots=True)
class Skew:
    """Bounds of the last minutes, and what they leave possible together."""

    told: list[Bounds] = field(default_factory=list)

    def add(self, bounds: Bounds) -> None:
        """Take one more answer; when it contradicts the older ones, a clock was set, and they are forgotten."""
        fresh = [each for each in self.told if bounds.asked_ns - each.asked_ns < MEMORY_NS]
        least_ns, most_ns = _common([*fresh, bounds])
        self.told = [*fresh, bounds] if least_ns <= most_ns else [bounds]

    @property
    def offset_ns(self) -> int:
        """Give by how much the venue's clock is ahead of ours: the middle of what is possible."""
        least_ns, most_ns = _common(self.told)
        return (least_ns + most_ns) // 2

    @property
    def bound_ns(self) -> int:
        """Give how far the truth can be from `offset_ns`."""
        least_ns, most_ns = _common(self.told)
        return (most_ns - least_ns) // 2

    @property
    def verdict(self) -> Verdict:
        """Judge by what is certain: a wide bound is no reason to halt."""
        if not self.told:
            return Verdict.UNKNOWN
        certain_ns = abs(self.offset_ns) - self.bound_ns
        if certain_ns >= HALT_NS:
            return Verdict.HALT
        return Verdict.WARN if certain_ns >= WARN_NS else Verdict.GOOD


def _common(told: list[Bounds]) -> tuple[int, int]:
    return max((each.least_ns for each in told), default=0), min((each.most_ns for each in told), default=0)


def bounds_of(answer: Answer) -> Bounds | None:
    """Read an answer of `/time`: a number of seconds, bare or quoted; None when it is no such thing."""
    try:
        seconds = int(_SECONDS.decode(answer.raw))
    except (msgspec.MsgspecError, ValueError, OverflowError, UnicodeError):
        return None
    told_ns = seconds * NS_PER_S
    return Bounds(told_ns - answer.seen_ns, told_ns + NS_PER_S - answer.sent_ns, answer.seen_ns)


@dataclass(slots=True)
class VenueClock:
    """Asks the venue for its time in short rows of questions, warns, and halts the desk when clocks are far apart."""

    addresses: Addresses
    clock: Clock
    intake: Intake
    rest: Rest
    skew: Skew = field(default_factory=Skew)
    _judged: Verdict = Verdict.UNKNOWN

    async def run(self) -> None:
        """Live until cancelled."""
        while True:
            for _ in range(BURST):
                await self.ask()
                await self.clock.sleep(STEP_NS)
            await self.clock.sleep(REST_NS)

    async def ask(self) -> None:
        """Ask once and judge."""
        answer = await self.rest.get(Wire.CLOB_REST, f"{self.addresses.clob}/time")
        if isinstance(answer, Missed):
            return
        bounds = bounds_of(answer)
        if bounds is None:
            self.rest.missed(Wire.CLOB_REST, "a time that is no number of seconds")
            return
        self.skew.add(bounds)
        self._judge(answer.seen_ns)

    def _judge(self, now_ns: int) -> None:
        verdict = self.skew.verdict
        if verdict is self._judged:
            return
        self._judged = verdict
        words = (
            f"the venue's clock is {self.skew.offset_ns / NS_PER_S:+.2f} s from ours, "
            f"give or take {self.skew.bound_ns / NS_PER_S:.2f} s"
        )
        self.rest.life(Wire.CLOB_REST).complaint = "" if verdict is Verdict.GOOD else words
        if verdict is Verdict.WARN:
            LOG.warning("%s; have this machine's clock set by NTP", words)
        elif verdict is Verdict.HALT:
            LOG.error("%s: trading is halted; set this machine's clock, then resume", words)
            self.intake.put(Arrived(What.ROWS, Wire.CLOB_REST, 0, now_ns, why=words, rows=_halt(now_ns)))


def _halt(now_ns: int) -> NDArray[np.void]:
    row = np.zeros(1, EVENT)
    row["kind_code"], row["source_code"], row["code_id"] = Kind.OPERATOR_SAID, Source.OURSELVES, Word.HALT
    row["at_ns"] = row["seen_ns"] = now_ns
    return row
