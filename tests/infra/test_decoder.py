"""Frames become rows: exact, whole or not at all, the last of a frame flagged."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from venue_frames import (
    BEST,
    BOOK,
    CHANGE,
    CONDITION,
    DOWN,
    EVENT_OBJECT,
    MARKET,
    MATCH,
    NEW,
    ORDER,
    RESOLVED,
    START_S,
    TICK,
    TRADE,
    UP,
)  # fmt: skip

from infra.feeds import gamma
from infra.feeds.decoder import PARSERS, Decoder
from infra.feeds.frames import Parsed, Wire
from infra.feeds.listings import Listing, listing_of
from infra.feeds.rows import FULL, LEVEL, Rows, RowsFull, tail_of
from state.events import EVENT, LAST_IN_FRAME, Asset, Kind, Side, Source, StrikeSource, Token
from state.records import as_dict
from state.rules import Rule

SEEN_NS = 1_792_638_002 * 10**9
MS = 1_000_000


def wire(message: Any) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def desk(**how: Any) -> Decoder:
    decoder = Decoder(**how)
    decoder.list_market(3, CONDITION, UP, DOWN)
    return decoder


def told(decoder: Decoder, message: Any, source: Wire = Wire.POLYMARKET_MARKET, room: int = 64) -> list[dict[str, Any]]:
    """The rows of one frame, each as the columns that are not zero, without the time seen and the flag."""
    out = np.frombuffer(b"\xaa" * 64 * room, EVENT).copy()  # whatever lay there before must not shine through
    raw = message if isinstance(message, bytes) else wire(message)
    rows = out[: decoder.decode(source, raw, SEEN_NS, out)]
    assert (rows["seen_ns"] == SEEN_NS).all()
    assert rows["flags_mask"].tolist() == [0] * (len(rows) - 1) + [LAST_IN_FRAME] * (len(rows) > 0)
    plain = [{name: value for name, value in as_dict(row).items() if value} for row in rows]
    return [{name: row[name] for name in row if name not in ("seen_ns", "flags_mask")} for row in plain]


def row(kind: Kind, at_ms: int, **columns: Any) -> dict[str, Any]:
    columns = {"source_code": Source.POLYMARKET_BOOK, "slot_id": 3} | columns
    return {name: value for name, value in columns.items() if value} | {"kind_code": kind, "at_ns": at_ms * MS}


def level(at_ms: int, token: Token, side: Side, bps: int, micros: int) -> dict[str, Any]:
    return row(Kind.LEVEL_SET, at_ms, token_code=token, side_code=side, price_bps=bps, amount_micros=micros)


CHANGE_MS, BOOK_MS = 1792638001300, 1792638001234
CHANGED = [
    level(CHANGE_MS, Token.UP, Side.BUY, 5000, 200_000_000),
    level(CHANGE_MS, Token.DOWN, Side.SELL, 5000, 200_000_000),
]
CARRIED = [
    row(Kind.TOUCH_CARRIED, CHANGE_MS, token_code=Token.UP, price_bps=5000, span_s=5100),
    row(Kind.TOUCH_CARRIED, CHANGE_MS, token_code=Token.DOWN, price_bps=4900, span_s=5000),
]


def test_a_level_change_sets_a_level_in_both_books() -> None:
    assert told(desk(), CHANGE) == CHANGED


def test_carried_best_prices_follow_the_levels_where_asked_for() -> None:
    assert told(desk(carried=True), CHANGE) == CHANGED + CARRIED
    empty = json.loads(json.dumps(CHANGE))
    empty["price_changes"][0] |= {"best_bid": "0", "best_ask": "1"}
    del empty["price_changes"][1]["best_bid"], empty["price_changes"][1]["best_ask"]
    nobody = row(Kind.TOUCH_CARRIED, CHANGE_MS, token_code=Token.UP)
    assert told(desk(carried=True), empty) == [*CHANGED, nobody]
    twice = CHANGE | {"price_changes": [CHANGE["price_changes"][0], CHANGE["price_changes"][0] | {"best_bid": "0.4"}]}
    assert [each["kind_code"] for each in told(desk(carried=True), twice)].count(Kind.TOUCH_CARRIED) == 1


def test_a_snapshot_clears_and_sets_and_an_empty_one_only_clears() -> None:
    book = row(Kind.BOOK_CLEARED, BOOK_MS, token_code=Token.UP)
    assert told(desk(), BOOK) == [
        book,
        level(BOOK_MS, Token.UP, Side.BUY, 4800, 30_000_000),
        level(BOOK_MS, Token.UP, Side.BUY, 5000, 15_250_000),
        level(BOOK_MS, Token.UP, Side.SELL, 5500, 25_000_000),
        level(BOOK_MS, Token.UP, Side.SELL, 5100, 10_000_000),
    ]
    assert told(desk(), BOOK | {"bids": [], "asks": []}) == [book]


def test_trades_ticks_best_prices_and_outcomes_become_rows() -> None:
    assert told(desk(), TRADE) == [
        row(Kind.TRADE_SEEN, 1792638001350, token_code=Token.UP, price_bps=5100, amount_micros=12_500_000)
    ]
    assert told(desk(), TICK) == [row(Kind.TICK_CHANGED, 1792638200000, token_code=Token.UP, price_bps=10)]
    assert told(desk(), BEST) == []
    assert told(desk(carried=True), BEST) == [
        row(Kind.TOUCH_CARRIED, 1792638001400, token_code=Token.UP, price_bps=5000, span_s=5100)
    ]
    assert told(desk(), RESOLVED | {"winning_asset_id": DOWN}) == [row(Kind.SETTLED, 1792638360000, code_id=Token.DOWN)]
    assert told(desk(), NEW) == told(desk(), b"PONG") == told(desk(), b"[]") == []


def test_a_snapshot_tells_a_tick_that_changed_while_nobody_listened() -> None:
    decoder = desk()
    fine = BOOK | {"tick_size": "0.001", "bids": [], "asks": []}
    kinds = [[each["kind_code"] for each in told(decoder, message)] for message in (BOOK, fine, fine, TICK, fine)]
    cleared, tick = Kind.BOOK_CLEARED, Kind.TICK_CHANGED
    assert [[kind for kind in frame if kind != Kind.LEVEL_SET] for frame in kinds] == [
        [cleared], [tick, cleared], [cleared], [tick], [cleared],
    ]  # fmt: skip


def test_an_array_is_one_frame_with_one_last_row() -> None:
    rows = told(desk(), [BOOK, TRADE, CHANGE])
    assert [each["kind_code"] for each in rows][-3:] == [Kind.TRADE_SEEN, Kind.LEVEL_SET, Kind.LEVEL_SET]


def test_tokens_and_markets_that_nobody_listed_are_counted_and_passed_over() -> None:
    decoder = Decoder()
    for message in (CHANGE, BOOK, TRADE, TICK, BEST, RESOLVED):
        assert told(decoder, message) == []
    assert decoder.refusals.total == 0 and decoder.strangers.total == 7
    half = desk()
    half.coins.pop(DOWN)
    assert told(half, CHANGE) == CHANGED[:1]
    assert half.strangers.rows("wire", "what", "which") == [
        {"wire": "POLYMARKET_MARKET", "what": "token not listed", "which": DOWN, "count": 1}
    ]


def test_a_slot_can_be_given_to_the_next_window() -> None:
    decoder = desk()
    decoder.unlist_market(3)
    assert told(decoder, CHANGE) == [] and decoder.slots == {} and decoder.coins == {}


@pytest.mark.parametrize(
    "changes",
    [{"price": "0.5005"}, {"price": "1"}, {"size": "-1"}, {"size": "3e9"}, {"side": "HOLD"}, {"price": None}],
)
def test_a_frame_with_one_bad_figure_leaves_no_row(changes: dict[str, Any]) -> None:
    bad = CHANGE | {"price_changes": [CHANGE["price_changes"][0], CHANGE["price_changes"][1] | changes]}
    for decoder in (desk(), desk(carried=True)):
        assert told(decoder, bad) == []
        assert decoder.refusals.total == 1
        assert told(decoder, CHANGE) != []


@pytest.mark.parametrize("stamp", ["-1", "4102444800000", "99999999999999999999", "later"])
def test_a_frame_out_of_time_leaves_no_row(stamp: str) -> None:
    for message in (CHANGE, BOOK, TRADE):
        for decoder in (desk(), desk(carried=True)):
            assert told(decoder, message | {"timestamp": stamp}) == []
            assert decoder.refusals.total == 1


def test_the_good_messages_of_an_array_stand() -> None:
    decoder = desk()
    assert told(decoder, [TRADE | {"price": "0.5005"}, CHANGE]) == CHANGED
    assert decoder.refusals.rows("wire", "type", "reason") == [
        {
            "wire": "POLYMARKET_MARKET",
            "type": "LastTradePrice",
            "reason": "price 0.5005 is not a whole mill between 0 and 1",
            "count": 1,
        }
    ]


@given(
    st.lists(
        st.tuples(st.sampled_from([UP, DOWN, "3333"]), st.integers(0, 1000), st.integers(-1, 10**12), st.booleans()),
        max_size=6,
    ),
    st.integers(0, 4_102_444_800_000),
)
def test_the_short_way_writes_what_the_full_way_writes(changes: list[tuple[str, int, int, bool]], at_ms: int) -> None:
    told_changes = [
        {"asset_id": token, "price": f"{mills / 1000}", "size": f"{micros / 1e6:.6f}", "side": "BUY" if buy else "SELL"}
        for token, mills, micros, buy in changes
    ]
    frame = {"price_changes": told_changes, "timestamp": str(at_ms), "event_type": "price_change"}
    short, full = desk(), desk()
    assert told(short, frame) == told(full, wire(frame) + b"\n")  # the newline hides the tail of the short way
    assert short.refusals.counts == full.refusals.counts
    assert short.strangers.total == full.strangers.total


def test_rows_go_where_they_are_sent_and_nothing_else_is_touched() -> None:
    decoder, out = desk(), np.zeros(6, EVENT)
    out["ref_id"] = 77
    assert decoder.decode(Wire.POLYMARKET_MARKET, wire(CHANGE), SEEN_NS, out, 3) == 2
    assert out["ref_id"].tolist() == [77, 77, 77, 0, 0, 77]
    assert out["flags_mask"].tolist() == [0, 0, 0, 0, 1, 0]


def test_an_array_too_short_for_a_frame_is_said_to_be() -> None:
    for message, carried in ((CHANGE, False), (CHANGE, True), (BOOK, False)):
        decoder = desk(carried=carried)
        with pytest.raises(RowsFull):
            decoder.decode(Wire.POLYMARKET_MARKET, wire(message), SEEN_NS, np.zeros(1, EVENT))
        assert told(decoder, message) == told(desk(carried=carried), message)


def test_packed_formats_are_the_layout_of_an_event() -> None:
    assert FULL.size == LEVEL.size == EVENT.itemsize
    rows, out = Rows(), np.zeros(1, EVENT)
    rows.aim(out, 0)
    rows.write(
        Kind.FILLED, Source.GAMMA, 1, 2, value_usd=3.5, other_usd=4.5, amount_micros=-5, ref_id=-6, price_bps=-7,
        span_s=8, slot=9, code=10, token=1, side=1,
    )  # fmt: skip
    assert list(as_dict(out[0]).values()) == [
        1,
        2,
        3.5,
        4.5,
        -5,
        -6,
        -7,
        8,
        9,
        10,
        0,
        Kind.FILLED,
        Source.GAMMA,
        1,
        1,
        0,
    ]
    tail = tail_of(10, Kind.FILLED, Source.GAMMA, 1, 1)
    LEVEL.pack_into(rows.buffer, 0, 1, 2, -5, -7, 9, tail)
    assert (out[0].amount_micros, out[0].price_bps, out[0].slot_id, out[0].code_id) == (-5, -7, 9, 10)
    assert (out[0].kind_code, out[0].source_code, out[0].token_code, out[0].side_code) == (
        Kind.FILLED,
        Source.GAMMA,
        1,
        1,
    )
    rows.forget()
    with pytest.raises(RowsFull):
        rows.write(Kind.TICKED, Source.OURSELVES, 0, 0)


def test_orders_and_trades_of_ours_are_read_and_leave_rows_to_the_ledger() -> None:
    decoder = desk()
    assert told(decoder, ORDER, Wire.POLYMARKET_USER) == told(decoder, MATCH, Wire.POLYMARKET_USER) == []
    assert decoder.refusals.total == 0


def following() -> dict[str, Any]:
    its: dict[str, Any] = MARKET | {
        "conditionId": "0xc1", "slug": f"btc-updown-5m-{START_S + 300}", "clobTokenIds": '["333", "444"]',
        "eventStartTime": "2026-10-22T03:05:00Z", "endDate": "2026-10-22T03:10:00Z",
    }  # fmt: skip
    return its


def listing(message: dict[str, Any]) -> Listing:
    parsed = gamma.parse(wire(message))
    assert isinstance(parsed, Parsed)
    listed = listing_of(*gamma.windows_in(parsed.messages[0])[0])
    assert isinstance(listed, Listing)
    return listed


def catalogue() -> tuple[Decoder, Any]:
    decoder, out = Decoder(), np.zeros(64, EVENT)
    decoder.list_window(1, listing(MARKET), SEEN_NS, out)
    decoder.list_window(2, listing(following()), SEEN_NS, out)
    return decoder, out


def test_a_listed_window_is_told_with_the_rules_that_its_own_data_state() -> None:
    decoder, out = Decoder(), np.zeros(64, EVENT)
    count = decoder.list_window(1, listing(MARKET), SEEN_NS, out)
    first, *rest = (as_dict(each) for each in out[:count])
    assert (first["kind_code"], first["slot_id"], first["code_id"]) == (Kind.MARKET_LISTED, 1, Asset.BTC)
    assert (first["ref_id"], first["span_s"]) == (START_S * 10**9, 300)
    assert (first["price_bps"], first["amount_micros"]) == (100, 5_000_000)
    rules = {each["code_id"]: each["ref_id"] for each in rest}
    assert {each["kind_code"] for each in rest} == {Kind.RULE_GIVEN}
    assert rules == listing(MARKET).rules and rules[Rule.LOOKBACK_S] == 60
    assert out["flags_mask"][:count].tolist() == [0] * (count - 1) + [LAST_IN_FRAME]
    assert decoder.coins["111"].token is Token.UP and decoder.coins["222"].slot == 1


def test_published_prices_are_strikes_of_this_window_and_of_the_next_and_are_told_once() -> None:
    decoder, _ = catalogue()
    strike = {"source_code": Source.GAMMA, "code_id": StrikeSource.VENUE}
    expected = [
        row(Kind.STRIKE_SEEN, START_S * 1000, slot_id=1, value_usd=108123.4567, **strike),
        row(Kind.STRIKE_SEEN, (START_S + 300) * 1000, slot_id=2, value_usd=108150.1, **strike),
    ]
    assert told(decoder, EVENT_OBJECT, Wire.GAMMA) == expected
    assert told(decoder, EVENT_OBJECT, Wire.GAMMA) == []
    changed = EVENT_OBJECT | {"eventMetadata": {"priceToBeat": 108123.5}}
    assert [each["value_usd"] for each in told(decoder, changed, Wire.GAMMA)] == [108123.5]


def test_an_outcome_is_told_when_the_venue_has_closed_the_window() -> None:
    decoder, _ = catalogue()
    closed = MARKET | {"closed": True, "outcomePrices": '["0", "1"]', "closedTime": "2026-10-22 03:06:01+00"}
    event = EVENT_OBJECT | {"markets": [closed], "eventMetadata": {"finalPrice": 108150.1}}
    rows = told(decoder, event, Wire.GAMMA)
    assert rows[-1] == row(
        Kind.SETTLED,
        (START_S + 361) * 1000,
        source_code=Source.GAMMA,
        slot_id=1,
        code_id=Token.DOWN,
        value_usd=108150.1,
    )
    assert told(decoder, event, Wire.GAMMA) == []


def test_a_market_whose_tokens_changed_or_that_nobody_listed_says_nothing() -> None:
    decoder, _ = catalogue()
    swapped = EVENT_OBJECT | {"markets": [MARKET | {"outcomes": '["Down", "Up"]'}]}
    assert told(decoder, swapped, Wire.GAMMA) == []
    assert decoder.last_refusal is not None and "tokens" in decoder.last_refusal.reason
    assert told(Decoder(), EVENT_OBJECT, Wire.GAMMA) == []


def test_every_wire_has_a_parser() -> None:
    assert set(PARSERS) == set(Wire)


@given(st.sampled_from(list(Wire)), st.binary(max_size=200))
def test_no_bytes_make_the_decoder_raise(source: Wire, raw: bytes) -> None:
    assert told(desk(), raw, source) == []
