"""How a journal becomes messages, what a wire may bring instead, and that each is taken once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bus_stage import messages_of, rows_of_windows, written
from hypothesis import given
from hypothesis import strategies as st

from infra.bus.dedupe import Dedupe, Doubled, Missing
from infra.bus.messages import NOTHING, Foreign, Message, Place, Topic, headers_of, message_of
from infra.bus.port import PARTITIONS
from infra.bus.sharing import Sharing
from infra.journal.blocks import EntryKind
from infra.journal.reader import Entry, entries
from state.events import EVENT, Kind, Source
from state.units import NS_PER_S


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> list[Message]:
    return messages_of(written(tmp_path_factory.mktemp("journal"), 200))


def of_one_place(messages: list[Message]) -> list[Message]:
    place = next(each.place for each in messages if each.place.topic is Topic.EVENTS)
    return [each for each in messages if each.place == place]


def entry_of(rows: Any, seq: int = 0) -> Entry:
    return Entry(seq, seq, EntryKind.EVENTS, 0, 0, int(rows["seen_ns"][0]), rows.tobytes())


def test_every_item_of_a_journal_travels_once_under_its_own_number(tmp_path: Path) -> None:
    folder = written(tmp_path, 200)
    items = sum(len(entry.rows) if entry.kind is EntryKind.EVENTS else 1 for entry in entries(folder))
    numbers = np.concatenate([message.numbers for message in messages_of(folder)])
    assert sorted(numbers.tolist()) == list(range(-1, items)), "and the title before them"


def test_a_slot_is_keyed_by_the_window_that_it_stands_for_when_a_row_is_written() -> None:
    rows = rows_of_windows(6, windows=1, first=1)
    rows["kind_code"], rows["source_code"] = Kind.TRADE_SEEN, Source.POLYMARKET_BOOK
    rows["kind_code"][2] = rows["kind_code"][4] = Kind.MARKET_LISTED
    rows["ref_id"][2], rows["ref_id"][4] = 300 * NS_PER_S, 600 * NS_PER_S
    rows["span_s"][2] = rows["span_s"][4] = 300
    told = [(each.key, each.numbers.tolist()) for each in Sharing("j", PARTITIONS).messages(entry_of(rows))]
    assert told == [("slot-0", [0, 1]), ("btc-updown-5m-300", [2, 3]), ("btc-updown-5m-600", [4, 5])]


def test_rows_of_orders_and_prices_are_told_apart_and_keep_their_numbers() -> None:
    rows = np.zeros(4, EVENT)
    rows["kind_code"] = Kind.PRICE_SEEN, Kind.ORDER_CHANGED, Kind.PRICE_SEEN, Kind.FILLED
    rows["source_code"] = Source.BINANCE, Source.POLYMARKET_USER, Source.BYBIT, Source.POLYMARKET_USER
    told = [
        (each.place.topic.value, each.key, each.numbers.tolist())
        for each in Sharing("j", PARTITIONS).messages(entry_of(rows, 10))
    ]
    assert told == [("events", "binance", [10]), ("orders", "slot-0", [11, 13]), ("events", "bybit", [12])]


def test_a_message_comes_back_from_the_wire_as_it_was_sent(messages: list[Message]) -> None:
    for message in messages:
        assert message_of(message.place, message.key.encode(), headers_of(message), message.payload) == message


def test_what_is_no_message_of_ours_is_named_and_not_guessed(messages: list[Message]) -> None:
    message = next(each for each in messages if each.kind == EntryKind.EVENTS)
    headers = dict(headers_of(message))

    def told(payload: bytes = message.payload, **changes: bytes | None) -> str:
        other = {name: value for name, value in {**headers, **changes}.items() if value is not None}
        found = message_of(message.place, b"key", list(other.items()), payload)
        assert isinstance(found, Foreign)
        return found.why

    assert told(schema=b"9.9") == "schema 9.9, this code reads 1.2"
    assert told(schema=None) == "schema not stated, this code reads 1.2"
    assert told(seq=b"soon").startswith("headers cannot be read")
    assert told(journal=None).startswith("headers cannot be read")
    assert told(kind=b"77") == "a message of kind 77"
    assert told(before=headers["seq"]).startswith("items ")
    assert told(payload=message.payload[:-1]).endswith(f"bytes of rows that end at item {message.last}")
    assert told(payload=b"").startswith("0 bytes")


@given(data=st.data())
def test_however_often_and_late_messages_come_each_is_taken_once(data: Any, messages: list[Message]) -> None:
    """A broker may give any stretch again, from any point it was at before; it never leaves one out."""
    ours = of_one_place(messages)
    dedupe, taken, at = Dedupe(), [], 0
    for _ in range(data.draw(st.integers(0, 6))):
        end = data.draw(st.integers(at, len(ours)))
        taken += [told for each in ours[at:end] if isinstance(told := dedupe.take(each), Message)]
        at = data.draw(st.integers(0, end))
    taken += [told for each in ours[at:] if isinstance(told := dedupe.take(each), Message)]
    assert taken == ours


@given(data=st.data())
def test_whatever_is_left_out_is_told(data: Any, messages: list[Message]) -> None:
    ours = of_one_place(messages)
    lost = data.draw(st.integers(0, len(ours) - 2))
    dedupe = Dedupe()
    told = [dedupe.take(each) for index, each in enumerate(ours) if index != lost]
    assert told[:lost] == ours[:lost]
    after = ours[lost - 1].seq if lost else NOTHING
    assert told[lost] == Missing(ours[0].journal, ours[0].place, after, ours[lost].seq)
    assert not [each for each in told[lost:] if isinstance(each, Message | Doubled)], "nothing is taken behind a hole"


@given(first=st.integers(0, 250))
def test_who_wants_items_from_a_number_on_gets_these_and_no_others(first: int, messages: list[Message]) -> None:
    dedupe = Dedupe(from_seq=first)
    taken = [told for each in messages if isinstance(told := dedupe.take(each), Message)]
    numbers = [number for each in taken for number in each.numbers.tolist()]
    everything = [number for each in messages for number in each.numbers.tolist()]
    assert sorted(numbers) == [number for number in sorted(everything) if number >= first]
    rows = [each for each in taken if each.kind == EntryKind.EVENTS]
    assert all(len(each.rows) == len(each.numbers) for each in rows)


def test_two_journals_in_one_partition_are_held_apart() -> None:
    place = Place(Topic.NOTES, 0)
    note = b"\0" * 13
    one = Message(place, "desk", "one", 5, 5, NOTHING, EntryKind.NOTE, note)
    two = one._replace(journal="two")
    dedupe = Dedupe()
    assert dedupe.take(one) == one
    assert dedupe.take(two) == two
    assert dedupe.take(one) == Doubled(one)
