"""The market channel next door: what a subscriber hears, in the words and the order of the real one."""

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import zstandard
from aiohttp import WSMsgType
from recordings import recordings
from venue_stage import (
    OPEN_S,
    SLUG,
    Stage,
    change,
    cleared,
    heard,
    listed,
    resolved,
    row,
    shape,
    tick,
    told,
    trade,
)  # fmt: skip

from evals.generator import EFFICIENT, generate
from infra.feeds.decoder import Decoder
from infra.feeds.frames import Wire
from infra.venue_next_door.faults import Fault
from infra.venue_next_door.subscriptions import subscriptions_app
from state.events import EVENT, Kind, Side, Token

OWNER = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
BUY, SELL, UP, DOWN = Side.BUY, Side.SELL, Token.UP, Token.DOWN

QUIET = [
    listed(),
    cleared(-100, UP, (BUY, 4800, 30), (BUY, 5000, 15.25), (SELL, 5500, 25), (SELL, 5100, 10)),
    cleared(-100, DOWN, (BUY, 4500, 25), (BUY, 4900, 10), (SELL, 5200, 30), (SELL, 5000, 15.25)),
]
"""A listed window, and both its books."""


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 60))


def first_frame(stage: Stage, *tokens: str, **more: Any) -> dict[str, Any]:
    wanted = list(tokens) or list(stage.window.tokens)
    return {"type": "market", "assets_ids": wanted, "custom_feature_enabled": False} | more


def test_a_subscriber_is_first_told_both_books_in_one_array() -> None:
    async def story() -> None:
        async with Stage(QUIET, subscriptions_app).open() as stage:
            stage.live_until(-50)
            client = await stage.connect("/ws/market")
            await client.send_json(first_frame(stage))
            [[up, down]] = await told(client)
            window = stage.window
            assert [level["price"] for level in up["bids"]] == ["0.48", "0.5"], "the best is last"
            assert up["asks"] == [{"price": "0.55", "size": "25"}, {"price": "0.51", "size": "10"}]
            assert up["market"] == window.condition_id
            assert (up["asset_id"], down["asset_id"]) == window.tokens
            assert up["timestamp"] == str((OPEN_S - 100) * 1000), "the time of its last change, not of our asking"
            assert len(up["hash"]) == 40
            assert int(up["hash"], 16) >= 0
            assert (up["tick_size"], up["last_trade_price"]) == ("0.01", "")

    play(story())


def test_a_change_tells_of_both_tokens_and_a_trade_is_followed_by_whole_books() -> None:
    async def story() -> None:
        rows = [*QUIET, change(1, BUY, 5000, 200), trade(2, UP, BUY, 5100, 4), change(2.001, SELL, 5100, 6)]
        async with Stage(rows, subscriptions_app).open() as stage:
            stage.live_until(0)
            client = await stage.connect("/ws/market")
            await client.send_json(first_frame(stage, initial_dump=False))
            assert await told(client) == []
            stage.live_until(3)
            heard_of = await told(client)
            assert [message["event_type"] for message in heard_of] == [
                "price_change", "last_trade_price", "price_change", "book", "book",
            ]  # fmt: skip
            up, down = heard_of[0]["price_changes"]
            assert (up["price"], up["size"], up["side"], up["best_bid"], up["best_ask"]) == (
                "0.5", "200", "BUY", "0.5", "0.51",
            )  # fmt: skip
            assert (down["price"], down["size"], down["side"], down["best_bid"], down["best_ask"]) == (
                "0.5", "200", "SELL", "0.49", "0.5",
            )  # fmt: skip
            assert heard_of[0]["timestamp"] == str((OPEN_S + 1) * 1000)
            assert (heard_of[1]["price"], heard_of[1]["size"], heard_of[1]["side"]) == ("0.51", "4", "BUY")
            assert heard_of[3]["asks"][-1] == {"price": "0.51", "size": "6"}, "the trade's change is in it"
            assert heard_of[3]["hash"] == heard_of[2]["price_changes"][0]["hash"], "the same book, the same digest"

    play(story())


