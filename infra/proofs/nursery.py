"""A nursery of desks: a process that has loaded everything once, and forks a desk whenever one is asked for.

A desk that is started anew loads for ten seconds before its first look at the market, and the proof of kill points
starts two hundred. What is forked is the same command in a process of its own, with a desk's process of its own; only
the loading is shared. Requests come as lines on standard input, answers go as lines to standard output.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from multiprocessing import Pipe
from pathlib import Path
from typing import Any, Final, NoReturn

from infra.version import ROOT

POLL_S: Final = 0.02
START_S: Final = 120.0


class NurseryFailed(Exception):
    """The nursery ended, or does not answer."""


class Nursery:
    """The nursery, seen from a proof. Use it as a context."""

    def __init__(self, said: Path) -> None:
        """Start it; its faults go to a file."""
        with said.open("wb") as errors:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "infra.proofs.nursery"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=errors, env=os.environ | {"PYTHONPATH": str(ROOT)}, start_new_session=True,
            )  # fmt: skip

    def __enter__(self) -> "Nursery":
        """Give the nursery."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it, and with it every desk that still lives."""
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.close()
        self._child.wait()
        self._child.stdout.close()

    def bear(self, words: Sequence[str], said: Path) -> "Born":
        """Start `updown` with these words; what it says goes to `said`, and to a file beside it that ends in .err."""
        return Born(self, int(self.ask({"bear": list(words), "said": str(said)})))

    def ask(self, request: dict[str, Any]) -> Any:
        """Ask the process, and give its answer.

        Raises:
            NurseryFailed: it is gone.
        """
        assert self._child.stdin is not None and self._child.stdout is not None
        try:
            self._child.stdin.write(json.dumps(request).encode() + b"\n")
            self._child.stdin.flush()
            answer = self._child.stdout.readline()
        except OSError:
            answer = b""
        if not answer:
            raise NurseryFailed("the process that desks are forked from has ended")
        return json.loads(answer)


class Born:
    """A desk that was forked; as much of `subprocess.Popen` as a rehearsal needs."""

    stdin = None

    def __init__(self, nursery: Nursery, pid: int) -> None:
        """Take the process's number."""
        self._nursery, self.pid = nursery, pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Give the exit code, None as long as it lives."""
        if self.returncode is None:
            self.returncode = self._nursery.ask({"code of": self.pid})
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and give the exit code.

        Raises:
            subprocess.TimeoutExpired: it lives longer than that, in seconds.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired("updown", timeout or 0.0)
            time.sleep(POLL_S)
        return code

    def terminate(self) -> None:
        """Ask it to end."""
        os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        os.kill(self.pid, signal.SIGKILL)


# Inside the nursery's process.


class _Forked:
    """A desk's process that was forked before anything of the session began."""

    def __init__(self) -> None:
        self.pipe, theirs = Pipe()
        self.pid = os.fork()
        self.returncode: int | None = None
        if self.pid == 0:
            os.setsid()
            self.pipe.close()
            _work(theirs)
        theirs.close()

    def wait(self, timeout: float | None = None) -> int:
        until = None if timeout is None else time.monotonic() + timeout
        while self.returncode is None:
            gone, status = os.waitpid(self.pid, os.WNOHANG)
            if gone:
                self.returncode = os.waitstatus_to_exitcode(status)
            elif until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired("desk", timeout or 0.0)
            else:
                time.sleep(POLL_S)
        return self.returncode

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


def _work(pipe: Any) -> NoReturn:
    import uvloop

    from infra.shell.desk_worker import work

    with contextlib.suppress(BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        uvloop.run(work(pipe))
    os._exit(0)


def _load() -> None:
    """Load what a desk and its process load, and run the graph once."""
    from infra.cli.core import get_ready

    get_ready()
    import asyncio

    import infra.shell.live
    import infra.terminal.screen
    import infra.terminal.summary  # noqa: F401 - loaded for those that are forked
    from graph.desk import compile_desk, run_desk
    from graph.stages import RECORDS
    from infra.shell.core import Core
    from state.params import default_params
    from state.records import one

    params = default_params()
    Core(params, 1)
    asyncio.run(run_desk(compile_desk(), params, one(RECORDS["market"])))


def _live(words: Sequence[str], said: Path) -> NoReturn:
    """Be a desk: `updown` with these words, in a process group of its own."""
    os.setpgid(0, 0)
    os.chdir(said.parent)
    for name, stream in ((str(said), 1), (str(said.with_suffix(".err")), 2), (os.devnull, 0)):
        handle = os.open(name, os.O_RDONLY if stream == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(handle, stream)
        os.close(handle)
    from infra.shell import desk_process

    forked = _Forked()
    desk_process.begin = lambda _: (forked.pipe, forked)
    sys.argv = ["updown", *words]
    code = 0
    try:
        from infra.__main__ import main as updown

        updown()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Load, then answer until standard input ends."""
    _load()
    living: set[int] = set()
    for line in sys.stdin:
        request = json.loads(line)
        if "bear" in request:
            pid = os.fork()
            if pid == 0:
                _live(request["bear"], Path(request["said"]))
            with contextlib.suppress(OSError):  # whichever is first: who asked may end the whole group at once
                os.setpgid(pid, pid)
            living.add(pid)
            answer: Any = pid
        else:
            pid = int(request["code of"])
            gone, status = os.waitpid(pid, os.WNOHANG)
            living -= {gone}
            answer = os.waitstatus_to_exitcode(status) if gone else None
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for pid in living:  # whoever asked is gone, and nobody else would end them
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
