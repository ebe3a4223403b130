"""Order news: the venue's words about our orders become rows once, in whatever order and however often they come."""

from collections import Counter
from typing import Any

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from numpy.typing import NDArray
from order_messages import (
    API_KEY,
    OPEN_NS,
    SLOT,
    Bit,
    an_order,
    hash_of,
    hear,
    in_words,
    order_message,
    some_news,
    trade_message,
)

from infra.venues.followed import Fees
from infra.venues.known_orders import KnownOrder
from state.events import Kind, Side, Token
from state.orders import Liquidity, OrderState, Reject, TimeInForce
from state.units import BPS, MICROS

MAKER, TAKER = Liquidity.MAKER, Liquidity.TAKER
FAK = TimeInForce.FAK


def test_a_bid_rests_and_is_filled_in_two_parts() -> None:
    bid = an_order(shares=10)
    news = some_news(bid)
    told = hear(
        news,
        order_message(bid, "PLACEMENT", "LIVE"),
        order_message(bid, "UPDATE", "LIVE", matched=4),
        trade_message("t1", "MATCHED", Bit(bid, 5_200, 4 * MICROS, MAKER)),
        trade_message("t1", "MINED", Bit(bid, 5_200, 4 * MICROS, MAKER)),
        order_message(bid, "UPDATE", "MATCHED", matched=10),
        trade_message("t2", "MATCHED", Bit(bid, 5_200, 6 * MICROS, MAKER)),
        trade_message("t1", "CONFIRMED", Bit(bid, 5_200, 4 * MICROS, MAKER)),
    )
    assert in_words(told) == snapshot(
        [
            "order 1: RESTING, 10 open",
            "order 1: filled buy 4 UP at 0.52 as maker",
            "order 1: fill mined buy 4 UP at 0.52",
            "order 1: filled buy 6 UP at 0.52 as maker",
            "order 1: DONE, 0 open",
            "order 1: fill confirmed buy 4 UP at 0.52",
        ]
    )
    assert news.statuses == {"MATCHED": 2, "MINED": 1, "CONFIRMED": 1}


def test_the_end_waits_for_the_fills_that_the_venue_has_counted() -> None:
    take = an_order(tif=FAK, shares=10)
    news = some_news(take)
    assert in_words(news.held(take.order_hash, OPEN_NS)) == ["order 1: HELD, 10 open"]
    assert in_words(hear(news, order_message(take, "UPDATE", "MATCHED", matched=7))) == []
    assert take.in_doubt and take.missing_micros == 7 * MICROS
    told = hear(news, trade_message("t", "MATCHED", Bit(take, 5_200, 7 * MICROS, TAKER)))
    assert in_words(told) == snapshot(
        ["order 1: filled buy 7 UP at 0.52 as taker", "order 1: fee 0.1223", "order 1: DONE, 0 open"]
    )
    assert not take.in_doubt


def test_a_matched_answer_ends_a_taking_order_when_its_trade_has_come() -> None:
    take = an_order(tif=FAK, shares=10)
    news = some_news(take)
    assert in_words(news.matched(take.order_hash, 10 * MICROS, OPEN_NS)) == []
    told = hear(news, trade_message("t", "MATCHED", Bit(take, 5_100, 10 * MICROS, TAKER)))
    assert in_words(told) == snapshot(
        ["order 1: filled buy 10 UP at 0.51 as taker", "order 1: fee 0.17493", "order 1: DONE, 0 open"]
    )


