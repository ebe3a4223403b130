"""Catch a backtest that flatters: typed checks on its fills, orders and windows, each green, red or unknown.

A green check names how many rows it looked at; a check without rows to look at is unknown, never green.
"""

from dataclasses import dataclass
from enum import IntEnum


class Light(IntEnum):
    """What a check found."""

    UNKNOWN = 0
    GREEN = 1
    RED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of the certificate, with what it looked at and what it found, in words and in numbers."""

    name: str
    light: Light
    asked: str
    """The question, in words."""
    found: str
    """The answer, in words, with its numbers and units."""
    looked_count: int = 0
    bad_count: int = 0
