"""Orders to the socket: how long it takes from a command of the core until the request's bytes are with the kernel.

The real gateway posts to a venue next door in another process, at real time. A journal takes the commands down first,
as in a session; every other order waits until it is safe on disk, so that what the disk costs is seen in the same run.
"""

import asyncio
import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import aiohttp
import numpy as np

from evals.generator import generate
from evals.generator_spec import SPECS
from infra.bench import CONDITION, DOWN_TOKEN, UP_TOKEN, price_change_frames
from infra.clock import Clock, monotonic_ns
from infra.feeds import gamma
from infra.feeds.decoder import Decoder
from infra.feeds.frames import Refused, Wire
from infra.feeds.listings import Listing, listing_of
from infra.shell.core import COMMAND
from infra.shell.session import Session
from infra.streams.intake import Intake
from infra.venue_next_door.files import VenueFile
from infra.venues.credentials import throwaway_key
from infra.venues.gateway import Gateway
from infra.venues.rest import Rest
from infra.venues.signing import Signer, salt_of
from infra.wallets import deposit_wallet_of
from state.events import EVENT, Kind, Side, Token
from state.orders import Act, OrderState, TimeInForce
from state.units import MICROS, NS_PER_MS, NS_PER_S
from tools.intervals import Values

SLOT: Final = 0
PACE_NS: Final = 60 * NS_PER_MS
"""Between two orders: below the budget that the gateway keeps to."""
FRAMES_BETWEEN: Final = 12
"""Frames of the book between two orders: 200 a second."""
CANCEL_EVERY: Final = 50
SETTLE_S: Final = 3.0
"""How long the last answers may take."""
PATIENCE_S: Final = 120.0
LEAST_LEFT_S: Final = 20
"""A window that ends sooner is not begun with."""
PRICE_BPS: Final = 100
SHARES: Final = 10
_SALT: Final = re.compile(rb'"salt":(\d+)')

Progress = Callable[[int, int], None]


class NoWindow(Exception):
    """The venue lists no window that takes orders."""


@dataclass(slots=True)
class Timed:
    """What was measured, in ms of real time."""

    safe_ms: list[float] = field(default_factory=list)
    """From the command to the socket, the order safe on disk before it leaves."""
    unsafe_ms: list[float] = field(default_factory=list)
    """The same without waiting for the disk."""
    disk_ms: list[float] = field(default_factory=list)
    """What waiting for the disk took, alone."""
    answer_ms: list[float] = field(default_factory=list)
    """From the socket to the venue's answer."""
    resting_count: int = 0
    """Orders that the venue said are resting."""


