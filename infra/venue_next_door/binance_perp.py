"""Binance USD-M next door for those who trade there: signed orders, positions and balances beside the market data.

As much as an unmodified client needs to hold one perpetual position: market orders and limit orders that are filled at
once or not at all, in one-way mode, margin not reckoned. An order is filled at the touch, whatever its size, at the
taker's fee. Shapes and error texts are from memory of the exchange's documentation and of what ccxt 4.5 reads.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web

from infra.venue_next_door.binance import BinanceUsdm, answered, refused
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.exchange_socket import encode
from infra.venue_next_door.tapes import Tape, ms_of

FEE_RATE: Final = 0.0005
"""Of a taker without tier, in USDT."""
LOT: Final = 0.001
NOTIONAL_MIN_USD: Final = 100.0
WINDOW_MS: Final = 5_000
BEGIN_USD: Final = 100_000.0


@dataclass
class PerpAccount:
    """One customer: its key, its money, and what it holds."""

    secret: str
    cash_usd: float = BEGIN_USD
    positions: dict[str, float] = field(default_factory=dict)
    """Symbol -> coins, negative when short."""
    entries_usd: dict[str, float] = field(default_factory=dict)
    """Symbol -> mean price of what is held."""
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By the client's id."""
    fees_usd: float = 0.0
    refuse: list[tuple[int, str]] = field(default_factory=list)
    """Said instead of taking an order, one after the other: a fault on a switch."""
    lose_answers: int = 0
    """So many orders are done, and their answers do not come back."""


