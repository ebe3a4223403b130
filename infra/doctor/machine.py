"""The machine: is there room to write everything down, is it safe when written, is the software what was pinned?"""

import importlib.metadata
import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from infra.clock import monotonic_ns
from infra.doctor.check import Check, ready, refused, warning
from infra.shell.lease import Look, Standing
from infra.version import ROOT

LEAST_BYTES: Final = 1 << 30
"""Below this nothing is begun: a full disk stops the journal, and with it the desk."""
DAY_BYTES: Final = 10 << 30
"""Doubt: rows of a busy day came to a few gigabytes in rehearsals; with frames kept it is more."""
SLOW_NS: Final = 100_000_000
"""An fsync that takes longer delays every order by that, for none leaves before it is written down."""
SYNCS: Final = 5
FOREIGN: Final = ("polymarket", "py-clob-client")
"""Packages that must not be here: the first is a stranger's by a name like the venue's, the second signs dead orders
(venue reference 1.4; 8, row 36)."""


def look_at_disk(folder: Path) -> Check:
    """Write a little into the session's folder, or where it will be, and see it safe."""
    name, place = "disk", _existing(folder)
    try:
        free = shutil.disk_usage(place).free
        slowest_ns = _sync_ns(place)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        return refused(name, f"{place} cannot be written to ({why})", "name a folder on a healthy disk")
    return judge_disk(place, free, slowest_ns)


def judge_disk(place: Path, free_bytes: int, slowest_ns: int) -> Check:
    """Judge room and speed."""
    name, room, took = (
        "disk",
        f"{free_bytes / (1 << 30):,.1f} GiB free",
        f"a write is safe in {slowest_ns / 1e6:.1f} ms",
    )
    if free_bytes < LEAST_BYTES:
        return refused(name, f"{place}: {room}", "make room: a session needs at least 1 GiB to begin")
    if slowest_ns > SLOW_NS:
        return warning(name, f"{place}: {took}, and every order waits for one", "use a local disk for the journal")
    if free_bytes < DAY_BYTES:
        return warning(name, f"{place}: {room}, less than a busy day may need", "make room, or end the session in time")
    return ready(name, f"{place}: {room}, {took}")


def _existing(folder: Path) -> Path:
    """Give the folder, or the nearest above it that is there already."""
    place = folder.absolute()
    while not place.is_dir() and place != place.parent:
        place = place.parent
    return place


def _sync_ns(place: Path) -> int:
    """Give the slowest of a few writes until they were on disk; leaves nothing behind."""
    slowest_ns = 0
    handle, name = tempfile.mkstemp(prefix=".updown-doctor-", dir=place)
    try:
        for _ in range(SYNCS):
            began_ns = monotonic_ns()
            os.write(handle, b"?" * 512)
            os.fsync(handle)
            slowest_ns = max(slowest_ns, monotonic_ns() - began_ns)
    finally:
        os.close(handle)
        os.unlink(name)
    return slowest_ns


def judge_lease(look: Look) -> Check:
    """Judge whether another engine works with this key."""
    name, holder = "lease", look.holder
    if look.standing is Standing.FREE or holder is None:
        return ready(name, "no other engine works with this key")
    if look.standing is Standing.HELD:
        return refused(
            name, f"an engine runs with this key already: {holder.words}", "end it first: one engine per key"
        )
    if look.standing is Standing.ABROAD:
        words = f"{holder.words} took this key's lease and has not given it back"
        return refused(name, words, "end that engine; remove the lease's file only if that machine is gone for good")
    return ready(name, f"left behind by {holder.words}, which is dead: a start takes it over")


def look_at_software() -> Check:
    """Hold Python and the libraries against what the lock file pins."""
    try:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        words = "no lock file beside the code, so nobody can say which libraries were meant"
        return warning("software", words, "run from a checkout, installed by `uv sync`")
    pinned: dict[str, set[str]] = {}  # one library may be pinned once for each Python
    for each in lock.get("package", ()):
        pinned.setdefault(each["name"], set()).add(each.get("version", ""))
    wanted = {name: pinned[name] for name in map(_bare, project["dependencies"]) if name in pinned}
    return judge_software(wanted, {name: _installed(name) for name in (*wanted, *FOREIGN)})


def judge_software(pinned: Mapping[str, Collection[str]], installed: Mapping[str, str]) -> Check:
    """Judge versions: `installed` is empty for what is not there."""
    name = "software"
    if strange := [each for each in FOREIGN if installed.get(each)]:
        return refused(
            name, f"installed: {', '.join(strange)}, which must not be", f"uninstall {' and '.join(strange)}"
        )
    odd = [
        f"{each} {installed.get(each) or 'missing'} (pinned {' or '.join(sorted(its))})"
        for each, its in pinned.items()
        if installed.get(each) not in its
    ]
    if odd:
        return warning(name, f"not as pinned: {', '.join(odd)}", "install the pinned libraries again (`uv sync`)")
    return ready(name, f"Python {sys.version.split()[0]}, {len(pinned)} libraries as pinned")


def _bare(requirement: str) -> str:
    return next(part for part in requirement.replace("[", " ").replace(">", " ").replace("=", " ").split())


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
