"""The data API and the geoblock: late, in pages, and in the shapes that the official client reads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

from aiohttp import web
from polymarket._internal.actions.data import build_get_resolutions_spec, list_positions_spec, list_trades_spec
from polymarket._internal.actions.relayer.approvals import build_get_trading_approvals_state_spec
from polymarket.environments import PRODUCTION
from venue_counter import counter
from venue_customers import Customer
from venue_stage import Stage, resolved

from infra.venue_next_door.chain_state import chain_of
from infra.venue_next_door.clob import clob_app
from infra.venue_next_door.contracts import COLLATERAL, Approve
from infra.venue_next_door.data_api import DataDesk, geoblock_app
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.typed_data import EXCHANGE_V2
from state.events import Token

MICROS = 1_000_000


@asynccontextmanager
async def data_api(*more: Any) -> AsyncIterator[tuple[Stage, Customer, DataDesk]]:
    """Open CLOB and data API in one application, with an index that looks when the story says so."""
    desks: list[DataDesk] = []

    def serve(engine: Engine) -> web.Application:
        desks.append(DataDesk(engine))
        app = clob_app(engine)
        app.add_routes(desks[0].routes())
        return app

    async with AsyncExitStack() as stack:
        stage, customer = await stack.enter_async_context(counter(*more, serve=serve))
        yield stage, customer, desks[0]


def test_positions_are_a_minute_late() -> None:
    async def story() -> None:
        async with data_api() as (stage, customer, desk):
            account, path = stage.engine.accounts[customer.api_key], f"/v2/positions?user={customer.wallet}"
            await customer.place(stage.window.tokens[0], orderType="FAK", price="0.52", size="10")
            stage.live_until(-15)
            chain_of(stage.engine).touched[account.api_key] = {stage.window.condition_id}
            stage.engine.split(account, stage.window.condition_id, 6 * MICROS)
            desk.index.look()
            stage.live_until(40)
            assert (await customer.ask("GET", path))[1]["data"] == []
            stage.live_until(46)
            _, page = await customer.ask("GET", path)
            spec = list_positions_spec(user=customer.wallet)
            positions = {position.outcome: position for position in spec.parse_page(page).items}
            assert {name: float(one.current_size) for name, one in positions.items()} == {"Up": 16.0, "Down": 6.0}
            up = positions["Up"]
            assert (float(up.avg_price), up.mergeable, up.redeemable, up.status) == (0.52, True, False, "OPEN")
            assert abs(float(up.entry_fees_usdc) - 10 * 0.07 * 0.52 * 0.48) < 1e-4
            _, page = await customer.ask("GET", f"{path}&limit=1")
            cursor = page["pagination"]["next_cursor"]
            assert page["pagination"]["has_more"]
            _, page = await customer.ask("GET", f"{path}&limit=1&cursor={cursor}")
            assert page["pagination"] == {"has_more": False, "next_cursor": None}
            assert (await customer.ask("GET", "/v2/positions?user=0x1"))[1]["data"] == []

    asyncio.run(story())


def test_trades_are_told_some_seconds_after_they_are_on_chain() -> None:
    async def story() -> None:
        async with data_api() as (stage, customer, _):
            path = f"/v2/trades?user={customer.wallet}&condition_id={stage.window.condition_id}"
            await customer.place(stage.window.tokens[1], orderType="FAK", price="0.52", size="10")
            stage.live_until(-26)
            assert (await customer.ask("GET", path))[1]["data"] == []
            stage.live_until(0)
            _, page = await customer.ask("GET", path)
            (trade,) = list_trades_spec(user=customer.wallet).parse_page(page).items
            assert (trade.side, float(trade.size), float(trade.price), trade.outcome) == ("BUY", 10.0, 0.52, "Down")
            assert (await customer.ask("GET", path + "&side=SELL"))[1]["data"] == []

    asyncio.run(story())


def test_approvals_are_what_the_official_client_looks_for() -> None:
    async def story() -> None:
        async with data_api() as (stage, customer, _):
            config = PRODUCTION._config
            spec = build_get_trading_approvals_state_spec(wallet=customer.wallet, config=config)
            path = f"/v2/approvals?user={customer.wallet}"
            assert spec.parse((await customer.ask("GET", path))[1]).is_fully_approved
            chain_of(stage.engine).do(customer.wallet, Approve(COLLATERAL, EXCHANGE_V2, 0))
            (missing,) = spec.parse((await customer.ask("GET", path))[1]).missing.erc20
            assert missing.spender == EXCHANGE_V2

    asyncio.run(story())


def test_a_resolution_is_told_with_its_payouts() -> None:
    async def story() -> None:
        async with data_api(resolved(360, Token.DOWN, 99_000.0)) as (stage, customer, _):
            path = f"/v2/resolutions?condition_id={stage.window.condition_id}"
            assert (await customer.ask("GET", path))[1] == {"data": []}
            stage.live_until(380)
            _, told = await customer.ask("GET", path)
            spec = build_get_resolutions_spec(condition_ids=[stage.window.condition_id])
            (resolution,) = spec.parse(told)
            assert [float(cast(Any, payout)) for payout in resolution.payouts or ()] == [0.0, 1.0]
            assert (await customer.ask("GET", "/v2/resolutions"))[0] == 400

    asyncio.run(story())


def test_trading_is_allowed_from_here() -> None:
    async def story() -> None:
        async with counter(serve=lambda _: _with_geoblock()) as (stage, _):
            status, told = await stage.get("/api/geoblock")
            assert (status, told["blocked"], told["ip"]) == (200, False, "127.0.0.1")
            assert set(told) == {"blocked", "ip", "country", "region"}

    asyncio.run(story())


def _with_geoblock() -> web.Application:
    app = geoblock_app()

    async def keys(_: web.Request) -> web.Response:
        return web.json_response({"apiKey": "", "secret": "", "passphrase": ""})

    app.router.add_post("/auth/api-key", keys)
    return app
