"""Orders come in and go out: POST and DELETE of the CLOB, checked as the venue checks them (venue reference 5.3-5.8).

Choices where the venue's are not documented: the order in which an order is checked; GTD needs 60 s of life, as the
documents of February 2026 had it, though the newest client asks for 180 s; a batch in post-only mode is answered leg by
leg; a batch of cancels costs its length in tokens, but never more than the bucket holds. A `deferExec` is taken and
changes nothing: answers never wait for a match here.

A market buy says how much to spend, and is matched here as an order for its shares at its limit. Doubt: the venue may
spend the whole amount when it finds better prices, and so buy more shares.
"""

from typing import Any, Final

import msgspec
from aiohttp import web

from infra.venue_next_door import typed_data
from infra.venue_next_door.amounts import priced
from infra.venue_next_door.chain_state import ChainState
from infra.venue_next_door.clob_auth import Customers
from infra.venue_next_door.clob_limits import CANCELS, ORDERS, RateLimits
from infra.venue_next_door.contracts import COLLATERAL, CONDITIONAL_TOKENS, POSITION_MANAGER
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.faults import Fault
from infra.venue_next_door.modes import Modes
from infra.venue_next_door.nouns import Account, Answer, NewOrder, OrderStatus, Window
from infra.venue_next_door.refusals import (
    BAD_EXPIRATION,
    BAD_PAYLOAD,
    BAD_POST_ONLY_TYPE,
    BAD_SIGNATURE,
    CLOSED_ONLY,
    NO_ALLOWANCE,
    NO_BOOK,
    NOT_READY,
    VERSION_MISMATCH,
    WRONG_OWNER,
    WRONG_SIGNER,
    WRONG_WALLET,
    Refusal,
    answered,
)
from infra.venue_next_door.shown_books import size_text
from infra.venue_next_door.typed_data import EXCHANGES, SEPARATORS, SignedFields
from state.events import Side, Token
from state.orders import TimeInForce
from state.units import BPS, NS_PER_S

BATCH_MAX: Final = 15
CANCELS_MAX: Final = 1000
GTD_LEAST_S: Final = 60
_TAKES_ONLY: Final = (TimeInForce.FOK, TimeInForce.FAK)
_SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
_TIFS: Final = {tif.name: tif for tif in TimeInForce}


class WireOrder(msgspec.Struct, rename="camel", gc=False):
    """The signed order as it comes; a V1 order has no `timestamp`."""

    salt: int
    maker: str
    signer: str
    token_id: str
    maker_amount: str
    taker_amount: str
    side: str
    signature_type: int
    signature: str
    expiration: str = "0"
    timestamp: str = ""
    metadata: str = "0x" + "0" * 64
    builder: str = "0x" + "0" * 64


class PostedOrder(msgspec.Struct, rename="camel", gc=False):
    """The body of `POST /order`."""

    order: WireOrder
    owner: str
    order_type: str
    defer_exec: bool = False
    post_only: bool = False


class CancelledOrder(msgspec.Struct):
    """The body of `DELETE /order`."""

    order_id: str = msgspec.field(name="orderID")


class CancelledMarket(msgspec.Struct):
    """The body of `DELETE /cancel-market-orders`; both may stand."""

    market: str = ""
    asset_id: str = ""


_ORDER: Final = msgspec.json.Decoder(PostedOrder)
_ORDERS: Final = msgspec.json.Decoder(list[PostedOrder])
_CANCELLED: Final = msgspec.json.Decoder(CancelledOrder)
_IDS: Final = msgspec.json.Decoder(list[str])
_MARKET: Final = msgspec.json.Decoder(CancelledMarket)


