"""The store that several processes share: Redis, spoken to by a thread of its own and, where a caller waits, by his.

`take` and `tell` touch memory alone: the thread fetches tokens ahead and sends what was told. When Redis is away both
go on: tokens come at our own share of the rate, values wait and the newest overtakes. Everything else waits for
`CALL_S` at most and is refused with the reason.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from infra.clock import monotonic_ns
from infra.fast_state.port import VALUE_MOST, Done, Held, Rate, Refused, Standing, Why
from infra.fast_state.redis_ear import Ear, packed
from infra.fast_state.redis_scripts import ACQUIRE, FETCH, LEAVE, RELEASE, RENEW, WRITE
from infra.fast_state.redis_stock import DEAD_MS, LIFE_MS, Stock
from infra.fast_state.settings import RedisPlace

CALL_S: Final = 1.0
"""No call that waits takes longer, whatever happened to the server."""
STEP_S: Final = 0.2
"""For each of: a free line, a connection, an answer."""
PULSE_S: Final = 0.25
"""Tokens are fetched so often at least: our silence would look like an outage."""
BREATH_S: Final = 0.005
"""And so often at most."""
RETRY_S: Final = 0.5
LINES: Final = 4
ROOM: Final = 4_096
"""Values that may wait to be told, each name once."""
_PREFIX: Final = "updown:"


def client_of(place: RedisPlace, lines: int = LINES, retries: int = 1) -> "redis.Redis":
    """Give a client that never waits long; it connects when it is first used.

    Args:
        place: Where.
        lines: Connections at once.
        retries: How often a call is made again whose line was broken, as all are after an outage.
    """
    more: dict[str, Any] = {"connection_class": redis.SSLConnection} if place.is_encrypted else {}
    make: Any = redis.BlockingConnectionPool  # redis-py says no types of it
    pool = make(
        host=place.host, port=place.port, db=place.database, username=place.user or None,
        password=place.password.reveal() if place.password is not None else None,
        max_connections=lines, timeout=STEP_S, socket_timeout=STEP_S, socket_connect_timeout=STEP_S, protocol=2,
        driver_info=None, retry=Retry(NoBackoff(), retries, supported_errors=(redis.ConnectionError,)), **more,
    )  # fmt: skip
    return redis.Redis(connection_pool=pool)


def reason_of(place: RedisPlace, error: redis.RedisError) -> str:
    """Say in a line why Redis is away."""
    return f"{place.words}: {' '.join(str(error).split())[:200] or type(error).__name__}"


class RedisStore:
    """One process's door to the shared store.

    Args:
        place: Where Redis is, and our share of each rate while it is away. The shares of all who take part must come
            to no more than one.
        name: Ours among those who take part; the same after a restart, so that we take our own place again.
        changed: Told, on the store's own thread, when the standing has changed.
    """

    def __init__(self, place: RedisPlace, name: str, changed: Callable[[Standing], None] | None = None) -> None:
        self._place, self._name, self._changed = place, name, changed
        self._client = client_of(place)
        register = self._client.register_script
        self._fetch, self._leave = register(FETCH), register(LEAVE)
        self._acquire, self._renew = register(ACQUIRE), register(RENEW)
        self._release, self._write = register(RELEASE), register(WRITE)
        self._lock = threading.Lock()
        """Held for a few lines of memory, never while something is sent."""
        self._stocks: dict[str, Stock] = {}
        self._outbox: dict[tuple[str, str], bytes] = {}
        self._standing = Standing()
        self._wake, self._closing = threading.Event(), threading.Event()
        self._ears: list[Ear] = []
        self._thread = threading.Thread(target=self._run, name="fast state", daemon=True)
        self._thread.start()

    # Rates.

    def expect(self, bucket: str, rate: Rate) -> None:
        """Have tokens of a bucket fetched ahead."""
        with self._lock:
            self._stock(bucket, rate)
        self._wake.set()

    def take(self, bucket: str, rate: Rate, tokens: float = 1.0) -> bool:
        """Take of what is in hand; more is fetched meanwhile."""
        with self._lock:
            stock = self._stock(bucket, rate)
            taken = stock.take(tokens, monotonic_ns())
            hurry = not stock.is_alone and stock.is_low
        if hurry:
            self._wake.set()
        return taken

    def _stock(self, bucket: str, rate: Rate) -> Stock:
        stock = self._stocks.get(bucket)
        if stock is None or stock.rate != rate:
            stock = self._stocks[bucket] = Stock(rate, self._place.share)
            if self._standing.degraded:
                stock.lost(monotonic_ns())
            self._wake.set()
        return stock

    # Leases.

    def acquire(self, name: str, holder: str, span_ms: int) -> Held | Refused:
        """Take a lease that nobody holds."""
        told = self._call(lambda: self._acquire([_lease(name), _lease(name) + ":fence"], [holder, span_ms]))
        if isinstance(told, Refused):
            return told
        fence, who = told
        return Held(name, holder, int(fence)) if fence else Refused(Why.HELD, who.decode(errors="replace"))

    def renew(self, held: Held, span_ms: int) -> Held | Refused:
        """Hold it for longer."""
        refused = self._as_holder(lambda: self._renew([_lease(held.name)], [held.fence, span_ms]))
        return refused if refused is not None else held

    def release(self, held: Held) -> Done | Refused:
        """Give it back."""
        return self._as_holder(lambda: self._release([_lease(held.name)], [held.fence])) or Done()

    def write(self, held: Held, place: str, name: str, value: bytes) -> Done | Refused:
        """Tell a value as a lease's holder."""
        assert len(value) <= VALUE_MOST, "a value of the fast state is short"
        keys = [_lease(held.name), _place(place)]
        args: list[int | str | bytes] = [held.fence, name, value, packed(name, value)]
        return self._as_holder(lambda: self._write(keys, args)) or Done()

    def _as_holder(self, call: Callable[[], Any]) -> Refused | None:
        told = self._call(call)
        if isinstance(told, Refused):
            return told
        code, who = told
        if code == 1:
            return None
        return Refused(Why.EXPIRED) if code < 0 else Refused(Why.OVERTAKEN, who.decode(errors="replace"))

    def _call(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except redis.RedisError as error:
            return Refused(Why.AWAY, reason_of(self._place, error))

    # Values.

    def tell(self, place: str, name: str, value: bytes) -> None:
        """Have a value told; until it is, a newer one takes its place."""
        assert len(value) <= VALUE_MOST, "a value of the fast state is short"
        with self._lock:
            if (place, name) not in self._outbox and len(self._outbox) >= ROOM:
                self._standing = replace(self._standing, dropped=self._standing.dropped + 1)
                return
            self._outbox[place, name] = value
        self._wake.set()

    def last(self, place: str) -> dict[str, bytes] | Refused:
        """Give the last values."""
        told = self._call(lambda: self._client.hgetall(_place(place)))
        return told if isinstance(told, Refused) else {name.decode(): value for name, value in told.items()}

    def listen(self, place: str) -> Ear:
        """Listen on a line of its own."""
        ear = Ear(
            client_of(self._place, lines=2, retries=0), _place(place), lambda error: reason_of(self._place, error)
        )
        self._ears.append(ear)
        return ear

    # How it does.

    def standing(self) -> Standing:
        """Say how it does."""
        return self._standing

    def close(self) -> None:
        """Give back our places in the buckets, and end the thread."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._wake.set()
        self._thread.join(CALL_S)
        with self._shrug():
            for bucket in self._stocks:
                self._leave([_bucket(bucket)], [self._name])
        for ear in self._ears:
            ear.close()
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _shrug(self) -> Iterator[None]:
        try:
            yield
        except redis.RedisError:
            return  # we are taken to be dead after a while instead

    # The thread.

    def _run(self) -> None:
        try:
            self._live()
        except Exception as error:  # boundary: whatever we did wrong here, orders go on with our share, and it is said
            self._went(f"our own fault: {type(error).__name__}")
            raise

    def _live(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(PULSE_S)
            self._wake.clear()
            try:
                self._fetch_all()
                self._send_all()
            except redis.RedisError as error:
                self._went(reason_of(self._place, error))
                self._closing.wait(RETRY_S)
            else:
                self._went("")
                self._closing.wait(BREATH_S)

    def _fetch_all(self) -> None:
        if not self._stocks:  # who fetches nothing wants to know all the same how the store does
            self._client.ping()
        for bucket, stock in list(self._stocks.items()):
            with self._lock:
                in_hand = stock.report(monotonic_ns())
            args: list[str | float] = [
                stock.rate.per_s, stock.rate.burst, self._name, stock.share, f"{in_hand:.9g}", stock.want, LIFE_MS,
                DEAD_MS,
            ]  # fmt: skip
            told = self._fetch([_bucket(bucket)], args)
            with self._lock:
                stock.granted(float(told))

    def _send_all(self) -> None:
        with self._lock:
            fresh = dict(self._outbox)
        if not fresh:
            return
        with self._client.pipeline(transaction=False) as pipeline:
            for (place, name), value in fresh.items():
                pipeline.hset(_place(place), name, value)
                pipeline.publish(_place(place), packed(name, value))
            pipeline.execute()
        with self._lock:
            for key, value in fresh.items():
                if self._outbox.get(key) is value:  # a newer one has not been told yet
                    del self._outbox[key]

    def _went(self, degraded: str) -> None:
        """Note how it does; whoever wants to know is told when it became better or worse."""
        with self._lock:
            before = self._standing
            if degraded:
                for stock in self._stocks.values():
                    stock.lost(monotonic_ns())
            if bool(degraded) == bool(before.degraded):
                return
            self._standing = replace(
                before, degraded=degraded, since_ns=monotonic_ns(), outages=before.outages + bool(degraded)
            )
        if self._changed is not None:
            self._changed(self._standing)


def _bucket(name: str) -> str:
    return f"{_PREFIX}bucket:{name}"


def _lease(name: str) -> str:
    return f"{_PREFIX}lease:{{{name}}}"


def _place(name: str) -> str:
    return f"{_PREFIX}place:{name}"
