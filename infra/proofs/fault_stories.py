"""Stories of feeds, prices, clocks and windows that go wrong: what happened at the venue, and what the desk did."""

from contextlib import AsyncExitStack
from typing import Final

from infra.feeds.frames import Wire
from infra.proofs.fault_days import Day, Play, Seen, Story
from infra.proofs.fault_desks import Unseen
from infra.streams.clock_offset import Verdict
from infra.streams.life import State
from infra.venue_next_door.faults import Fault
from state.events import FeedState, Kind, Source, StrikeSource, Word
from state.reasons import Reason
from state.units import NS_PER_S
from state.world import Phase

MARKET: Final = Wire.POLYMARKET_MARKET
MARKET_NAME: Final = "polymarket_market"


# ---- the market channel


async def _whole_again(day: Day, patience_s: float = 60.0) -> None:
    """Wait until the desk's books are the venue's again, to the share."""
    said = [""]

    def come() -> bool:
        said[0] = day.desk.book_differs(day.open_window())
        return not said[0]

    try:
        await day.until(come, "the desk's books equal the venue's", patience_s)
    except Unseen as unseen:
        raise Unseen(f"{unseen} ({said[0]})") from None


def _s(span_ns: int) -> str:
    return f"{span_ns / NS_PER_S:.1f} s"


def _books_went(day: Day, since_ns: int) -> None:
    """Hold that the core was told that its books count no more."""
    rows = day.desk.rows_since(since_ns, Kind.FEED_CHANGED)
    if not any(row["source_code"] == Source.POLYMARKET_BOOK and row["code_id"] == FeedState.DOWN for row in rows):
        raise Unseen("the core was told that the books are invalid")


async def _silent(day: Day) -> Seen:
    desk, life, since_ns = day.desk, day.desk.life(MARKET), day.now_ns
    before, generation = life.silences, life.generation
    with day.on(Fault.SILENT, MARKET_NAME):
        await day.until(lambda: life.silences > before, "the watchdog cuts the silent socket", 60.0)
        cut_ns = day.now_ns
        await day.until(
            lambda: bool({Reason.NO_BOOK, Reason.BOOK_STALE} & desk.asides_since(since_ns)), "the desk stands aside"
        )
    await day.until(lambda: life.generation > generation and life.state is State.UP, "it is connected anew")
    await _whole_again(day)
    _books_went(day, since_ns)
    why, _ = await _noted(day, since_ns)
    asides = {Reason.NO_BOOK, Reason.BOOK_STALE} & desk.asides_since(since_ns)
    return Seen(
        "the market channel stayed open, answered pings, and said nothing",
        f"the watchdog cut it after {_s(cut_ns - since_ns)} ({why}); books invalid, stood aside "
        f"({', '.join(sorted(each.name for each in asides))}); back as connection {life.generation}, "
        "books equal to the venue's",
    )


async def _slow_consumer(day: Day) -> Seen:
    life, since_ns = day.desk.life(MARKET), day.now_ns
    before, generation = life.slow_consumer, life.generation
    with day.on(Fault.SLOW_CONSUMER, MARKET_NAME):
        await day.until(lambda: life.slow_consumer > before, "the close is counted as slow consumer")
        await day.until(lambda: life.generation > generation and life.state is State.UP, "it is connected anew")
    _, away_ns = await _noted(day, since_ns)
    await _whole_again(day)
    _books_went(day, since_ns)
    return Seen(
        "the market channel was closed with 1013, slow consumer",
        f"counted as slow consumer; connected again at once ({_s(away_ns)}), "
        f"fresh snapshots as connection {life.generation}, books equal to the venue's",
    )


async def _noted(day: Day, since_ns: int) -> tuple[str, int]:
    """Give why the market channel ended, as the journal says, and how long it was away."""
    heard = day.desk.notes_since
    await day.until(lambda: bool(heard(since_ns, "disconnected", MARKET)), "the journal tells of the end")
    ended = heard(since_ns, "disconnected", MARKET)[0]
    await day.until(lambda: bool(heard(ended["at_ns"], "connected", MARKET)), "and of the new beginning", 60.0)
    return str(ended["why"]), heard(ended["at_ns"], "connected", MARKET)[0]["at_ns"] - ended["at_ns"]


