"""What a record says of orders, windows and what became of a decision, as plain values with units in their keys."""

from datetime import UTC, datetime
from typing import Any

from infra.record.record import Order, Record, Window
from state.reasons import WORDS, Gate, Reason
from state.units import BPS, MICROS, NS_PER_S


def utc(ns: int) -> str:
    """Say a time to the millisecond."""
    return f"{datetime.fromtimestamp(ns // NS_PER_S, UTC):%Y-%m-%d %H:%M:%S}.{ns % NS_PER_S // 1_000_000:03d}Z"


def told_order(order: Order) -> dict[str, Any]:
    """Tell an order with what became of it."""
    marks: dict[int, list[float]] = {}
    for fill in order.fills:
        for seconds, bps in fill.markouts_bps.items():
            marks.setdefault(seconds, []).append(bps)
    return {
        "order": order.number, "decision": order.decision, "window": order.window, "at": utc(order.at_ns),
        "way": order.way, "token": order.token, "price_bps": order.price_bps,
        "shares": order.shares_micros / MICROS, "reason": order.reason, "edge_bps": round(order.edge_bps, 4),
        "p_up": round(order.p_up, 6), "state": order.state, "why_ended": order.why_ended,
        "filled_shares": order.filled_micros / MICROS, "fees_usd": order.fees_micros / MICROS,
        "fills": [
            {"at": utc(fill.at_ns), "price_bps": fill.price_bps, "shares": fill.shares_micros / MICROS,
             "as": "maker" if fill.is_maker else "taker", "failed_on_chain": fill.is_reversed}
            for fill in order.fills
        ],
        "markouts_bps": {str(seconds): round(sum(each) / len(each), 2) for seconds, each in sorted(marks.items())},
        "story": order.story,
    }  # fmt: skip


def told_window(window: Window) -> dict[str, Any]:
    """Tell a window."""
    return {
        "window": window.slug, "opened": utc(window.open_ns), "closes": utc(window.close_ns),
        "strike_usd": round(window.strike_usd, 4), "final_usd": round(window.final_usd, 4),
        "outcome": window.outcome or "open", "up_shares": window.up_micros / MICROS,
        "down_shares": window.down_micros / MICROS, "spent_usd": window.spent_micros / MICROS,
        "fees_usd": window.fees_micros / MICROS, "fills": window.fills_count,
        "realised_usd": window.realised_micros / MICROS if window.outcome else None,
    }  # fmt: skip


def told_line(record: Record, line: Any) -> dict[str, Any]:
    """Tell a decision in a line."""
    number, reason = int(line["mandate_id"]), Reason(int(line["reason_code"]))
    orders = [order.number for order in record.orders_of(number)]
    return {
        "decision": number, "window": record.slug_of(line), "at": utc(int(line["at_ns"])),
        "left_s": round(int(line["left_ns"]) / NS_PER_S, 1),
        "outcome": "stood_aside" if reason else "traded" if orders else "allowed",
        "gate": Gate(int(line["gate_code"])).name.lower() if reason else "", "reason": WORDS[reason] if reason else "",
        "p_up": round(float(line["p_up"]), 4), "p_book": round(float(line["p_mid"]), 4),
        "edge_up_bps": round(float(line["edge_bps"][0]), 2), "edge_down_bps": round(float(line["edge_bps"][1]), 2),
        "orders": orders,
    }  # fmt: skip


def afterwards(record: Record, number: int, slug: str) -> dict[str, Any]:
    """Tell what became of a decision: its orders, how its window ended, and what its orders earned."""
    orders = record.orders_of(number)
    window = record.windows.get(slug)
    outcome = window.outcome if window is not None else ""
    profit = None
    if outcome and orders:
        profit = sum(_profit_micros(order, outcome) for order in orders) / MICROS
    return {"orders": [told_order(order) for order in orders], "outcome": outcome, "profit_usd": profit}


def _profit_micros(order: Order, outcome: str) -> int:
    kept = [fill for fill in order.fills if not fill.is_reversed]
    paid = sum(fill.shares_micros * fill.price_bps // BPS for fill in kept)
    won = sum(fill.shares_micros for fill in kept if fill.token == outcome)
    return won - paid - order.fees_micros
