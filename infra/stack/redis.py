"""A Redis server of this machine, on loopback, that keeps nothing on disk."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from infra.stack.program import HOST, NotStarted, Program, answers, await_ready, end, free_port, start

PROGRAM: Final = "redis-server"
INSTALL: Final = "apt install redis-server"
READY_S: Final = 20.0


def redis_program(folder: Path, port: int, program: str | None = None) -> Program:
    """Give what to run.

    Raises:
        NotStarted: the server is not on this machine.
    """
    found = program or shutil.which(PROGRAM)
    if found is None:
        raise NotStarted(f"{PROGRAM} is not on this machine: {INSTALL}")
    words = [found, "--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no", "--daemonize", "no"]
    return Program(name="redis", words=words, folder=folder)


@contextmanager
def running_redis(folder: Path, port: int = 0) -> Iterator[str]:
    """Run a server while it is needed; gives its address.

    Raises:
        NotStarted: it is not on this machine, or did not come up.
    """
    with RedisHere(folder, port) as server:
        yield server.url


class RedisHere:
    """A server that can be ended and started again at the same port, as outages want it."""

    def __init__(self, folder: Path, port: int = 0, program: str | None = None) -> None:
        self.port = port or free_port()
        self._program = redis_program(folder, self.port, program)
        self.child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Give its address."""
        return f"redis://{HOST}:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it takes connections.

        Raises:
            NotStarted: it did not come up.
        """
        assert self.child is None, "it runs already"
        self.child = start(self._program)
        await_ready(self.child, self._program, lambda: answers(self.port), READY_S)

    def kill(self) -> None:
        """Kill it in the midst of whatever it does."""
        if self.child is not None:
            self.child.kill()
            self.child.wait()
            self.child = None

    def end(self) -> None:
        """Ask it to end."""
        if self.child is not None:
            end(self.child, self._program)
            self.child = None

    def __enter__(self) -> "RedisHere":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
