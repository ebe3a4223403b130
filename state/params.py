"""The desk's parameters: typed, bounded, hashed, diffable, and one flat record in the world.

Each field carries its default, its bounds and the direction that adds risk. The supervisor may move a field only inside
the bounds and never towards more risk where `limit` is set; an operator lowers a limit at once and raises it only by
editing the settings file.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, get_args, get_type_hints

import numpy as np

from state.records import Record, as_dict, one


@dataclass(frozen=True, slots=True)
class Bound:
    """What a parameter may be, what it is if nobody says, and which way is riskier."""

    default: float
    low: float
    high: float
    why: str
    riskier: Literal["up", "down", "neither"] = "neither"
    limit: bool = False


class UnknownParameter(ValueError):
    """A name that is no parameter; the message lists the nearest."""


class OutOfBounds(ValueError):
    """A value outside its parameter's bounds; the message says what they are."""


class Params(Record):
    """Every number that tunes the desk."""

    # pricing
    sigma_prior_bps: Annotated[
        float, np.float64, Bound(0.8, 0.05, 10.0, "volatility before any data, bps of price per root second")
    ]
    sigma_prior_s: Annotated[
        float, np.float64, Bound(120.0, 1.0, 3600.0, "how many seconds of data the prior volatility is worth")
    ]
    # fusion
    mid_weight_ratio: Annotated[float, np.float64, Bound(1.0, 0.5, 1.5, "prior weight of the book's own log-odds")]
    fair_weight_ratio: Annotated[
        float, np.float64, Bound(0.35, 0.0, 1.5, "prior weight of fair value's distance from the book", "up")
    ]
    lead_weight_ratio: Annotated[float, np.float64, Bound(0.3, 0.0, 2.0, "prior weight of the lead-lag agent", "up")]
    flow_weight_ratio: Annotated[float, np.float64, Bound(0.1, 0.0, 2.0, "prior weight of the flow agent", "up")]
    depth_weight_ratio: Annotated[float, np.float64, Bound(0.1, 0.0, 2.0, "prior weight of the liquidity agent", "up")]
    mid_sd_ratio: Annotated[
        float, np.float64, Bound(0.04, 0.001, 0.5, "prior doubt about the weight of the book's own log-odds", "down")
    ]
    weight_sd_ratio: Annotated[float, np.float64, Bound(0.2, 0.01, 1.0, "prior doubt about every other weight", "down")]
    weight_drift_ratio: Annotated[
        float, np.float64, Bound(0.002, 0.0, 0.1, "how much of the prior doubt returns with each window")
    ]
    fair_doubt_ratio: Annotated[
        float, np.float64, Bound(0.1, 0.0, 1.0, "doubt about volatility, as a share of fair value's log-odds", "down")
    ]
    shift_logodds_max: Annotated[
        float, np.float64, Bound(1.5, 0.1, 4.0, "the furthest any single agent may push the odds", "up")
    ]
    interval_z: Annotated[
        float, np.float64, Bound(1.28, 0.25, 4.0, "half width of the forecast's interval in sds", "down")
    ]
    # signal
    take_edge_bps: Annotated[
        float, np.float64, Bound(100.0, 10.0, 2000.0, "least edge after costs to take, at the worse end", "down")
    ]
    arm_bps: Annotated[
        int,
        np.int64,
        Bound(200, 0, 2000, "how far above our price the best offer may lie for a mandate to take it", "up"),
    ]
    quote_edge_bps: Annotated[
        float, np.float64, Bound(150.0, 10.0, 2000.0, "least edge to quote, at the worse end", "down")
    ]
    keep_edge_bps: Annotated[
        float, np.float64, Bound(50.0, -200.0, 2000.0, "a quote whose edge falls below this is pulled", "down")
    ]
    hold_sd_ratio: Annotated[
        float, np.float64, Bound(0.5, 0.0, 3.0, "cost of the taker hold in sds of fair value over it", "down")
    ]
    p_floor: Annotated[float, np.float64, Bound(0.03, 0.001, 0.4, "no trades below this probability", "down")]
    may_take_count: Annotated[int, np.int64, Bound(1, 0, 1, "1 allows taking", "up")]
    may_quote_count: Annotated[int, np.int64, Bound(1, 0, 1, "1 allows quoting", "up")]
    # validation
    pause_e_log: Annotated[
        float, np.float64, Bound(3.0, 1.0, 10.0, "log e-value against the strategy that pauses it", "up")
    ]
    skill_windows_count: Annotated[
        int, np.int64, Bound(30, 5, 2000, "windows before the rolling skill may pause the strategy")
    ]
    skill_floor_logodds: Annotated[
        float, np.float64, Bound(-0.02, -0.5, 0.0, "rolling log-loss skill against the book that pauses it", "down")
    ]
    travel_ns: Annotated[int, np.int64, Bound(150_000_000, 0, 5_000_000_000, "time from decision to the venue", "down")]
    # data quality
    book_age_ns: Annotated[
        int, np.int64, Bound(3_000_000_000, 100_000_000, 60_000_000_000, "oldest book to act on", "up")
    ]
    reference_age_ns: Annotated[
        int, np.int64, Bound(5_000_000_000, 100_000_000, 60_000_000_000, "oldest price reference to act on", "up")
    ]
    coverage_ratio: Annotated[
        float, np.float64, Bound(0.9, 0.5, 1.0, "least share of the strike's and the close's seconds seen", "down")
    ]
    disagreement_bps: Annotated[
        float, np.float64, Bound(8.0, 0.5, 100.0, "largest spread between price feeds after their bases", "up")
    ]
    strike_gap_bps: Annotated[
        float, np.float64, Bound(2.0, 0.01, 50.0, "largest distance of the told strike from our own average", "up")
    ]
    complement_gap_bps: Annotated[
        int, np.int64, Bound(100, 10, 2000, "largest mismatch of the two tokens' books", "up")
    ]
    open_quiet_ns: Annotated[
        int, np.int64, Bound(5_000_000_000, 0, 120_000_000_000, "no new risk in this first part of a window", "down")
    ]
    close_quiet_ns: Annotated[
        int, np.int64, Bound(3_000_000_000, 0, 120_000_000_000, "no new risk in this last part of a window", "down")
    ]
    # limits of the mission
    position_micros: Annotated[
        int, np.int64, Bound(50_000_000_000, 0, 50_000_000_000, "largest cost of one window's position", "up", True)
    ]
    concurrent_count: Annotated[int, np.int64, Bound(5, 0, 5, "windows with risk at once", "up", True)]
    daily_loss_micros: Annotated[
        int, np.int64, Bound(2_000_000_000, 0, 2_000_000_000, "loss of the UTC day that stops new risk", "up", True)
    ]
    correlation_ratio: Annotated[
        float, np.float64, Bound(0.7, 0.0, 1.0, "co-movement above which windows share one cap", "up", True)
    ]
    liquidity_micros: Annotated[
        int,
        np.int64,
        Bound(10_000_000_000, 10_000_000_000, 10**15, "least resting notional of the whole book", "down", True),
    ]
    # platform: beyond these there is no new risk
    settle_most_ns: Annotated[
        int,
        np.int64,
        Bound(30_000_000_000, 5_000_000_000, 600_000_000_000, "longest wait for a match's confirmation", "up"),
    ]
    failures_ratio: Annotated[
        float, np.float64, Bound(0.15, 0.01, 0.5, "largest share of recent trades that failed or were repeated", "up")
    ]
    restart_quiet_ns: Annotated[
        int, np.int64, Bound(120_000_000_000, 0, 900_000_000_000, "quiet after the venue said that it restarts", "down")
    ]
    stale_feeds_ratio: Annotated[
        float, np.float64, Bound(0.5, 0.0, 0.9, "largest share of silent feeds among those we have", "up")
    ]
    oracle_apart_bps: Annotated[
        float, np.float64, Bound(25.0, 1.0, 200.0, "largest distance of settlement stream and exchanges", "up")
    ]
    base_fee_ratio: Annotated[
        float, np.float64, Bound(5.0, 1.2, 100.0, "largest base fee over its recent median", "up")
    ]
    head_age_ns: Annotated[
        int, np.int64, Bound(30_000_000_000, 3_000_000_000, 600_000_000_000, "oldest head of the chain", "up")
    ]
    platform_calm_ns: Annotated[
        int, np.int64, Bound(30_000_000_000, 0, 900_000_000_000, "how long a fault must be gone to be over", "down")
    ]
    # the averaging minute
    spot_side_ratio: Annotated[
        float,
        np.float64,
        Bound(0.9, 0.5, 1.0, "share of one side from which trades of an exchange are one-sided", "up"),
    ]
    spot_surge_ratio: Annotated[
        float, np.float64, Bound(8.0, 1.5, 100.0, "times the usual volume from which one-sided trades count", "up")
    ]
    spot_runaway_bps: Annotated[
        float, np.float64, Bound(6.0, 0.5, 100.0, "largest distance of one exchange's price from all together", "up")
    ]
    # size
    bankroll_micros: Annotated[
        int, np.int64, Bound(100_000_000_000, 1_000_000, 10**13, "capital that Kelly reckons with", "up")
    ]
    kelly_ratio: Annotated[float, np.float64, Bound(0.2, 0.0, 1.0, "share of the full Kelly stake", "up")]
    order_micros: Annotated[
        int, np.int64, Bound(500_000_000, 1_000_000, 50_000_000_000, "largest cost of one order", "up")
    ]
    depth_share_ratio: Annotated[
        float, np.float64, Bound(0.5, 0.01, 1.0, "share of the displayed size one order may take", "up")
    ]
    # complete sets
    may_merge_count: Annotated[int, np.int64, Bound(1, 0, 1, "1 allows merging complete sets into dollars")]
    merge_micros: Annotated[
        int, np.int64, Bound(5_000_000, 1_000_000, 10**12, "least complete sets that are worth a merge")
    ]
    merge_quiet_ns: Annotated[
        int, np.int64, Bound(30_000_000_000, 0, 300_000_000_000, "no merge is begun in this last part of a window")
    ]
    # execution
    mandate_ns: Annotated[
        int, np.int64, Bound(1_000_000_000, 100_000_000, 10_000_000_000, "how long a mandate stands", "up")
    ]
    ask_interval_ns: Annotated[
        int, np.int64, Bound(200_000_000, 50_000_000, 10_000_000_000, "least time between two runs of the desk")
    ]
    ask_move_logodds: Annotated[
        float, np.float64, Bound(0.15, 0.01, 2.0, "move of the odds since the mandate that asks the desk anew")
    ]
    requote_ns: Annotated[
        int, np.int64, Bound(500_000_000, 50_000_000, 60_000_000_000, "least life of a quote before it is moved")
    ]
    cooldown_ns: Annotated[
        int, np.int64, Bound(1_000_000_000, 0, 60_000_000_000, "quiet after a take before the next one", "down")
    ]
    tail_jump_ratio: Annotated[
        float, np.float64, Bound(0.003, 0.0001, 0.05, "largest jump, up or down, that the tail check supposes", "down")
    ]
    tail_loss_micros: Annotated[
        int, np.int64, Bound(10_000_000_000, 0, 50_000_000_000, "largest loss of all windows in that jump", "up")
    ]
    # making or taking, places in queues, exits
    adverse_sd_ratio: Annotated[
        float,
        np.float64,
        Bound(0.5, 0.0, 5.0, "loss of a filled quote in sds of fair value over hold and travel", "down"),
    ]
    cancels_per_min_count: Annotated[
        int, np.int64, Bound(60, 1, 600, "cancels of a window in a minute after which it quotes no more", "up")
    ]
    place_gain_bps: Annotated[
        float, np.float64, Bound(5.0, 0.0, 500.0, "least gain in a quote's expected value to give up its place for")
    ]
    may_exit_count: Annotated[int, np.int64, Bound(1, 0, 1, "1 allows closing a position before the settlement")]
    exit_edge_bps: Annotated[
        float, np.float64, Bound(100.0, -200.0, 2000.0, "least gain over waiting for which a position is closed")
    ]


