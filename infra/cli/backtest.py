"""The commands `backtest`, `generate` and `report`: run the desk over recordings and say what came of it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from infra.cli.core import (
    Changes,
    ParamsFile,
    Seed,
    get_ready,
    hold_run,
    hold_sources,
    read_settings,
    tape_of,
    terms_of,
)
from infra.cli.failures import Misuse
from infra.cli.speech import AsJson, answer, note, progress, say, table

if TYPE_CHECKING:
    from evals.backtest import Terms
    from infra.recordings.tape import Tape
    from state.params import Params

Cash = Annotated[float, typer.Option(min=0.0, max=1e9, metavar="USD", help="Capital that the run begins with.")]
Sources = Annotated[list[Path], typer.Argument(metavar="SOURCE...", help="One journal, or folders of recordings.")]
Open = Annotated[bool, typer.Option("--open", help="Open the report in the browser.")]

MARKET_WORDS: Final = {
    "demo": "This market does not exist: its makers' mistakes were planted, so what the desk made here is no evidence "
    "of an edge; `updown generate --efficient` is a market without them, where the desk mostly stands aside and the "
    "rest is chance.",
    "efficient": "This market does not exist: it is the demonstration's without the planted mistakes of its makers, so "
    "the desk should mostly stand aside, and what it makes or loses here is chance.",
}


def backtest(
    sources: Sources,
    params: ParamsFile = None,
    changes: Changes = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the run goes; var/runs/<name> if not said.")
    ] = None,
    seed: Seed = 1,
    cash: Cash = 100_000.0,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write the ledgers, no page.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the desk over recordings: ledgers and a report.

    The venue's model stands beside it. Folders are imported into a journal once and read from there afterwards.
    Decisions, orders, messages and windows become Parquet files; run.json says what the run was made of, and
    `updown replay` makes it again from that.

    Example: updown backtest pm_btc5m_l2_2026-04 chainlink_btcusd_1hz --set take_edge_bps=150
    """
    settings = read_settings(params, changes)
    hold_sources(sources)
    get_ready()
    told = run_and_save(tape_of(sources), sources, settings, terms_of(seed, cash), out, report_too=not no_report)
    if as_json:
        answer(told)
    else:
        show_run(told)


def run_and_save(
    tape: "Tape",
    sources: Sequence[Path],
    params: "Params",
    terms: "Terms",
    out: Path | None,
    *,
    report_too: bool = True,
) -> dict[str, Any]:
    """Run, account, write the folder; give all that was found as plain values."""
    from evals.census import Census
    from evals.report import render_report, report_json
    from infra.accounts import account_run
    from infra.runs import about_run, hold_free, play_tape, save_run, title_of, trades_known

    census = Census()
    terms = replace(terms, trades_known=trades_known(tape))
    title = title_of(sources, tape, params, terms)
    folder = out or Path("var/runs") / title
    hold_free(folder)
    with progress("running the desk") as told:
        ledgers, took_s = play_tape(tape, params, terms, told, census)
    about = about_run(title, sources, tape, ledgers, took_s)
    with progress("accounting") as told:
        found = account_run(about, ledgers, tape, told, census)
    pages = {"report.html": render_report(found)} if report_too else {}
    save_run(folder, about, ledgers, pages)
    return {
        "folder": str(folder),
        "report": str(folder / "report.html") if report_too else None,
        "run": about,
        "events_per_s": round(about["counts"]["events"] / max(took_s, 1e-9)),
        "refusals": refusals_of(ledgers.lines),
        "fills": fills_in(ledgers.messages),
        "found": report_json(found),
    }


def refusals_of(lines: Any) -> list[dict[str, Any]]:
    """Count the desk's runs that ended in standing aside, by gate and reason, in the order of the gates."""
    import numpy as np

    from state.reasons import WORDS, Gate, Reason

    aside = lines[lines["reason_code"] != 0]
    pairs, counts = np.unique(
        np.stack([aside["gate_code"].astype(int), aside["reason_code"].astype(int)]), axis=1, return_counts=True
    )
    return [
        {"gate": Gate(gate).name.lower(), "reason": Reason(reason).name, "why": WORDS[Reason(reason)], "count": count}
        for (gate, reason), count in zip(pairs.T.tolist(), counts.tolist(), strict=True)
    ]


def fills_in(messages: Any) -> int:
    """Count our matches among the venue's messages."""
    from state.events import Kind

    return int((messages["kind_code"] == Kind.FILLED).sum())


