"""Grounding: is every number and every name of a thing in an answer also in what the record answered this turn?

Nothing is understood here: figures are compared with figures, of the same unit, to the digits that are shown. So a
lie can pass that has no figure ("it was a good trade"), or whose figures are true and stand in a wrong sentence; what
cannot pass is a number, a decision, an order, a window, a hash or a time that the record did not give.

What counts as evidence: numbers by key (the key's ending is the unit), the numbers and units that stand inside texts,
and how many a list has. What the user said is no evidence, except to say that the record has no such thing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

Plain = Mapping[str, Any]

RETOLD: Final = "words"
"""The key under which an answer tells itself in sentences: those are held to the values, and are none themselves."""
BARE: Final = ""
"""The unit of a number that has none."""

_BY_KEY: Final = (
    ("_micros", "micros"), ("_bps", "bps"), ("_ppm", "ppm"), ("_usd", "usd"), ("_ms", "ms"), ("_ns", "ns"),
    ("_s", "s"), ("_ratio", "ratio"), ("_share", "ratio"), ("_shares", "shares"), ("_logodds", BARE),
)  # fmt: skip
"""Endings of keys and the unit of what stands under them."""

_SCALES: Final[dict[str, dict[str, float]]] = {
    "usd": {"usd": 1.0, "micros": 1e-6, "bps": 1e-4},
    "cents": {"usd": 100.0, "micros": 1e-4, "bps": 0.01, "cents": 1.0, "ratio": 100.0},
    "bps": {"bps": 1.0, "ratio": 1e4, "ppm": 0.01, "percent": 100.0},
    "percent": {"ratio": 100.0, "bps": 0.01, "ppm": 1e-4, "percent": 1.0},
    "ms": {"ms": 1.0, "s": 1e3, "ns": 1e-6},
    "s": {"s": 1.0, "ms": 1e-3, "ns": 1e-9},
    "minutes": {"s": 1 / 60, "ns": 1 / 60e9},
    "shares": {"shares": 1.0, "micros": 1e-6, BARE: 1.0},
    "ppm": {"ppm": 1.0},
}
"""Unit in an answer -> units of evidence that it may be made of, and by what they are multiplied."""

_UNITS: Final = {
    "$": "usd", "usd": "usd", "dollar": "usd", "dollars": "usd", "c": "cents", "¢": "cents", "cent": "cents",
    "cents": "cents", "bps": "bps", "bp": "bps", "%": "percent", "percent": "percent", "ms": "ms",
    "milliseconds": "ms", "s": "s", "sec": "s", "second": "s", "seconds": "s", "minute": "minutes",
    "minutes": "minutes", "min": "minutes", "share": "shares", "shares": "shares", "ppm": "ppm",
}  # fmt: skip
"""How units are written."""

_ROUNDED: Final = frozenset({"usd", "cents", "bps", "percent", "ms", "s", "minutes", "ppm"})
"""With such a unit a whole number may be a rounded one; without, it is itself or nothing."""

_WORDS: Final = {
    word: number
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
         "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty")
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100,
     "thousand": 1_000, "million": 1_000_000}  # fmt: skip
_UNCHECKED: Final = frozenset({"one", "zero"})
"""Words that are seldom figures: "one of them"."""
_VAGUE: Final = re.compile(
    r"\b(half|halves|double[ds]?|twice|triple[ds]?|thrice|quarters?|thirds?|dozens?|hundreds|thousands|millions|billions?"
    r"|tenfold|twofold)\b",
    re.IGNORECASE,
)

_SLUG: Final = re.compile(r"\b[a-z]{2,6}-updown-\d+[mh]-\d+\b")
_STAMP: Final = re.compile(r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z?)?")
_CLOCK: Final = re.compile(r"\b\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z?\b")
_HASH: Final = re.compile(r"\b(?:0x)?(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{8,64}\b")
_NAMED: Final = re.compile(
    r"\b(decision|mandate|order|receipt)s?\s*(?:number|no\.?|id)?\s*#?\s*"
    r"(\d[\d,]*(?:(?:\s*,\s*|\s+and\s+|\s+or\s+|\s*,\s*and\s+)#?\d+)*)(?![\d.]*\d|\s*%)",
    re.IGNORECASE,
)
_NAME_OF_MARKET: Final = re.compile(
    r"\b(?:5|five)[- ]?(?:m|min|minute)s?\b(?!\s*(?:before|after|to|ago|left))", re.IGNORECASE
)
_LIST_MARK: Final = re.compile(r"^\s*(\d{1,2})[.)]\s+", re.MULTILINE)
_NUMBER: Final = re.compile(
    r"(?P<sign>[-+\u2212]\s?)?(?P<money>\$\s?)?(?P<sign2>[-+\u2212])?(?P<digits>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)"
    r"(?P<power>[eE][-+]?\d+)?(?P<times>\s?(?:k|K|M|million|thousand)\b)?(?P<unit>\s?%|\s?¢|[ -]?[A-Za-z]+)?"
)
_WORD: Final = re.compile(
    r"\b(" + "|".join(sorted(set(_WORDS) - _UNCHECKED, key=len, reverse=True)) + r")\b", re.IGNORECASE
)
_LOSS: Final = re.compile(r"\b(los[st]|loses?|losing|loss(?:es)?(?: of)?|minus|negative|down)\W*$", re.IGNORECASE)
_NO_SUCH: Final = re.compile(
    r"\b(?:no|not have(?: an?)?|without) (?:decision|order|window|mandate) #?(?P<name>[\w-]+)"
    r"|\b(?:decision|order|window|mandate) #?(?P<other>[\w-]+) (?:is not|does not|isn't|doesn't) (?:in|exist|stand)",
    re.IGNORECASE,
)
_EPOCH_NS: Final = (10**18, 4 * 10**18)
_TIMES: Final = {"k": 1e3, "K": 1e3, "thousand": 1e3, "M": 1e6, "million": 1e6}


@dataclass(frozen=True, slots=True)
class Grounded:
    """All that could be checked stands in the evidence."""

    checked_count: int


@dataclass(frozen=True, slots=True)
class Ungrounded:
    """Something does not."""

    missing: tuple[str, ...]
    """As written in the answer, each once, in order."""


@dataclass(slots=True)
class Evidence:
    """What the record answered, taken apart."""

    numbers: dict[str, set[float]] = field(default_factory=dict)
    """By unit."""
    named: dict[str, set[int]] = field(default_factory=dict)
    """Numbers of decisions, orders and receipts."""
    texts: list[str] = field(default_factory=list)
    stamps: set[str] = field(default_factory=set)

    def holds(self, unit: str, value: float, decimals: int, *, is_lost: bool = False) -> bool:
        """Say whether a figure as written is one of the evidence's, to its digits."""
        return any(self._near(unit, scaled, value, decimals, is_lost) for scaled in self._scaled(unit))

    def _scaled(self, unit: str) -> Iterator[float]:
        if unit == BARE:
            for kind, numbers in self.numbers.items():
                if kind == "micros":
                    yield from (number * 1e-6 for number in numbers)
                yield from numbers
            return
        for kind, factor in _SCALES[unit].items():
            yield from (number * factor for number in self.numbers.get(kind, ()))
        if unit in ("percent", "bps", "cents"):  # a probability stands without a unit
            yield from (number * _SCALES[unit]["ratio"] for number in self.numbers.get(BARE, ()) if abs(number) <= 1.0)

    @staticmethod
    def _near(unit: str, known: float, value: float, decimals: int, is_lost: bool) -> bool:
        if is_lost:
            known = -known
        if decimals == 0 and unit not in _ROUNDED and abs(value) < 1e4:
            return abs(known - value) <= 1e-9 * max(abs(value), 1.0)
        return abs(known - value) <= 0.5 * 10.0**-decimals + 1e-9 * max(abs(value), 1.0)