async def _disconnect(day: Day) -> Seen:
    life, since_ns = day.desk.life(MARKET), day.now_ns
    generation = life.generation
    with day.on(Fault.DISCONNECT, MARKET_NAME):
        await day.until(lambda: life.generation > generation and life.state is State.UP, "it is connected anew", 60.0)
    await _whole_again(day)
    _books_went(day, since_ns)
    why, away_ns = await _noted(day, since_ns)
    return Seen(
        "the market channel was cut without a closing handshake",
        f"noted ({why}), books invalid; back after {_s(away_ns)} as connection "
        f"{life.generation}, books equal to the venue's",
    )


async def _refuse(day: Day) -> Seen:
    life, since_ns = day.desk.life(Wire.BINANCE_SPOT), day.now_ns
    generation = life.generation
    with day.on(Fault.REFUSE, "binance_spot"):
        with day.on(Fault.DISCONNECT, "binance_spot"):
            await day.until(lambda: life.state is State.DOWN and "503" in life.why, "a refused handshake is noted")
        why = life.why
        went_ns = day.now_ns
        await day.until(
            lambda: any(seen_ns > went_ns for _, seen_ns, _ in day.desk.journal.mandates), "the desk goes on deciding"
        )
    await day.until(lambda: life.generation > generation and life.state is State.UP, "it is connected anew", 60.0)
    return Seen(
        "binance spot was cut and new connections got 503",
        f"{why}; the desk went on deciding by the other exchanges and came back {_s(day.now_ns - since_ns)} later",
    )


async def _no_snapshot(day: Day) -> Seen:
    desk, life, since_ns = day.desk, day.desk.life(MARKET), day.now_ns
    generation = life.generation
    window = day.open_window()
    slot = desk.shell.slots.taken[window.slug]
    with day.on(Fault.NO_SNAPSHOT, MARKET_NAME):
        with day.on(Fault.DISCONNECT, MARKET_NAME):
            await day.until(lambda: life.generation > generation and life.state is State.UP, "connected anew", 60.0)
        frames = life.frames
        if desk.market(slot)["books"]["valid"].any():
            raise Unseen("books are invalid until a snapshot comes")
        await day.until(lambda: life.frames > frames + 20, "changes come without a snapshot")
        await day.until(
            lambda: Reason.NO_BOOK in desk.asides_since(since_ns), "the desk stands aside for want of books"
        )
    await _whole_again(day)
    if life.generation != generation + 1:
        raise Unseen("the books came on the same connection, asked for again")
    return Seen(
        "after a cut the market channel sent changes and no snapshot",
        f"books stayed invalid through {life.frames - frames} frames, stood aside (NO_BOOK); asked again on the same "
        "connection until the snapshots came; books equal to the venue's",
    )


def _spoiled(fault: Fault, value: float, venue: str) -> Play:
    async def play(day: Day) -> Seen:
        desk, life = day.desk, day.desk.life(MARKET)
        since_ns, refused = day.now_ns, desk.shell.decoder.refusals.total
        frames, generation = life.frames, life.generation
        with day.on(fault, MARKET_NAME, value):
            await day.until(lambda: life.frames - frames > 100, "a hundred frames came", 60.0)
            if fault is Fault.LATE:
                await day.until(
                    lambda: Reason.BOOK_STALE in desk.asides_since(since_ns), "the desk stands aside for a stale book"
                )
        told = [f"{life.frames - frames} frames came"]
        counted = desk.shell.decoder.refusals.total - refused
        if fault is Fault.GARBLED and not counted:
            raise Unseen("garbled frames are refused and counted")
        told.append(f"{counted} refused and counted" if counted else "none had to be refused")
        asides = desk.asides_since(since_ns) & {Reason.BOOK_STALE, Reason.NO_BOOK, Reason.COMPLEMENT_BROKEN}
        if asides:
            told.append(f"stood aside ({', '.join(sorted(each.name for each in asides))})")
        try:
            await _whole_again(day, 20.0)
            told.append("books equal to the venue's by themselves")
        except Unseen:
            desk.streams.renew(MARKET, "a fresh snapshot is wanted")
            await _whole_again(day)
            told.append("books equal to the venue's after the next snapshot, which had to be asked for")
        if life.generation > generation:
            told.append(f"connection {life.generation}")
        return Seen(venue, ", ".join(told))

    return play


