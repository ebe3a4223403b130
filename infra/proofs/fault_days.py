"""Bad days: the whole venue and the whole desk in one process, and a clock by which their stories are told.

A day has one desk (all feeds, the core, its orders) and, where a story is about orders, a hand beside it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from evals.generator import DEMO, open_s
from infra.clock import monotonic_ns
from infra.proofs.fault_desks import CASH_MICROS, LOOK_S, Desk, Unseen, a_desk
from infra.shell.core import Core
from infra.shell.desk_process import DeskProcess
from infra.venue_next_door.faults import Fault, Switch
from infra.venue_next_door.markets import SETTLED_S, Market
from infra.venue_next_door.nouns import BookShown, Window
from infra.venue_next_door.server import VenueServer
from infra.venue_next_door.source import generated
from infra.warm import warm_core, warm_sides
from state.events import Token, Word
from state.params import Params, default_params
from state.units import NS_PER_S

SPEED: Final = 20.0
LEAD_S: Final = 90
"""The day begins so long before its first window opens."""
PATIENCE_REAL_S: Final = 4.0
"""What is waited for may take so much of the machine's time, however fast the clock runs."""
CASH_S: Final = 60.0
"""What is under way at a day's end is settled, redeemed or undone by then."""
EAGER: Final = {"take_edge_bps": 10, "quote_edge_bps": 10, "keep_edge_bps": 0}
"""A desk that acts at the least edge, so that faults find orders of its own; what they earn is not looked at."""
ORDERLY_BPS: Final = (1_500, 8_500)
"""Books whose best prices lie in here are good for stories about orders."""


