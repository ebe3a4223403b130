"""The agenda: what a venue means to do later, by its own time."""

import heapq
from collections.abc import Callable
from itertools import count

Deed = Callable[[int], None]
"""Is told the moment that it was due."""


class Agenda:
    """Deeds in the order in which they are due; those due at the same time are done in the order they were noted."""

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self._due: list[tuple[int, int, Deed]] = []
        self._numbers = count()

    def add(self, due_ns: int, deed: Deed) -> None:
        """Note a deed."""
        heapq.heappush(self._due, (due_ns, next(self._numbers), deed))

    def next_ns(self) -> int | None:
        """Give when the next deed is due."""
        return self._due[0][0] if self._due else None

    def do_until(self, now_ns: int) -> None:
        """Do all that is due; what a deed notes for a time that has come is done, too."""
        while self._due and self._due[0][0] <= now_ns:
            due_ns, _, deed = heapq.heappop(self._due)
            deed(due_ns)
