"""The watchdog's stories: what is a normal silence, what is a dead socket, and who speaks when one is dead."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from aiohttp import ClientSession
from stream_play import ORIGIN_NS, Peer, Script, Story, clock_at, playing

from infra.addresses import Addresses
from infra.feeds.decoder import Decoder
from infra.feeds.frames import Wire
from infra.feeds.listings import Listing
from infra.streams.connection import Connection
from infra.streams.endpoints import Endpoint, market, polybolt_prices, rtds_prices
from infra.streams.intake import Intake, What
from infra.streams.tokens import Tokens
from infra.streams.watchdog import LIMITS_S, Phase, Watchdog, limit_ns, phase_of
from infra.venues.credentials import Credentials, Secret
from state.events import EVENT, Asset, FeedState, Kind, Source

KEYS = Credentials("k", Secret("s"), Secret("p"))
WINDOW = Listing(
    condition_id="0xc0", slug="btc-updown-5m-1792638000", asset=Asset.BTC, open_ns=ORIGIN_NS, span_s=300,
    up_token="1111", down_token="2222", tick_bps=100, min_micros=5_000_000,
)  # fmt: skip
NEXT = replace(WINDOW, slug="btc-updown-5m-1792638300", open_ns=ORIGIN_NS + 300 * 10**9)


@pytest.mark.parametrize(
    ("windows", "at_s", "phase"),
    [
        ([], 0, Phase.NONE),
        ([WINDOW], -1, Phase.BEFORE),
        ([WINDOW], 0, Phase.OPEN),
        ([WINDOW, NEXT], 239, Phase.OPEN),
        ([WINDOW, NEXT], 240, Phase.LAST_MINUTE),
        ([WINDOW, NEXT], 300, Phase.OPEN),
        ([WINDOW], 300, Phase.ENDED),
    ],
)
def test_the_busiest_window_says_which_phase_it_is(windows: list[Listing], at_s: int, phase: Phase) -> None:
    assert phase_of(windows, ORIGIN_NS + at_s * 10**9) is phase


def test_the_nearer_the_end_the_shorter_a_silence_may_be() -> None:
    for wire, limits in LIMITS_S.items():
        assert limits[Phase.BEFORE] > limits[Phase.OPEN] > limits[Phase.LAST_MINUTE], wire
    assert limit_ns(Wire.POLYMARKET_MARKET, Phase.LAST_MINUTE, 1.0) == 8_250_000_000
    assert limit_ns(Wire.POLYMARKET_MARKET, Phase.NONE, 1.0) is None
    assert limit_ns(Wire.POLYMARKET_USER, Phase.OPEN, 1.0) is None, "nobody trades: no news of orders"


async def live(
    scripts: dict[Wire, Script], make: dict[Wire, Callable[[str], Endpoint]], at_s: float, end: str, times: int = 1
) -> tuple[Story, Watchdog]:
    """Let connections live under a watchdog until a line of the story has come so many times."""
    clock = clock_at(at_s, 40.0)
    intake = Intake(clock)
    story = Story(intake, clock)
    async with ClientSession() as session:
        doors = {wire: playing(script) for wire, script in scripts.items()}
        played = {wire: await door.__aenter__() for wire, door in doors.items()}
        connections = [
            Connection(make[wire](played[wire].url), session, clock, intake, np.random.default_rng(1)) for wire in make
        ]
        for each in connections:
            each.want(each.wire is not Wire.RTDS)
        watchdog = Watchdog(clock, connections, lambda: [WINDOW, NEXT])
        tasks = [asyncio.create_task(each.run()) for each in connections] + [asyncio.create_task(watchdog.run())]
        try:
            await story.until(end, times)
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            for door in doors.values():
                await door.__aexit__(None, None, None)
    return story, watchdog


async def one_book_then_silence(peer: Peer) -> None:
    await peer.say(f'{{"asset_id":"{peer.number}"}}')
    while True:
        await peer.hear("PING")
        await peer.say("PONG")


def _market(url: str) -> Endpoint:
    return market(Addresses(market_ws=url), lambda: ["1"])


def test_a_socket_that_only_answers_pings_is_cut_and_comes_back_with_generation_2() -> None:
    story, _ = asyncio.run(
        live({Wire.POLYMARKET_MARKET: one_book_then_silence}, {Wire.POLYMARKET_MARKET: _market}, 10.0, '"2"')
    )
    first, book, cut, *_, second = story.lines
    assert (first, book) == ("polymarket_market 1: connected", 'polymarket_market 1: {"asset_id":"1"}')
    assert cut.startswith("polymarket_market 1: disconnected (silent for ") and "(open; at most 30 s)" in cut
    assert second == 'polymarket_market 2: {"asset_id":"2"}'


def test_before_the_window_opens_the_same_silence_is_normal_until_it_opens() -> None:
    story, _ = asyncio.run(
        live({Wire.POLYMARKET_MARKET: one_book_then_silence}, {Wire.POLYMARKET_MARKET: _market}, -60.0, '"2"')
    )
    cut = next(each for each in story.arrived if each.what is What.DISCONNECTED)
    assert cut.seen_ns > ORIGIN_NS + 30 * 10**9, "a minute of quiet before the window is nothing"


def _polybolt(url: str) -> Endpoint:
    return polybolt_prices(Addresses(polybolt=url), KEYS, [Asset.BTC])


def _rtds(url: str) -> Endpoint:
    return rtds_prices(Addresses(rtds=url), [Asset.BTC])


def _price(seq: int, at_s: int) -> str:
    at_ms = (1_792_638_000 + at_s) * 1000
    return (
        f'{{"v":1,"channel":"price.crypto.twap","seq":{seq},"ts":{at_ms},"payload":{{"symbol":"btcusd",'
        f'"window_seconds":60,"source":"chainlink","timestamp":{at_ms},"value":108120.5}}}}'
    )


def test_while_polybolt_is_silent_rtds_speaks_and_then_it_goes() -> None:
    async def moody(peer: Peer) -> None:
        await peer.hear("auth")
        await peer.say('{"op":"authed","rid":"a1"}')
        await peer.hear("price.crypto")
        for seq in {1: [1], 2: [], 3: []}.get(peer.number, range(1, 1000)):
            await peer.say(_price(seq, seq))
            await asyncio.sleep(0.02)

    async def old(peer: Peer) -> None:
        await peer.hear("crypto_prices_chainlink")
        while True:
            await peer.say(
                '{"topic":"crypto_prices_chainlink","type":"update","timestamp":1792638001500,"payload":'
                '{"symbol":"btc/usd","timestamp":1792638000000,"value":108123.5}}'
            )
            await asyncio.sleep(0.02)

    scripts: dict[Wire, Script] = {Wire.POLYBOLT: moody, Wire.RTDS: old}
    story, _ = asyncio.run(live(scripts, {Wire.POLYBOLT: _polybolt, Wire.RTDS: _rtds}, 1.0, "rtds 1: disconnected"))
    steps = (
        "polybolt 1: disconnected (silent", "rtds 1: connected", "polybolt 4: connected",
        "rtds 1: disconnected (PolyBolt is back)",
    )  # fmt: skip
    came = {step: next(place for place, each in enumerate(story.lines) if each.startswith(step)) for step in steps}
    assert list(came.values()) == sorted(came.values()), "one after the other"
    # To the world it is one source: it goes when nobody speaks for it, and is there when somebody does.
    decoder, out = Decoder(), np.zeros(64, EVENT)
    states: list[int] = []
    for each in story.arrived:
        count = 0
        if each.what is What.CONNECTED:
            count = decoder.connected(each.wire, each.seen_ns, out)
        elif each.what is What.DISCONNECTED:
            count = decoder.disconnected(each.wire, each.seen_ns, out)
        states += [int(row["code_id"]) for row in out[:count] if row["source_code"] == Source.CHAINLINK]
        assert (out["kind_code"][:count] == Kind.FEED_CHANGED).all()
    assert states[-1] == FeedState.UP and FeedState.DOWN in states


# Books that do not come.


def test_a_book_that_does_not_come_is_asked_for_again_and_the_others_are_left_alone() -> None:
    said: list[str] = []

    async def forgetful(peer: Peer) -> None:
        said.append(await peer.hear('"type":"market"'))
        await peer.say('{"event_type":"book","asset_id":"1111"}')
        said.append(await peer.hear("unsubscribe"))
        said.append(await peer.hear('"subscribe"'))
        await peer.say('[{"event_type":"book","asset_id":"2222"}]')

    async def told() -> tuple[int, Story]:
        clock = clock_at(-60.0, 60.0)
        intake = Intake(clock)
        story = Story(intake, clock)
        tokens = Tokens(clock)
        async with playing(forgetful) as played, ClientSession() as session:
            endpoint = market(Addresses(market_ws=played.url), tokens.all)
            tokens.connection = Connection(endpoint, session, clock, intake, np.random.default_rng(1), tokens.look)
            tokens.connection.want(False)
            tokens.list_window(WINDOW)
            watchdog = Watchdog(clock, [tokens.connection], lambda: [WINDOW], tokens.ask_again)
            tasks = [asyncio.create_task(tokens.connection.run()), asyncio.create_task(watchdog.run())]
            await story.until('"2222"')
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        return tokens.awaited, story

    awaited, story = asyncio.run(told())
    assert awaited == 0 and not any("disconnected (silent" in each for each in story.lines)
    assert said == [
        '{"type":"market","assets_ids":["1111","2222"],"custom_feature_enabled":true,"initial_dump":true}',
        '{"operation":"unsubscribe","assets_ids":["2222"]}',
        '{"operation":"subscribe","assets_ids":["2222"],"custom_feature_enabled":true}',
    ]
