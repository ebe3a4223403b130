"""RTDS next door: the older price socket with its habits, which have silenced many a bot."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest
import zstandard
from aiohttp import ClientWebSocketResponse
from recordings import recordings
from venue_stage import OPEN_S, Rows, Stage, average, heard, listed, oracle, quote, shape

from infra.feeds.decoder import Decoder
from infra.feeds.frames import Wire
from infra.venue_next_door.rtds import rtds_app
from state.events import EVENT, Kind

CHAINLINK = {"topic": "crypto_prices_chainlink", "type": "*", "filters": '{"symbol":"btc/usd"}'}
AVERAGE = {"topic": "crypto_prices_twap_sixty", "type": "update", "filters": '{"symbol":"btc/usd"}'}
BINANCE = {"topic": "crypto_prices", "type": "update", "filters": "btcusdt"}

STREAM: list[Rows] = [
    listed(),
    *(
        part
        for at_s in range(-200, 400)
        for part in (
            oracle(at_s, 79_696.948_174_287_96),
            average(at_s, 79_697.5 + at_s / 7),
            quote(at_s + 0.1, 79_697.7, 79_697.76),
            quote(at_s + 0.6, 79_699.0, 79_699.5),
        )
    ),
]


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 60))


async def said(client: ClientWebSocketResponse) -> list[Any]:
    """Give the messages up to the empty answer to a ping that is sent now."""
    return [json.loads(text) for text in await heard(client, "PING", "")]


async def enter(stage: Stage) -> ClientWebSocketResponse:
    client = await stage.connect("/")
    assert await client.receive_str(timeout=10) == "", "the greeting"
    return client


def asking(*subscriptions: dict[str, Any]) -> dict[str, Any]:
    return {"action": "subscribe", "subscriptions": list(subscriptions)}


def test_a_minute_is_replayed_as_a_list_and_then_every_second_comes() -> None:
    async def story() -> None:
        async with Stage(STREAM, rtds_app).open() as stage:
            stage.live_until(0.5)
            client = await enter(stage)
            await client.send_json(asking(CHAINLINK))
            [replay] = await said(client)
            assert (replay["topic"], replay["type"]) == ("crypto_prices_chainlink", "subscribe")
            stamps = [point["timestamp"] for point in replay["payload"]["data"]]
            assert stamps == [(OPEN_S + s) * 1000 for s in range(-59, 1)]
            stage.live_until(2.5)
            updates = await said(client)
            assert [m["payload"]["timestamp"] for m in updates] == [(OPEN_S + 1) * 1000, (OPEN_S + 2) * 1000]
            assert updates[0]["payload"]["full_accuracy_value"] == "79696948174287960000000", "scaled by 1e18"

    play(story())


def test_binance_comes_once_a_second_whatever_its_own_rate_is() -> None:
    async def story() -> None:
        async with Stage(STREAM, rtds_app).open() as stage:
            stage.live_until(0.9)
            client = await enter(stage)
            await client.send_json(asking(BINANCE))
            [replay] = await said(client)
            assert len(replay["payload"]["data"]) == 120
            stage.live_until(3.9)
            updates = await said(client)
            assert [m["payload"]["value"] for m in updates] == [79_697.73] * 3

    play(story())


@pytest.mark.parametrize("filters", ['{"symbol": "btc/usd"}', '{"symbol":"btc/usd"} ', "btc/usd"])
def test_a_space_in_the_filter_gives_a_replay_and_then_nothing(filters: str) -> None:
    async def story() -> None:
        async with Stage(STREAM, rtds_app).open() as stage:
            stage.live_until(0.5)
            client = await enter(stage)
            await client.send_json(asking(CHAINLINK | {"filters": filters}))
            assert [m["type"] for m in await said(client)] in (["subscribe"], [])
            stage.live_until(5.5)
            assert await said(client) == []

    play(story())


def test_one_bad_topic_silences_the_whole_array() -> None:
    async def story() -> None:
        async with Stage(STREAM, rtds_app).open() as stage:
            stage.live_until(0.5)
            client = await enter(stage)
            await client.send_json(asking(CHAINLINK, {"topic": "no_such_topic", "type": "update"}))
            [refused] = await said(client)
            assert refused["statusCode"] == 401
            stage.live_until(3.5)
            assert await said(client) == []

    play(story())


def test_six_minutes_without_a_ping_and_it_goes_quiet_without_a_word() -> None:
    async def story() -> None:
        async with Stage(STREAM, rtds_app).open() as stage:
            stage.live_until(0.5)
            quiet, lively = await enter(stage), await enter(stage)
            for client in (quiet, lively):
                await client.send_json(asking(AVERAGE))
                await client.receive_str(timeout=10)
            stage.live_until(300.5)
            await said(lively)
            stage.live_until(370.5)
            last = (await said(quiet))[-1]["payload"]["timestamp"]
            assert last == (OPEN_S + 360) * 1000
            assert len(await said(lively)) == 70
            stage.live_until(373.5)
            assert len(await said(quiet)) == 3, "the ping brought it back"

    play(story())


def test_who_unsubscribes_hears_no_more() -> None:
    async def story() -> None:
        async with Stage(STREAM, rtds_app).open() as stage:
            stage.live_until(0.5)
            client = await enter(stage)
            await client.send_json(asking(AVERAGE))
            await said(client)
            await client.send_json({"action": "unsubscribe", "subscriptions": [AVERAGE]})
            await client.send_str("what?")
            assert await said(client) == []
            stage.live_until(3.5)
            assert await said(client) == []

    play(story())


def test_without_a_filter_every_symbol_comes_and_our_decoder_reads_it_to_the_last_digit() -> None:
    async def story() -> None:
        async with Stage(STREAM, rtds_app).open() as stage:
            stage.live_until(0.5)
            client = await enter(stage)
            for topic in (CHAINLINK, AVERAGE, BINANCE):
                await client.send_json(asking({"topic": topic["topic"], "type": "update"}))
            await said(client)
            stage.live_until(1.5)
            decoder, out, rows = Decoder(), np.zeros(1024, EVENT), []
            for text in await heard(client, "PING", ""):
                count = decoder.decode(Wire.RTDS, text.encode(), 1, out)
                rows += [(Kind(event["kind_code"]), float(event["value_usd"])) for event in out[:count]]
            assert decoder.last_refusal is None
            assert sorted(rows) == [
                (Kind.PRICE_SEEN, 79_696.948_174_287_96),
                (Kind.PRICE_SEEN, 79_697.73),
                (Kind.AVERAGE_SEEN, 79_697.5 + 1 / 7),
            ]

    play(story())


def test_our_frames_have_the_keys_and_types_of_recorded_ones() -> None:
    path = recordings("raw_frames") / "polymarket_rtds_2026-09-05.jsonl.zst"
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        recorded = {line["name"]: line["raw"] for line in map(json.loads, stream.read().splitlines())}
    theirs = {
        name: shape(json.loads(recorded[name]))
        for name in (
            "binance_update", "chainlink_spot_update", "twap_sixty_update", "binance_snapshot_truncated_to_3_points",
            "twap_thirty_snapshot_truncated_to_3_points", "rejected_subscription",
        )
    }  # fmt: skip

    async def story() -> None:
        async with Stage(STREAM, rtds_app).open() as stage:
            stage.live_until(0.5)
            client = await enter(stage)
            await client.send_json(asking(BINANCE, AVERAGE, CHAINLINK))
            ours = await said(client)
            assert shape(ours[0]) == theirs["binance_snapshot_truncated_to_3_points"]
            assert shape(ours[1]) == theirs["twap_thirty_snapshot_truncated_to_3_points"]
            stage.live_until(1.5)
            updates = {m["topic"]: shape(m) for m in await said(client)}
            assert updates["crypto_prices"] == theirs["binance_update"]
            assert updates["crypto_prices_chainlink"] == theirs["chainlink_spot_update"]
            assert updates["crypto_prices_twap_sixty"] == theirs["twap_sixty_update"]
            await client.send_json(asking({"topic": "definitely_not_a_topic", "type": "update"}))
            assert shape((await said(client))[0]) == theirs["rejected_subscription"]
            assert recorded["empty_greeting"] == ""

    play(story())
