"""The venue in a record: books, rules, our orders as the venue knows them, and messages on their way both ways.

One row is a whole exchange with nothing outside it, so that it can be copied, hashed and stored. Prices of orders and
books in here are Up's: buying Down at q is selling Up at 1 - q, for the two books of a market are one book seen twice
(venue reference 4.1, and 15,000 recorded pairs). Only messages speak of the token that was ordered.
"""

from enum import IntEnum
from typing import Annotated, Final

import numpy as np

from state.book import Book
from state.events import Event
from state.orders import Command
from state.records import I64, Flag, Ints, Record, Rows
from state.rules import DatedRule, Rules
from state.world import SLOTS

VENUE_ORDERS: Final = 64
ERRANDS: Final = 128
PARCELS: Final = 512
NOTES: Final = 512
FAILURES: Final = 64
TAKEN_LEVELS: Final = 64
KNOTS: Final = 12
RULEBOOK_ROWS: Final = 128

NEVER_NS: Final = 1 << 62
"""Later than any clock: nothing is due."""


class VenueOrderState(IntEnum):
    """What the venue does with an order of ours that is not over."""

    FREE = 0
    """An unused row."""
    HELD = 1
    RESTING = 2


class MarketState(IntEnum):
    """Whether a slot takes orders."""

    EMPTY = 0
    OPEN = 1
    SETTLED = 2


class Draw(IntEnum):
    """What a chance is drawn for; part of its key, so that no draw depends on how many came before."""

    SUBMIT = 1
    CANCEL = 2
    MESSAGE = 3
    LOST = 4
    DUPLICATED = 5
    LATE = 6
    LATENESS = 7
    FAILED = 8
    FAILURE = 9
    COPY = 10
    MERGE = 11


class Delay(Record):
    """A distribution of spans as data: its quantile function, straight between knots."""

    knots_count: I64
    levels_ppm: Annotated[Ints, np.int64, (KNOTS,)]
    """Rising from 0 to 1,000,000."""
    values_ns: Annotated[Ints, np.int64, (KNOTS,)]


class VenueTerms(Record):
    """The assumptions of the model, each with a name; `tools.exchange.open_exchange` sets documented defaults."""

    seed_id: I64
    submit: Delay
    """From our send to the venue's engine, for orders."""
    cancel: Delay
    """The same for cancels."""
    answer: Delay
    """From the engine back to us: answers to our requests."""
    report: Delay
    """From the engine to our user channel: fills, and what happens to an order later."""
    lateness: Delay
    """What is added to a message that is late."""
    failure: Delay
    """From a match to the news that it FAILED on chain."""
    merge: Delay
    """From our wish to merge complete sets to the block that does it: a relayer and a chain are between."""
    failure_ppm: I64
    lost_ppm: I64
    duplicated_ppm: I64
    late_ppm: I64
    restart_first_ns: I64
    """Start of an engine restart (HTTP 425); 0: none."""
    restart_every_ns: I64
    """Period of restarts; 0: only the first."""
    restart_ns: I64
    post_only_ns: I64
    """Length of the post-only mode that follows."""
    gtd_early_ns: I64
    """A GTD order ends this long before its stated expiration."""
    pair_ns: I64
    """How far apart a trade print and the level change that it caused may come and still be taken for one."""
    behind_power_count: I64
    """1: cancels at a level are spread evenly over the queue; n: by the n-th power of what is ahead and behind."""
    touch_trade_ppm: I64
    """Without trade prints: the share of a decrease at the touch that is taken for a trade."""
    fifo: Flag
    """Messages of one link do not overtake each other."""
    trades_known: Flag
    """The feed carries trade prints; else trades are inferred by `touch_trade_ppm`."""
    balance_checked: Flag
    """Refuse what cash or shares do not cover."""


class VenueMarket(Record):
    """One window at the venue, with what our account holds in it."""

    state_code: I64
    open_ns: I64
    """Start of the window: with the slot, which market this is."""
    rules: Rules
    orders_count: I64
    taken_count: I64
    """Rows of the taken table that are about this market."""
    up_micros: I64
    down_micros: I64
    seen_bid_bps: I64
    """The touch after the last whole frame, which the next is compared with."""
    seen_ask_bps: I64
    seen_bid_micros: I64
    seen_ask_micros: I64
    book: Book
    """Up's book; Down's rows are mirrored into it."""


