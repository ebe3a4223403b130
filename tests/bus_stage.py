"""Where a bus is tried: inside this process, on librdkafka's brokers, on a real Apache Kafka; and what is sent."""

import atexit
import itertools
import shutil
import signal
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from kafka_mock import BROKERS, MockCluster, mock_cluster
from real_parts import missing

from infra.bus.cluster import Cluster
from infra.bus.in_process import InProcess
from infra.bus.kafka import KafkaBus
from infra.bus.messages import Message, Topic
from infra.bus.port import PARTITIONS, Bus, Full, Subscription, Taken
from infra.bus.sharing import Sharing
from infra.journal.blocks import EntryKind
from infra.journal.reader import Entry, entries, read_title_of
from infra.journal.segments import title_bytes
from infra.journal.writer import Journal
from infra.stack.kafka import Kafka, KafkaMissing
from state.events import EVENT, Kind, Source

_PREFIXES = itertools.count(1)
ALL = tuple(Topic)


def rows_of_windows(count: int, windows: int = 3, first: int = 0) -> Any:
    """Give rows of trades in several windows by turns, each marked with its number, and a price now and then."""
    rows = np.zeros(count, EVENT)
    rows["seen_ns"] = np.arange(count) + first + 1
    rows["ref_id"] = np.arange(count) + first
    rows["kind_code"], rows["source_code"] = Kind.TRADE_SEEN, Source.POLYMARKET_BOOK
    rows["slot_id"] = np.arange(count) % windows
    prices = np.arange(count) % 7 == 0
    rows["kind_code"][prices], rows["source_code"][prices], rows["slot_id"][prices] = Kind.PRICE_SEEN, Source.BINANCE, 0
    return rows


def written(folder: Path, count: int, *, at_once: int = 10) -> Path:
    """Write a journal of rows, with a frame and a note now and then."""
    with Journal(folder, created_ns=1, code="test") as journal:
        extend(journal, count, at_once=at_once)
    return folder


def extend(journal: Journal, count: int, *, at_once: int = 10) -> None:
    """Write more of them."""
    for first in range(0, count, at_once):
        rows = rows_of_windows(min(at_once, count - first), first=first)
        journal.append_events(rows)
        journal.append_frame(9, first % 2, first, b"frame %d" % first)
        if first % 50 == 0:
            journal.append_note({"first": first}, first)
            journal.flush()


def messages_of(folder: Path, journal: str = "test") -> list[Message]:
    """Give everything that a journal says on the bus."""
    sharing = Sharing(journal, PARTITIONS)
    title = sharing.title(title_bytes(read_title_of(folder)))
    return [title, *(each for entry in entries(folder, torn_ok=True) for each in sharing.messages(entry))]


def items(folder: Path) -> list[tuple[int, int, int, int, int, bytes]]:
    """Give every item of a journal, rows one by one: how they were gathered into blocks does not matter."""
    return items_of(entries(folder, torn_ok=True))


def items_of(told: Iterable[Entry]) -> list[tuple[int, int, int, int, int, bytes]]:
    """Give every item of entries."""
    found = []
    for entry in told:
        if entry.kind is EntryKind.EVENTS:
            rows = entry.rows
            found += [(entry.seq + at, 3, 0, 0, 0, rows[at : at + 1].tobytes()) for at in range(len(rows))]
        else:
            found.append((entry.seq, int(entry.kind), entry.source, entry.connection, entry.seen_ns, entry.data))
    return found


def publish_all(bus: Bus, messages: Sequence[Message]) -> None:
    """Publish messages that there is room for."""
    for message in messages:
        assert bus.publish(message) == Taken()
    assert bus.flush(20.0).waiting_count == 0


def publish_until_full(bus: Bus, messages: Sequence[Message]) -> tuple[int, Full]:
    """Publish until there is no room; gives how many were taken."""
    for count, message in enumerate(messages):
        verdict = bus.publish(message)
        if isinstance(verdict, Full):
            return count, verdict
        assert verdict == Taken()
    raise AssertionError("there was room for everything")


def read(subscription: Subscription, count: int, *, most: int = 50, commit: bool = True) -> list[Message]:
    """Read so many messages, and confirm them; fewer when nothing comes for a long while."""
    found: list[Message] = []
    empty = 0
    while len(found) < count and empty < 40:
        batch = subscription.batch(min(most, count - len(found)), 0.5)
        empty = 0 if batch else empty + 1
        found += [each for each in batch if isinstance(each, Message)]
        assert not [each for each in batch if not isinstance(each, Message)]
    if commit:
        subscription.commit()
    return found


def drained(subscription: Subscription) -> list[Message]:
    """Read what is there, and confirm it; for a bus of this process, where nothing is on its way."""
    found = [each for each in subscription.batch(100_000, 0.0) if isinstance(each, Message)]
    subscription.commit()
    return found


class InProcessStage:
    """The bus of this process."""

    def bus(self, room: int = 10_000) -> Bus:
        return InProcess(room)

    @contextmanager
    def stalled(self, bus: Bus) -> Iterator[None]:
        """Do nothing: the group that reads is the one that falls behind."""
        yield


class MockStage:
    """librdkafka's brokers."""

    def __init__(self) -> None:
        self.mock: MockCluster = _mock()

    def bus(self, room: int = 10_000) -> KafkaBus:
        cluster = self.mock.cluster(f"test{next(_PREFIXES)}")
        return KafkaBus(replace(cluster, queue_count=room))

    @contextmanager
    def stalled(self, bus: Bus) -> Iterator[None]:
        """Take all brokers from the network."""
        for broker in range(1, BROKERS + 1):
            self.mock.down(broker)
        try:
            yield
        finally:
            for broker in range(1, BROKERS + 1):
                self.mock.up(broker)


class KafkaStage:
    """A real Apache Kafka."""

    def __init__(self) -> None:
        self.kafka: Kafka = shared_kafka()

    def bus(self, room: int = 10_000) -> KafkaBus:
        return KafkaBus(Cluster(self.kafka.bootstrap, f"test{next(_PREFIXES)}", queue_count=room))

    @contextmanager
    def stalled(self, bus: Bus) -> Iterator[None]:
        """Stop its process, and let it go on."""
        assert self.kafka.child is not None
        self.kafka.child.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.kafka.child.send_signal(signal.SIGCONT)


@lru_cache(maxsize=1)
def _mock() -> MockCluster:
    running = mock_cluster()
    atexit.register(running.__exit__, None, None, None)
    return running.__enter__()


@lru_cache(maxsize=1)
def shared_kafka() -> Kafka:
    """Give the one Apache Kafka that tests share; it dies with this process."""
    folder = Path(tempfile.mkdtemp(prefix="updown-kafka-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    kafka = Kafka(folder)
    try:
        kafka.format()
    except KafkaMissing as why:
        missing("no Apache Kafka", str(why))
    atexit.register(kafka.kill)
    kafka.start()
    return kafka
