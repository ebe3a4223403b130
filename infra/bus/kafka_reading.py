"""Reading a cluster: as a member of a group that goes on for ever, or once through all that is held."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from infra.bus.cluster import Cluster, is_absence, places_of, refusal, words
from infra.bus.messages import Foreign, Message, Place, Topic, message_of
from infra.bus.port import BusAway, BusRefused

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, TopicPartition
    from confluent_kafka import Message as Delivered

_BATCH: Final = 1_000
_LOOK_S: Final = 0.1
PATIENCE_S: Final = 30.0
"""How long brokers may be silent while what they hold is read."""


class KafkaSubscription:
    """A member of a consumer group: at least once, confirmed after it was processed."""

    def __init__(self, cluster: Cluster, group: str, topics: Sequence[Topic]) -> None:
        """Join the group; the first batch waits until partitions are shared out."""
        from confluent_kafka import Consumer

        self._cluster = cluster
        self._given: dict[tuple[str, int], int] = {}
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
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in self._given.items()]
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
        topic, partition, offset = _place(delivered)
        self._given[topic, partition] = offset + 1
        return read_delivered(self._cluster, delivered)

    def _revoked(self, _: "Consumer", partitions: "list[TopicPartition]") -> None:
        """Forget what another member will be given again."""
        for each in partitions:
            self._given.pop((each.topic, each.partition), None)

    def _erred(self, error: "KafkaError") -> None:
        if is_absence(error):
            self.away = words(error)


def held(
    cluster: Cluster, partitions: Mapping[Topic, int], told: Callable[[int, int], None] | None = None
) -> Iterator[Message | Foreign]:
    """Give every message that the brokers hold at this moment, in order within each partition.

    Args:
        cluster: Whose.
        partitions: Of which topics, with their partitions.
        told: Told now and then how many messages have been read, of how many offsets.

    Raises:
        BusAway: brokers are silent.
        BusRefused: they refuse.
    """
    from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

    settings = cluster.consumer("reading") | {"enable.partition.eof": True}
    consumer = Consumer(settings)
    try:
        places = {(cluster.name(place.topic), place.partition) for place in places_of(partitions)}
        ends = {at: _ends_of(cluster, consumer, at) for at in places}
        open_ends = {at: high for at, (low, high) in ends.items() if high > low}
        most = sum(high - low for low, high in ends.values())
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for topic, partition in open_ends])
        heard_s, count = time.monotonic(), 0
        while open_ends:
            came = consumer.consume(_BATCH, _LOOK_S)
            for delivered in came:
                error = delivered.error()
                at = (str(delivered.topic()), delivered.partition() or 0)
                if error is not None and error.code() == KafkaError._PARTITION_EOF:
                    open_ends.pop(at, None)
                elif error is not None:
                    if not is_absence(error) and not error.retriable():
                        raise BusRefused(f"Kafka at {cluster.servers}: {words(error)}")
                elif at in open_ends:
                    count += 1
                    yield read_delivered(cluster, delivered)
                    if _place(delivered)[2] + 1 >= open_ends[at]:
                        open_ends.pop(at)
            if told is not None:
                told(count, most)
            if came:
                heard_s = time.monotonic()
            if time.monotonic() - heard_s > PATIENCE_S:
                raise BusAway(f"Kafka at {cluster.servers} said nothing for {PATIENCE_S:g} s")
    finally:
        consumer.close()


def read_delivered(cluster: Cluster, delivered: "Delivered") -> Message | Foreign:
    """Read a message as the client gives it."""
    topic, partition, _ = _place(delivered)
    place = Place(cluster.topic(topic), partition)
    headers = [(name, value or b"") for name, value in delivered.headers() or ()]
    return message_of(place, delivered.key() or b"", headers, delivered.value() or b"")


def _place(delivered: "Delivered") -> tuple[str, int, int]:
    topic, partition, offset = delivered.topic(), delivered.partition(), delivered.offset()
    assert topic is not None and partition is not None and offset is not None
    return topic, partition, offset


def _ends_of(cluster: Cluster, consumer: "Consumer", at: tuple[str, int]) -> tuple[int, int]:
    """Give the offset of the first message of a partition, and the one behind its last."""
    from confluent_kafka import KafkaException, TopicPartition

    try:
        low, high = consumer.get_watermark_offsets(TopicPartition(*at), timeout=cluster.answer_s)
    except KafkaException as error:
        raise refusal(cluster, error) from error
    return int(low), int(high)
