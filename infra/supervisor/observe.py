"""Observe: the desk's figures out of its record, as the supervisor's digest; what cannot be known says why.

Only answers of the record are used (`infra.record.answers`), so a proposer reads what the chat would be told.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from agents.supervisor import told_before
from evals.regime import Moved, regimes
from infra.record.answers import Answers
from infra.record.record import Record
from infra.shell.latency import BUDGET_MS, Span
from infra.shell.pulse import BOUNDS_MS
from infra.supervisor.receipts import Receipt, plain
from infra.supervisor.replayed import settled_windows
from state.reasons import WORDS, Gate, Reason
from state.records import as_dict
from state.units import BPS, MICROS, NS_PER_S

Plain = dict[str, Any]

STALE_S: Final = 6 * 3600
"""Older data is judged by nobody; as long as the rule of promotion's own limit."""
ASKED: Final = {
    "money": "position_and_profit", "calibration": "calibration", "feeds": "feeds_and_health", "risk": "risk_state",
}  # fmt: skip
SHOWN_ORDERS: Final = 50


def digest_of(record: Record, receipts: Sequence[Receipt], drift: Plain, *, budget_left: bool, now_ns: int) -> Plain:
    """Give the digest of a session or run.

    Args:
        record: of it; read anew first.
        receipts: of the supervisor, oldest first.
        drift: live against replay (`drift_of`), or why that is not known, under `cannot`.
        budget_left: whether a model may still be paid today.
        now_ns: by the clock of the market that is traded.
    """
    record.refresh()
    answers = Answers(record)
    orders = _orders(answers)
    figures, unknown = {"gates": _gates(record), "orders": orders, "costs": _costs(record, receipts)}, {}
    said = {name: answers.answer(question, {}) for name, question in ASKED.items()}
    for name, told in (said | {"drift": drift, "regime": _regime(record), "lag": _lag(record)}).items():
        if "cannot" in told:
            unknown[name] = told["cannot"]
        else:
            figures[name] = told
    return {
        "params": as_dict(record.params[-1].params),
        "context": {
            "now_ns": now_ns,
            "changed_ns": _changed_ns(record),
            "stale": _is_stale(record, now_ns),
            "budget_left": budget_left,
        },
        "figures": figures,
        "unknown": unknown,
        "notes": [words for _, words in record.words[-5:]],
        "before": told_before([receipt.told for receipt in receipts if receipt.kind == "done"]),
    }


def _gates(record: Record) -> Plain:
    """Count how often which gate closed, and why."""
    lines = record.lines
    counts: Counter[str] = Counter()
    for gate, reason in zip(lines["gate_code"].tolist(), lines["reason_code"].tolist(), strict=True):
        counts[f"{Gate(gate).name.lower()}: {WORDS[Reason(reason)]}" if reason else "allowed"] += 1
    return {"decisions": len(lines), **dict(counts.most_common(12))}


def _orders(answers: Answers) -> Plain:
    orders = answers.answer("find_orders", {"most": SHOWN_ORDERS})["orders"]
    marks: dict[str, list[float]] = {}
    for order in orders:
        for seconds, bps in order["markouts_bps"].items():
            marks.setdefault(seconds, []).append(bps)
    asked = sum(order["shares"] for order in orders)
    return {
        "looked_at": len(orders),
        "states": dict(Counter(order["state"] for order in orders)),
        "filled_ratio": round(sum(order["filled_shares"] for order in orders) / asked, 4) if asked else None,
        "fees_usd": round(sum(order["fees_usd"] for order in orders), 4),
        "markouts_bps": {seconds: round(sum(each) / len(each), 2) for seconds, each in sorted(marks.items())},
    }


def _costs(record: Record, receipts: Sequence[Receipt]) -> Plain:
    paid = [float((receipt.told.get("model") or {}).get("usd") or 0.0) for receipt in receipts]
    fees = sum(window.fees_micros for window in record.windows.values())
    return {
        "fees_usd": fees / MICROS,
        "models_usd": round(sum(paid), 6),
        "models_asked": sum(usd > 0.0 for usd in paid),
    }


def _regime(record: Record) -> Plain:
    moved = [
        Moved(open_s=open_s, slot_id=slot, move_bps=(window.final_usd / window.strike_usd - 1.0) * BPS)
        for open_s, slot, window in settled_windows(record)
        if window.strike_usd > 0.0 and window.final_usd > 0.0
    ]
    if not moved:
        return {"cannot": "no window of this record is settled yet"}
    told: Plain = plain({name: asdict(stretch) for name, stretch in regimes(moved, record.lines).items()})
    return told


def _lag(record: Record) -> Plain:
    """Tell where time went, by stage: the mean, and the bound that 99 of 100 stayed below."""
    spans = record.pulse.get("spans", {})
    if not spans:
        return {"cannot": "this record has no pulse of a live session"}
    told = {}
    for span, each in spans.items():
        counts = np.asarray(each["counts"], np.int64)
        at = int(np.searchsorted(np.cumsum(counts), 0.99 * counts.sum()))
        told[span] = {
            "count": int(counts.sum()), "mean_ms": round(each["sum_ms"] / max(int(counts.sum()), 1), 3),
            "p99_below_ms": BOUNDS_MS[at] if at < len(BOUNDS_MS) else f"above {BOUNDS_MS[-1]:.0f}",
            "budget_ms": BUDGET_MS.get(Span(span)),
        }  # fmt: skip
    return {"stages": told, "frames": record.pulse.get("frames"), "lost": record.pulse.get("lost", {})}


def _changed_ns(record: Record) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in record.params[1:]:
        found |= {change.name: each.since_ns for change in each.changes}
    return found


def _is_stale(record: Record, now_ns: int) -> bool:
    closed = [window.close_ns for window in record.windows.values() if window.outcome]
    return not closed or now_ns - max(closed) > STALE_S * NS_PER_S
