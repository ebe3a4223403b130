"""Spelling: a text with every number in it written in plain digits, however it was written before.

Full-width and other scripts' digits, circled ones, fractions, number words ("twenty-one", "a hundred and five", "zero
point five", "the fourth") become digits; characters that cannot be seen are dropped. "One" and "zero" become digits
where something is counted ("one order"), since elsewhere they are seldom figures; "first" and "second" stay words.
"""

import re
import unicodedata
from typing import Final

_SMALL: Final = {
    word: number
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
         "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
    )
}  # fmt: skip
_TENS: Final = {
    word: 10 * number
    for number, word in enumerate(
        ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), start=2
    )
}
_LARGE: Final = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_ORDINALS: Final = {
    word: number
    for number, word in enumerate(
        ("fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth", "thirteenth",
         "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth", "twentieth"), start=4
    )
}  # fmt: skip
_ANY: Final = "|".join(sorted({*_SMALL, *_TENS, *_LARGE}, key=len, reverse=True))
_RUN: Final = re.compile(
    rf"\b(?:an?[ ](?=hundred|thousand|million|billion))?(?:{_ANY})(?:(?:[ -]|[ ]and[ ])(?:{_ANY}))*"
    rf"(?:[ ]point(?:[ ](?:{_ANY}))+)?\b",
    re.IGNORECASE,
)
_ORDINAL: Final = re.compile(r"\b(" + "|".join(_ORDINALS) + r")\b", re.IGNORECASE)
_COUNTED: Final = re.compile(
    r"\s+(?:[a-z]+\s+)?(?:decision|order|window|fill|trade|share|cent|dollar|percent|bps|second|minute|hour|day|halt|alarm"
    r"|change|limit|feed|stand-aside|disconnect|ms|time)s?\b",
    re.IGNORECASE,
)
_SHY: Final = frozenset({"one", "zero"})
_BEFORE: Final = re.compile(r"(?:\b(?:decision|order|window|mandate)s?\s+(?:number\s+)?|\$)$", re.IGNORECASE)


def in_digits(text: str) -> str:
    """Write every number of a text in digits."""
    plain = "".join(_seen(char) for char in unicodedata.normalize("NFKC", text))
    plain = _RUN.sub(_run, plain)
    return _ORDINAL.sub(lambda found: f"{_ORDINALS[found.group().lower()]}th", plain)


def _seen(char: str) -> str:
    if char.isascii():
        return char
    if unicodedata.category(char) == "Cf":
        return ""
    value = unicodedata.numeric(char, None)
    if value is None:
        return char
    return str(unicodedata.digit(char)) if char.isdecimal() else f" {value:g} "


def _run(found: "re.Match[str]") -> str:
    written = found.group()
    whole, _, rest = written.lower().partition(" point")
    words = [word for word in re.split(r"[ -]", whole) if word not in ("a", "an", "and", "")]
    after, before = found.string[found.end() :], found.string[: found.start()]
    if all(word in _LARGE for word in words) and re.search(r"\d ?$", before):
        return written  # "2 million": its digits are there
    if len(words) == 1 and words[0] in _SHY and not rest and not _COUNTED.match(after) and not _BEFORE.search(before):
        return written
    if all(word in _SMALL for word in words) and len(words) > 1:  # "one two": said digit by digit, or two figures
        return " ".join(str(_SMALL[word]) for word in words)
    digits = "".join(str(_SMALL[word]) for word in rest.split() if word in _SMALL)
    return f"{_number(words)}.{digits}" if digits else str(_number(words))


def _number(words: list[str]) -> int:
    whole, part = 0, 0
    for word in words:
        if word in _LARGE:
            part = max(part, 1) * _LARGE[word]
            if _LARGE[word] > 100:
                whole, part = whole + part, 0
        else:
            part += _SMALL.get(word, 0) + _TENS.get(word, 0)
    return whole + part
