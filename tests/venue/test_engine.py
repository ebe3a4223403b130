"""Stories of a window's life at the venue next door, and of what the public sees when."""

import numpy as np
import pytest
from inline_snapshot import snapshot
from venue_customer import BOOK, BUY, DOWN, FOK, SELL, UP, House
from venue_stage import OPEN_S, SLUG, average, change, listed, oracle, quote, resolved, row, trade

from infra.venue_next_door.faults import Fault
from infra.venue_next_door.window_lives import POSITION_MASK, token_id_of
from state.events import Kind, Source, StrikeSource
from state.rules import Rule
from state.units import MICROS, NS_PER_S

STRIKE = row(Kind.STRIKE_SEEN, 61, Source.GAMMA, value_usd=108_000.5, code_id=StrikeSource.VENUE)
BY_STREAM = row(Kind.STRIKE_SEEN, 1.5, Source.CHAINLINK, value_usd=108_000.5, code_id=StrikeSource.STREAM)
LIFE = (*BOOK, BY_STREAM, STRIKE, resolved(354, UP, 108_001.0))


def test_a_window_is_listed_hydrated_struck_and_resolved_as_the_rows_say() -> None:
    house = House(*LIFE, start_s=-660)
    assert house.until(400, 0.5) == snapshot(["-599.5 listed", "-596 hydrated", "61.5 strike", "354.5 resolved"])
    window = house.window
    assert (window.strike_usd, window.final_usd, window.outcome) == (108_000.5, 108_001.0, UP)
    assert (window.fee_rate, window.lookback_s, window.tick_bps, window.min_shares) == (0.07, 60, 100, 5)


def test_a_window_that_was_listed_before_the_venue_opened_is_there_at_once() -> None:
    house = House(*LIFE, start_s=-30)
    assert house.before == ["-30 listed", "-30 hydrated"]
    assert house.window.hydrated_ns < (OPEN_S - 590) * NS_PER_S


def test_ids_are_the_same_for_the_same_run_and_look_like_the_venues() -> None:
    one_window, again, other = (House(*LIFE, seed=seed).window for seed in (1, 1, 2))
    assert (one_window.condition_id, one_window.tokens, one_window.gamma_id) == (
        again.condition_id, again.tokens, again.gamma_id,
    )  # fmt: skip
    assert one_window.condition_id != other.condition_id
    assert len(set(one_window.tokens) | set(other.tokens)) == 4
    assert len(one_window.condition_id) == len(one_window.question_id) == 66


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_token_ids_lie_in_the_name_space_of_their_generation(version: str) -> None:
    ids = [int(token_id_of(seed, SLUG, token, version)) for seed in range(50) for token in (UP, DOWN)]
    assert all((number & POSITION_MASK == 0) == (version == "v2") for number in ids)
    assert {len(str(number)) for number in ids} == {77}
    assert all(number < 1 << 256 for number in ids)


def test_windows_are_found_by_token_condition_and_slot() -> None:
    house = House(*BOOK, listed(300, slot=0, open_s=OPEN_S + 2_400))
    window, engine = house.window, house.engine
    assert engine.window_of_token(window.tokens[DOWN]) is window
    assert engine.window_of_condition(window.condition_id.upper().replace("X", "x")) is window
    assert engine.window_of_slot(0) is window
    assert (engine.window_of_token("1"), engine.book("1"), engine.window_of_slot(3)) == (None, None, None)
    house.until(310, 1)
    later = engine.window_of_slot(0)
    assert later is not None and later.slug == f"btc-updown-5m-{OPEN_S + 2_400}"
    book = engine.book(window.tokens[UP])
    assert book is not None and book.bids == (), "its slot stands for another window now"


def test_what_ended_a_day_ago_is_forgotten_and_paid() -> None:
    house = House(*LIFE, listed(86_400, slot=1, open_s=OPEN_S + 87_000))
    house.place(BUY, 5_100, 20)
    house.until(400, 0.5)
    paid = house.engine.cash_micros(house.account)
    house.until(86_500, 600)
    assert SLUG in house.engine.windows
    house = House(*LIFE, listed(90_000, slot=1, open_s=OPEN_S + 90_600))
    house.place(BUY, 5_100, 20)
    house.until(400, 0.5)
    house.until(90_001, 600)
    assert SLUG not in house.engine.windows
    assert not house.account.orders and not house.account.trades
    assert house.engine.cash_micros(house.account) == paid + 20 * MICROS


# What the public sees.


