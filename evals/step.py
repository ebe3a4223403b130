"""Step: play a run again up to one decision of the desk and give it whole, every stage's record as it was."""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evals.backtest import Backtest, Terms
from graph.stages import STAGES
from state.desk import Decision
from state.events import EVENT
from state.params import Params
from state.reasons import WORDS, Gate, Reason
from state.records import as_dict

STAND_ASIDE: Final = "stand_aside"
NEVER_RAN: Final = "not run: the way was closed before it"


def decision_at(
    chunks: Iterable[NDArray[Any]], params: Params, terms: Terms, mandate_id: int
) -> tuple[Decision, int] | None:
    """Play rows until the desk gives that mandate, and give its whole decision.

    Args:
        chunks: the run's rows in order; read only as far as needed.
        params: the run's parameters.
        terms: the run's terms.
        mandate_id: counted from 1 in the order of the desk's runs.

    Returns the decision with the rows that were fed, or None when the run has no such decision.
    """
    backtest = Backtest(params, terms)
    session = backtest.session
    session.wanted_mandate_id = mandate_id
    for chunk in chunks:
        backtest.feed(chunk)
        if session.wanted.mandate.mandate_id == mandate_id:
            break
    else:
        backtest.feed(np.zeros(0, EVENT), final=True)
    if mandate_id < 1 or session.wanted.mandate.mandate_id != mandate_id:
        return None
    return session.wanted.copy(), backtest.events_count


def stage_trace(decision: Any) -> list[dict[str, Any]]:
    """Give a decision stage by stage in the desk's order, as plain values.

    Each entry has the stage's name, what it read and wrote, whether it ran, the words for its reason, and `gate`: ""
    where the stage is no gate, else "open" or "closed".
    """
    trace: list[dict[str, Any]] = []
    closed = False
    for stage in STAGES:
        last = stage is STAGES[-1]
        ran = not closed or last
        wrote = as_dict(decision[stage.writes])
        trace.append(
            {
                "stage": STAND_ASIDE if closed and last else stage.name,
                "reads": {key: as_dict(decision[key]) for key in stage.reads},
                "writes": stage.writes,
                "ran": ran,
                "record": wrote if ran else {},
                "why": _why(wrote) if ran else NEVER_RAN,
                "gate": "",
            }
        )
        if ran and stage.gate is not Gate.NONE:
            reason = int(decision[stage.gate_key]["reason_code"])
            closed = closed or reason != 0
            trace[-1]["gate"] = f"closed: {WORDS[Reason(reason)]}" if reason else "open"
    return trace


def _why(record: dict[str, Any]) -> str:
    code = record.get("reason_code")
    return WORDS[Reason(code)] if code else ""
