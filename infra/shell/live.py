"""Live sessions put together: live, demo, paper and record are the same parts with other doors and addresses."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.bus.kafka_tail import KafkaTail
from infra.clock import monotonic_ns
from infra.hedge.hedge_watch import HedgeWatch
from infra.ingest.bus_frames import FED, TOPICS, BusFrames
from infra.ledger.ledger_book import DEPOSITED, LedgerBook
from infra.ledger.session_books import session_books
from infra.ledger.watching import BooksWatch
from infra.plain_memory import SPANS, slug_of
from infra.shell.core import COMMAND, Core
from infra.shell.desk_process import DeskProcess
from infra.shell.ending import see_pulled, still_halted, stopped_by_signals, wind_down
from infra.shell.face import Face
from infra.shell.gate_start import gate_from
from infra.shell.hedging import hedge_of
from infra.shell.kill import KillSwitch, PaperKill, kill_switch
from infra.shell.market_leases import MarketLeases
from infra.shell.paper import PaperVenue
from infra.shell.parts import begin_part
from infra.shell.payouts import payouts, resume_merges, witness_of
from infra.shell.plan import Plan, about_of, is_killed, lift, signer_of
from infra.shell.ports import Door, News
from infra.shell.pulse import Pulse
from infra.shell.restart import Start, ended_orders, hold_journal, resume, start_from
from infra.shell.retuning import Retuning
from infra.shell.session import Session
from infra.shell.shell import Shell
from infra.streams.endpoints import EVERY, PRIVATE
from infra.streams.intake import Intake
from infra.streams.streams import Streams
from infra.venues.credentials import Credentials
from infra.venues.gate import Gate
from infra.venues.gateway import Gateway
from infra.venues.heartbeat import Heartbeat
from infra.venues.rest import Rest, patiently
from infra.venues.settling import Settling
from state.events import EVENT
from state.units import NS_PER_S
from state.world import Phase

Rows = NDArray[Any]

WATCH_S: Final = 0.05


class NotNextDoor(Exception):
    """A rehearsal was to send orders to a server that is not on this machine; none is sent, whatever the key."""


async def live(plan: Plan, face: Face) -> None:
    """Live one session to its end; the face has the summary afterwards.

    Raises:
        NotNextDoor: a demo's addresses lead off this machine.
        JournalForeign, JournalDamaged, JournalBusy: the folder cannot be gone on with.
        CredentialsRefused: the venue gives us no keys.
        NoAnswer: it does not answer, or does not say what the account holds.
        BusAway, BusRefused: the bus that is to feed it cannot be used.
        LedgerDiffers, LedgerForeign, LedgerBusy, LedgerAway: the books beside the journal cannot be gone on with.
        HedgeRefused: the hedge that is wanted does not fit this session.
        DayUnknown: what other sessions of the wallet lost today is not known.
    """
    if plan.mode == "demo" and (abroad := plan.addresses.abroad()):
        where = f"{abroad[0]} = {getattr(plan.addresses, abroad[0])}"
        raise NotNextDoor(f"{where}: a demo sends orders to this machine only; take the file of `updown venue --write`")
    assert (plan.mode == "live") == (plan.arming is not None), "a live session, and no other, has to be armed"
    records = plan.mode == "record"
    if not records:
        hold_journal(plan.folder, about_of(plan))
    start = None if records else start_from(plan.folder, plan.params, plan.cash_micros)
    orders = start is not None and plan.mode in ("demo", "live")
    gate = gate_from(plan.folder, start.played, plan.params, plan.clock.now_ns()) if start and orders else None
    if gate is not None and plan.arming is not None:
        gate.disarm()  # what was armed before this start is not armed now
    session = Session(plan.folder, created_ns=plan.clock.now_ns(), code=plan.code)
    session.orders_leave = orders
    try:
        async with AsyncExitStack() as stack:
            opened = session_books(session, plan.folder, plan.ledger_dsn)
            books = await stack.enter_async_context(opened) if start is not None else None
            if plan.wallet_books is not None:
                plan.wallet_books.enrol()
            await _live(plan, face, session, start, books, gate)
    finally:
        session.close()


async def _live(
    plan: Plan, face: Face, session: Session, start: Start | None, books: LedgerBook | None, gate: Gate | None
) -> None:
    intake = Intake(plan.clock)
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        desk = await asyncio.to_thread(stack.enter_context(DeskProcess()).ready) if start is not None else None
        gateway, keys, rest = await stack.enter_async_context(_account(plan, intake, lambda: shell, gate))
        door, news = _door(plan, gateway)
        hedge = _hedge(plan, start, gateway, lambda: shell)
        heard = (face, witness_of(session, plan.clock, lambda: shell))
        shell = Shell(
            clock=plan.clock, intake=intake, session=session, core=start.core if start is not None else None,
            desk=desk, door=door, news=news, prepare=gateway.prepare if gateway is not None else None,
            watchers=heard if hedge is None else (*heard, hedge), keep_frames=plan.keep_frames,
            hear_first=gateway.hear if gateway is not None else None,
        )  # fmt: skip
        stack.callback(shell.close)
        face.begin(shell, hedge)
        frames, leases = await _fed(plan, intake, stack), _leases(plan, intake, shell, face)
        wires = (EVERY if keys is not None else EVERY - PRIVATE) - (FED if frames is not None else frozenset())
        async with Streams(
            plan.addresses, plan.clock, intake, keys, wires=wires, seed=plan.seed, windows_to=leases,
            beside=frames.lives if frames is not None else None,
        ) as streams:  # fmt: skip
            face.streams = streams
            _begin(plan, shell, session, start, gateway, streams)
            _tell_of_before(plan, shell, face, gateway)
            if gateway is not None and rest is not None:
                switch = await stack.enter_async_context(_kill_switch(plan, shell, gateway, rest))
                if plan.mode == "demo" and not switch.why and is_killed(shell):
                    switch.lift()  # the file was taken away while nobody ran, and nobody has to arm play money
            retuning = _retuning(plan, shell, face, start, gate)
            watch = _books_watch(shell, books, rest, gateway, start)
            if watch is not None:
                await watch.begin()
            settling = await _settling(plan, stack, shell, books, gateway, rest, start)
            lives = [face.look(), _watch(plan, shell, gateway, stop)]
            parts = (
                gateway, settling, watch, hedge, plan.arming, retuning, _paper_kill(plan, shell), frames, leases,
                Pulse(plan.store, shell, face),
            )  # fmt: skip
            lives += [part.run() for part in parts if part is not None]
            tasks = [begin_part(shell, life) for life in lives]
            try:
                with stopped_by_signals(stop):
                    await shell.run(stop)
                await wind_down(shell, gateway)
                if gateway is not None and rest is not None:
                    face.left = await see_pulled(shell, gateway, rest)
                if watch is not None:
                    await watch.hold()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                if hedge is not None:
                    await hedge.end()


async def _fed(plan: Plan, intake: Intake, stack: AsyncExitStack) -> BusFrames | None:
    """Stand at the end of the bus that feeds this session, if one does; only parts that run read from it."""
    if plan.feeds_from is None:
        return None
    tail = await asyncio.to_thread(KafkaTail, plan.feeds_from, TOPICS)
    stack.callback(tail.close)
    return BusFrames(tail, plan.clock, intake)


def _leases(plan: Plan, intake: Intake, shell: Shell, face: Face) -> MarketLeases | None:
    if not plan.shares_windows:
        return None
    assert plan.store is not None, "desks that share windows share a store"
    return MarketLeases(
        plan.store, f"{socket.gethostname()}:{os.getpid()}", plan.clock, intake.put, tell=face.tell,
        is_known=lambda each: shell.core is not None
        and shell.core.slot_of(each.open_ns, each.asset, each.close_ns - each.open_ns) >= 0,
    )  # fmt: skip


async def _settling(
    plan: Plan, stack: AsyncExitStack, shell: Shell, books: LedgerBook | None, gateway: Gateway | None,
    rest: Rest | None, start: Start | None,
) -> Settling | None:  # fmt: skip
    """Open what fetches payouts and merges sets; None where nothing is ours to fetch."""
    who = plan.identity or plan.key
    if books is None or gateway is None or rest is None or who is None:
        return None
    opened = payouts(plan.addresses, shell, books, rest, who, plan.wallet)
    settling = await stack.enter_async_context(opened)
    gateway.merger = settling.merge
    if start is not None:
        resume_merges(settling, gateway, start)
    return settling


def _hedge(
    plan: Plan, start: Start | None, gateway: Gateway | None, shell: Callable[[], Shell]
) -> HedgeWatch | None:  # fmt: skip
    def armed() -> bool:
        is_killed = gateway is not None and gateway.is_killed()
        return not is_killed and (plan.arming is None or plan.arming.armed is not None)

    return hedge_of(
        plan.hedge, plan.hedge_keys, plan.addresses, plan.clock, start, mode=plan.mode, shell=shell, armed=armed
    )


def _tell_of_before(plan: Plan, shell: Shell, face: Face, gateway: Gateway | None) -> None:
    """Tell core, gate and people what still holds of earlier sessions: the wallet's day, a halt; none is armed."""
    if plan.wallet_books is not None:
        elsewhere = plan.wallet_books.elsewhere(plan.clock.now_ns())
        shell.tell(elsewhere.row())
        if elsewhere.undecided_micros:
            face.tell(elsewhere.words)  # the row itself is told as any other
    if shell.core is not None and shell.halted_why:
        face.tell(still_halted(plan.mode, plan.folder, shell.halted_why))
    if plan.arming is not None:
        plan.arming.observe(shell, gateway)


