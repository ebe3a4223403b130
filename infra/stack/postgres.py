"""A real PostgreSQL on this machine: a cluster of its own in a folder, on loopback, synced as in production."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from infra.stack.program import HOST, NotStarted, Program, answers, as_user, await_ready, end, free_port, start

USER: Final = "postgres"
READY_S: Final = 30.0
_TRIES: Final = 10
"""Starts after a kill: while its own processes still go, the server refuses to share their memory."""
_PLACES: Final = "usr/lib/postgresql/*/bin"


@dataclass(slots=True)
class Postgres:
    """A server that can be stopped, killed and started again on the same data.

    Args:
        folder: Its own; made when absent. Where we are root it becomes the server user's.
        port: Where it listens; 0: any that is free.
    """

    folder: Path
    port: int = 0
    child: "subprocess.Popen[bytes] | None" = None
    _program: Program = field(init=False)
    _was_killed: bool = False

    def __post_init__(self) -> None:
        """Make the cluster.

        Raises:
            NotStarted: PostgreSQL is not on this machine, or makes no cluster.
        """
        self.port = self.port or free_port()
        data = self.folder / "data"
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.getuid() == 0:
            try:
                owner = pwd.getpwnam(USER)
            except KeyError:
                raise NotStarted(f"PostgreSQL does not run as root; make a user {USER}") from None
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        if not (data / "PG_VERSION").exists():
            self._make(data)
        settings = {
            "listen_addresses": HOST, "port": str(self.port), "unix_socket_directories": str(self.folder),
            "shared_buffers": "64MB", "max_connections": "40", "max_wal_size": "1GB",
        }  # fmt: skip
        words = [str(_program("postgres")), "-D", str(data)]
        for name, value in settings.items():
            words += ["-c", f"{name}={value}"]
        self._program = Program(
            name="postgres", words=words, folder=self.folder, user=USER, end=signal.SIGINT,
        )  # fmt: skip

    def dsn(self, name: str = "postgres") -> str:
        """Give the address of a database; no password is asked for on loopback."""
        return f"postgresql://{USER}@{HOST}:{self.port}/{name}"

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            NotStarted: it did not come up.
        """
        assert self.child is None, "it runs already"
        tries = _TRIES if self._was_killed else 1
        for left in reversed(range(tries)):
            self.child = start(self._program)
            try:
                await_ready(self.child, self._program, self._is_ready, READY_S)
            except NotStarted:
                self.end()
                if not left:
                    raise
                time.sleep(0.3)
            else:
                self._was_killed = False
                return

    def end(self) -> None:
        """End it in good order, or kill it when it does not end."""
        if self.child is not None:
            end(self.child, self._program)
            self.child = None

    def kill(self) -> None:
        """Kill it on the spot, as a crash does; its own processes see that and go too."""
        assert self.child is not None, "it does not run"
        self.child.kill()
        self.child.wait()
        self.child, self._was_killed = None, True

    def _is_ready(self) -> bool:
        if not answers(self.port):
            return False
        import psycopg

        try:
            psycopg.connect(self.dsn(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _make(self, data: Path) -> None:
        words = [
            str(_program("initdb")), "-D", str(data), "-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C",
        ]  # fmt: skip
        made = subprocess.run(
            as_user(USER, words), cwd=self.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if made.returncode:
            raise NotStarted(f"initdb ended with {made.returncode}: {' '.join(made.stderr.split())[-400:]}")


@contextmanager
def running_postgres(folder: Path) -> Iterator[Postgres]:
    """Run a server in a folder for a while; `dsn()` says where it is.

    Raises:
        NotStarted: it is not on this machine, or did not come up.
    """
    server = Postgres(folder)
    server.start()
    try:
        yield server
    finally:
        server.end()


def _program(name: str) -> Path:
    found = shutil.which(name)
    if found is not None:
        return Path(found)
    for place in sorted(Path("/").glob(_PLACES), reverse=True):
        if (place / name).is_file():
            return place / name
    raise NotStarted(f"{name} is not on this machine: apt install postgresql")
