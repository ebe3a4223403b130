"""The fast state: rates that hold."""

from hypothesis import given
from hypothesis import strategies as st
from sessions import Hand

from infra.fast_state.in_process import InProcess
from infra.fast_state.port import Rate
from state.units import NS_PER_S

HOUR = 3600 * NS_PER_S


@given(
    st.lists(st.tuples(st.integers(-NS_PER_S, 3 * NS_PER_S), st.integers(1, 9)), max_size=60),
    st.integers(1, 50),
    st.integers(1, 50),
)
def test_no_span_has_more_than_the_burst_and_its_share(steps: list[tuple[int, int]], per_s: int, burst: int) -> None:
    """Also when the clock is set back in between."""
    clock = Hand(HOUR)
    store, taken = InProcess(clock), []
    latest = clock.at_ns
    for span_ns, tokens in steps:
        clock.at_ns += span_ns
        latest = max(latest, clock.at_ns)
        if store.take("orders", Rate(per_s, burst), tokens):
            taken.append((latest, tokens))
    for from_ns, _ in taken:
        for until_ns, _ in taken:
            if until_ns >= from_ns:
                count = sum(tokens for at_ns, tokens in taken if from_ns <= at_ns <= until_ns)
                assert count <= burst + per_s * (until_ns - from_ns) / NS_PER_S + 1e-6


def test_buckets_are_apart_and_take_all_or_nothing() -> None:
    store = InProcess(Hand(HOUR))
    rate = Rate(1.0, 5.0)
    assert [store.take("a", rate, 3), store.take("a", rate, 3), store.take("a", rate, 2)] == [True, False, True]
    assert store.take("b", rate, 5)
