"""Check: what one look of the doctor found, in words, and how to mend it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What a check means for a session with real money."""

    READY = "ready"
    WARNING = "warning"
    """It can be traded, and somebody should know."""
    REFUSED = "refused"
    """Nothing is traded before this is mended."""


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the doctor's table."""

    name: str
    state: State
    words: str
    """What was found."""
    mend: str = ""
    """What to do about it, in one line; empty where nothing need be done."""

    @property
    def line(self) -> str:
        """Say it in one line."""
        return f"{self.name}: {self.words}" + (f"; {self.mend}" if self.mend else "")


def ready(name: str, words: str) -> Check:
    """Say that something is as it should be."""
    return Check(name, State.READY, words)


def warning(name: str, words: str, mend: str) -> Check:
    """Say that something is odd and no reason to stay out."""
    return Check(name, State.WARNING, words, mend)


def refused(name: str, words: str, mend: str) -> Check:
    """Say that nothing may be traded, and how to mend that."""
    return Check(name, State.REFUSED, words, mend)


def refusals(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Give the checks that keep a session from starting."""
    return tuple(check for check in checks if check.state is State.REFUSED)
