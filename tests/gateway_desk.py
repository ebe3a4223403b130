"""A small desk at the venue next door: the real gateway, the real servers, and what the core would hear, in words."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec
import numpy as np
from live_venue import LiveVenue, calm_rows, moved, open_venue
from numpy.typing import NDArray
from order_messages import in_words
from venue_stage import OPEN_S, Rows

from infra.clock import RehearsalClock
from infra.feeds import gamma
from infra.feeds.frames import Refused
from infra.feeds.listings import Listing, listing_of
from infra.streams.intake import Intake
from infra.venues.credentials import Secret, throwaway_key
from infra.venues.gateway import Gateway
from infra.venues.rest import Rest
from infra.venues.signing import Signer
from infra.wallets import deposit_wallet_of
from state.events import EVENT, Kind, Side, Token
from state.orders import Act, Command, OrderState, TimeInForce
from state.records import layout
from state.units import BPS, MICROS, NS_PER_S

SLOT = 2
SPEED = 20.0
PATIENCE_S = 40.0


@dataclass
class Desk:
    """One desk's door, and all that has come through it."""

    venue: LiveVenue
    rest: Rest
    gateway: Gateway
    intake: Intake
    listing: Listing
    told: list[NDArray[Any]] = field(default_factory=list)
    recorded: list[tuple[int, str]] = field(default_factory=list)
    stamps: list[tuple[int, int, int]] = field(default_factory=list)
    halts: list[str] = field(default_factory=list)
    sent: list[NDArray[Any]] = field(default_factory=list)
    orders_count: int = 0
    deaf: bool = False
    """Does not hear the user channel."""
    listening: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def rows(self) -> NDArray[Any]:
        """All rows so far."""
        self.collect()
        return np.concatenate(self.told) if self.told else np.zeros(0, EVENT)

    def collect(self) -> None:
        """Take what waits in the intake: it came before whatever comes next."""
        for arrived in self.intake.drain(1 << 16):
            if arrived.rows is not None:
                self.told.append(arrived.rows)

    @property
    def words(self) -> list[str]:
        """All that the core has heard of orders that had left, in words."""
        rows = self.rows
        on_its_way = np.isin(rows["code_id"], (OrderState.SIGNED, OrderState.SENT))
        on_chain = np.isin(rows["kind_code"], (Kind.FILL_MINED, Kind.FILL_CONFIRMED))  # takes its own time
        return in_words(rows[((rows["kind_code"] != Kind.ORDER_CHANGED) | ~on_its_way) & ~on_chain])

    @property
    def all_words(self) -> list[str]:
        """All that the core has heard, in words; also what the gateway itself told."""
        return in_words(self.rows)

    def place(
        self, price: str = "0.45", shares: float = 10, token: Token = Token.UP, tif: TimeInForce = TimeInForce.GTC,
        side: Side = Side.BUY, post_only: bool | None = None, at_ns: int = 0,
    ) -> int:  # fmt: skip
        """Send an order as the core would; gives its number."""
        self.orders_count += 1
        command = np.zeros(1, layout(Command))
        told = {
            "act_code": Act.PLACE, "order_id": self.orders_count, "at_ns": at_ns or self.venue.clock.now_ns(),
            "slot_id": SLOT, "token_code": token, "side_code": side, "price_bps": round(float(price) * BPS),
            "amount_micros": round(shares * MICROS), "tif_code": tif,
            "post_only": tif is TimeInForce.GTC if post_only is None else post_only,
        }  # fmt: skip
        for name, value in told.items():
            command[name] = value
        self.sent.append(command)
        self.gateway.send(command)
        return self.orders_count

    def cancel(self, *orders: int) -> None:
        """Send cancels as the core would."""
        commands = np.zeros(len(orders), layout(Command))
        commands["act_code"], commands["slot_id"], commands["order_id"] = Act.CANCEL, SLOT, orders
        self.gateway.send(commands)

    def cancel_market(self) -> None:
        """Send one cancel for all that rests in the window."""
        commands = np.zeros(1, layout(Command))
        commands["act_code"], commands["slot_id"] = Act.CANCEL_MARKET, SLOT
        self.gateway.send(commands)

    def merge(self, merge_id: int, shares: float) -> None:
        """Ask for complete sets to be merged as the core would."""
        commands = np.zeros(1, layout(Command))
        commands["act_code"], commands["slot_id"], commands["order_id"] = Act.MERGE, SLOT, merge_id
        commands["amount_micros"] = round(shares * MICROS)
        self.gateway.send(commands)

    async def until(self, words: str) -> None:
        """Wait until the core has heard something."""
        await self.until_true(lambda: any(words in line for line in self.words), words)

    async def until_true(self, come: Callable[[], bool], what: str) -> None:
        """Wait until something is so."""
        for _ in range(round(PATIENCE_S / 0.005)):
            if self.gateway.fault is not None:
                raise self.gateway.fault
            if come():
                return
            await asyncio.sleep(0.005)
        raise AssertionError(f"did not come: {what}; heard {self.words}; counted {dict(self.gateway.counts)}")

    def position(self) -> tuple[int, int, int, int]:
        """Give UP, DOWN, cash spent and fees, as booked by the core."""
        up = down = spent = fees = 0
        for row in self.rows:
            kind, amount = Kind(int(row["kind_code"])), int(row["amount_micros"])
            if kind is Kind.FEE_CHARGED:
                fees += amount
            elif kind in (Kind.FILLED, Kind.FILL_REVERSED):
                sign = (1 if kind is Kind.FILLED else -1) * (1 if row["side_code"] == Side.BUY else -1)
                up += sign * amount * (row["token_code"] == Token.UP)
                down += sign * amount * (row["token_code"] == Token.DOWN)
                spent += sign * amount * int(row["price_bps"]) // BPS
        return int(up), int(down), spent, fees

    async def hear(self) -> None:
        """Listen to the user channel until cancelled."""
        keys = self.rest.credentials
        assert keys is not None
        auth = {
            "apiKey": keys.api_key, "secret": keys.secret.reveal(), "passphrase": keys.passphrase.reveal(),
        }  # fmt: skip
        async with aiohttp.ClientSession() as session, session.ws_connect(self.venue.addresses.user_ws) as socket:
            await socket.send_str(msgspec.json.encode({"type": "user", "auth": auth}).decode())
            await socket.send_str("PING")
            async for message in socket:
                self.listening.set()
                if message.type is aiohttp.WSMsgType.TEXT and not self.deaf:
                    self.collect()
                    rows = self.gateway.take(message.data.encode(), self.venue.clock.now_ns())
                    if len(rows):
                        self.told.append(rows)


