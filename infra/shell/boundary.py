"""Boundary: the moment at which something is done once, before anything that is seen then or later reaches the core."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

NEVER_NS: Final = 1 << 62


@dataclass(slots=True)
class Boundary:
    """One thing that waits for its moment by the session's clock; a later wish takes the place of the one before."""

    due_ns: int = NEVER_NS
    _do: Callable[[int], None] | None = None

    def wait(self, due_ns: int, do: Callable[[int], None]) -> None:
        """Wait for a moment (now or past: for the next row); then `do` is called with it, once."""
        self.due_ns, self._do = due_ns, do

    def come(self) -> None:
        """Do what waited: its moment has come."""
        do, due_ns = self._do, self.due_ns
        self.due_ns, self._do = NEVER_NS, None
        if do is not None:
            do(due_ns)
