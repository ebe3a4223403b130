"""Markets that can live in the venue next door: a generated one, window after window, or a recorded day."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evals.generator import SPECS, open_s
from evals.generator_stream import stream
from infra.recordings.rows import join
from infra.recordings.tape import Tape
from state.events import LAST_IN_FRAME
from state.units import NS_PER_S

Rows = NDArray[Any]

LEAD_S: Final = 120
"""The clock starts so long before the first open: prices, listings and the next books are known by then."""
SETTLED_S: Final = 200
"""So long after the last close everything has settled (at most 162 s, venue reference 2.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What happens at the venue, and when its clock starts and may stop."""

    words: str
    rows: Iterable[Rows]
    """Chunks of EVENT rows by `seen_ns`, no frame cut; made when they are asked for, and only once."""
    origin_ns: int
    ends_ns: int
    first_open_s: int


def generated_market(name: str, *, windows: int, seed: int) -> Market:
    """Give a made-up market, made a few seconds at a time: the rows that `updown generate` writes.

    Args:
        name: One of `evals.generator.SPECS`; all have the depth of the demonstration's, so that nothing but the
            planted mistakes sets them apart.
        windows: How many five-minute windows, 1..2016.
        seed: Seeds everything.

    Raises:
        ValueError: there is no market of that name, or so many windows cannot be played.
    """
    if name not in SPECS:
        raise ValueError(f"no market {name!r}; there are {', '.join(SPECS)}")
    spec = replace(SPECS[name], windows=windows, maker_shares=SPECS["demo"].maker_shares)
    return Market(
        words=f"market {name}, {windows} windows, seed {seed}",
        rows=stream(spec, seed),
        origin_ns=(spec.first_open_s - LEAD_S) * NS_PER_S,
        ends_ns=(open_s(spec, windows) + SETTLED_S) * NS_PER_S,
        first_open_s=spec.first_open_s,
    )


def recorded_market(tape: Tape, source: Path) -> Market:
    """Give a recorded stretch as a market: its rows as they lie, its clock from the first row on."""
    return Market(
        words=f"replay of {source}",
        rows=whole_frames(tape.chunks()),
        origin_ns=tape.first_seen_ns,
        ends_ns=tape.last_seen_ns + NS_PER_S,
        first_open_s=tape.first_seen_ns // NS_PER_S,
    )


def whole_frames(chunks: Iterable[Rows]) -> Iterator[Rows]:
    """Cut chunks anew, behind the last row of a frame; a journal's blocks end anywhere."""
    rest: list[Rows] = []
    for chunk in chunks:
        ends = np.flatnonzero(chunk["flags_mask"] & LAST_IN_FRAME)
        if not len(ends):
            rest.append(chunk)
            continue
        cut = int(ends[-1]) + 1
        yield join([*rest, chunk[:cut]])
        rest = [chunk[cut:]] if cut < len(chunk) else []
    if rest:
        yield join(rest)
