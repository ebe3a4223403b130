"""Account for a run: from its ledgers, and a second look at its tape, to everything that a report is made from.

Two passes over the tape. During the run `Census.watch` counts what comes by. Afterwards the witness walks the rows once
more and answers what the ledgers make one ask: what was there when we decided, when we were matched, when the desk
refused, and at the moments at which rules without skill would have bought. Chunks go by one at a time; what is kept
grows with orders and windows, not with rows.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evals.account_desk import (
    SIZE_MICROS,
    apart,
    better_token,
    forecasts_of,
    moment_looks,
    moments_of,
    numbered,
    refusal_looks,
    refusals_of,
    refused_lines,
    stages_of,
)
from evals.account_fills import Book, fill_looks, fills_of, join, order_looks, orders_of
from evals.account_story import rules_of_day, story_of, windows_of
from evals.backtest import Ledgers
from evals.baselines import Moments, baselines
from evals.causes import Causes, mandate_times
from evals.census import Census, Listing
from evals.certificate import certify
from evals.limits import APART, cannot_show, limit_lines
from evals.results import Fills, Refusals, ReportInput
from evals.witness import Witness
from state.events import Source
from state.params import params_hash
from state.reasons import WORDS, Gate
from state.records import Ints, as_dict
from state.units import MICROS
from tools.delays import delay_at

Rows = NDArray[Any]

MEDIAN_PPM: Final = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What only the caller knows of a run."""

    title: str
    mode: str = "backtest"
    made: str = ""
    version: str = ""
    machine: str = ""
    kinds: tuple[str, ...] = ()
    """Kinds of the recordings, the one that was traded on first; see `evals.limits`."""
    notes: tuple[str, ...] = ()
    """What the import assumed and left out."""
    licences: Mapping[Source, str] = field(default_factory=dict)
    tries_count: int = 1
    tries_sd: float = 0.0


@dataclass(slots=True)
class Questions:
    """All that the witness is asked, by clock, in the order in which it is laid out."""

    desk: list[Rows]
    venue: list[Rows]

    def cut(self, desk: Rows, venue: Rows) -> tuple[list[Rows], list[Rows]]:
        """Cut the answers as the questions were laid out."""
        found = []
        for asked, answered in ((self.desk, desk), (self.venue, venue)):
            ends = np.cumsum([len(part) for part in asked])[:-1]
            found.append(np.split(answered, ends))
        return found[0], found[1]


def report_input(ledgers: Ledgers, census: Census, chunks: Iterable[Rows], facts: Facts) -> ReportInput:
    """Make a report's input of a run.

    Args:
        ledgers: what the run wrote down.
        census: what `Census.watch` counted while it ran.
        chunks: the same rows once more, in order.
        facts: what only the caller knows.
    """
    listings = census.listings()
    book = join(ledgers.orders, ledgers.messages, listings)
    home = numbered(ledgers.lines, listings)
    causes = Causes(book.placed, ledgers.messages, mandate_times(ledgers.lines, ledgers.terms.desk_delay_ns))
    looked = _look(ledgers, listings, book, home, chunks, causes)
    windows, unusable = windows_of(
        listings, ledgers.windows, Counter(looked.fills.window_s.tolist()), ledgers.params
    )  # fmt: skip
    forecasts, other_forecasts = apart(forecasts_of(ledgers.lines, home, listings))
    run = replace(
        _named(ledgers, facts, listings),
        story=story_of(census.sources(), listings, unusable, facts.licences),
        fills=looked.fills,
        orders=orders_of(book),
        windows=windows,
        forecasts=forecasts,
        other_forecasts=other_forecasts,
        refusals=looked.refusals,
        baselines=baselines(looked.moments, SIZE_MICROS, np.random.default_rng(ledgers.terms.seed)),
        latency=stages_of(census.sources(), ledgers.lines, book, ledgers.terms.desk_delay_ns),
        fills_are_illustrative=not ledgers.terms.trades_known and len(book.placed) > 0,
        extra=_extra(ledgers, census, book, looked.fills, causes),
    )
    return replace(run, checks=certify(run))


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What only the second look at the tape could tell."""

    fills: Fills
    refusals: Refusals
    moments: Moments


def _look(
    ledgers: Ledgers, listings: Sequence[Listing], book: Book, home: Ints, chunks: Iterable[Rows], causes: Causes
) -> Looked:
    """Walk the tape once more and ask what was there when we decided, were matched, refused, and at set moments."""
    aside = refused_lines(ledgers.lines, home)
    refused, refused_home = ledgers.lines[aside], home[aside]
    tokens = better_token(refused)
    late = _late_ns(ledgers, listings)
    first = refusal_looks(refused, tokens, late[refused_home])
    second = moment_looks(listings, late.tolist())
    asked = Questions([order_looks(book), first[0], second[0]], [fill_looks(book), first[1], second[1]])
    desk, venue = asked.cut(*_walk(chunks, asked, causes))
    return Looked(
        fills=fills_of(book, desk[0], venue[0], causes.seen_ns),
        refusals=refusals_of(refused, refused_home, listings, tokens, desk[1], venue[1]),
        moments=moments_of(listings, desk[2], venue[2]),
    )


def _named(ledgers: Ledgers, facts: Facts, listings: Sequence[Listing]) -> ReportInput:
    """Begin a report's input with what was known before anything was measured."""
    return ReportInput(
        title=facts.title,
        mode=facts.mode,
        made=facts.made,
        version=facts.version,
        machine=facts.machine,
        run_hash=ledgers.run_hash,
        params_hash=params_hash(ledgers.params),
        params=as_dict(ledgers.params),
        capital_usd=ledgers.terms.cash_micros / MICROS,
        rules=rules_of_day(listings),
        cannot_show=cannot_show(facts.kinds),
        limits=_limits(facts, listings),
        gates=tuple(gate.name.lower() for gate in Gate),
        reasons={int(reason): words for reason, words in WORDS.items()},
        seed=ledgers.terms.seed,
        tries_count=facts.tries_count,
        tries_sd=facts.tries_sd,
        **_curve(listings),
    )


