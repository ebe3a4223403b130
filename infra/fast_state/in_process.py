"""The store of one process: nothing is shared with others, nothing outlives it, and nothing can be away."""

import queue
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Self

from infra.clock import Clock
from infra.fast_state.bucket import Bucket
from infra.fast_state.port import VALUE_MOST, Done, Held, Quiet, Rate, Refused, Standing, Told, Why
from state.units import NS_PER_MS

ROOM: Final = 1_024
"""Values that may wait for one listener; then the oldest is dropped, for a newer one says more."""


@dataclass(slots=True)
class Ear:
    """One listener of this process."""

    waiting: "queue.Queue[Told]" = field(default_factory=lambda: queue.Queue(ROOM))
    forget: Callable[["Ear"], None] = lambda _: None
    lost_count: int = 0

    def put(self, told: Told) -> None:
        """Let it hear a value."""
        while True:
            try:
                return self.waiting.put_nowait(told)
            except queue.Full:
                self._drop()

    def _drop(self) -> None:
        try:
            self.waiting.get_nowait()
            self.lost_count += 1
        except queue.Empty:
            return  # its listener was quicker

    def hear(self, within_s: float) -> Told | Quiet | Refused:
        """Give the next value."""
        try:
            return self.waiting.get(timeout=within_s) if within_s > 0.0 else self.waiting.get_nowait()
        except queue.Empty:
            return Quiet()

    def close(self) -> None:
        """Hear no more."""
        self.forget(self)


@dataclass(slots=True)
class InProcess:
    """The store of one process; leases and rates go by the clock that it is handed.

    Rates and leases belong to one thread. Values may be told and heard by several.
    """

    clock: Clock
    _buckets: dict[str, Bucket] = field(default_factory=dict)
    _leases: dict[str, tuple[Held, int]] = field(default_factory=dict)
    """With the time at which each runs out."""
    _fences: dict[str, int] = field(default_factory=dict)
    _last: dict[str, dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))
    _ears: dict[str, list[Ear]] = field(default_factory=lambda: defaultdict(list))

    def expect(self, bucket: str, rate: Rate) -> None:
        """Nothing is fetched ahead: the first asking makes the bucket."""

    def take(self, bucket: str, rate: Rate, tokens: float = 1.0) -> bool:
        """Take tokens of a bucket; another rate than before makes it a new bucket."""
        now_ns = self.clock.now_ns()
        kept = self._buckets.get(bucket)
        if kept is None or kept.rate != rate:
            kept = self._buckets[bucket] = Bucket(rate, rate.burst, now_ns)
        return kept.take(tokens, now_ns)

    # Leases.

    def acquire(self, name: str, holder: str, span_ms: int) -> Held | Refused:
        """Take a lease that nobody holds."""
        before = self._leases.get(name)
        if before is not None and self.clock.now_ns() < before[1]:
            return Refused(Why.HELD, before[0].holder)
        self._fences[name] = self._fences.get(name, 0) + 1
        return self._hold(Held(name, holder, self._fences[name]), span_ms)

    def renew(self, held: Held, span_ms: int) -> Held | Refused:
        """Hold it for longer."""
        refused = self._refusal(held)
        return refused if refused is not None else self._hold(held, span_ms)

    def release(self, held: Held) -> Done | Refused:
        """Give it back."""
        refused = self._refusal(held)
        if refused is not None:
            return refused
        del self._leases[held.name]
        return Done()

    def _hold(self, held: Held, span_ms: int) -> Held:
        self._leases[held.name] = (held, self.clock.now_ns() + span_ms * NS_PER_MS)
        return held

    def _refusal(self, held: Held) -> Refused | None:
        kept = self._leases.get(held.name)
        if kept is None or self.clock.now_ns() >= kept[1]:
            return Refused(Why.EXPIRED)
        return None if kept[0] == held else Refused(Why.OVERTAKEN, kept[0].holder)

    # Values.

    def write(self, held: Held, place: str, name: str, value: bytes) -> Done | Refused:
        """Tell a value as a lease's holder."""
        refused = self._refusal(held)
        if refused is not None:
            return refused
        self.tell(place, name, value)
        return Done()

    def tell(self, place: str, name: str, value: bytes) -> None:
        """Keep a last value and tell it."""
        assert len(value) <= VALUE_MOST, "a value of the fast state is short"
        self._last[place][name] = value
        for ear in tuple(self._ears[place]):
            ear.put(Told(name, value))

    def last(self, place: str) -> dict[str, bytes] | Refused:
        """Give the last values."""
        return dict(self._last[place])

    def listen(self, place: str) -> Ear:
        """Listen from the last values on."""
        ear = Ear()
        ears = self._ears[place]

        def forget(gone: Ear) -> None:
            ears[:] = [each for each in ears if each is not gone]

        ear.forget = forget
        for name, value in self._last[place].items():
            ear.put(Told(name, value))
        ears.append(ear)
        return ear

    def standing(self) -> Standing:
        """A process has what it has."""
        return Standing()

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
