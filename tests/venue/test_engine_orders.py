"""Stories of orders at the venue next door: what is said at once, what later, and what the others see of it."""

from inline_snapshot import snapshot
from venue_customer import BOOK, BUY, DOWN, FAK, FOK, GTC, GTD, SELL, UP, House, dollars
from venue_stage import change, resolved, tick, trade

from infra.venue_next_door.faults import Fault
from infra.venue_next_door.nouns import OrderStatus
from state.events import LAST_IN_FRAME
from state.units import MICROS, NS_PER_S


def test_a_taker_is_held_then_matched_then_mined_then_confirmed() -> None:
    house = House(*BOOK)
    assert house.says(BUY, 5_100, 20) == "DELAYED"
    assert house.until(-20) == snapshot(
        [
            "-30 #1 PLACEMENT DELAYED 0 of 20",
            "-29.85 #1 trade MATCHED taker 20 at 0.51, fee 0.34986",
            "-29.85 #1 UPDATE MATCHED 20 of 20",
            "-28.3 #1 trade MINED taker 20 at 0.51, fee 0.34986",
            "-26.4 #1 trade CONFIRMED taker 20 at 0.51, fee 0.34986",
        ]
    )
    assert dollars(house.engine.cash_micros(house.account)) == snapshot(989.45014)


def test_what_a_taker_took_is_gone_for_all_until_the_crowd_quotes_anew() -> None:
    house = House(*BOOK, change(-25, SELL, 5_100, 30), change(-20, SELL, 5_100, 90))
    house.seen()
    house.place(BUY, 5_100, 40)
    house.until(-29)
    assert house.seen() == snapshot(["trade UP BUY 5100 40", "level UP SELL 5100 10, level DOWN BUY 4900 10"])
    assert house.book() == snapshot(([(4900, 100.0), (4800, 200.0)], [(5100, 10.0), (5200, 80.0)]))
    assert house.book(DOWN) == snapshot(([(4900, 10.0), (4800, 80.0)], [(5100, 100.0), (5200, 200.0)]))
    house.until(-24)
    assert house.seen() == snapshot(["level UP SELL 5100 6, level DOWN BUY 4900 6"])
    house.until(-19)
    assert house.seen() == snapshot(["level UP SELL 5100 66, level DOWN BUY 4900 66"])


def test_a_burst_of_frames_keeps_no_order_waiting() -> None:
    burst = [change(-25 + n / 1_000, SELL, 5_100, 51 + n) for n in range(300)]
    house = House(*BOOK, *burst, change(-22, SELL, 5_000, 30))
    house.shown.clear()
    house.clock.at_ns += 10 * NS_PER_S
    assert house.says(BUY, 5_000, 20, post_only=True) == snapshot("400 invalid post-only order: order crosses book")
    assert house.says(BUY, 4_700, 20) == "LIVE"
    assert len(house.shown) == 1, "the order was matched in the book of now; the crowd's rows have not left yet"
    house.until(-19)
    crowd = house.shown[1:]
    assert [len(rows) for rows in crowd] == snapshot([64, 64, 64, 64, 64, 64, 64, 64, 64, 26])
    assert all(rows["flags_mask"][-1] & LAST_IN_FRAME for rows in crowd)
    assert house.book() == snapshot(
        ([(4900, 100.0), (4800, 200.0), (4700, 20.0)], [(5000, 30.0), (5100, 350.0), (5200, 80.0)])
    )


def test_what_rests_is_added_to_its_level_and_taken_off_again() -> None:
    house = House(*BOOK, change(-20, BUY, 4_900, 130))
    house.seen()
    assert house.says(BUY, 4_900, 10) == "LIVE"
    assert house.says(BUY, 5_200, 10, token=DOWN, post_only=True) == snapshot(
        "400 invalid post-only order: order crosses book"
    )
    assert house.says(SELL, 4_500, 10, token=DOWN) == snapshot(
        "400 not enough balance / allowance: the balance is not enough -> balance: 0, sum of active "
        "orders: 0, sum of matched orders: 0, order amount: 10000000"
    )
    assert house.says(BUY, 4_700, 25) == "LIVE"
    assert house.seen() == snapshot(
        ["level UP BUY 4900 110, level DOWN SELL 5100 110", "level UP BUY 4700 25, level DOWN SELL 5300 25"]
    )
    house.until(-19)
    assert house.seen() == snapshot(["level UP BUY 4900 140, level DOWN SELL 5100 140"])
    assert house.engine.cancel(house.account, "#1") == ""
    assert house.engine.cancel(house.account, "#4") == ""
    assert house.seen() == snapshot(
        ["level UP BUY 4900 130, level DOWN SELL 5100 130", "level UP BUY 4700 0, level DOWN SELL 5300 0"]
    )
    assert house.book()[0] == [(4_900, 130), (4_800, 200)]


