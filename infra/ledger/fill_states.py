"""Fill states: which matches of an order are mined, confirmed or failed, by what has been counted of each kind.

Rows say which order a piece of news is about and how much, not which trade. Fills of one order that are alike in
token, side, price and amount are as good as one another, so the news is counted, and the oldest fill takes it first.
A state that follows from counts alone is the same in whatever order the news came, a failure before its match too.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from infra.ledger.entries import Fill, FillState
from state.events import Side, Token


class Likeness(NamedTuple):
    """What news of a match tells of it."""

    token: Token
    side: Side
    price_bps: int
    amount_micros: int


@dataclass(slots=True)
class OrderFills:
    """The fills of one order."""

    fills: dict[str, Fill] = field(default_factory=dict)
    """By key."""
    told: dict[FillState, Counter[Likeness]] = field(default_factory=lambda: {state: Counter() for state in FillState})
    """News of fills with their price."""
    loose_micros: Counter[FillState] = field(default_factory=Counter)
    """News of an amount alone: the oldest fills that nothing else is known of take it."""

    def add(self, fill: Fill) -> list[Fill]:
        """Take a fill in; gives what is new or has changed."""
        self.fills[fill.key] = fill
        changed = self.restate()
        return changed if any(each.key == fill.key for each in changed) else [*changed, fill]

    def hear(self, state: FillState, like: Likeness) -> list[Fill]:
        """Take news of some fill; gives the fills whose state it changes."""
        if like.price_bps > 0:
            self.told[state][like] += 1
        else:
            self.loose_micros[state] += like.amount_micros
        return self.restate()

    def restate(self) -> list[Fill]:
        """Give every fill its state; gives those that have another than before, renewed."""
        left = {state: counts.copy() for state, counts in self.told.items()}
        states: dict[str, FillState] = {}
        oldest = sorted(self.fills.values(), key=lambda fill: (fill.seen_ns, fill.key))
        for state in (FillState.FAILED, FillState.CONFIRMED, FillState.MINED):
            for fill in oldest:
                like = Likeness(fill.token, fill.side, fill.price_bps, fill.amount_micros)
                if fill.key in states or left[state][like] <= 0:
                    continue
                states[fill.key] = state
                left[state][like] -= 1
                if state is FillState.CONFIRMED:  # its mining was told before, and is no news of another
                    left[FillState.MINED][like] -= 1
        self._spread(oldest, states)
        changed = [
            replace(fill, state=states.get(fill.key, FillState.MATCHED))
            for fill in oldest
            if states.get(fill.key, FillState.MATCHED) is not fill.state
        ]
        self.fills |= {fill.key: fill for fill in changed}
        return changed

    def _spread(self, oldest: list[Fill], states: dict[str, FillState]) -> None:
        """Let amounts without a price reach the oldest fills, whole ones only."""
        confirmed = self.loose_micros[FillState.CONFIRMED]
        mined = max(self.loose_micros[FillState.MINED], confirmed)
        reached = 0
        for fill in oldest:
            if fill.key in states:
                continue
            reached += fill.amount_micros
            if reached <= confirmed:
                states[fill.key] = FillState.CONFIRMED
            elif reached <= mined:
                states[fill.key] = FillState.MINED