def decoded(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    """Read a body or refuse it."""
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        raise Refusal(BAD_PAYLOAD) from error


def _bytes32(text: str) -> bytes:
    raw = bytes.fromhex(text.removeprefix("0x"))
    if len(raw) != 32:
        raise ValueError("not 32 bytes")
    return raw


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError("not a whole number")
    return int(text)


def signed_fields(wire: WireOrder) -> SignedFields:
    """Read the eleven signed fields of an order.

    Raises:
        Refusal: a field cannot be read, or it is an order of a generation that is gone.
    """
    if not wire.timestamp:
        raise Refusal(VERSION_MISMATCH)
    if wire.side not in _SIDES or not 0 <= wire.signature_type <= 3:
        raise Refusal(BAD_PAYLOAD)
    try:
        return SignedFields(
            wire.salt, typed_data.address_of(wire.maker), typed_data.address_of(wire.signer), _whole(wire.token_id),
            _whole(wire.maker_amount), _whole(wire.taker_amount), int(_SIDES[wire.side]), wire.signature_type,
            _whole(wire.timestamp), _bytes32(wire.metadata), _bytes32(wire.builder),
        )  # fmt: skip
    except ValueError as error:
        raise Refusal(BAD_PAYLOAD) from error


def answer_body(account: Account, answer: Answer) -> dict[str, Any]:
    """Write what the engine said to a new order (venue reference 5.3)."""
    if answer.error:
        return {
            "errorMsg": answer.error, "orderID": "", "takingAmount": "", "makingAmount": "", "status": "",
            "transactionsHashes": [], "tradeIDs": [], "success": False,
        }  # fmt: skip
    order = answer.order
    trades = [account.trades[trade_id] for trade_id in order.trade_ids if trade_id in account.trades]
    shares = sum(trade.amount_micros for trade in trades)
    collateral = sum(trade.amount_micros * trade.price_bps // BPS for trade in trades)
    taking, making = (shares, collateral) if order.side is Side.BUY else (collateral, shares)
    return {
        "errorMsg": "",
        "orderID": order.order_hash,
        "takingAmount": size_text(taking) if trades else "",
        "makingAmount": size_text(making) if trades else "",
        "status": order.status.value.lower(),
        "transactionsHashes": [trade.transaction_hash for trade in trades if trade.transaction_hash],
        "tradeIDs": list(order.trade_ids),
        "success": True,
    }


class OrderDesk:
    """The handlers of orders and cancels."""

    def __init__(self, engine: Engine, customers: Customers, chain: ChainState, modes: Modes) -> None:
        """Take the engine, its customers, what the chain knows of allowances, and the mode of the matching."""
        self.engine = engine
        self.customers = customers
        self.chain = chain
        self.modes = modes
        self.limits = RateLimits()

    def routes(self) -> list[web.RouteDef]:
        """Give the routes."""
        return [
            web.post("/order", self.post_order),
            web.post("/orders", self.post_orders),
            web.delete("/order", self.delete_order),
            web.delete("/orders", self.delete_orders),
            web.delete("/cancel-all", self.cancel_all),
            web.delete("/cancel-market-orders", self.cancel_market),
        ]

    async def post_order(self, request: web.Request) -> web.Response:
        """Take one order."""
        body = await request.read()
        account = self.customers.account_of(request, body)
        posted: PostedOrder = decoded(_ORDER, body)
        headers = self._take(account, ORDERS, 1)
        try:
            answer = self.place(account, posted)
        except Refusal as refusal:
            refusal.headers = {**headers, **(refusal.headers or {})}
            raise
        await self._hang(request)
        if answer.error:
            raise Refusal(answer.error, answer.http_status, headers=headers)
        return answered(answer_body(account, answer), headers=headers)

    async def post_orders(self, request: web.Request) -> web.Response:
        """Take up to fifteen orders, each with an answer of its own."""
        body = await request.read()
        account = self.customers.account_of(request, body)
        posted: list[PostedOrder] = decoded(_ORDERS, body)
        if not 1 <= len(posted) <= BATCH_MAX:
            raise Refusal(f"{BAD_PAYLOAD}: between 1 and {BATCH_MAX} orders")
        headers = self._take(account, ORDERS, len(posted))
        legs = [self._leg(account, one) for one in posted]
        await self._hang(request)
        return answered(legs, headers=headers)

    def _leg(self, account: Account, posted: PostedOrder) -> dict[str, Any]:
        try:
            return answer_body(account, self.place(account, posted))
        except Refusal as refusal:
            return {
                "errorMsg": refusal.text, "orderID": "", "takingAmount": "", "makingAmount": "", "status": "",
                "transactionsHashes": [], "tradeIDs": [], "success": False,
            }  # fmt: skip

    async def _hang(self, request: web.Request) -> None:
        """Let the answer never come while the fault is on: what was asked has been done."""
        hang_s = self.engine.faults.value(Fault.TIMEOUT_AFTER_ACCEPTANCE, request.path)
        if hang_s:
            await self.engine.clock.sleep(int(hang_s * NS_PER_S))
            if request.transport is not None:
                request.transport.abort()

    def _take(self, account: Account, sort: tuple[int, int], count: int) -> dict[str, str]:
        return self.limits.take(account.owner_address, sort, count, self.engine.now_ns())

    def place(self, account: Account, posted: PostedOrder) -> Answer:
        """Check an order and hand it to the engine.

        Raises:
            Refusal: in the venue's words.
        """
        tif = _TIFS.get(posted.order_type)
        if tif is None:
            raise Refusal(BAD_PAYLOAD)
        order = signed_fields(posted.order)
        version = typed_data.domain_version(order.token_id)
        if self.engine.faults.is_on(Fault.VERSION_MISMATCH, "/order"):
            raise Refusal(VERSION_MISMATCH)
        if posted.owner != account.api_key:
            raise Refusal(WRONG_OWNER)
        try:
            struct_hash = typed_data.order_struct_hash(order)
        except OverflowError as error:
            raise Refusal(BAD_PAYLOAD) from error
        self._check_signer(account, posted.order, order, struct_hash, version)
        window = self._open_window(posted.order.token_id, version)
        order_hash = "0x" + typed_data.digest_of(SEPARATORS[version], struct_hash).hex()
        expiration_s = self._check_terms(account, posted, tif, order_hash)
        side = Side(order.side)
        price_bps, amount_micros = priced(
            order_hash, side, order.maker_amount, order.taker_amount,
            tick_bps=window.tick_bps, min_shares=window.min_shares, takes_only=tif in _TAKES_ONLY,
        )  # fmt: skip
        self._check_allowance(order, version)
        return self.engine.place(
            account,
            NewOrder(
                order_hash, posted.order.maker, posted.order.token_id, side, price_bps, amount_micros, tif,
                posted.post_only, expiration_s,
            ),
        )  # fmt: skip

    def _check_signer(
        self, account: Account, wire: WireOrder, order: SignedFields, struct_hash: bytes, version: str
    ) -> None:
        """Check maker, signer and signature against the owner of the API key (venue reference 1.2, 1.3, 1.6)."""
        owner = typed_data.address_of(account.owner_address)
        if order.signature_type in (1, 2):
            raise Refusal(WRONG_WALLET)
        if order.signature_type == 0:
            if order.signer != owner:
                raise Refusal(WRONG_SIGNER)
            if order.maker != owner:
                raise Refusal(WRONG_WALLET)
        elif order.maker != order.signer or order.maker == owner:
            raise Refusal(WRONG_SIGNER)
        try:
            signature = bytes.fromhex(wire.signature.removeprefix("0x"))
        except ValueError as error:
            raise Refusal(BAD_SIGNATURE) from error
        if typed_data.order_signer(order, struct_hash, SEPARATORS[version], signature) != owner:
            other = SEPARATORS["2" if version == "3" else "3"]
            is_of_other = typed_data.order_signer(order, struct_hash, other, signature) == owner
            raise Refusal(VERSION_MISMATCH if is_of_other else BAD_SIGNATURE)
        if order.signature_type == 3:
            self.customers.take_wallet(account, order.maker)

    def _check_allowance(self, order: SignedFields, version: str) -> None:
        """Check that the exchange may take what the order gives (venue reference 7.2)."""
        exchange = EXCHANGES[version]
        tokens = POSITION_MANAGER if version == "3" else CONDITIONAL_TOKENS
        asset = COLLATERAL if order.side == Side.BUY else tokens
        if self.chain.allowance("0x" + order.maker.hex(), asset, exchange) < order.maker_amount:
            raise Refusal(NO_ALLOWANCE)

    def _open_window(self, token_id: str, version: str) -> Window:
        window = self.engine.window_of_token(token_id)
        if window is None:
            raise Refusal(NO_BOOK, 404)
        if not window.hydrated_ns or window.hydrated_ns > self.engine.clock.now_ns():
            raise Refusal(NOT_READY)
        if (window.version == "v2") != (version == "3"):
            raise Refusal(VERSION_MISMATCH)
        return window

    def _check_terms(self, account: Account, posted: PostedOrder, tif: TimeInForce, order_hash: str) -> int:
        """Check life, kind and mode of an order; gives its expiration in seconds, 0 for none."""
        if posted.post_only and tif in _TAKES_ONLY:
            raise Refusal(BAD_POST_ONLY_TYPE)
        try:
            expiration_s = _whole(posted.order.expiration)
        except ValueError as error:
            raise Refusal(BAD_EXPIRATION) from error
        if tif is TimeInForce.GTD:
            if expiration_s < self.engine.now_ns() // NS_PER_S + GTD_LEAST_S:
                raise Refusal(BAD_EXPIRATION)
        elif expiration_s:
            raise Refusal(BAD_EXPIRATION)
        known = account.orders.get(order_hash)
        if known is not None and known.status is not OrderStatus.INVALID:
            raise Refusal(f"order {order_hash} is invalid. Duplicated.")
        closed_only = account.closed_only or self.engine.faults.is_on(Fault.CLOSED_ONLY)
        if closed_only and posted.order.side == "BUY":
            raise Refusal(CLOSED_ONLY)
        if not posted.post_only:
            self.modes.check_post_only()
        return expiration_s

    def _cancelled(self, account: Account, ids: list[str]) -> dict[str, Any]:
        canceled: list[str] = []
        not_canceled: dict[str, str] = {}
        for order_id in dict.fromkeys(ids):
            reason = self.engine.cancel(account, order_id)
            if reason:
                not_canceled[order_id] = reason
            else:
                canceled.append(order_id)
        return {"canceled": canceled, "not_canceled": not_canceled}

    async def delete_order(self, request: web.Request) -> web.Response:
        """Cancel one order."""
        body = await request.read()
        account = self.customers.account_of(request, body)
        one: CancelledOrder = decoded(_CANCELLED, body)
        headers = self._take(account, CANCELS, 1)
        return answered(self._cancelled(account, [one.order_id]), headers=headers)

    async def delete_orders(self, request: web.Request) -> web.Response:
        """Cancel up to a thousand orders."""
        body = await request.read()
        account = self.customers.account_of(request, body)
        ids: list[str] = decoded(_IDS, body)
        if not 1 <= len(ids) <= CANCELS_MAX:
            raise Refusal(f"{BAD_PAYLOAD}: between 1 and {CANCELS_MAX} order ids")
        headers = self._take(account, CANCELS, min(len(ids), CANCELS[1]))
        return answered(self._cancelled(account, ids), headers=headers)

    async def cancel_all(self, request: web.Request) -> web.Response:
        """Cancel all orders of the key."""
        account = self.customers.account_of(request, await request.read())
        headers = self._take(account, CANCELS, 1)
        ids = [order.order_hash for order in account.orders.values() if order.is_open]
        return answered(self._cancelled(account, ids), headers=headers)

    async def cancel_market(self, request: web.Request) -> web.Response:
        """Cancel all orders of the key in one market, or of one token."""
        body = await request.read()
        account = self.customers.account_of(request, body)
        chosen: CancelledMarket = decoded(_MARKET, body)
        if not chosen.market and not chosen.asset_id:
            raise Refusal(BAD_PAYLOAD)
        headers = self._take(account, CANCELS, 1)
        ids = [
            order.order_hash
            for order in account.orders.values()
            if order.is_open
            and chosen.market in ("", order.window.condition_id)
            and chosen.asset_id in ("", order.window.tokens[Token(order.token)])
        ]
        return answered(self._cancelled(account, ids), headers=headers)
