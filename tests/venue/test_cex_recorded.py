"""The exchanges next door beside recorded frames and fixtures: the same keys, the same types."""

import json
from collections.abc import Callable
from typing import Any

from inline_snapshot import snapshot
from recordings import recordings
from venue_exchanges import (
    BYBIT,
    COINBASE,
    COINBASE_EXCHANGE,
    MS,
    OKX,
    SPOT,
    START_NS,
    USDM,
    Exchange,
    Stage,
    differences,
    form,
    told,
    touch,
    trade,
)

from infra.recordings.raw_frames import read_lines
from state.events import Side


def recorded(name: str, match: Callable[[Any], bool]) -> Any:
    for line in read_lines(recordings("raw_frames") / f"{name}.jsonl.zst"):
        if line.get("dir", "recv") == "recv" and line["raw"][:1] == "{" and match(message := json.loads(line["raw"])):
            return message
    raise AssertionError(f"{name} has no such frame")


def heard_of(exchange: Exchange, requests: list[Any], path: str = "", until: str = "") -> list[Any]:
    """Give everything an exchange says of two touches and two trades, answers and snapshots too."""

    async def story(stage: Stage) -> list[Any]:
        said = [touch(exchange.source, START_NS, 108_000.0, 108_000.1)]
        said += [trade(exchange.source, START_NS + MS, 108_000.1, 1_500_000, Side.BUY)]
        stage.crier.cry(*said)
        heard = []
        async with stage.socket(path or exchange.path) as client:
            for request in requests:
                await client.say(request)
            heard.append(await client.hear()) if requests else None
            stage.crier.cry(*said)
            while True:
                try:
                    heard.append(json.loads(await client.socket.receive_str(timeout=0.3)))
                except TimeoutError:
                    if until in json.dumps(heard):
                        return heard

    heard: list[Any] = told(story, exchange.factory, speed_ratio=1.0)
    return heard


def first(messages: list[Any], match: Callable[[Any], bool]) -> Any:
    return next(message for message in messages if match(message))


def test_binance_frames_have_the_form_of_recorded_ones() -> None:
    streams = "btcusdt@bookTicker/btcusdt@trade/btcusdt@aggTrade"
    for exchange, name in ((SPOT, "binance_spot_btcusdt"), (USDM, "binance_usdm_btcusdt")):
        ours = heard_of(exchange, [], f"/stream?streams={streams}")
        for kind in ("bookTicker", "trade"):

            def match(message: Any, kind: str = kind) -> bool:
                return bool(message.get("stream") == f"btcusdt@{kind}")

            theirs, mine = recorded(name, match), first(ours, match)
            assert differences(form(mine), form(theirs)) == []
            assert list(mine["data"]) == list(theirs["data"]), "even the order of the keys"
    theirs = recorded("binance_ws_fixtures", lambda message: message.get("e") == "aggTrade")
    mine = first(ours, lambda message: message["stream"] == "btcusdt@aggTrade")["data"]
    assert differences(form(mine), form(theirs)) == snapshot([".st: missing"])  # newer than the reference's shape


def test_bybit_frames_have_the_form_of_the_fixtures() -> None:
    args = ["orderbook.1.BTCUSDT", "publicTrade.BTCUSDT", "tickers.BTCUSDT"]
    ours = heard_of(BYBIT, [{"op": "subscribe", "args": args, "req_id": "sub-1"}])

    def fixture(match: Callable[[Any], bool]) -> Any:
        return form(recorded("bybit_v5_ws_fixtures", match))

    assert differences(form(ours[0]), fixture(lambda message: message.get("op") == "subscribe")) == []
    book = form(first(ours, lambda message: message.get("topic") == args[0]))
    assert differences(book, fixture(lambda message: message.get("topic") == args[0])) == snapshot([".cts: only here"])
    ticker = form(first(ours, lambda message: message.get("topic") == args[2]))
    theirs = fixture(lambda message: str(message.get("topic")) == "tickers.BTCUSDT")
    only_here = [each for each in differences(ticker, theirs) if "missing" not in each]
    assert only_here == snapshot([".data.usdIndexPrice: only here"])  # the fixture is of the linear market


def test_okx_frames_have_the_form_of_recorded_ones() -> None:
    args = [{"channel": channel, "instId": "BTC-USDT"} for channel in ("bbo-tbt", "tickers", "trades")]
    ours = heard_of(OKX, [{"op": "subscribe", "args": args}])

    def compare(channel: str, name: str) -> list[str]:
        def match(message: Any) -> bool:
            return bool(message.get("data")) and message["arg"]["channel"] == channel

        return differences(form(first(ours, match)), form(recorded(name, match)))

    assert compare("tickers", "okx_v5_ws_2022-05-13") == []
    assert compare("bbo-tbt", "okx_v5_ws_fixtures") == []
    assert compare("trades", "okx_v5_ws_fixtures") == []
    assert compare("trades", "okx_v5_ws_2022-05-13") == snapshot([".data[].count: only here"])  # came later
    answer = recorded("okx_v5_ws_2022-05-13", lambda message: message.get("event") == "subscribe")
    assert differences(form(ours[0]), form(answer)) == snapshot([".connId: only here"])  # came later


def test_coinbase_exchange_frames_have_the_form_of_recorded_ones() -> None:
    request = {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["ticker", "matches"]}
    ours = heard_of(COINBASE_EXCHANGE, [request])
    found = {}
    for kind in ("subscriptions", "ticker", "last_match", "match"):

        def match(message: Any, kind: str = kind) -> bool:
            return bool(message.get("type") == kind)

        theirs = recorded("coinbase_exchange_ws_2021-04-17", match)
        found[kind] = differences(form(first(ours, match)), form(theirs))
    assert found == snapshot(
        {
            "subscriptions": [],
            "ticker": [".best_ask_size: only here", ".best_bid_size: only here"],
            "last_match": [],
            "match": [],
        }
    )


def test_coinbase_advanced_frames_have_the_form_of_the_fixtures() -> None:
    channels = ["ticker", "market_trades", "heartbeats"]
    requests = [{"type": "subscribe", "product_ids": ["BTC-USD"], "channel": channel} for channel in channels]
    ours = heard_of(COINBASE, requests, until="heartbeat_counter")
    found = {}
    for channel in ("subscriptions", *channels):

        def match(message: Any, channel: str = channel) -> bool:
            return bool(message.get("channel") == channel)

        theirs = recorded("coinbase_advanced_ws_fixtures", match)
        mine = form(first(ours, match))
        if channel == "subscriptions":  # which channels are in it is no matter of form
            mine["events"], theirs["events"] = [], []
        found[channel] = differences(mine, form(theirs))
    assert found == {channel: [] for channel in ("subscriptions", *channels)}
    assert [message["sequence_num"] for message in ours] == list(range(len(ours))), "no gap, one count a connection"
