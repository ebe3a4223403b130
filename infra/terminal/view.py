"""The live screen: panels set out for the size of the terminal, folding away as it gets smaller."""

from typing import Final

from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.text import Text

from infra.terminal import panels
from infra.terminal.glance import Glance
from infra.terminal.marks import BOXED, LABEL, TYPEWRITTEN, Letters
from infra.terminal.panels import Block

WIDE: Final = 160
MIDDLE: Final = 100
TALL: Final = 34
"""Columns and lines from which on a screen has room for more."""

FRAME: Final = 2
"""Lines and columns that a panel's frame takes."""
INSET: Final = 4
"""Columns that a panel's frame and its padding take."""


def draw(glance: Glance, width: int, height: int, *, ascii_only: bool = False) -> RenderableType:
    """Draw a glance for a terminal of so many columns and lines."""
    letters = TYPEWRITTEN if ascii_only else BOXED
    top = panels.header(glance, width, letters)
    roomy = width >= MIDDLE and height >= TALL
    bottom = panels.footer(glance, width) if roomy else panels.small_footer(glance, width)
    room = max(height - len(top) - len(bottom), 0)
    if not roomy:
        body = _small(glance, width, room, letters)
    elif width < WIDE:
        body = _middle(glance, width, room, letters)
    else:
        body = _wide(glance, width, room, letters)
    for text in (*top, *bottom):
        text.overflow = letters.overflow
    screen = Layout()
    screen.split_column(
        Layout(Group(*top), size=len(top)),
        Layout(body, size=max(room, 1)),
        Layout(Group(*bottom), size=len(bottom)),
    )
    return screen


def _small(glance: Glance, width: int, room: int, letters: Letters) -> RenderableType:
    half = width // 2 - INSET
    upper = [panels.price_block(glance, brief=True), panels.fair_block(glance, half, letters, brief=True)]
    lower = [panels.money_block(glance), panels.limits_block(glance, half, letters)]
    decisions = panels.decisions_block(glance, room)
    return _rows([(upper, 10), (lower, 6), ([decisions], 0)], room, letters)


def _middle(glance: Glance, width: int, room: int, letters: Letters) -> RenderableType:
    half = width // 2 - INSET
    return _rows(
        [
            ([panels.price_block(glance), panels.fair_block(glance, half, letters)], 14),
            ([panels.money_block(glance), panels.limits_block(glance, half, letters)], 8),
            ([panels.latency_block(glance), panels.health_block(glance)], 10),
            ([panels.decisions_block(glance, room), _orders_and_windows(glance)], 0),
        ],
        room,
        letters,
    )


def _wide(glance: Glance, width: int, room: int, letters: Letters) -> RenderableType:
    third = width // 3 - INSET
    return _rows(
        [
            (
                [
                    panels.price_block(glance),
                    panels.fair_block(glance, third, letters),
                    panels.money_block(glance),
                ],
                14,
            ),
            (
                [
                    panels.latency_block(glance),
                    panels.health_block(glance),
                    panels.limits_block(glance, third, letters),
                ],
                11,
            ),
            (
                [
                    panels.decisions_block(glance, room),
                    panels.told_block(glance, room),
                    _orders_and_windows(glance),
                ],
                0,
            ),
        ],
        room,
        letters,
    )


def _orders_and_windows(glance: Glance) -> Block:
    orders, coming = panels.orders_block(glance), panels.coming_block(glance)
    return Block(orders.title, [*orders.lines, Text(f"{coming.title}:", style=LABEL), *coming.lines])


def _rows(rows: list[tuple[list[Block], int]], room: int, letters: Letters) -> RenderableType:
    """Set rows of panels below each other: each as high as it must be, at most as stated, the last takes the rest."""
    sizes: list[int] = []
    for blocks, most in rows[:-1]:
        wanted = max(len(block.lines) for block in blocks) + FRAME
        left = room - sum(sizes)
        sizes.append(max(min(wanted, most, left), 0))
    sizes.append(room - sum(sizes))
    screen = Layout()
    parts = []
    for (blocks, _), size in zip(rows, sizes, strict=True):
        if size <= FRAME:
            continue
        row = Layout(size=size)
        row.split_row(*(Layout(_panel(block, size, letters)) for block in blocks))
        parts.append(row)
    if not parts:
        return Text("")
    screen.split_column(*parts)
    return screen


def _panel(block: Block, size: int, letters: Letters) -> Panel:
    for text in block.lines:
        text.overflow = letters.overflow
    return Panel(
        Group(*block.lines[: size - FRAME]), title=block.title, title_align="left", border_style=LABEL, height=size
    )