def show_run(told: dict[str, Any]) -> None:
    """Print what a run came to, for people."""
    counts, found = told["run"]["counts"], told["found"]
    say(found["headline"])
    rows: list[tuple[str, object]] = [
        ("events", counts["events"]),
        ("windows settled", counts["windows"]),
        ("runs of the desk", counts["lines"]),
        ("commands to the venue", counts["orders"]),
        ("fills", told["fills"]),
        ("profit after costs, USD", interval(found["profit_usd"]) if told["fills"] else "nothing was traded"),
        ("events/s, reading included", told["events_per_s"]),
        ("run hash", told["run"]["run_hash"]),
    ]
    table(("figure", "measured"), rows, "The run")
    for group in found["forecasts"]:
        show_scores(group)
    refused = [(row["gate"], row["why"], row["count"]) for row in told["refusals"]]
    if refused:
        table(("gate", "why the desk stood aside", "runs"), refused, "Refusals")
    say(f"\nledgers  {told['folder']}")
    if told["report"]:
        say(f"report   {Path(told['report']).resolve()}")
    say(f"again    updown replay {told['folder']}")


def show_scores(group: dict[str, Any]) -> None:
    """Print a group's pooled scores beside the reference's: the book's middle where it was known, or a coin."""
    pooled = [row for row in group["scores"] if row["band"] == "all"]
    if not pooled:
        return
    reference = next((row["forecaster"] for row in pooled if row["against"]["mean"] == 0.0), "the reference")
    cells = [
        (
            row["forecaster"],
            *(interval(row[name], 4).replace("+", "") for name in ("brier", "log_loss")),
            interval(row["against"], 4),
        )
        for row in pooled
    ]
    head = ("forecaster", "Brier", "log loss", f"less that of {reference}")
    count = pooled[0]["log_loss"]
    of = f"{count['count']:,} moments in {count['clusters']:,} windows"
    table(head, cells, f"Scores, {group['called']}: {of} (below 0 beats {reference})")


def interval(estimate: dict[str, Any], digits: int = 2) -> str:
    """Say a mean with its interval, or that there is none."""
    mean, low, high = (estimate[name] for name in ("mean", "low", "high"))
    if mean is None:
        return "not measured"
    if low is None or high is None:
        return f"{mean:+,.{digits}f} (no interval)"
    return f"{mean:+,.{digits}f} [{low:+,.{digits}f}, {high:+,.{digits}f}]"


def generate(
    windows: Annotated[int, typer.Option(min=1, max=2016, help="Five-minute windows to generate.")] = 12,
    seed: Seed = 4,
    efficient: Annotated[
        bool, typer.Option("--efficient", help="A market with nothing planted: what is traded is chance.")
    ] = False,
    open_it: Open = False,
    as_json: AsJson = False,
) -> None:
    """Make up a recording, run the desk over it, and report.

    No data, no keys, no network: a synthetic market with planted mistakes of its makers is written to a journal,
    checked, run through the whole desk and reported on. The same seed gives the same market, the same decisions and
    the same run hash. With --efficient the makers have no such mistakes, and the same
    desk should mostly stand aside.

    Example: updown generate --open
    """
    get_ready()
    from infra.generated import write_market
    from infra.recordings.tape import open_tape
    from state.params import default_params

    name = f"{'efficient' if efficient else 'demo'}-{windows}-windows-seed-{seed}"
    home = Path("var/generated") / name
    note(f"generating {windows} windows of a market that does not exist ...")
    checked = write_market(home / "journal", name="efficient" if efficient else "demo", windows=windows, seed=seed)
    tape = open_tape([home / "journal"])
    told = run_and_save(tape, [home / "journal"], default_params(), terms_of(seed, 100_000.0), home)
    told["journal"] = checked
    told["market"] = MARKET_WORDS["efficient" if efficient else "demo"]
    if as_json:
        answer(told)
    else:
        rows = f"{checked['rows_count']:,} rows in {checked['segments_count']} sealed segment(s), every checksum holds"
        say(f"journal  {home / 'journal'}: {rows}\n")
        show_run(told)
        say(f"\n{told['market']}")
    if open_it:
        show_page(Path(told["report"]))


def report(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="A run folder; the newest in var/ if not said.")
    ] = None,
    open_it: Open = False,
    as_json: AsJson = False,
) -> None:
    """Write a run's report again, as one HTML page.

    It is made from the run's ledgers and its journal, and needs no network to be read.

    Example: updown report var/runs/april-1a2b3c4d --open
    """
    hold_run(run)
    get_ready()
    from evals.report import render_report, report_json
    from infra.accounts import account_run
    from infra.runs import ledgers_of, newest_run, read_run, run_tape

    told = read_run(run or newest_run(Path("var")))
    ledgers = ledgers_of(told)
    with progress("importing") as share:
        tape = run_tape(told, share)
    with progress("accounting") as share:
        found = account_run(told.about, ledgers, tape, share)
    page = told.folder / "report.html"
    page.write_text(render_report(found), encoding="utf-8")
    if as_json:
        answer({"report": str(page), "found": report_json(found)})
    else:
        say(str(page.resolve()))
    if open_it:
        show_page(page)


def show_page(page: Path) -> None:
    """Open a page in the browser of this machine."""
    import webbrowser

    if not webbrowser.open(page.resolve().as_uri()):
        raise Misuse(f"no browser here; open {page.resolve()} yourself")
