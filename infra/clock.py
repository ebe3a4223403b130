"""The clock: the only file that reads what time it is; everybody else is told, or is handed a `Clock`."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final, Protocol

from state.units import NS_PER_S


def now_ns() -> int:
    """Give the time now in nanoseconds since 1970, UTC, as this machine believes it."""
    return time.time_ns()


def monotonic_ns() -> int:
    """Give nanoseconds of a clock that never steps back: for durations, never for dates."""
    return time.monotonic_ns()


class Clock(Protocol):
    """What time it is where the desk works: the wall's, or a rehearsal's that runs faster."""

    @property
    def speed_ratio(self) -> float:
        """Say how many of its seconds pass in one second."""

    def now_ns(self) -> int:
        """Give its time in nanoseconds since 1970, UTC."""

    async def sleep(self, span_ns: int) -> None:
        """Wait until so much of its time has passed."""

    async def sleep_until(self, at_ns: int) -> None:
        """Wait until it shows a time; returns at once when that has passed."""


class WallClock:
    """The time of this machine, as production uses it."""

    speed_ratio: float = 1.0

    def now_ns(self) -> int:
        """Give the time now."""
        return time.time_ns()

    async def sleep(self, span_ns: int) -> None:
        """Wait for a span."""
        await asyncio.sleep(max(span_ns, 0) / NS_PER_S)

    async def sleep_until(self, at_ns: int) -> None:
        """Wait until a time."""
        await self.sleep(at_ns - self.now_ns())


@dataclass(frozen=True, slots=True)
class RehearsalClock:
    """A clock that runs at a stated speed from a stated moment on.

    The three numbers are all there is to it, so that every process of this machine that is given them sees the same
    time: Linux's monotonic clock is one for all processes until the next start of the machine.
    """

    origin_ns: int
    """What it showed ..."""
    started_ns: int
    """... when the monotonic clock stood here."""
    speed_ratio: float = 1.0

    @classmethod
    def starting(cls, origin_ns: int, speed_ratio: float) -> "RehearsalClock":
        """Start a clock now that shows `origin_ns` at this moment."""
        return cls(origin_ns, time.monotonic_ns(), speed_ratio)

    def now_ns(self) -> int:
        """Give its time."""
        return self.origin_ns + int((time.monotonic_ns() - self.started_ns) * self.speed_ratio)

    async def sleep(self, span_ns: int) -> None:
        """Wait for a span of its time."""
        await asyncio.sleep(max(span_ns, 0) / NS_PER_S / self.speed_ratio)

    async def sleep_until(self, at_ns: int) -> None:
        """Wait until it shows a time."""
        await self.sleep(at_ns - self.now_ns())


WALL: Final = WallClock()
