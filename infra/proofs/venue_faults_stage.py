"""The stage of the venue's faults: the venue next door with time by hand, and desks whose books are kept in a file.

Engine, REST applications, gateway, order news, shell, journal, discovery, ledger and core are the ones that trade; only
sockets are replaced, by calls that take a moment each. So a story of minutes plays in a second, the same each time.
"""

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.addresses import Addresses
from infra.feeds.frames import Wire
from infra.ledger.session_books import session_books
from infra.proofs.fault_desks import CASH_MICROS, Remembering, Unseen
from infra.proofs.hand_clock import HandClock
from infra.proofs.storm_stage import FusedRunner
from infra.proofs.venue_faults_desks import HandDesk, books_in, chain_head, halt, prices_in, signer_of
from infra.proofs.venue_faults_wires import HandQuestions, HandRest
from infra.shell.core import Core
from infra.shell.shell import Shell
from infra.streams.discovery import Discovery
from infra.streams.intake import Arrived, Intake, What
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.faults import Fault, Faults, Switch
from infra.venue_next_door.markets import generated_market
from infra.venue_next_door.nouns import Account, BookShown, PlacedOrder, Trade, TradeStatus, Window
from infra.venue_next_door.server import APPS
from infra.venue_next_door.user_frames import order_news, trade_news
from infra.venues.gate import Gate
from infra.venues.gateway import Gateway
from infra.venues.signing import Signer
from state.events import Kind, Source, Token
from state.params import Params
from state.units import NS_PER_MS, NS_PER_S

STEP_NS: Final = 50 * NS_PER_MS
SEED: Final = 7
SERVED: Final = ("clob", "gamma", "data_api", "geoblock", "polygon", "relayer")
ADDRESSES: Final = Addresses(**{name: f"http://{name}" for name in SERVED})
Rows = NDArray[Any]


@lru_cache(maxsize=8)
def _market(name: str, seed: int) -> tuple[Rows, int]:
    """Give a market's rows, made once for all stories in it, and when its window opens, in ns."""
    market = generated_market(name, windows=1, seed=seed)
    return np.concatenate(list(market.rows)), market.first_open_s * NS_PER_S


