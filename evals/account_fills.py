"""Turn commands and the venue's messages into fills and orders: who, when, at what price, and what there was to be had.

Two sources are kept apart on purpose. What happened (prices, sizes, fees) comes from the venue's messages; what was
there (middles, touches, depth) comes from the witness, who knows nothing of the venue's model.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evals.census import Listing
from evals.results import UNKNOWN_OUTCOME, Fills, Orders
from evals.witness import looks_of, mid_bps, touch_bps, walk_bps
from state.events import Kind, Token
from state.orders import Act, Liquidity, OrderState
from state.records import Ints
from state.units import MICROS, NS_PER_S
from tools.fees import fee_micros

Rows = NDArray[Any]

MARKOUTS_S: Final = (1, 5, 30)
_DAY_NS: Final = 86_400 * NS_PER_S
_OVER: Final = (OrderState.DONE, OrderState.REJECTED)
_ON_ITS_WAY: Final = (OrderState.WANTED, OrderState.SIGNED, OrderState.SENT, OrderState.UNKNOWN)
"""Words of our own gateway: the venue need not have the order."""
_WORD: Final = (OrderState.RESTING, OrderState.DONE, OrderState.REJECTED)
"""What tells us what came of an order; HELD only says that it waits."""


@dataclass(slots=True)
class Book:
    """One run's orders and fills, joined, with what belongs to each."""

    placed: Rows
    """Commands that placed an order, in order."""
    home: list[Listing | None]
    """The window of each placed order."""
    fills: Rows
    """FILLED rows of those orders, in the order they were heard."""
    order_of: Ints
    """Row in `placed` of each fill."""
    fee_micros: Ints
    reversed_code: Ints
    rebate_micros: Ints
    arrived_ns: Ints
    """When the venue had each placed order; 0 where no message tells."""
    told_ns: Ints
    """When we heard what came of each placed order; 0 likewise."""
    filled_micros: Ints
    reject_code: Ints
    stray_count: int
    """Messages that belong to no order or fill of this run: not nothing, so counted."""


def join(orders: Rows, messages: Rows, listings: Sequence[Listing]) -> Book:
    """Join commands with messages: fees with their fills, reversals with what they undo, orders with their windows."""
    placed = orders[orders["act_code"] == Act.PLACE]
    row_of = {int(order): row for row, order in enumerate(placed["order_id"])}
    kind = messages["kind_code"]
    filled = messages[kind == Kind.FILLED]
    ours = np.array([int(order) in row_of for order in filled["ref_id"]], bool)
    fills = filled[ours]
    home = [window_of(listings, int(row["slot_id"]), int(row["at_ns"])) for row in placed]
    book = Book(
        placed=placed,
        home=home,
        fills=fills,
        order_of=np.array([row_of[int(order)] for order in fills["ref_id"]], np.int64),
        fee_micros=np.zeros(len(fills), np.int64),
        reversed_code=np.zeros(len(fills), np.int64),
        rebate_micros=np.zeros(len(fills), np.int64),
        arrived_ns=np.zeros(len(placed), np.int64),
        told_ns=np.zeros(len(placed), np.int64),
        filled_micros=np.zeros(len(placed), np.int64),
        reject_code=np.zeros(len(placed), np.int64),
        stray_count=int((~ours).sum()),
    )
    np.add.at(book.filled_micros, book.order_of, fills["amount_micros"])
    book.stray_count += _pair_fees(book, messages[(kind == Kind.FEE_CHARGED) & (messages["amount_micros"] > 0)])
    book.stray_count += _pair_reversals(book, messages[kind == Kind.FILL_REVERSED])
    _follow_orders(book, messages, row_of)
    _share_rebates(book, messages[kind == Kind.REBATE_PAID])
    return book


def window_of(listings: Iterable[Listing], slot: int, seen_ns: int) -> Listing | None:
    """Give the window that a slot held at a moment of the desk's clock."""
    for listing in listings:
        if listing.slot == slot and listing.listed_ns <= seen_ns < listing.until_ns:
            return listing
    return None


def curve_fee(listing: Listing | None, price_bps: int, amount_micros: int) -> int:
    """Give the fee by the curve of the window's day; -1 where there is no such curve."""
    if listing is None:
        return -1
    rules = listing.rules
    by_notional = rules.fee_by_notional_code == 1
    return fee_micros(price_bps, amount_micros, int(rules.fee_rate_ppm), int(rules.fee_exponent_count), by_notional)


