"""A made-up market: generated, written to a journal as a live recording would be, and checked."""

import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from evals.generator import SPECS, generate
from infra.journal.errors import JournalDamaged
from infra.journal.reader import verify
from infra.journal.segments import is_journal
from infra.journal.writer import Journal
from state.units import NS_PER_S


def write_market(folder: Path, *, name: str, windows: int, seed: int) -> dict[str, Any]:
    """Generate a market into a journal and give what its check found, as plain values.

    All have the depth of the demonstration's, so that nothing but the planted mistakes sets them apart. The same name,
    windows and seed give the same bytes. A journal that was there is replaced.

    Raises:
        JournalDamaged: what was written does not read back.
    """
    spec = replace(SPECS[name], windows=windows, maker_shares=SPECS["demo"].maker_shares)
    events = generate(spec, seed)
    if is_journal(folder):
        shutil.rmtree(folder)
    told = {
        "generated": {"market": name, "windows": windows, "seed": seed},
        "import": {"notes": [f"generated, not recorded: market {name}, {windows} windows, seed {seed}"]},
    }
    with Journal(folder, created_ns=spec.first_open_s * NS_PER_S, code="generator") as journal:
        journal.append_events(events)
        journal.append_note(told, int(events["seen_ns"][-1]))
    (folder / "lock").unlink(missing_ok=True)
    found = verify(folder)
    if not found.sound or found.rows_count != len(events):
        raise JournalDamaged(f"{folder}: what was written does not read back ({found.rows_count} rows); see the disk")
    return asdict(found)