def test_a_maker_is_filled_when_the_crowd_has_traded_through_the_queue() -> None:
    house = House(
        *BOOK,
        trade(-20, UP, SELL, 4_900, 100), change(-20, BUY, 4_900, 0),
        trade(-10, DOWN, BUY, 5_100, 15),
    )  # fmt: skip
    house.place(BUY, 4_900, 20, post_only=True)
    assert house.until(-15) == snapshot(["-30 #1 PLACEMENT LIVE 0 of 20"])
    assert house.until(0) == snapshot(
        [
            "-10 #1 trade MATCHED maker 15 at 0.49, fee 0",
            "-10 #1 UPDATE LIVE 15 of 20",
            "-8.45 #1 trade MINED maker 15 at 0.49, fee 0",
            "-6.55 #1 trade CONFIRMED maker 15 at 0.49, fee 0",
        ]
    )
    assert dollars(house.engine.cash_micros(house.account)) == 1_000 - 0.49 * 15


def test_whole_books_of_the_crowd_carry_what_our_customers_rest() -> None:
    again = BOOK[1].copy()
    for name in ("at_ns", "seen_ns"):
        again[name] += 40 * 10**9
    house = House(*BOOK, again)
    house.place(BUY, 4_900, 10)
    house.place(BUY, 4_600, 10)
    house.seen()
    house.until(-10)
    assert house.seen() == snapshot(
        [
            "book UP, level UP BUY 4800 200, level UP BUY 4900 110, level UP SELL 5100 50, level UP SELL "
            "5200 80, level UP BUY 4600 10"
        ]
    )


def test_refusals_are_worded_as_the_venue_words_them() -> None:
    house = House(*BOOK)
    assert house.says(BUY, 5_100, 20, post_only=True) == snapshot("400 invalid post-only order: order crosses book")
    assert house.says(BUY, 4_900, 4) == snapshot("400 order #2 is invalid. Size (4) lower than the minimum: 5")
    assert house.says(BUY, 5_100, 1.5, FAK) == snapshot(
        "400 invalid amount for a marketable BUY order ($0.765), min size: $1"
    )
    assert house.says(BUY, 4_950, 20) == snapshot(
        "400 order #4 is invalid. Price (0.495) breaks minimum tick size rule: 0.01"
    )
    assert house.says(BUY, 10_000, 20) == snapshot(
        "400 order #5 is invalid. Price (1) breaks minimum tick size rule: 0.01"
    )
    assert house.says(BUY, 5_000, 20, FOK) == snapshot(
        "400 order couldn't be fully filled. FOK orders are fully filled or killed."
    )
    assert house.says(BUY, 5_000, 20, FAK) == snapshot(
        "400 no orders found to match with FAK order. FAK orders are partially filled or killed if no match is found."
    )
    assert house.says(BUY, 4_900, 20, GTD, expires_s=10) == snapshot("400 invalid expiration")
    assert house.says(BUY, 4_900, 3_000) == snapshot(
        "400 not enough balance / allowance: the balance is not enough -> balance: 1000000000, sum of "
        "active orders: 0, sum of matched orders: 0, order amount: 1470000000"
    )
    assert house.says(SELL, 5_100, 20) == snapshot(
        "400 not enough balance / allowance: the balance is not enough -> balance: 0, sum of active "
        "orders: 0, sum of matched orders: 0, order amount: 20000000"
    )
    assert house.says(BUY, 4_900, 20, order_hash="0xaa") == "LIVE"
    assert house.says(BUY, 4_900, 20, order_hash="0xaa") == "400 order 0xaa is invalid. Duplicated."
    assert house.engine.cancel(house.account, "0xbb") == snapshot("order can't be found - already canceled or matched")


