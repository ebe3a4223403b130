"""A backtest's run over a few made-up windows with late makers; made once for all tests of a process."""

from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

from infra.agent_evals.evidence import save_evidence


@lru_cache(maxsize=1)
def small_run() -> Path:
    """Give the run's folder."""
    home = Path(mkdtemp(prefix="updown-run-")) / "var" / "generated" / "small"
    save_evidence(home)
    return home