class BinancePerp(BinanceUsdm):
    """The exchange of `BinanceUsdm`, with customers.

    Args:
        engine: Whose rows it shows.
        accounts: API key -> customer.
    """

    def __init__(self, engine: Engine, accounts: Mapping[str, PerpAccount]) -> None:
        super().__init__(engine)
        self._accounts = accounts

    def app(self) -> web.Application:
        """Give the application: what everybody sees, and the signed paths."""
        app = super().app()
        app.router.add_post("/fapi/v1/order", self._order)
        app.router.add_get("/fapi/v1/order", self._told)
        app.router.add_get("/fapi/v1/leverageBracket", self._brackets)
        for version in ("v2", "v3"):
            app.router.add_get(f"/fapi/{version}/positionRisk", self._positions)
            app.router.add_get(f"/fapi/{version}/balance", self._balances)
            app.router.add_get(f"/fapi/{version}/account", self._account)
        return app

    def _symbol(self, tape: Tape) -> dict[str, Any]:
        """Say the lots and least amounts of the perpetual."""
        told = super()._symbol(tape)
        told["filters"] = [
            {"filterType": "PRICE_FILTER", "minPrice": "0.10", "maxPrice": "4529764", "tickSize": "0.10"},
            {"filterType": "LOT_SIZE", "minQty": f"{LOT}", "maxQty": "1000", "stepSize": f"{LOT}"},
            {"filterType": "MARKET_LOT_SIZE", "minQty": f"{LOT}", "maxQty": "120", "stepSize": f"{LOT}"},
            {"filterType": "MIN_NOTIONAL", "notional": f"{NOTIONAL_MIN_USD:g}"},
        ]
        return told

    # Who asks.

    async def _customer(self, request: web.Request) -> tuple[PerpAccount, dict[str, str]]:
        """Give who signed a request, and what it says; raises the exchange's refusals."""
        text = (await request.text()) or request.query_string
        signed, _, signature = text.rpartition("&signature=")
        account = self._accounts.get(request.headers.get("X-MBX-APIKEY", ""))
        if account is None:
            raise refused(-2015, "Invalid API-key, IP, or permissions for action.")
        ours = hmac.new(account.secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(ours.encode(), signature.encode()):
            raise refused(-1022, "Signature for this request is not valid.")
        asked = dict(parse_qsl(signed))
        now_ms, stamp = ms_of(self.clock.now_ns()), asked.get("timestamp", "")
        window_ms = int(asked.get("recvWindow", WINDOW_MS)) * max(self.clock.speed_ratio, 1.0)
        if not stamp.isdecimal() or not -1_000 * max(self.clock.speed_ratio, 1.0) < now_ms - int(stamp) < window_ms:
            raise refused(-1021, "Timestamp for this request is outside of the recvWindow.")
        return account, asked

    # Orders.

    async def _order(self, request: web.Request) -> web.Response:
        account, asked = await self._customer(request)
        tape = self._tape(asked)
        if account.refuse:
            raise refused(*account.refuse.pop(0))
        name = asked.get("newClientOrderId", "")
        if name in account.orders:
            raise refused(-4116, "ClientOrderId is duplicated.")
        told = self._filled(account, tape, asked, name)
        account.orders[name] = told
        if account.lose_answers:
            account.lose_answers -= 1
            assert request.transport is not None
            request.transport.abort()
        return answered(told)

    def _filled(self, account: PerpAccount, tape: Tape, asked: Mapping[str, str], name: str) -> dict[str, Any]:
        """Fill an order at the touch, or let it expire."""
        side, sort = asked.get("side", ""), asked.get("type", "")
        try:
            coins, limit_usd = float(asked.get("quantity", "0")), float(asked.get("price", "0"))
        except ValueError as error:
            raise refused(-1102, "Mandatory parameter was malformed.") from error
        if side not in ("BUY", "SELL") or sort not in ("MARKET", "LIMIT"):
            raise refused(-1106, "Parameter sent when not required.")
        if sort == "LIMIT" and asked.get("timeInForce") not in ("IOC", "FOK"):
            raise refused(-1116, "Invalid orderType: nothing rests here.")
        if coins < LOT or abs(round(coins / LOT) * LOT - coins) > 1e-9:
            raise refused(-1111, "Precision is over the maximum defined for this asset.")
        held = account.positions.get(tape.symbol, 0.0)
        signed = coins if side == "BUY" else -coins
        reduces = asked.get("reduceOnly") == "true"
        if reduces and (held * signed >= 0 or coins > abs(held) + 1e-9):
            raise refused(-2022, "ReduceOnly Order is rejected.")
        usd = tape.ask_usd if side == "BUY" else tape.bid_usd
        if not reduces and coins * usd < NOTIONAL_MIN_USD:
            raise refused(-4164, "Order's notional must be no smaller than 100 (unless you choose reduce only).")
        crosses = sort == "MARKET" or (limit_usd >= usd if side == "BUY" else limit_usd <= usd)
        if crosses:
            self._trade_for(account, tape.symbol, signed, usd)
        return self._order_of(account, tape, asked, name, coins, usd if crosses else 0.0)

    def _trade_for(self, account: PerpAccount, symbol: str, signed: float, usd: float) -> None:
        held, entry = account.positions.get(symbol, 0.0), account.entries_usd.get(symbol, 0.0)
        after = round(held + signed, 9)
        if held * signed >= 0:
            account.entries_usd[symbol] = (abs(held) * entry + abs(signed) * usd) / (abs(held) + abs(signed))
        else:
            closed = min(abs(signed), abs(held)) * (1.0 if held > 0 else -1.0)
            account.cash_usd += closed * (usd - entry)
            if after * held < 0:
                account.entries_usd[symbol] = usd
        fee = abs(signed) * usd * FEE_RATE
        account.cash_usd -= fee
        account.fees_usd += fee
        account.positions[symbol] = after

    def _order_of(
        self, account: PerpAccount, tape: Tape, asked: Mapping[str, str], name: str, coins: float, usd: float
    ) -> dict[str, Any]:
        done = coins if usd else 0.0
        return {
            "orderId": len(account.orders) + 1, "clientOrderId": name, "symbol": tape.symbol,
            "status": "FILLED" if usd else "EXPIRED", "side": asked["side"], "type": asked["type"],
            "origType": asked["type"], "timeInForce": asked.get("timeInForce", "GTC"), "positionSide": "BOTH",
            "price": asked.get("price", "0"), "avgPrice": f"{usd:.2f}", "origQty": f"{coins:.3f}",
            "executedQty": f"{done:.3f}", "cumQty": f"{done:.3f}", "cumQuote": f"{done * usd:.5f}", "stopPrice": "0",
            "reduceOnly": asked.get("reduceOnly") == "true", "closePosition": False, "workingType": "CONTRACT_PRICE",
            "priceProtect": False, "updateTime": ms_of(self.clock.now_ns()),
        }  # fmt: skip

    async def _told(self, request: web.Request) -> web.Response:
        account, asked = await self._customer(request)
        found = account.orders.get(asked.get("origClientOrderId", ""))
        if found is None:
            raise refused(-2013, "Order does not exist.")
        return answered(found)

    # What is held.

    async def _positions(self, request: web.Request) -> web.Response:
        account, asked = await self._customer(request)
        wanted = asked.get("symbol")
        rows = []
        for symbol, coins in account.positions.items():
            if not coins or wanted not in (None, symbol):
                continue
            tape, entry = self.by_symbol[symbol], account.entries_usd[symbol]
            mark = (tape.bid_usd + tape.ask_usd) / 2
            rows.append(
                {
                    "symbol": symbol, "positionSide": "BOTH", "positionAmt": f"{coins:.3f}",
                    "entryPrice": f"{entry:.2f}", "breakEvenPrice": f"{entry:.2f}", "markPrice": f"{mark:.2f}",
                    "unRealizedProfit": f"{coins * (mark - entry):.5f}", "liquidationPrice": "0",
                    "isolatedMargin": "0", "notional": f"{coins * mark:.5f}", "marginAsset": "USDT",
                    "isolatedWallet": "0", "initialMargin": "0", "maintMargin": "0", "positionInitialMargin": "0",
                    "openOrderInitialMargin": "0", "adl": 1, "bidNotional": "0", "askNotional": "0",
                    "updateTime": ms_of(self.clock.now_ns()),
                }
            )  # fmt: skip
        return answered(rows)

    async def _balances(self, request: web.Request) -> web.Response:
        account, _ = await self._customer(request)
        cash = f"{account.cash_usd:.8f}"
        return answered([{"accountAlias": "x", "asset": "USDT", "balance": cash, "availableBalance": cash}])

    async def _account(self, request: web.Request) -> web.Response:
        account, _ = await self._customer(request)
        cash = f"{account.cash_usd:.8f}"
        asset = {"asset": "USDT", "walletBalance": cash, "marginBalance": cash, "availableBalance": cash}
        return answered({"assets": [asset], "positions": [], "totalWalletBalance": cash})

    async def _brackets(self, request: web.Request) -> web.Response:
        await self._customer(request)
        bracket = {
            "bracket": 1, "initialLeverage": 125, "notionalCap": 1e9, "notionalFloor": 0, "maintMarginRatio": 0.004,
            "cum": 0.0,
        }  # fmt: skip
        return answered([{"symbol": symbol, "brackets": [bracket]} for symbol in self.by_symbol])

    def _tape(self, asked: Mapping[str, str]) -> Tape:
        tape = self.by_symbol.get(asked.get("symbol", ""))
        if tape is None or not tape.is_quoted:
            raise web.HTTPBadRequest(
                body=encode({"code": -1121, "msg": "Invalid symbol."}), content_type="application/json"
            )
        return tape


def binance_perp_app(engine: Engine, accounts: Mapping[str, PerpAccount]) -> web.Application:
    """Give the application of Binance USD-M futures with customers."""
    return BinancePerp(engine, accounts).app()
