"""Rows about orders whose fate is not what their answer says: lost, held, refused, too late, or there already."""

from typing import Final

from infra.proofs.fault_days import Seen
from infra.proofs.venue_faults_desks import HandDesk
from infra.proofs.venue_faults_stage import Stage
from infra.proofs.venue_faults_table import (
    FAK,
    SHARES,
    Row,
    agree,
    by_hand,
    demand,
    far_bps,
    filled,
    freed,
    rest,
    take,
    users_of,
)
from infra.venue_next_door.faults import Fault
from state.units import MICROS, NS_PER_S

CLIENTS: Final = ("py_clob_client", "py_clob_client_v2", "polymarket")


def _posted(desk: HandDesk) -> int:
    return desk.counted("posted")


async def _lost_answer(stage: Stage, desk: HandDesk) -> Seen:
    """Row 3."""
    posted, there = _posted(desk), len(desk.account.orders)
    desk.roads = lambda _: ()
    with stage.on(Fault.TIMEOUT_AFTER_ACCEPTANCE, "/order", 30.0):
        order = take(stage, desk)
        await stage.heard(desk, order, "UNKNOWN")
    took_s = await stage.heard(desk, order, "DONE", 60.0)
    asked, more = desk.rest.count("GET", "/data/order/", 200), len(desk.account.orders) - there
    demand(desk.rest.count("POST", "/order", 0) == 1, "the venue's answer did not come")
    demand(_posted(desk) == posted + 1 and more == 1, f"one intent is one order, not {more}")
    demand(asked > 0, "it was asked for by its hash")
    agree(desk, order)
    demand(filled(desk, order) == SHARES, "the venue had filled it")
    desk.roads = lambda _: (1_000_000,)
    return Seen(
        "the order was taken and filled, its answer never came, and the user channel was silent",
        f"UNKNOWN after 3 s; asked by its hash ({asked} times), its trades read: {filled(desk, order):g} shares booked "
        f"{took_s:.1f} s later; posted once, and the venue has one order",
    )


async def _held(stage: Stage, desk: HandDesk) -> Seen:
    """Row 4."""
    posted, there = _posted(desk), len(desk.account.orders)
    with stage.on(Fault.DELAYED_STATUS, "", 12_000.0):
        order = take(stage, desk)
        await stage.heard(desk, order, "HELD", 2.0)
        demand(filled(desk, order) == 0, "held is not filled")
        took_s = await stage.heard(desk, order, "DONE")
        overdue = desk.counted("news overdue")
        demand(overdue > 0, "the news were overdue and asked for")
        before = filled(desk, order)
        await stage.pause(15.0)  # the late news come now
    more = len(desk.account.orders) - there
    demand(_posted(desk) == posted + 1 and more == 1, "one intent is one order")
    demand(filled(desk, order) == before == SHARES, "late news book nothing twice")
    agree(desk, order)
    return Seen(
        "the answer said `delayed`, and news of order and trade came 12 s late",
        f"HELD, in flight with a deadline; asked by hash when that had passed, filled {before:g} after {took_s:.1f} s; "
        f"the late news changed nothing, one order at the venue",
    )


async def _not_run(stage: Stage, desk: HandDesk) -> Seen:
    """Row 14."""
    into_s = (stage.clock.now_ns() - stage.open_ns) / NS_PER_S
    posted, there = _posted(desk), len(desk.account.orders)
    with stage.on(Fault.SERVER_ERROR, "/order"):
        orders = [rest(stage, desk) for _ in range(3)]
        for order in orders:
            await stage.heard(desk, order, "UNKNOWN")
    refused = desk.rest.count("POST", "/order", 500)
    took_s = 0.0
    for order in orders:
        took_s += await stage.heard(desk, order, "NONE", 60.0)
    demand(refused == 3, f"the venue answered 500 three times, not {refused}")
    demand(_posted(desk) == posted + 3 and len(desk.account.orders) == there, "each was sent once, the venue has none")
    return Seen(
        f"{refused} orders {into_s:.0f} s after the boundary were answered with 500: could not be run",
        f"UNKNOWN each; asked for by hash for {took_s:.0f} s, then closed as NONE; none was sent again",
    )


async def _crossed(stage: Stage, desk: HandDesk) -> Seen:
    """Row 22."""
    posted = _posted(desk)
    asks = stage.book().asks
    old_bps = asks[-1].price_bps // 100 * 100 + 100
    first = desk.place(stage.window, old_bps, SHARES)
    await stage.heard(desk, first, "REJECTED (POST_ONLY_WOULD_CROSS)")
    second = desk.place(stage.window, old_bps, SHARES)
    await stage.heard(desk, second, "REJECTED (POST_ONLY_WOULD_CROSS)")
    third = desk.place(stage.window, old_bps, SHARES)
    await stage.heard(desk, third, "REJECTED (POST_ONLY_WOULD_CROSS)")
    kept = desk.counted("not sent: post_only_would_cross")
    demand(desk.rest.count("POST", "/order", 400) == 2, "the venue refused two")
    demand(_posted(desk) == posted + 2 and kept == 1, "one reprice is free, the next waits")
    await stage.pause(1.0)
    fourth = rest(stage, desk)
    await stage.heard(desk, fourth, "RESTING")
    demand(not desk.gateway.halt_why, "it is nothing to halt for")
    return Seen(
        "the book had moved: a post-only bid stood above the best offer, twice",
        f"refused as normal, repriced once at once; the third within half a second did not leave ({kept} held back), "
        "and one at a price of now rested",
    )


