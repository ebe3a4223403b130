"""Draw spans of time from distributions given as data, by keyed chance: no generator, no state, the same everywhere.

A draw is a hash of (seed, subject, purpose). So it does not depend on how many draws came before it, and a what-if
that changes one thing leaves every other chance as it was.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from state.compiled import compiled
from state.exchange import KNOTS, Delay, VenueTerms
from state.units import MICROS

_MASK = 0xFFFFFFFF

_NORMAL_KNOTS = (
    (1_000, -3.090232), (10_000, -2.326348), (100_000, -1.281552), (250_000, -0.674490), (500_000, 0.0),
    (750_000, 0.674490), (900_000, 1.281552), (950_000, 1.644854), (990_000, 2.326348), (999_000, 3.090232),
)  # fmt: skip
"""Levels in ppm and the standard normal's quantiles there."""


@compiled
def draw_ppm(seed_id: int, subject_id: int, purpose_code: int) -> int:
    """Draw a whole number from 0 to 999,999, evenly; seeds and subjects are not negative.

    Five words are stirred in, each by the low-bias 32-bit integer hash of C. Wellons' hash prospector, in products
    that fit 63 bits.
    """
    word = 0x9E3779B9
    for turn in range(5):
        if turn < 2:
            word ^= int(seed_id) >> 32 * turn & _MASK
        elif turn < 4:
            word ^= int(subject_id) >> 32 * (turn - 2) & _MASK
        else:
            word ^= int(purpose_code)
        word ^= word >> 16
        word = ((word & 0xFFFF) * 0x7FEB352D + (((word >> 16) * 0x7FEB352D & 0xFFFF) << 16)) & _MASK
        word ^= word >> 15
        word = ((word & 0xFFFF) * 0x846CA68B + (((word >> 16) * 0x846CA68B & 0xFFFF) << 16)) & _MASK
        word ^= word >> 16
    return word * MICROS >> 32


@compiled
def delay_at(delay: Delay, level_ppm: int) -> int:
    """Give the quantile of a delay in ns at a level in ppm, straight between knots; an empty delay is zero."""
    count = int(delay.knots_count)
    if count == 0:
        return 0
    level = int(level_ppm)
    i = 1
    while i < count and delay.levels_ppm[i] < level:
        i += 1
    if i >= count:
        return int(delay.values_ns[count - 1])
    left = int(delay.levels_ppm[i - 1])
    low = int(delay.values_ns[i - 1])
    return low + (int(delay.values_ns[i]) - low) * (level - left) // (int(delay.levels_ppm[i]) - left)


@compiled
def drawn_delay(delay: Delay, seed_id: int, subject_id: int, purpose_code: int) -> int:
    """Draw a span in ns for one subject and purpose."""
    return delay_at(delay, draw_ppm(seed_id, subject_id, purpose_code))


def set_delay(delay: Delay, knots: Sequence[tuple[int, int]]) -> None:
    """Write a delay's quantile function from (level in ppm, ns) knots.

    Raises:
        ValueError: the knots are not 2..12, from level 0 to 1,000,000 rising, with spans that never fall.
    """
    levels = [level for level, _ in knots]
    spans = [span for _, span in knots]
    rising = all(a < b for a, b in pairwise(levels))
    if not 2 <= len(knots) <= KNOTS or levels[0] != 0 or levels[-1] != MICROS or not rising:
        raise ValueError(f"a delay needs 2..{KNOTS} knots with levels rising from 0 to {MICROS}: {levels}")
    if spans[0] < 0 or any(a > b for a, b in pairwise(spans)):
        raise ValueError(f"a delay's spans may not fall or be negative: {spans}")
    delay.knots_count = len(knots)
    for i, (level, span) in enumerate(knots):
        delay.levels_ppm[i] = level
        delay.values_ns[i] = span


def set_fixed(delay: Delay, span_ns: int) -> None:
    """Make a delay that is always the same span."""
    set_delay(delay, ((0, span_ns), (MICROS, span_ns)))


def set_lognormal(delay: Delay, least_ns: int, median_ns: int, p95_ns: int) -> None:
    """Make a delay `least + lognormal` with this median and 95th percentile; cut at its 0.1 % and 99.9 % quantiles.

    Raises:
        ValueError: least <= median <= p95 does not hold.
    """
    if not 0 <= least_ns < median_ns <= p95_ns:
        raise ValueError(f"a lognormal delay needs least < median <= p95: {least_ns}, {median_ns}, {p95_ns}")
    middle = math.log(median_ns - least_ns)
    spread = (math.log(p95_ns - least_ns) - middle) / 1.644854
    inner = [(level, least_ns + round(math.exp(middle + spread * z))) for level, z in _NORMAL_KNOTS]
    set_delay(delay, ((0, inner[0][1]), *inner, (MICROS, inner[-1][1])))


def set_measured(delay: Delay, spans_ns: Sequence[int]) -> None:
    """Fit a delay to measured spans, such as those of our own orders: its knots are their quantiles.

    Raises:
        ValueError: there are fewer than 20 spans, or a negative one.
    """
    if len(spans_ns) < 20:
        raise ValueError(f"{len(spans_ns)} spans are too few to fit a delay; 20 are the least")
    ordered = sorted(int(span) for span in spans_ns)
    levels = (0, *(level for level, _ in _NORMAL_KNOTS), MICROS)
    set_delay(delay, tuple((level, ordered[level * (len(ordered) - 1) // MICROS]) for level in levels))


def set_no_delays(terms: VenueTerms) -> None:
    """Make every way to and from the venue take no time: for stories, and for servers whose sockets are the way."""
    for delay in (terms.submit, terms.cancel, terms.answer, terms.report):
        set_fixed(delay, 0)
