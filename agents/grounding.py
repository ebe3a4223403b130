"""Grounding: is every number and every name of a thing in an answer also in what the record answered this turn?

Nothing is understood here: figures are compared with figures, of the same unit, to the digits that are shown. So a
lie can pass that has no figure ("it was a good trade"), or whose figures are true and stand in a wrong sentence; what
cannot pass is a number, a decision, an order, a window, a hash or a time that the record did not give.

What counts as evidence: numbers by key (the key's ending is the unit), the numbers and units that stand inside texts,
and how many a list has. What the user said is no evidence, except to say that the record has no such thing; nor is what
a refusal of the record repeats of a question. Words of people that the record keeps may be quoted, and prove nothing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from agents.spelling import in_digits

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
    "hours": {"s": 1 / 3600, "ns": 1 / 3600e9},
    "days": {"s": 1 / 86_400, "ns": 1 / 86_400e9},
    "shares": {"shares": 1.0, "micros": 1e-6, BARE: 1.0},
    "ppm": {"ppm": 1.0},
}
"""Unit in an answer -> units of evidence that it may be made of, and by what they are multiplied."""

_UNITS: Final = {
    "$": "usd", "usd": "usd", "dollar": "usd", "dollars": "usd", "c": "cents", "¢": "cents", "cent": "cents",
    "cents": "cents", "bps": "bps", "bp": "bps", "%": "percent", "percent": "percent", "ms": "ms",
    "milliseconds": "ms", "s": "s", "sec": "s", "second": "s", "seconds": "s", "minute": "minutes",
    "minutes": "minutes", "min": "minutes", "share": "shares", "shares": "shares", "ppm": "ppm",
    "hour": "hours", "hours": "hours", "h": "hours", "day": "days", "days": "days", "usdc": "usd",
}  # fmt: skip
"""How units are written."""

_ROUNDED: Final = frozenset({"usd", "cents", "bps", "percent", "ms", "s", "minutes", "hours", "days", "ppm"})
"""With such a unit a whole number may be a rounded one; without, it is itself or nothing."""

_VAGUE: Final = re.compile(
    r"\b(half|halves|couple|double[ds]?|twice|triple[ds]?|thrice|quarters?|thirds?|dozens?|hundreds|thousands|millions|billions?"
    r"|tenfold|twofold)\b",
    re.IGNORECASE,
)

_SLUG: Final = re.compile(r"\b[a-z]{2,6}-updown-\d+[mh]-\d+\b")
_STAMP: Final = re.compile(r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z?)?")
_CLOCK: Final = re.compile(r"\b\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z?\b")
_HASH: Final = re.compile(r"\b(?:0x)?(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{8,64}\b", re.IGNORECASE)
_TOKEN: Final = re.compile(r"\b[^\W\d]\w*\d\w*")
"""A name with digits in it."""
_MARKED: Final = re.compile(r"#\s?(\d+)")
_NAMED: Final = re.compile(
    r"\b(decision|mandate|order|receipt)s?\s*(?:number|no\.?|id)?\s*#?\s*"
    r"(\d[\d,]*(?:(?:\s*,\s*|\s+and\s+|\s+or\s+|\s*,\s*and\s+)#?\d+)*)(?![\d.]*\d|\s*%)",
    re.IGNORECASE,
)
_NAME_OF_MARKET: Final = re.compile(
    r"(?<![$\w.,])5[- ]?(?:m|min|minute)s?\b(?!\s*(?:before|after|to|ago|left))"
    r"|(?<![$\w.,-])2[- ](?:tokens|sided|sides)\b",
    re.IGNORECASE,
)
"""Every window has five minutes and two tokens: nobody need have said so."""
_LIST_MARK: Final = re.compile(r"^\s*(\d{1,2})[.)]\s+", re.MULTILINE)
_NUMBER: Final = re.compile(
    r"(?P<sign>[-+\u2212]\s?)?(?P<money>\$\s?)?(?P<sign2>[-+\u2212])?(?P<digits>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)"
    r"(?P<power>[eE][-+]?\d+)?(?P<times>\s?(?:k|K|M|hundred|thousand|million|billion)\b)?"
    r"(?P<unit>\s?%|\s?¢|[ -]?[A-Za-z]+)?"
)
_LOSS: Final = re.compile(r"\b(los[st]|loses?|losing|loss(?:es)?(?: of)?|minus|negative|down)\W*$", re.IGNORECASE)
_NO_SUCH: Final = re.compile(
    r"\b(?:no|not have(?: an?)?) (?:decision|order|window|mandate) #?(?P<name>[\w-]*\d[\w-]*)"
    r"|\b(?:decision|order|window|mandate) #?(?P<other>[\w-]*\d[\w-]*) (?:is not|does not|isn't|doesn't)"
    r" (?:in|exist|stand)",
    re.IGNORECASE,
)
_NOT: Final = re.compile(r"\b(no|not|cannot|never|unknown)\b|n't\b", re.IGNORECASE)
_QUOTED: Final = re.compile(r'["\u201c]([^"\u201c\u201d]+)["\u201d]')
_STRANGE: Final = frozenset({"said", "title"})
"""Keys under which somebody's words stand: they may be quoted, and are evidence of nothing."""
_PAIRED: Final = frozenset({"first", "second", "difference", "before", "after"})
"""Keys of values that are of the kind that the key above them says."""
_EPOCH_NS: Final = (10**18, 4 * 10**18)
_TIMES: Final = {"hundred": 1e2, "billion": 1e9, "k": 1e3, "K": 1e3, "thousand": 1e3, "M": 1e6, "million": 1e6}


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
    absent: set[str] = field(default_factory=set)
    """What the record said that it has not: names of decisions, orders and windows."""
    quotes: set[str] = field(default_factory=set)
    """Words of people."""

    def tells(self, name: str) -> bool:
        """Say whether a name stands in a text or a key."""
        wanted = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])", re.IGNORECASE)
        return any(wanted.search(each) for each in self.texts)

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
        unit = _UNITS.get(str(value.get("unit", ""))) or _unit_of(str(value.get("name", "")))
        for name, each in value.items():
            if name == RETOLD:
                continue
            if unit and isinstance(each, int | float) and not isinstance(each, bool):
                evidence.numbers.setdefault(unit, set()).add(float(each))
            if re.fullmatch(r"[-+]?\d+(\.\d+)?", str(name)):
                evidence.numbers.setdefault("s" if key.startswith("markouts") else BARE, set()).add(float(name))
            is_kept = key.endswith(("_bps", "_logodds", "_usd")) or (key and name in _PAIRED)
            _gather(evidence, key if is_kept else str(name), each)
            evidence.texts.append(str(name))
    elif isinstance(value, list | tuple):
        evidence.numbers.setdefault(BARE, set()).add(float(len(value)))
        for each in value:
            _gather(evidence, key.removesuffix("s") if key in ("decisions", "orders") else key, each)
    elif isinstance(value, int | float):
        _take_number(evidence, key, float(value))
    elif key in _STRANGE:
        evidence.quotes.add(_unquoted(str(value)))
    elif key == "cannot":
        _take_text(evidence, _without_absent(evidence, in_digits(str(value))))
    else:
        _take_text(evidence, in_digits(str(value)))


