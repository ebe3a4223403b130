"""The page's forecasts: reliability by time to close, scores side by side, and the edge at each price."""

from math import isfinite

import numpy as np

from evals import charts
from evals.calibration import EdgeRow, ScoreRow, book_by_moment, curves, edge_by_price, scored
from evals.markup import Safe, empty, figure, joined, number, percent, shown, signed, table, tag
from evals.results import FORECASTERS, Forecasts, ReportInput
from tools.fees import fee_bps
from tools.scores import Recalibration

DRAWN = ("fused", "mid", "fair")
"""Forecasters in the reliability panels: more would hide each other."""


def forecasts_section(run: ReportInput) -> Safe:
    """Write all about the forecasts; windows that share no moment with the others stand apart."""
    groups = run.forecast_groups
    if not groups:
        return empty("No forecast at a moment with a known outcome: nothing to score.")
    parts: list[object] = []
    for group in groups:
        if group.called:
            count = f"{len(group):,} moments in {len(set(group.window_s.tolist())):,} windows"
            parts.append(tag("h3", f"{group.called[0].upper()}{group.called[1:]}: {count}"))
        parts += [scores_section(group), books_section(group), calibration_section(group)]
        if not group.called or np.isfinite(group.ask_bps).any() or np.isfinite(group.bid_bps).any():
            parts.append(edge_section(run, group))
    return joined(parts)


def books_section(forecasts: Forecasts) -> Safe:
    """Say at each moment how often the book had one side only, and what that does to the score of its middle."""
    rows = book_by_moment(forecasts)
    if not any(row.one_sided_count for row in rows):
        return Safe("")
    head = ("seconds to close", "books", "one side empty", "Brier of the middle, whole books",
            "Brier of all, empty side at its bound", "Brier of the fused forecast")  # fmt: skip
    body = [
        (
            f"{row.left_s}", f"{row.count:,}",
            f"{row.one_sided_count:,} ({percent(row.one_sided_count / row.count, 0)})",
            shown(row.mid, digits=4), shown(row.touch, digits=4), shown(row.fused, digits=4),
        )
        for row in rows
    ]  # fmt: skip
    one_sided, count = sum(row.one_sided_count for row in rows), sum(row.count for row in rows)
    note = (
        f"{one_sided:,} of {count:,} books had one side only and so no middle: they are left out of the scores above. "
        "As they are the decided windows, the middle of the whole books looks worse late than the book was; with a "
        "missing bid at 0 and a missing ask at one dollar every book counts. Brier, 95 % by window."
    )
    return joined([table(head, body, "The book as a forecaster, by moment"), tag("p", note, class_="note")])


def calibration_section(forecasts: Forecasts) -> Safe:
    """Draw reliability: one panel per band of time to the close."""
    found = {name: {c.band: c for c in curves(forecasts, name, bins=6)} for name in DRAWN}
    present = [name for name in DRAWN if found[name]]
    if not present:
        return empty("No forecast with a known outcome: calibration is not measured.")
    bands = list(dict.fromkeys(band for name in present for band in found[name]))
    panels = []
    for band in bands:
        axes = tuple((k / 4, percent(k / 4, 0)) for k in range(5))
        plot = charts.Plot(
            x=charts.Axis(low=0, high=1, label="forecast of UP", ticks=axes),
            y=charts.Axis(low=0, high=1, label="UP came true", ticks=axes),
            width=300, height=270, left=58,
        )  # fmt: skip
        drawn: list[object] = [charts.diagonal(plot)]
        windows = 0
        for name in present:
            series = _series(name)
            for group in found[name][band].bins if band in found[name] else ():
                rate = group.came_true
                windows = max(windows, rate.clusters)
                tip = f"{_words(name)}: said {percent(group.p_said)}, came true {shown(rate, '%')}, n = {rate.count:,}"
                drawn.append(charts.point(plot, group.p_said, rate.mean, rate.low, rate.high, series, tip, 3.5))
        title = "all moments" if band == "all" else f"{band} before the close"
        panels.append(figure(title, plot.svg(f"reliability, {title}", *drawn)))
    keys = charts.legend([(_series(name), _words(name)) for name in present])
    note = tag(
        "p",
        "On the dashed line, what was said came true as often as said. Whiskers: 95 % by window; forecasts of a window "
        "share one outcome.",
        class_="note",
    )
    return joined([tag("h4", "Reliability by time to close"), keys, tag("div", *panels, class_="small"), note])


