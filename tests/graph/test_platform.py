"""Stories of unsound ground: each fault stops new risk with its reason, pulls what rests, and ends without flapping."""

from typing import Any

import pytest
from desk_story import OPEN_NS, SHARE, FeedState, Kind, Liquidity, OrderState, Reason, Story, Token, trading
from inline_snapshot import snapshot

from state.events import SETTLES, Side, Source
from state.orders import Act, Reject
from state.platform import PLATFORM_CODES, PLATFORM_REASONS, UNSETTLED, PlatformCode
from state.reasons import WORDS
from state.units import NS_PER_S

BOLD = {
    "fair_weight_ratio": 0.9, "weight_sd_ratio": 0.02, "mid_sd_ratio": 0.005, "fair_doubt_ratio": 0.0,
    "quote_edge_bps": 50.0, "may_take_count": 0,
}  # fmt: skip


def quoting(**params: float) -> Story:
    """A bid for UP rests: the coin stands above its strike, and the desk may only quote."""
    story = trading(**{**BOLD, **params})
    (order, *_) = story.sent
    story.becomes(30, order, OrderState.RESTING)
    story.lines.clear()
    return story


def code(story: Story) -> PlatformCode:
    return PlatformCode(int(story.world.platform_code))


def head(story: Story, second: float, gwei: float = 30.0, age_s: float = 2.0) -> None:
    story.price(second, 99_990.0)  # so that the feeds are not silent meanwhile
    columns = {"value_usd": gwei, "ref_id": OPEN_NS + round((second - age_s) * NS_PER_S)}
    story.tell(second, Kind.CHAIN_SEEN, 0, Source.POLYGON, **columns)


def go_on(story: Story, first_s: int, last_s: int) -> None:
    """Let time pass with a price, a sale and a book a second, and the desk on call."""
    for second in range(first_s, last_s):
        story.price(second, 99_990.0 + 20.0 * (second % 2))
        story.trade(second + 0.3, Side.SELL, 4_900, 400)
        story.book(second + 0.5, 4_900, 5_100)


def match(story: Story, second: float, kind: Kind, order: Any, shares: float, **columns: Any) -> None:
    story.tell(
        second, kind, int(order.slot_id), Source.POLYMARKET_USER, ref_id=int(order.order_id),
        token_code=order.token_code, amount_micros=round(shares * SHARE), price_bps=int(order.price_bps),
        code_id=Liquidity.MAKER, **columns,
    )  # fmt: skip


def test_every_code_has_a_reason_of_its_own_with_a_sentence() -> None:
    assert len(set(PLATFORM_REASONS)) == len(PLATFORM_REASONS) == PLATFORM_CODES
    for each in PlatformCode:
        assert Reason(PLATFORM_REASONS[each]) in WORDS
        assert each is PlatformCode.SOUND or Reason(PLATFORM_REASONS[each]).name == each.name


def test_a_restart_of_the_venue_pulls_what_rests_and_forbids_new_risk_until_it_has_been_quiet() -> None:
    story = quoting(restart_quiet_ns=60 * NS_PER_S, platform_calm_ns=10 * NS_PER_S)
    (order, *_) = story.sent
    story.tell(
        31, Kind.ORDER_CHANGED, 0, Source.POLYMARKET_USER, ref_id=999, code_id=OrderState.REJECTED,
        flags_mask=Reject.RESTARTING,
    )  # fmt: skip
    assert code(story) is PlatformCode.VENUE_RESTARTING
    story.price(31.1, 99_990.0)
    assert story.sent[-1].act_code == Act.CANCEL and story.sent[-1].reason_code == Reason.VENUE_RESTARTING
    story.becomes(31.2, order, OrderState.DONE)
    sent = len(story.sent)
    go_on(story, 32, 95)
    assert len(story.sent) == sent and any("VENUE_RESTARTING" in line for line in story.lines)
    assert code(story) is PlatformCode.VENUE_RESTARTING
    go_on(story, 95, 108)
    assert code(story) is PlatformCode.SOUND and len(story.sent) > sent


