"""The live screen in its own process, on a real (pseudo) terminal."""

import asyncio
import fcntl
import os
import pty
import struct
import termios
import threading
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import msgspec
import pytest
from terminal_glances import SLUG, evening

from infra.terminal.glance import Glance
from infra.terminal.screen import HEAD_BYTES, Screen, packed

RESTORED = b"\x1b[?1049l"
"""What gives a terminal its own page back."""


class Paper:
    """A terminal of 24 lines and 80 columns; what was drawn on it is read all the time, as a terminal does."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.drawn = b""
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self.master, 1 << 16)
            except OSError:
                return
            with self._news:
                self.drawn += part
                self._news.notify_all()

    def wait_for(self, words: bytes) -> None:
        with self._news:
            assert self._news.wait_for(lambda: words in self.drawn, timeout=60)

    def close(self) -> None:
        os.close(self.slave)
        self._reader.join(timeout=10)
        os.close(self.master)


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> Iterator[Paper]:
    monkeypatch.setenv("TERM", "xterm-256color")
    made = Paper()
    yield made


async def shown(paper: Paper, glances: list[Glance]) -> Screen:
    async with Screen(paper.slave) as screen:
        for glance in glances:
            assert screen.show(glance)
            await asyncio.to_thread(paper.wait_for, glance.mode.name.encode())
    return screen


def test_glances_are_drawn_and_the_terminal_is_given_back(paper: Paper) -> None:
    glance = evening()
    later = replace(glance, mode=replace(glance.mode, name="later"))
    screen = asyncio.run(shown(paper, [glance, later]))
    paper.close()
    assert screen.fault == ""
    assert SLUG.encode() in paper.drawn
    assert RESTORED in paper.drawn
    assert paper.drawn.index(b"later") < paper.drawn.index(RESTORED)


def test_a_screen_that_cannot_draw_says_why_and_stops_nobody(paper: Paper) -> None:
    async def spoil() -> Screen:
        async with Screen(paper.slave) as screen:
            process: Any = screen._process
            process.stdin.write((3).to_bytes(HEAD_BYTES, "big") + b"\xc1\xc1\xc1")
            await process.wait()
            assert not screen.show(evening())
        return screen

    screen = asyncio.run(spoil())
    paper.close()
    assert "msgspec" in screen.fault or "Error" in screen.fault


def test_a_glance_comes_out_of_the_pipe_as_it_went_in() -> None:
    body = BytesIO(packed(evening())).read()[HEAD_BYTES:]
    assert msgspec.msgpack.decode(body, type=Glance) == evening()


def test_a_pipe_is_no_place_for_a_screen(tmp_path: Any) -> None:
    with (tmp_path / "log").open("w") as log:
        assert not Screen.wanted(log)
