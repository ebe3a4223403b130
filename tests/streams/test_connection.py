"""Stories of one connection: what the other side does, and what the world is told of it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import numpy as np
import pytest
from aiohttp import ClientSession, web
from stream_play import Peer, Played, Script, Story, clock_at, playing

from infra.addresses import Addresses
from infra.clock import RehearsalClock
from infra.feeds.frames import Wire
from infra.streams.connection import Connection
from infra.streams.endpoints import Endpoint, bybit, market, okx, polybolt_prices, user
from infra.streams.intake import Intake
from infra.streams.life import State
from infra.venues.credentials import Credentials, Secret
from state.events import Asset

KEYS = Credentials("the-key", Secret("the-secret"), Secret("the-passphrase"))


class Stage:
    """One connection of ours to one server that plays a script."""

    def __init__(self, played: Played, connection: Connection, story: Story, clock: RehearsalClock) -> None:
        self.played, self.connection, self.story, self.clock = played, connection, story, clock
        self.life = connection.life
        self.running = asyncio.create_task(connection.run())

    async def stopped(self) -> None:
        async with asyncio.timeout(20):
            await self.running


@asynccontextmanager
async def stage(
    script: Script, endpoint: Callable[[str], Endpoint], refusals: list[web.Response] | None = None, **how: Any
) -> AsyncIterator[Stage]:
    clock = clock_at(0)
    intake = Intake(clock)
    async with playing(script) as played, ClientSession() as session:
        played.refusals = refusals or []
        connection = Connection(endpoint(played.url), session, clock, intake, np.random.default_rng(1), **how)
        its = Stage(played, connection, Story(intake, clock), clock)
        try:
            yield its
        finally:
            its.running.cancel()
            with suppress(asyncio.CancelledError):
                await its.running


def plain(url: str) -> Endpoint:
    return Endpoint(wire=Wire.BYBIT, url=url, first=lambda: ["subscribe"], data_mark=b'"topic"')


async def two_lives(peer: Peer) -> None:
    await peer.hear("subscribe")
    await peer.say(f'{{"topic":{peer.number}}}')
    if peer.number == 1:
        peer.cut()


def test_a_feed_that_is_cut_comes_back_as_the_next_generation() -> None:
    async def told() -> list[str]:
        async with stage(two_lives, plain) as its:
            await its.story.until('{"topic":2}')
            return its.story.lines

    assert asyncio.run(told()) == [
        "bybit 1: connected",
        'bybit 1: {"topic":1}',
        "bybit 1: disconnected (cut without a word)",
        "bybit 2: connected",
        'bybit 2: {"topic":2}',
    ]


def test_a_full_server_says_when_to_come_again() -> None:
    async def told() -> tuple[float, str, int]:
        full = [web.Response(status=503, headers={"Retry-After": "40"}), web.Response(status=429)]
        async with stage(two_lives, plain, full) as its:
            began_ns = its.clock.now_ns()
            await its.story.until("connected")
            return (its.story.arrived[0].seen_ns - began_ns) / 1e9, its.life.why, its.played.knocks

    waited_s, why, knocks = asyncio.run(told())
    assert waited_s > 40 and knocks == 3
    assert why == "handshake refused with 429"


def test_a_stop_of_ours_is_told_and_the_other_side_hears_goodbye() -> None:
    async def told() -> tuple[list[str], int | None]:
        async with stage(two_lives, plain) as its:
            await its.story.until('{"topic":2}')
            its.running.cancel()
            await its.story.until("stopped by us")
            peer = its.played.peers[-1]
            async with asyncio.timeout(5):
                await peer.gone.wait()
            return its.story.lines[-1:], peer.socket.close_code

    assert asyncio.run(told()) == (["bybit 2: disconnected (stopped by us)"], 1000)


def test_a_slow_reader_is_told_so_and_is_back_at_once() -> None:
    async def slow(peer: Peer) -> None:
        await peer.say(f'{{"topic":{peer.number}}}')
        if peer.number < 3:
            await peer.close(1013, "slow consumer: send buffer full")

    async def told() -> tuple[list[str], int]:
        async with stage(slow, plain) as its:
            await its.story.until('{"topic":3}')
            return [each for each in its.story.lines if "disconnected" in each], its.life.slow_consumer

    assert asyncio.run(told()) == (
        ["bybit 1: disconnected (closed with 1013)", "bybit 2: disconnected (closed with 1013)"],
        2,
    )


# PolyBolt: keys first, then topics, one after the other; and words at the end that mean something.


def polybolt(url: str) -> Endpoint:
    return polybolt_prices(Addresses(polybolt=url), KEYS, [Asset.BTC])


def test_polybolt_is_asked_for_prices_only_after_it_knows_us() -> None:
    said: list[str] = []

    async def door(peer: Peer) -> None:
        said.append(await peer.hear('"auth"'))
        await asyncio.sleep(0.05)
        said.append(f"[{len(peer.heard)} more before authed]")
        await peer.say('{"op":"authed","rid":"a1"}')
        said.append(await peer.hear("twap"))
        said.append(await peer.hear('"price.crypto"'))
        await peer.say('{"v":1,"channel":"price.crypto","seq":1,"payload":{}}')

    async def told() -> None:
        async with stage(door, polybolt) as its:
            await its.story.until("payload")

    asyncio.run(told())
    assert said == [
        '{"op":"auth","rid":"a1","auth":{"apiKey":"the-key","secret":"the-secret","passphrase":"the-passphrase"}}',
        "[0 more before authed]",
        '{"op":"subscribe","rid":"t0","subscriptions":'
        '[{"channel":"price.crypto.twap","filter":{"symbol":"btcusd","window_seconds":60}}]}',
        '{"op":"subscribe","rid":"p0","subscriptions":[{"channel":"price.crypto","filter":{"symbol":"btcusd"}}]}',
    ]


INVALID = '{"op":"error","rid":"a1","code":"auth_invalid","message":"no such key"}'


@pytest.mark.parametrize(
    ("words", "code", "why"), [("", 4001, "closed with 4001"), (INVALID, 4001, "refused: "), (INVALID, 0, "refused: ")]
)
def test_keys_that_polybolt_refuses_stop_it_and_are_never_shown(
    words: str, code: int, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.hear('"auth"')
        if words:
            await peer.say(words)
        if code:
            await peer.close(code)

    async def told() -> Stage:
        async with stage(refuse, polybolt) as its:
            await its.stopped()
            return its

    caplog.set_level(logging.DEBUG)
    its = asyncio.run(told())
    assert its.life.state is State.STOPPED and its.life.why.startswith(why) and its.played.knocks == 1
    assert ("auth_invalid" in its.life.complaint) == bool(words)
    shown = f"{its.life} {its.connection.endpoint} {KEYS} {caplog.text} {its.story.arrived}"
    assert "polybolt stopped: " in shown and "; mend that and start again" in shown
    assert not any(secret in shown for secret in ("the-key", "the-secret", "the-passphrase"))


def test_polybolt_drains_and_everybody_comes_back_at_another_moment() -> None:
    async def drain(peer: Peer) -> None:
        await peer.say('{"payload":1}')
        if peer.number == 1:
            await peer.close(4003)

    async def told() -> list[str]:
        async with stage(drain, polybolt) as its:
            await its.story.until("payload", times=2)
            return its.story.lines

    assert "polybolt 1: disconnected (closed with 4003)" in asyncio.run(told())


# Who keeps it alive.


def test_the_market_channel_is_pinged_and_a_missing_pong_is_death() -> None:
    pings: list[str] = []

    async def deaf(peer: Peer) -> None:
        await peer.hear('"type":"market"')
        await peer.say('{"asset_id":"1"}')
        pings.append(await peer.hear("PING"))
        if peer.number == 2:
            await peer.say("PONG", "NO NEW ASSETS")

    async def told() -> list[str]:
        async with stage(deaf, lambda url: market(Addresses(market_ws=url), lambda: ["1"])) as its:
            await its.story.until("NO NEW ASSETS")
            return its.story.lines

    lines = asyncio.run(told())
    assert pings == ["PING", "PING"]
    assert lines[2].startswith("polymarket_market 1: disconnected (no answer to a ping for ")
    assert lines[-1] == "polymarket_market 2: NO NEW ASSETS", "the answer to a ping is nobody's news"


def test_okx_is_pinged_only_when_it_is_quiet() -> None:
    async def busy_then_quiet(peer: Peer) -> None:
        for number in range(20):
            await peer.say(f'{{"arg":{{}},"data":[{number}]}}')
            await asyncio.sleep(0.05)  # three seconds of the clock
        assert "ping" not in peer.heard
        await peer.hear("ping")
        await peer.say("pong", '{"arg":{},"data":["after"]}')

    async def told() -> list[str]:
        async with stage(busy_then_quiet, lambda url: okx(Addresses(okx=url), [Asset.BTC])) as its:
            await its.story.until("after")
            return its.story.lines

    lines = asyncio.run(told())
    assert not any("pong" in each or "disconnected" in each for each in lines)


def test_a_notice_before_maintenance_is_followed_at_once() -> None:
    async def notice(peer: Peer) -> None:
        await peer.say(f'{{"arg":{{}},"data":[{peer.number}]}}')
        if peer.number == 1:
            await peer.say('{"event":"notice","code":"64008","msg":"upgrade soon","connId":"a"}')

    async def told() -> list[str]:
        async with stage(notice, lambda url: okx(Addresses(okx=url), [Asset.BTC])) as its:
            await its.story.until('"data":[2]')
            return its.story.lines

    assert "okx 1: disconnected (the other side said that it will cut the connection)" in asyncio.run(told())


def test_a_subscription_that_is_refused_is_shown() -> None:
    async def refuse(peer: Peer) -> None:
        await peer.hear("orderbook.1.BTCUSDT")
        await peer.say('{"success":false,"ret_msg":"Invalid symbol","op":"subscribe"}')

    async def told() -> str:
        async with stage(refuse, lambda url: bybit(Addresses(bybit=url), [Asset.BTC])) as its:
            await its.story.until("Invalid symbol")
            return its.life.complaint

    assert "Invalid symbol" in asyncio.run(told())


def test_the_user_channel_asks_for_all_markets() -> None:
    said: list[str] = []

    async def door(peer: Peer) -> None:
        said.append(await peer.hear("auth"))
        await peer.say('{"event_type":"order"}')

    async def told() -> None:
        async with stage(door, lambda url: user(Addresses(user_ws=url), KEYS)) as its:
            await its.story.until("order")

    asyncio.run(told())
    assert said == ['{"type":"user","auth":{"apiKey":"the-key","secret":"the-secret","passphrase":"the-passphrase"}}']


# What we do ourselves.


def test_a_wire_that_is_not_wanted_rests_until_it_is() -> None:
    async def told() -> tuple[list[str], State]:
        async with stage(two_lives, plain) as its:
            await its.story.until('{"topic":2}')
            its.connection.want(False, "nothing is followed")
            await its.story.until("nothing is followed")
            await asyncio.sleep(0.1)
            rested = its.life.state
            its.connection.want(True)
            await its.story.until('{"topic":3}')
            return its.story.lines[-3:], rested

    lines, rested = asyncio.run(told())
    assert rested is State.IDLE
    assert lines == ["bybit 2: disconnected (nothing is followed)", "bybit 3: connected", 'bybit 3: {"topic":3}']


def test_a_fault_of_ours_is_never_taken_for_one_of_theirs() -> None:
    def broken(raw: bytes) -> None:
        raise ZeroDivisionError

    async def told() -> None:
        async with stage(two_lives, plain, look=broken) as its:
            await its.stopped()

    with pytest.raises(ZeroDivisionError):
        asyncio.run(told())
