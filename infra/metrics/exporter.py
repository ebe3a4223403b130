"""Exporter: the newest reading of a session as Prometheus wants it, served on this machine from a thread."""

import threading
from collections.abc import Iterator
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import start_http_server

from infra.metrics.series import ALERTS_FAILED, COUNTER, LATENCY, SERIES, Series
from infra.metrics.watched import Reading
from infra.shell.pulse import BOUNDS_MS

HOST: Final = "127.0.0.1"


class Exporter:
    """Keeps the newest reading; a scrape formats it and reads nothing else."""

    def __init__(self) -> None:
        self.reading: Reading | None = None
        """Replaced whole, by one thread."""
        self.alerts_failed = 0
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterator[Any]:
        """Give every family that there is something to say of."""
        failed = CounterMetricFamily(ALERTS_FAILED.removesuffix("_total"), "Alerts that reached nobody.")
        failed.add_metric((), self.alerts_failed)
        yield failed
        reading = self.reading
        if reading is not None:
            for series in SERIES:
                yield _family(series, reading)
            yield _latency(reading)

    def serve(self, port: int) -> tuple[int, threading.Thread]:
        """Serve `/metrics` on this machine; 0 takes any port that is free. Gives the port and the server's thread."""
        server, thread = start_http_server(port, HOST, self.registry)
        return int(server.server_port), thread


def _family(series: Series, reading: Reading) -> Any:
    name: str = series.name
    make: type[Any] = GaugeMetricFamily
    if series.kind == COUNTER:
        name, make = name.removesuffix("_total"), CounterMetricFamily
    family = make(name, series.help, labels=series.labels)
    for labels, figure in series.read(reading):
        family.add_metric(labels, figure)
    return family


def _latency(reading: Reading) -> Any:
    family = HistogramMetricFamily(LATENCY.name, LATENCY.help, labels=LATENCY.labels)
    for stage, told in reading.pulse.get("spans", {}).items():
        total, buckets = 0, []
        bounds = [f"{bound_ms / 1e3:g}" for bound_ms in BOUNDS_MS] + ["+Inf"]
        for bound, count in zip(bounds, told["counts"], strict=True):
            total += count
            buckets.append((bound, total))
        family.add_metric((stage,), buckets, told["sum_ms"] / 1e3)
    return family
