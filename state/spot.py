"""Takers' trades at one exchange, as far as the guard of the averaging minute needs them."""

from state.records import F64, I64, Record


class SpotFlow(Record):
    """Trades in one coin at one exchange, in micros of the coin, forgetting by time constants."""

    signed_micros: F64
    """Bought less sold of late (seconds)."""
    total_micros: F64
    """All of the same."""
    usual_micros: F64
    """What a steady flow at the rate of the last minutes would show as the total."""
    seen_ns: I64
    begun_ns: I64
    """First trade seen: before some minutes have passed, nothing is known to be usual."""