def _bounds() -> dict[str, Bound]:
    hints = get_type_hints(Params, include_extras=True)
    return {name: next(note for note in get_args(hint) if isinstance(note, Bound)) for name, hint in hints.items()}


def _types() -> dict[str, Any]:
    return {name: get_args(hint)[1] for name, hint in get_type_hints(Params, include_extras=True).items()}


BOUNDS: Final[Mapping[str, Bound]] = _bounds()
_TYPES: Final[Mapping[str, Any]] = _types()


def default_params(changes: Mapping[str, float] | None = None) -> Params:
    """Give the default parameters with some changed.

    Raises:
        UnknownParameter: a name is no parameter.
        OutOfBounds: a value lies outside its bounds or is not whole where it must be.
    """
    params = one(Params)
    row: Any = params
    for name, bound in BOUNDS.items():
        row[name] = bound.default
    for name, value in (changes or {}).items():
        row[name] = checked(name, value)
    return params


def checked(name: str, value: float) -> float:
    """Give the value back when it may stand under that name; say in one line why not otherwise."""
    bound = BOUNDS.get(name)
    if bound is None:
        near = ", ".join(sorted(BOUNDS, key=lambda known: _distance(known, name))[:3])
        raise UnknownParameter(f"unknown parameter {name!r}; the nearest are {near} (see `updown rules --params`)")
    whole = np.issubdtype(number_type(name), np.integer)
    if not np.isfinite(value) or (whole and value != int(value)):
        raise OutOfBounds(f"{name} = {value} must be a {'whole' if whole else 'finite'} number")
    if not bound.low <= value <= bound.high:
        raise OutOfBounds(f"{name} = {value:g} is outside {bound.low:g} .. {bound.high:g} ({bound.why})")
    return value


def number_type(name: str) -> Any:
    """Give the number type of one parameter."""
    return _TYPES[name]


def _distance(known: str, name: str) -> int:
    return -len(set(known.split("_")) & set(name.split("_"))) * 100 + abs(len(known) - len(name))


def params_hash(params: Params) -> str:
    """Hash the values by name, so that the same settings give the same hash in every version of the layout."""
    text = json.dumps(as_dict(params), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def hash_number(params: Params) -> int:
    """Give the hash as the number by which the world and every mandate name their parameters: its first 60 bits."""
    return int(params_hash(params)[:15], 16)


@dataclass(frozen=True, slots=True)
class Change:
    """One parameter's step from one value to another."""

    name: str
    before: float
    after: float

    @property
    def riskier(self) -> bool:
        """Say whether the step adds risk."""
        towards = BOUNDS[self.name].riskier
        return (towards == "up" and self.after > self.before) or (towards == "down" and self.after < self.before)


def difference(before: Params, after: Params) -> tuple[Change, ...]:
    """List what changed between two settings, by name."""
    old, new = as_dict(before), as_dict(after)
    return tuple(Change(name, old[name], new[name]) for name in BOUNDS if old[name] != new[name])
