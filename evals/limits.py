"""What each kind of recording can and cannot show, in words, for the page's headline and its last section."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one kind of recording can and cannot show."""

    called: str
    """The name that its importer gives it."""
    cannot_show: str
    """The one clause for the headline; no capital, no full stop."""
    lines: tuple[str, ...]
    synthetic: bool = False
    printless: bool = False
    """Its books come without trade prints: maker fills on them are inferred."""


_LAST_TICK: Final = (
    "Its windows settled on the last oracle value at each end; since 2026-08-07 the venue settles on an average "
    "(60 s since 2026-08-14), so neither its outcomes nor its prices calibrate today's rule."
)

LIMITS: Final[Mapping[str, Limits]] = MappingProxyType(
    {
        "polymarket_l2": Limits(
            called="full-depth books",
            cannot_show="what the desk would have earned: these books come without prices of the coin and without "
            "trades, and settled by an older rule",
            lines=(
                "Full-depth books are complete and exact, but were kept only at moments of trades: orders that came "
                "and went between two trades are seen in their net effect.",
                "There are no trade prints in them, so the place in the queue is guessed: maker fills are "
                "illustrations, and only taker fills are evidence.",
                "No exchange prices and no oracle values lie beside these books; lead and lag cannot be measured on "
                "them, and fair value cannot be reckoned.",
                "Their recorder's clock wanders by a tenth of a second: latency is an assumption here, not a finding.",
                "Most outcomes are inferred from the last book; windows that ended close to even have none, so close "
                "finishes are somewhat too few.",
                _LAST_TICK,
            ),
            printless=True,
        ),
        "chainlink_day": Limits(
            called="settlement stream",
            cannot_show="any trade: the settlement stream comes without books",
            lines=(
                "The settlement stream shows strikes, outcomes and how well fair value is calibrated; without books "
                "there is nothing to trade against, so no order can come of it.",
                "It ticks once a second and is smoothed: one-second returns are correlated, and the venue's own "
                "average is made from finer data than this.",
                _LAST_TICK,
            ),
        ),
        "cex_book": Limits(
            called="exchange prices",
            cannot_show="anything about the venue: these are exchange prices alone",
            lines=(
                "Exchange prices of one short stretch: good for clocks, bursts and volatility; no window of the venue "
                "lies beside them.",
                "Their receive clock is off by more than a second against the exchange's: spans within the recording "
                "can be trusted, times of day cannot.",
            ),
        ),
        "aligned": Limits(
            called="aligned trades and books",
            cannot_show="more than a quarter of an hour, with an exchange price that was sampled at the venue's events",
            lines=(
                "A quarter of an hour of trades and books of longer windows: enough to run the code, too little to "
                "conclude anything about lead and lag.",
                "The exchange price was noted only when the venue spoke, and has no time of its own.",
                "Fees and settlement were those of that day.",
            ),
        ),
        "top_of_book": Limits(
            called="best prices",
            cannot_show="what a size would have cost: only best prices were recorded",
            lines=(
                "Best prices of both tokens without sizes: update rates and the agreement of the two books can be "
                "seen; depth, queues and fills cannot.",
                "The venue's own time is missing, and so are the last seconds of each window.",
            ),
            printless=True,
        ),
        "ladder": Limits(
            called="late looks",
            cannot_show="anything between seven looks a window, whose clock is in doubt",
            lines=(
                "Seven looks at the book before each close, fetched one after another: not on one clock with the "
                "exchange price, and probably twenty seconds later than their labels say.",
                "Its probe of maker fills is a rule on displayed sizes, not an order.",
                _LAST_TICK,
            ),
            printless=True,
        ),
        "generated": Limits(
            called="generated",
            cannot_show="anything about a real market: every price and every trader here is generated",
            lines=(
                "This recording was generated: it shows that the machinery works and how it would look if markets were "
                "as the generator was told to make them. It is no evidence for an edge anywhere else.",
                "Its makers' weaknesses were planted on purpose; a desk that finds them has found what was put there.",
            ),
            synthetic=True,
        ),
        "journal": Limits(
            called="journal",
            cannot_show="what our own orders would have done to the others: the tape does not answer to them",
            lines=(
                "A journal holds what was seen, as it was seen; orders that are simulated on it meet depth that does "
                "not react to them, save that nothing is taken twice.",
                "Latencies are the model's, not measured on this tape.",
            ),
        ),
    }
)
"""By kind of recording; a caller may name kinds by these keys or as their importers call them."""

UNKNOWN: Final = Limits(
    called="unknown",
    cannot_show="more than its makers say: nothing is known here about this kind of recording",
    lines=("Nothing is known about the limits of this recording: read it with doubt.",),
)

APART: Final = (
    "Books and prices of different days never meet: windows that have only one of them cannot be traded, and are "
    "scored on what they have."
)


def limits_of(kinds: Iterable[str]) -> tuple[Limits, ...]:
    """Give the limits of the kinds named, each once, in that order; an unknown kind has limits, too."""
    by_call = {limits.called: limits for limits in LIMITS.values()}
    found: list[Limits] = []
    for kind in kinds:
        limits = LIMITS.get(kind) or by_call.get(kind) or UNKNOWN
        if limits not in found:
            found.append(limits)
    return tuple(found)


def cannot_show(kinds: Iterable[str]) -> str:
    """Give the one clause for the headline, of the first kind named: name first what was traded on."""
    known = limits_of(kinds)
    return known[0].cannot_show if known else UNKNOWN.cannot_show


def limit_lines(kinds: Iterable[str]) -> tuple[str, ...]:
    """Give every line on these kinds, each once."""
    return tuple(dict.fromkeys(line for limits in limits_of(kinds) for line in limits.lines))
