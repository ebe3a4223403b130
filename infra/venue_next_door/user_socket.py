"""The user channel of the venue next door: every account hears of its own orders and trades, and of nobody else's.

Behaviour: venue reference 4.2. There is no snapshot and no replay: what is said while nobody listens is gone.
"""

import hmac
from typing import Final

import msgspec
from aiohttp import web

from infra.venue_next_door import user_frames as frames
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.lines import Line, accept
from infra.venue_next_door.nouns import Account, PlacedOrder, Trade

WIRE: Final = "polymarket_user"

REFUSED_CODE: Final = 1008
"""Policy violation. How the venue itself turns wrong keys away is not written anywhere; that it closes, is."""


class Keys(msgspec.Struct):
    """What a client shows to be let in."""

    api_key: str = msgspec.field(name="apiKey", default="")
    secret: str = ""
    passphrase: str = ""


class Wish(msgspec.Struct):
    """What a client says: the first frame with its keys, and later operations."""

    type: str = ""
    operation: str = ""
    auth: Keys | None = None
    markets: list[str] = []


_WISH: Final = msgspec.json.Decoder(Wish)


def account_of(engine: Engine, keys: Keys) -> Account | None:
    """Give the account that the keys belong to, if all three are right."""
    account = engine.accounts.get(keys.api_key)
    if account is None:
        return None
    is_right = hmac.compare_digest(account.secret.encode(), keys.secret.encode())
    is_right &= hmac.compare_digest(account.passphrase.encode(), keys.passphrase.encode())
    return account if is_right else None


class Listener:
    """One connection that has shown its keys."""

    __slots__ = ("line", "markets")

    def __init__(self, line: Line) -> None:
        """Take the connection's line."""
        self.line = line
        self.markets: set[str] = set()
        """Conditions in small letters; empty: all."""

    def hears_of(self, condition_id: str) -> bool:
        """Say whether news of a market go to it."""
        return not self.markets or condition_id.lower() in self.markets


class UserChannel:
    """Tells listeners of their accounts."""

    def __init__(self, engine: Engine) -> None:
        """Listen to an engine from now on."""
        self._engine = engine
        self._listeners: dict[str, dict[Listener, None]] = {}
        """By API key."""
        self._connections_count = 0
        engine.on_order(self.tell_order)
        engine.on_trade(self.tell_trade)

    def tell_order(self, account: Account, order: PlacedOrder, news: str) -> None:
        """Take an order's news and tell its account."""
        if account.api_key in self._listeners:
            data = frames.order_news(account, order, news, self._engine.now_ns())
            self._tell(account, order.window.condition_id, data)

    def tell_trade(self, account: Account, trade: Trade) -> None:
        """Take a trade's new status and tell its account."""
        if account.api_key in self._listeners:
            data = frames.trade_news(account, trade, self._engine.now_ns())
            self._tell(account, trade.order.window.condition_id, data)

    def _tell(self, account: Account, condition_id: str, data: bytes) -> None:
        for listener in self._listeners[account.api_key]:
            if listener.hears_of(condition_id):
                listener.line.send(data)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Take one connection and live with it until it goes, or shows wrong keys."""
        engine = self._engine
        socket = await accept(request)
        self._connections_count += 1
        async with Line(socket, WIRE, engine.faults, engine.clock, self._connections_count) as line:
            listener = Listener(line)
            account: Account | None = None
            try:
                async for text in line.incoming():
                    if text == b"PING":
                        line.answer(b"PONG")
                        continue
                    wish = _read(text)
                    if wish is None:
                        continue
                    if account is None:
                        account = account_of(engine, wish.auth) if wish.auth is not None else None
                        if account is None:
                            await line.close(REFUSED_CODE, "invalid api credentials")
                            break
                        self._listeners.setdefault(account.api_key, {})[listener] = None
                    _narrow(listener, wish)
            finally:
                if account is not None:
                    self._leave(account, listener)
        return socket

    def _leave(self, account: Account, listener: Listener) -> None:
        listeners = self._listeners[account.api_key]
        listeners.pop(listener, None)
        if not listeners:
            del self._listeners[account.api_key]


def _read(text: bytes) -> Wish | None:
    try:
        return _WISH.decode(text)
    except msgspec.MsgspecError:
        return None


def _narrow(listener: Listener, wish: Wish) -> None:
    markets = {market.lower() for market in wish.markets}
    if wish.operation == "unsubscribe":
        listener.markets -= markets
    else:
        listener.markets |= markets
