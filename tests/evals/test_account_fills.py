"""Fees, failures and rebates written by hand find their own fills."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from window_listings import listing

from evals.account_fills import join
from evals.census import Rows
from state.events import EVENT, Kind
from state.orders import Act, Command, Liquidity, OrderState, Reject
from state.records import rows
from state.units import MICROS, NS_PER_S


def message(kind: Kind, order: int, at: int, **columns: Any) -> Rows:
    made = np.zeros(1, EVENT)
    made["kind_code"], made["ref_id"], made["at_ns"], made["seen_ns"] = kind, order, at, at + 10
    for name, value in columns.items():
        made[name] = value
    return made


def commands(*order_ids: int, at_ns: int) -> Rows:
    placed = rows(Command, len(order_ids))
    placed["order_id"], placed["at_ns"], placed["act_code"] = order_ids, at_ns, Act.PLACE
    placed["price_bps"], placed["amount_micros"] = 5_000, 100 * MICROS
    return placed


def filled(order: int, at: int, price_bps: int, shares: int, liquidity: int = Liquidity.TAKER) -> Rows:
    return message(Kind.FILLED, order, at, price_bps=price_bps, amount_micros=shares * MICROS, code_id=liquidity)


def joined(messages: Sequence[Rows], *order_ids: int) -> Any:
    home = listing()
    return join(commands(*order_ids, at_ns=home.listed_ns + 1), np.concatenate(messages), [home])


def test_fees_find_their_own_fill_whatever_their_order() -> None:
    # 100 shares at 0.5 pay 1.75, 10 at 0.4 pay 0.168, with the curve of the day (rate 0.07).
    book = joined(
        [
            filled(1, 100, 4_000, 10),
            filled(1, 100, 5_000, 100),
            message(Kind.FEE_CHARGED, 1, 100, amount_micros=1_750_000),
            message(Kind.FEE_CHARGED, 1, 100, amount_micros=168_000),
            message(Kind.FEE_CHARGED, 9, 100, amount_micros=5),
        ],
        1,
    )
    assert book.fee_micros.tolist() == [168_000, 1_750_000]
    assert book.stray_count == 1


def test_a_failed_match_is_undone_once_and_its_twin_stands() -> None:
    undone = message(Kind.FILL_REVERSED, 1, 500, price_bps=5_000, amount_micros=10 * MICROS)
    book = joined([filled(1, 100, 5_000, 10), filled(1, 200, 5_000, 10), filled(1, 300, 5_000, 5), undone], 1)
    assert book.reversed_code.tolist() == [1, 0, 0]
    assert book.filled_micros.tolist() == [25 * MICROS]


def test_an_order_ends_with_its_last_word_and_arrives_with_its_first() -> None:
    changed = Kind.ORDER_CHANGED
    book = joined(
        [
            message(changed, 1, 100, code_id=OrderState.HELD),
            message(changed, 1, 250, code_id=OrderState.DONE, flags_mask=Reject.FAK_NO_MATCH),
            message(changed, 2, 300, code_id=OrderState.REJECTED, flags_mask=Reject.OFF_TICK),
        ],
        1, 2, 3,
    )  # fmt: skip
    assert book.arrived_ns.tolist() == [100, 300, 0]
    assert book.told_ns.tolist() == [260, 310, 0]
    assert book.reject_code.tolist() == [Reject.FAK_NO_MATCH, Reject.OFF_TICK, 0]


def test_a_days_rebate_is_shared_by_its_makers_and_nothing_is_lost() -> None:
    day_ns = 86_400 * NS_PER_S
    paid = message(Kind.REBATE_PAID, 0, 2 * day_ns, amount_micros=1_000_001)
    maker = int(Liquidity.MAKER)
    book = joined(
        [
            filled(1, day_ns + 5, 5_000, 10, maker),
            filled(1, day_ns + 6, 5_000, 20, maker),
            filled(1, day_ns + 7, 5_000, 20),
            filled(1, 5, 5_000, 20, maker),
            paid,
        ],
        1,
    )
    assert book.rebate_micros.tolist() == [333_333, 666_668, 0, 0]
