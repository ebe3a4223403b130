"""The schema, stated once as data: which tables there are, what their columns hold, and which bars come of them.

Parquet files, PostgreSQL tables, TimescaleDB hypertables and the tests are all made from this. Every row carries the
journal that it came from and the sequence number of the item that it was made of: no table has two rows of the same
journal, item and part. Times are int64 nanoseconds; the venue's prices are bps and its money micros, never floats.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from state.units import NS_PER_S

SCHEMA_VERSION: Final = 1


class Holds(Enum):
    """What a column holds."""

    WHOLE = "int64"
    NUMBER = "float64"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Args:
        name: With its unit.
        holds: What kind of value.
        about: What it says; becomes the column's comment in a database.
    """

    name: str
    holds: Holds
    about: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Args:
        name: Plural.
        about: What a row is.
        columns: Beside those of `HEAD`, which every table begins with.
        subject: The column by which rows are looked up, together with the time.
        passes: Whether old rows may be dropped: what the market said, not what we did.
    """

    name: str
    about: str
    columns: tuple[Column, ...]
    subject: str
    passes: bool = False

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """Give every column in order."""
        return HEAD + self.columns


@dataclass(frozen=True, slots=True)
class Rollup:
    """Bars: first, highest, lowest and last price of a span, how much traded and how many rows.

    First and last go by the sequence number; a bar is of one journal, so a second recording doubles nothing.
    """

    name: str
    table: str
    price: str
    span_s: int
    holds: Holds

    @property
    def span_ns(self) -> int:
        """Give the length of a bar."""
        return self.span_s * NS_PER_S


def _whole(name: str, about: str) -> Column:
    return Column(name, Holds.WHOLE, about)


def _number(name: str, about: str) -> Column:
    return Column(name, Holds.NUMBER, about)


def _text(name: str, about: str) -> Column:
    return Column(name, Holds.TEXT, about)


HEAD: Final = (
    _text("journal", "the journal that the row was made from"),
    _whole("seq", "sequence number of the item in that journal"),
    _whole("part_id", "0, 1, ...: which of the rows that were made from that one item"),
    _whole("at_ns", "when it happened, by the source's clock"),
    _whole("seen_ns", "when we saw it, by ours; what rows are ordered, partitioned and barred by"),
)
_MARKET: Final = _text("market", "the window as the venue names it; empty: the journal never listed it")
_TOKEN: Final = _whole("token_code", "0 UP, 1 DOWN")
_SIDE: Final = _whole("side_code", "0 buy, 1 sell")

TABLES: Final = (
    Table(
        "ticks", "A price of the outside world: a quote's middle, a print or an oracle's value.",
        (
            _text("instrument", "asset@source/quote, asset@source/trade: bars never mix the two"),
            _number("price_usd", "the middle of bid and ask, or the trade's price"),
            _number("bid_usd", "equal to the ask for a print or an oracle's value"),
            _number("ask_usd", "see bid_usd"),
            _whole("amount_micros", "size of a trade; 0 for a quote"),
            _SIDE,
        ),
        "instrument", passes=True,
    ),
    Table(
        "trades", "A trade of a window's token, as its feed told it.",
        (
            _text("instrument", "window:UP or window:DOWN"),
            _whole("price_bps", "dollar's ten-thousandths a share"),
            _whole("amount_micros", "shares"),
            _SIDE,
        ),
        "instrument", passes=True,
    ),
    Table(
        "books_top", "The best prices of a token's book, each time that they changed, at the end of a frame.",
        (
            _MARKET, _TOKEN,
            _whole("bid_bps", "-1: that side is empty"),
            _whole("bid_micros", "shares at that price"),
            _whole("ask_bps", "-1: that side is empty"),
            _whole("ask_micros", "shares at that price"),
        ),
        "market", passes=True,
    ),
    Table(
        "spreads", "The effective book of UP, DOWN's turned over into it, each time that it changed and had two sides.",
        (
            _MARKET,
            _whole("bid_bps", "best of UP's bid and 10,000 less DOWN's ask"),
            _whole("ask_bps", "best of UP's ask and 10,000 less DOWN's bid"),
            _whole("spread_bps", "ask less bid; below 0 when the two books cross"),
        ),
        "market", passes=True,
    ),
    Table(
        "decisions", "A mandate as it was written down: what the desk believed, allowed and refused, and why.",
        (
            _MARKET,
            _whole("mandate_id", "counted by the core"),
            _whole("until_ns", "when it ends"),
            _text("reason", "why the desk stood aside; empty: it allows something"),
            _whole("reason_code", "the same as a number"),
            _whole("gate_code", "the stage that refused"),
            _whole("take_mask", "bit 1: UP may be taken; bit 2: DOWN"),
            _whole("quote_mask", "the same for bids that rest"),
            _number("p_up", "probability of UP"),
            _number("p_low", "lower end of its interval"),
            _number("p_high", "upper end of its interval"),
            _number("p_mid", "what the book says; -1: no two-sided book"),
            _number("p_fair", "fair value; -1: none"),
            _number("edge_up_bps", "expected gain a share of taking UP, after costs"),
            _number("edge_down_bps", "the same for DOWN"),
            _whole("shares_up_micros", "allowed shares of UP"),
            _whole("shares_down_micros", "the same of DOWN"),
            _whole("cap_micros", "collateral that it may put at risk"),
            _text("view_hash", "of what the desk saw, hexadecimal"),
            _text("params_hash", "of the parameters it was made under, hexadecimal"),
        ),
        "market",
    ),
    Table(
        "orders", "A command of the core's, or what the venue said of an order.",
        (
            _MARKET,
            _text("step", "place, cancel, cancel_market, merge: ours; told: the venue's word"),
            _whole("order_id", "counted by the core"),
            _whole("mandate_id", "the mandate that allowed it; 0 for what the venue said"),
            _whole("state_code", "what it became, for what the venue said (`OrderState`)"),
            _whole("reject_code", "why it was refused or ended (`Reject`)"),
            _TOKEN, _SIDE,
            _whole("price_bps", "limit"),
            _whole("amount_micros", "shares wanted; shares still open for what the venue said"),
            _whole("post_only", "1: it may only rest"),
            _number("p_up", "probability of UP when it was fired"),
            _number("edge_bps", "expected gain a share when it was fired"),
            _text("reason", "why it was fired or pulled"),
        ),
        "market",
    ),
    Table(
        "fills", "A match of ours and what became of it: fees, reversals, chain, redemption, rebates.",
        (
            _MARKET,
            _text("step", "the kind of event, in small letters: filled, fee_charged, fill_reversed, ..."),
            _whole("order_id", "0 where it is of no order"),
            _TOKEN, _SIDE,
            _whole("price_bps", "of the match"),
            _whole("amount_micros", "shares, or collateral for fees, rebates and redemptions"),
            _whole("liquidity_code", "0 maker, 1 taker"),
        ),
        "market",
    ),
    Table(
        "params", "Parameters that came into force.",
        (_text("params_hash", "as mandates name them, hexadecimal"), _text("settings", "all of them, as JSON")),
        "params_hash",
    ),
)  # fmt: skip

BY_NAME: Final = {table.name: table for table in TABLES}

ROLLUPS: Final = (
    Rollup("ohlc_1s", "ticks", "price_usd", 1, Holds.NUMBER),
    Rollup("ohlc_1m", "ticks", "price_usd", 60, Holds.NUMBER),
    Rollup("trades_1s", "trades", "price_bps", 1, Holds.WHOLE),
    Rollup("trades_1m", "trades", "price_bps", 60, Holds.WHOLE),
)
ROLLUP_BY_NAME: Final = {rollup.name: rollup for rollup in ROLLUPS}
BAR: Final = ("journal", "instrument", "bucket_ns", "open", "high", "low", "close", "amount_micros", "rows_count")
"""Columns of a bar."""


def bar_columns(holds: Holds) -> tuple[Column, ...]:
    """Give the columns of a bar whose prices are of a kind."""
    prices = ("open", "high", "low", "close")
    kinds = {"journal": Holds.TEXT, "instrument": Holds.TEXT, **dict.fromkeys(prices, holds)}
    return tuple(Column(name, kinds.get(name, Holds.WHOLE), "") for name in BAR)
