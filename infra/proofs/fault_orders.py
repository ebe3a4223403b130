"""Stories of orders that go wrong: a hand places them through the desk's own gateway, and says what came of each."""

from typing import Final

from infra.proofs.fault_days import Day, Play, Seen, Story
from infra.proofs.fault_desks import Desk, Unseen, cents
from infra.venue_next_door.faults import Fault
from infra.venue_next_door.nouns import TradeStatus, Window
from state.orders import Reject, TimeInForce
from state.units import MICROS, NS_PER_S

FAK: Final = TimeInForce.FAK
SHARES: Final = 12


async def _free(day: Day, hand: Desk, *, post_only: bool = True) -> None:
    """Wait until no pause holds an order up; post-only mode holds up no post-only orders."""
    throttle = hand.gateway.throttle
    await day.until(
        lambda: day.now_ns > throttle.pause_until_ns or (post_only and throttle.pause_reject is Reject.POST_ONLY_MODE),
        "pauses end", 150.0,
    )  # fmt: skip


def _far_bps(day: Day, window: Window) -> int:
    """Give a price at which a bid rests for as long as a story lasts."""
    return max(day.book(window).bids[-1].price_bps // 100 * 100 - 1_400, 100)


async def _rest(day: Day, hand: Desk, window: Window | None = None) -> tuple[int, Window]:
    """Place a bid that rests, some cents below the best one."""
    await _free(day, hand)
    window = window or await day.orderly(hand)
    return hand.place(window, _far_bps(day, window), SHARES), window


async def _take(day: Day, hand: Desk) -> tuple[int, Window]:
    """Take what is offered, a little above the best ask so that it is there still after the taker hold."""
    await _free(day, hand, post_only=False)
    window = await day.orderly(hand)
    return hand.place(window, day.book(window).asks[-1].price_bps + 300, SHARES, tif=FAK), window


async def _heard(day: Day, hand: Desk, order: int, words: str, patience_s: float = 30.0) -> None:
    """Wait until something was heard of an order."""
    try:
        await day.until(lambda: any(words in line for line in hand.story_of(order)), words, patience_s)
    except Unseen as unseen:
        raise Unseen(f"{unseen}; heard {hand.story_of(order)}, counted {dict(hand.gateway.counts)}") from None


def _is_paused(day: Day, hand: Desk) -> bool:
    """Say whether the gateway lets no order leave just now; at 20x a pause of a second is soon over."""
    return day.now_ns < hand.gateway.throttle.pause_until_ns


def _posted(hand: Desk) -> int:
    return hand.gateway.counts["posted"]


async def _drop(day: Day, hand: Desk, window: Window, order: int) -> None:
    """Cancel what a story leaves behind."""
    hand.cancel(window, order)
    await _heard(day, hand, order, "DONE")


async def _too_early(day: Day) -> Seen:
    hand = day.hand_now
    resting, window = await _rest(day, hand)
    await _heard(day, hand, resting, "RESTING")
    with day.on(Fault.TOO_EARLY):
        posted = _posted(hand)
        first, _ = await _rest(day, hand, window)
        await _heard(day, hand, first, "REJECTED (RESTARTING)")
        price_bps, is_paused = _far_bps(day, window), _is_paused(day, hand)
        second = hand.place(window, price_bps, SHARES)
        await _heard(day, hand, second, "REJECTED (RESTARTING)")
        if is_paused and _posted(hand) != posted + 1:
            raise Unseen("the second order never leaves")
        asked = hand.gateway.counts["cancel requests"]
        hand.cancel(window, resting)
        await day.until(lambda: hand.gateway.counts["cancel requests"] > asked, "cancels still go")
    await day.pause(3.0)
    if not any("DONE" in line for line in hand.story_of(resting)):
        await _drop(day, hand, window, resting)
    third, _ = await _rest(day, hand, window)
    await _heard(day, hand, third, "RESTING")
    await _drop(day, hand, window, third)
    return Seen(
        "425: the matching restarted, then took post-only orders alone",
        f"one order was refused (RESTARTING), the next {'never left' if is_paused else 'too, after the pause'}; "
        "cancels went all the same; a post-only order was taken afterwards",
    )


async def _post_only(day: Day) -> Seen:
    hand = day.hand_now
    with day.on(Fault.POST_ONLY_MODE):
        taker, window = await _take(day, hand)
        await _heard(day, hand, taker, "REJECTED (POST_ONLY_MODE)")
        posted = _posted(hand)
        maker = hand.place(window, _far_bps(day, window), SHARES)
        await _heard(day, hand, maker, "RESTING")
        again = hand.place(window, day.book(window).asks[-1].price_bps, SHARES, tif=FAK)
        await _heard(day, hand, again, "REJECTED (POST_ONLY_MODE)")
        if _posted(hand) != posted + 1:
            raise Unseen("no further taking order leaves")
    await _drop(day, hand, window, maker)
    return Seen(
        "503: post-only mode",
        "the take was refused (POST_ONLY_MODE) and no other left; a post-only order went and rested",
    )


async def _rate_limited(day: Day) -> Seen:
    hand = day.hand_now
    with day.on(Fault.RATE_LIMITED, "/order"):
        order, window = await _rest(day, hand)
        await _heard(day, hand, order, "REJECTED (RATE_LIMITED)")
    pause_s = (hand.gateway.throttle.pause_until_ns - day.now_ns) / NS_PER_S
    posted = _posted(hand)
    second = hand.place(window, _far_bps(day, window), SHARES)
    await _heard(day, hand, second, "REJECTED (RATE_LIMITED)")
    if _posted(hand) != posted:
        raise Unseen("nothing is sent while the venue wants rest")
    third, _ = await _rest(day, hand, window)
    await _heard(day, hand, third, "RESTING")
    await _drop(day, hand, window, third)
    return Seen(
        "429 with Retry-After",
        f"waited as asked (still {pause_s:.1f} s to go), sent nothing meanwhile, then an order rested",
    )


async def _server_error(day: Day) -> Seen:
    hand = day.hand_now
    await _free(day, hand)
    posted, since_ns = _posted(hand), day.now_ns
    with day.on(Fault.SERVER_ERROR, "/order"):
        order, _ = await _rest(day, hand)
        await _heard(day, hand, order, "UNKNOWN")
    await _heard(day, hand, order, "NONE", 60.0)
    if _posted(hand) != posted + 1 or hand.at_venue(order) is not None:
        raise Unseen("the order is sent once and the venue has none")
    return Seen(
        "500: could not run the execution",
        f"UNKNOWN; asked for by its hash for {(day.now_ns - since_ns) / NS_PER_S:.0f} s, never sent again; the venue "
        "has none: closed as none",
    )


def _agrees(hand: Desk, order: int) -> bool:
    """Say whether what was heard of an order is what the venue has: resting or over, and as much filled."""
    placed, story = hand.at_venue(order), hand.story_of(order)
    if placed is None or not story:
        return False
    filled = sum(float(line.split()[1]) for line in story if line.startswith("FILLED"))
    states = [line for line in story if not line.startswith(("FILLED", "FEE"))]
    # NONE: the desk gave it up after asking long enough, and the venue has it cancelled.
    is_same = states[-1].startswith("RESTING" if placed.is_open else ("DONE", "NONE"))
    return is_same and abs(filled - placed.matched_micros / MICROS) < 1e-6


async def _timeout(day: Day) -> Seen:
    hand = day.hand_now
    with day.on(Fault.SILENT, "polymarket_user"), day.on(Fault.TIMEOUT_AFTER_ACCEPTANCE, "/order", 30.0):
        orders, posted = len(hand.account.orders), _posted(hand)
        unanswered = hand.gateway.counts["unanswered"]
        order, window = await _rest(day, hand)
        await day.until(lambda: hand.gateway.counts["unanswered"] > unanswered, "the wait is given up", 120.0)
    try:
        await day.until(lambda: _agrees(hand, order), "the desk knows the order as the venue does", 60.0)
    except Unseen as unseen:
        raise Unseen(f"{unseen}; heard {hand.story_of(order)}; at the venue: {hand.at_venue(order)}") from None
    fate = hand.story_of(order)[-1]
    # A reconciliation may ask in the meantime, on a fast clock: then the order was never in doubt.
    doubt = "UNKNOWN" if "UNKNOWN" in hand.story_of(order) else "asked about before the wait was over"
    there = len(hand.account.orders) - orders
    if there != 1 or _posted(hand) != posted + 1 or hand.at_venue(order) is None:
        raise Unseen(f"one intent is one order: the venue has {there}")
    if (placed := hand.at_venue(order)) is not None and placed.is_open:
        await _drop(day, hand, window, order)
    return Seen(
        "the order was taken, the answer never came, and the user channel was silent",
        f"{doubt}; reconciled by its hash to {fate}, as the venue has it; the venue's account shows one order for one "
        "intent",
    )


async def _slow_answer(day: Day) -> Seen:
    hand = day.hand_now
    with day.on(Fault.SLOW_ANSWER, "/order", 3_000.0):
        orders = len(hand.account.orders)
        order, window = await _rest(day, hand)
        since_ns = day.now_ns
        await _heard(day, hand, order, "RESTING")
        await day.until(lambda: hand.gateway.counts["answer: resting"] > 0, "the answer comes")
        took_ns = day.now_ns - since_ns
    if len(hand.account.orders) != orders + 1:
        raise Unseen("one intent is one order")
    await _drop(day, hand, window, order)
    return Seen(
        "every answer came 3 s late", f"waited {took_ns / NS_PER_S:.1f} s for the answer, sent nothing twice, RESTING"
    )


async def _delayed_status(day: Day) -> Seen:
    hand = day.hand_now
    overdue = hand.gateway.counts["news overdue"] + hand.gateway.counts["asked for an order"]
    with day.on(Fault.DELAYED_STATUS, "", 15_000.0):
        order, _ = await _take(day, hand)
        since_ns = day.now_ns
        await _heard(day, hand, order, "DONE", 60.0)
        known_ns = day.now_ns - since_ns
        asked = hand.gateway.counts["news overdue"] + hand.gateway.counts["asked for an order"] - overdue
    await day.pause(18.0)
    filled = sum(float(line.split()[1]) for line in hand.story_of(order) if line.startswith("FILLED"))
    placed = hand.at_venue(order)
    if placed is None or abs(filled - placed.matched_micros / MICROS) > 1e-6:
        raise Unseen(f"each match is booked once: booked {filled:g}")
    return Seen(
        "news of orders and trades came 15 s late",
        f"asked by hash when news was overdue ({asked} times), knew all after {known_ns / NS_PER_S:.1f} s; the late "
        f"news changed nothing: {filled:g} shares booked once",
    )


async def _failed_trade(day: Day) -> Seen:
    hand, engine = day.hand_now, day.venue.engine
    before = engine.cash_micros(hand.account)
    with day.on(Fault.FAILED_TRADE):
        order, _ = await _take(day, hand)
        await _heard(day, hand, order, "FILLED")
        await _heard(day, hand, order, "REVERSED", 60.0)
    await day.until(lambda: engine.cash_micros(hand.account) == before, "the venue gives the cash back")
    await day.until(lambda: _fees(hand, order) == 0, "the fee is given back")
    story = hand.story_of(order)
    return Seen(
        "the match turned out FAILED on chain", f"{', '.join(story)}: fill and fee undone, cash as before at the venue"
    )


def _fees(hand: Desk, order: int) -> float:
    return round(sum(float(line.split()[1]) for line in hand.story_of(order) if line.startswith("FEE")), 6)


async def _retrying_trade(day: Day) -> Seen:
    hand = day.hand_now
    known = set(hand.account.trades)
    seen: set[TradeStatus] = set()

    def done() -> bool:
        mine = [trade for key, trade in hand.account.trades.items() if key not in known]
        seen.update(trade.status for trade in mine)
        return bool(mine) and all(trade.status is TradeStatus.CONFIRMED for trade in mine)

    with day.on(Fault.RETRYING_TRADE):
        order, _ = await _take(day, hand)
        await day.until(done, "the trade is confirmed", 60.0)
    story = hand.story_of(order)
    fills = sum(float(line.split()[1]) for line in story if line.startswith("FILLED"))
    if TradeStatus.RETRYING not in seen or any("REVERSED" in line for line in story) or fills != SHARES:
        raise Unseen(f"RETRYING changes nothing; saw {sorted(seen)} and {story}")
    return Seen(
        "the match went through RETRYING before it was confirmed", f"booked once ({', '.join(story)}), nothing undone"
    )


async def _phantom_lock(day: Day) -> Seen:
    hand = day.hand_now
    refreshed = hand.gateway.counts["balances refreshed"]
    with day.on(Fault.PHANTOM_LOCK, "", 1e9):
        order, window = await _rest(day, hand)
        await _heard(day, hand, order, "REJECTED (NOT_ENOUGH_BALANCE)")
        posted = _posted(hand)
        price_bps, is_paused = _far_bps(day, window), _is_paused(day, hand)
        again = hand.place(window, price_bps, SHARES)
        await _heard(day, hand, again, "REJECTED (NOT_ENOUGH_BALANCE)")
        await day.until(lambda: hand.gateway.counts["balances refreshed"] > refreshed, "the balance is looked at again")
        if is_paused and _posted(hand) > posted:
            raise Unseen("nothing is sent at once again")
    third, _ = await _rest(day, hand, window)
    await _heard(day, hand, third, "RESTING")
    await _drop(day, hand, window, third)
    return Seen(
        "balances looked locked by orders that are gone",
        "refused (NOT_ENOUGH_BALANCE); had the venue look at the balance again, did not spin, traded when it was right",
    )


async def _tick_change(day: Day) -> Seen:
    hand, desk = day.hand_now, day.desk
    order, window = await _rest(day, hand)
    await _heard(day, hand, order, "RESTING")
    slot = desk.shell.slots.taken[window.slug]
    with day.on(Fault.TICK_CHANGE, "", 0.001):
        await day.until(lambda: int(desk.market(slot)["books"][0]["tick_bps"]) == 10, "the core knows the new tick")
    fine_bps = _far_bps(day, window) + 10
    fine = hand.place(window, fine_bps, SHARES)
    await _heard(day, hand, fine, "RESTING")
    if not (placed := hand.at_venue(order)) or not placed.is_open:
        raise Unseen("the order of before stays")
    await _drop(day, hand, window, order)
    await _drop(day, hand, window, fine)
    return Seen(
        "the tick became 0.001 while an order rested",
        f"the core took the new tick over at once; the resting order stayed and could be cancelled, and one at "
        f"{cents(fine_bps)} was priced by the new tick and rested",
    )


async def _heartbeat_lost(day: Day) -> Seen:
    hand = day.hand_now
    order, _ = await _rest(day, hand)
    await _heard(day, hand, order, "RESTING")
    repaired, accepted = hand.heartbeat.repaired_count, hand.heartbeat.accepted_count
    with day.on(Fault.HEARTBEAT_LOST):
        await _heard(day, hand, order, "DONE", 60.0)
        tried = hand.heartbeat.repaired_count - repaired
    await day.until(lambda: hand.heartbeat.accepted_count > accepted, "beats are accepted again")
    if not tried:
        raise Unseen("the id that the venue names is tried")
    story = hand.story_of(order)
    return Seen(
        "heartbeats were refused with another id each time; after ten seconds the venue cancelled all",
        f"beat again with the id that it was given ({tried} times), heard of the end of its order ({story[-1]}), and "
        "beat on once it could",
    )


def _halted(fault: Fault, value: float, venue: str) -> Play:
    async def play(day: Day) -> Seen:
        async with day.hand() as hand:
            with day.on(fault, "/order", value):
                order, window = await _rest(day, hand)
                await _heard(day, hand, order, "REJECTED (FAILED)")
                derived = hand.gateway.counts["credentials derived again"]
                if fault is Fault.UNAUTHORIZED:
                    await day.until(lambda: hand.gateway.counts["credentials derived again"] > 0, "derived once more")
                    derived = 1
                    again, _ = await _rest(day, hand, window)
                    await _heard(day, hand, again, "REJECTED (FAILED)")
                await day.until(lambda: bool(hand.gateway.halt_why), "it says why nothing leaves any more")
            posted = _posted(hand)
            late = hand.place(window, _far_bps(day, window), SHARES)
            await _heard(day, hand, late, "REJECTED (FAILED)")
            if _posted(hand) != posted:
                raise Unseen("no order leaves any more")
            first = "derived its credentials once more, then " if derived else ""
            return Seen(venue, f"{first}halted and said: {hand.gateway.halt_why}")

    return play


ORDER_STORIES: Final = (
    Story(Fault.RATE_LIMITED, "/order", _rate_limited),
    Story(Fault.SERVER_ERROR, "/order", _server_error),
    Story(Fault.TIMEOUT_AFTER_ACCEPTANCE, "/order", _timeout),
    Story(Fault.SLOW_ANSWER, "/order", _slow_answer),
    Story(Fault.PHANTOM_LOCK, "", _phantom_lock),
    Story(Fault.TICK_CHANGE, "", _tick_change),
    Story(Fault.DELAYED_STATUS, "", _delayed_status),
    Story(Fault.RETRYING_TRADE, "", _retrying_trade),
    Story(Fault.FAILED_TRADE, "", _failed_trade),
    Story(Fault.POST_ONLY_MODE, "", _post_only),
    Story(Fault.HEARTBEAT_LOST, "", _heartbeat_lost),
    Story(Fault.TOO_EARLY, "", _too_early),
    Story(Fault.UNAUTHORIZED, "/order", _halted(Fault.UNAUTHORIZED, 1.0, "401 on every order")),
    Story(Fault.CLOUDFLARE, "/order", _halted(Fault.CLOUDFLARE, 1.0, "403 with a page of HTML")),
    Story(Fault.VERSION_MISMATCH, "", _halted(Fault.VERSION_MISMATCH, 3.0, "orders refused: version mismatch")),
)
