"""All streams at once against one small server that plays every wire: what comes in, how they do, how they end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from stream_play import Peer, Played, Story, clock_at, serving
from venue_frames import EVENT_OBJECT, MARKET

from infra.addresses import Addresses
from infra.feeds.frames import Wire
from infra.streams.endpoints import EVERY
from infra.streams.intake import Arrived, Intake, What
from infra.streams.life import State
from infra.streams.streams import Streams
from infra.venues.credentials import Credentials, Secret

KEYS = Credentials("the-key", Secret("the-secret"), Secret("the-passphrase"))
SOCKETS = EVERY - {Wire.GAMMA, Wire.CLOB_REST, Wire.POLYGON}
DATA = {
    "/market": '{"event_type":"book","asset_id":"111"}',
    "/user": '{"event_type":"order"}',
    "/polybolt": '{"channel":"price.crypto","payload":{}}',
    "/rtds": '{"topic":"crypto_prices_chainlink","payload":{}}',
    "/spot/ws": '{"u":1,"s":"BTCUSDT","b":"1","B":"1","a":"2","A":"1"}',
    "/usdm/ws": '{"e":"aggTrade","s":"BTCUSDT","a":1}',
    "/bybit": '{"topic":"orderbook.1.BTCUSDT"}',
    "/okx": '{"arg":{},"data":[]}',
    "/coinbase": '{"type":"ticker","price":"1"}',
}


async def every_wire(peer: Peer) -> None:
    """Answer the first frame, and speak on ten times a second of the clock."""
    if peer.request.path == "/polybolt":
        await peer.hear('"auth"')
        await peer.say('{"op":"authed"}')
    while True:
        await peer.say(DATA[peer.request.path])
        if "PING" in peer.heard:
            peer.heard.remove("PING")
            await peer.say("PONG")
        await asyncio.sleep(0.05)


@asynccontextmanager
async def whole_venue() -> AsyncIterator[tuple[Addresses, Played]]:
    async def event(request: web.Request) -> web.Response:
        slug = request.match_info["slug"]
        its: Any = EVENT_OBJECT if slug == MARKET["slug"] else None
        return web.json_response(its) if its else web.json_response({}, status=404)

    async def time(_: web.Request) -> web.Response:
        return web.json_response("soon")

    async def head(_: web.Request) -> web.Response:
        result = {"number": "0x10", "timestamp": "0x6ad95e40", "baseFeePerGas": "0x5d2"}
        return web.json_response({"jsonrpc": "2.0", "id": 1, "result": result})

    played = Played(every_wire)
    app = web.Application()
    app.router.add_get("/events/slug/{slug}", event)
    app.router.add_get("/time", time)
    app.router.add_post("/rpc", head)
    for path in DATA:
        app.router.add_get(path, played.answer)
    async with serving(app) as address:
        socket = address.replace("http", "ws", 1)
        yield (
            Addresses(
                gamma=address, clob=address, polygon=f"{address}/rpc", market_ws=f"{socket}/market",
                user_ws=f"{socket}/user", polybolt=f"{socket}/polybolt", rtds=f"{socket}/rtds",
                binance_spot=f"{socket}/spot", binance_usdm=f"{socket}/usdm", bybit=f"{socket}/bybit",
                okx=f"{socket}/okx", coinbase_exchange=f"{socket}/coinbase",
            ),
            played,
        )  # fmt: skip


@asynccontextmanager
async def streaming(
    credentials: Credentials | None = None, **how: Any
) -> AsyncIterator[tuple[Streams, Story, Played, Intake]]:
    clock = clock_at(5.0, 60.0)
    intake = Intake(clock, **how)
    async with (
        whole_venue() as (addresses, played),
        Streams(addresses, clock, intake, credentials, ahead=0) as streams,
    ):
        yield streams, Story(intake, clock), played, intake


def test_with_keys_every_wire_is_up_but_the_fallback() -> None:
    async def told() -> tuple[dict[Wire, State], Story]:
        async with streaming(KEYS) as (streams, story, _, _):
            for wire in (*(SOCKETS - {Wire.RTDS}), Wire.POLYGON):
                await story.until(f"{wire.name.lower()} {int(wire is not Wire.POLYGON)}: " + "{")
            return {each.wire: each.state for each in streams.health()}, story

    states, story = asyncio.run(told())
    assert {wire for wire, state in states.items() if state is State.UP} >= EVERY - {Wire.RTDS, Wire.CLOB_REST}
    assert states[Wire.RTDS] is State.IDLE
    listed = story.lines.index(f"listed {MARKET['slug']}")
    assert listed < story.lines.index("polymarket_market 1: connected"), "who followed nothing, asked for nothing"


def test_without_keys_rtds_stands_in_and_the_screen_says_what_is_missing() -> None:
    async def told() -> dict[Wire, tuple[State, str]]:
        async with streaming() as (streams, story, _, _):
            await story.until("rtds 1: {")
            await story.until("polygon 0")
            return {each.wire: (each.state, each.why) for each in streams.health()}

    health = asyncio.run(told())
    assert health[Wire.RTDS][0] is State.UP
    assert health[Wire.POLYBOLT] == health[Wire.POLYMARKET_USER] == (
        State.IDLE, "needs credentials of the venue's API"
    )  # fmt: skip


def test_the_end_is_told_for_every_wire_and_every_socket_hears_goodbye() -> None:
    async def told() -> tuple[list[Arrived], list[int | None]]:
        async with streaming(KEYS) as (_, story, played, intake):
            await story.until("polymarket_market 1: {")
            await story.until("okx 1: {")
        return story.arrived + intake.drain(10_000), [peer.socket.close_code for peer in played.peers]

    arrived, codes = asyncio.run(told())
    assert codes and set(codes) == {1000}
    ends = [each for each in arrived if each.what is What.DISCONNECTED and each.why == "stopped by us"]
    assert len({each.wire for each in ends}) == len(ends) == len(codes)


def test_books_that_had_to_be_dropped_here_are_fetched_anew() -> None:
    async def told() -> list[str]:
        async with streaming(crowded=20, full=40) as (_, story, _, intake):
            await story.until("polymarket_market 1: {")
            while not intake.lost[Wire.POLYMARKET_MARKET]:
                await asyncio.sleep(0.02)  # nobody drains
                intake.put(Arrived(What.FRAME, Wire.POLYMARKET_MARKET, 1, story.clock.now_ns(), b"{}"))
            await story.until("polymarket_market 2: connected")
            return [each for each in story.lines if each.startswith("polymarket_market") and ": {" not in each]

    lines = asyncio.run(told())
    assert any("gap (" in each for each in lines)
    assert "polymarket_market 1: disconnected (frames were dropped here: fresh snapshots are needed)" in lines


def test_a_fault_of_ours_ends_the_block_and_goes_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("ours")

    async def told() -> None:
        async with streaming() as (streams, _, _, _):
            monkeypatch.setattr(streams.connections[Wire.OKX], "_look", broken)
            await asyncio.sleep(20)

    with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
        asyncio.run(told())


def test_an_error_of_the_block_goes_up_as_it_is() -> None:
    async def told() -> None:
        async with streaming() as (_, story, _, _):
            await story.until("okx 1: {")
            raise LookupError("the shell's own")

    with pytest.raises(LookupError):
        asyncio.run(told())


def test_no_key_is_ever_shown(caplog: pytest.LogCaptureFixture) -> None:
    async def told() -> str:
        async with streaming(KEYS) as (streams, story, _, _):
            await story.until("polybolt 1: {")
            return f"{streams.health()} {streams.reasons()} {story.arrived} {vars(streams)}"

    caplog.set_level(0)
    shown = asyncio.run(told()) + caplog.text
    assert not any(secret in shown for secret in ("the-key", "the-secret", "the-passphrase"))
