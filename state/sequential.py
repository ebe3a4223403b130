"""The record of a sequential test: how much evidence there is for an edge above zero, and against it."""

from typing import Annotated, Final

import numpy as np

from state.records import F64, I64, Floats, Record

BETS: Final = 8
"""Sizes of imaginary bet kept side by side; nobody knows in advance which one an edge deserves."""


class EProcess(Record):
    """Wealth of imaginary gamblers, in logs: those who bet on the strategy, and those who bet against it.

    If the edge is not above zero, a gambler for it cannot expect to gain, so wealth of 20 has a chance of at most 1 in
    20 ever, however often one looks and whenever one stops. A zeroed record has seen nothing: wealth 1 on both sides.
    """

    wealth_for_log: Annotated[Floats, np.float64, (BETS,)]
    wealth_against_log: Annotated[Floats, np.float64, (BETS,)]
    """Only what is already at stake; the part that waits for a later change is 1 / (results + 1)."""
    for_log: F64
    """Log e-value of "the edge is above zero"; ln 20 = 3.0 is the usual bar."""
    against_log: F64
    """Log e-value of "the edge is below zero": what pauses the strategy."""
    for_peak_log: F64
    against_peak_log: F64
    """The highest so far: the bound holds for the peak, so a bar once crossed stays crossed."""
    results_count: I64
    refused_count: I64
    """Results outside their own bounds, or bounds that do not straddle zero: not counted as evidence."""
