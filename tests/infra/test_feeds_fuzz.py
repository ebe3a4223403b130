"""Whatever comes in, parsing answers and never raises; what it reads can be told apart from what it refuses."""

import copy
import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from venue_frames import (
    BEST,
    BOOK,
    CHANGE,
    CONDITION,
    DOWN,
    EVENT_OBJECT,
    MATCH,
    NEW,
    ORDER,
    RESOLVED,
    TICK,
    TRADE,
    UP,
)  # fmt: skip

from infra.feeds.decoder import PARSERS, Decoder
from infra.feeds.frames import Parsed, Refused, Wire
from state.events import EVENT, LAST_IN_FRAME

T_MS = 1_792_638_000_000
SHAPES: dict[Wire, list[Any]] = {
    Wire.POLYMARKET_MARKET: [BOOK, CHANGE, TRADE, TICK, BEST, NEW, RESOLVED, [BOOK, TRADE]],
    Wire.POLYMARKET_USER: [ORDER, MATCH],
    Wire.GAMMA: [EVENT_OBJECT, EVENT_OBJECT["markets"], {"events": [EVENT_OBJECT], "pagination": {}}],
    Wire.CLOB_REST: [BOOK, ORDER, {"data": [ORDER], "next_cursor": ""}, {"t": [{"t": "1", "o": "Up"}], "mts": 0.01}],
    Wire.RTDS: [
        {"topic": "crypto_prices_twap_sixty", "type": "update", "timestamp": T_MS,
         "payload": {"symbol": "btc/usd", "window_s": 60, "timestamp": T_MS, "value": 2.0,
                     "full_accuracy_value": "2000000000000000000"}},
    ],
    Wire.POLYBOLT: [
        {"channel": "price.crypto", "seq": 1, "ts": T_MS, "payload": {"symbol": "btcusd", "source": "chainlink",
         "timestamp": T_MS, "value": 2.5, "full_accuracy_value": "2.5", "data": [{"timestamp": T_MS, "value": 2.5}]}},
    ],
    Wire.BINANCE_SPOT: [{"stream": "s", "data": {"u": 7, "s": "BTCUSDT", "b": "1.5", "B": "1", "a": "2", "A": "1"}}],
    Wire.BINANCE_USDM: [{"e": "trade", "E": T_MS, "s": "BTCUSDT", "t": 9, "p": "1.5", "q": "2", "T": T_MS, "m": True}],
    Wire.BINANCE_COINM: [{"e": "aggTrade", "s": "BTCUSD_PERP", "a": 9, "p": "1.5", "q": "2", "T": T_MS, "m": True}],
    Wire.BYBIT: [
        {"topic": "orderbook.1.BTCUSDT", "type": "snapshot", "ts": T_MS,
         "data": {"s": "BTCUSDT", "b": [["1.5", "2"]], "a": [["1.6", "3"]], "u": 10}},
        {"topic": "publicTrade.BTCUSDT", "ts": T_MS, "data": [{"T": T_MS, "s": "BTCUSDT", "S": "Buy", "v": "1",
                                                               "p": "2"}]},
    ],
    Wire.OKX: [
        {"arg": {"channel": "bbo-tbt", "instId": "BTC-USDT"}, "data": [
            {"asks": [["1.6", "3", "0", "1"]], "bids": [["1.5", "2", "0", "4"]], "ts": str(T_MS), "seqId": 5}]},
        {"arg": {"channel": "tickers", "instId": "BTC-USDT"}, "data": [
            {"instId": "BTC-USDT", "askPx": "1.6", "bidPx": "1.5", "ts": str(T_MS)}]},
    ],
    Wire.COINBASE: [
        {"channel": "market_trades", "timestamp": "2026-10-22T03:00:00Z", "sequence_num": 3, "events": [{"trades": [
            {"trade_id": "1", "product_id": "BTC-USD", "price": "2", "size": "0.5", "side": "SELL",
             "time": "2026-10-22T03:00:00.5Z"}]}]},
    ],
    Wire.COINBASE_EXCHANGE: [
        {"type": "match", "trade_id": 1, "side": "buy", "size": "0.5", "price": "2", "product_id": "BTC-USD",
         "time": "2026-10-22T03:00:00.5Z"},
    ],
    Wire.POLYGON: [
        {"jsonrpc": "2.0", "id": 1, "result": {"number": "0x10", "timestamp": "0x6ad95e40", "baseFeePerGas": "0x5d2"}},
    ],
}  # fmt: skip

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just([]), st.just({}),
    st.sampled_from(["", "0", "-1", "nan", "inf", "1e400", "9" * 40, "0.00001", "\x00",
                     "\ud800", 10**30, -(2**63), 2**64]),
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    within = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, inner in within for place in places(inner, (*path, key)))]


