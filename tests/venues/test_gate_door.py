"""The gate at the gateway's door, at the real venue next door: what it stops never reaches the venue."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gateway_desk import SLOT, Desk, a_desk

from infra.venue_next_door.faults import Fault
from infra.venues.gate import Gate
from state.events import EVENT, Asset, Kind
from state.orders import Act, Command, TimeInForce
from state.params import default_params
from state.records import layout
from state.rules import Rule
from state.units import BPS, MICROS, NS_PER_S

pytestmark = pytest.mark.rehearsal

LIMIT = {"position_micros": 20 * MICROS}


class GatedDesk:
    """A desk whose gateway has a gate; rows reach the gate as the shell would hand them."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.notes: list[dict[str, Any]] = []
        self.gate = Gate(default_params(LIMIT), desk.venue.clock.now_ns())
        desk.gateway.gate = self.gate
        desk.gateway._noted = self.notes.append
        listing, row = desk.listing, np.zeros(1, EVENT)
        row["kind_code"], row["slot_id"], row["code_id"] = Kind.MARKET_LISTED, SLOT, Asset.BTC
        row["ref_id"], row["span_s"], row["amount_micros"] = listing.open_ns, 300, listing.min_micros
        self.gate.hear(row, 1)
        self._heard = 0

    def commands(self, *prices: float, shares: float = 10) -> np.ndarray[Any, Any]:
        made = np.zeros(len(prices), layout(Command))
        for row, price in enumerate(prices):
            self.desk.orders_count += 1
            told = {
                "act_code": Act.PLACE, "order_id": self.desk.orders_count, "at_ns": self.desk.venue.clock.now_ns(),
                "slot_id": SLOT, "price_bps": round(price * BPS), "amount_micros": round(shares * MICROS),
                "tif_code": TimeInForce.GTC, "post_only": True, "p_up": 0.5,
            }  # fmt: skip
            for name, value in told.items():
                made[name][row] = value
        return made

    def hear(self) -> None:
        rows = self.desk.rows
        fresh = rows[self._heard :]
        self._heard = len(rows)
        if len(fresh):
            self.desk.gateway.hear(fresh, len(fresh))

    @property
    def orders_at_venue(self) -> int:
        return len(self.desk.venue.engine.accounts[self.desk.gateway.news.api_key].orders)


def told(story: Callable[[GatedDesk], Coroutine[Any, Any, None]], start_s: float = 30, speed: float = 20.0) -> None:
    @asynccontextmanager
    async def opened() -> Any:
        async with a_desk(start_s, speed) as desk:
            yield GatedDesk(desk)

    async def run() -> None:
        async with opened() as gated:
            await story(gated)

    asyncio.run(run())


def test_a_bent_core_that_sends_too_much_is_stopped_and_the_session_halts() -> None:
    async def story(gated: GatedDesk) -> None:
        desk = gated.desk
        for _ in range(5):
            desk.gateway.send(gated.commands(0.40))
        await desk.until_true(lambda: sum("RESTING" in line for line in desk.words) == 5, "five rest")
        for _ in range(3):
            desk.gateway.send(gated.commands(0.40))
        await desk.until("order 6: REJECTED, 0 open (FAILED)")
        await desk.until_true(lambda: bool(desk.halts), "halted")
        assert desk.halts == ["the gate refuses order 6: over the limit of a window (24000000 against 20000000)"], (
            "said once, though two more came"
        )
        assert gated.notes[0] == {
            "gate": "position", "order": 6, "words": "over the limit of a window (24000000 against 20000000)"
        }  # fmt: skip
        assert gated.orders_at_venue == 5 and desk.gateway.counts["posted"] == 5
        desk.cancel(1, 2, 3, 4, 5)
        await desk.until_true(lambda: sum("DONE" in line for line in desk.words) == 5, "cancels pass")

    told(story)


