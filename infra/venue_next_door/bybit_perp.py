"""Bybit's linear perpetual next door for those who trade there: signed orders, positions and balances under /v5.

As much as an unmodified client needs to hold one position in one-way mode. An order's answer has no more than its ids,
as at the exchange: what came of it is asked for. Shapes and error texts are from memory of the exchange's
documentation and of what ccxt 4.5 reads.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from infra.venue_next_door.bybit import Bybit
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.exchange_socket import encode
from infra.venue_next_door.perp_account import (
    LOT,
    PerpAccount,
    PerpCustomers,
    PerpOrder,
    PerpRefused,
    PerpTapes,
    Refusal,
)
from infra.venue_next_door.tapes import Tape, ms_of

FEE_RATE: Final = 0.00055
"""Of a taker without tier, in USDT."""
NOTIONAL_MIN_USD: Final = 5.0
REFUSALS: Final = {
    Refusal.DUPLICATE: (110072, "OrderLinkedID is duplicate"),
    Refusal.LOT: (10001, "Qty invalid"),
    Refusal.REDUCE: (110017, "Reduce-only rule not satisfied"),
    Refusal.NOTIONAL: (110094, "Order does not meet minimum order value 5USDT"),
    Refusal.RESTS: (10001, "timeInForce invalid: nothing rests here"),
}


class BybitRefused(Exception):
    """A request that is not done: the exchange's code and words, in an answer of status 200."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


