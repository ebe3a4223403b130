"""Records of the synthetic market: the scene of one window, its makers, and the orders that they show."""

from typing import Annotated, Final

import numpy as np

from state.records import F64, I64, Flag, Ints, Record

LAYERS: Final = 5
"""Orders a maker keeps on each side."""

MILLS: Final = 1_001
"""Grid points of the UP book, in thousandths of a dollar, both ends included."""


class Maker(Record):
    """One participant that keeps orders on both sides of what it believes."""

    delay_count: I64
    """Grid steps between the price and its knowing of it."""
    poll_count: I64
    """Grid steps between two looks."""
    phase_count: I64
    p_edge: F64
    """Least distance from fair value to its quotes, in dollars a share."""
    gap_mills: I64
    """Distance between its layers."""
    shares_micros: I64
    """Median size of its best layer."""
    vol_ratio: F64
    """Its volatility estimate over the market's."""
    exit_ns: I64
    """It drops the losing side so long before the close."""
    prices_point: Flag
    uses_fine: Flag
    """It quotes in mills where the venue lets it."""
    noise_log: F64
    """Its running error about the price."""
    p_quoted: F64
    """Fair value at its last change; -1 before the first."""
    order_mills: Annotated[Ints, np.int64, (2 * LAYERS,)]
    """Prices of its orders on the UP book, bids first and then asks; 0 where it has none."""
    order_micros: Annotated[Ints, np.int64, (2 * LAYERS,)]
    order_seq: Annotated[Ints, np.int64, (2 * LAYERS,)]
    """Place in time, for the queue."""


class Scene(Record):
    """One window while it is being played."""

    slot_id: I64
    tick_mills: I64
    bid_mills: I64
    """Best bid of the UP book, 0 when it has none."""
    ask_mills: I64
    """Best ask, 1000 when it has none."""
    true_ns: I64
    """The venue's own moment of the running frame."""
    step_end_ns: I64
    """When the running grid step ends."""
    frame_at_ns: I64
    """The same as the frame stamps it, in whole milliseconds."""
    frame_seen_ns: I64
    road_log: F64
    """How slow the road to us is, against its spread, as of `road_ns`."""
    road_ns: I64
    rows_count: I64
    full: Flag
    """There was no room for all rows."""
    order_seq: I64
    trades_count: I64
    uniform_count: I64
    """Random numbers used so far; the pools are walked round."""
    normal_count: I64
    open_count: I64
    """Grid step of the window's start, of its close, and of the first quotes."""
    close_count: I64
    first_count: I64
    strike_usd: F64
    lookback_s: I64
    start_ns: I64
    """Time of grid step 0."""
    sniper_due_ns: I64
    sniper_buys: Flag
    sniper_mills: I64
    """Limit of the informed take on its way; 0 when there is none."""
    excite_ratio: F64
    """What recent trades add to the chance of the next, a grid step."""
    taker_buys: Flag
    """Which way the last uninformed taker went."""
    spoof_due_ns: I64
    spoof_side_code: I64
    spoof_mills: I64
    spoof_micros: I64


class Crowd(Record):
    """Rates and sizes of those who do not quote, and the road to us."""

    noise_keep_ratio: F64
    """Memory of a maker's error from look to look."""
    noise_log: F64
    slack_ratio: F64
    """Share of the taker fee that a maker lets its quotes be wrong by."""
    give_ratio: F64
    """Share of that which it keeps when it moves after all: 0 goes all the way to its fair value."""
    deeper_ratio: F64
    """What each layer further from the touch adds to the size of an order."""
    touch_ratio: F64
    """What a size that is changed at the touch is larger by."""
    size_log: F64
    """Standard deviation of the logarithm of makers' sizes."""
    taker_log: F64
    taker_per_step_ratio: F64
    taker_micros: F64
    follow_ratio: F64
    """Uninformed takers that each one brings along, on average."""
    follow_keep_ratio: F64
    """How much of that is left a grid step later."""
    favourite_per_step_ratio: F64
    flicker_per_step_ratio: F64
    flicker_touch_ratio: F64
    """Share of the flicker that is at the touch."""
    patient_micros: F64
    """Median size of a patient order in the middle of the grid; none when 0."""
    patient_away_mills: I64
    """They stand no nearer to the middle of the book than this."""
    patient_exit_ns: F64
    spoof_per_step_ratio: F64
    sniper_delay_count: I64
    sniper_micros: I64
    p_sniper_edge: F64
    """What it wants beside the fee, in dollars a share."""
    sniper_noise_log: F64
    sniper_vol_ratio: F64
    sniper_prices_point: Flag
    """The informed taker's own errors: none, so far."""
    hold_ns: I64
    travel_ns: F64
    travel_log: F64
    snapshot_count: I64