async def _nobody_to_match(stage: Stage, desk: HandDesk) -> Seen:
    """Row 23."""
    before = desk.books.balances()
    order = desk.place(stage.window, far_bps(stage), SHARES, tif=FAK)
    await stage.heard(desk, order, "FAK_NO_MATCH")
    await stage.pause(1.0)
    after = desk.books.balances()
    demand(filled(desk, order) == 0 and not desk.gateway.halt_why, "no fill, and no halt")
    demand(after.cash_micros == before.cash_micros and after.reserved_micros == 0, "what was reserved is free again")
    demand(desk.rest.count("POST", "/order", 400) == 1, "the venue said so by an error")
    return Seen(
        "a FAK far below the best offer found nobody: answered with 400",
        f"{desk.story_of(order)[-1]}: a fill of nothing; the ${SHARES * far_bps(stage) / 10_000:,.2f} that it had "
        "reserved were free at once",
    )


async def _finished(stage: Stage, desk: HandDesk) -> Seen:
    """Row 24."""
    desk.roads = lambda _: ()
    await freed(stage, desk)
    price_bps = stage.book().bids[-1].price_bps // 100 * 100
    order = desk.place(stage.window, price_bps, SHARES)
    await stage.heard(desk, order, "RESTING")
    await stage.until(lambda: _matched(desk, order) == SHARES, "somebody sells to our bid", 120.0)
    demand(filled(desk, order) < SHARES, "nobody has told the desk")
    nothing = desk.counted("not cancelled")
    desk.cancel(stage.window, order)
    took_s = await stage.heard(desk, order, "DONE")
    refused, nulls = desk.counted("not cancelled") - nothing, desk.rest.count("GET", "/data/order/", 200)
    demand(refused == 1 and nulls > 0, "the cancel was refused and the order asked for")
    agree(desk, order)
    desk.roads = lambda _: (1_000_000,)
    return Seen(
        "a resting order had been filled unheard; its cancel came back as not cancelled, and asking for it gave null",
        f"took it for over, not for open: read its trades, booked {filled(desk, order):g} shares {took_s:.1f} s later",
    )


def _matched(desk: HandDesk, order: int) -> float:
    placed = desk.at_venue(order)
    return 0.0 if placed is None else placed.matched_micros / MICROS


async def _slow_answer(stage: Stage, desk: HandDesk) -> Seen:
    """Row 30."""
    resting = rest(stage, desk)
    await stage.heard(desk, resting, "RESTING")
    with stage.on(Fault.SLOW_ANSWER, "/order", 30_000.0):
        order = take(stage, desk)
        await stage.pause(0.2)
        desk.cancel_market(stage.window)
        cancel_s = await stage.heard(desk, resting, "DONE")
        demand(desk.heard(order, "SENT") or not desk.heard(order, "UNKNOWN"), "the order is still on its way")
        doubt_s = 0.2 + cancel_s + await stage.heard(desk, order, "UNKNOWN")
        await stage.heard(desk, order, "NONE", 30.0)
        await stage.until(lambda: desk.at_venue(order) is not None, "the venue does what it was asked", 40.0)
    await stage.until(lambda: filled(desk, order) > 0, "the fill is heard of", 30.0)
    demand(desk.rest.count("POST", "/order", 0) == 1 and _posted(desk) == 2 + 1, "it was posted once")
    agree(desk, order)
    demand(not (users := users_of(*CLIENTS)), f"nothing that trades uses a client of the venue's: {users}")
    return Seen(
        "the answer to an order would come after 30 s, and what it asked for was done only then",
        f"waited for no hash: the other order was cancelled {cancel_s:.2f} s after it was wanted, the slow one UNKNOWN "
        f"after {doubt_s:.1f} s and NONE after ten more; when the venue did it at last, {filled(desk, order):g} shares "
        "were booked all the same; nothing that trades imports one of the venue's clients",
    )


ORDER_ROWS: Final = (
    Row(3, "answer lost, order filled", by_hand(_lost_answer)),
    Row(4, "held taken for not filled", by_hand(_held)),
    Row(14, "500 near the boundary", by_hand(_not_run, into_s=2.0)),
    Row(22, "post-only would cross", by_hand(_crossed)),
    Row(23, "FAK finds nobody", by_hand(_nobody_to_match)),
    Row(24, "finished order asked for", by_hand(_finished)),
    Row(30, "client that waits", by_hand(_slow_answer)),
)
