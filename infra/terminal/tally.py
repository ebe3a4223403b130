"""The tally of a session: what a summary needs and neither the world nor a counter keeps; cheap enough for the loop."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from numpy.typing import NDArray

from infra.plain_memory import plain, slug_of
from infra.terminal.memory import positive, worded
from state.events import Kind, Token
from state.orders import Act, Liquidity, OrderState, Reject
from state.units import MICROS, NS_PER_S
from state.world import SLOTS, Phase

_SETTLED: Final = int(Kind.SETTLED)
_MOVES_MONEY: Final = (Kind.SETTLED, Kind.FILLED, Kind.FEE_CHARGED, Kind.FILL_REVERSED, Kind.MERGED)


@dataclass(slots=True)
class WindowTold:
    """One window as it stood at its last news."""

    slug: str
    open_s: int
    settled: bool = False
    outcome: str = ""
    strike_usd: float | None = None
    final_usd: float | None = None
    fills: int = 0
    reversed: int = 0
    traded_shares: float = 0.0
    spent_usd: float = 0.0
    fees_usd: float = 0.0
    payout_usd: float = 0.0
    profit_usd: float = 0.0
    """After fees, before rebates; 0 until it has settled."""


@dataclass(slots=True)
class Tally:
    """Counts what a session did; told by the shell as it goes."""

    windows: dict[tuple[int, int], WindowTold] = field(default_factory=dict)
    """By asset and start, in the order of their first news."""
    placed: int = 0
    cancels: int = 0
    asks: int = 0
    fills: Counter[str] = field(default_factory=Counter)
    """Maker's and taker's."""
    reversals: int = 0
    rejects: Counter[str] = field(default_factory=Counter)
    unknown: int = 0
    """Orders without an answer: to be reconciled."""
    allowed: int = 0
    """Mandates that allowed something."""
    aside: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Mandates that allowed nothing, by gate and reason."""
    rebates_usd: float = 0.0

    def rows(self, worlds: NDArray[Any], rows: NDArray[Any]) -> None:
        """Take in rows that the core has received; `worlds` is its memory after them."""
        if len(rows) == 0 or int(rows["kind_code"].max()) < _SETTLED:
            return
        slots = set()
        for row in plain(rows[rows["kind_code"] >= _SETTLED]):
            self._count(row)
            if int(row["kind_code"]) in _MOVES_MONEY and int(row["slot_id"]) < SLOTS:
                slots.add(int(row["slot_id"]))
        for slot in slots:
            self._look(plain(worlds)["markets"][0][slot])

    def _count(self, row: Any) -> None:
        kind = int(row["kind_code"])
        if kind == Kind.FILLED:
            self.fills[worded(Liquidity, int(row["code_id"]))] += 1
        elif kind == Kind.FILL_REVERSED:
            self.reversals += 1
        elif kind == Kind.REBATE_PAID:
            self.rebates_usd += int(row["amount_micros"]) / MICROS
        elif kind == Kind.ORDER_CHANGED:
            if int(row["code_id"]) == OrderState.REJECTED:
                self.rejects[worded(Reject, int(row["flags_mask"]))] += 1
            self.unknown += int(row["code_id"]) == OrderState.UNKNOWN

    def _look(self, market: Any) -> None:
        phase = int(market["phase_code"])
        if phase == Phase.NONE:
            return
        position, outcome = market["position"], int(market["outcome_code"])
        open_s = int(market["open_ns"]) // NS_PER_S
        settled = phase == Phase.SETTLED
        self.windows[int(market["asset_code"]), open_s] = WindowTold(
            slug=slug_of(market),
            open_s=open_s,
            settled=settled,
            outcome=worded(Token, outcome).upper() if settled else "",
            strike_usd=positive(market["strike_usd"]),
            final_usd=positive(market["final_usd"]) if settled else None,
            fills=int(position["fills_count"]),
            reversed=int(position["reversed_count"]),
            traded_shares=int(position["traded_micros"]) / MICROS,
            spent_usd=int(position["spent_micros"]) / MICROS,
            fees_usd=int(position["fees_micros"]) / MICROS,
            payout_usd=int(position["settled_micros"]) / MICROS,
            profit_usd=int(position["realized_micros"]) / MICROS if settled else 0.0,
        )

    def commands(self, commands: NDArray[Any]) -> None:
        """Take in what the core commanded."""
        for act in commands["act_code"].tolist():
            self.placed += act == Act.PLACE
            self.cancels += act in (Act.CANCEL, Act.CANCEL_MARKET)
            self.asks += act == Act.ASK

    def mandates(self, mandates: NDArray[Any]) -> None:
        """Take in mandates that were given."""
        for gate, reason in zip(mandates["gate_code"].tolist(), mandates["reason_code"].tolist(), strict=True):
            if reason:
                self.aside[gate, reason] += 1
            else:
                self.allowed += 1
