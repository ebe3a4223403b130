"""The commands `ledger` and `statement`: what a session's books come to, and whether journal, books and core agree."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.core import get_ready
from infra.cli.failures import Exit, Misuse
from infra.cli.speech import AsJson, answer, progress, records, say, table, tick

if TYPE_CHECKING:
    from infra.ledger.balances import Balances
    from infra.ledger.ledger_book import LedgerBook

Folder = Annotated[Path, typer.Argument(metavar="JOURNAL", help="The folder of a session: it holds 000001.journal.")]


def ledger(
    folder: Folder,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Make the books anew from the journal.")] = False,
    replay: Annotated[bool, typer.Option("--replay", help="Hold them against the core's memory, too.")] = False,
    fills: Annotated[int, typer.Option(min=0, max=100_000, help="How many of the last fills to show.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Say what a session has, to the micro, and hold its books against its journal.

    The books are read off the journal each time; those that lie beside it must be the same, or a beginning of the
    same while the session lives. Exit 1 when they are not.

    Example: updown ledger var/demo/my-session
    """
    get_ready(whole=replay)
    told = ledger_told(folder, rebuild=rebuild, replay=replay, fills=fills)
    if as_json:
        answer(told)
    else:
        _show_ledger(folder, told)
    if not told["holds"]:
        raise typer.Exit(Exit.DOES_NOT_HOLD)


def ledger_told(folder: Path, *, rebuild: bool = False, replay: bool = False, fills: int = 20) -> dict[str, Any]:
    """Read a session's books off its journal and hold those beside it against them; plain values."""
    from infra.ledger.ledger_book import entries_of
    from infra.ledger.places import rebuild_books

    book, notes = _book_of(folder)
    told: dict[str, Any] = {"session": str(folder)}
    if rebuild:
        before = _digest(folder)
        rebuild_books(folder, _dsn(), entries_of(folder))
        after = _digest(folder)
        told["rebuilt"] = {"digest": after, "same_as_before": None if not before else after == before}
    balances, equity, all_fills = book.balances(), book.equity(), book.fills()
    states: dict[str, int] = {}
    for fill in all_fills:
        states[fill.state.value] = states.get(fill.state.value, 0) + 1
    told["balances"] = _balances_told(balances)
    told["equity"] = asdict(equity) | {"total_micros": equity.total_micros}
    told["days"] = {str(day): micros for day, micros in sorted(book.ask(lambda booker: dict(booker.day_pnl)).items())}
    told["fills_by_state"] = states
    told["fills"] = [_fill_told(fill) for fill in all_fills[len(all_fills) - min(fills, len(all_fills)) :]]
    told["not_booked"] = dict(book.booker.counts)
    told["file"] = _hold_file(folder)
    told["held"] = [note for note in notes if "books held against" in note]
    told["core"] = _replayed(folder, book)[0] if replay else None
    agree = told["file"]["same"] and (told["core"] is None or told["core"]["same"])
    told["holds"] = bool(agree) and not any(note["halts"] for note in told["held"][-1:])
    return told


