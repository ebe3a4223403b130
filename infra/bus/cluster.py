"""A Kafka cluster as the bus uses it: its address, the names of our topics, and how clients are set up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from infra.bus.messages import Place, Topic
from infra.bus.port import PARTITIONS, BusAway, BusRefused

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, KafkaException

PREFIX: Final = "updown"
ANSWER_S: Final = 5.0
MESSAGE_BYTES_MOST: Final = 8 << 20
QUEUE_MESSAGES: Final = 100_000
QUEUE_KB: Final = 64 << 10
"""What a producer holds at most that has not arrived: beyond it, the journal is the buffer."""
LINGER_MS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where a cluster is, and what our topics there begin with."""

    servers: str
    """HOST:PORT, or several of them with commas."""
    prefix: str = PREFIX
    fetch_wait_ms: int = 5
    """How long a broker may hold an answer back when it has nothing new."""
    answer_s: float = ANSWER_S
    """How long a broker may take to say what it has."""
    queue_count: int = QUEUE_MESSAGES
    """Messages that a producer holds before it says that it is full."""
    compression: str = "lz4"
    settings: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    """How brokers are reached (`client_settings`); may hold secrets."""

    def name(self, topic: Topic) -> str:
        """Give a topic's name there."""
        return f"{self.prefix}.{topic}"

    def topic(self, name: str) -> Topic:
        """Give the topic of a name."""
        return Topic(name.removeprefix(f"{self.prefix}."))

    def producer(self) -> dict[str, Any]:
        """Give a producer's settings: acknowledged by all, once each, in order, retried for as long as it takes."""
        return self.client() | {
            "enable.idempotence": True,
            "acks": "all",
            # A message that could not be delivered must not be overtaken: what follows it is refused too.
            "enable.gapless.guarantee": True,
            "message.timeout.ms": 0,
            "message.max.bytes": MESSAGE_BYTES_MOST,
            "queue.buffering.max.messages": self.queue_count,
            "queue.buffering.max.kbytes": QUEUE_KB,
            "linger.ms": LINGER_MS,
            "compression.type": self.compression,
        }

    def consumer(self, group: str) -> dict[str, Any]:
        """Give a consumer's settings: what is confirmed is confirmed by us, after it was processed."""
        return self.client() | {
            "group.id": f"{self.prefix}.{group}",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": self.fetch_wait_ms,
            "fetch.error.backoff.ms": 100,
            "queued.max.messages.kbytes": 16 << 10,
            "fetch.message.max.bytes": MESSAGE_BYTES_MOST,
        }

    def client(self) -> dict[str, Any]:
        """Give what all clients have in common."""
        return {
            "bootstrap.servers": self.servers,
            "client.id": "updown",
            "socket.timeout.ms": 10_000,
            "socket.nagle.disable": True,
            "reconnect.backoff.ms": 100,
            "reconnect.backoff.max.ms": 1_000,
            "retry.backoff.ms": 50,
            "retry.backoff.max.ms": 500,
            "topic.metadata.refresh.fast.interval.ms": 100,
            "allow.auto.create.topics": False,
            "log_level": 2,  # what matters comes as an error that we put into words
            **self.settings,
        }


def open_topics(cluster: Cluster) -> dict[Topic, int]:
    """Make sure that our topics are there, and give how many partitions each has.

    Raises:
        BusAway: no broker answers.
        BusRefused: they are not there and may not be created.
    """
    found = partitions_of(cluster)
    absent = [topic for topic in Topic if topic not in found]
    if absent:
        _create(cluster, absent)
        found = partitions_of(cluster)
    still = [cluster.name(topic) for topic in Topic if topic not in found]
    if still:
        raise BusAway(f"Kafka at {cluster.servers} does not show its new topics yet: {', '.join(still)}")
    return found


def partitions_of(cluster: Cluster) -> dict[Topic, int]:
    """Give how many partitions each of our topics has; topics that are not there are left out.

    Raises:
        BusAway: no broker answers.
    """
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    client = AdminClient(cluster.client())
    try:
        told = client.list_topics(timeout=cluster.answer_s)
    except KafkaException as error:
        raise refusal(cluster, error) from error
    ours = {cluster.name(topic): topic for topic in Topic}
    return {
        ours[name]: len(about.partitions)
        for name, about in told.topics.items()
        if name in ours and about.error is None and about.partitions
    }


def _create(cluster: Cluster, topics: list[Topic]) -> None:
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.cimpl import NewTopic

    config = {"max.message.bytes": str(MESSAGE_BYTES_MOST)}
    wanted = [
        NewTopic(cluster.name(topic), num_partitions=PARTITIONS[topic], replication_factor=-1, config=config)
        for topic in topics
    ]
    client = AdminClient(cluster.client())
    for name, future in client.create_topics(
        wanted, operation_timeout=cluster.answer_s, request_timeout=cluster.answer_s
    ).items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another process was first
                raise BusRefused(f"topic {name} cannot be created: {words(error)}; create it by hand") from error


def refusal(cluster: Cluster, error: "KafkaException") -> BusRefused:
    """Put a client's error into a line of ours."""
    told: KafkaError = error.args[0]
    if is_absence(told) or told.retriable():
        return BusAway(f"no Kafka broker answers at {cluster.servers} ({words(error)}); is it running?")
    return BusRefused(f"Kafka at {cluster.servers}: {words(error)}")


def is_absence(error: "KafkaError") -> bool:
    """Say whether an error means that nobody answers at the moment."""
    from confluent_kafka import KafkaError

    ours = (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._RESOLVE)
    theirs = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.REQUEST_TIMED_OUT)
    return error.code() in (*ours, *theirs)  # a topic that was just made has no leader for a moment


def words(error: "KafkaException | KafkaError") -> str:
    """Give what a client says is wrong, in few words."""
    told = error.args[0] if isinstance(error, Exception) else error
    return " ".join(str(told.str()).split())[:200]


def places_of(partitions: Mapping[Topic, int]) -> list[Place]:
    """Give every partition of every topic."""
    return [Place(topic, partition) for topic, count in partitions.items() for partition in range(count)]