def test_best_prices_come_only_to_who_asked_for_them_and_only_when_they_move() -> None:
    async def story() -> None:
        rows = [*QUIET, change(1, BUY, 4800, 31), change(2, BUY, 5000, 0), change(3, SELL, 5100, 0)]
        rows.append(change(4, SELL, 5500, 0))
        async with Stage(rows, subscriptions_app).open() as stage:
            stage.live_until(0)
            curious, plain = await stage.connect("/ws/market"), await stage.connect("/ws/market")
            for client, custom in ((curious, True), (plain, False)):
                await client.send_json(first_frame(stage, stage.window.tokens[UP], custom_feature_enabled=custom))
                await told(client)
            stage.live_until(5)
            bests = [m for m in await told(curious) if m["event_type"] == "best_bid_ask"]
            assert [(m["best_bid"], m["best_ask"], m["spread"]) for m in bests] == [
                ("0.48", "0.51", "0.03"), ("0.48", "0.55", "0.07"), ("0.48", "1", "0.52"),
            ]  # fmt: skip
            assert {m["event_type"] for m in await told(plain)} == {"price_change"}

    play(story())


def test_words_are_words_and_a_subscription_can_grow_and_shrink() -> None:
    async def story() -> None:
        rows = [*QUIET, change(1, BUY, 4900, 1), change(2, BUY, 4900, 2)]
        async with Stage(rows, subscriptions_app).open() as stage:
            stage.live_until(0)
            up, down = stage.window.tokens
            client = await stage.connect("/ws/market")
            await client.send_json(first_frame(stage, up))
            assert len((await told(client))[0]) == 1
            await client.send_json({"operation": "subscribe", "assets_ids": [up]})
            assert await heard(client) == ["NO NEW ASSETS"]
            await client.send_json({"operation": "subscribe", "assets_ids": [up, down]})
            assert [book["asset_id"] for book in (await told(client))[0]] == [down]
            await client.send_json({"operation": "subscribe", "assets_ids": ["77"]})
            assert await told(client) == [[]], "nobody knows that token"
            await client.send_str("what?")
            stage.live_until(1.5)
            assert len(await told(client)) == 1
            await client.send_json({"operation": "unsubscribe", "assets_ids": [up, down]})
            assert await told(client) == []
            stage.live_until(3)
            assert await told(client) == []

    play(story())


def test_the_flag_of_custom_features_is_taken_even_when_the_assets_are_no_news() -> None:
    async def story() -> None:
        async with Stage([*QUIET, change(1, BUY, 5000, 0)], subscriptions_app).open() as stage:
            stage.live_until(0)
            client = await stage.connect("/ws/market")
            await client.send_json(first_frame(stage))
            await told(client)
            await client.send_json(
                {"operation": "subscribe", "assets_ids": [stage.window.tokens[UP]], "custom_feature_enabled": True}
            )
            assert await heard(client) == ["NO NEW ASSETS"]
            stage.live_until(2)
            assert [m["event_type"] for m in await told(client)] == ["price_change", "best_bid_ask", "best_bid_ask"]

    play(story())


def test_a_finer_tick_is_told_once_for_each_token() -> None:
    async def story() -> None:
        async with Stage([*QUIET, tick(1, 10), tick(2, 10)], subscriptions_app).open() as stage:
            stage.live_until(0)
            client = await stage.connect("/ws/market")
            await client.send_json(first_frame(stage, initial_dump=False))
            await told(client)
            stage.live_until(3)
            ticks = await told(client)
            assert [(m["old_tick_size"], m["new_tick_size"]) for m in ticks] == [("0.01", "0.001")] * 2
            assert tuple(m["asset_id"] for m in ticks) == stage.window.tokens

    play(story())


def test_new_and_resolved_markets_are_told_to_everybody_who_asked_for_news() -> None:
    async def story() -> None:
        rows = [*QUIET, listed(1, slot=1, open_s=OPEN_S + 300), resolved(360, UP, 108_000.0)]
        async with Stage(rows, subscriptions_app).open() as stage:
            stage.live_until(0)
            client = await stage.connect("/ws/market")
            await client.send_json({"type": "market", "assets_ids": [], "custom_feature_enabled": True})
            assert await told(client) == []
            stage.live_until(2)
            [new] = await told(client)
            following = stage.engine.windows[f"btc-updown-5m-{OPEN_S + 300}"]
            assert (new["event_type"], new["slug"]) == ("new_market", following.slug)
            assert new["clob_token_ids"] == list(following.tokens)
            assert new["question"] == "Bitcoin Up or Down - October 21, 11:05PM-11:10PM ET"
            stage.live_until(600)
            [end] = [m for m in await told(client) if m["event_type"] == "market_resolved"]
            assert (end["winning_outcome"], end["winning_asset_id"]) == ("Up", stage.window.tokens[UP])

    play(story())


