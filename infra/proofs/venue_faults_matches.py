"""Rows about orders in the book and their matches: decimals, ticks, the other token, one id for several, late news."""

from collections import Counter
from typing import Any, Final

import msgspec
import numpy as np

from infra.proofs.fault_days import Seen
from infra.proofs.venue_faults_desks import HandDesk
from infra.proofs.venue_faults_stage import Stage
from infra.proofs.venue_faults_table import (
    FAK,
    SHARES,
    Row,
    agree,
    by_core,
    by_hand,
    demand,
    eager,
    far_bps,
    filled,
    near_bps,
    take,
)
from infra.proofs.venue_faults_wires import WAY_NS
from infra.shell.core import COMMAND
from infra.venue_next_door.faults import Fault
from infra.venues.posting import body_of
from infra.venues.signing import Terms, salt_of
from state.events import Kind, Side, Token
from state.orders import Reject, TimeInForce
from state.units import BPS, NS_PER_MS

SURPLUS_MICROS: Final = 100
"""What a share's four decimals can leave: at whole cents it costs whole micros, so no rounding hides a difference."""
TRIES: Final = 60
"""Odd orders at each tick."""


# ---- decimals and ticks


async def naive(stage: Stage, desk: HandDesk, maker_micros: int, taker_micros: int) -> int:
    """Post an order as somebody does who does not round; gives the status."""
    now_ns = stage.clock.now_ns()
    command = np.zeros(1, COMMAND)
    command["tif_code"] = TimeInForce.FAK
    token = stage.window.tokens[Token.UP]
    terms = Terms(salt_of(900_000, now_ns), token, Side.BUY, maker_micros, taker_micros, now_ns // NS_PER_MS)
    assert desk.rest.credentials is not None, "a desk on the stage has credentials"
    body = body_of(command[0], terms, desk.signer.sign(terms), desk.signer, desk.rest.credentials.api_key)
    reply = await stage.asked(desk.rest.call("POST", "/order", body=body))
    return int(reply.status)


async def _odd_orders(stage: Stage, desk: HandDesk, chance: np.random.Generator, tick_bps: int) -> Counter[str]:
    """Place orders of odd sizes at prices of a tick, takes and quotes; count what came of them."""
    orders = []
    for number in range(TRIES):
        shares = float(chance.uniform(5.0, 40.0))
        if number % 3:
            price_bps = far_bps(stage) - int(chance.integers(0, 100)) * tick_bps
            orders.append(desk.place(stage.window, max(price_bps, 10 * tick_bps), shares))
        else:
            price_bps = near_bps(stage) + int(chance.integers(0, 10)) * tick_bps
            orders.append(desk.place(stage.window, price_bps, shares, tif=FAK))
        await stage.pause(0.15)
        if number % 20 == 19:
            desk.cancel_market(stage.window)
    await stage.pause(5.0)
    return Counter(desk.story_of(order)[0] for order in orders)


async def _decimals(stage: Stage, desk: HandDesk) -> Seen:
    """Row 7."""
    chance = np.random.default_rng(7)
    price_bps = near_bps(stage)
    unrounded = await naive(stage, desk, 7_777_777 * price_bps // BPS, 7_777_777)
    demand(unrounded == 400, f"the venue refuses unrounded amounts, not {unrounded}")
    found = await _odd_orders(stage, desk, chance, 100)
    with stage.on(Fault.TICK_CHANGE, "", 0.001):
        await stage.pause(1.0)
        demand(stage.window.tick_bps == 10, "the tick is 0.001 now")
        found += await _odd_orders(stage, desk, chance, 10)
    refused = desk.rest.count("POST", "/order", 400) - 1
    bad = {line for line in found if line.startswith("REJECTED")}
    demand(refused == 0 and not bad, f"none is refused: {refused}, {bad}")
    taken = sum(n for line, n in found.items() if not line.startswith("REJECTED"))
    demand(taken == 2 * TRIES, f"all were taken, not {taken}")
    return Seen(
        "the venue held amounts to their decimals (2 of shares and of a take's dollars, 4 or 5 of a quote's), at a "
        "tick of 0.01 and of 0.001; an unrounded order met 400",
        f"{taken} orders of seeded odd sizes and prices were rounded by whole numbers, and all were taken",
    )


async def _ticks(stage: Stage, desk: HandDesk) -> Seen:
    """Row 8."""
    core = desk.shell.core
    assert core is not None, "the core trades here"
    await stage.until(lambda: len(desk.account.orders) > 0, "the core trades", 60.0)

    def tick() -> int:
        return int(core.worlds["markets"][0][desk.slot]["books"][0]["tick_bps"])

    before, placed = tick(), len(desk.account.orders)
    with stage.on(Fault.TICK_CHANGE, "", 0.001):
        took_s = await stage.until(lambda: tick() == 10, "the core knows the finer tick", 5.0)
        fine = desk.counted("posted")
        await stage.until(lambda: desk.counted("posted") > fine + 3, "it goes on trading", 60.0)
    with stage.on(Fault.TICK_CHANGE, "", 0.01):
        await stage.until(lambda: tick() == 100, "the core knows the coarser tick", 5.0)
        known_ns = stage.clock.now_ns()
        coarse = desk.counted("posted")
        await stage.until(lambda: desk.counted("posted") > coarse + 3, "it goes on trading", 60.0)
    rows = desk.rows_since(0, Kind.ORDER_CHANGED)
    off = [row for row in rows if int(row["flags_mask"]) == Reject.OFF_TICK]
    late = [row for row in off if desk.placed_ns(int(row["ref_id"])) > known_ns]
    demand(bool(off) and not late, f"orders on their way were refused ({len(off)}), none placed after it ({len(late)})")
    demand(before == 100 and len(desk.account.orders) > placed, "orders were taken at each tick")
    return Seen(
        "the tick became 0.001 and 0.01 again while the core traded",
        f"took each over with the row that told of it ({took_s * 1e3:.0f} ms); {len(off)} orders on their way at the "
        f"change were refused for their tick, none of {desk.counted('posted')} after it was told",
    )


# ---- matches


async def _other_token(stage: Stage, desk: HandDesk) -> Seen:
    """Row 17."""
    seen: Counter[bool] = Counter()
    ours: set[str] = set()

    def hear(raw: bytes) -> tuple[int, ...]:
        message: dict[str, Any] = msgspec.json.decode(raw)
        if message["event_type"] == "trade" and message["trader_side"] == "MAKER" and message["id"] not in ours:
            ours.add(message["id"])
            seen[message["asset_id"] != message["maker_orders"][0]["asset_id"]] += 1
        return (WAY_NS,)

    desk.roads = hear
    orders: list[int] = []
    for _ in range(24):
        for token in Token:
            book = stage.book(token)
            orders.append(desk.place(stage.window, book.bids[-1].price_bps // 100 * 100, 6, token=token))
        await stage.pause(3.0)
        if min(seen[True], seen[False]) >= 2:
            break
        desk.cancel_market(stage.window)
        await stage.pause(0.5)
    demand(min(seen[True], seen[False]) >= 2, f"matches of both sorts came, not {dict(seen)}")
    desk.cancel_market(stage.window)
    await stage.pause(8.0)
    for order in orders:
        agree(desk, order)
    shares = sum(filled(desk, order) for order in orders)
    return Seen(
        f"as maker the desk was matched {seen[True]} times by who bought the other token (side, token and price at the "
        f"top are the taker's), {seen[False]} times by who sold",
        f"took only its own entry among the makers: {shares:g} shares booked with the right token, side and price",
    )


async def _one_id(stage: Stage, desk: HandDesk) -> Seen:
    """Row 18."""
    with stage.on(Fault.SHARED_TRADE):
        orders: list[int] = []
        for _ in range(20):
            price_bps = stage.book().bids[-1].price_bps // 100 * 100
            orders += [desk.place(stage.window, price_bps, 6) for _ in range(2)]
            await stage.pause(4.0)
            if _shared(desk) >= 2:
                break
            desk.cancel_market(stage.window)
            await stage.pause(0.5)
        desk.cancel_market(stage.window)
        await stage.pause(8.0)
    shared = _shared(desk)
    demand(shared >= 2, f"matches of several orders bore one id, {shared} of them")
    for order in orders:
        agree(desk, order)
    return Seen(
        f"{shared} matches of the desk's resting orders bore the id of another order's match",
        f"told apart by (trade, order): every match of {len(orders)} orders is booked, each once "
        f"({sum(filled(desk, order) for order in orders):g} shares)",
    )


def _shared(desk: HandDesk) -> int:
    return sum(bool(trade.shared_id) for trade in desk.account.trades.values())


async def _late_trades(stage: Stage, desk: HandDesk) -> Seen:
    """Row 19."""

    def late(raw: bytes) -> tuple[int, ...]:
        is_trade = b'"event_type":"trade"' in raw
        return (WAY_NS + 2_500 * NS_PER_MS * is_trade, 4_000 * NS_PER_MS)

    desk.roads = late
    with stage.on(Fault.OVERFILL, "", SURPLUS_MICROS):
        order = take(stage, desk)
        await stage.heard(desk, order, "HELD", 2.0)
        await stage.pause(1.5)
        held = desk.at_venue(order)
        demand(held is not None and held.matched_micros > held.amount_micros, "the venue gave more than was ordered")
        demand(not desk.heard(order, "DONE"), "the end is not told before the fills")
        await stage.heard(desk, order, "DONE", 20.0)
        await stage.pause(6.0)
    desk.roads = lambda _: (WAY_NS,)
    agree(desk, order)
    odd = desk.gateway.news.oddities
    flagged = [row for row in odd.rows("what", "which") if "more" in str(row["what"])]
    demand(bool(flagged), "that more came than was ordered is counted")
    return Seen(
        f"the order's end came 2.5 s before its trade, each message twice, and {SURPLUS_MICROS} microshares more came",
        f"the order stayed open until its fill was told; {filled(desk, order):.6f} shares of {SHARES} booked once, and "
        "the surplus counted as odd",
    )


MATCH_ROWS: Final = (
    Row(7, "amounts of too many decimals", by_hand(_decimals)),
    Row(8, "stale tick", by_core(_ticks, eager())),
    Row(17, "other token's side as maker", by_hand(_other_token)),
    Row(18, "one trade id, several orders", by_hand(_one_id)),
    Row(19, "trade after the order's end, overfill", by_hand(_late_trades)),
)
