"""What the session says in a pipe: one line for each thing that matters, and nothing for the market's noise."""

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from terminal_glances import NOW_NS, OPEN_NS, SLUG, bought, evening, folded, worlds_of

from infra.terminal.decisions import shown_command, shown_mandate
from infra.terminal.glance import Glance
from infra.terminal.plain import Said, status_line, told_command, told_mandate, told_row
from state.desk import Mandate
from state.events import EVENT, FeedState, Kind, Side, Source, Token
from state.orders import Act, Command, Liquidity, OrderState, Reject
from state.records import layout, rows
from state.units import NS_PER_S

NAMES = {0: SLUG}


def row(kind: Kind, **columns: Any) -> Any:
    made = np.zeros(1, EVENT)
    made["kind_code"], made["seen_ns"] = kind, OPEN_NS + 62_345_000_000
    for name, value in columns.items():
        made[name] = value
    return made[0]


def test_the_status_in_one_line() -> None:
    assert folded(status_line(evening())) == snapshot("""\

03:04:12 demo 20x | btc-updown-5m-1792638000 closes in 00:48 | BTC 100,061.50 strike 100,000.00 | UP 96.2 %
[92.1 % .. 98.2 %] book 92c/94c | profit +$17.20 (simulated money, open marked at the bid) | holds 500 UP 0
DOWN | 1 open orders | feeds 1/2 well (bybit stale) | journal 2.3M rows | conflated 12, lost 0 | faults on:
silent bybit
""")


def test_nothing_known_yet_is_a_line_too() -> None:
    assert folded(status_line(Glance(now_ns=0))) == snapshot("""\

00:00:00 demo 1x | no window yet, BTC - | cash $0.00 (simulated) | holds nothing | feeds 0/0 well | journal 0
rows
""")


def test_the_status_comes_every_few_seconds_of_the_wall() -> None:
    """At 20x a line every 5 s of the wall is one every 100 s of the session."""
    said, glance = Said(every_s=5.0), evening()
    moments = [NOW_NS + second * NS_PER_S for second in (0, 1, 99, 100, 150, 205)]
    lines = [said.line(replace(glance, now_ns=moment)) is not None for moment in moments]
    assert lines == [True, False, False, True, False, True]


def test_what_happens_to_orders_and_money_is_said() -> None:
    trade = {
        "ref_id": 7,
        "token_code": Token.UP,
        "side_code": Side.BUY,
        "price_bps": 5_350,
        "amount_micros": 12_500_000,
    }
    happened = [
        row(Kind.ORDER_CHANGED, ref_id=7, code_id=OrderState.RESTING, amount_micros=12_500_000),
        row(Kind.FILLED, code_id=Liquidity.TAKER, **trade),
        row(Kind.FEE_CHARGED, ref_id=7, amount_micros=43_210),
        row(Kind.FILL_REVERSED, **trade),
        row(Kind.FEE_CHARGED, ref_id=7, amount_micros=-43_210),
        row(Kind.ORDER_CHANGED, ref_id=8, code_id=OrderState.REJECTED, flags_mask=Reject.POST_ONLY_WOULD_CROSS),
        row(Kind.ORDER_CHANGED, ref_id=9, code_id=OrderState.UNKNOWN),
        row(Kind.SETTLED, code_id=Token.DOWN, value_usd=99_991.25),
        row(Kind.REBATE_PAID, amount_micros=1_250_000),
        row(Kind.FEED_CHANGED, source_code=Source.BYBIT, code_id=FeedState.DOWN, ref_id=2),
        row(Kind.OPERATOR_SAID, code_id=1),
        row(Kind.OPERATOR_SAID, code_id=4, ref_id=250_000_000),
        row(Kind.MERGED, ref_id=3, amount_micros=40_000_000),
        row(Kind.MERGED, ref_id=4, flags_mask=Reject.NOT_ENOUGH_BALANCE),
    ]
    assert "\n" + "\n".join(str(told_row(each, NAMES)) for each in happened) + "\n" == snapshot("""\

03:01:02.345 btc-updown-5m-1792638000 order 7 resting, 12.5 shares open
03:01:02.345 btc-updown-5m-1792638000 order 7 filled: buy 12.5 UP at 53.5c as taker
03:01:02.345 btc-updown-5m-1792638000 order 7 fee $0.04321
03:01:02.345 btc-updown-5m-1792638000 order 7: a match FAILED on chain and is undone: buy 12.5 UP at 53.5c
03:01:02.345 btc-updown-5m-1792638000 order 7 fee given back $0.04321
03:01:02.345 btc-updown-5m-1792638000 order 8 rejected (post only would cross)
03:01:02.345 btc-updown-5m-1792638000 order 9 unknown
03:01:02.345 btc-updown-5m-1792638000 settled DOWN, final price 99,991.25
03:01:02.345 rebate paid $1.25000
03:01:02.345 feed bybit went away (connection 2)
03:01:02.345 operator: halt
03:01:02.345 operator: arm up to $250
03:01:02.345 btc-updown-5m-1792638000 merged 40 complete sets into $40.00
03:01:02.345 btc-updown-5m-1792638000 merge 4 refused (not enough balance)
""")


