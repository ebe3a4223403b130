"""Relays of the settlement stream: frames written by hand after the venue reference, read and turned into rows."""

from typing import Any

import numpy as np
from price_frames import MS, SEEN_NS, T_MS, bolt, only, price, told, wire

from infra.feeds import polybolt, rtds
from infra.feeds.decoder import Decoder
from infra.feeds.frames import Parsed, Refused, Text, Wire
from state.events import EVENT, Asset, FeedState, Kind, Source


def rtds_frame(topic: str, kind: str = "update", **payload: Any) -> dict[str, Any]:
    return {"topic": topic, "type": kind, "timestamp": T_MS + 1500, "payload": payload, "connection_id": "c="}


def test_rtds_prices_and_averages_become_rows_stamped_with_the_observation() -> None:
    print_: dict[str, Any] = {
        "symbol": "btc/usd",
        "timestamp": T_MS,
        "value": 64000.45,
        "full_accuracy_value": "64000450000000000000000",
    }
    assert told(Wire.RTDS, rtds_frame(rtds.CHAINLINK, **print_)) == [
        price(Source.CHAINLINK, T_MS * MS, 64000.45, 64000.45)
    ]
    for topic, span_s in rtds.AVERAGE_S.items():
        frame = rtds_frame(topic, **print_, window_s=span_s)
        assert told(Wire.RTDS, frame) == [
            (Kind.AVERAGE_SEEN, Source.CHAINLINK, T_MS * MS, 64000.45, 0.0, 0, span_s, Asset.BTC, 0)
        ]
    spot: dict[str, Any] = {
        "symbol": "btcusdt",
        "timestamp": T_MS,
        "value": 64001.5,
        "full_accuracy_value": "64001.50000000",
    }
    assert told(Wire.RTDS, rtds_frame(rtds.PRICES, **spot)) == [price(Source.BINANCE, T_MS * MS, 64001.5, 64001.5)]


def test_a_replay_of_rtds_gives_every_observation_of_the_settlement_stream() -> None:
    points = [{"timestamp": T_MS + 1000 * second, "value": 64000.0 + second} for second in range(3)]
    frame = rtds_frame(rtds.CHAINLINK, "subscribe", symbol="eth/usd", data=points)
    assert told(Wire.RTDS, frame) == [
        price(Source.CHAINLINK, (T_MS + 1000 * second) * MS, 64000.0 + second, 64000.0 + second, Asset.ETH)
        for second in range(3)
    ]
    frame = rtds_frame(rtds.PRICES, "subscribe", symbol="btcusdt", data=points)
    assert told(Wire.RTDS, frame) == [price(Source.BINANCE, (T_MS + 2000) * MS, 64002.0, 64002.0)]


def test_rtds_greetings_and_rejections_are_read() -> None:
    assert rtds.parse(b"") == Parsed((Text(""),))
    assert only(rtds.parse(wire({"statusCode": 401, "body": {"message": "no such topic"}}))).status_code == 401


def test_rtds_refuses_a_look_back_that_is_not_its_topics_and_values_that_disagree() -> None:
    twap: dict[str, Any] = {"symbol": "btc/usd", "timestamp": T_MS, "value": 64000.0, "window_s": 30}
    assert isinstance(rtds.parse(wire(rtds_frame("crypto_prices_twap_sixty", **twap))), Refused)
    odd: dict[str, Any] = {
        "symbol": "btc/usd",
        "timestamp": T_MS,
        "value": 64000.0,
        "full_accuracy_value": "63000000000000000000000",
    }
    assert isinstance(rtds.parse(wire(rtds_frame(rtds.CHAINLINK, **odd))), Refused)
    assert isinstance(rtds.parse(wire(rtds_frame("equity_prices", symbol="aapl", timestamp=T_MS, value=1.0))), Refused)