def test_a_match_that_is_not_confirmed_stops_new_risk_and_its_confirmation_frees_it_after_a_calm() -> None:
    story = quoting(platform_calm_ns=10 * NS_PER_S)
    story.answers = False
    (order, *_) = story.sent
    match(story, 31, Kind.FILLED, order, 20, flags_mask=SETTLES)
    match(story, 32, Kind.FILLED, order, 30, flags_mask=SETTLES)
    go_on(story, 33, 61)
    assert code(story) is PlatformCode.SOUND
    go_on(story, 61, 63)
    assert code(story) is PlatformCode.SETTLEMENT_SLOW
    match(story, 63, Kind.FILL_CONFIRMED, order, 20)
    go_on(story, 64, 80)
    assert code(story) is PlatformCode.SETTLEMENT_SLOW, "the second match is out still"
    match(story, 80, Kind.FILL_CONFIRMED, order, 30)
    go_on(story, 81, 90)
    assert code(story) is PlatformCode.SETTLEMENT_SLOW, "calm is not yet long enough"
    go_on(story, 90, 93)
    assert code(story) is PlatformCode.SOUND and story.world.platform.unsettled_count == 0


def test_a_match_of_which_nobody_will_tell_the_confirmation_is_not_waited_for() -> None:
    story = quoting()
    story.answers = False
    match(story, 31, Kind.FILLED, story.sent[0], 20)
    go_on(story, 32, 100)
    assert code(story) is PlatformCode.SOUND


def test_more_matches_than_there_is_room_for_are_judged_by_the_oldest() -> None:
    story = quoting()
    story.answers = False
    for number in range(UNSETTLED + 5):
        match(story, 31 + number / 100, Kind.FILLED, story.sent[0], 1, flags_mask=SETTLES)
    assert story.world.platform.unsettled_count == UNSETTLED
    go_on(story, 32, 62)
    assert code(story) is PlatformCode.SETTLEMENT_SLOW


def test_a_window_that_has_gone_is_waited_for_no_longer() -> None:
    story = quoting()
    story.answers = False
    match(story, 31, Kind.FILLED, story.sent[0], 20, flags_mask=SETTLES)
    story.settle(320, Token.UP)
    story.list_market(0, opens_s=600, second=400)
    assert story.world.platform.unsettled_count == 0


def trade(story: Story, second: float, kind: Kind, order_id: int, shares: float, cents: int = 50) -> None:
    story.tell(
        second, kind, 0, Source.POLYMARKET_USER, ref_id=order_id, amount_micros=round(shares * SHARE),
        price_bps=cents * 100, code_id=Liquidity.TAKER, flags_mask=SETTLES,
    )  # fmt: skip


def test_one_failed_trade_is_no_rate_but_two_of_three_are_and_time_alone_heals_it() -> None:
    story = quoting(platform_calm_ns=0, settle_most_ns=600 * NS_PER_S)
    story.answers = False
    for number in range(3):
        trade(story, 31 + number, Kind.FILLED, 901 + number, 5)
    told = []
    for number, kind in enumerate((Kind.FILL_RETRIED, Kind.FILL_REVERSED)):
        trade(story, 40 + number, kind, 901 + number, 5)
        told.append(code(story))
    assert told == [PlatformCode.SOUND, PlatformCode.TRADES_FAIL]
    for number in (0, 2):
        trade(story, 42, Kind.FILL_CONFIRMED, 901 + number, 5)
    for second in (600, 601):
        story.price(second, 99_990.0)
    assert code(story) is PlatformCode.SOUND, "nobody traded meanwhile"


def test_one_bad_trade_counts_once_over_all_its_prices_and_whether_repeated_or_failed_or_both() -> None:
    story = quoting(platform_calm_ns=0)
    story.answers = False
    for kind in (Kind.FILLED, Kind.FILL_RETRIED, Kind.FILL_REVERSED):
        for cents in (51, 52, 53, 54):
            trade(story, 31, kind, 901, 10 * (cents - 50), cents)
        assert story.world.platform.trades_count == pytest.approx(1.0)
    assert story.world.platform.failures_count == pytest.approx(1.0) and code(story) is PlatformCode.SOUND
    assert story.world.platform.unsettled_count == 0


