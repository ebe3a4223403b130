"""An outage of a server: killed, or held so that it answers nobody and keeps its connections, which is worse."""

import os
import signal
import subprocess
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class Shape(StrEnum):
    """How a server is away."""

    DEAD = "killed"
    HUNG = "stopped where it stood"


class Server(Protocol):
    """A server of the stack."""

    def start(self) -> None:
        """Start it."""

    def kill(self) -> None:
        """Kill it on the spot."""

    @property
    def child(self) -> "subprocess.Popen[bytes] | None":
        """Give its process, if it runs."""


def take_away(server: Server, shape: Shape) -> list[int]:
    """Let a server be away; gives what `give_back` must know."""
    if shape is Shape.DEAD:
        server.kill()
        return []
    assert server.child is not None, "it runs"
    held = family(server.child.pid)
    for pid in held:
        _signal(pid, signal.SIGSTOP)
    return held


def give_back(server: Server, shape: Shape, held: list[int]) -> None:
    """Let it be there again."""
    if shape is Shape.DEAD:
        server.start()
        return
    for pid in reversed(held):
        _signal(pid, signal.SIGCONT)


def family(pid: int) -> list[int]:
    """Give a process and all that it has begun, parents first."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            told = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        children.setdefault(int(told[1]), []).append(int(stat.parent.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # one that has ended needs no waking
