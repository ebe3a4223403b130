"""PolyBolt next door: keys first, then two minutes at once, then every second with a number that must not skip."""

import asyncio
import json
from collections.abc import Coroutine
from functools import partial
from typing import Any

import numpy as np
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType
from venue_stage import OPEN_S, Rows, Stage, average, heard, listed, oracle

from infra.feeds.decoder import Decoder
from infra.feeds.frames import Wire
from infra.venue_next_door.faults import Fault
from infra.venue_next_door.polybolt import polybolt_app
from state.events import EVENT, FeedState, Kind

OWNER = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
AVERAGE = {"channel": "price.crypto.twap", "filter": {"symbol": "btcusd", "window_seconds": 60}}
PRICE = {"channel": "price.crypto", "filter": {"symbol": "btcusd"}}

STREAM: list[Rows] = [
    listed(),
    *(part for at_s in range(-200, 20) for part in (oracle(at_s, 108_000.1 + at_s), average(at_s, 107_990 + at_s / 3))),
]


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 60))


async def said(client: ClientWebSocketResponse) -> list[Any]:
    """Give the messages up to the answer to a ping that is sent now."""
    texts = await heard(client, '{"op":"ping","rid":"p"}', '{"op":"pong","rid":"p"}')
    return [json.loads(text) for text in texts]


async def enter(stage: Stage) -> ClientWebSocketResponse:
    account = stage.engine.open_account(OWNER, OWNER, 0)
    client = await stage.connect("/ws")
    keys = {"apiKey": account.api_key, "secret": account.secret, "passphrase": account.passphrase}
    await client.send_json({"op": "auth", "rid": "a1", "auth": keys})
    assert await said(client) == [{"op": "authed", "rid": "a1"}]
    return client


def asking(*subscriptions: dict[str, Any], rid: str = "s1") -> dict[str, Any]:
    return {"op": "subscribe", "rid": rid, "subscriptions": list(subscriptions)}


def test_who_subscribes_gets_two_minutes_at_once_and_then_each_second() -> None:
    async def story() -> None:
        async with Stage(STREAM, polybolt_app).open() as stage:
            stage.live_until(0.5)
            client = await enter(stage)
            await client.send_json(asking(AVERAGE, PRICE))
            accepted, snapshot, also, spot = await said(client)
            assert accepted == {"op": "subscribed", "channel": "price.crypto.twap", "rid": "s1"}
            assert also["channel"] == spot["channel"] == "price.crypto"
            assert (snapshot["v"], snapshot["seq"], snapshot["snapshot"]) == (1, 1, True)
            points = snapshot["payload"].pop("data")
            assert snapshot["payload"] == {"symbol": "btcusd", "window_seconds": 60, "source": "chainlink"}
            assert [p["timestamp"] for p in points] == [(OPEN_S + s) * 1000 for s in range(-119, 1)]
            assert points[-1] == {
                "timestamp": OPEN_S * 1000, "value": 107_990.0, "full_accuracy_value": "107990.00000000",
            }  # fmt: skip
            stage.live_until(2.5)
            updates = [m for m in await said(client) if m["channel"] == "price.crypto.twap"]
            assert [m["seq"] for m in updates] == [2, 3], "consecutive by connection and channel"
            assert updates[0]["payload"]["timestamp"] == (OPEN_S + 1) * 1000
            assert float(updates[0]["payload"]["full_accuracy_value"]) == updates[0]["payload"]["value"]

    play(story())


