"""What a run found, as plain values: everything that the report, its JSON and the certificate are made from.

Columns stand side by side as arrays of one length. A float column may hold NaN for "not measured"; integer columns say
what stands for it. An empty run is a valid run: every part has a default that means "nothing of that".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Any, Final

import numpy as np

from state.records import Floats, Ints
from tools.intervals import Values

UNKNOWN_OUTCOME: Final = 255
"""In `won_code` and `outcome_code`: the window's outcome is not known."""


def _ints() -> Ints:
    return np.zeros(0, np.int64)


def _floats() -> Floats:
    return np.zeros(0, np.float64)


class Columns:
    """Mark a dataclass whose fields are columns of one length."""

    def __post_init__(self) -> None:
        """Refuse columns of different lengths."""
        lengths = {len(getattr(self, item.name)) for item in fields(self)}  # type: ignore[arg-type]
        assert len(lengths) == 1, f"{type(self).__name__}: columns of different lengths {sorted(lengths)}"

    def __len__(self) -> int:
        """Count the rows."""
        return len(getattr(self, fields(self)[0].name))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fills(Columns):
    """Every match of ours, in the order it came."""

    window_s: Ints = field(default_factory=_ints)
    """Start of its window, Unix seconds: the cluster of every interval."""
    order_id: Ints = field(default_factory=_ints)
    decided_ns: Ints = field(default_factory=_ints)
    """When the desk decided, by the desk's clock."""
    arrived_ns: Ints = field(default_factory=_ints)
    """When the venue had the order."""
    matched_ns: Ints = field(default_factory=_ints)
    evidence_ns: Ints = field(default_factory=_ints)
    """`seen_ns` of the newest event the decision used."""
    close_ns: Ints = field(default_factory=_ints)
    token_code: Ints = field(default_factory=_ints)
    side_code: Ints = field(default_factory=_ints)
    liquidity_code: Ints = field(default_factory=_ints)
    price_bps: Ints = field(default_factory=_ints)
    amount_micros: Ints = field(default_factory=_ints)
    fee_micros: Ints = field(default_factory=_ints)
    rebate_micros: Ints = field(default_factory=_ints)
    fee_rate_ppm: Ints = field(default_factory=_ints)
    """Curve of the day: what the fee is checked against."""
    fee_exponent_count: Ints = field(default_factory=_ints)
    fee_by_notional: Ints = field(default_factory=_ints)
    """1 for the curves before 2026-03-30."""
    hold_ns: Ints = field(default_factory=_ints)
    """Taker hold of the day."""
    won_code: Ints = field(default_factory=_ints)
    """1: the token filled won; 0: it lost; `UNKNOWN_OUTCOME`."""
    reversed_code: Ints = field(default_factory=_ints)
    """1: the match FAILED later and is not money."""
    p_token: Floats = field(default_factory=_floats)
    """Our probability that the token wins, when we fired."""
    mid_bps: Floats = field(default_factory=_floats)
    """Middle of the token's book when we decided; NaN if one-sided."""
    touch_bps: Floats = field(default_factory=_floats)
    """Price one share would have paid at once when we decided: ask to buy, bid to sell."""
    walk_bps: Floats = field(default_factory=_floats)
    """Average price of the order's size through the book of that moment."""
    match_touch_bps: Floats = field(default_factory=_floats)
    """The touch when we were matched, before our own consumption."""
    displayed_micros: Ints = field(default_factory=_ints)
    """Shares displayed at the fill's price or better at the match, less what we took before; -1 for a maker's fill."""
    mid_1s_bps: Floats = field(default_factory=_floats)
    """Middle of the token's book 1 s after the match: the markout."""
    mid_5s_bps: Floats = field(default_factory=_floats)
    mid_30s_bps: Floats = field(default_factory=_floats)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders(Columns):
    """Every order that was sent, filled or not."""

    window_s: Ints = field(default_factory=_ints)
    order_id: Ints = field(default_factory=_ints)
    placed_ns: Ints = field(default_factory=_ints)
    token_code: Ints = field(default_factory=_ints)
    side_code: Ints = field(default_factory=_ints)
    post_only: Ints = field(default_factory=_ints)
    price_bps: Ints = field(default_factory=_ints)
    amount_micros: Ints = field(default_factory=_ints)
    filled_micros: Ints = field(default_factory=_ints)
    reject_code: Ints = field(default_factory=_ints)
    won_code: Ints = field(default_factory=_ints)


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows(Columns):
    """Every window of the recording, traded or not, in order."""

    window_s: Ints = field(default_factory=_ints)
    usable: Ints = field(default_factory=_ints)
    """1: counted; 0: left out, with its reason in `DataStory.unusable`."""
    outcome_code: Ints = field(default_factory=_ints)
    """`Token` that won, or `UNKNOWN_OUTCOME`."""
    pnl_micros: Ints = field(default_factory=_ints)
    """After every cost and before rebates, which are paid by the day; 0 for a window that was not traded."""
    fills_count: Ints = field(default_factory=_ints)
    cap_micros: Ints = field(default_factory=_ints)
    """Most the window was allowed to lose, fixed before its first fill: the scale of the sequential test; 0 unknown."""
    payout_micros: Ints = field(default_factory=_ints)
    """Most it could have won within that cap, fixed likewise; 0 unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecasts:
    """What was said at moments of windows, by several forecasters side by side."""

    called: str = ""
    """What its windows have in common, where a run's windows had to be scored in two groups; "" for all of a run's."""
    window_s: Ints = field(default_factory=_ints)
    left_s: Ints = field(default_factory=_ints)
    """Seconds to the close."""
    up: Ints = field(default_factory=_ints)
    """1 if UP won."""
    p_up: Mapping[str, Values] = field(default_factory=dict)
    """Forecaster to its probabilities of UP; NaN where it had none. See `FORECASTERS` for the usual names."""
    bid_bps: Floats = field(default_factory=_floats)
    """UP's best bid and ask at that moment; NaN where the side was empty."""
    ask_bps: Floats = field(default_factory=_floats)

    def __len__(self) -> int:
        """Count the moments."""
        return len(self.window_s)


