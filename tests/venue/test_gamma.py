"""Gamma next door: what the catalogue says of a window from its listing to its end, and how it pages."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import zstandard
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from recordings import recordings
from venue_stage import (
    OPEN_S,
    SLUG,
    Rows,
    Stage,
    average,
    change,
    cleared,
    listed,
    oracle,
    resolved,
    shape,
    strike,
    trade,
)

from infra.feeds import gamma as reader
from infra.feeds.frames import Parsed
from infra.feeds.listings import Listing, listing_of
from infra.venue_next_door.faults import Fault
from infra.venue_next_door.gamma import gamma_app
from infra.venue_next_door.gamma_queries import page_by_keyset, page_by_offset
from infra.venue_next_door.nouns import Window
from infra.venue_next_door.window_words import title_of
from state.events import Asset, Side, Token
from state.units import NS_PER_S

BUY, SELL, UP, DOWN = Side.BUY, Side.SELL, Token.UP, Token.DOWN

ROWS: list[Rows] = [
    listed(),
    listed(-300, slot=1, open_s=OPEN_S + 300),
    cleared(-100, UP, (BUY, 5000, 20), (SELL, 5100, 30)),
    cleared(-100, DOWN, (BUY, 4900, 30), (SELL, 5000, 20)),
    trade(1, UP, BUY, 5100, 10),
    change(1.001, SELL, 5100, 20),
    *(part for at_s in range(-200, 400) for part in (oracle(at_s, 108_000.5), average(at_s, 108_000.25))),
    strike(58, 108_000.25),
    resolved(354, UP, 108_010.75),
]


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 60))


def listing(body: Any) -> Listing:
    """Read an answer as the desk does."""
    parsed = reader.parse(json.dumps(body).encode())
    assert isinstance(parsed, Parsed), parsed
    [(market, event)] = reader.windows_in(parsed.messages[0])
    read = listing_of(market, event)
    assert isinstance(read, Listing), read
    return read


def test_an_event_is_read_by_our_own_reader_with_nothing_missing() -> None:
    async def story() -> None:
        async with Stage(ROWS, gamma_app).open() as stage:
            stage.live_until(2)
            status, event = await stage.get(f"/events/slug/{SLUG}")
            read, window = listing(event), stage.window
            assert status == 200
            assert (read.condition_id, read.up_token, read.down_token) == (window.condition_id, *window.tokens)
            assert (read.open_ns, read.close_ns) == (window.open_ns, window.close_ns)
            assert (read.tick_bps, read.min_micros) == (100, 5_000_000)
            assert read.accepting_orders
            assert not read.closed
            assert (read.price_to_beat_usd, read.final_price_usd, read.outcome) == (0.0, 0.0, None)
            [market] = event["markets"]
            assert (market["bestBid"], market["bestAsk"], market["spread"]) == (0.5, 0.51, 0.01)
            assert (market["lastTradePrice"], market["outcomePrices"]) == (0.51, '["0.505", "0.495"]')
            assert market["volumeNum"] == 5.1
            assert event["title"] == "Bitcoin Up or Down - October 21, 11:00PM-11:05PM ET"
            assert event["startTime"] == market["eventStartTime"] == "2026-10-22T03:00:00Z"
            assert market["startDate"] < market["eventStartTime"], "when the row was made, not when the window starts"

    play(story())


def test_the_price_to_beat_comes_late_and_the_final_price_with_the_end() -> None:
    async def story() -> None:
        async with Stage(ROWS, gamma_app).open() as stage:
            stage.live_until(30)
            _, early = await stage.get(f"/events/slug/{SLUG}")
            assert "eventMetadata" not in early
            stage.live_until(70)
            _, later = await stage.get(f"/events/slug/{SLUG}")
            assert later["eventMetadata"] == {"priceToBeat": 108_000.25}
            stage.live_until(340)
            _, ended = await stage.get(f"/markets/slug/{SLUG}")
            assert (ended["closed"], ended["acceptingOrders"]) == (False, False), "over, and not yet resolved"
            stage.live_until(360)
            status, gone = await stage.get(f"/events/slug/{SLUG}")
            assert (status, gone) == (404, {"type": "not found error", "error": "slug not found"})
            _, end = await stage.get(f"/events/slug/{SLUG}?closed=true")
            assert end["eventMetadata"] == {"priceToBeat": 108_000.25, "finalPrice": 108_010.75}
            read, window = listing(end), stage.window
            assert (read.outcome, read.closed, read.accepting_orders) == (UP, True, False)
            assert read.closed_ns == window.resolved_ns // NS_PER_S * NS_PER_S
            _, [listed_one] = await stage.get(f"/markets?slug={SLUG}&closed=true")
            assert listed_one["umaResolutionStatus"] == "resolved"
            assert (await stage.get(f"/markets?slug={SLUG}"))[1] == []
            status, by_id = await stage.get(f"/markets/{window.gamma_id}")
            assert (status, by_id["closed"]) == (200, True)

    play(story())


def test_a_wrong_price_to_beat_is_published_as_it_is() -> None:
    async def story() -> None:
        async with Stage(ROWS, gamma_app).open() as stage:
            stage.live_until(0)
            stage.on(Fault.WRONG_STRIKE, 25.0)
            stage.live_until(70)
            _, event = await stage.get(f"/events/slug/{SLUG}")
            assert event["eventMetadata"] == {"priceToBeat": 108_025.25}

    play(story())


def test_listings_are_by_series_and_in_pages() -> None:
    async def story() -> None:
        async with Stage(ROWS, gamma_app).open() as stage:
            stage.live_until(2)
            _, events = await stage.get("/events?series_slug=btc-up-or-down-5m&closed=false")
            assert [event["slug"] for event in events] == [SLUG, f"btc-updown-5m-{OPEN_S + 300}"]
            assert (await stage.get("/events?series_slug=eth-up-or-down-5m"))[1] == []
            _, first = await stage.get("/markets/keyset?limit=1&order=startTime&ascending=false")
            assert [market["slug"] for market in first["markets"]] == [f"btc-updown-5m-{OPEN_S + 300}"]
            cursor = first["next_cursor"]
            _, second = await stage.get(
                f"/markets/keyset?limit=1&order=startTime&ascending=false&after_cursor={cursor}"
            )
            assert [market["slug"] for market in second["markets"]] == [SLUG]
            assert "next_cursor" not in second
            _, by_token = await stage.get(f"/markets?clob_token_ids={stage.window.tokens[1]}")
            assert [market["slug"] for market in by_token] == [SLUG]
            _, soon = await stage.get("/events?end_date_min=2026-10-22T03:06:00Z")
            assert [event["slug"] for event in soon] == [f"btc-updown-5m-{OPEN_S + 300}"]

    play(story())


def test_what_gamma_cannot_read_or_will_not_page_is_422() -> None:
    async def story() -> None:
        async with Stage(ROWS, gamma_app).open() as stage:
            stage.live_until(2)
            for address in (
                "/markets?offset=2001", "/events?limit=many", "/events?order=beauty", "/markets?closed=perhaps",
                "/events/keyset?after_cursor=junk", "/events/keyset?offset=1", "/markets?end_date_min=soon",
                "/events/keyset?order=slug&after_cursor=WyJpZCIsdHJ1ZSwxLjAsMV0=", "/markets/abc",
            ):  # fmt: skip
                status, body = await stage.get(address)
                assert (status, body["type"]) == (422, "validation error"), address

    play(story())


def test_an_answer_is_a_few_seconds_old_as_the_real_ones_are() -> None:
    async def story() -> None:
        async with Stage(ROWS, gamma_app).open() as stage:
            prices = []
            for at_s in (0.5, 2, 3.75):
                stage.live_until(at_s)
                prices.append((await stage.get(f"/markets/slug/{SLUG}"))[1]["lastTradePrice"])
            assert prices == [0, 0, 0.51], "the trade of the first second is not seen before the fourth"

    play(story())


def test_a_fault_that_names_a_path_of_gamma_hits_that_path_alone() -> None:
    async def story() -> None:
        async with Stage(ROWS, gamma_app).open() as stage:
            stage.live_until(2)
            stage.on(Fault.SERVER_ERROR, where="/events")
            stage.on(Fault.RATE_LIMITED)
            stage.on(Fault.RATE_LIMITED, where="/no/such/path")
            assert (await stage.get(f"/events/slug/{SLUG}"))[0] == 500
            assert (await stage.get(f"/markets/slug/{SLUG}"))[0] == 200, "a switch without a path means the CLOB"
            stage.faults.clear()
            stage.on(Fault.RATE_LIMITED, where="/markets")
            async with stage.session.get(stage.url + f"/markets/slug/{SLUG}") as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
            stage.faults.clear()
            stage.on(Fault.CLOUDFLARE, where="/markets")
            async with stage.session.get(stage.url + "/markets") as answer:
                assert (answer.status, answer.content_type) == (403, "text/html")

    play(story())


def test_a_market_of_the_second_version_has_position_ids_and_no_token_ids() -> None:
    async def story() -> None:
        async with Stage(ROWS, gamma_app).open() as stage:
            stage.live_until(2)
            stage.window.version = "v2"
            _, market = await stage.get(f"/markets/slug/{SLUG}")
            assert "clobTokenIds" not in market
            assert listing(market).up_token == stage.window.tokens[UP]

    play(story())


# Pages.


def window(number: int) -> Window:
    return Window(
        f"w{number}", Asset.BTC, OPEN_S + 300 * (number // 2), 300, 0, "0x", "0x", 10_000 + number, ("1", "2")
    )


@given(
    count=st.integers(0, 40), limit=st.integers(1, 45), ascending=st.booleans(),
    order=st.sampled_from(["id", "startTime", "volume"]),
)  # fmt: skip
def test_pages_by_cursor_give_every_window_once_in_the_order_of_one_long_page(
    count: int, limit: int, ascending: bool, order: str
) -> None:
    windows = [window(number) for number in range(count)]
    query = MultiDict({"limit": str(limit), "ascending": str(ascending).lower(), "order": order})
    given_out: list[Window] = []
    while True:
        page, following = page_by_keyset(windows, query, lambda one: one.gamma_id % 3)
        given_out += page
        assert len(page) == limit or following is None
        if following is None:
            break
        query["after_cursor"] = following
    whole = MultiDict({**query, "limit": "100"})
    assert given_out == page_by_offset(windows, whole, lambda one: one.gamma_id % 3)


def test_titles_are_in_eastern_time_over_the_change_of_clocks_and_midnight() -> None:
    assert title_of(window(0)).endswith("October 21, 11:00PM-11:05PM ET")
    winter = Window("w", Asset.ETH, 1_793_509_200 + 3600 * 6, 300, 0, "0x", "0x", 1, ("1", "2"))
    assert title_of(winter) == "Ethereum Up or Down - November 1, 6:00AM-6:05AM ET"


# Held against what the real catalogue wrote.


def test_a_resolved_market_has_every_key_that_all_recorded_ones_have_and_their_types() -> None:
    path = recordings("chainlink_btcusd_1hz") / "gamma_markets_2026-06-08.jsonl.zst"
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        theirs = [shape(json.loads(line)) for line in stream.read().splitlines()]
    always = {name: kind for name, kind in theirs[0].items() if all(one.get(name) == kind for one in theirs)}
    assert len(always) > 75

    async def story() -> None:
        async with Stage(ROWS, gamma_app).open() as stage:
            stage.live_until(600)
            _, [market] = await stage.get(f"/markets?slug={SLUG}&closed=true")
            ours = shape(market)
            assert {name: ours.get(name) for name in always} == always

    play(story())


def test_an_open_market_and_its_event_have_the_keys_of_a_clients_own_fixture() -> None:
    path = recordings("raw_frames") / "polymarket_rest_fixtures.jsonl.zst"
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        lines = [json.loads(line) for line in stream.read().splitlines()]
    theirs = shape(next(json.loads(one["raw"]) for one in lines if one["fixture"].endswith("/gamma_market.json")))

    async def story() -> None:
        async with Stage(ROWS, gamma_app).open() as stage:
            stage.live_until(2)
            _, market = await stage.get(f"/markets/slug/{SLUG}")
            ours = shape(market)
            [event], [their_event] = ours.pop("events"), theirs.pop("events")
            assert {name: ours.get(name) for name in theirs} == theirs
            assert {name: event.get(name) for name in their_event} == their_event

    play(story())
