"""The supervisor as LangGraph Studio and `langgraph dev` open it: one cycle a run, a person asked before it applies.

Input: `{}`. It observes and rehearses on the record of `infra.studio_record` (UPDOWN_STUDIO_RECORD, or one made up),
with the model of UPDOWN_MODEL or the search in its seat. Few windows promote nothing, so to see the approval fork
after `decide` with `{"verdict": {"ruling": "promote", ...}}`; resume with `{"approve": true, "by": "ann", "why": ""}`.
Where the record is no running session, the last step says that nobody is there to change. Receipts are in var/studio.
"""

import asyncio
import os
from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from langgraph.config import get_config

from infra.compile_cache import prepare

prepare(show=True)

from graph.supervisor import Doors, build  # noqa: E402  (the compile cache goes first)
from infra.studio_record import STUDIO_RECORD, studio_model  # noqa: E402
from infra.supervisor.cycle import Supervisor  # noqa: E402

HOME = Path(os.environ.get("UPDOWN_STUDIO_HOME", "var/studio"))
REHEARSALS = 4
KEPT = 32
"""Threads whose rehearsal is remembered; one that is older says so and begins again."""


@lru_cache(maxsize=KEPT)
def _doors_of(thread: str) -> Doors:
    """Give a thread's own doors, so that two that run at once do not share a rehearsal."""
    supervisor = Supervisor(
        journal=Path(), folder=HOME, model=studio_model(os.environ), asking="always", rehearsals=REHEARSALS
    )
    doors: Doors = supervisor.doors(f"studio-{thread}")

    async def observe() -> dict[str, Any]:
        supervisor.journal = await asyncio.to_thread(STUDIO_RECORD.place)
        seen: dict[str, Any] = await doors.observe()
        return seen

    return replace(doors, observe=observe)


def _routed(door: str) -> Any:
    """Give a door that leads to that of the thread which runs."""

    def call(*said: Any) -> Any:
        thread = get_config().get("configurable", {}).get("thread_id", "alone")
        return getattr(_doors_of(str(thread)), door)(*said)

    return call


_doors = _doors_of("alone")
_routes = {each.name: _routed(each.name) for each in fields(Doors) if callable(getattr(_doors, each.name))}
supervisor = build(replace(_doors, **_routes)).compile(name="supervisor")
