"""OKX's linear perpetual next door for those who trade there: signed orders, positions and balances under /api/v5.

As much as an unmodified client needs to hold one position in net mode. Sizes are in contracts of a hundredth of a
coin, and an order's answer has no more than its ids, as at the exchange. Shapes and error texts are from memory of the
exchange's documentation and of what ccxt 4.5 reads.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from aiohttp import web

from infra.venue_next_door.engine import Engine
from infra.venue_next_door.exchange_socket import encode
from infra.venue_next_door.okx import Okx
from infra.venue_next_door.perp_account import (
    PLAY_PASSWORD,
    PerpAccount,
    PerpCustomers,
    PerpOrder,
    PerpRefused,
    PerpTapes,
    Refusal,
)
from infra.venue_next_door.tapes import TOUCH_SIZE, Tape, figure, ms_of

FEE_RATE: Final = 0.0005
"""Of a taker without tier, in USDT."""
CONTRACT: Final = 0.01
"""Coins."""
LOT_CONTRACTS: Final = 0.01
WINDOW_MS: Final = 30_000
REFUSALS: Final = {
    Refusal.DUPLICATE: ("51016", "Client order ID already exists."),
    Refusal.LOT: ("51121", "Order quantity must be a multiple of the lot size."),
    Refusal.REDUCE: ("51169", "Order failed because you don't have any positions in this direction to reduce."),
    Refusal.NOTIONAL: ("51020", "Your order should meet or exceed the minimum order amount."),
    Refusal.RESTS: ("51000", "Parameter ordType error: nothing rests here"),
}


class OkxRefused(Exception):
    """A request that is not done: the exchange's code and words, in an answer of status 200."""

    def __init__(self, code: str | int, words: str, *, of_order: bool = False) -> None:
        super().__init__(words)
        self.code, self.words, self.of_order = str(code), words, of_order