def test_a_held_order_cannot_be_cancelled_and_a_killed_one_says_why() -> None:
    house = House(*BOOK, change(-29.95, SELL, 5_100, 10))
    house.place(BUY, 5_100, 40, FOK)
    assert house.engine.cancel(house.account, "#1") == "the order is delayed and can't be canceled"
    assert house.until(-29) == snapshot(["-30 #1 PLACEMENT DELAYED 0 of 40", "-29.85 #1 CANCELLATION CANCELED 0 of 40"])
    order = house.account.orders["#1"]
    assert (order.status, order.reason) == snapshot(
        (OrderStatus.CANCELED, "order couldn't be fully filled. FOK orders are fully filled or killed.")
    )


def test_the_rest_of_a_taker_rests_and_the_rest_of_a_fak_is_killed() -> None:
    house = House(*BOOK)
    house.place(BUY, 5_100, 60, GTC)
    assert house.until(-29) == snapshot(
        [
            "-30 #1 PLACEMENT DELAYED 0 of 60",
            "-29.85 #1 trade MATCHED taker 50 at 0.51, fee 0.87465",
            "-29.85 #1 UPDATE LIVE 50 of 60",
        ]
    )
    assert house.book()[0][0] == (5_100, 10)
    house.place(BUY, 5_200, 100, FAK)
    assert house.until(-28) == snapshot(
        [
            "-29 #2 PLACEMENT DELAYED 0 of 100",
            "-28.85 #2 trade MATCHED taker 80 at 0.52, fee 1.39776",
            "-28.85 #2 UPDATE MATCHED 80 of 100",
            "-28.3 #1 trade MINED taker 50 at 0.51, fee 0.87465",
        ]
    )


def test_good_till_date_ends_a_minute_early_and_the_resolution_ends_what_rests() -> None:
    house = House(*BOOK, resolved(354, DOWN, 100.0))
    house.place(BUY, 4_900, 20, GTD, expires_s=100)
    house.place(BUY, 4_800, 20)
    told = house.until(50) + house.until(360, 1)
    assert [line for line in told if "CANCEL" in line] == snapshot(
        ["40 #1 CANCELLATION CANCELED_EXPIRED_ORDER 0 of 20", "354 #2 CANCELLATION CANCELED_MARKET_RESOLVED 0 of 20"]
    )


def test_shares_count_once_they_are_mined_and_can_be_sold_before() -> None:
    house = House(*BOOK)
    up = house.window.tokens[UP]
    house.place(BUY, 5_100, 20)
    house.until(-29.8)
    assert house.engine.shares_micros(house.account, up) == 0
    assert house.says(SELL, 4_900, 5) == "DELAYED", "the model lets fresh shares be sold: a doubt"
    house.until(-20)
    assert house.engine.shares_micros(house.account, up) == 15 * MICROS


def test_a_failed_trade_gives_back_money_and_shares_but_not_the_order() -> None:
    house = House(*BOOK)
    house.on(Fault.FAILED_TRADE, 1.0, seconds=1)
    house.place(BUY, 5_100, 20)
    assert house.until(-20) == snapshot(
        [
            "-30 #1 PLACEMENT DELAYED 0 of 20",
            "-29.85 #1 trade MATCHED taker 20 at 0.51, fee 0.34986",
            "-29.85 #1 UPDATE MATCHED 20 of 20",
            "-27.55 #1 trade FAILED taker 20 at 0.51, fee 0.34986",
        ]
    )
    assert house.engine.cash_micros(house.account) == 1_000 * MICROS
    assert house.account.orders["#1"].status is OrderStatus.MATCHED
    house.place(BUY, 5_100, 20)
    assert house.until(-10)[-1].endswith("CONFIRMED taker 20 at 0.51, fee 0.34986")


def test_a_doomed_trade_stands_when_the_window_settles_first() -> None:
    house = House(*BOOK, resolved(-29, UP, 100.0))
    house.on(Fault.FAILED_TRADE, 1.0, seconds=1)
    house.place(BUY, 5_100, 20)
    assert [line for line in house.until(-10) if "trade" in line] == snapshot(
        [
            "-29.85 #1 trade MATCHED taker 20 at 0.51, fee 0.34986",
            "-28 #1 trade MINED taker 20 at 0.51, fee 0.34986",
            "-26 #1 trade CONFIRMED taker 20 at 0.51, fee 0.34986",
        ]
    )
    assert house.engine.redeem(house.account, house.window.condition_id) == 20 * MICROS


