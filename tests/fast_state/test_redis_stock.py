"""What is in hand of a shared rate: granted by the store, or, while it is away, our share of it and no more."""

from hypothesis import given
from hypothesis import strategies as st

from infra.fast_state.port import Rate
from infra.fast_state.redis_stock import LIFE_MS, Stock
from state.units import NS_PER_MS, NS_PER_S

RATE = Rate(per_s=20.0, burst=20.0)
LIFE_NS = LIFE_MS * NS_PER_MS
HOUR = 3600 * NS_PER_S


def taken(stock: Stock, now_ns: int, tries: int = 50) -> int:
    return sum(stock.take(1.0, now_ns) for _ in range(tries))


def test_nothing_is_in_hand_before_the_store_was_asked() -> None:
    stock = Stock(RATE, share=0.5)
    assert taken(stock, HOUR) == taken(stock, 2 * HOUR) == 0


def test_what_was_granted_is_to_be_had_and_does_not_grow() -> None:
    stock = Stock(RATE, share=0.5)
    assert stock.report(HOUR) == 0.0
    stock.granted(7.0)
    assert (stock.is_low, taken(stock, HOUR), taken(stock, 2 * HOUR)) == (True, 7, 0)


def test_the_store_goes_away_and_our_share_begins_when_it_must_have_noticed() -> None:
    stock = Stock(RATE, share=0.5)
    stock.granted(3.0)
    stock.lost(HOUR)
    assert taken(stock, HOUR) == 3, "what is in hand may be spent at any time"
    assert taken(stock, HOUR + LIFE_NS) == 0
    assert taken(stock, HOUR + LIFE_NS + NS_PER_S // 2) == 5
    assert taken(stock, HOUR + LIFE_NS + 60 * NS_PER_S) == 10, "half of the burst"


def test_a_store_that_fails_again_and_again_does_not_stop_our_share() -> None:
    stock = Stock(RATE, share=0.5)
    count = 0
    for step in range(100):
        now_ns = HOUR + step * NS_PER_S // 2
        stock.report(now_ns)
        stock.lost(now_ns)
        count += taken(stock, now_ns)
    assert count in range(470, 500)


def test_what_came_by_itself_while_the_store_was_asked_is_not_had_twice() -> None:
    stock = Stock(RATE, share=0.5)
    stock.lost(HOUR)
    asked_ns = HOUR + LIFE_NS + NS_PER_S // 10
    assert stock.report(asked_ns) == 1.0
    assert taken(stock, asked_ns + 60 * NS_PER_S) == 1
    stock.granted(4.0)
    assert taken(stock, asked_ns + 120 * NS_PER_S) == 4


@given(st.lists(st.tuples(st.integers(0, 3 * NS_PER_S), st.sampled_from(["lost", "take", "report"])), max_size=80))
def test_alone_no_span_has_more_than_our_part_of_the_burst_and_the_rate(steps: list[tuple[int, str]]) -> None:
    stock, now_ns, took = Stock(RATE, share=0.25), HOUR, []
    for span_ns, what in steps:
        now_ns += span_ns
        if what == "lost":
            stock.lost(now_ns)
        elif what == "report":
            stock.report(now_ns)
            stock.lost(now_ns)
        else:
            took += [now_ns] * taken(stock, now_ns)
    for at, from_ns in enumerate(took):
        for count, until_ns in enumerate(took[at:], 1):
            assert count <= 5.0 + 5.0 * (until_ns - from_ns) / NS_PER_S + 1e-6