def scores_section(forecasts: Forecasts) -> Safe:
    """Set the forecasters side by side: pooled in a table, by band in a chart and a longer table."""
    rows = scored(forecasts)
    if not rows:
        return empty("No moment at which all forecasters spoke and the outcome is known: no scores.")
    reference = "mid" if any(row.forecaster == "mid" for row in rows) else "coin"
    pooled = [row for row in rows if row.band == "all"]
    first = pooled[0].brier
    note = (
        f"{first.count:,} moments in {first.clusters:,} windows at which all of them spoke. Lower is better; a coin "
        f"has 0.2500 and 0.6931 nats. Skill: share of the log loss of the {_words(reference)} that is saved. Slope 1 "
        "and intercept 0 are calibrated; a slope below 1 is overconfidence. Forecasts are clipped to 0.0001 .. 0.9999."
    )
    head = _score_head(reference)
    return joined(
        [
            table(head, [_score_row(row, reference) for row in pooled], "Forecasters on the same moments, all bands"),
            tag("p", note, class_="note"),
            _difference_chart(rows, reference),
            tag(
                "details",
                tag("summary", "By time to close"),
                table(
                    ("seconds to close", *head),
                    [(row.band, *_score_row(row, reference)) for row in rows if row.band != "all"],
                    "Forecasters on the same moments, by time to close",
                    left=2,
                ),
            ),
        ]
    )


def _score_head(reference: str) -> tuple[str, ...]:
    return (
        "forecaster", "Brier, 95 % interval", "log loss, nats", f"log loss less {_words(reference)}", "p", "skill",
        "slope ± se", "intercept ± se",
    )  # fmt: skip


def _score_row(row: ScoreRow, reference: str) -> tuple[object, ...]:
    against = "reference" if row.forecaster == reference else shown(row.against, digits=4)
    p = "" if row.forecaster == reference or not isfinite(row.against_p) else f"{row.against_p:.2g}"
    return (
        _words(row.forecaster), shown(row.brier, digits=4), shown(row.log_loss, digits=4), against, p,
        percent(row.log_skill), _line(row.line, slope=True), _line(row.line, slope=False),
    )  # fmt: skip


def _line(line: Recalibration, slope: bool) -> str:
    if not line.converged:
        return "no line fits"
    value, se = (line.slope, line.slope_se) if slope else (line.intercept, line.intercept_se)
    return f"{number(value, 2)} ± {number(se, 2)}" if isfinite(se) else number(value, 2)


def _difference_chart(rows: tuple[ScoreRow, ...], reference: str) -> Safe:
    bands = [band for band in dict.fromkeys(row.band for row in rows) if band != "all"]
    names = [name for name in dict.fromkeys(row.forecaster for row in rows) if name not in (reference, "coin")]
    if not bands or not names:
        return Safe("")
    shown_rows = [row for row in rows if row.forecaster in names and row.band != "all"]
    ends = [v for row in shown_rows for v in (row.against.mean, row.against.low, row.against.high)]
    x = charts.Axis(
        low=0, high=len(bands), label="seconds to the close", ticks=tuple((k + 0.5, b) for k, b in enumerate(bands))
    )
    y = charts.axis(ends, "log loss, nats", zero=True)
    plot = charts.Plot(x=x, y=y, width=1140, height=290, left=84)
    drawn: list[object] = [charts.level(plot, 0.0, "")]
    for row in shown_rows:
        series = _series(row.forecaster)
        aside = 0.14 * (names.index(row.forecaster) - (len(names) - 1) / 2)
        tip = (
            f"{_words(row.forecaster)}, {row.band}: {shown(row.against, digits=4)} nats, {row.against.count:,} moments"
        )
        at = bands.index(row.band) + 0.5 + aside
        drawn.append(charts.point(plot, at, row.against.mean, row.against.low, row.against.high, series, tip))
    keys = charts.legend([(_series(n), _words(n)) for n in names])
    title = f"Log loss less that of the {_words(reference)} (dashed line), by time to close; lower is better"
    return tag("div", figure(title, joined([keys, plot.svg(title, *drawn)])), class_="wide")


