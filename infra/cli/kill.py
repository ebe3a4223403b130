"""The command `kill`: stop a desk and cancel all its orders from another process, also when the desk hangs."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.core import ParamsFile, where
from infra.cli.failures import Exit, Misuse
from infra.cli.speech import AsJson, answer, note, say

if TYPE_CHECKING:
    from infra.addresses import Addresses
    from infra.clock import Clock
    from infra.shell.kill import SwitchFile
    from infra.venues.pulling import Pulled
    from infra.venues.signing import Signer

CALL_S = 3.0
"""Real seconds that a desk has to answer; one that hangs is passed by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """Whose orders are cancelled, and where."""

    addresses: "Addresses"
    clock: "Clock"
    signer: "Signer | None" = field(repr=False)
    """None: there is no key here that may cancel for it."""
    where: str
    why_no_signer: str = ""


def kill(
    journal: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The session to stop: it stays dead until --lift.")
    ] = None,
    venue: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Cancel at this venue next session, for the key beside its file."),
    ] = None,
    lift: Annotated[bool, typer.Option("--lift", help="Let the session of --journal live again.")] = False,
    seconds: Annotated[float, typer.Option(min=1.0, max=600.0, help="How long to go on until all is gone.")] = 20.0,
    why: Annotated[str, typer.Option(help="What the journal shall say of it.")] = "the operator killed it",
    params: ParamsFile = None,
    as_json: AsJson = False,
) -> None:
    """Stop a desk and cancel every order of its account, and see that none is left.

    Leaves the file KILL in the session's folder, which the desk looks at ten times a second; calls the desk; and
    cancels at the venue by itself, with the key from the environment or keyring (a demo's from its folder), so that a
    desk that hangs is no obstacle. Where no key of the session's account is at hand only the desk can cancel, and what
    it says of that counts. A session on paper stops by the file alone: it has nothing at a venue. Without --journal or
    --venue it cancels at the venue of the settings. Exit code 0 means that the venue listed no open order, twice in a
    row.

    Example: updown kill --journal var/live/today
    """
    if lift:
        _lift(journal, as_json=as_json)
        return
    if journal is not None and venue is not None:
        raise Misuse("--journal and --venue are two ways of saying where; name one")
    file, called = "", False
    if journal is not None:
        from infra.shell.kill import leave_kill_file

        if not journal.is_dir():
            raise Misuse(f"{journal}: no such folder; name the folder of a session")
        try:
            file = str(leave_kill_file(journal, why))
            note(f"left {file}: the desk stays dead until `updown kill --lift --journal {journal}`")
        except OSError as error:  # its orders are cancelled all the same
            note(f"the file KILL cannot be left in {journal} ({error.strerror}): end the desk's process by hand")
        if file and _is_paper(journal):
            _told_paper(journal, file, as_json=as_json)
            return
    target, session = _target(journal, venue, params)
    if target.signer is None:
        note(f"updown: only the desk can cancel: {target.why_no_signer}")
    called, pulled = _run(target, session, seconds)
    if as_json:
        answer(_plain(target.where, file, called, pulled))
    else:
        desk = "" if session is None else f"the desk {'stopped' if called else 'does not answer'}; "
        say(f"{desk}{'no order is open' if pulled.is_verified else f'NOT VERIFIED: {pulled.words}'} at {target.where}")
    if not pulled.is_verified or (journal is not None and not file):
        raise typer.Exit(int(Exit.DOES_NOT_HOLD))


def _plain(where: str, file: str, called: bool | None, pulled: "Pulled") -> dict[str, Any]:
    return {
        "where": where, "file": file, "desk_answered": called, "verified": pulled.is_verified,
        "open": None if pulled.open_count < 0 else pulled.open_count, "tries": pulled.tries_count,
        "words": pulled.words,
    }  # fmt: skip


def _is_paper(journal: Path) -> bool:
    """Say whether a folder is that of a session on paper; what cannot be read is taken for one that orders."""
    from infra.journal.errors import JournalDamaged, JournalForeign, JournalMissing
    from infra.shell.session import begun

    try:
        return str(begun(journal).get("about", {}).get("mode")) == "paper"
    except (JournalMissing, JournalForeign, JournalDamaged):
        return False


def _told_paper(journal: Path, file: str, *, as_json: bool) -> None:
    from infra.venues.pulling import Pulled

    if as_json:
        answer(_plain("on paper", file, None, Pulled(True, 0, 0, "nothing is at a venue")))
    else:
        say(f"the session of {journal} stops; it trades on paper, and nothing is at a venue")


