"""Bad days: the whole venue and the whole desk in one process, with everything that the desk writes down kept at hand.

A day has one desk (all feeds, the core, its orders) and, where a story is about orders, a hand beside it: an account of
its own with the desk's own gateway and streams and no core, so that a story says which order leaves, and when.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evals.generator import DEMO, open_s
from infra.clock import RehearsalClock, monotonic_ns
from infra.feeds.frames import Wire
from infra.shell.core import COMMAND, Core
from infra.shell.session import Session
from infra.shell.shell import Shell
from infra.streams.endpoints import EVERY
from infra.streams.intake import Intake
from infra.streams.life import Life
from infra.streams.streams import Streams
from infra.venue_next_door.faults import Fault, Switch
from infra.venue_next_door.markets import SETTLED_S, Market
from infra.venue_next_door.nouns import Account, BookShown, PlacedOrder, Window
from infra.venue_next_door.server import VenueServer
from infra.venue_next_door.source import generated
from infra.venues.credentials import throwaway_key
from infra.venues.gateway import Gateway
from infra.venues.heartbeat import Heartbeat
from infra.venues.rest import Rest
from infra.venues.signing import Signer
from infra.wallets import deposit_wallet_of
from infra.warm import warm_core, warm_sides
from state.events import Kind, Side, Token, Word
from state.orders import Act, OrderState, Reject, TimeInForce
from state.params import default_params
from state.reasons import Reason
from state.units import BPS, MICROS, NS_PER_S

SPEED: Final = 20.0
CASH_MICROS: Final = 100_000 * MICROS
LEAD_S: Final = 90
"""The day begins so long before its first window opens."""
PATIENCE_REAL_S: Final = 4.0
"""What is waited for may take so much of the machine's time, however fast the clock runs."""
CASH_S: Final = 60.0
"""What is under way at a day's end is settled, redeemed or undone by then."""
EAGER: Final = {"take_edge_bps": 10, "quote_edge_bps": 10, "keep_edge_bps": 0}
"""A desk that acts at the least edge, so that faults find orders of its own; what they earn is not looked at."""
LOOK_S: Final = 0.005
HAND_WIRES: Final = frozenset({Wire.GAMMA, Wire.CLOB_REST, Wire.POLYMARKET_USER})
KEPT: Final = (int(Kind.STRIKE_SEEN), int(Kind.TICK_CHANGED))
ORDERLY_BPS: Final = (1_500, 8_500)
"""Books whose best prices lie in here are good for stories about orders."""

Rows = NDArray[Any]


class Unseen(Exception):
    """Something that a story says must happen did not; the message says what."""


class Remembering(Session):
    """A session's journal that keeps at hand what it writes down of orders, feeds, strikes and ends, and its notes."""

    def __init__(self, folder: Path, created_ns: int) -> None:
        super().__init__(folder, created_ns=created_ns, code="faults")
        self.kept: list[Any] = []
        """Single rows, shape ()."""
        self.notes: list[dict[str, Any]] = []
        self.mandates: list[tuple[int, int, Reason]] = []
        """(slot, seen, reason)."""

    def note(self, note: dict[str, Any], now_ns: int) -> None:
        """Write a note down and keep it."""
        super().note(note, now_ns)
        self.notes.append({"at_ns": now_ns, **note})

    def rows(self, events: Rows, count: int) -> None:
        """Write rows down, and keep those that stories tell of."""
        super().rows(events, count)
        kinds = events["kind_code"][:count]
        told = (kinds >= Kind.FEED_CHANGED) | np.isin(kinds, KEPT)
        if told.any():
            self.kept += list(events[:count][told].copy())

    def mandate(self, mandates: Rows, seen_ns: int) -> None:
        """Write a mandate down, and keep why it stands aside."""
        super().mandate(mandates, seen_ns)
        self.mandates.append((int(mandates["slot_id"][0]), seen_ns, Reason(int(mandates["reason_code"][0]))))


