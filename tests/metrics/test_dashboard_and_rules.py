"""Dashboard and alert rules name only what is exported, and the rules mean what they say."""

import re
import subprocess
from pathlib import Path

from prometheus_client import generate_latest
from real_parts import program

from infra.language_model.budget import Spent
from infra.metrics.dashboard import FILE, ROWS, as_text
from infra.metrics.exporter import Exporter
from infra.metrics.series import exported
from infra.metrics.watched import Reading
from infra.terminal.glance import FeedPrice, Glance, LimitShown

HERE = Path(__file__).parent
PROMETHEUS = Path("infra/docker/prometheus")
NAME = re.compile(r"updown_\w+")
PULSE = {
    "waiting": 1, "deepest": 2, "frames": 3, "lost": {"bybit": 1}, "conflated": {"okx": 1}, "refused": 0,
    "coalesced": 0,
    "wires": {"okx": {"state": "up", "reconnects": 0}}, "spans": {"desk": {"counts": [1] * 13, "sum_ms": 5.0}},
}  # fmt: skip
INSTALL = "apt install prometheus (only promtool of it is used)"


def drawn() -> set[str]:
    return {name for _, row in ROWS for panel in row for query, _ in panel.queries for name in NAME.findall(query)}


def test_every_panel_draws_what_is_exported_and_nothing_is_exported_for_nobody() -> None:
    assert drawn() <= exported()
    assert exported() - drawn() == {"updown_stage_seconds_sum", "updown_stage_seconds_count"}


def test_the_dashboard_s_file_is_what_the_code_makes() -> None:
    """Made again with: python -c "from infra.metrics.dashboard import *; FILE.write_text(as_text())"."""
    assert FILE.read_text() == as_text()


def test_every_rule_asks_for_what_is_exported() -> None:
    rules = (PROMETHEUS / "alerts.yaml").read_text()
    asked = {
        name for line in rules.splitlines() if "expr:" in line or "histogram" in line for name in NAME.findall(line)
    }
    assert asked and asked <= exported()


def test_every_rule_fires_when_it_should_and_is_still_when_it_should_be(tmp_path: Path) -> None:
    promtool = program("promtool", INSTALL)
    stories = tmp_path / "alerts_test.yaml"
    rules = (PROMETHEUS / "alerts.yaml").absolute()
    stories.write_text((HERE / "alerts_test.yaml").read_text().replace("RULES", str(rules)))
    for words in (("test", "rules", str(stories)), ("check", "rules", str(rules))):
        told = subprocess.run([promtool, *words], capture_output=True, text=True, timeout=60, check=False)
        assert told.returncode == 0, told.stdout + told.stderr
    told = subprocess.run(
        [promtool, "check", "config", str(PROMETHEUS / "prometheus.yaml")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stdout + told.stderr


def test_every_rule_has_a_story() -> None:
    rules = set(re.findall(r"- alert: (\w+)", (PROMETHEUS / "alerts.yaml").read_text()))
    stories = (HERE / "alerts_test.yaml").read_text()
    fired = set(re.findall(r"alertname: (\w+)\n\s+exp_alerts:\n", stories))
    assert fired == rules, "each is seen to ring"


def test_names_and_units_are_as_prometheus_wants_them() -> None:
    promtool, exporter = program("promtool", INSTALL), Exporter()
    glance = Glance(
        now_ns=1,
        feeds=(FeedPrice(name="okx", quality="good", age_ms=3.0),),
        limits=(LimitShown(name="position", used=1.0, most=2.0, unit="$"),),
    )
    exporter.reading = Reading(glance=glance, mode="live", code="c", idle_s=1.0, pulse=PULSE, spent=Spent(1.0, 2, 3))
    told = subprocess.run(
        [promtool, "check", "metrics"], input=generate_latest(exporter.registry), capture_output=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert (told.returncode, told.stdout + told.stderr) == (0, b"")
