"""The proof of contracts: what every port promises, kept by its embedded kind and by the real servers, none left out.

The suites are the repository's own tests, run as a newcomer runs them; their report says how many passed with each
kind. A real server that is missing here is a suite that was not held, unless it is TimescaleDB, which no machine of
ours has: its suite runs where UPDOWN_TIMESCALE_DSN names one.
"""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as Xml

from evals.proof import Figure, Proof
from infra.proofs.rehearsals import Progress, RehearsalFailed
from infra.version import ROOT

NAME: Final = "contracts"
CLAIM: Final = "each port's contract is kept by its embedded kind and by the real servers"
SUITES: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    "bus": ("tests/bus/test_bus_contract.py", ("in-process", "mock", "kafka")),
    "time series": ("tests/store/test_time_series_contract.py", ("parquet", "plain", "timescale")),
    "fast state": ("tests/fast_state/test_fast_state_contract.py", ("in process", "redis")),
    "ledger": ("tests/ledger/test_ledger_contract.py", ("file", "postgres")),
}
"""Of each port its suite, and the kinds that it is held with."""
EXCEPTED: Final = "timescale"


def prove_contracts(_: Path | None, progress: Progress) -> Proof:
    """Run every suite and count what was held."""
    figures: list[Figure] = []
    rows: list[dict[str, Any]] = []
    for at, (port, (file, kinds)) in enumerate(SUITES.items()):
        progress(at, len(SUITES))
        counts, why = read_report(_reported(file))
        figures += judged(port, kinds, counts)
        rows += [
            {"port": port, "kind": kind, **told, "why": why.get(kind, "")} for kind, told in sorted(counts.items())
        ]
    progress(len(SUITES), len(SUITES))
    return Proof(name=NAME, claim=CLAIM, figures=tuple(figures), tables={"suites": rows})


def _reported(file: str) -> str:
    """Run a suite and give its report."""
    with tempfile.TemporaryDirectory(prefix="updown-contracts-") as home:
        report = Path(home) / "report.xml"
        words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts=", f"--junitxml={report}", file]
        done = subprocess.run(
            [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        if not report.exists():
            last = (done.stdout + done.stderr).strip().splitlines()[-1:]
            raise RehearsalFailed(f"{file}: no report ({' '.join(last)}); `uv sync` installs what tests need")
        return report.read_text(encoding="utf-8")


def read_report(raw: str) -> tuple[dict[str, dict[str, int]], dict[str, str]]:
    """Count a report's tests by the kind that they were run with; gives the counts, and why some were skipped.

    The kind is the first word of a test's parameters; tests without one count as "both".
    """
    counts: dict[str, Counter[str]] = {}
    why: dict[str, str] = {}
    for case in Xml.fromstring(raw).iter("testcase"):
        _, bracket, told = (case.get("name") or "").partition("[")
        kind = _kind(told.rstrip("]")) if bracket else "both"
        tags = {child.tag for child in case}
        end = "failed" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else "passed"
        counts.setdefault(kind, Counter())[end] += 1
        skipped = case.find("skipped")
        if skipped is not None:
            why[kind] = str(skipped.get("message") or "no reason given")
    return {kind: {end: told[end] for end in ("passed", "skipped", "failed")} for kind, told in counts.items()}, why


def _kind(parameters: str) -> str:
    known = {kind for _, kinds in SUITES.values() for kind in kinds}
    return next((kind for kind in sorted(known, key=len, reverse=True) if parameters.startswith(kind)), "both")


def judged(port: str, kinds: Sequence[str], counts: Mapping[str, Mapping[str, int]]) -> list[Figure]:
    """Hold that a port's contract was kept by each of its kinds, whole."""
    figures = []
    for kind in kinds:
        told = counts.get(kind, {})
        passed, skipped, failed = (told.get(end, 0) for end in ("passed", "skipped", "failed"))
        is_excepted = kind == EXCEPTED and skipped and not (passed or failed)
        figures.append(
            Figure(name=f"{port}, {kind}", measured=f"{passed} passed, {skipped} skipped, {failed} failed",
                   bar="skipped here" if is_excepted else "all passed",
                   holds=bool(is_excepted) or (passed > 0 and not skipped and not failed))
        )  # fmt: skip
    return figures
