"""Reading a cluster: as a member of a group that goes on for ever, or once through all that is held."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from infra.bus.cluster import Cluster, is_absence, places_of, refusal, words
from infra.bus.messages import Foreign, Message, Place, Topic, message_of
from infra.bus.port import BusAway, BusRefused

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, TopicPartition
    from confluent_kafka import Message as Delivered

_BATCH: Final = 1_000
_LOOK_S: Final = 0.1
Told = Callable[[int, int], None]
PATIENCE_S: Final = 30.0
"""How long brokers may be silent while what they hold is read."""


class KafkaSubscription:
    """A member of a consumer group: at least once, confirmed after it was processed."""

    def __init__(self, cluster: Cluster, group: str, topics: Sequence[Topic]) -> None:
        """Join the group; the first batch waits until partitions are shared out."""
        from confluent_kafka import Consumer

        self._cluster = cluster
        self._given: dict[Place, int] = {}
        """Offset behind the last message that was given, by partition."""
        self.away = ""
        """Why nothing comes, as far as is known."""
        self._consumer = Consumer(cluster.consumer(group) | {"error_cb": self._erred})
        self._consumer.subscribe([cluster.name(topic) for topic in topics], on_revoke=self._revoked)

    @property
    def partitions_count(self) -> int:
        """Give how many partitions this member reads now."""
        return len(self._consumer.assignment())

    def batch(self, most: int, within_s: float) -> list[Message | Foreign]:
        """Give what has come, at most so many, waiting for the first one no longer than stated."""
        first = self._consumer.poll(within_s)
        if first is None:
            return []
        found = [first, *(self._consumer.consume(most - 1, 0) if most > 1 else ())]
        return [told for each in found if (told := self._read(each)) is not None]

    def commit(self) -> None:
        """Confirm what was given so far."""
        from confluent_kafka import KafkaException, TopicPartition

        if not self._given:
            return
        offsets = [
            TopicPartition(self._cluster.name(place.topic), place.partition, offset)
            for place, offset in self._given.items()
        ]
        try:
            told = self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            raise refusal(self._cluster, error) from error
        for each in told or ():
            if each.error is not None:
                raise BusRefused(f"{each.topic}/{each.partition} could not be confirmed: {words(each.error)}")
        self._given.clear()

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _read(self, delivered: "Delivered") -> Message | Foreign | None:
        error = delivered.error()
        if error is not None:
            if is_absence(error) or error.retriable():
                self.away = words(error)
                return None
            raise BusRefused(f"Kafka at {self._cluster.servers}: {words(error)}")
        self.away = ""
        self._given[place_of(self._cluster, delivered)] = offset_of(delivered) + 1
        return read_delivered(self._cluster, delivered)

    def _revoked(self, _: "Consumer", partitions: "list[TopicPartition]") -> None:
        """Forget what another member will be given again."""
        for each in partitions:
            self._given.pop(Place(self._cluster.topic(each.topic), each.partition), None)

    def _erred(self, error: "KafkaError") -> None:
        if is_absence(error):
            self.away = words(error)


def held(cluster: Cluster, partitions: Mapping[Topic, int], told: Told | None = None) -> Iterator[Message | Foreign]:
    """Give every message that the brokers hold at this moment, in order within each partition.

    Args:
        cluster: Whose.
        partitions: Of which topics, with their partitions.
        told: Told now and then how many messages have been read, of how many offsets.

    Raises:
        BusAway: brokers are silent.
        BusRefused: they refuse.
    """
    from confluent_kafka import Consumer

    consumer = Consumer(cluster.consumer("reading") | {"enable.partition.eof": True})
    try:
        for delivered in read_to_end(cluster, consumer, spans_of(cluster, consumer, partitions, {}), told):
            yield read_delivered(cluster, delivered)
    finally:
        consumer.close()


def spans_of(
    cluster: Cluster, consumer: "Consumer", partitions: Mapping[Topic, int], starts: Mapping[Place, int]
) -> dict[Place, tuple[int, int]]:
    """Give the offsets that each partition holds from a start on: of the first message, and the one behind the last.

    Raises:
        BusAway, BusRefused: brokers do not say.
    """
    from confluent_kafka import KafkaException, TopicPartition

    found = {}
    for place in places_of(partitions):
        at = TopicPartition(cluster.name(place.topic), place.partition)
        try:
            low, high = consumer.get_watermark_offsets(at, timeout=cluster.answer_s)
        except KafkaException as error:
            raise refusal(cluster, error) from error
        found[place] = (min(max(int(low), starts.get(place, 0)), int(high)), int(high))
    return found


def read_to_end(
    cluster: Cluster, consumer: "Consumer", spans: Mapping[Place, tuple[int, int]], told: Told | None = None
) -> Iterator["Delivered"]:
    """Give what a consumer that tells ends of partitions finds in spans of offsets.

    Raises:
        BusAway: brokers are silent.
        BusRefused: they refuse.
    """
    from confluent_kafka import KafkaError, TopicPartition

    unread = {place: high for place, (low, high) in spans.items() if high > low}
    most, count = sum(high - low for low, high in spans.values()), 0
    consumer.assign([TopicPartition(cluster.name(at.topic), at.partition, spans[at][0]) for at in unread])
    heard_s = time.monotonic()
    while unread:
        came = consumer.consume(_BATCH, _LOOK_S)
        for delivered in came:
            error = delivered.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                if not is_absence(error) and not error.retriable():
                    raise BusRefused(f"Kafka at {cluster.servers}: {words(error)}")
                continue
            place = place_of(cluster, delivered)
            if error is not None:
                unread.pop(place, None)
            elif place in unread:
                count += 1
                yield delivered
                if offset_of(delivered) + 1 >= unread[place]:
                    unread.pop(place)
        if told is not None:
            told(count, most)
        if came:
            heard_s = time.monotonic()
        elif time.monotonic() - heard_s > PATIENCE_S:
            raise BusAway(f"Kafka at {cluster.servers} said nothing for {PATIENCE_S:g} s")


def read_delivered(cluster: Cluster, delivered: "Delivered") -> Message | Foreign:
    """Read a message as the client gives it."""
    told: Any = delivered.headers() or ()  # pairs, whatever else the client's types allow for sending
    headers: list[tuple[str, bytes]] = [(name, value or b"") for name, value in told]
    return message_of(place_of(cluster, delivered), delivered.key() or b"", headers, delivered.value() or b"")


def place_of(cluster: Cluster, delivered: "Delivered") -> Place:
    """Give where a message stands, or what an error is about."""
    topic, partition = delivered.topic(), delivered.partition()
    assert topic is not None and partition is not None
    return Place(cluster.topic(topic), partition)


def offset_of(delivered: "Delivered") -> int:
    """Give a message's offset."""
    offset = delivered.offset()
    assert offset is not None
    return offset
