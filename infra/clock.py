"""The clock: the only file that reads what time it is; everybody else is told."""

import time


def now_ns() -> int:
    """Give the time now in nanoseconds since 1970, UTC, as this machine believes it."""
    return time.time_ns()


def monotonic_ns() -> int:
    """Give nanoseconds of a clock that never steps back: for durations, never for dates."""
    return time.monotonic_ns()
