"""The commands `supervise` and `proposals`: other parameters proposed, rehearsed, ruled on, and asked of a session."""

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from infra.cli.core import get_ready
from infra.cli.failures import Damaged, Misuse
from infra.cli.speech import AsJson, answer, note, progress, records, say

if TYPE_CHECKING:
    from infra.supervisor.cycle import Ended, Supervisor, Waiting

HOME: Final = Path("var/supervisor")
WHEN: Final = ("always", "riskier", "never")

Home = Annotated[Path, typer.Option("--out", metavar="DIR", help="The supervisor's own folder: receipts, rehearsals.")]
Session = Annotated[
    Path | None, typer.Option("--journal", metavar="DIR", help="The session; the newest in var/ if not said.")
]


def supervise(
    journal: Session = None,
    frozen: Annotated[
        list[Path] | None, typer.Option("--frozen", metavar="DIR", help="A further journal to rehearse on; repeatable.")
    ] = None,
    every: Annotated[float, typer.Option(min=0.0, metavar="MINUTES", help="Again and again; 0: one cycle.")] = 0.0,
    approve: Annotated[str, typer.Option(metavar="WHEN", help="always, riskier or never: ask a person.")] = "riskier",
    rehearsals: Annotated[int, typer.Option(min=1, max=200, help="Settings that the search may try.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Of the search.")] = 1,
    out: Home = HOME,
    as_json: AsJson = False,
) -> None:
    """Watch a session and propose other parameters.

    A cycle observes the session's record, takes a proposal (of a model if UPDOWN_MODEL names one, else of a seeded
    search), checks it against bounds and limits, rehearses it on recorded windows, and lets a fixed rule decide. What
    is promoted is asked of the running session, which judges for itself and changes at a boundary of windows. Nothing
    here can place, size or cancel an order, or raise a limit. Every cycle leaves a receipt.

    Example: updown supervise --journal var/live/today --every 30
    """
    if approve not in WHEN:
        raise Misuse(f"--approve {approve}: say one of {', '.join(WHEN)}")
    get_ready()
    told: list[dict[str, Any]] = []
    while True:
        with progress("rehearsing") as bar:
            supervisor = _supervisor(journal, out, frozen or [], approve, rehearsals, seed, not as_json)
            supervisor.progress = bar
            ended = _run(supervisor.cycle())
        _send(supervisor)
        told.append(plain_of(ended))
        if not as_json:
            for line in words_of(told[-1]):
                say(line)
        if not every:
            break
        time.sleep(every * 60.0)
    if as_json:
        answer(told[-1])


def proposals(
    act: Annotated[str, typer.Argument(metavar="[ACT]", help="list, show, approve, reject or roll-back.")] = "list",
    which: Annotated[str, typer.Argument(metavar="[CYCLE]", help="As the list names it.")] = "",
    why: Annotated[str, typer.Option(metavar="TEXT", help="Kept on the receipt.")] = "",
    by: Annotated[str, typer.Option(metavar="NAME", help="Who says it; the user's name if not said.")] = "",
    journal: Session = None,
    out: Home = HOME,
    as_json: AsJson = False,
) -> None:
    """List what the supervisor proposed with what became of it, or answer a proposal that waits.

    Example: updown proposals approve cycle-3 --why "fees have risen"
    """
    acts = ("list", "show", "approve", "reject", "roll-back")
    if act not in acts:
        raise Misuse(f"no {act!r}; there are {', '.join(acts)}")
    if act != "list" and not which:
        raise Misuse(f"say which: updown proposals {act} CYCLE")
    if act == "list":
        _list(out, journal, as_json)
    elif act == "show":
        _show(out, which, as_json)
    elif act == "roll-back":
        _roll_back(out, journal, which, as_json)
    else:
        _answer(out, journal, which, approve=act == "approve", by=by or os.environ.get("USER", "an operator"), why=why,
                as_json=as_json)  # fmt: skip


def _supervisor(
    journal: Path | None, out: Path, frozen: list[Path], asking: str, rehearsals: int, seed: int, aloud: bool
) -> "Supervisor":
    from infra.chat.conversation import open_model
    from infra.language_model.settings import NoModel, read_model
    from infra.supervisor.cycle import Supervisor

    session, told = _session(journal), read_model(os.environ)
    if aloud and isinstance(told, NoModel):
        note(f"{told.words}; the search has the seat")
    return Supervisor(
        journal=session, frozen=tuple(frozen), folder=out, model=open_model(told), asking=asking,
        rehearsals=rehearsals, seed=seed,
    )  # fmt: skip


def _session(journal: Path | None) -> Path:
    from infra.record.opening import NothingRecorded, newest

    if journal is not None:
        if not journal.is_dir():
            raise Misuse(f"{journal}: no such folder; name a session's journal")
        return journal
    try:
        return newest(Path("var"))
    except NothingRecorded as error:
        raise Misuse(str(error)) from None


def _run(cycle: Any) -> "Ended | Waiting":
    from infra.lock_file import LockTaken
    from infra.supervisor.receipts import ReceiptsDamaged

    try:
        ended: Ended | Waiting = asyncio.run(cycle)
    except ReceiptsDamaged as error:
        raise Damaged(str(error)) from None
    except LockTaken as error:
        raise Misuse(f"another supervisor is at work there ({error}); wait for its cycle to end") from None
    return ended


def plain_of(ended: "Ended | Waiting") -> dict[str, Any]:
    """Give the end of a cycle as plain values."""
    from infra.supervisor.cycle import Waiting

    if isinstance(ended, Waiting):
        return {"cycle": ended.cycle, "waits": True, **ended.asked}
    return {"cycle": ended.cycle, "waits": False, "receipt": ended.receipt.number, "hash": ended.receipt.hash,
            **ended.receipt.told}  # fmt: skip


