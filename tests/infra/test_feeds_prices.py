"""Price feeds: frames written by hand after the venue reference, read and turned into rows."""

import json
from typing import Any

import pytest
from price_frames import ISO, ISO_NS, MS, T_MS, bolt, only, price, told, trade, wire

from infra.feeds import binance, bybit, coinbase, okx
from infra.feeds.decoder import PARSERS, Decoder
from infra.feeds.frames import Parsed, Text, Wire
from state.events import Side, Source

TICKER = {"u": 7, "s": "BTCUSDT", "b": "64000.10", "B": "1.5", "a": "64000.20", "A": "0.5"}
PERP_TICKER = {"e": "bookTicker", **TICKER, "T": T_MS, "E": T_MS + 3}
B_TRADE = {
    "e": "trade",
    "E": T_MS + 1,
    "s": "BTCUSDT",
    "t": 9,
    "p": "64000.10",
    "q": "0.01234567",
    "T": T_MS,
    "m": True,
}
B_AGG = {
    "e": "aggTrade",
    "E": T_MS + 1,
    "s": "BTCUSDT",
    "a": 9,
    "p": "64000.20",
    "q": "0.5",
    "f": 1,
    "l": 2,
    "T": T_MS,
    "m": False,
}
B_DEPTH = {
    "e": "depthUpdate",
    "E": T_MS,
    "s": "BTCUSDT",
    "U": 1,
    "u": 2,
    "b": [["64000.1", "0"]],
    "a": [["64000.2", "1.25"]],
}


def test_binance_spot_best_prices_have_no_time_of_their_own() -> None:
    assert told(Wire.BINANCE_SPOT, TICKER) == [price(Source.BINANCE, 0, 64000.10, 64000.20)]


def test_binance_futures_best_prices_carry_the_engines_time() -> None:
    assert told(Wire.BINANCE_USDM, PERP_TICKER) == [price(Source.BINANCE_PERP, T_MS * MS, 64000.10, 64000.20)]
    coin = PERP_TICKER | {"s": "BTCUSD_PERP", "ps": "BTCUSD"}
    assert told(Wire.BINANCE_COINM, coin) == [price(Source.BINANCE_PERP, T_MS * MS, 64000.10, 64000.20)]


def test_binance_trades_give_the_takers_side() -> None:
    assert told(Wire.BINANCE_SPOT, B_TRADE) == [trade(Source.BINANCE, T_MS * MS, 64000.10, 12_346, Side.SELL)]
    assert told(Wire.BINANCE_SPOT, B_AGG) == [trade(Source.BINANCE, T_MS * MS, 64000.20, 500_000, Side.BUY)]
    assert told(Wire.BINANCE_USDM, B_TRADE | {"X": "INSURANCE_FUND"}) == []


def test_binance_coin_margined_contracts_become_coins() -> None:
    contracts = B_TRADE | {"s": "BTCUSD_PERP", "p": "50000", "q": "10"}
    assert told(Wire.BINANCE_COINM, contracts) == [
        trade(Source.BINANCE_PERP, T_MS * MS, 50_000.0, 20_000, Side.SELL)  # 10 contracts of 100 dollars
    ]


def test_binance_messages_are_the_same_in_the_envelope_of_a_combined_stream() -> None:
    for stream, message in (("bookTicker", TICKER), ("trade", B_TRADE), ("aggTrade", B_AGG), ("depth", B_DEPTH)):
        wrapped = {"stream": f"btcusdt@{stream}", "data": message}
        assert only(binance.parse(wire(wrapped), audit=True)) == only(binance.parse(wire(message), audit=True))
    parsed = binance.parse(wire({"stream": "btcusdt@bookTicker", "data": TICKER | {"z": 1}, "x": 2}), audit=True)
    assert isinstance(parsed, Parsed) and parsed.unknown_fields == ("Head.x", "BookTicker.z")


