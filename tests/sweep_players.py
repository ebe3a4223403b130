"""Players of cells for tests: quick ones, and one that dies; importable by the processes of a crew."""

import os
from typing import Any


def echo(request: dict[str, Any]) -> dict[str, Any]:
    """Answer with what was asked and by whom."""
    return {"columns": {"at": [request["at"]], "pid": [os.getpid()]}}


def deadly(request: dict[str, Any]) -> dict[str, Any]:
    """Die of one request as a process does that has no memory left, and answer the others."""
    if request["at"] == request["deadly"]:
        os.kill(os.getpid(), 9)
    return echo(request)
