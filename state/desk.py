"""What passes along the desk: a view, opinions of it, a forecast, a signal, verdicts, a stake, and the mandate.

Every stage reads some of these records and writes one of its own; `Decision` holds them all and is the whole trace of
one run of the desk.
"""

from typing import Annotated, Final

import numpy as np

from state.records import F64, I64, U8, U16, U64, Flag, Floats, Ints, Record

FEATURES: Final = 5
"""What the fusion weighs: the book's middle, fair value's distance from it, lead-lag, flow, depth."""

DESK_VERSION: Final = 6


class View(Record):
    """Everything the desk may see of one market at one instant; plain numbers, no judgement."""

    now_ns: I64
    event_seq: I64
    slot_id: I64
    asset_code: I64
    open_ns: I64
    close_ns: I64
    phase_code: I64
    # rules of the market
    rules_refused_code: I64
    settlement_code: I64
    fee_rate_ppm: I64
    fee_exponent_count: I64
    fee_by_notional_code: I64
    hold_ns: I64
    tick_bps: I64
    min_shares_micros: I64
    min_notional_micros: I64
    # the book, both tokens (index 0 UP, 1 DOWN); -1 means the side is empty
    bid_bps: Annotated[Ints, np.int64, (2,)]
    ask_bps: Annotated[Ints, np.int64, (2,)]
    bid_touch_micros: Annotated[Ints, np.int64, (2,)]
    ask_touch_micros: Annotated[Ints, np.int64, (2,)]
    bid_near_micros: Annotated[Ints, np.int64, (2,)]
    """Shares within four cents of the touch."""
    ask_near_micros: Annotated[Ints, np.int64, (2,)]
    book_notional_micros: I64
    book_whole_mask: I64
    """Bit 1: UP's book has a snapshot; bit 2: DOWN's."""
    book_seen_ns: I64
    complement_gap_bps: I64
    # the price
    nowcast_usd: F64
    nowcast_var: F64
    nowcast_seen_ns: I64
    feeds_count: I64
    disagreement_bps: F64
    variance_per_s: F64
    strike_usd: F64
    strike_sd_usd: F64
    strike_code: I64
    strike_gap_bps: F64
    strike_coverage_ratio: F64
    close_coverage_ratio: F64
    close_known_ratio: F64
    close_mean_usd: F64
    close_sd_usd: F64
    p_fair: F64
    p_point: F64
    p_hold_sd: F64
    """How far fair value moves, one sd, while a taker order is held and travels."""
    # lead and lag
    lag_ns: I64
    lag_correlation_ratio: F64
    lag_z: F64
    lead_move_log: F64
    """Log move of the leading feed that the book has had no time to follow."""
    # flow
    flow_signed_micros: F64
    flow_total_micros: F64
    flow_slow_micros: F64
    touch_changes_per_s: F64
    # what has been learnt
    weights_ratio: Annotated[Floats, np.float64, (FEATURES,)]
    weights_var: Annotated[Floats, np.float64, (FEATURES, FEATURES)]
    evidence_for_log: F64
    evidence_against_log: F64
    skill_logodds: F64
    skill_windows_count: I64
    # what we hold
    held_micros: Annotated[Ints, np.int64, (2,)]
    pending_micros: Annotated[Ints, np.int64, (2,)]
    """Shares resting or in flight per token."""
    cost_micros: I64
    """Collateral at risk in this window: the worst case of what is held, resting and in flight."""
    spent_micros: I64
    """What all shares held, resting and in flight cost together; complete sets are not netted."""
    cash_micros: I64
    """Ours less what orders may still spend: of an exit and of an entry alike, no more can be paid."""
    day_pnl_micros: I64
    carries_risk: Flag
    """Whether this window is one of those that carry risk."""
    risky_windows_count: I64
    other_cost_micros: I64
    """Collateral at risk in windows that move with this one."""
    tail_loss_micros: I64
    cancels_left_count: I64
    """Cancels of quotes that the churn limit still leaves to this window."""
    risked_micros: I64
    """Collateral at risk over all windows."""
    armed_micros: I64
    """What the desk was armed with for that; 0: no such limit."""
    halted_code: I64
    platform_code: I64
    """`PlatformCode`; 0: sound."""
    spot_code: I64
    """`Reason` why the minute that settles this window is not to be trusted; 0: none."""


