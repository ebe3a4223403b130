"""Sender: tells each receiver of each change, tries again a few times, and says once what reached nobody.

Whatever a receiver does, it holds up nobody but itself: each has a queue of its own, bounded, and the oldest goes
first when it is full.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import aiohttp

from infra.alerts.alert import Alert
from infra.alerts.settings import Receiver

TRIES: Final = 4
PAUSE_S: Final = 1.0
"""Before the second try; each further pause is twice as long."""
TRY_S: Final = 10.0
ASKED_MOST_S: Final = 30.0
"""The most that we heed of a receiver's own wish to wait."""
ROOM: Final = 100

Pause = Callable[[float], Any]
"""Awaitable sleep; handed in by tests."""


@dataclass(slots=True)
class Post:
    """What became of alerts, by receiver."""

    sent: int = 0
    failed: int = 0
    dropped: int = 0
    why: str = ""
    """Why the last one failed; never an address."""


@dataclass(slots=True)
class AlertSender:
    """Sends alerts while its block lasts; what waits at its end is given a last chance."""

    receivers: Sequence[Receiver]
    say: Callable[[str], None]
    """Hears in one line what reached a receiver in no way."""
    pause: Pause = asyncio.sleep
    posts: list[Post] = field(init=False)
    _queues: list[deque[Alert]] = field(init=False)
    _ready: list[asyncio.Event] = field(init=False)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _session: aiohttp.ClientSession | None = None
    _closing: bool = False

    def __post_init__(self) -> None:
        """Make a queue for each receiver."""
        self.posts = [Post() for _ in self.receivers]
        self._queues = [deque() for _ in self.receivers]
        self._ready = [asyncio.Event() for _ in self.receivers]

    @property
    def failed(self) -> int:
        """Count what a receiver was never told."""
        return sum(post.failed + post.dropped for post in self.posts)

    def tell(self, alert: Alert) -> None:
        """Have an alert sent to everybody; never waits."""
        for queue, ready, post in zip(self._queues, self._ready, self.posts, strict=True):
            if len(queue) >= ROOM:
                queue.popleft()
                post.dropped += 1
            queue.append(alert)
            ready.set()

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=TRY_S)
        self._session = aiohttp.ClientSession(timeout=timeout)
        self._tasks = [asyncio.create_task(self._serve(at)) for at in range(len(self.receivers))]
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._closing = True
        for ready in self._ready:
            ready.set()
        if self._tasks:
            _done, late = await asyncio.wait(self._tasks, timeout=TRY_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        assert self._session is not None
        await self._session.close()

    async def _serve(self, at: int) -> None:
        queue, ready, post = self._queues[at], self._ready[at], self.posts[at]
        while True:
            await ready.wait()
            ready.clear()
            while queue:
                alert = queue.popleft()
                why = await self._send(self.receivers[at], alert)
                post.sent, post.failed, post.why = post.sent + (not why), post.failed + bool(why), why or post.why
                if why:
                    self.say(f"an alert did not reach {self.receivers[at].kind}: {why}: {alert.line}")
            if self._closing:
                return

    async def _send(self, receiver: Receiver, alert: Alert) -> str:
        """Try a few times; gives why it failed, "" when it did not."""
        why, asked_s = "", 0.0
        for number in range(TRIES):
            if number:
                await self.pause(asked_s or PAUSE_S * 2.0 ** (number - 1))
            why, asked_s, again = await self._try(receiver, alert)
            if not why or not again:
                return why
        return f"{why}, {TRIES} times"

    async def _try(self, receiver: Receiver, alert: Alert) -> tuple[str, float, bool]:
        """Give why it failed, how long the receiver asks us to wait, and whether to try again at all."""
        assert self._session is not None
        try:
            async with self._session.post(
                receiver.address.reveal(), json=receiver.body(alert), allow_redirects=False
            ) as told:
                if told.status < 300:
                    return "", 0.0, False
                asked = told.headers.get("Retry-After", "")
                asked_s = min(float(asked), ASKED_MOST_S) if asked.isascii() and asked.isdigit() else 0.0
                return f"it answered {told.status}", asked_s, told.status == 429 or told.status >= 500
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return type(error).__name__, 0.0, True  # its words may repeat the address, which is a secret
