"""What the CLOB tells a customer of itself: balances, orders, trades in pages, and the heartbeat."""

import asyncio
import json

from venue_counter import counter
from venue_stage import OPEN_S

from infra.feeds import clob_rest
from infra.feeds.frames import Parsed
from infra.venue_next_door.contracts import MAX_UINT
from infra.venue_next_door.faults import Fault
from infra.venue_next_door.nouns import OrderStatus, TradeStatus

MICROS = 1_000_000


def test_what_was_bought_is_shares_only_after_it_is_on_chain() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            up = stage.window.tokens[0]
            money, shares = (
                "/balance-allowance?asset_type=COLLATERAL",
                f"/balance-allowance?asset_type=CONDITIONAL&token_id={up}",
            )
            _, before = await customer.call("GET", money)
            assert set(before["allowances"].values()) == {str(MAX_UINT)}
            _, told = await customer.place(up, orderType="FOK", price="0.52", size="20")
            assert told["status"] in ("delayed", "matched")
            stage.live_until(-29)
            account = stage.engine.accounts[customer.api_key]
            (trade,) = account.trades.values()
            assert account.orders[told["orderID"]].status is OrderStatus.MATCHED
            stage.live_until(-10)
            assert trade.status is TradeStatus.CONFIRMED
            assert await customer.call("GET", "/balance-allowance/update?asset_type=COLLATERAL") == (200, "")
            _, after = await customer.call("GET", money)
            _, held = await customer.call("GET", shares)
            assert held["balance"] == str(20 * MICROS)
            fee = 20 * 0.07 * 0.52 * 0.48
            assert abs((int(before["balance"]) - int(after["balance"])) / MICROS - (20 * 0.52 + fee)) < 1e-4
            assert (await customer.call("GET", "/balance-allowance?asset_type=GOLD"))[0] == 400

    asyncio.run(story())


def test_trades_are_told_as_the_user_channel_tells_them_and_can_be_looked_for() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            up, down = stage.window.tokens
            await customer.place(up, orderType="FAK", price="0.52", size="10")
            stage.live_until(-25)
            await customer.place(down, orderType="FAK", price="0.52", size="10")
            stage.live_until(-20)
            status, page = await customer.call("GET", "/data/trades")
            assert (status, page["next_cursor"]) == (200, "LTE=")
            assert [row["asset_id"] for row in page["data"]] == [down, up], "the newest first"
            first = page["data"][1]
            assert (first["trader_side"], first["side"], first["size"], first["price"]) == (
                "TAKER",
                "BUY",
                "10",
                "0.52",
            )
            assert (first["outcome"], first["owner"]) == ("Up", customer.api_key)
            assert first["maker_address"].lower() == customer.wallet.lower()
            assert isinstance(clob_rest.parse(json.dumps(page).encode(), audit=True), Parsed)
            for query, found in {
                f"id={first['id']}": 1,
                "id=unknown": 0,
                f"asset_id={up}": 1,
                f"market={stage.window.condition_id}": 2,
                "market=0x1": 0,
                f"after={OPEN_S - 26}": 1,
                f"before={OPEN_S - 26}": 1,
                f"maker_address={customer.wallet}": 2,
                f"maker_address={customer.owner}": 0,
            }.items():
                _, page = await customer.call("GET", f"/data/trades?{query}")
                assert len(page["data"]) == found, query
            assert (await customer.call("GET", "/data/trades?after=yesterday"))[0] == 400

    asyncio.run(story())


def test_long_lists_come_in_pages() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            up = stage.window.tokens[0]
            placed = []
            for _ in range(7):
                batch = [customer.order(up, price="0.05", size="5") for _ in range(8)]
                _, legs = await customer.call("POST", "/orders", batch)
                placed += [leg["orderID"] for leg in legs]
                stage.live_until((stage.clock.now_ns() / 1e9) - OPEN_S + 1)
            assert all(placed)
            _, page = await customer.call("GET", "/data/orders?next_cursor=MA==")
            assert [row["id"] for row in page["data"]] == placed
            assert (page["count"], page["limit"], page["next_cursor"]) == (56, 100, "LTE=")
            _, page = await customer.call("GET", "/data/orders?next_cursor=NTU=")
            assert [row["id"] for row in page["data"]] == placed[55:]
            assert (await customer.call("GET", "/data/orders?next_cursor=LTE="))[1]["data"] == []
            _, page = await customer.call("GET", f"/data/orders?id={placed[3]}&asset_id={up}")
            assert [row["id"] for row in page["data"]] == [placed[3]]

    asyncio.run(story())


def test_each_heartbeat_must_carry_the_id_that_the_last_one_was_given() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            _, first = await customer.call("POST", "/v1/heartbeats", {"heartbeat_id": ""})
            status, told = await customer.call("POST", "/v1/heartbeats", {"heartbeat_id": ""})
            assert (status, told) == (400, {"error_msg": "Invalid Heartbeat ID", **first})
            status, second = await customer.call("POST", "/v1/heartbeats", first)
            assert status == 200
            assert second != first
            stage.on(Fault.HEARTBEAT_LOST)
            status, told = await customer.call("POST", "/v1/heartbeats", second)
            assert status == 400
            assert told["heartbeat_id"] != second["heartbeat_id"]
            assert (await customer.call("POST", "/v1/heartbeats", {"heartbeat_id": told["heartbeat_id"]}))[0] == 400

    asyncio.run(story())


def test_when_heartbeats_stay_out_every_order_is_cancelled() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            up = stage.window.tokens[0]
            _, beat = await customer.call("POST", "/v1/heartbeats", {"heartbeat_id": ""})
            _, told = await customer.place(up)
            stage.live_until(-25)
            assert (await customer.call("POST", "/v1/heartbeats", beat))[0] == 200
            stage.live_until(-16)
            assert (await customer.call("GET", f"/data/order/{told['orderID']}"))[1]["status"] == "LIVE"
            stage.live_until(-5)
            assert await customer.call("GET", f"/data/order/{told['orderID']}") == (200, None)

    asyncio.run(story())


def test_what_this_venue_has_none_of_is_said_in_the_known_shapes() -> None:
    async def story() -> None:
        async with counter() as (_, customer):
            empty = {"data": [], "next_cursor": "LTE=", "limit": 100, "count": 0}
            for path in ("/data/pre-migration-orders", "/rewards/user?date=2026-11-22", "/rewards/markets/current"):
                assert await customer.call("GET", path) == (200, empty)
            assert await customer.call("GET", "/notifications?signature_type=3") == (200, [])
            assert await customer.call("GET", "/order-scoring?order_id=0x1") == (200, {"scoring": False})
            assert await customer.call("POST", "/orders-scoring", ["0x1"]) == (200, {"0x1": False})

    asyncio.run(story())
