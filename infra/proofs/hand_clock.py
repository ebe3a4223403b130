"""A clock moved by hand: time passes only when somebody says so, and every sleeper wakes at its own moment."""

import asyncio
import heapq
import itertools
from typing import Final

TURNS: Final = 6
"""Turns the loop gets after each waking: so far a chain of awaits goes before time may pass again. What needs more
goes on at the next moment: late, but the same each time."""


class HandClock:
    """Shows what it is told; with the same calls, everything that waits on it happens in the same order."""

    speed_ratio: float = 1.0

    def __init__(self, at_ns: int) -> None:
        """Begin at a time."""
        self.at_ns = at_ns
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = itertools.count()

    def now_ns(self) -> int:
        """Give its time."""
        return self.at_ns

    async def sleep(self, span_ns: int) -> None:
        """Wait for a span of its time."""
        await self.sleep_until(self.at_ns + span_ns)

    async def sleep_until(self, at_ns: int) -> None:
        """Wait until it shows a time."""
        if at_ns <= self.at_ns:
            await asyncio.sleep(0)
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (at_ns, next(self._count), waiter))
        await waiter

    async def advance(self, to_ns: int) -> None:
        """Let time pass up to a moment."""
        while self._sleepers and self._sleepers[0][0] <= to_ns:
            at_ns, _, waiter = heapq.heappop(self._sleepers)
            self.at_ns = max(self.at_ns, at_ns)
            if not waiter.done():
                waiter.set_result(None)
                await self._turns()
        self.at_ns = max(self.at_ns, to_ns)
        await self._turns()

    async def _turns(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)
