"""The contract of a bus: the same stories inside one process, on librdkafka's brokers, and on a real Apache Kafka."""

from collections import defaultdict
from typing import Any

import pytest
from bus_stage import (
    ALL,
    InProcessStage,
    KafkaStage,
    MockStage,
    messages_of,
    publish_all,
    publish_until_full,
    read,
    written,
)

from infra.bus.dedupe import Dedupe, Doubled, Missing
from infra.bus.messages import Message, Place, Topic
from infra.bus.port import Full, Refused, Taken

STAGES = [
    pytest.param(InProcessStage, id="in-process"),
    pytest.param(MockStage, id="mock"),
    pytest.param(KafkaStage, id="kafka", marks=pytest.mark.rehearsal),
]


@pytest.fixture(params=STAGES)
def stage(request: pytest.FixtureRequest) -> Any:
    return request.param()


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> list[Message]:
    folder = written(tmp_path_factory.mktemp("journal"), 300)
    return messages_of(folder)


def by_place(messages: list[Message]) -> dict[Place, list[Message]]:
    found = defaultdict(list)
    for message in messages:
        found[message.place].append(message)
    return dict(found)


def test_what_is_published_is_read_in_the_order_of_each_partition(stage: Any, messages: list[Message]) -> None:
    bus = stage.bus()
    reader = bus.subscribe("archive", ALL)
    publish_all(bus, messages)
    came = read(reader, len(messages))
    assert by_place(came) == by_place(messages)
    state = bus.state()
    assert (state.taken_count, state.arrived_count, state.whole_count) == (len(messages),) * 3
    reader.close()
    bus.close()


def test_every_group_reads_everything_and_only_its_topics(stage: Any, messages: list[Message]) -> None:
    bus = stage.bus()
    archive, screen = bus.subscribe("archive", ALL), bus.subscribe("screen", [Topic.EVENTS])
    publish_all(bus, messages)
    assert len(read(archive, len(messages))) == len(messages)
    events = [each for each in messages if each.place.topic is Topic.EVENTS]
    assert by_place(read(screen, len(events))) == by_place(events)
    for reader in (archive, screen):
        reader.close()
    bus.close()


def test_what_was_not_confirmed_is_given_again_and_taken_once(stage: Any, messages: list[Message]) -> None:
    bus = stage.bus()
    dedupe, taken = Dedupe(), []
    publish_reader = bus.subscribe("archive", ALL)
    publish_all(bus, messages)
    first = read(publish_reader, 20)  # confirmed
    lost = read(publish_reader, 15, commit=False)  # processed, and the reader dies before it can say so
    publish_reader.close()
    again = bus.subscribe("archive", ALL)
    rest = read(again, len(messages) - len(first))
    for message in (*first, *lost, *rest):
        told = dedupe.take(message)
        assert not isinstance(told, Missing)
        if not isinstance(told, Doubled):
            taken.append(told)
    assert dedupe.doubled_count == len(lost)
    assert by_place(taken) == by_place(messages)
    again.close()
    bus.close()


def test_a_message_that_never_came_is_told_before_what_is_behind_it(stage: Any, messages: list[Message]) -> None:
    bus = stage.bus()
    reader = bus.subscribe("archive", [Topic.EVENTS])
    events = [each for each in messages if each.place.topic is Topic.EVENTS]
    lost = by_place(events)[events[0].place][2]
    publish_all(bus, [each for each in events if each is not lost])
    dedupe, told = Dedupe(), []
    for message in read(reader, len(events) - 1):
        verdict = dedupe.take(message)
        if isinstance(verdict, Missing):
            told.append(verdict)
            dedupe.skip(verdict)
            assert isinstance(dedupe.take(message), Message)
    (missing,) = told
    assert (missing.place, missing.before) == (lost.place, lost.seq)
    reader.close()
    bus.close()


def test_a_bus_without_room_says_so_and_loses_nothing(stage: Any, messages: list[Message]) -> None:
    bus = stage.bus(room=40)
    reader = bus.subscribe("archive", ALL)
    with stage.stalled(bus):
        count, full = publish_until_full(bus, messages)
        assert isinstance(full, Full) and full.waiting_count >= 40 and full.why
    came: list[Message] = []
    while count < len(messages):
        verdict = bus.publish(messages[count])
        assert not isinstance(verdict, Refused)
        count += verdict == Taken()
        if isinstance(verdict, Full):
            came += read(reader, 20)
    came += read(reader, len(messages) - len(came))
    assert by_place(came) == by_place(messages)
    assert bus.state().refused == ""
    reader.close()
    bus.close()


def test_a_closed_bus_takes_nothing(stage: Any, messages: list[Message]) -> None:
    bus = stage.bus()
    bus.close()
    assert isinstance(bus.publish(messages[0]), Refused)


def test_a_reader_goes_on_by_what_it_kept_not_by_offsets(stage: Any, messages: list[Message]) -> None:
    """Its own store says what it has: read by a group that the brokers do not know, everything comes once more."""
    bus = stage.bus()
    reader = bus.subscribe("another", ALL)
    publish_all(bus, messages)
    kept = {(each.journal, each.place): each.seq for each in messages[:100]}
    dedupe = Dedupe.resumed(kept)
    taken = [told for each in read(reader, len(messages)) if isinstance(told := dedupe.take(each), Message)]
    assert by_place(taken) == by_place(messages[100:])
    reader.close()
    bus.close()