def words_of(told: dict[str, Any]) -> list[str]:
    """Say a cycle in lines."""
    if told.get("failed"):
        return [f"{told['cycle']}: {told['failed']}"]
    proposed, checked = told.get("proposed") or {}, told.get("checked") or {}
    lines = []
    if proposed:
        lines.append(f"{told['cycle']}: proposed by the {proposed['by']}: {proposed['said'].get('hypothesis', '')}")
    if checked and not checked["ok"]:
        lines.append(f"  refused by the check: {checked['reason']} ({checked['words']})")
    for name, (before, after) in (checked.get("changes") or {}).items():
        lines.append(f"  {name} {before:g} to {after:g}")
    verdict, applied = told.get("verdict") or {}, told.get("applied") or {}
    if verdict:
        lines.append(f"  the rule: {verdict['ruling']}: {verdict['because']}")
    if told.get("waits"):
        lines.append(f"  it waits for a person: updown proposals approve {told['cycle']}")
    if applied:
        lines.append(f"  {'asked of the session' if applied['taken'] else 'not taken'}: {applied['words']}")
    return lines


def _read(out: Path) -> Any:
    from infra.supervisor.cycle import RECEIPTS
    from infra.supervisor.receipts import ReceiptsDamaged, read_receipts

    try:
        return read_receipts(out / RECEIPTS)
    except ReceiptsDamaged as error:
        raise Damaged(str(error)) from None


def _list(out: Path, journal: Path | None, as_json: bool) -> None:
    rows = []
    for receipt in _read(out):
        if receipt.kind != "done":
            continue
        told = receipt.told
        checked, verdict = told.get("checked") or {}, told.get("verdict") or {}
        changes = ", ".join(f"{name} {old:g} to {new:g}" for name, (old, new) in (checked.get("changes") or {}).items())
        became = (
            told.get("failed")
            or verdict.get("because")
            or checked.get("reason")
            or (told.get("watched") or {}).get("because")
        )
        rows.append(
            {
                "cycle": receipt.cycle,
                "by": (told.get("proposed") or {}).get("by", ""),
                "changes": changes,
                "became": became or "",
                "applied": bool((told.get("applied") or {}).get("taken")),
            }
        )
    waiting = _waiting(out, journal)
    if as_json:
        answer({"proposals": rows, "waits": waiting})
        return
    records(rows, "proposals")
    if waiting:
        say(f"{waiting['cycle']} waits: updown proposals approve {waiting['cycle']}, or reject")
    elif not rows:
        say(f"{out}: no proposal yet; `updown supervise` makes one")


def _waiting(out: Path, journal: Path | None) -> dict[str, Any] | None:
    from infra.supervisor.marks import begun_names

    if not begun_names(out):
        return None
    from infra.supervisor.cycle import Supervisor

    found = asyncio.run(Supervisor(journal=journal or Path(), folder=out).waiting())
    return plain_of(found) if found is not None else None


def _show(out: Path, which: str, as_json: bool) -> None:
    found = [receipt for receipt in _read(out) if receipt.cycle == which]
    if not found:
        raise Misuse(f"no receipt of {which!r}; `updown proposals` lists them")
    if as_json:
        answer(
            {"receipts": [{"kind": each.kind, "number": each.number, "hash": each.hash, **each.told} for each in found]}
        )
        return
    import json

    for each in found:
        say(f"receipt {each.number}, {each.kind}, {each.hash}")
        say(json.dumps(each.told, indent=1))


def _answer(
    out: Path, journal: Path | None, which: str, *, approve: bool, by: str, why: str, as_json: bool
) -> None:  # fmt: skip
    waiting = _waiting(out, journal)
    if waiting is None or waiting["cycle"] != which:
        raise Misuse(f"{which} does not wait for an answer; `updown proposals` says which does")
    from infra.supervisor.marks import begun

    noted = begun(out, which).get("journal")
    supervisor = _supervisor(Path(noted) if noted else journal, out, [], "always", 1, 1, aloud=False)
    told = plain_of(_run(supervisor.answer(which, approve=approve, by=by, why=why)))
    if as_json:
        answer(told)
        return
    for line in words_of(told):
        say(line)


def _roll_back(out: Path, journal: Path | None, which: str, as_json: bool) -> None:
    from infra.supervisor.cycle import RECEIPTS
    from infra.supervisor.receipts import append_receipt
    from infra.supervisor.watch import name_of, roll_back, standing

    receipts = _read(out)
    named = [receipt.told.get("journal") for receipt in receipts if receipt.cycle == which]
    session = journal or (Path(named[-1]) if named and named[-1] else _session(None))
    if which not in {receipt.cycle for receipt in standing(receipts, session)}:
        raise Misuse(f"{which} is no change that is in force in {session}; `updown proposals` lists them")
    name = f"{which}-back-{len(receipts) + 1}"
    told = asyncio.run(roll_back(session, which, name))
    kept = {"journal": name_of(session), "watches": which, "rolled_back": told, "by": "an operator"}
    append_receipt(out / RECEIPTS, name, "done", kept)
    if as_json:
        answer(told)
    elif told["taken"]:
        say(f"{which}: {told['words']}")
    else:
        raise Misuse(f"{which}: {told['words']}")


def _send(supervisor: "Supervisor") -> None:
    """Send the cycle's trace, where tracing is asked for."""
    from infra.traces.settings import is_wanted, settings_of

    if not is_wanted(os.environ) or not supervisor.trees:
        return
    from infra.traces.tracer import open_sender

    sender = open_sender(settings_of(os.environ), os.environ, note)
    for tree in supervisor.trees:
        sender.offer(tree)
    sender.close()
