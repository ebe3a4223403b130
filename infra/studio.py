"""The desk as LangGraph Studio and `langgraph dev` open it: the production graph, with recorded views to start from.

Start a run with `{"recorded": "fires"}` (any file name of `infra/views`), with `{"recorded": "decision 12"}` of the
record in UPDOWN_STUDIO_RECORD, or paste a view under `market`; edit a value, fork, and step on. All is plain JSON and
exact here; a browser rounds nanoseconds to 256 when it edits them. No key that could trade is ever loaded here.
"""

import asyncio
import json
import re
from pathlib import Path
from typing import Any, Final

from infra.compile_cache import prepare

prepare(show=True)

from graph.desk import build  # noqa: E402  (the compile cache must be set before the core is imported)
from infra.studio_record import STUDIO_RECORD, NotRecorded  # noqa: E402

_DECISION: Final = re.compile(r"decision (\d{1,12})")
VIEWS: Final = Path(__file__).parent / "views"

RECORDED: Final[dict[str, dict[str, Any]]] = {path.stem: json.loads(path.read_text()) for path in VIEWS.glob("*.json")}
"""Recorded views by name; read at start, since a node may not block the server's loop."""


class UnknownView(ValueError):
    """No recorded view has that name; the message lists those there are."""


def recorded_view(name: str) -> dict[str, Any]:
    """Give a recorded view as plain values.

    Raises:
        UnknownView: there is none of that name.
    """
    if name not in RECORDED:
        known = ", ".join(sorted(RECORDED))
        raise UnknownView(f"no recorded view {name!r}; there are {known}, and `decision N` of the record")
    return RECORDED[name]


async def recall(name: str) -> dict[str, Any]:
    """Give what a run starts from: a recorded view, or a decision of the record with the parameters it was made under.

    Raises:
        UnknownView: there is none of that name.
    """
    found = _DECISION.fullmatch(name)
    if found is None:
        return {"market": recorded_view(name)}
    try:
        return await asyncio.to_thread(STUDIO_RECORD.decision, int(found[1]))
    except NotRecorded as error:
        raise UnknownView(str(error)) from None


desk = build(recall).compile(name="desk")
