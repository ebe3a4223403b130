"""The screen: a process of its own that draws glances, so that drawing (10 ms a time) costs the desk nothing.

The desk writes packed glances into its pipe and never waits: one that finds the pipe busy is dropped, for the next is
newer. The process draws the newest it has and gives the terminal back when the pipe closes, also when the desk was
killed. It is in a session of its own, so that Ctrl-C goes to the desk alone.
"""

import asyncio
import os
import select
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import IO, Any, Final

import msgspec

from infra.terminal.glance import Glance

HEAD_BYTES: Final = 4
GLANCE_BYTES_MAX: Final = 1 << 20
END_S: Final = 5.0

_ENCODER: Final = msgspec.msgpack.Encoder()


def packed(glance: Glance) -> bytes:
    """Pack a glance behind its length."""
    body = _ENCODER.encode(glance)
    return len(body).to_bytes(HEAD_BYTES, "big") + body


class Screen:
    """The live screen, seen from the desk; use it as an asynchronous context."""

    def __init__(self, output: int | IO[Any] | None = None) -> None:
        """Take where to draw: a file or descriptor of a terminal; None: this process's standard output."""
        self._output = output
        self._process: asyncio.subprocess.Process | None = None
        self.shown_count = 0
        self.dropped_count = 0
        self.fault = ""
        """The last line that the screen's process said when it failed; empty when all went well."""

    @staticmethod
    def wanted(stream: IO[Any]) -> bool:
        """Say whether a stream is a terminal that a screen can be drawn on."""
        return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"

    async def __aenter__(self) -> "Screen":
        """Start the process."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "infra.terminal.screen",
            stdin=asyncio.subprocess.PIPE, stdout=self._output, stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the process give the terminal back, and end."""
        await self.close()

    def show(self, glance: Glance) -> bool:
        """Hand a glance over without waiting; False when the screen is still busy with older ones, or gone."""
        process = self._process
        if process is None or process.stdin is None or process.returncode is not None:
            return False
        if process.stdin.is_closing() or process.stdin.transport.get_write_buffer_size() > 0:
            self.dropped_count += 1
            return False
        process.stdin.write(packed(glance))
        self.shown_count += 1
        return True

    async def close(self) -> None:
        """End the process; called again it does nothing."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            _, said = await asyncio.wait_for(process.communicate(), END_S)
        except TimeoutError:
            process.kill()
            await process.wait()
            self.fault = "the screen did not end by itself"
            return
        if process.returncode:
            self.fault = (said.decode(errors="replace").strip().splitlines() or ["it gave no reason"])[-1]


def glances(stream: IO[bytes]) -> Iterator[Glance]:
    """Give the glances that come through a pipe; of several that wait only the newest."""
    decoder = msgspec.msgpack.Decoder(Glance)
    while True:
        body = _next(stream)
        while body is not None and select.select([stream], [], [], 0)[0]:
            newer = _next(stream)
            if newer is None:
                break
            body = newer
        if body is None:
            return
        yield decoder.decode(body)


def _next(stream: IO[bytes]) -> bytes | None:
    head = _exactly(stream, HEAD_BYTES)
    if head is None:
        return None
    length = int.from_bytes(head, "big")
    assert length <= GLANCE_BYTES_MAX, "no glance is that long: the pipe is out of step"
    return _exactly(stream, length)


def _exactly(stream: IO[bytes], count: int) -> bytes | None:
    data = b""
    while len(data) < count:
        part = stream.read(count - len(data))
        if not part:
            return None
        data += part
    return data


def main() -> None:
    """Draw what comes through standard input until it ends."""
    from rich.console import Console
    from rich.live import Live

    from infra.terminal.view import draw

    console = Console(markup=False, highlight=False, emoji=False)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        for glance in glances(open(0, "rb", buffering=0, closefd=False)):  # noqa: SIM115 - ours as long as we live
            width, height = console.size
            live.update(draw(glance, width, height, ascii_only=console.options.ascii_only), refresh=True)


if __name__ == "__main__":
    main()