@asynccontextmanager
async def _account(
    plan: Plan, intake: Intake, shell: Callable[[], Shell], gate: Gate | None
) -> AsyncIterator[tuple[Gateway | None, Credentials | None, Rest | None]]:
    """Open the account at the venue that the plan's key stands for: who posts orders, keys for streams, its REST."""
    if plan.identity is None and plan.key is None:
        yield None, None, None
        return
    signer = signer_of(plan)
    rest = Rest(plan.addresses.clob, plan.clock, signer, None)
    await patiently(rest.open)
    try:
        keys = await patiently(rest.derive)
        if plan.mode not in ("demo", "live"):
            yield None, keys, None
            return
        rest.safe = lambda: shell().session.safe()
        gateway = Gateway(
            rest, plan.clock, signer, intake,
            recorded=lambda order_id, order_hash: shell().session.note(
                {"order": order_id, "hash": order_hash}, plan.clock.now_ns()
            ),
            answered=lambda order_id, sent_ns, answered_ns: shell().answered(order_id, sent_ns, answered_ns),
            halted=lambda why: shell().halt(why), gate=gate,
            noted=lambda note: shell().session.note(note, plan.clock.now_ns()), store=plan.store,
        )  # fmt: skip
        heart = begin_part(shell, Heartbeat(rest, plan.clock, lambda: gateway.is_killed()).run())
        try:
            yield gateway, keys, rest
        finally:
            heart.cancel()
            await asyncio.gather(heart, return_exceptions=True)
            await gateway.close()
    finally:
        await rest.close()


