"""Write HTML by hand, safely: every text is escaped here, and numbers get one way to be shown each."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from math import isfinite

from tools.intervals import Estimate

NOT_MEASURED = "not measured"
MINUS = "\u2212"
WORD_JOINER = "\u2060"


class Safe(str):
    """Text that is markup already; everything else is escaped on its way into the page."""

    __slots__ = ()


def text(value: object) -> Safe:
    """Escape anything for the page, unless it is markup already."""
    return value if isinstance(value, Safe) else Safe(escape(str(value), quote=True))


def tag(name: str, *children: object, **attributes: object) -> Safe:
    """Write one element; an underscore at the end of an attribute's name is dropped, others become dashes.

    >>> tag("p", "a < b", class_="note")
    '<p class="note">a &lt; b</p>'
    """
    written = "".join(f' {key.rstrip("_").replace("_", "-")}="{text(value)}"' for key, value in attributes.items())
    return Safe(f"<{name}{written}>{''.join(text(child) for child in children)}</{name}>")


def joined(parts: Iterable[object]) -> Safe:
    """Put pieces of markup one after the other."""
    return Safe("".join(text(part) for part in parts))


def table(head: Sequence[object], rows: Sequence[Sequence[object]], caption: str, left: int = 1) -> Safe:
    """Write a table: the first `left` columns are words, the others numbers; wide ones scroll on their own."""

    def cells(name: str, row: Sequence[object]) -> Safe:
        return joined(tag(name, cell, class_="w" if k < left else "n") for k, cell in enumerate(row))

    body = joined(tag("tr", cells("td", row)) for row in rows)
    inner = tag("table", tag("caption", caption), tag("thead", tag("tr", cells("th", head))), tag("tbody", body))
    return tag("div", inner, class_="scroll", tabindex="0", role="region", aria_label=caption)


def empty(words: str) -> Safe:
    """Say in words why there is nothing to show."""
    return tag("p", words, class_="empty")


def figure(caption: str, drawing: Safe, note: str = "") -> Safe:
    """Set a chart under its title, with a note below it."""
    below = [tag("p", note, class_="note")] if note else []
    return tag("figure", tag("figcaption", caption), tag("div", drawing, class_="scroll"), *below)


def signed(value: float, digits: int = 2) -> str:
    """Give a number with its sign and thousands, or the words for nothing.

    >>> signed(-1234.5), signed(0.0), signed(float("nan"))
    ('\u22121,234.50', '0.00', 'not measured')
    """
    if not isfinite(value):
        return NOT_MEASURED
    rounded = f"{abs(value):,.{digits}f}"
    if not any(ch in "123456789" for ch in rounded):
        return rounded
    return f"+{rounded}" if value > 0 else f"{MINUS}{rounded}"


def number(value: float, digits: int = 3) -> str:
    """Give a number without a plus sign."""
    return signed(value, digits).removeprefix("+")


def money(value: float, digits: int = 2) -> str:
    """Give dollars.

    >>> money(-3.5)
    '\u2212$3.50'
    """
    if not isfinite(value):
        return NOT_MEASURED
    shown = signed(value, digits)
    return f"{shown[0]}${shown[1:]}" if shown[0] in f"+{MINUS}" else f"${shown}"


def unbroken(words: str) -> str:
    """Keep a minus sign on the line of its number."""
    return words.replace(MINUS, MINUS + WORD_JOINER)


def percent(value: float, digits: int = 1) -> str:
    """Give a share as per cent."""
    return f"{number(value * 100, digits)} %" if isfinite(value) else NOT_MEASURED


def shown(estimate: Estimate, unit: str = "", digits: int = 3) -> str:
    """Give an estimate with its interval in its unit: "$", "%", "c" (cents) or a plain number.

    >>> shown(Estimate(mean=0.5, low=0.4, high=0.6, count=9, clusters=9), "%")
    '50.0 % [40.0, 60.0]'
    """
    if not isfinite(estimate.mean):
        return NOT_MEASURED
    scale = 100.0 if unit in ("%", "c") else 1.0
    places = {"%": 1, "$": 2, "c": 2}.get(unit, digits)
    head = {"%": percent(estimate.mean), "$": money(estimate.mean), "c": f"{signed(estimate.mean * 100)} c"}
    main = head.get(unit, number(estimate.mean, digits))
    if not estimate.known:
        return f"{main} [no interval: {estimate.clusters} window{'' if estimate.clusters == 1 else 's'}]"
    return f"{main} [{number(estimate.low * scale, places)}, {number(estimate.high * scale, places)}]"


def moment(at_s: float, form: str = "%Y-%m-%d %H:%M") -> str:
    """Give a Unix second as UTC."""
    return datetime.fromtimestamp(at_s, UTC).strftime(form)
