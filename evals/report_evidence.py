"""The page's evidence: the desk beside rules that need no skill, the sequential test, the tries, the power meter."""

from math import isfinite

import numpy as np

from evals import charts
from evals.baselines import baseline_interval
from evals.evidence import Evidence, evidence_of, ratio_of
from evals.findings import profit_per_window, thinned
from evals.markup import Safe, empty, figure, joined, money, percent, shown, table, tag
from evals.power import power_reading, power_table
from evals.results import ReportInput
from state.units import MICROS
from tools.intervals import Estimate
from tools.sequential import EVIDENCE_BAR_LOG


def baselines_section(run: ReportInput) -> Safe:
    """Set the desk beside rules that need no skill."""
    if not run.baselines:
        return empty("No baseline was run on this data.")
    desk = profit_per_window(run)
    rows = [("this desk", "forecast, gates and size as in this report", desk, len(run.windows))]
    rows += [(b.name, b.rule, baseline_interval(b), len(b.window_s)) for b in run.baselines]
    known = [e for _, _, e, _ in rows if isfinite(e.mean)]
    body = []
    for name, rule, e, offered in rows:
        value = shown(e, "$") if e.count else "never trades: 0"
        body.append((name, rule, value, f"{e.clusters:,} of {offered:,}"))
    listed = table(
        ("rule", "what it does", "profit per traded window, 95 % interval", "windows traded"), body,
        "The desk and rules that need no skill, after spread, depth, hold and fee", left=2,
    )  # fmt: skip
    return joined([_forest(rows), listed]) if known else listed


def _forest(rows: list[tuple[str, str, Estimate, int]]) -> Safe:
    known = [e for _, _, e, _ in rows if isfinite(e.mean)]
    ends = [v for e in known for v in (e.mean, e.low, e.high)]
    step, top = 26, 10
    plot = charts.Plot(
        x=charts.axis(ends, "profit per traded window, $", zero=True),
        y=charts.Axis(low=0, high=1, label="", ticks=()),
        width=1140, height=top + step * len(rows) + 50, left=200, top=top,
    )  # fmt: skip
    zero = plot.at_x(0.0)
    drawn: list[object] = [Safe(f'<line x1="{zero}" x2="{zero}" y1="{top}" y2="{plot.height - 44}" class="mark"/>')]
    for k, (name, _, e, _) in enumerate(rows):
        y = top + step * (k + 0.6)
        drawn.append(charts.words_at(190, y + 4, name, "end", "row"))
        if isfinite(e.mean):
            tip = f"{name}: {shown(e, '$')}, {e.clusters:,} windows"
            drawn.append(charts.flat_point(plot, e.mean, e.low, e.high, y, 0 if k == 0 else 5, tip))
        else:
            drawn.append(charts.words_at(zero + 6, y + 4, "no trade", "start"))
    title = "Profit per traded window of the desk and of rules that need no skill, $"
    return tag("div", figure(title, plot.svg(title, *drawn)), class_="wide")


def evidence_section(run: ReportInput) -> Safe:
    """Draw the sequential evidence, window by window, and read the power meter."""
    rows = (run.windows.usable == 1) & (run.windows.fills_count > 0)
    pnl = (run.windows.pnl_micros[rows] / MICROS).tolist()
    if not pnl:
        return empty("No window was traded: there is no evidence for an edge, and none against it (e-value 1).")
    evidence = evidence_of(run)
    drawn = empty(
        "No traded window has a known outcome and a scale fixed beforehand: the sequential test has no result."
    )
    if evidence.line:
        drawn = _evidence_chart(evidence)
    return joined([drawn, _tries(run), _power(run, pnl)])