def _take_number(evidence: Evidence, key: str, value: float) -> None:
    unit = _unit_of(key)
    if key in ("decision", "first", "second", "mandate_id", "order", "order_id", "receipt") and value == int(value):
        name = "order" if key.startswith("order") else "receipt" if key == "receipt" else "decision"
        evidence.named.setdefault(name, set()).add(int(value))
        return  # a name is no figure
    if unit == "ns" and _EPOCH_NS[0] <= value < _EPOCH_NS[1]:
        evidence.stamps |= _stamps_of(value / 1e9)
    evidence.numbers.setdefault(unit, set()).add(value)


def _unit_of(key: str) -> str:
    return next((unit for ending, unit in _BY_KEY if key.endswith(ending)), BARE)


def _without_absent(evidence: Evidence, text: str) -> str:
    """Take out what a refusal names: it came from whoever asked, and that the record lacks it is all that is known."""
    evidence.absent |= {str(found["name"] or found["other"]).lower() for found in _NO_SUCH.finditer(text)}
    evidence.absent |= set(_SLUG.findall(text))
    return _SLUG.sub(" ", _NO_SUCH.sub(" ", text))


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
    text = _QUOTED.sub(lambda found: " " if _unquoted(found[1]) in evidence.quotes else found.group(), text)
    text, said = _numbered(in_digits(text)), in_digits(said).lower()
    yield from _absent_in(text, evidence, said)
    text = _NO_SUCH.sub(lambda found: " " if _is_absent(found, evidence, said) else found.group(), text)
    for sentence in re.split(r"(?<=[.;!?])\s|\n", text):
        for found in _SLUG.findall(sentence):
            is_denied = found in evidence.absent or found in said
            yield found, evidence.tells(found) or (is_denied and _NOT.search(sentence) is not None)
    text = _SLUG.sub(" ", text)
    for found in (*_STAMP.findall(text), *_CLOCK.findall(_STAMP.sub(" ", text))):
        yield found, found.replace("T", " ").rstrip("Z") in evidence.stamps
    for kind, numbers in _names_in(text):
        for number in numbers:
            yield f"{kind} {number}", number in evidence.named.get(kind, ())
    for found in _VAGUE.findall(text):
        yield found, evidence.tells(found)
    rest = _without_names(text)
    for found in _MARKED.findall(rest):
        yield f"#{found}", any(int(found) in numbers for numbers in evidence.named.values())
    rest = _MARKED.sub(" ; ", rest)
    for found in _HASH.findall(rest):
        yield found, any(found.lower() in each.lower() for each in evidence.texts)
    rest = _HASH.sub(" ; ", rest)
    for found in _TOKEN.findall(rest):
        yield found, evidence.tells(found)
    for written, unit, value, decimals, is_lost in figures_in(rest):
        yield written, _is_known(evidence, unit, value, decimals, is_lost)


