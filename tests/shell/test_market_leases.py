"""Windows shared out among desks: each is one desk's, by a lease; what is open is left to whoever had it."""

import asyncio
from collections.abc import Iterator

import pytest
from fast_stores import OneProcess, Shared, shared
from sessions import Hand

from infra.fast_state.port import FastState, Held
from infra.feeds.frames import Wire
from infra.feeds.listings import Listing
from infra.shell.market_leases import SPAN_MS, MarketLeases
from infra.streams.intake import Arrived, What
from state.events import Asset
from state.units import NS_PER_S

OPEN_S = 1_792_573_200
SPAN_S = 300


def listing(number: int = 0) -> Listing:
    open_s = OPEN_S + number * SPAN_S
    return Listing(
        condition_id=f"0x{number}", slug=f"btc-updown-5m-{open_s}", asset=Asset.BTC, open_ns=open_s * NS_PER_S,
        span_s=SPAN_S, up_token="1", down_token="2", tick_bps=100, min_micros=5_000_000,
    )  # fmt: skip


def told(what: What, window: Listing) -> Arrived:
    return Arrived(what, Wire.GAMMA, 0, 0, listing=window)


class Desk:
    """A desk's leases, and what they let through."""

    def __init__(self, store: FastState, holder: str, clock: Hand, known: tuple[str, ...] = ()) -> None:
        self.through: list[str] = []
        self.said: list[str] = []
        self.leases = MarketLeases(
            store, holder, clock, self._take, is_known=lambda each: each.slug in known, tell=self.said.append
        )

    def _take(self, arrived: Arrived) -> None:
        assert arrived.listing is not None
        self.through.append(f"{arrived.what.name.lower()} {arrived.listing.open_ns // NS_PER_S - OPEN_S}")

    def hears(self, what: What, window: Listing) -> None:
        self.leases.put(told(what, window))


async def live(*desks: Desk, for_s: float) -> None:
    """Let desks ask and renew for a while of real time."""
    tasks = [asyncio.create_task(desk.leases.run()) for desk in desks]
    await asyncio.sleep(for_s)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with shared(tmp_path_factory.mktemp("redis")) as stage:
        yield stage


def test_a_window_is_one_desks_and_windows_are_shared_out_evenly(redis: Shared) -> None:
    clock = Hand((OPEN_S - 900) * NS_PER_S)
    first, second = Desk(redis.door("first"), "first", clock), Desk(redis.door("second"), "second", clock)

    async def story() -> None:
        for number in range(4):
            for desk in (first, second):
                desk.hears(What.LISTED, listing(number))
        await live(first, second, for_s=4.0)

    asyncio.run(story())
    assert sorted(first.through + second.through) == ["listed 0", "listed 300", "listed 600", "listed 900"]
    assert len(first.through) == len(second.through) == 2


def test_what_another_holds_is_asked_for_until_it_opens_and_then_left(redis: Shared) -> None:
    clock = Hand((OPEN_S - 900) * NS_PER_S)
    window = listing(100)
    other = redis.door("holder")
    held = other.acquire(f"market:{window.slug}", "holder", 60_000)
    assert isinstance(held, Held)
    desk = Desk(redis.door("asker"), "asker", clock)
    desk.hears(What.LISTED, window)
    asyncio.run(live(desk, for_s=0.7))
    assert desk.through == [] and desk.said == []
    clock.at_ns = window.open_ns
    asyncio.run(live(desk, for_s=0.4))
    assert desk.through == [] and desk.leases.elsewhere_count == 1
    assert desk.said == [f"{window.slug} is left to others: another holds it: holder"]


def test_when_the_holder_dies_another_desk_takes_what_has_not_opened(redis: Shared) -> None:
    clock = Hand((OPEN_S - 900) * NS_PER_S)
    window = listing(200)
    held = redis.door("dead").acquire(f"market:{window.slug}", "dead", 1_000)  # it is never renewed
    assert isinstance(held, Held)
    desk = Desk(redis.door("heir"), "heir", clock)
    desk.hears(What.LISTED, window)
    asyncio.run(live(desk, for_s=2.5))
    assert desk.through == [f"listed {200 * SPAN_S}"]


def test_a_window_that_the_core_knows_is_followed_whoever_holds_it() -> None:
    stage, window = OneProcess(), listing()
    stage.door("").acquire(f"market:{window.slug}", "other", 60_000)
    desk = Desk(stage.door(""), "us", Hand(window.open_ns + 1), known=(window.slug,))
    desk.hears(What.LISTED, window)
    assert desk.through == ["listed 0"]


def test_a_lease_that_is_lost_before_the_window_opens_takes_it_away_and_after_that_does_not() -> None:
    stage = OneProcess()
    clock = Hand((OPEN_S - 10) * NS_PER_S)
    desk, early, late = Desk(stage.door(""), "us", clock), listing(), listing(-1)
    late_desk = Desk(stage.door(""), "them", Hand(late.open_ns - NS_PER_S))
    desk.hears(What.LISTED, early)
    late_desk.hears(What.LISTED, late)

    async def story() -> None:
        await live_on(desk, late_desk)
        stage.pass_ms(SPAN_MS + 1)  # both leases run out, as when a machine sleeps
        for window in (early, late):
            assert isinstance(stage.store.acquire(f"market:{window.slug}", "thief", 60_000), Held)
        late_desk.leases.clock.at_ns = late.open_ns  # type: ignore[attr-defined]
        for each in (desk, late_desk):
            each.leases._renewed_ns = 0
        await live_on(desk, late_desk)

    async def live_on(*desks: Desk) -> None:
        for each in desks:
            await each.leases._ask()
            await each.leases._renew()

    asyncio.run(story())
    assert desk.through == ["listed 0", "unlisted 0"] and "is given up before it opens" in desk.said[0]
    assert late_desk.through == ["listed -300"], "nobody takes a window that is open"
