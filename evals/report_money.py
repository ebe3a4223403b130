"""The page's money: equity, costs, fills, markouts, baselines, sequential evidence and the power meter."""

import numpy as np

from evals import charts
from evals.findings import (
    WINDOWS_FOR_BAND,
    Costs,
    Equity,
    costs_of,
    fill_rates_of,
    markouts_of,
    thinned,
)
from evals.markup import Safe, empty, figure, joined, money, shown, signed, table, tag
from evals.report_story import equity_words
from evals.results import ReportInput


def equity_section(run: ReportInput, equity: Equity) -> Safe:
    """Draw capital and drawdown after every usable window; flat when the desk stood aside."""
    if not len(equity.usd):
        return empty("No usable window, so there is no equity line.")
    pick = thinned(len(equity.usd))
    xs = [float(s) + 300.0 for s in equity.window_s[pick]]
    usd = [float(v) for v in equity.usd[pick]]
    banded = len(equity.low_usd) > 0
    lows, highs = (equity.low_usd.tolist(), equity.high_usd.tolist()) if banded else ([], [])
    spread = [*usd, *lows, *highs, run.capital_usd]
    time = charts.time_axis(xs)
    plot = charts.Plot(x=time, y=charts.axis(spread, "capital, $", zero=False), width=1140, height=300, left=84)
    parts: list[object] = [charts.level(plot, run.capital_usd, "start")]
    if banded:
        parts.append(charts.band(plot, xs, lows, highs, 0, "95 % of the lines from windows drawn again"))
    tip = f"from {money(usd[0])} to {money(usd[-1])}"
    parts.append(charts.curve(plot, xs, usd, 0, tip, step=True))
    if len(xs) == 1:
        parts.append(charts.point(plot, xs[0], usd[0], np.nan, np.nan, 0, tip))
    note = equity_words(run, equity)
    traded = int((run.windows.fills_count > 0).sum())
    if traded == 0:
        note = "A flat line: the desk stood aside in every window."
    elif banded:
        note += " Shaded: where 95 % of the lines lie when windows are drawn again at random."
    else:
        note += f" No band: {traded} traded windows are fewer than {WINDOWS_FOR_BAND}."
    falls = [-100.0 * float(v) for v in equity.drawdown_share[pick]]
    below = charts.Plot(
        x=time,
        y=charts.axis(falls if min(falls) < 0 else [-1.0, 0.0], "below peak, %", zero=True, count=3),
        width=1140,
        height=140,
        left=84,
    )
    wide, held = charts.stepped(xs, falls)
    fall = charts.band(below, wide, held, [0.0] * len(wide), 1, "drawdown") if len(xs) > 1 else ""
    worst = f"Deepest: {-min(falls):.3f} % of the peak."
    return joined(
        [
            tag("div", figure("Capital after every usable window, $", plot.svg("equity", *parts), note), class_="wide"),
            tag(
                "div",
                figure(
                    "Drawdown: how far below its highest point the capital stood, %",
                    below.svg("drawdown", fall, charts.curve(below, xs, falls, 1, worst, step=True)),
                    worst,
                ),
                class_="wide",
            ),
        ]
    )


def costs_section(run: ReportInput) -> Safe:
    """Show the way from gross to net, and every cost by itself."""
    found = costs_of(run.fills)
    if not found:
        return empty("No settled fill, so no cost was paid: spread, fee, hold, slippage and rebate are not measured.")
    head = (
        "",
        "fills",
        "shares",
        "gross at the middle",
        "spread",
        "slippage",
        "hold",
        "fee",
        "rebate",
        "net with rebate",
    )
    rows, cents = [], []
    for row in found:
        steps = (-row.spread_usd, -row.slippage_usd, -row.hold_usd, -row.fee_usd, row.rebate_usd)
        rows.append(
            (
                row.label, f"{row.fills_count:,}", f"{row.shares:,.0f}", money(row.gross_usd),
                *(money(step) for step in steps), money(row.net_usd),
            )
        )  # fmt: skip
        per = [100.0 * value / row.shares for value in (row.gross_usd, *steps, row.net_usd)]
        cents.append((row.label, *(signed(value) for value in per)))
    note = "Spread: touch less middle. Slippage: walked depth less touch. Hold: the book's move from decision to match."
    odd = found[0].one_sided_count
    if odd:
        note += f" {odd:,} fills met a one-sided book, where the spread is not known and counted as zero."
    return joined(
        [
            tag("div", figure("From gross to net, all fills, $", _waterfall(found[0]), note), class_="wide"),
            table(head, rows, "Every cost by itself, $ (minus: paid)"),
            table(("", *head[3:]), cents, "The same, cents per share"),
        ]
    )