def _is_absent(found: "re.Match[str]", evidence: Evidence, said: str) -> bool:
    name = str(found["name"] or found["other"]).lower()
    return name in evidence.absent or re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", said) is not None


def _absent_in(text: str, evidence: Evidence, said: str) -> Iterator[tuple[str, bool]]:
    """Hold what an answer denies: the record must not have it, and somebody must have named it."""
    for found in _NO_SUCH.finditer(text):
        name = str(found["name"] or found["other"]).lower()
        known = name.isdigit() and any(int(name) in numbers for numbers in evidence.named.values())
        yield found.group(), _is_absent(found, evidence, said) and not known


def _unquoted(text: str) -> str:
    return re.sub(r"[\"\u201c\u201d]", "'", text).strip()


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
    """Say whether a text has a figure: that value of that key, in any unit it may be in, to the digits shown."""
    evidence = evidence_of([{key: value}])
    found = figures_in(_without_names(_SLUG.sub(" ", in_digits(text))))
    return any(_is_known(evidence, unit, each, decimals, is_lost) for _, unit, each, decimals, is_lost in found)


def figures_in(text: str) -> Iterator[tuple[str, str, float, int, bool]]:
    """Give each figure of a text: as written, unit, value, decimals shown, and whether words before it say "lost"."""
    for found in _NUMBER.finditer(text):
        before = text[: found.start()]
        if found.group()[0] in ".0123456789" and before and (before[-1].isalnum() or before[-1] == "_"):
            continue  # part of a name, such as p99 or T2: held as one
        yield _figure(found, before)


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
    is_range = (found["sign"] or "").strip() == "-" and before[-1:].isalnum()
    if not is_range and any(sign in signs for sign in "-\u2212"):
        value = -value
    is_lost = value > 0 and unit in ("usd", "cents") and _LOSS.search(before[-24:]) is not None
    end = found.end() if word in _UNITS else found.start("unit") if found["unit"] else found.end()
    return found.string[found.start() : end].strip(), unit, value, decimals, is_lost


def uncited(text: str, results: Sequence[Any]) -> tuple[str, ...]:
    """Give what an answer about single decisions lacks when it names none of them."""
    about = {
        each[key]
        for each in results
        if isinstance(each, Mapping)
        for key in ("decision", "first", "second")
        if isinstance(each.get(key), int)
    }
    named = {number for kind, numbers in _names_in(in_digits(text)) if kind == "decision" for number in numbers}
    named |= {int(each) for each in _MARKED.findall(text)}
    return () if not about or about & named else ("the number of the decision that it speaks of",)
