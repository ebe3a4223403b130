"""The core's memory as readers at the edge see it: plain fields of one world, read where they lie and never written.

NumPy's own record class answers every field in Python, some two microseconds each. The same bytes looked at as plain
structures answer in a tenth of that, which is what keeps a whole screen below a millisecond.
"""

from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from state.events import Asset
from state.units import NS_PER_S

SPANS: Final = {300: "5m", 900: "15m", 3_600: "1h", 14_400: "4h"}
"""Length of a window in seconds -> how its name says it."""


@lru_cache(maxsize=16)
def plain_type(layout: np.dtype[Any]) -> np.dtype[Any]:
    """Give the same layout without NumPy's record class, all the way down."""
    if layout.subdtype is not None:
        kind, shape = layout.subdtype
        whole: np.dtype[Any] = np.dtype((plain_type(kind), shape))
        return whole
    if layout.names is None:
        return layout
    fields: Any = layout.fields
    spec: Any = {
        "names": list(layout.names),
        "formats": [plain_type(fields[name][0]) for name in layout.names],
        "offsets": [fields[name][1] for name in layout.names],
        "itemsize": layout.itemsize,
    }
    bare: np.dtype[Any] = np.dtype(spec)
    return bare


def plain(rows: NDArray[Any]) -> NDArray[Any]:
    """Look at rows of a record as plain structures: the same bytes, not a copy."""
    return rows.view(plain_type(rows.dtype))


def window_slug(asset: int, open_ns: int, span_s: int) -> str:
    """Name a window as the venue does.

    >>> window_slug(0, 1_792_638_000 * NS_PER_S, 300)
    'btc-updown-5m-1792638000'
    """
    coin = Asset(asset).name.lower() if asset in Asset.__members__.values() else f"asset{asset}"
    return f"{coin}-updown-{SPANS.get(span_s, f'{span_s}s')}-{open_ns // NS_PER_S}"


def slug_of(market: Any) -> str:
    """Name a window of the core's as the venue does."""
    open_ns, close_ns = int(market["open_ns"]), int(market["close_ns"])
    return window_slug(int(market["asset_code"]), open_ns, (close_ns - open_ns) // NS_PER_S)
