"""The chain's head as a node tells it: one row of time and base fee, or a refusal that says why."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.feeds import polygon
from infra.feeds.decoder import Decoder
from infra.feeds.frames import Parsed, Refused, Wire
from state.events import EVENT, LAST_IN_FRAME, Kind, Source

SEEN_NS = 1_792_638_002 * 10**9
HEAD = {
    "number": "0x49f3c1a", "hash": "0xab", "parentHash": "0xcd", "timestamp": hex(1_792_638_000),
    "baseFeePerGas": "0x737be7600", "gasLimit": "0x1c9c380", "gasUsed": "0x0", "transactions": [],
}  # fmt: skip


def answer(**changes: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 7, "result": HEAD | changes}).encode()


def test_the_head_becomes_one_row_with_its_time_and_base_fee() -> None:
    out = np.zeros(4, EVENT)
    assert Decoder().decode(Wire.POLYGON, answer(), SEEN_NS, out) == 1
    row = out[0]
    assert (row["kind_code"], row["source_code"], row["flags_mask"]) == (Kind.CHAIN_SEEN, Source.POLYGON, LAST_IN_FRAME)
    assert row["at_ns"] == row["ref_id"] == 1_792_638_000 * 10**9
    assert row["value_usd"] == pytest.approx(31.0, abs=0.1)
    assert row["seen_ns"] == SEEN_NS


def test_an_error_of_the_node_says_nothing_to_the_world() -> None:
    raw = b'{"jsonrpc":"2.0","id":7,"error":{"code":-32005,"message":"limit exceeded"}}'
    parsed = polygon.parse(raw)
    assert isinstance(parsed, Parsed) and isinstance(parsed.messages[0], polygon.Fault)
    assert Decoder().decode(Wire.POLYGON, raw, SEEN_NS, np.zeros(4, EVENT)) == 0


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"jsonrpc":"2.0","id":7,"result":null}', "the node does not know its newest block"),
        (answer(timestamp="1792638000"), "'1792638000' is no quantity"),
        (answer(baseFeePerGas="0x" + "f" * 20), "base fee of 1.21e+15 gwei"),
        (answer(timestamp="0xffffffffffff"), "time 281474976710655 is out of range"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(raw: bytes, reason: str) -> None:
    parsed = polygon.parse(raw)
    assert isinstance(parsed, Refused) and parsed.reason == reason


def test_an_audit_names_fields_that_nobody_knows() -> None:
    parsed = polygon.parse(answer(weather="0x1"), audit=True)
    assert isinstance(parsed, Parsed) and parsed.unknown_fields == ("Head.weather",)


@given(st.integers(0, 2**100))
def test_a_quantity_reads_back_as_the_number_that_was_written(number: int) -> None:
    assert polygon.quantity(hex(number)) == number