@dataclass(slots=True)
class Desk:
    """A desk that runs; `core` is None for a hand."""

    venue: VenueServer
    shell: Shell
    streams: Streams
    gateway: Gateway
    heartbeat: Heartbeat
    journal: Remembering
    orders_count: int = 0

    @property
    def clock(self) -> RehearsalClock:
        """Give the clock that all share."""
        return self.venue.clock

    @property
    def account(self) -> Account:
        """Give the desk's account as the venue has it."""
        return self.venue.engine.accounts[self.gateway.news.api_key]

    def life(self, wire: Wire) -> Life:
        """Give what is counted of a wire."""
        return self.streams.connections[wire].life

    def notes_since(self, since_ns: int, word: str, wire: Wire) -> list[dict[str, Any]]:
        """Give what the journal noted of a connection: `connected`, `disconnected`, `gap`."""
        name = wire.name.lower()
        found = [note for note in self.journal.notes if note.get("connection") == word and note.get("wire") == name]
        return [note for note in found if note["at_ns"] >= since_ns]

    def rows_since(self, since_ns: int, *kinds: Kind) -> list[Any]:
        """Give kept rows of some kinds."""
        return [row for row in self.journal.kept if row["seen_ns"] >= since_ns and row["kind_code"] in kinds]

    def asides_since(self, since_ns: int, slot: int = -1) -> set[Reason]:
        """Give the reasons for which the desk stood aside."""
        told = self.journal.mandates
        return {why for its, seen_ns, why in told if seen_ns >= since_ns and why and slot in (-1, its)}

    def market(self, slot: int) -> Any:
        """Give a window as the core knows it."""
        assert self.shell.core is not None, "only the desk has a core"
        return self.shell.core.worlds["markets"][0][slot]

    def book_differs(self, window: Window) -> str:
        """Hold the core's two books of a window against the venue's; empty when they are the same."""
        slot = self.shell.slots.taken.get(window.slug, -1)
        if slot < 0:
            return "the desk does not follow the window"
        for token in Token:
            mine = self.market(slot)["books"][token]
            theirs = self.venue.engine.book(window.tokens[token])
            if theirs is None or not mine["valid"]:
                return "no book that counts"
            for side, levels in (("bid", theirs.bids), ("ask", theirs.asks)):
                sizes = np.zeros_like(mine[side]["sizes_micros"])
                for level in levels:
                    sizes[level.price_bps // 10] = level.amount_micros
                if not np.array_equal(sizes, mine[side]["sizes_micros"]):
                    return f"the {token.name} book's {side}s differ"
        return ""

    # What a hand does.

    def place(
        self, window: Window, price_bps: int, shares: float, *, token: Token = Token.UP, side: Side = Side.BUY,
        tif: TimeInForce = TimeInForce.GTC,
    ) -> int:  # fmt: skip
        """Hand an order to the gateway, as the core would; gives its number."""
        self.orders_count += 1
        command = np.zeros(1, COMMAND)
        told = {
            "act_code": Act.PLACE, "order_id": self.orders_count, "at_ns": self.clock.now_ns(), "side_code": side,
            "slot_id": self.shell.slots.taken[window.slug], "token_code": token, "price_bps": price_bps,
            "amount_micros": round(shares * MICROS), "tif_code": tif, "post_only": tif is TimeInForce.GTC,
        }  # fmt: skip
        for name, value in told.items():
            command[name] = value
        self.gateway.send(command)
        return self.orders_count

    def cancel(self, window: Window, *orders: int) -> None:
        """Hand cancels to the gateway."""
        commands = np.zeros(len(orders), COMMAND)
        commands["act_code"], commands["order_id"] = Act.CANCEL, orders
        commands["slot_id"] = self.shell.slots.taken[window.slug]
        self.gateway.send(commands)

    def story_of(self, order_id: int) -> list[str]:
        """Tell in words what was heard of an order."""
        return [
            _said(row)
            for row in self.journal.kept
            if row["ref_id"] == order_id and Kind.ORDER_CHANGED <= row["kind_code"] <= Kind.FILL_REVERSED
        ]

    def hash_of(self, order_id: int) -> str:
        """Give the hash that was written down before an order left."""
        return next((note["hash"] for note in self.journal.notes if note.get("order") == order_id), "")

    def at_venue(self, order_id: int) -> PlacedOrder | None:
        """Give an order as the venue has it."""
        return self.account.orders.get(self.hash_of(order_id))


def _said(row: Any) -> str:
    kind, shares = Kind(int(row["kind_code"])), int(row["amount_micros"]) / MICROS
    if kind is Kind.ORDER_CHANGED:
        state, reject = OrderState(int(row["code_id"])), Reject(int(row["flags_mask"]))
        return state.name if reject is Reject.NONE else f"{state.name} ({reject.name})"
    return {Kind.FILLED: "FILLED", Kind.FEE_CHARGED: "FEE", Kind.FILL_REVERSED: "REVERSED"}[kind] + f" {shares:g}"


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

        with suppress(Unseen):
            await self.until(lambda: len(set(both())) == 1, "the desk's cash is the venue's", CASH_S)
        return both()

    @asynccontextmanager
    async def hand(self) -> AsyncIterator[Desk]:
        """Open an account of its own with the desk's gateway and streams, and no core."""
        self.hands_count += 1
        async with _desk(self.venue, self.scratch / f"hand-{self.hands_count}", None) as hand:
            await self.until(lambda: len(hand.shell.listings) >= 2, "the hand knows windows", 60.0)
            yield hand


@asynccontextmanager
async def a_day(scratch: Path, *, speed: float = SPEED, windows: int = 5, seed: int = 4) -> AsyncIterator[Day]:
    """Open a venue and the desk in it, a little before the first window opens."""
    core = _warm_core()
    market = _quiet_market(windows, seed)
    async with VenueServer.open(market, speed_ratio=speed, seed=seed, cash_micros=CASH_MICROS) as venue:
        async with _desk(venue, scratch / "desk", core) as desk:
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


def _warm_core() -> Core:
    """Give a fresh core whose machine code is loaded: while that takes its seconds, no clock may run yet."""
    warm_core()
    warm_sides()
    return Core(default_params(EAGER), CASH_MICROS)


@asynccontextmanager
async def _desk(venue: VenueServer, folder: Path, core: Core | None) -> AsyncIterator[Desk]:
    """Put a desk together as a live session does: `infra/shell/live.py`, with everything within reach."""
    clock = venue.clock
    key = throwaway_key()
    signer = Signer(key, deposit_wallet_of(Signer(key).address))
    intake = Intake(clock)
    journal = Remembering(folder, clock.now_ns())
    rest = Rest(venue.addresses.clob, clock, signer, None)
    async with AsyncExitStack() as stack:
        stack.callback(journal.close)
        await rest.open()
        stack.push_async_callback(rest.close)
        keys = await rest.derive()
        found: list[Shell] = []
        gateway = Gateway(
            rest, clock, signer, intake,
            recorded=lambda order_id, order_hash: journal.note({"order": order_id, "hash": order_hash}, clock.now_ns()),
            answered=lambda *told: found[0].answered(*told),
            halted=lambda why: found[0].halt(why) if core is not None else journal.note({"halted": why}, clock.now_ns()),
        )  # fmt: skip
        stack.push_async_callback(gateway.close)
        shell = Shell(
            clock=clock, intake=intake, session=journal, core=core, door=gateway, news=gateway, prepare=gateway.prepare
        )
        found.append(shell)
        stack.callback(shell.close)
        if core is not None:
            journal.begin(core, {"mode": "faults"}, clock.now_ns())
        wires = EVERY if core is not None else HAND_WIRES
        heartbeat = Heartbeat(rest, clock)
        streams = await stack.enter_async_context(Streams(venue.addresses, clock, intake, keys, wires=wires))
        stop = asyncio.Event()
        lives = (shell.run(stop), gateway.run(), heartbeat.run())
        tasks = [asyncio.create_task(life) for life in lives]
        stack.push_async_callback(_end, tasks)
        yield Desk(venue, shell, streams, gateway, heartbeat, journal)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def cents(price_bps: int) -> str:
    """Show a price as people do."""
    return f"{price_bps / BPS:.3g}"
