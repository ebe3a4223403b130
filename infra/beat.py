"""The beat: a part that works on touches a file now and then, so that whoever watches knows a hang from a rest."""

import os
import time
from pathlib import Path
from typing import Final

BEAT_VARIABLE: Final = "UPDOWN_BEAT_FILE"
"""Names the file; unset: nobody watches."""
EVERY_S: Final = 5.0

_last_s = [-EVERY_S]


def beat() -> None:
    """Touch the file, if one is named and it is time; a file that cannot be touched is a beat that is missed."""
    file = os.environ.get(BEAT_VARIABLE, "")
    if not file or time.monotonic() - _last_s[0] < EVERY_S:
        return
    _last_s[0] = time.monotonic()
    try:
        Path(file).touch()
    except OSError:
        return  # whoever watches sees an old file, which is what there is to say
