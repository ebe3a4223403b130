"""The watch: what became of promotions, by the receipts and the session's own journal; and rolling back by rule.

A promoted change is held against its rehearsal's promise after every cycle, by the windows that were traded with it.
Only losses are judged: what the same windows would have made in a replay is not compared, for a live or demo session's
books show its own quotes, and a replay on them ranks parameters without foretelling dollars.
"""

from pathlib import Path
from typing import Any, Final

from evals.promotion import LiveWindow, Promise, Ruling, keep
from infra.journal.segments import is_journal
from infra.shell.params_request import CHANGED, ChangeRefused, News, ask_change, params_of, read_news, undo_of
from infra.supervisor.receipts import Receipt, append_receipt, half_done, read_receipts
from state.params import params_hash
from state.units import NS_PER_S

Plain = dict[str, Any]

WATCHED_MOST: Final = 48
"""Windows that a promotion is watched for: four hours."""


def news_in(journal: Path) -> list[News]:
    """Give what became of requests to a session; a backtest's run never hears one."""
    return read_news(journal) if is_journal(journal) else []


def settle_half_done(file: Path, journal: Path) -> list[Receipt]:
    """Write the end of cycles that a crash cut short after they had meant to apply; the journal says what became.

    Raises:
        ReceiptsDamaged: their chain is broken.
    """
    found = []
    for receipt in half_done(read_receipts(file)):
        made = any(news.what == CHANGED and news.receipt == receipt.cycle for news in news_in(journal))
        words = "the session made the change" if made else "the session made no change for it"
        told = {
            "checked": receipt.told["checked"],
            "applied": {"taken": made, "words": f"found after a crash: {words}"},
            "failed": "the supervisor ended between its intention and this receipt",
        }
        found.append(append_receipt(file, receipt.cycle, "done", told))
    return found


async def follow_promotions(file: Path, journal: Path) -> list[Receipt]:
    """Hold every promotion that is in force against its promise, and roll back what breaks it; gives new receipts.

    Raises:
        ReceiptsDamaged: their chain is broken.
    """
    written = []
    for receipt in standing(read_receipts(file)):
        live = live_windows(journal, receipt.cycle)
        if not live:
            continue
        verdict = keep(Promise(**receipt.told["rehearsed"]["promise"]), live)
        if verdict.ruling is not Ruling.ROLL_BACK:
            continue
        told = {
            "watches": receipt.cycle,
            "watched": {"ruling": verdict.ruling.value, "because": verdict.because.value, "measured": verdict.measured,
                        "bar": verdict.bar, "windows": len(live)},
            "rolled_back": await roll_back(journal, receipt.cycle, f"{receipt.cycle}-back"),
        }  # fmt: skip
        written.append(append_receipt(file, f"{receipt.cycle}-back", "done", told))
    return written


def standing(receipts: tuple[Receipt, ...]) -> list[Receipt]:
    """Give the promotions that were applied and not rolled back since."""
    back = {
        str(receipt.told.get("watches")) for receipt in receipts if (receipt.told.get("rolled_back") or {}).get("taken")
    }
    return [
        receipt
        for receipt in receipts
        if receipt.kind == "done" and (receipt.told.get("applied") or {}).get("taken")
        and (receipt.told.get("rehearsed") or {}).get("promise") and receipt.cycle not in back
    ]  # fmt: skip


def live_windows(journal: Path, cycle: str) -> list[LiveWindow]:
    """Give the settled windows that opened after a change was made, with what they made."""
    from infra.record.opening import open_record

    since = [news.at_ns for news in news_in(journal) if news.what == CHANGED and news.receipt == cycle]
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
    from infra.journal.reader import read_notes

    try:
        changes = undo_of(news_in(journal), cycle)
        before = params_hash(params_of(list(read_notes(journal, torn_ok=True))))
        told = await ask_change(
            journal, receipt=receipt, before=before, changes=changes, why="it broke its promise", undoes=cycle
        )
    except ChangeRefused as error:
        return {"taken": False, "words": str(error), "code": error.code}
    return {"taken": True, "words": told.words}
