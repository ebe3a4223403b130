"""A stage for the venue's sockets: rows written by hand, a clock moved by hand, a real engine and real sockets."""

import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from infra.venue_next_door.engine import Engine
from infra.venue_next_door.faults import Fault, Faults, Switch
from infra.venue_next_door.nouns import Account, Answer, NewOrder, Window
from state.events import EVENT, LAST_IN_FRAME, Asset, Kind, Side, Source, StrikeSource, Token
from state.orders import TimeInForce
from state.units import MICROS, NS_PER_MS, NS_PER_S

OPEN_S = 1_792_638_000
"""2026-10-22 03:00 UTC: 11 in the evening in New York."""
SLUG = f"btc-updown-5m-{OPEN_S}"
TRAVEL_NS = 9 * NS_PER_MS

Rows = NDArray[Any]


def row(kind: Kind, at_s: float, source: Source = Source.POLYMARKET_BOOK, **columns: Any) -> Rows:
    """Write one row that happens so many seconds after the window's start and is seen nine milliseconds later."""
    one = np.zeros(1, EVENT)
    at_ns = OPEN_S * NS_PER_S + round(at_s * 1000) * NS_PER_MS
    one["kind_code"], one["source_code"], one["at_ns"], one["seen_ns"] = kind, source, at_ns, at_ns + TRAVEL_NS
    for name, value in columns.items():
        one[name] = value
    return one


def frame(*rows: Rows) -> Rows:
    """Put rows together as one frame."""
    whole = np.concatenate(rows)
    whole["flags_mask"] = 0
    whole["flags_mask"][-1] = LAST_IN_FRAME
    whole["seen_ns"] = whole["seen_ns"][-1]
    return whole


def listed(at_s: float = -600, slot: int = 0, open_s: int = OPEN_S) -> Rows:
    """List a five-minute window."""
    return row(
        Kind.MARKET_LISTED, at_s, Source.GAMMA, slot_id=slot, code_id=Asset.BTC, ref_id=open_s * NS_PER_S,
        span_s=300, price_bps=100, amount_micros=5 * MICROS, flags_mask=LAST_IN_FRAME,
    )  # fmt: skip


def strike(at_s: float, usd: float, slot: int = 0) -> Rows:
    """Let the venue come to know a window's price to beat."""
    return row(
        Kind.STRIKE_SEEN, at_s, Source.GAMMA, slot_id=slot, value_usd=usd, code_id=StrikeSource.VENUE,
        flags_mask=LAST_IN_FRAME,
    )  # fmt: skip


def resolved(at_s: float, outcome: Token, final_usd: float, slot: int = 0) -> Rows:
    """Settle a window."""
    return row(
        Kind.SETTLED, at_s, Source.GAMMA, slot_id=slot, code_id=outcome, value_usd=final_usd, flags_mask=LAST_IN_FRAME
    )


def level(at_s: float, token: Token, side: Side, bps: int, shares: float, slot: int = 0) -> Rows:
    """Set one level of one token."""
    return row(
        Kind.LEVEL_SET, at_s, slot_id=slot, token_code=token, side_code=side, price_bps=bps,
        amount_micros=round(shares * MICROS),
    )  # fmt: skip


def change(at_s: float, side: Side, bps: int, shares: float, slot: int = 0) -> Rows:
    """Change a level of UP, and its mirror of DOWN: one frame."""
    mirror = level(at_s, Token.DOWN, Side(1 - side), 10_000 - bps, shares, slot)
    return frame(level(at_s, Token.UP, side, bps, shares, slot), mirror)


def trade(at_s: float, token: Token, side: Side, bps: int, shares: float, slot: int = 0) -> Rows:
    """Let a taker trade."""
    return frame(
        row(
            Kind.TRADE_SEEN, at_s, slot_id=slot, token_code=token, side_code=side, price_bps=bps,
            amount_micros=round(shares * MICROS),
        )
    )  # fmt: skip


def tick(at_s: float, bps: int, slot: int = 0) -> Rows:
    """Change the tick of both tokens."""
    return frame(*(row(Kind.TICK_CHANGED, at_s, slot_id=slot, token_code=token, price_bps=bps) for token in Token))


def cleared(at_s: float, token: Token, *levels: tuple[Side, int, float], slot: int = 0) -> Rows:
    """Tell one token's whole book."""
    first = row(Kind.BOOK_CLEARED, at_s, slot_id=slot, token_code=token)
    return frame(first, *(level(at_s, token, *one, slot) for one in levels))


def oracle(at_s: float, usd: float) -> Rows:
    """Let the settlement stream say a value."""
    return row(
        Kind.PRICE_SEEN, at_s, Source.CHAINLINK, code_id=Asset.BTC, value_usd=usd, other_usd=usd,
        flags_mask=LAST_IN_FRAME,
    )  # fmt: skip


