"""The data API: positions, trades, approvals and resolutions as an index behind the venue sees them, and the geoblock.

The index lags: trades by seven seconds, positions by a minute (venue reference 5.1, 8 item 27: reads may be stale, and
no risk may be driven from here). Shapes: what polymarket-client 0.14.0 reads. Lists come in pages with a cursor.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from infra.venue_next_door.chain_state import chain_of
from infra.venue_next_door.clob_auth import customers_of
from infra.venue_next_door.clob_markets import mid_of
from infra.venue_next_door.contracts import ERC20_PAIRS, ERC1155_PAIRS, MAX_UINT
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.faults import Fault, Faults
from infra.venue_next_door.nouns import Account, Trade, TradeStatus, Window
from infra.venue_next_door.pages import END, page_of
from infra.venue_next_door.refusals import Refusal, answered
from infra.venue_next_door.serving import refusing_in_json
from infra.venue_next_door.typed_data import CHAIN_ID
from infra.venue_next_door.user_frames import OUTCOMES
from infra.venue_next_door.window_words import iso_of, title_of
from state.events import Side, Token
from state.units import BPS, MICROS, NS_PER_S

TRADES_LAG_NS: Final = 7 * NS_PER_S
POSITIONS_LAG_NS: Final = 60 * NS_PER_S
LOOK_NS: Final = 10 * NS_PER_S
"""How often the index looks at who holds what."""
PAGE_MAX: Final = 1000
_ON_CHAIN: Final = (TradeStatus.MINED, TradeStatus.CONFIRMED)

Holdings = dict[tuple[str, str], int]
"""(API key, token id) -> shares in micros."""


class Index:
    """What the data API has seen: holdings of some time ago, and everything else late."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine that it looks at."""
        self.engine = engine
        self.chain = chain_of(engine)
        self._looks: deque[tuple[int, Holdings]] = deque(maxlen=POSITIONS_LAG_NS // LOOK_NS + 2)

    def look(self) -> None:
        """Take down who holds what now."""
        held: Holdings = {}
        for account in self.engine.accounts.values():
            for window in self._windows_of(account):
                for token_id in window.tokens:
                    shares = self.engine.shares_micros(account, token_id)
                    if shares > 0:
                        held[account.api_key, token_id] = shares
        self._looks.append((self.engine.clock.now_ns(), held))

    def _windows_of(self, account: Account) -> list[Window]:
        touched = {trade.order.window.condition_id for trade in account.trades.values()}
        touched |= self.chain.touched.get(account.api_key, set())
        found = (self.engine.window_of_condition(condition_id) for condition_id in touched)
        return [window for window in found if window is not None]

    def holdings(self) -> Holdings:
        """Give the newest look that is old enough to be known here."""
        known_ns = self.engine.clock.now_ns() - POSITIONS_LAG_NS
        known: Holdings = {}
        for at_ns, held in self._looks:
            if at_ns > known_ns:
                break
            known = held
        return known

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            self.look()
            await self.engine.clock.sleep(LOOK_NS)


def _dollars(micros: int) -> float:
    return micros / MICROS


def _cost(trades: list[Trade], side: Side) -> tuple[int, int, int]:
    """Give shares, collateral and fees in micros of the trades of one side."""
    chosen = [trade for trade in trades if trade.order.side is side and trade.status is not TradeStatus.FAILED]
    shares = sum(trade.amount_micros for trade in chosen)
    paid = sum(trade.amount_micros * trade.price_bps // BPS for trade in chosen)
    return shares, paid, sum(trade.fee_micros for trade in chosen)


def _price_now(engine: Engine, window: Window, token: Token) -> float:
    return float(window.outcome == token) if window.resolved_ns else mid_of(engine, window.tokens[token])


def position_body(engine: Engine, account: Account, window: Window, token: Token, shares: int) -> dict[str, Any]:
    """Write a position; costs are of its trades, and pairs that were split cost half a dollar each."""
    trades = [trade for trade in account.trades.values() if trade.order.window is window and trade.order.token == token]
    bought, paid, fees = _cost(trades, Side.BUY)
    sold, received, _ = _cost(trades, Side.SELL)
    average = paid / bought if bought else 0.5
    price, size = _price_now(engine, window, token), _dollars(shares)
    cost = average * size
    realized = _dollars(received) - average * _dollars(sold)
    return {
        "proxy_wallet": account.wallet_address,
        "token_id": window.tokens[token],
        "condition_id": window.condition_id,
        "current_size": size,
        "avg_price": average,
        "entry_cost_usdc": cost,
        "entry_fees_usdc": _dollars(fees),
        "total_cost_usdc": cost + _dollars(fees),
        "current_price": price,
        "current_value": price * size,
        "total_size": _dollars(bought) or size,
        "realized_pnl": realized,
        "unrealized_pnl": price * size - cost,
        "total_pnl": realized + price * size - cost,
        "percent_pnl": 100 * (price * size - cost) / cost if cost else 0.0,
        "percent_realized_pnl": 100 * realized / (average * _dollars(sold)) if sold else 0.0,
        "status": "REDEEMABLE" if window.resolved_ns else "OPEN",
        "redeemable": bool(window.resolved_ns),
        "mergeable": False,
        "negative_risk": False,
        "archived": False,
        "verified": True,
        "title": title_of(window),
        "slug": window.slug,
        "event_slug": window.slug,
        "outcome": OUTCOMES[token],
        "opposite_outcome": OUTCOMES[1 - token],
        "outcome_index": int(token),
        "opposite_token_id": window.tokens[1 - token],
        "end_date": iso_of(window.close_ns)[:10],
        "last_event_at": max((trade.matched_ns for trade in trades), default=0) // NS_PER_S,
        "first_entry_at": min((trade.matched_ns for trade in trades), default=0) // NS_PER_S,
    }


def trade_body(account: Account, trade: Trade) -> dict[str, Any]:
    """Write a trade from its owner's view."""
    order = trade.order
    return {
        "proxy_wallet": account.wallet_address,
        "token_id": order.window.tokens[order.token],
        "condition_id": order.window.condition_id,
        "side": order.side.name,
        "size": _dollars(trade.amount_micros),
        "price": trade.price_bps / BPS,
        "timestamp": trade.matched_ns // NS_PER_S,
        "transaction_hash": trade.transaction_hash,
        "title": title_of(order.window),
        "slug": order.window.slug,
        "event_slug": order.window.slug,
        "outcome": OUTCOMES[order.token],
        "outcome_index": int(order.token),
    }


def _envelope(request: web.Request, rows: list[Any]) -> web.Response:
    try:
        size = min(max(int(request.query.get("limit", "100")), 1), PAGE_MAX)
    except ValueError as error:
        raise Refusal("invalid limit") from error
    shown, cursor = page_of(rows, request.query.get("cursor", ""), size)
    following = None if cursor == END else cursor
    return answered({"data": shown, "pagination": {"has_more": following is not None, "next_cursor": following}})


def _wanted(request: web.Request, name: str) -> frozenset[str]:
    """Give the values of a query that may stand in a list, in small letters; none means all."""
    return frozenset(value.lower() for value in request.query.get(name, "").split(",") if value)


class DataDesk:
    """The handlers."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine."""
        self.engine = engine
        self.index = Index(engine)
        self.chain = chain_of(engine)
        self.customers = customers_of(engine)

    def routes(self) -> list[web.RouteDef]:
        """Give the routes."""
        return [
            web.get("/v2/positions", self.positions),
            web.get("/v2/trades", self.trades),
            web.get("/v2/approvals", self.approvals),
            web.get("/v2/resolutions", self.resolutions),
            web.get("/v2/value", self.value),
        ]

    def _accounts(self, request: web.Request) -> list[Account]:
        user = request.query.get("user", "").lower()
        accounts = self.engine.accounts.values()
        if not user:
            return list(accounts)
        return [one for one in accounts if user in (one.wallet_address.lower(), one.owner_address.lower())]

    def _rows(self, request: web.Request) -> list[dict[str, Any]]:
        conditions, held = _wanted(request, "condition_id"), self.index.holdings()
        rows: list[dict[str, Any]] = []
        for account in self._accounts(request):
            mine: list[dict[str, Any]] = []
            for (key, token_id), shares in held.items():
                window = self.engine.window_of_token(token_id) if key == account.api_key else None
                if window is None or (conditions and window.condition_id.lower() not in conditions):
                    continue
                token = Token(window.tokens.index(token_id))
                mine.append(position_body(self.engine, account, window, token, shares))
            pairs = {row["opposite_token_id"] for row in mine}
            for row in mine:
                row["mergeable"] = row["token_id"] in pairs and not row["redeemable"]
            rows += mine
        return rows

    async def positions(self, request: web.Request) -> web.Response:
        """Tell positions, a minute late."""
        status = request.query.get("status", "")
        rows = self._rows(request)
        if status == "MERGEABLE":
            rows = [row for row in rows if row["mergeable"]]
        elif status == "REDEEMABLE_LOST":
            rows = [row for row in rows if row["redeemable"] and not row["current_price"]]
        elif status:
            rows = [row for row in rows if row["status"] == status]
        return _envelope(request, rows)

    async def value(self, request: web.Request) -> web.Response:
        """Tell what a wallet's positions are worth, a minute late."""
        total = sum(row["current_value"] for row in self._rows(request))
        return answered({"data": {"proxy_wallet": request.query.get("user", ""), "value": total}})

    async def trades(self, request: web.Request) -> web.Response:
        """Tell trades that are on chain, newest first, some seconds late."""
        conditions, side = _wanted(request, "condition_id"), request.query.get("side", "")
        known_ns = self.engine.clock.now_ns() - TRADES_LAG_NS
        rows = [
            (trade.matched_ns, trade_body(account, trade))
            for account in self._accounts(request)
            for trade in account.trades.values()
            if trade.status in _ON_CHAIN
            and trade.changed_ns <= known_ns
            and (not conditions or trade.order.window.condition_id.lower() in conditions)
            and side in ("", trade.order.side.name)
            and not (request.query.get("taker_only", "").lower() == "true" and trade.is_maker)
        ]
        rows.sort(key=lambda row: row[0], reverse=True)
        return _envelope(request, [body for _, body in rows])

    async def approvals(self, request: web.Request) -> web.Response:
        """Tell what a wallet lets the venue's contracts take."""
        user = request.query.get("user", "")
        contracts: list[dict[str, Any]] = []
        for standard, pairs in (("ERC20", ERC20_PAIRS), ("ERC1155", ERC1155_PAIRS)):
            for token, spender in pairs:
                amount = self.chain.allowance(user, token, spender)
                row: dict[str, Any] = {
                    "token": token, "spender": spender, "standard": standard, "approved": amount > 0,
                }  # fmt: skip
                if standard == "ERC20":
                    row["amount"] = "max" if amount == MAX_UINT else str(amount)
                contracts.append(row)
        return answered({"data": {"address": user, "chain_id": CHAIN_ID, "contracts": contracts}})

    async def resolutions(self, request: web.Request) -> web.Response:
        """Tell resolutions of conditions or a question, once they are some seconds old."""
        conditions = _wanted(request, "condition_id") | _wanted(request, "condition")
        question = request.query.get("question_id", "").lower()
        if not conditions and not question:
            raise Refusal("condition_id is required")
        known_ns = self.engine.clock.now_ns() - TRADES_LAG_NS
        rows = [
            self._resolution(window)
            for window in self.engine.windows.values()
            if window.outcome is not None
            and 0 < window.resolved_ns <= known_ns
            and (window.condition_id.lower() in conditions or window.question_id.lower() == question)
        ]
        return answered({"data": rows})

    @staticmethod
    def _resolution(window: Window) -> dict[str, Any]:
        return {
            "question_id": window.question_id,
            "condition_id": window.condition_id,
            "status": "resolved",
            "extended_review": False,
            "was_disputed": False,
            "new_version_q": False,
            "price": 1 if window.outcome is Token.UP else 0,
            "last_update_timestamp": window.resolved_ns // NS_PER_S,
            "market_type": "BINARY",
            "payouts": [MICROS * (window.outcome is Token.UP), MICROS * (window.outcome is Token.DOWN)],
            "resolution_source": "reported",
            "reporter": "CHAINLINK",
            "resolved_at": datetime.fromtimestamp(window.resolved_ns // NS_PER_S, UTC).isoformat(),
        }


def data_api_app(engine: Engine) -> web.Application:
    """Give the data API's server over an engine; its index looks at the engine while it serves."""
    desk = DataDesk(engine)
    app = web.Application(middlewares=[refusing_in_json])
    app.add_routes(desk.routes())

    async def index(_: web.Application) -> AsyncIterator[None]:
        task = asyncio.get_running_loop().create_task(desk.index.run())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    app.cleanup_ctx.append(index)
    return app


def geoblock_app(faults: Faults | None = None) -> web.Application:
    """Give the server that says from where one asks (venue reference 5.9): where trading is allowed, but for a fault.

    Args:
        faults: The board; None: nothing ever goes wrong here.
    """

    async def geoblock(request: web.Request) -> web.Response:
        blocked = faults is not None and faults.is_on(Fault.GEOBLOCKED, request.path)
        where = {"country": "US", "region": "NY"} if blocked else {"country": "IE", "region": "L"}
        return answered({"blocked": blocked, "ip": request.remote or "127.0.0.1", **where})

    app = web.Application(middlewares=[refusing_in_json])
    app.router.add_get("/api/geoblock", geoblock)
    return app
