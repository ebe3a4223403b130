"""Numbers in any spelling: what a reader would take for a figure is written in digits, and nothing else is touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.spelling import in_digits
from state.reasons import WORDS

SPELLED = [
    ("twenty-one orders", "21 orders"), ("a hundred and five", "105"), ("two thousand six hundred", "2600"),
    ("zero point five", "0.5"), ("one order", "1 order"), ("decision one", "decision 1"),
    ("the fourth gate", "the 4th gate"), ("two-sided", "2-sided"), ("five to seven", "5 to 7"),
    ("\uff15\uff10 bps", "50 bps"), ("\u2075\u2070\u2070", "500"), ("\u2460", "1"), ("1\u200b2", "12"),
    ("\u4e94", " 5 "), ("\u0663 orders", "3 orders"), ("$2 million", "$2 million"),
    ("two hundred million", "200000000"),
]  # fmt: skip
SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
LEFT = ["one of them", "above zero", "no one asked", "weighty", "often", "tension", "at first", "a second look"]


@pytest.mark.parametrize(("written", "digits"), SPELLED)
def test_numbers_become_digits(written: str, digits: str) -> None:
    assert in_digits(written) == digits


@pytest.mark.parametrize("text", [*LEFT, *(words for words in WORDS.values() if "two" not in words)])
def test_other_words_stay(text: str) -> None:
    assert in_digits(text) == text


@given(st.integers(0, 9_999_999))
def test_a_number_that_is_spelled_out_comes_back(number: int) -> None:
    assert in_digits(f"about {_spelled(number)} shares") == f"about {number} shares"


@given(st.text(max_size=300))
def test_no_text_breaks_it_and_twice_is_once(text: str) -> None:
    once = in_digits(text)
    assert in_digits(once) == once


def _spelled(number: int) -> str:
    """Spell a number out, by other rules than those that read it."""
    if number < 20:
        return SMALL[number]
    if number < 100:
        rest = number % 10
        return TENS[number // 10 - 2] + (f"-{SMALL[rest]}" if rest else "")
    for size, word in ((1_000_000, "million"), (1_000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = number % size
            joined = " and " if size == 100 else " "
            return f"{_spelled(number // size)} {word}" + (f"{joined}{_spelled(rest)}" if rest else "")
    raise AssertionError(number)
