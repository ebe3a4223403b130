"""The end of a session: what it says must add up, and must not flatter."""

import json
from typing import Any

import numpy as np
import pytest
from desk_story import Story, Token
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from numpy.typing import NDArray
from terminal_glances import OPEN_NS, bought, evening, folded, worlds_of

from infra.cli.speech import say, table
from infra.terminal.glance import Mode
from infra.terminal.summary import WINDOWS_FOR_INTERVAL, headline, show_summary, summary_of
from infra.terminal.tally import Tally, WindowTold
from state.desk import Mandate
from state.events import EVENT, Kind
from state.orders import Act, Command, Liquidity, OrderState, Reject
from state.reasons import Gate, Reason
from state.records import rows
from state.units import MICROS, NS_PER_S
from state.world import World

MODE = Mode(
    name="demo",
    speed_ratio=20.0,
    venue="the venue next door",
    journal="var/demo/journal",
    began_ns=OPEN_NS - 60 * NS_PER_S,
    began_cash_micros=100_000 * MICROS,
)
END_NS = OPEN_NS + 330 * NS_PER_S


def heard(tally: Tally, story: Story, kind: Kind, **columns: Any) -> None:
    """Tell the tally of a row that the story's core has received."""
    told = np.zeros(1, EVENT)
    told["kind_code"] = kind
    for name, value in columns.items():
        told[name] = value
    tally.rows(worlds_of(story), told)


def settled(outcome: Token) -> tuple[Story, Tally]:
    """500 shares of UP bought at 50 cents, and the window's end."""
    story, tally = bought(), Tally()
    commands: NDArray[Any] = rows(Command, len(story.sent))
    for at, command in enumerate(story.sent):
        commands[at] = command
    tally.commands(commands)
    heard(tally, story, Kind.FILLED, code_id=Liquidity.MAKER)
    story.settle(310, outcome, 100_051.2)
    heard(tally, story, Kind.SETTLED, code_id=outcome)
    return story, tally


def told(story: Story, tally: Tally, **more: Any) -> dict[str, Any]:
    return summary_of(tally, worlds_of(story), END_NS, mode=MODE, **more)


def test_a_window_that_won_adds_up_to_the_cent() -> None:
    values = told(*settled(Token.UP))
    assert values["windows"]["settled"] == values["windows"]["traded"] == 1
    assert values["profit"]["total_usd"] == pytest.approx(250.0 - 0.012345)
    assert values["cash"]["change_usd"] == pytest.approx(values["profit"]["total_usd"])
    assert values["cash"]["unexplained_usd"] == pytest.approx(0.0, abs=1e-9)
    assert values["orders"]["fills_maker"] == 1
    assert folded(headline(values)) == snapshot("""\

1 window settled, 1 traded: +$249.99 of simulated money after $0.01 of fees; so few windows say nothing about
an edge.
""")


def test_a_window_that_lost_says_so() -> None:
    values = told(*settled(Token.DOWN))
    assert values["profit"]["total_usd"] == pytest.approx(-250.0 - 0.012345)
    assert folded(headline(values)) == snapshot("""\

1 window settled, 1 traded: -$250.01 of simulated money after $0.01 of fees; so few windows say nothing about
an edge.
""")


def test_a_match_that_failed_after_the_payout_takes_its_profit_back() -> None:
    story, tally = settled(Token.UP)
    order = next(command for command in story.sent if command.act_code == Act.PLACE)
    story.reverse(320, order, 500.0)
    heard(tally, story, Kind.FILL_REVERSED)
    values = told(story, tally)
    assert values["orders"]["reversals"] == 1
    assert values["profit"]["total_usd"] == pytest.approx(-0.012345)
    assert values["cash"]["unexplained_usd"] == pytest.approx(0.0, abs=1e-9)


def test_an_open_position_is_told_apart_from_profit() -> None:
    story, tally = bought(), Tally()
    heard(tally, story, Kind.FILLED, code_id=Liquidity.TAKER)
    values = told(story, tally)
    assert values["profit"]["windows"] == 0 and values["profit"]["total_usd"] == 0
    (held,) = values["windows"]["open"]
    assert held["marked_usd"] == pytest.approx(-0.012345)
    assert values["cash"]["unexplained_usd"] == pytest.approx(0.0, abs=1e-9)


def test_cash_that_nothing_explains_is_said_aloud(capsys: pytest.CaptureFixture[str]) -> None:
    story, tally = settled(Token.UP)
    story.world.money.cash_micros += 7 * MICROS
    show_summary(told(story, tally), say, table)
    assert "of it not explained by these windows +$7.00" in " ".join(capsys.readouterr().out.split())


def test_why_a_session_halted_itself_is_said_aloud(capsys: pytest.CaptureFixture[str]) -> None:
    show_summary(told(*settled(Token.UP)) | {"halted": "order_version_mismatch"}, say, table)
    assert "The session halted itself: order_version_mismatch" in capsys.readouterr().out


def windows(profits: list[float]) -> dict[str, Any]:
    tally = Tally()
    for at, profit in enumerate(profits):
        tally.windows[0, at] = WindowTold(slug=f"w{at}", open_s=at, settled=True, fills=1, profit_usd=profit)
    return summary_of(tally, rows(World, 1), END_NS, mode=MODE)


