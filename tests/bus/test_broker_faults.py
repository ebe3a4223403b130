"""Brokers that refuse, fall silent and change their leader: everything is acknowledged, read once, and in order."""

import threading
from pathlib import Path

import pytest
from bus_stage import ALL, MockStage, messages_of, publish_all, read, written
from kafka_mock import BROKERS, NOT_ENOUGH_REPLICAS, NOT_LEADER, PRODUCE, REQUEST_TIMED_OUT

from infra.bus.bookmark import Bookmark
from infra.bus.cluster import Cluster, open_topics
from infra.bus.dedupe import Dedupe
from infra.bus.kafka import KafkaBus
from infra.bus.messages import Message, Topic
from infra.bus.port import PARTITIONS, BusAway, State, Taken
from infra.bus.tee import Tee
from infra.stack.program import free_port


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> list[Message]:
    return messages_of(written(tmp_path_factory.mktemp("journal"), 300))


def hold_once_and_in_order(bus: KafkaBus, messages: list[Message]) -> None:
    """Read everything back, and hold it against what was published; nothing may have come twice either."""
    reader = bus.subscribe("archive", ALL)
    came = read(reader, len(messages))
    dedupe = Dedupe()
    taken = [dedupe.take(each) for each in came]
    assert dedupe.doubled_count == 0
    for place in {each.place for each in messages}:
        assert [each for each in taken if isinstance(each, Message) and each.place == place] == [
            each for each in messages if each.place == place
        ]
    assert reader.batch(1, 0.5) == []
    reader.close()


def test_refusals_of_a_moment_are_tried_again(messages: list[Message]) -> None:
    stage = MockStage()
    bus = stage.bus()
    stage.mock.fail_requests(PRODUCE, NOT_LEADER, REQUEST_TIMED_OUT, NOT_ENOUGH_REPLICAS, NOT_LEADER)
    publish_all(bus, messages)
    hold_once_and_in_order(bus, messages)
    assert bus.state().refused == ""
    bus.close()


def test_a_broker_that_is_gone_and_a_leader_that_changes_lose_nothing(messages: list[Message]) -> None:
    stage = MockStage()
    bus = stage.bus()
    name = bus.cluster.name(Topic.EVENTS)
    for partition in range(PARTITIONS[Topic.EVENTS]):
        stage.mock.lead(name, partition, 1)
    publish_all(bus, messages[:100])
    stage.mock.down(1)
    back = threading.Timer(1.0, stage.mock.up, (1,))
    back.start()
    assert all(bus.publish(each) == Taken() for each in messages[100:])
    for partition in range(PARTITIONS[Topic.EVENTS]):
        stage.mock.lead(name, partition, 2)
    state = bus.flush(20.0)
    back.join()
    assert (state.arrived_count, state.refused) == (len(messages), "")
    hold_once_and_in_order(bus, messages)
    bus.close()


def test_a_tee_waits_for_brokers_that_are_gone_and_says_how_far_it_is_behind(tmp_path: Path) -> None:
    folder = written(tmp_path, 400, at_once=2)
    stage = MockStage()
    bus = stage.bus(room=100)
    tee = Tee(folder, bus, {}, "test")
    waits: list[str] = []
    with stage.stalled(bus):

        def come_back() -> None:
            for broker in range(1, BROKERS + 1):
                stage.mock.up(broker)

        timer = threading.Timer(1.5, come_back)
        timer.start()

        def wait(state: State) -> None:
            told = tee.told()
            assert told.lag_items_count > 0
            waits.append(told.away)
            threading.Event().wait(0.01)

        tee.refresh(wait)
        timer.join()
    bus.flush(20.0)
    assert any("no broker answers" in each for each in waits)
    told = tee.told()
    assert (told.lag_items_count, told.away) == (0, "")
    held = Bookmark(bus.cluster, bus.partitions, "test").held()
    assert max(each.last for each in held.values()) == told.arrived_seq
    bus.close()


def test_a_tee_goes_on_from_what_brokers_hold_and_its_bookmark_spares_it_the_rest(tmp_path: Path) -> None:
    folder = written(tmp_path, 200)
    count = len(messages_of(folder))
    stage = MockStage()
    bus = stage.bus()

    def tee(journal: str) -> tuple[Tee, int]:
        bookmark = Bookmark(bus.cluster, bus.partitions, journal)
        tee = Tee(folder, bus, bookmark.held(), journal)
        tee.refresh(lambda state: None)
        bus.flush(20.0)
        bookmark.close()
        return tee, bookmark.read_count

    places = len({each.place for each in messages_of(folder)})
    first, read_count = tee("test")
    assert (first.messages_count, first.held_count, read_count) == (count, 0, 0)
    again, read_count = tee("test")
    assert (again.messages_count, again.held_count, read_count) == (0, count, count)
    again, read_count = tee("test")
    assert (again.messages_count, again.held_count, read_count) == (0, count, places), "the last of each partition"
    other, read_count = tee("other")
    assert (other.messages_count, read_count) == (count, count), "another journal's messages are its own"
    bus.close()


def test_an_address_where_nobody_answers_is_told_in_a_line() -> None:
    port = free_port()
    with pytest.raises(BusAway, match=f"no Kafka broker answers at 127.0.0.1:{port}"):
        open_topics(Cluster(f"127.0.0.1:{port}", answer_s=1.0))
