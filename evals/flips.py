"""Flips: the smallest change of each input that would have turned a decision, found by running the compiled desk again.

One input is moved at a time, everything else stays as it was seen: what a moved price would have done to volatility, or
a later moment to fair value, is not reckoned. A decision has turned when it allows what it did not, or the other way
round.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from graph.fast import decide
from graph.sight import best_ask_bps
from state.desk import Decision
from state.params import Params
from state.reasons import Gate
from state.records import one
from state.units import BPS, NS_PER_MS, NS_PER_S

HALVINGS: Final = 24
DOUBLINGS: Final = 18


@dataclass(frozen=True, slots=True)
class Flip:
    """One input, and how little of it would have turned the decision."""

    input: str
    unit: str
    was: float
    change: float
    """Signed; the smallest found that turns it. 0 when `turns` is no."""
    turns: bool
    becomes: str
    """What the decision turns into: allowed, or the gate that closes."""


@dataclass(frozen=True, slots=True)
class Input:
    """One number that the desk looks at."""

    name: str
    unit: str
    first: float
    """The first step that is tried."""
    read: Callable[[Any, Any, int], float]
    """Of view, params and side."""
    write: Callable[[Any, Any, int, float], bool]
    """Sets it in view or params; says whether such a value can be."""


def _offer(view: Any, side: int, value: float) -> bool:
    """Move the best offer of a side, in both tokens' books: they are one book seen twice."""
    price = round(value)
    if not 0 < price < BPS:
        return False
    view["ask_bps"][side] = price
    view["bid_bps"][1 - side] = BPS - price
    return True


def _within(low: float, high: float, value: float) -> bool:
    return low <= value <= high


def _set(view: Any, name: str, value: float, low: float, high: float) -> bool:
    if not _within(low, high, value):
        return False
    view[name] = round(value) if view.dtype[name].kind in "iu" else value
    return True


def _age(view: Any, ms: float) -> bool:
    view["book_seen_ns"] = int(view["now_ns"]) - round(ms * NS_PER_MS)
    return ms >= 0


def _left(view: Any, seconds: float) -> bool:
    view["close_ns"] = int(view["now_ns"]) + round(seconds * NS_PER_S)
    return 0 < seconds <= 86_400


INPUTS: Final = (
    Input("best offer", "bps", 1.0, lambda view, _, side: float(best_ask_bps(view, side)),
          lambda view, _, side, value: _offer(view, side, value)),
    Input("fair value of UP", "probability", 0.001, lambda view, _, __: float(view["p_fair"]),
          lambda view, _, __, value: _set(view, "p_fair", value, 1e-6, 1 - 1e-6)),
    Input("fee rate", "ppm", 100.0, lambda view, _, __: float(view["fee_rate_ppm"]),
          lambda view, _, __, value: _set(view, "fee_rate_ppm", value, 0, 1e6)),
    Input("drift in the hold", "probability sd", 0.0005, lambda view, _, __: float(view["p_hold_sd"]),
          lambda view, _, __, value: _set(view, "p_hold_sd", value, 0, 0.5)),
    Input("age of the book", "ms", 10.0,
          lambda view, _, __: (int(view["now_ns"]) - int(view["book_seen_ns"])) / NS_PER_MS,
          lambda view, _, __, value: _age(view, value)),
    Input("time to the close", "s", 0.5, lambda view, _, __: (int(view["close_ns"]) - int(view["now_ns"])) / NS_PER_S,
          lambda view, _, __, value: _left(view, value)),
    Input("liquidity of the book", "micros", 10_000_000.0, lambda view, _, __: float(view["book_notional_micros"]),
          lambda view, _, __, value: _set(view, "book_notional_micros", value, 0, 1e15)),
    Input("move of the leading feed", "log", 0.000005, lambda view, _, __: float(view["lead_move_log"]),
          lambda view, _, __, value: _set(view, "lead_move_log", value, -0.1, 0.1)),
    Input("collateral at risk in the window", "micros", 1_000_000.0, lambda view, _, __: float(view["cost_micros"]),
          lambda view, _, __, value: _set(view, "cost_micros", value, 0, 1e15)),
    Input("edge wanted to take", "bps", 1.0, lambda _, params, __: float(params["take_edge_bps"]),
          lambda _, params, __, value: _set(params, "take_edge_bps", value, 10, 2000)),
)  # fmt: skip


def flips(decision: Any, params: Params) -> tuple[Flip, ...]:
    """Find for each input the smallest change that turns a decision; changes up and down are tried, the nearer told."""
    side = 0 if float(decision["alpha"]["edge_bps"][0]) >= float(decision["alpha"]["edge_bps"][1]) else 1
    return tuple(_flip(decision, params, side, each) for each in INPUTS)


def decided_on(decision: Any, params: Any) -> Any:
    """Run the desk again on a decision's view, under these parameters; the decision that comes, whole."""
    again: Any = one(Decision)
    again["market"] = decision["market"]
    decide(params, again)
    return again


def _flip(decision: Any, params: Any, side: int, moved: Input) -> Flip:
    was = moved.read(decision.market, params, side)
    before = int(decision["mandate"]["reason_code"]) == 0

    def turned(change: float) -> tuple[bool, int]:
        """Say whether a change turns it, and the gate that closes then; an impossible value turns nothing."""
        again: Any = one(Decision)
        again["market"] = decision["market"]
        mine = params.copy()
        if not moved.write(again.market, mine, side, was + change):
            return False, -1
        decide(mine, again)
        return (int(again["mandate"]["reason_code"]) == 0) != before, int(again["mandate"]["gate_code"])

    found = [change for sign in (1.0, -1.0) if (change := _nearest(turned, sign * moved.first)) is not None]
    if not found:
        return Flip(moved.name, moved.unit, round(was, 6), 0.0, turns=False, becomes="")
    change = min(found, key=abs)
    gate = turned(change)[1]
    return Flip(moved.name, moved.unit, round(was, 6), change, turns=True, becomes=_becomes(gate))


def _becomes(gate: int) -> str:
    return "allowed" if gate == Gate.NONE else f"closed at {Gate(gate).name.lower()}"


def _nearest(turned: Callable[[float], tuple[bool, int]], first: float) -> float | None:
    """Double a step until it turns the decision, then halve the way to the last that did not."""
    far, near = first, 0.0
    for _ in range(DOUBLINGS):
        does, gate = turned(far)
        if does:
            break
        if gate < 0:
            return None
        near, far = far, far * 2.0
    else:
        return None
    for _ in range(HALVINGS):
        middle = (near + far) / 2.0
        if turned(middle)[0]:
            far = middle
        else:
            near = middle
    return far
