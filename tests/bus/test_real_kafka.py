"""A real Apache Kafka: killed in the middle, read by a client that is not ours, and a journal there and back."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from bus_stage import ALL, extend, items, messages_of, shared_kafka, written

from infra.bus.cluster import Cluster, partitions_of
from infra.bus.dedupe import Dedupe
from infra.bus.kafka import KafkaBus
from infra.bus.kafka_reading import held
from infra.bus.messages import TITLE, Message, Topic
from infra.bus.port import BusAway, State
from infra.bus.tee import Tee
from infra.journal.naming import journal_end
from infra.journal.writer import Journal

pytestmark = pytest.mark.rehearsal
ROOT = Path(__file__).resolve().parents[2]


def updown(*words: str, **more: Any) -> "subprocess.Popen[str]":
    """Start a command of ours as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "infra", *words], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, **more,
    )  # fmt: skip


def told_by(child: "subprocess.Popen[str]", within_s: float = 60.0) -> dict[str, Any]:
    """Give a command's JSON."""
    out, said = child.communicate(timeout=within_s)
    assert child.returncode == 0, said
    told: dict[str, Any] = json.loads(out)
    return told


def everything(cluster: Cluster, journal: str) -> tuple[list[Message], Dedupe]:
    """Give what brokers hold of a journal, each message once, and what was left out for it."""
    dedupe, taken = Dedupe(), []
    for each in held(cluster, partitions_of(cluster)):
        assert isinstance(each, Message)
        if each.journal == journal and isinstance(told := dedupe.take(each), Message):
            taken.append(told)
    return taken, dedupe


def numbers_of(messages: list[Message]) -> list[int]:
    return sorted(number for each in messages if each.kind != TITLE for number in each.numbers.tolist())


def test_a_broker_killed_in_the_middle_loses_and_doubles_nothing(tmp_path: Path) -> None:
    kafka, folder = shared_kafka(), tmp_path / "journal"
    bus = KafkaBus(Cluster(kafka.bootstrap, "killed", queue_count=500))

    def wait(_: State) -> None:
        if kafka.child is None or kafka.child.poll() is not None:
            kafka.start()  # when there is no more room, or all is taken
        time.sleep(0.005)

    with Journal(folder, created_ns=1, code="test") as journal:
        extend(journal, 3_000, at_once=5)
        tee = Tee(folder, bus, {}, "test")
        tee.refresh(wait)
        kafka.kill()  # with what is on its way
        extend(journal, 3_000, at_once=5)
        tee.refresh(wait)
    tee.refresh(wait)
    wait(bus.state())
    state = bus.flush(60.0)
    assert (state.waiting_count, state.refused) == (0, "")
    taken, dedupe = everything(bus.cluster, "test")
    assert dedupe.doubled_count == 0, "an idempotent producer's second try is not kept twice"
    assert numbers_of(taken) == list(range(journal_end(folder).next_seq))
    bus.close()


def test_a_tee_killed_again_and_again_leaves_each_item_there_once(tmp_path: Path) -> None:
    kafka = shared_kafka()
    folder, cluster = tmp_path / "journal", Cluster(kafka.bootstrap, "tees")
    words = ("tee", "--journal", str(folder), "--to", kafka.bootstrap, "--prefix", "tees", "--journal-id", "test")
    with Journal(folder, created_ns=1, code="test") as journal:
        for round_number in range(3):
            extend(journal, 3_000, at_once=5)
            child = updown(*words)
            deadline_s = time.monotonic() + 30.0
            while not _reached(cluster, 200 * (round_number + 1)) and time.monotonic() < deadline_s:
                extend(journal, 50, at_once=5)
            child.send_signal(signal.SIGKILL)
            child.wait()
            child.communicate()
        extend(journal, 50)
    told = told_by(updown(*words, "--once", "--json"))
    assert told["held_count"] > 0 and told["lag_items_count"] == 0
    taken, dedupe = everything(cluster, "test")
    assert dedupe.doubled_count == 0
    assert numbers_of(taken) == list(range(journal_end(folder).next_seq))
    assert told["arrived_seq"] == journal_end(folder).next_seq - 1


def _reached(cluster: Cluster, count: int) -> bool:
    """Say whether brokers hold so many messages."""
    partitions = partitions_of(cluster)
    try:
        return len(partitions) == len(Topic) and sum(1 for _ in held(cluster, partitions)) >= count
    except BusAway:  # topics that were made this moment
        return False


def test_a_journal_goes_there_and_back_to_the_byte(tmp_path: Path) -> None:
    kafka = shared_kafka()
    folder = written(tmp_path / "journal", 2_000)
    where = ("--prefix", "back", "--json")
    told = told_by(updown("tee", "--journal", str(folder), "--to", kafka.bootstrap, "--once", *where))
    back = ("untee", "--from", kafka.bootstrap, "--to", str(tmp_path / "back"), "--journal-id", told["journal"])
    restored = told_by(updown(*back, *where))
    assert restored["items_count"] == journal_end(folder).next_seq

    assert items(tmp_path / "back") == items(folder)


def test_another_client_reads_what_we_wrote(tmp_path: Path) -> None:
    """aiokafka shares no code with ours: what stands on the topics is Kafka's protocol, not a habit of one library."""
    from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]

    kafka = shared_kafka()
    folder = written(tmp_path, 100)
    messages = [each for each in messages_of(folder) if each.place.topic is Topic.EVENTS]
    bus = KafkaBus(Cluster(kafka.bootstrap, "other", compression="gzip"))
    Tee(folder, bus, {}, "test").refresh(lambda state: None)
    assert bus.flush(20.0).waiting_count == 0

    async def heard() -> list[tuple[int, str, dict[str, str], bytes]]:
        consumer = AIOKafkaConsumer("other.events", bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            found: list[Any] = []
            while len(found) < len(messages):
                for records in (await consumer.getmany(timeout_ms=1_000)).values():
                    for each in records:
                        headers = {name: value.decode() for name, value in each.headers}
                        found.append((each.partition, each.key.decode(), headers, each.value))
            return found
        finally:
            await consumer.stop()

    came = asyncio.run(asyncio.wait_for(heard(), 30.0))
    ours = [
        (each.place.partition, each.key, str(each.seq), str(each.before), "test", each.payload) for each in messages
    ]
    theirs = [
        (partition, key, headers["seq"], headers["before"], headers["journal"], value)
        for partition, key, headers, value in came
    ]
    assert sorted(theirs) == sorted(ours)
    bus.close()


def test_members_of_a_group_share_the_partitions(tmp_path: Path) -> None:
    kafka = shared_kafka()
    messages = messages_of(written(tmp_path, 400))
    bus = KafkaBus(Cluster(kafka.bootstrap, "shared"))
    one, two = bus.subscribe("desks", ALL), bus.subscribe("desks", ALL)
    deadline_s = time.monotonic() + 20.0
    while not (one.partitions_count and two.partitions_count) and time.monotonic() < deadline_s:
        assert one.batch(1, 0.1) == two.batch(1, 0.1) == []
    for message in messages:
        bus.publish(message)
    bus.flush(20.0)
    first: list[Any] = []
    second: list[Any] = []
    while len(first) + len(second) < len(messages) and time.monotonic() < deadline_s:
        first += one.batch(50, 0.1)
        second += two.batch(50, 0.1)
    assert len(first) + len(second) == len(messages)
    assert first and second and not {each.place for each in first} & {each.place for each in second}
    one.close()
    two.close()
    bus.close()
