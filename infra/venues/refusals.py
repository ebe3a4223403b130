"""Refusals: what the venue's error texts and codes mean to the core, by name and by text.

Texts and older names: venue reference 5.8 (state of 2026-11-22). The order of the table matters: the first that is
found in the text is meant.
"""

from typing import Final

from state.orders import Reject

_TEXTS: Final[tuple[tuple[str, Reject], ...]] = (
    ("post-only mode", Reject.POST_ONLY_MODE),
    ("post_only_mode", Reject.POST_ONLY_MODE),
    ("order crosses book", Reject.POST_ONLY_WOULD_CROSS),
    ("invalid_post_only_order_type", Reject.FAILED),
    ("invalid_post_only_order", Reject.POST_ONLY_WOULD_CROSS),
    ("not enough balance", Reject.NOT_ENOUGH_BALANCE),
    ("invalid_order_not_enough_balance", Reject.NOT_ENOUGH_BALANCE),
    ("couldn't be fully filled", Reject.FOK_NOT_FILLED),
    ("fok_order_not_filled", Reject.FOK_NOT_FILLED),
    ("no orders found to match", Reject.FAK_NO_MATCH),
    ("not yet ready to process", Reject.MARKET_NOT_READY),
    ("market_not_ready", Reject.MARKET_NOT_READY),
    ("no orderbook exists", Reject.MARKET_NOT_READY),
    ("market is closed", Reject.MARKET_CLOSED),
    ("market closed", Reject.MARKET_CLOSED),
    ("not accepting orders", Reject.MARKET_CLOSED),
    ("trading disabled", Reject.MARKET_CLOSED),
    ("cancel-only", Reject.MARKET_CLOSED),
    ("minimum tick size", Reject.OFF_TICK),
    ("invalid_order_min_tick_size", Reject.OFF_TICK),
    ("min size: $1", Reject.BELOW_MIN_NOTIONAL),
    ("lower than the minimum", Reject.BELOW_MIN_SHARES),
    ("invalid_order_min_size", Reject.BELOW_MIN_SHARES),
    ("invalid price", Reject.PRICE_OUT_OF_RANGE),
    ("too early", Reject.RESTARTING),
    ("restart", Reject.RESTARTING),
    ("rate limit", Reject.RATE_LIMITED),
    ("too many requests", Reject.RATE_LIMITED),
    ("can't be found", Reject.UNKNOWN_ORDER),
    ("not found", Reject.UNKNOWN_ORDER),
    ("already canceled", Reject.NOT_CANCELLABLE),
    ("matched", Reject.NOT_CANCELLABLE),
    ("delayed", Reject.NOT_CANCELLABLE),
)

_STATUSES: Final = {404: Reject.MARKET_NOT_READY, 425: Reject.RESTARTING, 429: Reject.RATE_LIMITED}

DUPLICATED: Final = "duplicated"
"""In the text of a refusal that means the opposite: an earlier post of the very same order was accepted."""

_HALTING: Final[tuple[tuple[str, str], ...]] = (
    ("order_version_mismatch", "the venue signs orders under another version now: update before trading"),
    ("invalid order version", "the venue signs orders under another version now: update before trading"),
    ("maker address not allowed", "this account must trade by its deposit wallet: set UPDOWN_WALLET"),
    ("signer address has to be", "the credentials belong to another signer, or the deposit wallet is not deployed"),
    ("invalid signature", "the venue does not accept our signature: check key, wallet and signature type"),
    ("trading restricted in your region", "trading is not allowed from this place"),
    ("<html", "the venue's bot wall stands between us and the venue"),
    ("invalid expiration", "an order with an expiration that cannot be"),
    ("invalid nonce", "an order with a nonce"),
    ("invalid api key", "the venue does not know our credentials: derive them again, and check the clock"),
    ("unauthorized", "the venue does not know our credentials: derive them again, and check the clock"),
)


def reject_of(text: str, http_status: int = 200) -> Reject:
    """Give what a refusal means to the core; FAILED where it is none that it knows."""
    low = text.lower()
    found = next((reject for words, reject in _TEXTS if words in low), None)
    return _STATUSES.get(http_status, Reject.FAILED) if found is None else found


def halting(text: str, http_status: int = 200) -> str:
    """Say why no order should be sent any more after this answer; empty when trading may go on."""
    low = text.lower()
    words = next((meaning for words, meaning in _HALTING if words in low), "")
    if not words and http_status in (401, 403):
        return f"the venue answers {http_status} to authenticated calls"
    return words
