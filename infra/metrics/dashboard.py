"""The dashboard, as the JSON that Grafana reads: rows of panels, each a question that an operator asks."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SOURCE: Final = {"type": "prometheus", "uid": "updown-prometheus"}
"""As infra/docker/grafana/datasource.yaml names it."""
UID: Final = "updown-desk"
FILE: Final = Path("infra/docker/grafana/desk.json")
WIDTH: Final = 24


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: its question, what it draws, and how wide (of 24) it is."""

    title: str
    queries: tuple[tuple[str, str], ...]
    """PromQL and the legend."""
    unit: str = "short"
    width: int = 8
    kind: str = "timeseries"


_QUANTILE: Final = "histogram_quantile({}, sum by (le, stage) (rate(updown_stage_seconds_bucket[5m])))"

ROWS: Final[tuple[tuple[str, tuple[Panel, ...]], ...]] = (
    ("Is it well?", (
        Panel("Session", (("updown_session_info", "{{mode}} {{code}}"),), width=4, kind="stat"),
        Panel("Halted", (("updown_halted", ""),), width=4, kind="stat"),
        Panel("Journal idle", (("updown_journal_idle_seconds", ""),), "s", 4, "stat"),
        Panel("Shared fast state degraded", (("updown_fast_state_degraded", ""),), width=4, kind="stat"),
        Panel("Alerts that reached nobody", (("increase(updown_alerts_failed_total[1h])", ""),), width=4, kind="stat"),
        Panel("Windows settled", (("updown_windows_settled_total", ""),), width=4, kind="stat"),
    )),
    ("What does it earn, and what may it lose?", (
        Panel("Profit after fees", (
            ("updown_profit_session_usd", "session"), ("updown_profit_day_usd", "settled today"),
            ("updown_profit_open_usd", "open, marked at the bid"),
        ), "currencyUSD"),
        Panel("Limits used", (("updown_limit_used_ratio", "{{limit}}"),), "percentunit"),
        Panel("Cash and fees", (("updown_cash_usd", "cash"), ("updown_fees_usd_total", "fees")), "currencyUSD"),
    )),
    ("What does it do?", (
        Panel("Decisions and orders", (
            ("rate(updown_decisions_total[1m])", "decisions"), ("rate(updown_orders_placed_total[1m])", "orders"),
            ("rate(updown_cancels_total[1m])", "cancels"), ("rate(updown_fills_total[1m])", "fills"),
            ("rate(updown_desk_coalesced_total[1m])", "overtaken runs"),
        ), "ops"),
        Panel("Orders by state", (
            ("updown_orders_open", "{{state}}"), ("increase(updown_orders_ended_total[5m])", "ended {{state}} (5 m)"),
        )),
        Panel("Why it stands aside", (("rate(updown_stand_asides_total[5m])", "{{reason}}"),), "ops"),
    )),
    ("How fast is it?", (
        Panel("Half of all, by stage", ((_QUANTILE.format("0.5"), "{{stage}}"),), "s"),
        Panel("99 of a hundred, by stage", ((_QUANTILE.format("0.99"), "{{stage}}"),), "s"),
        Panel("Queue", (("updown_queue_depth", "now"), ("updown_queue_depth_most", "most ever"))),
    )),
    ("What does it hear?", (
        Panel("Age of feeds", (("updown_feed_age_seconds", "{{feed}}"), ("updown_book_age_seconds", "book")), "s"),
        Panel("Feeds that may be used", (("updown_feed_good", "{{feed}}"),)),
        Panel("Connections", (
            ("updown_wire_up", "{{wire}}"), ("increase(updown_wire_reconnects_total[5m])", "{{wire}} again (5 m)"),
        )),
        Panel("Frames and rows", (
            ("rate(updown_frames_total[1m])", "frames"), ("rate(updown_journal_rows_total[1m])", "rows"),
        ), "ops"),
        Panel("Dropped", (
            ("rate(updown_frames_dropped_total[1m])", "lost {{wire}}"),
            ("rate(updown_frames_conflated_total[1m])", "conflated {{wire}}"),
            ("rate(updown_frames_refused_total[1m])", "refused"),
        ), "ops"),
        Panel("Language model today", (
            ("updown_model_usd_today", "dollars"), ("updown_model_calls_today", "calls"),
            ("updown_model_tokens_today", "tokens"),
        )),
    )),
)  # fmt: skip


def dashboard() -> dict[str, Any]:
    """Give the whole dashboard as Grafana reads it."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS:
        panels.append(_row(len(panels) + 1, title, y))
        y, x = y + 1, 0
        for panel in row:
            if x + panel.width > WIDTH:
                x, y = 0, y + _height(panel)
            panels.append(_panel(len(panels) + 1, panel, x, y))
            x += panel.width
        y += _height(row[-1])
    return {
        "uid": UID,
        "title": "updown: a desk",
        "schemaVersion": 39,
        "editable": False,
        "refresh": "5s",
        "time": {"from": "now-30m", "to": "now"},
        "tags": ["updown"],
        "panels": panels,
    }


def as_text() -> str:
    """Give the dashboard's file."""
    return json.dumps(dashboard(), indent=1) + "\n"


def _height(panel: Panel) -> int:
    return 4 if panel.kind == "stat" else 8


def _row(number: int, title: str, y: int) -> dict[str, Any]:
    return {
        "id": number,
        "type": "row",
        "title": title,
        "collapsed": False,
        "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1},
        "panels": [],
    }


def _panel(number: int, panel: Panel, x: int, y: int) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + at), "expr": query, "legendFormat": legend or "__auto", "datasource": SOURCE}
        for at, (query, legend) in enumerate(panel.queries)
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": _height(panel)},
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": targets,
    }