# ---- prices


async def _feed_freeze(day: Day) -> Seen:
    desk, since_ns = day.desk, day.now_ns
    with day.on(Fault.FEED_FREEZE, "binance_spot"):
        frames = desk.life(Wire.BINANCE_SPOT).frames
        await day.until(
            lambda: desk.life(Wire.BINANCE_SPOT).frames > frames + 50, "the feed goes on repeating itself", 60.0
        )
        await day.pause(20.0)
    asides = desk.asides_since(since_ns)
    told = "stood aside (FEEDS_DISAGREE)" if Reason.FEEDS_DISAGREE in asides else (
        "the feeds stayed within the allowed disagreement, fair value rests on all of them: it went on"
    )  # fmt: skip
    return Seen("binance spot repeated one price, stamped anew", told)


async def _oracle_gap(day: Day) -> Seen:
    await day.at(1, 243.0)
    desk, since_ns = day.desk, day.now_ns
    polybolt, rtds = desk.life(Wire.POLYBOLT), desk.streams.connections[Wire.RTDS]
    before, called = polybolt.silences, rtds.life.generation
    # Of the window that ends the average is thin; where the gap lasts into the next one, that has no strike of ours.
    thin = {Reason.COVERAGE_THIN, Reason.STRIKE_UNKNOWN}
    with day.on(Fault.ORACLE_GAP):
        await day.until(lambda: polybolt.silences > before, "the watchdog cuts PolyBolt", 25.0)
        await day.until(lambda: rtds.life.generation > called, "RTDS is called in", 25.0)
        await day.at(1, 268.0)
    back_ns = day.now_ns
    await day.until(lambda: bool(thin & desk.asides_since(since_ns)), "the desk stands aside", 120.0)
    await day.until(lambda: max(polybolt.last_data_ns, rtds.life.last_data_ns) > back_ns, "prices come again", 60.0)
    return Seen(
        f"the settlement stream said nothing for {_s(back_ns - since_ns)} around the end of a window",
        "the watchdog cut PolyBolt, RTDS was called in; seconds of the average were missing, so it stood aside "
        f"({', '.join(sorted(each.name for each in thin & desk.asides_since(since_ns)))}); prices were heard again",
    )


async def _dropped(day: Day) -> Seen:
    since_ns = day.now_ns

    def gap() -> bool:
        rows = day.desk.rows_since(since_ns, Kind.FEED_CHANGED)
        return any(row["source_code"] == Source.CHAINLINK and row["code_id"] == FeedState.GAP for row in rows)

    with day.on(Fault.DROPPED, "polybolt", 5.0):
        await day.until(gap, "the core is told of a gap in the settlement stream")
    return Seen(
        "PolyBolt said 5 dropped and skipped 5 sequence numbers",
        "the core was told: a GAP in the settlement stream; nothing was made up for the missing seconds",
    )


