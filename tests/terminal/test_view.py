"""The live screen as text, at the sizes that people have."""

from dataclasses import replace
from io import BytesIO, StringIO, TextIOWrapper

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from rich.console import Console
from terminal_glances import evening

from infra.terminal.glance import Glance, Mode
from infra.terminal.view import draw


def text(glance: Glance, width: int, height: int, **how: bool) -> str:
    console = Console(width=width, height=height, color_system=None, record=True, file=StringIO())
    console.print(draw(glance, width, height, **how), end="")
    return "\n".join(line.rstrip() for line in console.export_text().splitlines())


def test_a_small_terminal_shows_what_matters_most() -> None:
    assert "\n" + text(evening(), 80, 24) + "\n" == snapshot("""\

updown demo 20x  simulated money  03:04:12 UTC
btc-updown-5m-1792638000  closes in 00:48 ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━──────
faults on: silent bybit
╭─ price ──────────────────────────────╮╭─ fair against book ──────────────────╮
│ BTC now    100,061.50 +- 2.25 USD    ││ desk UP    96.2 % [92.1 % .. 98.2 %] │
│ strike     100,000.00  by the venue  ││ fair UP    98.1 %                    │
│ TWAP60 now 100,042.83  +42.83        ││ book UP    92c / 94c  spread 2c      │
│ so far     100,051.20  +51.20  12/6… ││ desk       ······················[●] │
│ expected   100,058.40  +58.40        ││ book       ······················()· │
│ chainlink 100,060.00    0 ms good    ││ mandate    may take UP, quote UP  f… │
│ binance   100,061.00 12.0 ms good    ││ shares           bid       offered   │
│ bybit     100,062.00 24.0 ms STALE   ││ UP      610.5 at 92c  1,204 at 94c   │
╰──────────────────────────────────────╯╰──────────────────────────────────────╯
╭─ simulated money ────────────────────╮╭─ limits ─────────────────────────────╮
│ session    +$17.20  after fees       ││ position         ─── $543 of $50k    │
│ holds      500 UP for $451.40 + $92… ││ windows at risk  ━── 1 of 5          │
│ open       +$48.60  marked at the b… ││ day's loss       ─── $0 of $2,000    │
│ settled    -$31.40  today, 3 windows ││ book rests on     BELOW $8,360 of $… │
╰──────────────────────────────────────╯╰──────────────────────────────────────╯
╭─ last decisions ─────────────────────────────────────────────────────────────╮
│ 03:04:12 #812 may take UP, quote UP  UP 96.2 %  edge 1.4c                    │
╰──────────────────────────────────────────────────────────────────────────────╯
feeds 1/2 well (bybit stale)  p50/p99 ingestion 1.2 ms/9.0 ms, signal 200 us/3.…
journal 2.3M rows 34.0 MB  frames 123,456  conflated 12  lost 0  refused 0  cpu…
""")


def test_a_middling_terminal_adds_latency_feeds_orders_and_the_next_windows() -> None:
    assert "\n" + text(evening(), 120, 40) + "\n" == snapshot("""\

updown demo 20x at the venue next door  simulated money  03:04:12 UTC
btc-updown-5m-1792638000  closes in 00:48 ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━──────────
faults on: silent bybit
╭─ price ──────────────────────────────────────────────────╮╭─ fair against book ──────────────────────────────────────╮
│ BTC now    100,061.50 +- 2.25 USD                        ││ desk UP    96.2 % [92.1 % .. 98.2 %]                     │
│ strike     100,000.00  by the venue                      ││ fair UP    98.1 %  without the book and the agents       │
│ TWAP60 now 100,042.83  +42.83                            ││ book UP    92c / 94c  mid 93c  spread 2c                 │
│ so far     100,051.20  +51.20  12/60 s known             ││ desk       ·········································[●]· │
│ expected   100,058.40  +58.40 +- 9.75                    ││ book       ········································()··· │
│ chainlink  100,060.00  +0.00 bps     0 ms  good          ││ shares           bid       offered      within 4c        │
│ binance    100,061.00  +0.30 bps  12.0 ms  good          ││ UP      610.5 at 92c  1,204 at 94c  5,020 / 12.0k  whole │
│ bybit      100,062.00  +0.60 bps  24.0 ms  STALE         ││ DOWN     1,204 at 6c   610.5 at 8c  12.0k / 5,020  whole │
│ okx        100,063.00  +0.90 bps  36.0 ms  good          ││ rests      $18.4k, tick 1c, book 41.0 ms old             │
│ coinbase   100,064.00  +1.20 bps  48.0 ms  good          ││ mandate    may take UP, quote UP  for 740 ms more        │
│ moves      0.81 bps per root second, feeds 0.40 bps apa… ││                                                          │
╰──────────────────────────────────────────────────────────╯╰──────────────────────────────────────────────────────────╯
╭─ simulated money ────────────────────────────────────────╮╭─ limits ─────────────────────────────────────────────────╮
│ session    +$17.20  after fees                           ││ position         ─────────────────────── $543 of $50k    │
│ holds      500 UP for $451.40 + $92.00 ordered           ││ windows at risk  ━━━━━────────────────── 1 of 5          │
│ open       +$48.60  marked at the bid                    ││ day's loss       ─────────────────────── $0 of $2,000    │
│ settled    -$31.40  today, 3 windows                     ││ book rests on     BELOW                  $8,360 of $10k  │
│ cash       $99,517.20                                    ││                                                          │
│ fees       $3.21  rebates $0.00                          ││                                                          │
╰──────────────────────────────────────────────────────────╯╰──────────────────────────────────────────────────────────╯
╭─ latency, real time ─────────────────────────────────────╮╭─ feeds ──────────────────────────────────────────────────╮
│ stage                p50          p99   budget    n      ││ bybit              STALE    4.1 s    120  1 reconnects … │
│ ingestion         1.2 ms       9.0 ms   100 ms  912      ││ polymarket market  up     41.0 ms  412/s                 │
│ queue              40 us       1.2 ms           912      ││                                                          │
│ signal            200 us       3.0 ms   200 ms  912      ││                                                          │
│ desk              8.0 ms      50.0 ms           912      ││                                                          │
│ execution         2.2 ms  710 ms OVER   500 ms  912      ││                                                          │
│ tick to accepted  3.0 ms      20.0 ms  1000 ms  912      ││                                                          │
╰──────────────────────────────────────────────────────────╯╰──────────────────────────────────────────────────────────╯
╭─ last decisions ─────────────────────────────────────────╮╭─ open orders ────────────────────────────────────────────╮
│ 03:04:12 #812 may take UP, quote UP  UP 96.2 %  edge 1.… ││ 17  buy 100 UP  resting  92c  filled 0  GTC post-only  … │
│ 03:04:11 #811 stand aside at signal  UP 93.0 %  the edg… ││ next windows:                                            │
│                                                          ││ btc-updown-5m-1792638300  in 00:48  book whole           │
│                                                          ││                                                          │
╰──────────────────────────────────────────────────────────╯╰──────────────────────────────────────────────────────────╯
journal 2.3M rows 34.0 MB  frames 123,456  conflated 12  lost 0  refused 0  cpu 31 % of a core  Ctrl-C ends it well
""")