def test_a_trade_that_fails_gives_shares_cash_and_fee_back() -> None:
    take = an_order(tif=FAK, shares=10)
    told = hear(
        some_news(take),
        trade_message("t", "MATCHED", Bit(take, 5_200, 10 * MICROS, TAKER)),
        trade_message("t", "RETRYING", Bit(take, 5_200, 10 * MICROS, TAKER)),
        trade_message("t", "FAILED", Bit(take, 5_200, 10 * MICROS, TAKER)),
        trade_message("t", "MATCHED", Bit(take, 5_200, 10 * MICROS, TAKER)),
    )
    assert in_words(told) == snapshot(
        [
            "order 1: filled buy 10 UP at 0.52 as taker",
            "order 1: fee 0.17472",
            "order 1: DONE, 0 open",
            "order 1: fill retried buy 10 UP at 0.52",
            "order 1: fill reversed buy 10 UP at 0.52",
            "order 1: fee -0.17472",
        ]
    )


def test_a_failure_heard_of_first_leaves_nothing_to_take_back() -> None:
    take = an_order(tif=FAK, shares=10)
    told = hear(
        some_news(take),
        trade_message("t", "FAILED", Bit(take, 5_200, 10 * MICROS, TAKER)),
        trade_message("t", "MATCHED", Bit(take, 5_200, 10 * MICROS, TAKER)),
    )
    assert in_words(told) == ["order 1: DONE, 0 open"]


def test_as_maker_only_our_own_entry_counts_also_when_two_purchases_met() -> None:
    bid = an_order(token=Token.DOWN, price_bps=4_900)
    message = trade_message("t", "MATCHED", Bit(bid, 4_900, 5 * MICROS, MAKER), taker_token=Token.UP)
    assert (message["side"], message["price"]) == ("BUY", "0.5")
    assert in_words(hear(some_news(bid), message)) == ["order 1: filled buy 5 DOWN at 0.49 as maker"]
    del message["maker_orders"][0]["side"]
    again = an_order(token=Token.DOWN, price_bps=4_900)
    assert in_words(hear(some_news(again), message)) == ["order 1: filled buy 5 DOWN at 0.49 as maker"], "by the tokens"


def test_one_trade_may_fill_two_of_our_orders() -> None:
    high, low = an_order(1, price_bps=5_200), an_order(2, price_bps=5_100)
    message = trade_message("t", "MATCHED", Bit(high, 5_200, 10 * MICROS, MAKER), Bit(low, 5_100, 3 * MICROS, MAKER))
    assert in_words(hear(some_news(high, low), message, message)) == snapshot(
        [
            "order 1: filled buy 10 UP at 0.52 as maker",
            "order 1: DONE, 0 open",
            "order 2: filled buy 3 UP at 0.51 as maker",
        ]
    )


def test_a_taker_is_told_each_price_where_the_makers_parts_add_up() -> None:
    take = an_order(tif=FAK, shares=10, price_bps=5_300)
    message = trade_message("t", "MATCHED", Bit(take, 5_300, 10 * MICROS, TAKER))
    other = message["maker_orders"][0]
    message["maker_orders"] = [
        other | {"price": "0.52", "matched_amount": "4"},
        other | {"price": "0.47", "matched_amount": "6", "asset_id": "2" * 70, "side": "BUY"},
    ]
    assert in_words(hear(some_news(take), message)) == snapshot(
        [
            "order 1: filled buy 4 UP at 0.52 as taker",
            "order 1: filled buy 6 UP at 0.53 as taker",
            "order 1: fee 0.17451",
            "order 1: DONE, 0 open",
        ]
    )
    message["maker_orders"][0]["matched_amount"] = "3"
    again = an_order(tif=FAK, shares=10, price_bps=5_300)
    assert in_words(hear(some_news(again), message)) == snapshot(
        ["order 1: filled buy 10 UP at 0.53 as taker", "order 1: fee 0.17437", "order 1: DONE, 0 open"]
    )


def test_a_cancel_that_crossed_with_a_fill() -> None:
    bid = an_order(shares=10)
    news = some_news(bid)
    told = [
        *in_words(news.resting(bid.order_hash, OPEN_NS)),
        *in_words(news.cancelled(bid.order_hash, OPEN_NS + 1)),
        *in_words(hear(news, order_message(bid, "CANCELLATION", "CANCELED", matched=3))),
        *in_words(hear(news, trade_message("t", "MATCHED", Bit(bid, 5_200, 3 * MICROS, MAKER)))),
    ]
    assert told == snapshot(
        ["order 1: RESTING, 10 open", "order 1: DONE, 0 open (CANCELLED)", "order 1: filled buy 3 UP at 0.52 as maker"]
    )


