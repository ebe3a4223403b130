"""A customer of the venue next door without sockets: rows by hand, time by hand, orders in few words, news as text."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from venue_stage import OPEN_S, SLUG, HandClock, Rows, cleared, listed

from infra.venue_next_door.engine import Engine
from infra.venue_next_door.faults import Fault, Faults, Switch
from infra.venue_next_door.nouns import Account, Answer, NewOrder, PlacedOrder, Trade, Window
from state.events import Kind, Side, Token
from state.orders import TimeInForce
from state.units import MICROS, NS_PER_S

UP, DOWN, BUY, SELL = Token.UP, Token.DOWN, Side.BUY, Side.SELL
GTC, GTD, FOK, FAK = TimeInForce.GTC, TimeInForce.GTD, TimeInForce.FOK, TimeInForce.FAK

BOOK = (
    listed(),
    cleared(-59, UP, (BUY, 4_800, 200), (BUY, 4_900, 100), (SELL, 5_100, 50), (SELL, 5_200, 80)),
    cleared(-59, DOWN, (SELL, 5_200, 200), (SELL, 5_100, 100), (BUY, 4_900, 50), (BUY, 4_800, 80)),
)
"""One window and its first books: Up 0.49 to 0.51, a hundred and fifty shares at the touch."""


class House:
    """A venue whose rows are known beforehand, and one customer of it; everything that is told is kept as text."""

    def __init__(self, *rows: Rows, start_s: float = -30, **options: Any) -> None:
        """Open the venue so many seconds after the window's start."""
        together = np.concatenate(rows)
        together = together[np.argsort(together["seen_ns"], kind="stable")]
        self.live(iter([together]), start_s, **options)

    @classmethod
    def over(cls, source: Iterable[Rows], start_s: float, **options: Any) -> "House":
        """Open a venue over a source."""
        house = cls.__new__(cls)
        house.live(source, start_s, **options)
        return house

    def live(self, source: Iterable[Rows], start_s: float, **options: Any) -> None:
        self.clock = HandClock(OPEN_S * NS_PER_S + round(start_s * NS_PER_S))
        self.faults = Faults(self.clock)
        self.engine = Engine(source, self.clock, self.faults, **({"cash_micros": 1_000 * MICROS} | options))
        self.told: list[str] = []
        self.shown: list[Rows] = []
        self.orders_count = 0
        self.engine.on_window(lambda window, news: self.told.append(f"{self.now} {news}"))
        self.engine.on_order(self._hear_order)
        self.engine.on_trade(self._hear_trade)
        self.engine.on_public(lambda rows: self.shown.append(rows.copy()))
        self.engine.step()
        self.before, self.told = self.told, []
        self.account = self.customer("0xA1")

    def customer(self, owner: str, nonce: int = 0) -> Account:
        return self.engine.open_account(owner, owner + "W", nonce)

    @property
    def now(self) -> str:
        return f"{(self.clock.at_ns - OPEN_S * NS_PER_S) / NS_PER_S:g}"

    @property
    def window(self) -> Window:
        return self.engine.windows[SLUG]

    def _hear_order(self, account: Account, order: PlacedOrder, news: str) -> None:
        matched = f" {order.matched_micros / MICROS:g} of {order.amount_micros / MICROS:g}"
        self.told.append(f"{self.now} {order.order_hash} {news} {order.status}{matched}")

    def _hear_trade(self, account: Account, trade: Trade) -> None:
        who = "maker" if trade.is_maker else "taker"
        what = f"{trade.amount_micros / MICROS:g} at {trade.price_bps / 10_000:g}, fee {trade.fee_micros / MICROS:g}"
        self.told.append(f"{self.now} {trade.order.order_hash} trade {trade.status} {who} {what}")

    def until(self, at_s: float, step_s: float = 0.05) -> list[str]:
        """Live until so many seconds after the window's start; give what has been told since the last time."""
        end_ns = OPEN_S * NS_PER_S + round(at_s * NS_PER_S)
        while self.clock.at_ns < end_ns:
            self.clock.at_ns = min(self.clock.at_ns + round(step_s * NS_PER_S), end_ns)
            self.engine.step()
            self.engine.check()
        told, self.told = self.told, []
        return told

    def place(
        self, side: Side, bps: int, shares: float, tif: TimeInForce = GTC, *, token: Token = UP,
        post_only: bool = False, expires_s: float = 0, account: Account | None = None, order_hash: str = "",
    ) -> Answer:  # fmt: skip
        self.orders_count += 1
        asked = NewOrder(
            order_hash or f"#{self.orders_count}", "0xA1W", self.window.tokens[token], side, bps,
            round(shares * MICROS), tif, post_only, round(OPEN_S + expires_s) if expires_s else 0,
        )  # fmt: skip
        answer = self.engine.place(account or self.account, asked)
        self.engine.check()
        return answer

    def says(self, *order: Any, **more: Any) -> str:
        """Place an order; give what the venue says to it at once."""
        answer = self.place(*order, **more)
        return f"{answer.http_status} {answer.error}" if answer.error else str(answer.order.status)

    def on(self, fault: Fault, value: float = 1.0, where: str = "", seconds: float = 1e6) -> None:
        now_ns = self.clock.at_ns
        self.faults.add(Switch(fault, where, now_ns, now_ns + round(seconds * NS_PER_S), value))

    def book(self, token: Token = UP) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
        """Give bids and asks as (price, shares), the best first."""
        shown = self.engine.book(self.window.tokens[token])
        assert shown is not None
        bids, asks = (
            [(one.price_bps, one.amount_micros / MICROS) for one in side] for side in (shown.bids, shown.asks)
        )
        return bids[::-1], asks[::-1]

    def seen(self) -> list[str]:
        """Give what the public has been shown of the books since the last time, frame by frame."""
        frames: list[str] = []
        words: list[str] = []
        for rows in self.shown:
            for row in rows:
                kind = Kind(row["kind_code"])
                if kind in (Kind.LEVEL_SET, Kind.TRADE_SEEN, Kind.BOOK_CLEARED, Kind.TICK_CHANGED):
                    words.append(_words_of(kind, row))
                    if row["flags_mask"] & 1:
                        frames.append(", ".join(words))
                        words = []
        self.shown.clear()
        return frames


def _words_of(kind: Kind, row: Any) -> str:
    token = Token(row["token_code"]).name
    if kind is Kind.BOOK_CLEARED:
        return f"book {token}"
    if kind is Kind.TICK_CHANGED:
        return f"tick {token} {row['price_bps']}"
    what = "trade" if kind is Kind.TRADE_SEEN else "level"
    return f"{what} {token} {Side(row['side_code']).name} {row['price_bps']} {row['amount_micros'] / MICROS:g}"


def dollars(micros: int) -> float:
    return micros / MICROS
