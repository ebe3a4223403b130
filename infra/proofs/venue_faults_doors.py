"""Rows about who we are and whether we may: walls, versions, wallets, keys, a second engine, approvals, secrets."""

import asyncio
import logging
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from infra.doctor.account import judge_wallet, look_at_signing
from infra.doctor.chain import look_at_allowances, stands
from infra.doctor.check import Check, State
from infra.doctor.golden import VECTORS
from infra.doctor.market import find_market, judge_market
from infra.doctor.place import look_at_geoblock, look_at_version
from infra.journal.blocks import EntryKind
from infra.journal.reader import entries
from infra.proofs.fault_days import Seen
from infra.proofs.venue_faults_desks import HandDesk, key_of
from infra.proofs.venue_faults_orders import CLIENTS
from infra.proofs.venue_faults_stage import ADDRESSES, Stage
from infra.proofs.venue_faults_table import Row, by_hand, demand, filled, freed, rest, take, users_of
from infra.shell.lease import Lease, LeaseHeld
from infra.venue_next_door.chain_state import chain_of
from infra.venue_next_door.faults import Fault
from infra.venues.heartbeat import Heartbeat
from infra.venues.secrets import Identity
from infra.venues.signing import LocalKey, SignatureType, Signer
from infra.version import ROOT


def _refused(check: Check, words: str) -> str:
    """Hold that the doctor refuses, for the reason that was brought about; gives its line."""
    demand(check.state is State.REFUSED and words in check.words, f"the doctor refuses ({words}), not {check.line}")
    return check.words


async def _halts(stage: Stage, desk: HandDesk, order: int) -> str:
    """Wait until an order is refused for good, and hold that no other leaves after it; gives why."""
    await stage.heard(desk, order, "REJECTED (FAILED)")
    await stage.until(lambda: bool(desk.gateway.halt_why), "it says why nothing leaves any more")
    return await _stays_halted(stage, desk)


async def _stays_halted(stage: Stage, desk: HandDesk) -> str:
    posted = desk.counted("posted")
    late = desk.place(stage.window, 500, 40)
    await stage.heard(desk, late, "REJECTED (FAILED)")
    demand(desk.counted("posted") == posted, "no order leaves any more")
    demand(bool(desk.noted("halted")), "the halt stands in the journal")
    return desk.gateway.halt_why


async def _wall(stage: Stage, desk: HandDesk) -> Seen:
    """Row 13."""
    resting = rest(stage, desk)
    await stage.heard(desk, resting, "RESTING")
    with stage.on(Fault.CLOUDFLARE, "/order"):
        why = await _halts(stage, desk, rest(stage, desk))
    pages = desk.rest.count("POST", "/order", 403)
    demand(pages == 1, f"one order met the wall, not {pages}")
    desk.cancel(stage.window, resting)
    await stage.heard(desk, resting, "DONE")
    with stage.on(Fault.GEOBLOCKED):
        line = _refused(await stage.asked(look_at_geoblock(stage.questions(), ADDRESSES)), "not allowed from US")
    return Seen(
        "a wall of HTML with 403 stood before orders; asked from where we are, the venue said blocked",
        f"halted after {pages} order: {why}; what rested was cancelled all the same; before a start the doctor says "
        f"`{line}`",
    )


async def _other_version(stage: Stage, desk: HandDesk) -> Seen:
    """Row 15."""
    with stage.on(Fault.VERSION_MISMATCH, "/order"):
        first = await _halts(stage, desk, rest(stage, desk))
    demand(desk.rest.count("POST", "/order", 400) == 1, "the venue refused one order")
    with stage.on(Fault.VERSION_MISMATCH, "", 3.0):
        line = _refused(await stage.asked(look_at_version(stage.questions(), ADDRESSES)), "speaks version 3")
        async with stage.desk("other") as other:
            await stage.until(lambda: bool(other.gateway.halt_why), "the version is looked at from the start", 5.0)
            await _stays_halted(stage, other)
            demand(other.counted("posted") == 0, "no order of its ever left")
    with stage.on(Fault.MARKET_VERSION, "", 9.0):
        await stage.pause(15.0)  # what the catalogue remembers of before is gone
        found = await stage.asked(find_market(stage.questions(), ADDRESSES, stage.clock))
    market = _refused(judge_market(found), "ORDER_VERSION")
    return Seen(
        "orders were refused with order_version_mismatch; /version said 3; a market said v9",
        f"halted at the first refusal ({first}); a desk that starts then halts before its first order; the doctor: "
        f"`{line}`, `{market.split(': ')[-1]}`",
    )


