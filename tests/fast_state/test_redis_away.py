"""Redis goes away under load: every process goes on with its share, says why, and is back when Redis is."""

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fast_stores import Shared, Taken, over, shared, take, until

from infra.fast_state.port import Rate, Refused, Told, Why
from infra.fast_state.redis_store import CALL_S, RedisStore
from infra.fast_state.settings import place_of
from infra.stack.program import free_port

pytestmark = pytest.mark.rehearsal
RATE = Rate(per_s=100.0, burst=20.0)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Shared]:
    with shared(tmp_path) as found:
        yield found


class Load:
    """Threads that take all they get until told to stop; every taking is kept."""

    def __init__(self, doors: list[RedisStore]) -> None:
        self.taken: list[list[Taken]] = [[] for _ in doors]
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._take, args=(door, at)) for at, door in enumerate(doors)]

    def _take(self, door: RedisStore, at: int) -> None:
        while not self._stop.wait(0.001):
            taking = take(door, RATE)
            if taking is not None:
                self.taken[at].append(taking)

    def since(self, at: int, from_ns: int) -> int:
        return sum(each.before_ns > from_ns for each in self.taken[at])

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_killed_under_load_and_started_again(stage: Shared) -> None:
    doors = [stage.door("one"), stage.door("two")]
    with Load(doors) as load:
        until(lambda: min(map(len, load.taken)) > 20, "both take")
        stage.server.kill()
        until(lambda: all(door.standing().degraded for door in doors), "both are degraded")
        assert "redis at 127.0.0.1" in doors[0].standing().degraded
        away_ns = time.monotonic_ns()
        until(lambda: all(load.since(at, away_ns + 3 * 10**9) > 20 for at in (0, 1)), "both go on with their share")
        refused = doors[0].acquire("market", "one", 1_000)
        assert isinstance(refused, Refused) and refused.why is Why.AWAY
        assert isinstance(doors[0].last("glance"), Refused)
        stage.server.start()
        until(lambda: not any(door.standing().degraded for door in doors), "both are back")
        back_ns = time.monotonic_ns()
        until(lambda: load.since(0, back_ns) + load.since(1, back_ns) > 200, "both take again")
    assert over([each for taken in load.taken for each in taken], RATE) <= 0.0
    assert [bool(each.degraded) for each in stage.changes] in ([True, True, False, False], [True, False] * 2)
    assert [door.standing().outages for door in doors] == [1, 1]


def test_a_server_that_hangs_holds_nobody_up(stage: Shared) -> None:
    """It takes connections and never answers: calls that wait end by the stated time, the others do not wait at all."""
    store = stage.door("one", share=1.0)
    store.expect("orders", RATE)
    until(lambda: store.take("orders", RATE), "it is well")
    assert stage.server.child is not None
    stage.server.child.send_signal(signal.SIGSTOP)
    try:
        with Load([store]) as load:
            began = time.monotonic()
            assert isinstance(store.acquire("market", "one", 1_000), Refused)
            assert isinstance(store.last("glance"), Refused)
            assert time.monotonic() - began < 4 * CALL_S, "two calls"
            until(lambda: bool(store.standing().degraded), "it is degraded")
            away_ns = time.monotonic_ns()
            until(lambda: load.since(0, away_ns + 10**9) > 50, "orders go on")
    finally:
        stage.server.child.send_signal(signal.SIGCONT)
    until(lambda: not store.standing().degraded, "it is back")


def test_nothing_told_while_it_was_away_is_forgotten_but_what_newer_overtook(stage: Shared) -> None:
    desk, screen = stage.door("desk"), stage.door("screen")
    ear = screen.listen("glance")
    desk.tell("glance", "cash", b"1")
    assert ear.hear(5.0) == Told("cash", b"1")
    stage.server.kill()
    until(lambda: bool(desk.standing().degraded), "it is degraded")
    for cash in range(2, 50):
        desk.tell("glance", "cash", b"%d" % cash)
    gone = ear.hear(1.0)
    while gone == Told("cash", b"1"):  # heard as the last value, and as news: who listens may hear a value twice
        gone = ear.hear(1.0)
    assert isinstance(gone, Refused) and gone.why is Why.AWAY
    stage.server.start()
    until(lambda: ear.hear(0.2) == Told("cash", b"49"), "the screen is back")


def test_a_fence_grows_though_redis_forgot_all(stage: Shared) -> None:
    store = stage.door("one")
    before = store.acquire("market", "one", 60_000)
    stage.server.kill()
    stage.server.start()
    until(lambda: not isinstance(store.last("glance"), Refused), "it is back")
    after = store.acquire("market", "two", 60_000)
    assert not isinstance(before, Refused) and not isinstance(after, Refused)
    assert after.fence > before.fence
    assert store.renew(before, 1_000) == Refused(Why.OVERTAKEN, "two")


def test_a_redis_that_never_was_there_leaves_our_share() -> None:
    with RedisStore(place_of(f"redis://:hush-hush@127.0.0.1:{free_port()}", share=0.25), "one") as store:
        store.expect("orders", RATE)
        until(lambda: bool(store.standing().degraded), "it says so")
        assert "hush" not in store.standing().degraded
        until(lambda: store.take("orders", RATE), "a share is to be had")
        time.sleep(1.0)
        assert sum(store.take("orders", RATE) for _ in range(50)) <= RATE.burst * 0.25 + 1