def put(frame: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    changed = copy.deepcopy(frame)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = odd
    return changed


def holds(source: Wire, raw: bytes) -> None:
    for audit in (False, True):
        parsed = PARSERS[source](raw, audit=audit)
        refused = (parsed,) if isinstance(parsed, Refused) else parsed.refused
        for each in refused:
            assert 0 < len(each.reason) <= 200 and "\n" not in each.reason
    for decoder in (Decoder(), Decoder(carried=True)):
        decoder.list_market(0, CONDITION, UP, DOWN)
        out = np.zeros(64, EVENT)
        count = decoder.decode(source, raw, 1, out)
        assert out["flags_mask"][:count].tolist() == [0] * (count - 1) + [LAST_IN_FRAME] * (count > 0)
        assert np.isfinite(out["value_usd"]).all() and (out["amount_micros"] >= 0).all() and (out["at_ns"] >= 0).all()
        assert not out[count:].view(np.uint8).any() or decoder.refusals.total


EXAMPLES = [(source, frame) for source, frames in SHAPES.items() for frame in frames]


def test_the_shapes_that_are_bent_are_read_when_straight() -> None:
    assert set(SHAPES) == set(Wire)
    for source, frame in EXAMPLES:
        parsed = PARSERS[source](json.dumps(frame).encode())
        assert isinstance(parsed, Parsed) and parsed.messages and not parsed.refused, (source, frame, parsed)


@given(
    st.sampled_from(list(Wire)),
    st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda t: t.encode("utf-8", "replace"))),
)
def test_random_bytes(source: Wire, raw: bytes) -> None:
    holds(source, raw)


NAMES = st.sampled_from(["event_type", "topic", "channel", "e", "data", "payload", "arg", "bids", "x"])
JSON = st.recursive(ODD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4))


@given(st.sampled_from(list(Wire)), JSON)
def test_random_json(source: Wire, value: Any) -> None:
    holds(source, json.dumps(value).encode())


@given(st.sampled_from(EXAMPLES), st.data())
def test_real_shapes_cut_short(example: tuple[Wire, Any], data: st.DataObject) -> None:
    raw = json.dumps(example[1], separators=(",", ":")).encode()
    holds(example[0], raw[: data.draw(st.integers(0, len(raw)))])


@given(st.sampled_from(EXAMPLES), st.data())
def test_real_shapes_with_a_byte_turned(example: tuple[Wire, Any], data: st.DataObject) -> None:
    raw = bytearray(json.dumps(example[1], separators=(",", ":")).encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    holds(example[0], bytes(raw))


@settings(max_examples=300)
@given(st.sampled_from(EXAMPLES), st.data())
def test_real_shapes_with_a_value_of_another_kind(example: tuple[Wire, Any], data: st.DataObject) -> None:
    frame = example[1]
    bent = put(frame, data.draw(st.sampled_from(places(frame))), data.draw(ODD))
    holds(example[0], json.dumps(bent, separators=(",", ":")).encode())


@given(st.sampled_from(EXAMPLES), st.data())
def test_frames_on_another_wire_than_their_own(example: tuple[Wire, Any], data: st.DataObject) -> None:
    holds(data.draw(st.sampled_from(list(Wire))), json.dumps(example[1]).encode())


def test_a_frame_beyond_all_bounds_is_refused_unread() -> None:
    huge = b'"' + b"x" * (32 * 1024 * 1024) + b'"'
    for source in Wire:
        parsed = PARSERS[source](huge)
        assert isinstance(parsed, Refused) and "bytes" in parsed.reason
