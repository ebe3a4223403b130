"""Settings against the venue's minimums: which knobs it cannot honour, so that a session refuses to start on them."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from state.params import Params
from state.units import BPS, LOT_MICROS, MICROS, NS_PER_S

_MONEY: Final = ("order_micros", "position_micros", "daily_loss_micros", "tail_loss_micros", "bankroll_micros")
"""Sums of which one order must be paid; any of them may be the one that binds."""


@dataclass(frozen=True, slots=True)
class Minima:
    """The least that a market takes (venue reference 5.5)."""

    shares_micros: int
    notional_micros: int
    """Of an order that takes."""
    tick_bps: int
    window_s: int = 300

    @property
    def order_micros(self) -> int:
        """Give what pays for the smallest order at whatever price of the grid.

        The least shares are dearest at the dearest price. The least notional is met by whole lots, so that it may cost
        up to a lot more.
        """
        dearest = BPS - self.tick_bps
        lot_more = LOT_MICROS * dearest // BPS
        return max(self.shares_micros * dearest // BPS, self.notional_micros + lot_more)


class Unhonoured(NamedTuple):
    """A setting that the venue cannot honour, or that contradicts another."""

    name: str
    words: str
    mend: str


def unhonourable(params: Params, minima: Minima) -> tuple[Unhonoured, ...]:
    """Name the settings under which the venue would take no order, or that contradict one another."""
    found = []
    need = minima.order_micros
    least = f"the venue's smallest order ({minima.shares_micros / MICROS:g} shares, up to ${need / MICROS:,.2f})"
    for name in _MONEY:
        have = int(getattr(params, name))
        if have < need:
            words = f"{name} = {have} (${have / MICROS:,.2f}) is below {least}"
            found.append(Unhonoured(name, words, f"set it to at least {need} micros"))
    quiet_ns = int(params.open_quiet_ns + params.close_quiet_ns)
    if quiet_ns >= minima.window_s * NS_PER_S:
        words = f"close_quiet_ns and open_quiet_ns leave nothing of a window of {minima.window_s} s"
        found.append(Unhonoured("close_quiet_ns", words, "shorten one of them"))
    if params.may_take_count == 0 and params.may_quote_count == 0:
        words = "may_take_count = may_quote_count = 0 allows no order at all"
        found.append(Unhonoured("may_quote_count", words, "set one of them to 1"))
    if params.concurrent_count == 0:
        words = "concurrent_count = 0 allows no window at all"
        found.append(Unhonoured("concurrent_count", words, "set it to 1 or more"))
    if params.keep_edge_bps > params.quote_edge_bps:
        words = f"keep_edge_bps pulls a quote at its least edge of {params.quote_edge_bps:g} bps at once"
        found.append(Unhonoured("keep_edge_bps", words, "set it below quote_edge_bps"))
    return tuple(found)
