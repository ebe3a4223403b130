"""The desk as LangGraph Studio and `langgraph dev` open it: the production graph, with recorded views to start from.

Start a run with `{"recorded": "fires"}` (any file name of `infra/views`), or paste a view under `market`; edit a value,
fork, and step on. All is plain JSON and exact here; a browser rounds nanoseconds to 256 when it edits them. No key that
could trade is ever loaded here.
"""

import json
from pathlib import Path
from typing import Any, Final

from infra.compile_cache import prepare

prepare(show=True)

from graph.desk import build  # noqa: E402  (the compile cache must be set before the core is imported)

VIEWS: Final = Path(__file__).parent / "views"

RECORDED: Final[dict[str, dict[str, Any]]] = {path.stem: json.loads(path.read_text()) for path in VIEWS.glob("*.json")}
"""Recorded views by name; read at start, since a node may not block the server's loop."""


class UnknownView(ValueError):
    """No recorded view has that name; the message lists those there are."""


def recall(name: str) -> dict[str, Any]:
    """Give a recorded view as plain values.

    Raises:
        UnknownView: there is none of that name.
    """
    if name not in RECORDED:
        raise UnknownView(f"no recorded view {name!r}; there are {', '.join(sorted(RECORDED))}")
    return RECORDED[name]


desk = build(recall).compile(name="desk")