async def listing_at(venue: LiveVenue) -> Listing:
    """Ask Gamma for the window, as discovery does."""
    slug = venue.window.slug
    async with aiohttp.ClientSession() as session, session.get(f"{venue.addresses.gamma}/events/slug/{slug}") as told:
        parsed = gamma.parse(await told.read())
    assert not isinstance(parsed, Refused)
    for message in parsed.messages:
        for market, event in gamma.windows_in(message):
            listing = listing_of(market, event)
            assert not isinstance(listing, Refused), listing
            return listing
    raise AssertionError("Gamma does not list the window")


@asynccontextmanager
async def desk_at(venue: LiveVenue, key: Secret | None = None, own_account: bool = False) -> AsyncIterator[Desk]:
    """Open a desk at a venue: credentials derived, connections warm, the user channel heard."""
    key = key or throwaway_key()
    signer = Signer(key, "" if own_account else deposit_wallet_of(Signer(key).address))
    rest = Rest(venue.addresses.clob, venue.clock, signer, None)
    await rest.open()
    try:
        await rest.derive()
        intake = Intake(venue.clock)
        desk: list[Desk] = []
        gateway = Gateway(
            rest, venue.clock, signer, intake,
            recorded=lambda order_id, order_hash: desk[0].recorded.append((order_id, order_hash)),
            answered=lambda *stamps: desk[0].stamps.append(stamps),
            halted=lambda why: desk[0].halts.append(why),
        )  # fmt: skip
        listing = await listing_at(venue)
        desk.append(Desk(venue, rest, gateway, intake, listing))
        gateway.prepare(listing, SLOT)
        tasks = [asyncio.create_task(desk[0].hear()), asyncio.create_task(gateway.run())]
        try:
            await desk[0].listening.wait()
            yield desk[0]
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await gateway.close()
    finally:
        await rest.close()


@asynccontextmanager
async def a_venue(start_s: float = -20, speed: float = SPEED, rows: Rows | None = None) -> AsyncIterator[LiveVenue]:
    """Open a venue with one calm window, so many seconds before or after its start."""
    clock = RehearsalClock.starting(OPEN_S * NS_PER_S + round(start_s * NS_PER_S), speed)
    async with open_venue(moved(calm_rows(), 0) if rows is None else rows, clock) as venue:
        for _ in range(2_000):
            windows = venue.engine.windows
            if windows and venue.window.hydrated_ns and venue.engine.book(venue.window.tokens[0]) is not None:
                break
            await asyncio.sleep(0.005)
        yield venue


@asynccontextmanager
async def a_desk(start_s: float = -20, speed: float = SPEED, own_account: bool = False) -> AsyncIterator[Desk]:
    """Open a venue and a desk at it."""
    async with a_venue(start_s, speed) as venue, desk_at(venue, own_account=own_account) as desk:
        yield desk