def test_under_the_fault_unresolved_the_news_of_the_end_never_comes() -> None:
    async def story() -> None:
        async with Stage([*QUIET, resolved(360, UP, 108_000.0)], subscriptions_app).open() as stage:
            stage.live_until(0)
            client = await stage.connect("/ws/market")
            await client.send_json(first_frame(stage, custom_feature_enabled=True))
            await told(client)
            stage.on(Fault.UNRESOLVED)
            stage.live_until(600)
            assert [m for m in await told(client) if m["event_type"] == "market_resolved"] == []

    play(story())


def test_a_reconnect_without_continuity_gives_no_snapshot() -> None:
    async def story() -> None:
        async with Stage([*QUIET, change(1, BUY, 4900, 1)], subscriptions_app).open() as stage:
            stage.live_until(0)
            stage.on(Fault.NO_SNAPSHOT, where="polymarket_market")
            client = await stage.connect("/ws/market")
            await client.send_json(first_frame(stage))
            assert await told(client) == []
            stage.live_until(2)
            assert [m["event_type"] for m in await told(client)] == ["price_change"]

    play(story())


def test_while_connections_are_refused_there_is_503_and_the_other_channel_still_answers() -> None:
    async def story() -> None:
        async with Stage(QUIET, subscriptions_app).open() as stage:
            stage.on(Fault.REFUSE, where="polymarket_market")
            with pytest.raises(Exception, match="503"):
                await stage.connect("/ws/market")
            user = await stage.connect("/ws/user")
            assert await heard(user) == []

    play(story())


def test_who_does_not_know_the_venues_words_is_closed_by_nobody() -> None:
    async def story() -> None:
        async with Stage(QUIET, subscriptions_app).open() as stage:
            client = await stage.connect("/ws/market")
            await client.send_str('{"type": "user"}')
            await client.send_str("[1, 2]")
            assert await heard(client) == []
            await client.close()
            assert (await client.receive()).type is WSMsgType.CLOSED

    play(story())


# The venue's books, read back by our own decoder.


def decoded_books(decoder: Decoder, texts: list[str]) -> dict[tuple[int, int, int, int], int]:
    """Give the levels that a reader of the frames has at the end: slot, token, side and price -> amount."""
    levels: dict[tuple[int, int, int, int], int] = {}
    out = np.zeros(4096, EVENT)
    for text in texts:
        count = decoder.decode(Wire.POLYMARKET_MARKET, text.encode(), 1, out)
        for event in out[:count]:
            slot, token = int(event["slot_id"]), int(event["token_code"])
            if event["kind_code"] == Kind.BOOK_CLEARED:
                levels = {key: amount for key, amount in levels.items() if key[:2] != (slot, token)}
            elif event["kind_code"] == Kind.LEVEL_SET:
                key = slot, token, int(event["side_code"]), int(event["price_bps"])
                levels.pop(key, None)
                if event["amount_micros"]:
                    levels[key] = int(event["amount_micros"])
    assert not decoder.refusals.counts, decoder.last_refusal
    return levels


