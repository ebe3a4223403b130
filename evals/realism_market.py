"""The figures of a generated market, taken window by window, so that a day of it needs no more room than a window."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from evals.generator import World, begin_world, open_s
from evals.generator_feeds import Events
from evals.generator_spec import MarketSpec
from evals.realism_books import Figures, book_figures, change_figures, gather, mids, trade_figures
from evals.realism_prices import exchange_figures, lag_s, stream_figures
from state.events import Kind, Source, Token
from state.records import Floats
from state.units import NS_PER_S

DAY_S: Final = 86_400
LATE: Final = ("one-sided", "Brier")
"""What is recorded only of days that settled on the last price: measured on a twin that does so too."""

Told = Callable[[int, int], None]


def _untold(done: int, total: int) -> None:
    """Take progress and say nothing."""


def market_figures(spec: MarketSpec, seed: int, windows: int, told: Told = _untold) -> dict[str, Floats]:
    """Generate a market and measure it: values of each figure over its windows, or over the hours of a day."""
    world = begin_world(replace(spec, windows=windows), seed)
    prices = {feed.source: np.concatenate(list(world.feed(number))) for number, feed in enumerate(spec.feeds)}
    units = []
    for index in range(windows):
        units.append(_window(world, index, prices))
        told(index + 1, 2 * windows)
    figures = gather(units)
    twin = begin_world(replace(spec, windows=windows, lookback_s=0), seed)
    lates = []
    for index in range(windows):
        lates.append(_late(twin, index))
        told(windows + index + 1, 2 * windows)
    figures |= gather(lates)
    for source, name in ((Source.BINANCE, "spot"), (Source.BINANCE_PERP, "perpetual")):
        if source in prices:
            figures |= exchange_figures(prices[source], name)
    return figures | _day(spec, seed)


def _window(world: World, index: int, prices: dict[Source, Events]) -> Figures:
    """Measure one window under the rule of the spec."""
    spec = world.spec
    start_s = open_s(spec, index)
    low_ns, high_ns = start_s * NS_PER_S, (start_s + min(spec.window_s, 240)) * NS_PER_S
    rows = world.book(index)
    figures = book_figures(rows, start_s, spec.window_s, None)
    figures = {name: value for name, value in figures.items() if not name.startswith(LATE)}
    figures |= change_figures(rows, low_ns, high_ns) | trade_figures(rows, low_ns, high_ns)
    delays_ms = (rows["seen_ns"] - rows["at_ns"]) / 1e6
    figures["book delay, p50 ms"] = float(np.median(delays_ms))
    seen_ns, p_up = mids(rows, low_ns, high_ns)
    if len(seen_ns) < 60:
        return figures
    if Source.BINANCE_PERP in prices:
        lead = _between(prices[Source.BINANCE_PERP], low_ns, high_ns)
        middle = 0.5 * (lead["value_usd"] + lead["other_usd"])
        figures["middle behind the perpetual, s"] = lag_s(lead["seen_ns"], middle, seen_ns, p_up)
    stream = _between(world.published, low_ns, high_ns)
    # The stream follows the book here, so the book leads.
    usd = np.log(stream["value_usd"])
    figures["stream behind the middle, s"] = lag_s(seen_ns, np.exp(p_up), stream["seen_ns"], usd)
    return figures


def _between(rows: Events, low_ns: int, high_ns: int) -> Events:
    found = rows[(rows["kind_code"] == Kind.PRICE_SEEN) & (rows["seen_ns"] >= low_ns) & (rows["seen_ns"] < high_ns)]
    sorted_rows: Events = found[np.argsort(found["seen_ns"], kind="stable")]
    return sorted_rows


def _late(world: World, index: int) -> Figures:
    """Measure how one window ends under the old rule."""
    start_s = open_s(world.spec, index)
    close_s = start_s + world.spec.window_s
    up = world.path.average_usd(close_s, 0) >= world.path.average_usd(start_s, 0)
    figures = book_figures(world.book(index), start_s, world.spec.window_s, Token.UP if up else Token.DOWN)
    return {name: value for name, value in figures.items() if name.startswith(LATE)}


def _day(spec: MarketSpec, seed: int) -> dict[str, Floats]:
    """Measure a whole day of the settlement stream: its figures are the hours'."""
    midnight_s = spec.first_open_s // DAY_S * DAY_S
    day = replace(spec, first_open_s=midnight_s, windows=DAY_S // spec.window_s, feeds=())
    rows = begin_world(day, seed).published
    return stream_figures(rows[rows["kind_code"] == Kind.PRICE_SEEN])
