"""The proof of faults: everything that can go wrong next door goes wrong, and what the desk did is told in words."""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

from evals.proof import Figure, Proof
from infra.proofs.fault_days import SPEED, Day, Story, a_day
from infra.proofs.fault_desks import Unseen
from infra.proofs.fault_orders import ORDER_STORIES
from infra.proofs.fault_stories import GAP_STORIES, MARKET_STORIES, PRICE_STORIES, WINDOW_STORIES
from infra.proofs.rehearsals import Progress
from infra.venue_next_door.faults import AT_THE_DOOR, OF_ONE_ROW, Fault

NAME: Final = "faults"
CLAIM: Final = "whatever goes wrong at the venue, the desk notices, stands aside or mends it, and its books stay true"
STORIES: Final[tuple[Story, ...]] = (
    *MARKET_STORIES, *PRICE_STORIES, *GAP_STORIES, *(each for lane in WINDOW_STORIES for each in lane), *ORDER_STORIES,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """How a story ended."""

    fault: Fault
    where: str
    venue: str
    desk: str
    holds: bool

    def row(self) -> dict[str, str]:
        """Give it as a row of the proof's table."""
        return {
            "fault": self.fault.value, "where": self.where or "everywhere", "what happened at the venue": self.venue,
            "what the desk did": self.desk, "holds": "yes" if self.holds else "NO",
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Days:
    """What the bad days came to."""

    told: tuple[Told, ...]
    desk_cash_micros: int
    venue_cash_micros: int

    def of(self, fault: Fault) -> list[Told]:
        """Give the stories of a fault."""
        return [each for each in self.told if each.fault is fault]


async def _tell(day: Day, story: Story) -> Told:
    try:
        seen = await story.play(day)
    except Unseen as unseen:
        return Told(story.fault, story.where, "as switched on", f"NOT SEEN: {unseen}", holds=False)
    return Told(story.fault, story.where, seen.venue, seen.desk, holds=True)


async def _lane(day: Day, stories: Sequence[Story], done: Callable[[Told], None], into: tuple[int, float]) -> None:
    """Tell stories one after another, from a moment of the day on."""
    await day.at(*into)
    for story in stories:
        done(await _tell(day, story))


async def live_bad_days(scratch: Path, told: Callable[[int], None], speed: float = SPEED) -> Days:
    """Live through the day on which everything goes wrong; stories that do not touch each other go side by side."""
    ended: list[Told] = []

    def done(story: Told) -> None:
        ended.append(story)
        told(len(ended))

    async with a_day(scratch, speed=speed) as day, day.hand() as hand:
        day.hand_now = hand
        async with asyncio.TaskGroup() as group:
            group.create_task(_lane(day, MARKET_STORIES, done, (1, 12.0)))
            group.create_task(_lane(day, PRICE_STORIES, done, (1, 12.0)))
            group.create_task(_lane(day, GAP_STORIES, done, (1, 12.0)))
            for stories in WINDOW_STORIES:
                group.create_task(_lane(day, stories, done, (1, -60.0)))
            group.create_task(_lane(day, ORDER_STORIES, done, (1, -30.0)))
        ours = await day.cash()

    order = list(Fault)
    return Days(tuple(sorted(ended, key=lambda each: order.index(each.fault))), *ours)


def prove_faults(_: Path | None, progress: Progress) -> Proof:
    """Live through a bad day and hold that each fault was met as it should be."""
    with tempfile.TemporaryDirectory(prefix="updown-faults-") as home:
        days = uvloop.run(live_bad_days(Path(home), lambda count: progress(count, len(STORIES))))
    return judged(days)


def judged(days: Days) -> Proof:
    """Lay the stories out as a proof."""
    held = sum(each.holds for each in days.told)
    elsewhere = AT_THE_DOOR | OF_ONE_ROW
    missing = [fault.value for fault in Fault if fault not in elsewhere and not days.of(fault)]
    figures = (
        Figure(name="stories that hold", measured=f"{held} of {len(days.told)}", bar="all",
               holds=held == len(days.told)),
        Figure(name="faults without a story", measured=", ".join(missing) or "none", bar="none", holds=not missing),
        Figure(name="the desk's cash by the desk and by the venue, at the end of it all", bar="equal",
               measured=f"${days.desk_cash_micros / 1e6:,.6f} and ${days.venue_cash_micros / 1e6:,.6f}",
               holds=days.desk_cash_micros == days.venue_cash_micros),
    )  # fmt: skip
    return Proof(
        name=NAME, claim=CLAIM, figures=figures, tables={"faults": [each.row() for each in days.told]},
        notes=(
            "faults for which a desk does not even start are told by `updown prove live-refusals`",
            "the known failures of real bots, one by one, are told by `updown prove venue-faults`",
            "orders of the stories are placed by hand through the desk's own gateway, on an account beside the desk's",
            "the market channel numbers nothing: a missing change is not noticed as such; the next full book mends it",
        ),
    )  # fmt: skip