def ground(text: str, results: Sequence[Any], said: str = "") -> Grounded | Ungrounded:
    """Hold an answer against what the record answered.

    Args:
        text: the answer.
        results: plain values, as tools gave them in this turn.
        said: the user's words: "there is no decision 999" may name what the user named.
    """
    evidence = evidence_of(results)
    missing: list[str] = []
    checked = 0
    for written, is_there in _checks(text, evidence, said):
        checked += 1
        if not is_there and written not in missing:
            missing.append(written)
    return Ungrounded(tuple(missing)) if missing else Grounded(checked)


def evidence_of(results: Sequence[Any]) -> Evidence:
    """Take what the record answered apart."""
    evidence = Evidence()
    for result in results:
        _gather(evidence, "", result)
    return evidence


# Evidence.


def _gather(evidence: Evidence, key: str, value: Any) -> None:
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, Mapping):
        unit = _UNITS.get(str(value.get("unit", "")))
        for name, each in value.items():
            if name == RETOLD:
                continue
            if unit is not None and isinstance(each, int | float) and not isinstance(each, bool):
                evidence.numbers.setdefault(unit, set()).add(float(each))
            if isinstance(name, str) and re.fullmatch(r"[-+]?\d+(\.\d+)?", name):
                evidence.numbers.setdefault("s" if key.startswith("markouts") else BARE, set()).add(float(name))
            _gather(evidence, key if key.endswith(("_bps", "_logodds", "_usd")) else str(name), each)
            if isinstance(name, str):
                evidence.texts.append(name)
    elif isinstance(value, list | tuple):
        evidence.numbers.setdefault(BARE, set()).add(float(len(value)))
        for each in value:
            _gather(evidence, key.removesuffix("s") if key in ("decisions", "orders") else key, each)
    elif isinstance(value, int | float):
        _take_number(evidence, key, float(value))
    else:
        _take_text(evidence, str(value))


