"""How coins move together: forgetting sums of the moves of each pair, on a common grid of time."""

from typing import Annotated, Final

import numpy as np

from state.events import ASSETS
from state.records import I64, Floats, Ints, Record

PAIRS: Final = ASSETS * ASSETS


class Comovement(Record):
    """Sums of squares and products of the coins' moves; `tools/comovement.py` keeps and reads them."""

    next_ns: I64
    """End of the running step of the grid; 0 before the first price."""
    now_log: Annotated[Floats, np.float64, (ASSETS,)]
    """Log price of each coin at this grid point ..."""
    past_log: Annotated[Floats, np.float64, (ASSETS,)]
    """... and at the one before it."""
    now_known_mask: Annotated[Ints, np.int64, (ASSETS,)]
    past_known_mask: Annotated[Ints, np.int64, (ASSETS,)]
    most_log: Annotated[Floats, np.float64, (ASSETS,)]
    """A move beyond this is cut to it: one wild print must not decide."""
    cross_var: Annotated[Floats, np.float64, (PAIRS,)]
    """Sum of the products of both coins' moves, row by row."""
    own_var: Annotated[Floats, np.float64, (PAIRS,)]
    """Sum of the first coin's squares over the same steps."""
    steps_ratio: Annotated[Floats, np.float64, (PAIRS,)]
    """Steps with both known, as much as they still count."""
