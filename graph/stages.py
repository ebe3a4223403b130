"""The desk's stages: one ordered table of compiled functions from typed record to typed record.

Two runners read it: `graph/desk.py` makes a LangGraph node of each row, `graph/fast.py` calls them fused. A test and
the audit of every live mandate hold the two equal, bit for bit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from agents.flow import flow
from agents.lead_lag import lead_lag
from agents.liquidity import liquidity
from agents.spread import spread
from graph.execution import execute
from graph.fusion import fuse
from graph.risk import risk, size
from graph.sight import look
from graph.signals import signal, validate
from state.desk import Forecast, Mandate, Opinion, Sight, Signal, Stake, Validation, Verdict, View
from state.reasons import Gate
from state.records import Record, one


@dataclass(frozen=True, slots=True)
class Stage:
    """One row of the desk: what it reads, what it writes, and whether it can close the way."""

    name: str
    work: Callable[..., None]
    reads: tuple[str, ...]
    writes: str
    record: type[Record]
    gate: Gate = Gate.NONE
    """A gate after this stage; anything but 0 in the reason of `gate_key` ends the run in a typed stand-aside."""
    gate_key: str = ""


STAGES: Final = (
    Stage("look", look, ("market",), "sight", Sight),
    Stage("spread", spread, ("market", "sight"), "spread_opinion", Opinion),
    Stage("lead_lag", lead_lag, ("market", "sight"), "lead_lag_opinion", Opinion),
    Stage("flow", flow, ("market", "sight"), "flow_opinion", Opinion),
    Stage("liquidity", liquidity, ("market", "sight"), "liquidity_opinion", Opinion),
    Stage(
        "fuse",
        fuse,
        ("market", "sight", "spread_opinion", "lead_lag_opinion", "flow_opinion", "liquidity_opinion"),
        "forecast",
        Forecast,
        Gate.LOOK,
        "sight",
    ),
    Stage(
        "signal",
        signal,
        ("market", "forecast", "flow_opinion"),
        "alpha",
        Signal,
        Gate.SIGNAL,
        "alpha",
    ),
    Stage("validate", validate, ("market",), "validation", Validation, Gate.VALIDATE, "validation"),
    Stage("risk", risk, ("market", "alpha"), "verdict", Verdict, Gate.RISK, "verdict"),
    Stage(
        "size",
        size,
        ("market", "forecast", "liquidity_opinion", "alpha", "verdict"),
        "stake",
        Stake,
        Gate.SIZE,
        "stake",
    ),
    Stage("execute", execute, ("market", "sight", "forecast", "alpha", "verdict", "stake"), "mandate", Mandate),
)
"""The desk, in order. What `look` finds wrong closes the way after the fusion, so every run has a forecast."""

AGENTS: Final = ("spread", "lead_lag", "flow", "liquidity")
"""The research agents: they read the same sight and never each other, so they run side by side."""

RECORDS: Final[dict[str, type[Record]]] = {"market": View, **{stage.writes: stage.record for stage in STAGES}}
"""Every key of the desk's state with its record."""


def stage_named(name: str) -> Stage:
    """Give the stage of that name."""
    return next(stage for stage in STAGES if stage.name == name)


def blank(key: str) -> Any:
    """Give a zeroed record for one key of the desk's state."""
    return one(RECORDS[key])
