"""Gate: the last check in front of the venue, by its own books, which no strategy can loosen.

The core has limits of its own (`graph/risk.py`), and asks them with a reason. Here they are asked once more by other
code over other books. What is refused here never leaves. Where even the mildest reckoning says that the core must have
known better, the core has erred, and the session halts; where the gate is merely stricter than the core (it adds the
most that fees can come to, marks positions at the bid, and takes all windows of a coin to move together), the order is
refused and the session goes on. Cancels are none of its business: they always pass.
"""

from collections import Counter
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from numpy.typing import NDArray

from infra.fast_state.bucket import Bucket
from infra.venues.gate_books import BookedWindow, GateBooks, Sent, Wanted, wanted_of
from infra.venues.throttle import ORDERS
from state.events import Side, Token, Word
from state.orders import Reject, TimeInForce
from state.params import Params
from state.units import BPS, MICROS, NS_PER_S

Rows = NDArray[Any]

BAND_BPS: Final = 200
"""A purchase this much above the core's own posterior (a sale below it) makes no sense for anybody."""
BOUNDARY_NS: Final = NS_PER_S
"""No order leaves so near to a boundary of five minutes, where the venue often fails (venue reference 8, row 14)."""
GRID_NS: Final = 300 * NS_PER_S
ROUNDING_MICROS: Final = 10_000
"""The core and the gate round differently; a cent is no error of the core's."""


class Bar(StrEnum):
    """Which rule refused an order."""

    KILLED = "killed"
    HALTED = "halted"
    DISARMED = "disarmed"
    ARMED_LIMIT = "over the limit it was armed with"
    NONSENSE = "no order that could be meant"
    SENT_BEFORE = "sent before"
    WINDOW_UNKNOWN = "in a window that is not known here"
    NOT_OPEN = "outside its window's time"
    BOUNDARY = "too near to a boundary of windows"
    BELOW_MINIMUM = "below the venue's minimum"
    NOT_HELD = "sells what is not held"
    PRICE_BAND = "too far on the wrong side of fair value"
    CONCURRENT = "more windows at once than allowed"
    POSITION = "over the limit of a window"
    TOGETHER = "over the limit of windows that move together"
    DAILY_LOSS = "the day's loss is reached"
    ORDER_RATE = "more orders than we allow ourselves"


