"""The commands `live`, `arm` and `disarm`: the desk with real money, which watches only until a person arms it."""

import asyncio
import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.core import Changes, ParamsFile, RetuneTo, Seed, get_ready, read_retune, read_settings
from infra.cli.doctor import VenueAt, examined, lease_of, visit_of
from infra.cli.failures import Exit, Misuse
from infra.cli.live import Frames, Minutes, Plain, Windows, run_plan, shared_store, show_session
from infra.cli.speech import AsJson, answer, note, say

if TYPE_CHECKING:
    from infra.doctor.doctor import Findings, Visit
    from infra.hedge.ccxt_perp import HedgeKeys
    from infra.hedge.settings import HedgeSettings
    from infra.shell.plan import Plan

Folder = Annotated[
    Path, typer.Option("--journal", metavar="DIR", help="The session's journal; goes on where one lies there.")
]


def live(
    journal: Folder = Path("var/live"),
    venue: VenueAt = None,
    windows: Windows = 0,
    minutes: Minutes = 0.0,
    seed: Seed = 1,
    params: ParamsFile = None,
    changes: Changes = None,
    retune: RetuneTo = "safer",
    frames: Frames = False,
    plain: Plain = False,
    as_json: AsJson = False,
) -> None:
    """Run the desk on a real account.

    First the doctor looks at everything, and whatever it refuses is said in one line each; then nothing is begun. The
    key comes from UPDOWN_PRIVATE_KEY, from this machine's keyring, or from a signer at UPDOWN_SIGNER. The wallet is
    UPDOWN_WALLET, and UPDOWN_WALLET_TYPE says what it is (0 the key's own account, 1 proxy, 2 safe, 3 deposit wallet);
    a settings file names both under [account] as wallet and wallet_type; else it is the key's own deposit wallet. One
    engine may run for each key. With UPDOWN_REDIS_URL the account's order rate is shared with others through Redis;
    while that is away orders go on at UPDOWN_REDIS_SHARE of the rate (0.5), and cancels as ever.

    A session starts observing: it sees, decides and writes everything down, and sends no order. `updown arm` lets it
    trade up to a limit, for this start alone; `updown disarm` stops it again.

    Example: updown live --journal var/live --params my.toml
    """
    settings, may = read_settings(params, changes), read_retune(retune)
    hedge, hedge_keys = _hedge(params)
    get_ready()
    visit = visit_of(venue, params, settings, journal)
    if visit.identity is None:
        raise Misuse(f"live refuses to start: {visit.why_no_identity}")
    with ExitStack() as stack:
        findings = examined(visit)
        if not findings.holds:
            _refuse(findings, as_json)
        lease = stack.enter_context(lease_of(visit, str(visit.folder.absolute())))
        if lease.recovered is not None:
            note(f"updown: took over the lease of {lease.recovered.words}, which is dead")
        for check in findings.checks:
            if str(check.state) == "warning":
                note(f"updown: warning: {check.line}")
        plan = _plan(visit, findings, windows=windows, seconds=minutes * 60.0, seed=seed, frames=frames)
        plan = replace(plan, hedge=hedge, hedge_keys=hedge_keys, retune=may, store=stack.enter_context(shared_store()))
        where = plan.arming.venue if plan.arming is not None else ""
        note(f"updown: observing {where}; arm with: updown arm --limit-usd N --journal {journal}")
        money = "real" if visit.addresses.abroad() else "simulated"
        told = run_plan(plan, plain=plain, as_json=as_json, venue=where, money=money)
    show_session(told, as_json)
    if told.get("left"):
        raise typer.Exit(int(Exit.DOES_NOT_HOLD))


def _hedge(params: Path | None) -> "tuple[HedgeSettings, HedgeKeys | None]":
    """Give the hedge that the settings file wants, and the keys that it needs; a command line turns none on."""
    import os

    from infra.hedge.ccxt_perp import hedge_keys_from
    from infra.hedge.settings import EXCHANGES
    from infra.settings import read_hedge

    hedge = read_hedge(params)
    return hedge, hedge_keys_from(os.environ) if hedge.where in EXCHANGES else None


def _refuse(findings: "Findings", as_json: bool) -> None:
    """Say each refusal in a line and leave."""
    from infra.doctor.check import refusals

    lines = [check.line for check in refusals(findings.checks)]
    for line in lines:
        note(f"updown: live refuses to start: {line}")
    if as_json:
        answer({"refused": lines, "exit": int(Exit.DOES_NOT_HOLD)})
    raise typer.Exit(int(Exit.DOES_NOT_HOLD))


def _plan(visit: "Visit", findings: "Findings", *, windows: int, seconds: float, seed: int, frames: bool) -> "Plan":
    from infra.ledger.places import dsn_from
    from infra.shell.arming import Arming
    from infra.shell.plan import Plan
    from infra.shell.wallet_day import WalletBooks
    from infra.version import code_name

    assert visit.identity is not None
    dsn = dsn_from(os.environ)
    books = WalletBooks.of(visit.leases, visit.identity.address, visit.folder, dsn)
    books.elsewhere(visit.clock.now_ns())  # what cannot be known refuses the start before anything is begun
    abroad = visit.addresses.abroad()
    where = f"{visit.addresses.clob}, real money" if abroad else "the venue next door, play money"
    arming = Arming(visit.folder, visit.identity.address, where, findings.least_micros, findings.cash_micros)
    return Plan(
        mode="live", addresses=visit.addresses, clock=visit.clock, folder=visit.folder, params=visit.params,
        cash_micros=findings.cash_micros, code=code_name(), seed=seed, windows=windows, seconds=seconds,
        keep_frames=frames, identity=visit.identity, wallet=visit.identity.wallet, arming=arming,
        wallet_books=books, ledger_dsn=dsn,
    )  # fmt: skip


def arm(
    limit_usd: Annotated[
        float, typer.Option("--limit-usd", min=0.0, max=1e9, metavar="USD", help="The most that may be at risk.")
    ],
    journal: Folder = Path("var/live"),
    hours: Annotated[
        float, typer.Option(min=0.001, max=24.0 * 7, help="For so long, by the session's clock; then it disarms.")
    ] = 12.0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Also lift a halt that was said before; look into it first.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let the live session in a folder trade, up to a limit.

    For this start alone: a session that starts again observes again.

    Example: updown arm --limit-usd 50 --journal var/live
    """
    from infra.shell.arming import ask_session

    _tell(ask_session(journal, arm=True, limit_usd=limit_usd, hours=hours, resume=resume), as_json)


def disarm(journal: Folder = Path("var/live"), as_json: AsJson = False) -> None:
    """Stop the live session in a folder from trading.

    It pulls its orders and goes on watching.

    Example: updown disarm --journal var/live
    """
    from infra.shell.arming import ask_session

    _tell(ask_session(journal, arm=False), as_json)


def _tell(asked: Any, as_json: bool) -> None:
    from infra.shell.arming import ArmingRefused

    try:
        words = asyncio.run(asked)
    except ArmingRefused as error:
        raise Misuse(str(error)) from None
    if as_json:
        answer({"taken": True, "words": words})
    else:
        say(words)
