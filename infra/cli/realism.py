"""The command `realism`: the generated market beside the recorded one, figure by figure."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.core import Seed, get_ready
from infra.cli.failures import Exit, Misuse
from infra.cli.speech import AsJson, answer, note, progress, say, table, tick

if TYPE_CHECKING:
    from evals.realism import Band, Row


def realism(
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="A folder of recordings: bands are derived from them anew."),
    ] = None,
    market: Annotated[str, typer.Option("--market", metavar="NAME", help="Which generated market.")] = "busy",
    windows: Annotated[int, typer.Option("--windows", min=2, max=288, help="Windows to generate.")] = 24,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Hold the generated market to the real one.

    Spread, depth, what the book knows and when it empties, rates, gaps, who follows whom, the oracle: each figure with
    the band that recordings of the venue allow it. Without --data the bands are those that go with the code, derived
    for 24 windows. `busy` runs at the venue's own rates; the others send less on purpose, and their rates show it.

    Example: updown realism --data recordings --market busy
    """
    get_ready()
    from evals.generator import SPECS
    from evals.realism import all_inside, side_by_side
    from evals.realism_bands import BANDS
    from evals.realism_market import market_figures

    if market not in SPECS:
        raise Misuse(f"no market is called {market}; there are {', '.join(SPECS)}")
    bands = BANDS if data is None else _recorded(data, windows)
    with progress("generating") as told:
        figures = market_figures(SPECS[market], seed, windows, told)
    rows = side_by_side(figures, bands)
    if as_json:
        answer(_plain(market, windows, seed, rows))
    else:
        _show(market, windows, seed, rows)
    if not all_inside(rows):
        raise typer.Exit(Exit.DOES_NOT_HOLD)


def _recorded(data: Path, windows: int) -> "list[Band]":
    from infra.realism import bands_of, recorded_figures

    found = recorded_figures(data)
    for reason in found.left_out:
        note(f"left out: {reason}")
    return bands_of(found.figures, windows)


def _show(market: str, windows: int, seed: int, rows: "list[Row]") -> None:
    head = ("figure", "real", "band from", "to", "simulated", "inside", "derived from")
    cells = [
        (
            row.band.name, _figure(row.band.real), _figure(row.band.low), _figure(row.band.high),
            _figure(row.simulated), tick(row.inside), row.band.source,
        )
        for row in rows
    ]  # fmt: skip
    table(head, cells, title=f"Market {market}, {windows} windows, seed {seed}")
    outside = [row.band.name for row in rows if not row.inside]
    say()
    say(f"{len(rows) - len(outside)} of {len(rows)} figures are inside their bands.")
    if outside:
        say(f"Outside: {'; '.join(outside)}.")


def _figure(value: float) -> str:
    if value != value:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def _plain(market: str, windows: int, seed: int, rows: "list[Row]") -> dict[str, Any]:
    from evals.realism import all_inside, known

    return {
        "market": market,
        "windows": windows,
        "seed": seed,
        "all_inside": all_inside(rows),
        "figures": [
            {
                "figure": row.band.name,
                "real": known(row.band.real),
                "low": row.band.low,
                "high": row.band.high,
                "simulated": known(row.simulated),
                "inside": row.inside,
                "source": row.band.source,
            }
            for row in rows
        ],
    }
