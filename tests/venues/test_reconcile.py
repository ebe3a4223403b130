"""Reconcile: what the venue lists, held against what we know."""

from typing import Any

import msgspec
import numpy as np
from inline_snapshot import snapshot
from numpy.typing import NDArray
from order_messages import (
    LISTING,
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

from infra.feeds.polymarket_user import OrderUpdate, TradeUpdate, read_message
from infra.venues.followed import Followed
from infra.venues.known_orders import KnownOrder
from infra.venues.order_news import OrderNews
from infra.venues.reconcile import Past, Reconciled, order_of, reconcile
from state.events import EVENT, Kind, Side, Token
from state.orders import Act, Command, Liquidity, OrderState, Reject, TimeInForce
from state.records import layout
from state.units import MICROS, NS_PER_S

NOW_NS = OPEN_NS + 100 * NS_PER_S
MAKER, TAKER = Liquidity.MAKER, Liquidity.TAKER


def listed(message: dict[str, Any]) -> Any:
    """As a page of REST has it: without `event_type`."""
    del message["event_type"]
    return read_message(msgspec.json.encode(message)).message


def held_against(news: OrderNews, orders: list[OrderUpdate], trades: list[TradeUpdate]) -> Reconciled:
    return reconcile(news, orders, trades, asked_ns=NOW_NS - NS_PER_S, seen_ns=NOW_NS)


def test_fills_that_were_missed_are_told_and_the_order_that_they_ended_too() -> None:
    bid = an_order(shares=10)
    news = some_news(bid)
    news.resting(bid.order_hash, OPEN_NS)
    trade = listed(trade_message("t", "TRADE_STATUS_MINED", Bit(bid, 5_200, 10 * MICROS, MAKER)))
    found = held_against(news, [], [trade])
    assert in_words(found.rows) == snapshot(
        ["order 1: filled buy 10 UP at 0.52 as maker", "order 1: fill mined buy 10 UP at 0.52", "order 1: DONE, 0 open"]
    )
    assert found.gone == (bid.order_hash,) and found.to_cancel == ()


def test_an_order_that_is_gone_without_a_fill_was_cancelled() -> None:
    bid = an_order()
    news = some_news(bid)
    news.resting(bid.order_hash, OPEN_NS)
    assert in_words(held_against(news, [], []).rows) == ["order 1: DONE, 0 open (CANCELLED)"]


def test_an_order_that_still_rests_is_left_alone() -> None:
    bid = an_order(shares=10)
    news = some_news(bid)
    news.resting(bid.order_hash, OPEN_NS)
    found = held_against(news, [listed(order_message(bid, "", "LIVE"))], [])
    assert len(found.rows) == 0 and found.to_cancel == () and found.gone == ()


def test_an_order_on_its_way_proves_nothing_by_its_absence() -> None:
    sent, fresh = an_order(1), an_order(2)
    news = some_news(sent, fresh)
    news.resting(fresh.order_hash, NOW_NS)
    found = held_against(news, [], [])
    assert len(found.rows) == 0 and not sent.is_over and not fresh.is_over


def test_orders_that_nobody_here_knows_or_that_are_over_are_cancelled() -> None:
    over = an_order(1)
    news = some_news(over)
    news.resting(over.order_hash, OPEN_NS)
    news.cancelled(over.order_hash, OPEN_NS)
    stranger = an_order(50)
    pages = [listed(order_message(each, "", "LIVE")) for each in (over, stranger)]
    assert held_against(news, pages, []).to_cancel == (hash_of(1), hash_of(50))


def test_doing_it_twice_tells_nothing_new() -> None:
    bid = an_order(shares=10)
    news = some_news(bid)
    trade = listed(trade_message("t", "CONFIRMED", Bit(bid, 5_200, 4 * MICROS, MAKER)))
    page = listed(order_message(bid, "", "LIVE", matched=4))
    first = held_against(news, [page], [trade])
    assert in_words(first.rows) == snapshot(
        [
            "order 1: filled buy 4 UP at 0.52 as maker",
            "order 1: fill mined buy 4 UP at 0.52",
            "order 1: fill confirmed buy 4 UP at 0.52",
            "order 1: RESTING, 6 open",
        ]
    )
    assert len(held_against(news, [page], [trade]).rows) == 0


# ---- a start after a crash


def commands(*orders: KnownOrder, at_ns: int = OPEN_NS + NS_PER_S) -> NDArray[Any]:
    rows = np.zeros(len(orders), layout(Command))
    for row, order in zip(rows, orders, strict=True):
        row["act_code"], row["order_id"], row["slot_id"], row["at_ns"] = Act.PLACE, order.order_id, SLOT, at_ns
        row["token_code"], row["side_code"], row["tif_code"] = order.token, order.side, order.tif
        row["price_bps"], row["amount_micros"] = order.price_bps, order.amount_micros
    return rows


def known(command: Any, token_id: str) -> KnownOrder:
    return order_of(command, token_id, hash_of(int(command["order_id"])), int(command["amount_micros"]))


def restored(past: Past) -> OrderNews:
    followed = Followed()
    followed.add(LISTING, SLOT)
    news = OrderNews("our-key", followed)
    past.restore(news, followed, SLOT, LISTING.open_ns, LISTING.close_ns, known)
    return news


def test_a_desk_that_crashed_hears_only_what_it_has_not_heard() -> None:
    bid, take, lost = an_order(1), an_order(2, tif=TimeInForce.FAK), an_order(3, Token.DOWN, 4_000)
    before = hear(
        some_news(bid, take, lost),
        order_message(bid, "PLACEMENT", "LIVE"),
        trade_message("t1", "MATCHED", Bit(bid, 5_200, 4 * MICROS, MAKER)),
    )
    news = restored(Past(commands(bid, take, lost), before))
    assert [order.told.name for order in news.orders.values()] == ["RESTING", "WANTED", "WANTED"]
    page = [
        listed(trade_message("t1", "CONFIRMED", Bit(bid, 5_200, 4 * MICROS, MAKER))),
        listed(trade_message("t2", "CONFIRMED", Bit(take, 5_200, 10 * MICROS, TAKER))),
        listed(trade_message("t3", "MATCHED", Bit(bid, 5_200, 4 * MICROS, MAKER))),
    ]
    found = held_against(news, [listed(order_message(bid, "", "LIVE", matched=8))], page)
    assert in_words(found.rows) == snapshot(
        [
            "order 1: fill mined buy 4 UP at 0.52",
            "order 1: fill confirmed buy 4 UP at 0.52",
            "order 2: filled buy 10 UP at 0.52 as taker",
            "order 2: fee 0.17472",
            "order 2: fill mined buy 10 UP at 0.52",
            "order 2: fill confirmed buy 10 UP at 0.52",
            "order 2: DONE, 0 open",
            "order 1: filled buy 4 UP at 0.52 as maker",
        ]
    )
    assert {order.order_id: order.in_doubt for order in news.orders.values()} == {1: False, 2: False, 3: True}


def test_a_slot_that_was_used_before_brings_back_only_its_own_window() -> None:
    old, mine = an_order(1), an_order(2)
    older = commands(old, at_ns=OPEN_NS - 100 * NS_PER_S)
    news = restored(Past(np.concatenate([older, commands(mine)]), np.zeros(0, EVENT)))
    assert [order.order_id for order in news.orders.values()] == [2]


def test_an_order_that_was_over_stays_over() -> None:
    bid = an_order(1)
    before = hear(some_news(bid), order_message(bid, "CANCELLATION", "CANCELED"))
    news = restored(Past(commands(bid), before))
    order = news.orders[hash_of(1)]
    assert order.is_over and not order.in_doubt and order.told is OrderState.DONE
    assert int(before["kind_code"][0]) == Kind.ORDER_CHANGED and order.side is Side.BUY


def test_an_order_told_as_refused_that_lives_at_the_venue_after_all_is_to_be_pulled() -> None:
    bid = an_order(1)
    news = some_news(bid)
    news.refused(bid.order_hash, Reject.FAILED, OPEN_NS)
    hear(news, order_message(bid, "PLACEMENT", "LIVE"))
    assert news.strays == {bid.order_hash}
