"""Frames of the venue's market and user channels, written by hand after the venue reference."""

import json
from typing import Any

import msgspec
import pytest
from inline_snapshot import snapshot
from venue_frames import BEST, BOOK, CHANGE, CONDITION, DOWN, MATCH, NEW, ORDER, RESOLVED, TICK, TRADE, UP

from infra.feeds import polymarket_market as market
from infra.feeds import polymarket_user as user
from infra.feeds.figures import ns_of_stamp
from infra.feeds.frames import Parsed, Refused, Text


def wire(message: Any) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def only(parsed: Parsed | Refused) -> Any:
    assert isinstance(parsed, Parsed), parsed
    (message,) = parsed.messages
    assert parsed.refused == () and parsed.unknown_fields == ()
    return message


def without(message: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name not in names}


@pytest.mark.parametrize("message", [BOOK, CHANGE, TRADE, TICK, BEST, NEW, RESOLVED], ids=lambda m: m["event_type"])
def test_every_type_is_read_whole_from_an_object_or_an_array_with_its_name_first_or_last(
    message: dict[str, Any],
) -> None:
    alone = only(market.parse(wire(message), audit=True))
    first = {"event_type": message["event_type"]} | message
    last = without(message, "event_type") | {"event_type": message["event_type"]}
    for form in (first, last, [message]):
        assert only(market.parse(wire(form), audit=True)) == alone
    assert type(alone).__struct_config__.tag == message["event_type"]


def test_a_book_keeps_the_venues_order_with_the_best_level_last() -> None:
    book = only(market.parse(wire(BOOK)))
    assert [level.price for level in book.bids] == [0.48, 0.5]
    assert (book.timestamp, book.tick_size, book.asks[-1].size) == (1792638001234, 0.01, 10.0)
    bare = only(market.parse(wire(without(BOOK, "min_order_size", "tick_size", "neg_risk", "last_trade_price"))))
    assert bare.tick_size is None


def test_old_forms_without_a_name_are_known_by_their_fields() -> None:
    for message in (BOOK, CHANGE, TRADE, TICK):
        assert only(market.parse(wire(without(message, "event_type")), audit=True)) == only(market.parse(wire(message)))


def test_a_level_change_of_the_form_before_september_2025_becomes_one_of_today() -> None:
    flat = {
        "event_type": "price_change", "asset_id": UP, "market": CONDITION, "price": "0.514", "side": "SELL",
        "size": "21574.08", "hash": "aa", "timestamp": "1723967931411",
    }  # fmt: skip
    change = market.Change(asset_id=UP, price=0.514, size=21574.08, side="SELL", hash="aa")
    expected = market.PriceChange(timestamp=1723967931411, price_changes=[change], market=CONDITION)
    assert only(market.parse(wire(flat), audit=True)) == expected
    assert only(market.parse(wire(without(flat, "event_type")), audit=True)) == expected
    assert isinstance(market.parse(wire(flat | {"event_type": "book"})), Refused)


def test_plain_words_are_messages_too() -> None:
    assert market.parse(b"PONG") == Parsed((Text("PONG"),))
    assert market.parse(b"NO NEW ASSETS\n") == Parsed((Text("NO NEW ASSETS"),))
    assert user.parse(b"PONG") == Parsed((Text("PONG"),))
    assert market.parse(b"[]") == Parsed(())


def test_unknown_fields_are_named_and_never_fatal() -> None:
    odd = json.loads(json.dumps(CHANGE))
    odd["colour"] = "blue"
    odd["price_changes"][1]["shade"] = {"deep": 1}
    parsed = market.parse(wire(odd), audit=True)
    assert isinstance(parsed, Parsed) and parsed.unknown_fields == ("Change.shade", "PriceChange.colour")
    assert market.parse(wire(odd)) == market.parse(wire(CHANGE))


def test_of_an_array_the_good_messages_stand() -> None:
    parsed = market.parse(wire([BOOK, TRADE | {"price": "0.5105"}, {"event_type": "riddle"}, BEST]))
    assert isinstance(parsed, Parsed)
    assert [type(message).__name__ for message in parsed.messages] == ["Book", "BestBidAsk"]
    assert [(each.kind, each.reason) for each in parsed.refused] == snapshot(
        [
            ("last_trade_price", "price 0.5105 is not a whole mill between 0 and 1"),
            ("riddle", "not of the expected form: Invalid value 'riddle' - at `$.event_type`"),
        ]
    )


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"   ", b"PING", b"{", b"[", b"nonsense", b"\xff\xfe\x00", b"null", b"3", b'"PONG"', b"[3]", b"{}",
        b"[[]]", b"[" * 100_000, b'{"event_type":' * 50_000, b'{"event_type":"book"}', b'{"event_type":7}',
        wire(BOOK)[:-7], wire(BOOK | {"bids": [{"price": "0.505", "size": "1"}, {"price": "0.5051", "size": "1"}]}),
        wire(BOOK | {"asks": [{"price": "0.5", "size": "-1"}]}), wire(BOOK | {"asks": [{"price": "1", "size": "1"}]}),
        wire(BOOK | {"timestamp": "now"}), wire(TRADE | {"side": "HOLD"}), wire(TRADE | {"size": "nan"}),
        wire(TRADE | {"price": "0"}), wire(TICK | {"new_tick_size": "0.0001"}), wire(BEST | {"best_bid": "0.12345"}),
        b"\xef\xbb\xbf" + wire(BOOK), wire(BOOK).replace(b"1111", b"\xff\xff"),
    ],
)  # fmt: skip
def test_junk_is_refused_in_one_line(raw: bytes) -> None:
    refused = market.parse(raw)
    assert isinstance(refused, Refused)
    assert 0 < len(refused.reason) <= 200 and refused.reason.isprintable()