_REJECTS: Final = {
    Bar.NOT_OPEN: Reject.MARKET_CLOSED, Bar.WINDOW_UNKNOWN: Reject.MARKET_NOT_READY,
    Bar.BOUNDARY: Reject.MARKET_NOT_READY, Bar.BELOW_MINIMUM: Reject.BELOW_MIN_SHARES,
    Bar.PRICE_BAND: Reject.PRICE_OUT_OF_RANGE, Bar.ORDER_RATE: Reject.RATE_LIMITED,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Refused:
    """The gate's verdict on an order that does not leave."""

    bar: Bar
    came_to: int = 0
    """What it would have come to, in the unit of the rule ..."""
    allowed: int = 0
    """... and what is allowed."""
    core_erred: bool = False
    """The core must have known: nothing more should leave before a person has looked."""

    @property
    def reject(self) -> Reject:
        """Give the code that the core hears."""
        return _REJECTS.get(self.bar, Reject.FAILED)

    def __str__(self) -> str:
        figures = f" ({self.came_to} against {self.allowed})" if self.came_to or self.allowed else ""
        return f"{self.bar.value}{figures}"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the gate holds orders to; nothing raises it above the mission's limits (design, section 4)."""

    position_micros: int = 50_000 * MICROS
    """For a window, and for all windows of a coin together."""
    concurrent_count: int = 5
    daily_loss_micros: int = 2_000 * MICROS

    def with_settings(self, params: Params) -> "Limits":
        """Give the limits with settings on top: what is lower counts, so nothing is ever raised by it."""
        row: Any = params
        return replace(
            self,
            position_micros=min(self.position_micros, int(row["position_micros"])),
            concurrent_count=min(self.concurrent_count, int(row["concurrent_count"])),
            daily_loss_micros=min(self.daily_loss_micros, int(row["daily_loss_micros"])),
        )


HARD: Final = Limits()


class Gate:
    """Admits orders or refuses them.

    Args:
        params: The session's settings; limits above the hard ones count as those.
        now_ns: The clock's time; the bucket of orders begins full.
    """

    def __init__(self, params: Params, now_ns: int) -> None:
        self.limits = self._ceiling = HARD.with_settings(params)
        self.books = GateBooks()
        self.counts: Counter[Bar] = Counter()
        """Refusals by rule."""
        self.killed_why = ""
        self.is_halted = False
        self.is_leaving = False
        """The session ends: no halt, and lifted when it goes on."""
        self.is_disarmed = False
        self.armed_micros = 0
        """The most that may be at risk in all; 0: no limit beyond the others."""
        self.armed_until_ns = 0
        """When the arming ends; 0: it does not."""
        self._bucket = Bucket(ORDERS, ORDERS.burst, now_ns)

    # Hearing.

    def hear(self, events: Rows, count: int) -> None:
        """Hear rows, all of them in order, before anything that they cause is sent."""
        for code, value in self.books.hear(events, count):
            self._word(code, value)

    def _word(self, code: int, value: int) -> None:
        name = next((word.name for word in Word if word == code), "")
        if name in ("HALT", "PULL_ALL"):
            self.is_halted = True
        elif name == "RESUME":
            self.is_halted = False
        elif name in ("LEAVE", "RETURN"):
            self.is_leaving = name == "LEAVE"
        elif name == "KILL":
            self.kill("the operator said so")
        elif name == "DISARM":
            self.disarm()
        elif name == "ARM" and value > 0:
            self.arm(value, self.armed_until_ns)  # the word has no time of its own

    def tighten(self, params: Params) -> None:
        """Take lower limits at once; higher ones wait for the next start."""
        self.limits = self._ceiling = self.limits.with_settings(params)

    def follow(self, params: Params) -> None:
        """Take the limits of parameters that changed: what was lowered may come back, never above the settings."""
        self.limits = self._ceiling.with_settings(params)

    def kill(self, why: str) -> None:
        """Let nothing but cancels leave before `arm`, or before `lift` and `arm`."""
        self.killed_why = self.killed_why or why

    def lift(self) -> None:
        """Undo a kill; a halt stays, and what was armed before the kill is armed no more."""
        self.killed_why = ""
        self.disarm()

    def arm(self, limit_micros: int, until_ns: int = 0) -> None:
        """Let orders leave until a time (0: for good) as long as no more than this is at risk over all windows."""
        assert limit_micros > 0, "armed with a limit"
        self.armed_micros, self.is_disarmed, self.killed_why = limit_micros, False, ""
        self.armed_until_ns = until_ns

    def disarm(self) -> None:
        """Let nothing but cancels leave before `arm`."""
        self.is_disarmed, self.armed_micros, self.armed_until_ns = True, 0, 0

    # Judging.

    def admit(self, command: Any, now_ns: int) -> Refused | None:
        """Judge a PLACE command and book it as sent when it may leave; else say why not."""
        wanted = wanted_of(command)
        refused = self._judge(wanted, now_ns)
        if refused is None and not self._bucket.take(1.0, now_ns):
            refused = Refused(Bar.ORDER_RATE, allowed=round(ORDERS.per_s))
        if refused is None:
            self.books.book(wanted)
        else:
            self.counts[refused.bar] += 1
        return refused

    def check(self, command: Any, now_ns: int) -> Refused | None:
        """Judge a PLACE command; None: it may leave. Books nothing and takes no token."""
        return self._judge(wanted_of(command), now_ns)

    def _judge(self, wanted: Wanted, now_ns: int) -> Refused | None:
        refused = self._stopped(now_ns) or self._shape(wanted, now_ns)
        return refused or self._price(wanted) or self._money(wanted, now_ns)

    def _stopped(self, now_ns: int) -> Refused | None:
        if self.killed_why:
            return Refused(Bar.KILLED)
        if self.is_disarmed or 0 < self.armed_until_ns <= now_ns:
            return Refused(Bar.DISARMED)
        return Refused(Bar.HALTED) if self.is_halted or self.is_leaving else None

    def _shape(self, wanted: Wanted, now_ns: int) -> Refused | None:
        """Hold an order against its window: known, open, of a size that the venue takes."""
        order = wanted.order
        sound = order.token in (Token.UP, Token.DOWN) and order.side in (Side.BUY, Side.SELL)
        if wanted.order_id <= 0 or order.open_micros <= 0 or not 0 < order.price_bps < BPS or not sound:
            return Refused(Bar.NONSENSE, core_erred=True)
        if wanted.order_id in self.books.orders:
            return Refused(Bar.SENT_BEFORE, wanted.order_id, core_erred=True)
        window = self.books.slots.get(wanted.slot)
        if window is None or window.outcome >= 0:
            return Refused(Bar.WINDOW_UNKNOWN)
        if not window.open_ns <= now_ns < window.close_ns:
            in_time = window.open_ns <= wanted.at_ns < window.close_ns
            return Refused(Bar.NOT_OPEN, now_ns, window.close_ns, core_erred=not in_time)
        if not BOUNDARY_NS <= now_ns % GRID_NS < GRID_NS - BOUNDARY_NS:
            return Refused(Bar.BOUNDARY)
        return self._size(order, window)

    def _size(self, order: Sent, window: BookedWindow) -> Refused | None:
        if order.tif not in (TimeInForce.FAK, TimeInForce.FOK):
            least = window.min_shares_micros
            return Refused(Bar.BELOW_MINIMUM, order.open_micros, least) if order.open_micros < least else None
        notional, least = order.open_micros * order.price_bps // BPS, window.min_notional_micros
        return Refused(Bar.BELOW_MINIMUM, notional, least) if order.side == Side.BUY and notional < least else None

    def _price(self, wanted: Wanted) -> Refused | None:
        """Hold a price against the core's own posterior at the moment of firing."""
        order = wanted.order
        if not 0.0 < wanted.p_up < 1.0:
            return Refused(Bar.PRICE_BAND, core_erred=True)
        fair_bps = round(BPS * (wanted.p_up if order.token == Token.UP else 1.0 - wanted.p_up))
        over = order.price_bps - fair_bps if order.side == Side.BUY else fair_bps - order.price_bps
        return Refused(Bar.PRICE_BAND, order.price_bps, fair_bps, core_erred=True) if over > BAND_BPS else None

    def _money(self, wanted: Wanted, now_ns: int) -> Refused | None:
        window, order = self.books.slots[wanted.slot], wanted.order
        if order.side == Side.SELL:
            held = window.unpromised_micros(order.token)
            return Refused(Bar.NOT_HELD, order.open_micros, held, core_erred=True) if order.open_micros > held else None
        if window.is_exit(order):
            return None  # it closes what is held: no limit on new risk speaks against it
        risky = self.books.risky
        at_once = len(risky) + (not window.is_risky)
        if at_once > self.limits.concurrent_count:
            return Refused(Bar.CONCURRENT, at_once, self.limits.concurrent_count, core_erred=True)
        day = self.books.day_micros(now_ns)
        if day <= -self.limits.daily_loss_micros:
            hopeless = self.books.day_micros(now_ns, at_best=True) <= -self.limits.daily_loss_micros - ROUNDING_MICROS
            return Refused(Bar.DAILY_LOSS, day, -self.limits.daily_loss_micros, core_erred=hopeless)
        return self._over(risky, window, order)

    def _over(self, risky: list[BookedWindow], window: BookedWindow, order: Sent) -> Refused | None:
        """Hold the worst case of all that is held, resting and in flight, with this order on top, to the limits."""
        limit = self.limits.position_micros
        here, here_mild = (window.worst_micros(order, with_fees=fees) for fees in (True, False))
        if here <= window.worst_micros():
            return None  # whatever comes of it, no more can be lost than before
        if here > limit:
            return Refused(Bar.POSITION, here, limit, core_erred=here_mild > limit + ROUNDING_MICROS)
        others = [each for each in risky if each is not window]
        together = here + sum(each.worst_micros() for each in others if each.asset == window.asset)
        if together > limit:
            return Refused(Bar.TOGETHER, together, limit)
        if self.armed_micros:
            total = here + sum(each.worst_micros() for each in others)
            if total > self.armed_micros:
                total_mild = here_mild + sum(each.worst_micros(with_fees=False) for each in others)
                erred = total_mild > self.armed_micros + ROUNDING_MICROS
                return Refused(Bar.ARMED_LIMIT, total, self.armed_micros, core_erred=erred)
        return None