@dataclass(slots=True)
class Day:
    """One day at the venue with everybody in it."""

    venue: VenueServer
    desk: Desk
    scratch: Path
    hands_count: int = 0
    _hand_now: Desk | None = None

    @property
    def now_ns(self) -> int:
        """Give the time."""
        return self.venue.clock.now_ns()

    @property
    def hand_now(self) -> Desk:
        """Give the hand of the day's stories about orders."""
        assert self._hand_now is not None, "a hand has been opened"
        return self._hand_now

    @hand_now.setter
    def hand_now(self, hand: Desk) -> None:
        self._hand_now = hand

    async def until(self, come: Callable[[], bool], what: str, patience_s: float = 30.0) -> None:
        """Wait until something is so, by the clock's seconds.

        Raises:
            Unseen: it did not come; a fault of ours goes up as it is.
        """
        late_ns, late_real_ns = self.now_ns + int(patience_s * NS_PER_S), monotonic_ns()
        late_real_ns += int(PATIENCE_REAL_S * NS_PER_S)
        while not come():
            fault = self.desk.gateway.fault or self.desk.shell.fault
            if fault is not None:
                raise fault
            if self.now_ns > late_ns and monotonic_ns() > late_real_ns:
                raise Unseen(f"not seen within {patience_s:g} s: {what}")
            await asyncio.sleep(LOOK_S)

    async def pause(self, span_s: float) -> None:
        """Let time pass."""
        await self.venue.clock.sleep(int(span_s * NS_PER_S))

    async def at(self, window: int, into_s: float) -> None:
        """Wait for a moment: seconds into a window of the day, counted from 1."""
        first_ns = self.venue.market.first_open_s * NS_PER_S
        await self.venue.clock.sleep_until(first_ns + int(((window - 1) * 300 + into_s) * NS_PER_S))

    @contextmanager
    def on(self, fault: Fault, where: str = "", value: float = 1.0) -> Iterator[Switch]:
        """Have a fault on while the block lasts."""
        switch = Switch(fault, where, from_ns=self.now_ns, value=value)
        faults = self.venue.faults
        faults.add(switch)
        try:
            yield switch
        finally:
            faults.switches.remove(switch)

    async def still(self, span_s: float, stays: Callable[[], bool], what: str) -> None:
        """Hold for a while that something stays so.

        Raises:
            Unseen: it did not.
        """
        until_ns = self.now_ns + int(span_s * NS_PER_S)
        while self.now_ns < until_ns:
            if not stays():
                raise Unseen(f"did not stay so: {what}")
            await asyncio.sleep(LOOK_S)

    def window(self, number: int) -> Window:
        """Give a window of the day, counted from 1."""
        first_s = self.venue.market.first_open_s
        return self.venue.engine.windows[f"btc-updown-5m-{first_s + (number - 1) * 300}"]

    def open_window(self) -> Window:
        """Give the window that is open now."""
        return self.window((self.now_ns // NS_PER_S - self.venue.market.first_open_s) // 300 + 1)

    def book(self, window: Window, token: Token = Token.UP) -> BookShown:
        """Give a book as the venue shows it; raises Unseen without two sides."""
        shown = self.venue.engine.book(window.tokens[token])
        if shown is None or not shown.bids or not shown.asks:
            raise Unseen(f"{window.slug} has no two-sided book")
        return shown

    async def orderly(self, hand: Desk) -> Window:
        """Wait for a window with an orderly book that a hand follows and that has a while to go; the latest such."""
        found: list[Window] = []

        def come() -> bool:
            found[:] = [window for window in self.venue.engine.windows.values() if self._is_orderly(window, hand)]
            return bool(found)

        await self.until(come, "a window whose book is good for an order", 400.0)
        return max(found, key=lambda window: window.open_s)

    def _is_orderly(self, window: Window, hand: Desk) -> bool:
        if window.slug not in hand.shell.slots.taken or window.close_ns - self.now_ns < 60 * NS_PER_S:
            return False
        shown = self.venue.engine.book(window.tokens[0])
        if shown is None or not shown.bids or not shown.asks or not 0 < window.hydrated_ns <= self.now_ns:
            return False
        low_bps, high_bps = ORDERLY_BPS
        return low_bps < shown.bids[-1].price_bps and shown.asks[-1].price_bps < high_bps

    async def cash(self) -> tuple[int, int]:
        """Let the desk pull what rests, and give its cash by itself and by the venue, once they agree or will not."""
        desk = self.desk
        desk.shell.halt("the day is over", Word.PULL_ALL)
        core = desk.shell.core
        assert core is not None, "the desk of a day has a core"

        def both() -> tuple[int, int]:
            return int(core.world["money"]["cash_micros"]), self.venue.engine.cash_micros(desk.account)

        # The core counts a won share as a dollar when its window settles; the venue's ledger does when it is redeemed.
        for window in self.venue.engine.windows.values():
            if window.outcome is not None:
                self.venue.engine.redeem(desk.account, window.condition_id)
        with suppress(Unseen):
            await self.until(lambda: len(set(both())) == 1, "the desk's cash is the venue's", CASH_S)
        return both()

    @asynccontextmanager
    async def hand(self) -> AsyncIterator[Desk]:
        """Open an account of its own with the desk's gateway and streams, and no core."""
        self.hands_count += 1
        async with a_desk(self.venue, self.scratch / f"hand-{self.hands_count}") as hand:
            await self.until(lambda: len(hand.shell.listings) >= 2, "the hand knows windows", 60.0)
            yield hand


@asynccontextmanager
async def a_day(
    scratch: Path, *, speed: float = SPEED, windows: int = 5, seed: int = 4, books: bool = False,
    params: Params | None = None,
) -> AsyncIterator[Day]:  # fmt: skip
    """Open a venue and the desk in it, a little before the first window opens; what takes seconds comes before."""
    core = _warm_core(default_params(EAGER) if params is None else params)
    market = _quiet_market(windows, seed)
    with DeskProcess() as process:
        await asyncio.to_thread(process.ready)
        async with (
            VenueServer.open(market, speed_ratio=speed, seed=seed, cash_micros=CASH_MICROS) as venue,
            a_desk(venue, scratch / "desk", core, process, books=books) as desk,
        ):
            yield Day(venue, desk, scratch)


def _quiet_market(windows: int, seed: int) -> Market:
    """Give a market like the demonstration's, with little going on, whose next window can be traded early."""
    spec = replace(
        DEMO, name="quiet", windows=windows, quoted_before_s=300, flicker_per_s=0.5, taker_per_s=0.5, spoofs_per_min=0.0
    )
    first_s = spec.first_open_s
    return Market(
        words=f"a quiet market, {windows} windows, seed {seed}", rows=generated(spec, seed, first_s, windows),
        origin_ns=(first_s - LEAD_S) * NS_PER_S, ends_ns=(open_s(spec, windows) + SETTLED_S) * NS_PER_S,
        first_open_s=first_s,
    )  # fmt: skip


def _warm_core(params: Params) -> Core:
    """Give a fresh core whose machine code is loaded: while that takes its seconds, no clock may run yet."""
    warm_core()
    warm_sides()
    return Core(params, CASH_MICROS)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a story saw, in words."""

    venue: str
    desk: str


Play = Callable[[Day], Awaitable[Seen]]


@dataclass(frozen=True, slots=True)
class Story:
    """One fault, where it is switched on, and the telling of it, which raises `Unseen` when something is missing."""

    fault: Fault
    where: str
    play: Play
