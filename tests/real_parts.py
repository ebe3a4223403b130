"""Real servers in tests: found on the machine, or the test says which is missing; CI lets none be missing."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn

import pytest

ALL_MUST_RUN: Final = "UPDOWN_REAL_PARTS"
_PLACES: Final = ("/usr/lib/postgresql/*/bin", "/usr/sbin", "/sbin")


def program(name: str, install: str) -> Path:
    """Give a server's program, or skip the test with how to install it; fails instead where all must run."""
    found = shutil.which(name) or next(_elsewhere(name), None)
    if found is None:
        missing(f"{name} is not on this machine", install)
    return Path(found)


def missing(what: str, install: str) -> NoReturn:
    """Skip the test that cannot run without a real part; fail it where all must run."""
    words = f"{what}: {install}"
    if os.environ.get(ALL_MUST_RUN):
        pytest.fail(words, pytrace=False)
    pytest.skip(words)


def _elsewhere(name: str) -> Iterator[str]:
    for place in _PLACES:
        for folder in sorted(Path("/").glob(place.lstrip("/")), reverse=True):
            if (folder / name).is_file():
                yield str(folder / name)
