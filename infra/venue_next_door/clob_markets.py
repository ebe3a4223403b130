"""Markets as the CLOB tells them: long, short, and in pages (venue reference 2.3)."""

from typing import Any, Final

from infra.venue_next_door.engine import Engine
from infra.venue_next_door.faults import Fault
from infra.venue_next_door.nouns import Window
from infra.venue_next_door.user_frames import OUTCOMES
from infra.venue_next_door.window_words import description_of, iso_of, title_of
from state.events import Token
from state.units import BPS, NS_PER_S

LEGACY_FEE: Final = 1000
"""Stands where a fee rate stood once; not the fee (venue reference 3.1)."""
_ACCEPTS_AFTER_NS: Final = 10 * NS_PER_S
"""Orders are taken "for some seconds" after the end (venue reference 2.4); how many is not known."""


def is_hydrated(window: Window, now_ns: int) -> bool:
    """Say whether the CLOB knows a window's tokens by now."""
    return 0 < window.hydrated_ns <= now_ns


def accepts(window: Window, now_ns: int) -> bool:
    """Say whether a window still takes orders, as far as its market row tells."""
    return is_hydrated(window, now_ns) and not window.resolved_ns and now_ns < window.close_ns + _ACCEPTS_AFTER_NS


def mid_of(engine: Engine, token_id: str) -> float:
    """Give a token's middle price in dollars; an empty side counts as 0 or 1."""
    book = engine.book(token_id)
    if book is None:
        return 0.5
    bid = book.bids[-1].price_bps if book.bids else 0
    ask = book.asks[-1].price_bps if book.asks else BPS
    return (bid + ask) / (2 * BPS)


def tokens_shown(engine: Engine, window: Window) -> list[dict[str, Any]]:
    """Give the tokens with price and winner; none while the window is not hydrated."""
    if not is_hydrated(window, engine.clock.now_ns()):
        return []
    shown: list[dict[str, Any]] = []
    for token in (Token.UP, Token.DOWN):
        won = window.outcome is token
        price = float(won) if window.resolved_ns else mid_of(engine, window.tokens[token])
        shown.append(
            {
                "token_id": window.tokens[token],
                "outcome": OUTCOMES[token],
                "price": price,
                "winner": bool(window.resolved_ns) and won,
            }
        )
    return shown


def simple_market(engine: Engine, window: Window) -> dict[str, Any]:
    """Give a row of `/simplified-markets`."""
    return {
        "condition_id": window.condition_id,
        "rewards": {"rates": None, "min_size": 50, "max_spread": 4.5},
        "tokens": tokens_shown(engine, window),
        "active": True,
        "closed": bool(window.resolved_ns),
        "archived": False,
        "accepting_orders": accepts(window, engine.clock.now_ns()),
    }


def long_market(engine: Engine, window: Window) -> dict[str, Any]:
    """Give a market as `/markets/{condition}` does."""
    return {
        **simple_market(engine, window),
        "enable_order_book": is_hydrated(window, engine.clock.now_ns()),
        "accepting_order_timestamp": iso_of(window.hydrated_ns) if window.hydrated_ns else None,
        "minimum_order_size": window.min_shares,
        "minimum_tick_size": window.tick_bps / BPS,
        "question_id": window.question_id,
        "question": title_of(window),
        "description": description_of(window),
        "market_slug": window.slug,
        "end_date_iso": iso_of(window.close_ns),
        "game_start_time": None,
        "seconds_delay": 0,
        "fpmm": "",
        "maker_base_fee": LEGACY_FEE,
        "taker_base_fee": LEGACY_FEE,
        "notifications_enabled": False,
        "neg_risk": False,
        "neg_risk_market_id": "",
        "neg_risk_request_id": "",
        "icon": "",
        "image": "",
        "is_50_50_outcome": False,
        "tags": ["Crypto", "Up or Down"],
    }


def short_market(engine: Engine, window: Window) -> dict[str, Any]:
    """Give a market as `/clob-markets/{condition}` does: short keys, what an order needs to know."""
    now_ns = engine.clock.now_ns()
    hydrated = is_hydrated(window, now_ns)
    tokens = [{"t": window.tokens[token], "o": OUTCOMES[token]} for token in (Token.UP, Token.DOWN)]
    return {
        "c": window.condition_id,
        "t": tokens if hydrated else [],
        "mts": window.tick_bps / BPS,
        "mos": window.min_shares,
        "nr": False,
        "fd": {"r": engine.faults.value(Fault.UNKNOWN_FEE) or window.fee_rate, "e": 1, "to": True},
        "mbf": LEGACY_FEE,
        "tbf": LEGACY_FEE,
        "ao": accepts(window, now_ns),
        "sd": 0,
        "itode": True,
        "gst": None,
        "cbos": False,
        "aot": iso_of(window.hydrated_ns) if window.hydrated_ns else None,
        "rfqe": False,
        "ibce": False,
        "oas": 0,
        "r": {"mi": 50, "ma": 4.5, "moas": 0},
    }
