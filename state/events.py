"""Everything that can happen, as one 64-byte record, with the words for its kinds and sources.

One record serves every kind, so that a day of events is one array that compiled code walks through. What a column
means depends on the kind; the table below is the contract. Columns that a kind does not name are zero.

| kind            | columns beside the two times, kind and source                                                     |
|-----------------|---------------------------------------------------------------------------------------------------|
| TICKED          | none: the clock's own tick                                                                        |
| MARKET_LISTED   | slot · code_id asset · ref_id open_ns · span_s length · price_bps tick · amount_micros min shares  |
| RULE_GIVEN      | slot · code_id `Rule` · ref_id the value, whole, in the unit of that rule                         |
| BOOK_CLEARED    | slot · token: a snapshot begins; levels follow                                                    |
| LEVEL_SET       | slot · token · side · price_bps · amount_micros new total at the level, 0 removes it              |
| TOUCH_CARRIED   | slot · token · price_bps best bid · span_s best ask in bps (0: side empty): the feed's own check  |
| TRADE_SEEN      | slot · token · side of the taker · price_bps · amount_micros                                      |
| TICK_CHANGED    | slot · token · price_bps the new tick                                                             |
| PRICE_SEEN      | code_id asset · value_usd bid · other_usd ask (equal: a print or an oracle value)                 |
| CEX_TRADED      | code_id asset · value_usd price · side of the taker · amount_micros size                          |
| AVERAGE_SEEN    | code_id asset · value_usd the venue's own average · span_s look-back                              |
| STRIKE_SEEN     | slot · value_usd price to beat · code_id `StrikeSource`                                           |
| FEED_CHANGED    | code_id `FeedState` · ref_id generation: a feed came, went, or lost continuity                    |
| SETTLED         | slot · code_id outcome token (UP or DOWN) · value_usd final price or 0                            |
| MANDATE_GIVEN   | slot · ref_id row of the mandate in the journal's mandates                                        |
| PARAMS_CHANGED  | ref_id row of the parameters in the journal's parameters                                          |
| ORDER_CHANGED   | slot · ref_id order · code_id `OrderState` · flags `Reject` · amount_micros shares still open     |
| FILLED          | slot · ref_id order · token · side · price_bps · amount_micros · code_id `Liquidity` · `SETTLES`  |
| FEE_CHARGED     | slot · ref_id order · amount_micros fee in collateral                                             |
| FILL_REVERSED   | slot · ref_id order · token · side · price_bps · amount_micros: a MATCHED trade FAILED            |
| REBATE_PAID     | amount_micros                                                                                     |
| OPERATOR_SAID   | code_id `Word` · ref_id for ARM the limit in micros                                               |
| CHAIN_SEEN      | value_usd base fee in gwei · ref_id head's block time in ns                                       |
| MERGED          | slot · ref_id merge (0: not of our asking) · amount_micros sets, 0 refused · flags `Reject`       |
| FILL_RETRIED    | as FILLED: its transaction did not go through and is tried again                                  |
| FILL_MINED      | as FILLED: its transaction is in a block; for the books, the core has believed it since FILLED    |
| FILL_CONFIRMED  | as FILLED: and will stay there; the core waits for it no longer (SETTLEMENT_SLOW)                 |
| REDEEMED        | slot · amount_micros collateral that came for a settled window's shares; for the books            |
| DAY_CARRIED     | ref_id UTC day since 1970 · amount_micros what other sessions of the wallet came to on it, so far |
"""

from enum import IntEnum
from typing import Final

import numpy as np

from state.records import F64, I32, I64, U8, U16, Record, layout

EVENT_VERSION: Final = 2


