"""Counterfactuals: the compiled desk run again on a decision with one thing changed, and bids that were never posted.

What is run again is the desk on the same view: what another price would have done to volatility, or to the book's other
side, is not reckoned. A bid that was never posted is judged by the trades that the venue published afterwards.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graph.fast import decide
from state.desk import Decision
from state.params import OutOfBounds, Params, UnknownParameter, checked
from state.reasons import WORDS, Gate, Reason
from state.records import one
from state.units import BPS, MICROS, NS_PER_MS
from tools.intervals import clustered_rate

AGENTS: Final = {"spread": 1, "lead_lag": 2, "flow": 3, "liquidity": 4}
"""Agent -> its row in the fusion's weights."""


@dataclass(frozen=True, slots=True)
class CannotAnswer:
    """A question that has no answer, and why."""

    words: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of the desk came to."""

    allowed: bool
    gate: str
    reason: str
    take: tuple[str, ...]
    quote: tuple[str, ...]
    p_up: float
    edge_up_bps: float
    edge_down_bps: float
    shares_up: float
    shares_down: float


@dataclass(frozen=True, slots=True)
class Answered:
    """The desk's answer before and after a change."""

    changed: str
    was: float
    now: float
    unit: str
    before: Outcome
    after: Outcome

    @property
    def turned(self) -> bool:
        """Say whether the decision turned."""
        return self.before.allowed != self.after.allowed


def outcome_of(decision: Any) -> Outcome:
    """Give what a decision came to."""
    mandate, alpha = decision["mandate"], decision["alpha"]
    reason = Reason(int(mandate["reason_code"]))
    names = ("UP", "DOWN")
    return Outcome(
        allowed=not reason, gate=Gate(int(mandate["gate_code"])).name.lower() if reason else "",
        reason=WORDS[reason] if reason else "", p_up=round(float(decision["forecast"]["p_up"]), 6),
        take=tuple(names[at] for at in range(2) if int(mandate["take_mask"]) >> at & 1),
        quote=tuple(names[at] for at in range(2) if int(mandate["quote_mask"]) >> at & 1),
        edge_up_bps=round(float(alpha["edge_bps"][0]), 4), edge_down_bps=round(float(alpha["edge_bps"][1]), 4),
        shares_up=round(int(mandate["shares_micros"][0]) / MICROS, 6),
        shares_down=round(int(mandate["shares_micros"][1]) / MICROS, 6),
    )  # fmt: skip


def _again(decision: Any, params: Params, changed: str, was: float, now: float, unit: str, view: Any) -> Answered:
    again: Any = one(Decision)
    again["market"] = view
    decide(params, again)
    return Answered(changed, was, now, unit, outcome_of(decision), outcome_of(again))


def with_latency(decision: Any, params: Params, latency_ms: float) -> Answered:
    """Decide again with another time from decision to the venue.

    Fair value's drift while an order is held and travels grows with the root of that time, as a random walk's does.
    """
    view, mine = decision["market"].copy(), params.copy()  # type: ignore[attr-defined]
    was_ms = int(mine["travel_ns"]) / NS_PER_MS
    before_ns, after_ns = (int(view["hold_ns"]) + round(ms * NS_PER_MS) for ms in (was_ms, latency_ms))
    mine["travel_ns"] = round(latency_ms * NS_PER_MS)
    view["p_hold_sd"] = float(view["p_hold_sd"]) * math.sqrt(after_ns / before_ns) if before_ns else 0.0
    return _again(decision, mine, "latency", was_ms, latency_ms, "ms", view)


def with_offer(decision: Any, params: Params, ask_bps: int) -> Answered:
    """Decide again with another best offer of the better side, in both tokens' books."""
    view = decision["market"].copy()
    side = 0 if float(decision["alpha"]["edge_bps"][0]) >= float(decision["alpha"]["edge_bps"][1]) else 1
    was = int(view["ask_bps"][side])
    view["ask_bps"][side], view["bid_bps"][1 - side] = ask_bps, BPS - ask_bps
    return _again(decision, params, f"best offer of {('UP', 'DOWN')[side]}", was, ask_bps, "bps", view)


