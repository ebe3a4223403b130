"""Discovery's stories: a catalogue that is late, wrong, slow or broken, and windows that are followed all the same."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from aiohttp import ClientSession, web
from stream_play import ORIGIN_NS, Story, clock_at, line, serving
from venue_frames import EVENT_OBJECT, MARKET

from infra.addresses import Addresses
from infra.clock import RehearsalClock
from infra.feeds.decoder import Decoder
from infra.feeds.frames import Wire
from infra.streams.discovery import Discovery, slug_of
from infra.streams.intake import Arrived, Intake, What
from infra.streams.rest import Rest
from state.events import EVENT, Asset, Kind, Token
from state.rules import Rule

SLUG = MARKET["slug"]
CONDITION = MARKET["conditionId"]
UP, DOWN = json.loads(MARKET["clobTokenIds"])
SHORT = {
    "c": CONDITION, "t": [{"t": UP, "o": "Up"}, {"t": DOWN, "o": "Down"}], "mts": 0.01, "mos": 5, "nr": False,
    "fd": {"r": 0.07, "e": 1, "to": True}, "itode": True, "ao": True,
}  # fmt: skip


@dataclass
class Catalogue:
    """Gamma and the CLOB's market object, about one window, as a test wants them at each moment."""

    clock: RehearsalClock
    state: Callable[[float], Any]
    """Seconds since the window's start -> the event object, or a response that is none."""
    short: Callable[[float], Any] = lambda _: SHORT
    asked: list[str] = field(default_factory=list)

    def now_s(self) -> float:
        return (self.clock.now_ns() - ORIGIN_NS) / 1e9

    async def by_slug(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        its = self.state(self.now_s()) if request.match_info["slug"] == SLUG else None
        if isinstance(its, dict) and its["closed"]:
            its = None  # what is resolved is seen with `closed=true` only
        return its if isinstance(its, web.Response) else _answer(its)

    async def by_query(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        its = self.state(self.now_s()) if request.query["slug"] == SLUG else None
        if isinstance(its, web.Response):
            return its
        return _answer([its] if its is not None and its["closed"] == (request.query.get("closed") == "true") else [])

    async def market(self, request: web.Request) -> web.Response:
        its = self.short(self.now_s()) if request.match_info["condition"] == CONDITION else None
        return its if isinstance(its, web.Response) else _answer(its)


def _answer(body: Any) -> web.Response:
    return web.json_response(body) if body is not None else web.json_response({"error": "not found"}, status=404)


def event(**changes: Any) -> dict[str, Any]:
    """One window's event object; names of the market's own fields go to the market."""
    market = {"acceptingOrders": True, "closed": False} | {
        name: value for name, value in changes.items() if name in ("acceptingOrders", "closed", "outcomePrices")
    }
    return EVENT_OBJECT | {
        "eventMetadata": changes.get("eventMetadata", {}), "closed": market["closed"], "markets": [MARKET | market],
    }  # fmt: skip


async def followed(
    catalogue: Callable[[RehearsalClock], Catalogue], at_s: float, end: str, speed_ratio: float = 200.0
) -> tuple[Story, Discovery, Catalogue]:
    """Follow one window from a moment on until a line of the story."""
    clock = clock_at(at_s, speed_ratio)
    intake, its = Intake(clock), catalogue(clock)
    story = Story(intake, clock)
    app = web.Application()
    app.router.add_get("/events/slug/{slug}", its.by_slug)
    app.router.add_get("/events", its.by_query)
    app.router.add_get("/clob-markets/{condition}", its.market)
    async with serving(app) as address, ClientSession() as session:
        rest = Rest(session, clock)
        discovery = Discovery(Addresses(gamma=address, clob=address), clock, intake, rest, ahead=0)
        living: Awaitable[None] = asyncio.create_task(discovery.run())
        try:
            await story.until(end)
        finally:
            assert isinstance(living, asyncio.Task)
            living.cancel()
            with suppress(asyncio.CancelledError):
                await living
    return story, discovery, its


def test_names_of_windows_are_reckoned() -> None:
    assert slug_of(Asset.BTC, 1_792_638_000, 300) == SLUG
    assert slug_of(Asset.ETH, 1_792_638_900, 900) == "eth-updown-15m-1792638900"


def late_then_whole(now_s: float) -> Any:
    """Unknown, then not taking orders, then open; the price to beat after a minute, the outcome 54 s after the end."""
    if now_s < 20:
        return None
    if now_s < 40:
        return event(acceptingOrders=False)
    prices: dict[str, float] = {"priceToBeat": 108123.5} if now_s >= 60 else {}
    if now_s < 354:
        return event(eventMetadata=prices)
    return event(eventMetadata=prices | {"finalPrice": 108150.25}, closed=True, outcomePrices='["1", "0"]')


def test_a_window_from_its_first_listing_until_nobody_needs_it() -> None:
    story, discovery, _ = asyncio.run(followed(lambda clock: Catalogue(clock, late_then_whole), 0.5, "unlisted"))
    told = [(each.what, each.wire) for each in story.arrived]
    assert told == [
        (What.LISTED, Wire.GAMMA),
        (What.FRAME, Wire.CLOB_REST),  # the rules, as the CLOB states them
        (What.FRAME, Wire.GAMMA),  # the price to beat
        (What.FRAME, Wire.GAMMA),  # the outcome
        (What.UNLISTED, Wire.GAMMA),
    ]
    listed, _, strike, outcome, unlisted = story.arrived
    since_s = [(each.seen_ns - ORIGIN_NS) / 1e9 for each in (listed, strike, outcome, unlisted)]
    assert since_s[0] > 40 and since_s[1] > 60 and since_s[2] > 354 and since_s[2] + 180 <= since_s[3]
    reasons = {row["reason"] for row in discovery.rest.reasons.rows("wire", "reason")}
    assert {"status 404", "listed, but takes no orders yet", "not closed yet"} <= reasons
    assert not discovery.listed


def decoded(arrived: list[Arrived]) -> list[tuple[Kind, float, int]]:
    """Let the Decoder say what the story's frames mean: kind, dollars, code."""
    decoder, out, rows = Decoder(), np.zeros(64, EVENT), []
    for each in arrived:
        count = 0
        if each.listing is not None and each.what is What.LISTED:
            count = decoder.list_window(2, each.listing, each.seen_ns, out)
        elif each.what is What.FRAME:
            count = decoder.decode(each.wire, each.raw, each.seen_ns, out)
        rows += [(Kind(row["kind_code"]), float(row["value_usd"]), int(row["code_id"])) for row in out[:count]]
    assert decoder.refusals.total == 0 and decoder.strangers.total == 0
    return rows


def test_what_the_catalogue_says_becomes_rules_a_strike_and_an_outcome() -> None:
    story, _, _ = asyncio.run(followed(lambda clock: Catalogue(clock, late_then_whole), 0.5, "unlisted"))
    rows = decoded(story.arrived)
    assert rows[0] == (Kind.MARKET_LISTED, 0.0, Asset.BTC)
    assert (Kind.RULE_GIVEN, 0.0, Rule.FEE_RATE_PPM) in rows
    assert [row for row in rows if row[0] is Kind.STRIKE_SEEN] == [(Kind.STRIKE_SEEN, 108123.5, 3)]
    assert rows[-1] == (Kind.SETTLED, 108150.25, Token.UP)


def test_a_broken_catalogue_is_asked_again_and_every_reason_is_counted() -> None:
    answers = [
        web.Response(status=500, text="oops"),
        web.Response(status=422, text='{"error":"offset too large"}'),
        web.Response(status=403, text="<!DOCTYPE html><html>Just a moment...</html>", content_type="text/html"),
        web.Response(status=429, headers={"Retry-After": "20"}),
        web.Response(text='{"slug": "btc-updown'),
        web.json_response(event() | {"markets": [MARKET | {"outcomes": "Up, Down"}]}),
        web.json_response(EVENT_OBJECT | {"markets": []}),
    ]

    def moody(now_s: float) -> Any:
        return answers.pop(0) if answers else event()

    story, discovery, _ = asyncio.run(followed(lambda clock: Catalogue(clock, moody), 0.5, "listed"))
    assert (story.arrived[0].seen_ns - ORIGIN_NS) / 1e9 > 6 * 5 + 20, "it came again when it was told to"
    reasons = {row["reason"]: row["count"] for row in discovery.rest.reasons.rows("wire", "reason")}
    assert reasons.pop("not JSON: Input data was truncated") == 1
    assert reasons == {
        "status 500": 1,
        "status 422": 1,
        "status 403 with a page of HTML": 1,
        "status 429": 1,
        "outcomes is no list in a string: 'Up, Down'": 1,
        "an answer about something else": 1,
    }


def test_a_price_to_beat_that_is_corrected_is_told_again() -> None:
    def corrected(now_s: float) -> Any:
        return event(eventMetadata={"priceToBeat": 108000.0 if now_s < 100 else 108123.5})

    def late(story: Story) -> list[float]:
        return [row[1] for row in decoded(story.arrived) if row[0] is Kind.STRIKE_SEEN]

    story, _, _ = asyncio.run(followed(lambda clock: Catalogue(clock, corrected), 10, "108123.5"))
    assert late(story) == [108000.0, 108123.5]


def test_a_desk_that_starts_in_the_middle_of_a_window_learns_what_was_said_before() -> None:
    story, _, _ = asyncio.run(followed(lambda clock: Catalogue(clock, late_then_whole), 130, "gamma 0"))
    assert [row[1] for row in decoded(story.arrived) if row[0] is Kind.STRIKE_SEEN] == [108123.5]


def test_a_market_that_the_clob_does_not_know_yet_is_asked_for_again() -> None:
    def young(now_s: float) -> Any:
        if now_s < 30:
            return None
        return SHORT if now_s >= 60 else SHORT | {"t": []}

    story, discovery, _ = asyncio.run(
        followed(lambda clock: Catalogue(clock, lambda _: event(), young), 0.5, "clob_rest 0")
    )
    assert (story.arrived[-1].seen_ns - ORIGIN_NS) / 1e9 > 60
    reasons = {row["reason"] for row in discovery.rest.reasons.rows("wire", "reason")}
    assert reasons == {"status 404", "other tokens than the catalogue's, or none yet"}


def test_the_next_windows_are_warm_before_the_current_one_ends() -> None:
    """A catalogue of every window; discovery follows the current one and three more, and rolls over without a gap."""

    def any_window(slug: str) -> dict[str, Any]:
        open_s = int(slug.rsplit("-", 1)[1])
        its = event()
        number = str(open_s)
        names = {
            "slug": slug, "conditionId": f"0x{number}", "clobTokenIds": json.dumps([f"1{number}", f"2{number}"]),
            "eventStartTime": None, "endDate": None,
        }  # fmt: skip
        return its | {"slug": slug, "ticker": slug, "endDate": None, "markets": [its["markets"][0] | names]}

    async def by_slug(request: web.Request) -> web.Response:
        return web.json_response(any_window(request.match_info["slug"]))

    async def told() -> tuple[list[Arrived], int]:
        clock = clock_at(290, 100.0)
        intake = Intake(clock)
        story = Story(intake, clock)
        app = web.Application()
        app.router.add_get("/events/slug/{slug}", by_slug)
        async with serving(app) as address, ClientSession() as session:
            discovery = Discovery(Addresses(gamma=address, clob=address), clock, intake, Rest(session, clock), ahead=3)
            living = asyncio.create_task(discovery.run())
            await story.until(f"listed {slug_of(Asset.BTC, 1_792_638_000 + 5 * 300, 300)}")
            living.cancel()
            with suppress(asyncio.CancelledError):
                await living
        return [each for each in story.arrived if each.what is What.LISTED], len(discovery.listed)

    listed, alive = asyncio.run(told())
    slugs = [line(each).split()[-1] for each in listed]
    assert slugs == [slug_of(Asset.BTC, 1_792_638_000 + number * 300, 300) for number in range(6)] and alive == 6
    for each in listed[1:]:
        assert each.listing is not None and each.seen_ns < each.listing.open_ns, "listed before it opens"
