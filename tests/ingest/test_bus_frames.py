"""Frames off the bus: connections come and go as at the ingest, holes are told, nothing old is passed on as new."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sessions import Hand

from infra.bus.messages import Foreign, Message, Topic
from infra.bus.port import PARTITIONS
from infra.bus.sharing import Sharing
from infra.feeds.frames import Wire
from infra.ingest.bus_frames import FED, BusFrames
from infra.journal.blocks import EntryKind
from infra.journal.reader import Entry
from infra.streams.intake import Intake
from infra.streams.life import State
from state.units import NS_PER_MS, NS_PER_S

BEGUN_NS = 1_792_573_200 * NS_PER_S


@dataclass
class Still:
    """The end of a bus on which nothing comes by itself."""

    away: str = ""
    partitions: Mapping[Topic, int] = field(default_factory=lambda: PARTITIONS)

    def batch(self, most: int, within_s: float) -> list[Message | Foreign]:
        del most, within_s
        return []

    def skip(self) -> None:
        pass


class Stage:
    """An ingest whose journal a test writes, and a desk that hears of it."""

    def __init__(self) -> None:
        self.clock, self.tail = Hand(BEGUN_NS), Still()
        self.intake = Intake(self.clock)
        self.frames = BusFrames(self.tail, self.clock, self.intake)
        self.sharing, self.seq = Sharing("journal-1", PARTITIONS), 0

    def said(self, kind: EntryKind, data: bytes, wire: Wire = Wire.POLYMARKET_MARKET, connection: int = 1) -> Message:
        entry = Entry(self.seq, 0, kind, int(wire), connection, self.clock.now_ns(), data)
        self.seq += 1
        (message,) = self.sharing.messages(entry)
        return message

    def frame(self, data: bytes, wire: Wire = Wire.POLYMARKET_MARKET, connection: int = 1) -> Message:
        return self.said(EntryKind.FRAME, data, wire, connection)

    def note(self, **told: Any) -> Message:
        return self.said(EntryKind.NOTE, json.dumps(told).encode())

    def came(self) -> list[str]:
        """Give what the desk was handed since the last look."""
        return [
            f"{each.what.name.lower()} {each.wire.name.lower()} {each.connection}"
            + (f" {each.raw.decode()}" if each.raw else f": {each.why}" if each.why else "")
            for each in self.intake.drain(100)
        ]


def test_a_frame_connects_its_wire_and_bears_the_moment_at_which_the_desk_saw_it() -> None:
    stage = Stage()
    sent = stage.frame(b"one"), stage.frame(b"two")
    stage.clock.at_ns += 20 * NS_PER_MS
    for message in sent:
        stage.frames.take(message)
    seen = stage.intake.drain(10)
    assert {each.seen_ns for each in seen} == {BEGUN_NS + 20 * NS_PER_MS}
    assert [each.what.name for each in seen] == ["CONNECTED", "FRAME", "FRAME"]
    assert stage.frames.lag_ns == 20 * NS_PER_MS
    assert stage.frames.lives[Wire.POLYMARKET_MARKET].state is State.UP


def test_what_comes_twice_is_taken_once() -> None:
    stage = Stage()
    one, two = stage.frame(b"one"), stage.frame(b"two")
    for message in (one, two, one, two):
        stage.frames.take(message)
    assert stage.came() == ["connected polymarket_market 1", "frame polymarket_market 1 one",
                            "frame polymarket_market 1 two"]  # fmt: skip


def test_when_the_ingest_connects_anew_so_does_the_desk() -> None:
    stage = Stage()
    stage.frames.take(stage.frame(b"old", connection=3))
    stage.frames.take(stage.note(connection="disconnected", wire="polymarket_market", why="closed with 1006"))
    stage.frames.take(stage.frame(b"new", connection=4))
    assert stage.came() == [
        "connected polymarket_market 1", "frame polymarket_market 1 old",
        "disconnected polymarket_market 1: at the ingest: closed with 1006",
        "connected polymarket_market 2", "frame polymarket_market 2 new",
    ]  # fmt: skip
    stage.frames.take(stage.frame(b"newer", connection=5))  # its note is on its way still
    assert stage.came() == [
        "disconnected polymarket_market 2: the ingest connected anew", "connected polymarket_market 3",
        "frame polymarket_market 3 newer",
    ]  # fmt: skip


def test_a_note_that_comes_after_frames_of_the_next_connection_changes_nothing() -> None:
    stage = Stage()
    stage.frames.take(stage.frame(b"old", connection=1))
    note = stage.note(connection="disconnected", wire="polymarket_market", why="gone")
    stage.clock.at_ns += NS_PER_MS
    stage.frames.take(stage.frame(b"new", connection=2))
    stage.came()
    stage.frames.take(note)
    assert stage.came() == []


def test_a_hole_is_told_to_the_wires_that_go_through_that_partition_alone() -> None:
    stage = Stage()
    elsewhere = stage.frame(b"tick", Wire.BYBIT)
    stage.frames.take(elsewhere)
    first, lost, third = stage.frame(b"1"), stage.frame(b"2"), stage.frame(b"3")
    assert lost.place == first.place != elsewhere.place
    stage.frames.take(first)
    stage.came()
    stage.frames.take(third)
    assert stage.came() == ["gap polymarket_market 1: messages of the bus are missing", "frame polymarket_market 1 3"]
    assert stage.frames.holes_count == 1


def test_what_is_too_old_is_let_go_and_every_feed_is_lost_until_something_fresh_comes() -> None:
    stage = Stage()
    stage.frames.take(stage.frame(b"tick", Wire.OKX))
    stage.frames.take(stage.frame(b"book"))
    old = stage.frame(b"old")
    stage.came()
    stage.clock.at_ns += 1_500 * NS_PER_MS
    stage.frames.take(old)
    why = "the bus is 1.5 s behind (at most 1 s)"
    assert stage.came() == [f"disconnected polymarket_market 1: {why}", f"disconnected okx 1: {why}"]
    stage.frames.take(stage.frame(b"fresh, and yet behind what is let go"))
    assert stage.came() == [] and stage.frames.skips_count == 1
    skipped, fresh = stage.frame(b"skipped"), stage.frame(b"fresh")
    assert fresh.before == skipped.seq
    stage.frames.hand([fresh], True, threading.Event())
    assert stage.came() == ["connected polymarket_market 2", "frame polymarket_market 2 fresh"]
    assert stage.frames.holes_count == 0, "what was let go on purpose is no hole"


def test_silence_on_the_whole_bus_is_told_with_what_the_brokers_say() -> None:
    stage = Stage()
    stage.frames.take(stage.frame(b"book"))
    stage.came()
    stage.frames.look()
    assert stage.came() == []
    stage.tail.away = "no broker answers"
    stage.frames._heard_ns -= 2 * NS_PER_S
    stage.frames.look()
    assert stage.came() == ["disconnected polymarket_market 1: nothing came over the bus for 1 s (no broker answers)"]


def test_the_catalogue_and_our_own_orders_are_not_taken_off_the_bus() -> None:
    stage = Stage()
    for wire in (Wire.GAMMA, Wire.CLOB_REST, Wire.POLYGON, Wire.POLYMARKET_USER):
        stage.frames.take(stage.frame(b"{}", wire))
        assert wire not in FED
    stage.frames.take(Foreign("frames/0", "schema 9"))
    assert stage.came() == [] and stage.frames.foreign_count == 1
