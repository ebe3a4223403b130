"""The intake: one bounded queue between sockets and the hot core; what is dropped is counted, never silent."""

import asyncio
import re
from collections import Counter, deque
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final

import msgspec
from numpy.typing import NDArray

from infra.clock import Clock
from infra.feeds.frames import Wire
from infra.feeds.listings import Listing
from state.units import NS_PER_S

CROWDED: Final = 2_000
"""Above this many waiting, frames that a newer one says better are dropped."""
FULL: Final = 20_000
"""Above this many waiting, all frames of the busiest wire are dropped and a GAP stands in their place."""


class What(IntEnum):
    """What came in."""

    FRAME = 1
    CONNECTED = 2
    DISCONNECTED = 3
    GAP = 4
    """Still connected, but something of this wire was lost here (conflation had to drop what cannot be dropped)."""
    LISTED = 5
    """A window that should be followed from now on."""
    UNLISTED = 6
    """A window that nobody needs any more."""
    ROWS = 7
    """Rows ready-made: what the gateway learnt of our orders."""
    MANDATE = 8
    """A mandate that the desk has given, as `rows` of shape (1,): handed through untouched."""


class Arrived(msgspec.Struct, frozen=True, gc=False):
    """One thing that came in, with the moment it did (a struct of msgspec: made in a tenth of a dataclass's time)."""

    what: What
    wire: Wire
    connection: int
    seen_ns: int
    raw: bytes = b""
    why: str = ""
    listing: Listing | None = None
    rows: NDArray[Any] | None = None


_TOPS: Final[dict[Wire, re.Pattern[bytes]]] = {
    Wire.BINANCE_SPOT: re.compile(rb'"s":\s*"(\w+)".*"B":.*"A":', re.DOTALL),
    Wire.BINANCE_USDM: re.compile(rb'"s":\s*"(\w+)".*"B":.*"A":', re.DOTALL),
    Wire.BINANCE_COINM: re.compile(rb'"s":\s*"(\w+)".*"B":.*"A":', re.DOTALL),
    Wire.BYBIT: re.compile(rb'"topic":\s*"(orderbook\.1\.\w+)"'),
    Wire.OKX: re.compile(rb'"bbo-tbt".*?"instId":\s*"([\w-]+)".*"data":', re.DOTALL),
    Wire.COINBASE_EXCHANGE: re.compile(rb'"type":\s*"ticker".*?"product_id":\s*"([\w-]+)"', re.DOTALL),
    Wire.GAMMA: re.compile(rb'"slug":\s*"([\w-]+)"'),
}
"""Frames that say all that their predecessors said, and about what: best prices of an exchange, and what the catalogue
says of a window. Trades, levels, averages and news of our orders are none of these: each says something of its own."""

_SPARED_LAST: Final = Wire.POLYMARKET_USER
"""News of our own orders are given up only when there is nothing else left to give up."""


