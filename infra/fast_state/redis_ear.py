"""Ear: what is told at a place of the shared store, heard by whoever asks, on a line of its own."""

from collections import deque
from collections.abc import Callable
from typing import Any, Final

import redis

from infra.clock import monotonic_ns
from infra.fast_state.port import Quiet, Refused, Told, Why
from state.units import NS_PER_S

MARK: Final = b"\0"
JOIN_S: Final = 0.2
"""How long the server may take to let us listen."""


def packed(name: str, value: bytes) -> bytes:
    """Give a value as it is told: its name, a mark, and itself."""
    return name.encode() + MARK + value


class Ear:
    """One listener; used by one thread.

    A line that breaks is noticed when something is asked of it, and the last values are given once more after it.
    Doubt: a server that hangs without breaking its lines looks like one where nothing happens.
    """

    def __init__(self, client: "redis.Redis", place: str, reason: Callable[[redis.RedisError], str]) -> None:
        self._client, self._place, self._reason = client, place, reason
        self._line: Any = None
        self._waiting: deque[Told] = deque()

    def hear(self, within_s: float) -> Told | Quiet | Refused:
        """Give the next value, or why there is none."""
        limit_ns = monotonic_ns() + round(within_s * NS_PER_S)
        try:
            if self._line is None:
                self._join()
            while not self._waiting:
                left_s = max((limit_ns - monotonic_ns()) / NS_PER_S, 0.0)
                heard = self._line.get_message(ignore_subscribe_messages=True, timeout=left_s)
                if heard is not None:
                    name, _, value = heard["data"].partition(MARK)
                    self._waiting.append(Told(name.decode(), value))
                elif left_s <= 0.0:
                    return Quiet()
        except redis.RedisError as error:
            self._leave()
            return Refused(Why.AWAY, self._reason(error))
        return self._waiting.popleft()

    def close(self) -> None:
        """Hear no more."""
        self._leave()
        self._client.close()

    def _join(self) -> None:
        """Listen first and look at the last values then, so that nothing falls between."""
        client: Any = self._client  # redis-py says no types of its listening side
        line = client.pubsub()
        try:
            line.subscribe(self._place)
            if line.get_message(timeout=JOIN_S) is None:
                raise redis.TimeoutError("it did not let us listen")
            last: Any = self._client.hgetall(self._place)
        except redis.RedisError:
            line.close()
            raise
        self._line = line
        self._waiting = deque(Told(name.decode(), value) for name, value in last.items())

    def _leave(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
