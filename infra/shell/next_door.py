"""The venue next door as a session's place: started as a child of ours, or one that runs already."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from infra.addresses import Addresses
from infra.clock import RehearsalClock
from infra.hedge.ccxt_perp import HedgeKeys
from infra.venue_next_door.files import VenueFile, VenueFileRefused, read_venue_file
from infra.venue_next_door.perp_account import PLAY_PASSWORD, play_secret
from infra.venues.credentials import Secret, throwaway_key
from infra.venues.signing import Signer
from infra.version import ROOT
from infra.wallets import deposit_wallet_of

START_S: Final = 120.0
"""A venue is up within seconds; only its first start ever compiles."""
END_S: Final = 5.0
WORDS: Final = "This market does not exist and its money is play money: what was made here is no evidence of an edge."


class VenueFailed(Exception):
    """The venue next door did not come up; the message carries its last line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a session goes: addresses, the clock that all share, and who we are there."""

    addresses: Addresses
    clock: RehearsalClock
    key: Secret = field(repr=False)
    wallet: str
    words: str
    """What people should know of the market there."""

    @property
    def hedge_keys(self) -> HedgeKeys:
        """Give our keys at the perpetual exchanges there, which open an account for every key that comes."""
        return HedgeKeys(Secret(self.wallet), Secret(play_secret(self.wallet)), Secret(PLAY_PASSWORD))


def place_of(told: VenueFile, key: Secret, words: str) -> Place:
    """Give the place that a venue's file tells of."""
    return Place(
        addresses=told.addresses, clock=told.clock, key=key, wallet=deposit_wallet_of(Signer(key).address), words=words
    )


@contextmanager
def borrowed_venue(file: Path) -> Iterator[Place]:
    """Use a venue that runs already; who we are there is kept beside its file, so that a restart is the same desk.

    Raises:
        VenueFileRefused: there is no such file, or nothing that it tells of runs.
    """
    told = read_venue_file(file)
    yield place_of(
        told, kept_key(file.with_suffix(".key")), "The market next door does not exist; money is play money."
    )


def kept_key(file: Path) -> Secret:
    """Give the throw-away key of a file that only we can read, made on the first call."""
    if file.exists():
        return Secret(file.read_text(encoding="ascii").strip())
    key = throwaway_key()
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as out:
        out.write(key.reveal())
    return key


@contextmanager
def own_venue(
    folder: Path, *, market: str, speed: float, seed: int, windows: int, cash_usd: float, faults: Path | None
) -> Iterator[Place]:
    """Start a venue of our own, and end it with the session.

    Raises:
        VenueFailed: it did not come up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "venue.json"
    file.unlink(missing_ok=True)
    words = [sys.executable, "-m", "infra", "venue", "--market", market, "--speed", f"{speed:g}", "--seed", str(seed)]
    words += ["--windows", str(windows + 3 if windows else 288), "--cash-usd", f"{cash_usd:.0f}"]
    words += ["--write", str(file.resolve()), "--with-parent", *(["--faults", str(faults.resolve())] if faults else [])]
    child = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, start_new_session=True,
    )  # fmt: skip
    try:
        told = _wait_for(child, file)
        yield place_of(told, throwaway_key(), WORDS)
    finally:
        _end(child)
        file.unlink(missing_ok=True)


def _wait_for(child: "subprocess.Popen[str]", file: Path) -> VenueFile:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if child.poll() is not None:
            _, said = child.communicate()
            last = (said.strip().splitlines() or ["it said nothing"])[-1].removeprefix("updown: ")
            raise VenueFailed(f"the venue next door ended with code {child.returncode}: {last}")
        if file.exists():
            try:
                return read_venue_file(file)
            except (VenueFileRefused, json.JSONDecodeError):
                pass  # being written
        time.sleep(0.02)
    raise VenueFailed(f"the venue next door did not come up within {START_S:.0f} s; try `updown venue` by itself")


def _end(child: "subprocess.Popen[str]") -> None:
    child.terminate()
    try:
        child.communicate(timeout=END_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
