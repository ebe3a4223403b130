"""The proof of conformance: what the venue next door says over real sockets, beside what real ones were heard to say.

A venue is opened on loopback and lives through some windows at speed. Every socket is opened, every
endpoint asked, orders of every kind are placed. Then each row of the reference is held against what was heard, each
test that is named as its proof is looked for, and each recorded type is compared with ours, key by key.
"""

import ast
import asyncio
import contextlib
import json
import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import numpy as np
from numpy.typing import NDArray

from evals.proof import Figure, Proof
from infra.addresses import Addresses
from infra.clock import Clock
from infra.proofs.asking import Asking, Patient, while_trading
from infra.proofs.hearing import Heard, listen, private_sockets, public_sockets
from infra.proofs.promises import CLIENTS, ROWS, Promise
from infra.proofs.recorded_types import PAIRS, Pair, is_sent, kind_of, why_not
from infra.proofs.rehearsals import RehearsalFailed
from infra.proofs.shapes import differences, shape_of
from infra.recordings.raw_frames import read_lines
from infra.venue_next_door.faults import Fault, Switch
from infra.venue_next_door.files import VenueFile
from infra.venue_next_door.markets import Market, generated_market
from infra.venue_next_door.server import VenueServer
from infra.venues.credentials import throwaway_key
from infra.venues.rest import Rest
from infra.venues.signing import Signer
from infra.version import ROOT
from infra.wallets import deposit_wallet_of
from state.events import Kind, Side, Source
from state.units import MICROS, NS_PER_S

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

SPEED: Final = 20.0
UP_S: Final = 180.0
END_S: Final = 5.0
LISTEN_S: Final = 150.0
"""Real seconds at most; about 40 on two idle cores."""
PING_S: Final = 0.2
SEED: Final = 4
WINDOWS: Final = 4
TICK_AT_S: Final = 60
FINE_TICK: Final = 0.001
EXCHANGES: Final = (Source.BINANCE, Source.BINANCE_PERP, Source.BYBIT, Source.OKX, Source.COINBASE)
METHODS: Final = ("GET", "POST", "DELETE")
TESTS: Final = ROOT / "tests" / "venue"

CLAIM: Final = (
    "every endpoint and message of venue reference 4, 5 and 6 is served and proven by a named test; "
    "recorded messages and ours have the same keys and types"
)

Progress = Callable[[int, int], None]
Recorded = dict[tuple[str, str], list[Any]]


def prove_conformance(folder: Path | None, progress: Progress | None = None) -> Proof:
    """Run a venue, hear all that it says, and hold it against the reference's rows and the recordings.

    Args:
        folder: Recorded messages (`raw_frames`); None: only the rows are held.
        progress: Told how many of three steps are done.
    """
    told = progress or (lambda done, total: None)
    told(0, 3)
    heard = rehearse()
    told(1, 3)
    recorded = read_recorded(folder) if folder is not None else {}
    told(2, 3)
    proof = conformance(heard, recorded, TESTS)
    told(3, 3)
    return proof


def rehearse(listen_s: float = LISTEN_S) -> Heard:
    """Open a whole venue in a process of its own, and hear it from this one.

    Raises:
        RehearsalFailed: it did not come up.
    """
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    child = spawn.Process(target=_serve, args=(there,), daemon=True)
    child.start()
    there.close()
    try:
        if not here.poll(UP_S):
            raise RehearsalFailed("the venue did not come up in time; try `updown venue` by itself")
        try:
            told: VenueFile = here.recv()
        except EOFError:
            raise RehearsalFailed("the venue ended before it came up; what it said stands above") from None
        return asyncio.run(hear(told.addresses, told.clock, listen_s))
    finally:
        here.close()
        child.join(END_S)
        child.terminate()


def _serve(pipe: "Connection[VenueFile, None]") -> None:
    """Live as the venue until the other end of the pipe is closed."""
    asyncio.run(_live(pipe))


async def _live(pipe: "Connection[VenueFile, None]") -> None:
    market = spoken_market()
    first_s = market.first_open_s + TICK_AT_S
    ticks = Switch(Fault.TICK_CHANGE, "", first_s * NS_PER_S, (first_s + 5) * NS_PER_S, FINE_TICK)
    async with VenueServer.open(market, speed_ratio=SPEED, seed=SEED, script=[ticks]) as server:
        await server.clock.sleep(NS_PER_S)  # the first rows may still compile
        pipe.send(server.file())
        closed = asyncio.Event()
        asyncio.get_running_loop().add_reader(pipe.fileno(), closed.set)
        await closed.wait()


