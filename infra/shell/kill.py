"""The kill switch: a file in the session's folder, a call on loopback, or a command: the desk stops, its orders go.

The file `KILL` is the truth of it: it stays until somebody lifts it, so that a desk that hung, slept or died stays
dead when it wakes or starts again. It is looked at ten times a second, and once more before an order leaves when that
look is overdue: a process that was stopped for a while sends nothing on waking. The session's `switch.json` (for
its owner only), tells another process where the venue is and how to call the desk; the key that signs stands in no file
but a rehearsal's throw-away one.
"""

import asyncio
import hmac
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web

from infra.addresses import Addresses
from infra.clock import WALL, Clock, RehearsalClock, monotonic_ns
from infra.private_files import write_private
from infra.venues.credentials import Secret
from infra.venues.gateway import Gateway
from infra.venues.pulling import Pulled, pull_everything
from infra.venues.rest import Rest
from state.events import Word
from state.units import NS_PER_MS

KILL_FILE: Final = "KILL"
SWITCH_FILE: Final = "switch.json"
KEY_FILE: Final = "demo.key"
LOOK_S: Final = 0.1
"""Real seconds between two looks at the file."""
OVERDUE_NS: Final = 250 * NS_PER_MS
"""A look older than this, in real time, does not count for an order that is about to leave."""

Say = Callable[[str], None]
Note = Callable[[dict[str, Any]], None]


class SwitchFileRefused(ValueError):
    """A folder without a session's switch file, or with one that cannot be read; one line how to mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchFile:
    """What another process must know to stop a desk and to cancel for it."""

    mode: str
    addresses: Addresses
    wallet: str
    address: str = ""
    """Of the account that signs."""
    signature_type: int
    origin_ns: int = 0
    started_ns: int = 0
    speed_ratio: float = 0.0
    """The three numbers of a rehearsal's clock; 0: the clock of this machine."""
    api: str
    """Base address of the desk's own switch."""
    token: str = field(repr=False)
    pid: int

    @property
    def clock(self) -> Clock:
        """Give the desk's clock."""
        return RehearsalClock(self.origin_ns, self.started_ns, self.speed_ratio) if self.speed_ratio else WALL


_SWITCH: Final = msgspec.json.Decoder(SwitchFile)


def read_switch_file(folder: Path) -> SwitchFile:
    """Read a session's switch file.

    Raises:
        SwitchFileRefused: there is none, or it is none.
    """
    file = folder / SWITCH_FILE
    try:
        return _SWITCH.decode(file.read_bytes())
    except OSError as error:
        raise SwitchFileRefused(
            f"{file}: {(error.strerror or str(error)).lower()}; name the folder of a session"
        ) from error
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise SwitchFileRefused(f"{file}: no session's switch file ({error}); start the session again") from error


def leave_kill_file(folder: Path, why: str) -> Path:
    """Leave the file that keeps a desk dead; one that is there stays as it is."""
    file = folder / KILL_FILE
    if not file.exists():
        write_private(file, msgspec.json.encode({"why": why, "by_pid": os.getpid()}) + b"\n")
    return file


def killed_by(folder: Path) -> bytes | None:
    """Give what stands in a session's kill file; None where there is none."""
    try:
        return (folder / KILL_FILE).read_bytes()
    except FileNotFoundError:
        return None
    except OSError:  # it is there, though it cannot be read: a switch fails towards off
        return b""


class KillSwitch:
    """The desk's side: looks at the file, stops the desk, and sees to it that nothing stays open at the venue.

    Args:
        folder: The session's.
        gateway: Refuses orders from then on, and cancels.
        rest: The venue, to look at what is open.
        halt: Stops the core, with the reason and the word.
        lifted: Told that the file is gone again.
        note: Told what the journal should keep.
    """

    def __init__(
        self, folder: Path, gateway: Gateway, rest: Rest, halt: Callable[[str, Word], None],
        lifted: Callable[[], None] | None = None, note: Note | None = None,
    ) -> None:  # fmt: skip
        self._folder, self._gateway, self._rest = folder, gateway, rest
        self._halt, self._lifted, self._note = halt, lifted, note
        self.why = ""
        """Not empty: killed."""
        self.pulled: Pulled | None = None
        """What came of the orders, once that is known."""
        self._looked_ns = -OVERDUE_NS
        self._pulling: asyncio.Task[Pulled] | None = None
        gateway.is_killed = self.is_killed

    def is_killed(self) -> bool:
        """Say whether nothing may leave; looks at the file when the last look is overdue."""
        if monotonic_ns() - self._looked_ns > OVERDUE_NS:
            self.look()
        return bool(self.why)

    def look(self) -> None:
        """Look at the file; stops the desk when it is there, and only notes that it is gone."""
        self._looked_ns = monotonic_ns()
        raw = killed_by(self._folder)
        if raw is not None:
            gate = self._gateway.gate
            if gate is not None and not gate.killed_why:  # new, or armed meanwhile: the file is the truth of it
                self.why = ""
            self.stop(_reason(raw))
        elif self.why:
            self.lift()

    def stop(self, why: str) -> None:
        """Stop the desk now; what rests is pulled by `run`."""
        if self.why:
            return
        self.why, self.pulled = why, None
        if self._gateway.gate is not None:
            self._gateway.gate.kill(why)
        self._tell({"killed": why})
        self._gateway.soon(self._halt, f"killed: {why}", Word.KILL)

    def lift(self) -> None:
        """Undo a kill, also one that a session before this died of; what may trade then has to be armed."""
        self.why = ""
        if self._gateway.gate is not None:
            self._gateway.gate.lift()
        self._tell({"kill lifted": True})
        if self._lifted is not None:
            self._gateway.soon(self._lifted)

    async def kill(self, why: str) -> Pulled:
        """Stop the desk, leave the file, and give what came of its orders at the venue."""
        leave_kill_file(self._folder, why)
        self.look()
        return await self._pull()

    async def run(self) -> None:
        """Look at the file until cancelled; pull everything for as long as that takes."""
        while True:
            self.look()
            if self.why and (self.pulled is None or not self.pulled.is_verified):
                await self._pull()
            await asyncio.sleep(LOOK_S)

    async def _pull(self) -> Pulled:
        """Pull everything; who asks while that is under way waits for the same."""
        if self._pulling is None or self._pulling.done():
            self._pulling = asyncio.create_task(pull_everything(self._rest, self._gateway.cancel_all))
        self.pulled = pulled = await asyncio.shield(self._pulling)
        self._tell({"pulled": pulled.is_verified, "open": pulled.open_count, "words": pulled.words})
        return pulled

    def _tell(self, note: dict[str, Any]) -> None:
        if self._note is not None:
            self._note(note)


