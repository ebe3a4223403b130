"""Answers of the record in plain sentences: the truth that a model may rephrase and never change.

Every figure is one of the answer's own, rounded as it is shown. An explained decision brings its sentences along; all
other answers get theirs here.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

Plain = Mapping[str, Any]

SHOWN: Final = 10
"""Lines of a list that are said."""


def say_all(told: Sequence[tuple[str, Plain]]) -> str:
    """Say answers one after the other: question's name and answer."""
    return "\n\n".join(dict.fromkeys(say_one(name, result) for name, result in told))


def say_one(name: str, result: Plain) -> str:
    """Say one answer."""
    if "cannot" in result:
        return f"That cannot be answered: {result['cannot']}."
    return _WORDS[name](result)


def _get(told: Plain) -> str:
    return str(told["words"])


def _find(told: Plain) -> str:
    head = f"{told['found']} of {told['of']} decisions fit."
    return "\n".join([head, *(_decision(each) for each in told["decisions"][:SHOWN])])


def _decision(each: Plain) -> str:
    said = (
        f"- decision {each['decision']} at {each['at']} in {each['window']}, {each['left_s']:.1f} s before the close: "
    )
    if each["outcome"] == "stood_aside":
        return said + f"stood aside at the gate {each['gate']}: {each['reason']}"
    orders = "".join(f", order {number}" for number in each["orders"])
    edge = max(each["edge_up_bps"], each["edge_down_bps"])
    return said + f"{each['outcome']}{orders}; p of UP {each['p_up']:.4f}, edge {edge:.2f} bps"


def _compare(told: Plain) -> str:
    lines = [f"Decision {told['first']} and decision {told['second']} differ in:"]
    lines += [
        f"- {name}: {_shown(each['first'])} and {_shown(each['second'])}" for name, each in told["differs"].items()
    ]
    lines += [f"- {name}: {_shown(each['first'])} and {_shown(each['second'])}" for name, each in told["costs"].items()]
    given = told["contributions_logodds"].items()
    lines += [f"- log-odds of {name}: {each['first']:+.4f} and {each['second']:+.4f}" for name, each in given]
    return "\n".join(lines)


def _what_if(told: Plain) -> str:
    if "posted_at_bps" in told:
        return _posted(told)
    lines = [
        f"Decision {told['decision']}, run again with {told['changed']} {_shown(told['now'])} {told['unit']} "
        f"instead of {_shown(told['was'])}, comes out {'otherwise' if told['turned'] else 'the same'}.",
        f"- before: {_outcome(told['before'])}",
        f"- after: {_outcome(told['after'])}",
    ]
    return "\n".join(lines)


def _outcome(each: Plain) -> str:
    if not each["allowed"]:
        return f"stood aside at the gate {each['gate']}: {each['reason']}; p of UP {each['p_up']:.4f}"
    return (
        f"allowed, take {' and '.join(each['take']) or 'nothing'}, quote {' and '.join(each['quote']) or 'nothing'}; "
        f"p of UP {each['p_up']:.4f}, edge of UP {each['edge_up_bps']:.2f} bps, of DOWN {each['edge_down_bps']:.2f} bps"
    )


def _posted(told: Plain) -> str:
    left_out = ("decision", "token", "posted_at_bps")
    lines = [f"- {name}: {_shown(value)}" for name, value in told.items() if name not in left_out]
    head = (
        f"Had decision {told['decision']} posted a bid for {told['token']} at {told['posted_at_bps'] / 100:.2f} cents:"
    )
    return "\n".join([head, *lines])


def _orders(told: Plain) -> str:
    lines = [f"{told['found']} orders."]
    for each in told["orders"][:SHOWN]:
        lines.append(
            f"- order {each['order']} of decision {each['decision']} at {each['at']}: {each['way']} {each['token']} at "
            f"{each['price_bps'] / 100:.2f} cents, {each['filled_shares']:.2f} of {each['shares']:.2f} shares filled, "
            f"{each['state']}, fees ${each['fees_usd']:.4f}"
        )
        if len(told["orders"]) == 1:
            lines += [f"  {step}" for step in each["story"]]
    return "\n".join(lines)


def _windows(told: Plain) -> str:
    if "window" in told:
        return _window(told)
    return "\n".join([f"{told['found']} windows.", *(f"- {_window(each)}" for each in told["windows"][-SHOWN:])])


