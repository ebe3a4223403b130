"""What goes wrong between the gateway and the venue, told as stories: what the core hears, and what is not done."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import numpy as np
import pytest
from gateway_desk import SLOT, a_desk, a_venue, desk_at
from inline_snapshot import snapshot

from infra.venue_next_door.faults import Fault
from infra.venues.credentials import throwaway_key
from infra.venues.heartbeat import Heartbeat
from state.orders import TimeInForce
from state.units import MICROS, NS_PER_S

pytestmark = pytest.mark.rehearsal

FAK, FOK, GTC, GTD = TimeInForce.FAK, TimeInForce.FOK, TimeInForce.GTC, TimeInForce.GTD


def told(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


def test_a_match_that_fails_on_chain_is_taken_back() -> None:
    async def story() -> None:
        async with a_desk() as desk:
            desk.venue.on(Fault.FAILED_TRADE)
            desk.place("0.52", 10, tif=FAK)
            await desk.until("fill reversed")
            await desk.until_true(lambda: desk.position()[3] == 0, "the fee is back")
            assert desk.words == snapshot(
                [
                    "order 1: HELD, 10 open",
                    "order 1: filled buy 10 UP at 0.52 as taker",
                    "order 1: fee 0.17472",
                    "order 1: DONE, 0 open",
                    "order 1: fill reversed buy 10 UP at 0.52",
                    "order 1: fee -0.17472",
                ]
            )
            assert desk.position() == (0, 0, 0, 0)

    told(story)


def test_an_answer_that_never_came_is_asked_for_and_nothing_is_sent_twice() -> None:
    async def story() -> None:
        async with a_desk() as desk:
            desk.deaf = True
            desk.venue.on(Fault.TIMEOUT_AFTER_ACCEPTANCE, 30.0, "/order", span_s=5)
            desk.place("0.45", 12)
            await desk.until("UNKNOWN")
            await desk.until("RESTING")
            assert desk.words == ["order 1: UNKNOWN, 12 open", "order 1: RESTING, 12 open"]
            account = desk.venue.engine.accounts[desk.gateway.news.api_key]
            assert len(account.orders) == 1 and desk.gateway.counts["posted"] == 1

    told(story)


def test_a_take_whose_answer_never_came_was_filled_all_the_same() -> None:
    async def story() -> None:
        async with a_desk() as desk:
            desk.deaf = True
            desk.venue.on(Fault.TIMEOUT_AFTER_ACCEPTANCE, 30.0, "/order", span_s=5)
            desk.place("0.52", 10, tif=FAK)
            await desk.until("DONE")
            assert desk.words == snapshot(
                [
                    "order 1: UNKNOWN, 10 open",
                    "order 1: filled buy 10 UP at 0.52 as taker",
                    "order 1: fee 0.17472",
                    "order 1: DONE, 0 open",
                ]
            )

    told(story)


def test_an_order_that_the_venue_never_had_is_none_after_ten_seconds() -> None:
    async def story() -> None:
        async with a_desk(speed=60) as desk:
            desk.venue.on(Fault.SERVER_ERROR, 1.0, "/order", span_s=2)
            desk.place("0.45", 12)
            await desk.until("UNKNOWN")
            before_ns = desk.venue.clock.now_ns()
            await desk.until("NONE")
            assert desk.words == ["order 1: UNKNOWN, 12 open", "order 1: NONE, 0 open (UNKNOWN_ORDER)"]
            assert desk.venue.clock.now_ns() - before_ns > 9 * NS_PER_S

    told(story)


def test_the_same_order_sent_twice_is_one_order() -> None:
    async def story() -> None:
        async with a_desk() as desk:
            desk.place("0.45", 12)
            await desk.until("RESTING")
            desk.gateway.send(desk.sent[0])
            await desk.until_true(lambda: desk.gateway.counts["answer: unknown"] == 1, "refused as a duplicate")
            await asyncio.sleep(0.1)
            assert len(desk.venue.engine.accounts[desk.gateway.news.api_key].orders) == 1

    told(story)


def test_while_the_venue_restarts_no_order_leaves_and_cancels_do() -> None:
    async def story() -> None:
        async with a_desk() as desk:
            resting = desk.place("0.45", 12)
            await desk.until("RESTING")
            desk.venue.on(Fault.TOO_EARLY, span_s=20)
            desk.place("0.44", 12)
            await desk.until("order 2: REJECTED, 0 open (RESTARTING)")
            desk.place("0.43", 12)
            await desk.until("order 3: REJECTED, 0 open (RESTARTING)")
            assert desk.gateway.counts["posted"] == 2, "the third never left"
            desk.cancel(resting)
            await desk.until("order 1: RESTING, 12 open (RESTARTING)")
            await desk.until_true(lambda: not desk.venue.faults.is_on(Fault.TOO_EARLY), "it is over")
            desk.cancel(resting)
            await desk.until("order 1: DONE")

    told(story)


def test_after_a_restart_only_post_only_orders_leave() -> None:
    async def story() -> None:
        async with a_desk() as desk:
            desk.venue.on(Fault.POST_ONLY_MODE, span_s=60)
            desk.place("0.52", 10, tif=FAK)
            await desk.until("order 1: REJECTED, 0 open (POST_ONLY_MODE)")
            desk.place("0.45", 10)
            await desk.until("order 2: RESTING")
            desk.place("0.52", 10, tif=FAK)
            await desk.until("order 3: REJECTED, 0 open (POST_ONLY_MODE)")
            assert desk.gateway.counts["posted"] == 2

    told(story)


def test_a_rate_limit_is_respected_for_as_long_as_it_asks() -> None:
    async def story() -> None:
        async with a_desk() as desk:
            desk.venue.on(Fault.RATE_LIMITED, 1.0, "/order", span_s=2)
            desk.place("0.45", 10)
            await desk.until("order 1: REJECTED, 0 open (RATE_LIMITED)")
            assert desk.gateway.throttle.pause_until_ns - desk.venue.clock.now_ns() > 5 * NS_PER_S
            desk.place("0.44", 10)
            await desk.until("order 2: REJECTED, 0 open (RATE_LIMITED)")
            assert desk.gateway.counts["posted"] == 1

    told(story)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Fault.CLOUDFLARE, "the venue's bot wall stands between us and the venue"),
        (Fault.VERSION_MISMATCH, "the venue signs orders under another version now: update before trading"),
    ],
)
def test_what_a_person_must_mend_stops_all_orders(fault: Fault, why: str) -> None:
    async def story() -> None:
        async with a_desk() as desk:
            desk.venue.on(fault, 3.0 if fault is Fault.VERSION_MISMATCH else 1.0)
            desk.place("0.45", 10)
            await desk.until("order 1: REJECTED, 0 open (FAILED)")
            assert desk.halts == [why]
            desk.venue.faults.clear()
            desk.place("0.44", 10)
            await desk.until("order 2: REJECTED, 0 open (FAILED)")
            assert desk.gateway.counts["posted"] == 1 and len(desk.halts) == 1

    told(story)


def test_credentials_that_are_refused_are_derived_once_more_before_a_person_is_asked() -> None:
    async def story() -> None:
        async with a_desk() as desk:
            desk.venue.on(Fault.UNAUTHORIZED, 1.0, "/order", span_s=2)
            desk.place("0.45", 10)
            await desk.until("order 1: REJECTED, 0 open (FAILED)")
            await desk.until_true(lambda: desk.gateway.counts["credentials derived again"] == 1, "asked again")
            until_ns = desk.gateway.throttle.pause_until_ns
            await desk.until_true(lambda: desk.venue.clock.now_ns() > until_ns, "the pause is over")
            desk.place("0.44", 10)
            await desk.until("order 2: RESTING")
            desk.venue.on(Fault.UNAUTHORIZED, 1.0, "/order")
            desk.place("0.43", 10)
            await desk.until("order 3: REJECTED, 0 open (FAILED)")
            assert desk.halts == ["the venue does not know our credentials: derive them again, and check the clock"]

    told(story)


def test_a_purse_that_looks_empty_is_looked_at_again_and_not_asked_twice_at_once() -> None:
    async def story() -> None:
        async with a_desk() as desk:
            desk.venue.on(Fault.PHANTOM_LOCK, 1e9, span_s=10)
            desk.place("0.45", 10)
            await desk.until("order 1: REJECTED, 0 open (NOT_ENOUGH_BALANCE)")
            desk.place("0.45", 10)
            await desk.until("order 2: REJECTED, 0 open (NOT_ENOUGH_BALANCE)")
            await desk.until_true(lambda: desk.gateway.counts["balances refreshed"] == 1, "looked at again")
            assert desk.gateway.counts["posted"] == 1

    told(story)


def test_a_failure_that_nobody_told_is_found_by_asking() -> None:
    async def story() -> None:
        async with a_desk(speed=60) as desk:
            desk.venue.on(Fault.FAILED_TRADE)
            desk.place("0.52", 10, tif=FAK)
            await desk.until("DONE")
            desk.deaf = True
            await desk.until("fill reversed")
            await desk.until_true(lambda: desk.position() == (0, 0, 0, 0), "all is given back")

    told(story)


def test_news_that_never_comes_is_asked_for() -> None:
    async def story() -> None:
        async with a_desk() as desk:
            desk.deaf = True
            desk.place("0.52", 10, tif=FAK)
            await desk.until("DONE")
            assert desk.words == snapshot(
                [
                    "order 1: HELD, 10 open",
                    "order 1: filled buy 10 UP at 0.52 as taker",
                    "order 1: fee 0.17472",
                    "order 1: DONE, 0 open",
                ]
            )
            assert desk.gateway.counts["news overdue"] == 1

    told(story)


def test_what_was_missed_while_the_channel_was_away_is_told_when_it_is_back() -> None:
    async def story() -> None:
        async with a_desk() as desk:
            desk.place("0.49", 6)
            desk.place("0.45", 6)
            await desk.until("order 2: RESTING")
            desk.deaf = True
            heard = list(desk.words)  # on a slow machine some of it is filled by now
            account = desk.venue.engine.accounts[desk.gateway.news.api_key]
            bid = account.orders[desk.recorded[0][1]]
            await desk.until_true(lambda: not bid.is_open, "the first bid is filled")
            assert desk.words == heard
            desk.deaf = False
            desk.gateway.reconnected()
            await desk.until("order 1: DONE")
            assert desk.position()[0] == 6 * MICROS

    told(story)


def test_a_desk_that_crashed_knows_its_orders_again_and_cancels_what_is_not_its_own() -> None:
    async def story() -> None:
        key = throwaway_key()
        async with a_venue(start_s=5) as venue:
            async with desk_at(venue, key) as before:
                before.place("0.45", 10)
                before.place("0.49", 6)
                before.place("0.44", 10)
                await before.until("order 3: RESTING")
                commands = np.concatenate(before.sent)
                rows = before.rows
            async with desk_at(venue, key) as desk:
                stranger = commands[2:]
                desk.gateway.followed.drop(SLOT)
                desk.gateway.remember(commands[:2], rows[rows["ref_id"] != stranger["order_id"][0]])
                desk.gateway.prepare(desk.listing, SLOT)
                assert await desk.gateway.reconcile()
                account = venue.engine.accounts[desk.gateway.news.api_key]
                third = account.orders[before.recorded[2][1]]
                await desk.until_true(lambda: not third.is_open, "the order that nobody knows is cancelled")
                assert account.orders[before.recorded[0][1]].is_open
                await desk.until_true(lambda: desk.position()[0] + before.position()[0] == 6 * MICROS, "the fills")
                desk.cancel(1)
                await desk.until("order 1: DONE, 0 open (CANCELLED)")

    told(story)


def test_heartbeats_keep_orders_alive_and_their_end_ends_them() -> None:
    async def story() -> None:
        async with a_desk() as desk:
            heart = Heartbeat(desk.rest, desk.venue.clock)
            assert await heart.beat() and await heart.beat()
            heart.next_id = "not this one"
            assert await heart.beat() and heart.repaired_count == 1
            desk.place("0.45", 10)
            await desk.until("RESTING")
            await desk.until("DONE")  # nobody beats any more
            assert desk.words[-1] == "order 1: DONE, 0 open (CANCELLED)"

    told(story)


def test_two_hearts_on_one_key_are_noticed() -> None:
    async def story() -> None:
        async with a_desk() as desk:
            desk.venue.on(Fault.HEARTBEAT_LOST, span_s=1e6)
            heart = Heartbeat(desk.rest, desk.venue.clock)
            assert not await heart.beat()
            assert heart.failed_count == 1 and heart.accepted_ns == 0

    told(story)


def test_nothing_secret_is_in_what_a_desk_shows_of_itself() -> None:
    async def story() -> None:
        async with a_desk() as desk:
            keys = desk.rest.credentials
            assert keys is not None
            shown = f"{desk.gateway!r} {vars(desk.gateway)!r} {vars(desk.rest)!r}"
            assert keys.secret.reveal() not in shown and keys.passphrase.reveal() not in shown
            assert msgspec.json.encode(keys.api_key)

    told(story)
