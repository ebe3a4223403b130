"""The series that are exported: one table says name, kind, help, labels and where each figure comes from.

Labels are few and their values come from our own lists, so that no session can grow the number of series.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from infra.language_model.budget import Spent
from infra.metrics.watched import Reading
from state.orders import OrderState

Sample = tuple[tuple[str, ...], float]
"""Values of the labels, and the figure."""
Read = Callable[[Reading], Iterable[Sample]]

PREFIX: Final = "updown_"
COUNTER: Final = "counter"
GAUGE: Final = "gauge"
HISTOGRAM: Final = "histogram"
OPEN_STATES: Final = tuple(
    state.name.lower() for state in OrderState if state not in (OrderState.NONE, OrderState.DONE, OrderState.REJECTED)
)
GOOD: Final = frozenset({"good", "odd"})
WELL: Final = frozenset({"up", "idle", "waiting"})


@dataclass(frozen=True, slots=True)
class Series:
    """One family of figures."""

    name: str
    kind: str
    help: str
    read: Read
    labels: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Give the names that Prometheus knows it by."""
        if self.kind == HISTOGRAM:
            return tuple(f"{self.name}_{end}" for end in ("bucket", "sum", "count"))
        return (self.name,)


def _one(read: Callable[[Reading], float | None]) -> Read:
    def samples(reading: Reading) -> Iterator[Sample]:
        figure = read(reading)
        if figure is not None:
            yield (), float(figure)

    return samples


def _by(read: Callable[[Reading], Mapping[str, float]]) -> Read:
    return lambda reading: [((name,), float(figure)) for name, figure in read(reading).items()]


def _pulsed(key: str) -> Callable[[Reading], float | None]:
    return lambda reading: reading.pulse.get(key)


def _spent(read: Callable[[Spent], float]) -> Read:
    return _one(lambda reading: read(reading.spent) if reading.spent is not None else None)


def _feeds(reading: Reading) -> dict[str, float]:
    return {feed.name: feed.age_ms / 1e3 for feed in reading.glance.feeds if feed.age_ms is not None}


def _wires(reading: Reading, key: str) -> dict[str, float]:
    wires = reading.pulse.get("wires", {})
    if key == "up":
        return {wire: float(told["state"] in WELL) for wire, told in wires.items()}
    return {wire: float(told[key]) for wire, told in wires.items()}


def _orders(reading: Reading) -> dict[str, float]:
    states = [order.state for order in reading.glance.orders]
    return {state: float(states.count(state)) for state in OPEN_STATES}


def _window(reading: Reading) -> float | None:
    window = reading.glance.window
    return window.book_age_ms / 1e3 if window is not None and window.book_age_ms is not None else None


def _limits(reading: Reading) -> dict[str, float]:
    """Give the share used; a book's notional is no limit on what we do, so it is left out."""
    return {limit.name: limit.ratio for limit in reading.glance.limits if not limit.is_floor}


