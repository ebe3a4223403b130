"""Find the real recordings that some tests measure on; skip, with the reason, where a machine does not have them.

Set `UPDOWN_RECORDINGS` to the folder that holds them. In a checkout of the team they lie beside the repository.
"""

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


def recordings(name: str) -> Path:
    """Give the folder of one recording set, or skip the test that asked."""
    folder = Path(os.environ.get("UPDOWN_RECORDINGS", str(_BESIDE))) / name
    if not folder.is_dir():
        pytest.skip(f"the recording {name} is not on this machine (UPDOWN_RECORDINGS names its folder)")
    return folder