def _evidence_chart(evidence: Evidence) -> Safe:
    line = evidence.line
    xs = [float(k) for k in range(len(line) + 1)]
    sides = [[1.0] + [float(np.exp(np.clip(at[k], -30, 30))) for at in line] for k in (0, 1)]
    y = charts.log_axis([*sides[0], *sides[1], 1 / 25, 25.0], "e-value")
    plot = charts.Plot(x=charts.axis(xs, "traded windows", digits=0), y=y, width=1140, height=300, left=84)
    pick = thinned(len(xs))
    drawn: list[object] = [
        charts.level(plot, 20.0, "20: believe it"),
        charts.level(plot, 1.0, "1: nothing known", "zero"),
        charts.level(plot, 1 / 20, "1/20"),
    ]
    for k, words in ((0, "edge above zero"), (1, "edge below zero (pauses the strategy)")):
        tip = f"{words}: e = {sides[k][-1]:.3g} after {len(line)} windows"
        drawn.append(charts.curve(plot, [xs[i] for i in pick], [sides[k][i] for i in pick], k, tip))
    last_for, last_against = line[-1]
    said = "The test has not decided."
    if last_for >= EVIDENCE_BAR_LOG:
        said = "The test says: the edge is above zero."
    elif last_against >= EVIDENCE_BAR_LOG:
        said = "The test says: the edge is below zero."
    note = (
        f"{said} e = {np.exp(last_for):.3g} for, {np.exp(last_against):.3g} against. Without an edge its line "
        f"reaches 20 with chance at most 1/20 ever, however often one looks. {evidence.scale}"
    )
    if evidence.refused_count:
        note += f" {evidence.refused_count:,} windows lay outside their own scale and were not counted."
    keys = charts.legend([(0, "evidence for an edge above zero"), (1, "evidence against: edge below zero")])
    title = "Sequential evidence after each traded window, e-value (logarithmic)"
    return tag("div", figure(title, joined([keys, plot.svg(title, *drawn)]), note), class_="wide")


def _tries(run: ReportInput) -> Safe:
    """Say the Sharpe ratio of the traded windows and what is left of it after counting the tries."""
    ratio = ratio_of(run)
    title = tag("h3", "After counting the tries")
    if not isfinite(ratio.p_real):
        return joined([title, empty("Too few traded windows, or all alike: no Sharpe ratio.")])
    said = f"Sharpe ratio {shown(ratio.sharpe, '', 2)} per traded window, not annualized. "
    if ratio.tries_count <= 1:
        said += (
            "By the operator's word this is the only variant that was looked at on this data, so nothing is taken off: "
            f"the chance that the true ratio is above zero is {percent(ratio.p_real)}. "
        )
    else:
        said += (
            f"{ratio.tries_count:,} variants were looked at on this data: the chance that the true ratio is above what "
            f"the best of so many worthless ones would show is {percent(ratio.p_real)}. "
        )
        if ratio.tries_sd <= 0.0:
            said += "How far their ratios lie apart was not said, so nothing could be taken off: too favourable. "
    said += "Trying more and showing the best raises the ratio without an edge (Bailey and Lopez de Prado 2014)."
    return joined([title, tag("p", said)])


def _power(run: ReportInput, pnl: list[float]) -> Safe:
    reading = power_reading(np.array(pnl), np.arange(len(pnl)))
    if not isfinite(reading.sd):
        return empty("Power meter: one traded window says nothing about how many more are needed.")
    rate = int((run.windows.usable == 1).sum()) / max(1, len(pnl))
    said = f"So far {reading.windows_count:,} traded windows: mean {money(reading.mean)}, sd {money(reading.sd)}. "
    if isfinite(reading.windows_needed_anytime):
        more = reading.windows_more
        days = more * rate / 288
        said += (
            f"If the edge is as large as it looks, about {more:,.0f} more traded windows are needed "
            f"(some {days:,.1f} days at this pace). "
        )
    else:
        said += "The mean is not above zero: no number of further windows like these would show an edge. "
    least = money(reading.smallest_edge).lstrip("+")
    said += f"The smallest edge that {reading.windows_count:,} windows could well have found is {least} per window."
    edges = np.array([1.0, 5.0, 15.0, 50.0])
    rows = [
        (money(edge, 0).lstrip("+"), f"{needed:,.0f}", f"{needed * rate / 288:,.1f}")
        for edge, needed in power_table(reading.sd, edges)
    ]
    head = ("true edge per traded window", "traded windows needed", "days at this pace")
    return joined(
        [
            tag("h3", "Power meter: how many more"),
            tag("p", said),
            table(head, rows, "At this spread of results, one-sided 95 %, with 80 % chance to find it"),
        ]
    )