def test_rows_leave_when_they_are_seen_and_in_whole_frames() -> None:
    house = House(*BOOK, change(-25, BUY, 4_900, 120), trade(-25, UP, BUY, 5_100, 5))
    house.seen()
    house.until(-25, 0.005)
    assert house.seen() == []
    house.until(-24.99, 0.001)
    assert house.seen() == snapshot(["level UP BUY 4900 120, level DOWN SELL 5100 120", "trade UP BUY 5100 5"])


def test_without_customers_rows_leave_as_they_came() -> None:
    rows = np.concatenate([*BOOK, change(-25, BUY, 4_900, 120), trade(-25, UP, BUY, 5_100, 5), quote(-24, 1.0, 2.0)])
    house = House(rows)
    house.until(0)
    said = np.concatenate(house.shown)
    assert said.tobytes() == rows[np.argsort(rows["seen_ns"], kind="stable")].tobytes()


def test_the_book_is_as_published_and_not_as_it_will_be() -> None:
    house = House(*BOOK, change(-25, BUY, 4_900, 120))
    house.until(-24.995)
    assert house.book()[0][0] == (4_900, 100), "it has happened, and nobody has been told"
    house.until(-24.99)
    assert house.book()[0][0] == (4_900, 120)
    assert house.book(DOWN)[1][0] == (5_100, 120)


def test_an_order_meets_the_book_as_it_is_and_not_as_it_was_published() -> None:
    house = House(*BOOK, change(-25, SELL, 5_100, 0))
    house.until(-24.995)
    assert house.book()[1][0] == (5_100, 50)
    assert house.says(BUY, 5_100, 20, FOK).startswith("400 order couldn't be fully filled")


def test_stamps_of_a_book_do_not_go_back_after_a_customer_has_moved_it() -> None:
    house = House(*BOOK, change(-25, SELL, 5_200, 70))
    house.until(-24.995)
    house.shown.clear()
    house.place(BUY, 4_900, 10)
    house.until(-24.9)
    stamps = np.concatenate(house.shown)["at_ns"]
    assert len(stamps) == 4
    assert list(stamps) == sorted(stamps)


def test_the_last_trade_is_told_with_the_book() -> None:
    house = House(*BOOK, trade(-25, DOWN, SELL, 4_900, 5))
    house.place(BUY, 5_100, 10)
    house.until(-20)
    up, down = (house.engine.book(token) for token in house.window.tokens)
    assert up is not None and down is not None
    assert (up.last_trade_bps, down.last_trade_bps) == (5_100, 4_900)


def test_the_reference_is_the_last_value_that_was_told() -> None:
    house = House(*BOOK, oracle(-25, 107_000.0), average(-24, 1.0), quote(-24, 5.0, 6.0), oracle(-20, 107_001.0))
    assert house.engine.reference_usd() == 0.0
    house.until(-21)
    assert house.engine.reference_usd() == 107_000.0
    house.until(0)
    assert house.engine.reference_usd() == 107_001.0


# Faults.


def test_a_wrong_and_late_strike_is_told_so() -> None:
    house = House(*LIFE)
    house.on(Fault.WRONG_STRIKE, 12.5)
    house.on(Fault.LATE_STRIKE, 30)
    assert [line for line in house.until(120, 0.5) if "strike" in line] == ["91.5 strike"]
    assert house.window.strike_usd == 108_013.0


def test_a_window_is_not_hydrated_and_not_resolved_until_the_fault_ends() -> None:
    house = House(*LIFE, start_s=-660)
    house.on(Fault.NOT_HYDRATED, seconds=160)
    house.until(-550, 1)
    assert house.says(BUY, 5_100, 20) == "400 the market is not yet ready to process new orders"
    assert house.until(-490, 1) == ["-500 hydrated"]
    house.until(300, 1)
    house.on(Fault.UNRESOLVED, seconds=100)
    house.until(390, 1)
    assert house.window.outcome is None
    with pytest.raises(ValueError, match="not reported"):
        house.engine.redeem(house.account, house.window.condition_id)
    assert house.until(410, 1) == ["400 resolved"]


def test_an_oracle_gap_silences_the_stream_and_nothing_else() -> None:
    house = House(*LIFE, *(oracle(s, 100.0 + s) for s in range(-20, 0)), quote(-10, 1.0, 2.0))
    house.on(Fault.ORACLE_GAP)
    house.shown.clear()
    house.until(400, 0.5)
    said = np.concatenate(house.shown)
    assert not np.any((said["source_code"] == Source.CHAINLINK) & (said["kind_code"] == Kind.PRICE_SEEN))
    assert np.any(said["source_code"] == Source.BINANCE)
    assert house.window.outcome is UP, "the venue settles all the same"


