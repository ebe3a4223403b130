"""Clock offset of a source from one-way delays: the lower envelope of seen-minus-at, and the jitter above it.

One-way delays alone cannot tell a slow road from a fast clock. What they can tell: travel is never negative, so a
negative floor is a sure sign that the clocks differ by at least that much, and a floor that moves is a clock that
moves. (Lower envelope: Paxson, "On calibrating measurements of packet transit times", 1998.)
"""

from typing import Final

from state.compiled import compiled
from state.feeds import Clock
from state.units import NS_PER_S

EPOCH_NS: Final = 60 * NS_PER_S
"""A minimum is believed for one to two epochs; a clock that steps forward is noticed within that time."""

MEMORY_COUNT: Final = 256
"""Messages in the jitter's memory."""

LATE_SHARE: Final = 0.01


@compiled
def note_delay(clock: Clock, at_ns: int, seen_ns: int) -> None:
    """Learn from one message that carried its own time (`at_ns`) and was seen at `seen_ns`."""
    delay_ns = seen_ns - at_ns
    if clock.stamps_count == 0:
        clock.running_floor_ns = delay_ns
        clock.past_floor_ns = delay_ns
        clock.epoch_ends_ns = seen_ns + EPOCH_NS
    elif seen_ns >= clock.epoch_ends_ns:
        quiet = seen_ns >= clock.epoch_ends_ns + EPOCH_NS
        clock.past_floor_ns = delay_ns if quiet else clock.running_floor_ns
        clock.running_floor_ns = delay_ns
        clock.epoch_ends_ns = seen_ns + EPOCH_NS
    elif delay_ns < clock.running_floor_ns:
        clock.running_floor_ns = delay_ns
    clock.floor_ns = min(clock.running_floor_ns, clock.past_floor_ns)
    clock.offset_ns = min(clock.floor_ns, 0)
    clock.stamps_count += 1
    _note_excess(clock, float(delay_ns - clock.floor_ns))


@compiled
def _note_excess(clock: Clock, excess_ns: float) -> None:
    weight = 1.0 / min(clock.stamps_count, MEMORY_COUNT)
    clock.jitter_ns += weight * (excess_ns - clock.jitter_ns)
    # A stochastic step toward the 99th percentile: up 99 parts when above, down 1 part when below; the step is
    # sized by the jitter, so that it needs no scale of its own.
    step_ns = clock.jitter_ns * (0.5 if clock.stamps_count < MEMORY_COUNT else 0.1)
    if excess_ns > clock.late_ns:
        clock.late_ns += step_ns * (1.0 - LATE_SHARE)
    else:
        clock.late_ns = max(clock.late_ns - step_ns * LATE_SHARE, 0.0)


@compiled
def on_our_clock(clock: Clock, at_ns: int) -> int:
    """Put a source's time on our clock by the least correction that keeps cause before effect, in ns."""
    return at_ns + clock.offset_ns
