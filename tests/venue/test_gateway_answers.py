"""Answers that are late, missing, many at once or of another mind: what the gateway makes of them, told as stories."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gateway_desk import SLOT, Desk, a_desk

from infra.venue_next_door.faults import Fault
from infra.venues.known_orders import NO_FEE
from infra.venues.rest import Reply
from infra.venues.signing import SignerFailed
from state.events import Token
from state.orders import Act, Command, TimeInForce
from state.records import layout
from state.units import BPS, MICROS, NS_PER_S

pytestmark = pytest.mark.rehearsal


def told(story: Callable[[Desk], Coroutine[Any, Any, None]], speed: float = 20.0) -> None:
    async def run() -> None:
        async with a_desk(speed=speed) as desk:
            await story(desk)

    asyncio.run(run())


def batch(desk: Desk, *prices: str, token: Token = Token.UP, shares: float = 10) -> Any:
    """What the core commands at once: bids that rest, or would."""
    made = np.zeros(len(prices), layout(Command))
    for row, price in zip(made, prices, strict=True):
        desk.orders_count += 1
        row["act_code"], row["order_id"], row["at_ns"] = Act.PLACE, desk.orders_count, desk.venue.clock.now_ns()
        row["slot_id"], row["token_code"], row["tif_code"], row["post_only"] = SLOT, token, TimeInForce.GTC, True
        row["price_bps"], row["amount_micros"] = round(float(price) * BPS), round(shares * MICROS)
    return made


def overheard(desk: Desk, bend: Callable[[str, str, Reply], Reply] = lambda _, __, reply: reply) -> list[str]:
    """Write down what is asked of the venue from now on, and bend what it answers."""
    asked: list[str] = []
    call = desk.rest.call

    async def heard(method: str, path: str, **named: Any) -> Reply:
        asked.append(f"{method} {path}?{named.get('query', '')}")
        return bend(method, path, await call(method, path, **named))

    desk.rest.call = heard  # type: ignore[method-assign]
    return asked


def at_venue(desk: Desk) -> int:
    return len(desk.venue.engine.accounts[desk.gateway.news.api_key].orders)


@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.RATE_LIMITED])
def test_a_venue_that_does_not_tell_of_an_order_has_not_said_that_there_is_none(fault: Fault) -> None:
    """Told as none, the order's money would be free, and the core would place it once more beside the living one."""

    async def story(desk: Desk) -> None:
        desk.deaf = True
        desk.venue.on(Fault.TIMEOUT_AFTER_ACCEPTANCE, 30.0, "/order", span_s=5)
        desk.venue.on(fault, 1.0, "/data", span_s=60)
        desk.place("0.45", 12)
        await desk.until_true(lambda: desk.gateway.counts["orders not told of"] == 1, "ten seconds of questions")
        assert desk.words == ["order 1: UNKNOWN, 12 open"]
        await desk.until("RESTING")
        assert desk.words == ["order 1: UNKNOWN, 12 open", "order 1: RESTING, 12 open"]
        assert at_venue(desk) == 1 and desk.gateway.counts["posted"] == 1

    told(story)


def test_an_answer_that_cannot_be_read_is_no_word_on_an_order_either() -> None:
    async def story(desk: Desk) -> None:
        def garbled(method: str, path: str, reply: Reply) -> Reply:
            return replace(reply, raw=b"<html>") if path.startswith("/data/order/") else reply

        desk.deaf = True
        overheard(desk, garbled)
        desk.venue.on(Fault.TIMEOUT_AFTER_ACCEPTANCE, 30.0, "/order", span_s=5)
        desk.place("0.45", 12)
        await desk.until_true(lambda: desk.gateway.counts["orders not told of"] == 1, "ten seconds of questions")
        assert not any("NONE" in line for line in desk.words)

    told(story)


def test_a_halt_and_a_kill_hold_up_what_is_on_its_way_out() -> None:
    async def story(desk: Desk) -> None:
        desk.place("0.45", 12)
        desk.gateway.halt("somebody must look")  # the request is made, and has not left
        await desk.until("order 1: REJECTED, 0 open (FAILED)")
        assert at_venue(desk) == 0 and desk.gateway.counts["not sent: halted"] == 1

    told(story)


def test_an_order_that_the_venue_names_otherwise_goes_by_that_name_and_nothing_more_is_sent() -> None:
    async def story(desk: Desk) -> None:
        other = "0x" + "ab" * 32

        def renamed(method: str, path: str, reply: Reply) -> Reply:
            ours = desk.recorded[0][1].encode() if desk.recorded else b"none"
            return replace(reply, raw=reply.raw.replace(ours, other.encode())) if method == "POST" else reply

        asked = overheard(desk, renamed)
        desk.deaf = True
        desk.place("0.45", 12)
        await desk.until("RESTING")
        assert desk.halts == [
            "the venue names orders otherwise than we reckon: nothing could be asked for after a crash"
        ]
        assert desk.gateway.news.hashes[1] == desk.gateway.news.orders[other].order_hash == other
        desk.cancel(1)
        await desk.until_true(lambda: any(each.startswith("DELETE") for each in asked), "pulled by the venue's name")

    told(story)