class VenueOrder(Record):
    """One order of ours at the venue, in Up's terms."""

    order_id: I64
    state_code: I64
    slot_id: I64
    token_code: I64
    """The token that was ordered, for messages."""
    side_code: I64
    """In Up's book: BUY rests among the bids."""
    price_bps: I64
    """In Up's book."""
    amount_micros: I64
    open_micros: I64
    filled_micros: I64
    tif_code: I64
    arrival_seq: I64
    """Time priority among our own."""
    arrived_ns: I64
    expires_ns: I64
    """End of life, for a GTD order."""
    due_ns: I64
    """End of the hold while held, of life while resting."""
    ahead_micros: I64
    """Size of others in the queue before us; never grows."""
    level_micros: I64
    """Size displayed at our price after the last whole frame."""
    traded_micros: I64
    """Prints at our level that no decrease has paired with yet."""
    traded_ns: I64
    gone_micros: I64
    """Decreases at our level taken for cancels that no print has paired with yet."""
    gone_ahead_micros: I64
    """How much of these was taken off ahead of us."""
    gone_ns: I64
    visit_seq: I64
    """The last walk over our orders that came by."""


class TakenLevel(Record):
    """Displayed size that we have taken and that the recorded feed may still show."""

    taken_micros: I64
    """0 marks an unused row."""
    slot_id: I64
    side_code: I64
    price_bps: I64
    level_micros: I64
    """Size displayed at the level after the last whole frame."""


class Errand(Record):
    """A command on its way to the venue."""

    due_ns: I64
    """0 marks an unused row."""
    errand_seq: I64
    command: Command


class Note(Record):
    """Something that happened at the venue and is not yet on its way to us; a deed leaves several."""

    channel_code: I64
    fee_micros: I64
    """Of a fill: what we were charged."""
    equivalent_micros: I64
    """Of a maker's fill: its fee-equivalent."""
    event: Event


class Parcel(Record):
    """A message on its way back to us."""

    due_ns: I64
    """0 marks an unused row."""
    parcel_seq: I64
    event: Event


class Failure(Record):
    """A match that will turn out to have FAILED on chain."""

    due_ns: I64
    """0 marks an unused row."""
    order_id: I64
    slot_id: I64
    token_code: I64
    side_code: I64
    """What we did with that token."""
    price_bps: I64
    """The token's own price."""
    amount_micros: I64
    fee_micros: I64
    equivalent_micros: I64
    """Fee-equivalent that a maker's fill had earned."""


class Account(Record):
    """Our account at the venue: cash of it all, and counts for the law that nothing is made or lost."""

    cash_micros: I64
    deposited_micros: I64
    bought_micros: I64
    """Paid for shares, fees apart; less what failed."""
    sold_micros: I64
    """Received for shares and for complete sets; less what failed."""
    fees_micros: I64
    payouts_micros: I64
    rebates_micros: I64
    """Paid out."""
    equivalent_micros: I64
    """Fee-equivalent of the day's maker fills."""
    rebate_micros: I64
    """What that earns so far today, if every maker of the market earns alike."""
    rebate_day_ns: I64
    """When the day ends and its rebate is paid."""


class Tally(Record):
    """What happened, counted."""

    accepted_count: I64
    refused_count: I64
    fills_count: I64
    failures_count: I64
    lost_count: I64
    duplicated_count: I64
    late_count: I64
    overflow_count: I64
    """Messages, failures or taken levels that no row was free for; a run that counts one is not sound."""
    odd_count: I64
    """Market rows that could not be applied: unknown slot, price off the mills."""


class Exchange(Record):
    """A venue that is told what the market did and what we ask, and answers with messages."""

    clock_ns: I64
    """The venue's: the latest row or deed."""
    next_deed_ns: I64
    """When the venue must next do something by itself: an arrival, the end of a hold or a life, a failure, a payout."""
    next_parcel_ns: I64
    """When the next message reaches us."""
    message_seq: I64
    """Counts orders arriving and messages sent."""
    visit_seq: I64
    """Counts walks over our orders, so that a walk knows whom it has visited."""
    last_errand_ns: I64
    last_answer_ns: I64
    last_report_ns: I64
    orders_count: I64
    errands_count: I64
    parcels_count: I64
    failures_count: I64
    notes_count: I64
    terms: VenueTerms
    rulebook_count: I64
    account: Account
    tally: Tally
    orders: Annotated[Rows[VenueOrder], VENUE_ORDERS]
    taken: Annotated[Rows[TakenLevel], TAKEN_LEVELS]
    errands: Annotated[Rows[Errand], ERRANDS]
    notes: Annotated[Rows[Note], NOTES]
    parcels: Annotated[Rows[Parcel], PARCELS]
    failures: Annotated[Rows[Failure], FAILURES]
    markets: Annotated[Rows[VenueMarket], SLOTS]
    rulebook: Annotated[Rows[DatedRule], RULEBOOK_ROWS]
    """Dated rules, sorted, that a market is listed under; its own data override them."""