async def _clock_skew(day: Day) -> Seen:
    desk, since_ns = day.desk, day.now_ns
    with day.on(Fault.CLOCK_SKEW, "", 5_000.0):
        await day.until(lambda: desk.streams.skew.verdict is Verdict.HALT, "the skew is known and judged", 150.0)
        offset_s, bound_s = desk.streams.skew.offset_ns / NS_PER_S, desk.streams.skew.bound_ns / NS_PER_S
        await day.until(lambda: bool(_words(day, since_ns, Word.HALT)), "the core is halted")
        await day.until(lambda: bool(_halted(day)), "the core is halted")
    await day.until(lambda: desk.streams.skew.verdict is Verdict.GOOD, "the clocks are found together again", 150.0)
    if abs(offset_s - 5.0) > bound_s + 0.25:
        raise Unseen(f"the offset is found to be 5 s, not {offset_s:.2f} s give or take {bound_s:.2f} s")
    desk.shell.say(Word.RESUME)
    resumed_ns = day.now_ns
    await day.until(lambda: not _halted(day) and _decides(day, resumed_ns), "the desk decides again once resumed")
    return Seen(
        "the venue's clock was 5 s ahead",
        f"found to be {offset_s:.2f} s ahead, give or take {bound_s:.2f} s; trading halted at once (more than 2 s); "
        "after it was gone a person's RESUME let it go on",
    )


def _words(day: Day, since_ns: int, word: Word) -> list[int]:
    return [row["seen_ns"] for row in day.desk.rows_since(since_ns, Kind.OPERATOR_SAID) if row["code_id"] == word]


def _halted(day: Day) -> bool:
    assert day.desk.shell.core is not None, "the desk of a day has a core"
    return bool(day.desk.shell.core.world["halted_code"])


def _decides(day: Day, since_ns: int) -> bool:
    return any(at_ns > since_ns for _, at_ns, _ in day.desk.journal.mandates)


# ---- windows


async def _late_strike(day: Day) -> Seen:
    await day.at(1, 10.0)
    desk, window = day.desk, day.window(1)
    with day.on(Fault.LATE_STRIKE, "", 90.0):
        await day.at(1, 80.0)
    if window.strike_published_ns:
        raise Unseen("the strike comes later than usual")
    market = desk.market(desk.shell.slots.taken[window.slug])
    before = StrikeSource(int(market["strike_code"])).name
    asides = desk.asides_since(window.open_ns + 20 * NS_PER_S, desk.shell.slots.taken[window.slug])
    await day.until(lambda: _venue_strikes(day, window.open_ns) > 0, "the venue's strike is heard", 200.0)
    late_s = (window.strike_published_ns - window.open_ns) / NS_PER_S
    return Seen(
        f"priceToBeat of the first window was published {late_s:.0f} s after its open",
        f"until then it reckoned with its own strike ({before}; stood aside for want of a strike: "
        f"{'yes' if Reason.STRIKE_UNKNOWN in asides else 'no'}); Gamma was asked until it had the venue's",
    )


def _venue_strikes(day: Day, since_ns: int) -> int:
    rows = day.desk.rows_since(since_ns, Kind.STRIKE_SEEN)
    return sum(row["code_id"] == StrikeSource.VENUE for row in rows)


async def _wrong_strike(day: Day) -> Seen:
    await day.at(2, 20.0)
    desk, window = day.desk, day.window(2)
    slot = desk.shell.slots.taken[window.slug]
    with day.on(Fault.WRONG_STRIKE, "", 50.0):
        await day.until(lambda: window.strike_published_ns > 0, "the strike is published", 120.0)
        await day.until(
            lambda: Reason.STRIKE_DISPUTED in desk.asides_since(window.open_ns, slot), "the strike gate refuses", 60.0
        )
    gap = float(desk.market(slot)["strike_gap_bps"])
    return Seen(
        "priceToBeat of the second window was published $50 off",
        f"held against what it had before: {gap:.1f} bps apart, so the gate refused the window (STRIKE_DISPUTED)",
    )


