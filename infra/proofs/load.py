"""The proof of load: ten times the real rates with nothing lost in silence, and 100 windows in constant memory."""

import tempfile
import time
from pathlib import Path
from typing import Any, Final

from evals.proof import Figure, Proof
from infra.journal.reader import read_notes
from infra.proofs.demo_latency import BOOK_FRAMES_PER_S, EXCHANGE_FRAMES_PER_S, EXCHANGES, rate
from infra.proofs.rehearsals import Desk, Progress, replayed, state_of, venue

NAME: Final = "load"
CLAIM: Final = "ten times the real rates for ten minutes lose nothing in silence; 100 windows leave memory as it was"
MINUTES: Final = 10.0
WINDOWS: Final = 100
SPARE: Final = 30
"""Windows that the venue has beyond those: the desk misses some while it starts, on a slow machine more."""
TEN: Final = 10.0
FAST: Final = 60.0
GROWTH_MOST: Final = 0.10
"""Growth of memory from the second tenth of the windows to the last."""


def prove_load(_: Path | None, progress: Progress, *, minutes: float = MINUTES, windows: int = WINDOWS) -> Proof:
    """Run the busy market ten times as fast as real, then many windows of the demonstration's at sixty times."""
    steps = int(minutes * 60.0) + int(windows * 300 / FAST)
    with tempfile.TemporaryDirectory(prefix="updown-load-") as home:
        scratch = Path(home)
        (scratch / "ten").mkdir()
        (scratch / "long").mkdir()
        tens = _ten_times(scratch / "ten", minutes, lambda done: progress(done, steps))
        longs = _long(scratch / "long", windows, lambda done: progress(int(minutes * 60.0) + done, steps))
    return Proof(
        name=NAME,
        claim=CLAIM,
        figures=(*tens[0], *longs[0]),
        tables={"feeds at ten times": tens[1], "memory": longs[1]},
    )


def _ten_times(scratch: Path, minutes: float, progress: Any) -> tuple[list[Figure], list[dict[str, Any]]]:
    with venue(scratch, market="busy", speed=TEN, windows=int(minutes * 60 * TEN / 300) + 6) as (file, place):
        desk = Desk(file, scratch / "journal", more=["--minutes", f"{minutes:g}", "--windows", "0"])
        began = time.monotonic()
        try:
            told = desk.wait(lambda: progress(int(time.monotonic() - began)), minutes * 60.0 + 240.0)
        finally:
            desk.close()
        dropped = sum(line["dropped"] for line in state_of(place)["connections"])
    span_s = minutes * 60.0
    frames = {feed["wire"]: feed["frames"] for feed in told["feeds"]}
    exchanges = sum(frames.get(wire, 0) for wire in EXCHANGES) / span_s
    counts = told["counts"]
    books = frames.get("polymarket_market", 0) / span_s
    again = replayed(scratch / "journal")
    gaps = sum(note.get("connection") == "gap" for note in read_notes(scratch / "journal"))
    return [
        rate("market channel at ten times", books, 10 * BOOK_FRAMES_PER_S),
        rate("exchanges at ten times", exchanges, 10 * EXCHANGE_FRAMES_PER_S),
        Figure(name="frames lost by the desk, stretches told as gaps", measured=f"{counts['lost']}, {gaps}",
               bar="none without a gap", holds=counts["lost"] == 0 or gaps > 0),
        Figure(name="frames conflated by the desk", measured=counts["conflated"], bar="counted"),
        Figure(name="messages dropped by the venue (slow consumer)", measured=dropped, bar="0", holds=dropped == 0),
        Figure(name="the desk's share of one core", measured=f"{counts['cpu_ratio']:.0%}", bar="-"),
        Figure(name="its journal replays", measured=str(again["same"]), bar="True", holds=bool(again["same"])),
    ], told["feeds"]  # fmt: skip


def _long(scratch: Path, windows: int, progress: Any) -> tuple[list[Figure], list[dict[str, Any]]]:
    samples: list[tuple[float, int]] = []
    with venue(scratch, market="demo", speed=FAST, windows=windows + SPARE) as (file, _):
        desk = Desk(file, scratch / "journal", more=["--windows", str(windows)])
        began = time.monotonic()

        def look() -> None:
            samples.append((time.monotonic() - began, desk.resident_bytes()))
            progress(int(samples[-1][0]))

        try:
            told = desk.wait(look, windows * 300 / FAST * 3 + 300.0)
        finally:
            desk.close()
    tenth = max(len(samples) // 10, 1)
    early = max(size for _, size in samples[tenth : 2 * tenth])
    late = max(size for _, size in samples[-tenth:])
    growth = late / early - 1.0
    settled = told["windows"]["settled"]
    grown = f"{early / 1e6:,.0f} MB, {late / 1e6:,.0f} MB ({growth:+.1%})"
    figures = [
        Figure(name="windows settled", measured=settled, bar=f">= {windows}", holds=settled >= windows),
        Figure(name="memory early and at the end", measured=grown, bar=f"growth <= {GROWTH_MOST:.0%}",
               holds=growth <= GROWTH_MOST),
    ]  # fmt: skip
    return figures, [{"after_s": round(at), "resident_mb": round(size / 1e6, 1)} for at, size in samples[::tenth]]
