"""The proof of the venue's faults: every known failure is switched on and met, and the ledgers are equal after it."""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from evals.proof import Figure, Proof
from infra.compile_cache import prepare
from infra.proofs.rehearsals import Progress
from infra.proofs.venue_faults_doors import DOOR_ROWS
from infra.proofs.venue_faults_matches import MATCH_ROWS
from infra.proofs.venue_faults_money import MONEY_ROWS
from infra.proofs.venue_faults_orders import ORDER_ROWS
from infra.proofs.venue_faults_sockets import SOCKET_ROWS
from infra.proofs.venue_faults_table import Row, Told, told
from infra.proofs.venue_faults_windows import WINDOW_ROWS

NAME: Final = "venue-faults"
CLAIM: Final = "the 36 known failures of the venue are each met as they must be, and leave no ledger off by a micro"
NUMBERS: Final = tuple(range(1, 37))
ROWS: Final[tuple[Row, ...]] = tuple(
    sorted((*ORDER_ROWS, *MATCH_ROWS, *MONEY_ROWS, *DOOR_ROWS, *WINDOW_ROWS, *SOCKET_ROWS), key=lambda row: row.number)
)


def prove_venue_faults(_: Path | None, progress: Progress) -> Proof:
    """Play every row, and hold each to what it demands."""
    prepare(show=False)
    with tempfile.TemporaryDirectory(prefix="updown-venue-faults-") as home:
        found = asyncio.run(play_all(Path(home), ROWS, lambda count: progress(count, len(ROWS))))
    return judged(found)


async def play_all(home: Path, rows: Sequence[Row], done: Callable[[int], None]) -> list[Told]:
    """Play rows one after another."""
    found = []
    for row in rows:
        found.append(await told(row, home / f"row-{row.number}"))
        done(len(found))
    return found


def judged(found: Sequence[Told]) -> Proof:
    """Lay the rows out as a proof."""
    held = sum(each.holds for each in found)
    equal = sum(each.equal for each in found)
    there = [each.number for each in found]
    missing = [str(number) for number in NUMBERS if number not in there]
    figures = (
        Figure(name="failures met as they must be", measured=f"{held} of {len(found)}", bar="all",
               holds=held == len(found)),
        Figure(name="ledgers equal to the venue's own, to the micro", measured=f"{equal} of {len(found)}", bar="all",
               holds=equal == len(found)),
        Figure(name="failures of section 8 without a row", measured=", ".join(missing) or "none", bar="none",
               holds=not missing and len(there) == len(set(there))),
    )  # fmt: skip
    return Proof(
        name=NAME, claim=CLAIM, figures=figures, tables={"venue faults": [each.row() for each in found]},
        notes=(
            "the desk's ledger is read from its SQLite file once closed; the venue's is the double entry next door",
            "time is moved by hand and sockets are calls; rows about sockets themselves play at 20x over real ones",
        ),
    )  # fmt: skip