class Sight(Record):
    """The view put in the desk's terms: one effective book of UP, log-odds, and what the data will bear."""

    reason_code: I64
    left_ns: I64
    bid_bps: I64
    ask_bps: I64
    down_bid_bps: I64
    down_ask_bps: I64
    p_mid: F64
    mid_logodds: F64
    fair_logodds: F64
    fair_sd_logodds: F64
    half_spread_bps: F64
    has_mid: Flag
    has_fair: Flag


class Opinion(Record):
    """What one agent thinks: a push on the log-odds of UP, how sure it is, and why."""

    reason_code: I64
    shift_logodds: F64
    sd_logodds: F64
    cost_bps: F64
    """What the agent thinks trading costs beyond the touch; 0 where it is not its business."""
    cap_micros: I64
    """Shares the agent would let one order have; 0 means it has no view."""


class Forecast(Record):
    """The fused probability of UP with its interval, and what each agent gave to it."""

    p_up: F64
    p_low: F64
    p_high: F64
    posterior_logodds: F64
    half_width_logodds: F64
    shift_logodds: F64
    """All that is neither the book's middle nor fair value: constant while the mandate stands."""
    mid_weight_ratio: F64
    fair_weight_ratio: F64
    features_logodds: Annotated[Floats, np.float64, (FEATURES,)]
    contributions_logodds: Annotated[Floats, np.float64, (FEATURES,)]


class Signal(Record):
    """What the forecast is worth against the book: a side or none, and the edge after every cost."""

    reason_code: I64
    side_code: I64
    """Token to buy: 0 UP, 1 DOWN; 255 none."""
    take_mask: I64
    """Bit 1: taking UP pays, or is so near to it that a tick may make it pay; bit 2: the same for DOWN."""
    quote_mask: I64
    edge_bps: Annotated[Floats, np.float64, (2,)]
    """Edge per share of taking each token, at the interval's worse end, after fee and hold."""
    fee_bps: Annotated[Floats, np.float64, (2,)]
    hold_cost_bps: F64
    quote_bps: Annotated[Ints, np.int64, (2,)]
    """Best price we would rest a bid at for each token; -1 none."""
    take_bps: Annotated[Ints, np.int64, (2,)]
    """Highest price at which taking each token still leaves the wanted edge; -1 none."""
    way_code: Annotated[Ints, np.int64, (2,)]
    """`Reason` why a way of buying each token was left out for the other, or for waiting; 0: none was."""
    take_value_bps: Annotated[Floats, np.float64, (2,)]
    """Expected gain of taking now, per share wanted; 0 where the offer is too dear."""
    make_value_bps: Annotated[Floats, np.float64, (2,)]
    """Expected gain of resting a bid, per share wanted: its fill is not certain, and bad news fills it first."""
    fill_ratio: Annotated[Floats, np.float64, (2,)]
    """Share of a resting bid that ordinary takers are expected to fill."""
    adverse_bps: F64
    """What fair value is thought to have moved against a quote by the time that it is filled."""
    exit_mask: I64
    """Bit 1: buying UP closes more of a position in DOWN than waiting for the settlement is worth; bit 2: reverse."""
    exit_value_bps: Annotated[Floats, np.float64, (2,)]
    """Expected gain of that purchase over waiting, per share; -10,000 where there is nothing to close."""


class Validation(Record):
    """Whether the strategy's own record still allows it to trade."""

    reason_code: I64
    evidence_for_log: F64
    evidence_against_log: F64
    skill_logodds: F64
    margin_log: F64


