"""A perpetual by ccxt: Binance USD-M, Bybit or OKX, through their own unmodified clients.

Orders are limits that fill at once or not at all, a little through the touch, so that no empty book is bought into.
They leave this machine only while the operator has armed them; on loopback nobody has to.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
TIMEOUT_MS: Final = 5_000
VARIABLES: Final = ("UPDOWN_HEDGE_KEY", "UPDOWN_HEDGE_SECRET", "UPDOWN_HEDGE_PASSWORD")
THROUGH_BPS: Final = 5.0
"""How far through the touch a price may go."""


class HedgeRefused(Exception):
    """The perpetual leg cannot be opened; one line how to mend it."""


@dataclass(frozen=True, slots=True)
class HedgeKeys:
    """Who we are at the exchange of the perpetual."""

    api_key: Secret = field(repr=False)
    secret: Secret = field(repr=False)
    password: Secret | None = field(default=None, repr=False)
    """OKX wants one."""


def hedge_keys_from(environment: Mapping[str, str]) -> HedgeKeys:
    """Read the keys from the environment.

    Raises:
        HedgeRefused: they are not there; the line never repeats what was found.
    """
    found = [environment.get(name, "").strip() for name in VARIABLES]
    if not (found[0] and found[1]):
        raise HedgeRefused(f"no keys for the hedge's exchange: set {VARIABLES[0]} and {VARIABLES[1]}, for an account "
                           "that trades nothing else; or hedge on paper")  # fmt: skip
    return HedgeKeys(Secret(found[0]), Secret(found[1]), Secret(found[2]) if found[2] else None)


class CcxtPerp:
    """One perpetual at one exchange.

    Args:
        exchange: A key of `EXCHANGES`.
        coin: As "BTC".
        keys: Who we are there.
        clock: The desk's.
        quoted: Gives the touch, from the session's own feed: asking the exchange for it would be later. None where
            the session has no feed of this perpetual: then the exchange is asked, before every step.
        armed: Says whether orders may leave this machine now. One that closes what this leg has opened may leave also
            afterwards: a position that nobody may close would be no safety.
        host: Another server than the exchange has, as "http://127.0.0.1:9000": the venue next door.
        fee_bps: Taken for the fee where the exchange does not say what an order cost.

    Raises:
        HedgeRefused: there is no such exchange.
    """

    def __init__(
        self, exchange: str, coin: str, keys: HedgeKeys, clock: Clock, *, quoted: Callable[[], Touch | None] | None,
        armed: Callable[[], bool], host: str = "", fee_bps: float = 5.0,
    ) -> None:  # fmt: skip
        if exchange not in EXCHANGES:
            raise HedgeRefused(f"no perpetual at {exchange!r}: take one of {', '.join(EXCHANGES)}")
        try:
            self._errors: Any = import_module("ccxt")
        except ImportError:
            raise HedgeRefused("a perpetual at an exchange needs ccxt: `pip install ccxt`, or hedge on paper") from None
        self._local = host != "" and urlsplit(host).hostname in LOOPBACK
        made = getattr(import_module("ccxt.async_support"), EXCHANGES[exchange])
        told: dict[str, Any] = {
            "apiKey": keys.api_key.reveal(), "secret": keys.secret.reveal(), "timeout": TIMEOUT_MS,
            "enableRateLimit": not self._local,  # it would wait by this machine's clock, which a rehearsal outruns
            "options": {"fetchCurrencies": False, "fetchMargins": False},
        }  # fmt: skip
        if keys.password is not None:
            told["password"] = keys.password.reveal()
        self._client: Any = made(told)
        if host:
            self._client.urls["api"] = _pointed(self._client.urls["api"], host)
        self._client.has["fetchCurrencies"] = False  # a key that trades need not see deposits
        # Its stamps are the desk's: on this machine's clock they would be wrong in a rehearsal at 60x.
        self._client.milliseconds = lambda: clock.now_ns() // NS_PER_MS
        self._symbol, self._quoted, self._armed = SYMBOL.format(coin), quoted, armed
        self._exchange, self._clock, self._fee_bps = exchange, clock, fee_bps
        self._asked: Touch | None = None
        self._has_opened = False

    def __repr__(self) -> str:
        return f"CcxtPerp({self._client.id}, {self._symbol})"

    async def look(self) -> None:
        """Ask for the book's best rungs where no feed tells them.

        Raises:
            PerpUnread: the exchange does not say.
        """
        if self._quoted is not None:
            return
        now_ns = self._clock.now_ns()
        try:
            book = await self._client.fetch_order_book(self._symbol, 1)
        except (self._errors.BaseError, OSError) as error:
            raise PerpUnread(self._words(error)) from None
        if book["bids"] and book["asks"]:
            told_ns = int(book.get("timestamp") or now_ns // NS_PER_MS) * NS_PER_MS
            self._asked = Touch(float(book["bids"][0][0]), float(book["asks"][0][0]), min(now_ns, told_ns))

    def touch(self) -> Touch | None:
        """Give the newest best prices."""
        return self._quoted() if self._quoted is not None else self._asked

    async def position_coins(self) -> float:
        """Ask the exchange what is held.

        Raises:
            PerpUnread: it does not say.
        """
        try:
            found = await self._client.fetch_positions([self._symbol])
        except (self._errors.BaseError, OSError) as error:
            raise PerpUnread(self._words(error)) from None
        total = 0.0
        for each in found:
            size = float(each.get("contracts") or 0.0) * float(each.get("contractSize") or 1.0)
            total += -size if each.get("side") == "short" else size
        return round(total, 9)

    def _words(self, error: BaseException) -> str:
        return f"{self._client.id}: {type(error).__name__}: {str(error)[:120]}"

    async def trade(self, coins: float, name: str, *, closes: bool, at_market: bool = False) -> Traded:
        """Trade at once up to so many coins; an order of which nothing is heard is asked for by its name."""
        if not (self._local or self._armed() or (closes and self._has_opened)):
            return Traded(Done.HELD_BACK, why="not armed: perpetual orders leave only while `updown arm` holds")
        touch = self.touch()
        if touch is None and not at_market:
            return Traded(Done.REFUSED, why="no touch")
        side = "buy" if coins > 0 else "sell"
        params: dict[str, Any] = {"clientOrderId": name} | ({} if at_market else {"timeInForce": "IOC"})
        if closes:
            params["reduceOnly"] = True
        errors = self._errors
        try:
            await self._client.load_markets()
            size = round(abs(coins) / self._contract_coins(), 9)
            price = None if touch is None or at_market else self._price(touch, coins)
            self._has_opened = True
            sort = "market" if at_market else "limit"
            told = await self._client.create_order(self._symbol, sort, side, size, price, params)
        except errors.NetworkError as error:
            return await self._found(name, side, type(error).__name__, was_taken=False)
        except errors.BaseError as error:
            return Traded(Done.REFUSED, why=f"{type(error).__name__}: {str(error)[:240]}")
        if told.get("filled") is None:  # Bybit and OKX answer with no more than the order's ids
            return await self._found(name, side, "taken", was_taken=True)
        return self._traded(told, side)

    def _contract_coins(self) -> float:
        return float(self._client.market(self._symbol).get("contractSize") or 1.0)

    def _price(self, touch: Touch, coins: float) -> float:
        """Give a limit a little through the touch."""
        through = 1.0 + (THROUGH_BPS if coins > 0 else -THROUGH_BPS) / 10_000.0
        usd = (touch.ask_usd if coins > 0 else touch.bid_usd) * through
        return float(self._client.price_to_precision(self._symbol, usd))

    async def _found(self, name: str, side: str, why: str, *, was_taken: bool) -> Traded:
        """Ask for an order that was taken, or may have been."""
        try:
            told = await self._order_named(name)
        except self._errors.OrderNotFound:
            if was_taken:
                return Traded(Done.UNKNOWN, why=f"{why}; the exchange does not show it yet")
            return Traded(Done.REFUSED, why=f"{why}; the exchange has no such order")
        except (self._errors.BaseError, OSError) as error:
            return Traded(Done.UNKNOWN, why=f"{why}; then {type(error).__name__}")
        return self._traded(told, side)

    async def _order_named(self, name: str) -> Mapping[str, Any]:
        """Ask for an order by our name, as each exchange wants it to be asked for."""
        if self._exchange == "bybit":  # what is done already stands in the list of open orders, too, for a while
            found = await self._client.fetch_open_orders(self._symbol, None, None, {"orderLinkId": name})
            if not found:
                raise self._errors.OrderNotFound(name)
            told: Mapping[str, Any] = found[0]
            return told
        key = "clOrdId" if self._exchange == "okx" else "origClientOrderId"
        told = await self._client.fetch_order(None, self._symbol, {key: name})
        return told

    def _traded(self, told: Mapping[str, Any], side: str) -> Traded:
        size = round(float(told.get("filled") or 0.0) * self._contract_coins(), 9)
        if not size:
            return Traded(Done.REFUSED, why=f"{told.get('status')}: nothing was there at the price")
        price = float(told.get("average") or told.get("price") or 0.0)
        cost = (told.get("fee") or {}).get("cost")
        fee = float(cost) if cost is not None else size * price * self._fee_bps / 10_000.0
        return Traded(Done.FILLED, size if side == "buy" else -size, price, fee)

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
