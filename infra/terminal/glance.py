"""A glance: everything that a screen shows of a running desk, as plain values; nothing in here reads or draws.

Figures that are not known are None and are then not shown: a zero is always a zero that was measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """What kind of session this is, and whose money it plays with."""

    name: str = "demo"
    """demo, paper, record, live or replay."""
    speed_ratio: float = 1.0
    """Seconds of the session's clock in one second of the wall's."""
    money: str = "simulated"
    """"simulated" or "real": said wherever a profit is said."""
    venue: str = ""
    journal: str = ""
    began_ns: int = 0
    began_cash_micros: int | None = None
    """Cash at the beginning; without it no profit of the session is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedHealth:
    """How one connection does; counted by the streams."""

    wire: str
    state: str
    """up, connecting, stale, down, waiting; idle stands by for another and is well."""
    generation: int = 0
    """Counts connections: what was known before the last one is not continued."""
    age_ms: float | None = None
    """Since its last frame, in the session's time."""
    frames: int = 0
    per_s: float | None = None
    """Frames per second of the session's time."""
    reconnects: int = 0
    lost: int = 0
    reason: str = ""
    """Why it last went away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageLatency:
    """One stage's latency beside its budget, in ms of real time."""

    name: str
    p50_ms: float | None
    p99_ms: float | None
    budget_ms: float | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionShown:
    """Something that the desk decided or the hot loop did, with its reason in words."""

    at_ns: int
    mandate_id: int
    what: str
    """mandate, stand aside, take, quote, cancel, ..."""
    gate: str = ""
    """The gate that closed; empty when none did."""
    reason: str = ""
    p_up: float | None = None
    edge_bps: float | None = None
    window: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the shell has counted since it began."""

    frames: int = 0
    rows: int = 0
    commands: int = 0
    asks: int = 0
    mandates: int = 0
    coalesced: int = 0
    """Runs of the desk that a newer request overtook."""
    conflated: int = 0
    """Frames that newer ones of the same thing replaced while they waited."""
    lost: int = 0
    """Frames dropped that nothing replaced: each invalidates what it may have changed."""
    refused: int = 0
    """Frames that could not be read."""
    journal_rows: int = 0
    journal_bytes: int = 0
    cpu_ratio: float | None = None
    """Share of one core that the desk's process uses."""
    rss_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPrice:
    """One source's price of the window's coin, as the core knows it."""

    name: str
    quality: str
    """good, odd, stale, down, silent."""
    mid_usd: float | None = None
    age_ms: float | None = None
    basis_bps: float | None = None
    """Habitual distance from the settlement stream."""
    offset_ms: float | None = None
    """Least correction that its clock needs; None where it stamps nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthShown:
    """One token's book: touch, size at it, and size within four cents of it."""

    bid_bps: int | None = None
    ask_bps: int | None = None
    bid_shares: float = 0.0
    ask_shares: float = 0.0
    bid_near_shares: float = 0.0
    ask_near_shares: float = 0.0
    state: str = "no snapshot"
    """whole, one-sided, empty, no snapshot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MandateShown:
    """What the desk allows in this window now."""

    mandate_id: int
    left_ms: float
    """Until it ends; negative: it has."""
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowShown:
    """The window that the screen is about."""

    slug: str
    phase: str
    open_ns: int
    close_ns: int
    now_ns: int
    strike_usd: float | None = None
    strike_source: str = "not known yet"
    strike_known: bool = False
    """False: provisional, our own average until the venue or its stream has spoken."""
    strike_gap_bps: float | None = None
    lookback_s: int = 0
    rolling_usd: float | None = None
    """Average of the last look-back seconds: what the close would be now."""
    known_usd: float | None = None
    """Average of the close's seconds so far."""
    known_s: int = 0
    """How many of its seconds those are."""
    expected_usd: float | None = None
    """The close that fair value expects, at the desk's last look ..."""
    expected_sd_usd: float | None = None
    p_fair: float | None = None
    p_up: float | None = None
    """The desk's posterior: the book's middle, fair value and the agents, fused."""
    p_low: float | None = None
    p_high: float | None = None
    bid_bps: int | None = None
    """Best bid and offer of UP over both tokens' books."""
    ask_bps: int | None = None
    depths: tuple[DepthShown, DepthShown] = (DepthShown(), DepthShown())
    """By token: UP, DOWN."""
    book_usd: float = 0.0
    """Resting notional of the fuller of the two books."""
    book_age_ms: float | None = None
    tick_bps: int = 0
    mandate: MandateShown | None = None
    outcome: str = ""
    final_usd: float | None = None
    refused: str = ""
    """Why the window is not traded at all; empty when it may be."""

    @property
    def span_ns(self) -> int:
        """Give its length."""
        return self.close_ns - self.open_ns

    @property
    def left_ns(self) -> int:
        """Give the time to its close; negative after it."""
        return self.close_ns - self.now_ns

    @property
    def gone_ratio(self) -> float:
        """Give the share of the window that has passed, 0..1."""
        if self.span_ns <= 0:
            return 0.0
        return min(max((self.now_ns - self.open_ns) / self.span_ns, 0.0), 1.0)

    @property
    def mid_bps(self) -> float | None:
        """Give the middle of UP's book; None when a side is empty."""
        if self.bid_bps is None or self.ask_bps is None:
            return None
        return 0.5 * (self.bid_bps + self.ask_bps)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionShown:
    """What we hold in one window."""

    slug: str
    up_shares: float = 0.0
    down_shares: float = 0.0
    spent_usd: float = 0.0
    fees_usd: float = 0.0
    pending_usd: float = 0.0
    """Collateral of orders that rest or are on their way."""
    worth_usd: float = 0.0
    """Pairs at a dollar, the rest at the bid; nothing where nobody bids."""
    unbid_shares: float = 0.0
    """Shares that nobody bids for, counted as worth nothing."""
    fills: int = 0
    reversed: int = 0

    @property
    def marked_usd(self) -> float:
        """Give what it would have made if it were sold now, fees of selling apart."""
        return self.worth_usd - self.spent_usd - self.fees_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyShown:
    """Cash and profit, after fees."""

    cash_usd: float = 0.0
    day_realized_usd: float = 0.0
    """Of windows that settled this UTC day."""
    open_marked_usd: float = 0.0
    """Of windows that have not settled, marked at the bid."""
    session_usd: float | None = None
    """Cash and marks less the cash it began with."""
    fees_usd: float = 0.0
    rebates_usd: float = 0.0
    settled_count: int = 0
    """Windows with a position of ours that have settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderShown:
    """One order that is not over."""

    order_id: int
    mandate_id: int
    slug: str
    token: str
    side: str
    price_bps: int
    shares: float
    filled_shares: float
    state: str
    tif: str
    post_only: bool
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitShown:
    """How much of a limit is used."""

    name: str
    used: float
    most: float
    unit: str
    """"$", "windows" or "log e"."""
    is_floor: bool = False
    """True: the figure must not fall below, e.g. the book's notional."""

    @property
    def ratio(self) -> float:
        """Give the share used, 0..1 and beyond; for a floor how much of the figure is needed."""
        if self.is_floor:
            return self.most / self.used if self.used > 0.0 else float("inf")
        return self.used / self.most if self.most > 0.0 else (1.0 if self.used > 0.0 else 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComingShown:
    """A window that is ready before it opens."""

    slug: str
    opens_in_s: float
    books: str
    """whole, one-sided, empty, no snapshot: of UP's book."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """Everything a screen shows at one moment."""

    now_ns: int
    mode: Mode = field(default_factory=Mode)
    window: WindowShown | None = None
    nowcast_usd: float | None = None
    nowcast_sd_usd: float | None = None
    disagreement_bps: float | None = None
    volatility_bps: float | None = None
    """Of the price, per root second."""
    feeds: tuple[FeedPrice, ...] = ()
    money: MoneyShown = field(default_factory=MoneyShown)
    positions: tuple[PositionShown, ...] = ()
    orders: tuple[OrderShown, ...] = ()
    limits: tuple[LimitShown, ...] = ()
    coming: tuple[ComingShown, ...] = ()
    decisions: tuple[DecisionShown, ...] = ()
    """Newest last."""
    latency: tuple[StageLatency, ...] = ()
    health: tuple[FeedHealth, ...] = ()
    counts: Counts = field(default_factory=Counts)
    faults: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    """Newest last."""
    stopped: str = ""
    """Why no new risk is taken anywhere: told to halt, platform not sound; empty when it may be."""
    core_refused: int = 0
    """Rows that the core could not apply."""
    params: str = ""
    """Hash of the parameters in force, as far as the world knows it."""


def stages_of(table: Sequence[Mapping[str, Any]]) -> tuple[StageLatency, ...]:
    """Take the rows of `infra.shell.latency.Latency.table` over."""
    return tuple(
        StageLatency(
            name=str(row["span"]),
            p50_ms=row["p50_ms"],
            p99_ms=row["p99_ms"],
            budget_ms=row["budget_ms"],
            count=int(row["count"]),
        )
        for row in table
    )