def test_trades_may_go_through_retrying() -> None:
    house = House(*BOOK)
    house.on(Fault.RETRYING_TRADE, 1.0)
    house.place(BUY, 5_100, 20)
    assert [line.split()[3] for line in house.until(-10) if "trade" in line] == snapshot(
        ["MATCHED", "RETRYING", "MINED", "CONFIRMED"]
    )


def test_news_are_held_back_as_they_were_and_answers_are_not() -> None:
    house = House(*BOOK)
    house.on(Fault.DELAYED_STATUS, 5_000, seconds=3)
    assert house.says(BUY, 5_100, 20) == "DELAYED"
    assert house.until(-25.1) == []
    assert house.until(-20) == snapshot(
        [
            "-25 #1 PLACEMENT DELAYED 0 of 20",
            "-24.85 #1 trade MATCHED taker 20 at 0.51, fee 0.34986",
            "-24.85 #1 UPDATE MATCHED 20 of 20",
            "-23.3 #1 trade MINED taker 20 at 0.51, fee 0.34986",
            "-23.3 #1 trade CONFIRMED taker 20 at 0.51, fee 0.34986",
        ]
    )


def test_without_heartbeats_everything_is_cancelled_and_the_next_beat_begins_anew() -> None:
    house = House(*BOOK)
    house.place(BUY, 4_900, 20)
    house.until(-10)
    assert house.account.orders["#1"].is_open, "who never sent one is left alone"
    house.account.heartbeat_ns = house.clock.now_ns()
    house.until(-5)
    assert house.account.orders["#1"].is_open
    assert house.until(5.1) == snapshot(["0 #1 CANCELLATION CANCELED 0 of 20"])
    house.place(BUY, 4_900, 20)
    house.until(30)
    assert house.account.orders["#2"].is_open


def test_a_phantom_lock_hides_money_and_refuses_what_it_hides() -> None:
    house = House(*BOOK)
    house.on(Fault.PHANTOM_LOCK, 995, seconds=10)
    assert house.engine.cash_micros(house.account) == 5 * MICROS
    assert house.says(BUY, 4_900, 20) == snapshot(
        "400 not enough balance / allowance: the balance is not enough -> balance: 5000000, sum of "
        "active orders: 0, sum of matched orders: 0, order amount: 9800000"
    )
    house.until(-19)
    assert house.says(BUY, 4_900, 20) == "LIVE"


def test_a_tick_change_comes_over_open_windows_at_once() -> None:
    house = House(*BOOK, tick(20, 10))
    house.place(BUY, 4_900, 20)
    house.seen()
    assert house.says(BUY, 4_910, 20).startswith("400")
    house.on(Fault.TICK_CHANGE, 0.001)
    house.until(-29)
    assert house.seen() == ["tick UP 10, tick DOWN 10"]
    assert house.window.tick_bps == 10
    assert house.says(BUY, 4_910, 20) == "LIVE"


def test_two_customers_do_not_touch_each_other_but_both_show() -> None:
    house = House(*BOOK)
    other = house.customer("0xB2")
    house.place(BUY, 4_900, 10)
    house.place(BUY, 4_900, 30, account=other)
    assert house.book()[0][0] == (4_900, 140)
    assert house.engine.cancel(house.account, "#2") == "order can't be found - already canceled or matched"
    assert house.engine.cancel(other, "#2") == ""
    assert house.book()[0][0] == (4_900, 110)


def test_pairs_can_be_split_and_merged() -> None:
    house = House(*BOOK)
    condition = house.window.condition_id
    house.engine.split(house.account, condition, 100 * MICROS)
    house.engine.check()
    assert house.engine.cash_micros(house.account) == 900 * MICROS
    assert house.says(SELL, 5_000, 40) == "LIVE"
    house.engine.merge(house.account, condition, 60 * MICROS)
    house.engine.check()
    assert house.engine.cash_micros(house.account) == 960 * MICROS
    for deed in (house.engine.merge, house.engine.split):
        try:
            deed(house.account, condition, 2_000 * MICROS)
        except ValueError as error:
            assert "not enough" in str(error)
        else:
            raise AssertionError("that is not covered")