def _reason(raw: bytes) -> str:
    try:
        told = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeError):
        told = None
    why = told.get("why") if isinstance(told, dict) else None
    return why if isinstance(why, str) and why else "the file KILL lies in the session's folder"


class PaperKill:
    """A paper session's side of the file: nothing lies at a venue, so the core's word is all that it takes."""

    def __init__(
        self, folder: Path, halt: Callable[[str, Word], None], lifted: Callable[[], None], *, is_killed: bool
    ) -> None:
        """Take the session's folder, what stops the core, what lets it go on, and how it stands now."""
        self._folder, self._halt, self._lifted = folder, halt, lifted
        self._is_killed = is_killed

    async def run(self) -> None:
        """Look at the file until cancelled."""
        while True:
            raw = killed_by(self._folder)
            if raw is not None and not self._is_killed:
                self._is_killed = True
                self._halt(f"killed: {_reason(raw)}", Word.KILL)
            elif raw is None and self._is_killed:
                self._is_killed = False
                self._lifted()
            await asyncio.sleep(LOOK_S)


class SwitchApi:
    """The switch as a call: `POST /kill` and `GET /kill`, with the token of its file."""

    def __init__(self, switch: KillSwitch, token: str) -> None:
        """Take the switch and the token that callers must show."""
        self._switch, self._token = switch, token.encode()

    def app(self) -> web.Application:
        """Give the application."""
        app = web.Application()
        app.add_routes([web.post("/kill", self._kill), web.get("/kill", self._state)])
        return app

    def _check(self, request: web.Request) -> None:
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
        if not hmac.compare_digest(shown, self._token):
            raise web.HTTPUnauthorized(text='{"error": "the token in switch.json opens this"}')

    async def _kill(self, request: web.Request) -> web.Response:
        self._check(request)
        await self._switch.kill("called over the loopback API")
        return self._told()

    async def _state(self, request: web.Request) -> web.Response:
        self._check(request)
        return self._told()

    def _told(self) -> web.Response:
        pulled = self._switch.pulled
        return web.json_response(
            {
                "killed": bool(self._switch.why),
                "why": self._switch.why,
                "verified": pulled is not None and pulled.is_verified,
                "open": None if pulled is None else pulled.open_count,
            }
        )


@asynccontextmanager
async def kill_switch(
    switch: KillSwitch, folder: Path, *, mode: str, addresses: Addresses, clock: Clock, wallet: str,
    signature_type: int, key: Secret | None, address: str = "",
    begin: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]] = asyncio.create_task,
) -> AsyncIterator[KillSwitch]:  # fmt: skip
    """Keep a switch alive: the file is watched, the call is served, and a file says how.

    The file stays when the session ends, so that a desk that died can still be cancelled for.

    Args:
        switch: The desk's side.
        folder: The session's.
        mode: The session's; only a `demo` leaves its throw-away key in a file.
        addresses: Of the venue.
        clock: The desk's.
        wallet: Whose money is spent; empty for the key's own account.
        signature_type: What kind of wallet.
        key: Of a demo.
        address: Of the account that signs, so that nobody cancels for another with the key at hand.
        begin: Lets the watch over the file run; by itself nobody is told when that fails.
    """
    token = os.urandom(24).hex()
    runner = web.AppRunner(SwitchApi(switch, token).app(), access_log=None)
    await runner.setup()
    task: asyncio.Task[None] | None = None
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        if mode == "demo" and key is not None:
            write_private(folder / KEY_FILE, key.reveal().encode())
        numbers = (
            {"origin_ns": clock.origin_ns, "started_ns": clock.started_ns, "speed_ratio": clock.speed_ratio}
            if isinstance(clock, RehearsalClock)
            else {}
        )
        told = {
            "mode": mode, "addresses": addresses, "address": address, "wallet": wallet,
            "signature_type": signature_type, **numbers,
            "api": f"http://127.0.0.1:{runner.addresses[0][1]}", "token": token, "pid": os.getpid(),
        }  # fmt: skip
        write_private(folder / SWITCH_FILE, msgspec.json.format(msgspec.json.encode(told)) + b"\n")
        switch.look()
        task = begin(switch.run())
        yield switch
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await runner.cleanup()