def test_a_failure_of_a_part_counts_as_that_part() -> None:
    story = quoting()
    story.answers = False
    trade(story, 31, Kind.FILLED, 901, 100)
    trade(story, 31, Kind.FILL_RETRIED, 901, 25)
    trade(story, 31, Kind.FILL_RETRIED, 77, 25)
    assert story.world.platform.failures_count == pytest.approx(0.25)
    trade(story, 31, Kind.FILL_REVERSED, 901, 40)
    assert story.world.platform.failures_count == pytest.approx(0.40)


def test_what_is_told_twice_is_waited_for_once_and_fails_once() -> None:
    story = quoting(platform_calm_ns=0)
    story.answers = False
    order = story.sent[0]
    shares = order.amount_micros / SHARE
    for _ in range(2):
        match(story, 31, Kind.FILLED, order, shares, flags_mask=SETTLES)
    assert story.world.platform.unsettled_count == 1
    match(story, 32, Kind.FILL_CONFIRMED, order, shares)
    go_on(story, 33, 70)
    assert code(story) is PlatformCode.SOUND and story.world.platform.unsettled_count == 0
    for _ in range(3):
        match(story, 70, Kind.FILL_REVERSED, order, shares)
    assert 0.9 < story.world.platform.failures_count <= 1.0 and code(story) is PlatformCode.SOUND


def test_a_chain_whose_head_is_old_stops_new_risk() -> None:
    story = quoting(platform_calm_ns=5 * NS_PER_S)
    head(story, 31)
    go_on(story, 32, 59)
    assert code(story) is PlatformCode.SOUND
    go_on(story, 59, 61)
    assert code(story) is PlatformCode.CHAIN_BEHIND and any("CHAIN_BEHIND" in line for line in story.lines)
    for second in range(61, 68):
        head(story, second)
    assert code(story) is PlatformCode.SOUND


def test_a_fee_far_above_its_own_median_stops_new_risk_and_one_that_has_become_usual_does_not() -> None:
    story = quoting(platform_calm_ns=0)
    for second in range(31, 41):
        head(story, second, gwei=30.0)
    head(story, 41, gwei=400.0)
    assert code(story) is PlatformCode.FEE_SURGE
    head(story, 42, gwei=31.0)
    assert code(story) is PlatformCode.SOUND
    for block in range(1_500):
        head(story, 43 + block / 100, gwei=400.0)
    assert code(story) is PlatformCode.SOUND, "a day of dear gas is not a surge"


def test_a_measure_at_its_bound_does_not_flap() -> None:
    story = quoting(platform_calm_ns=20 * NS_PER_S)
    for second in range(31, 41):
        head(story, second, gwei=30.0)
    told = []
    for second in range(41, 61):
        head(story, second, gwei=156.0 if second % 2 else 144.0)  # the bound is five times thirty
        told.append(code(story))
    assert set(told) == {PlatformCode.FEE_SURGE}
    for second in range(61, 83):
        head(story, second, gwei=100.0)
        told.append(code(story))
    assert told[-1] is PlatformCode.SOUND and told.count(PlatformCode.SOUND) <= 3


def test_silent_feeds_stop_new_risk_once_they_have_been_silent_together() -> None:
    story = quoting(platform_calm_ns=2 * NS_PER_S)
    for second in range(31, 41):
        story.price(second, 99_990.0)
        story.price(second + 0.1, 99_990.0, source=Source.BINANCE)
        story.price(second + 0.2, 99_990.0, source=Source.OKX)
    story.tell(41, Kind.FEED_CHANGED, 0, Source.BINANCE, code_id=FeedState.DOWN)
    story.price(41.1, 99_990.0)
    assert code(story) is PlatformCode.SOUND
    story.tell(41.2, Kind.FEED_CHANGED, 0, Source.OKX, code_id=FeedState.DOWN)
    for second in (42, 43, 44, 45):
        story.price(second, 99_990.0)
    assert code(story) is PlatformCode.FEEDS_STALE
    story.tell(46, Kind.FEED_CHANGED, 0, Source.OKX, code_id=FeedState.UP)
    for second in range(46, 56):
        story.price(second, 99_990.0)
        for source in (Source.BINANCE, Source.OKX):
            story.price(second + 0.2, 99_990.0, source=source)
    assert code(story) is PlatformCode.SOUND


