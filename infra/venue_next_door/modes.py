"""What the matching is in the mood for: restarting, post-only, or everything; switched by faults, ended by time.

After a restart (425) the venue takes two minutes of post-only orders and cancels (venue reference 5.8); that follows by
itself here, whether the restart ran out or was switched off.
"""

from typing import Final

from infra.venue_next_door.faults import Fault, Faults
from infra.venue_next_door.refusals import POST_ONLY_MODE, TOO_EARLY, Refusal
from state.units import NS_PER_S

AFTER_RESTART_NS: Final = 120 * NS_PER_S
_MATCHING: Final = frozenset({"/order", "/orders", "/cancel-all", "/cancel-market-orders"})


class Modes:
    """The mode of the matching now."""

    def __init__(self, faults: Faults) -> None:
        """Take the board of faults; its clock is the one that counts."""
        self.faults = faults
        self._restart_seen = False
        self._restarted_ns = 0

    def check_restart(self, path: str) -> None:
        """Refuse with 425 what needs the matching while it restarts; raises Refusal."""
        if self._is_restarting() and path in _MATCHING and self.faults.is_on(Fault.TOO_EARLY, path):
            raise Refusal(TOO_EARLY, 425)

    def check_post_only(self) -> None:
        """Refuse with 503 what is not post-only in post-only mode; raises Refusal."""
        now_ns = self.faults.clock.now_ns()
        left_ns = self._post_only_left_ns(now_ns)
        if left_ns > 0:
            raise Refusal(
                POST_ONLY_MODE, 503, extra={"code": "post_only_mode", "retry_after_seconds": -(-left_ns // NS_PER_S)}
            )

    def _is_restarting(self) -> bool:
        now_ns = self.faults.clock.now_ns()
        switched = [switch for switch in self.faults.switches if switch.fault is Fault.TOO_EARLY]
        if any(switch.from_ns <= now_ns < switch.until_ns for switch in switched):
            self._restart_seen = True
            return True
        ended_ns = max((switch.until_ns for switch in switched if switch.until_ns <= now_ns), default=0)
        if self._restart_seen and not ended_ns:
            ended_ns = now_ns  # switched off before its time: it ended some time since we last looked
        self._restart_seen = False
        self._restarted_ns = max(self._restarted_ns, ended_ns)
        return False

    def _post_only_left_ns(self, now_ns: int) -> int:
        restarting = self._is_restarting()
        left_ns = 0 if restarting or not self._restarted_ns else self._restarted_ns + AFTER_RESTART_NS - now_ns
        for switch in self.faults.switches:
            if switch.fault is Fault.POST_ONLY_MODE and switch.from_ns <= now_ns < switch.until_ns:
                left_ns = max(left_ns, min(switch.until_ns - now_ns, AFTER_RESTART_NS))
        return left_ns