async def _not_hydrated(day: Day) -> Seen:
    desk = day.desk
    await day.at(1, -15.0)
    async with day.hand() as hand, AsyncExitStack() as stack:
        stack.enter_context(day.on(Fault.NOT_HYDRATED))
        await day.at(1, 20.0)
        window = day.window(3)
        await day.until(lambda: window.slug in hand.shell.slots.taken, "the catalogue tells of the window", 60.0)
        order = hand.place(window, 4_000, 10)
        try:
            await day.until(
                lambda: any("REJECTED" in line or "NONE" in line for line in hand.story_of(order)),
                "an order is refused",
                60.0,
            )
        except Unseen as unseen:
            raise Unseen(f"{unseen}; heard {hand.story_of(order)}, counted {dict(hand.gateway.counts)}") from None
        slot = desk.shell.slots.taken[window.slug]
        if window.hydrated_ns or desk.market(slot)["books"]["valid"].any():
            raise Unseen("a window without tokens on the CLOB has no books")
    await day.until(lambda: window.hydrated_ns > 0, "the CLOB knows the tokens")
    known_ns = window.hydrated_ns
    await day.until(lambda: bool(desk.market(slot)["books"]["valid"].all()), "the books come", 60.0)
    placed = [row for row in desk.rows_since(0, Kind.ORDER_CHANGED) if row["slot_id"] == slot]
    if placed or any(its == slot and at_ns < known_ns and not why for its, at_ns, why in desk.journal.mandates):
        raise Unseen("the desk gives no mandate for the window before")
    return Seen(
        f"the CLOB knew no tokens of a listed window for {_s(known_ns - window.listed_ns)}",
        "the window stayed without books and without a mandate, an order there was refused "
        f"({hand.story_of(order)[-1]}); asked again and again, its books came {_s(day.now_ns - known_ns)} after the "
        "CLOB knew it",
    )


async def _unresolved(day: Day) -> Seen:
    desk = day.desk
    await day.at(1, 290.0)
    window = day.window(1)
    slot = desk.shell.slots.taken[window.slug]
    with day.on(Fault.UNRESOLVED):
        await day.at(1, 300.0 + 185.0)
        phase = Phase(int(desk.market(slot)["phase_code"]))
        if phase is not Phase.CLOSED:
            raise Unseen(f"the window stays CLOSED without an outcome, not {phase.name}")
    complaint = next((each.complaint for each in desk.streams.health() if each.wire is Wire.GAMMA), "")
    await day.until(lambda: int(desk.market(slot)["phase_code"]) != Phase.CLOSED, "it settles once resolved", 60.0)
    return Seen(
        f"the first window was resolved only {_s(window.resolved_ns - window.close_ns)} after its close",
        f"it stayed CLOSED and was asked for all along ({complaint or 'no complaint yet'}); settled when the venue "
        "said so",
    )


MARKET_STORIES: Final = (
    Story(Fault.DUPLICATE, MARKET_NAME, _spoiled(Fault.DUPLICATE, 1.0, "every message came twice")),
    Story(Fault.LATE, MARKET_NAME, _spoiled(Fault.LATE, 6_000.0, "every message came 6 s late")),
    Story(Fault.REORDER, MARKET_NAME, _spoiled(Fault.REORDER, 0.3, "a third of the messages swapped places")),
    Story(Fault.MISSING, MARKET_NAME, _spoiled(Fault.MISSING, 0.2, "a fifth of the messages never came")),
    Story(Fault.GARBLED, MARKET_NAME, _spoiled(Fault.GARBLED, 0.2, "a fifth of the messages were cut in the middle")),
    Story(Fault.SLOW_CONSUMER, MARKET_NAME, _slow_consumer),
    Story(Fault.DISCONNECT, MARKET_NAME, _disconnect),
    Story(Fault.NO_SNAPSHOT, MARKET_NAME, _no_snapshot),
    Story(Fault.SILENT, MARKET_NAME, _silent),
    Story(Fault.CLOCK_SKEW, "", _clock_skew),
)
PRICE_STORIES: Final = (
    Story(Fault.REFUSE, "binance_spot", _refuse),
    Story(Fault.FEED_FREEZE, "binance_spot", _feed_freeze),
    Story(Fault.DROPPED, "polybolt", _dropped),
)
GAP_STORIES: Final = (Story(Fault.ORACLE_GAP, "", _oracle_gap),)
WINDOW_STORIES: Final = (
    (Story(Fault.NOT_HYDRATED, "", _not_hydrated),),
    (Story(Fault.LATE_STRIKE, "", _late_strike),),
    (Story(Fault.UNRESOLVED, "", _unresolved),),
    (Story(Fault.WRONG_STRIKE, "", _wrong_strike),),
)
