"""Rows: one event of the journal as plain values, which is what books are made of."""

from typing import NamedTuple


class Row(NamedTuple):
    """One event row as plain values: the columns of `state.events.Event`, in their order."""

    at_ns: int
    seen_ns: int
    value_usd: float
    other_usd: float
    amount_micros: int
    ref_id: int
    price_bps: int
    span_s: int
    slot_id: int
    code_id: int
    flags_mask: int
    kind_code: int
    source_code: int
    token_code: int
    side_code: int
    spare_code: int