def spoken_market() -> Market:
    """Give a generated market in which exchanges tell of trades, too, so that every message comes.

    The generator knows best prices only; here every hundredth of them is also a trade at the offer.
    """
    market = generated_market("demo", windows=WINDOWS, seed=SEED)
    return replace(market, rows=map(_with_trades, market.rows))


def _with_trades(rows: NDArray[Any]) -> NDArray[Any]:
    quotes = np.flatnonzero((rows["kind_code"] == Kind.PRICE_SEEN) & np.isin(rows["source_code"], EXCHANGES))[::100]
    trades = rows[quotes].copy()
    trades["kind_code"], trades["value_usd"], trades["other_usd"] = Kind.CEX_TRADED, trades["other_usd"], 0.0
    trades["side_code"], trades["amount_micros"] = Side.BUY, MICROS // 100
    woven: NDArray[Any] = np.insert(rows, quotes + 1, trades)
    return woven


async def hear(addresses: Addresses, clock: Clock, listen_s: float = LISTEN_S) -> Heard:
    """Open every socket of a running venue and ask all of its endpoints; give what was said."""
    heard, key = Heard(), throwaway_key()
    signer = Signer(key, deposit_wallet_of(Signer(key).address))
    rest = Rest(addresses.clob, Patient(clock), signer, None)
    await rest.open()
    try:
        credentials = await rest.derive()
        async with aiohttp.ClientSession() as session:
            asking = Asking(session, addresses, clock, signer, rest, heard)
            markets = await asking.wait_for_book()
            tokens = [token for market in markets for token in (market.up, market.down)]
            sockets = [*public_sockets(addresses, tokens), *private_sockets(addresses, credentials)]
            lines = [asyncio.create_task(listen(session, socket, heard, PING_S)) for socket in sockets]
            with contextlib.suppress(TimeoutError):  # what has not been heard by then is told as such
                await asyncio.wait_for(while_trading(asking, markets[0], wanted_keys()), listen_s)
            for line in lines:
                line.cancel()
            for found in await asyncio.gather(*lines, return_exceptions=True):
                if isinstance(found, Exception):
                    raise found
    finally:
        await rest.close()
    return heard


def wanted_keys() -> list[str]:
    """Name all types that sockets should say; answers are asked for, not waited for."""
    named = {key for row in ROWS for key in row.heard} | {pair.ours for pair in PAIRS}
    return sorted(key for key in named if not any(f" {method} " in key for method in METHODS))


def read_recorded(folder: Path) -> Recorded:
    """Read all recorded messages by file and type.

    Raises:
        SourceRefused: a file cannot be read as such.
    """
    found: Recorded = {}
    for path in sorted(folder.glob("*.jsonl.zst")):
        file = path.name.removesuffix(".jsonl.zst")
        for told in read_lines(path):
            if is_sent(told):
                continue
            for message in _messages(told):
                found.setdefault((file, kind_of(told, message)), []).append(message)
    return found


def _messages(told: dict[str, Any]) -> list[Any]:
    """Give the messages of a recorded frame; a fixture is one message, also where it is an array."""
    try:
        frame = json.loads(told["raw"])
    except ValueError:
        return [told["raw"]]
    return frame if isinstance(frame, list) and "fixture" not in told else [frame]


def conformance(heard: Heard, recorded: Recorded, tests: Path) -> Proof:
    """Hold what was heard against the rows, the tests and the recordings."""
    rows = [_row(promise, heard, tests) for promise in ROWS]
    pairs = [_compare(pair, heard, recorded) for pair in PAIRS if (pair.file, pair.kind) in recorded]
    diff = [line for found in pairs for line in found["diff"]]
    stale = [
        f"{pair.file} {pair.kind}{place}" for pair in PAIRS for place in pair.but
        if (pair.file, pair.kind) in recorded and pair.ours in heard.messages
        and not any(line["type"] == _called(pair) and line["place"] == place for line in diff)
    ]  # fmt: skip
    left = _left_out(recorded)
    return Proof(
        name="conformance",
        claim=CLAIM,
        figures=_figures(rows, pairs, diff, stale, left),
        tables={
            "the reference, row by row": [{name: row[name] for name in COLUMNS} for row in rows],
            "recorded types beside ours": [
                {"recorded": found["type"], "messages": found["theirs"], "ours": found["ours"], "heard": found["count"],
                 "the same": ("see the diff" if found["diff"] else "yes") if found["count"] else "not heard"}
                for found in pairs
            ],
            "where ours differs from what was recorded": diff,
            "recorded types that nothing here sends": left,
        },
        notes=tuple(f"may differ and did not this time: {line}" for line in stale),
    )  # fmt: skip