SERIES: Final = tuple(
    Series(PREFIX + name, kind, help_, read, labels)
    for name, kind, help_, read, labels in (
        ("session_info", GAUGE, "The session that is followed.",
         lambda reading: [((reading.mode, reading.code), 1.0)], ("mode", "code")),
        ("journal_idle_seconds", GAUGE, "Real time since the session's journal last grew.",
         _one(lambda reading: reading.idle_s), ()),
        ("journal_rows_total", COUNTER, "Event rows in the journal.", _one(lambda reading: reading.rows), ()),
        ("frames_total", COUNTER, "Frames that came in since the session's start.", _one(_pulsed("frames")), ()),
        ("queue_depth", GAUGE, "Frames that wait for the core.", _one(_pulsed("waiting")), ()),
        ("queue_depth_most", GAUGE, "The most that ever waited.", _one(_pulsed("deepest")), ()),
        ("frames_dropped_total", COUNTER, "Frames dropped that nothing replaced.",
         _by(lambda reading: reading.pulse.get("lost", {})), ("wire",)),
        ("frames_conflated_total", COUNTER, "Frames that a newer one of the same thing replaced while they waited.",
         _by(lambda reading: reading.pulse.get("conflated", {})), ("wire",)),
        ("frames_refused_total", COUNTER, "Frames that could not be read.", _one(_pulsed("refused")), ()),
        ("wire_up", GAUGE, "1 while a connection is well.", _by(lambda reading: _wires(reading, "up")), ("wire",)),
        ("wire_reconnects_total", COUNTER, "Connections that had to be made again.",
         _by(lambda reading: _wires(reading, "reconnects")), ("wire",)),
        ("feed_age_seconds", GAUGE, "Age of each feed's price, by the session's clock.", _by(_feeds), ("feed",)),
        ("feed_good", GAUGE, "1 while a feed's price may be used.",
         _by(lambda reading: {feed.name: float(feed.quality in GOOD) for feed in reading.glance.feeds}), ("feed",)),
        ("book_age_seconds", GAUGE, "Age of the book of the window that closes first.", _one(_window), ()),
        ("decisions_total", COUNTER, "Runs of the desk whose mandate stood.",
         _one(lambda reading: reading.decisions), ()),
        ("stand_asides_total", COUNTER, "Decisions not to trade.",
         _by(lambda reading: {name: float(count) for name, count in reading.stand_asides.items()}), ("reason",)),
        ("desk_coalesced_total", COUNTER, "Runs of the desk that a newer request overtook.",
         _one(_pulsed("coalesced")), ()),
        ("orders_placed_total", COUNTER, "Orders commanded.", _one(lambda reading: reading.placed), ()),
        ("cancels_total", COUNTER, "Cancels commanded.", _one(lambda reading: reading.pulled), ()),
        ("orders_open", GAUGE, "Orders that are not over.", _by(_orders), ("state",)),
        ("orders_ended_total", COUNTER, "Orders that are over.",
         _by(lambda reading: {name: float(count) for name, count in reading.ended.items()}), ("state",)),
        ("fills_total", COUNTER, "Fills told by the venue.", _one(lambda reading: reading.fills), ()),
        ("windows_settled_total", COUNTER, "Windows with a position of ours that have settled.",
         _one(lambda reading: reading.settled), ()),
        ("cash_usd", GAUGE, "Cash.", _one(lambda reading: reading.glance.money.cash_usd), ()),
        ("profit_session_usd", GAUGE, "Cash and marks less the cash it began with, after fees.",
         _one(lambda reading: reading.glance.money.session_usd), ()),
        ("profit_day_usd", GAUGE, "Of windows that settled this UTC day.",
         _one(lambda reading: reading.glance.money.day_realized_usd), ()),
        ("profit_open_usd", GAUGE, "Of windows that have not settled, marked at the bid.",
         _one(lambda reading: reading.glance.money.open_marked_usd), ()),
        ("fees_usd_total", COUNTER, "Fees paid.", _one(lambda reading: reading.glance.money.fees_usd), ()),
        ("limit_used_ratio", GAUGE, "Share of each limit that is used.", _by(_limits), ("limit",)),
        ("halted", GAUGE, "1 while an operator or a fault has stopped the desk.",
         _one(lambda reading: float(bool(reading.halted))), ()),
        ("fast_state_degraded", GAUGE, "1 while the shared fast state is away.",
         _one(lambda reading: float(bool(reading.fast_state))), ()),
        ("model_usd_today", GAUGE, "Dollars of the language model's budget used today.",
         _spent(lambda spent: spent.usd), ()),
        ("model_tokens_today", GAUGE, "Tokens of the language model's budget used today.",
         _spent(lambda spent: spent.tokens), ()),
        ("model_calls_today", GAUGE, "Calls of the language model today.",
         _spent(lambda spent: spent.calls), ()),
    )
)  # fmt: skip

LATENCY: Final = Series(
    PREFIX + "stage_seconds", HISTOGRAM, "Real time that each stage took, from the session's own pulse.",
    lambda reading: (), ("stage",),
)  # fmt: skip
ALERTS_FAILED: Final = PREFIX + "alerts_failed_total"


def exported() -> frozenset[str]:
    """Name everything that `/metrics` may show."""
    names = {name for series in (*SERIES, LATENCY) for name in series.names}
    return frozenset(names | {ALERTS_FAILED})
