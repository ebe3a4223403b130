"""Slots: which place of the world each followed window has."""

from dataclasses import dataclass, field

from infra.feeds.listings import Listing
from state.world import SLOTS


class NoSlotFree(Exception):
    """More windows than the world has places for; the message says how many."""


@dataclass(slots=True)
class Slots:
    """Gives windows their slots; the same window keeps its slot, also after a restart."""

    taken: dict[str, int] = field(default_factory=dict)
    """Slug -> slot."""

    def take(self, listing: Listing, known: int = -1) -> int:
        """Give a window's slot; `known` is where the world already has it (-1: nowhere).

        Raises:
            NoSlotFree: every slot belongs to a window that is still followed.
        """
        if listing.slug in self.taken:
            return self.taken[listing.slug]
        busy = set(self.taken.values())
        free = [slot for slot in range(SLOTS) if slot not in busy]
        if known >= 0 and known in free:
            free = [known]
        if not free:
            raise NoSlotFree(f"{listing.slug}: all {SLOTS} slots are taken; follow fewer windows at once")
        # Windows of one length walk round the slots, so that a settled one's memory stays to be looked at longest.
        first = listing.open_ns // (listing.span_s * 1_000_000_000) % SLOTS
        slot = min(free, key=lambda each: (each - first) % SLOTS)
        self.taken[listing.slug] = slot
        return slot

    def give_back(self, slug: str) -> int:
        """Let a window go; gives the slot that it had, -1 when it had none."""
        return self.taken.pop(slug, -1)
