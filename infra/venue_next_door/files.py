"""The file of a venue: what another process of this machine must know to use it, written for its owner alone."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from infra.addresses import Addresses
from infra.clock import RehearsalClock, monotonic_ns
from infra.private_files import is_running, write_private


class VenueFileRefused(ValueError):
    """A file that tells of no venue that runs; one line: where, what, and how to mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueFile:
    """A running venue: its servers, its clock, and the key to its switches."""

    addresses: Addresses
    origin_ns: int
    started_ns: int
    speed_ratio: float
    admin: str
    """Base address of the admin server."""
    token: str = field(repr=False)
    """The bearer token that it asks for."""
    pid: int
    market: str
    """What is played there, in words."""
    first_open_s: int
    """Start of the first window, or of the recording."""
    ends_ns: int
    """When the last window has settled, by the venue's clock."""

    @property
    def clock(self) -> RehearsalClock:
        """Give the venue's clock: the same time as in its own process."""
        return RehearsalClock(self.origin_ns, self.started_ns, self.speed_ratio)


_DECODER: Final = msgspec.json.Decoder(VenueFile)


def write_venue_file(path: Path, told: VenueFile) -> None:
    """Write the file whole or not at all, readable by its owner only; a file that was there is replaced."""
    write_private(path, msgspec.json.format(msgspec.json.encode(told)) + b"\n")


def read_venue_file(path: Path) -> VenueFile:
    """Read what `updown venue --write` wrote.

    Raises:
        VenueFileRefused: there is no such file, it is no venue's, or its venue does not run any more.
    """
    try:
        told = _DECODER.decode(path.read_bytes())
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise VenueFileRefused(f"{path}: {why}; start a venue with `updown venue --write {path}`") from error
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise VenueFileRefused(f"{path}: no venue's file ({error}); write one with `updown venue --write`") from error
    if not is_running(told.pid) or told.started_ns > monotonic_ns():
        raise VenueFileRefused(f"{path}: the venue that it tells of has ended; start one with `updown venue --write`")
    return told
