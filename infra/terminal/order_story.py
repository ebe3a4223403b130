"""The story of an order: every step that the core remembers of it, taken or not, as lines for people."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from infra.plain_memory import plain
from infra.terminal.decisions import reason_words
from infra.terminal.memory import worded
from infra.terminal.wording import clock, shares
from state.orders import STEPS, OrderState, Reject, StepCause, StepFate
from state.units import MICROS


def steps_of(worlds: NDArray[Any], order_id: int = 0) -> NDArray[Any]:
    """Give the remembered steps, oldest first: of one order, or of all with 0. What is older is overwritten."""
    world = plain(worlds)[0]
    count = int(world["steps_count"])
    turn = count % STEPS
    ring = world["steps"]
    steps: NDArray[Any] = ring[:count].copy() if count <= STEPS else np.concatenate([ring[turn:], ring[:turn]])
    return steps if order_id == 0 else steps[steps["order_id"] == order_id]


def overwritten_count(worlds: NDArray[Any]) -> int:
    """Give how many steps are not remembered any more."""
    return max(int(plain(worlds)[0]["steps_count"]) - STEPS, 0)


def order_story(worlds: NDArray[Any], order_id: int) -> tuple[str, ...]:
    """Tell one order's life, a line a step."""
    return tuple(told_step(step) for step in steps_of(worlds, order_id))


def told_step(step: Any) -> str:
    """Say one step: when, by which event, from where to where, how much, why, and what became of it."""
    cause, fate = StepCause(int(step["cause_code"])), StepFate(int(step["fate_code"]))
    before, after = worded(OrderState, int(step["from_code"])), worded(OrderState, int(step["to_code"]))
    head = f"{clock(int(step['at_ns']), 3)} #{int(step['cause_seq'])} order {int(step['order_id'])}"
    amount = shares(int(step["amount_micros"]) / MICROS)
    if cause is StepCause.MATCHED:
        went = f"{amount} matched" + (f", {before} -> {after}" if before != after else "")
    elif cause is StepCause.REVERSED:
        went = f"{amount} failed on chain"
    else:
        went = f"{before} -> {after}"
    return f"{head}: {went}{_why(step, cause)}{_FATES[fate]}"


def _why(step: Any, cause: StepCause) -> str:
    code = int(step["why_code"])
    if cause is StepCause.SETTLED:
        return ", the window is settled"
    if not code:
        return ""
    return f", {reason_words(code)}" if cause is StepCause.DECIDED else f", {worded(Reject, code)}"


_FATES = {
    StepFate.NONE: "",
    StepFate.TAKEN: "",
    StepFate.SAME: " [said before]",
    StepFate.LATE: " [late: nothing changed]",
    StepFate.IMPOSSIBLE: " [impossible: nothing changed]",
    StepFate.STRANGER: " [no order of this window that is remembered]",
    StepFate.CUT: " [more than was open: not booked]",
    StepFate.UNFOUNDED: " [more than had been booked: only that much was taken back]",
}