def test_binance_depth_answers_and_shutdown_are_read_and_make_no_rows() -> None:
    depth = only(binance.parse(wire(B_DEPTH | {"pu": 0, "T": T_MS})))
    assert (depth.first_id, depth.last_id, depth.previous_id, depth.asks) == (1, 2, 0, [(64000.2, 1.25)])
    snapshot = only(binance.parse(wire({"lastUpdateId": 5, "bids": [["64000", "1"]], "asks": []})))
    assert (snapshot.last_id, snapshot.bids) == (5, [(64000.0, 1.0)])
    assert only(binance.parse(wire({"result": None, "id": 1}))) == binance.Answer(id=1)
    assert only(binance.parse(wire({"error": {"code": 2, "msg": "no"}, "id": 1}))).error["code"] == 2
    assert only(binance.parse(wire({"e": "serverShutdown", "E": T_MS}))).event_ms == T_MS
    for message in (B_DEPTH, {"result": None, "id": 1}, {"e": "serverShutdown", "E": T_MS}):
        assert told(Wire.BINANCE_SPOT, message) == []


BYBIT_BOOK = {
    "topic": "orderbook.1.BTCUSDT",
    "type": "snapshot",
    "ts": T_MS + 5,
    "cts": T_MS,
    "data": {"s": "BTCUSDT", "b": [["64000.1", "2"]], "a": [["64000.2", "3"]], "u": 10, "seq": 20},
}
BYBIT_TRADE = {
    "topic": "publicTrade.BTCUSDT",
    "type": "snapshot",
    "ts": T_MS + 5,
    "data": [
        {"T": T_MS, "s": "BTCUSDT", "S": "Buy", "v": "0.25", "p": "64000.2", "L": "PlusTick", "i": "x", "BT": False}
    ],
}


def test_bybit_books_trades_and_tickers_become_rows() -> None:
    assert told(Wire.BYBIT, BYBIT_BOOK) == [price(Source.BYBIT, T_MS * MS, 64000.1, 64000.2)]
    assert told(Wire.BYBIT, BYBIT_TRADE) == [trade(Source.BYBIT, T_MS * MS, 64000.2, 250_000, Side.BUY)]
    linear = {
        "topic": "tickers.BTCUSDT",
        "type": "snapshot",
        "ts": T_MS,
        "cs": 1,
        "data": {"symbol": "BTCUSDT", "lastPrice": "64000", "bid1Price": "64000.1", "ask1Price": "64000.2"},
    }
    assert told(Wire.BYBIT, linear) == [price(Source.BYBIT, T_MS * MS, 64000.1, 64000.2)]
    spot: dict[str, Any] = {
        "topic": "tickers.BTCUSDT",
        "ts": T_MS,
        "type": "snapshot",
        "data": {"symbol": "BTCUSDT", "lastPrice": "64000"},
    }
    assert told(Wire.BYBIT, spot) == []


def test_bybit_deltas_and_block_trades_say_nothing_about_the_touch() -> None:
    assert told(Wire.BYBIT, BYBIT_BOOK | {"type": "delta"}) == []
    block = json.loads(json.dumps(BYBIT_TRADE))
    block["data"][0]["BT"] = True
    assert told(Wire.BYBIT, block) == []


def test_bybit_answers_are_read() -> None:
    answer = {"success": True, "ret_msg": "pong", "conn_id": "c", "req_id": "", "op": "ping"}
    assert only(bybit.parse(wire(answer), audit=True)).ret_msg == "pong"
    failed = {"success": False, "ret_msg": "Invalid topic", "conn_id": "c", "op": "subscribe"}
    assert only(bybit.parse(wire(failed))).success is False


OKX_ARG = {"channel": "bbo-tbt", "instId": "BTC-USDT"}
OKX_BBO = {
    "arg": OKX_ARG,
    "data": [{"asks": [["64000.2", "3", "0", "1"]], "bids": [["64000.1", "2", "0", "4"]], "ts": str(T_MS), "seqId": 5}],
}
OKX_TICKER = {
    "arg": {"channel": "tickers", "instId": "BTC-USDT"},
    "data": [
        {
            "instType": "SPOT",
            "instId": "BTC-USDT",
            "last": "64000",
            "askPx": "64000.2",
            "bidPx": "64000.1",
            "ts": str(T_MS),
        }
    ],
}
OKX_TRADE = {
    "arg": {"channel": "trades", "instId": "BTC-USDT"},
    "data": [
        {
            "instId": "BTC-USDT",
            "tradeId": "1",
            "px": "64000.1",
            "sz": "0.5",
            "side": "sell",
            "ts": str(T_MS),
            "count": "3",
        }
    ],
}