def test_a_refused_cancel_makes_the_order_the_cores_to_pull_again() -> None:
    bid = an_order()
    news = some_news(bid)
    news.resting(bid.order_hash, OPEN_NS)
    told = news.not_cancelled(bid.order_hash, Reject.RESTARTING, OPEN_NS)
    assert in_words(told) == ["order 1: RESTING, 10 open (RESTARTING)"]


def test_why_orders_end() -> None:
    def ended(kind: str, status: str, tif: TimeInForce = TimeInForce.GTC) -> str:
        order = an_order(tif=tif)
        words = in_words(hear(some_news(order), order_message(order, kind, status)))
        return words[0].removeprefix("order 1: ") if words else "says nothing"

    statuses = [
        ("CANCELLATION", "CANCELED"), ("CANCELLATION", "CANCELED_EXPIRED_ORDER"),
        ("CANCELLATION", "CANCELED_MARKET_RESOLVED"), ("CANCELLATION", "CANCELED_NOT_ENOUGH_BALANCE"),
        ("CANCELLATION", "LIVE"), ("UPDATE", "INVALID"), ("UPDATE", "DELAYED"), ("PLACEMENT", "LIVE"),
        ("UPDATE", "a word nobody knows"),
    ]  # fmt: skip
    assert {f"{kind} {status}": ended(kind, status) for kind, status in statuses} == snapshot(
        {
            "CANCELLATION CANCELED": "DONE, 0 open (CANCELLED)",
            "CANCELLATION CANCELED_EXPIRED_ORDER": "DONE, 0 open (EXPIRED)",
            "CANCELLATION CANCELED_MARKET_RESOLVED": "DONE, 0 open (MARKET_CLOSED)",
            "CANCELLATION CANCELED_NOT_ENOUGH_BALANCE": "DONE, 0 open (NOT_ENOUGH_BALANCE)",
            "CANCELLATION LIVE": "DONE, 0 open (CANCELLED)",
            "UPDATE INVALID": "DONE, 0 open (FAILED)",
            "UPDATE DELAYED": "HELD, 10 open",
            "PLACEMENT LIVE": "RESTING, 10 open",
            "UPDATE a word nobody knows": "says nothing",
        }
    )
    killed = "order couldn't be fully filled. FOK orders are fully filled or killed."
    assert ended("CANCELLATION", f"CANCELED_{killed}", FAK) == "DONE, 0 open (FOK_NOT_FILLED)"
    assert {status: ended("UPDATE", status, FAK) for status in ("LIVE", "UNMATCHED", killed)} == snapshot(
        {
            "LIVE": "HELD, 10 open",
            "UNMATCHED": "DONE, 0 open (FAK_NO_MATCH)",
            "order couldn't be fully filled. FOK orders are fully filled or killed.": "DONE, 0 open (FOK_NOT_FILLED)",
        }
    )


def test_a_fill_of_an_order_that_nobody_here_knows_is_money_all_the_same() -> None:
    ours_once = an_order(77)
    news = some_news()
    bid = in_words(hear(news, trade_message("t", "MATCHED", Bit(ours_once, 5_200, 5 * MICROS, MAKER))))
    take = in_words(hear(news, trade_message("u", "MATCHED", Bit(ours_once, 5_200, 5 * MICROS, TAKER))))
    assert [*bid, *take] == snapshot(
        [
            "order 0: filled buy 5 UP at 0.52 as maker",
            "order 0: filled buy 5 UP at 0.52 as taker",
            "order 0: fee 0.08736",
        ]
    )
    assert {names[0] for names in news.oddities.counts} == {"a trade of an order that we do not know"}


