"""PolyBolt, the venue's live-data socket of today: keys first, then reference prices with numbers that must not skip.

Behaviour: venue reference 4.4. The official client waits for one answer to each subscription, in the order asked.
"""

import asyncio
from collections import deque
from functools import partial
from typing import Any, Final

import msgspec
from aiohttp import web

from infra.venue_next_door.engine import Engine
from infra.venue_next_door.faults import Fault, Switch
from infra.venue_next_door.lines import Line, accept, refusing
from infra.venue_next_door.nouns import Account
from infra.venue_next_door.reference_prices import KEPT_MS, LOOKBACK_S, Point, ReferencePrices, Series
from infra.venue_next_door.user_socket import Keys, account_of
from state.events import Asset
from state.units import NS_PER_MS, NS_PER_S

WIRE: Final = "polybolt"
PRICE: Final = "price.crypto"
AVERAGE: Final = "price.crypto.twap"
SYMBOLS: Final = frozenset(["btcusd", "ethusd", "solusd", "xrpusd", "dogeusd", "hypeusd", "bnbusd", "zecusd"])
"""Those that the venue has averages of; prices of more, but nothing is known of their number."""
ASSETS: Final = {f"{asset.name.lower()}usd": asset for asset in Asset}

SUBSCRIPTIONS_MOST: Final = 64
SUBSCRIBES_PER_S: Final = 20
AUTHS_MOST: Final = 8
FRAME_BYTES_MOST: Final = 64 * 1024
PING_S: Final = 25.0
PINGS_MISSED_MOST: Final = 2

AUTH_CODE, QUIET_CODE, POLICY_CODE = 4001, 4002, 4008


class Subscription(msgspec.Struct):
    """One channel with what shall come of it."""

    channel: str = ""
    filter: dict[str, Any] = {}


class Wish(msgspec.Struct):
    """What a client says."""

    op: str = ""
    rid: str = ""
    auth: Keys | None = None
    subscriptions: list[Subscription] = []


_WISH: Final = msgspec.json.Decoder(Wish)
_encode: Final = msgspec.json.encode


class Client:
    """One connection: who it is, what it follows, and how far each channel has counted for it."""

    def __init__(self, line: Line) -> None:
        """Take the connection's line."""
        self.line = line
        self.account: Account | None = None
        self.follows: dict[tuple[str, str], None] = {}
        """Channel and symbol."""
        self.seqs: dict[str, int] = {}
        self.auths_count = 0
        self.subscribed_ns: deque[int] = deque(maxlen=SUBSCRIBES_PER_S)
        self.spent: set[Switch] = set()
        """Switches of the fault `dropped` that have hit this connection: each does so once."""

    def answer(self, op: str, wish: Wish, channel: str = "", code: str = "") -> None:
        """Answer a frame, or one subscription of it; with a code it is a refusal."""
        told = {"op": op, "channel": channel, "rid": wish.rid, "code": code}
        self.line.answer(_encode({name: text for name, text in told.items() if text}))

    def send(self, channel: str, payload: bytes, now_ns: int, *, snapshot: bool = False, dropped: int = 0) -> None:
        """Send a message with the channel's next number."""
        seq = self.seqs[channel] = self.seqs.get(channel, 0) + 1 + dropped
        marks = ('"snapshot":true,' if snapshot else "") + (f'"dropped":{dropped},' if dropped else "")
        head = f'{{"v":1,"channel":"{channel}","seq":{seq},"ts":{now_ns // NS_PER_MS},{marks}"payload":'
        self.line.send(head.encode() + payload + b"}")


