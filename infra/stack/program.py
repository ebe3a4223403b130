"""A server's program of this machine, run in a folder of its own while it is needed, and ended whatever happens."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
END_S: Final = 20.0
"""How long a server may take to end by itself once it is asked to."""
_LAST_LINES: Final = 12


class NotStarted(Exception):
    """A server did not come up; says which, and its last words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run and how.

    Args:
        name: In words, for people.
        words: The program and its arguments.
        folder: Its own; what it prints is kept there.
        user: Run as this user of the machine, where we are root (PostgreSQL refuses root).
        environment: More variables than ours.
        end: The signal that asks it to end.
    """

    name: str
    words: Sequence[str]
    folder: Path
    user: str = ""
    environment: Mapping[str, str] | None = None
    end: signal.Signals = signal.SIGTERM

    @property
    def log(self) -> Path:
        """Give the file that keeps what it prints."""
        return self.folder / f"{self.name}.log"


def free_port() -> int:
    """Give a port of this machine that nobody has at this moment."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        port: int = taken.getsockname()[1]
        return port


def as_user(user: str, words: Sequence[str]) -> list[str]:
    """Give the words that run as another user where we are root, and end when we do."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return list(words)
    more = ["--pdeathsig", "KILL"]
    if user and os.getuid() == 0:
        more += ["--reuid", user, "--regid", str(pwd.getpwnam(user).pw_gid), "--init-groups"]
    return [setpriv, *more, *words]


def start(program: Program) -> "subprocess.Popen[bytes]":
    """Start it, without waiting for its being ready; to be ended by `end`.

    A server dies with the thread that started it (`setpriv --pdeathsig`), so that a killed test leaves nothing behind.
    """
    program.folder.mkdir(parents=True, exist_ok=True)
    with program.log.open("ab") as log:
        return subprocess.Popen(
            as_user(program.user, program.words), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            cwd=program.folder, env={**os.environ, **(program.environment or {})},
        )  # fmt: skip


def end(child: "subprocess.Popen[bytes]", program: Program) -> None:
    """Ask it to end, and kill it when it does not."""
    if child.poll() is None:
        child.send_signal(program.end)
        try:
            child.wait(END_S)
        except subprocess.TimeoutExpired:
            child.kill()
    child.wait()


def await_ready(
    child: "subprocess.Popen[bytes]", program: Program, is_ready: Callable[[], bool], within_s: float
) -> None:
    """Wait until it is ready.

    Raises:
        NotStarted: it ended, or was not ready in time.
    """
    limit = time.monotonic() + within_s
    while not is_ready():
        if child.poll() is not None:
            raise NotStarted(f"{program.name} ended with {child.returncode}: {last_words(program)}")
        if time.monotonic() > limit:
            raise NotStarted(f"{program.name} was not ready within {within_s:g} s: {last_words(program)}")
        time.sleep(0.05)


@contextmanager
def running(program: Program, is_ready: Callable[[], bool], within_s: float) -> Iterator["subprocess.Popen[bytes]"]:
    """Run it for a while.

    Raises:
        NotStarted: it ended, or was not ready in time.
    """
    child = start(program)
    try:
        await_ready(child, program, is_ready, within_s)
        yield child
    finally:
        end(child, program)


def answers(port: int) -> bool:
    """Say whether somebody takes connections at a port of this machine."""
    try:
        socket.create_connection((HOST, port), 1.0).close()
    except OSError:
        return False
    return True


def last_words(program: Program) -> str:
    """Give the end of what it printed, in one line."""
    lines = program.log.read_text(errors="replace").splitlines() if program.log.exists() else []
    return " / ".join(lines[-_LAST_LINES:])[-1_000:] or "it said nothing"
