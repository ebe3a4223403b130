"""What the sockets of all exchanges next door have in common: who listens to what, and rows becoming messages."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from typing import Any, ClassVar, Final

import msgspec
from aiohttp import web
from numpy.typing import NDArray

from infra.clock import Clock, monotonic_ns
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.faults import Fault, Faults
from infra.venue_next_door.lines import Line, accept, refusing
from infra.venue_next_door.tapes import Print, Quote, Tape, ms_of, read_rows
from state.events import Asset, Source
from state.units import NS_PER_S

PATIENCE_NS: Final = 5 * NS_PER_S
"""However fast the clock runs, a client has so long of the machine's own time to answer a ping."""

encode: Final = msgspec.json.encode


class Topics:
    """Who has subscribed to what, by the exchange's own names."""

    def __init__(self) -> None:
        self._lines: dict[str, set[Line]] = {}

    def join(self, topic: str, line: Line) -> bool:
        """Subscribe; gives False when it was so already."""
        lines = self._lines.setdefault(topic, set())
        is_new = line not in lines
        lines.add(line)
        return is_new

    def quit(self, topic: str, line: Line) -> bool:
        """Unsubscribe; gives False when there was nothing to end."""
        lines = self._lines.get(topic, set())
        was_in = line in lines
        lines.discard(line)
        return was_in

    def leave(self, line: Line) -> None:
        """Unsubscribe from everything."""
        for lines in self._lines.values():
            lines.discard(line)

    def of(self, line: Line) -> list[str]:
        """Give what a line is subscribed to, in the order of the first subscription to each."""
        return [topic for topic, lines in self._lines.items() if line in lines]

    def lines(self, topic: str) -> set[Line]:
        """Give who listens to a topic."""
        return self._lines.get(topic) or set()


class ExchangeSocket(ABC):
    """One exchange's public socket; a subclass speaks its protocol."""

    wire: ClassVar[str]
    source: ClassVar[Source]
    symbol_form: ClassVar[str]
    """How it calls an asset, with `{}` for the asset's name."""

    def __init__(self, engine: Engine) -> None:
        self.clock: Clock = engine.clock
        self.faults: Faults = engine.faults
        self.topics = Topics()
        self.connections = 0
        self.tapes = {asset: Tape(asset, self.symbol_form.format(asset.name)) for asset in Asset}
        self.by_symbol = {tape.symbol: tape for tape in self.tapes.values()}
        self._parsers = msgspec.json.Decoder()
        engine.on_public(self.heed)

    def app(self) -> web.Application:
        """Give the application that serves the socket; a subclass adds its routes."""
        app = web.Application(middlewares=[refusing(self.faults, self.wire)])
        app.cleanup_ctx.append(self._live)
        return app

    # Rows in.

    def heed(self, rows: NDArray[Any]) -> None:
        """Take what the market said into the tapes, and tell it to whoever listens."""
        for told in read_rows(rows, self.source):
            tape = self.tapes[told.asset]
            is_frozen = self.faults.is_on(Fault.FEED_FREEZE, self.wire)
            if isinstance(told, Quote):
                if is_frozen and tape.is_quoted:
                    told = told._replace(bid_usd=tape.bid_usd, ask_usd=tape.ask_usd)
                tape.take_quote(told)
                self.show_quote(tape)
            else:
                trade = tape.take_print(told._replace(usd=tape.last_usd) if is_frozen and tape.is_quoted else told)
                self.show_print(tape, trade)

    @abstractmethod
    def show_quote(self, tape: Tape) -> None:
        """Tell the new touch to whoever listens."""

    @abstractmethod
    def show_print(self, tape: Tape, trade: Print) -> None:
        """Tell a trade to whoever listens."""

    def tell(self, topic: str, message: Callable[[], bytes]) -> None:
        """Send a message to a topic's listeners, made once, and only when there are any."""
        lines = self.topics.lines(topic)
        if lines:
            data = message()
            for line in lines:
                line.send(data)

    # Connections.

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        socket = await accept(request)
        self.connections += 1
        async with Line(socket, self.wire, self.faults, self.clock, seed=self.connections) as line:
            self.greet(line, request)
            care = asyncio.create_task(self.care(line))
            try:
                async for raw in line.incoming():
                    await self.hear(line, raw)
            finally:
                care.cancel()
                self.leave(line)
        return socket

    def greet(self, line: Line, request: web.Request) -> None:
        """Begin a connection: read what its address asks for."""
        return

    @abstractmethod
    async def hear(self, line: Line, raw: bytes) -> None:
        """Answer one frame of a client."""

    async def care(self, line: Line) -> None:
        """Keep a connection alive, or end it when its time is up."""
        return

    def leave(self, line: Line) -> None:
        """Forget a connection."""
        self.topics.leave(line)

    async def ping_often(self, line: Line, every_s: float, within_s: float) -> None:
        """Ping, and cut who does not answer in time."""
        unanswered_ns = 0
        while not line.is_closing:
            await self.clock.sleep(round(every_s * NS_PER_S))
            now_ns = self.clock.now_ns()
            if line.ponged_ns >= now_ns - round(every_s * NS_PER_S):
                unanswered_ns = 0
            overdue = now_ns - line.ponged_ns > within_s * NS_PER_S
            if overdue and unanswered_ns and monotonic_ns() - unanswered_ns > PATIENCE_NS:
                line.cut()
            unanswered_ns = unanswered_ns or monotonic_ns()
            await line.ping(str(ms_of(now_ns)).encode())

    def shows_snapshots(self) -> bool:
        """Say whether subscribing is answered with what is known already."""
        return not self.faults.is_on(Fault.NO_SNAPSHOT, self.wire)

    def read_request(self, raw: bytes) -> dict[str, Any] | None:
        """Read a client's frame as a JSON object; None when it is none."""
        try:
            request = self._parsers.decode(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None
        return request if isinstance(request, dict) else None

    # Beside the connections.

    async def _live(self, app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(self.live())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def live(self) -> None:
        """Do what the exchange does by the clock, beside all connections."""
        return