class PolyBolt:
    """Serves reference prices to clients that have shown their keys."""

    def __init__(self, engine: Engine, ping_s: float) -> None:
        """Listen to an engine from now on."""
        self._engine = engine
        self._ping_s = ping_s
        self._prices = ReferencePrices(engine, self.tell)
        self._clients: dict[Client, None] = {}
        self._connections_count = 0

    def tell(self, series: Series, asset: Asset, point: Point) -> None:
        """Take a new point and send it to who follows it."""
        if series is Series.BINANCE:
            return
        channel = AVERAGE if series is Series.AVERAGE else PRICE
        symbol = f"{asset.name.lower()}usd"
        now_ns = self._engine.now_ns()
        payload = _encode(_payload_head(channel, symbol) | _point(point))
        for client in self._clients:
            if (channel, symbol) in client.follows:
                client.send(channel, payload, now_ns, dropped=self._dropped(client))

    def _dropped(self, client: Client) -> int:
        if not self._engine.faults.is_on(Fault.DROPPED, WIRE):
            return 0
        now_ns = self._engine.clock.now_ns()
        for switch in self._engine.faults.switches:
            is_due = switch.fault is Fault.DROPPED and switch.from_ns <= now_ns < switch.until_ns
            if is_due and WIRE.startswith(switch.where) and switch not in client.spent:
                client.spent.add(switch)
                return round(switch.value)
        return 0

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Take one connection and live with it until it goes or breaks a rule."""
        engine = self._engine
        socket = await accept(request)
        self._connections_count += 1
        async with Line(socket, WIRE, engine.faults, engine.clock, self._connections_count) as line:
            client = Client(line)
            self._clients[client] = None
            pinging = asyncio.create_task(self._ping(line))
            try:
                async for text in line.incoming():
                    await self._hear(client, text)
            finally:
                pinging.cancel()
                del self._clients[client]
        return socket

    async def _ping(self, line: Line) -> None:
        """Ping by the protocol, in seconds of the machine: whether a peer is there has nothing to do with our clock."""
        missed_count, answered_ns = 0, line.ponged_ns
        while missed_count < PINGS_MISSED_MOST:
            await line.ping(b"")
            await asyncio.sleep(self._ping_s)
            missed_count = missed_count + 1 if line.ponged_ns == answered_ns else 0
            answered_ns = line.ponged_ns
        await line.close(QUIET_CODE, "no pong")

    async def _hear(self, client: Client, text: bytes) -> None:
        if len(text) > FRAME_BYTES_MOST:
            await client.line.close(POLICY_CODE, "frame too large")
            return
        try:
            wish = _WISH.decode(text)
        except msgspec.MsgspecError:
            client.answer("error", Wish(), code="bad_op")
            return
        if wish.op == "auth":
            await self._authenticate(client, wish)
        elif wish.op == "ping":
            client.answer("pong", wish)
        elif wish.op not in ("subscribe", "unsubscribe"):
            client.answer("error", wish, code="bad_op")
        elif client.account is None:
            client.answer("error", wish, code="auth_required")
        elif wish.op == "unsubscribe":
            for subscription in wish.subscriptions:
                client.follows.pop((subscription.channel, str(subscription.filter.get("symbol"))), None)
                client.answer("unsubscribed", wish, subscription.channel)
        else:
            self._subscribe(client, wish)

    async def _authenticate(self, client: Client, wish: Wish) -> None:
        client.auths_count += 1
        if client.auths_count > AUTHS_MOST:
            client.answer("error", wish, code="auth_attempts")
            await client.line.close(AUTH_CODE, "too many attempts")
            return
        client.account = account_of(self._engine, wish.auth or Keys())
        if client.account is None:
            client.answer("error", wish, code="auth_invalid")
        else:
            client.answer("authed", wish)

    def _subscribe(self, client: Client, wish: Wish) -> None:
        now_ns = self._engine.clock.now_ns()
        before = client.subscribed_ns
        if len(before) == SUBSCRIBES_PER_S and now_ns - before[0] < NS_PER_S:
            client.answer("error", wish, code="rate_limited")
            return
        before.append(now_ns)
        for subscription in wish.subscriptions:
            code = _fault_of(subscription)
            symbol = str(subscription.filter.get("symbol"))
            key = (subscription.channel, symbol)
            is_new = key not in client.follows
            if not code and is_new and len(client.follows) >= SUBSCRIPTIONS_MOST:
                code = "sub_limit"
            client.answer("error" if code else "subscribed", wish, subscription.channel, code)
            if not code and is_new:
                client.follows[key] = None
                self._send_snapshot(client, subscription.channel, symbol)

    def _send_snapshot(self, client: Client, channel: str, symbol: str) -> None:
        if self._engine.faults.is_on(Fault.NO_SNAPSHOT, WIRE):
            return
        series = Series.AVERAGE if channel == AVERAGE else Series.CHAINLINK
        asset = ASSETS.get(symbol)
        points = self._prices.last(series, asset, KEPT_MS) if asset is not None else []
        payload = _payload_head(channel, symbol) | {"data": [_point(point) for point in points]}
        client.send(channel, _encode(payload), self._engine.now_ns(), snapshot=True)


def _fault_of(subscription: Subscription) -> str:
    """Give the code of what is wrong with a subscription, or nothing."""
    if subscription.channel not in (PRICE, AVERAGE):
        return "bad_channel"
    wanted = subscription.filter
    is_right = wanted.get("symbol") in SYMBOLS and wanted.get("provider", Series.CHAINLINK) == Series.CHAINLINK
    if subscription.channel == AVERAGE:
        is_right = is_right and wanted.get("window_seconds") == LOOKBACK_S
    return "" if is_right else "bad_filter"


def _payload_head(channel: str, symbol: str) -> dict[str, Any]:
    lookback = {"window_seconds": LOOKBACK_S} if channel == AVERAGE else {}
    return {"symbol": symbol, **lookback, "source": "chainlink"}


def _point(point: Point) -> dict[str, Any]:
    return {"timestamp": point.at_ms, "value": point.usd, "full_accuracy_value": point.decimal_text}


def polybolt_app(engine: Engine, *, ping_s: float = PING_S) -> web.Application:
    """Give the server of `/ws` (venue reference 4.4); it listens to the engine at once."""
    app = web.Application()
    app.router.add_get("/ws", partial(refusing(engine.faults, WIRE), handler=PolyBolt(engine, ping_s).serve))
    return app