def test_a_strangers_trade_is_not_ours() -> None:
    other = an_order(77)
    message = trade_message("t", "MATCHED", Bit(other, 5_200, 5 * MICROS, MAKER), owner="x", trade_owner="x")
    message["maker_orders"][0]["owner"] = "y"
    assert in_words(hear(some_news(), message)) == []


def test_a_window_that_is_not_followed_any_more_gets_no_rows() -> None:
    bid = an_order()
    news = some_news(bid)
    news.drop_window(SLOT)
    assert in_words(hear(news, trade_message("t", "MATCHED", Bit(bid, 5_200, MICROS, MAKER)))) == []
    assert not news.orders and not news.hashes and not news.matches


def test_what_was_told_before_a_start_is_not_told_again() -> None:
    bid, take = an_order(1), an_order(2, tif=FAK, price_bps=5_300)
    messages = [
        order_message(bid, "PLACEMENT", "LIVE"),
        trade_message("t1", "MATCHED", Bit(bid, 5_200, 4 * MICROS, MAKER)),
        trade_message("t2", "MATCHED", Bit(take, 5_300, 6 * MICROS, TAKER)),
        trade_message("t3", "MATCHED", Bit(take, 5_300, 6 * MICROS, TAKER)),
        trade_message("t3", "FAILED", Bit(take, 5_300, 6 * MICROS, TAKER)),
    ]
    before = hear(some_news(bid, take), *messages)
    news = some_news()
    news.restore([an_order(1), an_order(2, tif=FAK, price_bps=5_300)], before)
    again = hear(
        news,
        trade_message("t3", "FAILED", Bit(take, 5_300, 6 * MICROS, TAKER)),
        trade_message("t2", "CONFIRMED", Bit(take, 5_300, 6 * MICROS, TAKER)),
        trade_message("t1", "FAILED", Bit(bid, 5_200, 4 * MICROS, MAKER)),
        trade_message("t4", "MATCHED", Bit(bid, 5_200, 4 * MICROS, MAKER)),
    )
    assert in_words(again) == snapshot(
        [
            "order 2: fill mined buy 6 UP at 0.53",
            "order 2: fill confirmed buy 6 UP at 0.53",
            "order 1: fill reversed buy 4 UP at 0.52",
            "order 1: filled buy 4 UP at 0.52 as maker",
        ]
    )


def test_junk_is_counted_and_changes_nothing() -> None:
    news = some_news(an_order())
    for raw in (b"", b"{", b"PONG", b"[]", b'{"event_type":"order"}', b'{"event_type":"trade","id":1}'):
        assert len(news.take(raw, OPEN_NS)) == 0
    assert news.oddities.total == 4


# ---- any order, any number of times


