"""What a backtest keeps beside the world: the desk's waiting mandates, and lines for its ledgers."""

from typing import Annotated, Final

import numpy as np

from state.desk import Decision, Mandate
from state.records import F64, I64, U16, Ints, Record, Rows
from state.world import SLOTS

OUTBOX: Final = 64
"""Messages of the venue handed over at once."""


class WindowLine(Record):
    """One settled window in a line: how it ended and what we did in it."""

    open_s: I64
    close_s: I64
    seen_ns: I64
    strike_usd: F64
    final_usd: F64
    strike_gap_bps: F64
    up_micros: I64
    down_micros: I64
    spent_micros: I64
    fees_micros: I64
    traded_micros: I64
    fills_count: I64
    reversed_count: I64
    realized_micros: I64
    cash_micros: I64
    samples_count: I64
    slot_id: U16
    asset_code: U16
    outcome_code: U16
    settlement_code: U16
    strike_code: U16
    refused_code: U16
    spare_code: U16
    spare2_code: U16


class Session(Record):
    """The desk of a backtest: one decision at a time, mandates on their way to the core, counts."""

    decision: Decision
    blank: Decision
    """Stays zero: what a run starts from."""
    waiting: Annotated[Rows[Mandate], SLOTS]
    due_ns: Annotated[Ints, np.int64, (SLOTS,)]
    """When each slot's waiting mandate reaches the core; 0 none."""
    next_due_ns: I64
    desk_delay_ns: I64
    """How long a run of the desk takes: the LangGraph desk's measured time, so that a backtest does not flatter."""
    desk_cursor_id: I64
    venue_cursor_id: I64
    runs_count: I64
    lines_count: I64
    commands_count: I64
    messages_count: I64
    windows_count: I64
    dropped_count: I64
    """Commands that the venue's queue had no room for."""
    wanted: Decision
    """The run of the desk that somebody asked to see whole; zero until it has come."""
    wanted_mandate_id: I64
    """Its mandate; 0 none."""
