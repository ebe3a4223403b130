"""Retuning: may these parameters be changed like this, in a session that runs? A verdict with its reason, and no more.

The operator's settings are the ceiling. Within it parameters move inside their bounds; how far a session lets them move
is a setting of its own, and while anything stops the desk nothing may add risk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from state.params import BOUNDS, Change, OutOfBounds, Params, UnknownParameter, checked, difference
from state.records import as_dict
from tools.minimums import Minima, unhonourable


class Retune(StrEnum):
    """How far a session lets its parameters be changed while it runs."""

    NONE = "none"
    SAFER = "safer"
    """Away from risk only, counted from what the operator began with: what was shrunk may be put back, and no more."""
    ANY = "any"
    """Within the bounds, and never above a limit that the operator began with."""


class WhyNot(StrEnum):
    """Why a change of parameters is refused."""

    NOT_OURS = "others could have written the request"
    UNREADABLE = "the request cannot be read"
    ANOTHER_WAITS = "another change waits for its boundary"
    RECEIPT_USED = "that receipt has been used"
    STALE = "the parameters it starts from are not those in force"
    UNKNOWN = "no parameter has that name"
    OUT_OF_BOUNDS = "a value is out of its bounds"
    NOTHING_CHANGES = "nothing would change"
    LIMIT_RAISED = "a limit would rise above what the operator began with"
    SETTING_FORBIDS = "the session's setting does not allow it"
    ADDS_RISK_HALTED = "it adds risk while the desk is stopped"
    UNHONOURABLE = "the venue could not honour it, or it contradicts itself"


@dataclass(frozen=True, slots=True)
class Refused:
    """A change that is not made."""

    why: WhyNot
    words: str
    """The same in a line, with names and figures."""

    def __str__(self) -> str:
        return self.words


def judge_change(
    now: Params, began: Sequence[Params], changes: Mapping[str, float], *,
    allowed: Retune, is_stopped: bool, minima: Minima | None = None,
) -> Params | Refused:  # fmt: skip
    """Give the parameters that a change leads to, or why it may not be made.

    Args:
        now: The parameters in force.
        began: What the operator has set: by the session's beginning, and by each later start; the lowest limit counts.
        changes: New values by name.
        allowed: How far the session lets its parameters move.
        is_stopped: Anything stops the desk from taking new risk: a halt, a missing arming, a kill.
        minima: Of the market that is traded, where one is known.
    """
    assert began, "somebody has set the parameters that a session began with"
    try:
        values = {name: checked(name, value) for name, value in changes.items()}
    except UnknownParameter as error:
        return Refused(WhyNot.UNKNOWN, str(error))
    except OutOfBounds as error:
        return Refused(WhyNot.OUT_OF_BOUNDS, str(error))
    row: Any = now
    after: Any = row.copy()
    for name, value in values.items():
        after[name] = value
    steps = difference(now, after)
    if not steps:
        return Refused(WhyNot.NOTHING_CHANGES, WhyNot.NOTHING_CHANGES.value)
    for step in steps:
        refused = _judge_step(step, began, allowed, is_stopped)
        if refused is not None:
            return refused
    told: Params | Refused = _honoured(now, after, steps, minima) or after
    return told


def _judge_step(step: Change, began: Sequence[Params], allowed: Retune, is_stopped: bool) -> Refused | None:
    name, value = step.name, step.after
    ceilings = [as_dict(each)[name] for each in began]
    if BOUNDS[name].limit:
        for ceiling in ceilings:
            if Change(name, ceiling, value).riskier:
                words = f"{name} = {value:g}: the operator began with {ceiling:g}, and only he moves that limit"
                return Refused(WhyNot.LIMIT_RAISED, words)
    if allowed is Retune.NONE:
        return Refused(WhyNot.SETTING_FORBIDS, f"{name} = {value:g}: this session lets nobody change its parameters")
    if allowed is Retune.SAFER:
        for ceiling in ceilings:
            if value != ceiling and not Change(name, value, ceiling).riskier:
                words = f"{name} = {value:g}: this session allows steps away from risk only; it began with {ceiling:g}"
                return Refused(WhyNot.SETTING_FORBIDS, words)
    if is_stopped and step.riskier:
        words = f"{name} = {value:g}: nothing that adds risk ({step.before:g} before) while the desk is stopped"
        return Refused(WhyNot.ADDS_RISK_HALTED, words)
    return None


def _honoured(now: Params, after: Params, steps: Sequence[Change], minima: Minima | None) -> Refused | None:
    """Refuse what would newly contradict itself or the venue; shrinking to nothing is always allowed."""
    if minima is None or not any(step.riskier or BOUNDS[step.name].riskier == "neither" for step in steps):
        return None
    before = {each.name for each in unhonourable(now, minima)}
    fresh = [each for each in unhonourable(after, minima) if each.name not in before]
    return Refused(WhyNot.UNHONOURABLE, f"{fresh[0].words}; {fresh[0].mend}") if fresh else None
