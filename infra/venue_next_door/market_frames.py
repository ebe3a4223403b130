"""The messages of the market channel, written as the venue writes them: same keys, same order, numbers as strings.

Orders of keys are those of recorded frames (2026-04-21), where there are any; the last ones tell readers in a hurry
what a message is. Each message is made once, as bytes, for all who subscribe.
"""

import hashlib
from typing import Any

import msgspec

from infra.venue_next_door.nouns import Window
from infra.venue_next_door.shown_books import PRICE_TEXTS, SIDE_TEXTS, ShownBook, ShownMarket, ms_text, size_text
from infra.venue_next_door.window_words import description_of, event_id_of, title_of
from state.events import Token
from state.units import BPS, MILL_BPS

LEGACY_FEE_BPS = "1000"
"""What trades carry as their fee (recorded); it means nothing (venue reference 3.1)."""


def price_change(market: ShownMarket, at_ms: str) -> bytes:
    """Tell the market's gathered changes, each with its token's best prices after all of them."""
    texts = PRICE_TEXTS
    told = ",".join(
        [
            f'{{"asset_id":"{book.token_id}","price":"{texts[bps // MILL_BPS]}","size":"{size_text(micros)}",'
            f'"side":"{SIDE_TEXTS[side]}","hash":"{book.digest()}","best_bid":"{texts[book.bid_bps // MILL_BPS]}",'
            f'"best_ask":"{texts[book.ask_bps // MILL_BPS]}"}}'
            for book, side, bps, micros in market.changes
        ]
    )
    return f'{market.head}"price_changes":[{told}],"timestamp":"{at_ms}","event_type":"price_change"}}'.encode()


def _sides(book: ShownBook) -> str:
    bids, asks = (
        ",".join(
            [
                f'{{"price":"{PRICE_TEXTS[bps // MILL_BPS]}","size":"{size_text(micros)}"}}'
                for bps, micros in sorted(levels.items(), reverse=is_ask)
            ]
        )
        for levels, is_ask in ((book.levels[0], False), (book.levels[1], True))
    )
    return f'"bids":[{bids}],"asks":[{asks}]'


def book_after_trade(market: ShownMarket, book: ShownBook, at_ms: str) -> bytes:
    """Tell a whole book in the short form that follows trades; the best levels come last."""
    return (
        f'{market.head}"asset_id":"{book.token_id}",{_sides(book)},"hash":"{book.digest()}","timestamp":"{at_ms}",'
        '"event_type":"book"}'
    ).encode()


def book_dumped(market: ShownMarket, book: ShownBook, at_ms: str) -> bytes:
    """Tell a whole book in the long form that answers a subscription.

    The last trade is the market's, in the terms of the token that traded, for both tokens alike (recorded so); it has
    three decimals.
    """
    last = f"{market.last_trade_bps / BPS:.3f}" if market.last_trade_bps else ""
    return (
        f'{market.head}"asset_id":"{book.token_id}","timestamp":"{at_ms}","hash":"{book.digest()}",{_sides(book)},'
        f'"tick_size":"{PRICE_TEXTS[book.tick_bps // MILL_BPS]}","event_type":"book","last_trade_price":"{last}"}}'
    ).encode()


def last_trade_price(market: ShownMarket, book: ShownBook, side: int, bps: int, micros: int, at_ms: str) -> bytes:
    """Tell one match from the taker's view, with a transaction hash of its own."""
    seed = f"{market.condition_id} {at_ms} {market.trades_count}"
    return (
        f'{market.head}"asset_id":"{book.token_id}","price":"{PRICE_TEXTS[bps // MILL_BPS]}",'
        f'"size":"{size_text(micros)}","fee_rate_bps":"{LEGACY_FEE_BPS}","side":"{SIDE_TEXTS[side]}",'
        f'"timestamp":"{at_ms}","event_type":"last_trade_price",'
        f'"transaction_hash":"0x{hashlib.sha256(seed.encode()).hexdigest()}"}}'
    ).encode()


def best_bid_ask(market: ShownMarket, book: ShownBook, at_ms: str) -> bytes:
    """Tell one token's best prices; an empty side is 0 or 1."""
    bid, ask = book.bid_bps // MILL_BPS, book.ask_bps // MILL_BPS
    return (
        f'{market.head}"asset_id":"{book.token_id}","best_bid":"{PRICE_TEXTS[bid]}","best_ask":"{PRICE_TEXTS[ask]}",'
        f'"spread":"{PRICE_TEXTS[max(ask - bid, 0)]}","timestamp":"{at_ms}","event_type":"best_bid_ask"}}'
    ).encode()


def tick_size_change(market: ShownMarket, book: ShownBook, tick_bps: int, at_ms: str) -> bytes:
    """Tell the new grid of a token, before the book takes it over."""
    return (
        f'{market.head}"asset_id":"{book.token_id}","old_tick_size":"{PRICE_TEXTS[book.tick_bps // MILL_BPS]}",'
        f'"new_tick_size":"{PRICE_TEXTS[tick_bps // MILL_BPS]}","timestamp":"{at_ms}",'
        '"event_type":"tick_size_change"}'
    ).encode()


def new_market(window: Window, now_ns: int) -> bytes:
    """Tell everybody of a market that was just created."""
    title, description = title_of(window), description_of(window)
    message: dict[str, Any] = {
        "id": str(window.gamma_id),
        "question": title,
        "market": window.condition_id,
        "slug": window.slug,
        "description": description,
        "assets_ids": list(window.tokens),
        "outcomes": ["Up", "Down"],
        "event_message": {
            "id": event_id_of(window), "ticker": window.slug, "slug": window.slug, "title": title,
            "description": description,
        },
        "timestamp": ms_text(now_ns),
        "event_type": "new_market",
        "tags": ["crypto", "up-or-down"],
        "condition_id": window.condition_id,
        "active": True,
        "clob_token_ids": list(window.tokens),
        "sports_market_type": "",
        "line": "",
        "game_start_time": "",
        "order_price_min_tick_size": PRICE_TEXTS[window.tick_bps // MILL_BPS],
        "group_item_title": "",
    }  # fmt: skip
    return msgspec.json.encode(message)


def market_resolved(window: Window, now_ns: int) -> bytes:
    """Tell how a window ended."""
    assert window.outcome is not None, "a market is resolved by its outcome"
    message: dict[str, Any] = {
        "id": str(window.gamma_id),
        "market": window.condition_id,
        "assets_ids": list(window.tokens),
        "winning_asset_id": window.tokens[window.outcome],
        "winning_outcome": "Up" if window.outcome is Token.UP else "Down",
        "timestamp": ms_text(window.resolved_ns or now_ns),
        "event_type": "market_resolved",
        "tags": ["crypto", "up-or-down"],
    }
    return msgspec.json.encode(message)
