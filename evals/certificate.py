"""Catch a backtest that flatters: typed checks on its fills, orders and windows, each green, red or unknown.

A green check names how many rows it looked at; a check without rows to look at is unknown, never green. The checks read
only what the run wrote down, and reckon again what can be reckoned again: they catch a simulator that is too kind, not
one that lies in its columns.
"""

import numpy as np
from numpy.typing import NDArray

from evals.results import UNKNOWN_OUTCOME, Check, Fills, Light, Orders, ReportInput, Windows
from state.events import Side
from state.orders import Liquidity
from state.units import BPS, MICROS
from tools.fees import fee_micros
from tools.intervals import Values, clustered_interval, clustered_rate, paired_difference


def certify(run: ReportInput) -> tuple[Check, ...]:
    """Put every question to a run, in a fixed order."""
    fills, orders, windows = run.fills, run.orders, run.windows
    return (
        price_check(fills),
        depth_check(fills),
        hold_check(fills),
        fee_check(fills),
        close_check(fills),
        look_ahead_check(fills),
        survivorship_check(fills, orders),
        conservation_check(fills, windows),
        reversal_check(fills, windows),
        selection_check(orders),
        executable_check(fills),
        ablation_check(fills),
    )


def certificate_light(checks: tuple[Check, ...]) -> Light:
    """Give the colour of the whole: red if any is red, green only if some are green and none is red."""
    lights = {check.light for check in checks}
    if Light.RED in lights:
        return Light.RED
    return Light.GREEN if Light.GREEN in lights else Light.UNKNOWN


def price_check(fills: Fills) -> Check:
    """Ask whether a taker ever paid less than the touch of the moment it was matched: at the middle, say."""
    rows = (fills.liquidity_code == Liquidity.TAKER) & np.isfinite(fills.match_touch_bps)
    buys = fills.side_code[rows] == Side.BUY
    worse = np.where(buys, 1.0, -1.0) * (fills.price_bps[rows] - fills.match_touch_bps[rows])
    return _counted(
        "taker prices",
        "Is no taker's fill better than the touch at its match?",
        worse < -1e-9,
        "taker fills at the touch or worse",
        "taker fills better than the touch, as if at the middle",
    )


def depth_check(fills: Fills) -> Check:
    """Ask whether all that was taken was there: displayed at that price or better, less what we took before."""
    rows = (fills.liquidity_code == Liquidity.TAKER) & (fills.displayed_micros >= 0)
    return _counted(
        "depth and own consumption",
        "Was every share that we took displayed, and not already taken by us?",
        fills.amount_micros[rows] > fills.displayed_micros[rows],
        "taker fills within displayed depth",
        "taker fills larger than what was displayed",
    )


def hold_check(fills: Fills) -> Check:
    """Ask whether every taker waited: matched no earlier than arrival plus the hold of the day."""
    rows = fills.liquidity_code == Liquidity.TAKER
    early = fills.matched_ns[rows] < fills.arrived_ns[rows] + fills.hold_ns[rows]
    instant = fills.arrived_ns[rows] <= fills.decided_ns[rows]
    held = int(fills.hold_ns[rows].max()) / 1e6 if rows.any() else 0
    return _counted(
        "latency and taker hold",
        "Did every taker order travel, and wait for the hold of its day?",
        early | instant,
        f"taker fills after travel and hold (longest {held:g} ms)",
        "taker fills matched before they had travelled and waited",
    )


def fee_check(fills: Fills) -> Check:
    """Ask whether every fee equals the curve of its day to the micro-dollar, and makers paid none."""
    takers = fills.liquidity_code == Liquidity.TAKER
    wrong = np.zeros(len(fills), bool)
    for k in range(len(fills)):
        due = 0
        if takers[k]:
            due = fee_micros(
                int(fills.price_bps[k]),
                int(fills.amount_micros[k]),
                int(fills.fee_rate_ppm[k]),
                int(fills.fee_exponent_count[k]),
                bool(fills.fee_by_notional[k]),
            )
        wrong[k] = due != int(fills.fee_micros[k])
    return _counted(
        "fees",
        "Is every fee what the curve of its day says, to the micro-dollar?",
        wrong,
        "fees equal the curve",
        "fees that differ from the curve",
    )


def close_check(fills: Fills) -> Check:
    """Ask whether anything was filled at or after its window's close."""
    return _counted(
        "fills after close",
        "Was nothing filled after its window closed?",
        fills.matched_ns >= fills.close_ns,
        "fills before the close",
        "fills at or after the close",
    )


def look_ahead_check(fills: Fills) -> Check:
    """Ask whether any decision used an event that had not been seen yet when it was taken."""
    return _counted(
        "look-ahead",
        "Had every decision seen all it used?",
        (fills.evidence_ns > fills.decided_ns) | (fills.arrived_ns < fills.decided_ns),
        "fills decided on events already seen",
        "fills decided on events seen later",
    )