def test_okx_best_prices_tickers_and_trades_become_rows() -> None:
    assert told(Wire.OKX, OKX_BBO) == [price(Source.OKX, T_MS * MS, 64000.1, 64000.2)]
    assert told(Wire.OKX, OKX_TICKER) == [price(Source.OKX, T_MS * MS, 64000.1, 64000.2)]
    assert told(Wire.OKX, OKX_TRADE) == [trade(Source.OKX, T_MS * MS, 64000.1, 500_000, Side.SELL)]
    one_sided = json.loads(json.dumps(OKX_TICKER))
    one_sided["data"][0]["bidPx"] = ""
    assert told(Wire.OKX, one_sided) == []


def test_okx_books_answers_notices_and_pongs_are_read_and_make_no_rows() -> None:
    book = OKX_BBO | {"arg": {"channel": "books", "instId": "BTC-USDT"}, "action": "update"}
    assert only(okx.parse(wire(book), audit=True)).action == "update"
    notice = {"event": "notice", "code": okx.MAINTENANCE_CODE, "msg": "upgrade", "connId": "c"}
    assert only(okx.parse(wire(notice), audit=True)).code == "64008"
    assert only(okx.parse(wire({"event": "subscribe", "arg": OKX_ARG, "connId": "c"}), audit=True)).arg == OKX_ARG
    assert okx.parse(b"pong") == Parsed((Text("pong"),))
    for message in (book, notice, b"pong"):
        assert told(Wire.OKX, message) == []


def coinbase_frame(channel: str, *events: dict[str, Any]) -> dict[str, Any]:
    return {"channel": channel, "client_id": "", "timestamp": ISO, "sequence_num": 3, "events": list(events)}


def test_coinbase_tickers_and_trades_become_rows_with_the_makers_side_turned_round() -> None:
    ticker = {"type": "ticker", "product_id": "BTC-USD", "price": "64000", "best_bid": "64000.1", "best_ask": "64000.2"}
    frame = coinbase_frame("ticker", {"type": "update", "tickers": [ticker]})
    assert told(Wire.COINBASE, frame) == [price(Source.COINBASE, ISO_NS, 64000.1, 64000.2)]
    match = {"trade_id": "1", "product_id": "BTC-USD", "price": "64000.2", "size": "0.5", "side": "SELL", "time": ISO}
    frame = coinbase_frame("market_trades", {"type": "update", "trades": [match]})
    assert told(Wire.COINBASE, frame) == [trade(Source.COINBASE, ISO_NS, 64000.2, 500_000, Side.BUY)]
    history = coinbase_frame("market_trades", {"type": "snapshot", "trades": [match]})
    assert told(Wire.COINBASE, history) == []


def test_coinbase_heartbeats_books_and_subscriptions_are_read_and_make_no_rows() -> None:
    beat = coinbase_frame("heartbeats", {"current_time": ISO, "heartbeat_counter": 42})
    assert only(coinbase.parse(wire(beat), audit=True)).events[0].heartbeat_counter == 42
    level = {"side": "bid", "event_time": ISO, "price_level": "64000", "new_quantity": "1.5"}
    book = coinbase_frame("l2_data", {"type": "snapshot", "product_id": "BTC-USD", "updates": [level]})
    assert only(coinbase.parse(wire(book), audit=True)).events[0].updates[0].new_quantity == 1.5
    subscribed = coinbase_frame("subscriptions", {"subscriptions": {"ticker": ["BTC-USD"]}})
    assert only(coinbase.parse(wire(subscribed), audit=True)).sequence_num == 3
    fault = {"type": "error", "message": "rate limited"}
    assert only(coinbase.parse(wire(fault))) == coinbase.Fault(type="error", message="rate limited")
    for frame in (beat, book, subscribed, fault):
        assert told(Wire.COINBASE, frame) == []


