"""What the model may use in a day: dollars and tokens, written down before anything is asked, shared by processes.

Each call is two lines of one file: `asked` with the most that it may cost, before; `spent` with what it did cost,
after. A call whose end was never written (a crash, an answer that did not come) counts with its most: nobody can spend
more than the budget by dying. Days are UTC days; each has a file of its own.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from state.units import NS_PER_S

MODE: Final = 0o600


@dataclass(frozen=True, slots=True)
class Spent:
    """What was used of a day's budget, calls under way with their most."""

    usd: float = 0.0
    tokens: int = 0
    calls: int = 0


@dataclass(slots=True)
class Budget:
    """One day's budget after the other; `folder` None keeps it in this process alone."""

    folder: Path | None
    usd_per_day: float
    tokens_per_day: int
    now_ns: Callable[[], int]
    _kept: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _asked_count: int = 0

    def left(self) -> bool:
        """Say whether anything is left of today."""
        spent = self.spent()
        return spent.tokens < self.tokens_per_day and spent.usd <= self.usd_per_day

    def spent(self) -> Spent:
        """Give what was used today."""
        with self._day() as lines:
            return _sum(lines)

    def ask(self, usd: float, tokens: int) -> str:
        """Set aside what a call may cost at most; gives its ticket, or "" when today has not so much left."""
        with self._day() as lines:
            spent = _sum(lines)
            if spent.tokens + tokens > self.tokens_per_day or spent.usd + usd > self.usd_per_day:
                return ""
            self._asked_count += 1
            ticket = f"{os.getpid()}-{self._asked_count}-{len(lines)}"
            self._write(lines, {"ticket": ticket, "usd": usd, "tokens": tokens})
            return ticket

    def spend(self, ticket: str, usd: float, tokens: int) -> None:
        """Write down what a call did cost."""
        with self._day() as lines:
            self._write(lines, {"ticket": ticket, "usd": usd, "tokens": tokens})

    @contextmanager
    def _day(self) -> Iterator[list[dict[str, Any]]]:
        day = datetime.fromtimestamp(self.now_ns() // NS_PER_S, UTC).strftime("%Y-%m-%d")
        if self.folder is None:
            yield self._kept.setdefault(day, [])
            return
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self.folder / f"{day}.jsonl", os.O_RDWR | os.O_CREAT | os.O_APPEND, MODE)
        with os.fdopen(handle, "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            lines = _Lines(_whole(file))
            lines.file = file
            yield lines

    def _write(self, lines: list[dict[str, Any]], line: dict[str, Any]) -> None:
        lines.append(line)
        if isinstance(lines, _Lines):
            lines.file.write(json.dumps(line) + "\n")
            lines.file.flush()
            os.fsync(lines.file.fileno())


def _whole(file: Any) -> Iterator[dict[str, Any]]:
    """Read the whole lines; one that a crash tore was not acted upon, and is closed so that the next stands alone."""
    line = "\n"
    for line in file:
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue
    if not line.endswith("\n"):
        file.write("\n")


class _Lines(list[dict[str, Any]]):
    """A day's lines with the open file that they came from."""

    file: Any


def _sum(lines: list[dict[str, Any]]) -> Spent:
    """Add up; of a ticket's two lines the later one counts."""
    by_ticket = {str(line["ticket"]): line for line in lines}
    return Spent(
        sum(float(line["usd"]) for line in by_ticket.values()),
        sum(int(line["tokens"]) for line in by_ticket.values()), len(by_ticket),
    )  # fmt: skip