def _retuning(plan: Plan, shell: Shell, face: Face, start: Start | None, gate: Gate | None) -> Retuning | None:
    if start is None:
        return None
    notes = start.played.notes if start.played is not None else []
    face.retuning = Retuning(shell, plan.retune, plan.params, notes, gate, face.tell)
    face.retuning.begin()
    return face.retuning


def _books_watch(
    shell: Shell, books: LedgerBook | None, rest: Rest | None, gateway: Gateway | None, start: Start | None
) -> BooksWatch | None:
    if books is None or start is None:
        return None
    played = start.played
    # A session that ended before its books were opened has claimed nothing: it is as good as new.
    goes_on = played is not None and (bool(played.placed) or any(DEPOSITED in note for note in played.notes))
    return BooksWatch(books, shell, rest, gateway, goes_on=goes_on or (rest is None and played is not None))


def _kill_switch(
    plan: Plan, shell: Shell, gateway: Gateway, rest: Rest
) -> AbstractAsyncContextManager[KillSwitch]:  # fmt: skip
    """Give the switch that stops this session; lifting it lets a rehearsal trade again, which nobody has to arm."""

    def lifted() -> None:
        if plan.mode == "demo":
            lift(plan, shell)

    switch = KillSwitch(
        plan.folder, gateway, rest, shell.halt, lifted, lambda note: shell.session.note(note, plan.clock.now_ns())
    )
    return kill_switch(
        switch, plan.folder, begin=partial(begin_part, shell), address=signer_of(plan).address,
        mode=plan.mode, addresses=plan.addresses, clock=plan.clock, wallet=plan.wallet,
        signature_type=int(rest.signature_type), key=plan.key,
    )  # fmt: skip