def survivorship_check(fills: Fills, orders: Orders) -> Check:
    """Ask whether unfilled orders are counted and the fills of each order add up to what it says was filled."""
    listed = {int(order): int(filled) for order, filled in zip(orders.order_id, orders.filled_micros, strict=True)}
    summed: dict[int, int] = dict.fromkeys(listed, 0)
    orphans = 0
    for order, amount in zip(fills.order_id, fills.amount_micros, strict=True):
        if int(order) in summed:
            summed[int(order)] += int(amount)
        else:
            orphans += 1
    over = sum(1 for row in range(len(orders)) if orders.filled_micros[row] > orders.amount_micros[row])
    bad = sum(1 for order, filled in listed.items() if summed[order] != filled) + orphans + over
    unfilled = int((orders.filled_micros == 0).sum())
    asked = "Are orders that never filled in the books, and do fills add up to their orders?"
    if not len(orders) and not len(fills):
        return _unknown("unfilled orders", asked, "no orders to look at")
    found = f"{len(orders):,} orders, {unfilled:,} of them never filled, all accounted for"
    if bad:
        found = f"{bad:,} mismatches between {len(orders):,} orders and {len(fills):,} fills"
    light = Light.RED if bad else Light.GREEN
    return Check(name="unfilled orders", light=light, asked=asked, found=found, looked_count=len(orders), bad_count=bad)


def conservation_check(fills: Fills, windows: Windows) -> Check:
    """Ask whether each window's profit is its payout less what was paid and charged, to a micro-dollar a fill."""
    stated = {int(w): int(pnl) for w, pnl in zip(windows.window_s, windows.pnl_micros, strict=True)}
    counts = {int(w): int(n) for w, n in zip(windows.window_s, windows.fills_count, strict=True)}
    made: dict[int, int] = {}
    open_windows: set[int] = set()
    rows: dict[int, int] = {}
    for k in range(len(fills)):
        window = int(fills.window_s[k])
        rows[window] = rows.get(window, 0) + 1
        made[window] = made.get(window, 0) + fill_pnl_micros(fills, k)
        if fills.won_code[k] == UNKNOWN_OUTCOME:
            open_windows.add(window)
    looked = [window for window in stated if window not in open_windows and (window in made or counts[window])]
    missing = [window for window in made if window not in stated]
    off = [w for w in looked if abs(stated[w] - made.get(w, 0)) > rows.get(w, 0) or counts[w] != rows.get(w, 0)]
    asked = "Does each window's profit equal payout less cost, fees and reversals, and are no fills missing?"
    if not looked and not missing:
        return _unknown("books balance", asked, "no settled window with fills to look at")
    bad = len(off) + len(missing)
    found = f"{len(looked):,} windows balance to the micro-dollar"
    if bad:
        found = f"{bad:,} of {len(looked) + len(missing):,} windows do not balance"
    light = Light.RED if bad else Light.GREEN
    return Check(name="books balance", light=light, asked=asked, found=found, looked_count=len(looked), bad_count=bad)


def reversal_check(fills: Fills, windows: Windows) -> Check:
    """Ask whether matches that FAILED were taken out of the money."""
    reversed_count = int((fills.reversed_code == 1).sum())
    asked = "Are matches that failed to settle kept out of the profit?"
    if reversed_count == 0:
        return _unknown("failed matches", asked, "no match failed in this run, so their handling was not tried")
    balance = conservation_check(fills, windows)
    light = balance.light
    found = f"{reversed_count:,} failed matches; {balance.found}"
    return Check(name="failed matches", light=light, asked=asked, found=found, looked_count=reversed_count)


def selection_check(orders: Orders) -> Check:
    """Compare how often orders on the token that lost were filled with those on the token that won.

    Real resting orders are filled more often when they lose (a public record of 41,334 fifteen-minute markets: 0.96 to
    1.00 against 0.84). A simulator whose makers fill more often on winners, beyond doubt, is not of this market.
    """
    rows = (orders.post_only == 1) & (orders.won_code != UNKNOWN_OUTCOME) & (orders.side_code == Side.BUY)
    asked = "Are resting orders not filled more often on the winner than on the loser?"
    won, lost = rows & (orders.won_code == 1), rows & (orders.won_code == 0)
    if not won.any() or not lost.any():
        return _unknown("fill when winning, fill when losing", asked, "no resting orders on both sides to compare")
    filled = orders.filled_micros > 0
    winner, loser = (clustered_rate(filled[side], orders.window_s[side]) for side in (won, lost))
    found = (
        f"filled on the winner {winner.mean:.1%}, on the loser {loser.mean:.1%} of {int(rows.sum()):,} resting orders"
    )
    light = Light.GREEN
    if winner.low > loser.high:
        light = Light.RED
    elif len(np.unique(orders.window_s[rows])) < 10:
        light, found = Light.UNKNOWN, found + "; fewer than 10 windows"
    return Check(
        name="fill when winning, fill when losing", light=light, asked=asked, found=found, looked_count=int(rows.sum())
    )