def test_polybolt_prices_go_to_who_observed_them() -> None:
    assert told(Wire.POLYBOLT, bolt(1)) == [price(Source.CHAINLINK, T_MS * MS, 64000.5, 64000.5)]
    assert told(Wire.POLYBOLT, bolt(1, source="pyth")) == [price(Source.PYTH, T_MS * MS, 64000.5, 64000.5)]
    decoder = Decoder()
    assert told(Wire.POLYBOLT, bolt(1, source="oracle of Delphi"), decoder) == []
    assert decoder.last_refusal is not None and "Delphi" in decoder.last_refusal.reason


def test_polybolt_averages_carry_their_look_back_and_a_snapshot_all_of_its_points() -> None:
    one = bolt(2, polybolt.AVERAGE, payload={"window_seconds": 60})
    row = (Kind.AVERAGE_SEEN, Source.CHAINLINK, T_MS * MS, 64000.5, 0.0, 0, 60, Asset.BTC, 0)
    assert told(Wire.POLYBOLT, one) == [row]
    points = [{"timestamp": T_MS + 1000 * second, "value": 64000.0 + second} for second in range(2)]
    payload = {"symbol": "btcusd", "window_seconds": 60, "source": "chainlink", "data": points}
    frame = {"v": 1, "channel": polybolt.AVERAGE, "seq": 1, "ts": T_MS, "snapshot": True, "payload": payload}
    assert [row[2:4] for row in told(Wire.POLYBOLT, frame)] == [(T_MS * MS, 64000.0), ((T_MS + 1000) * MS, 64001.0)]
    assert told(Wire.POLYBOLT, frame | {"payload": payload | {"data": []}}) == []
    assert isinstance(polybolt.parse(wire(bolt(3, polybolt.AVERAGE))), Refused)


def test_polybolt_gaps_and_drops_are_told_with_the_generation_even_when_the_message_is_refused() -> None:
    decoder, out = Decoder(), np.zeros(8, EVENT)
    assert decoder.connected(Wire.POLYBOLT, SEEN_NS, out) == 1
    assert (out[0].code_id, out[0].ref_id, out[0].source_code) == (FeedState.UP, 1, Source.CHAINLINK)
    kinds = [
        [row[0] for row in told(Wire.POLYBOLT, frame, decoder)]
        for frame in (
            bolt(1),
            bolt(2),
            bolt(1, polybolt.AVERAGE, payload={"window_seconds": 60}),
            bolt(4),
            bolt(5, dropped=3),
            bolt(7, source="nobody"),
            bolt(8),
        )
    ]
    price_seen, gap = Kind.PRICE_SEEN, Kind.FEED_CHANGED
    assert kinds == [
        [price_seen],
        [price_seen],
        [Kind.AVERAGE_SEEN],
        [gap, price_seen],
        [gap, price_seen],
        [gap],
        [price_seen],
    ]
    assert decoder.connected(Wire.POLYBOLT, SEEN_NS, out, 3) == 1
    assert (out[3].code_id, out[3].ref_id) == (FeedState.UP, 2)
    assert [row[0] for row in told(Wire.POLYBOLT, bolt(1), decoder)] == [price_seen]
    told(Wire.POLYBOLT, bolt(9), decoder)
    assert decoder.decode(Wire.POLYBOLT, wire(bolt(11)), SEEN_NS, out) == 2
    assert (out[0].code_id, out[0].ref_id, out[0].flags_mask) == (FeedState.GAP, 2, 0)
    assert decoder.disconnected(Wire.POLYBOLT, SEEN_NS, out) == 1
    assert (out[0].code_id, out[0].ref_id) == (FeedState.DOWN, 2)


def test_polybolt_answers_are_read() -> None:
    for message in (
        {"op": "authed", "rid": "a1"},
        {"op": "subscribed", "channel": polybolt.PRICE, "rid": "s1"},
        {"op": "error", "code": "bad_filter", "rid": "s1", "message": "no"},
    ):
        assert only(polybolt.parse(wire(message), audit=True)).op == message["op"]
        assert told(Wire.POLYBOLT, message) == []