def test_our_decoder_reads_the_stream_and_sees_a_gap_where_frames_were_dropped() -> None:
    async def story() -> None:
        async with Stage(STREAM, polybolt_app).open() as stage:
            stage.live_until(0.5)
            client = await enter(stage)
            await client.send_json(asking(AVERAGE))
            texts = await heard(client, '{"op":"ping"}', '{"op":"pong"}')
            stage.on(Fault.DROPPED, 3)
            stage.live_until(3.5)
            texts += await heard(client, '{"op":"ping"}', '{"op":"pong"}')
            dropped = [json.loads(text).get("dropped", 0) for text in texts]
            seqs = [json.loads(text).get("seq", 0) for text in texts]
            assert (dropped, seqs) == ([0, 0, 3, 0, 0], [0, 1, 5, 6, 7]), "once, and so many numbers are gone"
            decoder, out, rows = Decoder(), np.zeros(1024, EVENT), []
            for text in texts:
                count = decoder.decode(Wire.POLYBOLT, text.encode(), 1, out)
                rows += [(Kind(event["kind_code"]), event["code_id"]) for event in out[:count]]
            assert decoder.last_refusal is None
            assert [each for each in rows if each[0] is Kind.FEED_CHANGED] == [(Kind.FEED_CHANGED, FeedState.GAP)]
            assert rows[-1][0] is Kind.AVERAGE_SEEN

    play(story())


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"op": "dance", "rid": "r"}, "bad_op"),
        (asking({"channel": "price.pork", "filter": {}}, rid="r"), "bad_channel"),
        (asking({"channel": "price.crypto.twap", "filter": {"symbol": "btcusd"}}, rid="r"), "bad_filter"),
        (asking({"channel": "price.crypto", "filter": {"symbol": "btc/usd"}}, rid="r"), "bad_filter"),
    ],
)
def test_what_cannot_be_is_refused_by_name(frame: dict[str, Any], code: str) -> None:
    async def story() -> None:
        async with Stage(STREAM, polybolt_app).open() as stage:
            client = await enter(stage)
            await client.send_json(frame)
            [refused] = await said(client)
            assert (refused["op"], refused["code"], refused["rid"]) == ("error", code, "r")

    play(story())


def test_without_keys_nothing_is_to_be_had_and_with_wrong_ones_nine_times_the_door_closes() -> None:
    async def story() -> None:
        async with Stage(STREAM, polybolt_app).open() as stage:
            client = await stage.connect("/ws")
            await client.send_json(asking(AVERAGE))
            assert [m["code"] for m in await said(client)] == ["auth_required"]
            for _ in range(8):
                await client.send_json({"op": "auth", "rid": "a", "auth": {"apiKey": "x"}})
            assert [m["code"] for m in await said(client)] == ["auth_invalid"] * 8
            await client.send_json({"op": "auth", "rid": "a"})
            assert json.loads(await client.receive_str(timeout=10))["code"] == "auth_attempts"
            assert (await client.receive(timeout=10)).data == 4001

    play(story())


def test_too_much_is_refused_too_many_subscriptions_too_many_frames_and_one_too_large() -> None:
    symbols = ["btcusd", "ethusd", "solusd", "xrpusd", "dogeusd", "hypeusd", "bnbusd", "zecusd"]
    every = [
        {"channel": channel, "filter": {"symbol": symbol, "window_seconds": 60}}
        for symbol in symbols
        for channel in ("price.crypto", "price.crypto.twap")
    ]

    async def story() -> None:
        async with Stage(STREAM, polybolt_app).open() as stage:
            client = await enter(stage)
            for _ in range(21):
                await client.send_json(asking(*every))
            answers = [m for m in await said(client) if "op" in m]
            assert [m["op"] for m in answers] == ["subscribed"] * 16 * 20 + ["error"]
            assert answers[-1]["code"] == "rate_limited"
            await client.send_str('{"op":"' + "x" * 70_000 + '"}')
            assert (await client.receive(timeout=10)).data == 4008

    play(story())


def test_nothing_comes_of_what_was_unsubscribed_and_an_oracle_gap_is_silence() -> None:
    async def story() -> None:
        async with Stage(STREAM, polybolt_app).open() as stage:
            stage.live_until(0.5)
            client = await enter(stage)
            await client.send_json(asking(AVERAGE, PRICE))
            await said(client)
            await client.send_json({"op": "unsubscribe", "rid": "u", "subscriptions": [PRICE]})
            assert await said(client) == [{"op": "unsubscribed", "channel": "price.crypto", "rid": "u"}]
            stage.live_until(1.5)
            assert [m["channel"] for m in await said(client)] == ["price.crypto.twap"]
            stage.on(Fault.ORACLE_GAP)
            stage.live_until(5.5)
            assert await said(client) == []
            stage.faults.clear()
            stage.live_until(6.5)
            [after] = await said(client)
            assert after["seq"] == 3, "what the stream did not say was not numbered"

    play(story())


def test_who_does_not_answer_two_pings_is_closed_with_4002() -> None:
    async def story() -> None:
        async with Stage(STREAM, partial(polybolt_app, ping_s=0.02)).open() as stage:
            deaf = await stage.session.ws_connect(stage.url + "/ws", autoping=False)
            kinds = []
            while (message := await deaf.receive(timeout=10)).type is WSMsgType.PING:
                kinds.append(message.type)
            assert (len(kinds), message.data, message.extra) == (2, 4002, "no pong")

    play(story())
