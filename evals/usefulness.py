"""Is the proposer of any use? Planted mis-tunings, and how often each proposer recovers what they cost.

A market is generated with something to earn in it, the desk is mis-tuned on purpose, and each proposer gets the same
windows and the same number of rehearsals for one proposal. What the proposal makes on later windows, which neither has
seen, is held against what the mis-tuning makes there and what the untouched parameters make. The share of the loss that
came back is cut to 0 .. 1: earning more than the untouched parameters counts as all of it, so nobody wins by being
bolder than they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from state.units import MICROS
from tools.intervals import Estimate, clustered_interval, clustered_rate, paired_difference

RECOVERED_RATIO: Final = 0.5
"""From this share on a mis-tuning counts as recovered."""
COST_LEAST_MICROS: Final = 2.0 * MICROS
"""A mis-tuning that cost less a window than this, on a market's later windows, has nothing to recover there."""

MARKETS_LEAST_COUNT: Final = 4
"""Fewer markets give an interval that says more than they know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistuned:
    """A planted mis-tuning."""

    name: str
    changes: Mapping[str, float]


MISTUNED: Final = (
    Mistuned(name="fair value hardly heard", changes={"fair_weight_ratio": 0.05}),
    Mistuned(name="interval too wide", changes={"interval_z": 1.9}),
    Mistuned(name="volatility doubted too much", changes={"fair_doubt_ratio": 0.28}),
    Mistuned(name="edges too high", changes={"take_edge_bps": 490.0, "quote_edge_bps": 540.0}),
    Mistuned(name="stake too small", changes={"kelly_ratio": 0.005}),
    Mistuned(name="orders too small", changes={"depth_share_ratio": 0.05}),
)
"""Each within a round's reach of where it was, so that one proposal could mend it. All are too timid: on markets
whose makers are late that is what costs, and being bolder than the defaults earns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One mis-tuning on one market, and what each proposer made of it on the later windows; micros a window."""

    mistuned: str
    seed: int
    untouched_micros: float
    mistuned_micros: float
    proposed_micros: Mapping[str, float]
    """By proposer."""
    changes: Mapping[str, Mapping[str, float]]
    tried_count: Mapping[str, int]

    @property
    def cost_micros(self) -> float:
        """Give what the mis-tuning costs a window."""
        return self.untouched_micros - self.mistuned_micros

    def share(self, proposer: str) -> float:
        """Give the share of the cost that a proposer brought back, between 0 and 1."""
        gained = self.proposed_micros[proposer] - self.mistuned_micros
        return min(max(gained / self.cost_micros, 0.0), 1.0)


def usefulness_table(attempts: Sequence[Attempt], first: str, second: str) -> dict[str, Any]:
    """Hold two proposers against each other over all attempts that had something to recover; plain values.

    Attempts on one market share its luck, so only whole markets count as independent.
    """
    costly = [each for each in attempts if each.cost_micros >= COST_LEAST_MICROS]
    markets = np.array([each.seed for each in costly], np.int64)
    shares = {name: np.array([each.share(name) for each in costly], float) for name in (first, second)}
    recovered = {name: clustered_rate(share >= RECOVERED_RATIO, markets) for name, share in shares.items()}
    apart = paired_difference(shares[first], shares[second], markets)
    oftener = paired_difference(
        (shares[first] >= RECOVERED_RATIO).astype(float), (shares[second] >= RECOVERED_RATIO).astype(float), markets
    )
    return {
        "attempts_count": len(costly),
        "without_cost_count": len(attempts) - len(costly),
        "markets_count": len(set(markets.tolist())),
        "recovered": {name: _plain(rate) for name, rate in recovered.items()},
        "share": {name: _plain(clustered_interval(share, markets)) for name, share in shares.items()},
        "share_difference": _plain(apart),
        "recovered_difference": _plain(oftener),
        "better": bool(oftener.clusters >= MARKETS_LEAST_COUNT and oftener.low > 0.0),
        "rows": [
            {
                "mistuned": name,
                "attempts_count": len(mine),
                **{f"{who}_share": float(np.mean([each.share(who) for each in mine])) for who in (first, second)},
            }
            for name in sorted({each.mistuned for each in costly})
            if (mine := [each for each in costly if each.mistuned == name])
        ],
    }


def _plain(told: Estimate) -> dict[str, float | int | None]:
    return {
        "mean": told.mean if told.count else None,
        "low": told.low if told.known else None,
        "high": told.high if told.known else None,
        "markets_count": told.clusters,
    }
