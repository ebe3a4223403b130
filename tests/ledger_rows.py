"""Rows of the journal written by hand for the books, and what they come to in a few words."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from infra.ledger.booking import Booker
from infra.ledger.entries import Entry
from infra.ledger.rows import Row
from state.events import EVENT, Asset, Kind, Side, Token
from state.orders import Liquidity, OrderState
from state.units import MICROS, NS_PER_S

OPEN_S = 1_792_638_000
"""2026-10-22 03:00 UTC."""
DAY_S = 86_400
DAY = OPEN_S // DAY_S
SLUG = f"btc-updown-5m-{OPEN_S}"
CASH_MICROS = 1_000 * MICROS


def row(kind: Kind | int, at_s: float, slot: int = 0, **columns: Any) -> Row:
    """Write one row that is seen so many seconds after the window's start."""
    one = np.zeros(1, EVENT)
    one["kind_code"], one["slot_id"] = kind, slot
    one["at_ns"] = one["seen_ns"] = OPEN_S * NS_PER_S + round(at_s * NS_PER_S)
    for name, value in columns.items():
        one[name] = value
    return Row(*one.tolist()[0])


def listed(slot: int = 0, open_s: int = OPEN_S, at_s: float = -600) -> Row:
    return row(Kind.MARKET_LISTED, at_s, slot, code_id=Asset.BTC, ref_id=open_s * NS_PER_S, span_s=300)


def filled(
    order: int, shares: float, bps: int, token: Token = Token.UP, side: Side = Side.BUY,
    liquidity: Liquidity = Liquidity.TAKER, at_s: float = 60, slot: int = 0, kind: Kind = Kind.FILLED,
) -> Row:  # fmt: skip
    return row(
        kind, at_s, slot, ref_id=order, token_code=token, side_code=side, price_bps=bps,
        amount_micros=round(shares * MICROS), code_id=liquidity if kind is Kind.FILLED else 0,
    )  # fmt: skip


def failed(order: int, shares: float, bps: int, token: Token = Token.UP, side: Side = Side.BUY, at_s: float = 70
           ) -> Row:  # fmt: skip
    return filled(order, shares, bps, token, side, at_s=at_s, kind=Kind.FILL_REVERSED)


def fee(order: int, usd: float, at_s: float = 60, slot: int = 0) -> Row:
    return row(Kind.FEE_CHARGED, at_s, slot, ref_id=order, amount_micros=round(usd * MICROS))


def rebate(usd: float, at_s: float) -> Row:
    return row(Kind.REBATE_PAID, at_s, amount_micros=round(usd * MICROS))


def ended(order: int, at_s: float = 80, state: OrderState = OrderState.DONE) -> Row:
    return row(Kind.ORDER_CHANGED, at_s, ref_id=order, code_id=state)


def settled(outcome: Token, at_s: float = 330, slot: int = 0) -> Row:
    return row(Kind.SETTLED, at_s, slot, code_id=outcome)


def opened() -> Booker:
    """Books with a thousand dollars and one window."""
    booker = Booker()
    booker.begin(CASH_MICROS, (OPEN_S - 700) * NS_PER_S)
    booker.row(0, listed())
    return booker


def place(booker: Booker, order: int, shares: float, bps: int, token: Token = Token.UP, side: Side = Side.BUY
          ) -> list[Entry]:  # fmt: skip
    at_ns = (OPEN_S + 50) * NS_PER_S
    return booker.place(order, 0, token, side, bps, round(shares * MICROS), at_ns)


def told(booker: Booker, rows: Iterable[Row], first: int = 1) -> list[Entry]:
    """Book rows under their numbers."""
    return [entry for at, each in enumerate(rows) for entry in booker.row(first + at, each)]


def in_words(booker: Booker) -> str:
    """Say what the books come to, in dollars and shares; what is nothing is not said."""
    found = booker.balances()
    figures = {
        "cash": found.cash_micros, "reserved": found.reserved_micros, "invested": found.invested_micros,
        "pending": found.pending_redemption_micros, "fees": found.fees_micros, "rebates": found.rebates_micros,
        "accrued": found.rebates_accrued_micros, "realised": found.realised_micros,
    }  # fmt: skip
    words = [f"{name} {micros / MICROS:g}" for name, micros in figures.items() if micros]
    return ", ".join([*words, *(f"{micros / MICROS:g} {key.token.name}" for key, micros in found.shares.items())])
