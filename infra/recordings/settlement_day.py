"""Read a folder of settlement ticks and official markets as the plain arrays that the proofs of pricing take."""

from pathlib import Path

import numpy as np

from evals.settlement import Day
from infra.recordings.chainlink_day import open_chainlink
from infra.recordings.recording import Terms


def read_day(folder: Path) -> Day:
    """Give a folder's ticks in the order they were seen, and its windows with what the venue published of them.

    Raises:
        SourceRefused: files are missing, of another schema, or damaged.
    """
    recording = open_chainlink(folder, Terms())
    ticks = np.concatenate(list(recording.parts()))
    windows = sorted(recording.windows, key=lambda window: (window.open_s, window.span_s))
    open_s = np.array([window.open_s for window in windows], np.int64)
    return Day(
        at_ns=ticks["at_ns"].astype(np.int64),
        seen_ns=ticks["seen_ns"].astype(np.int64),
        price_usd=ticks["value_usd"].astype(np.float64),
        open_s=open_s,
        close_s=open_s + np.array([window.span_s for window in windows], np.int64),
        strike_usd=np.array([window.strike_usd for window in windows], np.float64),
        outcome_code=np.array([-1 if window.outcome is None else int(window.outcome) for window in windows], np.int64),
    )
