"""Grounding: a figure or a name that the record did not give does not pass, however it is written."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agents.grounding import Grounded, Ungrounded, ground, uncited

RESULT: dict[str, Any] = {
    "decision": 12, "window": "btc-updown-5m-1792573200", "at": "2026-10-21 06:00:12.345Z", "p_up": 0.368412,
    "left_s": 141.3, "edge_bps": 151.56, "price_bps": 5900, "shares": 48.47, "fees_usd": 0.2214, "profit_usd": -16.1719,
    "realised_micros": -16_171_900, "hold_ns": 150_000_000, "used_ratio": 0.4213, "fee_rate_ppm": 70_000,
    "orders": [{"order": 7, "story": ["0.15 s after: filled 27.41 at 59 c"]}], "view_hash": "0b394af5dcda90a5",
    "markouts_bps": {"1": 100.0, "30": -50.0}, "found": 1227,
}  # fmt: skip

TRUE = [
    "Decision 12 held UP at 0.368 (36.8 %).",
    "decision #12 of btc-updown-5m-1792573200, 141.3 s before the close",
    "Order 7 paid 59 cents, $0.59, or 5,900 bps for each of 48.47 shares.",
    "It was filled for 27.41 shares after 0.15 s, that is 150 ms.",
    "It lost $16.17 after fees of $0.2214.",
    "Profit: -$16.17, or $-16.1719.",
    "The markout after 30 s was -50 bps.",
    "42 % of the limit is used; the fee rate is 7 %.",
    "At 06:00:12 on 2026-10-21 the view was 0b394af5dcda90a5.",
    "1,227 decisions fit.",
    "In this 5-minute window nothing else happened.",
    "1. decision 12\n2. order 7",
    "There is no decision 999 in this record.",
    "It stood aside.",
    "#12 and order 7, in its 5-minute window with two tokens",
]

FALSE = [
    ("Decision 13 held UP at 0.368.", "decision 13"),
    ("Decisions 12 and 14 traded.", "decision 14"),
    ("Order 12 was filled.", "order 12"),
    ("It held UP at 0.37842.", "0.37842"),
    ("It held UP at 0.369.", "0.369"),
    ("It held UP at -0.368.", "-0.368"),
    ("It made $16.17.", "$16.17"),
    ("It lost $0.37.", "$0.37"),
    ("It lost $48.47.", "$48.47"),
    ("The edge was 151.56 %.", "151.56 %"),
    ("The edge was 152 cents.", "152 cents"),
    ("It was held for 151 ms.", "151 ms"),
    ("1,228 decisions fit.", "1,228"),
    ("It was the third window of btc-updown-5m-1792573500.", "btc-updown-5m-1792573500"),
    ("At 06:01 it fired.", "06:01"),
    ("The view was 0b394af5dcda90a6.", "0b394af5dcda90a6"),
    ("It took seventeen shares.", "17 shares"),
    ("The edge was twice the fee.", "twice"),
    ("About 5e3 shares.", "5e3 shares"),
    ("Decision 999 lost because of fees.", "decision 999"),
    ("It risked $2 million.", "$2 million"),
    ("Between 5-900 bps were left.", "-900 bps"),
    ("It made US$500.", "$500"),
    ("It made USD500.", "USD500"),
    ("It lost $5m.", "$5"),
    ("#13 traded.", "#13"),
    ("There were 12 orders.", "12"),
    ("It took 12 hours.", "12 hours"),
    ("It made \u2075\u2070\u2070 dollars.", "500 dollars"),
    ("twenty-seven decisions", "27"),
    ("There is no decision 12.", "no decision 12"),
    ("There is no decision 999. Decision 999 lost.", "decision 999"),
    ("btc-updown-5m-1792573500 was traded.", "btc-updown-5m-1792573500"),
    ("Its hash was 0B394AF5DCDA90A7.", "0B394AF5DCDA90A7"),
    ("It gained dozens of dollars.", "dozens"),
]  # fmt: skip


@pytest.mark.parametrize("text", TRUE)
def test_what_the_record_gave_passes_in_any_unit(text: str) -> None:
    assert isinstance(ground(text, [RESULT], "why decision 999?"), Grounded)


@pytest.mark.parametrize(("text", "missing"), FALSE)
def test_what_the_record_did_not_give_is_named(text: str, missing: str) -> None:
    told = ground(text, [RESULT], "why decision 999, and 0.37842?")
    assert isinstance(told, Ungrounded) and missing in told.missing


def test_a_refusal_proves_only_that_there_is_nothing() -> None:
    """A tool's refusal repeats what it was asked: asking after an invented decision does not make it one."""
    refused = [{"cannot": "there is no decision 999: this record has 1227, from 1 to 1227"}]
    slug = "btc-updown-5m-1792573500"
    assert isinstance(ground("There is no decision 999; it has 1227.", refused), Grounded)
    assert ground("Decision 999 traded.", refused) == Ungrounded(("decision 999",))
    assert ground(f"In {slug} it traded.", [{"cannot": f"this record has no window {slug}"}]) == Ungrounded((slug,))
    assert isinstance(ground(f"{slug} is not in it.", [{"cannot": f"this record has no window {slug}"}]), Grounded)


def test_words_of_people_may_be_quoted_and_prove_nothing() -> None:
    results = [{"operator": [{"at": "2026-10-21 06:00:12.345Z", "said": "decision 88 made 900 dollars"}]}]
    assert isinstance(ground('The operator said "decision 88 made 900 dollars" at 06:00.', results), Grounded)
    assert ground("Decision 88 made 900 dollars.", results) == Ungrounded(("decision 88", "900 dollars"))


def test_an_answer_about_one_decision_names_it() -> None:
    assert uncited("It stood aside.", [RESULT]) and not uncited("Decision 12 stood aside.", [RESULT])
    assert uncited("Decision 13 stood aside.", [RESULT]) and not uncited("There are no feeds.", [{"feeds": {}}])
    assert not uncited("#3 differs.", [{"first": 3, "second": 9, "differs": {}}])


def test_values_side_by_side_are_of_the_kind_of_the_key_above_them() -> None:
    results = [{"first": 3, "second": 9, "costs": {"ask_bps": {"first": 4700, "second": 4800, "difference": 100}}}]
    assert isinstance(ground("Decision 3 was offered at 47 cents, 1 cent below decision 9.", results), Grounded)
    assert ground("Decision 4700 traded.", results) == Ungrounded(("decision 4700",))


def test_without_evidence_no_figure_passes() -> None:
    assert isinstance(ground("It made 5 dollars.", []), Ungrounded)
    assert ground("Good morning.", []) == Grounded(0)


@given(st.floats(-1e5, 1e5, allow_nan=False), st.integers(0, 4))
def test_a_figure_passes_as_it_is_shown_and_in_no_other_way(value: float, decimals: int) -> None:
    shown = f"{value:.{decimals}f}"
    assert isinstance(ground(f"The edge was {shown} bps.", [{"edge_bps": value}]), Grounded)
    other = f"{value + 3 * 10.0**-decimals:.{decimals}f}"
    assume(other != shown)
    assert isinstance(ground(f"The edge was {other} bps.", [{"edge_bps": value}]), Ungrounded)


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_no_decision_passes_for_another(known: int, said: int) -> None:
    told = ground(f"Decision {said} traded.", [{"decision": known}])
    assert isinstance(told, Grounded) == (known == said)


@given(st.text(max_size=300), st.text(max_size=60))
def test_no_text_breaks_it(text: str, said: str) -> None:
    assert isinstance(ground(text, [RESULT, {"words": text}], said), Grounded | Ungrounded)
