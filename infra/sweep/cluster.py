"""A sweep's cells on a Dask cluster: rows are sent once for each stretch, cells and answers as plain values.

Whoever reaches a Dask scheduler can run what he likes on its workers: so a plain `tcp://` address must be of this
machine (a tunnel's end may be), and others are reached by `tls://` with the certificates of Dask's own configuration.
"""

import ipaddress
import socket
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import numpy as np

from infra.sweep.player import REASON_LENGTH, answer

ANSWER_S: Final = 10.0
"""How long a scheduler may take to answer at all."""
AHEAD: Final = 3
"""Cells in flight for each thread of the cluster, so that none waits for the next."""


class ClusterRefused(Exception):
    """The cluster cannot be used, or was lost; the message says how to mend it."""


def hold_address(address: str) -> None:
    """Refuse an address that is none, or a plain one of another machine.

    Raises:
        ClusterRefused: with what to say instead.
    """
    told = urlsplit(address)
    try:
        whole = told.scheme in ("tcp", "tls") and bool(told.hostname) and told.port is not None
    except ValueError:
        whole = False
    if not whole:
        raise ClusterRefused(f"{address}: no address of a scheduler; say tcp://127.0.0.1:8786")
    if told.scheme == "tcp" and not _is_here(str(told.hostname)):
        raise ClusterRefused(
            f"{address}: whoever hears plain tcp can run what he likes on the workers; tunnel it to 127.0.0.1, or say "
            "tls:// with the certificates of Dask's configuration"
        )


def played_there(requests: Iterable[dict[str, Any]], address: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Play cells on a cluster and give each with its answer, as they are done.

    Args:
        requests: what `infra.sweep.player.answer` is given, stretch by stretch: rows are held there for the stretches
            in flight only.
        address: of the scheduler.

    Raises:
        ClusterRefused: nobody answers there, or the cluster was lost on the way; what was given stays given.
    """
    hold_address(address)
    distributed: Any = import_module("distributed")  # untyped, and slow to import: only where it is used
    told = urlsplit(address)
    try:
        socket.create_connection((str(told.hostname), told.port or 0), ANSWER_S).close()
        client = distributed.Client(address, timeout=f"{ANSWER_S}s", set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        why = f"nobody answers ({type(error).__name__}); start one with `dask scheduler --host 127.0.0.1`"
        raise ClusterRefused(f"{address}: {why}") from error
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise ClusterRefused(f"{address}: no worker has joined; start one with `dask worker {address}`")
        yield from _play(client, iter(requests), threads * AHEAD, address)


def _play(client: Any, coming: Iterator[dict[str, Any]], most: int, address: str) -> Iterator[tuple[Any, Any]]:
    distributed: Any = import_module("distributed")
    sent: dict[str, Any] = {}

    def submitted(request: dict[str, Any]) -> Any:
        file = request["rows"]
        if file not in sent:
            sent.clear()  # the last stretch's rows stay on the workers while cells that need them are in flight
            sent[file] = client.scatter(np.load(Path(file), allow_pickle=False), hash=False, broadcast=True)
        future = client.submit(answer, {**request, "rows": ""}, sent[file], pure=False)
        flying[future.key] = request
        return future

    flying: dict[str, dict[str, Any]] = {}
    begun = [submitted(request) for request in islice(coming, most)]
    done = distributed.as_completed(begun, loop=client.loop)
    del begun
    for future in done:
        request = flying.pop(future.key)
        try:
            told = future.result()
        except distributed.KilledWorker:
            told = {"failed": "the workers that played it died (no memory left, or a fault of ours)"}
        except (CancelledError, OSError, TimeoutError) as error:
            raise ClusterRefused(f"{address}: the cluster was lost; the same command goes on from here") from error
        except Exception as error:  # boundary: what a worker could not even begin is that cell's reason
            told = {"failed": f"{type(error).__name__}: {' '.join(str(error).split())}"[:REASON_LENGTH]}
        yield request, told
        for following in islice(coming, 1):
            done.add(submitted(following))


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
