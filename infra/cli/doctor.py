"""The command `doctor`: what is ready for real money and what is not, in one table."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.core import Changes, ParamsFile, get_ready, read_settings, where
from infra.cli.failures import Exit, Misuse
from infra.cli.speech import AsJson, answer, note, progress, records, say

if TYPE_CHECKING:
    from infra.doctor.doctor import Findings, Visit
    from infra.shell.lease import Lease
    from infra.venues.secrets import Identity

VenueAt = Annotated[
    Path | None, typer.Option("--venue", metavar="FILE", help="What `updown venue --write FILE` wrote: look there.")
]


def doctor(
    venue: VenueAt = None,
    journal: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the session's journal is or will be: room and speed of its disk.")
    ] = Path("var/live"),
    params: ParamsFile = None,
    changes: Changes = None,
    roundtrip: Annotated[
        bool, typer.Option("--roundtrip", help="Then place the smallest order, far from the touch, and cancel it.")
    ] = False,
    spend: Annotated[
        bool, typer.Option("--spend", help="With --roundtrip: also buy for a dollar, at the best price there is.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing before the round trip.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say in one table what is ready to trade with real money.

    Place, clock and version of the venue; rules of a live window against those that are known here; settings against
    the venue's minima; key, signing, credentials, wallet, allowances and funds; the lease; disk, software, every feed.
    The key comes from UPDOWN_PRIVATE_KEY, from this machine's keyring, or from a signer at UPDOWN_SIGNER, and is never
    shown; whose money it spends, from UPDOWN_WALLET and UPDOWN_WALLET_TYPE or [account] of the settings. Exit 1 when
    anything is refused.

    A round trip proves the whole way: some cents rest far from the touch, are seen by REST and on the user channel,
    and are cancelled. It is offered, never done unasked.

    Example: updown doctor --venue var/venue.json --roundtrip --yes
    """
    if (spend or yes) and not roundtrip:
        raise Misuse("--spend and --yes belong to a round trip: add --roundtrip")
    if roundtrip and as_json and not yes:
        raise Misuse("--json cannot ask before it sends an order: add --yes")
    settings = read_settings(params, changes)
    get_ready(whole=False)
    visit = visit_of(venue, params, settings, journal)
    if roundtrip and visit.identity is None:
        raise Misuse(f"a round trip needs a key: {visit.why_no_identity}")
    findings = examined(visit)
    told = told_of(findings)
    if not as_json:
        show(findings)
    if roundtrip and findings.holds:
        if not yes and not _may(findings, spend):
            raise typer.Exit(int(Exit.DONE))
        told["round_trip"] = _round_trip(visit, findings, spend, as_json)
    elif roundtrip:
        note("updown: no round trip while a check is refused")
    if as_json:
        answer(told)
    trip = told.get("round_trip")
    if not findings.holds or (trip is not None and not trip["holds"]):
        raise typer.Exit(int(Exit.DOES_NOT_HOLD))


def visit_of(venue: Path | None, params: Path | None, settings: Any, folder: Path) -> "Visit":
    """Say what is to be looked at: addresses, clock and key as a live session would use them."""
    from infra.doctor.doctor import Visit

    addresses, clock = where(venue, params)
    identity, why = identity_or_why(params)
    return Visit(
        addresses=addresses, clock=clock, params=settings, identity=identity, why_no_identity=why, folder=folder
    )


def identity_or_why(params: Path | None) -> "tuple[Identity | None, str]":
    """Find the key, and the wallet that environment or settings name; or say in one line why there is none."""
    from infra.settings import read_account
    from infra.venues.credentials import KeyMissing
    from infra.venues.secrets import identity_from
    from infra.venues.signing import SignerFailed

    try:
        return identity_from(read_account(params) | os.environ), ""
    except (KeyMissing, SignerFailed) as error:
        return None, str(error)


def examined(visit: "Visit") -> "Findings":
    """Look at everything, with a bar while it takes its seconds."""
    from dataclasses import replace

    import uvloop

    from infra.doctor.doctor import examine

    with progress("looking") as told:
        return uvloop.run(examine(replace(visit, told=told)))


def told_of(findings: "Findings") -> dict[str, Any]:
    """Give what was found as plain values."""
    return {"ready": findings.holds, "checks": [asdict(check) for check in findings.checks]}


def show(findings: "Findings") -> None:
    """Print the table, and what it comes to."""
    from infra.doctor.check import refusals

    records(
        [
            {"check": check.name, "": str(check.state), "found": check.words, "what to do": check.mend}
            for check in findings.checks
        ]
    )
    gone = refusals(findings.checks)
    say()
    say(f"not ready: {len(gone)} refused ({', '.join(check.name for check in gone)})" if gone else "ready to be armed")


def _may(findings: "Findings", spend: bool) -> bool:
    words = "an order of some cents, far from the touch, and its cancel" + (", then a purchase of $1" if spend else "")
    return typer.confirm(f"Send {words}, with {_money(findings)} of this account?", default=False)


def _money(findings: "Findings") -> str:
    return f"the ${findings.cash_micros / 1e6:,.2f}"


def _round_trip(visit: "Visit", findings: "Findings", spend: bool, as_json: bool) -> dict[str, Any]:
    import uvloop

    from infra.doctor.round_trip import go_round

    assert visit.identity is not None and findings.market is not None
    with lease_of(visit, "a round trip"):
        trip = uvloop.run(go_round(visit.addresses, visit.clock, visit.identity, findings.market.listing, spend=spend))
    told = trip.values()
    if not as_json:
        say()
        records(told["steps"], trip.title)
        say()
        say(trip.words)
    return told


def lease_of(visit: "Visit", journal: str) -> "Lease":
    """Take the lease of the key: no other engine may start as long as it is held; `journal` says what holds it."""
    from infra.clock import now_ns
    from infra.shell.lease import Lease, LeaseHeld

    assert visit.identity is not None
    try:
        return Lease.take(visit.leases, visit.identity.address, now_ns=now_ns(), journal=journal)
    except LeaseHeld as error:
        raise Misuse(str(error)) from None
