"""A decision of the desk as a run tree that can be reviewed on one screen. Pure: records in, runs out.

The root says what a reviewer asks first: did it fire, which side, how much, at what price, what was it worth, what
blocked it, and why in coded words. Below it stands one run for each stage in the desk's own order and names, each with
what it wrote; a gate hangs below the stage that it follows, an order below `execute`. Stages have no times of their own
in a journal, for they take microseconds: their runs stand a microsecond apart, which is their order and no duration.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from evals.step import stage_trace
from graph.stages import AGENTS
from infra.traces.runs import NS_PER_US, Growing, Run, Tree
from state.reasons import WORDS, Gate, Reason
from state.records import as_dict

SIDES: Final = ("UP", "DOWN")
DECISION: Final = "decision"
GATE: Final = "gate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """An order that was placed under a decision's mandate."""

    order_id: int
    at_ns: int
    token: str
    price_bps: int
    shares_micros: int
    way: str
    """take or quote."""
    edge_bps: float
    p_up: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A decision as its record has it, with what came of it while its mandate stood."""

    session: str
    """Tells its journal or run from every other one."""
    number: int
    decision: Any
    """`state.desk.Decision`, one row."""
    window: str
    mode: str
    code: str
    """Version of the code that decided."""
    given_ns: int
    """When its mandate began to stand."""
    journal_seq: int
    """Where its mandate stands in the journal; -1: the record keeps none."""
    explanation: str
    shots: tuple[Shot, ...] = ()

    @property
    def params_hash(self) -> str:
        """Give the hash of the parameters it was decided by."""
        return f"{int(self.decision['mandate']['params_hash']):016x}"

    @property
    def reason(self) -> Reason:
        """Give why it stood aside, or NONE."""
        return Reason(int(self.decision["mandate"]["reason_code"]))

    @property
    def gate(self) -> Gate:
        """Give the gate that closed, or NONE."""
        return Gate(int(self.decision["mandate"]["gate_code"]))


def decision_tree(seen: Seen) -> Tree:
    """Give the run tree of one decision."""
    growing = Growing(seen.session)
    start_ns = int(seen.decision["market"]["now_ns"])
    last_ns = max([seen.given_ns, *(shot.at_ns for shot in seen.shots)])
    path = f"{DECISION} {seen.number}"
    root = growing.add(
        path, None, name=DECISION, start_ns=start_ns, end_ns=last_ns, inputs=_touches(seen.decision),
        outputs=_verdict(seen), tags=_tags(seen), metadata=_metadata(seen),
    )  # fmt: skip
    trace = stage_trace(seen.decision)
    for at, stage in enumerate(trace):
        _stage(growing, root, path, stage, start_ns + (at + 1) * NS_PER_US, seen)
    return growing.tree()


def _stage(growing: Growing, root: Run, path: str, stage: Mapping[str, Any], at_ns: int, seen: Seen) -> None:
    name = stage["stage"]
    outputs = {"ran": stage["ran"], "why": stage["why"], **stage["record"]}
    run = growing.add(
        f"{path} {name}", root, name=name, start_ns=at_ns, end_ns=at_ns, inputs={"reads": sorted(stage["reads"])},
        outputs=outputs, run_type="tool" if name in AGENTS else "chain", tags=("stage",),
    )  # fmt: skip
    if stage["gate"]:
        closed = stage["gate"].removeprefix("closed: ") if stage["gate"] != "open" else ""
        growing.add(
            f"{path} {name} {GATE}", run, name=f"{GATE} after {name}", start_ns=at_ns, end_ns=at_ns,
            inputs={}, outputs={"open": not closed, "why": closed}, tags=(GATE, "closed" if closed else "open"),
        )  # fmt: skip
    if stage["writes"] == "mandate":
        for shot in seen.shots:
            growing.add(
                f"{path} order {shot.order_id}", run, name=f"order {shot.order_id}", start_ns=shot.at_ns,
                end_ns=shot.at_ns, inputs={"mandate": seen.number}, outputs=_of_shot(shot), run_type="tool",
                tags=("order", shot.way),
            )  # fmt: skip


def _of_shot(shot: Shot) -> dict[str, Any]:
    return {
        "side": shot.token, "way": shot.way, "limit_price_bps": shot.price_bps,
        "shares": shot.shares_micros / 1e6, "edge_bps": round(shot.edge_bps, 2), "p_up": round(shot.p_up, 6),
        "why": shot.reason,
    }  # fmt: skip


def _touches(decision: Any) -> dict[str, Any]:
    """Give what the desk saw, in what fits on a screen: touches, not books."""
    market = as_dict(decision["market"])
    now_ns = market["now_ns"]
    sides = {
        token.lower(): {
            "bid_bps": market["bid_bps"][at], "ask_bps": market["ask_bps"][at],
            "bid_shares": market["bid_touch_micros"][at] / 1e6, "ask_shares": market["ask_touch_micros"][at] / 1e6,
            "held_shares": market["held_micros"][at] / 1e6, "pending_shares": market["pending_micros"][at] / 1e6,
        }
        for at, token in enumerate(SIDES)
    }  # fmt: skip
    return {
        **sides,
        "left_s": round((market["close_ns"] - now_ns) / 1e9, 3),
        "book_age_ms": round((now_ns - market["book_seen_ns"]) / 1e6, 3),
        "price_age_ms": round((now_ns - market["nowcast_seen_ns"]) / 1e6, 3),
        "price_usd": market["nowcast_usd"], "strike_usd": market["strike_usd"], "feeds": market["feeds_count"],
        "known_of_close_ratio": market["close_known_ratio"], "fee_rate_ppm": market["fee_rate_ppm"],
        "hold_ms": market["hold_ns"] / 1e6,
    }  # fmt: skip


def _verdict(seen: Seen) -> dict[str, Any]:
    mandate = as_dict(seen.decision["mandate"])
    side = _side(seen)
    shot = seen.shots[0] if seen.shots else None
    at = SIDES.index(side) if side in SIDES else -1
    ask = mandate["ask_bps"][at] if at >= 0 else -1
    return {
        "fired": bool(seen.shots),
        "side": side,
        "size": shot.shares_micros / 1e6 if shot else 0.0,
        "limit_price": shot.price_bps / 1e4 if shot else None,
        "fair": _of_side(mandate["p_up"], at),
        "fair_low": _of_side(mandate["p_low" if at == 0 else "p_high"], at),
        "ask": ask / 1e4 if ask >= 0 else None,
        "edge_net_bps": round(shot.edge_bps if shot else mandate["edge_bps"][at], 2) if at >= 0 or shot else None,
        "allowed": bool(mandate["take_mask"] or mandate["quote_mask"] or mandate["exit_mask"]),
        "blocked_by": f"{seen.gate.name.lower()}: {WORDS[seen.reason]}" if seen.reason else "",
        "explanation": seen.explanation,
    }


def _side(seen: Seen) -> str:
    """Give the side that was bought or would have been: the order's, else the better edge's."""
    if seen.shots:
        return seen.shots[0].token
    if seen.gate is Gate.LOOK:
        return "none"
    up, down = (float(edge) for edge in seen.decision["mandate"]["edge_bps"])
    return SIDES[0] if up >= down else SIDES[1]


def _of_side(p_up: float, at: int) -> float | None:
    if at < 0 or p_up < 0.0:
        return None
    return round(p_up if at == 0 else 1.0 - p_up, 6)


def _tags(seen: Seen) -> tuple[str, ...]:
    reason = seen.reason.name.lower() if seen.reason else ("fired" if seen.shots else "allowed")
    return (f"market:{seen.window}", f"reason:{reason}", f"mode:{seen.mode}", f"params_hash:{seen.params_hash}")


def decision_hash(decision: Any) -> str:
    """Hash a decision's values, bit for bit, without the padding between them, which nobody writes."""
    return hashlib.sha256(repr(as_dict(decision)).encode()).hexdigest()[:16]


def _metadata(seen: Seen) -> dict[str, Any]:
    mandate = seen.decision["mandate"]
    return {
        "thread_id": seen.window, "window": seen.window, "decision": seen.number, "journal_seq": seen.journal_seq,
        "event_seq": int(mandate["view_seq"]), "view_hash": f"{int(mandate['view_hash']):016x}",
        "decision_hash": decision_hash(seen.decision),
        "params_hash": seen.params_hash, "code_version": seen.code, "mode": seen.mode, "session": seen.session,
    }  # fmt: skip