def executable_check(fills: Fills) -> Check:
    """Measure the gap between the tape and what could be had: profit at the middle less profit at our prices."""
    rows = np.isfinite(fills.mid_bps) & (fills.reversed_code == 0)
    asked = "What would pretending to trade at the middle have added?"
    if not rows.any():
        return _unknown("tape against executable", asked, "no fills with a two-sided book to look at")
    sign = np.where(fills.side_code[rows] == Side.BUY, 1.0, -1.0)
    gap = sign * (fills.price_bps[rows] - fills.mid_bps[rows])
    takers = fills.liquidity_code[rows] == Liquidity.TAKER
    per_share = clustered_interval(gap, fills.window_s[rows])
    flattering = bool(takers.any()) and float(gap[takers].mean()) <= 0.0
    found = f"{per_share.mean / 100:+.2f} cents per share against the middle over {int(rows.sum()):,} fills"
    if flattering:
        found += "; takers on average paid no spread"
    light = Light.RED if flattering else Light.GREEN
    return Check(
        name="tape against executable", light=light, asked=asked, found=found, looked_count=int(rows.sum()),
        bad_count=int(flattering),
    )  # fmt: skip


def ablation_check(fills: Fills) -> Check:
    """Take the fees away: a result that only fees can spoil must get better by exactly the fees, and never by less."""
    known = (fills.won_code != UNKNOWN_OUTCOME) & (fills.reversed_code == 0)
    asked = "What would the result be without fees, and does the answer hang on them?"
    if not known.any():
        return _unknown("fee ablation", asked, "no settled fills to look at")
    net = np.array([fill_pnl_micros(fills, int(k)) for k in np.flatnonzero(known)], float)
    windows = fills.window_s[known]
    free = net + fills.fee_micros[known]
    gap = paired_difference(free, net, windows)
    found = (
        f"${float(net.sum()) / MICROS:,.2f} with fees, ${float(free.sum()) / MICROS:,.2f} without, over "
        f"{int(known.sum()):,} fills"
    )
    taken = fills.liquidity_code[known] == Liquidity.TAKER
    charged_nothing = bool(taken.any()) and gap.mean == 0.0 and bool((fills.fee_rate_ppm[known] > 0).any())
    if float(free.sum()) > 0.0 > float(net.sum()):
        found += "; the sign hangs on the fees"
    return Check(
        name="fee ablation", light=Light.RED if charged_nothing else Light.GREEN, asked=asked, found=found,
        looked_count=int(known.sum()), bad_count=int(charged_nothing),
    )  # fmt: skip


def fill_pnl_micros(fills: Fills, row: int) -> int:
    """Give one fill's profit at settlement after its fee, without rebate: each fill held on its own to the outcome.

    A sale gives up the payout of the share it sold, so buying and selling the same share adds up to what it made. A
    match that FAILED, or whose outcome is unknown, is not money.
    """
    if fills.reversed_code[row] == 1 or fills.won_code[row] == UNKNOWN_OUTCOME:
        return 0
    amount = int(fills.amount_micros[row])
    cost = amount * int(fills.price_bps[row]) // BPS
    payout = amount if fills.won_code[row] == 1 else 0
    gain = payout - cost if fills.side_code[row] == Side.BUY else cost - payout
    return gain - int(fills.fee_micros[row])


def fills_pnl_usd(fills: Fills) -> Values:
    """Give every fill's profit at settlement after its fee, in dollars; NaN where the outcome is unknown.

    Rebates are left out: what a share of the pool will be is not known before the day is paid.
    """
    made = np.array([fill_pnl_micros(fills, k) for k in range(len(fills))], float)
    return np.where(fills.won_code == UNKNOWN_OUTCOME, np.nan, made / MICROS)


def _counted(name: str, asked: str, bad: NDArray[np.bool_], good_words: str, bad_words: str) -> Check:
    count, wrong = len(bad), int(bad.sum())
    if count == 0:
        return _unknown(name, asked, "no fills to look at")
    found = f"{wrong:,} of {count:,} {bad_words}" if wrong else f"{count:,} of {count:,} {good_words}"
    light = Light.RED if wrong else Light.GREEN
    return Check(name=name, light=light, asked=asked, found=found, looked_count=count, bad_count=wrong)


def _unknown(name: str, asked: str, why: str) -> Check:
    return Check(name=name, light=Light.UNKNOWN, asked=asked, found=why)
