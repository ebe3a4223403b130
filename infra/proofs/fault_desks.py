"""Desks for bad days: the live desk's parts put together as a session does, with all that it writes down at hand.

A desk has a core and trades by itself. A hand has the same gateway and streams on an account of its own and no core, so
that a story says which order leaves, and when.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from infra.clock import Clock
from infra.feeds.frames import Wire
from infra.ledger.session_books import session_books
from infra.shell.core import COMMAND, Core
from infra.shell.desk_process import DeskProcess
from infra.shell.kill import KillSwitch
from infra.shell.session import Session
from infra.shell.shell import Shell
from infra.streams.endpoints import EVERY
from infra.streams.intake import Intake
from infra.streams.life import Life
from infra.streams.streams import Streams
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.nouns import Account, PlacedOrder, Window
from infra.venue_next_door.server import VenueServer
from infra.venues.credentials import throwaway_key
from infra.venues.gate import Gate
from infra.venues.gateway import Gateway
from infra.venues.heartbeat import Heartbeat
from infra.venues.rest import Rest
from infra.venues.signing import Signer
from infra.wallets import deposit_wallet_of
from state.events import Kind, Side, Token
from state.orders import Act, OrderState, Reject, TimeInForce
from state.reasons import Reason
from state.units import BPS, MICROS

CASH_MICROS: Final = 100_000 * MICROS
LOOK_S: Final = 0.005
HAND_WIRES: Final = frozenset({Wire.GAMMA, Wire.CLOB_REST, Wire.POLYMARKET_USER})
KEPT: Final = (int(Kind.STRIKE_SEEN), int(Kind.TICK_CHANGED))

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


class Next(Protocol):
    """A venue next door, as far as who trades there looks into it."""

    @property
    def clock(self) -> Clock:
        """Give the clock that all share."""

    @property
    def engine(self) -> Engine:
        """Give the venue itself."""


@dataclass(slots=True, kw_only=True)
class Hand:
    """Who places orders through the desk's own gateway, and what was heard of them; a core trades by itself, too."""

    venue: Next
    shell: Shell
    gateway: Gateway
    journal: Remembering
    orders_count: int = 0

    @property
    def clock(self) -> Clock:
        """Give the clock that all share."""
        return self.venue.clock

    @property
    def account(self) -> Account:
        """Give the desk's account as the venue has it."""
        return self.venue.engine.accounts[self.gateway.news.api_key]

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
                    at = np.flatnonzero(sizes != mine[side]["sizes_micros"])[:4]
                    odd = [(int(mill), int(sizes[mill]), int(mine[side]["sizes_micros"][mill])) for mill in at]
                    return f"the {token.name} book's {side}s differ: (mills, venue, desk) {odd}"
        return ""

    # What a hand does.

    def place(
        self, window: Window, price_bps: int, shares: float, *, token: Token = Token.UP, side: Side = Side.BUY,
        tif: TimeInForce = TimeInForce.GTC,
    ) -> int:  # fmt: skip
        """Hand an order to the gateway, as the core would; gives its number. What may rest is post-only."""
        self.orders_count += 1
        command = np.zeros(1, COMMAND)
        told = {
            "act_code": Act.PLACE, "order_id": self.orders_count, "at_ns": self.clock.now_ns(), "side_code": side,
            "slot_id": self.shell.slots.taken[window.slug], "token_code": token, "price_bps": price_bps,
            "amount_micros": round(shares * MICROS), "tif_code": tif, "post_only": tif is TimeInForce.GTC,
        }  # fmt: skip
        for name, value in told.items():
            command[name] = value
        self.journal.commands(command, self.clock.now_ns())
        self.gateway.send(command)
        return self.orders_count

    def cancel(self, window: Window, *orders: int) -> None:
        """Hand cancels to the gateway."""
        commands = np.zeros(len(orders), COMMAND)
        commands["act_code"], commands["order_id"] = Act.CANCEL, orders
        commands["slot_id"] = self.shell.slots.taken[window.slug]
        self.gateway.send(commands)

    def cancel_market(self, window: Window) -> None:
        """Hand over one cancel for all that rests in a window."""
        commands = np.zeros(1, COMMAND)
        commands["act_code"], commands["slot_id"] = Act.CANCEL_MARKET, self.shell.slots.taken[window.slug]
        self.gateway.send(commands)

    def story_of(self, order_id: int) -> list[str]:
        """Tell in words what was heard of an order after it had left."""
        return [
            _said(row)
            for row in self.journal.kept
            if row["ref_id"] == order_id
            and Kind.ORDER_CHANGED <= row["kind_code"] <= Kind.FILL_REVERSED
            and not (row["kind_code"] == Kind.ORDER_CHANGED and row["code_id"] in (OrderState.SIGNED, OrderState.SENT))
        ]

    def hash_of(self, order_id: int) -> str:
        """Give the hash that was written down before an order left."""
        return next((note["hash"] for note in self.journal.notes if note.get("order") == order_id), "")

    def at_venue(self, order_id: int) -> PlacedOrder | None:
        """Give an order as the venue has it."""
        return self.account.orders.get(self.hash_of(order_id))


