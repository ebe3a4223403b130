"""The exchanges next door: what they say is what the market said, in the words of each exchange."""

from typing import Any

import numpy as np
import pytest
from aiohttp import WSMsgType
from inline_snapshot import snapshot
from venue_exchanges import (
    BYBIT,
    COINBASE,
    COINBASE_EXCHANGE,
    EXCHANGES,
    MS,
    OKX,
    START_NS,
    Client,
    Exchange,
    Stage,
    subscribed,
    told,
    touch,
    trade,
)

from infra.feeds.decoder import Decoder
from infra.feeds.frames import Wire
from infra.venue_next_door import okx
from infra.venue_next_door.binance import binance_spot_app
from infra.venue_next_door.bybit import bybit_app
from infra.venue_next_door.coinbase import coinbase_app, coinbase_exchange_app
from infra.venue_next_door.faults import Fault
from infra.venue_next_door.okx import okx_app
from state.events import EVENT, Kind, Side, Source

every_exchange = pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange.wire.name.lower())


@every_exchange
def test_what_the_market_said_comes_out_of_our_own_decoder_unchanged(exchange: Exchange) -> None:
    """A hundred touches and trades at drawn prices and sizes: every figure, side and stamp survives the wire."""
    rng = np.random.default_rng(11)
    said = []
    for number in range(100):
        at_ns = START_NS + number * 20 * MS
        bid = round(float(rng.uniform(50_000, 150_000)), int(rng.integers(0, 6)))
        if rng.random() < 0.5:
            ask = bid if rng.random() < 0.1 else round(bid + 0.01, 6)
            said.append(touch(exchange.source, at_ns, bid, ask))
        else:
            said.append(trade(exchange.source, at_ns, bid, int(rng.integers(1, 10**9)), Side(int(rng.integers(0, 2)))))
    said[0] = touch(exchange.source, START_NS, 107_000.0, 107_000.01)

    async def story(stage: Stage) -> list[Any]:
        decoder, out, heard = Decoder(), np.zeros(8, EVENT), []
        async with stage.socket(exchange.path) as client:
            await subscribed(client, exchange)
            stage.crier.cry(*said)
            # Coinbase Exchange repeats the ticker after each trade, with the touch unchanged.
            extra = sum(r["kind_code"][0] == Kind.CEX_TRADED for r in said) * (exchange.wire is Wire.COINBASE_EXCHANGE)
            for _ in range(len(said) + extra):
                count = decoder.decode(exchange.wire, await client.hear_raw(), START_NS, out)
                assert count == 1, decoder.last_refusal
                heard.append(out[0].copy())
        assert decoder.refusals.total == 0 and decoder.strangers.total == 0
        return heard

    names = ["kind_code", "source_code", "value_usd", "other_usd", "amount_micros", "code_id", "side_code", "at_ns"]
    heard = [tuple(each[name].item() for name in names) for each in told(story, exchange.factory)]
    if exchange.wire is Wire.COINBASE_EXCHANGE:
        heard = [h for at, h in enumerate(heard) if at == 0 or heard[at - 1][0] != Kind.CEX_TRADED]
    expected = [tuple(each[name][0].item() for name in names) for each in said]
    if not exchange.stamped:
        expected = [(*e[:-1], e[-1] if e[0] == Kind.CEX_TRADED else 0) for e in expected]
    assert heard == expected


@pytest.mark.parametrize("exchange", EXCHANGES[2:], ids=lambda exchange: exchange.wire.name.lower())
def test_who_subscribes_late_is_told_the_touch_at_once_unless_that_is_what_fails(exchange: Exchange) -> None:
    """Binance is not among them: its streams have no snapshot, the next change is the first word."""

    async def story(stage: Stage) -> tuple[float, bool]:
        stage.crier.cry(touch(exchange.source, START_NS, 108_000.0, 108_000.1))
        decoder, out = Decoder(), np.zeros(8, EVENT)
        async with stage.socket(exchange.path) as client:
            raw = b""
            for request in exchange.requests:
                await client.say(request)
            while not decoder.decode(exchange.wire, raw := await client.hear_raw(), START_NS, out):
                assert b"108000" not in raw
        stage.crier.on(Fault.NO_SNAPSHOT, exchange.wire.name.lower())
        async with stage.socket(exchange.path) as client:
            await subscribed(client, exchange)
            return float(out[0]["value_usd"]), await client.nothing_comes()

    assert told(story, exchange.factory, speed_ratio=1.0) == (108_000.0, True)


