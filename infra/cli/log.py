"""The command `log`: a session as lines of JSON, with the ids of its traces."""

from pathlib import Path
from typing import Annotated

import typer

from infra.cli.core import get_ready


def log(
    journal: Annotated[Path, typer.Option("--journal", metavar="DIR", help="The session to read.")],
    follow: Annotated[bool, typer.Option("--follow", help="Go on as it grows, until Ctrl-C.")] = False,
) -> None:
    """Write what a session decided as lines of JSON.

    One object a line on standard output, read off the session's journal: decisions, orders, what became of them,
    operator's words and notes. `run` is the session and `decision` the mandate, as they are called in its traces.

    Example: updown log --journal var/live --follow
    """
    import json
    import signal
    import threading

    from infra.quiet import give_way

    get_ready()
    give_way()
    from infra.logs.lines import Line, Lines

    def write(line: Line) -> None:
        print(json.dumps(line, ensure_ascii=False, allow_nan=False, default=str), flush=follow)

    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    lines = Lines(journal, write)
    lines.refresh()
    while follow and not over.wait(1.0):
        lines.refresh()
