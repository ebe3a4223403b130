"""Prove settlement: real strikes and outcomes under the rule of their day, and what averaging makes of the same ticks.

Every value goes through `observe` and `refresh_average`, the code that settles live windows; only the comparison with
the venue's published numbers is made here.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evals.proof import Figure, Proof
from state.compiled import compiled
from state.events import Token
from state.prices import RING_S, Average, Observations
from state.records import F64, Flag, Floats, Ints, Record, one, rows
from state.units import NS_PER_S
from tools.average import observe, open_average, refresh_average, value_at

LATE_S: Final = 60
"""Seconds after a close for which late observations are still waited for."""

SAME_USD: Final = 1e-6
"""Published numbers have 18 decimals; a double holds about 11 behind the point of a bitcoin price."""

COVERAGE_LEAST: Final = 0.9
"""Averages with a smaller share of their own observations do not settle anything here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A stretch of the settlement stream with the windows that it settled; plain arrays, one row each."""

    at_ns: Ints
    """Observation times, in the order they were seen."""
    seen_ns: Ints
    price_usd: Floats
    open_s: Ints
    """Opening seconds of the windows, rising."""
    close_s: Ints
    strike_usd: Floats
    """Price to beat as the venue published it; NaN where it did not."""
    outcome_code: Ints
    """`Token` that won; -1 where it is not known."""


class Settled(Record):
    """One window as one rule settles it, and as the values at its two ends would."""

    strike_usd: F64
    close_usd: F64
    strike_ratio: F64
    """Share of the strike's seconds with an observation of their own."""
    close_ratio: F64
    open_usd: F64
    """The observation of the very opening second; NaN without one."""
    end_usd: F64
    """The same of the closing second."""
    complete: Flag
    """False where the stream ended before the window did, or began after the strike."""
    up: Flag
    """Who won: a tie is UP."""
    last_up: Flag
    """Who would have won by the value at the instant."""


@compiled
def _settle(
    at_ns: Ints, price_usd: Floats, open_s: Ints, close_s: Ints, lookback_s: int,
    observations: Observations, strike: Average, close: Average, settled: "NDArray[Any]",
) -> None:  # fmt: skip
    tick = 0
    for row in range(len(open_s)):
        until_s = min(close_s[row] + LATE_S, open_s[row] - lookback_s + RING_S - 1)
        while tick < len(at_ns) and (observations.count == 0 or observations.newest_s < until_s):
            observe(observations, at_ns[tick], price_usd[tick])
            tick += 1
        open_average(strike, open_s[row], 1)
        open_average(close, close_s[row], 1)
        refresh_average(strike, observations)
        refresh_average(close, observations)
        settled[row].last_up = close.base_usd >= strike.base_usd
        settled[row].open_usd = value_at(observations, open_s[row])
        settled[row].end_usd = value_at(observations, close_s[row])
        open_average(strike, open_s[row], lookback_s)
        open_average(close, close_s[row], lookback_s)
        refresh_average(strike, observations)
        refresh_average(close, observations)
        settled[row].strike_usd = strike.base_usd
        settled[row].close_usd = close.base_usd
        settled[row].strike_ratio = strike.covered_count / lookback_s
        settled[row].close_ratio = close.covered_count / lookback_s
        settled[row].complete = close.known_count == lookback_s and strike.known_count == lookback_s
        settled[row].up = close.base_usd >= strike.base_usd


def settle(day: Day, open_s: Ints, close_s: Ints, lookback_s: int) -> Any:
    """Settle windows by one rule on the day's ticks, as the live code would have: rows of `Settled`.

    Args:
        day: the ticks.
        open_s: opening seconds, rising; any second may open a window here.
        close_s: closing seconds.
        lookback_s: the rule; 1 is the value at the instant.
    """
    settled = rows(Settled, len(open_s))
    parts = (one(Observations), one(Average), one(Average))
    _settle(day.at_ns, day.price_usd, open_s, close_s, lookback_s, *parts, settled)
    return settled