class Verdict(Record):
    """How much risk is allowed: a cap per token in shares' cost, or a refusal with its reason."""

    reason_code: I64
    cap_micros: I64
    """Collateral that may still be put at risk in this window."""
    margin_micros: I64
    """Distance to the nearest limit."""
    margin_code: I64
    """The reason that limit would give."""
    reduce_code: I64
    """`Reason` why only orders that reduce exposure are allowed; 0: new risk is too."""


class Stake(Record):
    """How many shares one order may have."""

    reason_code: I64
    shares_micros: Annotated[Ints, np.int64, (2,)]
    kelly_ratio: Annotated[Floats, np.float64, (2,)]
    """Share of the bankroll that the shrunk Kelly stake wants, from flat."""
    bound_code: Annotated[Ints, np.int64, (2,)]
    """What bound the size, or why it is zero (`tools.stake.StakeCode`)."""
    exit_micros: Annotated[Ints, np.int64, (2,)]
    """Shares of each token that close what is held of the other one; nothing else may be bought as an exit."""


class Mandate(Record):
    """What the desk allows until a stated time; nothing trades without one."""

    mandate_id: I64
    slot_id: I64
    given_ns: I64
    until_ns: I64
    run_id: I64
    view_seq: I64
    view_hash: U64
    params_hash: U64
    reason_code: I64
    """0: it allows something. Else why the desk stood aside."""
    gate_code: I64
    take_mask: I64
    quote_mask: I64
    exit_mask: I64
    reduce_code: I64
    """`Reason` why it allows only what reduces exposure; 0: also new risk."""
    mid_weight_ratio: F64
    fair_weight_ratio: F64
    shift_logodds: F64
    half_width_logodds: F64
    exit_edge_bps: F64
    adverse_bps: F64
    exit_micros: Annotated[Ints, np.int64, (2,)]
    take_edge_bps: F64
    quote_edge_bps: F64
    keep_edge_bps: F64
    hold_cost_bps: F64
    shares_micros: Annotated[Ints, np.int64, (2,)]
    cap_micros: I64
    """Collateral that may still be put at risk while it stands."""
    p_up: F64
    p_low: F64
    p_high: F64
    p_mid: F64
    p_fair: F64
    p_point: F64
    features_logodds: Annotated[Floats, np.float64, (FEATURES,)]
    """What the fusion weighed: kept with the mandate, so that a replay learns the same without its graph."""
    edge_bps: Annotated[Floats, np.float64, (2,)]
    ask_bps: Annotated[Ints, np.int64, (2,)]
    has_mid: Flag
    has_fair: Flag


class Decision(Record):
    """One run of the desk, whole: the view and what every stage made of it."""

    market: View
    """What the desk saw. (Not `view`: NumPy rows have a method of that name.)"""
    sight: Sight
    spread_opinion: Opinion
    lead_lag_opinion: Opinion
    flow_opinion: Opinion
    liquidity_opinion: Opinion
    forecast: Forecast
    alpha: Signal
    validation: Validation
    verdict: Verdict
    stake: Stake
    mandate: Mandate


class DecisionLine(Record):
    """One run of the desk in a line: what ledgers and reports count; the whole is rebuilt by replaying up to it.

    A probability of -1 means that there was none: no two-sided book, or no fair value.
    """

    at_ns: I64
    event_seq: I64
    mandate_id: I64
    left_ns: I64
    p_up: F64
    p_low: F64
    p_high: F64
    p_mid: F64
    p_fair: F64
    p_point: F64
    edge_bps: Annotated[Floats, np.float64, (2,)]
    ask_bps: Annotated[Ints, np.int64, (2,)]
    shares_micros: I64
    slot_id: U16
    reason_code: U16
    gate_code: U8
    side_code: U8
    take_mask: U8
    quote_mask: U8
    exit_mask: I64
    open_s: I64
