"""The summary at a session's end: plain values for machines first, then the same as tables for people.

A profit is never said without whose money it was, what it leaves out, and an interval where there are enough windows.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.terminal.decisions import reason_words
from infra.terminal.glance import Counts, FeedHealth, Mode, StageLatency
from infra.terminal.memory import worded
from infra.terminal.readout import glance_of
from infra.terminal.tally import Tally, WindowTold
from infra.terminal.wording import clock, share_of, signed_usd, span_ms, speed, usd
from state.reasons import Gate
from state.units import NS_PER_S
from tools.intervals import bootstrap_interval

WINDOWS_FOR_INTERVAL: Final = 5
"""Fewer traded windows than this give no interval worth the name."""
SEED: Final = 1
"""Of the bootstrap: the same session gives the same summary."""
CENT: Final = 0.01

Say = Callable[[str], None]
Table = Callable[[Sequence[str], Sequence[Sequence[object]], str], None]


def summary_of(
    tally: Tally,
    worlds: NDArray[Any],
    now_ns: int,
    *,
    mode: Mode,
    health: Iterable[FeedHealth] = (),
    latency: Iterable[StageLatency] = (),
    counts: Counts = Counts(),  # noqa: B008 - frozen
    digest: str = "",
    replay: str = "",
    notes: Iterable[str] = (),
) -> dict[str, Any]:
    """Give all that a session came to, as values that JSON can hold.

    Args:
        tally: What was counted on the way.
        worlds: The core's world at the end, shape (1,).
        now_ns: The session's time at the end.
        mode: What session it was.
        health: One entry a connection.
        latency: One entry a stage.
        counts: What the shell has counted.
        digest: The core's running hash at the end.
        replay: The command that replays it.
        notes: Sentences to end with, e.g. what was planted in the market.
    """
    glance = glance_of(worlds, now_ns, mode=mode)
    settled = [window for window in tally.windows.values() if window.settled]
    return {
        "session": {
            "mode": mode.name,
            "money": mode.money,
            "venue": mode.venue,
            "speed_ratio": mode.speed_ratio,
            "began_ns": mode.began_ns,
            "ended_ns": now_ns,
            "run_hash": digest,
        },
        "windows": {
            "settled": len(settled),
            "traded": sum(window.fills > 0 for window in settled),
            "open": [asdict(each) | {"marked_usd": each.marked_usd} for each in glance.positions],
            "lines": [asdict(window) for window in sorted(tally.windows.values(), key=lambda each: each.open_s)],
        },
        "profit": _profit(settled, mode.money),
        "cash": _cash(tally, settled, glance.money.cash_usd, mode, [each.marked_usd for each in glance.positions],
                      [each.worth_usd for each in glance.positions]),
        "orders": _orders(tally) | {"open": [asdict(order) for order in glance.orders]},
        "desk": _desk(tally),
        "latency": [asdict(stage) | {"within": _within(stage)} for stage in latency],
        "feeds": [asdict(feed) for feed in health],
        "counts": asdict(counts) | {"core_refused": glance.core_refused},
        "journal": {"folder": mode.journal, "replay": replay},
        "stopped": glance.stopped,
        "notes": list(notes),
    }  # fmt: skip


def _orders(tally: Tally) -> dict[str, Any]:
    return {
        "placed": tally.placed,
        "cancels": tally.cancels,
        "rejected": dict(sorted(tally.rejects.items())),
        "without_answer": tally.unknown,
        "fills_maker": tally.fills["maker"],
        "fills_taker": tally.fills["taker"],
        "reversals": tally.reversals,
    }


def _desk(tally: Tally) -> dict[str, Any]:
    return {
        "asks": tally.asks,
        "runs": tally.allowed + sum(tally.aside.values()),
        "allowed": tally.allowed,
        "stood_aside": [
            {"gate": worded(Gate, gate), "why": reason_words(reason), "count": count}
            for (gate, reason), count in sorted(tally.aside.items())
        ],
    }


def _within(stage: StageLatency) -> bool | None:
    if stage.budget_ms is None or stage.p99_ms is None:
        return None
    return stage.p99_ms <= stage.budget_ms


def _profit(settled: Sequence[WindowTold], money: str) -> dict[str, Any]:
    """Give the profit of windows that were traded and have settled, with an interval where they are enough."""
    traded = [window.profit_usd for window in settled if window.fills]
    told: dict[str, Any] = {
        "money": money,
        "windows": len(traded),
        "total_usd": sum(traded),
        "fees_usd": sum(window.fees_usd for window in settled),
        "mean_usd": sum(traded) / len(traded) if traded else None,
        "low_usd": None,
        "high_usd": None,
        "level": None,
        "basis": "windows that were traded and have settled; after fees, before rebates",
    }
    if len(traded) >= WINDOWS_FOR_INTERVAL:
        found = bootstrap_interval(np.array(traded), np.arange(len(traded)), np.random.default_rng(SEED))
        told |= {"low_usd": found.low, "high_usd": found.high, "level": found.level}
    return told


def _cash(
    tally: Tally,
    settled: Sequence[WindowTold],
    cash_usd: float,
    mode: Mode,
    marked: Sequence[float],
    worth: Sequence[float],
) -> dict[str, Any]:
    """Hold the change of cash against what explains it: settled windows, rebates, and what is paid for open ones."""
    told: dict[str, Any] = {"ended_usd": cash_usd, "open_worth_usd": sum(worth), "open_marked_usd": sum(marked)}
    if mode.began_cash_micros is None:
        return told
    began = mode.began_cash_micros / 1_000_000
    paid = sum(worth) - sum(marked)
    explained = sum(window.profit_usd for window in settled) + tally.rebates_usd - paid
    return told | {
        "began_usd": began,
        "change_usd": cash_usd - began,
        "rebates_usd": tally.rebates_usd,
        "unexplained_usd": cash_usd - began - explained,
    }


def headline(values: dict[str, Any]) -> str:
    """Say in one sentence what came of a session."""
    profit, windows = values["profit"], values["windows"]
    said = f"{windows['settled']} window{'' if windows['settled'] == 1 else 's'} settled, {windows['traded']} traded"
    if not profit["windows"]:
        return f"{said}: nothing was made or lost."
    total = f"{signed_usd(profit['total_usd'])} of {profit['money']} money after ${usd(profit['fees_usd'])} of fees"
    if profit["low_usd"] is None:
        return f"{said}: {total}; so few windows say nothing about an edge."
    low, high = signed_usd(profit["low_usd"]), signed_usd(profit["high_usd"])
    zero = " (zero lies inside: no edge is shown)" if profit["low_usd"] <= 0.0 <= profit["high_usd"] else ""
    return f"{said}: {total}, a window {signed_usd(profit['mean_usd'])} with 95 % interval {low} .. {high}{zero}."


def show_summary(values: dict[str, Any], say: Say, table: Table) -> None:
    """Say a summary to people; `say` and `table` are those of the command line."""
    session = values["session"]
    span_s = (session["ended_ns"] - session["began_ns"]) / NS_PER_S
    say("")
    say(headline(values))
    if values.get("left"):
        say(f"LOOK AT THE VENUE: {values['left']}")
    if values.get("halted"):
        say(f"The session halted itself: {values['halted']}")
    if session["money"] != "real":
        say("No money was at stake: orders went to a simulated market, which a real one need not resemble.")
    span = span_ms(span_s * 1000.0)
    rows: list[tuple[str, object]] = [
        ("session", f"{session['mode']} at {speed(session['speed_ratio'])}, {span} of the session's time"),
        ("from, to (UTC)", f"{clock(session['began_ns'])} .. {clock(session['ended_ns'])}"),
        *_order_rows(values["orders"]),
        *_cash_rows(values["cash"]),
        *_count_rows(values["counts"]),
        ("run hash", session["run_hash"] or "-"),
    ]
    if session.get("params_changes"):
        rows.append(("parameters", f"changed {session['params_changes']} times, now {session['params_hash']}"))
    if values["stopped"]:
        rows.append(("no new risk at the end", values["stopped"]))
    table(("figure", "measured"), rows, "The session")
    _show_windows(values["windows"], table)
    if "hedge" in values:
        _show_hedge(values["hedge"], table)
    _show_desk(values["desk"], say, table)
    _show_machine(values, table)
    for note in values["notes"]:
        say(f"\n{note}")
    journal = values["journal"]
    if journal["folder"]:
        say(f"\njournal  {journal['folder']}")
    if journal["replay"]:
        say(f"again    {journal['replay']}")


def _order_rows(orders: dict[str, Any]) -> list[tuple[str, object]]:
    refused = ", ".join(f"{count} {why}" for why, count in orders["rejected"].items())
    rows: list[tuple[str, object]] = [
        ("orders placed, cancels", f"{orders['placed']:,}, {orders['cancels']:,}"),
        ("fills as maker, as taker", f"{orders['fills_maker']:,}, {orders['fills_taker']:,}"),
        ("matches that FAILED later", orders["reversals"]),
        ("orders refused", refused or "none"),
    ]
    if orders["without_answer"]:
        rows.append(("orders without an answer", orders["without_answer"]))
    if orders["open"]:
        rows.append(("orders still open", len(orders["open"])))
    return rows


def _cash_rows(cash: dict[str, Any]) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    if "began_usd" in cash:
        rows.append(("cash, USD", f"{usd(cash['began_usd'])} -> {usd(cash['ended_usd'])}"))
        if abs(cash["unexplained_usd"]) >= CENT:
            rows.append(("of it not explained by these windows", signed_usd(cash["unexplained_usd"])))
    else:
        rows.append(("cash, USD", usd(cash["ended_usd"])))
    if cash["open_worth_usd"] or cash["open_marked_usd"]:
        rows.append(("open positions at the bid, USD", f"{usd(cash['open_worth_usd'])} (not in the profit above)"))
    return rows


def _count_rows(counts: dict[str, Any]) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [
        ("frames, rows", f"{counts['frames']:,}, {counts['rows']:,}"),
        ("conflated, lost, refused", f"{counts['conflated']:,}, {counts['lost']:,}, {counts['refused']:,}"),
        ("rows that the core could not apply", counts["core_refused"]),
        ("journal rows", counts["journal_rows"]),
    ]
    if counts["cpu_ratio"] is not None:
        rows.append(("desk's share of one core", share_of(counts["cpu_ratio"], 0)))
    return rows


def _show_windows(windows: dict[str, Any], table: Table) -> None:
    cells = [
        (
            line["slug"],
            line["outcome"] or "not settled",
            usd(line["strike_usd"]),
            usd(line["final_usd"]),
            line["fills"],
            f"{line['traded_shares']:,.2f}",
            usd(line["fees_usd"]),
            signed_usd(line["profit_usd"]) if line["settled"] else "open",
            f"{line['reversed']} FAILED" if line["reversed"] else "",
        )
        for line in windows["lines"]
    ]
    if cells:
        head = (
            "window",
            "outcome",
            "strike, USD",
            "final, USD",
            "fills",
            "shares",
            "fees, USD",
            "profit after fees",
            "",
        )
        table(head, cells, "Windows")


def _show_hedge(hedge: dict[str, Any], table: Table) -> None:
    """Show the perpetual's own account; nothing of it is in the figures above."""
    rows = [
        ("traded", "on paper" if hedge["where"] == "paper" else hedge["where"]),
        ("orders filled, refused", f"{hedge['orders_filled']:,}, {hedge['orders_refused']:,}"),
        ("turnover, USD", usd(hedge["turnover_usd"])),
        (f"most held, {hedge['coin']}", f"{hedge['most_coins']:g}"),
        (f"held at the end, {hedge['coin']}", f"{hedge['position_coins']:+g}" if hedge["position_coins"] else "0"),
        ("fees, stated funding, USD", f"{usd(hedge['fees_usd'])}, {usd(hedge['funding_usd'])}"),
        ("profit after both, USD", signed_usd(hedge["profit_usd"])),
    ]
    if hedge["stopped"]:
        rows.append(("only closed at the end", hedge["stopped"]))
    table(("figure", "measured"), rows, "The hedge, apart from the desk's money")


def _show_desk(desk: dict[str, Any], say: Say, table: Table) -> None:
    say(f"\nThe desk ran {desk['runs']:,} times and allowed something {desk['allowed']:,} times.")
    cells = [(row["gate"], row["why"], row["count"]) for row in desk["stood_aside"]]
    if cells:
        table(("gate", "why the desk stood aside", "runs"), cells, "Refusals")


def _show_machine(values: dict[str, Any], table: Table) -> None:
    marks = {True: "within", False: "OVER", None: ""}
    stages = [
        (
            row["name"],
            span_ms(row["p50_ms"]),
            span_ms(row["p99_ms"]),
            span_ms(row["budget_ms"]) if row["budget_ms"] is not None else "",
            marks[row["within"]],
            row["count"],
        )
        for row in values["latency"]
    ]
    if stages:
        table(("stage", "p50", "p99", "budget", "p99", "samples"), stages, "Latency, real time")
    feeds = [
        (
            row["wire"],
            row["state"],
            row["frames"],
            row["generation"],
            row["reconnects"],
            row["lost"],
            row["reason"] or "",
        )
        for row in values["feeds"]
    ]
    if feeds:
        table(("feed", "at the end", "frames", "connections", "reconnects", "lost", "last fault"), feeds, "Feeds")
