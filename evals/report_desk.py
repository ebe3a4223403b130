"""The page's desk: what it refused and what that would have made, how fast it was, and the certificate."""

import numpy as np

from evals import charts
from evals.certificate import certificate_light
from evals.findings import RefusalRow, refusals_of
from evals.markup import NOT_MEASURED, Safe, empty, figure, joined, number, percent, shown, table, tag
from evals.results import Light, ReportInput, Stage

LIGHTS = {Light.GREEN: ("✓ green", "t-good"), Light.RED: ("✗ red", "t-bad"), Light.UNKNOWN: ("? unknown", "t-none")}


def refusals_section(run: ReportInput) -> Safe:
    """List every refusal by gate and reason, with what it would have made."""
    rows = refusals_of(run.refusals, run.gates, dict(run.reasons))
    if not rows:
        return empty("No refusal was recorded.")
    total = sum(row.count for row in rows)
    gates: dict[str, int] = {}
    for row in rows:
        gates[row.gate] = gates.get(row.gate, 0) + row.count
    priced = sum(row.would_usd.count for row in rows)
    said = f"The desk was asked and stood aside {total:,} times. "
    if priced:
        said += (
            f"For {priced:,} of them there was a trade to refuse and an outcome to price it by, matched as ours are."
        )
    else:
        said += "For none of them could a refused trade be priced."
    body = [
        (row.gate, row.reason, f"{row.count:,}", percent(row.share), _would(row), f"{row.would_usd.count:,}")
        for row in rows
    ]
    head = ("gate", "reason", "refusals", "share", "would have made, each, 95 % interval", "priced")
    note = "Below zero: the refusal saved money. Intervals are over windows: refusals repeat within a window."
    ordered = sorted(gates.items(), key=lambda item: -item[1])
    return joined(
        [
            tag("p", said),
            tag("div", _gate_bars(ordered, total), class_="wide"),
            table(head, body, "No-trade ledger", left=2),
            tag("p", note, class_="note"),
        ]
    )


def _would(row: RefusalRow) -> str:
    return shown(row.would_usd, "$") if row.would_usd.count else "no trade to price"


def _gate_bars(gates: list[tuple[str, int]], total: int) -> Safe:
    step, top, left = 28, 6, 200
    height = top + step * len(gates) + 6
    most = max(count for _, count in gates)
    parts: list[object] = []
    for k, (gate, count) in enumerate(gates):
        y, width = top + step * k, max(1.0, round(760 * count / most, 1))
        parts.append(charts.words_at(left - 8, y + 17, gate, "end", "row"))
        box = f'<rect x="{left}" y="{y + 4}" width="{width}" height="{step - 9}" class="bar s0">'
        parts.append(joined([Safe(box), tag("title", f"{gate}: {count:,} refusals"), Safe("</rect>")]))
        parts.append(charts.words_at(left + width + 8, y + 17, f"{count:,} ({percent(count / total)})"))
    return figure("Refusals by gate, count and share", charts.drawing(1140, height, "refusals by gate", *parts))


def latency_section(stages: tuple[Stage, ...]) -> Safe:
    """Hold every stage's latency against its budget."""
    measured = [stage for stage in stages if len(stage.samples_ms)]
    if not measured:
        return empty("No latency was measured in this run.")
    body = []
    for stage in stages:
        if not len(stage.samples_ms):
            body.append((stage.name, f"< {stage.budget_ms:,.0f}", *[NOT_MEASURED] * 5, "", "0"))
            continue
        p50, p90, p99 = (float(q) for q in np.quantile(stage.samples_ms, [0.5, 0.9, 0.99]))
        within = float((stage.samples_ms < stage.budget_ms).mean())
        kind = "t-good" if p99 < stage.budget_ms else "t-bad"
        light = tag("span", "p99 within" if p99 < stage.budget_ms else "p99 beyond", class_=f"pill {kind}")
        values = (_ms(p50), _ms(p90), _ms(p99), _ms(float(stage.samples_ms.max())), percent(within, 2))
        name = f"{stage.name} (modelled)" if stage.modelled else stage.name
        body.append((name, f"< {stage.budget_ms:,.0f}", *values, light, f"{len(stage.samples_ms):,}"))
    head = ("stage", "budget, ms", "p50, ms", "p90, ms", "p99, ms", "longest, ms", "within budget", "", "samples")
    panels = [_histogram(stage) for stage in measured]
    note = "Modelled: the number comes from the simulation's latency model, not from a clock."
    parts: list[object] = [
        tag("div", *panels, class_="small"),
        table(head, body, "Latency by stage against the budget"),
    ]
    if any(stage.modelled for stage in measured):
        parts.append(tag("p", note, class_="note"))
    return joined(parts)


def _ms(value: float) -> str:
    return number(value, 3 if value < 1 else 1 if value < 100 else 0)


def _histogram(stage: Stage) -> Safe:
    samples = np.maximum(np.asarray(stage.samples_ms, float), 1e-4)
    x = charts.log_axis([float(samples.min()), float(samples.max()), stage.budget_ms], "ms (logarithmic)")
    edges = np.logspace(np.log10(x.low), np.log10(x.high), 37)
    counts, _ = np.histogram(samples, edges)
    shares = counts / max(1, counts.sum()) * 100
    plot = charts.Plot(
        x=x,
        y=charts.axis([float(shares.max())], "share of samples, %", zero=True, count=4),
        width=300,
        height=210,
        left=54,
    )
    drawn: list[object] = []
    for low, high, share in zip(edges[:-1].tolist(), edges[1:].tolist(), shares.tolist(), strict=True):
        if share > 0:
            drawn.append(charts.bar(plot, low, high, 0.0, share, "s0", f"{low:.3g} to {high:.3g} ms: {share:.1f} %"))
    drawn.append(charts.upright(plot, stage.budget_ms, "budget"))
    words = f"{stage.name}{' (modelled)' if stage.modelled else ''}"
    return figure(words, plot.svg(f"latency of {words}", *drawn))


def certificate_section(run: ReportInput) -> Safe:
    """Show every check of the backtest's honesty with its light."""
    if not run.checks:
        return empty("No certificate: the checks were not run.")
    light = certificate_light(run.checks)
    reds = sum(check.light is Light.RED for check in run.checks)
    greens = sum(check.light is Light.GREEN for check in run.checks)
    unknowns = len(run.checks) - reds - greens
    words, kind = LIGHTS[light]
    said = joined(
        [
            "The whole: ",
            tag("span", words, class_=f"pill {kind}"),
            f" {greens} green, {reds} red, {unknowns} unknown. Nothing to look at is unknown, never green.",
        ]
    )
    body = []
    for check in run.checks:
        words, kind = LIGHTS[check.light]
        body.append((tag("span", words, class_=f"pill {kind}"), check.name, check.asked, check.found))
    return joined([tag("p", said), table(("", "check", "asked", "found"), body, "Lie detector", left=4)])