def edge_section(run: ReportInput, forecasts: Forecasts) -> Safe:
    """Draw what every price was worth, with the fee that it would have cost beside it."""
    rows = edge_by_price(forecasts)
    if not rows:
        return empty("No book with an ask and a known outcome: the edge by price is not measured.")
    ends = [v / 100 for row in rows for v in (row.edge_bps.mean, row.edge_bps.low, row.edge_bps.high)]
    ticks = tuple((k * 1000.0, f"{k * 10} c") for k in range(0, 11, 2))
    plot = charts.Plot(
        x=charts.Axis(low=0, high=10_000, label="ask paid, cents per share", ticks=ticks),
        y=charts.axis(ends, "cents per share", zero=True), width=1140, height=300, left=84,
    )  # fmt: skip
    drawn: list[object] = [charts.level(plot, 0.0, "", "zero")]
    has_fee = run.fee_rate_ppm > 0
    if has_fee:
        prices = [100.0 * k for k in range(1, 100)]
        fees = [fee_bps(p, run.fee_rate_ppm, run.fee_exponent_count, run.fee_by_notional) / 100 for p in prices]
        drawn.append(charts.curve(plot, prices, fees, 1, "fee of the day: what the edge must exceed"))
    for row in rows:
        edge, tip = row.edge_bps, _edge_words(row)
        drawn.append(charts.point(plot, row.paid_bps, edge.mean / 100, edge.low / 100, edge.high / 100, 0, tip))
    note = (
        "Every moment of every window, one share of each token at its ask, held to settlement, before fees. A bucket "
        "is worth taking only where the whole interval lies above the fee; ten buckets are ten tries."
    )
    keys = [(0, "payout less ask, 95 % by window")] + ([(1, "taker fee of the day")] if has_fee else [])
    title = "Edge by price: payout less ask, cents per share, before fees"
    body = [
        (
            f"{row.price_low_bps // 100} to {row.price_high_bps // 100} c", f"{row.paid_bps / 100:.1f}",
            shown(row.won, "%"), _cents(row), f"{row.edge_bps.count:,}", f"{row.edge_bps.clusters:,}",
        )
        for row in rows
    ]  # fmt: skip
    head = ("ask", "mean paid, c", "won", "payout less ask, c", "purchases", "windows")
    return joined(
        [
            tag("div", figure(title, joined([charts.legend(keys), plot.svg(title, *drawn)]), note), class_="wide"),
            tag("details", tag("summary", "The same as a table"), table(head, body, "Edge by price bucket")),
        ]
    )


def _cents(row: EdgeRow) -> str:
    edge = row.edge_bps
    inside = f" [{signed(edge.low / 100)}, {signed(edge.high / 100)}]" if edge.known else " [one window]"
    return f"{signed(edge.mean / 100)}{inside}"


def _edge_words(row: EdgeRow) -> str:
    return (
        f"paid {row.paid_bps / 100:.1f} c, won {shown(row.won, '%')}, edge {_cents(row)} c, n = {row.edge_bps.count:,}"
    )


def _series(name: str) -> int:
    """Give a forecaster its colour and mark, the same in every chart."""
    known = list(FORECASTERS)
    return known.index(name) if name in known else 5


def _words(name: str) -> str:
    return FORECASTERS.get(name, name)