class Sockets:
    """Watches requests leave; nothing of what is sent changes.

    A request's bytes are written by the event loop in the turn in which they are handed over; the stamp is taken at
    the start of the next turn, so it is never too early.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.left_ns: dict[int, int] = {}
        """Salt of an order -> when its last byte had left, monotonic."""

    def written(self, body: bytes) -> None:
        """Hear of a request."""
        for salt in _SALT.findall(body):
            self._loop.call_soon(self._left, int(salt))

    def _left(self, salt: int) -> None:
        self.left_ns[salt] = monotonic_ns()


@contextmanager
def _session_in(folder: Path, clock: Clock) -> Iterator[Session]:
    session = Session(folder, created_ns=clock.now_ns(), code="order speed")
    try:
        yield session
    finally:
        session.close()


async def time_orders(told: VenueFile, folder: Path, count: int, progress: Progress) -> Timed:
    """Post so many orders, half of them after waiting for the disk, and say how long each took.

    Raises:
        NoWindow: the venue has none that takes orders.
    """
    clock, sockets = told.clock, Sockets(asyncio.get_running_loop())
    key = throwaway_key()
    signer = Signer(key, deposit_wallet_of(Signer(key).address))
    rest = Rest(told.addresses.clob, clock, signer, None)
    rest.lines.written = sockets.written
    await rest.open()
    with _session_in(folder, clock) as session:
        try:
            await rest.derive()
            intake = Intake(clock)
            posting = _Posting(clock, session, intake, sockets)
            rest.safe = posting.safe
            gateway = Gateway(
                rest, clock, signer, intake,
                recorded=lambda order_id, order_hash: session.note({"order": order_id, "hash": order_hash}, 0),
                answered=posting.heard,
            )  # fmt: skip
            watching = asyncio.create_task(gateway.run())
            try:
                await posting.post_all(gateway, await _window(told), count, progress)
            finally:
                watching.cancel()
                await gateway.close()
        finally:
            await rest.close()
    return posting.timed


class _Frames:
    """Frames of the book to be taken in between: a decision follows one, and a desk that hears nothing decides nothing.

    A process that has slept is slower for a while, for others have used the machine; one that trades has not slept.
    """

    def __init__(self) -> None:
        self._frames = itertools.cycle(price_change_frames(generate(replace(SPECS["demo"], windows=1), seed=2), 2_000))
        self._decoder = Decoder()
        self._decoder.list_market(SLOT, CONDITION, UP_TOKEN, DOWN_TOKEN)
        self._out: Any = np.zeros(64, EVENT)
        self._seen_ns = 0

    def take_one(self) -> None:
        """Decode one frame as the shell does."""
        self._seen_ns += NS_PER_MS
        self._decoder.decode(Wire.POLYMARKET_MARKET, next(self._frames), self._seen_ns, self._out)


@dataclass(slots=True)
class _Posting:
    clock: Clock
    session: Session
    intake: Intake
    sockets: Sockets
    timed: Timed = field(default_factory=Timed)
    _waits: bool = False
    """Whether the order that was just commanded waits for the disk."""
    _answered: dict[int, int] = field(default_factory=dict)
    """Order -> when its answer came, monotonic."""
    _commanded: dict[int, tuple[int, int, bool]] = field(default_factory=dict)
    """Order -> its salt, when it was commanded, and whether it waited for the disk."""

    def heard(self, order_id: int, _sent_ns: int, _answered_ns: int) -> None:
        """Hear that an order was answered."""
        self._answered[order_id] = monotonic_ns()

    async def safe(self) -> None:
        """Wait for the disk, where this order shall."""
        if self._waits:
            began_ns = monotonic_ns()
            await self.session.safe()
            self.timed.disk_ms.append((monotonic_ns() - began_ns) / NS_PER_MS)

    async def post_all(self, gateway: Gateway, listing: Listing, count: int, progress: Progress) -> None:
        """Post orders at a steady pace, and cancel them now and then."""
        gateway.prepare(listing, SLOT)
        frames = _Frames()
        for order_id in range(1, count + 1):
            if order_id % 10 == 1:
                progress(order_id - 1, count)
            if order_id % CANCEL_EVERY == 0:
                await self._settle()
                await gateway.cancel_all()
            for _ in range(FRAMES_BETWEEN):
                await self.clock.sleep(PACE_NS // FRAMES_BETWEEN)
                frames.take_one()
            self._place(gateway, order_id, waits=bool(order_id % 2))
        await self._settle()
        progress(count, count)

    def _place(self, gateway: Gateway, order_id: int, *, waits: bool) -> None:
        """Do with one command as the shell does: write it down, hand it on."""
        self._waits = waits
        commands: Any = np.zeros(1, COMMAND)
        command = commands[0]
        at_ns = self.clock.now_ns()
        command["act_code"], command["slot_id"] = Act.PLACE, SLOT
        command["order_id"], command["at_ns"] = order_id, at_ns
        command["token_code"], command["side_code"], command["post_only"] = Token.UP, Side.BUY, True
        command["price_bps"], command["amount_micros"] = PRICE_BPS, SHARES * MICROS
        command["tif_code"] = TimeInForce.GTC
        self.session.orders_leave = waits
        began_ns = monotonic_ns()
        self.session.commands(commands, at_ns)
        gateway.send(commands)
        self._commanded[order_id] = salt_of(order_id, at_ns), began_ns, waits

    async def _settle(self) -> None:
        """Wait for the answers that are still to come, and take down what was measured."""
        until_ns = monotonic_ns() + round(SETTLE_S * NS_PER_S)
        while monotonic_ns() < until_ns and any(order not in self._answered for order in self._commanded):
            await self.clock.sleep(NS_PER_MS)
        for order_id, (salt, began_ns, waited) in self._commanded.items():
            left_ns = self.sockets.left_ns.get(salt)
            if left_ns is None or order_id not in self._answered:
                continue
            kept = self.timed.safe_ms if waited else self.timed.unsafe_ms
            kept.append((left_ns - began_ns) / NS_PER_MS)
            self.timed.answer_ms.append((self._answered[order_id] - left_ns) / NS_PER_MS)
        self._commanded.clear()
        for arrived in self.intake.drain(1 << 16):
            if arrived.rows is not None:
                rows = arrived.rows[arrived.rows["kind_code"] == Kind.ORDER_CHANGED]
                self.timed.resting_count += int((rows["code_id"] == OrderState.RESTING).sum())


async def _window(told: VenueFile) -> Listing:
    """Wait for a window that has a book and enough time left, and give it."""
    clock = told.clock
    until_ns = monotonic_ns() + round(PATIENCE_S * NS_PER_S)
    async with aiohttp.ClientSession() as session:
        while monotonic_ns() < until_ns:
            now_s = clock.now_ns() // NS_PER_S
            for open_s in (now_s // 300 * 300, now_s // 300 * 300 + 300):
                if open_s + 300 - now_s <= LEAST_LEFT_S:
                    continue
                listing = await _listing(session, told, open_s)
                if listing is not None and await _has_book(session, told, listing):
                    return listing
            await clock.sleep(NS_PER_S // 4)
    raise NoWindow(f"the venue next door has listed no window with a book for {PATIENCE_S:.0f} s")


async def _listing(session: aiohttp.ClientSession, told: VenueFile, open_s: int) -> Listing | None:
    async with session.get(f"{told.addresses.gamma}/events/slug/btc-updown-5m-{open_s}") as answer:
        parsed = gamma.parse(await answer.read())
    if isinstance(parsed, Refused):
        return None
    for message in parsed.messages:
        for market, event in gamma.windows_in(message):
            listing = listing_of(market, event)
            if isinstance(listing, Listing):
                return listing
    return None


async def _has_book(session: aiohttp.ClientSession, told: VenueFile, listing: Listing) -> bool:
    async with session.get(f"{told.addresses.clob}/book?token_id={listing.up_token}") as answer:
        book = await answer.json()
    return bool(isinstance(book, dict) and book.get("bids") and book.get("asks"))


def quantile(values: list[float], percent: float) -> float:
    """Give a quantile, NaN without values."""
    kept: Values = np.array(values, np.float64)
    return float(np.percentile(kept, percent)) if len(kept) else float("nan")
