"""Draw small charts as inline SVG: axes with units, lines, bands, points with intervals, bars; colours live in the CSS.

Series classes `s0`..`s5` are an order of colours that colour-blind readers can tell apart; shapes differ too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

from evals.markup import Safe, joined, moment, number, tag, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A scale from numbers to pixels, with the words under it."""

    low: float
    high: float
    label: str
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def share(self, value: float) -> float:
        """Give where a value lies between the ends, 0 to 1, cut off at both."""
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = log10(low), log10(high), log10(max(value, self.low))
        return min(1.0, max(0.0, (at - low) / (high - low)))


def axis(values: Sequence[float], label: str, digits: int | None = None, zero: bool = False, count: int = 5) -> Axis:
    """Fit a straight axis with round ticks around the values; `zero` takes zero in."""
    known = [float(v) for v in values if isfinite(v)] + ([0.0] if zero else [])
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if high - low < 1e-12 * max(1.0, abs(high)):
        pad = max(abs(high) * 0.05, 1e-3 if digits is None else 10.0**-digits)
        low, high = low - pad, high + pad
    step = _round_step((high - low) / count)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    places = digits if digits is not None else _places(step)
    marks = [k * step for k in range(first, last + 1)]
    return Axis(low=marks[0], high=marks[-1], label=label, ticks=tuple((m, number(m, places)) for m in marks))


def log_axis(values: Sequence[float], label: str) -> Axis:
    """Fit a logarithmic axis in whole powers of ten around positive values."""
    known = [float(v) for v in values if isfinite(v) and v > 0]
    low, high = (min(known), max(known)) if known else (1.0, 10.0)
    first, last = floor(log10(low) + 1e-9), ceil(log10(high) - 1e-9)
    last = max(last, first + 1)
    every = max(1, ceil((last - first) / 6))
    ticks = tuple((10.0**k, _power_words(k)) for k in range(first, last + 1, every))
    return Axis(low=10.0**first, high=10.0**last, label=label, ticks=ticks, log=True)


def _power_words(k: int) -> str:
    if -3 <= k <= 4:
        return f"{10.0**k:,.0f}" if k >= 0 else f"{10.0**k:g}"
    superscript = str(k).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{superscript}"


def time_axis(seconds: Sequence[float], label: str = "time, UTC") -> Axis:
    """Fit an axis of Unix seconds with a few readable moments."""
    low, high = (float(min(seconds)), float(max(seconds))) if len(seconds) else (0.0, 1.0)
    if high <= low:
        low, high = low - 150.0, high + 150.0
    form = "%H:%M" if high - low < 86_400 else "%m-%d %H:%M"
    marks = [low + (high - low) * k / 4 for k in range(5)]
    return Axis(low=low, high=high, label=label, ticks=tuple((m, moment(m, form)) for m in marks))


def _places(step: float) -> int:
    """Count the decimals that a step needs to be written whole."""
    return next((k for k in range(12) if abs(step * 10**k - round(step * 10**k)) < 1e-6), 12)


def _round_step(raw: float) -> float:
    power = 10.0 ** floor(log10(raw))
    for factor in (1.0, 2.0, 2.5, 5.0, 10.0):
        if factor * power >= raw * (1 - 1e-9):
            return factor * power
    return 10.0 * power


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A drawing area: its size in pixels and its two axes."""

    x: Axis
    y: Axis
    width: int = 560
    height: int = 280
    left: int = 62
    right: int = 22
    top: int = 12
    bottom: int = 44

    def at_x(self, value: float) -> float:
        """Give a value's pixel from the left."""
        return round(self.left + self.x.share(value) * (self.width - self.left - self.right), 1)

    def at_y(self, value: float) -> float:
        """Give a value's pixel from the top."""
        return round(self.height - self.bottom - self.y.share(value) * (self.height - self.top - self.bottom), 1)

    def svg(self, title: str, *parts: object) -> Safe:
        """Put axes and parts together; the title is what a screen reader says."""
        return drawing(self.width, self.height, title, self._axes(), *parts)

    def _axes(self) -> Safe:
        base, top = self.height - self.bottom, self.top
        parts: list[object] = []
        for value, words in self.y.ticks:
            y = self.at_y(value)
            parts.append(_line(self.left, y, self.width - self.right, y, "grid"))
            parts.append(_words(self.left - 7, y + 4, words, "end"))
        for value, words in self.x.ticks:
            x = self.at_x(value)
            parts.append(_line(x, base, x, base + 4, "axis"))
            parts.append(_words(min(x, self.width - 3.6 * len(words)), base + 17, words, "middle"))
        parts.append(_line(self.left, base, self.width - self.right, base, "axis"))
        middle = (self.left + self.width - self.right) / 2
        parts.append(_words(middle, self.height - 7, self.x.label, "middle", "label"))
        y_middle = (top + base) / 2
        turned = tag(
            "text", self.y.label, x=13, y=y_middle, text_anchor="middle", class_="label",
            transform=f"rotate(-90 13 {y_middle})",
        )  # fmt: skip
        parts.append(turned)
        return joined(parts)


def drawing(width: int, height: int, title: str, *parts: object) -> Safe:
    """Wrap parts as one SVG that scales with the page."""
    box = f"0 0 {width} {height}"
    inner = joined([tag("title", title), *parts])
    opening = f'<svg viewBox="{box}" width="{width}" height="{height}" role="img" aria-label="{text(title)}"'
    return Safe(f'{opening} style="max-width:{width}px">{inner}</svg>')


