"""What a supervisor may say: a few steps of parameters with a hypothesis; and the check that every proposal must pass.

The check is the same for a model and for a search. Bounds hold for everybody and no limit is ever raised; a step that
only shrinks risk is free of the brakes on data, budget, pace and size of step, and a halt is free of everything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from state.params import BOUNDS, Change, OutOfBounds, Params, checked, default_params
from state.records import as_dict

if TYPE_CHECKING:
    Name = str
else:
    Name = Literal[tuple(BOUNDS)]

Metric = Literal["pnl_usd", "log_loss", "drawdown_usd", "fill_ratio", "calibration"]

STEP_SHARE_MOST: Final = 0.2
"""The largest step of one round, as a share of the parameter's whole range."""

COOLDOWN_NS: Final = 3600 * 10**9
"""How long a parameter that was changed rests before the next step that does not shrink risk."""


class Step(BaseModel):
    """One parameter and the value it should take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    value: float


class Proposal(BaseModel):
    """A proposal of parameters; every key must be given, so that strict structured output can hold a model to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    halt: Annotated[bool, Field(description="true asks the desk to stop taking new risk; the changes are then ignored")]
    changes: Annotated[tuple[Step, ...], Field(min_length=1, max_length=4)]
    hypothesis: Annotated[str, Field(min_length=1, max_length=400)]
    metric: Annotated[Metric, Field(description="what the changes should move")]


class Why(StrEnum):
    """Why a proposal is refused by the check."""

    MALFORMED = "it is no proposal"
    NO_CHANGES = "it changes nothing"
    UNKNOWN = "a name is no parameter"
    TWICE = "a parameter is named twice"
    BOUNDS = "a value is not a number that may stand there"
    LIMIT_RAISED = "a limit may only move towards safety"
    STALE = "the data is stale"
    BUDGET = "the day's budget is spent"
    STEP = "the step is too large for one round"
    COOLDOWN = "the parameter was changed a short while ago"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The proposal may be rehearsed; `halt` asks for no rehearsal."""

    changes: tuple[Change, ...]
    halt: bool = False

    @property
    def riskier(self) -> bool:
        """Say whether any of the steps adds risk."""
        return any(change.riskier for change in self.changes)


@dataclass(frozen=True, slots=True)
class Refused:
    """The proposal goes no further: why, and in words with the figures."""

    reason: Why
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the check must know beside the parameters."""

    now_ns: int
    changed_ns: Mapping[str, int] = field(default_factory=dict)
    """When each parameter was last changed; a name that is missing never was."""
    stale: bool = False
    budget_left: bool = True


def parsed(said: Any) -> Proposal | Refused:
    """Read what a proposer said; what does not have the shape is refused, and its own words are not repeated."""
    try:
        return Proposal.model_validate(said)
    except ValidationError as wrong:
        kinds = sorted({str(error["type"]) for error in wrong.errors(include_input=False)})
        return Refused(Why.MALFORMED, f"{wrong.error_count()} faults: {', '.join(kinds)[:200]}")


def shrinks(change: Change) -> bool:
    """Say whether a step takes risk away; a parameter that has no riskier way never does."""
    return BOUNDS[change.name].riskier != "neither" and not change.riskier


def check(proposal: Proposal, params: Params, context: Context) -> Accepted | Refused:
    """Hold a proposal against bounds, limits, pace, data and budget; nothing is clamped, it passes whole or not."""
    if proposal.halt:
        return Accepted((), halt=True)
    changes = _changes(proposal, params)
    if isinstance(changes, Refused):
        return changes
    for change in changes:
        if BOUNDS[change.name].limit and not shrinks(change):
            return Refused(Why.LIMIT_RAISED, f"{change.name} {change.before:g} to {change.after:g} would raise a limit")
    braked = [change for change in changes if not shrinks(change)]
    if braked and context.stale:
        return Refused(Why.STALE, f"{braked[0].name} cannot be judged on stale data")
    if braked and not context.budget_left:
        return Refused(Why.BUDGET, "only steps that shrink risk are free")
    for change in braked:
        refused = _too_fast(change, context)
        if refused is not None:
            return refused
    return Accepted(changes)


def braked_names(context: Context) -> frozenset[str]:
    """Name the parameters whose steps pass the check only where they shrink risk; a proposer need not try others."""
    if context.stale or not context.budget_left:
        return frozenset(BOUNDS)
    return frozenset(name for name in BOUNDS if _rests(name, context))


def _changes(proposal: Proposal, params: Params) -> tuple[Change, ...] | Refused:
    now = as_dict(params)
    found: list[Change] = []
    for step in proposal.changes:
        if step.name not in BOUNDS:
            return Refused(Why.UNKNOWN, f"{step.name[:80]!r} is no parameter")
        if any(step.name == change.name for change in found):
            return Refused(Why.TWICE, f"{step.name} is named twice")
        try:
            value = checked(step.name, step.value)
        except OutOfBounds as wrong:
            return Refused(Why.BOUNDS, str(wrong))
        if value == now[step.name]:
            return Refused(Why.NO_CHANGES, f"{step.name} is {value:g} already")
        found.append(Change(step.name, now[step.name], value))
    return tuple(found) if found else Refused(Why.NO_CHANGES, "no change is named")


def _too_fast(change: Change, context: Context) -> Refused | None:
    bound = BOUNDS[change.name]
    most = STEP_SHARE_MOST * (bound.high - bound.low)
    whole = isinstance(as_dict(default_params())[change.name], int)
    # A whole number may always take its smallest step, else a switch of 0 or 1 could never be moved.
    if abs(change.after - change.before) > (max(most, 1.0) if whole else most):
        return Refused(Why.STEP, f"{change.name} {change.before:g} to {change.after:g} is more than {most:g}")
    if _rests(change.name, context):
        return Refused(Why.COOLDOWN, f"{change.name} rests for {COOLDOWN_NS // 10**9} s after a change")
    return None


def _rests(name: str, context: Context) -> bool:
    return name in context.changed_ns and context.now_ns - context.changed_ns[name] < COOLDOWN_NS
