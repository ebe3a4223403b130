"""Latency: where the time between a tick and an accepted order goes, stage by stage, in milliseconds of real time."""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np

SAMPLES: Final = 8192


class Span(StrEnum):
    """The spans that are measured; budgets are the design's (section 4)."""

    INGESTION = "ingestion"
    """From the venue's stamp to our socket (the network's share, and what the feed itself is late by)."""
    QUEUE = "queue"
    """From the socket to the core: waiting in the intake."""
    SIGNAL = "signal"
    """From the core's taking a frame in to its commands: decode, advance, screen."""
    DESK = "desk"
    """From the core's asking to the mandate that stands: the LangGraph desk."""
    SIGN = "sign"
    """From the command to the signed request on its way."""
    EXECUTION = "execution"
    """From the command to the venue's answer."""
    TICK_TO_ACCEPTED = "tick to accepted"
    """From the socket to the venue's answer: queue, signal and execution."""


BUDGET_MS: Final = {Span.INGESTION: 100.0, Span.SIGNAL: 200.0, Span.EXECUTION: 500.0, Span.TICK_TO_ACCEPTED: 1000.0}


@dataclass(slots=True)
class Latency:
    """The last samples of each span, in ms."""

    spans: dict[Span, deque[float]] = field(default_factory=lambda: {span: deque(maxlen=SAMPLES) for span in Span})
    counts: dict[Span, int] = field(default_factory=lambda: dict.fromkeys(Span, 0))

    def add(self, span: Span, ms: float) -> None:
        """Keep a sample."""
        self.spans[span].append(ms)
        self.counts[span] += 1

    def quantile(self, span: Span, percent: float) -> float:
        """Give a quantile of the samples kept, NaN without any."""
        kept = self.spans[span]
        return float(np.percentile(np.fromiter(kept, float), percent)) if kept else float("nan")

    def table(self) -> list[dict[str, float | str | int | None]]:
        """Give count, p50, p99 and budget of every span that has samples."""
        return [
            {
                "span": str(span),
                "count": self.counts[span],
                "p50_ms": round(self.quantile(span, 50), 3),
                "p99_ms": round(self.quantile(span, 99), 3),
                "budget_ms": BUDGET_MS.get(span),
            }
            for span in Span
            if self.counts[span]
        ]