def test_the_reasons_say_what_was_wrong() -> None:
    frames = (
        b"", b"{", b"[3]", b"[" * 100_000, b"\xff", wire(BOOK).replace(b"1111", b"\xff\xff"),
        wire({"event_type": "riddle"}), wire({"no": "name"}), wire(BOOK | {"bids": 4}),
        wire(TRADE | {"price": "0.5105"}), wire(TICK | {"new_tick_size": "0.0001"}), wire(TRADE | {"size": "-1"}),
    )  # fmt: skip
    refusals = [market.parse(raw) for raw in frames]
    assert [each.reason for each in refusals if isinstance(each, Refused)] == snapshot(
        [
            "empty frame",
            "not JSON: Input data was truncated",
            "not of the expected form: Expected `object`, got `int`",
            "nested too deep",
            "not JSON: JSON is malformed: invalid character (byte 0)",
            "not UTF-8 text",
            "not of the expected form: Invalid value 'riddle' - at `$.event_type`",
            "not of the expected form: Object missing required field `event_type`",
            "not of the expected form: Expected `array`, got `int` - at `$.bids`",
            "price 0.5105 is not a whole mill between 0 and 1",
            "tick 0.0001 is not a whole number of mills",
            "amount -1.0 is not between 0 and 2000000000",
        ]
    )


def test_the_short_reading_gives_what_the_whole_one_gives() -> None:
    raw = wire(CHANGE)
    assert raw.endswith(market.QUICK_TAIL)
    moves, whole = market.QUICK.decode(raw), only(market.parse(raw))
    short = [(move.asset_id, move.price, move.size, move.side) for move in moves.price_changes]
    assert short == [(each.asset_id, each.price, each.size, each.side) for each in whole.price_changes]


@pytest.mark.parametrize("message", [ORDER, MATCH], ids=lambda m: m["event_type"])
def test_orders_and_trades_are_read_whole_with_and_without_their_name(message: dict[str, Any]) -> None:
    read = only(user.parse(wire(message), audit=True))
    assert only(user.parse(wire(without(message, "event_type")), audit=True)) == read
    back = msgspec.to_builtins(read)
    assert {name for name in message if name not in back} == set()


def test_a_cross_token_match_keeps_both_sides_apart() -> None:
    trade = only(user.parse(wire(MATCH)))
    (maker,) = trade.maker_orders
    assert (trade.asset_id, trade.price, trade.side) == (UP, 0.51, "BUY")
    assert (maker.asset_id, maker.price, maker.side, maker.matched_amount) == (DOWN, 0.49, "BUY", 20.0)


def test_nothing_matched_may_be_an_empty_text() -> None:
    for text, micros in (("", 0), ("0", 0), ("12.345678", 12_345_678)):
        assert user.matched_micros(only(user.parse(wire(ORDER | {"size_matched": text})))) == micros
    assert isinstance(user.parse(wire(ORDER | {"size_matched": "some"})), Refused)


def test_the_match_time_is_found_under_either_name_and_in_any_unit() -> None:
    moment = ns_of_stamp("1792638003")
    old = without(MATCH, "match_time") | {"matchtime": 1792638003}
    for message in (
        MATCH,
        old,
        MATCH | {"match_time": "1792638003000"},
        MATCH | {"match_time": "2026-10-22T03:00:03Z"},
    ):
        assert user.matched_ns(only(user.parse(wire(message)))) == moment
    assert user.matched_ns(only(user.parse(wire(without(MATCH, "match_time"))))) == 0


def test_a_status_of_free_text_and_a_prefix_of_rest_are_kept_readable() -> None:
    killed = ORDER | {"status": "CANCELED_order couldn't be fully filled", "type": "CANCELLATION", "created_at": ""}
    assert only(user.parse(wire(killed))).status.startswith("CANCELED")
    assert user.settled_status(only(user.parse(wire(MATCH | {"status": "TRADE_STATUS_CONFIRMED"})))) == "CONFIRMED"
    assert "CONFIRMED" in user.TERMINAL and "MATCHED" not in user.TERMINAL


@pytest.mark.parametrize(
    "message",
    [
        ORDER | {"price": "0.4805"}, ORDER | {"original_size": "-1"}, ORDER | {"side": "HOLD"},
        ORDER | {"timestamp": "then"}, MATCH | {"maker_orders": [MATCH["maker_orders"][0] | {"price": "2"}]},
        MATCH | {"match_time": "17926380"}, {"event_type": "book"}, {}, {"id": "x"},
    ],
)  # fmt: skip
def test_orders_and_trades_that_cannot_be_are_refused(message: dict[str, Any]) -> None:
    assert isinstance(user.parse(wire(message)), Refused)
