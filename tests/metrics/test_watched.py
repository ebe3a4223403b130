"""Metrics of a session: what is exported agrees with what the session's record says, and Prometheus can read it."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections import deque
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from traced_sessions import traded_session

from infra.clock import now_ns
from infra.language_model.budget import Budget
from infra.metrics.exporter import Exporter
from infra.metrics.following import spent_of
from infra.metrics.series import SERIES, exported
from infra.metrics.watched import Watched
from infra.record.session_record import session_record
from infra.shell.pulse import BOUNDS_MS, Spread

Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def figures_of(text: str) -> Figures:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scraped(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def total(figures: Figures, name: str) -> float:
    return sum(figure for (each, _), figure in figures.items() if each == "updown_" + name)


def test_what_is_exported_is_what_the_record_says(tmp_path: Path) -> None:
    watched, exporter = Watched(traded_session()), Exporter()
    watched.refresh()
    budget = Budget(tmp_path, 5.0, 1_000_000, now_ns)
    budget.spend(budget.ask(0.25, 1_000), 0.125, 700)
    exporter.reading = watched.reading(spent_of(tmp_path))
    port, _ = exporter.serve(0)
    figures = figures_of(scraped(port))

    record = session_record(traded_session())
    orders = list(record.orders.values())
    assert len(orders) > 0, "the session trades"
    assert total(figures, "orders_placed_total") == len(orders)
    assert total(figures, "fills_total") == sum(len(order.fills) for order in orders)
    assert total(figures, "decisions_total") == len(record.lines)
    assert total(figures, "orders_open") + total(figures, "orders_ended_total") == len(orders)
    assert total(figures, "halted") == 0
    assert (total(figures, "model_usd_today"), total(figures, "model_tokens_today")) == (0.125, 700)
    assert {name.removesuffix("_created") for name, _ in figures} <= exported()


def test_series_are_few_and_labels_come_from_our_own_lists() -> None:
    watched = Watched(traded_session())
    watched.refresh()
    reading = watched.reading()
    assert sum(len(list(series.read(reading))) for series in SERIES) < 150
    assert spent_of(Path("/nowhere")) is None


def test_stages_are_counted_by_size_and_none_twice() -> None:
    chance, spread = np.random.default_rng(1), Spread()
    samples: deque[float] = deque(maxlen=1_000)
    everything: list[float] = []
    for count in (0, 3, 0, 700, 41):
        fresh = chance.lognormal(3.0, 2.0, count).tolist()
        samples.extend(fresh)
        everything += fresh
        spread.take(samples, len(everything))
    edges = [-np.inf, *BOUNDS_MS, np.inf]
    assert spread.counts.tolist() == [sum(low < each <= high for each in everything) for low, high in pairwise(edges)]
    assert spread.sum_ms == pytest.approx(sum(everything))


def test_a_pulse_becomes_queue_drops_connections_and_stages() -> None:
    watched, exporter = Watched(traded_session()), Exporter()
    watched.refresh()
    counts = [0] * (len(BOUNDS_MS) + 1)
    counts[0], counts[4], counts[-1] = 5, 2, 1
    pulse = {
        "waiting": 3, "deepest": 9, "frames": 1_000, "lost": {"bybit": 2}, "conflated": {}, "refused": 1,
        "coalesced": 4,
        "wires": {"okx": {"state": "down", "reconnects": 6}, "rtds": {"state": "idle", "reconnects": 0}},
        "spans": {"desk": {"counts": counts, "sum_ms": 6_040.0}},
    }  # fmt: skip
    watched.noted({"pulse": pulse}, 0)
    watched.noted({"fast_state": "degraded", "why": "redis at x: refused"}, 0)
    exporter.reading = watched.reading()
    port, _ = exporter.serve(0)
    figures = figures_of(scraped(port))
    assert (total(figures, "queue_depth"), total(figures, "frames_dropped_total")) == (3, 2)
    assert figures["updown_wire_up", (("wire", "okx"),)] == 0
    assert figures["updown_wire_up", (("wire", "rtds"),)] == 1
    bucket = {labels[0][1]: figure for (name, labels), figure in figures.items() if name.endswith("_bucket")}
    assert (bucket["0.001"], bucket["0.01"], bucket["0.02"], bucket["5"], bucket["+Inf"]) == (5, 5, 7, 7, 8)
    assert total(figures, "stage_seconds_sum") == pytest.approx(6.04)
    assert total(figures, "fast_state_degraded") == 1


@pytest.mark.rehearsal
def test_the_command_serves_beside_a_session_and_ends_when_asked(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "infra", "metrics", "--journal", str(traded_session()), "--port", "0", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            where = json.loads(child.stdout.readline())["metrics"]
            text = ""
            while "updown_decisions_total" not in text:
                with urllib.request.urlopen(where, timeout=10) as answer:
                    text = answer.read().decode()
            assert total(figures_of(text), "orders_placed_total") > 0
        finally:
            child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 0