def _walk(chunks: Iterable[Rows], asked: Questions, causes: Causes) -> tuple[Rows, Rows]:
    watching = Witness(np.concatenate(asked.desk), np.concatenate(asked.venue))
    last: Rows | None = None
    for chunk in chunks:
        watching.feed(chunk)
        causes.feed(chunk)
        last = chunk[:0]
    if last is not None:
        watching.feed(last, final=True)
    return watching.answers()


def _late_ns(ledgers: Ledgers, listings: Sequence[Listing]) -> Ints:
    """Give how long after a decision a taker would have been matched in each window: desk, travel, hold of the day."""
    travel = delay_at(ledgers.exchange.terms.submit, MEDIAN_PPM) + ledgers.terms.desk_delay_ns
    return np.array([travel + int(listing.rules.hold_ns) for listing in listings], np.int64)


def _limits(facts: Facts, listings: Sequence[Listing]) -> tuple[str, ...]:
    with_book = [listing.book_first_s == listing.book_first_s for listing in listings]
    with_price = [listing.price_share > 0 for listing in listings]
    apart = any(with_book) and any(with_price) and not any(map(lambda a, b: a and b, with_book, with_price))
    notes = tuple(f"{note.rstrip('.')}." for note in facts.notes if note)
    return (*limit_lines(facts.kinds), *([APART] if apart else []), *notes)


def _curve(listings: Sequence[Listing]) -> dict[str, Any]:
    """Give the fee curve of most windows, of those with a book where there are any: to be drawn beside their prices."""
    listings = [each for each in listings if each.book_first_s == each.book_first_s] or listings
    curves = Counter(
        (
            int(listing.rules.fee_rate_ppm),
            int(listing.rules.fee_exponent_count),
            int(listing.rules.fee_by_notional_code),
        )
        for listing in listings
        if listing.rules.refused_code == 0
    )
    if not curves:
        return {}
    (rate, exponent, by_notional), _ = curves.most_common(1)[0]
    return {"fee_rate_ppm": rate, "fee_exponent_count": exponent, "fee_by_notional": by_notional == 1}


def _extra(ledgers: Ledgers, census: Census, book: Book, fills: Fills, causes: Causes) -> dict[str, Any]:
    """Give counts that tell whether the run was sound: what was dropped, strayed or did not fit."""
    tally = as_dict(ledgers.exchange.tally)
    return {
        "rows": census.rows_count,
        "trade_prints": census.trades_count,
        "desk_runs": len(ledgers.lines),
        "commands": len(ledgers.orders),
        "messages": len(ledgers.messages),
        "messages_without_order": book.stray_count,
        "orders_fired_by_a_row": int(causes.by_row.sum()),
        "orders_without_a_cause": causes.unexplained_count(),
        "fills": len(fills),
        "desk_delay_ms": ledgers.terms.desk_delay_ns / 1e6,
        "venue_tally": tally,
        "core_refused_events": int(ledgers.world.refused_count),
    }