FORECASTERS: Final[Mapping[str, str]] = {
    "fused": "fused forecast",
    "fair": "fair value (average-native)",
    "mid": "book's middle",
    "point": "point-price model",
    "coin": "coin",
}
"""Usual forecasters in the order they are shown, with the words for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals(Columns):
    """Every time the desk stood aside: at which gate, why, and what the refused trade would have made."""

    gate_code: Ints = field(default_factory=_ints)
    """Row of `ReportInput.gates`."""
    reason_code: Ints = field(default_factory=_ints)
    """Key of `ReportInput.reasons`."""
    window_s: Ints = field(default_factory=_ints)
    would_usd: Floats = field(default_factory=_floats)
    """P&L under the matching model, after costs; NaN where there was no trade to refuse or no outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A rule that needs no skill, with what it made window by window."""

    name: str
    rule: str
    """What it does, in words, with its moment and its price."""
    window_s: Ints = field(default_factory=_ints)
    pnl_usd: Floats = field(default_factory=_floats)
    """After every cost, per window; 0 where it could not trade."""
    traded: Ints = field(default_factory=_ints)
    """1 where it traded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Latency samples of one stage of the way from tick to order."""

    name: str
    budget_ms: float
    samples_ms: Floats = field(default_factory=_floats)
    modelled: bool = False
    """True where the number comes from the simulation's model and not from a clock."""


BUDGET_MS: Final[Mapping[str, float]] = {"ingestion": 100.0, "signal": 200.0, "execution": 500.0, "end to end": 1000.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStory:
    """One source of the recording."""

    name: str
    licence: str = ""
    first_ns: int = 0
    last_ns: int = 0
    events_count: int = 0
    clock: str = ""
    """What is known of its clock, in words: offset, jitter, or that it cannot be known."""
    gaps_count: int = 0
    longest_gap_s: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataStory:
    """Where the data came from and what is wrong with it."""

    sources: tuple[SourceStory, ...] = ()
    unusable: Mapping[str, int] = field(default_factory=dict)
    """Reason in words to the number of windows left out for it."""
    settlement: str = ""
    """The settlement rule these windows were held to, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleOfDay:
    """One dated venue rule that the run obeyed."""

    name: str
    value: str
    since: str = ""
    source: str = ""


class Light(IntEnum):
    """What a check found."""

    UNKNOWN = 0
    GREEN = 1
    RED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of the certificate, with what it looked at and what it found, in words and in numbers."""

    name: str
    light: Light
    asked: str
    """The question, in words."""
    found: str
    """The answer, in words, with its numbers and units."""
    looked_count: int = 0
    bad_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportInput:
    """Everything a report is made from. Pure values: no clock, no file; whoever fills it says when it was made."""

    title: str
    mode: str = "backtest"
    made: str = ""
    version: str = ""
    machine: str = ""
    run_hash: str = ""
    params_hash: str = ""
    params: Mapping[str, float] = field(default_factory=dict)
    capital_usd: float = 0.0
    story: DataStory = DataStory()
    rules: tuple[RuleOfDay, ...] = ()
    cannot_show: str = ""
    """One plain clause: what this data cannot show. It stands in the headline."""
    limits: tuple[str, ...] = ()
    """Plain lines on what this data can and cannot show, one or more per source."""
    fills: Fills = field(default_factory=Fills)
    orders: Orders = field(default_factory=Orders)
    windows: Windows = field(default_factory=Windows)
    forecasts: Forecasts = field(default_factory=Forecasts)
    other_forecasts: Forecasts = field(default_factory=Forecasts)
    """Those of windows that share no moment with the first group: books of one day, prices of another."""
    refusals: Refusals = field(default_factory=Refusals)
    gates: tuple[str, ...] = ()
    reasons: Mapping[int, str] = field(default_factory=dict)
    baselines: tuple[Baseline, ...] = ()
    latency: tuple[Stage, ...] = ()
    checks: tuple[Check, ...] = ()
    fee_rate_ppm: int = 0
    """Taker fee curve of the day, drawn beside the edge by price; 0 draws none."""
    fee_exponent_count: int = 1
    fee_by_notional: bool = False
    seed: int = 1
    """Seeds the bootstrap bands, so that the same run gives the same page."""
    tries_count: int = 1
    """How many variants of strategy or parameters were looked at on this data, this one included."""
    tries_sd: float = 0.0
    """Standard deviation of their Sharpe ratios per window."""
    fills_are_illustrative: bool = False
    """True where the data cannot support maker fills: they are shown, and not counted as evidence."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further facts for the JSON only."""

    @property
    def forecast_groups(self) -> tuple[Forecasts, ...]:
        """Give the groups of windows that forecasts are scored in, the larger one first; empty ones are left out."""
        return tuple(group for group in (self.forecasts, self.other_forecasts) if len(group))