def _take_number(evidence: Evidence, key: str, value: float) -> None:
    unit = next((unit for ending, unit in _BY_KEY if key.endswith(ending)), BARE)
    if key in ("decision", "first", "second", "mandate_id", "order", "order_id", "receipt") and value == int(value):
        name = "order" if key.startswith("order") else "receipt" if key == "receipt" else "decision"
        evidence.named.setdefault(name, set()).add(int(value))
    if unit == "ns" and _EPOCH_NS[0] <= value < _EPOCH_NS[1]:
        evidence.stamps |= _stamps_of(value / 1e9)
    evidence.numbers.setdefault(unit, set()).add(value)


def _take_text(evidence: Evidence, text: str) -> None:
    """Read names, times and figures with their units out of a text of the record's own."""
    evidence.texts.append(text)
    for found in _STAMP.findall(text):
        evidence.stamps |= _parts_of(found)
    for kind, numbers in _names_in(text):
        evidence.named.setdefault(kind, set()).update(numbers)
    for _, unit, value, _, _ in figures_in(_without_names(text)):
        evidence.numbers.setdefault(unit, set()).add(value)


def _stamps_of(seconds: float) -> set[str]:
    at = datetime.fromtimestamp(int(seconds), UTC)
    return _parts_of(f"{at:%Y-%m-%d %H:%M:%S}")


def _parts_of(stamp: str) -> set[str]:
    """Give how a time may be written shorter."""
    plain = stamp.replace("T", " ").rstrip("Z")
    date, _, clock = plain.partition(" ")
    shorter = {clock, clock.partition(".")[0], clock[:5]} if clock else set()
    return {date} | shorter | {f"{date} {each}" for each in shorter}


# The answer.


