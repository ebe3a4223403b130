"""The bus on Kafka: publishing only enqueues, a thread of its own hears what has arrived."""

import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from infra.bus.cluster import Cluster, is_absence, open_topics, words
from infra.bus.kafka_reading import KafkaSubscription, offset_of, place_of
from infra.bus.messages import Message, Place, Topic, headers_of, partition_of
from infra.bus.port import Full, Refused, State, Taken, Verdict

if TYPE_CHECKING:
    from confluent_kafka import KafkaError
    from confluent_kafka import Message as Delivered

_POLL_S: Final = 0.05


class KafkaBus:
    """Publishes to a cluster, idempotent and acknowledged by all replicas; a broker that is away delays and loses none.

    One thread publishes. The client's own queue is the only buffer, and is bounded.
    """

    def __init__(self, cluster: Cluster) -> None:
        """Open the topics, and begin.

        Raises:
            BusAway: no broker answers.
            BusRefused: the cluster does not have our topics and will not create them.
        """
        from confluent_kafka import Producer

        self.cluster = cluster
        self._partitions = open_topics(cluster)
        self._changed = threading.Condition()
        self._taken = self._arrived = self._whole = 0
        self._ahead: set[int] = set()
        """Messages that arrived before one that was taken earlier: brokers of other partitions are quicker."""
        self._offsets: dict[Place, int] = {}
        self._away = self._refused = ""
        self._producer = Producer(cluster.producer() | {"error_cb": self._erred})
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="kafka", daemon=True)
        self._thread.start()

    @property
    def partitions(self) -> Mapping[Topic, int]:
        """Give how many partitions each topic has."""
        return self._partitions

    def publish(self, message: Message) -> Verdict:
        """Take a message, and never wait."""
        from confluent_kafka import KafkaException

        topic, partition = message.place
        assert partition == partition_of(message.key, self._partitions[topic])
        if self._refused:
            return Refused(self._refused)
        try:
            self._producer.produce(
                self.cluster.name(topic), message.payload, message.key.encode(), partition,
                on_delivery=partial(self._delivered, self._taken), headers=[*headers_of(message)],
            )  # fmt: skip
        except BufferError:
            waiting = self._taken - self._arrived
            return Full(waiting, self._away or f"{waiting} messages are on their way")
        except KafkaException as error:
            self._refused = f"{message.place.topic} at item {message.seq}: {words(error)}"
            return Refused(self._refused)
        self._taken += 1
        return Taken()

    def state(self) -> State:
        """Say how publishing stands."""
        with self._changed:
            return State(self._taken, self._arrived, self._whole, self._away, self._refused)

    def flush(self, within_s: float) -> State:
        """Wait until everything taken has arrived, no longer than stated."""
        with self._changed:
            self._changed.wait_for(lambda: self._arrived >= self._taken or bool(self._refused), within_s)
        return self.state()

    @property
    def offsets(self) -> dict[Place, int]:
        """Give the offset of the last message that arrived in each partition."""
        with self._changed:
            return dict(self._offsets)

    def subscribe(self, group: str, topics: Sequence[Topic]) -> KafkaSubscription:
        """Read topics as a member of a group; partitions are shared out among its members."""
        return KafkaSubscription(self.cluster, group, topics)

    def close(self) -> None:
        """Let go of what has not arrived, and end the thread."""
        self._closed.set()
        self._thread.join()
        self._refused = self._refused or "the bus is closed"
        self._producer.purge()
        self._producer.flush(1.0)

    def _poll(self) -> None:
        while not self._closed.is_set():
            self._producer.poll(_POLL_S)

    def _delivered(self, number: int, error: "KafkaError | None", delivered: "Delivered") -> None:
        """Hear from the client what became of a message."""
        with self._changed:
            if error is not None:
                if not self._closed.is_set():
                    self._refused = self._refused or f"{delivered.topic()}: {words(error)}"
            else:
                self._away = ""
                self._arrived += 1
                self._offsets[place_of(self.cluster, delivered)] = offset_of(delivered)
                self._ahead.add(number)
                while self._whole in self._ahead:
                    self._ahead.remove(self._whole)
                    self._whole += 1
            self._changed.notify_all()

    def _erred(self, error: "KafkaError") -> None:
        """Hear from the client that something is amiss with the cluster."""
        with self._changed:
            if error.fatal():
                self._refused = self._refused or words(error)
            elif is_absence(error):
                self._away = f"no broker answers at {self.cluster.servers} ({words(error)})"
            self._changed.notify_all()
