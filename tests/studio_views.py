"""Write Studio's recorded views anew, from a seeded generated run: `python tests/studio_views.py` in the checkout."""

import json
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1])]

from infra.compile_cache import prepare  # noqa: E402

prepare()

from desk_views import Witnessed, demo_events  # noqa: E402  (the compile cache must be set before the core is imported)

from state.params import default_params  # noqa: E402
from state.reasons import Reason  # noqa: E402
from state.records import as_dict  # noqa: E402

VIEWS = Path(__file__).resolve().parents[1] / "infra" / "views"
WARMER = {"fair_weight_ratio": 0.9, "weight_sd_ratio": 0.05}
"""A desk that trusts fair value more, so that a short run holds every kind of view; what it trusts is in the view."""


def chosen(mandates: list[Any]) -> dict[str, int]:
    """Name the first view of each kind."""
    found: dict[str, int] = {}
    names = {Reason.EDGE_THIN: "edge-thin", Reason.NO_REFERENCE: "no-reference", Reason.TOO_EARLY: "too-early",
             Reason.BOOK_STALE: "book-stale"}  # fmt: skip
    for row, mandate in enumerate(mandates):
        name = names.get(Reason(int(mandate["reason_code"])), "")
        if mandate["reason_code"] == 0:
            name = "fires" if mandate["take_mask"] else "quotes"
        if name:
            found.setdefault(name, row)
    return found


def write_views(folder: Path) -> list[str]:
    events = demo_events(windows=2)
    warm, early = Witnessed(default_params(WARMER)), Witnessed(default_params(WARMER))
    warm.play(events)
    # The same run without a single price: a view from the time before the feeds are there.
    early.play(events[events["kind_code"] < 9], most=50)
    # And one whose book fell silent for a minute in mid-window.
    silent = Witnessed(default_params(WARMER))
    opens = int(warm.views[0]["open_ns"])
    hushed = (events["kind_code"] <= 7) & (events["seen_ns"] > opens + 100 * 10**9)
    silent.play(events[~hushed & (events["seen_ns"] < opens + 120 * 10**9)])
    found: dict[str, Any] = {}
    for run in (early, silent, warm):
        found |= {name: run.views[row] for name, row in chosen(run.mandates).items()}
    for name, view in found.items():
        (folder / f"{name}.json").write_text(json.dumps(as_dict(view), indent=2) + "\n")
    return sorted(found)


if __name__ == "__main__":
    write_views(VIEWS)
