"""Windows with their reasons and bounds, sources with their gaps, and what each recording cannot show."""

import numpy as np
from window_listings import listing

from evals.account_story import bounds_of, why_left_out
from evals.census import Census, window_number
from evals.limits import LIMITS, UNKNOWN, cannot_show, limit_lines, limits_of
from evals.results import UNKNOWN_OUTCOME
from state.events import EVENT, Asset, Kind, Source
from state.params import default_params
from state.records import one
from state.rulebook import REGISTRY
from state.rules import Rules, rules_in_force
from state.units import NS_PER_S


def test_windows_are_left_out_for_a_reason_in_words_and_never_for_their_result() -> None:
    nan = float("nan")
    unknown = one(Rules)
    rules_in_force(REGISTRY, 1_765_000_000 * NS_PER_S, int(Asset.BTC), 300, unknown)
    assert why_left_out(listing(), False) == ""
    assert why_left_out(listing(outcome=UNKNOWN_OUTCOME), False) == "no outcome in the recording"
    assert why_left_out(listing(book_first_s=nan, book_last_s=nan), False) == "no book during the window"
    assert why_left_out(listing(price_share=0.0), False) == "no price of the coin during the window"
    assert why_left_out(listing(book_first_s=90.0), False) == "its book covers only a part of the window"
    assert why_left_out(listing(price_share=0.3), False).startswith("prices of the coin for less than half")
    assert why_left_out(listing(rules=unknown), False).startswith("not tradable: ")
    assert why_left_out(listing(rules=unknown, price_share=0.1, book_last_s=100.0), True) == ""
    assert "traded" in why_left_out(listing(outcome=UNKNOWN_OUTCOME), True)


def test_a_strike_counts_from_when_it_was_told() -> None:
    assert [listing().strike_at(when) for when in (5, 8, 9)] == [1.0, 1.0, 2.0]
    assert np.isnan(listing().strike_at(4))


def test_windows_of_coins_and_lengths_at_one_time_have_their_own_numbers() -> None:
    numbers = {window_number(asset, 1_792_573_200, span_s) for asset in range(4) for span_s in (300, 900, 3_600, 77)}
    assert len(numbers) == 16
    assert window_number(0, 1_792_573_200, 300) == 1_792_573_200
    assert max(numbers) < 1_792_573_500


def test_bounds_of_a_window_follow_from_its_parameters() -> None:
    cap, payout = bounds_of(default_params({"position_micros": 1_000_000_000, "p_floor": 0.1}))
    assert (cap, payout) == (1_100_000_000, 9_000_000_000)
    smaller, _ = bounds_of(default_params({"bankroll_micros": 1_000_000_000, "kelly_ratio": 0.5}))
    assert smaller == 550_000_000


def test_every_kind_of_recording_says_what_it_cannot_show() -> None:
    for kind, limits in LIMITS.items():
        assert limits_of([kind]) == limits_of([limits.called]) == (limits,)
        assert limits.cannot_show[0].islower()
        assert not limits.cannot_show.endswith(".")
        assert all(line[0].isupper() and line.endswith(".") for line in limits.lines)
    assert limits_of(["who knows"]) == (UNKNOWN,)
    both = limit_lines(["polymarket_l2", "chainlink_day"])
    assert len(both) == len(set(both)) == 8
    assert cannot_show(["chainlink_day", "polymarket_l2"]) == LIMITS["chainlink_day"].cannot_show
    assert cannot_show([]) == UNKNOWN.cannot_show


def test_the_sources_are_counted_with_their_gaps_and_lateness() -> None:
    seen = np.array([1, 2, 3, 10, 11], np.int64) * NS_PER_S
    tape = np.zeros(5, EVENT)
    tape["kind_code"], tape["source_code"], tape["seen_ns"] = Kind.PRICE_SEEN, Source.BINANCE, seen
    tape["at_ns"] = seen - 80_000_000
    census = Census()
    for cut in (tape[:2], tape[2:4], tape[4:]):
        census.take(cut)
    (found,) = census.sources()
    assert (found.rows_count, found.gaps_count, found.longest_gap_s) == (5, 1, 7.0)
    assert found.late_ms.tolist() == [80.0]
