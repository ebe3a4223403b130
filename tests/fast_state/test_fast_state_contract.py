"""The contract of the fast state: what holds of one process's own store holds of the one that Redis keeps."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fast_stores import OneProcess, Stage, Taken, over, shared, stages, take, until

from infra.fast_state.port import Done, FastState, Held, Quiet, Rate, Refused, Told, Why

RATE = Rate(per_s=200.0, burst=20.0)


@pytest.fixture(params=stages())
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    if not request.param:
        yield OneProcess()
        return
    with shared(tmp_path) as found:
        yield found


def held(given: Held | Refused) -> Held:
    assert isinstance(given, Held), given
    return given


def _take_all(store: FastState, span_s: float, taken: list[Taken]) -> None:
    limit = time.monotonic() + span_s
    while time.monotonic() < limit:
        taking = take(store, RATE)
        if taking is not None:
            taken.append(taking)
        time.sleep(0.0005)


def test_a_bucket_gives_all_or_nothing_and_comes_back_with_time(stage: Stage) -> None:
    store = stage.door("desk", share=1.0)
    slow = Rate(per_s=10.0, burst=4.0)
    store.expect("orders", slow)
    stage.pass_ms(2_500)
    assert not store.take("orders", slow, 5)
    assert store.take("orders", slow, 4)
    assert not store.take("orders", slow, 4)
    stage.pass_ms(2_500)
    assert store.take("orders", slow, 4)


def test_a_lease_has_one_holder_and_the_late_one_is_refused(stage: Stage) -> None:
    """The first holder stands still for too long; when he comes back, nothing that he writes is taken."""
    one, two = stage.door("one"), stage.door("two")
    first = held(one.acquire("market", "one", 300))
    assert two.acquire("market", "two", 300) == Refused(Why.HELD, "one")
    assert one.write(first, "books", "btc", b"by one") == Done()
    assert one.renew(first, 300) == first

    stage.pass_ms(400)
    assert one.write(first, "books", "btc", b"too late") == Refused(Why.EXPIRED)
    second = held(two.acquire("market", "two", 60_000))
    assert second.fence > first.fence
    assert one.write(first, "books", "btc", b"later still") == Refused(Why.OVERTAKEN, "two")
    assert one.renew(first, 300) == Refused(Why.OVERTAKEN, "two")
    assert one.release(first) == Refused(Why.OVERTAKEN, "two")
    assert two.write(second, "books", "btc", b"by two") == Done()
    assert one.last("books") == {"btc": b"by two"}

    assert two.release(second) == Done()
    third = held(one.acquire("market", "one", 300))
    assert third.fence > second.fence


def test_who_holds_it_may_not_take_it_twice(stage: Stage) -> None:
    """Two parts of one name would both believe that they hold it."""
    store = stage.door("one")
    held(store.acquire("market", "one", 60_000))
    assert store.acquire("market", "one", 60_000) == Refused(Why.HELD, "one")


def test_who_listens_hears_the_last_values_and_then_what_is_told(stage: Stage) -> None:
    desk, screen = stage.door("desk"), stage.door("screen")
    desk.tell("glance", "cash", b"100")
    desk.tell("glance", "p_up", b"0.5")
    until(lambda: screen.last("glance") == {"cash": b"100", "p_up": b"0.5"}, "both are kept")
    ear = screen.listen("glance")
    assert {ear.hear(5.0), ear.hear(5.0)} == {Told("cash", b"100"), Told("p_up", b"0.5")}
    assert ear.hear(0.0) == Quiet()
    desk.tell("glance", "p_up", b"0.6\0")
    assert ear.hear(5.0) == Told("p_up", b"0.6\0")
    desk.tell("elsewhere", "p_up", b"0.7")
    assert ear.hear(0.05) == Quiet()
    ear.close()


def test_a_holder_tells_by_writing(stage: Stage) -> None:
    desk = stage.door("desk")
    ear = desk.listen("params")
    assert ear.hear(0.0) == Quiet()
    lease = held(desk.acquire("params", "desk", 60_000))
    assert desk.write(lease, "params", "hash", b"\x01") == Done()
    assert ear.hear(5.0) == Told("hash", b"\x01")


def test_a_store_that_is_well_says_nothing(stage: Stage) -> None:
    store = stage.door("desk")
    assert store.last("nothing was told here") == {}
    assert store.standing().degraded == ""


def test_two_who_share_a_rate_are_never_above_it(tmp_path: Path) -> None:
    """Ten threads at each of two doors take all that they get, for two seconds."""
    with shared(tmp_path) as stage:
        doors = [stage.door("one"), stage.door("two")]
        for door in doors:
            door.expect("orders", RATE)
        time.sleep(2.0)
        by_thread: list[list[Taken]] = [[] for _ in range(20)]
        threads = [threading.Thread(target=_take_all, args=(doors[at % 2], 2.0, by_thread[at])) for at in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert over([each for taken in by_thread for each in taken], RATE) <= 0.0
        assert sum(map(len, by_thread)) > 100, "and they are not starved either"
