"""The proof of kill points: killed with -9 at random instants, over and over, a desk loses nothing and repeats nothing.

Several lives share one journal and one account; the last of them is left to end in order, and then desk and venue are
held against each other. A life is killed while it trades: some time after the venue has had its first order. Lives are
forked from a process that has loaded everything, for loading takes most of a short life; the last one of a journal is
started from nothing, as an operator would.
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
from infra.proofs import demo_latency
from infra.proofs.nursery import Nursery
from infra.proofs.rehearsals import Desk, Progress, RehearsalFailed, orders_at, replayed, state_of, venue
from infra.venue_next_door.files import VenueFile

NAME: Final = "kill-points"
CLAIM: Final = "killed at 200 random instants of a busy run, the desk sends no order twice and loses no fill"
KILLS: Final = 200
LIVES: Final = 10
"""Kills of one journal before its desk may end in order; each life plays the whole journal again before it begins."""
LANES: Final = 2
"""Journals at once: a desk in one and a desk in the other wait for different things."""
SPEED: Final = 20.0
UP_S: Final = 60.0
LIVES_S: Final = (0.05, 1.5)
"""So long a life goes on after its first order, or after it has been up for a while."""
QUIET_S: Final = 8.0
"""A life that has sent no order for so long is killed all the same, and was not busy."""
LOOK_S: Final = 0.1
EAGER: Final = (
    *(word for word in demo_latency.EAGER if not word.startswith(("may_quote", "cooldown"))),
    "quote_edge_bps=10", "keep_edge_bps=0", "cooldown_ns=0", "requote_ns=50000000",
)  # fmt: skip
"""A desk that believes its own fair value alone and takes again and again: some ten orders a second."""


@dataclass(frozen=True, slots=True)
class Lane:
    """What one journal with its lives came to."""

    kills: int
    open_at_kill: int
    """Kills at which the venue had open orders of ours."""
    busy: int
    """Lives that had sent an order of their own before they were killed."""
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
        try:
            lanes = [job.result() for job in jobs]
        finally:  # one that failed must not let the others go on for half an hour before that is told
            pool.shutdown(wait=False, cancel_futures=True)
    return judged(lanes, kills)


def _lane(scratch: Path, kills: int, seed: int, tick: Callable[[], None]) -> Lane:
    scratch.mkdir()
    chance = np.random.default_rng([seed, 11])
    journal, open_at_kill, busy = scratch / "journal", 0, 0
    more = [word for change in EAGER for word in ("--set", change)]
    with (
        venue(scratch, market="demo", speed=SPEED, windows=kills * 2 + 12, seed=seed) as (file, place),
        Nursery(scratch / "nursery.err") as nursery,
    ):
        for life in range(kills):
            desk = Desk(file, journal, name=f"life-{life}", more=["--windows", "0", *more], nursery=nursery)
            try:
                busy += _trades(desk, place)
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
    return Lane(
        kills, open_at_kill, busy, account["orders_count"], account["trades_count"], _broken(journal, told, state)
    )


def _trades(desk: Desk, place: VenueFile) -> bool:
    """Wait until a life has sent an order of its own, or has been up without one for a while; says which."""
    before = orders_at(place)
    began, up_at = time.monotonic(), 0.0
    while time.monotonic() - began < UP_S:
        if desk.is_over:
            raise RehearsalFailed(f"a desk ended by itself: {desk.said.with_suffix('.err').read_text()[-300:]}")
        state = state_of(place)
        if sum(int(account["orders_count"]) for account in state["accounts"]) > before:
            return True
        if not up_at and any(line["wire"] == "polymarket_user" for line in state["connections"]):
            up_at = time.monotonic()
        if up_at and time.monotonic() - up_at > QUIET_S:
            return False
        time.sleep(LOOK_S)
    raise RehearsalFailed(f"a desk was not up after {UP_S:.0f} s")


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


def judged(lanes: list[Lane], wanted: int = KILLS) -> Proof:
    """Add the lanes up; fewer kills than `KILLS` prove nothing, however many were wanted."""
    kills, trading = sum(lane.kills for lane in lanes), sum(lane.open_at_kill for lane in lanes)
    busy, half = sum(lane.busy for lane in lanes), wanted / 2
    broken = [(number, law) for number, lane in enumerate(lanes, 1) for law in lane.broken]
    figures = (
        Figure(name="lives ended with kill -9", measured=kills, bar=f">= {KILLS}", holds=kills >= KILLS),
        Figure(name="of these that had sent orders", measured=busy, bar=f">= {half:.0f}", holds=busy >= half),
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