def _waterfall(costs: Costs) -> Safe:
    steps = (
        ("gross at middle", costs.gross_usd),
        ("spread", -costs.spread_usd),
        ("slippage", -costs.slippage_usd),
        ("hold", -costs.hold_usd),
        ("fee", -costs.fee_usd),
        ("rebate", costs.rebate_usd),
    )
    levels, total = [0.0], 0.0
    for _, value in steps:
        total += value
        levels.append(total)
    slots = len(steps) + 1
    names = [*(name for name, _ in steps), "net with rebate"]
    x = charts.Axis(low=0, high=slots, label="", ticks=tuple((k + 0.5, name) for k, name in enumerate(names)))
    plot = charts.Plot(x=x, y=charts.axis(levels, "profit, $", zero=True), width=1140, height=300, left=84)
    parts: list[object] = [charts.level(plot, 0.0, "", "zero")]
    for k, (name, value) in enumerate(steps):
        kind = "s0" if k == 0 else ("s2" if value >= 0 else "s1")
        start = levels[k]
        parts.append(charts.bar(plot, k + 0.15, k + 0.85, start, start + value, kind, f"{name}: {money(value)}"))
        parts.append(_bar_words(plot, k + 0.5, max(start, start + value), money(value)))
    net = costs.net_usd
    parts.append(charts.bar(plot, slots - 0.85, slots - 0.15, 0.0, net, "s5", f"net: {money(net)}"))
    parts.append(_bar_words(plot, slots - 0.5, max(0.0, net), money(net)))
    return plot.svg("profit from gross to net", *parts)


def _bar_words(plot: charts.Plot, x: float, y: float, words: str) -> Safe:
    return charts.words_at(plot.at_x(x), max(11.0, plot.at_y(y) - 5), words, "middle")


def fills_section(run: ReportInput) -> Safe:
    """Show who filled us and what happened next: winner against loser, and markouts."""
    if not len(run.orders) and not len(run.fills):
        return empty("No order was sent, so there are no fills, no fill rates and no markouts.")
    parts: list[object] = []
    rates = fill_rates_of(run.orders)
    if rates:
        rows = [
            (r.label, shown(r.winner, "%"), shown(r.loser, "%"), f"{r.winner.count + r.loser.count:,}") for r in rates
        ]
        head = ("buy orders", "filled, given that the token won", "filled, given that it lost", "orders")
        parts.append(table(head, rows, "Fill rate on winners and on losers, with 95 % intervals by window"))
        parts.append(tag("p", "Filled more often on losers than on winners is adverse selection.", class_="note"))
    marks = markouts_of(run.fills)
    if not marks:
        parts.append(empty("No fill has a later two-sided book: markouts are not measured."))
        return joined(parts)
    ys = [v for m in marks for v in (m.usd.mean * 100, m.usd.low * 100, m.usd.high * 100)]
    ticks = ((1.0, "1 s"), (2.0, "5 s"), (3.0, "30 s"))
    x = charts.Axis(low=0.5, high=3.5, label="time after the match", ticks=ticks)
    plot = charts.Plot(x=x, y=charts.axis(ys, "cents per share", zero=True))
    drawn: list[object] = [charts.level(plot, 0.0, "", "zero")]
    names = {"taker": (0, -0.06), "maker": (1, 0.06)}
    for m in marks:
        series, aside = names[m.label]
        place = {1: 1.0, 5: 2.0, 30: 3.0}[m.after_s] + aside
        tip = f"{m.label}, {m.after_s} s: {shown(m.usd, 'c')}, {m.usd.count:,} fills"
        drawn.append(charts.point(plot, place, m.usd.mean * 100, m.usd.low * 100, m.usd.high * 100, series, tip))
    present = [(names[name][0], name) for name in names if any(m.label == name for m in marks)]
    rows = [(m.label, f"{m.after_s} s", shown(m.usd, "c"), f"{m.usd.count:,}") for m in marks]
    note = (
        "Middle of the book after the match less our price, in our favour. Below zero: we paid more than it was worth."
    )
    shown_marks = figure(
        "Markouts, cents per share", joined([charts.legend(present), plot.svg("markouts", *drawn)]), note
    )
    listed = table(("", "after", "cents per share, 95 % interval", "fills"), rows, "Markouts", left=1)
    parts.append(tag("div", shown_marks, listed, class_="two"))
    return joined(parts)
