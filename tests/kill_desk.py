"""A desk in a process of its own: the real gateway and the real kill switch, quoting without end at a venue next door.

    python tests/kill_desk.py FOLDER VENUE.json

It says `resting N` for each order that rests, and `refused N` for each that did not leave.
"""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from gateway_desk import desk_at, listing_at
from live_venue import LiveVenue

from infra.addresses import Addresses
from infra.clock import RehearsalClock
from infra.shell.kill import KillSwitch, kill_switch
from infra.shell.next_door import kept_key
from infra.venue_next_door.files import read_venue_file


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@dataclass
class There:
    """A venue of another process, as far as a desk needs to know it."""

    addresses: Addresses
    clock: RehearsalClock
    window: Any


async def listed(venue: LiveVenue) -> None:
    """Wait until the venue's catalogue has its first window."""
    for _ in range(600):
        try:
            await listing_at(venue)
            return
        except AssertionError:
            await asyncio.sleep(0.05)


async def quote(folder: Path, venue_file: Path) -> None:
    told = read_venue_file(venue_file)
    there = There(told.addresses, told.clock, SimpleNamespace(slug=f"btc-updown-5m-{told.first_open_s}"))
    await listed(cast("LiveVenue", there))
    key = kept_key(folder / "desk.key")
    async with desk_at(cast("LiveVenue", there), key) as desk:
        switch = KillSwitch(folder, desk.gateway, desk.rest, lambda why, word: say(f"halted {why}"))
        signer = desk.gateway._signer
        async with kill_switch(
            switch, folder, mode="demo", addresses=told.addresses, clock=told.clock, wallet=signer.wallet,
            signature_type=int(signer.signature_type), key=key,
        ):  # fmt: skip
            said = 0
            while True:
                desk.place("0.01", 5)
                await asyncio.sleep(0.1)
                lines = desk.words
                for line in lines[said:]:
                    word = "resting" if "RESTING" in line else "refused" if "REJECTED" in line else ""
                    if word:
                        say(f"{word}: {line}")
                said = len(lines)


if __name__ == "__main__":
    asyncio.run(quote(Path(sys.argv[1]), Path(sys.argv[2])))