async def _wrong_wallet(stage: Stage, desk: HandDesk) -> Seen:
    """Row 16."""
    right = desk.signer
    proxy = Signer(key_of("desk"), right.wallet, SignatureType.PROXY)
    there = len(desk.account.orders)
    async with stage.desk("desk", signer=proxy) as wrong:
        why = await _halts(stage, wrong, rest(stage, wrong))
        demand(wrong.rest.count("POST", "/order", 400) == 1, "the venue refused one order")
    demand(len(desk.account.orders) == there, "the venue took none")
    identity = Identity(LocalKey(key_of("desk")), right.wallet, right.signature_type, "a test")
    with stage.on(Fault.NOT_DEPLOYED):
        there_is = await stage.asked(stands(stage.questions(), ADDRESSES, right.wallet))
        line = _refused(judge_wallet(identity, there_is), "nothing stands at that address")
    return Seen(
        "an order in the name of a proxy wallet was refused: use the deposit wallet flow; then no wallet was deployed",
        f"halted at the first one: {why}; before a start the doctor says `{line.split(': ')[-1]}`",
    )


async def _wrong_signature(stage: Stage, desk: HandDesk) -> Seen:
    """Row 25."""
    there = len(desk.account.orders)
    thief = Signer(key_of("somebody else"), desk.signer.wallet, SignatureType.DEPOSIT_WALLET)
    async with stage.desk("wrong", signer=thief, keys_of=desk.signer) as wrong:
        why = await _halts(stage, wrong, rest(stage, wrong))
        words = wrong.rest.count("POST", "/order", 400)
    demand(words == 1 and len(desk.account.orders) == there, "the venue refused one order and took none")
    good = look_at_signing()
    demand(good.state is State.READY, f"our own signatures are the golden ones: {good.line}")
    line = _refused(look_at_signing(("signature, deposit wallet",)), "signature, deposit wallet")
    return Seen(
        "an order signed by another key than the wallet's was refused: invalid signature",
        f"halted at the first one: {why}; before a start {len(VECTORS)} golden vectors are reckoned anew, and one that "
        f"differs is refused (`{line.split(': ')[0]}`)",
    )


async def _two_engines(stage: Stage, desk: HandDesk) -> Seen:
    """Row 26."""
    leases, address = stage.folder / "leases", desk.signer.address
    with Lease.take(leases, address, now_ns=1, journal="first"):
        try:
            Lease.take(leases, address, now_ns=2, journal="second").release()
            words = ""
        except LeaseHeld as held:
            words = str(held)
    demand("one engine per key" in words, "the second engine of this machine is refused")
    ours = rest(stage, desk)
    await stage.heard(desk, ours, "RESTING")
    async with stage.desk("desk") as second:  # as from another machine, whose leases nobody here sees
        hearts = [Heartbeat(each.rest, stage.clock) for each in (desk, second)]
        beats = [asyncio.create_task(heart.run()) for heart in hearts]
        await stage.pause(21.0)
        theirs = rest(stage, second, 7)
        await stage.heard(second, theirs, "RESTING")
        await stage.until(lambda: desk.counted("unknown orders cancelled") > 0, "the stranger is found", 40.0)
        await stage.heard(second, theirs, "DONE", 40.0)
        fought = min(heart.repaired_count for heart in hearts)
        demand(fought > 0 and all(heart.accepted_count > 1 for heart in hearts), "both beat, and fight over the id")
        await stage.heard(desk, ours, "DONE", 40.0)  # the other does not know it, and pulls it
        again = rest(stage, desk)
        await stage.heard(desk, again, "RESTING")
        await stage.asked(second.gateway.cancel_all())
        all_s = await stage.heard(desk, again, "DONE", 5.0)
        for beat in beats:
            beat.cancel()
        await asyncio.gather(*beats, return_exceptions=True)
    demand(not desk.gateway.halt_why, "it goes on")
    return Seen(
        "a second engine ran with the same key: it beat, placed an order, pulled ours, which it did not know, and "
        "cancelled everything",
        f"on this machine it is refused (`{words.split(':')[0]}`); one from elsewhere: the heartbeat's id was repaired "
        f"({fought} times at least on each side), its unknown order was found and pulled; that our own were "
        f"cancelled was heard ({all_s:.2f} s after the last) and booked",
    )