def average(at_s: float, usd: float) -> Rows:
    """Let the settlement stream say its average of a minute."""
    return row(
        Kind.AVERAGE_SEEN, at_s, Source.CHAINLINK, code_id=Asset.BTC, value_usd=usd, span_s=60,
        flags_mask=LAST_IN_FRAME,
    )  # fmt: skip


def quote(at_s: float, bid_usd: float, ask_usd: float, source: Source = Source.BINANCE) -> Rows:
    """Let an exchange say its best prices."""
    return row(
        Kind.PRICE_SEEN, at_s, source, code_id=Asset.BTC, value_usd=bid_usd, other_usd=ask_usd,
        flags_mask=LAST_IN_FRAME,
    )  # fmt: skip


class HandClock:
    """A clock that stands until somebody moves it."""

    speed_ratio = 1.0

    def __init__(self, now_ns: int) -> None:
        self.at_ns = now_ns

    def now_ns(self) -> int:
        return self.at_ns

    async def sleep(self, span_ns: int) -> None:
        raise AssertionError("nobody waits for a clock that is moved by hand")

    async def sleep_until(self, at_ns: int) -> None:
        await self.sleep(at_ns - self.at_ns)


@dataclass
class Stage:
    """A venue of one server: its rows are known beforehand, and time passes when we say so."""

    rows: Iterable[Rows]
    serve: Callable[[Engine], web.Application]
    start_s: float = -660
    clock: HandClock = field(init=False)
    faults: Faults = field(init=False)
    engine: Engine = field(init=False)
    url: str = ""
    session: aiohttp.ClientSession = field(init=False)

    def __post_init__(self) -> None:
        self.clock = HandClock(OPEN_S * NS_PER_S + round(self.start_s * NS_PER_S))
        self.faults = Faults(self.clock)
        rows = np.concatenate(list(self.rows))
        rows = rows[np.argsort(rows["seen_ns"], kind="stable")]
        self.engine = Engine(iter([rows]), self.clock, self.faults, seed=1)

    def live_until(self, at_s: float) -> None:
        """Let the venue live until so many seconds after the window's start, second by second."""
        end_ns = OPEN_S * NS_PER_S + round(at_s * NS_PER_S)
        while self.clock.at_ns < end_ns:
            self.clock.at_ns = min(self.clock.at_ns + NS_PER_S, end_ns)
            self.engine.step()

    def on(self, fault: Fault, value: float = 1.0, where: str = "") -> None:
        """Switch a fault on, from now on."""
        self.faults.add(Switch(fault, where, self.clock.now_ns(), value=value))

    def place(
        self, account: Account, order_hash: str, side: Side, bps: int, shares: float, *, post_only: bool = False
    ) -> Answer:
        """Place an order for UP that stays until it is cancelled."""
        wanted = NewOrder(
            order_hash, account.wallet_address, self.window.tokens[Token.UP], side, bps, round(shares * MICROS),
            TimeInForce.GTC, post_only,
        )  # fmt: skip
        return self.engine.place(account, wanted)

    @property
    def window(self) -> Window:
        """The window of these stories."""
        return self.engine.windows[SLUG]

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Stage"]:
        """Serve on a free port of this machine."""
        async with AsyncExitStack() as stack:
            stack.callback(self.engine.close)
            runner = web.AppRunner(self.serve(self.engine))
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            self.session = await stack.enter_async_context(aiohttp.ClientSession())
            yield self

    async def connect(self, path: str) -> aiohttp.ClientWebSocketResponse:
        """Open a socket to a path."""
        return await self.session.ws_connect(self.url + path)

    async def get(self, path: str) -> tuple[int, Any]:
        """Ask for a path: status and what the JSON says."""
        async with self.session.get(self.url + path) as answer:
            return answer.status, await answer.json()


async def heard(client: aiohttp.ClientWebSocketResponse, ping: str = "PING", pong: str = "PONG") -> list[str]:
    """Give what a socket has said up to the answer to a ping that is sent now."""
    await client.send_str(ping)
    said = []
    while (text := await client.receive_str(timeout=20)) != pong:
        said.append(text)
    return said


async def told(client: aiohttp.ClientWebSocketResponse) -> list[Any]:
    """Give the messages that a socket of the venue has sent since it was last asked."""
    return [json.loads(text) for text in await heard(client)]


def shape(message: Any) -> Any:
    """Give keys and JSON types of a message; of a list, those of its first object."""
    if isinstance(message, dict):
        return {name: shape(value) for name, value in sorted(message.items())}
    if isinstance(message, list):
        return [shape(message[0])] if message else []
    if isinstance(message, bool):
        return "bool"
    return "number" if isinstance(message, int | float) else type(message).__name__
