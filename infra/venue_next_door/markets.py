"""Markets that can live in the venue next door, with the time that its clock shall show at the start and at the end."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from evals.generator import EFFICIENT, SPECS, open_s
from evals.generator_path import LEAD_S as PRICED_S
from infra.recordings.tape import Tape
from infra.venue_next_door.source import GRID_S, generated, recorded
from state.units import NS_PER_S

DAY_S: Final = EFFICIENT.first_open_s
"""Where clocks start that nobody set: the same run shows the same times."""
LEAD_S: Final = 120
"""The clock starts so long before the first open: prices, listings and the next books are known by then ..."""
UP_S: Final = 3
"""... and so many seconds of the machine before it, in which venue and desk come up."""
SETTLED_S: Final = 200
"""So long after the last close everything has settled (at most 162 s, venue reference 2.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What happens at the venue, and when its clock starts and may stop."""

    words: str
    rows: Iterable[NDArray[Any]]
    """Chunks of EVENT rows by `seen_ns`, no frame cut; made when they are asked for, and only once."""
    origin_ns: int
    ends_ns: int
    first_open_s: int


def generated_market(name: str, *, windows: int, seed: int, speed_ratio: float = 1.0, now_ns: int = 0) -> Market:
    """Give a made-up market, made a few seconds at a time: the rows that `updown generate` writes.

    Args:
        name: One of `evals.generator.SPECS`; all have the depth of the demonstration's, so that nothing but the
            planted mistakes sets them apart.
        windows: How many five-minute windows open while the clock runs, 1..2015.
        seed: Seeds everything.
        speed_ratio: Of the clock: the faster, the earlier it starts.
        now_ns: What the clock shall show at the start, in the middle of a window that nobody counts; 0: two minutes
            and a little before the generator's own day.

    Raises:
        ValueError: there is no market of that name, or so many windows cannot be played.
    """
    if name not in SPECS:
        raise ValueError(f"no market {name!r}; there are {', '.join(SPECS)}")
    lead_s = min(LEAD_S + round(UP_S * speed_ratio), PRICED_S)
    counted_s = (now_ns // NS_PER_S // GRID_S + 1) * GRID_S if now_ns else DAY_S
    earlier = 1 if now_ns else 0
    first_s, played = counted_s - earlier * GRID_S, windows + earlier
    spec = replace(SPECS[name], first_open_s=first_s, windows=played, maker_shares=SPECS["demo"].maker_shares)
    return Market(
        words=f"market {name}, {windows} windows, seed {seed}",
        rows=generated(spec, seed, first_s, played),
        origin_ns=now_ns or (first_s - lead_s) * NS_PER_S,
        ends_ns=(open_s(spec, played) + SETTLED_S) * NS_PER_S,
        first_open_s=counted_s,
    )


def recorded_market(tape: Tape, source: Path, now_ns: int = 0) -> Market:
    """Give a recorded stretch as a market: moved by whole windows, so that it begins with the clock.

    Args:
        tape: The recording, imported.
        source: The journal or folder that it is of.
        now_ns: What the clock shall show at the start; 0: the generator's own day.
    """
    now_ns = now_ns or DAY_S * NS_PER_S
    grid_ns = GRID_S * NS_PER_S
    shift_ns = (now_ns - tape.first_seen_ns) // grid_ns * grid_ns
    return Market(
        words=f"replay of {source}",
        rows=recorded(source, now_ns),
        origin_ns=now_ns,
        ends_ns=tape.last_seen_ns + shift_ns + NS_PER_S,
        first_open_s=now_ns // NS_PER_S,
    )
