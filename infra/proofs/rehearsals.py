"""Rehearsals for proofs: a venue next door and a desk, each a process of its own, started, watched and killed."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from infra.proofs.nursery import Born, Nursery
from infra.venue_next_door.files import VenueFile, read_venue_file
from infra.version import ROOT

UP_S: Final = 180.0
POLL_S: Final = 0.05
ANSWER_S: Final = 60.0
"""A venue that plays fast on a busy machine answers late: that is no fault of whoever asks."""

Progress = Callable[[int, int], None]


class RehearsalFailed(Exception):
    """A process of a rehearsal ended otherwise than it should; the message carries its last words."""


def _start(words: Sequence[str], said: Path) -> "subprocess.Popen[bytes]":
    with said.open("wb") as out, said.with_suffix(".err").open("wb") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", "infra", *words], stdin=subprocess.PIPE, stdout=out, stderr=errors, cwd=said.parent,
            env=os.environ | {"PYTHONPATH": str(ROOT)}, start_new_session=True,
        )  # fmt: skip


def last_words(said: Path) -> str:
    """Give the last line that a process said on its error stream."""
    lines = said.with_suffix(".err").read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


@contextmanager
def venue(
    scratch: Path, *, market: str, speed: float, windows: int, seed: int = 4, more: Sequence[str] = ()
) -> Iterator[tuple[Path, VenueFile]]:
    """Run a venue next door while the block lasts; gives its file and what stands in it.

    Raises:
        RehearsalFailed: it did not come up.
    """
    file, said = scratch / "venue.json", scratch / "venue.out"
    words = ["venue", "--market", market, "--speed", f"{speed:g}", "--windows", str(windows), "--seed", str(seed)]
    child = _start([*words, "--write", str(file), "--with-parent", *more], said)
    try:
        until = time.monotonic() + UP_S
        while not file.exists():
            if child.poll() is not None or time.monotonic() > until:
                raise RehearsalFailed(f"the venue did not come up: {last_words(said)}")
            time.sleep(POLL_S)
        time.sleep(POLL_S)
        yield file, read_venue_file(file)
    finally:
        end(child)


def state_of(place: VenueFile) -> dict[str, Any]:
    """Ask a venue's admin what it knows: accounts, ledger, connections, counts."""
    asked = urllib.request.Request(f"{place.admin}/state", headers={"Authorization": f"Bearer {place.token}"})
    with urllib.request.urlopen(asked, timeout=ANSWER_S) as answer:
        told: dict[str, Any] = json.load(answer)
    return told


def orders_at(place: VenueFile) -> int:
    """Give how many orders a venue has ever had from anybody."""
    return sum(int(account["orders_count"]) for account in state_of(place)["accounts"])


class Desk:
    """A desk in a process of its own, trading at a venue next door."""

    def __init__(
        self, venue_file: Path, journal: Path, *, name: str = "desk", more: Sequence[str] = (),
        nursery: Nursery | None = None,
    ) -> None:  # fmt: skip
        """Start it, or have it forked by a nursery; `more` are further words of `updown demo`."""
        self.journal = journal
        self.said = journal.parent / f"{name}.json"
        words = ["demo", "--venue", str(venue_file), "--out", str(journal), "--json", *more]
        self._child = _start(words, self.said) if nursery is None else nursery.bear(words, self.said)

    @property
    def is_over(self) -> bool:
        """Say whether it has ended."""
        return self._child.poll() is not None

    def resident_bytes(self) -> int:
        """Give the memory that it has in use, 0 once it has ended."""
        try:
            pages = Path(f"/proc/{self._child.pid}/statm").read_text(encoding="ascii").split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * os.sysconf("SC_PAGESIZE")

    def kill(self) -> None:
        """End it as a power cut would: without a word."""
        os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()

    def wait(self, told: Callable[[], None], timeout_s: float) -> dict[str, Any]:
        """Wait for its end and give its summary.

        Raises:
            RehearsalFailed: it ended with an error, or not in time.
        """
        until = time.monotonic() + timeout_s
        while not self.is_over:
            if time.monotonic() > until:
                self.kill()
                raise RehearsalFailed(f"the desk was not done after {timeout_s:.0f} s: {last_words(self.said)}")
            told()
            time.sleep(POLL_S * 10)
        if self._child.returncode != 0:
            raise RehearsalFailed(f"the desk ended with code {self._child.returncode}: {last_words(self.said)}")
        summary: dict[str, Any] = json.loads(self.said.read_text())
        return summary

    def close(self) -> None:
        """End it if it still runs."""
        end(self._child)


def end(child: "subprocess.Popen[bytes] | Born") -> None:
    """End a process: first politely."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(timeout=10.0)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    if child.stdin is not None:
        child.stdin.close()


def replayed(journal: Path) -> dict[str, Any]:
    """Replay a session's journal in another process and give what came of it."""
    done = subprocess.run(
        [sys.executable, "-m", "infra", "replay", str(journal), "--json"], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        told: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise RehearsalFailed(f"{journal}: the replay said {done.stderr.strip()[-300:]}") from None
    return told