@every_exchange
def test_a_frozen_feed_goes_on_talking_and_says_the_same_price(exchange: Exchange) -> None:
    async def story(stage: Stage) -> list[float]:
        decoder, out = Decoder(), np.zeros(8, EVENT)
        async with stage.socket(exchange.path) as client:
            await subscribed(client, exchange)
            said = []
            for number, usd in enumerate((100_000.0, 100_100.0, 100_200.0)):
                if number == 1:
                    stage.crier.on(Fault.FEED_FREEZE, exchange.wire.name.lower())
                stage.crier.cry(touch(exchange.source, START_NS + number * 100 * MS, usd, usd + 0.1))
                decoder.decode(exchange.wire, await client.hear_raw(), START_NS, out)
                said.append(float(out[0]["value_usd"]))
            return said

    assert told(story, exchange.factory) == [100_000.0] * 3


@every_exchange
def test_words_that_are_no_request_are_refused_and_the_line_goes_on(exchange: Exchange) -> None:
    nonsense = ["{", "[]", "5", '"x"', "null", '{"op": 1}', '{"method": "DANCE", "params": 7, "id": []}', "\x00", "{}"]
    nonsense += ['{"type": "subscribe", "channels": 7}', '{"type": "subscribe", "channel": ["ticker"]}']
    nonsense += ['{"op": "subscribe", "args": 3}', '{"type": "subscribe", "product_ids": 5, "channels": [[]]}']
    nonsense += ['{"type": "subscribe", "product_ids": [[1]], "channels": ["ticker"], "channel": "ticker"}']
    nonsense += ['{"op": "subscribe", "args": [{"channel": [], "instId": {}}, 5]}', '{"method": "SUBSCRIBE", "id": 1}']

    async def story(stage: Stage) -> None:
        async with stage.socket(exchange.path) as client:
            for words in nonsense:
                await client.say(words)
                await stage.crier.clock.sleep(400 * MS)  # Binance counts messages by the second
            await subscribed_after_all(stage, client)

    async def subscribed_after_all(stage: Stage, client: Client) -> None:
        for request in exchange.requests:
            await client.say(request)
        raw = b""
        while b"109999" not in raw:
            stage.crier.cry(touch(exchange.source, START_NS, 109_999.0, 109_999.5))
            try:
                raw = (await client.socket.receive_str(timeout=0.2)).encode()
            except TimeoutError:
                continue  # it was cried before we were subscribed
            if b"109999" not in raw:  # what is said to nonsense, our parsers know as an answer
                parsed = Decoder()
                assert parsed.decode(exchange.wire, raw, START_NS, np.zeros(8, EVENT)) == 0
                assert parsed.last_refusal is None or b"Params Error" in raw, raw

    told(story, exchange.factory)


# Each exchange's own manners.


def test_binance_answers_by_method_and_id_and_sends_away_who_talks_too_much() -> None:
    async def story(stage: Stage) -> tuple[list[Any], Any]:
        async with stage.socket("/ws/btcusdt@bookTicker") as client:
            answers = [
                await client.ask({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1}),
                await client.ask({"method": "LIST_SUBSCRIPTIONS", "id": 2}),
                await client.ask({"method": "UNSUBSCRIBE", "params": ["btcusdt@trade"], "id": "three"}),
                await client.ask({"method": "GET_PROPERTY", "params": ["combined"], "id": 4}),
                await client.ask({"method": "DANCE", "id": 5}),
            ]
            for _ in range(9):
                await client.say({"method": "LIST_SUBSCRIPTIONS", "id": 6})
            while (end := await client.socket.receive()).type is WSMsgType.TEXT:
                pass
            return answers, (end.type, end.data, end.extra)

    answers, end = told(story, binance_spot_app, speed_ratio=1.0)
    assert answers == snapshot(
        [
            {"result": None, "id": 1},
            {"result": ["btcusdt@bookTicker", "btcusdt@trade"], "id": 2},
            {"result": None, "id": "three"},
            {"result": False, "id": 4},
            {"error": {"code": 2, "msg": "Invalid request: unknown variant `DANCE`"}, "id": 5},
        ]
    )
    assert end == (WSMsgType.CLOSE, 1008, "Too many requests")


