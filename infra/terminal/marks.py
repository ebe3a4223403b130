"""Marks: styled words, bars and rulers that the panels are made of; colours only repeat what the words say."""

from dataclasses import dataclass
from typing import Final

from rich.console import OverflowMethod
from rich.text import Text

LABEL: Final = "dim"
UP: Final = "#56b4e9"
DOWN: Final = "#e69f00"
BAD: Final = "bold #d55e00"
"""From Okabe and Ito's palette, which people with any colour vision tell apart."""
STRONG: Final = "bold"

Cell = str | tuple[str, str]
"""A word, or a word with its style."""
Part = str | tuple[str, str] | Text | None


@dataclass(frozen=True, slots=True)
class Letters:
    """The signs that a terminal can show beside letters."""

    full: str = "━"
    rest: str = "─"
    dot: str = "·"
    point: str = "●"
    point_of_price: str = "│"
    overflow: OverflowMethod = "ellipsis"
    """What is done with a line that is too long."""


BOXED: Final = Letters()
TYPEWRITTEN: Final = Letters(full="=", rest="-", dot=".", point="o", point_of_price="|", overflow="crop")
"""For terminals that know nothing but ASCII."""


def line(*parts: Part) -> Text:
    """Join words, styled words and marks into one line that is cut, never folded."""
    text = Text(no_wrap=True, overflow="ellipsis")
    for part in parts:
        if part is None:
            continue
        if isinstance(part, tuple):
            text.append(*part)
        elif isinstance(part, Text):
            text.append_text(part)
        else:
            text.append(part)
    return text


def named(name: str, *parts: Part, width: int = 10) -> Text:
    """Give a line that begins with its label."""
    return line((f"{name:<{width}} ", LABEL), *parts)


def bar(ratio: float, width: int, letters: Letters, style: str = UP) -> Text:
    """Draw how much of something is gone."""
    full = round(min(max(ratio, 0.0), 1.0) * width)
    return line((letters.full * full, style), (letters.rest * (width - full), LABEL))


def ruler(
    width: int,
    letters: Letters,
    low: float | None,
    high: float | None,
    point: float | None,
    ends: tuple[str, str] = ("[", "]"),
    style: str = UP,
    mark: str = "",
) -> Text:
    """Draw an interval on a scale from 0 to 1, with the point inside it; what is not known is not drawn."""
    cells: list[tuple[str, str]] = [(letters.dot, LABEL)] * width

    def place(p: float) -> int:
        return min(max(round(p * (width - 1)), 0), width - 1)

    if low is not None and high is not None and low <= high:
        for at in range(place(low), place(high) + 1):
            cells[at] = (letters.full, style)
    if point is not None:
        cells[place(point)] = (mark or letters.point, STRONG)
    if low is not None:
        cells[place(low)] = (ends[0], style)
    if high is not None:
        cells[place(high)] = (ends[1], style)
    if low is not None and high is not None and point is not None and place(low) == place(high):
        cells[place(point)] = (mark or letters.point, style)
    return line(*cells)


def signed_style(value: float | None) -> str:
    """Give the style of a profit or a loss; its sign is always written, too."""
    if value is None or abs(value) < 0.005:
        return ""
    return UP if value > 0 else DOWN


def table(rows: list[list[Cell]], sides: str, gap: int = 2) -> list[Text]:
    """Set rows in columns; `sides` has an l or an r for each, the side that its words stand on."""
    if not rows:
        return []
    widths = [max(len(_word(row[at])) for row in rows) for at in range(len(sides))]
    lines = []
    for row in rows:
        parts: list[Part] = []
        for cell, side, width in zip(row, sides, widths, strict=True):
            if width == 0:
                continue
            padded = _word(cell).ljust(width) if side == "l" else _word(cell).rjust(width)
            parts += [" " * gap if parts else "", (padded, "" if isinstance(cell, str) else cell[1])]
        text = line(*parts)
        text.rstrip()
        lines.append(text)
    return lines


def _word(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell[0]
