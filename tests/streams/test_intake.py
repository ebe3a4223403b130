"""The intake: bounded, in order, and whatever it gives up it counts and tells."""

import asyncio
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from stream_play import clock_at, line

from infra.clock import WALL
from infra.feeds.frames import Wire
from infra.streams.intake import Arrived, Intake, What

TOP = b'{"u":%d,"s":"%s","b":"1","B":"2","a":"3","A":"4"}'
TRADE = b'{"e":"aggTrade","E":1,"s":"BTCUSDT","a":%d,"p":"1","q":"1","T":1,"m":true}'


def frame(wire: Wire, raw: bytes, seen_ns: int = 0, connection: int = 1) -> Arrived:
    return Arrived(What.FRAME, wire, connection, seen_ns, raw)


def test_in_quiet_times_everything_comes_out_as_it_went_in() -> None:
    intake = Intake(WALL)
    put = [frame(Wire.BINANCE_SPOT, TOP % (number, b"BTCUSDT"), number) for number in range(1000)]
    for each in put:
        intake.put(each)
    assert intake.depth == 1000
    assert intake.drain(300) + intake.drain(10_000) == put
    assert (intake.depth, intake.deepest, intake.conflated.total(), intake.lost.total()) == (0, 1000, 0, 0)


def test_in_a_crowd_newer_best_prices_stand_for_older_and_trades_are_kept() -> None:
    intake = Intake(WALL, crowded=8, full=100)
    for number in range(4):
        intake.put(frame(Wire.BINANCE_SPOT, TOP % (number, b"BTCUSDT")))
        intake.put(frame(Wire.BINANCE_SPOT, TRADE % number))
    intake.put(frame(Wire.BINANCE_SPOT, TOP % (9, b"ETHUSDT")))
    told = [each.raw for each in intake.drain(100)]
    trades = [TRADE % number for number in range(4)]
    assert told == [*trades[:3], TOP % (3, b"BTCUSDT"), trades[3], TOP % (9, b"ETHUSDT")]
    assert intake.conflated == {Wire.BINANCE_SPOT: 3} and not intake.lost


def test_books_that_must_go_are_told_as_one_gap_and_somebody_is_asked_for_new_ones() -> None:
    intake = Intake(WALL, crowded=4, full=10)
    asked: list[Wire] = []
    intake.on_loss = asked.append
    intake.put(Arrived(What.CONNECTED, Wire.POLYMARKET_MARKET, 3, 1))
    for number in range(7):
        intake.put(frame(Wire.POLYMARKET_MARKET, b'{"event_type":"price_change"}', 10 + number, 3))
    intake.put(frame(Wire.POLYMARKET_USER, b'{"event_type":"order"}', 20))
    intake.put(frame(Wire.OKX, b'{"arg":{"channel":"trades"}}', 21))
    intake.put(frame(Wire.OKX, b'{"arg":{"channel":"trades"}}', 22))
    assert [line(each) for each in intake.drain(100)] == [
        "polymarket_market 3: connected",
        "polymarket_market 3: gap (7 frames dropped: more came than could be taken in)",
        'polymarket_user 1: {"event_type":"order"}',
        'okx 1: {"arg":{"channel":"trades"}}',
        'okx 1: {"arg":{"channel":"trades"}}',
    ]
    assert asked == [Wire.POLYMARKET_MARKET] and intake.lost == {Wire.POLYMARKET_MARKET: 7}


SAID = {
    Wire.BINANCE_SPOT: lambda n: TOP % (n, b"BTCUSDT"),
    Wire.BYBIT: lambda n: b'{"topic":"orderbook.1.BTCUSDT","type":"snapshot","ts":%d}' % n,
    Wire.OKX: lambda n: b'{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"ts":"%d"}]}' % n,
    Wire.COINBASE_EXCHANGE: lambda n: b'{"type":"ticker","sequence":%d,"product_id":"BTC-USD","price":"1"}' % n,
    Wire.GAMMA: lambda n: b'{"id":"%d","slug":"btc-updown-5m-1792638000"}' % n,
    Wire.POLYMARKET_MARKET: lambda n: b'{"event_type":"price_change","timestamp":"%d"}' % n,
    Wire.POLYMARKET_USER: lambda n: b'{"event_type":"trade","id":"%d"}' % n,
    Wire.POLYBOLT: lambda n: b'{"channel":"price.crypto.twap","seq":%d}' % n,
}
TOPS = {Wire.BINANCE_SPOT, Wire.BYBIT, Wire.OKX, Wire.COINBASE_EXCHANGE, Wire.GAMMA}


@given(
    st.lists(st.one_of(st.sampled_from([*SAID]), st.just(What.LISTED), st.integers(1, 12)), max_size=300),
    st.integers(2, 10),
    st.integers(1, 20),
)
def test_nothing_is_lost_in_silence(acts: list[Wire | What | int], crowded: int, more: int) -> None:
    """Acts: a frame of a wire comes, a window is listed, or some things are drained."""
    intake = Intake(WALL, crowded=crowded, full=crowded + more)
    put: list[Arrived] = []
    taken: list[Arrived] = []
    for number, act in enumerate(acts):
        if isinstance(act, Wire):
            put.append(frame(act, SAID[act](number), number))
            intake.put(put[-1])
        elif isinstance(act, What):
            put.append(Arrived(What.LISTED, Wire.GAMMA, 0, number))
            intake.put(put[-1])
        else:
            taken += intake.drain(act)
    taken += intake.drain(10_000)
    gaps = [each for each in taken if each.what is What.GAP]
    kept = [each for each in taken if each.what is not What.GAP]
    order = {id(each): place for place, each in enumerate(put)}
    assert [order[id(each)] for each in kept] == sorted(order[id(each)] for each in kept), "order is kept"
    assert [each for each in kept if each.what is What.LISTED] == [each for each in put if each.what is What.LISTED]
    frames_in, frames_out = (Counter(each.wire for each in some if each.what is What.FRAME) for some in (put, kept))
    for wire in SAID:
        assert frames_in[wire] == frames_out[wire] + intake.conflated[wire] + intake.lost[wire], wire
        assert bool(intake.lost[wire]) == any(gap.wire is wire for gap in gaps), "a loss is a gap, a gap is a loss"
        if wire not in TOPS:
            assert intake.conflated[wire] == 0
    assert [each.seen_ns for each in taken] == sorted(each.seen_ns for each in taken), "time does not step back"


def test_waiting_ends_with_the_first_arrival_or_at_the_stated_time() -> None:
    async def told() -> tuple[bool, int]:
        clock = clock_at(0, 60.0)
        intake = Intake(clock)
        until_ns = clock.now_ns() + 3 * 10**9
        await intake.wait(until_ns)
        nothing_came = clock.now_ns() >= until_ns - 10**7 and intake.depth == 0
        asyncio.get_running_loop().call_later(0.01, intake.put, frame(Wire.OKX, b"{}"))
        await intake.wait(clock.now_ns() + 10**15)
        return nothing_came, intake.depth

    assert asyncio.run(told()) == (True, 1)
