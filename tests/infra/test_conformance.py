"""Conformance: the proof finds what is missing, what differs and what nobody proves; and it holds for our own venue."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from recordings import recordings

from evals.proof import Proof
from infra.proofs import hearing
from infra.proofs.conformance import TESTS, conformance, is_test, prove_conformance, read_recorded, wanted_keys
from infra.proofs.hearing import Heard, Socket, take
from infra.proofs.promises import CLIENTS, ROWS
from infra.proofs.recorded_types import NOT_SERVED, PAIRS, kind_of, why_not
from infra.proofs.shapes import differences, shape_of

pytestmark = pytest.mark.rehearsal

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=3), inner, max_size=3),
    max_leaves=12,
)


def differing(ours: list[Any], theirs: list[Any]) -> list[tuple[str, str]]:
    return list(differences(shape_of(ours), shape_of(theirs)))


def figure(proof: Proof, name: str) -> Any:
    return next(each for each in proof.figures if each.name == name)


# Shapes.


def test_a_key_too_many_a_key_too_few_and_another_type_are_found_where_they_are() -> None:
    theirs = [{"price": "0.5", "size": "3", "levels": [{"p": "0.4"}], "at": 1}]
    ours = [{"price": 0.5, "levels": [{"p": "0.4", "n": 2}], "at": 1.5, "hash": "0x"}]
    assert differing(ours, theirs) == snapshot(
        [
            (".hash", "only here"),
            (".levels[].n", "only here"),
            (".price", "number where theirs is string"),
            (".size", "missing"),
        ]
    )


def test_a_key_that_only_some_recorded_messages_have_may_be_missing() -> None:
    assert differing([{"a": 1}], [{"a": 1, "b": 2}, {"a": 1}]) == []
    assert differing([{"a": 1}], [{"a": 1, "b": 2}]) == [(".b", "missing")]


def test_what_was_null_or_empty_in_the_recording_says_nothing_of_what_could_be() -> None:
    assert differing([{"a": "x", "b": [1], "c": {"d": 1}}], [{"a": None, "b": [], "c": {}}]) == []
    assert differing([{"a": None}], [{"a": "x"}]) == [(".a", "null where theirs is string")]


def test_what_somebody_is_called_is_no_key() -> None:
    ours, theirs = {"0x" + "1" * 40: "12"}, {"0x" + "2" * 40: "7"}
    assert differing([{"allowances": ours}], [{"allowances": theirs}]) == []


@given(st.lists(JSON, min_size=1, max_size=4))
def test_messages_do_not_differ_from_themselves(messages: list[Any]) -> None:
    assert differing(messages, messages) == []


@given(st.lists(JSON, min_size=1, max_size=3), st.lists(JSON, min_size=1, max_size=3))
def test_any_of_the_recorded_messages_is_of_their_shape(some: list[Any], more: list[Any]) -> None:
    """What is a subset of the recording can lack nothing that all of it has, and have nothing new."""
    assert differing(some, some + more) == []


# The rows.


def test_every_row_names_tests_that_exist_and_no_row_stands_twice() -> None:
    assert [test for row in ROWS for test in row.by if not is_test(test, TESTS)] == []
    assert [row.what for row in ROWS if not row.by] == []
    names = [(row.section, row.what) for row in ROWS]
    assert len(set(names)) == len(names)
    assert all((TESTS / file).is_file() for file in CLIENTS)


def test_every_section_of_the_reference_has_its_rows() -> None:
    wanted = {"4.1", "4.2", "4.3", "4.4", *(f"5.{n}" for n in range(1, 10)), *(f"6.{n}" for n in range(1, 5))}
    assert {row.section for row in ROWS} == wanted  # 6.5: Chainlink itself is no server of ours


def test_every_recorded_type_is_held_against_ours_or_left_out_for_a_reason() -> None:
    recorded = read_recorded(recordings("raw_frames"))
    paired = {(pair.file, pair.kind) for pair in PAIRS}
    assert sorted(paired - set(recorded)) == []
    assert [key for key in sorted(recorded) if key not in paired and not why_not(*key)] == []


def test_a_type_is_held_once_and_a_type_that_is_held_is_not_left_out() -> None:
    pairs = [(pair.file, pair.kind) for pair in PAIRS]
    assert len(set(pairs)) == len(pairs)
    assert all(why_not(*pair) == "" for pair in pairs)
    assert why_not("bybit_v5_ws_fixtures", "ws_kline") != ""
    assert why_not("somebody_new", "ws_kline") == ""
    assert all(why for _, _, why in NOT_SERVED)


def test_a_recorded_message_is_named_by_what_it_says_of_itself() -> None:
    named = [
        ({"fixture": "crates/x/ws_kline.json"}, {}),
        ({"name": "twap_sixty_update"}, {}),
        ({}, {"stream": "btcusdt@depth@100ms", "data": {}}),
        ({}, {"arg": {"channel": "books"}, "data": []}),
        ({}, {"event": "subscribe", "arg": {"channel": "books"}}),
        ({}, {"event_type": "book"}),
        ({}, {"lastUpdateId": 1}),
        ({}, "PONG"),
    ]
    assert [kind_of(*each) for each in named] == snapshot(
        ["ws_kline", "twap_sixty_update", "depth", "books", "subscribe", "book", "snapshot", "words"]
    )


# What is heard.


@pytest.mark.parametrize(
    ("key", "text", "names"),
    [
        (hearing.market_key, '[{"event_type":"book"},{"event_type":"book"}]', ["market book"]),
        (hearing.market_key, "PONG", ["here words PONG"]),
        (hearing.user_key, '{"event_type":"order","type":"UPDATE"}', ["user order UPDATE"]),
        (hearing.user_key, '{"event_type":"trade","status":"MINED"}', ["user trade", "user trade MINED"]),
        (hearing.rtds_key, '{"topic":"t","type":"update","payload":{}}', ["rtds t update"]),
        (hearing.rtds_key, '{"statusCode":401}', ["rtds refusal"]),
        (hearing.polybolt_key, '{"op":"authed"}', ["polybolt authed"]),
        (hearing.polybolt_key, '{"channel":"c","payload":{},"snapshot":true}', ["polybolt c snapshot"]),
        (hearing.polybolt_key, '{"op":"error","channel":"c"}', ["polybolt error"]),
        (hearing.binance_key("b"), '{"stream":"x@trade","data":{}}', ["b trade"]),
        (hearing.binance_key("b"), '{"u":1,"s":"X"}', ["b bare bookTicker"]),
        (hearing.binance_key("b"), '{"result":null,"id":1}', ["b answer"]),
        (hearing.bybit_key, '{"topic":"orderbook.1.X"}', ["bybit orderbook"]),
        (hearing.bybit_key, '{"op":"subscribe","success":false}', ["bybit subscribe refused"]),
        (hearing.okx_key, '{"arg":{"channel":"trades"},"data":[]}', ["okx trades"]),
        (hearing.coinbase_key("c"), '{"type":"match"}', ["c match"]),
    ],
)
def test_what_a_socket_says_is_kept_by_its_type(key: Any, text: str, names: list[str]) -> None:
    heard = Heard()
    take(Socket("here", "", (), key), text, heard)
    assert list(heard.messages) == names


# The proof.


def all_that_is_wanted() -> Heard:
    """A venue that said one message of everything."""
    heard = Heard()
    for key in {key for row in ROWS for key in row.heard} | {pair.ours for pair in PAIRS}:
        heard.keep(key, {"same": "1"})
    return heard


RECORDED = {(pair.file, pair.kind): [{"same": "2"}] for pair in PAIRS}


def test_a_venue_that_says_everything_as_recorded_conforms() -> None:
    proof = conformance(all_that_is_wanted(), RECORDED, TESTS)
    assert proof.holds
    assert {row["implemented"] for row in proof.tables["the reference, row by row"]} == {"yes"}
    assert proof.tables["where ours differs from what was recorded"] == []


def test_what_a_venue_never_said_is_told_in_its_row() -> None:
    heard = all_that_is_wanted()
    del heard.messages["market tick_size_change"]
    proof = conformance(heard, RECORDED, TESTS)
    assert not proof.holds
    assert figure(proof, "rows that a running venue did not say or answer").measured == 1
    (row,) = [row for row in proof.tables["the reference, row by row"] if row["implemented"] != "yes"]
    assert row == snapshot(
        {
            "section": "4.1",
            "endpoint or message": "market: tick_size_change",
            "implemented": "not heard: market tick_size_change",
            "proven by": "test_a_finer_tick_is_told_once_for_each_token",
            "with": "polymarket_ws_user_market_rtds_fixtures ws_market_tick_size_msg",
        }
    )


def test_another_type_of_a_field_is_printed_and_does_not_hold() -> None:
    heard = all_that_is_wanted()
    heard.messages["market book"] = [{"same": 1}]
    proof = conformance(heard, RECORDED, TESTS)
    assert not proof.holds
    assert proof.tables["where ours differs from what was recorded"] == snapshot(
        [
            {
                "type": "polymarket_clob_book_2026-04 book",
                "ours": "market book",
                "place": ".same",
                "is": "number where theirs is string",
                "why": "",
            },
            {
                "type": "polymarket_clob_market_2026-04-21 book",
                "ours": "market book",
                "place": ".same",
                "is": "number where theirs is string",
                "why": "",
            },
        ]
    )


def test_a_difference_with_a_reason_is_printed_and_holds() -> None:
    pair = next(pair for pair in PAIRS if pair.but)
    place = next(iter(pair.but))
    heard, recorded = all_that_is_wanted(), RECORDED | {(pair.file, pair.kind): [{"same": "2", place[1:]: "x"}]}
    proof = conformance(heard, recorded, TESTS)
    assert proof.holds
    (line,) = proof.tables["where ours differs from what was recorded"]
    assert (line["place"], line["is"], line["why"]) == (place, "missing", pair.but[place])


def test_a_proof_that_is_named_and_does_not_exist_does_not_hold(tmp_path: Path) -> None:
    proof = conformance(all_that_is_wanted(), RECORDED, tmp_path)
    assert not proof.holds
    assert figure(proof, "tests named that do not exist").measured == sum(len(row.by) for row in ROWS)


def test_a_recorded_type_that_nobody_knows_does_not_hold() -> None:
    proof = conformance(all_that_is_wanted(), RECORDED | {("somebody_new", "hello"): [{}]}, TESTS)
    assert not proof.holds
    assert figure(proof, "recorded types that stand nowhere").measured == 1


def test_answers_are_asked_for_and_only_messages_are_waited_for() -> None:
    wanted = wanted_keys()
    assert "market book" in wanted and "user trade CONFIRMED" in wanted
    assert not [key for key in wanted if key.startswith(("clob ", "gamma "))]


def test_the_venue_next_door_conforms() -> None:
    """The whole venue in a process of its own, every socket and endpoint, two windows at twenty times the speed."""
    proof = prove_conformance(recordings("raw_frames"))
    assert proof.holds, [each for each in proof.figures if not each.holds]
    assert figure(proof, "differences of keys or types without a reason").measured == 0
    json.dumps(proof.tables)
