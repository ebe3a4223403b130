"""Rules that need no skill, at executable prices and after every cost: what the desk must beat.

Each takes the book as it was at fixed moments before the close, pays the walked depth or what it had become after the
taker hold, whichever is worse, pays the fee of the day, and is held to settlement. Doing nothing earns nothing: that is
the book's own opinion, and the hardest baseline of all.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from evals.results import UNKNOWN_OUTCOME, Baseline, Columns
from state.events import Token
from state.records import Floats, Ints
from state.units import BPS, MICROS, MILL_BPS
from tools.fees import fee_micros
from tools.intervals import Estimate, clustered_interval

NO_TRADE: Final = -1


def _ints() -> Ints:
    return np.zeros(0, np.int64)


def _floats() -> Floats:
    return np.zeros(0, np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments(Columns):
    """The book of one window at one moment before its close, for both tokens; a window has a row per moment."""

    window_s: Ints = field(default_factory=_ints)
    left_s: Ints = field(default_factory=_ints)
    outcome_code: Ints = field(default_factory=_ints)
    """`Token` that won, or `UNKNOWN_OUTCOME`."""
    up_ask_bps: Ints = field(default_factory=_ints)
    """Best ask; -1 where the side is empty."""
    down_ask_bps: Ints = field(default_factory=_ints)
    up_mid_bps: Floats = field(default_factory=_floats)
    """Middle of UP, to tell the favourite; NaN if one-sided."""
    up_cost_micros: Ints = field(default_factory=_ints)
    """Collateral that the stated size costs by walking the asks now, without fee; -1: not that much is displayed."""
    down_cost_micros: Ints = field(default_factory=_ints)
    up_held_cost_micros: Ints = field(default_factory=_ints)
    """The same on the book as it is when the taker hold ends; -1 likewise."""
    down_held_cost_micros: Ints = field(default_factory=_ints)
    move_usd: Floats = field(default_factory=_floats)
    """Price now less price to beat, by the settlement feed or an exchange; NaN without such a price."""
    last_move_usd: Floats = field(default_factory=_floats)
    """Change of that price over the last seconds; NaN likewise."""
    fee_rate_ppm: Ints = field(default_factory=_ints)
    fee_exponent_count: Ints = field(default_factory=_ints)
    fee_by_notional: Ints = field(default_factory=_ints)


def baselines(
    moments: Moments, shares_micros: int, generator: np.random.Generator, at_s: tuple[int, ...] = (120, 60)
) -> tuple[Baseline, ...]:
    """Play every dumb rule over all windows that have a known outcome.

    Args:
        moments: the books, one row per window and moment.
        shares_micros: the size that every rule takes, the one `up_cost_micros` was walked with.
        generator: seeded, for the coin.
        at_s: the moments, in seconds to the close, at which the rules act.
    """
    windows = np.unique(moments.window_s[moments.outcome_code != UNKNOWN_OUTCOME])
    nothing = np.full(len(windows), NO_TRADE, np.int64)
    found = [_played("no trade", "believes the book's middle and so never trades", moments, nothing, nothing, 0)]
    coins = generator.integers(0, 2, len(windows))
    size = f"takes {shares_micros / MICROS:g} shares of"
    for left_s in at_s:
        rows = _rows_at(moments, windows, left_s)
        favourite = _chosen(_at(moments.up_mid_bps, rows) - BPS / 2)
        choices = [
            ("favourite", "the likelier token", favourite),
            ("underdog", "the less likely token", np.where(favourite == NO_TRADE, NO_TRADE, 1 - favourite)),
            ("coin", "a token by a seeded coin", coins),
        ]
        if np.isfinite(moments.move_usd).any():
            above = _chosen(_at(moments.move_usd, rows))
            choices.append(("above strike", "UP when the price stands above the price to beat, else DOWN", above))
        if np.isfinite(moments.last_move_usd).any():
            moved = _chosen(_at(moments.last_move_usd, rows))
            choices.append(("last move", "the token that the price's last move points to", moved))
        for name, words, tokens in choices:
            found.append(_played(f"{name} at T-{left_s} s", f"{size} {words}", moments, rows, tokens, shares_micros))
    return tuple(found)


def baseline_interval(baseline: Baseline, level: float = 0.95) -> Estimate:
    """Give a baseline's mean P&L per window that it traded, in dollars, with the interval over windows."""
    rows = baseline.traded == 1
    return clustered_interval(baseline.pnl_usd[rows], baseline.window_s[rows], level)


def taker_pnl_micros(moments: Moments, row: int, token: int, shares_micros: int) -> int | None:
    """Give what taking the size of one token made after cost, hold and fee; None where it could not be bought.

    The cost is the worse of the book now and the book after the hold: a maker pulls when he would lose, and stays when
    we would. The fee is charged on the average price paid, rounded up to the mill: never in our favour at the rising
    end of the curve, a doubt of at most a mill at the falling end.
    """
    now = moments.up_cost_micros if token == Token.UP else moments.down_cost_micros
    later = moments.up_held_cost_micros if token == Token.UP else moments.down_held_cost_micros
    if now[row] < 0 or later[row] < 0 or moments.outcome_code[row] == UNKNOWN_OUTCOME:
        return None
    cost = max(int(now[row]), int(later[row]))
    average_bps = min(BPS - MILL_BPS, -(-cost * BPS // shares_micros // MILL_BPS) * MILL_BPS)
    fee = fee_micros(
        average_bps,
        shares_micros,
        int(moments.fee_rate_ppm[row]),
        int(moments.fee_exponent_count[row]),
        bool(moments.fee_by_notional[row]),
    )
    if fee < 0:
        return None
    payout = shares_micros if moments.outcome_code[row] == token else 0
    return payout - cost - fee


def _played(name: str, rule: str, moments: Moments, rows: Ints, tokens: Ints, shares_micros: int) -> Baseline:
    """Play one token per window (or none) at that window's row (or none)."""
    windows = np.unique(moments.window_s[moments.outcome_code != UNKNOWN_OUTCOME])
    pnl, traded = np.zeros(len(windows)), np.zeros(len(windows), np.int64)
    for k, (row, token) in enumerate(zip(rows, tokens, strict=True)):
        made = taker_pnl_micros(moments, int(row), int(token), shares_micros) if min(row, token) >= 0 else None
        if made is not None:
            pnl[k], traded[k] = made / MICROS, 1
    return Baseline(name=name, rule=rule, window_s=windows, pnl_usd=pnl, traded=traded)


def _rows_at(moments: Moments, windows: Ints, left_s: int) -> Ints:
    where = {int(moments.window_s[row]): row for row in np.flatnonzero(moments.left_s == left_s)}
    return np.array([where.get(int(window), NO_TRADE) for window in windows], np.int64)


def _at(column: Floats, rows: Ints) -> Floats:
    return np.array([column[row] if row >= 0 else np.nan for row in rows], float)


def _chosen(lean_up: Floats) -> Ints:
    """Choose UP where the lean is above zero, DOWN below, nothing at zero or without a number."""
    return np.where(lean_up > 0, int(Token.UP), np.where(lean_up < 0, int(Token.DOWN), NO_TRADE)).astype(np.int64)