def test_binance_pings_and_after_a_day_says_so_and_closes() -> None:
    """At a hundred thousand times the speed a day is a second; the client answers pings, so only age ends it."""

    async def story(stage: Stage) -> tuple[Any, Any]:
        async with stage.socket("/ws/btcusdt@bookTicker") as client:
            return await client.hear(), await client.socket.receive()

    farewell, end = told(story, binance_spot_app, speed_ratio=100_000.0)
    assert (farewell["e"], end.type, end.data) == ("serverShutdown", WSMsgType.CLOSE, 1001)


def test_bybit_repeats_a_quiet_book_with_the_same_update_id() -> None:
    async def story(stage: Stage) -> list[int]:
        async with stage.socket(BYBIT.path) as client:
            await subscribed(client, BYBIT)
            stage.crier.cry(touch(Source.BYBIT, START_NS, 108_000.0, 108_000.1))
            return [(await client.hear())["data"]["u"] for _ in range(3)]

    assert told(story, bybit_app) == [2, 2, 2]


def test_bybit_refuses_in_its_own_words() -> None:
    async def story(stage: Stage) -> list[str]:
        async with stage.socket(BYBIT.path) as client:
            topic = "orderbook.1.BTCUSDT"
            asked = [["orderbook.50.BTCUSDT"], [topic] * 11, [], [topic], [topic]]
            answers = [await client.ask({"op": "subscribe", "args": args}) for args in asked]
            answers.append(await client.ask({"op": "ping", "req_id": "p"}))
            return [answer["ret_msg"] for answer in answers]

    assert told(story, bybit_app) == snapshot(
        [
            "error:handler not found,topic:orderbook.50.BTCUSDT",
            "args size >10",
            "error:request args is empty",
            "",
            "error:already subscribed,topic:orderbook.1.BTCUSDT",
            "pong",
        ]
    )


def test_okx_answers_ping_with_pong_and_leaves_who_says_nothing_for_half_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(okx, "PATIENCE_NS", 0)  # what a fast clock grants to slow machines

    async def story(stage: Stage) -> tuple[str, Any, Any]:
        async with stage.socket(OKX.path) as client:
            pong = await client.ask("ping")
            wrong = await client.ask({"op": "subscribe", "args": [{"channel": "bbo-tbt", "instId": "BTC-EUR"}]})
            end = await client.socket.receive(timeout=20)
            return pong, (wrong["event"], wrong["code"]), (end.data, end.extra)

    assert told(story, okx_app) == ("pong", ("error", "60018"), (4004, "No data received in 30s."))


def test_coinbase_heartbeats_count_without_a_gap() -> None:
    async def story(stage: Stage) -> list[int]:
        async with stage.socket(COINBASE.path) as client:
            await client.ask({"type": "subscribe", "channel": "heartbeats"})
            return [(await client.hear())["events"][0]["heartbeat_counter"] for _ in range(3)]

    assert told(story, coinbase_app) == [1, 2, 3]


def test_coinbase_exchange_lists_all_that_one_is_subscribed_to_and_refuses_what_it_does_not_know() -> None:
    async def story(stage: Stage) -> list[Any]:
        async with stage.socket(COINBASE_EXCHANGE.path) as client:
            asked: list[Any] = [["ticker"], [{"name": "matches", "product_ids": ["ETH-USD"]}], ["level9"]]
            products = {"product_ids": ["BTC-USD"]}
            return [await client.ask({"type": "subscribe", "channels": each} | products) for each in asked]

    assert told(story, coinbase_exchange_app) == snapshot(
        [
            {"type": "subscriptions", "channels": [{"name": "ticker", "product_ids": ["BTC-USD"]}]},
            {
                "type": "subscriptions",
                "channels": [
                    {"name": "ticker", "product_ids": ["BTC-USD"]},
                    {"name": "matches", "product_ids": ["ETH-USD"]},
                ],
            },
            {"type": "error", "message": "Failed to subscribe", "reason": "level9 is not a valid channel"},
        ]
    )
