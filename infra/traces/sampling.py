"""Which decisions are traced: all that traded, those that nearly did, and a stated share of the rest."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from infra.traces.tree import Seen
from state.reasons import Gate, Reason

NEAR_BPS: Final = 25.0
SHARE: Final = 0.02


class Why(StrEnum):
    """Why a decision is traced."""

    TRADED = "traded"
    NEAR = "near_miss"
    SHARE = "share"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How much is traced."""

    share: float = SHARE
    """Share of those that neither traded nor nearly did, from 0 to 1."""
    near_bps: float = NEAR_BPS
    """An edge that fell short of the wanted one by no more was nearly enough."""

    def why(self, seen: Seen) -> Why | None:
        """Say why a decision is traced; None: it is not. The same decision gets the same answer in every process."""
        if seen.shots:
            return Why.TRADED
        if self.share >= 1.0:
            return Why.NEAR if self._is_near(seen) else Why.SHARE
        if self._is_near(seen):
            return Why.NEAR
        return Why.SHARE if drawn(seen.session, seen.number) < self.share else None

    def _is_near(self, seen: Seen) -> bool:
        """Say whether it nearly traded: the edge was all but enough, or only a gate after the signal was in the way."""
        if seen.gate in (Gate.VALIDATE, Gate.RISK, Gate.SIZE):
            return True
        mandate = seen.decision["mandate"]
        short_bps = float(mandate["take_edge_bps"]) - max(float(edge) for edge in mandate["edge_bps"])
        return seen.reason in (Reason.EDGE_THIN, Reason.NONE) and short_bps <= self.near_bps


def drawn(session: str, number: int) -> float:
    """Give a decision its lot between 0 and 1: by hash, so nothing is left to chance."""
    told = hashlib.sha256(f"{session} {number}".encode()).digest()
    return int.from_bytes(told[:8], "big") / 2.0**64