def _paper_kill(plan: Plan, shell: Shell) -> PaperKill | None:
    if plan.mode != "paper":
        return None
    return PaperKill(plan.folder, shell.halt, partial(lift, plan, shell), is_killed=is_killed(shell))


def _door(plan: Plan, gateway: Gateway | None) -> tuple[Door | None, News | None]:
    if gateway is not None:
        return gateway, gateway
    if plan.mode == "paper":
        return PaperVenue(plan.seed, plan.cash_micros), None
    return None, None


def _begin(
    plan: Plan, shell: Shell, session: Session, start: Start | None, gateway: Gateway | None, streams: Streams
) -> None:
    now_ns = plan.clock.now_ns()
    about = {"speed_ratio": plan.clock.speed_ratio, "seed": plan.seed, "code": plan.code, **about_of(plan)}
    if start is None:
        session.note({"recording": 1, "about": about}, now_ns)
        return
    if start.played is None:
        session.begin(start.core, about, now_ns)
        return
    resume(shell, session, start.played, now_ns)
    if plan.resume and plan.mode != "live" and shell.halted_why:
        session.note({"resumed": shell.halted_why}, now_ns)
        lift(plan, shell)
    if gateway is not None:
        placed = np.frombuffer(bytearray(b"".join(start.played.placed)), COMMAND)
        told = np.concatenate(start.played.told) if start.played.told else np.zeros(0, EVENT)
        gateway.remember(placed, told)
    else:
        shell.tell(ended_orders(start.core))
    for slug in unsettled(start.core):
        streams.follow(slug)


def unsettled(core: Core) -> list[str]:
    """Name the windows that the core still waits for, so that their ends are asked for after a restart."""
    markets = core.worlds["markets"][0]
    waited = markets[np.isin(markets["phase_code"], (Phase.OPEN, Phase.CLOSED))]
    return [slug_of(market) for market in waited if int(market["close_ns"] - market["open_ns"]) // NS_PER_S in SPANS]


async def _watch(plan: Plan, shell: Shell, gateway: Gateway | None, stop: asyncio.Event) -> None:
    """Say when the session is over: enough windows, enough time, or a fault of ours in the gateway."""
    began_ns = monotonic_ns()
    while not stop.is_set():
        await asyncio.sleep(WATCH_S)
        if gateway is not None and gateway.fault is not None:
            shell.fault = gateway.fault
        if plan.windows and shell.counts.windows_settled >= plan.windows:
            stop.set()
        if plan.seconds and monotonic_ns() - began_ns >= plan.seconds * NS_PER_S:
            stop.set()
