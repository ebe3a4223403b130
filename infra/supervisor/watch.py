"""The watch: what became of promotions, by the receipts and the session's own journal; and rolling back by rule.

A promoted change is held against its rehearsal's promise at every cycle, by the windows that were traded with it. Only
losses are judged: what the same windows would have made in a replay is not compared, for a live or demo session's books
show its own quotes, and a replay on them ranks parameters without foretelling dollars. Receipts of other sessions are
left alone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from evals.promotion import LiveWindow, Promise, Ruling, keep
from infra.journal.folder import writer_of
from infra.journal.reader import read_notes
from infra.journal.segments import is_journal
from infra.private_files import is_running
from infra.shell.kill import KILL_FILE
from infra.shell.params_request import (
    CHANGED,
    REQUEST_FILE,
    ChangeRefused,
    News,
    ask_change,
    params_of,
    read_news,
    undo_of,
    waiting_of,
)
from infra.supervisor.marks import begun, begun_names, unmark
from infra.supervisor.receipts import Receipt, append_receipt, half_done, read_receipts
from state.params import params_hash
from state.units import NS_PER_S

Plain = dict[str, Any]

TRIES_MOST: Final = 3
"""Times that one promotion's roll-back is asked for."""
WATCHED_MOST: Final = 48
"""Windows that a promotion is watched for: four hours."""


def name_of(journal: Path) -> str:
    """Name a session on receipts."""
    return str(journal.resolve())


def news_in(journal: Path) -> list[News]:
    """Give what became of requests to a session; a backtest's run never hears one."""
    return read_news(journal) if is_journal(journal) else []


def settle_half_done(file: Path, journal: Path) -> list[Receipt]:
    """Write the end of cycles that a crash cut short after they had meant to apply; the journal says what became.

    A request that still waits for its boundary, or to be heard, is left as it is: nobody knows yet.

    Raises:
        ReceiptsDamaged: their chain is broken.
    """
    found, news = [], news_in(journal)
    waiting = waiting_of(news)
    for receipt in half_done(read_receipts(file)):
        if receipt.told.get("journal") != name_of(journal):
            continue
        if waiting is not None and waiting.receipt == receipt.cycle:
            continue
        if not receipt.told["checked"]["halt"] and _may_be_heard(journal):
            continue
        if receipt.told["checked"]["halt"]:
            made = (journal / KILL_FILE).exists()
            words = "the kill file is there" if made else "there is no kill file"
        else:
            made = any(each.what == CHANGED and each.receipt == receipt.cycle for each in news)
            words = "the session made the change" if made else "the session made no change for it"
        told = receipt.told | {
            "applied": {"taken": made, "words": f"found after a crash: {words}"},
            "failed": "the supervisor ended between its intention and this receipt",
        }
        found.append(append_receipt(file, receipt.cycle, "done", told))
        unmark(file.parent, receipt.cycle)
    return found


def end_the_dead(file: Path) -> None:
    """Write receipts for cycles that were begun, wait for nobody, and were killed before they meant to apply."""
    receipts = read_receipts(file)
    intended = {receipt.cycle for receipt in half_done(receipts)}
    done = {receipt.cycle for receipt in receipts if receipt.kind == "done"}
    for name in begun_names(file.parent):
        if name in done:  # killed between its receipt and this
            unmark(file.parent, name)
        if name in intended | done:
            continue
        told = {"journal": begun(file.parent, name).get("journal", ""), "failed": "it was killed on its way"}
        append_receipt(file, name, "done", told)
        unmark(file.parent, name)


def _may_be_heard(journal: Path) -> bool:
    """Say whether a request lies there that a session may take up at any moment."""
    pid = writer_of(journal)
    return (journal / REQUEST_FILE).exists() and pid is not None and is_running(pid)


async def follow_promotions(file: Path, journal: Path) -> list[Receipt]:
    """Hold every promotion that is in force against its promise, and roll back what breaks it; gives new receipts.

    What the session refuses is asked for again at the next cycle, `TRIES_MOST` times in all; then it is a person's.

    Raises:
        ReceiptsDamaged: their chain is broken.
    """
    written: list[Receipt] = []
    for receipt in standing(read_receipts(file), journal):
        tries = 1 + sum(each.told.get("watches") == receipt.cycle for each in read_receipts(file))
        if tries > TRIES_MOST:
            continue
        live = live_windows(journal, receipt.cycle)
        if not live:
            continue
        verdict = keep(Promise(**receipt.told["rehearsed"]["promise"]), live)
        if verdict.ruling is not Ruling.ROLL_BACK:
            continue
        name = f"{receipt.cycle}-back-{len(read_receipts(file)) + 1}"
        told = {
            "journal": name_of(journal),
            "watches": receipt.cycle,
            "watched": {
                "ruling": verdict.ruling.value,
                "because": verdict.because.value,
                "measured": verdict.measured,
                "bar": verdict.bar,
                "windows": len(live),
            },
            "rolled_back": await roll_back(journal, receipt.cycle, name),
            "try": tries,
        }
        if tries == TRIES_MOST:
            told["last_try"] = f"not asked again: `updown proposals roll-back {receipt.cycle}` is left to a person"
        written.append(append_receipt(file, name, "done", told))
    return written


def standing(receipts: Sequence[Receipt], journal: Path) -> list[Receipt]:
    """Give the promotions that a session has made and that nothing has taken back, or is about to."""
    news = news_in(journal)
    made = {each.receipt for each in news if each.what == CHANGED}
    undone = {each.undoes for each in news if each.what == CHANGED and each.undoes}
    waiting = waiting_of(news)
    if waiting is not None:
        undone.add(waiting.undoes)
    return [
        receipt
        for receipt in receipts
        if receipt.kind == "done" and receipt.told.get("journal") == name_of(journal) and receipt.cycle in made - undone
        and (receipt.told.get("rehearsed") or {}).get("promise")
    ]  # fmt: skip


def live_windows(journal: Path, cycle: str) -> list[LiveWindow]:
    """Give the settled windows that opened after a change was made, with what they made."""
    from infra.record.opening import open_record

    since = [each.at_ns for each in news_in(journal) if each.what == CHANGED and each.receipt == cycle]
    if not since:
        return []
    windows = [w for w in open_record(journal).windows.values() if w.outcome and w.open_ns >= since[0]]
    return [
        LiveWindow(
            open_s=w.open_ns // NS_PER_S, live_micros=float(w.realised_micros), replayed_micros=float(w.realised_micros)
        )
        for w in sorted(windows, key=lambda each: each.open_ns)[:WATCHED_MOST]
    ]


async def roll_back(journal: Path, cycle: str, receipt: str) -> Plain:
    """Ask the session for the values before a change; the session decides, as it does of every change."""
    try:
        changes = undo_of(news_in(journal), cycle)
        before = params_hash(params_of(list(read_notes(journal, torn_ok=True))))
        told = await ask_change(
            journal, receipt=receipt, before=before, changes=changes, why="it broke its promise", undoes=cycle
        )
    except ChangeRefused as error:
        return {"taken": False, "words": str(error), "code": error.code}
    return {"taken": True, "words": told.words}
