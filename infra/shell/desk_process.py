"""The desk's process: LangGraph away from the hot loop, so that no run of the graph holds up the order path.

Requests and answers are stateless: parameters and a view go out, a mandate (or a fault, in words) comes back. The
process takes them one after the other, for runs are pure reckoning. It ends when its end of the pipe closes, also when
the session was killed, and it is in a session of its own, so that Ctrl-C goes to the shell alone.
"""

import asyncio
import itertools
import subprocess
import sys
import tempfile
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Protocol

import msgspec

ROOT: Final = Path(__file__).resolve().parents[2]
END_S: Final = 5.0
READY: Final = b"ready"
"""The first word that comes out of the process."""


class Ask(msgspec.Struct, array_like=True, frozen=True):
    """One run of the desk, asked for."""

    ticket: int
    params: bytes
    """A packed `Params`."""
    market: bytes
    """A packed `View`."""


class Answer(msgspec.Struct, array_like=True, frozen=True):
    """What a run came to."""

    ticket: int
    mandate: bytes
    """A packed `Mandate`, still without the numbers that the core gives; empty when the run failed."""
    fault: str
    """The fault of a run that failed: ours, so the session stops."""
    cpu_s: float
    """Processor time that the desk's process has used since it began."""


class DeskFault(RuntimeError):
    """The desk's process failed or is gone; the session stops, and starting again is recovering."""


class Process(Protocol):
    """As much of `subprocess.Popen` as is needed here."""

    pid: int

    @property
    def returncode(self) -> int | Any:
        """Give the exit code, once it has ended."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises `subprocess.TimeoutExpired`."""

    def kill(self) -> None:
        """End it."""


Heard = Callable[[Answer], None]
Failed = Callable[[DeskFault], None]


def spawned(said: IO[bytes]) -> "tuple[Connection[Any, Any], Process]":
    """Start the process; gives our end of the pipe, and the process."""
    pipe, theirs = Pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "infra.shell.desk_worker", str(theirs.fileno())],
        cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=said, start_new_session=True,
    )  # fmt: skip
    theirs.close()
    return pipe, process


begin: "Callable[[IO[bytes]], tuple[Connection[Any, Any], Process]]" = spawned
"""How the process is begun; a desk that was forked with everything loaded has its own forked, too."""


class DeskProcess:
    """The process, seen from the shell; one at a time may listen. Use it as a context."""

    def __init__(self) -> None:
        """Start it; `ready` waits until it can answer without delay."""
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._pipe, self._process = begin(self._said)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tickets = itertools.count(1)
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Answer)
        self._is_ready = False
        self._cpu_s = 0.0

    @property
    def cpu_s(self) -> float:
        """Give the processor time that it has used, in seconds."""
        return self._cpu_s

    @property
    def pid(self) -> int:
        """Give the process's number."""
        return self._process.pid

    def __enter__(self) -> "DeskProcess":
        """Give the process."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self.close()

    def ready(self) -> "DeskProcess":
        """Wait until it has loaded the desk and run it once, some seconds; called again it does nothing.

        Raises:
            DeskFault: it ended instead.
        """
        if not self._is_ready:
            try:
                self._is_ready = self._pipe.recv_bytes() == READY
            except (EOFError, OSError):
                raise self._gone() from None
        return self

    def listen(self, heard: Heard, failed: Failed) -> None:
        """Tell answers, and the end of the process, on the running loop from now on."""
        assert self._is_ready, "the desk is waited for before it is listened to"
        assert self._loop is None, "somebody listens to this desk already"
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._pipe.fileno(), self._hear, heard, failed)

    def part(self) -> None:
        """Stop listening; answers still under way are for nobody."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._pipe.fileno())
        self._loop = None

    def ask(self, params: bytes, market: bytes) -> int:
        """Ask for a run and give its ticket: some 2 kB, never more than one for each market, so the pipe has room.

        Raises:
            DeskFault: the process is gone.
        """
        try:
            ticket = next(self._tickets)
            self._pipe.send_bytes(self._encoder.encode(Ask(ticket, params, market)))
        except OSError:
            raise self._gone() from None
        return ticket

    def close(self) -> None:
        """End the process; called again it does nothing."""
        self.part()
        if self._pipe.closed:
            return
        self._pipe.close()
        self._end()
        self._said.close()

    def _hear(self, heard: Heard, failed: Failed) -> None:
        try:
            answer = self._decoder.decode(self._pipe.recv_bytes())
        except (EOFError, OSError):
            self.part()
            failed(self._gone())
            return
        self._cpu_s = answer.cpu_s
        if answer.fault:
            failed(DeskFault(f"the LangGraph desk failed: {answer.fault}"))
            return
        try:
            heard(answer)
        except Exception as error:  # boundary: the loop would only log it, and the session go on without mandates
            failed(DeskFault(f"an answer of the desk's cannot be used: {type(error).__name__}: {error}"))

    def _end(self) -> None:
        """See the process ended: what has closed its end of the pipe answers nothing more."""
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _gone(self) -> DeskFault:
        self._end()
        self._said.seek(0)
        last = self._said.read().decode(errors="replace").strip().splitlines()[-1:] or ["it gave no reason"]
        return DeskFault(f"the desk's process ended with code {self._process.returncode}: {last[0]}")
