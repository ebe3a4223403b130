"""The admin of the venue next door: what is going on in it, and the board of faults, for who has the token."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from infra.venue_next_door.engine import Engine
from infra.venue_next_door.exchange_socket import encode
from infra.venue_next_door.fault_script import FOR_EVER_NS, FaultRefused, switch_of
from infra.venue_next_door.faults import Fault, Switch
from infra.venue_next_door.ledger import CROWD, FEES
from infra.venue_next_door.lines import open_lines
from infra.venue_next_door.nouns import Account, PlacedOrder, Window
from infra.venue_next_door.tapes import iso_of
from state.events import Side, Token
from state.units import BPS, MICROS, NS_PER_S

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Admin:
    """Answers the calls; `shutdown` is set when one of them asked for the end."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.shutdown = asyncio.Event()
        self.begun = asyncio.Event()
        """Set when the first rows have left."""
        self.rows_count = 0
        """Rows that have left the venue."""
        engine.on_public(self._count)

    def _count(self, rows: Any) -> None:
        self.rows_count += len(rows)
        self.begun.set()

    async def state(self, request: web.Request) -> web.Response:
        """GET /state: time, windows, accounts, ledger, connections, counts; nothing secret."""
        engine, now_ns = self.engine, self.engine.clock.now_ns()
        ledger = engine.ledger
        lines = open_lines(engine.faults)
        told = {
            "now": iso_of(now_ns),
            "now_ns": now_ns,
            "speed_ratio": engine.clock.speed_ratio,
            "reference_usd": engine.reference_usd(),
            "windows": [_window(window, now_ns) for window in engine.windows.values()],
            "accounts": [self._account(account) for account in engine.accounts.values()],
            "ledger": {
                "deposited_usd": ledger.deposited() / MICROS,
                "crowd_usd": ledger.balance(CROWD) / MICROS,
                "fees_usd": ledger.balance(FEES) / MICROS,
                "locked_usd": sum(ledger.locked(w.condition_id) for w in engine.windows.values()) / MICROS,
                "customers_usd": sum(ledger.balance(key) for key in engine.accounts) / MICROS,
            },
            "connections": [
                {"name": line.name, "wire": line.wire, "open_s": round((now_ns - line.opened_ns) / NS_PER_S, 3),
                 "sent": line.sent, "dropped": line.dropped}
                for line in lines
            ],
            "counts": {
                "rows": self.rows_count,
                "connections": len(lines),
                "windows": len(engine.windows),
                "orders": sum(len(account.orders) for account in engine.accounts.values()),
                "trades": sum(len(account.trades) for account in engine.accounts.values()),
                "postings": ledger.postings_count,
            },
            "faults": self._faults(),
        }  # fmt: skip
        return _answered(told)

    def _account(self, account: Account) -> dict[str, Any]:
        return {
            "owner": account.owner_address,
            "wallet": account.wallet_address,
            "cash_usd": self.engine.cash_micros(account) / MICROS,
            "redeemable_usd": self.engine.ledger.all_redeemable(account.api_key) / MICROS,
            "orders": [_order(order) for order in account.orders.values() if order.is_open],
            "orders_count": len(account.orders),
            "trades_count": len(account.trades),
        }

    # The board.

    def _faults(self) -> list[dict[str, Any]]:
        now_ns = self.engine.clock.now_ns()
        return [_switch(switch, now_ns) for switch in self.engine.faults.switches]

    async def faults(self, request: web.Request) -> web.Response:
        """GET /faults: the board, and all the names there are."""
        return _answered({"faults": self._faults(), "names": [fault.value for fault in Fault]})

    async def add_fault(self, request: web.Request) -> web.Response:
        """POST /faults: switch one on: name, where, from_s (from now on, or Unix time), for_s (0: for ever), value."""
        try:
            told = msgspec.json.decode(await request.read(), type=dict[str, Any])
            switch = switch_of(told, self.engine.clock.now_ns())
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return _answered({"error": "say a JSON object with the name of a fault"}, 400)
        except FaultRefused as error:
            return _answered({"error": str(error)}, 400)
        self.engine.faults.add(switch)
        return _answered(_switch(switch, self.engine.clock.now_ns()), 201)

    async def clear_faults(self, request: web.Request) -> web.Response:
        """DELETE /faults: switch all off, or with `?name=` all of one name."""
        faults, name = self.engine.faults, request.query.get("name")
        before = len(faults.switches)
        if name is None:
            faults.clear()
        else:
            faults.switches[:] = [switch for switch in faults.switches if switch.fault.value != name]
        return _answered({"cleared": before - len(faults.switches)})

    async def shut_down(self, request: web.Request) -> web.Response:
        """POST /shutdown: end the venue after this answer."""
        self.shutdown.set()
        return _answered({"shutdown": True})


def admin_app(engine: Engine, token: str) -> web.Application:
    """Give the admin's application; `app["admin"]` is what says that the end was asked for.

    Args:
        engine: The venue.
        token: What every call must bear: `Authorization: Bearer <token>`.
    """

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        said = request.headers.get("Authorization", "")
        if not hmac.compare_digest(said.encode("utf-8", "surrogateescape"), f"Bearer {token}".encode()):
            return _answered({"error": "say Authorization: Bearer with the token of the venue's file"}, 401)
        return await handler(request)

    admin = Admin(engine)
    app = web.Application(middlewares=[guard])
    app[ADMIN] = admin
    app.router.add_get("/state", admin.state)
    app.router.add_get("/faults", admin.faults)
    app.router.add_post("/faults", admin.add_fault)
    app.router.add_delete("/faults", admin.clear_faults)
    app.router.add_post("/shutdown", admin.shut_down)
    return app


ADMIN = web.AppKey("admin", Admin)


def _answered(told: Any, status: int = 200) -> web.Response:
    return web.Response(body=encode(told), status=status, content_type="application/json")


def _window(window: Window, now_ns: int) -> dict[str, Any]:
    return {
        "slug": window.slug,
        "condition_id": window.condition_id,
        "opens_in_s": round((window.open_ns - now_ns) / NS_PER_S, 3),
        "closes_in_s": round((window.close_ns - now_ns) / NS_PER_S, 3),
        "tick": window.tick_bps / BPS,
        "strike_usd": window.strike_usd or None,
        "final_usd": window.final_usd or None,
        "outcome": None if window.outcome is None else Token(window.outcome).name.lower(),
    }


def _order(order: PlacedOrder) -> dict[str, Any]:
    return {
        "id": order.order_hash,
        "slug": order.window.slug,
        "token": Token(order.token).name.lower(),
        "side": Side(order.side).name.lower(),
        "price": order.price_bps / BPS,
        "shares": order.amount_micros / MICROS,
        "matched": order.matched_micros / MICROS,
        "status": order.status.value,
    }


def _switch(switch: Switch, now_ns: int) -> dict[str, Any]:
    for_ever = switch.until_ns >= FOR_EVER_NS
    return {
        "name": switch.fault.value,
        "where": switch.where,
        "value": switch.value,
        "from_s": round((switch.from_ns - now_ns) / NS_PER_S, 3),
        "until_s": None if for_ever else round((switch.until_ns - now_ns) / NS_PER_S, 3),
        "on": switch.from_ns <= now_ns < switch.until_ns,
    }
