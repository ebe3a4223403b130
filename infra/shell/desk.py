"""The desk as the shell asks it: one run a market at a time, mandates back through the intake."""

from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from infra.shell.core import MANDATE, Asked
from infra.shell.desk_process import Answer, DeskFault, Failed, Heard

Deliver = Callable[[NDArray[Any]], None]
Fail = Callable[[BaseException], None]

NUMBERED: Final = ("mandate_id", "run_id", "params_hash", "view_hash")
"""Fields that the core gives, not the desk."""


class Runner(Protocol):
    """Runs the desk on packed views: the desk's process, or whoever stands in for it."""

    @property
    def cpu_s(self) -> float:
        """Give the processor time it has used elsewhere, in seconds."""

    def listen(self, heard: Heard, failed: Failed) -> None:
        """Tell answers on the running loop from now on."""

    def part(self) -> None:
        """Stop listening."""

    def ask(self, params: bytes, market: bytes) -> int:
        """Ask for a run and give its ticket; raises DeskFault when nobody is there."""


class Desk:
    """Asks for runs of the LangGraph desk on views that the core has asked about.

    A market whose run is still under way is not run twice: the newer request waits and takes the older one's place.
    """

    def __init__(self, process: Runner, deliver: Deliver, fail: Fail) -> None:
        """Take who runs, and whom to tell; `fail` is told of a fault in the desk, which is ours."""
        self._process = process
        self._deliver, self._fail = deliver, fail
        self._running: dict[int, Asked] = {}
        """By ticket."""
        self._busy: set[int] = set()
        self._next: dict[int, Asked] = {}
        self._closed = False
        self.coalesced_count = 0
        process.listen(self._heard, fail)

    def run(self, asked: Asked) -> None:
        """Let the desk decide on a view, under the parameters of its moment; returns at once, after `close` idle."""
        if self._closed:
            return
        if asked.slot in self._busy:
            self.coalesced_count += asked.slot in self._next
            self._next[asked.slot] = asked
            return
        self._busy.add(asked.slot)
        try:
            ticket = self._process.ask(np.asarray(asked.params).tobytes(), asked.decision["market"].tobytes())
        except DeskFault as fault:
            self._fail(fault)
            return
        self._running[ticket] = asked

    @property
    def is_busy(self) -> bool:
        """Say whether a run is under way."""
        return bool(self._busy)

    @property
    def cpu_s(self) -> float:
        """Give the processor time that the desk's own process has used, in seconds."""
        return self._process.cpu_s

    def close(self) -> None:
        """Stop; a run under way is given up."""
        self._closed = True
        self._process.part()

    def _heard(self, answer: Answer) -> None:
        asked = self._running.pop(answer.ticket, None)
        if asked is None:
            return  # asked for by a session before this one
        mandates = np.frombuffer(bytearray(answer.mandate), MANDATE)
        for name in NUMBERED:
            mandates[name][0] = asked.decision["mandate"][name][0]
        self._busy.discard(asked.slot)
        self._deliver(mandates)
        waiting = self._next.pop(asked.slot, None)
        if waiting is not None:
            self.run(waiting)