def test_a_generated_market_with_a_customer_in_it_read_back_from_the_socket_is_the_engines_own() -> None:
    spec = replace(EFFICIENT, windows=2, first_open_s=OPEN_S)

    async def story() -> None:
        async with Stage([generate(spec, 3)], subscriptions_app, start_s=-700).open() as stage:
            stage.live_until(-120)
            client = await stage.connect("/ws/market")
            windows = sorted(stage.engine.windows.values(), key=lambda window: window.open_s)
            decoder = Decoder(carried=True)
            for window in windows:
                decoder.list_market(window.slot, window.condition_id, *window.tokens)
            await client.send_json(first_frame(stage, *(token for window in windows for token in window.tokens)))
            texts = []
            customer = stage.engine.open_account(OWNER, OWNER, 0)
            for until_s in range(-110, 0, 10):
                stage.live_until(until_s)
                if until_s == -30:  # one that rests by itself, one in the crowd's way, one that takes
                    for order_hash, bps in (("0xaa", 1000), ("0xbb", 4500), ("0xcc", 9900)):
                        stage.place(customer, order_hash, BUY, bps, 12.5)
                texts += await heard(client)
            levels = decoded_books(decoder, texts)
            told_count = 0
            for window in windows:
                for token in Token:
                    book = stage.engine.book(window.tokens[token])
                    assert book is not None
                    for side, theirs in ((BUY, book.bids), (SELL, book.asks)):
                        ours = {
                            key[3]: amount for key, amount in levels.items() if key[:3] == (window.slot, token, side)
                        }
                        assert ours == {level.price_bps: level.amount_micros for level in theirs}
                        told_count += len(ours)
            assert told_count > 20
        async with Stage([generate(spec, 3)], subscriptions_app, start_s=-700).open() as alone:
            alone.live_until(-10)
            book = alone.engine.book(windows[0].tokens[UP])
            assert book is not None
            crowd_micros = sum(level.amount_micros for level in book.bids if level.price_bps == 1000)
        assert levels[windows[0].slot, UP, BUY, 1000] == crowd_micros + 12_500_000, "ours, on top of the crowd's"

    play(story())


# Held against what the real venue sent.


def test_our_frames_have_the_keys_their_order_and_the_types_of_recorded_ones() -> None:
    path = recordings("raw_frames") / "polymarket_clob_market_2026-04-21.jsonl.zst"
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        theirs = [json.loads(json.loads(line)["raw"]) for line in stream.read().splitlines()]

    async def story() -> None:
        rows = [*QUIET, trade(1, UP, BUY, 5100, 4), change(1.001, SELL, 5100, 0)]
        async with Stage(rows, subscriptions_app).open() as stage:
            stage.live_until(0)
            client = await stage.connect("/ws/market")
            await client.send_json(first_frame(stage, custom_feature_enabled=True))
            [dump] = await told(client)
            stage.live_until(2)
            ours = [*dump, *await told(client)]
            seen = {tuple(message): shape(message) for message in theirs}
            assert {tuple(message): shape(message) for message in ours} == seen

    play(story())


def test_what_was_never_recorded_has_the_keys_of_the_clients_own_fixtures() -> None:
    path = recordings("raw_frames") / "polymarket_ws_user_market_rtds_fixtures.jsonl.zst"
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        lines = [json.loads(line) for line in stream.read().splitlines()]
    theirs = {
        name: json.loads(line["raw"])
        for line in lines
        for name in ("new_market", "resolved", "tick_size")
        if line["fixture"].endswith(f"ws_market_{name}_msg.json")
    }

    async def story() -> None:
        rows = [*QUIET, tick(1, 10), listed(2, slot=1, open_s=OPEN_S + 300), resolved(360, DOWN, 107_000.0)]
        async with Stage(rows, subscriptions_app).open() as stage:
            stage.live_until(0)
            client = await stage.connect("/ws/market")
            await client.send_json(first_frame(stage, initial_dump=False, custom_feature_enabled=True))
            await told(client)
            stage.live_until(600)
            ours = {m["event_type"]: m for m in await told(client)}
            assert shape(ours["new_market"]) == shape(theirs["new_market"])
            assert shape(ours["market_resolved"]) == shape(theirs["resolved"])
            assert shape(ours["tick_size_change"]) == shape(theirs["tick_size"])

    play(story())


def test_a_window_that_leaves_its_slot_takes_its_subscribers_with_it() -> None:
    async def story() -> None:
        rows = [*QUIET, listed(10, slot=0, open_s=OPEN_S + 2400), change(11, BUY, 4900, 5)]
        async with Stage(rows, subscriptions_app).open() as stage:
            stage.live_until(0)
            client = await stage.connect("/ws/market")
            await client.send_json(first_frame(stage, initial_dump=False))
            await told(client)
            stage.live_until(12)
            assert await told(client) == [], "the slot is another window's now"

    play(story())


def test_rows_of_no_market_are_nobodys_news() -> None:
    async def story() -> None:
        stray = row(Kind.LEVEL_SET, 1, slot_id=7, price_bps=5000, amount_micros=1, flags_mask=1)
        async with Stage([*QUIET, stray], subscriptions_app).open() as stage:
            stage.live_until(2)
            assert SLUG in stage.engine.windows

    play(story())
