"""The tracer as a child of a session: started beside it, below it, and of no importance to it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from infra.traces.scrub import is_telling
from infra.traces.settings import TracingRefused, tracing_from
from infra.version import ROOT

DEADLINE_S: Final = 5.0
"""What the child may take to send what is left when the session has ended."""
GRACE_S: Final = 15.0
"""How long the end of a session waits for it in all; reading the last of the journal comes before sending it."""
ITS_OWN: Final = ("LANGSMITH_", "LANGCHAIN_", "OTEL_")


@contextmanager
def tracer_beside(folder: Path, environment: Mapping[str, str], say: Callable[[str], None]) -> Iterator[None]:
    """Let a tracer follow a session's journal while the block lasts, if LANGSMITH_TRACING asks for it.

    Nothing that goes wrong with it is raised: it is said once, and the session goes on without.

    Args:
        folder: the session's journal, which need not be there yet.
        environment: says whether and where to; the child gets no other secrets of it than those it sends with.
        say: hears in a line where traces go, and at the end what came of them.
    """
    child, said = None, None
    try:
        tracing = tracing_from(environment)
        if tracing is not None:
            said = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
            child = _start(folder, environment, said)
            say(f"traces go to {tracing.words}")
    except (TracingRefused, OSError) as error:
        say(f"updown: no traces: {' '.join(str(error).split())}")
    try:
        yield
    finally:
        if child is not None and said is not None:
            say(_end(child, said))
        if said is not None:
            said.close()


def _start(folder: Path, environment: Mapping[str, str], said: IO[bytes]) -> "subprocess.Popen[bytes]":
    words = [sys.executable, "-m", "infra", "trace", "--journal", str(folder.resolve()), "--follow", "--with-parent"]
    told = {name: value for name, value in environment.items() if name.startswith(ITS_OWN) or not is_telling(name)}
    return subprocess.Popen(
        [*words, "--deadline", f"{DEADLINE_S:g}"], stdin=subprocess.PIPE, stdout=said, stderr=said,
        env=told | {"PYTHONPATH": str(ROOT)}, start_new_session=True,
    )  # fmt: skip


def _end(child: "subprocess.Popen[bytes]", said: IO[bytes]) -> str:
    """Tell the child that the session is over, wait as long as may be, and say what it said last."""
    assert child.stdin is not None
    with suppress(BrokenPipeError):
        child.stdin.close()
    try:
        child.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.kill(child.pid, 9)
        child.wait()
        return f"updown: the tracer was not done {GRACE_S:g} s after the session and was ended"
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()
    last = lines[-1].removeprefix("updown: ") if lines else "it said nothing"
    return f"traces: {last}" if child.returncode == 0 else f"updown: traces are not whole: {last}"
