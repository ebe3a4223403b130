"""Gate start: the gate's books made again from a session's journal, so that a restart forgets no loss and no order."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infra.journal.blocks import EntryKind
from infra.journal.reader import entries
from infra.shell.core import COMMAND
from infra.shell.session import Played
from infra.venues.gate import Gate
from state.params import Params


def gate_from(folder: Path, played: Played | None, params: Params, now_ns: int) -> Gate:
    """Give the gate of a session: empty, or as the journal in its folder leads to.

    Commands that the core gave and that did not reach the journal count as sent: nobody knows whether they left.

    Args:
        folder: The session's; read before it is opened for writing.
        played: What was played of its journal; None for a new session.
        params: The session's settings.
        now_ns: The clock's time.
    """
    gate = Gate(params, now_ns)
    if played is None:
        return gate
    for entry in entries(folder, torn_ok=True):
        if entry.kind == EntryKind.EVENTS:
            rows = entry.rows
            gate.hear(rows, len(rows))
        elif entry.kind == EntryKind.COMMAND:
            _send(gate, entry.data)
    for packed in played.pending:
        _send(gate, packed)
    return gate


def _send(gate: Gate, packed: bytes) -> None:
    commands: NDArray[Any] = np.frombuffer(packed, COMMAND)
    for command in commands:
        gate.books.send(command)
