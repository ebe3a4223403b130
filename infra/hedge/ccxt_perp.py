"""A perpetual by ccxt: Binance USD-M, Bybit or OKX, through their own unmodified clients.

Orders are limits that fill at once or not at all, a little through the touch, so that no empty book is bought into.
They leave this machine only while the operator has armed them; on loopback nobody has to.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final
from urllib.parse import urlsplit

from infra.addresses import LOOPBACK
from infra.clock import Clock
from infra.hedge.perp import Done, PerpUnread, Traded
from infra.hedge.target import Touch
from infra.venues.credentials import Secret
from state.units import NS_PER_MS

EXCHANGES: Final = {"binance": "binanceusdm", "bybit": "bybit", "okx": "okx"}
"""Our name -> ccxt's."""
SYMBOL: Final = "{}/USDT:USDT"
THROUGH_BPS: Final = 5.0
"""How far through the touch a price may go."""


class HedgeRefused(Exception):
    """The perpetual leg cannot be opened; one line how to mend it."""


class CcxtPerp:
    """One perpetual at one exchange.

    Args:
        exchange: A key of `EXCHANGES`.
        coin: As "BTC".
        api_key: Names us.
        secret: Signs.
        clock: The desk's.
        quoted: Gives the touch, from the session's own feed: asking the exchange for it would be later.
        armed: Says whether orders may leave this machine now.
        host: Another server than the exchange has, as "http://127.0.0.1:9000": the venue next door.
        password: OKX wants one.

    Raises:
        HedgeRefused: there is no such exchange.
    """

    def __init__(
        self, exchange: str, coin: str, api_key: Secret, secret: Secret, clock: Clock, *,
        quoted: Callable[[], Touch | None], armed: Callable[[], bool], host: str = "", password: Secret | None = None,
    ) -> None:  # fmt: skip
        if exchange not in EXCHANGES:
            raise HedgeRefused(f"no perpetual at {exchange!r}: take one of {', '.join(EXCHANGES)}")
        self._errors: Any = import_module("ccxt")
        made = getattr(import_module("ccxt.async_support"), EXCHANGES[exchange])
        told: dict[str, Any] = {
            "apiKey": api_key.reveal(), "secret": secret.reveal(), "enableRateLimit": True,
            "options": {"fetchCurrencies": False, "fetchMargins": False},
        }  # fmt: skip
        if password is not None:
            told["password"] = password.reveal()
        self._client: Any = made(told)
        if host:
            self._client.urls["api"] = _pointed(self._client.urls["api"], host)
        # Its stamps are the desk's: on this machine's clock they would be wrong in a rehearsal at 60x.
        self._client.milliseconds = lambda: clock.now_ns() // NS_PER_MS
        self._symbol, self._quoted, self._armed = SYMBOL.format(coin), quoted, armed
        self._local = host != "" and urlsplit(host).hostname in LOOPBACK

    def __repr__(self) -> str:
        return f"CcxtPerp({self._client.id}, {self._symbol})"

    def touch(self) -> Touch | None:
        """Give the newest best prices."""
        return self._quoted()

    async def position_coins(self) -> float:
        """Ask the exchange what is held.

        Raises:
            PerpUnread: it does not say.
        """
        try:
            found = await self._client.fetch_positions([self._symbol])
        except (self._errors.BaseError, OSError) as error:
            raise PerpUnread(f"{self._client.id}: {type(error).__name__}: {str(error)[:120]}") from None
        total = 0.0
        for each in found:
            size = float(each.get("contracts") or 0.0) * float(each.get("contractSize") or 1.0)
            total += -size if each.get("side") == "short" else size
        return total

    async def trade(self, coins: float, name: str, *, closes: bool) -> Traded:
        """Trade at once up to so many coins; an order of which nothing is heard is asked for by its name."""
        if not (self._local or self._armed()):
            return Traded(Done.HELD_BACK, why="not armed: perpetual orders leave only while `updown arm` holds")
        touch = self._quoted()
        if touch is None:
            return Traded(Done.REFUSED, why="no touch")
        side = "buy" if coins > 0 else "sell"
        through = 1.0 + (THROUGH_BPS if coins > 0 else -THROUGH_BPS) / 10_000.0
        params: dict[str, Any] = {"timeInForce": "IOC", "clientOrderId": name}
        if closes:
            params["reduceOnly"] = True
        errors = self._errors
        try:
            await self._client.load_markets()
            price = self._client.price_to_precision(
                self._symbol, (touch.ask_usd if coins > 0 else touch.bid_usd) * through
            )
            size = abs(coins) / float(self._client.market(self._symbol).get("contractSize") or 1.0)
            told = await self._client.create_order(self._symbol, "limit", side, size, float(price), params)
        except errors.NetworkError as error:
            return await self._found(name, side, f"{type(error).__name__}")
        except errors.BaseError as error:
            return Traded(Done.REFUSED, why=f"{type(error).__name__}: {str(error)[:160]}")
        return self._traded(told, side)

    async def _found(self, name: str, side: str, why: str) -> Traded:
        """Ask for an order that may have been taken."""
        try:
            told = await self._client.fetch_order(None, self._symbol, {"origClientOrderId": name})
        except self._errors.OrderNotFound:
            return Traded(Done.REFUSED, why=f"{why}; the exchange has no such order")
        except (self._errors.BaseError, OSError) as error:
            return Traded(Done.UNKNOWN, why=f"{why}; then {type(error).__name__}")
        return self._traded(told, side)

    def _traded(self, told: Mapping[str, Any], side: str) -> Traded:
        size = float(told.get("filled") or 0.0) * float(self._client.market(self._symbol).get("contractSize") or 1.0)
        if not size:
            return Traded(Done.REFUSED, why=f"{told.get('status')}: nothing was there at the price")
        fee = told.get("fee") or {}
        price = float(told.get("average") or told.get("price") or 0.0)
        return Traded(Done.FILLED, size if side == "buy" else -size, price, float(fee.get("cost") or 0.0))

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.close()


def _pointed(urls: Any, host: str) -> Any:
    """Put one host into every address of a client; paths stay as the exchange has them."""
    if isinstance(urls, dict):
        return {name: _pointed(each, host) for name, each in urls.items()}
    if not isinstance(urls, str):
        return urls
    return host + urlsplit(urls).path