COLUMNS: Final = ("section", "endpoint or message", "implemented", "proven by", "with")


def _row(promise: Promise, heard: Heard, tests: Path) -> dict[str, Any]:
    silent = [key for key in promise.heard if key not in heard.messages]
    lost = [test for test in promise.by if not is_test(test, tests)]
    proofs = [test.partition("::")[2] for test in promise.by]
    clients = {CLIENTS[file] for file in (test.partition("::")[0] for test in promise.by) if file in CLIENTS}
    files = {f"{pair.file} {pair.kind}" for pair in PAIRS if pair.ours in promise.heard}
    return {
        "section": promise.section,
        "endpoint or message": promise.what,
        "implemented": "yes" if not silent else f"not heard: {', '.join(silent)}",
        "proven by": "; ".join(proofs) if not lost else f"no such test: {', '.join(lost)}",
        "with": "; ".join([*sorted(clients), *sorted(files)[:2]]) or "our own reader",
        "silent": bool(silent),
        "lost": len(lost),
        "by_client": bool(clients),
        "proofs": len(promise.by),
    }


@cache
def _functions(path: Path) -> frozenset[str]:
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def is_test(name: str, tests: Path) -> bool:
    """Say whether a test, named `file::function`, stands in the folder of tests."""
    file, _, function = name.partition("::")
    return function in _functions(tests / file)


def _called(pair: Pair) -> str:
    return f"{pair.file} {pair.kind}"


def _compare(pair: Pair, heard: Heard, recorded: Recorded) -> dict[str, Any]:
    theirs, ours = recorded[pair.file, pair.kind], heard.messages.get(pair.ours, [])
    found = differences(shape_of(ours), shape_of(theirs)) if ours else iter(())
    return {
        "type": _called(pair),
        "theirs": len(theirs),
        "ours": pair.ours,
        "count": len(ours),
        "diff": [
            {"type": _called(pair), "ours": pair.ours, "place": place, "is": what, "why": pair.but.get(place, "")}
            for place, what in found
        ],
    }


def _left_out(recorded: Recorded) -> list[dict[str, Any]]:
    paired = {(pair.file, pair.kind) for pair in PAIRS}
    return [
        {"recorded": f"{file} {kind}", "messages": len(messages), "why": why_not(file, kind)}
        for (file, kind), messages in sorted(recorded.items())
        if (file, kind) not in paired
    ]


def _figures(
    rows: list[dict[str, Any]], pairs: list[dict[str, Any]], diff: list[dict[str, Any]], stale: list[str],
    left: list[dict[str, Any]],
) -> tuple[Figure, ...]:  # fmt: skip
    silent, lost = sum(row["silent"] for row in rows), sum(row["lost"] for row in rows)
    unproven = sum(row["proofs"] == 0 for row in rows)
    unheard = sum(found["count"] == 0 for found in pairs)
    unsaid = [line for line in diff if not line["why"]]
    nowhere = sum(not line["why"] for line in left)
    return (
        Figure(name="rows of the reference, sections 4 to 6", measured=len(rows), bar="-"),
        Figure(name="rows that a running venue did not say or answer", measured=silent, bar="= 0", holds=silent == 0),
        Figure(name="rows without a test that proves them", measured=unproven, bar="= 0", holds=unproven == 0),
        Figure(name="tests named that do not exist", measured=lost, bar="= 0", holds=lost == 0),
        Figure(name="rows read by a client that we did not write", measured=sum(r["by_client"] for r in rows), bar="-"),
        Figure(name="recorded types held against ours", measured=len(pairs), bar="-"),
        Figure(name="of them not heard from us", measured=unheard, bar="= 0", holds=unheard == 0),
        Figure(name="differences of keys or types without a reason", measured=len(unsaid), bar="= 0", holds=not unsaid),
        Figure(name="differences with a reason", measured=len(diff) - len(unsaid), bar="-"),
        Figure(name="reasons that nothing differed for this time", measured=len(stale), bar="-"),
        Figure(name="recorded types that stand nowhere", measured=nowhere, bar="= 0", holds=nowhere == 0),
    )