@dataclass(slots=True, kw_only=True)
class Desk(Hand):
    """One that runs over sockets; `shell.core` is None for a hand."""

    streams: Streams
    heartbeat: Heartbeat

    def life(self, wire: Wire) -> Life:
        """Give what is counted of a wire."""
        return self.streams.connections[wire].life

    def notes_since(self, since_ns: int, word: str, wire: Wire) -> list[dict[str, Any]]:
        """Give what the journal noted of a connection: `connected`, `disconnected`, `gap`."""
        name = wire.name.lower()
        found = [note for note in self.journal.notes if note.get("connection") == word and note.get("wire") == name]
        return [note for note in found if note["at_ns"] >= since_ns]


def _said(row: Any) -> str:
    kind, shares = Kind(int(row["kind_code"])), int(row["amount_micros"]) / MICROS
    if kind is Kind.ORDER_CHANGED:
        state, reject = OrderState(int(row["code_id"])), Reject(int(row["flags_mask"]))
        return state.name if reject is Reject.NONE else f"{state.name} ({reject.name})"
    return {Kind.FILLED: "FILLED", Kind.FEE_CHARGED: "FEE", Kind.FILL_REVERSED: "REVERSED"}[kind] + f" {shares:g}"


def _halt(shell: Shell, why: str) -> None:
    """Let the core stop; a hand has none and only writes it down."""
    if shell.core is not None:
        shell.halt(why)
    else:
        shell.session.note({"halted": why}, shell.clock.now_ns())


@asynccontextmanager
async def a_desk(
    venue: VenueServer, folder: Path, core: Core | None = None, process: DeskProcess | None = None, *,
    books: bool = False,
) -> AsyncIterator[Desk]:  # fmt: skip
    """Put a desk together as a live session does: `infra/shell/live.py`, with everything within reach.

    With `books` it keeps them beside its journal, as a session does that trades.
    """
    clock = venue.clock
    key = throwaway_key()
    signer = Signer(key, deposit_wallet_of(Signer(key).address))
    intake = Intake(clock)
    journal = Remembering(folder, clock.now_ns())
    rest = Rest(venue.addresses.clob, clock, signer, None)
    async with AsyncExitStack() as stack:
        stack.callback(journal.close)
        if books:
            await stack.enter_async_context(session_books(journal, folder))
        await rest.open()
        stack.push_async_callback(rest.close)
        keys = await rest.derive()
        found: list[Shell] = []
        gateway = Gateway(
            rest, clock, signer, intake,
            recorded=lambda order_id, order_hash: journal.note({"order": order_id, "hash": order_hash}, clock.now_ns()),
            answered=lambda *told: found[0].answered(*told),
            halted=lambda why: _halt(found[0], why),
            gate=Gate(core.params, clock.now_ns()) if core is not None else None,
            noted=lambda note: journal.note(note, clock.now_ns()),
        )  # fmt: skip
        stack.push_async_callback(gateway.close)
        shell = Shell(
            clock=clock, intake=intake, session=journal, core=core, door=gateway, news=gateway,
            prepare=gateway.prepare, desk=process, hear_first=gateway.hear,
        )  # fmt: skip
        found.append(shell)
        stack.callback(shell.close)
        if core is not None:
            journal.begin(core, {"mode": "faults"}, clock.now_ns())
        wires = EVERY if core is not None else HAND_WIRES
        KillSwitch(folder, gateway, rest, shell.halt)  # looks at the file whenever an order is about to leave
        heartbeat = Heartbeat(rest, clock, lambda: gateway.is_killed())
        streams = await stack.enter_async_context(Streams(venue.addresses, clock, intake, keys, wires=wires))
        stop = asyncio.Event()
        lives = (shell.run(stop), gateway.run(), heartbeat.run())
        tasks = [asyncio.create_task(life) for life in lives]
        stack.push_async_callback(_end, tasks)
        yield Desk(
            venue=venue, shell=shell, gateway=gateway, journal=journal, streams=streams, heartbeat=heartbeat
        )  # fmt: skip


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def cents(price_bps: int) -> str:
    """Show a price as people do."""
    return f"{price_bps / BPS:.3g}"
