"""Market leases: which of several desks follows a window; the others do not list it, and so cannot trade it.

A lease is asked for while a window is listed and not yet open, and held until it is unlisted. Nobody takes a window
that is open: a desk that dies in it leaves it to itself, started again, for its orders and its position are in its own
books. A lease that is lost before its window opens takes the window away again. Windows that the core knows from before
a restart are followed whatever becomes of their lease.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from infra.clock import Clock, monotonic_ns
from infra.fast_state.port import FastState, Held, Refused, Why
from infra.feeds.frames import Wire
from infra.feeds.listings import Listing
from infra.streams.intake import Arrived, What
from state.units import NS_PER_S

SPAN_MS: Final = 10_000
RENEW_S: Final = 3.0
LOOK_S: Final = 0.25
SHARE_S: Final = 0.5
"""A desk asks so much later, in real time, for each window that it holds: so those that hold less come first."""


@dataclass(slots=True)
class _Waiting:
    """A window that is listed and not held."""

    arrived: Arrived
    due_ns: int
    """When it is asked for next (monotonic)."""
    why: str = ""


@dataclass(slots=True)
class MarketLeases:
    """Stands between discovery and the intake, and lets through the windows whose lease is ours.

    Args:
        store: What the desks share.
        holder: Who we are, in words that no other desk uses.
        clock: The desk's.
        forward: Takes what is let through: the intake's `put`.
        is_known: Says whether the core has a window from before.
        tell: Is told in a line what happened, for people.
    """

    store: FastState
    holder: str
    clock: Clock
    forward: Callable[[Arrived], None]
    is_known: Callable[[Listing], bool]
    tell: Callable[[str], None]
    held: dict[str, tuple[Held, Listing]] = field(default_factory=dict)
    elsewhere_count: int = 0
    """Windows that opened at another desk."""
    _waiting: dict[str, _Waiting] = field(default_factory=dict)
    _lost_ns: dict[str, int] = field(default_factory=dict)
    """Since when a lease could not be renewed because the store is away (monotonic)."""
    _let_go: dict[str, Held] = field(default_factory=dict)
    """Leases that are ours and of no use any more."""
    _renewed_ns: int = 0

    def put(self, arrived: Arrived) -> None:
        """Take in what discovery finds; a window waits until it is ours."""
        listing = arrived.listing
        if arrived.what is What.LISTED and listing is not None and not self.is_known(listing):
            pause_ns = round(SHARE_S * NS_PER_S) * len(self.held)
            self._waiting[listing.slug] = _Waiting(arrived, monotonic_ns() + pause_ns)
            return
        if arrived.what is What.UNLISTED and listing is not None:
            self._waiting.pop(listing.slug, None)
        self.forward(arrived)
        if arrived.what is What.UNLISTED and listing is not None and listing.slug in self.held:
            self._let_go[listing.slug] = self.held.pop(listing.slug)[0]

    async def run(self) -> None:
        """Ask, renew and give back until cancelled; then give all back."""
        try:
            while True:
                await self._ask()
                if monotonic_ns() - self._renewed_ns > round(RENEW_S * NS_PER_S):
                    await self._renew()
                await self._give_back()
                await asyncio.sleep(LOOK_S)
        finally:
            for held, _ in self.held.values():
                self.store.release(held)

    async def _ask(self) -> None:
        for slug, waiting in list(self._waiting.items()):
            listing = waiting.arrived.listing
            assert listing is not None
            if self.clock.now_ns() >= listing.open_ns:
                self._waiting.pop(slug, None)
                self.elsewhere_count += 1
                self.tell(f"{slug} is left to others: {waiting.why or 'it was open before it could be ours'}")
            elif monotonic_ns() >= waiting.due_ns:
                told = await asyncio.to_thread(self.store.acquire, f"market:{slug}", self.holder, SPAN_MS)
                if isinstance(told, Refused):
                    waiting.why = f"{told.why}{f': {told.words}' if told.words else ''}"
                    waiting.due_ns = monotonic_ns() + round((1 + len(self.held)) * SHARE_S * NS_PER_S)
                elif self._waiting.pop(slug, None) is not None:
                    self.held[slug] = (told, listing)
                    self.forward(waiting.arrived)
                    self._stand_back()
                else:  # unlisted while we asked
                    self._let_go[slug] = told

    def _stand_back(self) -> None:
        """Ask later for what is waited for: who holds less comes first."""
        due_ns = monotonic_ns() + round(SHARE_S * NS_PER_S) * len(self.held)
        for waiting in self._waiting.values():
            waiting.due_ns = max(waiting.due_ns, due_ns)

    async def _renew(self) -> None:
        self._renewed_ns = monotonic_ns()
        for slug, (held, listing) in list(self.held.items()):
            told = await asyncio.to_thread(self.store.renew, held, SPAN_MS)
            if slug not in self.held:
                continue
            if isinstance(told, Held):
                self.held[slug] = (told, listing)
                self._lost_ns.pop(slug, None)
                continue
            since_ns = self._lost_ns.setdefault(slug, monotonic_ns())
            gone = told.why is not Why.AWAY or monotonic_ns() - since_ns > (SPAN_MS * NS_PER_S) // 1000
            if gone and self.clock.now_ns() < listing.open_ns:
                self._lose(slug, listing, told)

    def _lose(self, slug: str, listing: Listing, told: Refused) -> None:
        """Let a window go that has not opened: another desk may have it by now. It is asked for again."""
        self.held.pop(slug)
        self._lost_ns.pop(slug, None)
        self.tell(f"{slug} is given up before it opens: its lease is lost ({told.why})")
        now_ns = self.clock.now_ns()
        self.forward(Arrived(What.UNLISTED, Wire.GAMMA, 0, now_ns, listing=listing))
        self._waiting[slug] = _Waiting(Arrived(What.LISTED, Wire.GAMMA, 0, now_ns, listing=listing), monotonic_ns())

    async def _give_back(self) -> None:
        for slug in list(self._let_go):
            await asyncio.to_thread(self.store.release, self._let_go.pop(slug))