def _pair_fees(book: Book, fees: Rows) -> int:
    """Give each fee to the fill of its order and moment that it fits; the first one free where none fits."""
    free: dict[tuple[int, int], list[int]] = {}
    for row, fill in enumerate(book.fills):
        free.setdefault((int(fill["ref_id"]), int(fill["at_ns"])), []).append(row)
    stray = 0
    for fee in fees:
        rows = free.get((int(fee["ref_id"]), int(fee["at_ns"])), [])
        if not rows:
            stray += 1
            continue
        fits = [row for row in rows if _due(book, row) == int(fee["amount_micros"])]
        row = fits[0] if fits else rows[0]
        rows.remove(row)
        book.fee_micros[row] = fee["amount_micros"]
    return stray


def _due(book: Book, row: int) -> int:
    fill = book.fills[row]
    return curve_fee(book.home[book.order_of[row]], int(fill["price_bps"]), int(fill["amount_micros"]))


def _pair_reversals(book: Book, reversals: Rows) -> int:
    names = ("ref_id", "token_code", "side_code", "price_bps", "amount_micros")
    free: dict[tuple[int, ...], list[int]] = {}
    for row, fill in enumerate(book.fills):
        free.setdefault(tuple(int(fill[name]) for name in names), []).append(row)
    stray = 0
    for undone in reversals:
        rows = free.get(tuple(int(undone[name]) for name in names), [])
        if rows:
            book.reversed_code[rows.pop(0)] = 1
        else:
            stray += 1
    return stray


def _follow_orders(book: Book, messages: Rows, row_of: dict[int, int]) -> None:
    for event in messages:
        row = row_of.get(int(event["ref_id"]), -1)
        kind, state = event["kind_code"], event["code_id"]
        ours = kind == Kind.ORDER_CHANGED and state in _ON_ITS_WAY
        if row < 0 or ours or kind not in (Kind.ORDER_CHANGED, Kind.FILLED):
            continue
        # Answers and reports travel apart: the news of a fill may be here before that of the arrival.
        if not book.arrived_ns[row] or event["at_ns"] < book.arrived_ns[row]:
            book.arrived_ns[row] = event["at_ns"]
        if not book.told_ns[row] and (kind == Kind.FILLED or state in _WORD):
            book.told_ns[row] = event["seen_ns"]
        if kind == Kind.ORDER_CHANGED and state in _OVER:
            book.reject_code[row] = event["flags_mask"]