def with_fee(decision: Any, params: Params, rate_ppm: int) -> Answered:
    """Decide again with another fee rate."""
    view = decision["market"].copy()
    was = int(view["fee_rate_ppm"])
    view["fee_rate_ppm"] = rate_ppm
    return _again(decision, params, "fee rate", was, rate_ppm, "ppm", view)


def without_agent(decision: Any, params: Params, agent: str) -> Answered:
    """Decide again with an agent that the fusion does not hear: its weight and its doubt are nothing."""
    view, at = decision["market"].copy(), AGENTS[agent]
    was = float(view["weights_ratio"][at])
    view["weights_ratio"][at] = 0.0
    view["weights_var"][at, :] = 0.0
    view["weights_var"][:, at] = 0.0
    return _again(decision, params, f"weight of {agent}", was, 0.0, "ratio", view)


def with_parameter(decision: Any, params: Params, name: str, value: float) -> Answered | CannotAnswer:
    """Decide again with another value of a parameter; priors of the fusion's weights act at the start alone."""
    mine: Any = params.copy()  # type: ignore[attr-defined]
    try:
        checked(name, value)
    except (UnknownParameter, OutOfBounds) as error:
        return CannotAnswer(str(error))
    was = float(mine[name])
    mine[name] = value
    return _again(decision, mine, name, was, value, "", decision["market"].copy())


# Bids that were never posted.


@dataclass(frozen=True, slots=True)
class Bid:
    """One bid that might have rested: where, since when, and what was ahead of it."""

    window: int
    """A label: bids of one window share its fate."""
    token: int
    price_bps: int
    shares_micros: int
    ahead_micros: int
    """Shares that stood before it at its price; for a price below the best bid nobody has seen them, so only trades
    through the price count, and this is not used."""
    through_only: bool
    from_ns: int
    until_ns: int


@dataclass(frozen=True, slots=True)
class Posted:
    """How a bid that was never posted would have fared, as far as trades tell."""

    filled: bool
    filled_shares: float
    wanted_shares: float
    probability: float
    """Share of like bids of this record that would have filled whole."""
    probability_low: float
    probability_high: float
    like_count: int
    windows_count: int


def filled_micros(bid: Bid, seen_ns: NDArray[np.int64], token: NDArray[np.int64], sold: NDArray[np.bool_],
                  price_bps: NDArray[np.int64], shares_micros: NDArray[np.int64]) -> int:  # fmt: skip
    """Give how much of a bid the trades after it would have filled.

    Sales of its token at its price or below fill it, and purchases of the other token at the price that is the same
    deal; what stood ahead at its price goes first.
    """
    same = (token == bid.token) & sold & (price_bps <= bid.price_bps)
    other = (token != bid.token) & ~sold & (price_bps >= BPS - bid.price_bps)
    mine = (same | other) & (seen_ns > bid.from_ns) & (seen_ns < bid.until_ns)
    own_bps = np.where(token == bid.token, price_bps, BPS - price_bps)
    through = int(shares_micros[mine & (own_bps < bid.price_bps)].sum())
    at = 0 if bid.through_only else int(shares_micros[mine & (own_bps == bid.price_bps)].sum())
    return max(min(through + max(at - bid.ahead_micros, 0), bid.shares_micros), 0)


def posted(bid: Bid, filled: int, like: Sequence[tuple[Bid, int]]) -> Posted | CannotAnswer:
    """Say how a bid would have fared, beside like bids at other decisions, each with what of it would have filled.

    The interval lets whole windows vary, not bids.
    """
    if not like:
        return CannotAnswer("no like bid in this record to estimate from")
    hits = np.array([done >= each.shares_micros for each, done in like])
    windows = np.array([each.window for each, _ in like])
    rate = clustered_rate(hits, windows)
    return Posted(
        filled=filled >= bid.shares_micros, filled_shares=filled / MICROS, wanted_shares=bid.shares_micros / MICROS,
        probability=round(rate.mean, 4), probability_low=round(rate.low, 4), probability_high=round(rate.high, 4),
        like_count=len(like), windows_count=len(set(windows.tolist())),
    )  # fmt: skip
