"""A glance is read out of the core's memory: what it says must be what the core knows, whatever lies in there."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from terminal_glances import OPEN_NS, bought, crowd, worlds_of

from graph.views import take_view
from infra.plain_memory import plain
from infra.terminal.glance import Glance, Mode, stages_of
from infra.terminal.memory import average_of
from infra.terminal.readout import glance_of
from infra.terminal.view import draw
from state.desk import View
from state.events import Source, Token, Word
from state.prices import Observations
from state.records import one, rows
from state.units import MICROS, NS_PER_S
from state.world import World
from tools.average import observe

MODE = Mode(began_cash_micros=100_000 * MICROS)


def glance(worlds: NDArray[Any], now_ns: int = OPEN_NS + 60 * NS_PER_S, **more: Any) -> Glance:
    return glance_of(worlds, now_ns, mode=MODE, **more)


def test_a_world_that_knows_nothing_shows_nothing_and_breaks_nothing() -> None:
    shown = glance(rows(World, 1))
    assert shown.window is None
    assert not (shown.feeds or shown.orders or shown.positions or shown.coming)
    assert shown.nowcast_usd is None
    assert all(limit.used == 0.0 for limit in shown.limits)


def test_what_is_shown_is_what_the_desk_would_see() -> None:
    """The desk's own view is taken by compiled code from the same memory."""
    story = bought()
    view = one(View)
    take_view(story.world, 0, view)
    window = glance(worlds_of(story)).window
    assert window is not None
    assert window.slug == "btc-updown-5m-1792638000"
    assert (window.strike_usd, window.strike_source, window.strike_known) == (100_000.0, "by the stream", True)
    up = window.depths[Token.UP]
    assert (up.bid_bps, up.ask_bps) == (int(view.bid_bps[0]), int(view.ask_bps[0]))
    assert up.bid_shares * MICROS == int(view.bid_touch_micros[0])
    assert up.bid_near_shares * MICROS == int(view.bid_near_micros[0])
    assert up.ask_near_shares * MICROS == int(view.ask_near_micros[0])
    assert window.book_usd * MICROS == int(view.book_notional_micros)
    assert window.p_fair == pytest.approx(float(view.p_fair), abs=0.02)
    assert window.p_low < window.p_up < window.p_high  # type: ignore[operator]


def test_an_empty_book_of_down_is_read_through_the_book_of_up() -> None:
    window = glance(worlds_of(bought())).window
    assert window is not None
    assert window.depths[Token.DOWN].state == "empty"
    assert (window.bid_bps, window.ask_bps) == (5_000, 5_200)


def test_profit_is_marked_at_the_bid_and_holds_to_the_cent() -> None:
    """500 shares bought at 50 cents, the bid is 50 cents: only the fee is lost."""
    shown = glance(worlds_of(bought()))
    (held,) = shown.positions
    assert (held.up_shares, held.spent_usd, held.worth_usd) == (500.0, 250.0, 250.0)
    assert held.marked_usd == pytest.approx(-0.012345)
    assert shown.money.session_usd == pytest.approx(-0.012345)
    assert shown.money.open_marked_usd == pytest.approx(-0.012345)
    (order,) = shown.orders
    assert (order.filled_shares, order.price_bps, order.token) == (500.0, 5_000, "UP")


def test_shares_that_nobody_bids_for_count_as_nothing() -> None:
    story = bought()
    story.book(61, 5_000, 5_200, shares=0)
    (held,) = glance(worlds_of(story)).positions
    assert (held.worth_usd, held.unbid_shares) == (0.0, 500.0)


def test_a_pair_is_a_dollar_whatever_the_books_say() -> None:
    story = bought()
    market = story.world.markets[0]
    market.position.down_micros = 200 * MICROS
    (held,) = glance(worlds_of(story)).positions
    assert held.worth_usd == 200.0 + 300.0 * 0.50


def test_the_window_shown_is_the_open_one_and_the_next_are_listed_beside_it() -> None:
    story = bought()
    story.list_market(slot=1, opens_s=300, second=61)
    story.list_market(slot=2, opens_s=600, second=61)
    shown = glance(worlds_of(story), slugs={1: "the next one"})
    assert shown.window is not None and shown.window.open_ns == OPEN_NS
    assert [(each.slug, each.opens_in_s) for each in shown.coming] == [
        ("the next one", 240.0),
        ("btc-updown-5m-1792638600", 540.0),
    ]
    later = glance(worlds_of(story), slot=1)
    assert later.window is not None and later.window.slug == "btc-updown-5m-1792638300"


def test_a_feed_says_its_price_and_its_age() -> None:
    (feed,) = glance(worlds_of(bought())).feeds
    assert (feed.name, feed.mid_usd, feed.age_ms) == ("chainlink", 100_090.0, 1000.0)
    assert Source.CHAINLINK.name.lower() == feed.name


@given(st.lists(st.tuples(st.integers(0, 130), st.floats(1.0, 1e6)), min_size=1, max_size=60), st.integers(1, 90))
def test_an_average_so_far_is_the_mean_of_its_seconds_each_with_the_last_value_before_it(
    told: list[tuple[int, float]], lookback_s: int
) -> None:
    observations = one(Observations)
    for second, usd in told:
        observe(observations, (1_000_000 + second) * NS_PER_S, usd)
    ends_s = 1_000_000 + 100
    mean, count = average_of(plain(np.array([observations], observations.dtype))[0], ends_s, lookback_s)  # type: ignore[attr-defined]
    known: dict[int, float] = {}
    for second, usd in told:
        known.setdefault(1_000_000 + second, usd)
    last = min(ends_s, max(known))
    seconds = range(ends_s - lookback_s + 1, last + 1)
    inside = [second for second in seconds if second in known]
    if not inside:
        assert (mean, count) == (None, 0)
        return
    filled, held = [], known[inside[0]]
    for second in seconds:
        held = known.get(second, held)
        filled.append(held)
    assert count == len(seconds)
    assert mean == pytest.approx(sum(filled) / len(filled))


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0001, 0.01, 0.3, 1.0]), st.integers(0, 1 << 62))
def test_no_memory_whatever_breaks_the_screen(seed: int, share: float, now_ns: int) -> None:
    """The core holds its memory to laws; the screen must not depend on them."""
    shown = glance(crowd(seed, share), now_ns)
    draw(shown, 80, 24)
    draw(shown, 200, 60)


def test_what_the_core_was_told_stops_new_risk_and_says_so() -> None:
    story = bought()
    story.say(61, Word.HALT)
    assert glance(worlds_of(story)).stopped == "the core was told: halt"
    story.say(62, Word.RESUME)
    assert glance(worlds_of(story)).stopped == ""


def test_latency_is_taken_over_from_the_shell() -> None:
    (stage,) = stages_of([{"span": "signal", "count": 3, "p50_ms": 0.2, "p99_ms": 1.0, "budget_ms": 200.0}])
    assert (stage.name, stage.count, stage.p99_ms, stage.budget_ms) == ("signal", 3, 1.0, 200.0)