def _checks(text: str, evidence: Evidence, said: str) -> Iterator[tuple[str, bool]]:
    text = _numbered(text)
    excused = {found.group("name") or found.group("other") for found in _NO_SUCH.finditer(text)}
    excused = {each.lower() for each in excused if each and re.search(rf"(?<!\w){re.escape(each)}(?!\w)", said, re.I)}
    for found in _SLUG.findall(text):
        yield found, found in excused or any(found in each for each in evidence.texts)
    text = _SLUG.sub(" ", text)
    for found in (*_STAMP.findall(text), *_CLOCK.findall(_STAMP.sub(" ", text))):
        yield found, found.replace("T", " ").rstrip("Z") in evidence.stamps
    for kind, numbers in _names_in(text):
        known = evidence.named.get(kind, set())
        for number in numbers:
            yield f"{kind} {number}", number in known or str(number) in excused
    for found in _VAGUE.findall(text):
        yield found, any(found.lower() in each.lower() for each in evidence.texts)
    rest = _without_names(text)
    for found in _HASH.findall(rest):
        yield found, any(found in each for each in evidence.texts)
    for written, unit, value, decimals, is_lost in figures_in(_HASH.sub(" ", rest)):
        yield written, _is_known(evidence, unit, value, decimals, is_lost)


def _is_known(evidence: Evidence, unit: str, value: float, decimals: int, is_lost: bool) -> bool:
    if evidence.holds(unit, value, decimals):
        return not is_lost or evidence.holds(unit, value, decimals, is_lost=True) or value <= 0
    return is_lost and evidence.holds(unit, value, decimals, is_lost=True)


def _numbered(text: str) -> str:
    """Leave out the marks of a list that counts 1, 2, 3."""
    marks = [int(mark) for mark in _LIST_MARK.findall(text)]
    return _LIST_MARK.sub(" ", text) if marks and marks == list(range(1, len(marks) + 1)) else text


def _names_in(text: str) -> Iterator[tuple[str, list[int]]]:
    for kind, numbers in _NAMED.findall(text):
        name = "decision" if kind.lower() == "mandate" else kind.lower()
        yield name, [int(each) for each in re.findall(r"\d+", numbers)]


def _without_names(text: str) -> str:
    for pattern in (_SLUG, _STAMP, _CLOCK, _NAMED, _NAME_OF_MARKET):
        text = pattern.sub(" ; ", text)
    return text


def says(text: str, key: str, value: float) -> bool:
    """Say whether a text has a figure: the value of that key, in any unit it may be written in, to the digits shown."""
    evidence = evidence_of([{key: value}])
    found = figures_in(_without_names(_SLUG.sub(" ", text)))
    return any(_is_known(evidence, unit, each, decimals, is_lost) for _, unit, each, decimals, is_lost in found)


def figures_in(text: str) -> Iterator[tuple[str, str, float, int, bool]]:
    """Give each figure of a text: as written, unit, value, decimals shown, and whether words before it say "lost"."""
    for found in _NUMBER.finditer(text):
        before = text[: found.start()]
        if before and (before[-1].isalnum() or before[-1] == "_"):
            continue  # part of a name, such as p99 or T2
        yield _figure(found, before)
    for found in _WORD.finditer(text):
        yield found.group(), BARE, float(_WORDS[found.group().lower()]), 0, False


def _figure(found: "re.Match[str]", before: str) -> tuple[str, str, float, int, bool]:
    digits = found["digits"].replace(",", "")
    decimals = len(digits.partition(".")[2])
    word = (found["unit"] or "").strip(" -").lower()
    unit = "usd" if found["money"] else _UNITS.get(word, BARE)
    times = _TIMES.get((found["times"] or "").strip(), 1.0)
    value = float(digits + (found["power"] or "")) * times
    if times != 1.0:
        decimals -= len(f"{times:.0f}") - 1
    if found["power"]:
        decimals -= int(found["power"][1:])
    signs = (found["sign"] or "").strip() + (found["sign2"] or "")
    is_range = (found["sign"] or "").strip() == "-" and before[-1:].isdigit()
    if not is_range and any(sign in signs for sign in "-\u2212"):
        value = -value
    is_lost = value > 0 and unit in ("usd", "cents") and _LOSS.search(before[-24:]) is not None
    end = found.end() if word in _UNITS else found.start("unit") if found["unit"] else found.end()
    return found.string[found.start() : end].strip(), unit, value, decimals, is_lost
