"""The proof of order speed: ours beside the venue's own clients, and from a command to bytes on the socket."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from evals.proof import Figure, Proof
from infra.clock import monotonic_ns
from infra.proofs.order_clients import ClientMissing, Maker, Wish, clob_client, ours, polymarket_client
from infra.proofs.order_roads import Trip, time_roads
from infra.proofs.order_sockets import Timed, quantile, time_orders
from infra.proofs.rehearsals import Progress, venue
from infra.venue_next_door.files import VenueFile
from state.units import NS_PER_MS

_NS_PER_US: Final = NS_PER_MS // 1_000

NAME: Final = "order-speed"
CLAIM: Final = "an order is made in 80 us, and its bytes are on the socket a millisecond after it was decided"
MADE_US: Final = 80.0
SOCKET_MS: Final = 1.0
ORDERS: Final = 1_040
"""Half of them wait for the disk."""
ORDERS_LEAST: Final = 500
ROUNDS: Final = 150
EACH: Final = {"ours, deposit wallet": 20, "ours, own account": 20}
"""Orders of one round by maker; 2 of any other, 1 of one that is slow."""
SLOW: Final = "py-clob-client-v2 without coincurve"
_BACKEND: Final = "ECC_BACKEND_CLASS"
"""By this variable the library under both clients is told what to sign with, each time that it signs."""
HASHES: Final = 3_000
SYNCS: Final = 200
TRIPS: Final = 300

Times = dict[str, list[float]]


def prove_order_speed(_: Path | None, progress: Progress, *, orders: int = ORDERS, rounds: int = ROUNDS) -> Proof:
    """Time makers of orders in turn, then orders on their way to a venue next door."""
    progress(0, 2 * orders)
    made, missing = time_makers(rounds)
    with tempfile.TemporaryDirectory(prefix="updown-orders-") as home:
        scratch = Path(home)
        syncs_ms = time_syncs(scratch / "syncs")
        with venue(scratch, market="demo", speed=1.0, windows=4) as (_file, told):
            timed, trips = _at_the_venue(told, scratch / "journal", orders, lambda done, _n: progress(done, 2 * orders))
    progress(2 * orders, 2 * orders)
    return judged(made, timed, trips, syncs_ms, time_hashes(), missing, least=min(ORDERS_LEAST, orders // 2))


def _at_the_venue(told: VenueFile, journal: Path, orders: int, progress: Progress) -> tuple[Timed, dict[str, Trip]]:
    import uvloop

    async def both() -> tuple[Timed, dict[str, Trip]]:
        timed = await time_orders(told, journal, orders, progress)
        return timed, await time_roads(told.addresses.clob, told.clock, TRIPS)

    return uvloop.run(both())


def judged(
    made: Times, timed: Timed, trips: dict[str, Trip], syncs_ms: list[float], hashes: Times, missing: list[str],
    *, least: int,
) -> Proof:  # fmt: skip
    """Hold what was measured against the bars."""
    half_us, half_ms = quantile(made["ours, deposit wallet"], 50), quantile(timed.safe_ms, 50)
    figures = [
        Figure(
            name="order rounded, signed and written, deposit wallet, p50", measured=f"{half_us:.1f} us",
            bar=f"<= {MADE_US:g} us", holds=half_us <= MADE_US,
        ),
        Figure(
            name="command to bytes on the socket, safe on disk before, p50", measured=f"{half_ms:.3f} ms",
            bar=f"<= {SOCKET_MS:g} ms", holds=half_ms <= SOCKET_MS,
        ),
        _informing("... p99", f"{quantile(timed.safe_ms, 99):.3f} ms"),
        _informing("the same without waiting for the disk, p50", f"{quantile(timed.unsafe_ms, 50):.3f} ms"),
        _informing("waiting for the journal to be safe, p50", f"{quantile(timed.disk_ms, 50):.3f} ms"),
        _informing("one fdatasync of this disk by itself, p50", f"{quantile(syncs_ms, 50):.3f} ms"),
        Figure(
            name="orders timed that waited for the disk", measured=len(timed.safe_ms), bar=f">= {least}",
            holds=len(timed.safe_ms) >= least,
        ),
        Figure(
            name="orders that the venue took", measured=timed.resting_count, bar=f">= {2 * least}",
            holds=timed.resting_count >= 2 * least,
        ),
    ]  # fmt: skip
    notes = [
        f"{os.cpu_count()} cores, load before the end {os.getloadavg()[0]:.1f}; makers and roads took turns",
        "HTTP/2 is not among the roads: the venue next door speaks HTTP/1.1, and a request here is one packet anyway",
    ]
    notes += [f"{name} is not installed: nothing to compare with" for name in missing]
    tables = {
        "one order, by maker": [_row(name, values, half_us) for name, values in made.items()],
        "one POST, by road": [_trip(name, trip) for name, trip in trips.items()],
        "Keccak-256 of an order's struct": [
            {"backend": name, "p50_us": round(quantile(values, 50), 2)} for name, values in hashes.items()
        ],
    }
    return Proof(name=NAME, claim=CLAIM, figures=tuple(figures), tables=tables, notes=tuple(notes))


def _informing(name: str, measured: str) -> Figure:
    return Figure(name=name, measured=measured, bar="-")


def _row(name: str, values: list[float], half_us: float) -> dict[str, Any]:
    middle = quantile(values, 50)
    return {
        "maker": name, "orders": len(values), "p50_us": round(middle, 1), "p99_us": round(quantile(values, 99), 1),
        "times ours": round(middle / half_us, 1),
    }  # fmt: skip


def _trip(name: str, trip: Trip) -> dict[str, Any]:
    return {
        "road": name, "round trip p50_us": round(quantile(trip.round_us, 50)),
        "own work p50_us": round(quantile(trip.work_us, 50)), "answered": ", ".join(map(str, sorted(trip.statuses))),
    }  # fmt: skip


def makers() -> tuple[dict[str, Maker], list[str]]:
    """Give all makers of orders by name, and the names of clients that are not installed."""
    found: dict[str, Maker] = {"ours, deposit wallet": ours(3), "ours, own account": ours(0)}
    missing = []
    for name, make in (("polymarket-client", polymarket_client), ("py-clob-client-v2", clob_client)):
        try:
            found[name] = make(3)
        except ClientMissing:
            missing.append(name)
    if "py-clob-client-v2" in found:
        found[SLOW] = _without_coincurve(found["py-clob-client-v2"])
    return found, missing


def _without_coincurve(make: Maker) -> Maker:
    """Let a client sign with the Python code that it falls back to where coincurve is not installed."""

    def made(wish: Wish) -> bytes:
        os.environ[_BACKEND] = "eth_keys.backends.NativeECCBackend"
        try:
            return make(wish)
        finally:
            del os.environ[_BACKEND]

    return made


def time_makers(rounds: int) -> tuple[Times, list[str]]:
    """Let all makers make the same order, in turn, and give how long each order took, in us."""
    found, missing = makers()
    wish = Wish()
    for make in found.values():
        make(wish)
    times: Times = {name: [] for name in found}
    for _ in range(rounds):
        for name, make in found.items():
            for _ in range(EACH.get(name, 1 if name == SLOW else 2)):
                began_ns = time.perf_counter_ns()
                make(wish)
                times[name].append((time.perf_counter_ns() - began_ns) / _NS_PER_US)
    return times, missing


def time_syncs(file: Path, count: int = SYNCS) -> list[float]:
    """Append and sync as the journal does, and give how long each sync took, in ms."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    taken = []
    try:
        for _ in range(count):
            os.write(handle, bytes(300))
            began_ns = monotonic_ns()
            os.fdatasync(handle)
            taken.append((monotonic_ns() - began_ns) / NS_PER_MS)
    finally:
        os.close(handle)
    return taken


def _hashes() -> Iterator[tuple[str, Callable[[bytes], bytes]]]:
    if find_spec("sha3") is not None:
        from sha3 import keccak_256  # type: ignore[import-untyped]

        yield "safe-pysha3", lambda data: keccak_256(data).digest()
    if find_spec("Crypto") is not None:
        from Crypto.Hash import keccak

        yield "pycryptodome", lambda data: keccak.new(data=data, digest_bits=256).digest()
    from infra.venues.signing import keccak as chosen

    yield "the one that signs", chosen


def time_hashes(count: int = HASHES) -> Times:
    """Hash an order's struct by every backend here, in turn, and give how long each hash took, in us."""
    backends = dict(_hashes())
    data, times = bytes(range(256)) + bytes(128), {name: list[float]() for name in backends}
    for _ in range(count):
        for name, hashed in backends.items():
            began_ns = time.perf_counter_ns()
            hashed(data)
            times[name].append((time.perf_counter_ns() - began_ns) / _NS_PER_US)
    return times
