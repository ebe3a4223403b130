"""A proof: named figures held against their bars, so that a claim is a value that can be printed and checked."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured figure and whether it holds its bar."""

    name: str
    measured: float | int | str
    bar: str
    """The bar in words, for people: ">= 99.96 %", or "-" for a figure that only informs."""
    holds: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What one `updown prove NAME` found: it holds only when every figure does."""

    name: str
    claim: str
    figures: tuple[Figure, ...]
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Named tables of plain rows, printed under the figures."""
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Say whether every figure holds its bar."""
        return all(figure.holds for figure in self.figures)