def test_the_markets_noise_is_not_said() -> None:
    noise = set(Kind) - {
        Kind.ORDER_CHANGED, Kind.FILLED, Kind.FEE_CHARGED, Kind.FILL_REVERSED, Kind.SETTLED, Kind.REBATE_PAID,
        Kind.FEED_CHANGED, Kind.OPERATOR_SAID, Kind.MERGED, Kind.DAY_CARRIED,
    }  # fmt: skip
    assert all(told_row(row(kind), NAMES) is None for kind in noise)


def test_the_wallets_day_is_said_where_there_is_something_to_say() -> None:
    carried = row(Kind.DAY_CARRIED)
    assert told_row(carried, NAMES) is None
    carried["amount_micros"] = -46_500_000
    told = told_row(carried, NAMES)
    assert told is not None and told.endswith(" other sessions of this wallet came to -$46.50 today")


def test_an_order_says_why_and_under_which_mandate() -> None:
    story = bought()
    placed = next(command for command in story.sent if command.act_code == Act.PLACE)
    assert folded(told_command(placed, NAMES)) == snapshot("""\

03:00:31.000 btc-updown-5m-1792638000 order 1: buy 985.23 UP at 50c GTC post-only: quoted: the price leaves
the wanted edge at the posterior's worse end (mandate 31, edge 2.66c a share)
""")
    shown = shown_command(placed)
    assert shown is not None and (shown.mandate_id, shown.gate) == (int(placed.mandate_id), "")


def test_asking_the_desk_is_not_an_order() -> None:
    asked: Any = rows(Command, 1)
    asked["act_code"] = Act.ASK
    assert told_command(asked[0]) is None
    assert shown_command(asked[0]) is None


def test_a_decision_says_what_it_allows_or_which_gate_closed() -> None:
    story = bought()
    given: Any = np.zeros(1, layout(Mandate))
    given[0] = story.market().mandate
    assert folded(told_mandate(given, NAMES)) == snapshot("""\

03:01:00.000 btc-updown-5m-1792638000 decision 60: may take UP, quote UP (UP 61.0 %)
""")
    story.book(61, 5_000, 5_200, shares=10)
    given[0] = story.desk()
    assert folded(told_mandate(given, NAMES)) == snapshot("""\

03:01:01.000 btc-updown-5m-1792638000 decision 62: stand aside at gate risk: the whole book rests on less than
the liquidity minimum (UP 61.0 %)
""")
    shown = shown_mandate(given)
    assert (shown.what, shown.gate) == ("stand aside", "risk")


@given(st.binary(min_size=EVENT.itemsize, max_size=EVENT.itemsize))
def test_no_row_whatever_breaks_a_line(raw: bytes) -> None:
    told = told_row(np.frombuffer(raw, EVENT)[0], NAMES)
    assert told is None or "\n" not in told


@given(st.binary(min_size=layout(Command).itemsize, max_size=layout(Command).itemsize))
def test_no_command_whatever_breaks_a_line(raw: bytes) -> None:
    command: Any = np.frombuffer(raw, layout(Command))[0]
    told_command(command, NAMES)
    shown_command(command)


def test_a_glance_reads_the_same_from_the_story() -> None:
    """The status line of a real world: nothing in it was made up."""
    from infra.terminal.glance import Mode
    from infra.terminal.readout import glance_of

    glance = glance_of(worlds_of(bought()), OPEN_NS + 60 * NS_PER_S, mode=Mode(began_cash_micros=100_000_000_000))
    assert folded(status_line(glance)) == snapshot("""\

03:01:00 demo 1x | btc-updown-5m-1792638000 closes in 04:00 | BTC 100,090.00 strike 100,000.00 | UP 61.0 %
[53.5 % .. 68.1 %] book 50c/52c | profit -$0.01 (simulated money, open marked at the bid) | holds 500 UP 0
DOWN | 1 open orders | feeds 0/0 well | journal 0 rows
""")
