"""Minima: can the venue honour the settings: a knob that it cannot is refused, for it would refuse every order."""

from typing import Final

from infra.doctor.check import Check, ready, refused, warning
from infra.feeds.listings import Listing
from state.params import Params
from state.rulebook import RulesUnknown, rules_at
from state.units import MICROS, NS_PER_S
from tools.minimums import Minima, unhonourable

ORDERS_PER_S: Final = 40
"""The standard tier's orders per second, for one signer (venue reference 5.7)."""
_NAME: Final = "settings"


def minima_of(listing: Listing) -> Minima:
    """Give a window's minima: its own, and the least notional by the registry, for no market states that."""
    rules = rules_at(listing.open_ns, listing.asset, listing.span_s)
    notional = MICROS if isinstance(rules, RulesUnknown) else int(rules.min_notional_micros)
    return Minima(listing.min_micros, notional, listing.tick_bps, listing.span_s)


def judge_settings(params: Params, minima: Minima | None) -> Check:
    """Judge whether the venue can honour the settings (`tools.minimums`); `updown live` starts on none that it cannot.

    Args:
        params: The session's.
        minima: Of a live market; None when there is none to be seen.
    """
    if minima is None:
        return refused(_NAME, "without a live market nobody knows what the venue takes", "try again in a minute")
    found = [(each.words, each.mend) for each in unhonourable(params, minima)]
    if found:
        mends = list(dict.fromkeys(mend for _, mend in found))
        return refused(_NAME, ", ".join(words for words, _ in found), f"{', '.join(mends)}, or do not trade")
    rate = NS_PER_S / int(params.requote_ns) * 2 * int(params.concurrent_count)
    if int(params.may_quote_count) and rate > ORDERS_PER_S:
        said = f"quotes that move every {params.requote_ns / 1e6:g} ms may want {rate:.0f} orders a second"
        return warning(
            _NAME, f"{said}, and the venue takes {ORDERS_PER_S}", "raise requote_ns; orders are held to 20/s"
        )
    least, shares = minima.order_micros, f"{minima.shares_micros / MICROS:g} shares"
    return ready(_NAME, f"every limit leaves room for the smallest order ({shares}, up to ${least / MICROS:,.2f})")