def test_a_wide_terminal_shows_it_all_side_by_side() -> None:
    shown = text(evening(), 180, 50)
    for words in ("what happened", "next windows", "open orders", "last decisions", "moves", "order 17"):
        assert words in shown


def test_nothing_but_ascii_where_the_terminal_knows_no_more() -> None:
    paper = BytesIO()
    console = Console(width=80, height=24, color_system=None, file=TextIOWrapper(paper, encoding="ascii"))
    console.print(draw(evening(), 80, 24, ascii_only=console.options.ascii_only), end="")
    console.file.flush()
    assert b"fair against book" in paper.getvalue()


def test_before_the_first_frame_it_says_what_it_waits_for() -> None:
    shown = text(Glance(now_ns=0), 80, 24)
    assert "waiting for the venue to list one" in shown
    assert "no price feed has spoken yet" in shown


def test_simulated_money_is_always_called_so() -> None:
    for width, height in ((80, 24), (120, 40), (180, 50)):
        assert text(evening(), width, height).count("simulated money") >= 2
    real = replace(evening(), mode=Mode(name="live", money="real"))
    assert "simulated" not in text(real, 120, 40)


def test_what_is_wrong_is_said_in_words_not_only_in_colours() -> None:
    shown = text(evening(), 120, 40)
    assert "STALE" in shown
    assert "710 ms OVER" in shown
    assert "BELOW" in shown
    assert "faults on: silent bybit" in shown
    halted = replace(evening(), stopped="the core was told: halt")
    assert "NO NEW RISK: the core was told: halt" in text(halted, 120, 40)


def test_a_feed_in_trouble_comes_first_and_one_that_stands_by_is_none() -> None:
    glance = evening()
    health = [replace(glance.health[0], wire=f"feed_{number}") for number in range(12)]
    health += [
        replace(glance.health[0], wire="rtds", state="idle"),
        replace(glance.health[1], wire="okx", state="down"),
    ]
    assert "okx" in text(replace(glance, health=tuple(health)), 120, 40)
    assert "feeds 13/14 well (okx down)" in text(replace(glance, health=tuple(health)), 80, 24)


def test_a_provisional_strike_says_so() -> None:
    glance = evening()
    assert glance.window is not None
    window = replace(glance.window, strike_known=False, strike_source="our average")
    assert "100,000.00  our average (provisional)" in text(replace(glance, window=window), 120, 40)


@pytest.mark.parametrize("phase", ["none", "listed", "open", "closed", "settled"])
def test_every_phase_of_a_window_has_its_line(phase: str) -> None:
    glance = evening()
    assert glance.window is not None
    window = replace(glance.window, phase=phase, outcome="UP" if phase == "settled" else "")
    lines = {
        "listed": "opens in -04:12", "settled": "settled UP", "open": "closes in 00:48", "closed": "closes in 00:48",
        "none": "closes in 00:48",
    }  # fmt: skip
    assert lines[phase] in text(replace(glance, window=window), 80, 24)


@given(st.integers(20, 260), st.integers(4, 90))
def test_no_size_of_a_terminal_breaks_it_or_is_overrun(width: int, height: int) -> None:
    lines = text(evening(), width, height).splitlines()
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