@pytest.mark.parametrize(("fault", "count"), [(Fault.UNAUTHORIZED, "credentials derived again"),
                                              (Fault.PHANTOM_LOCK, "balances refreshed")])  # fmt: skip
def test_what_one_answer_says_of_several_orders_is_heeded_once(fault: Fault, count: str) -> None:
    async def story(desk: Desk) -> None:
        desk.venue.on(fault, 1e9, "/order" if fault is Fault.UNAUTHORIZED else "", span_s=4)
        desk.gateway.send(batch(desk, "0.45", "0.44", "0.43"))
        await desk.until_true(lambda: desk.gateway.counts[count] == 1, count)
        await desk.until_true(lambda: len(desk.words) == 3, "all three are refused")
        assert not desk.halts and not desk.gateway.counts["balance still short"]
        until_ns = desk.gateway.throttle.pause_until_ns
        await desk.until_true(lambda: desk.venue.clock.now_ns() > until_ns + 4 * NS_PER_S, "the pause is over")
        assert desk.gateway.counts[count] == 1
        desk.place("0.42", 10)
        await desk.until("order 4: RESTING")

    told(story)


def test_a_pause_that_one_answer_asks_for_thrice_is_one_pause() -> None:
    async def story(desk: Desk) -> None:
        desk.venue.on(Fault.RATE_LIMITED, 1.0, "/orders", span_s=2)
        desk.gateway.send(batch(desk, "0.45", "0.44", "0.43"))
        await desk.until_true(lambda: len(desk.words) == 3, "all three are refused")
        assert desk.gateway.throttle.pauses_in_row == 1

    told(story)


def test_two_orders_that_cross_at_once_are_one_crossing() -> None:
    async def story(desk: Desk) -> None:
        desk.gateway.send(batch(desk, "0.53", "0.54"))
        await desk.until_true(lambda: len(desk.words) == 2, "both would cross")
        desk.place("0.45", 10)
        await desk.until("order 3: RESTING")

    told(story)


def test_a_signer_that_stops_refuses_the_order_and_halts_and_the_desk_goes_on() -> None:
    async def story(desk: Desk) -> None:
        def gone(digest: bytes) -> bytes:
            raise SignerFailed("the remote signer does not answer (URLError); start it")

        resting = desk.place("0.45", 10)
        await desk.until("order 1: RESTING")
        desk.gateway._signer._sign = gone
        desk.place("0.44", 10)
        await desk.until("order 2: REJECTED, 0 open (FAILED)")
        await desk.until_true(lambda: bool(desk.halts), "halted")
        assert desk.halts == ["the remote signer does not answer (URLError); start it"]
        assert desk.gateway.known(desk.sent[0][0], desk.listing.up_token) is not None, "a past order wants no signature"
        desk.cancel(resting)
        await desk.until("order 1: DONE, 0 open (CANCELLED)")

    told(story)


def test_cancels_leave_before_orders_and_read_the_trades_of_a_market_once() -> None:
    async def story(desk: Desk) -> None:
        desk.gateway.send(np.concatenate([batch(desk, "0.45", "0.44"), batch(desk, "0.45", "0.44", token=Token.DOWN)]))
        await desk.until_true(lambda: len(desk.words) == 4, "all rest")
        asked = overheard(desk)
        cancels = np.zeros(4, layout(Command))
        cancels["act_code"], cancels["slot_id"], cancels["order_id"] = Act.CANCEL, SLOT, (1, 2, 3, 4)
        desk.gateway.send(np.concatenate([batch(desk, "0.43"), cancels]))
        await desk.until_true(lambda: sum("CANCELLED" in line for line in desk.words) == 4, "all are cancelled")
        assert [each.split("?")[0] for each in asked[:2]] == ["DELETE /orders", "POST /order"]
        listings = [each for each in asked if each.startswith("GET /data/trades")]
        assert len(listings) == 1 and "&after=" in listings[0]

    told(story)


def test_what_should_not_happen_is_told_once_and_what_hides_money_calls_somebody() -> None:
    async def story(desk: Desk) -> None:
        notes: list[dict[str, Any]] = []
        desk.gateway._noted = notes.append
        desk.gateway.news.oddities.add("news of an order that we do not know", "0xab")
        desk.gateway.news.oddities.add(NO_FEE, "0xcd", count=2)
        for _ in range(2):
            await desk.gateway._check(desk.venue.clock.now_ns())
        assert notes == [
            {"oddities": {"news of an order that we do not know: 0xab": 1, f"{NO_FEE}: 0xcd": 2}},
            {"alarm": "a fee that cannot be reckoned: what we have is not what we believe; compare with the venue"},
        ]

    told(story)
