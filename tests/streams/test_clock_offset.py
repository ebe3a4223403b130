"""The venue's clock: the truth lies within the stated bound, and clocks that are far apart halt the desk."""

import asyncio
from contextlib import suppress

from aiohttp import ClientSession, web
from hypothesis import given
from hypothesis import strategies as st
from stream_play import ORIGIN_NS, Story, clock_at, serving

from infra.addresses import Addresses
from infra.feeds.frames import Wire
from infra.streams.clock_offset import MEMORY_NS, Skew, VenueClock, Verdict, bounds_of
from infra.streams.intake import Intake, What
from infra.streams.rest import Answer, Rest
from state.events import Kind, Word

S = 10**9
TRIPS = st.tuples(st.integers(0, 3 * S), st.integers(0, 2 * S), st.integers(1, 5 * S))
"""Time on the way there, on the way back, and until the next question."""


@given(st.integers(-10 * S, 10 * S), st.lists(TRIPS, min_size=1, max_size=30))
def test_the_truth_lies_within_the_bound(offset_ns: int, trips: list[tuple[int, int, int]]) -> None:
    skew, now_ns = Skew(), ORIGIN_NS
    for there_ns, back_ns, pause_ns in trips:
        told_s = (now_ns + there_ns + offset_ns) // S
        seen_ns = now_ns + there_ns + back_ns
        bounds = bounds_of(Answer(b"%d" % told_s, now_ns, seen_ns))
        assert bounds is not None
        skew.add(bounds)
        assert abs(skew.offset_ns - offset_ns) <= skew.bound_ns + 1
        if skew.verdict is Verdict.HALT:
            assert abs(offset_ns) >= 2 * S, "never for a bound that is only wide"
        now_ns = seen_ns + pause_ns


def test_questions_in_other_parts_of_the_second_make_the_bound_as_small_as_a_round_trip() -> None:
    skew = Skew()
    for number in range(12):
        sent_ns = ORIGIN_NS + number * (S + S // 12)
        told_s = (sent_ns + 10_000_000 + 700_000_000) // S  # 20 ms there and back; 0.7 s ahead
        bounds = bounds_of(Answer(b"%d" % told_s, sent_ns, sent_ns + 20_000_000))
        assert bounds is not None
        skew.add(bounds)
    assert abs(skew.offset_ns - 700_000_000) <= skew.bound_ns <= 60_000_000
    assert skew.verdict is Verdict.WARN


def test_a_clock_that_was_set_makes_older_bounds_worthless() -> None:
    skew = Skew()
    for number, offset_s in enumerate([0, 0, 5, 5]):
        sent_ns = ORIGIN_NS + number * 2 * S
        bounds = bounds_of(Answer(b"%d" % (sent_ns // S + offset_s), sent_ns, sent_ns))
        assert bounds is not None
        skew.add(bounds)
    assert len(skew.told) == 2 and 4 * S <= skew.offset_ns <= 6 * S and skew.verdict is Verdict.HALT
    late_ns = ORIGIN_NS + 6 * S + MEMORY_NS
    fresh = bounds_of(Answer(b"%d" % (late_ns // S + 5), late_ns, late_ns))
    assert fresh is not None
    skew.add(fresh)
    assert skew.told == [fresh], "bounds of five minutes ago say nothing of now"


def test_what_is_no_time_is_no_bound() -> None:
    for raw in (b"", b"<html>", b'{"time":1}', b'"soon"', b"null", b"1e999"):
        assert bounds_of(Answer(raw, 0, 1)) is None
    assert bounds_of(Answer(b'"1792638000"', 0, 1)) == bounds_of(Answer(b"1792638000", 0, 1))


def test_a_venue_whose_clock_is_three_seconds_ahead_halts_the_desk_once() -> None:
    clock = clock_at(0.5, 60.0)

    async def time(_: web.Request) -> web.Response:
        return web.Response(text=str(clock.now_ns() // S + 3), content_type="application/json")

    async def told() -> tuple[Story, Rest]:
        intake = Intake(clock)
        story = Story(intake, clock)
        app = web.Application()
        app.router.add_get("/time", time)
        async with serving(app) as address, ClientSession() as session:
            rest = Rest(session, clock)
            asking = asyncio.create_task(VenueClock(Addresses(clob=address), clock, intake, rest).run())
            await story.until("rows")
            await asyncio.sleep(0.1)
            story.arrived += intake.drain(10)
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking
        return story, rest

    story, rest = asyncio.run(told())
    (halt,) = story.arrived
    assert halt.what is What.ROWS and halt.rows is not None
    assert (halt.rows["kind_code"][0], halt.rows["code_id"][0]) == (Kind.OPERATOR_SAID, Word.HALT)
    assert halt.why.startswith("the venue's clock is +") and rest.life(Wire.CLOB_REST).complaint
