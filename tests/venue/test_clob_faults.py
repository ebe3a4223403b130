"""The CLOB when things go wrong: limits of its own, and every fault of its board, seen from outside."""

import asyncio

import aiohttp
import pytest
from venue_counter import counter, pass_time
from venue_customers import Customer

from infra.venue_next_door.clob_limits import CANCELS, ORDERS, Bucket
from infra.venue_next_door.faults import Fault, Switch
from infra.venue_next_door.refusals import Refusal
from state.units import NS_PER_S


def test_a_bucket_fills_with_time_and_refuses_what_it_does_not_hold() -> None:
    bucket = Bucket(*ORDERS, 60.0, 0)
    assert bucket.take(60, 0)["Poly-RateLimit-Remaining"] == "0"
    with pytest.raises(Refusal) as caught:
        bucket.take(1, 0)
    assert (caught.value.status, (caught.value.headers or {})["Retry-After"]) == (429, "1")
    assert bucket.take(40, NS_PER_S)["Poly-RateLimit-Remaining"] == "0"
    with pytest.raises(Refusal):
        bucket.take(41, 2 * NS_PER_S)
    assert bucket.take(40, 2 * NS_PER_S)["Poly-RateLimit-Remaining"] == "0", "what was refused took nothing"


def test_too_many_orders_are_refused_and_cancels_go_on() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            up = stage.window.tokens[0]
            batch = [customer.order(up, size="1") for _ in range(15)]
            for left in (45, 30, 15, 0):
                assert (await customer.call("POST", "/orders", batch))[0] == 200
                assert customer.headers["Poly-RateLimit-Remaining"] == str(left)
                assert customer.headers["Poly-RateLimit-Tier"] == "standard"
            status, told = await customer.place(up)
            assert (status, told, customer.headers["Retry-After"]) == (429, {"error": "Too Many Requests"}, "1")
            assert (await customer.call("DELETE", "/cancel-all"))[0] == 200
            assert customer.headers["Poly-RateLimit-Remaining"] == str(CANCELS[1] - 1)
            other = Customer(stage.url, stage.session, stage.clock, key=bytes([0x33]) * 32)
            await other.log_in()
            assert (await other.place(up))[0] == 200, "buckets are by signer"
            stage.live_until(-29.5)
            assert (await customer.call("POST", "/orders", batch))[0] == 200
            assert (await customer.call("POST", "/orders", batch))[0] == 429, "a batch is taken whole or not at all"

    asyncio.run(story())


def test_after_a_restart_come_two_minutes_of_post_only() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            up, now_ns = stage.window.tokens[0], stage.clock.now_ns()
            stage.faults.add(Switch(Fault.TOO_EARLY, "", now_ns, now_ns + 90 * NS_PER_S))
            assert (await customer.place(up))[0] == 425
            assert (await customer.call("DELETE", "/cancel-all"))[0] == 425
            assert (await customer.ask("GET", f"/book?token_id={up}"))[0] == 200, "what needs no matching goes on"
            stage.live_until(61)
            assert await customer.place(up) == (
                503,
                {
                    "error": "post-only mode: only post-only orders and cancels are allowed",
                    "code": "post_only_mode",
                    "retry_after_seconds": 119,
                },
            )  # fmt: skip
            status, told = await customer.place(up, postOnly=True)
            assert status == 200
            assert (await customer.call("DELETE", "/order", {"orderID": told["orderID"]}))[0] == 200
            _, legs = await customer.call("POST", "/orders", [customer.order(up), customer.order(up, postOnly=True)])
            assert [leg["success"] for leg in legs] == [False, True]
            stage.live_until(181)
            assert (await customer.place(up))[0] == 200

    asyncio.run(story())


def test_a_restart_that_is_switched_off_is_followed_by_post_only_too() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            up = stage.window.tokens[0]
            stage.on(Fault.TOO_EARLY)
            assert (await customer.place(up))[0] == 425
            stage.faults.clear()
            assert (await customer.place(up))[0] == 503
            stage.live_until(100)
            assert (await customer.place(up))[0] == 200

    asyncio.run(story())


def test_post_only_mode_can_be_had_without_a_restart() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            stage.on(Fault.POST_ONLY_MODE)
            assert (await customer.place(stage.window.tokens[0]))[0] == 503
            assert (await customer.place(stage.window.tokens[0], postOnly=True))[0] == 200

    asyncio.run(story())


def test_faults_of_the_door_are_met_where_they_are_switched_on() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            up = stage.window.tokens[0]
            stage.on(Fault.SERVER_ERROR, where="/order")
            assert await customer.place(up) == (500, {"error": "could not run the execution"})
            assert (await customer.ask("GET", "/time"))[0] == 200
            assert not stage.engine.accounts[customer.api_key].orders
            stage.faults.clear()
            stage.on(Fault.RATE_LIMITED)
            assert await customer.ask("GET", "/time") == (429, {"error": "Too Many Requests"})
            assert customer.headers["Retry-After"] == "10"
            stage.faults.clear()
            stage.on(Fault.CLOUDFLARE)
            status, page = await customer.place(up)
            assert status == 403
            assert page.startswith("<!DOCTYPE html>")
            stage.faults.clear()
            assert (await customer.place(up))[0] == 200

    asyncio.run(story())


def test_an_answer_that_never_comes_may_belong_to_an_order_that_was_taken() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            stage.on(Fault.TIMEOUT_AFTER_ACCEPTANCE, 2.0, where="/order")
            account = stage.engine.accounts[customer.api_key]
            posting = asyncio.ensure_future(customer.place(stage.window.tokens[0]))
            while not account.orders:
                await pass_time(stage, 0.01)
            await pass_time(stage, 1.9)
            assert not posting.done()
            await pass_time(stage, 0.2)
            with pytest.raises(aiohttp.ClientConnectionError):
                await posting
            (order,) = account.orders.values()
            stage.faults.clear()
            _, row = await customer.call("GET", f"/data/order/{order.order_hash}")
            assert row["status"] == "LIVE", "its hash was known, so it can be asked for"

    asyncio.run(story())


def test_a_slow_answer_takes_the_venue_s_time() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            stage.on(Fault.SLOW_ANSWER, 700.0, where="/time")
            assert (await customer.ask("GET", "/version"))[0] == 200
            asking = asyncio.ensure_future(customer.ask("GET", "/time"))
            await asyncio.sleep(0.05)
            assert not asking.done()
            await pass_time(stage, 0.7)
            while not asking.done():
                await pass_time(stage, 0.1)
            assert (await asking)[0] == 200

    asyncio.run(story())
