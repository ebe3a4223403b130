"""Which code this is: version, commit, record layouts and the libraries that the numbers depend on."""

import hashlib
import json
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
LIBRARIES: Final = ("numpy", "numba", "langgraph", "duckdb")


def about_code() -> dict[str, Any]:
    """Give version, commit (None outside a checkout), layout hashes and library versions as plain values."""
    commit, changed = _commit()
    return {
        "version": version("updown"),
        "commit": commit,
        "changed": changed,
        "python": sys.version.split()[0],
        "machine": f"{platform.system()} {platform.machine()}",
        "libraries": {name: version(name) for name in LIBRARIES},
        "layouts": layouts(),
    }


def code_name() -> str:
    """Name this code in one word, as journals and runs note it."""
    commit, changed = _commit()
    return version("updown") + (f"+{commit[:12]}" if commit else "") + (".changed" if changed else "")


def _commit() -> tuple[str | None, bool]:
    """Ask git for the commit of this checkout and whether files differ from it."""
    if not (ROOT / ".git").exists():
        return None, False
    try:
        told = subprocess.run(
            ["git", "--no-optional-locks", "status", "--porcelain=v2", "--branch", "--untracked-files=no"],
            cwd=ROOT, capture_output=True, text=True, check=True, timeout=10,
        ).stdout.splitlines()  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None, False
    oid = next((line.split()[-1] for line in told if line.startswith("# branch.oid")), "")
    return (oid if oid and oid != "(initial)" else None), any(not line.startswith("#") for line in told)


def layouts() -> dict[str, str]:
    """Give the layout hashes of events, the world and mandates.

    Reckoning them takes a second, since the world's modules import the compiler; so they are kept beside the
    machine code, under a digest of the sources that declare records.
    """
    from infra.compile_cache import cache_folder

    total = hashlib.sha256(version("numpy").encode())
    for path in sorted((ROOT / "state").glob("*.py")):
        total.update(path.read_bytes())
    kept = cache_folder().parents[1] / "layouts" / f"{total.hexdigest()[:20]}.json"
    try:
        told: dict[str, str] = json.loads(kept.read_text())
    except (OSError, ValueError):
        told = _layouts()
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(told))
        except OSError:
            pass  # a cache that cannot be kept costs a second the next time
    return told


def _layouts() -> dict[str, str]:
    from infra.journal.blocks import layout_hash
    from state.desk import Mandate
    from state.events import EVENT
    from state.records import layout
    from state.world import World

    return {"Event": layout_hash(EVENT), "World": layout_hash(layout(World)), "Mandate": layout_hash(layout(Mandate))}
