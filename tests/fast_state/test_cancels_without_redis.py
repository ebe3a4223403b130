"""A desk whose order rate is kept in Redis: Redis dies, orders go on with our share, and a cancel leaves as ever."""

import asyncio
from pathlib import Path

import pytest
from fast_stores import Shared, shared
from gateway_desk import Desk, a_desk

from infra.fast_state.redis_store import RedisStore
from infra.venues.throttle import ORDERS, Throttle

pytestmark = pytest.mark.rehearsal


async def _story(desk: Desk, stage: Shared, store: RedisStore) -> None:
    throttle = desk.gateway.throttle = Throttle(desk.venue.clock, store, "an account")
    await asyncio.sleep(1.0)  # the shared bucket fills; it begins empty
    desk.place("0.45", 10)
    await desk.until("order 1: RESTING")

    stage.server.kill()
    await desk.until_true(lambda: bool(store.standing().degraded), "the store says so")
    for step in range(int(ORDERS.burst)):
        desk.place(f"0.{20 + step}", 10)
    await desk.until("(RATE_LIMITED)")
    assert 0 < throttle.refused_count < ORDERS.burst, "some went on what was in hand"
    desk.cancel(1)
    await desk.until("order 1: DONE, 0 open (CANCELLED)")

    for _ in range(200):  # what is in hand comes back at our share of the rate
        answer = f"order {desk.place('0.41', 10)}: "
        await desk.until(answer)
        if f"{answer}RESTING" in " ".join(desk.words):
            break
        await asyncio.sleep(0.1)
    else:
        pytest.fail("no order ever went on our share")
    desk.cancel_market()
    await desk.until(f"order {desk.orders_count}: DONE, 0 open (CANCELLED)")


def test_redis_dies_and_every_cancel_leaves(tmp_path: Path) -> None:
    async def run(stage: Shared) -> None:
        async with a_desk() as desk:
            await _story(desk, stage, stage.door("desk"))

    with shared(tmp_path) as stage:
        asyncio.run(run(stage))
