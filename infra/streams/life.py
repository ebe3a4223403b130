"""Life: what is counted of a stream, and how it looks to a person."""

from dataclasses import dataclass
from enum import StrEnum

from infra.feeds.frames import Wire
from state.units import NS_PER_S


class State(StrEnum):
    """Where a stream stands."""

    IDLE = "idle"
    """Not wanted now: nothing is followed, or it is a fallback that nobody needs."""
    CONNECTING = "connecting"
    UP = "up"
    DOWN = "down"
    """It ended, and comes back after a pause."""
    STOPPED = "stopped"
    """It ended for a reason that a person must mend."""


@dataclass(slots=True)
class Life:
    """What is counted of a stream."""

    state: State = State.IDLE
    generation: int = 0
    """How many times it was connected; the Decoder counts the same. 0 for what is asked over HTTP."""
    frames: int = 0
    octets: int = 0
    ends: int = 0
    slow_consumer: int = 0
    """Ends because we read too slowly (1013)."""
    silences: int = 0
    """Ends because the socket was open and said nothing."""
    last_frame_ns: int = 0
    last_data_ns: int = 0
    connected_ns: int = 0
    why: str = ""
    """Why it ended last."""
    complaint: str = ""
    """What the other side refused last, or what is odd about what it says."""


@dataclass(frozen=True, slots=True)
class Health:
    """How one wire does, as values for a screen."""

    wire: Wire
    state: State
    generation: int
    age_s: float
    """Since data came last, in the clock's seconds; -1 before any."""
    frames: int
    octets: int
    reconnects: int
    slow_consumer: int
    silences: int
    conflated: int
    lost: int
    why: str
    complaint: str


def health_of(wire: Wire, life: Life, now_ns: int, conflated: int, lost: int) -> Health:
    """Give a wire's life as a person sees it."""
    age_s = (now_ns - life.last_data_ns) / NS_PER_S if life.last_data_ns else -1.0
    return Health(
        wire=wire, state=life.state, generation=life.generation, age_s=max(age_s, -1.0), frames=life.frames,
        octets=life.octets, reconnects=max(life.generation - 1, 0), slow_consumer=life.slow_consumer,
        silences=life.silences, conflated=conflated, lost=lost, why=life.why, complaint=life.complaint,
    )  # fmt: skip