class OkxPerp(Okx):
    """The exchange of `Okx`, with perpetuals and customers.

    Args:
        engine: Whose rows it shows.
        customers: Who trades there.
    """

    def __init__(self, engine: Engine, customers: PerpCustomers) -> None:
        super().__init__(engine)
        self._customers = customers
        self.perps = PerpTapes(engine, "{}-USDT-SWAP")

    def app(self) -> web.Application:
        """Give the application: what everybody sees, and the signed paths."""
        app = super().app()
        app.middlewares.append(_refusals)
        for path in ("trade/order", "trade/batch-orders"):
            app.router.add_post(f"/api/v5/{path}", self._create)
        for path in ("trade/cancel-order", "trade/cancel-batch-orders"):
            app.router.add_post(f"/api/v5/{path}", self._cancel)
        for path, answer in (
            ("trade/order", self._told), ("account/positions", self._positions), ("account/balance", self._balance),
            ("asset/currencies", self._coins),
        ):  # fmt: skip
            app.router.add_get(f"/api/v5/{path}", answer)
        return app

    # What everybody sees.

    def _asked(self, request: web.Request) -> list[Tape]:
        named = request.query.get("instId")
        is_swap = named.endswith("-SWAP") if named else request.query.get("instType") == "SWAP"
        if not is_swap:
            return super()._asked(request)
        return [tape for tape in self.perps.tapes.values() if named in (None, tape.symbol)]

    async def _instruments(self, request: web.Request) -> web.Response:
        if request.query.get("instType") != "SWAP":
            return await super()._instruments(request)
        rows = [
            {"instType": "SWAP", "instId": t.symbol, "baseCcy": "", "quoteCcy": "", "settleCcy": "USDT",
             "ctVal": f"{CONTRACT}", "ctMult": "1", "ctValCcy": t.asset.name, "ctType": "linear",
             "uly": f"{t.asset.name}-USDT", "instFamily": f"{t.asset.name}-USDT", "category": "1", "tickSz": "0.1",
             "lotSz": f"{LOT_CONTRACTS}", "minSz": f"{LOT_CONTRACTS}", "maxLmtSz": "100000000", "maxMktSz": "85000",
             "listTime": "1573557408000", "expTime": "", "lever": "100", "state": "live", "alias": "", "optType": "",
             "stk": ""}
            for t in self._asked(request)
        ]  # fmt: skip
        return _answered(rows)

    async def _books(self, request: web.Request) -> web.Response:
        rows = []
        for tape in self._asked(request)[:1]:
            if tape.is_quoted:
                size = figure(TOUCH_SIZE / (CONTRACT if tape.symbol in self.perps.by_symbol else 1.0), 0)
                asks, bids = ([[figure(usd, 1), size, "0", "1"]] for usd in (tape.ask_usd, tape.bid_usd))
                rows.append({"asks": asks, "bids": bids, "ts": str(ms_of(tape.quoted_ns)), "seqId": tape.seq})
        return _answered(rows)

    # Who asks.

    async def _customer(self, request: web.Request) -> tuple[PerpAccount, Any]:
        """Give who signed a request, and what it says; raises the exchange's refusals."""
        said = request.headers
        stamp = said.get("OK-ACCESS-TIMESTAMP", "")
        account = self._customers.find(said.get("OK-ACCESS-KEY", ""))
        if account is None:
            raise OkxRefused(50111, "Invalid OK-ACCESS-KEY")
        raw = await request.read()
        signed = f"{stamp}{request.method}{request.rel_url.raw_path_qs}".encode() + raw
        ours = base64.b64encode(hmac.new(account.secret.encode(), signed, hashlib.sha256).digest())
        if not hmac.compare_digest(ours, said.get("OK-ACCESS-SIGN", "").encode()):
            raise OkxRefused(50113, "Invalid Sign")
        if said.get("OK-ACCESS-PASSPHRASE") != PLAY_PASSWORD:
            raise OkxRefused(50105, "Request header OK-ACCESS-PASSPHRASE incorrect.")
        try:
            at_ms = datetime.fromisoformat(stamp).timestamp() * 1_000
        except ValueError:
            raise OkxRefused(50112, "Invalid OK-ACCESS-TIMESTAMP") from None
        if abs(ms_of(self.clock.now_ns()) - at_ms) > WINDOW_MS * max(self.clock.speed_ratio, 1.0):
            raise OkxRefused(50102, "Timestamp request expired")
        if request.method == "GET":
            return account, dict(request.query)
        try:
            asked = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise OkxRefused(50002, "JSON syntax error") from None
        return account, asked

    # Orders.

    async def _create(self, request: web.Request) -> web.Response:
        """Take one order, alone or as the only one of a batch."""
        account, asked = await self._customer(request)
        if isinstance(asked, list):
            asked = asked[0] if len(asked) == 1 else None
        if not isinstance(asked, dict):
            raise OkxRefused(51000, "Parameter error: one order at a time here")
        tape = self.perps.by_symbol.get(str(asked.get("instId")))
        if tape is None or not tape.is_quoted:
            raise OkxRefused(51001, "Instrument ID does not exist.", of_order=True)
        if account.refuse:
            code, words = account.refuse.pop(0)
            raise OkxRefused(code, words, of_order=True)
        order = self._taken(account, tape, asked)
        if account.loses_answer():
            assert request.transport is not None
            request.transport.abort()
        ids = {"clOrdId": order.name, "ordId": str(order.order_id), "tag": "", "ts": str(order.at_ms)}
        return _answered([ids | {"sCode": "0", "sMsg": "Order placed"}])

    def _taken(self, account: PerpAccount, tape: Tape, asked: Mapping[str, Any]) -> PerpOrder:
        """Read an order and fill it."""
        side, sort = asked.get("side"), asked.get("ordType")
        try:
            coins, limit_usd = round(float(asked.get("sz", "0")) * CONTRACT, 9), float(asked.get("px") or "0")
        except (TypeError, ValueError) as error:
            raise OkxRefused(51000, "Parameter sz or px error", of_order=True) from error
        is_market = sort == "market"
        if side not in ("buy", "sell") or asked.get("tdMode") not in ("cross", "isolated"):
            raise OkxRefused(51000, "Parameter side or tdMode error", of_order=True)
        if not is_market and not limit_usd > 0.0:
            raise OkxRefused(51000, "Parameter px error", of_order=True)
        try:
            return account.take(
                tape, str(asked.get("clOrdId") or ""), coins if side == "buy" else -coins,
                limit_usd=0.0 if is_market else limit_usd, at_once=sort in ("ioc", "fok"),
                reduces=asked.get("reduceOnly") in (True, "true"), at_ms=ms_of(self.clock.now_ns()), fee_rate=FEE_RATE,
                lot=CONTRACT * LOT_CONTRACTS,
            )  # fmt: skip
        except PerpRefused as error:
            raise OkxRefused(*REFUSALS[error.why], of_order=True) from None

    async def _cancel(self, request: web.Request) -> web.Response:
        """Refuse: what is here is done already."""
        await self._customer(request)
        raise OkxRefused(51400, "Order cancellation failed as the order has been filled, canceled.", of_order=True)

    async def _told(self, request: web.Request) -> web.Response:
        account, asked = await self._customer(request)
        order = account.find(asked.get("clOrdId", ""), asked.get("ordId", ""))
        if order is None:
            raise OkxRefused(51603, "Order does not exist")
        return _answered([_order_of(order)])

    # What is held.

    async def _positions(self, request: web.Request) -> web.Response:
        account, asked = await self._customer(request)
        named = asked["instId"].split(",") if asked.get("instId") else None
        rows = []
        for tape in self.perps.quoted():
            coins = account.positions.get(tape.symbol, 0.0)
            if not coins or (named is not None and tape.symbol not in named):
                continue
            entry, mark = account.entries_usd[tape.symbol], (tape.bid_usd + tape.ask_usd) / 2
            now_ms, contracts = str(ms_of(self.clock.now_ns())), _contracts(coins)
            rows.append(
                {
                    "instType": "SWAP", "instId": tape.symbol, "posSide": "net", "pos": contracts, "posId": "1",
                    "availPos": contracts, "avgPx": f"{entry:.2f}", "markPx": f"{mark:.2f}", "last": f"{mark:.2f}",
                    "upl": f"{coins * (mark - entry):.5f}", "uplRatio": "0", "notionalUsd": f"{abs(coins) * mark:.5f}",
                    "mgnMode": "cross", "mgnRatio": "", "margin": "", "imr": f"{abs(coins) * mark / 10:.5f}",
                    "mmr": f"{abs(coins) * mark * 0.004:.5f}", "lever": "10", "liqPx": "", "ccy": "USDT", "adl": "1",
                    "interest": "0", "tradeId": "1", "cTime": now_ms, "uTime": now_ms,
                }
            )  # fmt: skip
        return _answered(rows)

    async def _balance(self, request: web.Request) -> web.Response:
        account, _ = await self._customer(request)
        cash, now_ms = f"{account.cash_usd:.8f}", str(ms_of(self.clock.now_ns()))
        coin = {
            "ccy": "USDT", "eq": cash, "cashBal": cash, "availBal": cash, "availEq": cash, "frozenBal": "0",
            "uTime": now_ms,
        }  # fmt: skip
        return _answered([{"totalEq": cash, "uTime": now_ms, "details": [coin]}])

    async def _coins(self, request: web.Request) -> web.Response:
        await self._customer(request)
        return _answered([])


