"""The page's first and last words: headline, targets, where the data came from, rules, parameters, limits."""

from math import isfinite

import numpy as np

from evals.calibration import scored
from evals.findings import Equity, Target, Trades, Verdict, total_profit
from evals.markup import Safe, empty, joined, moment, money, number, percent, shown, signed, table, tag, unbroken
from evals.results import FORECASTERS, UNKNOWN_OUTCOME, ReportInput
from state.params import BOUNDS

REASONS_SHOWN = 3
"""Reasons for leaving windows out that the headline names; the rest are counted together."""

VERDICT_KIND = {
    Verdict.NOT_MEASURED: "none",
    Verdict.MISSED: "bad",
    Verdict.MISSED_OPEN: "bad",
    Verdict.REACHED_OPEN: "open",
    Verdict.REACHED: "good",
}


def headline(run: ReportInput, trades: Trades) -> str:
    """Say in one plain sentence what was found."""
    usable = int((run.windows.usable == 1).sum())
    if not len(run.windows):
        return "Nothing was run: the recording holds no window."
    if not usable and not len(trades.pnl_usd):
        return _nothing_usable(run)
    if not len(run.orders) and not len(run.fills):
        return (
            f"The desk stood aside in all {usable:,} usable windows: nothing was won, nothing was lost, and nothing is "
            "known about what its trades would earn."
        )
    if not len(trades.pnl_usd):
        return (
            f"The desk sent {len(run.orders):,} orders in {usable:,} usable windows and no filled order has a known "
            "outcome, so nothing is known about what its trades earn."
        )
    profit = total_profit(run)
    verb = "made" if profit.mean > 0 else "lost"
    amount = money(abs(profit.mean)).lstrip("+")
    rebate = ", rebates left out," if int(run.fills.rebate_micros.sum()) else ""
    did = (
        f"Over {usable:,} usable windows the desk {verb} {amount} after every cost{rebate} "
        f"on {_counted(len(trades.pnl_usd), 'trade')} in {_counted(profit.clusters, 'window')}"
    )
    if not profit.known or profit.clusters < 5:
        return f"{did}: too few to say anything about an edge."
    span = f"95 % interval {money(profit.low)} to {money(profit.high)}"
    if profit.low > 0:
        return f"{did} ({span}): more than chance would explain, on this data."
    if profit.high < 0:
        return f"{did} ({span}): a loss that chance does not explain."
    return f"{did} ({span}): this cannot be told from zero."


def _nothing_usable(run: ReportInput) -> str:
    """Say why no window could be traded, most frequent reason first, and what was measured all the same."""
    said = "No window of this recording has rules, a book, a price and an outcome together, so nothing could be traded"
    if len(run.orders):
        said += f" that counts: the {_counted(len(run.orders), 'order')} sent went into windows that are left out"
    reasons, noun = sorted(run.story.unusable.items(), key=lambda item: (-item[1], item[0])), "window"
    if reasons:
        rest = sum(count for _, count in reasons[REASONS_SHOWN:])
        shortly = [*reasons[:REASONS_SHOWN], *([("other reasons", rest)] if rest else [])]
        said += f" ({'; '.join(f'{_counted(count, noun)}: {why}' for why, count in shortly)})"
    measured = [
        f"{FORECASTERS.get(row.forecaster, row.forecaster)} {row.log_loss.mean:.4f}"
        for row in scored(run.forecasts)
        if row.band == "all" and row.forecaster in ("mid", "fair") and isfinite(row.log_loss.mean)
    ]
    if not measured:
        return f"{said}; no forecast could be scored either."
    row = next(row for row in scored(run.forecasts) if row.band == "all")
    seen = f"{_counted(row.log_loss.count, 'moment')} in {_counted(row.log_loss.clusters, 'window')}"
    return (
        f"{said}. Measured all the same, over {seen}: log loss of {' and of '.join(measured)}, where a coin has 0.6931."
    )


def head(run: ReportInput, trades: Trades, sections: tuple[tuple[str, str], ...]) -> Safe:
    """Open the page: title, what made it, the headline, and what it cannot show."""
    facts = [run.mode, run.made, f"version {run.version}" if run.version else "", run.machine]
    hashes = [("run", run.run_hash), ("parameters", run.params_hash)]
    meta = [
        tag("p", " · ".join(fact for fact in facts if fact), class_="meta"),
        tag(
            "p",
            *(joined([f"{name} hash ", tag("code", value), " "]) for name, value in hashes if value),
            class_="meta",
        ),
    ]
    parts: list[object] = [tag("h1", run.title), *meta, tag("p", unbroken(headline(run, trades)), class_="headline")]
    if run.cannot_show:
        parts.append(tag("p", tag("strong", "What it cannot show: "), run.cannot_show, class_="limit"))
    if run.fills_are_illustrative:
        parts.append(
            tag("p", "Maker fills on this data are illustrations: the recording cannot support them.", class_="limit")
        )
    links = (tag("a", words, href=f"#{name}") for name, words in sections)
    return tag("header", *parts, tag("nav", *links, aria_label="sections"))


def target_cards(targets: tuple[Target, ...]) -> Safe:
    """Show each target beside what was measured; a miss is never hidden and nothing is never a pass."""
    return tag("div", *(_card(target) for target in targets), class_="cards")


