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
    MERGE = 5
    """Turn complete sets, one share of each token, back into the dollar that they are worth for certain."""


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
    """The lives of an order, as the desk knows them, in the order they are lived; `graph.order_life` has the moves."""

    NONE = 0
    """An empty row of the table; told by the venue: it knows no such order, so nothing of it is open."""
    WANTED = 1
    """The core has commanded it; nothing has left."""
    SIGNED = 2
    """Its hash is written down, so that it can be asked for whatever happens next."""
    SENT = 3
    """Its request was handed over: from here on the venue may have it."""
    HELD = 4
    """Accepted as `delayed`: locked for the taker hold; money is committed."""
    RESTING = 5
    PARTLY = 6
    """Rests, and some of it has matched."""
    CANCEL_SENT = 7
    DONE = 8
    """Nothing is open any more: filled, cancelled or expired."""
    REJECTED = 9
    UNKNOWN = 10
    """No answer; never re-sent before it is reconciled."""


class StepCause(IntEnum):
    """What made an order take a step, or try to."""

    NONE = 0
    DECIDED = 1
    """The core itself: it placed or pulled."""
    TOLD = 2
    """Somebody's word on the order: the gateway's or the venue's."""
    MATCHED = 3
    REVERSED = 4
    SETTLED = 5
    """The window ended, and its orders with it."""


class StepFate(IntEnum):
    """What became of a step."""

    NONE = 0
    TAKEN = 1
    SAME = 2
    """Said before: nothing new."""
    LATE = 3
    """Behind what is known already."""
    IMPOSSIBLE = 4
    """No order can go from there to here."""
    STRANGER = 5
    """It names no order of this window that is remembered."""
    CUT = 6
    """More matched than was open: only what was open was booked."""
    UNFOUNDED = 7
    """It takes back more than had been booked: only that much was taken back."""


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
    """Counted by the core, never drawn; for cancels the order meant, for merges the merge's own number."""
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


COMMANDS: Final = 64
"""Room for the commands of one event; what does not fit waits for the next tick."""

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
    """Matched, whatever became of it later."""
    reversed_micros: I64
    """Of that, what FAILED on chain: it does not open the order again."""
    fees_micros: I64
    """Charged for its matches, less what came back with those that FAILED."""
    ahead_micros: I64
    """Shares thought to stand before ours in the queue of its price, both books being one."""
    price_bps: I32
    slot_id: U16
    state_code: U8
    token_code: U8
    side_code: U8
    tif_code: U8
    post_only: Flag
    liquidity_code: U8
    spare_id: I32


PAST_ORDERS: Final = 128
"""Orders that are over and still remembered: a match may be heard of after the end, or twice, or not have happened."""

STEPS: Final = 512
"""Steps of orders that the world remembers; the oldest make room."""


class OrderStep(Record):
    """One step in an order's life, taken or not: who wanted it, from where to where, and why."""

    at_ns: I64
    order_id: I64
    cause_seq: I64
    """Sequence of the event that brought it."""
    amount_micros: I64
    """Of a match or a reversal: its shares as told; else what was open before."""
    slot_id: U16
    why_code: U16
    """A `Reason` where the core decided, else a `Reject`."""
    from_code: U8
    to_code: U8
    cause_code: U8
    fate_code: U8


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
    merged_micros: I64
    """Complete sets turned back into dollars; what they brought stands in `spent_micros`."""
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


COMMAND_VERSION: Final = 2
