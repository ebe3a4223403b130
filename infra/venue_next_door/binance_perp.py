"""Binance USD-M next door for those who trade there: signed orders, positions and balances beside the market data.

As much as an unmodified client needs to hold one perpetual position in one-way mode. Shapes and
error texts are from memory of the exchange's documentation and of what ccxt 4.5 reads.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web

from infra.venue_next_door.binance import BinanceUsdm, answered, refused
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.exchange_socket import encode
from infra.venue_next_door.perp_account import LOT, PerpAccount, PerpCustomers, PerpOrder, PerpRefused, Refusal
from infra.venue_next_door.tapes import Tape, ms_of

FEE_RATE: Final = 0.0005
"""Of a taker without tier, in USDT."""
NOTIONAL_MIN_USD: Final = 100.0
WINDOW_MS: Final = 5_000
REFUSALS: Final = {
    Refusal.DUPLICATE: (-4116, "ClientOrderId is duplicated."),
    Refusal.LOT: (-1111, "Precision is over the maximum defined for this asset."),
    Refusal.REDUCE: (-2022, "ReduceOnly Order is rejected."),
    Refusal.NOTIONAL: (-4164, "Order's notional must be no smaller than 100 (unless you choose reduce only)."),
    Refusal.RESTS: (-1116, "Invalid orderType: nothing rests here."),
}


class BinancePerp(BinanceUsdm):
    """The exchange of `BinanceUsdm`, with customers.

    Args:
        engine: Whose rows it shows.
        customers: Who trades there.
    """

    def __init__(self, engine: Engine, customers: PerpCustomers) -> None:
        super().__init__(engine)
        self._customers = customers

    def app(self) -> web.Application:
        """Give the application: what everybody sees, and the signed paths."""
        app = super().app()
        app.router.add_post("/fapi/v1/order", self._order)
        app.router.add_get("/fapi/v1/order", self._told)
        app.router.add_delete("/fapi/v1/order", self._cancel)
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
        account = self._customers.find(request.headers.get("X-MBX-APIKEY", ""))
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
        order = self._taken(account, tape, asked)
        if account.loses_answer():
            assert request.transport is not None
            request.transport.abort()
        return answered(_order_of(order))

    def _taken(self, account: PerpAccount, tape: Tape, asked: Mapping[str, str]) -> PerpOrder:
        """Read an order and fill it."""
        side, sort = asked.get("side", ""), asked.get("type", "")
        try:
            coins, limit_usd = float(asked.get("quantity", "0")), float(asked.get("price", "0"))
        except ValueError as error:
            raise refused(-1102, "Mandatory parameter was malformed.") from error
        if side not in ("BUY", "SELL") or sort not in ("MARKET", "LIMIT") or (sort == "LIMIT" and not limit_usd > 0.0):
            raise refused(-1106, "Parameter sent when not required.")
        try:
            return account.take(
                tape, asked.get("newClientOrderId", ""), coins if side == "BUY" else -coins,
                limit_usd=limit_usd if sort == "LIMIT" else 0.0, at_once=asked.get("timeInForce") in ("IOC", "FOK"),
                reduces=asked.get("reduceOnly") == "true", at_ms=ms_of(self.clock.now_ns()), fee_rate=FEE_RATE,
                least_usd=NOTIONAL_MIN_USD,
            )  # fmt: skip
        except PerpRefused as error:
            raise refused(*REFUSALS[error.why]) from None

    async def _told(self, request: web.Request) -> web.Response:
        account, asked = await self._customer(request)
        found = account.find(asked.get("origClientOrderId", ""), asked.get("orderId", ""))
        if found is None:
            raise refused(-2013, "Order does not exist.")
        return answered(_order_of(found))

    async def _cancel(self, request: web.Request) -> web.Response:
        """Refuse: what is here is done already."""
        await self._customer(request)
        raise refused(-2011, "Unknown order sent.")

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


def _order_of(order: PerpOrder) -> dict[str, Any]:
    sort, size = "LIMIT" if order.limit_usd else "MARKET", f"{order.filled:.3f}"
    return {
        "orderId": order.order_id, "clientOrderId": order.name, "symbol": order.symbol,
        "status": "FILLED" if order.usd else "EXPIRED", "side": "BUY" if order.coins > 0 else "SELL", "type": sort,
        "origType": sort, "timeInForce": "IOC" if order.limit_usd else "GTC", "positionSide": "BOTH",
        "price": f"{order.limit_usd:.2f}", "avgPrice": f"{order.usd:.2f}", "origQty": f"{abs(order.coins):.3f}",
        "executedQty": size, "cumQty": size, "cumQuote": f"{order.filled * order.usd:.5f}", "stopPrice": "0",
        "reduceOnly": order.reduces, "closePosition": False, "workingType": "CONTRACT_PRICE", "priceProtect": False,
        "updateTime": order.at_ms,
    }  # fmt: skip


def binance_perp_app(engine: Engine, customers: PerpCustomers) -> web.Application:
    """Give the application of Binance USD-M futures with customers."""
    return BinancePerp(engine, customers).app()