def every_window(day: Day, step_s: int, span_s: int) -> tuple[Ints, Ints]:
    """Give the windows that open on every `step_s` of the day and close inside it: opening and closing seconds."""
    first_s, last_s = int(day.at_ns.min()) // NS_PER_S, int(day.at_ns.max()) // NS_PER_S
    open_s = np.arange(-(-first_s // step_s) * step_s, last_s - span_s + 1, step_s, dtype=np.int64)
    return open_s, open_s + span_s


def settle_proof(day: Day) -> Proof:
    """Hold our strikes and outcomes to the venue's own, market by market, and show what averaging changes.

    The rule of a recorded day is the value at the instant (until 2026-08-06, venue reference 2.5). Markets that
    reach out of the recording, or lack a published strike, an outcome or a tick in the very second, cannot be compared
    and are counted apart.
    """
    inside = (day.open_s >= day.at_ns.min() // NS_PER_S) & (day.close_s <= day.at_ns.max() // NS_PER_S)
    told = inside & np.isfinite(day.strike_usd)
    point = settle(day, day.open_s, day.close_s, 1)
    strikes = told & np.isfinite(point["open_usd"])
    same = strikes & (np.abs(point["open_usd"] - day.strike_usd) <= SAME_USD)
    ends = strikes & np.isfinite(point["end_usd"]) & (day.outcome_code >= 0)
    right = ends & ((point["end_usd"] >= day.strike_usd) == (day.outcome_code == Token.UP))
    own = inside & (day.outcome_code >= 0) & point["complete"]
    own_right = own & (point["up"] == (day.outcome_code == Token.UP))
    figures = (
        _all_of("strikes equal to the value of the opening second", int(same.sum()), int(strikes.sum())),
        _all_of("outcomes equal to closing value >= strike", int(right.sum()), int(ends.sum())),
        Figure(
            name="outcomes from our own ticks alone, filled seconds included",
            measured=f"{int(own_right.sum())} of {int(own.sum())}",
            bar="-",
        ),
    )
    return Proof(
        name="settlement",
        claim="Real strikes and outcomes follow from the ticks by the rule of their day, with the code that runs live.",
        figures=figures,
        tables={"the same ticks under each rule": [_under(day, lookback_s) for lookback_s in (1, 30, 60)]},
        notes=(
            f"{len(day.open_s)} markets, {int(inside.sum())} of them inside the recording; of those "
            f"{int(inside.sum() - strikes.sum())} have no published strike or no tick in their opening second, and "
            f"{int(strikes.sum() - ends.sum())} more no tick in their closing second.",
            "Under an average the windows are all those that open on a whole multiple of their length; the venue's "
            "own averages come from finer data, so these winners are what the recorded ticks say, not the venue.",
        ),
    )


def _all_of(name: str, found: int, of: int) -> Figure:
    return Figure(name=name, measured=f"{found} of {of}", bar="all", holds=of > 0 and found == of)


def _under(day: Day, lookback_s: int) -> dict[str, Any]:
    span_s = int(np.median(day.close_s - day.open_s)) if len(day.open_s) else 300
    settled = settle(day, *every_window(day, span_s, span_s), lookback_s)
    done = settled[settled["complete"]]
    covered = np.minimum(done["strike_ratio"], done["close_ratio"])
    other = int((done["up"] != done["last_up"]).sum())
    return {
        "rule": "value at the instant" if lookback_s == 1 else f"average of {lookback_s} s",
        "windows": len(done),
        "UP": f"{float(done['up'].mean()):.1%}" if len(done) else "-",
        "other winner than the last tick": f"{other} ({other / len(done):.1%})" if len(done) else "-",
        "coverage, mean": f"{float(covered.mean()):.1%}" if len(done) else "-",
        f"windows below {COVERAGE_LEAST:.0%} coverage": int((covered < COVERAGE_LEAST).sum()),
    }