def _window(each: Plain) -> str:
    said = f"{each['window']} closes at {each['closes']}: strike ${each['strike_usd']:.2f}, {each['outcome']}"
    if each["outcome"] != "open":
        said += f" (final ${each['final_usd']:.2f})"
    said += f"; {each['fills']} fills, spent ${each['spent_usd']:.2f}, fees ${each['fees_usd']:.4f}"
    return said if each["realised_usd"] is None else f"{said}, realised ${each['realised_usd']:+.2f}"


def _profit(told: Plain) -> str:
    said = (
        f"{told['settled_windows']} windows have settled with a profit of ${told['settled_profit_usd']:+.2f} after "
        f"fees ({told['windows_with_profit']} with a profit, {told['windows_with_loss']} with a loss); fees "
        f"${told['fees_usd']:.4f}; at risk in open windows ${told['at_risk_usd']:.2f}; {told['orders_filled']} of "
        f"{told['orders']} orders were filled; {told['fills_failed_on_chain']} fills failed on chain."
    )
    holds = [
        f"- holds {each['up_shares']:.2f} UP and {each['down_shares']:.2f} DOWN in {each['window']}"
        for each in told["holds"]
    ]
    return "\n".join([said, *holds])


def _health(told: Plain) -> str:
    lines = [
        f"- {wire}: {each['state']} since {each['at']}, {each['disconnects']} disconnects" + _because(each["why"])
        for wire, each in told["feeds"].items()
    ]
    halts = [f"- halted at {each['at']}: {each['why']}" for each in told["halts"]]
    alarms = [f"- alarm at {each['at']}: {each['what']}" for each in told["alarms"]]
    operator = [f'- operator at {each["at"]}: "{_unquoted(each["said"])}"' for each in told["operator"]]
    return "\n".join(["Feeds:", *lines, *(halts or ["No halt."]), *alarms, *operator])


def _unquoted(said: str) -> str:
    """Give somebody's words so that they can stand in quotes: they are quoted, and prove nothing."""
    return str(said).replace('"', "'").strip()


def _because(why: str) -> str:
    return f" ({why})" if why else ""


def _parameters(told: Plain) -> str:
    if not told["changes"]:
        return "The parameters have not changed since the record began."
    lines = ["The parameters were changed:"]
    for each in told["changes"]:
        steps = ", ".join(f"{step['name']} {step['before']:g} to {step['after']:g}" for step in each["changes"])
        lines.append(f"- at {each['at']} by {each['receipt']}: {steps} ({each['why']})")
    return "\n".join(lines)


def _risk(told: Plain) -> str:
    lines = [
        f"- {name}: ${each['used_usd']:.2f} of ${each['limit_usd']:.2f} used"
        for name, each in told["limits"].items()
    ]  # fmt: skip
    state = "The desk is halted." if told["halted"] else "The desk is not halted."
    nearest = (
        f"Nearest is {told['nearest']}; {told['windows_with_risk']} of {told['windows_allowed']} windows hold risk."
    )
    fault = [f"Averaging minute: {told['averaging_minute_fault']}."] if told["averaging_minute_fault"] else []
    return "\n".join([f"At {told['at']}:", *lines, nearest, *fault, state])


def _rules(told: Plain) -> str:
    return (
        f"It settles on {told['settles_on']}. Fee rate {told['fee_rate_ppm']} ppm, taker hold "
        f"{told['taker_hold_ms']:g} ms, tick {told['tick_bps']} bps; no order below {told['least_shares']:g} shares or "
        f"${told['least_notional_usd']:.2f}."
        + (" These rules are refused: nothing is traded." if told["refused"] else "")
    )


def _calibration(told: Plain) -> str:
    lines = ["Scores on settled windows (below zero against the book is better than the book):"]
    for each in told["scores"]:
        low, high = each["against_book_low"], each["against_book_high"]
        doubt = f" ({low:.4f} to {high:.4f})" if low is not None and high is not None else ", too few windows to tell"
        lines.append(
            f"- {each['forecaster']}, {each['band']}: Brier {each['brier']:.4f}, log loss {each['log_loss']:.4f}, "
            f"against the book {each['against_book']:+.4f}{doubt}, {each['windows']} windows"
        )
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value) or "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


_WORDS: Final[dict[str, Callable[[Plain], str]]] = {
    "find_decisions": _find, "get_decision": _get, "compare_decisions": _compare, "counterfactual": _what_if,
    "find_orders": _orders, "windows": _windows, "position_and_profit": _profit, "feeds_and_health": _health,
    "parameter_history": _parameters, "risk_state": _risk, "rules_of_the_day": _rules, "calibration": _calibration,
}  # fmt: skip