class Stage:
    """One window of one market, and time that passes when the story says so."""

    def __init__(
        self, folder: Path, *, market: str = "demo", into_s: float = 30.0, seed: int = SEED,
        script: Sequence[Switch] = (), **engine: Any,
    ) -> None:  # fmt: skip
        """Take where desks keep what they write, how far into its window the market shall be, and faults from then."""
        made, self.open_ns = _market(market, seed)
        self.close_ns = self.open_ns + 300 * NS_PER_S
        self.folder, self.seed = folder, seed
        self.clock = HandClock(int(made["seen_ns"][0]))
        self.begin_ns = self.open_ns + round(into_s * NS_PER_S)
        self.faults = Faults(self.clock, list(script))
        self.engine = Engine([made], self.clock, self.faults, seed=seed, cash_micros=CASH_MICROS, **engine)
        self.apps = {name: APPS[name](self.engine) for name in SERVED}
        self.desks: list[HandDesk] = []
        self._public: list[Rows] = []
        """All that has left the venue, from its beginning."""
        self._frames: list[tuple[int, int, HandDesk, bytes]] = []
        self._count = itertools.count()
        self._checked_ns = 0
        self.engine.on_public(lambda rows: self._public.append(rows.copy()))
        self.engine.on_order(self._hear_order)
        self.engine.on_trade(self._hear_trade)

    # What the venue says.

    def _hear_order(self, account: Account, order: PlacedOrder, news: str) -> None:
        self._post(account, order_news(account, order, news, self.engine.now_ns()))

    def _hear_trade(self, account: Account, trade: Trade) -> None:
        self._post(account, trade_news(account, trade, self.engine.now_ns()))

    def _post(self, account: Account, raw: bytes) -> None:
        for desk in self.desks:
            if desk.gateway.news.api_key == account.api_key:
                for late_ns in desk.roads(raw):
                    heapq.heappush(self._frames, (self.clock.now_ns() + late_ns, next(self._count), desk, raw))

    # Time.

    async def open(self) -> None:
        """Let the venue live up to the beginning."""
        for app in self.apps.values():
            app.freeze()
            await app.startup()
        self.clock.at_ns = self.begin_ns
        self.engine.step()

    async def step(self) -> None:
        """Let a moment pass."""
        await self.clock.advance(self.clock.now_ns() + STEP_NS)
        now_ns = self.clock.now_ns()
        self.engine.step()
        while self._frames and self._frames[0][0] <= now_ns:
            _, _, desk, raw = heapq.heappop(self._frames)
            desk.shell.intake.put(Arrived(What.FRAME, Wire.POLYMARKET_USER, 1, now_ns, raw=raw))
        if now_ns - self._checked_ns >= NS_PER_S:
            self._checked_ns = now_ns
            self.engine.check()
        for desk in self.desks:
            self._tell(desk, now_ns)

    def _tell(self, desk: HandDesk, now_ns: int) -> None:
        shell, public = desk.shell, self._public
        if shell.core is not None and desk.slot >= 0:
            fresh, desk.prices_count = public[desk.prices_count :], len(public)
            told = [prices_in(each) for each in fresh]
            if 0 < self.window.hydrated_ns <= now_ns:  # before that, no book is shown to anybody
                fresh, desk.books_count = public[desk.books_count :], len(public)
                told += [books_in(each, self.window.slot, desk.slot) for each in fresh]
            if any(map(len, told)):
                shell.intake.put(Arrived(What.ROWS, Wire.POLYMARKET_MARKET, 0, now_ns, rows=np.concatenate(told)))
        shell.take(shell.intake.drain(1 << 14))
        if shell.core is not None and now_ns == self._checked_ns:
            shell.tell(chain_head(now_ns))
        fault = desk.gateway.fault or shell.fault
        if fault is not None:
            raise fault

    async def pause(self, span_s: float) -> None:
        """Let time pass."""
        until_ns = self.clock.now_ns() + round(span_s * NS_PER_S)
        while self.clock.now_ns() < until_ns:
            await self.step()

    async def at(self, into_s: float) -> None:
        """Let time pass up to a moment of the window."""
        await self.pause((self.open_ns - self.clock.now_ns()) / NS_PER_S + into_s)

    async def until(self, come: Callable[[], bool], what: str, patience_s: float = 30.0) -> float:
        """Let time pass until something is so, and give how many seconds that took.

        Raises:
            Unseen: it did not come.
        """
        began_ns = self.clock.now_ns()
        while not come():
            if self.clock.now_ns() - began_ns > patience_s * NS_PER_S:
                raise Unseen(f"not seen within {patience_s:g} s: {what}")
            await self.step()
        return (self.clock.now_ns() - began_ns) / NS_PER_S

    async def heard(self, desk: HandDesk, order: int, words: str, patience_s: float = 30.0) -> float:
        """Let time pass until something was heard of an order."""
        try:
            return await self.until(lambda: desk.heard(order, words), words, patience_s)
        except Unseen as unseen:
            raise Unseen(f"{unseen}; heard {desk.story_of(order)}, counted {dict(desk.gateway.counts)}") from None

    @contextmanager
    def on(self, fault: Fault, where: str = "", value: float = 1.0) -> Iterator[Switch]:
        """Have a fault on while the block lasts."""
        switch = Switch(fault, where, from_ns=self.clock.now_ns(), value=value)
        self.faults.add(switch)
        try:
            yield switch
        finally:
            self.faults.switches.remove(switch)

    # What is there.

    @property
    def window(self) -> Window:
        """Give the window."""
        return next(each for each in self.engine.windows.values() if each.open_ns == self.open_ns)

    def book(self, token: Token = Token.UP) -> BookShown:
        """Give a book as the venue shows it; raises Unseen without two sides."""
        shown = self.engine.book(self.window.tokens[token])
        if shown is None or not shown.bids or not shown.asks:
            raise Unseen("the window has no two-sided book")
        return shown

    def price_usd(self, source: Source, at_ns: int) -> float:
        """Give the last price that a source had told by a time."""
        told = np.concatenate(self._public)
        said = told[(told["source_code"] == source) & (told["kind_code"] == Kind.PRICE_SEEN) & (told["at_ns"] <= at_ns)]
        return float(said["value_usd"][np.argmax(said["at_ns"])])

    def questions(self) -> HandQuestions:
        """Give a way to the public servers."""
        return HandQuestions(self.apps, self.clock)

    # Desks.

    @asynccontextmanager
    async def desk(
        self, name: str = "desk", *, params: Params | None = None, signer: Signer | None = None, listed: bool = True,
        keys_of: Signer | None = None,
    ) -> AsyncIterator[HandDesk]:  # fmt: skip
        """Open a desk's account, journal and books; with `params` it has a core and trades by itself.

        Args:
            name: Of its folder; who opens another one under the same name meets the same account.
            params: Of the core; None: a hand places the orders.
            signer: Signs the orders; None: of a key that comes from the name.
            listed: Wait until it follows the window.
            keys_of: Whose credentials it sends along, when they are not the signer's own.
        """
        signer = signer or signer_of(name)
        folder = self.folder / f"{name}-{len(self.desks)}"
        async with AsyncExitStack() as stack:
            rest = HandRest(self.apps["clob"], self.clock, keys_of or signer)
            stack.push_async_callback(rest.close)
            deriving = asyncio.create_task(rest.derive())
            await self._done(deriving)
            journal = Remembering(folder, self.clock.now_ns())
            stack.callback(journal.close)
            await stack.enter_async_context(session_books(journal, folder))
            desk = self._desk(folder, rest, signer, journal, params)
            stack.callback(desk.shell.close)
            stack.push_async_callback(desk.gateway.close)
            for life in (desk.gateway.run(), desk.discovery.run()):
                stack.push_async_callback(_end, asyncio.create_task(life))
            self.desks.append(desk)
            stack.callback(self.desks.remove, desk)
            if listed:
                await self.until(lambda: desk.slot >= 0, "the desk follows the window", 60.0)
            yield desk

    async def _done(self, task: "asyncio.Task[Any]") -> None:
        while not task.done():
            await self.step()
        task.result()

    async def asked(self, work: "Any") -> Any:
        """Let something that waits on the clock come to its end, and give what it gives."""
        task = asyncio.ensure_future(work)
        await self._done(task)
        return task.result()

    def _desk(
        self, folder: Path, rest: HandRest, signer: Signer, journal: Remembering, params: Params | None
    ) -> HandDesk:
        clock, intake, found = self.clock, Intake(self.clock), list[HandDesk]()
        core = Core(params, CASH_MICROS) if params is not None else None
        gate = Gate(params, clock.now_ns()) if params is not None else None
        gateway = Gateway(
            rest, clock, signer, intake,
            recorded=lambda order, its_hash: journal.note({"order": order, "hash": its_hash}, clock.now_ns()),
            halted=lambda why: halt(found[0].shell, why), gate=gate,
            noted=lambda note: journal.note(note, clock.now_ns()),
        )  # fmt: skip
        shell = Shell(
            clock=clock, intake=intake, session=journal, core=core, door=gateway, news=gateway,
            desk=FusedRunner(clock, self.seed) if core is not None else None,
            prepare=gateway.prepare, hear_first=gateway.hear,
        )  # fmt: skip
        questions = self.questions()
        discovery = Discovery(
            ADDRESSES, clock, intake, questions, on_listed=lambda listing: self._listed(found[0], listing.slug)
        )
        found.append(
            HandDesk(
                venue=self, shell=shell, gateway=gateway, journal=journal, folder=folder, rest=rest, signer=signer,
                questions=questions, discovery=discovery,
            )
        )  # fmt: skip
        if core is not None:
            journal.begin(core, {"mode": "venue faults"}, clock.now_ns())
        else:
            assert journal.books is not None, "books were opened"
            journal.books.begin(CASH_MICROS, clock.now_ns())
        return found[0]

    def _listed(self, desk: HandDesk, slug: str) -> None:
        """Take the window of the story in, with all that was said of it before."""
        if slug != self.window.slug:
            return
        desk.shell.take(desk.shell.intake.drain(1 << 14))
        desk.slot = desk.shell.slots.taken[slug]

    async def close(self) -> None:
        """Let the servers go."""
        self.engine.close()
        for app in self.apps.values():
            await app.cleanup()


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@asynccontextmanager
async def a_stage(folder: Path, **parts: Any) -> AsyncIterator[Stage]:
    """Open a stage."""
    stage = Stage(folder, **parts)
    await stage.open()
    try:
        yield stage
    finally:
        await stage.close()


def is_settled(account: Account) -> bool:
    """Say whether nothing of an account is under way any more."""
    final = (TradeStatus.CONFIRMED, TradeStatus.FAILED)
    trades = all(trade.status in final for trade in account.trades.values())
    return trades and not any(order.is_open for order in account.orders.values())
