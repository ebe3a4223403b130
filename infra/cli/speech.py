"""What commands say: tables and lines for people, one object for machines, progress beside both."""

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final

import typer

Progress = Callable[[int, int], None]
"""Told how much is done, of how much."""

AsJson = Annotated[bool, typer.Option("--json", help="Answer with one JSON object on standard output.")]

FIGURE: Final = re.compile(r"[-+~<>=$ ]*\d[\d,.]*(?:e[-+]?\d+)? ?[%a-zµ/]{0,9}")

WIDE: Final = 10_000
"""Width of what is not a terminal: nothing is folded or cut there."""


def tick(holds: bool) -> str:
    """Give the mark of a claim that holds or does not."""
    return "✓" if holds else "✗"


def answer(value: Any) -> None:
    """Give a machine its object: NaN has become None before."""
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=_plain))


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)


def say(text: str = "") -> None:
    """Say one line to people."""
    print(text)


def note(text: str) -> None:
    """Say one line beside the answer, on standard error."""
    print(text, file=sys.stderr)


def table(head: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> None:
    """Print a table; columns of which every cell is a number stand right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, emoji=False, width=WIDE, color_system=None)
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    cells = [[_cell(cell) for cell in row] for row in rows]
    for at, name in enumerate(head):
        figures = bool(cells) and all(_is_figure(row[at]) for row in cells if row[at])
        shown.add_column(name, justify="right" if figures else "left", overflow="fold")
    for row in cells:
        shown.add_row(*row)
    if title:
        print(f"\n{title}")
    console.print(shown)


def records(rows: Sequence[dict[str, Any]], title: str = "") -> None:
    """Print rows of named cells as a table; the first row names the columns."""
    if not rows:
        return
    head = list(dict.fromkeys(name for row in rows for name in row))
    table(head, [[row.get(name, "") for name in head] for row in rows], title)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.6g}"
    return str(value)


def _is_figure(cell: str) -> bool:
    return FIGURE.fullmatch(cell) is not None


@contextmanager
def progress(label: str) -> Iterator[Progress]:
    """Show a bar on standard error while something takes its time; silent where nobody watches."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console, disable=not console.is_terminal, transient=True) as bars:
        task = bars.add_task(label, total=None)

        def told(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        yield told
