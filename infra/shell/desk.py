"""The desk's thread: LangGraph runs off the hot loop, one run a market at a time, mandates back through the intake."""

import asyncio
import copy
import threading
from collections.abc import Callable
from typing import Any, Final

from numpy.typing import NDArray

from graph.desk import compile_desk, run_desk
from infra.shell.core import MANDATE, Asked
from state.desk import Mandate
from state.params import Params
from state.records import rows

Deliver = Callable[[NDArray[Any]], None]
Fail = Callable[[BaseException], None]

NUMBERED: Final = ("mandate_id", "run_id", "params_hash", "view_hash")
"""Fields that the core gives, not the desk."""


class DeskThread:
    """Runs the LangGraph desk on views that the core has asked about.

    A market whose run is still under way is not run twice: the newer request waits and takes the older one's place.
    Results are delivered on the thread of the loop that started this.
    """

    def __init__(self, params: Params, deliver: Deliver, fail: Fail) -> None:
        """Take parameters, and whom to tell; `fail` is told of a fault in the desk, which is ours."""
        self._params = params
        self._deliver, self._fail = deliver, fail
        self._home = asyncio.get_running_loop()
        self._loop = asyncio.new_event_loop()
        self._busy: set[int] = set()
        self._next: dict[int, Asked] = {}
        self._closed = False
        self.runs_count = 0
        self.coalesced_count = 0
        self._thread = threading.Thread(target=self._live, name="desk", daemon=True)
        self._desk = compile_desk()
        self._thread.start()

    def run(self, asked: Asked) -> None:
        """Let the desk decide on a view; returns at once, and does nothing any more after `close`."""
        if self._closed:
            return
        if asked.slot in self._busy:
            self.coalesced_count += asked.slot in self._next
            self._next[asked.slot] = asked
            return
        self._busy.add(asked.slot)
        asyncio.run_coroutine_threadsafe(self._decide(asked), self._loop)

    @property
    def is_busy(self) -> bool:
        """Say whether a run is under way."""
        return bool(self._busy)

    def close(self) -> None:
        """Stop; a run under way is given up."""
        self._closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5.0)

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(asyncio.sleep(0))  # what was asked for just now becomes a task first
        runs = asyncio.all_tasks(self._loop)
        for task in runs:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*runs, return_exceptions=True))
        self._loop.close()

    async def _decide(self, asked: Asked) -> None:
        try:
            mandates = await self._mandate(asked)
        except Exception as error:  # boundary: a fault in the desk stops the process, it must not stop in a thread
            self._tell(self._fail, error)
            return
        self._tell(self._done, asked.slot, mandates)

    def _tell(self, what: Callable[..., None], *about: Any) -> None:
        try:
            self._home.call_soon_threadsafe(what, *about)
        except RuntimeError:
            return  # the home loop has closed meanwhile: the session is over

    async def _mandate(self, asked: Asked) -> NDArray[Any]:
        fused = asked.decision[0]
        final = await run_desk(self._desk, copy.deepcopy(self._params), asked.decision["market"].copy()[0])
        mandates = rows(Mandate, 1)
        mandates[0] = final["mandate"]
        for name in NUMBERED:
            mandates[name][0] = fused["mandate"][name]
        assert mandates.dtype == MANDATE
        return mandates

    def _done(self, slot: int, mandates: NDArray[Any]) -> None:
        self.runs_count += 1
        self._busy.discard(slot)
        self._deliver(mandates)
        waiting = self._next.pop(slot, None)
        if waiting is not None:
            self.run(waiting)
