"""Compile the core once, visibly, and keep it: one folder of machine code for each state of the sources.

Numba's own check looks only at the file a function stands in, not at those it calls into, and would run stale code
after a change elsewhere. Here the folder's name is a digest of every source that compiled code is made of, so stale
code cannot be found.
`prepare` must come before anything of the core is imported.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
FLOORS: Final = ("state", "tools", "agents", "graph", "evals")
PARTS: Final = ("core", "sides")
PLAY_EFFORT: Final = "1"
"""LLVM's level for the loop on top: its parts were optimised fully just before, and twice gains nothing."""

READY: Final = "ready"
KEPT: Final = 8
"""Digests whose machine code is kept; older ones are removed."""

FILES_EXPECTED: Final = 300
"""Compiled functions in all, roughly: for the progress line only."""


class CompileFailed(RuntimeError):
    """The core did not compile; the message carries the compiler's last lines."""


def cache_folder() -> Path:
    """Give the folder of machine code for the sources as they are now."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "updown" / "numba" / _digest()


def _digest() -> str:
    total = hashlib.sha256()
    for floor in FLOORS:
        for path in sorted((ROOT / floor).rglob("*.py")):
            content = path.read_bytes()
            if floor == "state" or b"@compiled" in content:
                total.update(str(path.relative_to(ROOT)).encode())
                total.update(content)
    for part in (version("numba"), version("numpy"), sys.version, platform.machine(), str(ROOT)):
        total.update(part.encode())
    return total.hexdigest()[:20]


def prepare(show: bool = True) -> None:
    """Point Numba at this source's machine code and compile it first if nobody has; says so on standard error.

    Raises:
        CompileFailed: the core does not compile.
    """
    if os.environ.get("NUMBA_DISABLE_JIT") == "1":
        return
    folder = cache_folder()
    point_at(folder)
    if (folder / READY).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with _Line(show) as line:
        _compile(folder, line)
    (folder / READY).write_text(f"{time.monotonic() - started:.1f} s\n")
    _sweep(folder.parent)


def point_at(folder: Path) -> None:
    """Make Numba keep its machine code in `folder`; only before the core is imported."""
    if os.environ.get("NUMBA_CACHE_DIR") == str(folder):
        return
    assert "state.compiled" not in sys.modules, "the core was imported before its compile cache was set"
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    if "numba" in sys.modules:
        settings: Any = sys.modules["numba"].config
        settings.CACHE_DIR = str(folder)


def _compile(folder: Path, line: "_Line") -> None:
    """Compile the independent parts side by side, then what stands on both."""
    env = os.environ | {"NUMBA_CACHE_DIR": str(folder)}
    for batch, effort in ((PARTS, "3"), (("play",), PLAY_EFFORT)):
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "infra.warm", part],
                cwd=ROOT,
                env=env | {"NUMBA_OPT": effort},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for part in batch
        ]
        while any(child.poll() is None for child in running):
            line.show(sum(1 for _ in folder.rglob("*.nbc")))
            time.sleep(0.2)
        for child in running:
            _, said = child.communicate()
            if child.returncode != 0:
                last = said.strip().splitlines()[-1:] or ["no message"]
                raise CompileFailed(f"the core did not compile: {last[0]} (run `python -m infra.warm play` to see all)")


class _Line:
    """One line of progress on a terminal's standard error; two plain lines elsewhere."""

    def __init__(self, show: bool) -> None:
        self.shown = show
        self.started = time.monotonic()
        self.live = sys.stderr.isatty()

    def __enter__(self) -> "_Line":
        if self.shown and not self.live:
            print("compiling the core, once for this version ...", file=sys.stderr)  # noqa: T201
        return self

    def show(self, count: int) -> None:
        if self.shown and self.live:
            share = min(count / FILES_EXPECTED, 0.99)
            bar = "━" * int(30 * share) + "╌" * (30 - int(30 * share))
            past = time.monotonic() - self.started
            print(  # noqa: T201
                f"\rcompiling the core, once for this version {bar} {share:4.0%} {past:3.0f} s",
                end="",
                file=sys.stderr,
                flush=True,
            )

    def __exit__(self, *_: object) -> None:
        if self.shown:
            lead = "\r\033[K" if self.live else ""
            print(f"{lead}compiled the core in {time.monotonic() - self.started:.0f} s", file=sys.stderr)  # noqa: T201


def _sweep(base: Path) -> None:
    """Remove the machine code of sources that are no more, but for the newest few."""
    folders = sorted((each for each in base.iterdir() if each.is_dir()), key=lambda each: each.stat().st_mtime)
    for old in folders[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
