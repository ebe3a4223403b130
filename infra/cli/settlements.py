"""The command `settlements`: how each window of a journal ended, by the venue and by ourselves, and what was paid."""

from typing import Any

from infra.cli.journals import Folder
from infra.cli.speech import AsJson, answer, progress, records, say, tick


def settlements(folder: Folder, as_json: AsJson = False) -> None:
    """Hold the venue's outcomes against our own averages, window by window.

    Strike and close are the averages of the settlement stream as we observed it, beside the prices that the venue
    published; then what was owed, what has been paid, who set it off, and how long the outcome took. A window on
    which we disagree and are sure halts a live session.

    Example: updown settlements var/demo/demo-seed-4
    """
    from infra.settlements import settlements_of

    with progress("reading") as told:
        found = settlements_of(folder, lambda rows: told(rows, 0))
    apart = [each for each in found if each.agrees is False]
    sure = [each for each in apart if each.ours is not None and each.ours.is_sure]
    if as_json:
        windows = [each.told() for each in found]
        answer({"windows": windows, "disagreements": len(apart), "sure_disagreements": len(sure)})
        return
    records([_line(each.told()) for each in found], f"{len(found)} windows decided")
    same = sum(each.agrees is True for each in found)
    say(f"{tick(not sure)} {same} of {len(found)} outcomes are ours, too; {len(sure)} differ for sure")
    unpaid = sum(each.owed_micros - each.paid_micros for each in found) / 1e6
    say(f"{tick(abs(unpaid) < 0.01)} {unpaid:,.2f} dollars are still owed")


def _line(told: dict[str, Any]) -> dict[str, Any]:
    """Give one window as cells."""

    def pair(name: str) -> str:
        return f"{_usd(told[f'{name}_own_usd'])} / {_usd(told[f'{name}_venue_usd'])}"

    took = told["seconds_to_resolve"]
    return {
        "window": told["window"],
        "strike own / venue": pair("strike"),
        "close own / venue": pair("close"),
        "outcome own / venue": f"{told['outcome_own'] or '-'} / {told['outcome_venue'] or '-'}",
        "owed": f"{told['owed_usd']:.2f}",
        "paid": f"{told['paid_usd']:.2f}",
        "redeemed by": told["redeemed_by"] or "-",
        "resolved after s": "-" if took is None else f"{took:.0f}",
    }


def _usd(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"
