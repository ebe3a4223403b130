"""The core as the shell and a replay both drive it: rows and mandates in, commands out, and a running hash over all."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graph.fast import decide
from graph.heart import receive_mandate, receive_params, receive_rows
from graph.mandates import number_mandate
from graph.views import take_view
from graph.worlds import new_world
from state.desk import Decision, Mandate
from state.orders import COMMANDS, Act, Command
from state.params import Params, hash_number, params_hash
from state.records import layout, rows
from state.rulebook import REGISTRY
from state.world import SLOTS, World

Rows = NDArray[Any]

ASKED: Final = 1024
"""Runs of the desk that are remembered until their mandate has come or been overtaken."""
_ASK: Final = int(Act.ASK)


class MandateDiffers(Exception):
    """A mandate is not the one that the fused desk gives on the same view: nothing may trade on it."""


class MandateOutlived(Exception):
    """A mandate is what it should be, but the parameters it was asked under are no longer in force: it is dropped."""


@dataclass(slots=True)
class Asked:
    """One run of the desk that the core asked for: the view to run on, and what the fused desk made of it."""

    slot: int
    mandate_id: int
    decision: Rows
    """Shape (1,): the view and every stage's record, by the fused desk."""
    asked_ns: int
    params: Params
    """Those in force when it was asked for: the run and its audit go by them."""

    @property
    def expected(self) -> bytes:
        """Give the mandate that every runner must come to."""
        packed: bytes = self.decision["mandate"].tobytes()
        return packed


@dataclass(slots=True)
class Core:
    """One world with its commands; deterministic: the same calls give the same bytes."""

    params: Params
    cash_micros: int
    worlds: Any = field(init=False)
    """Shape (1,)."""
    asked: dict[int, Asked] = field(init=False, default_factory=dict)
    """Runs that are under way, by the number of their mandate."""
    _commands: Any = field(init=False)
    _hash: Any = field(init=False, default_factory=hashlib.sha256)

    def __post_init__(self) -> None:
        """Begin with an empty world."""
        self.worlds = rows(World, 1)
        self.worlds[0] = new_world(self.params, self.cash_micros)
        self._commands = rows(Command, COMMANDS)

    @property
    def world(self) -> Any:
        """Give the world's row; cheap to read from, dear to hand to compiled code."""
        return self.worlds[0]

    def receive(self, events: Rows, count: int) -> Iterator[Rows]:
        """Receive the first `count` rows, and give the commands of each row that had some, shape (n,), a copy.

        The caller does them before it asks for the next: what a row caused comes before the row after it.
        """
        start = 0
        before = int(self.worlds["event_seq"][0])
        while start < count:
            rest: Any = events[start:count]
            written = receive_rows(self.worlds, rest, count - start, REGISTRY, self._commands)
            if written == 0:
                return
            after = int(self.worlds["event_seq"][0])
            start += after - before
            before = after
            yield self._given(written)

    def _given(self, written: int) -> Rows:
        commands: Rows = self._commands[:written].copy()
        self._hash.update(commands.tobytes())
        return commands

    def ask(self, slot: int) -> Asked:
        """Take the view that a run of the desk starts from, now, and let the fused desk decide on it."""
        decision = rows(Decision, 1)
        row: Any = decision[0]
        take_view(self.world, slot, row.market)
        decide(self.params, row)
        number_mandate(self.world, row.market, row.mandate)
        asked = Asked(slot, int(row.mandate.mandate_id), decision, int(row.market.now_ns), self.params)
        self.asked[asked.mandate_id] = asked
        if len(self.asked) > ASKED:
            self.asked.pop(min(self.asked))
        return asked

    def give(self, mandates: Rows, seen_ns: int) -> Rows:
        """Let a mandate stand (shape (1,)), after holding it against the fused desk's; give the commands it caused.

        Raises:
            MandateDiffers: it is not what the fused desk came to, or nobody asked for it.
            MandateOutlived: it is, but other parameters are in force by now; it does not stand.
        """
        number = int(mandates["mandate_id"][0])
        asked = self.asked.pop(number, None)
        packed = mandates.tobytes()
        if asked is None or asked.expected != packed:
            why = "nobody asked for it" if asked is None else "the fused desk comes to another on the same view"
            raise MandateDiffers(f"mandate {number}: {why}")
        if asked.params is not self.params:
            raise MandateOutlived(f"mandate {number}: asked under parameters that are no longer in force")
        # Older runs of that market, whose place a newer request took, never give a mandate.
        self.asked = {key: each for key, each in self.asked.items() if each.slot != asked.slot or key > number}
        self._hash.update(packed)
        written = receive_mandate(self.world, mandates[0], seen_ns, self._commands)
        return self._given(written)

    def change_params(self, params: Params, seen_ns: int) -> Rows:
        """Put new parameters in force; every standing mandate ends, and what rests under it is pulled.

        Gives the commands that this caused. Whether the change may be made at all is asked before, by
        `infra.shell.retuning`: a replay makes what was made.
        """
        self.params = params
        self._hash.update(np.asarray(params).tobytes())
        return self._given(receive_params(self.world, params, hash_number(params), seen_ns, self._commands))

    @property
    def params_hash(self) -> str:
        """Give the hash of the parameters in force."""
        return params_hash(self.params)

    def digest(self) -> str:
        """Give the running hash: over every command, mandate and change of parameters so far, and the world."""
        total = self._hash.copy()
        total.update(self.worlds.tobytes())
        return str(total.hexdigest())

    def slot_of(self, open_ns: int, asset: int, span_ns: int) -> int:
        """Give the slot in which a window stands already, or -1."""
        markets = self.worlds["markets"][0]
        for slot in range(SLOTS):
            market = markets[slot]
            same = market["open_ns"] == open_ns and market["asset_code"] == asset and market["phase_code"] != 0
            if same and market["close_ns"] - market["open_ns"] == span_ns:
                return slot
        return -1

    def holds_any(self, slot: int) -> bool:
        """Say whether a slot's window holds shares or orders of ours."""
        market = self.worlds["markets"][0][slot]
        held = market["position"]["up_micros"] or market["position"]["down_micros"]
        return bool(held or market["orders_count"])


MANDATE: Final = layout(Mandate)
COMMAND: Final = layout(Command)
PARAMS: Final = layout(Params)


def is_ask(command: Any) -> bool:
    """Say whether a command asks for a run of the desk."""
    return int(command["act_code"]) == _ASK
