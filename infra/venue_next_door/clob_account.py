"""What the CLOB tells a customer of itself: keys, balances, orders, trades, and the heartbeat (venue reference 5).

A key's balances are the account's, whatever signature type is asked with. Rewards, scoring and builder trades are
answered truthfully: there are none at this venue.
"""

import hashlib
from typing import Any, Final

import msgspec
from aiohttp import web

from infra.venue_next_door.chain_state import ChainState
from infra.venue_next_door.clob_auth import Customers
from infra.venue_next_door.contracts import BOOK_SPENDERS, COLLATERAL, CONDITIONAL_TOKENS, POSITION_MANAGER
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.faults import Fault
from infra.venue_next_door.nouns import Account, PlacedOrder, Trade
from infra.venue_next_door.pages import page_body
from infra.venue_next_door.refusals import BAD_PAYLOAD, NO_BOOK, Refusal, answered
from infra.venue_next_door.shown_books import SIDE_TEXTS, price_text, size_text
from infra.venue_next_door.user_frames import OUTCOMES, trade_news
from state.units import NS_PER_S

PAGE: Final = 100
_CHANNEL_ONLY: Final = ("event_type", "type", "timestamp", "trade_owner")
"""What a trade carries on the user channel and not in a list."""


class Heartbeat(msgspec.Struct):
    """The body of `POST /v1/heartbeats`."""

    heartbeat_id: str


_HEARTBEAT: Final = msgspec.json.Decoder(Heartbeat)


def order_body(account: Account, order: PlacedOrder) -> dict[str, Any]:
    """Write an open order as lists do."""
    return {
        "id": order.order_hash,
        "status": order.status.value,
        "owner": account.api_key,
        "maker_address": order.maker_address,
        "market": order.window.condition_id,
        "asset_id": order.window.tokens[order.token],
        "side": SIDE_TEXTS[order.side],
        "original_size": size_text(order.amount_micros),
        "size_matched": size_text(order.matched_micros),
        "price": price_text(order.price_bps),
        "outcome": OUTCOMES[order.token],
        "expiration": str(order.expiration_s),
        "order_type": order.tif.name,
        "associate_trades": list(order.trade_ids),
        "created_at": order.created_ns // NS_PER_S,
    }


def trade_body(account: Account, trade: Trade) -> dict[str, Any]:
    """Write a trade as lists do: what the user channel tells, less what only a channel needs."""
    body: dict[str, Any] = msgspec.json.decode(trade_news(account, trade, trade.changed_ns))
    for name in _CHANNEL_ONLY:
        del body[name]
    return body


def _next_id(account: Account) -> str:
    """Give the heartbeat id that follows the present one: chained, so that nobody guesses it."""
    digits = hashlib.sha256(f"{account.secret} {account.heartbeat_id}".encode()).hexdigest()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