def _lift(journal: Path | None, *, as_json: bool) -> None:
    from infra.shell.kill import KILL_FILE

    if journal is None:
        raise Misuse("--lift needs --journal DIR: whose desk may live again")
    file = journal / KILL_FILE
    if not file.exists():
        raise Misuse(f"{file}: no such file; that desk is not killed")
    file.unlink()
    if as_json:
        answer({"lifted": str(file)})
    else:
        say(f"lifted {file}; a live desk trades again only after `updown arm`")


def _target(journal: Path | None, venue: Path | None, params: Path | None) -> "tuple[_Target, SwitchFile | None]":
    from infra.settings import read_account
    from infra.venues.secrets import identity_from

    if journal is not None:
        return _target_of(journal)
    addresses, clock = where(venue, params)
    kept = None if venue is None else venue.with_suffix(".key")
    if kept is not None and kept.exists():
        signer = _kept_signer(kept)
    else:
        named = read_account(params) if venue is None else {}
        signer = identity_from(named | os.environ).signer()
    return _Target(addresses=addresses, clock=clock, signer=signer, where=addresses.clob), None


def _signer_for(session: "SwitchFile") -> "tuple[Signer | None, str]":
    """Find the key of a live session; or say in one line why what is here is none."""
    from infra.venues.credentials import WALLET_VARIABLE, KeyMissing
    from infra.venues.secrets import TYPE_VARIABLE, identity_from
    from infra.venues.signing import SignerFailed

    # The wallet is the session's own, whatever is named here now.
    named = {WALLET_VARIABLE: session.wallet, TYPE_VARIABLE: str(session.signature_type)} if session.wallet else {}
    try:
        signer = identity_from(os.environ | named).signer()
    except (KeyMissing, SignerFailed) as error:
        return None, str(error)
    if session.address and signer.address != session.address:
        return None, f"the key here is {signer.address}'s, and the session's is {session.address}'s"
    return signer, ""


def _target_of(journal: Path) -> "tuple[_Target, SwitchFile]":
    """Give the account of a session: a demo's key lies in its folder, a live one's is found as the desk finds it."""
    from infra.shell.kill import KEY_FILE, SwitchFileRefused, read_switch_file

    try:
        session = read_switch_file(journal)
    except SwitchFileRefused as error:
        raise Misuse(f"{error} (the file KILL is left there)") from None
    key = journal / KEY_FILE
    is_kept = session.mode == "demo" and key.exists()
    signer, why = (_kept_signer(key, session.wallet), "") if is_kept else _signer_for(session)
    return _Target(
        addresses=session.addresses, clock=session.clock, signer=signer, where=session.addresses.clob, why_no_signer=why
    ), session


def _kept_signer(file: Path, wallet: str | None = None) -> "Signer":
    from infra.venues.credentials import Secret
    from infra.venues.signing import Signer
    from infra.wallets import deposit_wallet_of

    key = Secret(file.read_text(encoding="ascii").strip())
    return Signer(key, deposit_wallet_of(Signer(key).address) if wallet is None else wallet)


def _run(target: _Target, session: "SwitchFile | None", seconds: float) -> "tuple[bool, Pulled]":
    import asyncio

    from infra.venues.pulling import Pulled
    from infra.venues.rest import CredentialsRefused, NoAnswer, Rest

    async def pull(signer: "Signer") -> Pulled:
        from infra.venues.pulling import pull_everything

        rest = Rest(target.addresses.clob, target.clock, signer, None)
        try:
            await rest.open()
            await rest.derive()
            return await pull_everything(rest, patience_s=seconds)
        except (NoAnswer, CredentialsRefused) as error:
            return Pulled(False, 0, -1, str(error))
        finally:
            await rest.close()

    async def both() -> tuple[bool, Pulled]:
        if target.signer is None:
            told = await _call(session, seconds)
            words = "the desk does not answer" if told is None else "the desk could not see its orders gone"
            verified = told is not None and bool(told.get("verified"))
            count = told.get("open") if told is not None else None
            return told is not None, Pulled(verified, 0, -1 if count is None else int(count), "" if verified else words)
        told, pulled = await asyncio.gather(_call(session, CALL_S), pull(target.signer))
        return told is not None, pulled

    return asyncio.run(both())


async def _call(session: "SwitchFile | None", within_s: float) -> dict[str, Any] | None:
    """Call the desk; gives what it answered in time: it is killed, and what came of its orders. None: nothing."""
    import aiohttp

    if session is None:
        return None
    headers = {"Authorization": f"Bearer {session.token}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=within_s)) as calls,
            calls.post(f"{session.api}/kill", headers=headers) as reply,
        ):
            told: Any = await reply.json() if reply.status == 200 else None
            return told if isinstance(told, dict) else None
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None