def _contracts(coins: float) -> str:
    return f"{coins / CONTRACT:.2f}"


def _order_of(order: PerpOrder) -> dict[str, Any]:
    return {
        "instType": "SWAP", "instId": order.symbol, "ordId": str(order.order_id), "clOrdId": order.name, "tag": "",
        "side": "buy" if order.coins > 0 else "sell", "posSide": "net", "tdMode": "cross",
        "ordType": "ioc" if order.limit_usd else "market", "px": f"{order.limit_usd:.1f}" if order.limit_usd else "",
        "sz": _contracts(abs(order.coins)), "accFillSz": _contracts(order.filled),
        "avgPx": f"{order.usd:.2f}" if order.usd else "", "state": "filled" if order.usd else "canceled",
        "fee": f"{-order.fee_usd:.8f}", "feeCcy": "USDT", "rebate": "0", "rebateCcy": "USDT", "pnl": "0",
        "lever": "10", "reduceOnly": "true" if order.reduces else "false", "cTime": str(order.at_ms),
        "uTime": str(order.at_ms), "fillTime": str(order.at_ms) if order.usd else "",
    }  # fmt: skip


def _answered(rows: list[dict[str, Any]]) -> web.Response:
    return web.Response(body=encode({"code": "0", "msg": "", "data": rows}), content_type="application/json")


@web.middleware
async def _refusals(request: web.Request, handler: Any) -> web.StreamResponse:
    """Answer refusals in the exchange's form: an order's own inside the list of orders."""
    try:
        told: web.StreamResponse = await handler(request)
    except OkxRefused as error:
        body: dict[str, Any] = {"code": error.code, "msg": error.words, "data": []}
        if error.of_order:
            row = {"clOrdId": "", "ordId": "", "tag": "", "sCode": error.code, "sMsg": error.words}
            body = {"code": "1", "msg": "All operations failed", "data": [row]}
        return web.Response(body=encode(body), content_type="application/json")
    return told


def okx_perp_app(engine: Engine, customers: PerpCustomers) -> web.Application:
    """Give the application of OKX with perpetuals and customers."""
    return OkxPerp(engine, customers).app()