def _card(target: Target) -> Safe:
    measured = target.measured
    if not isfinite(measured.mean):
        value, span = "not measured", ""
    else:
        value = {"%": percent(measured.mean), "$": money(measured.mean)}.get(target.unit, number(measured.mean, 2))
        inside = shown(measured, target.unit, 2)
        span = "95 % interval " + inside[inside.index("[") :] if measured.known else "no interval: too few windows"
    words = target.verdict.value
    if target.verdict is Verdict.NOT_MEASURED:
        words = f"not measured: {target.note}" if target.note else words
    note = "" if target.verdict is Verdict.NOT_MEASURED else target.note
    return tag(
        "div",
        tag("h3", target.name),
        tag("p", f"target {target.target}", class_="range"),
        tag("p", value, class_="big"),
        tag("p", span, class_="range"),
        tag("p", words, class_="verdict"),
        tag("p", note, class_="why"),
        class_=f"card {VERDICT_KIND[target.verdict]}",
    )


def data_story(run: ReportInput) -> Safe:
    """Tell where the data came from, what was left out and why."""
    windows = run.windows
    usable = int((windows.usable == 1).sum())
    parts: list[object] = []
    if len(windows):
        known = windows.outcome_code[windows.usable == 1]
        ups, settled = int((known == 0).sum()), int((known != UNKNOWN_OUTCOME).sum())
        first, last = int(windows.window_s.min()), int(windows.window_s.max())
        left_out = max(len(windows) - usable, sum(run.story.unusable.values()))
        said = f"{usable + left_out:,} windows from {moment(first)} to {moment(last)} UTC: {usable:,} usable, "
        said += f"{left_out:,} left out. "
        if settled:
            said += f"UP won {ups:,} of {settled:,} usable windows with a known outcome ({percent(ups / settled)})."
        parts.append(tag("p", said))
    if run.story.settlement:
        parts.append(tag("p", tag("strong", "Settled by: "), run.story.settlement))
    if run.story.unusable:
        reasons = sorted(run.story.unusable.items(), key=lambda item: -item[1])
        parts.append(table(("reason", "windows"), [(why, f"{n:,}") for why, n in reasons], "Windows left out, and why"))
    if run.story.sources:
        rows = [
            (
                source.name,
                source.clock or "not stated",
                source.note or "",
                _period(source.first_ns, source.last_ns),
                f"{source.events_count:,}",
                f"{source.gaps_count:,}",
                f"{source.longest_gap_s:,.1f}" if source.gaps_count else "none",
                source.licence or "not stated",
            )
            for source in run.story.sources
        ]
        heads = ("source", "its clock", "note", "period, UTC", "events", "gaps", "longest gap, s", "licence")
        parts.append(table(heads, rows, "Sources", left=3))
    return joined(parts) if parts else empty("Nothing is said about where the data came from.")


def _period(first_ns: int, last_ns: int) -> str:
    if last_ns <= 0:
        return "not stated"
    return f"{moment(first_ns / 1e9)} to {moment(last_ns / 1e9)}"


def rules_table(run: ReportInput) -> Safe:
    """List the dated venue rules that the run obeyed."""
    if not run.rules:
        return empty("No venue rules were handed to this report.")
    rows = [(rule.name, rule.value, rule.since or "not dated", rule.source or "not stated") for rule in run.rules]
    return table(("rule", "value", "since", "source"), rows, "Venue rules of the day", left=4)


def parameters_table(run: ReportInput) -> Safe:
    """List every parameter with its default and bounds; what was changed stands first and is named as changed."""
    if not run.params:
        return empty("No parameters were handed to this report.")
    rows = []
    for name, value in run.params.items():
        bound = BOUNDS.get(name)
        changed = bound is not None and value != bound.default
        mark = tag("span", "changed", class_="pill t-open") if changed else ""
        rows.append(
            (
                0 if changed else 1,
                (
                    joined([tag("code", name), " ", mark]),
                    bound.why if bound else "not in this version",
                    f"{value:,.10g}",
                    f"{bound.default:,.10g}" if bound else "",
                    f"{bound.low:,.10g} .. {bound.high:,.10g}" if bound else "",
                ),
            )
        )
    ordered = [row for _, row in sorted(rows, key=lambda pair: pair[0])]
    changed_count = sum(1 for first, _ in rows if first == 0)
    summary = f"{len(rows)} parameters, {changed_count} changed from their defaults; hash {run.params_hash or 'none'}"
    inner = table(("parameter", "what it is", "value", "default", "bounds"), ordered, "Parameters", left=2)
    return tag("details", tag("summary", summary), inner)


def limits(run: ReportInput) -> Safe:
    """Say plainly what this data can and cannot show."""
    if not run.limits:
        return empty("No limits of this data were handed to this report: read it with doubt.")
    return tag("p", " ".join(run.limits))


def equity_words(run: ReportInput, equity: Equity) -> str:
    """Say what the equity line shows."""
    if not len(equity.usd):
        return ""
    ended = equity.usd[-1] - run.capital_usd
    least = float(np.min(equity.usd)) - run.capital_usd
    return f"Ended {signed(ended)} dollars from the start; at worst {signed(least)}."


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
