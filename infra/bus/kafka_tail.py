"""The end of topics: what comes from now on, for who wants news and no history."""

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from infra.bus.cluster import Cluster, is_absence, open_topics, places_of, words
from infra.bus.kafka_reading import read_delivered
from infra.bus.messages import Foreign, Message, Topic
from infra.bus.port import BusRefused

if TYPE_CHECKING:
    from confluent_kafka import KafkaError


class KafkaTail:
    """Reads topics from their end on, as long as it lives; nothing is confirmed, and nothing of before is given.

    `batch` belongs to one thread; `skip` may be called from any.
    """

    def __init__(self, cluster: Cluster, topics: Sequence[Topic]) -> None:
        """Stand at the end of every partition.

        Raises:
            BusAway: no broker answers.
            BusRefused: the cluster does not have our topics and will not create them.
        """
        from confluent_kafka import Consumer

        self._cluster = cluster
        every = open_topics(cluster)
        self.partitions: Mapping[Topic, int] = {topic: every[topic] for topic in topics}
        self._places = places_of(self.partitions)
        self._skip = threading.Event()
        self.away = ""
        """Why nothing comes, as far as is known."""
        self._consumer = Consumer(cluster.consumer("tail") | {"error_cb": self._erred})
        self._to_the_end()

    def batch(self, most: int, within_s: float) -> list[Message | Foreign]:
        """Give what has come, at most so many, waiting for the first one no longer than stated.

        Raises:
            BusRefused: the brokers refuse.
        """
        if self._skip.is_set():
            self._skip.clear()
            self._to_the_end()
        found = []
        for delivered in self._consumer.consume(most, within_s):
            error = delivered.error()
            if error is None:
                self.away = ""
                found.append(read_delivered(self._cluster, delivered))
            elif is_absence(error) or error.retriable():
                self.away = words(error)
            else:
                raise BusRefused(f"Kafka at {self._cluster.servers}: {words(error)}")
        return found

    def skip(self) -> None:
        """Let go of what waits: the next batch begins at the end."""
        self._skip.set()

    def close(self) -> None:
        """Let go."""
        self._consumer.close()

    def _to_the_end(self) -> None:
        from confluent_kafka import OFFSET_END, TopicPartition

        names = self._cluster.name
        self._consumer.assign([TopicPartition(names(at.topic), at.partition, OFFSET_END) for at in self._places])

    def _erred(self, error: "KafkaError") -> None:
        if is_absence(error):
            self.away = words(error)
