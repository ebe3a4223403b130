"""The supervisor as LangGraph Studio and `langgraph dev` open it: one cycle a run, a person asked before it applies.

Input: `{}`. It observes and rehearses on the record of `infra.studio_record` (UPDOWN_STUDIO_RECORD, or one made up),
with the model of UPDOWN_MODEL or the search in its seat. Few windows promote nothing, so to see the approval fork
after `decide` with `{"verdict": {"ruling": "promote", ...}}`; resume with `{"approve": true, "by": "ann", "why": ""}`.
Where the record is no running session, the last step says that nobody is there to change. Receipts are in var/studio.
"""

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from infra.compile_cache import prepare

prepare(show=True)

from graph.supervisor import Doors, build  # noqa: E402  (the compile cache goes first)
from infra.studio_record import STUDIO_RECORD, studio_model  # noqa: E402
from infra.supervisor.cycle import Supervisor  # noqa: E402

HOME = Path(os.environ.get("UPDOWN_STUDIO_HOME", "var/studio"))
REHEARSALS = 4
NAME = "studio"

_supervisor = Supervisor(
    journal=Path(), folder=HOME, model=studio_model(os.environ), asking="always", rehearsals=REHEARSALS
)
_doors: Doors = _supervisor.doors(NAME)


async def _observe() -> dict[str, Any]:
    _supervisor.journal = await asyncio.to_thread(STUDIO_RECORD.place)
    return await _doors.observe()


_opened = replace(_doors, observe=_observe)
supervisor = build(_opened).compile(name="supervisor")
