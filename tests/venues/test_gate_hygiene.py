"""What goes wrong for real bots, at the order path's edge (venue reference 8, rows 5, 6, 22, 24, 30 and 31).

Rows 3, 4, 14, 15 and 23 are told in `test_gateway_faults.py`, `test_gateway.py` and `test_gate_door.py`.
"""

import ast
import asyncio
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import pytest
from gateway_desk import Desk, a_desk
from hypothesis import given
from hypothesis import strategies as st

from infra.venue_next_door.faults import Fault
from infra.venues.repricing import REST_MOST_NS, Repricing
from infra.version import ROOT
from state.events import Side, Token
from state.orders import TimeInForce
from state.units import MICROS, NS_PER_S

pytestmark = pytest.mark.rehearsal

FAK = TimeInForce.FAK
CLIENTS = ("py_clob_client", "py_clob_client_v2", "polymarket")


def told(story: Callable[[Desk], Coroutine[Any, Any, None]], speed: float = 20.0) -> None:
    async def run() -> None:
        async with a_desk(speed=speed) as desk:
            await story(desk)

    asyncio.run(run())


def test_row_5_a_phantom_lock_that_lasts_frees_the_market_and_calls_somebody() -> None:
    """Back off, let the venue look again; when that does not help, pull the market's orders and raise an alarm."""

    async def story(desk: Desk) -> None:
        notes: list[dict[str, Any]] = []
        desk.gateway._noted = notes.append
        desk.place("0.40", 10)
        await desk.until("order 1: RESTING")
        desk.venue.on(Fault.PHANTOM_LOCK, 1e9)
        desk.place("0.41", 10)
        await desk.until("order 2: REJECTED, 0 open (NOT_ENOUGH_BALANCE)")
        await desk.until_true(lambda: desk.gateway.counts["balances refreshed"] == 1, "the venue looked again")
        assert not notes and "order 1: DONE, 0 open (CANCELLED)" not in desk.words
        throttle, clock = desk.gateway.throttle, desk.venue.clock
        first_ns = throttle.pause_until_ns
        await desk.until_true(lambda: clock.now_ns() > first_ns, "the pause is over")
        desk.place("0.42", 10)
        await desk.until("order 3: REJECTED, 0 open (NOT_ENOUGH_BALANCE)")
        await desk.until("order 1: DONE, 0 open (CANCELLED)")
        assert [note["alarm"].split(":")[0] for note in notes] == [
            "the venue sees too little balance for order 3, 2 times in a row, also after it looked again"
        ]
        desk.venue.faults.clear()
        await desk.until_true(lambda: clock.now_ns() > throttle.pause_until_ns, "the longer pause is over")
        desk.place("0.43", 10)
        await desk.until("order 4: RESTING")

    told(story)


def test_row_6_a_sale_that_the_venue_finds_no_shares_for_lets_it_look_at_those_shares_again() -> None:
    """A sale soon after a purchase is refused while the venue's cache does not know of the shares.

    Next door such a sale is refused only when nothing was bought; the refusal and what follows are the same.
    """

    async def story(desk: Desk) -> None:
        asked: list[str] = []
        call = desk.rest.call

        async def seen(method: str, path: str, **named: Any) -> Any:
            asked.append(f"{method} {path}?{named.get('query', '')}")
            return await call(method, path, **named)

        desk.rest.call = seen  # type: ignore[method-assign]
        desk.place("0.48", 10, tif=FAK, side=Side.SELL)
        await desk.until("order 1: REJECTED, 0 open (NOT_ENOUGH_BALANCE)")
        await desk.until_true(lambda: desk.gateway.counts["balances refreshed"] == 1, "asked to look at the shares")
        token_id, kind = desk.listing.up_token, int(desk.rest.signature_type)
        asks = f"asset_type=CONDITIONAL&token_id={token_id}&signature_type={kind}"
        assert f"GET /balance-allowance/update?{asks}" in asked
        desk.place("0.48", 10, tif=FAK, side=Side.SELL)
        await desk.until("order 2: REJECTED, 0 open (NOT_ENOUGH_BALANCE)")
        assert desk.gateway.counts["posted"] == 1, "no spinning"

    told(story)


def test_row_22_a_post_only_order_that_would_cross_is_repriced_once_and_then_rests() -> None:
    async def story(desk: Desk) -> None:
        desk.place("0.53", 10)
        await desk.until("order 1: REJECTED, 0 open (POST_ONLY_WOULD_CROSS)")
        desk.place("0.52", 10)
        await desk.until("order 2: REJECTED, 0 open (POST_ONLY_WOULD_CROSS)")
        desk.place("0.45", 10)
        desk.place("0.45", 10, token=Token.DOWN)
        await desk.until("order 4: RESTING")
        assert "order 3: REJECTED, 0 open (POST_ONLY_WOULD_CROSS)" in desk.words, "its token rests, the other does not"
        assert desk.gateway.counts["posted"] == 3
        await desk.venue.clock.sleep(NS_PER_S)
        desk.place("0.45", 10)
        await desk.until("order 5: RESTING")
        assert not desk.halts, "all of this is normal"

    told(story, speed=5.0)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3 * NS_PER_S)), max_size=40))
def test_row_22_a_chase_is_never_quicker_than_its_rests(steps: list[tuple[bool, int]]) -> None:
    """Whatever crosses when: after the free attempt attempts are spaced, rests are bounded, a success ends them."""
    repricing, now_ns = Repricing(), 0
    tried_ns: list[int] = []
    for stays, pause_ns in steps:
        now_ns += pause_ns
        if repricing.must_wait("up", now_ns):
            continue
        if stays:
            repricing.rested("up")
            tried_ns = []
            assert not repricing.must_wait("up", now_ns)
        else:
            repricing.crossed("up", now_ns)
            tried_ns.append(now_ns)
            assert not repricing.must_wait("up", now_ns + REST_MOST_NS)
        spans = [later - earlier for earlier, later in pairwise(tried_ns[1:])]
        assert all(span >= min(NS_PER_S // 2 << at, REST_MOST_NS) for at, span in enumerate(spans))


def test_row_24_a_cancel_of_what_is_finished_looks_into_the_trades() -> None:
    async def story(desk: Desk) -> None:
        desk.deaf = True
        desk.place("0.49", 6)
        await desk.until("order 1: RESTING")
        account = desk.venue.engine.accounts[desk.gateway.news.api_key]
        await desk.until_true(lambda: not any(order.is_open for order in account.orders.values()), "filled, unheard")
        desk.cancel(1)
        await desk.until("order 1: DONE")
        assert "order 1: filled buy 4 UP at 0.49 as maker" in desk.words
        assert desk.position() == (6 * MICROS, 0, 2_940_000, 0)

    told(story)


def test_rows_30_and_31_no_order_leaves_by_a_clients_own_poster() -> None:
    """Their `place_*` approve without being asked, and their posting may wait half a minute for hashes."""
    found = []
    for folder in ("infra/venues", "infra/shell", "infra/streams", "infra/feeds", "graph", "agents"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                found += [f"{file.name}: {name}" for name in names if name.split(".")[0] in CLIENTS]
                call = node.func if isinstance(node, ast.Call) else None
                if isinstance(call, ast.Attribute) and call.attr.startswith(("place_", "create_and_post")):
                    found.append(f"{file.name}: {call.attr}")
    assert not found, "the order path signs and posts by itself"
