"""Lease: one engine per key: two would double orders and fight over the heartbeat (venue reference 8, row 26).

A lease is a file named by the account's address, never by its key. Who holds the file's lock holds the lease; the lock
goes with its process, however that ends, so a dead holder's lease is free at once. Each holder is given a number one
above the last (a fencing number): whoever shows a lower one has been overtaken.

Doubt: on a folder that several machines share, locks may not be seen across them. So a lease that another machine took
and never gave back is not taken over; a person removes the file who knows that the other engine is dead.
"""

import fcntl
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

import msgspec

FOLDER_VARIABLE: Final = "UPDOWN_LEASES"
_MODE: Final = 0o600


class LeaseHeld(Exception):
    """Another engine holds the lease; one line: who, and what to do."""


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a lease, or held it last."""

    host: str
    pid: int
    started_ns: int
    fence: int
    """Counts the holders of this lease."""
    journal: str = ""
    released: bool = False

    @property
    def words(self) -> str:
        """Name it to people."""
        return f"process {self.pid} on {self.host}" + (f" (journal {self.journal})" if self.journal else "")


class Standing(StrEnum):
    """How a lease stands."""

    FREE = "free"
    HELD = "held"
    STALE = "stale"
    """Its holder died without giving it back; it can be taken."""
    ABROAD = "abroad"
    """Another machine took it and has not given it back."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a lease found."""

    standing: Standing
    holder: Holder | None


_HOLDER: Final = msgspec.json.Decoder(Holder)


def lease_folder(environment: Mapping[str, str]) -> Path:
    """Give where this user's leases lie: one place for every session of the machine, whatever folder it runs in."""
    named = environment.get(FOLDER_VARIABLE, "")
    if named:
        return Path(named)
    state = environment.get("XDG_STATE_HOME", "")
    return (Path(state) if state else Path.home() / ".local" / "state") / "updown" / "leases"


def _file_of(folder: Path, address: str) -> Path:
    assert len(address) == 42 and address.startswith("0x"), "a lease is named by an address, never by a key"
    return folder / f"{address.lower()}.lease"


def _read(handle: int) -> Holder | None:
    os.lseek(handle, 0, os.SEEK_SET)
    try:
        return _HOLDER.decode(os.read(handle, 4096))
    except msgspec.MsgspecError:
        return None  # new, or cut by a crash while it was written: then nobody holds it


def _locked(handle: int) -> bool:
    """Try to lock; says whether we hold it now."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _standing(holder: Holder | None) -> Standing:
    """Say how a lease stands whose lock is free."""
    if holder is None or holder.released:
        return Standing.FREE
    return Standing.STALE if holder.host == socket.gethostname() else Standing.ABROAD


def look_at(folder: Path, address: str) -> Look:
    """Look at a lease without taking it."""
    try:
        handle = os.open(_file_of(folder, address), os.O_RDONLY)
    except FileNotFoundError:
        return Look(Standing.FREE, None)
    try:
        free = _locked(handle)
        holder = _read(handle)
        return Look(_standing(holder) if free else Standing.HELD, holder)
    finally:
        os.close(handle)


class Lease:
    """A lease that this process holds; given back at the end of its block, and with the process in any case."""

    def __init__(self, handle: int, holder: Holder, recovered: Holder | None) -> None:
        self._handle = handle
        self.holder = holder
        self.recovered = recovered
        """The dead holder whose lease this was, if there was one."""

    @classmethod
    def take(cls, folder: Path, address: str, *, now_ns: int, journal: str = "") -> Self:
        """Take the lease of an address.

        Args:
            folder: Where leases lie; made when it is not there.
            address: Of the account that signs.
            now_ns: Of this machine's own clock, for people to read.
            journal: The session's folder, for people to read.

        Raises:
            LeaseHeld: a living engine holds it, or one on another machine.
        """
        folder.mkdir(parents=True, exist_ok=True)
        file = _file_of(folder, address)
        handle = os.open(file, os.O_RDWR | os.O_CREAT, _MODE)
        try:
            if not _locked(handle):
                held = _read(handle)
                who = held.words if held is not None else "another process"
                raise LeaseHeld(f"an engine runs with this key already: {who}; end it first (one engine per key)")
            before = _read(handle)
            if before is not None and _standing(before) is Standing.ABROAD:
                raise LeaseHeld(
                    f"{before.words} took this key's lease and has not given it back: end that engine; if that machine "
                    f"is gone for good, remove {file}"
                )
            holder = Holder(
                host=socket.gethostname(), pid=os.getpid(), started_ns=now_ns, journal=journal,
                fence=(before.fence if before is not None else 0) + 1,
            )  # fmt: skip
            lease = cls(handle, holder, before if before is not None and not before.released else None)
            lease._write(holder)
        except BaseException:  # boundary: what could not be taken is let go
            os.close(handle)
            raise
        return lease

    def release(self) -> None:
        """Give it back; more than once does no harm."""
        if self._handle < 0:
            return
        self._write(msgspec.structs.replace(self.holder, released=True))
        os.close(self._handle)
        self._handle = -1

    def _write(self, holder: Holder) -> None:
        raw = msgspec.json.encode(holder)
        os.lseek(self._handle, 0, os.SEEK_SET)
        os.write(self._handle, raw)
        os.ftruncate(self._handle, len(raw))
        os.fsync(self._handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
