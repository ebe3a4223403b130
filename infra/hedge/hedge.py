"""The hedge's loop: read the position, ask what it should be, trade the difference if that is worth it, and say so.

The exchange's word on the position is the only one: nothing is remembered across a restart, and nothing is added up
that could drift. When nothing is open any more the target is zero, so a settlement closes the position. So does a
touch that nobody has told for a while: what cannot be priced is not held.
"""

from collections.abc import Callable
from typing import Any, Final

from infra.clock import Clock
from infra.hedge.perp import Done, PerpLeg, PerpUnread, Traded
from infra.hedge.target import Exposure, HedgeTerms, Touch, order_coins, target_coins
from state.units import NS_PER_S

STALE_NS: Final = 3 * NS_PER_S
"""An older touch is none; in real time, for what it guards against are connections."""
FLAT_NS: Final = 10 * NS_PER_S
"""After so long without a touch the position is given up at the market."""
REFUSALS_MOST: Final = 5
"""After so many in a row nothing but closing is tried, until the operator looks."""
BACKOFF_S: Final = (2.0, 60.0)
NOTHING: Final = Exposure(0.0, 0.0)


class Hedge:
    """One coin's hedge.

    Args:
        leg: The perpetual.
        exposure: What our shares hang on now.
        terms: Bounds and costs.
        clock: The desk's.
        note: Writes into the journal.
        session: Names this start, so that orders of two starts are never taken for each other; letters and digits.
    """

    def __init__(
        self, leg: PerpLeg, exposure: Callable[[], Exposure], terms: HedgeTerms, clock: Clock,
        note: Callable[[dict[str, Any]], None], session: str,
    ) -> None:  # fmt: skip
        self._leg, self._exposure, self._terms, self._clock = leg, exposure, terms, clock
        self._note, self._session = note, session
        self._ratio = max(clock.speed_ratio, 1.0)
        self._count = 0
        self._wait_until_ns = 0
        self._stale_from_ns = 0
        self._refusals = 0
        self._silences = 0
        self._held_back = False
        self.position_coins: float | None = None
        """By the exchange's last word; None when it has not said or may have changed since."""

    @property
    def is_stuck(self) -> bool:
        """Say whether so much was refused that only closing is tried any more."""
        return self._refusals >= REFUSALS_MOST

    async def step(self) -> Traded | None:
        """Look once, and trade if that is worth it; gives what came of it, None when nothing was sent."""
        return await self._move(self._exposure())

    async def close(self) -> Traded | None:
        """Trade the position back to nothing: the session ends, or the operator says so."""
        self._wait_until_ns = 0
        return await self._move(NOTHING, ends=True)

    async def _move(self, exposure: Exposure, *, ends: bool = False) -> Traded | None:
        if self._clock.now_ns() < self._wait_until_ns:
            return None
        try:
            touch, is_stale = await self._touch()
            if touch is None or (is_stale and not ends and not self._is_given_up()):
                return None
            held = self.position_coins = await self._leg.position_coins()
        except PerpUnread as error:
            self.position_coins = None
            self._silences += 1
            self._note({"hedge": "waits", "why": str(error)})
            self._pause(self._silences)
            return None
        self._silences = 0
        if is_stale:
            exposure = NOTHING
        terms = self._terms.at(touch.mid_usd)
        closes = target_coins(exposure, terms) == 0.0
        if self.is_stuck and not closes:
            return None
        coins = order_coins(held, exposure, touch, terms)
        if not coins:
            return None
        assert abs(held + coins) <= max(terms.coins_most, abs(held)) + 1e-9, "never beyond the bound"
        return await self._send(held, coins, closes, exposure, touch, at_market=is_stale)

    async def _touch(self) -> tuple[Touch | None, bool]:
        """Give the touch and whether it is too old; raises what the leg does."""
        await self._leg.look()
        touch, now_ns = self._leg.touch(), self._clock.now_ns()
        is_stale = touch is None or now_ns - touch.at_ns > STALE_NS * self._ratio
        self._stale_from_ns = (self._stale_from_ns or now_ns) if is_stale else 0
        return touch, is_stale

    def _is_given_up(self) -> bool:
        return self._clock.now_ns() - self._stale_from_ns >= FLAT_NS * self._ratio

    async def _send(
        self, held: float, coins: float, closes: bool, exposure: Exposure, touch: Touch, *, at_market: bool
    ) -> Traded:
        self._count += 1
        name = f"updown{self._session}x{self._count}"
        # A sale that goes through zero is no pure closing: the exchange would refuse it as such.
        reduces = closes and abs(coins) <= abs(held) + 1e-9
        traded = await self._leg.trade(coins, name, closes=reduces, at_market=at_market)
        was_held_back, self._held_back = self._held_back, traded.done is Done.HELD_BACK
        if was_held_back and self._held_back:
            return traded  # said once
        if traded.done is Done.FILLED:
            self._refusals = 0
            self.position_coins = round(held + traded.coins, 9)
        elif traded.done is not Done.HELD_BACK:
            self.position_coins = None
            self._refusals += 1
            self._pause(self._refusals)
        self._note(
            {
                "hedge": name, "delta_coins": round(exposure.delta_coins, 6), "held_coins": held, "wanted_coins": coins,
                "done": traded.done.value, "coins": traded.coins, "price_usd": traded.price_usd,
                "fee_usd": round(traded.fee_usd, 6), "mid_usd": touch.mid_usd, "position_coins": self.position_coins,
                "why": traded.why or ("the touch is too old" if at_market else ""),
            }
        )  # fmt: skip
        if self._refusals == REFUSALS_MOST:
            words = f"{REFUSALS_MOST} refusals in a row: only closing is tried any more"
            self._note({"hedge": "stuck", "why": words})
        return traded

    def _pause(self, count: int) -> None:
        """Wait longer after each failure in a row."""
        wait_s = min(BACKOFF_S[0] * 2.0 ** (count - 1), BACKOFF_S[1])
        self._wait_until_ns = self._clock.now_ns() + round(wait_s * NS_PER_S)