class BybitPerp(Bybit):
    """The exchange of `Bybit`, with perpetuals and customers.

    Args:
        engine: Whose rows it shows.
        customers: Who trades there.
    """

    def __init__(self, engine: Engine, customers: PerpCustomers) -> None:
        super().__init__(engine)
        self._customers = customers
        self.perps = PerpTapes(engine, "{}USDT")

    def app(self) -> web.Application:
        """Give the application: what everybody sees, and the signed paths."""
        app = super().app()
        app.middlewares.append(_refusals)
        app.router.add_post("/v5/order/create", self._create)
        app.router.add_post("/v5/order/cancel", self._cancel)
        for path, answer in (
            ("order/realtime", self._orders), ("position/list", self._positions), ("user/query-api", self._about_key),
            ("account/info", self._about_account), ("account/wallet-balance", self._balance),
            ("asset/coin/query-info", self._coins),
        ):  # fmt: skip
            app.router.add_get(f"/v5/{path}", answer)
        return app

    # What everybody sees.

    def _asked(self, request: web.Request) -> list[Tape]:
        if request.query.get("category") != "linear":
            return super()._asked(request)
        named = request.query.get("symbol")
        return [tape for tape in self.perps.tapes.values() if named in (None, tape.symbol)]

    async def _instruments(self, request: web.Request) -> web.Response:
        if request.query.get("category") != "linear":
            return await super()._instruments(request)
        rows = [
            {"symbol": t.symbol, "contractType": "LinearPerpetual", "status": "Trading", "baseCoin": t.asset.name,
             "quoteCoin": "USDT", "settleCoin": "USDT", "launchTime": "1585526400000", "deliveryTime": "0",
             "deliveryFeeRate": "", "priceScale": "2", "unifiedMarginTrade": True, "fundingInterval": 480,
             "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
             "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": "0.10"},
             "lotSizeFilter": {"maxOrderQty": "1190", "minOrderQty": f"{LOT}", "qtyStep": f"{LOT}",
                               "minNotionalValue": f"{NOTIONAL_MIN_USD:g}", "postOnlyMaxOrderQty": "1190"}}
            for t in self._asked(request) if request.query.get("status", "Trading") == "Trading"
        ]  # fmt: skip
        return self._answered({"category": "linear", "list": rows, "nextPageCursor": ""})

    # Who asks.

    async def _customer(self, request: web.Request) -> tuple[PerpAccount, Mapping[str, Any]]:
        """Give who signed a request, and what it says; raises the exchange's refusals."""
        said = request.headers
        key, stamp, window = (said.get(f"X-BAPI-{name}", "") for name in ("API-KEY", "TIMESTAMP", "RECV-WINDOW"))
        account = self._customers.find(key)
        if account is None:
            raise BybitRefused(10003, "API key is invalid.")
        raw = await request.read() if request.method == "POST" else request.rel_url.raw_query_string.encode()
        ours = hmac.new(account.secret.encode(), f"{stamp}{key}{window}".encode() + raw, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(ours.encode(), said.get("X-BAPI-SIGN", "").encode()):
            raise BybitRefused(10004, "error sign! please check the signature generation algorithm.")
        now_ms, ratio = ms_of(self.clock.now_ns()), max(self.clock.speed_ratio, 1.0)
        if not (stamp.isdecimal() and window.isdecimal()) or not (
            -1_000 * ratio < now_ms - int(stamp) < int(window) * ratio
        ):
            raise BybitRefused(10002, "invalid request, please check your server timestamp or recv_window param.")
        if request.method != "POST":
            return account, dict(request.query)
        asked = self.read_request(raw)
        if asked is None:
            raise BybitRefused(10001, "params error: no JSON object")
        return account, asked

    # Orders.

    async def _create(self, request: web.Request) -> web.Response:
        account, asked = await self._customer(request)
        tape = self._tape(asked)
        if account.refuse:
            raise BybitRefused(*account.refuse.pop(0))
        order = self._taken(account, tape, asked)
        if account.loses_answer():
            assert request.transport is not None
            request.transport.abort()
        return self._answered({"orderId": str(order.order_id), "orderLinkId": order.name})

    def _taken(self, account: PerpAccount, tape: Tape, asked: Mapping[str, Any]) -> PerpOrder:
        """Read an order and fill it."""
        side, sort = asked.get("side"), asked.get("orderType")
        try:
            coins, limit_usd = float(asked.get("qty", "0")), float(asked.get("price") or "0")
        except (TypeError, ValueError) as error:
            raise BybitRefused(10001, "params error: qty or price invalid") from error
        if side not in ("Buy", "Sell") or sort not in ("Market", "Limit") or (sort == "Limit" and not limit_usd > 0.0):
            raise BybitRefused(10001, "params error: side or orderType invalid")
        try:
            return account.take(
                tape, str(asked.get("orderLinkId") or ""), coins if side == "Buy" else -coins,
                limit_usd=limit_usd if sort == "Limit" else 0.0, at_once=asked.get("timeInForce") in ("IOC", "FOK"),
                reduces=asked.get("reduceOnly") is True, at_ms=ms_of(self.clock.now_ns()), fee_rate=FEE_RATE,
                least_usd=NOTIONAL_MIN_USD,
            )  # fmt: skip
        except PerpRefused as error:
            raise BybitRefused(*REFUSALS[error.why]) from None

    async def _cancel(self, request: web.Request) -> web.Response:
        """Refuse: what is here is done already."""
        await self._customer(request)
        raise BybitRefused(110001, "order not exists or too late to cancel")

    async def _orders(self, request: web.Request) -> web.Response:
        account, asked = await self._customer(request)
        name, number = str(asked.get("orderLinkId", "")), str(asked.get("orderId", ""))
        order = account.find(name, number) if name or number else None
        rows = [_order_of(order)] if order is not None else []
        return self._answered({"category": "linear", "list": rows, "nextPageCursor": ""})

    # What is held.

    async def _positions(self, request: web.Request) -> web.Response:
        """Tell each position; one that is asked for by name is told also when nothing is held."""
        account, asked = await self._customer(request)
        named = asked.get("symbol")
        rows = [
            self._position(account, tape)
            for tape in self.perps.quoted(named)
            if named or account.positions.get(tape.symbol)
        ]
        return self._answered({"category": "linear", "list": rows, "nextPageCursor": ""})

    def _position(self, account: PerpAccount, tape: Tape) -> dict[str, Any]:
        coins, entry = account.positions.get(tape.symbol, 0.0), account.entries_usd.get(tape.symbol, 0.0)
        mark, now_ms = (tape.bid_usd + tape.ask_usd) / 2, str(ms_of(self.clock.now_ns()))
        side = {1: "Buy", -1: "Sell"}.get((coins > 0) - (coins < 0), "")
        return {
            "symbol": tape.symbol, "side": side, "size": f"{abs(coins):.3f}", "avgPrice": f"{entry:.2f}",
            "positionValue": f"{abs(coins) * entry:.5f}", "markPrice": f"{mark:.2f}", "positionIdx": 0, "riskId": 1,
            "riskLimitValue": "2000000", "leverage": "10", "liqPrice": "", "bustPrice": "", "takeProfit": "",
            "stopLoss": "", "trailingStop": "0", "tpslMode": "Full", "tradeMode": 0, "autoAddMargin": 0,
            "unrealisedPnl": f"{coins * (mark - entry):.5f}", "cumRealisedPnl": "0", "positionIM": "0",
            "positionMM": "0", "positionStatus": "Normal", "adlRankIndicator": 2, "isReduceOnly": False, "seq": 1,
            "createdTime": now_ms, "updatedTime": now_ms,
        }  # fmt: skip

    async def _balance(self, request: web.Request) -> web.Response:
        account, _ = await self._customer(request)
        cash = f"{account.cash_usd:.8f}"
        coin = {
            "coin": "USDT", "equity": cash, "walletBalance": cash, "usdValue": cash, "locked": "0", "borrowAmount": "0",
            "accruedInterest": "0", "totalOrderIM": "0", "totalPositionIM": "0", "unrealisedPnl": "0",
        }  # fmt: skip
        told = {"accountType": "UNIFIED", "totalEquity": cash, "totalWalletBalance": cash, "coin": [coin]}
        return self._answered({"list": [told]})

    async def _about_key(self, request: web.Request) -> web.Response:
        await self._customer(request)
        return self._answered({"readOnly": 0, "unified": 0, "uta": 1, "isMaster": True, "permissions": {}})

    async def _about_account(self, request: web.Request) -> web.Response:
        await self._customer(request)
        return self._answered({"marginMode": "REGULAR_MARGIN", "unifiedMarginStatus": 6})

    async def _coins(self, request: web.Request) -> web.Response:
        await self._customer(request)
        return self._answered({"rows": []})

    def _tape(self, asked: Mapping[str, Any]) -> Tape:
        tape = self.perps.by_symbol.get(str(asked.get("symbol")))
        if asked.get("category") != "linear" or tape is None or not tape.is_quoted:
            raise BybitRefused(10001, "Symbol Is Invalid")
        return tape


def _order_of(order: PerpOrder) -> dict[str, Any]:
    return {
        "symbol": order.symbol, "orderId": str(order.order_id), "orderLinkId": order.name,
        "orderType": "Limit" if order.limit_usd else "Market", "orderStatus": "Filled" if order.usd else "Cancelled",
        "side": "Buy" if order.coins > 0 else "Sell", "price": f"{order.limit_usd:.2f}",
        "qty": f"{abs(order.coins):.3f}",
        "avgPrice": f"{order.usd:.2f}" if order.usd else "", "cumExecQty": f"{order.filled:.3f}", "leavesQty": "0.000",
        "cumExecValue": f"{order.filled * order.usd:.5f}", "cumExecFee": f"{order.fee_usd:.8f}",
        "cumFeeDetail": {"USDT": f"{order.fee_usd:.8f}"} if order.usd else {}, "timeInForce": "IOC",
        "reduceOnly": order.reduces, "closeOnTrigger": False, "positionIdx": 0, "tpslMode": "", "triggerPrice": "",
        "rejectReason": "EC_NoError" if order.usd else "EC_NoImmediateQtyToFill", "cancelType": "UNKNOWN",
        "stopOrderType": "", "createdTime": str(order.at_ms), "updatedTime": str(order.at_ms),
    }  # fmt: skip


@web.middleware
async def _refusals(request: web.Request, handler: Any) -> web.StreamResponse:
    """Answer refusals in the exchange's form."""
    try:
        told: web.StreamResponse = await handler(request)
    except BybitRefused as error:
        body = {"retCode": error.code, "retMsg": error.words, "result": {}, "retExtInfo": {}}
        return web.Response(body=encode(body), content_type="application/json")
    return told


def bybit_perp_app(engine: Engine, customers: PerpCustomers) -> web.Application:
    """Give the application of Bybit with perpetuals and customers."""
    return BybitPerp(engine, customers).app()