def curve(plot: Plot, xs: Sequence[float], ys: Sequence[float], series: int, tip: str = "", step: bool = False) -> Safe:
    """Draw a line through the points, broken where a value is not known; `step` holds each value till the next."""
    pieces: list[str] = []
    pen, last = "M", ""
    for x, y in zip(xs, ys, strict=True):
        if not (isfinite(x) and isfinite(y)):
            pen = "M"
            continue
        px, py = plot.at_x(x), plot.at_y(y)
        if step and pen == "L":
            pieces.append(f"L{px} {last}")
        pieces.append(f"{pen}{px} {py}")
        pen, last = "L", str(py)
    return tag("path", tag("title", tip), d="".join(pieces), class_=f"line s{series}")


def stepped(xs: Sequence[float], ys: Sequence[float]) -> tuple[list[float], list[float]]:
    """Give the points of a line that holds each value till the next, for shading under it."""
    wide = [x for k, x in enumerate(xs) for _ in range(1 if k == 0 else 2)]
    held = [y for k, y in enumerate(ys) for _ in range(1 if k == len(ys) - 1 else 2)]
    return wide, held


def band(plot: Plot, xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], series: int, tip: str) -> Safe:
    """Shade between two lines."""
    forth = [f"{plot.at_x(x)} {plot.at_y(y)}" for x, y in zip(xs, highs, strict=True)]
    back = [f"{plot.at_x(x)} {plot.at_y(y)}" for x, y in zip(xs, lows, strict=True)]
    return tag("path", tag("title", tip), d="M" + "L".join(forth + back[::-1]) + "Z", class_=f"band s{series}")


def level(plot: Plot, value: float, words: str, kind: str = "mark", start: bool = False) -> Safe:
    """Draw a horizontal line, named at its right end or at its start."""
    y = plot.at_y(value)
    line = _line(plot.left, y, plot.width - plot.right, y, kind)
    x, anchor = (plot.left + 4, "start") if start else (plot.width - plot.right - 4, "end")
    return joined([line, _words(x, y - 5, words, anchor, "tag")]) if words else line


def upright(plot: Plot, value: float, words: str) -> Safe:
    """Draw a named vertical line."""
    x = plot.at_x(value)
    right = x < plot.width * 0.75
    name = _words(x + (5 if right else -5), plot.top + 11, words, "start" if right else "end", "tag")
    return joined([_line(x, plot.top, x, plot.height - plot.bottom, "mark"), name])


def diagonal(plot: Plot) -> Safe:
    """Draw the line on which what was said came true."""
    ends = plot.at_x(0.0), plot.at_y(0.0), plot.at_x(1.0), plot.at_y(1.0)
    return _line(*ends, "mark")


def point(plot: Plot, x: float, y: float, low: float, high: float, series: int, tip: str, size: float = 4.0) -> Safe:
    """Draw a point with its interval upright; the shape differs by series."""
    px, py = plot.at_x(x), plot.at_y(y)
    parts: list[object] = [tag("title", tip)]
    if isfinite(low) and isfinite(high):
        parts.append(_line(px, plot.at_y(low), px, plot.at_y(high), f"whisker s{series}"))
    parts.append(mark(px, py, series, size))
    return tag("g", *parts)


def flat_point(plot: Plot, x: float, low: float, high: float, y_pixel: float, series: int, tip: str) -> Safe:
    """Draw a point with its interval lying flat, at a row of its own."""
    px = plot.at_x(x)
    parts: list[object] = [tag("title", tip)]
    if isfinite(low) and isfinite(high):
        parts.append(_line(plot.at_x(low), y_pixel, plot.at_x(high), y_pixel, f"whisker s{series}"))
    parts.append(mark(px, y_pixel, series, 4.5))
    return tag("g", *parts)


def mark(x: float, y: float, series: int, size: float) -> Safe:
    """Draw one marker: circle, square, diamond, triangle, in the order of the series."""
    kind = f"dot s{series}"
    if series % 4 == 0:
        return tag("circle", cx=x, cy=y, r=size, class_=kind)
    if series % 4 == 1:
        return tag("rect", x=x - size, y=y - size, width=2 * size, height=2 * size, class_=kind)
    reach = size * 1.3
    if series % 4 == 2:
        d = f"M{x} {y - reach}L{x + reach} {y}L{x} {y + reach}L{x - reach} {y}Z"
    else:
        d = f"M{x} {y - reach}L{x + reach} {y + size}L{x - reach} {y + size}Z"
    return tag("path", d=d, class_=kind)


def bar(plot: Plot, x_low: float, x_high: float, y_from: float, y_to: float, kind: str, tip: str) -> Safe:
    """Draw an upright bar between two values of each axis."""
    left, right = plot.at_x(x_low), plot.at_x(x_high)
    top, base = sorted((plot.at_y(y_from), plot.at_y(y_to)))
    return tag(
        "rect", tag("title", tip), x=left, y=top, width=max(0.5, round(right - left, 1)),
        height=max(0.8, round(base - top, 1)), class_=f"bar {kind}",
    )  # fmt: skip


def legend(names: Sequence[tuple[int, str]]) -> Safe:
    """Name the series with their marks, above or below a chart."""
    items = []
    for series, name in names:
        dot = Safe(f'<svg width="16" height="14" aria-hidden="true">{mark(8, 7, series, 4.5)}</svg>')
        items.append(tag("span", dot, " ", name))
    return tag("p", *items, class_="legend")


def words_at(x: float, y: float, words: str, anchor: str = "start", kind: str = "tag") -> Safe:
    """Write words at a pixel."""
    return _words(x, y, words, anchor, kind)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Safe:
    return Safe(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" class="{kind}"/>')


def _words(x: float, y: float, words: str, anchor: str, kind: str = "tick") -> Safe:
    return tag("text", words, x=round(x, 1), y=round(y, 1), text_anchor=anchor, class_=kind)
