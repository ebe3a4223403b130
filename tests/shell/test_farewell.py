"""A session that ends in order says whether anything of it may still rest at the venue."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from sessions import Hand

from infra.shell.ending import see_pulled
from infra.venues.rest import NoAnswer


class Venue:
    """A venue at which so many orders are open, as far as it answers at all; a cancel is taken, and does nothing."""

    def __init__(self, open_count: int) -> None:
        self.open_count = open_count

    async def cancel_all(self) -> bool:
        return self.open_count >= 0

    async def pages(self, _: str) -> list[int]:
        if self.open_count < 0:
            raise NoAnswer("no answer for 3 s")
        return list(range(self.open_count))


@pytest.mark.parametrize(
    ("open_count", "left"),
    [
        (0, ""),
        (2, "orders may rest at the venue: 2 orders are still open; `updown kill` cancels them"),
        (-1, "orders may rest at the venue: no answer for 3 s; `updown kill` cancels them"),
    ],
)
def test_what_may_rest_is_said_and_written_down(open_count: int, left: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.shell.ending.FAREWELL_S", 0.6)
    notes: list[dict[str, Any]] = []
    shell: Any = SimpleNamespace(
        clock=Hand(), take=lambda _: None, intake=SimpleNamespace(drain=lambda _: []),
        session=SimpleNamespace(note=lambda note, _: notes.append(note)),
    )  # fmt: skip
    venue: Any = Venue(open_count)
    assert asyncio.run(see_pulled(shell, venue, venue)) == left
    assert [(note["pulled"], note["open"]) for note in notes] == [(not left, open_count)]
