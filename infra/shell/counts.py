"""Counts of a session: what its shell has done."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """What the shell has done."""

    frames: int = 0
    rows: int = 0
    commands: Counter[str] = field(default_factory=Counter)
    windows_settled: int = 0
    mandates: int = 0
    stand_asides: Counter[tuple[int, int]] = field(default_factory=Counter)
    """(gate, reason) -> how often."""
    no_slot: int = 0