def test_coinbase_exchange_tickers_and_matches_become_rows() -> None:
    ticker = {
        "type": "ticker",
        "sequence": 1,
        "product_id": "BTC-USD",
        "price": "64000",
        "best_bid": "64000.1",
        "best_ask": "64000.2",
        "side": "buy",
        "time": ISO,
        "trade_id": 1,
        "last_size": "0.1",
    }
    assert told(Wire.COINBASE_EXCHANGE, ticker) == [price(Source.COINBASE, ISO_NS, 64000.1, 64000.2)]
    match = {
        "type": "match",
        "trade_id": 1,
        "maker_order_id": "a",
        "taker_order_id": "b",
        "side": "buy",
        "size": "0.5",
        "price": "64000.1",
        "product_id": "BTC-USD",
        "sequence": 2,
        "time": ISO,
    }
    assert told(Wire.COINBASE_EXCHANGE, match) == [trade(Source.COINBASE, ISO_NS, 64000.1, 500_000, Side.SELL)]
    assert told(Wire.COINBASE_EXCHANGE, match | {"type": "last_match"}) == []


@pytest.mark.parametrize(
    "message",
    [
        {"type": "heartbeat", "sequence": 1, "last_trade_id": 2, "product_id": "BTC-USD", "time": ISO},
        {"type": "snapshot", "product_id": "BTC-USD", "bids": [["64000", "1"]], "asks": [["64001", "2"]]},
        {"type": "l2update", "product_id": "BTC-USD", "changes": [["buy", "64000", "0"]], "time": ISO},
        {"type": "subscriptions", "channels": [{"name": "ticker", "product_ids": ["BTC-USD"]}]},
        {"type": "error", "message": "no", "reason": "why"},
    ],
)
def test_coinbase_exchange_reads_its_other_messages_whole(message: dict[str, Any]) -> None:
    only(coinbase.parse_exchange(wire(message), audit=True))
    assert told(Wire.COINBASE_EXCHANGE, message) == []


def test_a_symbol_that_nobody_listed_is_counted_and_passed_over() -> None:
    decoder = Decoder()
    assert told(Wire.BINANCE_SPOT, TICKER | {"s": "DOGEUSDT"}, decoder) == []
    assert told(Wire.POLYBOLT, bolt(1, payload={"symbol": "zecusd"}), decoder) == []
    assert decoder.strangers.rows("wire", "what", "which") == [
        {"wire": "BINANCE_SPOT", "what": "symbol not listed", "which": "DOGEUSDT", "count": 1},
        {"wire": "POLYBOLT", "what": "symbol not listed", "which": "zecusd", "count": 1},
    ]
    assert decoder.refusals.total == 0


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Wire.BINANCE_SPOT, TICKER | {"b": "0"}),
        (Wire.BINANCE_SPOT, TICKER | {"b": "much"}),
        (Wire.BINANCE_SPOT, {"e": "kline", "s": "BTCUSDT"}),
        (Wire.BINANCE_SPOT, {"stream": "x", "data": 3}),
        (Wire.BINANCE_USDM, PERP_TICKER | {"T": 10**18}),
        (Wire.BINANCE_SPOT, B_TRADE | {"q": "-1"}),
        (Wire.BYBIT, {"topic": "kline.5.BTCUSDT"}),
        (Wire.BYBIT, BYBIT_BOOK | {"ts": "x"}),
        (Wire.OKX, {"op": "subscribe", "args": []}),
        (Wire.OKX, {"arg": {"channel": "candle1D"}, "data": []}),
        (Wire.COINBASE, {"channel": "candles"}),
        (Wire.COINBASE, coinbase_frame("ticker") | {"timestamp": "now"}),
        (Wire.COINBASE_EXCHANGE, {"type": "subscribe"}),
        (Wire.COINBASE_EXCHANGE, {"type": "match"}),
        (Wire.RTDS, {"topic": "activity"}),
        (Wire.POLYBOLT, {"channel": "else", "seq": 1}),
        (Wire.POLYBOLT, bolt(1, payload={"full_accuracy_value": "1"})),
    ],
)
def test_what_cannot_be_or_is_not_ours_to_read_is_refused_and_leaves_no_row(source: Wire, message: Any) -> None:
    decoder = Decoder()
    assert told(source, message, decoder) == []
    assert decoder.refusals.total == 1
    assert decoder.last_refusal is not None and decoder.last_refusal.reason
    assert source in PARSERS
