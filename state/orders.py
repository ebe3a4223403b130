"""Orders: what the desk may ask of a venue, the lives an order can have, and our position in a window."""

from enum import IntEnum
from typing import Final

from state.records import F64, I32, I64, U8, U16, Flag, Record


class Act(IntEnum):
    """What a command does; imperative."""

    PLACE = 1
    CANCEL = 2
    CANCEL_MARKET = 3
    """Pull everything that rests in one market."""
    ASK = 4
    """Run the desk for one market: the mandate is old or the world has moved."""


class TimeInForce(IntEnum):
    """How long an order lives at the venue (venue reference 5.4)."""

    GTC = 0
    GTD = 1
    FOK = 2
    FAK = 3


class Liquidity(IntEnum):
    """Which side of a match we were."""

    MAKER = 0
    TAKER = 1


class OrderState(IntEnum):
    """The lives of an order, as the desk knows them."""

    NONE = 0
    """An empty row of the table."""
    SENT = 1
    HELD = 2
    """Accepted as `delayed`: locked for the taker hold; money is committed, nothing has matched yet."""
    RESTING = 3
    CANCEL_SENT = 4
    DONE = 5
    """Nothing is open any more: filled, cancelled or expired."""
    REJECTED = 6
    UNKNOWN = 7
    """No answer; never re-sent before it is reconciled."""


class Reject(IntEnum):
    """Why the venue refused an order or a cancel, or why an order ended unfilled (venue reference 5.8)."""

    NONE = 0
    POST_ONLY_WOULD_CROSS = 1
    BELOW_MIN_SHARES = 2
    BELOW_MIN_NOTIONAL = 3
    OFF_TICK = 4
    PRICE_OUT_OF_RANGE = 5
    FOK_NOT_FILLED = 6
    FAK_NO_MATCH = 7
    RESTARTING = 8
    POST_ONLY_MODE = 9
    MARKET_NOT_READY = 10
    MARKET_CLOSED = 11
    NOT_ENOUGH_BALANCE = 12
    NOT_CANCELLABLE = 13
    UNKNOWN_ORDER = 14
    TOO_MANY_ORDERS = 15
    RATE_LIMITED = 16
    EXPIRED = 17
    CANCELLED = 18
    """Not a refusal: the order ended because we asked."""
    FAILED = 19


class Command(Record):
    """One thing the desk wants done, with the mandate that allowed it and the tick that fired it."""

    at_ns: I64
    """The desk's clock when it was decided."""
    order_id: I64
    """Counted by the core, never drawn; for cancels the order meant."""
    mandate_id: I64
    cause_seq: I64
    """Sequence of the event that fired it: with the mandate, the answer to "why did this trade fire?"."""
    amount_micros: I64
    expires_ns: I64
    p_up: F64
    """Posterior at the moment of firing."""
    edge_bps: F64
    """Expected edge per share after costs, in bps, at the moment of firing."""
    price_bps: I32
    slot_id: U16
    reason_code: U16
    act_code: U8
    token_code: U8
    side_code: U8
    tif_code: U8
    post_only: Flag
    spare_code: U8
    spare2_code: U16


ORDERS: Final = 64
"""Open orders the world keeps track of at once; a full table refuses to place more."""


class Order(Record):
    """One of our orders as the world knows it."""

    order_id: I64
    mandate_id: I64
    placed_ns: I64
    changed_ns: I64
    amount_micros: I64
    open_micros: I64
    filled_micros: I64
    price_bps: I32
    slot_id: U16
    state_code: U8
    token_code: U8
    side_code: U8
    tif_code: U8
    post_only: Flag
    liquidity_code: U8
    spare_id: I32


class Position(Record):
    """What we hold and have spent in one window, in the venue's money."""

    up_micros: I64
    down_micros: I64
    spent_micros: I64
    """Collateral paid for shares less collateral received, without fees."""
    fees_micros: I64
    traded_micros: I64
    """Shares bought and sold in all, for counts of turnover."""
    fills_count: I64
    reversed_count: I64
    settled_micros: I64
    """What settlement paid out."""
    realized_micros: I64
    """Payout less spent less fees; zero until the window settles."""
    first_order_id: I64
    """The window's first fill: the sequential test looks at no other, for its stake was fixed beforehand."""
    first_cost_bps: F64
    """Price and fee of one share of it."""
    first_token_code: I64
    first_reversed: Flag


COMMAND_VERSION: Final = 1