class Kind(IntEnum):
    """What happened."""

    TICKED = 1
    MARKET_LISTED = 2
    RULE_GIVEN = 3
    BOOK_CLEARED = 4
    LEVEL_SET = 5
    TOUCH_CARRIED = 6
    TRADE_SEEN = 7
    TICK_CHANGED = 8
    PRICE_SEEN = 9
    CEX_TRADED = 10
    AVERAGE_SEEN = 11
    STRIKE_SEEN = 12
    FEED_CHANGED = 13
    SETTLED = 14
    MANDATE_GIVEN = 15
    PARAMS_CHANGED = 16
    ORDER_CHANGED = 17
    FILLED = 18
    FEE_CHARGED = 19
    FILL_REVERSED = 20
    REBATE_PAID = 21
    OPERATOR_SAID = 22
    CHAIN_SEEN = 23
    MERGED = 24
    FILL_MINED = 25
    FILL_CONFIRMED = 26
    REDEEMED = 27
    FILL_RETRIED = 30
    DAY_CARRIED = 31


class Source(IntEnum):
    """Who told us."""

    OURSELVES = 0
    CHAINLINK = 1
    """The settlement stream: Chainlink observations, by PolyBolt, RTDS or a recording of either."""
    BINANCE = 2
    BINANCE_PERP = 3
    BYBIT = 4
    OKX = 5
    COINBASE = 6
    PYTH = 7
    CHAINLINK_ONCHAIN = 8
    POLYMARKET_BOOK = 9
    POLYMARKET_USER = 10
    GAMMA = 11
    POLYGON = 12
    OPERATOR = 13


FEEDS: Final = 9
"""Price sources are 1..8; a feed's row in the world is its source's number."""


class Asset(IntEnum):
    """What the market is about; slot 0 is the asset the project began with."""

    BTC = 0
    ETH = 1
    SOL = 2
    XRP = 3


ASSETS: Final = 4


class Token(IntEnum):
    """The two outcomes of a window."""

    UP = 0
    DOWN = 1


class Side(IntEnum):
    """Which side of a token's book, or what a taker did."""

    BUY = 0
    SELL = 1


class StrikeSource(IntEnum):
    """Where a price to beat came from; only `OWN_AVERAGE` is provisional."""

    UNKNOWN = 0
    OWN_AVERAGE = 1
    STREAM = 2
    """The settlement stream's value stamped at or first after the opening second."""
    VENUE = 3
    """Published by the venue: Gamma's priceToBeat or the previous window's finalPrice."""


class FeedState(IntEnum):
    """What became of a feed."""

    UP = 1
    DOWN = 2
    GAP = 3
    """Still connected, but something was lost: books are invalid until the next snapshot."""


class Word(IntEnum):
    """What an operator may say to the core."""

    HALT = 1
    RESUME = 2
    """Lifts HALT and PULL_ALL; neither arms a desk nor undoes a KILL."""
    PULL_ALL = 3
    ARM = 4
    """Allow risk up to a stated limit; lifts DISARM and KILL, no halt."""
    DISARM = 5
    """Observe only."""
    KILL = 6
    """Stop for good: only arming anew lifts it."""
    LEAVE = 7
    """The session ends, nothing is amiss: pull what rests."""
    RETURN = 8
    """The session goes on; lifts LEAVE alone, for whatever else stopped the desk stands until an operator lifts it."""


LAST_IN_FRAME: Final = 1
"""Flag: the frame is whole after this row; only then may anyone look at the book."""

SETTLES: Final = 2
"""Flag of FILLED: whoever tells it will tell its confirmation on chain as well, so that may be waited for."""


class Event(Record):
    """One thing that happened: 64 bytes, one cache line, the same in the journal, in memory and in compiled code."""

    at_ns: I64
    """When it happened out there, by the source's clock."""
    seen_ns: I64
    """When we saw it, by ours. The core acts on this one."""
    value_usd: F64
    other_usd: F64
    amount_micros: I64
    ref_id: I64
    price_bps: I32
    span_s: U16
    slot_id: U16
    code_id: U16
    flags_mask: U8
    kind_code: U8
    source_code: U8
    token_code: U8
    side_code: U8
    spare_code: U8


EVENT: Final[np.dtype[np.void]] = layout(Event)
