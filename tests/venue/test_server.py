"""The venue next door as one server: all hosts up, one clock for two processes, faults by script, an end in order."""

import asyncio
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Coroutine
from itertools import groupby
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiohttp import ClientSession, WSMsgType
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from infra.addresses import Addresses
from infra.feeds.decoder import Decoder
from infra.feeds.frames import Wire
from infra.generated import write_market
from infra.recordings.tape import open_tape
from infra.venue_next_door.fault_script import switch_of
from infra.venue_next_door.files import read_venue_file, write_venue_file
from infra.venue_next_door.markets import generated_market, recorded_market
from infra.venue_next_door.server import APPS, VenueServer
from infra.version import ROOT
from state.events import EVENT, Kind, Source
from state.units import NS_PER_S

SPEED = 40.0
EXCHANGES: dict[str, tuple[Wire, Source, str, tuple[Any, ...]]] = {
    "binance_spot": (Wire.BINANCE_SPOT, Source.BINANCE, "/stream?streams=btcusdt@bookTicker", ()),
    "binance_usdm": (Wire.BINANCE_USDM, Source.BINANCE_PERP, "/ws/btcusdt@bookTicker", ()),
    "bybit": (Wire.BYBIT, Source.BYBIT, "", ({"op": "subscribe", "args": ["orderbook.1.BTCUSDT"]},)),
    "okx": (
        Wire.OKX, Source.OKX, "", ({"op": "subscribe", "args": [{"channel": "bbo-tbt", "instId": "BTC-USDT"}]},)
    ),
    "coinbase": (
        Wire.COINBASE, Source.COINBASE, "",
        ({"type": "subscribe", "product_ids": ["BTC-USD"], "channel": "ticker"},),
    ),
    "coinbase_exchange": (
        Wire.COINBASE_EXCHANGE, Source.COINBASE, "",
        ({"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["ticker"]},),
    ),
}  # fmt: skip


def lived(story: Callable[[VenueServer, ClientSession], Coroutine[Any, Any, Any]], **settings: Any) -> Any:
    """Play a story in a venue with one generated window."""

    async def run() -> Any:
        market = generated_market("demo", windows=1, seed=4, speed_ratio=SPEED)
        if script := settings.pop("script", ()):
            settings["script"] = [switch_of(table, market.origin_ns) for table in script]
        async with VenueServer.open(market, speed_ratio=SPEED, **settings) as venue, ClientSession() as session:
            return await story(venue, session)

    return asyncio.run(run())


async def heard(venue: VenueServer, session: ClientSession, name: str, count: int) -> list[tuple[float, float]]:
    """Give the next touches of an exchange, as our decoder reads them."""
    wire, source, path, requests = EXCHANGES[name]
    decoder, out = Decoder(), np.zeros(8, EVENT)
    touches: list[tuple[float, float]] = []
    async with session.ws_connect(getattr(venue.addresses, name) + path) as socket:
        for request in requests:
            await socket.send_json(request)
        while len(touches) < count:
            raw = (await socket.receive_str(timeout=20)).encode()
            for row in out[: decoder.decode(wire, raw, venue.clock.now_ns(), out)]:
                assert (row["kind_code"], row["source_code"]) == (Kind.PRICE_SEEN, source)
                touches.append((float(row["value_usd"]), float(row["other_usd"])))
        assert decoder.refusals.total == 0, decoder.last_refusal
    return touches


def changes(touches: list[Any]) -> list[Any]:
    """Leave out what only repeats."""
    return [each for each, _ in groupby(touches)]


def is_run_of(part: list[Any], whole: list[Any]) -> bool:
    """Say whether one list lies in the other without a gap."""
    return any(whole[at : at + len(part)] == part for at in range(len(whole) - len(part) + 1))


def test_every_exchange_tells_what_the_engine_publishes_without_a_gap() -> None:
    async def story(venue: VenueServer, session: ClientSession) -> None:
        published: dict[int, list[tuple[float, float]]] = {source: [] for source in Source}

        def listen(rows: Any) -> None:
            for row in rows[rows["kind_code"] == Kind.PRICE_SEEN]:
                published[int(row["source_code"])].append((float(row["value_usd"]), float(row["other_usd"])))

        venue.engine.on_public(listen)
        said = await asyncio.gather(*(heard(venue, session, name, 20) for name in EXCHANGES))
        for name, touches in zip(EXCHANGES, said, strict=True):
            # The first may be a snapshot; Coinbase repeats the touch with each of its trades.
            assert is_run_of(changes(touches[1:]), changes(published[EXCHANGES[name][1]])), name

    lived(story)


def test_every_host_answers_at_its_address() -> None:
    async def story(venue: VenueServer, session: ClientSession) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in Addresses.__dataclass_fields__:
            address = getattr(venue.addresses, name)
            if address.startswith("ws"):
                path = "/ws" if name.startswith("binance") else ""
                async with session.ws_connect(address + path) as socket:
                    found[name] = "open" if not socket.closed else "closed"
        for name, address in {
            "gamma": venue.addresses.gamma + "/events?slug=btc-updown-5m-1792573200",
            "clob": venue.addresses.clob + "/time",
            "data_api": venue.addresses.data_api + "/v2/positions?user=0x" + "1" * 40,
            "geoblock": venue.addresses.geoblock + "/api/geoblock",
            "relayer": venue.addresses.relayer + "/deployed?address=0x" + "1" * 40,
        }.items():
            async with session.get(address) as answer:
                found[name] = answer.status
        call = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
        async with session.post(venue.addresses.polygon, json=call) as answer:
            found["polygon"] = await answer.json()
        return found

    found = lived(story)
    assert sorted(found) == sorted(Addresses.__dataclass_fields__)
    assert found.pop("polygon") == {"jsonrpc": "2.0", "id": 1, "result": "0x89"}
    assert found == snapshot(
        {
            "market_ws": "open",
            "user_ws": "open",
            "polybolt": "open",
            "rtds": "open",
            "binance_spot": "open",
            "binance_usdm": "open",
            "bybit": "open",
            "okx": "open",
            "coinbase_exchange": "open",
            "coinbase": "open",
            "gamma": 200,
            "clob": 200,
            "data_api": 200,
            "geoblock": 200,
            "relayer": 200,
        }
    )
    assert len(APPS) == len(Addresses.__dataclass_fields__) - 1  # market and user channel share a host


def test_a_scripted_silence_comes_and_goes_at_its_time() -> None:
    """OKX is silent from the first to the ninety-first second; the pings of its clients are answered all the time."""

    async def story(venue: VenueServer, session: ClientSession) -> tuple[str, bool, int]:
        started_ns = venue.clock.origin_ns
        async with session.ws_connect(venue.addresses.okx) as socket:
            await venue.clock.sleep_until(started_ns + 2 * NS_PER_S)
            await socket.send_json(EXCHANGES["okx"][3][0])
            answer = (await socket.receive_json())["event"]
            await socket.send_str("ping")
            silent = await socket.receive_str() == "pong"
            first = json.loads(await socket.receive_str())
            return answer, silent, int(first["data"][0]["ts"]) * 1_000_000 - started_ns

    answer, silent, after_ns = lived(story, script=[{"name": "silent", "where": "okx", "at_s": 1, "for_s": 90}])
    assert (answer, silent) == ("subscribe", True)
    assert after_ns > 89 * NS_PER_S  # stamped a little before it left


def test_when_the_venue_goes_it_says_so_to_everybody() -> None:
    async def story(venue: VenueServer, session: ClientSession) -> list[aiohttp.ClientWebSocketResponse]:
        return [await session.ws_connect(getattr(venue.addresses, name)) for name in ("okx", "market_ws", "polybolt")]

    async def run() -> list[tuple[Any, Any]]:
        market = generated_market("demo", windows=1, seed=4, speed_ratio=SPEED)
        async with ClientSession() as session:
            async with VenueServer.open(market, speed_ratio=SPEED) as venue:
                sockets = await story(venue, session)
                ends = [asyncio.create_task(socket.receive()) for socket in sockets]
                await asyncio.sleep(0)
            return [((await end).type, (await end).data) for end in ends]

    assert asyncio.run(run()) == [(WSMsgType.CLOSE, 1001)] * 3


def test_the_markets_end_ends_the_venue_and_so_does_the_admin() -> None:
    async def story(venue: VenueServer, session: ClientSession) -> str:
        over = asyncio.create_task(venue.over())
        async with session.post(venue.admin_address + "/shutdown", headers=bearer(venue)) as answer:
            assert answer.status == 200
        return await over

    assert lived(story) == "the admin asked for it"


@given(st.integers(1_700_000_000 * NS_PER_S, 1_900_000_000 * NS_PER_S), st.integers(1, 3))
@settings(max_examples=20)
def test_a_venue_of_today_begins_in_the_middle_of_a_window_that_nobody_counts(now_ns: int, windows: int) -> None:
    market = generated_market("efficient", windows=windows, seed=1, now_ns=now_ns)
    assert market.origin_ns == now_ns
    assert market.first_open_s % 300 == 0 and 0 < market.first_open_s * NS_PER_S - now_ns <= 300 * NS_PER_S
    assert market.ends_ns == (market.first_open_s + windows * 300 + 200) * NS_PER_S


def test_a_recorded_day_is_played_as_if_it_began_with_the_clock(tmp_path: Path) -> None:
    """A journal of October 2026 comes a year later, to the window; its prices come out of the sockets unchanged."""
    write_market(tmp_path / "day", name="demo", windows=1, seed=9)
    tape = open_tape([tmp_path / "day"])
    later_s = 365 * 86_400
    market = recorded_market(tape, tmp_path / "day", tape.first_seen_ns + (later_s + 700) * NS_PER_S)
    recorded = tape.array()
    asked = (recorded["kind_code"] == Kind.PRICE_SEEN) & (recorded["source_code"] == Source.BYBIT)
    lay = list(zip(recorded["value_usd"][asked].tolist(), recorded["other_usd"][asked].tolist(), strict=True))

    async def run() -> None:
        async with VenueServer.open(market, speed_ratio=SPEED) as venue, ClientSession() as session:
            assert is_run_of((await heard(venue, session, "bybit", 40))[1:], lay)
            slug = f"btc-updown-5m-{1_792_573_200 + later_s + 600}"
            assert list(venue.engine.windows) == [slug]

    asyncio.run(run())


# The admin.


def bearer(venue: VenueServer) -> dict[str, str]:
    return {"Authorization": f"Bearer {venue.token}"}


def test_the_admin_tells_everything_but_secrets_and_only_to_who_has_the_token() -> None:
    async def story(venue: VenueServer, session: ClientSession) -> None:
        account = venue.engine.open_account("0x" + "ab" * 20, "0x" + "cd" * 20, 0)
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": venue.token}):
            for path in ("/state", "/faults"):
                async with session.get(venue.admin_address + path, headers=headers) as answer:
                    assert answer.status == 401
        at = venue.admin_address + "/state"
        async with session.ws_connect(venue.addresses.bybit), session.get(at, headers=bearer(venue)) as answer:
            text = await answer.text()
        for secret in (account.api_key, account.secret, account.passphrase, venue.token):
            assert secret not in text
        state = json.loads(text)
        assert [window["slug"] for window in state["windows"]] == ["btc-updown-5m-1792573200"]
        assert [(a["owner"], a["cash_usd"]) for a in state["accounts"]] == [("0x" + "ab" * 20, 250.0)]
        assert [line["wire"] for line in state["connections"]] == ["bybit"]
        ledger = state["ledger"]
        held = sum(ledger[name] for name in ("crowd_usd", "fees_usd", "locked_usd", "customers_usd"))
        assert held == ledger["deposited_usd"]

    lived(story, cash_micros=250_000_000)


def test_faults_are_switched_on_and_off_by_name_while_it_runs() -> None:
    async def story(venue: VenueServer, session: ClientSession) -> list[Any]:
        at, headers = venue.admin_address + "/faults", bearer(venue)
        seen: list[Any] = []
        for order in (
            {"name": "refuse", "where": "okx", "for_s": 600},
            {"name": "late", "value": 250, "from_s": 30},
            {"name": "lat"},
            {"name": "missing", "value": 2},
            {"name": "silent", "where": "/order"},
        ):
            async with session.post(at, json=order, headers=headers) as answer:
                told = await answer.json()
                seen.append((answer.status, told.get("error", told.get("name"))))
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(venue.addresses.okx)
        async with session.delete(at, params={"name": "refuse"}, headers=headers) as answer:
            seen.append(await answer.json())
        async with session.ws_connect(venue.addresses.okx), session.get(at, headers=headers) as answer:
            seen.append([(fault["name"], fault["on"]) for fault in (await answer.json())["faults"]])
        async with session.delete(at, headers=headers) as answer:
            seen.append(await answer.json())
        return seen

    seen = lived(story)
    assert seen[2][1].startswith("no fault 'lat'; there are silent, slow_consumer, ")
    del seen[2]
    assert seen == snapshot(
        [
            (201, "refuse"),
            (201, "late"),
            (400, "missing: value is a share of messages or trades, above 0 and at most 1"),
            (
                400,
                "silent: no wire '/order'; there are polymarket_market, polymarket_user, polybolt, rtds, binance_spot, "
                "binance_usdm, bybit, okx, coinbase, coinbase_exchange",
            ),
            {"cleared": 1},
            [("late", False)],
            {"cleared": 1},
        ]
    )


# The file.


def test_another_process_reads_the_file_and_sees_the_same_time(tmp_path: Path) -> None:
    file = tmp_path / "venue.json"
    words = (
        "import sys; from pathlib import Path; from infra.venue_next_door.files import read_venue_file; "
        "print(read_venue_file(Path(sys.argv[1])).clock.now_ns())"
    )

    async def story(venue: VenueServer, session: ClientSession) -> tuple[int, int, int]:
        write_venue_file(file, venue.file())
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert read_venue_file(file) == venue.file()
        assert venue.token not in repr(venue.file())
        before_ns = venue.clock.now_ns()
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", words, str(file), stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)}
        )
        said, _ = await child.communicate()
        return before_ns, int(said), venue.clock.now_ns()

    before_ns, theirs_ns, after_ns = lived(story)
    assert before_ns < theirs_ns < after_ns