def test_orders_commanded_at_once_leave_in_one_request_and_each_has_its_own_answer() -> None:
    async def story(gated: GatedDesk) -> None:
        desk = gated.desk
        desk.gateway.send(gated.commands(0.10, 0.11, 0.52, 0.12, shares=6))
        await desk.until_true(lambda: len(desk.words) == 4, "four answers")
        assert sorted(desk.words) == [
            "order 1: RESTING, 6 open",
            "order 2: RESTING, 6 open",
            "order 3: REJECTED, 0 open (POST_ONLY_WOULD_CROSS)",
            "order 4: RESTING, 6 open",
        ]
        assert (desk.gateway.counts["posted"], desk.gateway.counts["batches"]) == (4, 1)
        gated.hear()
        assert sorted(gated.gate.books.slots[SLOT].orders) == [1, 2, 4], "the refused one has made room"

    told(story)


def test_a_batch_without_an_answer_is_asked_for_order_by_order_and_never_sent_again() -> None:
    async def story(gated: GatedDesk) -> None:
        desk = gated.desk
        desk.deaf = True
        desk.venue.on(Fault.TIMEOUT_AFTER_ACCEPTANCE, 30.0, "/orders", span_s=5)
        desk.gateway.send(gated.commands(0.10, 0.11, shares=6))
        await desk.until_true(lambda: sum("RESTING" in line for line in desk.words) == 2, "both are found")
        await desk.until_true(lambda: desk.gateway.counts["unanswered"] == 2, "neither had an answer")
        await desk.until_true(lambda: not desk.gateway.inquiry.asking, "all is asked")
        assert gated.orders_at_venue == 2 and desk.gateway.counts["posted"] == 2

    told(story)


def test_the_venues_version_is_looked_at_every_minute_and_another_one_halts() -> None:
    async def story(gated: GatedDesk) -> None:
        desk = gated.desk
        await desk.until_true(lambda: desk.gateway.counts["versions asked"] >= 1, "asked at the start")
        assert not desk.halts
        desk.venue.on(Fault.VERSION_MISMATCH, 3.0)
        await desk.until_true(lambda: bool(desk.halts), "found within a minute, without an order")
        assert desk.halts == ["the venue signs orders under another version now: update before trading"]
        assert desk.gateway.counts["posted"] == 0

    told(story, start_s=-120, speed=60)


def test_a_market_of_another_version_than_its_tokens_say_halts_before_any_order() -> None:
    async def story(gated: GatedDesk) -> None:
        desk = gated.desk
        odd = replace(desk.listing, condition_id="0xodd", rules={**desk.listing.rules, Rule.ORDER_VERSION: 3})
        desk.gateway.prepare(odd, SLOT)
        await desk.until_true(lambda: bool(desk.halts), "halted")
        assert desk.halts[0].endswith("the venue signs orders under another version now: update before trading")
        desk.gateway.send(gated.commands(0.10))
        await desk.until("order 1: REJECTED, 0 open (FAILED)")

    told(story)


def test_near_a_boundary_nothing_leaves_and_nobody_is_blamed() -> None:
    async def story(gated: GatedDesk) -> None:
        desk = gated.desk
        until_ns = desk.listing.close_ns - NS_PER_S // 2
        await desk.venue.clock.sleep_until(until_ns)
        desk.gateway.send(gated.commands(0.40))
        await desk.until("order 1: REJECTED")
        assert desk.words[-1].endswith("(MARKET_NOT_READY)") and not desk.halts
        assert gated.orders_at_venue == 0

    told(story, start_s=296, speed=1.0)


def test_an_order_that_ends_makes_room_by_the_venues_own_news() -> None:
    async def story(gated: GatedDesk) -> None:
        desk = gated.desk
        desk.gateway.send(gated.commands(0.40, shares=45))
        await desk.until("order 1: RESTING")
        gated.hear()
        desk.cancel(1)
        await desk.until("order 1: DONE")
        gated.hear()
        assert not gated.gate.books.slots[SLOT].orders
        desk.gateway.send(gated.commands(0.40, shares=45))
        await desk.until("order 2: RESTING")
        assert not desk.halts

    told(story)


def test_more_cancels_than_one_request_takes_go_in_several() -> None:
    async def story(gated: GatedDesk) -> None:
        counts = gated.desk.gateway.counts
        await gated.desk.gateway.cancelling.cancel([f"0x{number:064x}" for number in range(1_001)])
        assert (counts["cancel requests"], counts["not cancelled"]) == (2, 1_001)

    told(story)