class Ledger:
    """Shares, cash and fees as the core books them, in small."""

    def __init__(self) -> None:
        self.shares: Counter[Token] = Counter()
        self.cash = self.fees = 0

    def book(self, rows: NDArray[Any]) -> "Ledger":
        for row in rows:
            kind, amount = Kind(int(row["kind_code"])), int(row["amount_micros"])
            if kind is Kind.FEE_CHARGED:
                self.fees += amount
                self.cash -= amount
            elif kind in (Kind.FILLED, Kind.FILL_REVERSED):
                sign = (1 if kind is Kind.FILLED else -1) * (1 if row["side_code"] == Side.BUY else -1)
                self.shares[Token(int(row["token_code"]))] += sign * amount
                self.cash -= sign * int(row["price_bps"]) * amount // BPS
        return self

    @property
    def state(self) -> tuple[int, int, int, int]:
        return self.shares[Token.UP], self.shares[Token.DOWN], self.cash, self.fees


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[KnownOrder], list[dict[str, Any]], Ledger]:
    """Orders of ours, everything that the venue says of them, and what it comes to."""
    orders: list[KnownOrder] = []
    messages: list[dict[str, Any]] = []
    book = Ledger()
    fees = Fees(70_000, 1, False)
    for number in range(1, draw(st.integers(1, 3)) + 1):
        taking = draw(st.booleans())
        order = an_order(
            number, draw(st.sampled_from(Token)), draw(st.integers(1, 99)) * 100, draw(st.integers(5, 40)),
            FAK if taking else TimeInForce.GTC, draw(st.sampled_from(Side)),
        )  # fmt: skip
        orders.append(order)
        left, matched = order.amount_micros, 0
        messages.append(order_message(order, "PLACEMENT", "DELAYED" if taking else "LIVE"))
        for trade in range(draw(st.integers(0, 3))):
            size = draw(st.integers(1, 12)) * MICROS
            if size > left:
                break
            left, matched = left - size, matched + size
            bit = Bit(order, order.price_bps, size, TAKER if taking else MAKER)
            path = draw(
                st.sampled_from(
                    [
                        ["MATCHED"],
                        ["MATCHED", "MINED", "CONFIRMED"],
                        ["MATCHED", "RETRYING", "CONFIRMED"],
                        ["MATCHED", "RETRYING", "FAILED"],
                    ]
                )
            )
            messages += [trade_message(f"{number}-{trade}", status, bit) for status in path]
            messages.append(order_message(order, "UPDATE", "MATCHED", matched / MICROS))
            if path[-1] != "FAILED":
                sign = 1 if order.side is Side.BUY else -1
                book.shares[order.token] += sign * size
                fee = fees.of_match(order.price_bps, size) if taking else 0
                book.fees += fee
                book.cash -= sign * order.price_bps * size // BPS + fee
        if left:
            messages.append(order_message(order, "CANCELLATION", "CANCELED", matched / MICROS))
    return orders, messages, book


@given(histories(), st.data())
def test_any_order_and_number_of_the_same_messages_comes_to_the_same(
    history: tuple[list[KnownOrder], list[dict[str, Any]], Ledger], data: st.DataObject
) -> None:
    orders, messages, expected = history
    copies = data.draw(st.lists(st.sampled_from(messages), max_size=10))
    shuffled = data.draw(st.permutations(messages + copies))
    news = some_news(*orders)
    told = hear(news, *shuffled)
    assert Ledger().book(told).state == expected.state
    filled = told[told["kind_code"] == Kind.FILLED]
    assert len(filled) <= len({message["id"] for message in messages if message["event_type"] == "trade"})
    for order in orders:
        ends = told[(told["kind_code"] == Kind.ORDER_CHANGED) & (told["ref_id"] == order.order_id)]
        over = np.flatnonzero(ends["code_id"] == OrderState.DONE)
        assert list(over) == [len(ends) - 1], "it ends, once, and nothing is said of it afterwards"


@given(histories(), st.data())
def test_a_start_in_between_makes_no_difference(
    history: tuple[list[KnownOrder], list[dict[str, Any]], Ledger], data: st.DataObject
) -> None:
    orders, messages, expected = history
    cut = data.draw(st.integers(0, len(messages)))
    before = hear(some_news(*orders), *messages[:cut]) if cut else np.zeros(0, hear(some_news(), {}).dtype)
    again = some_news()
    again.restore([an_order_like(order) for order in orders], before)
    last = {message["id"]: message for message in messages if message["event_type"] == "trade"}
    after = hear(again, *data.draw(st.permutations(list(last.values()))), *messages[cut:], {})
    assert Ledger().book(before).book(after).state == expected.state


def an_order_like(order: KnownOrder) -> KnownOrder:
    return an_order(order.order_id, order.token, order.price_bps, order.amount_micros / MICROS, order.tif, order.side)


def test_the_rows_are_of_our_account() -> None:
    assert API_KEY in msgspec.json.encode(order_message(an_order(), "PLACEMENT", "LIVE")).decode()
    assert hash_of(1) == an_order(1).order_hash