class Intake:
    """A queue that never waits, never grows beyond its bound, and tells what it gave up.

    Args:
        clock: By which `wait` waits.
        crowded: See `CROWDED`.
        full: See `FULL`.
    """

    def __init__(self, clock: Clock, *, crowded: int = CROWDED, full: int = FULL) -> None:
        assert 0 < crowded < full, "conflation begins before the queue is full"
        self.conflated: Counter[Wire] = Counter()
        """Frames dropped because a newer one said the same better, by wire."""
        self.lost: Counter[Wire] = Counter()
        """Frames dropped that could not be spared (each stretch is told as one GAP)."""
        self.deepest = 0
        """The most that ever waited at a drain."""
        self.on_loss: Callable[[Wire], None] | None = None
        """Is told of a wire that lost frames here, so that somebody asks for a fresh snapshot."""
        self._clock = clock
        self._crowded, self._full = crowded, full
        self._next_look = crowded
        self._queue: deque[Arrived] = deque()
        self._ours: list[Arrived] = []
        """News of our orders and mandates of our desk: they wait for no flood of prices."""
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._until = 0.0

    @property
    def waiting(self) -> int:
        """Say how much waits now."""
        return len(self._queue) + len(self._ours)

    def put(self, arrived: Arrived) -> None:
        """Take something in; never waits. Called on the event loop's thread."""
        queue = self._queue
        if arrived.what is What.MANDATE or arrived.what is What.ROWS:
            self._ours.append(arrived)
        else:
            queue.append(arrived)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        if len(queue) >= self._next_look:
            self._make_room()

    async def wait(self, until_ns: int) -> None:
        """Wait until something is there or the clock shows a time; the sockets get a turn in any case."""
        clock = self._clock
        span_s = (until_ns - clock.now_ns()) / NS_PER_S / clock.speed_ratio
        if self._queue or self._ours or span_s <= 0:
            await asyncio.sleep(0)
            return
        assert self._waiter is None, "one waits at a time"
        loop = asyncio.get_running_loop()
        waiter = self._waiter = loop.create_future()
        self._until = loop.time() + span_s
        if self._timer is None or self._timer.when() > self._until:
            self._set_timer(loop)
        try:
            await waiter
        finally:
            self._waiter = None

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have one timer stand for all waits: while frames come it is left alone, and looks again when it rings."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(self._until, self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if loop.time() >= self._until:
            self._waiter.set_result(None)
        else:
            self._set_timer(loop)

    def drain(self, most: int) -> list[Arrived]:
        """Give what came first, at most so many; what is ours (rows and mandates) before all else, and all of it."""
        queue = self._queue
        self.deepest = max(self.deepest, len(queue))
        if self._ours:
            ours, self._ours = self._ours, []
            return ours + self._drained(queue, most)
        return self._drained(queue, most)

    def _drained(self, queue: deque[Arrived], most: int) -> list[Arrived]:
        if len(queue) <= most:
            taken = list(queue)
            queue.clear()
        else:
            taken = [queue.popleft() for _ in range(most)]
        if self._next_look != self._crowded and len(queue) < self._crowded:
            self._next_look = self._crowded
        return taken

    @property
    def depth(self) -> int:
        """Say how many wait."""
        return len(self._queue) + len(self._ours)

    def _make_room(self) -> None:
        """Drop what newer frames say better; if that is not enough, a whole wire's frames.

        It looks at the whole queue, and then not again before the queue has grown by half: a constant time for each
        frame, and none at all while the queue is short.
        """
        self._conflate()
        if len(self._queue) >= self._full:
            self._lose_busiest()
        later = max(self._crowded, len(self._queue) * 3 // 2)
        self._next_look = min(later, self._full) if len(self._queue) < self._full else later

    def _conflate(self) -> None:
        said: set[tuple[Wire, int, bytes]] = set()
        kept: list[Arrived] = []
        for arrived in reversed(self._queue):
            if arrived.what is What.FRAME and (top := _TOPS.get(arrived.wire)) is not None:
                about = top.search(arrived.raw)
                if about is not None:
                    key = (arrived.wire, arrived.connection, about[1])
                    if key in said:
                        self.conflated[arrived.wire] += 1
                        continue
                    said.add(key)
            kept.append(arrived)
        kept.reverse()
        self._queue = deque(kept)

    def _lose_busiest(self) -> None:
        """Give up the frames of the wire that has most of them; where the last one stood, a GAP tells of it."""
        waiting = Counter(each.wire for each in self._queue if each.what is What.FRAME)
        spared = waiting.pop(_SPARED_LAST, 0)
        if not waiting:
            if not spared:
                return
            waiting[_SPARED_LAST] = spared
        wire, count = waiting.most_common(1)[0]
        kept: list[Arrived] = []
        told = False
        for arrived in reversed(self._queue):
            if arrived.what is not What.FRAME or arrived.wire is not wire:
                kept.append(arrived)
            elif not told:
                told = True
                why = f"{count} frames dropped: more came than could be taken in"
                kept.append(Arrived(What.GAP, wire, arrived.connection, arrived.seen_ns, why=why))
        kept.reverse()
        self._queue = deque(kept)
        self.lost[wire] += count
        if self.on_loss is not None:
            self.on_loss(wire)
