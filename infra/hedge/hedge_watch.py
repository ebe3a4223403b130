"""The hedge of a session: it looks at what the desk holds, drives the perpetual, and keeps books of its own.

It has a task of its own and the order path never waits for it: of all that happens it takes the newest when it next
looks. What it sends, gets and loses stands in the journal's notes and in its own lines, never in the desk's ledger; no
replay of the desk reads them.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.clock import Clock, monotonic_ns
from infra.hedge.hedge import NOTHING, Hedge
from infra.hedge.hedge_book import HedgeBook
from infra.hedge.perp import Done, PerpLeg, Traded
from infra.hedge.settings import PAPER, HedgeSettings
from infra.hedge.target import Exposure
from state.events import Kind
from state.units import NS_PER_S

REST_S: Final = 0.05
"""Looks are at least so far apart in real time, however fast a rehearsal's clock runs."""
FAREWELL_S: Final = 3.0
"""How long an end waits for the position to be closed, in real time."""
FAULTS_MOST: Final = 3
"""After so many faults of ours only closing is tried."""
_WAKING: Final = (int(Kind.OPERATOR_SAID), int(Kind.SETTLED))
"""A halt, or a window's end: there is less to hedge for, and the next look comes at once."""

Rows = NDArray[Any]


class HedgeWatch:
    """Watches a session for its hedge.

    Args:
        settings: Where, and within what.
        coin: As "BTC".
        leg: The perpetual.
        exposure: What our shares hang on now.
        may_trade: Whether the desk is armed and not halted; while it is not, the position is closed and none opened.
        clock: The session's.
        note: Writes into the journal.
        session: Names this start, in letters and digits.
    """

    def __init__(
        self, settings: HedgeSettings, coin: str, leg: PerpLeg, exposure: Callable[[], Exposure],
        may_trade: Callable[[], bool], clock: Clock, note: Callable[[dict[str, Any]], None], session: str,
    ) -> None:  # fmt: skip
        self.settings, self.coin = settings, coin
        self.book = HedgeBook(settings.fee_bps, settings.funding_bps)
        self.tell: Callable[[str], None] | None = None
        """Is told in a line what was traded, for people."""
        self.stopped = ""
        """Why nothing but closing is tried any more; empty while all is well."""
        self._leg, self._exposure, self._may_trade = leg, exposure, may_trade
        self._clock, self._note = clock, note
        self._hedge = Hedge(leg, self._wanted, settings.terms, clock, note, session)
        self._woken = asyncio.Event()
        self._has_begun = False
        self._is_known = False
        self._faults = 0
        self._ended = False

    # What the shell tells.

    def rows(self, worlds: Any, events: Rows) -> None:
        """Hear that there may be less to hedge for."""
        if np.isin(events["kind_code"], _WAKING).any():
            self._woken.set()

    def commands(self, commands: Rows) -> None:
        """Hear commands; only what they come to matters here."""

    def mandates(self, mandates: Rows) -> None:
        """Hear mandates; only what they come to matters here."""

    # The task.

    async def run(self) -> None:
        """Look again and again until cancelled."""
        pause_s = max(self.settings.interval_s / max(self._clock.speed_ratio, 1e-9), REST_S)
        while True:
            await self.look()
            self._woken.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), pause_s)
            await asyncio.sleep(REST_S)

    async def look(self) -> None:
        """Look once; before the desk was first armed not even the exchange is asked."""
        self._has_begun = self._has_begun or self._may_trade()
        if self._has_begun:
            await self._guarded(self._hedge.step)

    async def end(self) -> None:
        """Close the position, as far as a stop has time for it, say what it all came to, and let go."""
        if self._ended:
            return
        self._ended = True
        until_ns = monotonic_ns() + int(FAREWELL_S * NS_PER_S)
        while self._has_begun and not self.is_flat and monotonic_ns() < until_ns:
            await self._guarded(self._hedge.close)
            if not self.is_flat:
                await asyncio.sleep(REST_S)
        self._note({"hedge": "ended", "flat": self.is_flat} | self.told())
        if not self.is_flat:
            self._say(f"hedge    NOT CLOSED: {self.book.coins:+g} {self.coin} at {self.settings.where}; close it there")
        await self._leg.close()

    @property
    def is_flat(self) -> bool:
        """Say whether nothing is held, by the exchange's last word."""
        return not self._has_begun or self._hedge.position_coins == 0.0

    def _wanted(self) -> Exposure:
        return self._exposure() if self._may_trade() and not self.stopped else NOTHING

    async def _guarded(self, move: Callable[[], Any]) -> None:
        try:
            self._booked(await move())
        except Exception as error:  # boundary: a hedge that fails takes nothing of the desk along
            self._faults += 1
            self._note({"hedge": "fault", "why": f"{type(error).__name__}: {str(error)[:160]}"})
            if self._faults == FAULTS_MOST:
                self.stopped = f"our own fault, {FAULTS_MOST} times, last: {type(error).__name__}"
                self._say(f"hedge    only closes from now on: {self.stopped}")

    # Its own books.

    def _booked(self, traded: Traded | None) -> None:
        """Book what came of a step, and hold the books against the exchange's word."""
        self.book.see(self._leg.touch(), self._clock.now_ns())
        held = self._hedge.position_coins
        filled = traded is not None and traded.done is Done.FILLED
        if held is not None:
            before = round(held - (traded.coins if traded is not None and filled else 0.0), 9)
            if self._is_known:
                self.book.correct(before)
            else:
                self._is_known = True
                self.book.take_over(before)
        if traded is None:
            return
        self.book.book(traded)
        if filled:
            way = "bought" if traded.coins > 0 else "sold"
            self._say(
                f"hedge    {way} {abs(traded.coins):g} {self.coin} of the perpetual at {traded.price_usd:,.2f} "
                f"({self.place}), holds {self.book.coins:+g}; {self.book.pnl_usd:+,.2f} USD, apart from the desk's"
            )

    @property
    def place(self) -> str:
        """Name where it is traded, in words."""
        return "on paper" if self.settings.where == PAPER else self.settings.where

    def told(self) -> dict[str, Any]:
        """Give what it came to, as plain values."""
        return {"where": self.settings.where, "coin": self.coin, **self.book.told(), "stopped": self.stopped}

    def _say(self, line: str) -> None:
        if self.tell is not None:
            self.tell(line)
