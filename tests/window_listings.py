"""A window as a tape would list it, for tests that need one by itself."""

from typing import Any

from evals.census import Listing
from state.events import Asset, Token
from state.records import one
from state.rulebook import REGISTRY
from state.rules import Rules, rules_in_force
from state.units import NS_PER_S


def listing(**changes: Any) -> Listing:
    rules = one(Rules)
    rules_in_force(REGISTRY, 1_792_573_200 * NS_PER_S, int(Asset.BTC), 300, rules)
    made: dict[str, Any] = {
        "window_s": 1_792_573_200, "slot": 0, "asset": 0, "open_s": 1_792_573_200, "span_s": 300,
        "listed_ns": 1_792_573_100 * NS_PER_S, "until_ns": 1 << 62, "rules": rules, "outcome": int(Token.UP),
        "settled_ns": 1, "strikes": ((5, 1.0), (9, 2.0)), "book_first_s": 1.0, "book_last_s": 299.0,
        "price_share": 0.97,
    }  # fmt: skip
    return Listing(**{**made, **changes})
