"""Minima: can the venue honour the settings: a knob that it cannot is refused, for it would refuse every order."""

from dataclasses import dataclass
from typing import Final

from infra.doctor.check import Check, ready, refused, warning
from infra.feeds.listings import Listing
from state.params import Params
from state.rulebook import RulesUnknown, rules_at
from state.units import BPS, MICROS, NS_PER_S

ORDERS_PER_S: Final = 40
"""The standard tier's orders per second, for one signer (venue reference 5.7)."""
_NAME: Final = "settings"


@dataclass(frozen=True, slots=True)
class Minima:
    """The least that a market takes."""

    shares_micros: int
    notional_micros: int
    """Of an order that takes."""
    tick_bps: int

    @property
    def order_micros(self) -> int:
        """Give what the smallest order costs at the dearest price: affordable at every price."""
        return max(self.shares_micros * (BPS - self.tick_bps) // BPS, self.notional_micros)


def minima_of(listing: Listing) -> Minima:
    """Give a window's minima: its own, and the least notional by the registry, for no market states that."""
    rules = rules_at(listing.open_ns, listing.asset, listing.span_s)
    notional = MICROS if isinstance(rules, RulesUnknown) else int(rules.min_notional_micros)
    return Minima(listing.min_micros, notional, listing.tick_bps)


def judge_settings(params: Params, minima: Minima | None) -> Check:
    """Judge whether limits leave room for the smallest order.

    Args:
        params: The session's.
        minima: Of a live market; None when there is none to be seen.
    """
    if minima is None:
        return refused(_NAME, "without a live market nobody knows what the venue takes", "try again in a minute")
    least, words = minima.order_micros, f"${minima.order_micros / MICROS:,.2f}"
    shares = f"{minima.shares_micros / MICROS:g} shares"
    limits = {
        "order_micros": int(params.order_micros), "position_micros": int(params.position_micros),
        "daily_loss_micros": int(params.daily_loss_micros), "tail_loss_micros": int(params.tail_loss_micros),
    }  # fmt: skip
    low = [f"{name} = {value} (${value / MICROS:,.2f})" for name, value in limits.items() if value < least]
    if low:
        said = f"below the venue's smallest order ({shares}, up to {words}): {', '.join(low)}"
        return refused(_NAME, said, f"set them to at least {least} micros, or do not trade")
    if int(params.concurrent_count) < 1:
        return refused(_NAME, "concurrent_count = 0 allows no window at all", "set it to 1 or more, or do not trade")
    rate = NS_PER_S / int(params.requote_ns) * 2 * int(params.concurrent_count)
    if int(params.may_quote_count) and rate > ORDERS_PER_S:
        said = f"quotes that move every {params.requote_ns / 1e6:g} ms may want {rate:.0f} orders a second"
        return warning(
            _NAME, f"{said}, and the venue takes {ORDERS_PER_S}", "raise requote_ns; orders are held to 20/s"
        )
    return ready(_NAME, f"every limit leaves room for the smallest order ({shares}, up to {words})")
