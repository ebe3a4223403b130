"""The report: one self-contained page that says what was found, against what, how surely, and what it cannot show."""

from dataclasses import fields, is_dataclass
from enum import Enum
from math import isfinite
from typing import Any, Final

import numpy as np

from evals.baselines import baseline_interval
from evals.calibration import book_by_moment, curves, edge_by_price, scored
from evals.certificate import certificate_light
from evals.evidence import Evidence, evidence_of, ratio_of
from evals.findings import (
    costs_of,
    equity_of,
    fill_rates_of,
    markouts_of,
    profit_per_window,
    refusals_of,
    targets_of,
    total_profit,
    trades_of,
)
from evals.markup import Safe, joined, tag, text
from evals.report_desk import certificate_section, latency_section, refusals_section
from evals.report_evidence import baselines_section, evidence_section
from evals.report_forecasts import forecasts_section
from evals.report_money import costs_section, equity_section, fills_section
from evals.report_story import data_story, head, headline, limits, parameters_table, rules_table, target_cards
from evals.report_style import STYLE
from evals.results import FORECASTERS, Forecasts, ReportInput
from tools.sequential import EVIDENCE_BAR_LOG

SECTIONS: Final[tuple[tuple[str, str], ...]] = (
    ("targets", "Targets and what was measured"),
    ("data", "The data"),
    ("forecasts", "Were the probabilities right?"),
    ("money", "Capital"),
    ("costs", "Costs"),
    ("fills", "Fills"),
    ("refusals", "What the desk refused"),
    ("baselines", "Against rules that need no skill"),
    ("evidence", "Is there an edge?"),
    ("latency", "Latency"),
    ("certificate", "Does this backtest lie?"),
    ("rules", "Rules and parameters"),
    ("limits", "What this data can and cannot show"),
)


def render_report(run: ReportInput) -> str:
    """Write the whole page: no script, no network, everything handed in is escaped. Same input, same page."""
    trades = trades_of(run.fills)
    equity = equity_of(run, np.random.default_rng(run.seed))
    parts: dict[str, Safe] = {
        "targets": target_cards(targets_of(run, trades, equity)),
        "data": data_story(run),
        "forecasts": forecasts_section(run),
        "money": equity_section(run, equity),
        "costs": costs_section(run),
        "fills": fills_section(run),
        "refusals": refusals_section(run),
        "baselines": baselines_section(run),
        "evidence": evidence_section(run),
        "latency": latency_section(run.latency),
        "certificate": certificate_section(run),
        "rules": joined([rules_table(run), parameters_table(run)]),
        "limits": limits(run),
    }
    body = joined(tag("section", tag("h2", words), parts[name], id=name) for name, words in SECTIONS)
    page = tag("main", head(run, trades, SECTIONS), body)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{text(run.title)}</title><style>{STYLE}</style></head><body>{page}</body></html>\n"
    )


def report_json(run: ReportInput) -> dict[str, Any]:
    """Give the same findings as plain values for `--json`: NaN becomes None, enums their names."""
    trades = trades_of(run.fills)
    equity = equity_of(run, np.random.default_rng(run.seed))
    usable = run.windows.usable == 1
    found = {
        "title": run.title,
        "mode": run.mode,
        "made": run.made,
        "version": run.version,
        "run_hash": run.run_hash,
        "params_hash": run.params_hash,
        "params": dict(run.params),
        "headline": headline(run, trades),
        "cannot_show": run.cannot_show,
        "limits": run.limits,
        "windows": {
            "all": len(run.windows),
            "usable": int(usable.sum()),
            "traded": int((usable & (run.windows.fills_count > 0)).sum()),
            "unusable": dict(run.story.unusable),
        },
        "targets": targets_of(run, trades, equity),
        "profit_usd": total_profit(run),
        "profit_per_traded_window_usd": profit_per_window(run),
        "costs": costs_of(run.fills),
        "markouts": markouts_of(run.fills),
        "fill_rates": fill_rates_of(run.orders),
        "scores": scored(run.forecasts),
        "forecasts": [_forecasts(group) for group in run.forecast_groups],
        "refusals": refusals_of(run.refusals, run.gates, dict(run.reasons)),
        "baselines": {b.name: baseline_interval(b) for b in run.baselines},
        "evidence": _evidence(evidence_of(run)),
        "sharpe_after_tries": ratio_of(run),
        "latency": {s.name: _latency(s.samples_ms, s.budget_ms) for s in run.latency},
        "certificate": {"light": certificate_light(run.checks), "checks": run.checks},
        "rules": run.rules,
        "sources": run.story.sources,
        "extra": dict(run.extra),
    }
    plain: dict[str, Any] = _plain(found)
    return plain


def _forecasts(group: Forecasts) -> dict[str, Any]:
    return {
        "called": group.called or "all windows",
        "moments": len(group),
        "windows": len(np.unique(group.window_s)),
        "scores": scored(group),
        "book_by_moment": book_by_moment(group),
        "reliability": [curve for name in FORECASTERS for curve in curves(group, name)],
        "edge_by_price": edge_by_price(group),
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    for_log, against_log = evidence.line[-1] if evidence.line else (0.0, 0.0)
    results = {"results": len(evidence.line), "refused": evidence.refused_count, "scale": evidence.scale}
    return {"for_log": for_log, "against_log": against_log, "bar_log": EVIDENCE_BAR_LOG, **results}


def _latency(samples_ms: Any, budget_ms: float) -> dict[str, float]:
    if not len(samples_ms):
        return {"budget_ms": budget_ms, "samples": 0}
    p50, p90, p99 = (float(q) for q in np.quantile(samples_ms, [0.5, 0.9, 0.99]))
    return {"budget_ms": budget_ms, "samples": len(samples_ms), "p50_ms": p50, "p90_ms": p90, "p99_ms": p99}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not isfinite(value):
        return None
    return value
