"""An explanation in plain sentences: the truth that a model may rephrase and never change."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

LOUD: Final = 3
"""Contributions, margins and flips that are said; all of them stand in the plain values."""


def words(told: Mapping[str, Any]) -> str:
    """Say an explanation in sentences; every number in them is one of its own, rounded as it is shown.

    Args:
        told: `Explanation.as_plain()`.
    """
    lines = [_opening(told), _belief(told), _contributions(told["contributions"]), _costs(told)]
    lines += [_gates(told), _flips(told["flips"]), *_afterwards(told["afterwards"])]
    return "\n".join(line for line in lines if line)


def _opening(told: Mapping[str, Any]) -> str:
    where = f"Decision {told['decision']} ({told['window']}, {told['left_s']:.1f} s before the close)"
    if told["outcome"] == "stood_aside":
        return f"{where} stood aside at the gate {told['gate']}: {told['main_cause']}."
    did = "traded" if told["outcome"] == "traded" else "gave a mandate, and no order came of it"
    return f"{where} {did}. Main cause: {told['main_cause']}."


def _belief(told: Mapping[str, Any]) -> str:
    return (
        f"It held UP at {told['p_up']:.4f} ({told['p_low']:.4f} to {told['p_high']:.4f}); "
        f"the book's middle was {told['p_book']:.4f}, fair value {told['p_fair']:.4f}."
    )


def _contributions(found: Sequence[Mapping[str, Any]]) -> str:
    loud = sorted(found, key=lambda each: -abs(each["contribution_logodds"]))[:LOUD]
    said = "; ".join(f"{each['source']} {each['contribution_logodds']:+.4f}" for each in loud)
    return f"In log-odds of UP the largest were: {said}."


def _costs(told: Mapping[str, Any]) -> str:
    costs = told["costs"]
    if costs["ask_bps"] < 0:
        return f"Nobody offered {costs['side']}."
    said = (
        f"{costs['side']} was offered at {costs['ask_bps'] / 100:.2f} cents; the fee was {costs['fee_bps']:.2f} bps, "
        f"the hold {costs['hold_bps']:.2f} bps; at the interval's worse end that left an edge of "
        f"{costs['edge_bps']:.2f} bps."
    )
    if told["stake_shares"]:
        said += f" Expected value of {told['stake_shares']:.2f} shares: ${told['expected_value_usd']:.2f}."
    return said


def _gates(told: Mapping[str, Any]) -> str:
    closed = [each for each in told["margins"] if each["margin"] < 0 and each["gate"] == told["gate"]]
    if closed:
        said = "; ".join(f"{each['condition']} {each['margin']:.4g} {each['unit']}" for each in closed[:LOUD])
        return f"Conditions that were not met, by how much: {said}."
    return ""


def _flips(found: Sequence[Mapping[str, Any]]) -> str:
    turning = [each for each in found if each["turns"]][:LOUD]
    if not turning:
        return "No single input that was tried would have turned it."
    said = "; ".join(f"{each['input']} by {each['change']:+.4g} {each['unit']} ({each['becomes']})" for each in turning)
    return f"It would have turned with: {said}."


def _afterwards(after: Mapping[str, Any]) -> list[str]:
    lines = [_order(each) for each in after.get("orders", ())]
    if after.get("outcome"):
        lines.append(f"The window settled {after['outcome']}.")
    if after.get("profit_usd") is not None and after.get("orders"):
        lines.append(f"Profit of its orders after fees: ${after['profit_usd']:+.2f}.")
    return lines


def _order(order: Mapping[str, Any]) -> str:
    said = (
        f"Order {order['order']}: {order['way']} {order['shares']:.2f} {order['token']} at "
        f"{order['price_bps'] / 100:.2f} cents ({order['reason']}); "
        f"filled {order['filled_shares']:.2f}, fee ${order['fees_usd']:.4f}"
    )
    marks = [f"{bps:+.1f} bps after {seconds} s" for seconds, bps in order["markouts_bps"].items()]
    return said + (f"; markouts {', '.join(marks)}." if marks else ".")