class AccountDesk:
    """The handlers of what belongs to one key."""

    def __init__(self, engine: Engine, customers: Customers, chain: ChainState) -> None:
        """Take the engine, who its customers are, and what the chain knows of allowances."""
        self.engine = engine
        self.customers = customers
        self.chain = chain

    def routes(self) -> list[web.RouteDef]:
        """Give the routes."""
        return [
            web.post("/auth/api-key", self.create_key),
            web.get("/auth/derive-api-key", self.derive_key),
            web.get("/auth/api-keys", self.api_keys),
            web.delete("/auth/api-key", self.delete_key),
            web.get("/auth/ban-status/closed-only", self.closed_only),
            web.post("/auth/builder-api-key", self.create_builder_key),
            web.get("/auth/builder-api-key", self.builder_keys),
            web.delete("/auth/builder-api-key", self.delete_builder_key),
            web.get("/balance-allowance", self.balance),
            web.get("/balance-allowance/update", self.update_balance),
            web.get("/data/orders", self.orders),
            web.get("/data/pre-migration-orders", self.no_page),
            web.get("/data/order/{order_id}", self.order),
            web.get("/data/trades", self.trades),
            web.post("/v1/heartbeats", self.heartbeat),
            web.get("/notifications", self.no_list),
            web.delete("/notifications", self.drop_notifications),
            web.get("/order-scoring", self.order_scoring),
            web.post("/orders-scoring", self.orders_scoring),
            web.get("/rewards/user", self.no_page),
            web.get("/rewards/user/markets", self.no_page),
            web.get("/rewards/user/total", self.no_list),
            web.get("/rewards/user/percentages", self.no_percentages),
        ]

    # Keys.

    def _keys_body(self, account: Account) -> dict[str, str]:
        return {"apiKey": account.api_key, "secret": account.secret, "passphrase": account.passphrase}

    async def create_key(self, request: web.Request) -> web.Response:
        """Open the account of a login, or give its keys again."""
        account = self.customers.open_account(*self.customers.login(request))
        self.customers.withdrawn.discard(account.api_key)
        return answered(self._keys_body(account))

    async def derive_key(self, request: web.Request) -> web.Response:
        """Give the keys of a login; a key that was deleted is not given."""
        account = self.customers.open_account(*self.customers.login(request))
        if account.api_key in self.customers.withdrawn:
            raise Refusal("Could not derive api key!")
        return answered(self._keys_body(account))

    async def api_keys(self, request: web.Request) -> web.Response:
        """Tell all keys of the owner."""
        asking = self.customers.account_of(request)
        keys = [
            account.api_key
            for account in self.engine.accounts.values()
            if account.owner_address == asking.owner_address and account.api_key not in self.customers.withdrawn
        ]
        return answered({"apiKeys": keys})

    async def delete_key(self, request: web.Request) -> web.Response:
        """Withdraw the key that asks."""
        account = self.customers.account_of(request)
        self.customers.withdrawn.add(account.api_key)
        return answered("OK")

    async def closed_only(self, request: web.Request) -> web.Response:
        """Say whether the account may only close positions."""
        account = self.customers.account_of(request)
        return answered({"closed_only": account.closed_only or self.engine.faults.is_on(Fault.CLOSED_ONLY)})

    async def create_builder_key(self, request: web.Request) -> web.Response:
        """Make a key for the relayer."""
        key, secret, passphrase = self.customers.new_builder_key(self.customers.account_of(request))
        return answered({"key": key, "secret": secret, "passphrase": passphrase})

    async def builder_keys(self, request: web.Request) -> web.Response:
        """Tell the builder keys of the account."""
        account = self.customers.account_of(request)
        mine = [key for key, (_, _, maker) in self.customers.builder_keys.items() if maker == account.api_key]
        return answered([{"key": key} for key in mine])

    async def delete_builder_key(self, request: web.Request) -> web.Response:
        """Withdraw a builder key; it may ask itself, or the account that made it for all of its keys."""
        if "POLY_BUILDER_API_KEY" in request.headers:
            del self.customers.builder_keys[self.customers.builder_of(request)]
            return answered("OK")
        account = self.customers.account_of(request)
        for key, (_, _, maker) in list(self.customers.builder_keys.items()):
            if maker == account.api_key:
                del self.customers.builder_keys[key]
        return answered("OK")

    # Money.

    async def balance(self, request: web.Request) -> web.Response:
        """Tell balance and allowances in millionths."""
        account = self.customers.account_of(request)
        kind, token_id = request.query.get("asset_type", ""), request.query.get("token_id", "")
        if kind == "COLLATERAL":
            held, asset = self.engine.cash_micros(account), COLLATERAL
        elif kind in ("CONDITIONAL", "CONDITIONAL-V2"):
            window = self.engine.window_of_token(token_id)
            if window is None:
                raise Refusal(NO_BOOK, 404)
            held = self.engine.shares_micros(account, token_id)
            asset = POSITION_MANAGER if window.version == "v2" else CONDITIONAL_TOKENS
        else:
            raise Refusal("Invalid asset type")
        allowances = {
            spender: str(self.chain.allowance(account.wallet_address, asset, spender)) for spender in BOOK_SPENDERS
        }
        return answered({"balance": str(max(held, 0)), "allowances": allowances})

    async def update_balance(self, request: web.Request) -> web.Response:
        """Refresh what the venue knows of a balance: it knows it already; the answer is empty."""
        self.customers.account_of(request)
        return answered("")

    # Orders and trades.

    async def orders(self, request: web.Request) -> web.Response:
        """Tell the open orders, in pages."""
        account, query = self.customers.account_of(request), request.query
        market, asset, order_id = (query.get(name, "") for name in ("market", "asset_id", "id"))
        rows = [
            order
            for order in account.orders.values()
            if order.is_open
            and market in ("", order.window.condition_id)
            and asset in ("", order.window.tokens[order.token])
            and order_id in ("", order.order_hash)
        ]
        page = page_body(rows, query.get("next_cursor", ""), PAGE)
        page["data"] = [order_body(account, order) for order in page["data"]]
        return answered(page)

    async def order(self, request: web.Request) -> web.Response:
        """Tell one open order; of a finished one nothing is said (`null`, as bots have seen: CV1 issue 166)."""
        account = self.customers.account_of(request)
        order = account.orders.get(request.match_info["order_id"])
        return answered(order_body(account, order) if order is not None and order.is_open else None)

    async def trades(self, request: web.Request) -> web.Response:
        """Tell the trades, newest first, in pages; the asset asked for is the taker's (venue reference 5.1)."""
        account, query = self.customers.account_of(request), request.query
        market, asset, trade_id, maker = (query.get(name, "") for name in ("market", "asset_id", "id", "maker_address"))
        try:
            after_s, before_s = int(query.get("after", "0")), int(query.get("before", str(1 << 40)))
        except ValueError as error:
            raise Refusal("invalid filters") from error
        if trade_id:
            trades = [each for each in account.trades.values() if each.told_id == trade_id]
        else:
            trades = list(reversed(account.trades.values()))
        rows = [
            trade
            for trade in trades
            if market in ("", trade.order.window.condition_id)
            and after_s <= trade.matched_ns // NS_PER_S <= before_s
            and maker.lower() in ("", trade.order.maker_address.lower())
        ]
        if asset:
            rows = [trade for trade in rows if trade_body(account, trade)["asset_id"] == asset]
        page = page_body(rows, query.get("next_cursor", ""), PAGE)
        page["data"] = [trade_body(account, trade) for trade in page["data"]]
        return answered(page)

    async def heartbeat(self, request: web.Request) -> web.Response:
        """Take a beat: the id must be the one given last; the engine cancels all when beats stay out."""
        body = await request.read()
        account = self.customers.account_of(request, body)
        try:
            said = _HEARTBEAT.decode(body).heartbeat_id
        except msgspec.DecodeError as error:
            raise Refusal(BAD_PAYLOAD) from error
        is_lost = self.engine.faults.is_on(Fault.HEARTBEAT_LOST, request.path)
        if is_lost:
            account.heartbeat_id = _next_id(account)
        if is_lost or said != account.heartbeat_id:
            body_told = {"error_msg": "Invalid Heartbeat ID", "heartbeat_id": account.heartbeat_id}
            return answered(body_told, 400)
        account.heartbeat_id = _next_id(account)
        account.heartbeat_ns = self.engine.clock.now_ns()
        return answered({"heartbeat_id": account.heartbeat_id})

    # What there is none of.

    async def no_page(self, request: web.Request) -> web.Response:
        """Tell an empty page."""
        self.customers.account_of(request)
        return answered(page_body([], "", PAGE))

    async def no_list(self, request: web.Request) -> web.Response:
        """Tell an empty list."""
        self.customers.account_of(request)
        return answered([])

    async def no_percentages(self, request: web.Request) -> web.Response:
        """Tell that no market pays rewards."""
        self.customers.account_of(request)
        return answered({})

    async def drop_notifications(self, request: web.Request) -> web.Response:
        """Forget notifications: there are none."""
        self.customers.account_of(request)
        return answered("OK")

    async def order_scoring(self, request: web.Request) -> web.Response:
        """Say that an order scores nothing."""
        self.customers.account_of(request)
        return answered({"scoring": False})

    async def orders_scoring(self, request: web.Request) -> web.Response:
        """Say that orders score nothing."""
        body = await request.read()
        self.customers.account_of(request, body)
        try:
            ids = msgspec.json.decode(body, type=list[str])
        except msgspec.DecodeError as error:
            raise Refusal(BAD_PAYLOAD) from error
        return answered(dict.fromkeys(ids, False))
