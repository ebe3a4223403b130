"""`updown kill` for a live session whose key is not at hand: no stranger's orders go; only the desk's word counts."""

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from typer.testing import CliRunner

from infra.addresses import PRODUCTION
from infra.cli.app import app
from infra.shell.kill import KILL_FILE, SWITCH_FILE
from infra.venues.credentials import KEY_VARIABLE, throwaway_key

OURS = "0x" + "11" * 20


@contextmanager
def a_desk_that_says(told: dict[str, Any] | None) -> Iterator[str]:
    """Serve a desk's own switch in a thread; gives its address. None: nobody is there."""
    if told is None:
        yield "http://127.0.0.1:9"
        return
    loop, ready, where = asyncio.new_event_loop(), threading.Event(), [""]

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(told)

    async def serve() -> None:
        site = web.Application()
        site.add_routes([web.post("/kill", answer)])
        runner = web.AppRunner(site)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        where[0] = f"http://127.0.0.1:{runner.addresses[0][1]}"
        ready.set()

    loop.create_task(serve())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    assert ready.wait(10.0)
    try:
        yield where[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def killed(folder: Path, api: str) -> tuple[int, dict[str, Any], str]:
    """Kill a live session of an account that is not ours to sign for; nothing may go to the venue, which is nowhere."""
    addresses = {name: "http://127.0.0.1:9" for name in ("clob",)}
    told = {
        "mode": "live", "addresses": msgspec.to_builtins(PRODUCTION) | addresses, "wallet": OURS, "address": OURS,
        "signature_type": 0, "api": api, "token": "t", "pid": os.getpid(),
    }  # fmt: skip
    (folder / SWITCH_FILE).write_bytes(msgspec.json.encode(told))
    result = CliRunner().invoke(app, ["kill", "--journal", str(folder), "--seconds", "2", "--json"])
    return result.exit_code, json.loads(result.stdout), result.stderr


@pytest.mark.parametrize("key", ["", throwaway_key().reveal()], ids=["no key", "a stranger's"])
@pytest.mark.parametrize(
    ("desk", "code", "verified", "words"),
    [
        ({"killed": True, "verified": True, "open": 0}, 0, True, ""),
        ({"killed": True, "verified": False, "open": 2}, 1, False, "the desk could not see its orders gone"),
        (None, 1, False, "the desk does not answer"),
    ],
)
def test_only_the_desk_can_cancel_where_the_key_is_anothers_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, desk: Any, code: int, verified: bool, words: str
) -> None:
    for name in [name for name in os.environ if name.startswith("UPDOWN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("infra.venues.secrets.key_from_keyring", lambda: None)
    if key:
        monkeypatch.setenv(KEY_VARIABLE, key)
    with a_desk_that_says(desk) as api:
        came, told, said = killed(tmp_path, api)
    assert (came, told["verified"], told["words"]) == (code, verified, words)
    assert "only the desk can cancel: " in said and ("no key to sign with" in said) is not bool(key)
    assert told["desk_answered"] is (desk is not None) and (tmp_path / KILL_FILE).exists()