def test_a_settlement_stream_that_stays_behind_the_exchanges_stops_new_risk_and_a_jump_alone_does_not() -> None:
    story = quoting(oracle_apart_bps=10.0, platform_calm_ns=2 * NS_PER_S)
    exchanges = (Source.BINANCE, Source.OKX, Source.COINBASE)

    def second(at: int, oracle: float, others: float) -> None:
        for offset in (0.0, 0.5):
            story.price(at + offset, oracle)
            for source in exchanges:
                story.price(at + offset + 0.1, others, source=source)

    for at in range(31, 61):
        second(at, 100_000.0, 100_000.0)
    second(61, 100_000.0, 100_400.0)
    second(62, 100_400.0, 100_400.0)
    for at in range(63, 70):
        second(at, 100_400.0, 100_400.0)
    assert code(story) is PlatformCode.SOUND
    for at in range(70, 74):
        second(at, 100_400.0, 100_900.0)
    assert code(story) is PlatformCode.ORACLE_APART


def test_settlement_goes_on_while_the_platform_is_unsound() -> None:
    story = quoting()
    order = story.sent[0]
    story.fill(30.5, order, 100, Liquidity.MAKER)
    story.becomes(30.6, order, OrderState.DONE)
    head(story, 31)
    story.answers = False
    go_on(story, 32, 65)
    assert code(story) is PlatformCode.CHAIN_BEHIND
    cash = int(story.world.money.cash_micros)
    story.settle(320, Token(int(order.token_code)))
    assert story.world.money.cash_micros == cash + 100 * SHARE
    story.lines.clear()


@pytest.mark.parametrize("kind", [Kind.FILL_CONFIRMED, Kind.FILL_RETRIED, Kind.CHAIN_SEEN])
def test_news_of_nothing_of_ours_changes_no_money(kind: Kind) -> None:
    story = quoting()
    before = (int(story.world.money.cash_micros), story.cost_micros(), int(story.world.next_order_id))
    story.tell(31, kind, 0, Source.POLYMARKET_USER, ref_id=77, amount_micros=5 * SHARE)
    assert (int(story.world.money.cash_micros), story.cost_micros(), int(story.world.next_order_id)) == before


def test_the_story_of_a_chain_that_stalls() -> None:
    story = quoting(platform_calm_ns=5 * NS_PER_S)
    order = story.sent[0]
    head(story, 30.1)
    go_on(story, 31, 58)
    story.becomes(58.6, order, OrderState.DONE)
    story.lines.clear()
    go_on(story, 59, 62)
    story.note("blocks come again")
    for second in range(62, 69):
        head(story, second)
        go_on(story, second, second + 1)
    assert story.lines == snapshot(
        [
            "59.5 s: desk stands aside: EDGE_THIN",
            "60 s: desk stands aside: CHAIN_BEHIND",
            "61 s: desk stands aside: CHAIN_BEHIND",
            "61.5 s: blocks come again",
            "62 s: desk stands aside: CHAIN_BEHIND",
            "63 s: desk stands aside: CHAIN_BEHIND",
            "64 s: desk stands aside: CHAIN_BEHIND",
            "65 s: desk stands aside: CHAIN_BEHIND",
            "66 s: desk stands aside: CHAIN_BEHIND",
            "67 s: desk allows take -, quote DOWN",
            "67 s: place order 2: 1000 DOWN at 0.50 GTC, QUOTE_EDGE",
            "68 s: desk allows take -, quote DOWN",
        ]
    )
