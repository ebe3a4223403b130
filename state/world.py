"""The world: all that we know, as one flat record. `graph/advance.py` is the only code that changes it."""

from enum import IntEnum
from typing import Annotated, Final

import numpy as np

from state.book import Book
from state.comovement import Comovement
from state.desk import FEATURES, Mandate
from state.events import ASSETS, FEEDS
from state.feeds import Lag, LagEstimate, Prices
from state.learner import Learner
from state.orders import ORDERS, PAST_ORDERS, STEPS, Order, OrderStep, Position
from state.params import Params
from state.platform import Platform
from state.prices import Average, Fair, Observations, Volatility
from state.records import F64, I64, U64, Flag, Floats, Ints, Record, Rows
from state.rules import Rules
from state.sequential import EProcess
from state.spot import SpotFlow

WORLD_VERSION: Final = 6

OUTCOME_UNKNOWN: Final = 255

SLOTS: Final = 8
"""Markets at once: windows that are listed, open or waiting for their settlement."""

SAMPLES: Final = 10
"""Moments of a window at which its features are kept for learning and scoring."""

SAMPLE_LEFT_S: Final = (240, 180, 120, 90, 60, 45, 30, 15, 10, 5)
"""Seconds to the close of those moments (5-minute windows; longer ones use the same last minutes)."""

FLOW_FAST_S: Final = 5.0
"""Time constant of the takers' flow in seconds."""

AVERAGES: Final = 2
STRIKE: Final = 0
CLOSE: Final = 1


class Phase(IntEnum):
    """The life of a window."""

    NONE = 0
    LISTED = 1
    OPEN = 2
    CLOSED = 3
    """The window has ended; its outcome is not known yet."""
    SETTLED = 4


class Flow(Record):
    """Taker flow in one window, in shares of UP (selling DOWN counts as buying UP), forgetting by half-lives."""

    signed_micros: F64
    total_micros: F64
    slow_micros: F64
    """The total that a steady flow at the slow rate would show in the fast average."""
    touch_changes_per_s: F64
    seen_ns: I64


class Sample(Record):
    """What the desk thought at one moment of a window: kept until the outcome is known."""

    taken_ns: I64
    features_logodds: Annotated[Floats, np.float64, (FEATURES,)]
    p_up: F64
    p_mid: F64
    p_fair: F64
    p_point: F64
    has_mid: Flag
    has_fair: Flag


class Market(Record):
    """One window: its rules, books, averages, mandate, and what we hold in it."""

    phase_code: I64
    asset_code: I64
    open_ns: I64
    close_ns: I64
    rules: Rules
    books: Annotated[Rows[Book], 2]
    book_seen_ns: I64
    averages: Annotated[Rows[Average], AVERAGES]
    """Row `STRIKE` ends at the open, row `CLOSE` at the close."""
    strike_usd: F64
    strike_code: I64
    """`StrikeSource` of the strike above; 0 until one is known at all."""
    strike_gap_bps: F64
    """How far the told strike was from what we had before it."""
    flow: Flow
    touch_bps: Annotated[Ints, np.int64, (2,)]
    """Effective best bid and ask of UP over both books, -1 where empty."""
    mid_logodds: F64
    """Log-odds of the middle of that touch, or its last value while a side is empty."""
    has_mid: Flag
    has_fair: Flag
    p_fair: F64
    fair_logodds: F64
    fair_changes_count: I64
    """`AssetState.changes_count` that the fair value above was reckoned at."""
    fair_until_ns: I64
    """How long it may stand if nothing else changes."""
    fair: Fair
    """Its parts at the last view."""
    posterior_logodds: F64
    """At the last screen."""
    position: Position
    pending_micros: Annotated[Ints, np.int64, (2,)]
    """Shares resting or in flight, per token."""
    pending_cost_micros: I64
    orders_count: I64
    mandate: Mandate
    used_micros: I64
    """Collateral committed under the standing mandate."""
    asked_ns: I64
    asked_logodds: F64
    took_ns: I64
    """When a take was last sent: the cooldown runs from here."""
    refused_ns: I64
    """When the venue last refused a quote: the next one waits as long as a quote lives at least."""
    churn_due_ns: I64
    """Until when the cancels so far would have lasted, had they come at the steady rate that is allowed."""
    merge_id: I64
    """The merge of complete sets that is under way; 0 none."""
    merge_micros: I64
    merge_from_ns: I64
    """No merge is asked for before: shares just matched are not on chain yet, and a refusal is not argued with."""
    samples: Annotated[Rows[Sample], SAMPLES]
    next_sample_id: I64
    """Sampling moments that have passed."""
    samples_count: I64
    outcome_code: I64
    """`Token` that won; 255 until then."""
    final_usd: F64


class AssetState(Record):
    """What is known of one coin: feeds, settlement observations, volatility."""

    prices: Prices
    observations: Observations
    volatility: Volatility
    variance_per_s: F64
    """Of the log price, at the horizon of the front window; renewed each second."""
    renewed_ns: I64
    changes_count: I64
    """Counts what moves fair value: prices, observations, variance."""
    lag: Lag
    """Leader: the nowcast. Follower: the middle of the front window's book, in log-odds."""
    lag_estimate: LagEstimate
    lag_read_ns: I64
    """When the sums were last read into the estimate."""
    front_slot_id: I64
    """The open window of this asset that closes first; -1 none."""
    open_count: I64
    spot: Annotated[Rows[SpotFlow], FEEDS]
    """Takers' trades by source; row = `Source`."""


class Ledgered(Record):
    """Money of the desk, as far as the core needs it; the ledger proper is the books of account."""

    cash_micros: I64
    day_id: I64
    day_realized_micros: I64
    day_carried_micros: I64
    """What other sessions of the same wallet came to on this day: it counts for the day's loss, and is not our cash."""
    fees_micros: I64
    rebates_micros: I64
    settled_count: I64


class Track(Record):
    """The strategy's own record: sequential evidence and rolling skill against the book."""

    evidence: EProcess
    skill_logodds: F64
    """Rolling mean over windows of the book's log loss less ours; positive is better than the book."""
    skill_windows_count: I64


class World(Record):
    """All that we know."""

    version_code: I64
    now_ns: I64
    event_seq: I64
    halted_code: I64
    """The gravest `Word` that stops the desk; 0: nothing does."""
    stops_mask: I64
    """Every word that stops it, a bit each."""
    armed_micros: I64
    """The limit it was armed with: collateral at risk over all windows; 0: no such limit."""
    platform_code: I64
    """The first `PlatformCode` that stands; 0: sound, new risk may be taken."""
    phase_due_ns: I64
    """When the clock next opens or closes a window."""
    next_order_id: I64
    next_mandate_id: I64
    params_hash: U64
    params: Params
    learner: Learner
    track: Track
    platform: Platform
    comovement: Comovement
    money: Ledgered
    assets: Annotated[Rows[AssetState], ASSETS]
    markets: Annotated[Rows[Market], SLOTS]
    orders: Annotated[Rows[Order], ORDERS]
    past_orders: Annotated[Rows[Order], PAST_ORDERS]
    """Orders that are over, each in the row of its turn; the oldest makes room."""
    past_count: I64
    """How many have come to their end."""
    steps: Annotated[Rows[OrderStep], STEPS]
    """What orders went through, each step in the row of its turn; the oldest makes room."""
    steps_count: I64
    """How many there have been; all but the last `STEPS` are overwritten."""
    refused_count: I64
    """Events that could not be applied: an unknown slot, an off-grid price; counted, never fatal."""