def _share_rebates(book: Book, paid: Rows) -> None:
    """Share each day's rebate among its makers' fills by the fee that a taker would have paid; the last takes the rest.

    A rebate is of a day, not of a fill, so this is an attribution: only the sum is a fact.
    """
    makers = (book.fills["code_id"] == Liquidity.MAKER) & (book.reversed_code == 0)
    for payment in paid:
        day = int(payment["at_ns"]) // _DAY_NS
        rows = np.flatnonzero(makers & (book.fills["at_ns"] // _DAY_NS == day - 1))
        weights = np.array([max(_due(book, int(row)), 0) for row in rows], np.int64)
        total = int(weights.sum())
        if total == 0:
            continue
        shares = np.array([int(payment["amount_micros"]) * int(weight) // total for weight in weights], np.int64)
        shares[-1] += int(payment["amount_micros"]) - int(shares.sum())
        book.rebate_micros[rows] += shares


def order_looks(book: Book) -> Rows:
    """Ask, by the desk's clock, what each order's size would have paid when it was decided, within its limit."""
    placed = book.placed
    return looks_of(
        placed["at_ns"], placed["slot_id"], placed["token_code"], placed["side_code"],
        placed["amount_micros"], placed["price_bps"],
    )  # fmt: skip


def fill_looks(book: Book) -> Rows:
    """Ask, by the venue's clock, what was there at each match; then, for each of them, 1, 5 and 30 s later."""
    fills = book.fills
    slots = fills["slot_id"]
    taken = np.where(fills["code_id"] == Liquidity.TAKER, fills["amount_micros"], 0)
    at_match = looks_of(
        fills["at_ns"], slots, fills["token_code"], fills["side_code"],
        fills["amount_micros"], fills["price_bps"], taken,
    )  # fmt: skip
    later = [
        looks_of(fills["at_ns"] + after_s * NS_PER_S, slots, fills["token_code"], fills["side_code"])
        for after_s in MARKOUTS_S
    ]
    return np.concatenate([at_match, *later])


def won_code(listing: Listing | None, token: int) -> int:
    """Say whether a token won its window: 1, 0, or `UNKNOWN_OUTCOME`."""
    if listing is None or listing.outcome == UNKNOWN_OUTCOME:
        return UNKNOWN_OUTCOME
    return int(listing.outcome == token)


def fills_of(book: Book, decided: Rows, matched: Rows, evidence_ns: Ints) -> Fills:
    """Give the fills of a run.

    Args:
        book: orders and messages, joined.
        decided: answers to `order_looks`.
        matched: answers to `fill_looks`.
        evidence_ns: when the newest row that each placed order was decided on had been seen.
    """
    fills, order = book.fills, book.order_of
    count = len(fills)
    homes = [book.home[row] for row in order]
    at_match, later = matched[:count], [matched[count * k : count * (k + 1)] for k in (1, 2, 3)]
    maker = fills["code_id"] == Liquidity.MAKER
    close = np.array([home.close_ns if home else 0 for home in homes], np.int64)
    p_up = book.placed["p_up"][order]
    marks = [
        np.where(fills["at_ns"] + after_s * NS_PER_S < close, mid_bps(looks), np.nan)
        for after_s, looks in zip(MARKOUTS_S, later, strict=True)
    ]
    rules = [home.rules if home else None for home in homes]
    return Fills(
        window_s=_ints(home.window_s if home else 0 for home in homes),
        order_id=fills["ref_id"].astype(np.int64),
        decided_ns=book.placed["at_ns"][order].astype(np.int64),
        arrived_ns=book.arrived_ns[order],
        matched_ns=fills["at_ns"].astype(np.int64),
        evidence_ns=evidence_ns[order],
        close_ns=close,
        token_code=fills["token_code"].astype(np.int64),
        side_code=fills["side_code"].astype(np.int64),
        liquidity_code=fills["code_id"].astype(np.int64),
        price_bps=fills["price_bps"].astype(np.int64),
        amount_micros=fills["amount_micros"].astype(np.int64),
        fee_micros=book.fee_micros,
        rebate_micros=book.rebate_micros,
        fee_rate_ppm=_ints(rule.fee_rate_ppm if rule else 0 for rule in rules),
        fee_exponent_count=_ints(rule.fee_exponent_count if rule else 1 for rule in rules),
        fee_by_notional=_ints(rule.fee_by_notional_code if rule else 0 for rule in rules),
        hold_ns=_ints(rule.hold_ns if rule else 0 for rule in rules),
        won_code=_ints(won_code(home, int(token)) for home, token in zip(homes, fills["token_code"], strict=True)),
        reversed_code=book.reversed_code,
        p_token=np.where(fills["token_code"] == Token.UP, p_up, 1.0 - p_up).astype(np.float64),
        mid_bps=mid_bps(decided)[order],
        touch_bps=touch_bps(decided)[order],
        walk_bps=walk_bps(decided)[order],
        match_touch_bps=touch_bps(at_match),
        displayed_micros=np.where(maker, -1, at_match["displayed_micros"]).astype(np.int64),
        mid_1s_bps=marks[0],
        mid_5s_bps=marks[1],
        mid_30s_bps=marks[2],
    )


def orders_of(book: Book) -> Orders:
    """Give every order that was sent, filled or not; a FAK that found nobody is an order, too."""
    placed = book.placed
    return Orders(
        window_s=_ints(home.window_s if home else 0 for home in book.home),
        order_id=placed["order_id"].astype(np.int64),
        placed_ns=placed["at_ns"].astype(np.int64),
        token_code=placed["token_code"].astype(np.int64),
        side_code=placed["side_code"].astype(np.int64),
        post_only=placed["post_only"].astype(np.int64),
        price_bps=placed["price_bps"].astype(np.int64),
        amount_micros=placed["amount_micros"].astype(np.int64),
        filled_micros=book.filled_micros,
        reject_code=book.reject_code,
        won_code=_ints(won_code(home, int(row["token_code"])) for home, row in zip(book.home, placed, strict=True)),
    )


def taking_usd(listing: Listing, token: int, now: Any, later: Any) -> float:
    """Give what taking a token would have made to settlement: cost the worse of two looks, after the fee of the day.

    A maker pulls when he would lose and stays when we would, so the worse of the price now and the price after travel
    and hold is paid, for as much as both displayed. NaN without a seller at both, an outcome, or a known fee.
    """
    shares = min(int(now["filled_micros"]), int(later["filled_micros"])) // 10_000 * 10_000
    won = won_code(listing, token)
    if shares <= 0 or won == UNKNOWN_OUTCOME:
        return float("nan")
    each = max(int(look["cost_micros"]) / int(look["filled_micros"]) for look in (now, later))
    mills = -(-round(each * 1_000_000) // 1_000)
    fee = curve_fee(listing, min(mills, 999) * 10, shares)
    if fee < 0:
        return float("nan")
    return (shares * (won - each) - fee) / MICROS


def _ints(values: Iterable[Any]) -> Ints:
    return np.array([int(value) for value in values], np.int64)
