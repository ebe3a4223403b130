"""Settings against the venue's minimums: which knobs it cannot honour, so that a session refuses to start on them."""

from typing import Final

from state.params import Params
from state.rules import Rules
from state.units import BPS, MICROS, NS_PER_S

_MONEY: Final = ("order_micros", "position_micros", "daily_loss_micros", "tail_loss_micros", "bankroll_micros")
"""Sums of which one order must be paid; any of them may be the one that binds."""


def unhonourable(params: Params, rules: Rules, window_s: int = 300) -> tuple[tuple[str, str], ...]:
    """Name the settings under which the venue would take no order, or that contradict one another.

    Args:
        params: The settings to trade with.
        rules: The market's rules: tick, least shares, least notional of an order that takes (venue reference 5.5).
        window_s: Length of the windows.

    Returns:
        Each setting's name and one line: what is wrong and how to mend it. Empty when all can be honoured.
    """
    found = []
    dearest = BPS - max(int(params.p_floor * BPS), int(rules.tick_bps))
    need = max(int(rules.min_shares_micros) * dearest // BPS, int(rules.min_notional_micros))
    least = f"the venue's least order costs up to ${need / MICROS:.2f}"
    for name in _MONEY:
        have = int(getattr(params, name))
        if have < need:
            found.append((name, f"${have / MICROS:.2f} buys no order: {least}; set it to {need} micros or more"))
    quiet_ns = int(params.open_quiet_ns + params.close_quiet_ns)
    if quiet_ns >= window_s * NS_PER_S:
        words = f"with the quiet start they leave nothing of a window of {window_s} s; shorten one of them"
        found.append(("close_quiet_ns", words))
    if params.may_take_count == 0 and params.may_quote_count == 0:
        found.append(("may_quote_count", "neither taking nor quoting is allowed: nothing can be traded; allow one"))
    if params.concurrent_count == 0:
        found.append(("concurrent_count", "no window may carry risk: nothing can be traded; set it to 1 or more"))
    if params.keep_edge_bps > params.quote_edge_bps:
        words = f"a quote at its least edge of {params.quote_edge_bps:g} bps would be pulled at once; set it below that"
        found.append(("keep_edge_bps", words))
    return tuple(found)
