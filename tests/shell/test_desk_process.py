"""The desk's process: it answers what the fused desk answers, tells a fault as a fault, and dies with its session."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import Pipe
from typing import Any

import numpy as np
import pytest
from desk_views import decided, view_of

from infra.shell.desk import NUMBERED
from infra.shell.desk_process import Answer, DeskFault, DeskProcess
from state.desk import Mandate
from state.params import default_params
from state.records import layout


@pytest.fixture(scope="module", name="process")
def fixture_process() -> Iterator[DeskProcess]:
    """Give a process that no session has asked before."""
    with DeskProcess().ready() as process:
        yield process


PARAMS = np.asarray(default_params()).tobytes()


def told(process: DeskProcess, *views: bytes) -> list[Answer | DeskFault]:
    """Ask for a run on each view, and wait for what becomes of it."""

    async def run() -> list[Answer | DeskFault]:
        came: asyncio.Queue[Answer | DeskFault] = asyncio.Queue()
        process.part()
        process.listen(came.put_nowait, came.put_nowait)
        for view in views:
            process.ask(PARAMS, view)
        answers = [await asyncio.wait_for(came.get(), 60.0) for _ in views]
        process.part()
        return answers

    return asyncio.run(run())


def test_it_answers_to_the_byte_what_the_fused_desk_comes_to(process: DeskProcess) -> None:
    views = [view_of(), view_of(p_fair=0.5), view_of(phase_code=1)]
    answers = told(process, *(view.tobytes() for view in views))
    for view, answer in zip(views, answers, strict=True):
        assert isinstance(answer, Answer) and answer.fault == ""
        mandate = np.frombuffer(bytearray(answer.mandate), layout(Mandate))
        fused: Any = decided(view).mandate
        for name in NUMBERED:
            mandate[name] = fused[name]
        assert mandate.tobytes() == fused.tobytes()


def test_a_run_that_fails_is_told_as_a_fault_and_the_next_one_is_answered(process: DeskProcess) -> None:
    fault, answer = told(process, b"not a view", view_of().tobytes())
    assert isinstance(fault, DeskFault) and "the LangGraph desk failed: ValueError" in str(fault)
    assert isinstance(answer, Answer)


def test_an_answer_that_nobody_can_use_is_told_as_a_fault(process: DeskProcess) -> None:
    """The loop that calls a reader back only logs what it raises: the session would go on without mandates."""

    async def run() -> DeskFault:
        came: asyncio.Queue[DeskFault] = asyncio.Queue()

        def heard(_: Answer) -> None:
            raise ValueError("no mandate of mine")

        process.part()
        process.listen(heard, came.put_nowait)
        process.ask(PARAMS, view_of().tobytes())
        fault = await asyncio.wait_for(came.get(), 60.0)
        process.part()
        return fault

    assert str(asyncio.run(run())) == "an answer of the desk's cannot be used: ValueError: no mandate of mine"


def test_a_process_that_has_closed_its_end_and_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers nothing more, so it is as good as gone; waiting for it for good would hang the session with it."""
    monkeypatch.setattr("infra.shell.desk_process.END_S", 0.1)
    ours, theirs = Pipe()
    theirs.close()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    monkeypatch.setattr("infra.shell.desk_process.begin", lambda _: (ours, child))
    with DeskProcess() as process, pytest.raises(DeskFault, match="ended with code -9"):
        process.ready()
    assert child.returncode == -signal.SIGKILL


def test_the_end_of_the_process_is_told_once_and_asking_it_again_is_a_fault() -> None:
    with DeskProcess().ready() as process:
        os.kill(process.pid, signal.SIGKILL)
        (gone,) = told_end(process)
        assert str(gone) == "the desk's process ended with code -9: it gave no reason"
        with pytest.raises(DeskFault, match="ended with code -9"):
            process.ask(PARAMS, view_of().tobytes())


def told_end(process: DeskProcess) -> list[Answer | DeskFault]:
    """Listen until the process has ended, and a little longer."""

    async def run() -> list[Answer | DeskFault]:
        came: list[Answer | DeskFault] = []
        ended = asyncio.Event()

        def gone(fault: DeskFault) -> None:
            came.append(fault)
            ended.set()

        process.listen(came.append, gone)
        await asyncio.wait_for(ended.wait(), 10.0)
        await asyncio.sleep(0.05)
        return came

    return asyncio.run(run())


def test_it_ends_with_the_pipe_of_the_session_that_began_it() -> None:
    process = DeskProcess().ready()
    told(process, view_of().tobytes())
    process.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
