"""The proof of kill points: killed with -9 at random instants, over and over, a desk loses nothing and repeats nothing.

Several lives share one journal and one account; the last of them is left to end in order, and then desk and venue are
held against each other. A life is killed while it trades: some time after the venue has seen its first request.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np

from evals.proof import Figure, Proof
from infra.journal.reader import read_notes
from infra.proofs.rehearsals import Desk, Progress, RehearsalFailed, replayed, state_of, venue
from infra.venue_next_door.files import VenueFile

NAME: Final = "kill-points"
CLAIM: Final = "killed at 200 random instants of a busy run, the desk sends no order twice and loses no fill"
KILLS: Final = 200
LIVES: Final = 20
"""Kills of one journal before its desk may end in order."""
LANES: Final = 2
"""Journals at once: a desk in one and a desk in the other wait for different things."""
SPEED: Final = 20.0
UP_S: Final = 60.0
LIVES_S: Final = (0.3, 3.0)
"""So long a life goes on after its first order, or after it has been up for a while."""
QUIET_S: Final = 4.0
"""A life that has sent no order for so long is killed all the same."""
EAGER: Final = ("take_edge_bps=10", "quote_edge_bps=10", "keep_edge_bps=0", "requote_ns=50000000", "cooldown_ns=0")


@dataclass(frozen=True, slots=True)
class Lane:
    """What one journal with its lives came to."""

    kills: int
    open_at_kill: int
    """Kills at which the venue had open orders of ours."""
    orders: int
    trades: int
    broken: tuple[str, ...]


def prove_kill_points(_: Path | None, progress: Progress, *, kills: int = KILLS, lives: int = LIVES) -> Proof:
    """Kill desks until so many have died, and hold each journal against its venue."""
    done, lock = Counter[str](), Lock()

    def tick() -> None:
        with lock:
            done["kills"] += 1
            progress(done["kills"], kills)

    counts = [min(lives, kills - start) for start in range(0, kills, lives)]
    with tempfile.TemporaryDirectory(prefix="updown-kills-") as home, ThreadPoolExecutor(LANES) as pool:
        jobs = [pool.submit(_lane, Path(home) / str(seed), count, seed, tick) for seed, count in enumerate(counts, 1)]
        lanes = [job.result() for job in jobs]
    return judged(lanes)


def _lane(scratch: Path, kills: int, seed: int, tick: Callable[[], None]) -> Lane:
    scratch.mkdir()
    chance = np.random.default_rng([seed, 11])
    journal, open_at_kill = scratch / "journal", 0
    more = [word for change in EAGER for word in ("--set", change)]
    with venue(scratch, market="demo", speed=SPEED, windows=kills * 2 + 12, seed=seed) as (file, place):
        for life in range(kills):
            desk = Desk(file, journal, name=f"life-{life}", more=["--windows", "0", *more])
            try:
                _trades(desk, place)
                time.sleep(float(chance.uniform(*LIVES_S)))
            finally:
                desk.kill()
                desk.close()
            open_at_kill += any(account["orders"] for account in state_of(place)["accounts"])
            tick()
        last = Desk(file, journal, name="last", more=["--windows", "2", *more])
        try:
            told = last.wait(lambda: None, 300.0)
        finally:
            last.close()
        state = state_of(place)
    account = state["accounts"][0]
    return Lane(kills, open_at_kill, account["orders_count"], account["trades_count"], _broken(journal, told, state))


def _trades(desk: Desk, place: VenueFile) -> None:
    """Wait until a life has sent an order of its own, or has been up without one for a while."""
    before = _orders(place)
    began, up_at = time.monotonic(), 0.0
    while time.monotonic() - began < UP_S:
        if desk.is_over:
            raise RehearsalFailed(f"a desk ended by itself: {desk.said.with_suffix('.err').read_text()[-300:]}")
        if _orders(place) > before:
            return
        if not up_at and any(line["wire"] == "polymarket_user" for line in state_of(place)["connections"]):
            up_at = time.monotonic()
        if up_at and time.monotonic() - up_at > QUIET_S:
            return
        time.sleep(0.05)
    raise RehearsalFailed(f"a desk was not up after {UP_S:.0f} s")


def _orders(place: VenueFile) -> int:
    return sum(int(account["orders_count"]) for account in state_of(place)["accounts"])


def _broken(journal: Path, told: dict[str, Any], state: dict[str, Any]) -> tuple[str, ...]:
    """Name the laws that do not hold between a journal, the summary of its last life, and the venue."""
    broken = []
    account = state["accounts"][0]
    if len(state["accounts"]) != 1:
        broken.append(f"the desk came with {len(state['accounts'])} accounts")
    sent = Counter(note["order"] for note in read_notes(journal) if "hash" in note)
    hashes = Counter(note["hash"] for note in read_notes(journal) if "hash" in note)
    twice = [order for order, count in sent.items() if count > 1] + [each for each, n in hashes.items() if n > 1]
    if twice:
        broken.append(f"signed for twice: {twice[:5]}")
    if account["orders_count"] > len(hashes):
        broken.append(f"the venue has {account['orders_count']} orders, the journal knows {len(hashes)}")
    if account["orders"] or told["orders"]["open"]:
        broken.append("orders are open after an end in order")
    ours, theirs = told["cash"]["ended_usd"], account["cash_usd"] + account["redeemable_usd"]
    if abs(ours - theirs) > 1e-6:
        broken.append(f"cash: the desk has ${ours:,.6f}, the venue ${theirs:,.6f}")
    again = replayed(journal)
    if not again["same"] or again["hash_came"] != told["session"]["run_hash"]:
        broken.append(f"the replay differs: {again['difference']}")
    return tuple(broken)


def judged(lanes: list[Lane]) -> Proof:
    """Add the lanes up."""
    kills, trading = sum(lane.kills for lane in lanes), sum(lane.open_at_kill for lane in lanes)
    broken = [(number, law) for number, lane in enumerate(lanes, 1) for law in lane.broken]
    figures = (
        Figure(name="lives ended with kill -9", measured=kills, bar=f">= {KILLS}", holds=kills >= KILLS),
        Figure(name="of these with orders open at the venue", measured=trading, bar="> 0", holds=trading > 0),
        Figure(name="orders that the venue took", measured=sum(lane.orders for lane in lanes), bar="-"),
        Figure(name="trades", measured=sum(lane.trades for lane in lanes), bar="-"),
        Figure(name="journals in which a law broke", measured=len({number for number, _ in broken}),
               bar=f"0 of {len(lanes)}", holds=not broken),
    )  # fmt: skip
    return Proof(
        name=NAME, claim=CLAIM, figures=figures,
        tables={"broken": [{"journal": number, "law": law} for number, law in broken]},
        notes=("laws: no order twice, every order at the venue known to the journal, none open after the end, equal "
               "cash to the micro, the whole journal replays to the hash of its last life",),
    )  # fmt: skip