@given(st.lists(st.floats(-500.0, 500.0), max_size=12))
def test_an_interval_is_given_only_where_there_are_windows_enough(profits: list[float]) -> None:
    profit = windows(profits)["profit"]
    assert profit["total_usd"] == pytest.approx(sum(profits))
    assert (profit["low_usd"] is not None) == (len(profits) >= WINDOWS_FOR_INTERVAL)
    if profit["low_usd"] is not None:
        assert profit["low_usd"] <= profit["mean_usd"] + 1e-9 and profit["mean_usd"] <= profit["high_usd"] + 1e-9


def test_a_profit_that_may_be_chance_is_called_so() -> None:
    assert folded(headline(windows([100.0, -90.0, 40.0, -30.0, 60.0]))) == snapshot("""\

5 windows settled, 5 traded: +$80.00 of simulated money after $0.00 of fees, a window +$16.00 with 95 %
interval -$40.00 .. +$72.00 (zero lies inside: no edge is shown).
""")
    assert folded(headline(windows([10.0, 11.0, 9.0, 12.0, 10.0]))) == snapshot("""\

5 windows settled, 5 traded: +$52.00 of simulated money after $0.00 of fees, a window +$10.40 with 95 %
interval +$9.60 .. +$11.40.
""")
    assert folded(headline(windows([10.0, 11.0]))) == snapshot("""\

2 windows settled, 2 traded: +$21.00 of simulated money after $0.00 of fees; so few windows say nothing about
an edge.
""")
    assert folded(headline(windows([]))) == snapshot("""\

0 windows settled, 0 traded: nothing was made or lost.
""")


def test_why_the_desk_stood_aside_is_counted_by_gate() -> None:
    tally = Tally()
    given: NDArray[Any] = rows(Mandate, 3)
    given["gate_code"][:2], given["reason_code"][:2] = Gate.SIGNAL, Reason.EDGE_THIN
    tally.mandates(given)
    desk = summary_of(tally, rows(World, 1), END_NS, mode=MODE)["desk"]
    assert (desk["runs"], desk["allowed"]) == (3, 1)
    assert desk["stood_aside"] == [{"gate": "signal", "why": "the edge after costs is too thin", "count": 2}]


def test_the_same_values_go_to_machines_and_to_people(capsys: pytest.CaptureFixture[str]) -> None:  # long: a picture
    story, tally = settled(Token.UP)
    heard(tally, story, Kind.ORDER_CHANGED, code_id=OrderState.REJECTED, flags_mask=Reject.POST_ONLY_MODE)
    glance = evening()
    values = told(
        story, tally, health=glance.health, latency=glance.latency, counts=glance.counts, digest="1a2b3c",
        replay="updown replay var/demo/journal", notes=["This market does not exist."],
    )  # fmt: skip
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    show_summary(values, say, table)
    lines = [line.rstrip()[:118] for line in capsys.readouterr().out.splitlines()]
    assert "\n" + "\n".join(lines) + "\n" == snapshot("""\


1 window settled, 1 traded: +$249.99 of simulated money after $0.01 of fees; so few windows say nothing about an edge.
No money was at stake: orders went to a simulated market, which a real one need not resemble.

The session
figure                               measured
─────────────────────────────────────────────────────────────────────────────
session                              demo at 20x, 390 s of the session's time
from, to (UTC)                       02:59:00 .. 03:05:30
orders placed, cancels               1, 1
fills as maker, as taker             1, 0
matches that FAILED later            0
orders refused                       1 post only mode
cash, USD                            100,000.00 -> 100,249.99
frames, rows                         123,456, 0
conflated, lost, refused             12, 0, 0
rows that the core could not apply   0
journal rows                         2,345,678
desk's share of one core             31 %
run hash                             1a2b3c

Windows
window                     outcome   strike, USD   final, USD   fills   shares   fees, USD   profit after fees
─────────────────────────────────────────────────────────────────────────────────────────────────────────────────
btc-updown-5m-1792638000   UP         100,000.00   100,051.20       1   500.00        0.01            +$249.99

The desk ran 0 times and allowed something 0 times.

Latency, real time
stage                 p50       p99   budget   p99      samples
───────────────────────────────────────────────────────────────
ingestion          1.2 ms    9.0 ms   100 ms   within       912
queue               40 us    1.2 ms                         912
signal             200 us    3.0 ms   200 ms   within       912
desk               8.0 ms   50.0 ms                         912
execution          2.2 ms    710 ms   500 ms   OVER         912
tick to accepted   3.0 ms   20.0 ms    1.0 s   within       912

Feeds
feed                at the end   frames   connections   reconnects   lost   last fault
────────────────────────────────────────────────────────────────────────────────────────────
polymarket market   up            9,912             1            0      0
bybit               stale           120             2            1      0   no frame for 3 s

This market does not exist.

journal  var/demo/journal
again    updown replay var/demo/journal
""")


@given(st.binary(min_size=EVENT.itemsize, max_size=EVENT.itemsize))
def test_no_row_whatever_breaks_the_tally(raw: bytes) -> None:
    tally = Tally()
    tally.rows(rows(World, 1), np.frombuffer(raw, EVENT))
    json.dumps(summary_of(tally, rows(World, 1), END_NS, mode=MODE), allow_nan=False)
