"""librdkafka's own cluster, spoken to over TCP: the one place of ctypes, where faults are put into brokers on purpose.

Its authors call these functions experimental, so confluent-kafka is pinned by the lock file.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import confluent_kafka

from infra.bus.cluster import Cluster
from infra.bus.messages import Topic
from infra.bus.port import PARTITIONS

PRODUCE = 0
NOT_LEADER = 6
REQUEST_TIMED_OUT = 7
NOT_ENOUGH_REPLICAS = 19
BROKERS = 3
_PRODUCER = 0
_SHORT_SESSIONS = {"session.timeout.ms": "1000", "heartbeat.interval.ms": "200"}
# The mock gives a group whose only member has left to the next one when the session of the first is over.


def _library() -> ctypes.CDLL:
    package = Path(confluent_kafka.__file__).parent
    (file,) = (package.parent / "confluent_kafka.libs").glob("librdkafka*.so*")
    library = ctypes.CDLL(str(file))
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "rd_kafka_conf_new": (pointer, []),
        "rd_kafka_new": (pointer, [number, pointer, text, ctypes.c_size_t]),
        "rd_kafka_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_new": (pointer, [pointer, number]),
        "rd_kafka_mock_cluster_destroy": (None, [pointer]),
        "rd_kafka_mock_cluster_bootstraps": (text, [pointer]),
        "rd_kafka_mock_topic_create": (number, [pointer, text, number, number]),
        "rd_kafka_mock_partition_set_leader": (number, [pointer, text, ctypes.c_int32, ctypes.c_int32]),
        "rd_kafka_mock_broker_set_down": (number, [pointer, ctypes.c_int32]),
        "rd_kafka_mock_broker_set_up": (number, [pointer, ctypes.c_int32]),
        "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, [pointer, ctypes.c_int32]),
        "rd_kafka_mock_push_request_errors_array": (
            None,
            [pointer, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int)],
        ),
    }
    for name, (gives, takes) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = gives, takes
    return library


class MockCluster:
    """Three brokers in this process."""

    def __init__(self, library: ctypes.CDLL, handle: int) -> None:
        self._library, self._handle = library, handle
        self.servers: str = library.rd_kafka_mock_cluster_bootstraps(handle).decode()
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(handle, 20)

    def cluster(self, prefix: str) -> Cluster:
        """Give it as a bus sees it, with topics of a name of their own."""
        cluster = Cluster(self.servers, prefix, fetch_wait_ms=0, settings=_SHORT_SESSIONS)
        for topic in Topic:
            name = cluster.name(topic).encode()
            assert not self._library.rd_kafka_mock_topic_create(self._handle, name, PARTITIONS[topic], BROKERS)
        return cluster

    def fail_requests(self, api: int, *codes: int) -> None:
        """Let the next requests of a kind fail."""
        array = (ctypes.c_int * len(codes))(*codes)
        self._library.rd_kafka_mock_push_request_errors_array(self._handle, api, len(codes), array)

    def lead(self, name: str, partition: int, broker: int) -> None:
        """Make a broker the leader of a partition."""
        assert not self._library.rd_kafka_mock_partition_set_leader(self._handle, name.encode(), partition, broker)

    def down(self, broker: int) -> None:
        """Take a broker from the network."""
        assert not self._library.rd_kafka_mock_broker_set_down(self._handle, broker)

    def up(self, broker: int) -> None:
        """Bring it back."""
        assert not self._library.rd_kafka_mock_broker_set_up(self._handle, broker)


@contextmanager
def mock_cluster() -> Iterator[MockCluster]:
    """Run a cluster for a while."""
    library = _library()
    said = ctypes.create_string_buffer(512)
    client = library.rd_kafka_new(_PRODUCER, library.rd_kafka_conf_new(), said, len(said))
    assert client, said.value.decode()
    handle = library.rd_kafka_mock_cluster_new(client, BROKERS)
    try:
        yield MockCluster(library, handle)
    finally:
        library.rd_kafka_mock_cluster_destroy(handle)
        library.rd_kafka_destroy(client)