def test_a_frozen_feed_repeats_its_price_and_others_go_on() -> None:
    quotes = [quote(s, 100.0 + s, 101.0 + s, source) for s in range(5) for source in (Source.BINANCE, Source.OKX)]
    house = House(*BOOK, *quotes)
    house.until(0.5)
    house.on(Fault.FEED_FREEZE, where="binance_spot", seconds=3)
    house.shown.clear()
    house.until(10)
    said = np.concatenate(house.shown)
    assert said["value_usd"][said["source_code"] == Source.BINANCE].tolist() == [101, 101, 101, 104]
    assert said["value_usd"][said["source_code"] == Source.OKX].tolist() == [101, 102, 103, 104]


def test_a_skewed_clock_stamps_books_and_answers_and_moves_nothing() -> None:
    house = House(*BOOK, change(-25, BUY, 4_900, 120))
    house.on(Fault.CLOCK_SKEW, 2_000)
    house.shown.clear()
    house.until(-24.9)
    said = np.concatenate(house.shown)
    assert set(said["at_ns"].tolist()) == {(OPEN_S - 23) * NS_PER_S}
    assert house.engine.now_ns() == house.clock.now_ns() + 2 * NS_PER_S


# Rules, money.


def test_rules_that_rows_give_hold_for_window_and_matching() -> None:
    fee = row(Kind.RULE_GIVEN, -599, Source.GAMMA, code_id=Rule.FEE_RATE_PPM, ref_id=20_000)
    hold = row(Kind.RULE_GIVEN, -599, Source.GAMMA, code_id=Rule.TAKER_HOLD_NS, ref_id=0)
    house = House(*BOOK, fee, hold)
    assert house.window.fee_rate == 0.02
    assert house.says(BUY, 5_100, 20) == "MATCHED"
    assert house.engine.cash_micros(house.account) == 1_000 * MICROS - 10_200_000 - 99_960


def test_winners_are_paid_when_they_redeem_and_only_once() -> None:
    house = House(*LIFE)
    house.place(BUY, 5_100, 20)
    house.until(353, 1)
    before = house.engine.cash_micros(house.account)
    with pytest.raises(ValueError, match="not reported"):
        house.engine.redeem(house.account, house.window.condition_id)
    house.until(360, 1)
    assert house.engine.cash_micros(house.account) == before
    assert house.engine.ledger.redeemable(house.account.api_key, house.window.condition_id) == 20 * MICROS
    assert [house.engine.redeem(house.account, house.window.condition_id) for _ in range(2)] == [20 * MICROS, 0]
    assert house.engine.cash_micros(house.account) == before + 20 * MICROS
    for deed in (house.engine.split, house.engine.merge):
        with pytest.raises(ValueError, match="resolved"):
            deed(house.account, house.window.condition_id, MICROS)


def test_the_venue_may_redeem_for_its_customers() -> None:
    house = House(*LIFE, auto_redeem_s=30)
    house.place(BUY, 5_100, 20)
    house.until(380, 1)
    before = house.engine.cash_micros(house.account)
    house.until(390, 1)
    assert house.engine.cash_micros(house.account) == before + 20 * MICROS


def test_the_same_signer_and_nonce_give_the_same_account() -> None:
    house = House(*BOOK)
    assert house.customer("0xA1") is house.customer("0xa1") is house.account
    other = house.customer("0xA1", nonce=1)
    assert len({house.account.api_key, other.api_key}) == 2
    assert House(*BOOK).account.secret == house.account.secret
    assert House(*BOOK, seed=2).account.secret != house.account.secret


def test_a_customer_who_comes_later_meets_the_market_of_then() -> None:
    house = House(*BOOK, change(-25, SELL, 5_100, 33))
    house.until(-20)
    late = house.customer("0xB2")
    house.place(BUY, 5_100, 100, account=late)
    house.until(-19)
    assert late.orders["#1"].matched_micros == 33 * MICROS


def test_a_venue_that_is_stepped_seldom_lives_the_same_life() -> None:
    rows = (*LIFE, change(-20, BUY, 4_900, 0), trade(-10, DOWN, BUY, 5_100, 15), trade(10, UP, SELL, 4_900, 400))
    cash = []
    for step_s in (0.05, 7.0):
        house = House(*rows)
        house.place(BUY, 4_900, 50)
        house.place(BUY, 5_100, 30)
        house.until(400, step_s)
        house.engine.redeem(house.account, house.window.condition_id)
        cash.append(house.engine.cash_micros(house.account))
    assert cash[0] == cash[1]