async def _approvals(stage: Stage, desk: HandDesk) -> Seen:
    """Row 31."""
    chain = chain_of(stage.engine)
    with stage.on(Fault.NO_ALLOWANCE):
        order = take(stage, desk)
        await stage.heard(desk, order, "REJECTED (NOT_ENOUGH_BALANCE)")
        demand(desk.rest.count("POST", "/order", 400) == 1, "the venue refused it")
        await stage.pause(20.0)
        wallet = desk.signer.wallet
        check = await stage.asked(look_at_allowances(stage.questions(), ADDRESSES, wallet, 2, None, 1))
        line = _refused(check, "missing: to buy")
    sent = len(chain.receipts) + len(chain.nonces)
    demand(sent == 0, f"the wallet sent nothing to the chain, not {sent}")
    users = users_of(*CLIENTS)
    demand(not users, f"no file of a live session imports a client that approves by itself: {users}")
    await freed(stage, desk)
    again = take(stage, desk)
    await stage.heard(desk, again, "DONE")
    return Seen(
        "no spender had an allowance, so orders were refused for want of it",
        f"refused (NOT_ENOUGH_BALANCE), waited, and approved nothing by itself: {sent} transactions on the chain, no "
        f"file of a session imports a client that would; the doctor says `{line.split(' (')[0]}`; with the allowance "
        f"back {filled(desk, again):g} shares were taken",
    )


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """Keep everything that is logged meanwhile, however unimportant."""
    lines: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.name} {record.getMessage()} {record.exc_info or ''}")

    ear, root = Ear(logging.DEBUG), logging.getLogger()
    before = root.level
    root.addHandler(ear)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.setLevel(before)
        root.removeHandler(ear)


def written(folder: Path) -> bytes:
    """Give all that a desk has written, journal unpacked."""
    raw = b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
    told = b"".join(entry.data for entry in entries(folder, torn_ok=True) if entry.kind is EntryKind.NOTE)
    return raw + told


async def _secrets(stage: Stage, desk: HandDesk) -> Seen:
    """Row 36."""
    keys = desk.rest.credentials
    assert keys is not None, "a desk on the stage has credentials"
    with _overheard() as lines, stage.on(Fault.UNAUTHORIZED, "/order"):
        first = rest(stage, desk)
        await stage.heard(desk, first, "REJECTED")
        await freed(stage, desk)
        why = await _halts(stage, desk, rest(stage, desk))
        logging.getLogger("updown").warning("%r %r %r", keys, desk.signer, desk.rest)
    refused = desk.rest.count("POST", "/order", 401)
    demand(refused == 2, f"the venue refused two orders, not {refused}")
    await desk.journal.safe()
    told = written(desk.folder) + "\n".join(lines).encode()
    marks = [note["hash"] for note in desk.noted("hash")]
    demand(bool(marks) and all(mark.encode() in told for mark in marks), "the search finds what is written down")
    secret = {"key": key_of("desk"), "secret": keys.secret, "passphrase": keys.passphrase}
    leaks = [name for name, each in secret.items() if each.reveal().removeprefix("0x").encode() in told]
    demand(not leaks, f"no secret is written or logged: {', '.join(leaks)}")
    pinned, loose = pins(ROOT / "uv.lock")
    demand(pinned > 50 and not loose, f"every package is pinned by hash: {', '.join(loose)}")
    return Seen(
        "the venue refused our credentials twice, while everything that the desk wrote and logged was kept",
        f"derived them once more, then halted ({why.split(':')[0]}); in {len(told):,} bytes of journal, books and log "
        f"lines stands neither key nor secret nor passphrase ({len(marks)} order hashes are found by the same search); "
        f"{pinned} packages of the lock file are pinned by hash, all from one registry",
    )


def pins(lock: Path) -> tuple[int, list[str]]:
    """Count the packages of a lock file that are pinned by hash and come from the public registry; name the others."""
    pinned, loose = 0, []
    for package in tomllib.loads(lock.read_text(encoding="utf-8"))["package"]:
        source = package["source"]
        if "editable" in source or "virtual" in source:
            continue
        files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ())]
        hashed = bool(files) and all(each.get("hash", "").startswith("sha256:") for each in files)
        if hashed and source.get("registry") == "https://pypi.org/simple":
            pinned += 1
        else:
            loose.append(package["name"])
    return pinned, loose


DOOR_ROWS: Final = (
    Row(13, "bot wall or geoblock", by_hand(_wall)),
    Row(15, "orders of another version", by_hand(_other_version)),
    Row(16, "wrong kind of wallet", by_hand(_wrong_wallet)),
    Row(25, "wrong key for the wallet", by_hand(_wrong_signature)),
    Row(26, "two engines, one key", by_hand(_two_engines)),
    Row(31, "approvals nobody asked for", by_hand(_approvals)),
    Row(36, "secrets in logs, packages unpinned", by_hand(_secrets)),
)
