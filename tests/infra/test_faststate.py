"""The fast state: rates that hold, leases that fence, values that no late holder overwrites."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sessions import Hand

from infra.faststate import InProcess, Rate
from state.units import NS_PER_S

HOUR = 3600 * NS_PER_S


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


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


def test_a_lease_has_one_holder_and_each_new_one_a_higher_fence() -> None:
    async def story() -> None:
        clock = Hand(HOUR)
        store = InProcess(clock)
        first = await store.lease("engine", "one", 10 * NS_PER_S)
        assert first is not None and first.fence == 1
        assert await store.lease("engine", "two", NS_PER_S) is None
        again = await store.lease("engine", "one", 20 * NS_PER_S)
        assert again is not None and (again.fence, again.until_ns) == (1, HOUR + 20 * NS_PER_S)
        clock.at_ns += 20 * NS_PER_S
        second = await store.lease("engine", "two", 10 * NS_PER_S)
        assert second is not None and second.fence == 2
        assert not await store.release(first), "it is another's now"
        assert await store.release(second)
        third = await store.lease("engine", "one", 10 * NS_PER_S)
        assert third is not None and third.fence == 3

    run(story())


def test_who_slept_past_his_lease_changes_nothing_on_waking() -> None:
    async def story() -> None:
        clock = Hand(HOUR)
        store = InProcess(clock)
        assert await store.last("state") is None
        first = await store.lease("engine", "one", 10 * NS_PER_S)
        assert first is not None and await store.put("state", b"of one", first)
        clock.at_ns += 11 * NS_PER_S
        assert not await store.put("state", b"late", first), "over, though nobody else has come"
        second = await store.lease("engine", "two", 10 * NS_PER_S)
        assert second is not None and await store.put("state", b"of two", second)
        assert not await store.put("state", b"late", first)
        assert not await store.put("state", b"of nobody")
        assert await store.last("state") == b"of two"
        assert await store.put("other", b"anybody's")

    run(story())