def statement(
    folder: Folder,
    day: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="One UTC day; without it, every day.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="Do not replay the journal through the core.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a session's daily statement: opening, trades, fees, rebates, redemptions, results, closing.

    Its sums are checked, and its figures held against a replay of the journal. Exit 1 when something does not agree.

    Example: updown statement var/demo/my-session --day 2026-10-22
    """
    from infra.ledger.statement import day_of_date

    try:
        wanted = day_of_date(day) if day else None
    except ValueError as error:
        raise Misuse(f"--day {day}: not a date; write it as 2026-10-22") from error
    get_ready(whole=not quick)
    told = statement_told(folder, wanted, quick=quick)
    if as_json:
        answer(told)
    else:
        for each in told["days"]:
            _show_day(each)
        _show_core(told["core"])
    if not told["holds"]:
        raise typer.Exit(Exit.DOES_NOT_HOLD)


def statement_told(folder: Path, day: int | None = None, *, quick: bool = False) -> dict[str, Any]:
    """Write a session's statements as plain values."""
    from infra.ledger.ledger_book import entries_of
    from infra.ledger.statement import statements_of

    core, marks = (None, None) if quick else _replayed(folder, _book_of(folder)[0])
    with progress("reading the journal") as share:
        days = statements_of(entries_of(folder, lambda done: share(done, done)), marks)
    if day is not None and day not in [each.day for each in days]:
        known = ", ".join(each.date for each in days) or "none"
        raise Misuse(f"{folder}: nothing was booked on that day; days with entries: {known}")
    told = [
        asdict(each)
        | {"date": each.date, "adds_up": each.adds_up, "closing_micros": each.closing.equity_micros}
        | {"closing": _balances_told(each.closing), "windows": [asdict(line) for line in each.windows.values()]}
        for each in days
        if day is None or each.day == day
    ]
    holds = all(each.adds_up for each in days) and (core is None or core["same"])
    return {"session": str(folder), "days": told, "core": core, "holds": holds}


# --- reading and holding


def _book_of(folder: Path) -> "tuple[LedgerBook, list[dict[str, Any]]]":
    from infra.journal.reader import read_notes
    from infra.ledger.ledger_book import LedgerBook
    from infra.shell.session import is_session

    if not is_session(folder):
        raise Misuse(f"{folder}: not the journal of a session with a desk (demo, paper, live): it has no books")
    book = LedgerBook()
    with progress("reading the journal") as share:
        book.catch_up(folder, lambda done: share(done, done))
    return book, read_notes(folder, torn_ok=True)


def _dsn() -> str:
    import os

    from infra.ledger.places import dsn_from

    return dsn_from(os.environ)


def _digest(folder: Path) -> str:
    """Give the hash of the books that a session has; empty where it has none yet."""
    from infra.ledger.places import books_by, file_of

    return books_by(file_of(folder), _dsn()).digest() if file_of(folder).is_file() else ""


def _hold_file(folder: Path) -> dict[str, Any]:
    """Hold the books beside a journal against the journal, entry by entry."""
    from infra.ledger.ledger_book import entries_of
    from infra.ledger.places import books_by, file_of

    path = file_of(folder)
    if not path.is_file():
        return {"path": str(path), "there": False, "same": True, "missing": 0, "differences": []}
    books = books_by(path, _dsn())
    made = {entry.key: entry for entry in entries_of(folder)}
    kept = {entry.key: entry for entry in books.entries()}
    odd = [key for key, entry in kept.items() if key not in made or made[key].mark != entry.mark]
    missing = len(made.keys() - kept.keys())
    words = [f"{key}: {'other figures than' if key in made else 'not in'} the journal" for key in odd[:20]]
    return {
        "path": books.where, "there": True, "same": not odd, "missing": missing, "differences": words,
        "digest": books.digest(),
    }  # fmt: skip


def _replayed(folder: Path, book: "LedgerBook") -> "tuple[dict[str, Any], dict[Any, int]]":
    """Drive the core through a journal: how the books compare with it, and the middle of each window at the end."""
    from infra.ledger.entries import TokenKey
    from infra.ledger.session_books import hold_against_core
    from infra.plain_memory import slug_of
    from infra.shell.session import play_session
    from state.events import Token
    from state.units import BPS
    from state.world import Phase

    with progress("replaying") as share:
        played = play_session(folder, lambda done: share(done, done))
    marks: dict[Any, int] = {}
    for market in played.core.world["markets"]:
        bid, ask = (int(each) for each in market["touch_bps"])
        if int(market["phase_code"]) in (Phase.OPEN, Phase.CLOSED) and bid >= 0 and ask >= 0:
            marks[TokenKey(slug_of(market), Token.UP)] = (bid + ask) // 2
            marks[TokenKey(slug_of(market), Token.DOWN)] = BPS - (bid + ask) // 2
    money = played.core.world["money"]
    balances, day = book.balances(), int(money["day_id"])
    figures = {
        "fees": (balances.fees_micros, int(money["fees_micros"])),
        "rebates": (balances.rebates_micros, int(money["rebates_micros"])),
        "result of the day": (book.day_pnl_micros(day), int(money["day_realized_micros"])),
    }
    words = [each.words for each in hold_against_core(book, played.core.worlds)]
    for name, (ours, theirs) in figures.items():
        if ours != theirs:
            words.append(f"{name}: the books have {ours} micro-dollars, the core {theirs}")
    if played.difference:
        words.append(f"the journal does not replay: {played.difference}")
    return {"same": not words, "differences": words, "cash_micros": int(money["cash_micros"])}, marks


def _balances_told(balances: "Balances") -> dict[str, Any]:
    told = {name: getattr(balances, name) for name in balances.__slots__ if name not in ("shares", "offered")}
    told |= {"collateral_micros": balances.collateral_micros, "equity_micros": balances.equity_micros}
    for name, held in (("shares", balances.shares), ("offered", balances.offered)):
        told[name] = {key.commodity: micros for key, micros in held.items()}
    return told


def _fill_told(fill: Any) -> dict[str, Any]:
    from infra.ledger.statement import clock_of

    return {
        "seen": clock_of(fill.seen_ns), "window": fill.window, "order": fill.order_id, "token": fill.token.name,
        "side": fill.side.name, "price_bps": fill.price_bps, "amount_micros": fill.amount_micros,
        "liquidity": fill.liquidity.name.lower(), "state": fill.state.value, "entry": fill.key,
    }  # fmt: skip


# --- saying


def _show_ledger(folder: Path, told: dict[str, Any]) -> None:
    from infra.ledger.statement import dollars

    say(f"{tick(told['holds'])} {folder}")
    balances = told["balances"]
    lines = [(name.removesuffix("_micros").replace("_", " "), dollars(micros)) for name, micros in balances.items()
             if isinstance(micros, int)]  # fmt: skip
    table(("account", "USD"), lines, "Balances")
    if balances["shares"]:
        table(("token", "shares"), [(key, dollars(micros)) for key, micros in balances["shares"].items()], "Shares")
    parts = [
        (name.removesuffix("_micros").replace("_", " "), dollars(micros)) for name, micros in told["equity"].items()
    ]
    table(("equity at cost", "USD"), parts, "Equity")
    if told["fills"]:
        rows = [{"shares": dollars(fill["amount_micros"])} | fill for fill in told["fills"]]
        states = ", ".join(f"{count} {state}" for state, count in told["fills_by_state"].items())
        records(
            [{name: cell for name, cell in row.items() if name != "amount_micros"} for row in rows], f"Fills: {states}"
        )
    file = told["file"]
    if "rebuilt" in told:
        same = {None: "there were none before", True: "the same as before, to the row", False: "not those of before"}
        say(f"books made anew: {same[told['rebuilt']['same_as_before']]} ({told['rebuilt']['digest'][:16]})")
    if not file["there"]:
        say(f"no books beside the journal; `updown ledger {folder} --rebuild` makes them")
    elif file["missing"]:
        say(f"{file['missing']} entries of the journal are not in {file['path']} yet: the next start books them")
    for line in file["differences"]:
        say(f"  books: {line}")
    for note in told["held"][-1:]:
        agreed = "; ".join(note["differences"]) or "they agree"
        say(f"last held against {note['books held against']}: {agreed}")
    for what, count in told["not_booked"].items():
        say(f"  {count} x {what}")
    _show_core(told["core"])


def _show_core(core: dict[str, Any] | None) -> None:
    if core is not None:
        say(f"{tick(core['same'])} the books and a replay of the journal {'agree' if core['same'] else 'differ'}")
        for line in core["differences"]:
            say(f"  {line}")


_LINES = (
    ("opening", "opening_micros"), ("deposits", "deposits_micros"), ("realised", "realised_micros"),
    ("rebates", "rebates_micros"), ("fees of open windows", "fees_open_micros"), ("closing", "closing_micros"),
    ("unrealised at the marks", "unrealised_micros"), ("trades", "trades_micros"), ("complete sets", "pairs_micros"),
    ("fees paid", "fees_micros"), ("redemptions", "redemptions_micros"),
)  # fmt: skip


def _show_day(day: dict[str, Any]) -> None:
    from infra.ledger.statement import dollars

    say(f"{tick(day['adds_up'])} {day['date']}: {day['orders']} orders, {day['fills']} fills, {day['failed']} failed")
    table(("", "USD"), [(name, dollars(day[key])) for name, key in _LINES], "Statement, at cost")
    closing = day["closing"]
    names = ("cash", "reserved", "pending_redemption", "invested", "rebates_accrued")
    table(("at the end", "USD"), [(name.replace("_", " "), dollars(closing[f"{name}_micros"])) for name in names])
    rows = [{name.removesuffix("_micros"): dollars(cell) if name.endswith("_micros") else cell
             for name, cell in line.items()} for line in day["windows"]]  # fmt: skip
    records(rows, "Windows")
