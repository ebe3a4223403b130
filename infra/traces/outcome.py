"""What became of a traced decision: fills with their markouts, and the settlement, as feedback. Pure.

The middle of the book is asked for at 1, 5 and 30 seconds after each fill; a markout is what the shares bought were
worth then, less what was paid, in bps of a dollar: below zero the fill was somebody else's good moment. Reversed fills
are taken out again. Profit is after fees, when the window has settled.
"""

from dataclasses import dataclass, field
from typing import Final

from infra.traces.runs import Feedback, Run
from infra.traces.tree import SIDES, Seen
from state.units import NS_PER_S

MARKOUT_S: Final = (1, 5, 30)
BPS: Final = 10_000
MICROS: Final = 1_000_000


@dataclass(slots=True)
class Fill:
    """Shares that were bought under a decision."""

    at_ns: int
    token: int
    price_bps: int
    shares_micros: int
    markout_bps: dict[int, float] = field(default_factory=dict)
    """Seconds after -> worth less price."""

    def due(self) -> list[tuple[int, int]]:
        """Give the moments at which the middle is still wanted, with their seconds."""
        return [(self.at_ns + s * NS_PER_S, s) for s in MARKOUT_S if s not in self.markout_bps]

    def mark(self, seconds: int, middle_up_bps: float) -> None:
        """Take the middle of UP's book at a moment."""
        worth_bps = middle_up_bps if self.token == 0 else BPS - middle_up_bps
        self.markout_bps[seconds] = worth_bps - self.price_bps


@dataclass(slots=True)
class Came:
    """What came of the orders of one decision."""

    fills: list[Fill] = field(default_factory=list)
    fees_micros: int = 0

    def reverse(self, token: int, price_bps: int, shares_micros: int) -> None:
        """Take a fill out that failed on chain."""
        for fill in reversed(self.fills):
            if (fill.token, fill.price_bps) == (token, price_bps):
                fill.shares_micros -= min(fill.shares_micros, shares_micros)
                break
        self.fills = [fill for fill in self.fills if fill.shares_micros > 0]


@dataclass(frozen=True, slots=True)
class Fate:
    """One traced decision until its window has settled."""

    seen: Seen
    root: Run
    came: Came

    def settled(self, outcome: int, at_ns: int) -> list[Feedback]:
        """Give all feedback, now that UP (0) or DOWN (1) has won."""
        said = self._scores(outcome)
        said["rule_verdict"] = "allowed" if not self.seen.reason else self.seen.reason.name.lower()
        said["outcome"] = SIDES[outcome]
        return [
            Feedback(
                run_id=self.root.run_id, start_ns=self.root.start_ns, key=key, at_ns=at_ns,
                score=None if isinstance(value, str) else float(value),
                value=value if isinstance(value, str) else None,
            )
            for key, value in said.items()
        ]  # fmt: skip

    def _scores(self, outcome: int) -> dict[str, float | str]:
        p_up = float(self.seen.decision["mandate"]["p_up"])
        scores: dict[str, float | str] = {}
        if 0.0 < p_up < 1.0:
            scores["brier"] = round((p_up - (1.0 if outcome == 0 else 0.0)) ** 2, 4)
        if not self.seen.shots:
            return scores
        fills = self.came.fills
        shares = sum(fill.shares_micros for fill in fills)
        scores["filled"] = round(shares / sum(shot.shares_micros for shot in self.seen.shots), 4)
        if not shares:
            return scores
        for seconds in MARKOUT_S:
            marked = [fill for fill in fills if seconds in fill.markout_bps]
            weight = sum(fill.shares_micros for fill in marked)
            if weight:
                total = sum(fill.markout_bps[seconds] * fill.shares_micros for fill in marked)
                scores[f"markout_{seconds}s_bps"] = round(total / weight, 2)
        won = sum(fill.shares_micros for fill in fills if fill.token == outcome)
        paid = sum(fill.shares_micros * fill.price_bps // BPS for fill in fills)
        scores["won"] = round(won / shares, 4)
        scores["pnl_net_usd"] = round((won - paid - self.came.fees_micros) / MICROS, 4)
        return scores
