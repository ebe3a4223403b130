"""The gateway at the real venue next door, told as stories: what the core hears of what it commanded."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from gateway_desk import SLOT, Desk, a_desk
from inline_snapshot import snapshot

from state.events import Kind, Side, Token
from state.orders import Reject, TimeInForce
from state.units import MICROS, NS_PER_S

pytestmark = pytest.mark.rehearsal

FAK, FOK, GTC, GTD = TimeInForce.FAK, TimeInForce.FOK, TimeInForce.GTC, TimeInForce.GTD


def told(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


@pytest.mark.parametrize("own_account", [True, False], ids=["own account", "deposit wallet"])
def test_a_bid_rests_and_is_cancelled(own_account: bool) -> None:
    async def story() -> None:
        async with a_desk(own_account=own_account) as desk:
            order = desk.place("0.45", 12)
            assert [each[0] for each in desk.recorded] == [order], "its hash is on record before it has left"
            await desk.until("RESTING")
            assert list(desk.venue.engine.accounts[desk.gateway.news.api_key].orders) == [desk.recorded[0][1]]
            desk.cancel(order)
            await desk.until("DONE")
            assert desk.all_words == [
                "order 1: SIGNED, 12 open",
                "order 1: SENT, 12 open",
                "order 1: RESTING, 12 open",
                "order 1: DONE, 0 open (CANCELLED)",
            ]
            assert [each[0] for each in desk.stamps] == [order] and desk.stamps[0][1] <= desk.stamps[0][2]

    told(story)


def test_a_bid_is_filled_by_somebody_who_sells() -> None:
    async def story() -> None:
        async with a_desk() as desk:
            desk.place("0.49", 6)
            await desk.until("DONE")
            assert desk.words == snapshot(
                [
                    "order 1: RESTING, 6 open",
                    "order 1: filled buy 4 UP at 0.49 as maker",
                    "order 1: filled buy 2 UP at 0.49 as maker",
                    "order 1: DONE, 0 open",
                ]
            )
            assert desk.position() == (6 * MICROS, 0, 2_940_000, 0)

    told(story)


def test_a_take_is_held_filled_and_charged() -> None:
    async def story() -> None:
        async with a_desk() as desk:
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
            desk.place("0.48", 10, token=Token.DOWN, tif=FAK)
            await desk.until("order 2: REJECTED")
            assert desk.words[-1] == "order 2: REJECTED, 0 open (FAK_NO_MATCH)"

    told(story)


def test_a_sale_of_what_was_bought() -> None:
    async def story() -> None:
        async with a_desk() as desk:
            desk.place("0.52", 10, tif=FAK)
            await desk.until("DONE")
            account = desk.venue.engine.accounts[desk.gateway.news.api_key]
            up = desk.venue.window.tokens[Token.UP]
            await desk.until_true(
                lambda: desk.venue.engine.shares_micros(account, up) == 10 * MICROS, "the shares are on the chain"
            )
            desk.place("0.48", 10, tif=FAK, side=Side.SELL)
            await desk.until("order 2: DONE")
            assert desk.words[-3:] == snapshot(
                ["order 2: filled sell 10 UP at 0.48 as taker", "order 2: fee 0.17472", "order 2: DONE, 0 open"]
            )
            assert desk.position()[:2] == (0, 0)

    told(story)


def test_orders_that_the_venue_refuses_are_over_at_once() -> None:
    async def story() -> None:
        async with a_desk() as desk:
            desk.place("0.52", 10)
            desk.place("0.45", 3)
            desk.place("0.453", 10)
            desk.place("0.52", 5_000, tif=FOK, post_only=False)
            desk.place("0.52", 1.5, tif=FAK)
            await desk.until_true(lambda: len(desk.words) == 6, "refusals, one of them after its hold")
            assert sorted(desk.words) == snapshot(
                [
                    "order 1: REJECTED, 0 open (POST_ONLY_WOULD_CROSS)",
                    "order 2: REJECTED, 0 open (BELOW_MIN_SHARES)",
                    "order 3: REJECTED, 0 open (OFF_TICK)",
                    "order 4: DONE, 0 open (FOK_NOT_FILLED)",
                    "order 4: HELD, 5000 open",
                    "order 5: REJECTED, 0 open (BELOW_MIN_NOTIONAL)",
                ]
            )
            assert not desk.halts

    told(story)


def test_a_good_till_date_order_ends_by_itself() -> None:
    async def story() -> None:
        async with a_desk(speed=60) as desk:
            expires_ns = desk.venue.clock.now_ns() + 100 * NS_PER_S
            command = _gtd(desk, expires_ns)
            desk.gateway.send(command)
            await desk.until("RESTING")
            await desk.until("DONE")
            assert desk.words[-1] == "order 9: DONE, 0 open (EXPIRED)"

    told(story)


def _gtd(desk: Desk, expires_ns: int) -> Any:
    desk.orders_count = 8
    desk.place("0.45", 12, tif=GTD, post_only=True)  # without a life: the venue refuses it
    command = desk.sent[-1].copy()
    command["expires_ns"], command["at_ns"] = expires_ns, command["at_ns"] + 1_000_000
    return command


def test_cancels_of_many_and_of_a_whole_market() -> None:
    async def story() -> None:
        async with a_desk() as desk:
            orders = [desk.place(price, 5) for price in ("0.40", "0.41", "0.42", "0.43")]
            await desk.until_true(lambda: len(desk.words) == 4, "all rest")
            desk.cancel(*orders[:2])
            await desk.until_true(lambda: len(desk.words) == 6, "two are gone")
            desk.cancel_market()
            await desk.until_true(lambda: len(desk.words) == 8, "all are gone")
            assert sum("DONE, 0 open (CANCELLED)" in line for line in desk.words) == 4
            desk.cancel(99)
            await desk.until("order 99")
            assert desk.words[-1] == "order 99: NONE, 0 open (UNKNOWN_ORDER)"
            assert await desk.gateway.cancel_all()

    told(story)


def test_a_merge_is_handed_on_and_what_came_of_it_is_told_under_its_number() -> None:
    async def story() -> None:
        async with a_desk() as desk:
            asked: list[tuple[int, int]] = []

            async def merge(slot: int, amount_micros: int) -> int:
                asked.append((slot, amount_micros))
                return amount_micros if len(asked) == 1 else 0

            desk.merge(1, 10)
            await desk.until_true(lambda: len(_merges(desk)) == 1, "refused, for nobody here merges")
            desk.gateway.merger = merge
            for number in (2, 3):
                desk.merge(number, 10)
                await desk.until_true(lambda: _merges(desk)[-1][0] == number, "an answer")  # noqa: B023
            assert asked == [(SLOT, 10 * MICROS)] * 2
            assert _merges(desk) == [(1, 0, Reject.FAILED), (2, 10 * MICROS, Reject.NONE), (3, 0, Reject.FAILED)]

    told(story)


def _merges(desk: Desk) -> list[tuple[int, int, Reject]]:
    desk.collect()
    rows = desk.rows[desk.rows["kind_code"] == Kind.MERGED]
    return [(int(row["ref_id"]), int(row["amount_micros"]), Reject(int(row["flags_mask"]))) for row in rows]
