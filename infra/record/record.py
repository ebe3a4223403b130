"""The record: everything that a session or a run knows of itself, kept so that it can be asked.

A session's record is made by playing its journal (which may still grow); a run's by reading its ledgers. What a record
cannot tell is a `Missing` with a reason, never an empty answer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.plain_memory import window_slug
from state.desk import DecisionLine
from state.events import Token
from state.params import Change, Params
from state.records import layout
from state.units import NS_PER_S

MARKOUT_S: Final = (1, 5, 30)
"""Seconds after a fill at which the middle of the book is looked at."""
SIDES: Final = {int(token): token.name for token in Token}

Rows = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Missing:
    """What is not there, and why."""

    words: str


@dataclass(slots=True)
class Fill:
    """One match of an order of ours."""

    at_ns: int
    token: str
    price_bps: int
    shares_micros: int
    is_maker: bool
    is_reversed: bool = False
    markouts_bps: dict[int, float] = field(default_factory=dict)
    """Seconds -> what a share was worth then at the middle, less what was paid."""


@dataclass(slots=True)
class Order:
    """One order with what became of it."""

    number: int
    decision: int
    window: str
    at_ns: int
    token: str
    price_bps: int
    shares_micros: int
    way: str
    """take or quote."""
    reason: str
    edge_bps: float
    p_up: float
    fills: list[Fill] = field(default_factory=list)
    fees_micros: int = 0
    state: str = "sent"
    why_ended: str = ""
    story: list[str] = field(default_factory=list)
    """Every step of its life, taken or not, a line each; a run's record keeps none."""

    @property
    def filled_micros(self) -> int:
        """Give the shares that matched and were not taken back."""
        return sum(fill.shares_micros for fill in self.fills if not fill.is_reversed)


@dataclass(slots=True)
class Window:
    """One window and how it ended."""

    slug: str
    open_ns: int
    close_ns: int
    strike_usd: float = 0.0
    final_usd: float = 0.0
    outcome: str = ""
    """UP, DOWN, or "" as long as it is not decided."""
    up_micros: int = 0
    down_micros: int = 0
    spent_micros: int = 0
    fees_micros: int = 0
    realised_micros: int = 0
    fills_count: int = 0


@dataclass(frozen=True, slots=True)
class Trades:
    """Trades that the venue published of one window, as columns of one length, oldest first."""

    seen_ns: NDArray[np.int64]
    token: NDArray[np.int64]
    sold: NDArray[np.bool_]
    """The taker sold that token."""
    price_bps: NDArray[np.int64]
    shares_micros: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ParamsInForce:
    """Parameters, and since when."""

    since_ns: int
    params: Params
    changes: tuple[Change, ...]


Whole = Callable[[int], "Any | Missing"]
"""Gives a decision whole, by its number."""


@dataclass(slots=True)
class Record:
    """What is known; filled by whoever reads a session or a run."""

    folder: Path
    name: str
    mode: str
    code: str
    cash_micros: int
    whole: Whole
    params: list[ParamsInForce] = field(default_factory=list)
    """Oldest first; never empty."""
    orders: dict[int, Order] = field(default_factory=dict)
    windows: dict[str, Window] = field(default_factory=dict)
    notes: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """When, and what."""
    words: list[tuple[int, str]] = field(default_factory=list)
    """What operators said, and when."""
    pulse: dict[str, Any] = field(default_factory=dict)
    """How the session itself last said it did (`infra.shell.pulse`); empty in a run's record."""
    trades: Callable[[str], Trades | Missing] = lambda _: Missing("this record keeps no trades")
    now_ns: int = 0
    """The last moment that it knows of."""
    view: Any = None
    """The last view of the market that the desk took, a `state.desk.View` row; None before the first."""
    refresh: Callable[[], int] = lambda: 0
    """Read what was written since; gives how many rows that were."""
    assets: dict[tuple[int, int], int] = field(default_factory=dict)
    """Slot and opening second -> asset, where it was heard."""
    _pages: list[Rows] = field(default_factory=list)
    _lines: Rows | None = None
    _at: dict[int, int] = field(default_factory=dict)
    """Decision -> its place among the lines: mandates of several windows do not come in the order of their numbers."""
    _of_decision: dict[int, list[int]] = field(default_factory=dict)

    @property
    def lines(self) -> Rows:
        """Give every decision in a line (`state.desk.DecisionLine`), oldest first."""
        if self._lines is None:
            self._lines = np.concatenate(self._pages) if self._pages else np.zeros(0, layout(DecisionLine))
            self._pages = [self._lines]
        return self._lines

    def add_lines(self, lines: Rows) -> None:
        """Take further decisions."""
        first = len(self._at)
        self._at.update((number, first + at) for at, number in enumerate(lines["mandate_id"].tolist()))
        self._pages.append(lines)
        self._lines = None

    def line(self, number: int) -> Any | Missing:
        """Give a decision in a line."""
        lines, at = self.lines, self._at.get(number)
        if at is not None:
            return lines[at]
        if not len(lines):
            return Missing("this record has no decision yet")
        first, last = int(lines["mandate_id"].min()), int(lines["mandate_id"].max())
        return Missing(f"there is no decision {number}: this record has {len(lines)}, from {first} to {last}")

    def decision(self, number: int) -> Any | Missing:
        """Give a decision whole, a `state.desk.Decision` row."""
        line = self.line(number)
        return line if isinstance(line, Missing) else self.whole(number)

    def params_at(self, at_ns: int) -> Params:
        """Give the parameters in force at a time."""
        return next((each for each in reversed(self.params) if each.since_ns <= at_ns), self.params[0]).params

    def slug_of(self, line: Any) -> str:
        """Name the window of a decision."""
        open_s = int(line["open_s"])
        span_s = round((int(line["at_ns"]) + int(line["left_ns"])) / NS_PER_S) - open_s
        return window_slug(self.assets.get((int(line["slot_id"]), open_s), 0), open_s * NS_PER_S, span_s)

    def add_order(self, order: Order) -> None:
        """Take an order that was sent."""
        self.orders[order.number] = order
        self._of_decision.setdefault(order.decision, []).append(order.number)

    def orders_of(self, number: int) -> list[Order]:
        """Give the orders that a decision's mandate fired."""
        return [self.orders[each] for each in self._of_decision.get(number, ())]

    @property
    def traded(self) -> set[int]:
        """Give the decisions that orders came of."""
        return set(self._of_decision)
