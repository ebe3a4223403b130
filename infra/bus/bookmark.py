"""A tee's bookmark: from where brokers' topics must be read to find what they have of a journal.

It is kept by the brokers, as the committed offsets of a group of its own. It is a hint and no position: what counts is
the last message found from there on, and without a bookmark everything that is held is read.
"""

from collections.abc import Mapping

from infra.bus.cluster import Cluster, places_of, refusal
from infra.bus.kafka_reading import offset_of, place_of, read_delivered, read_to_end, spans_of
from infra.bus.messages import Message, Place, Topic


class Bookmark:
    """Where one journal's messages stand in each partition."""

    def __init__(self, cluster: Cluster, partitions: Mapping[Topic, int], journal: str) -> None:
        """Open it; nothing is read yet."""
        from confluent_kafka import Consumer

        self._cluster, self._partitions, self._journal = cluster, partitions, journal
        self._consumer = Consumer(cluster.consumer(f"tee-{journal}") | {"enable.partition.eof": True})
        self.read_count = 0
        """Messages read by `held`."""

    def held(self) -> dict[Place, Message]:
        """Give the last message of the journal that each partition holds, and mark where it stands.

        Raises:
            BusAway, BusRefused: the topics cannot be read.
        """
        spans = spans_of(self._cluster, self._consumer, self._partitions, self._starts())
        last: dict[Place, Message] = {}
        offsets = {place: high for place, (_, high) in spans.items()}
        self.read_count = 0
        for delivered in read_to_end(self._cluster, self._consumer, spans):
            self.read_count += 1
            message = read_delivered(self._cluster, delivered)
            if isinstance(message, Message) and message.journal == self._journal:
                last[message.place] = message
                offsets[place_of(self._cluster, delivered)] = offset_of(delivered)
        self._consumer.unassign()
        self.move(offsets, at_once=True)
        return last

    def move(self, offsets: Mapping[Place, int], *, at_once: bool = False) -> None:
        """Mark offsets at which the journal's last messages stand; what cannot be marked is read again another time.

        Args:
            offsets: Of the last message that arrived in a partition.
            at_once: Wait until it is marked, else never wait.
        """
        from confluent_kafka import KafkaException, TopicPartition

        marks = [TopicPartition(self._cluster.name(at.topic), at.partition, offset) for at, offset in offsets.items()]
        if not marks:
            return
        try:
            if at_once:
                self._consumer.commit(offsets=marks, asynchronous=False)
            else:
                self._consumer.commit(offsets=marks, asynchronous=True)
        except KafkaException:
            return  # a hint that is lost costs time at the next start

    def close(self) -> None:
        """Let go."""
        self._consumer.close()

    def _starts(self) -> dict[Place, int]:
        """Give the marked offsets."""
        from confluent_kafka import KafkaException, TopicPartition

        wanted = [TopicPartition(self._cluster.name(at.topic), at.partition) for at in places_of(self._partitions)]
        try:
            told = self._consumer.committed(wanted, timeout=self._cluster.answer_s)
        except KafkaException as error:
            raise refusal(self._cluster, error) from error
        return {
            Place(self._cluster.topic(each.topic), each.partition): each.offset
            for each in told
            if each.error is None and each.offset >= 0
        }
